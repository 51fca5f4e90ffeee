//! The flow of an audit: batches come in, every core parses and judges, one thread puts the verdicts together.
//!
//! At any time a few batches are in memory, the parts of objects that other verdicts depend on, and the findings that are kept; never the input.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use banyan_policies::{
    engine::{Compiled, Examined, Finding, ObjectRef, Outcome, Session, Sight},
    input::{self, Document, Limits},
    verdict::{Audit, Input, Origin, Waivers, Work, conclude},
};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    kinds,
    lens::{Lens, View},
};

/// Batches that wait for a core, and results that wait to be put together.
const WAITING: usize = 4;

/// Objects as they are read.
pub enum Batch {
    /// Documents of manifests, in the order of the files.
    Documents(Vec<Document>),
    /// Objects of a cluster or a snapshot.
    Objects(Vec<Value>),
    /// What could not be read, in words.
    Faults(Vec<String>),
}

/// How an audit is made.
pub struct Plan<'a> {
    /// The controls.
    pub compiled: &'a Compiled,
    /// The waivers.
    pub waivers: Waivers,
    /// What is told beside the objects.
    pub input: &'a Input,
    /// The instant.
    pub now: Timestamp,
    /// Told of every object that was judged, for the progress on a terminal.
    pub judged: &'a AtomicUsize,
    /// Through what redacted objects are looked at; none for objects as they are.
    pub lens: Option<&'a Lens<'a>>,
}

/// One object that was judged, and where its findings stand.
struct Seen {
    examined: Examined,
    /// File and line of an object that something is or may still be told of.
    origin: Option<(Arc<str>, u32)>,
    /// What the lens keeps of it.
    view: Option<View>,
}

/// What became of one batch.
struct Done {
    number: usize,
    seen: Vec<Seen>,
    faults: Vec<String>,
}

/// Objects of one batch, so that the place of an object is known without waiting for the batches before.
const STRIDE: usize = 1 << 24;

/// Audits everything that `batches` brings, on all cores. `sight` is asked when everything has been read: only then it is known what could not be.
pub fn run(
    plan: Plan<'_>,
    batches: impl Iterator<Item = Batch> + Send,
    sight: impl FnOnce() -> Sight,
) -> Audit {
    let Plan { compiled, waivers, input, now, judged, lens } = plan;
    let mut work = Work::new(compiled, waivers, &input.keep);
    let mut session = Session::new(compiled, now);
    let mut origins: HashMap<usize, (Arc<str>, u32)> = HashMap::new();
    let mut faults: Vec<(usize, String)> = Vec::new();
    let cores = thread::available_parallelism().map_or(2, NonZeroUsize::get);
    thread::scope(|scope| {
        let (to_judge, waiting) = sync_channel::<(usize, Batch)>(WAITING);
        let (to_gather, done) = sync_channel::<Done>(WAITING);
        let waiting = Arc::new(Mutex::new(waiting));
        scope.spawn(move || {
            for (number, batch) in batches.enumerate() {
                if to_judge.send((number, batch)).is_err() {
                    break;
                }
            }
        });
        for _ in 0..cores {
            let (waiting, to_gather) = (Arc::clone(&waiting), to_gather.clone());
            scope.spawn(move || judge(compiled, now, &input.keep, lens, &waiting, &to_gather));
        }
        drop(to_gather);
        for Done { number, seen, faults: wrong } in done {
            judged.fetch_add(seen.len(), Ordering::Relaxed);
            faults.extend(wrong.into_iter().map(|fault| (number, fault)));
            for (item, seen) in seen.into_iter().enumerate() {
                let place = number.saturating_mul(STRIDE).saturating_add(item);
                work.count();
                let Seen { examined, origin, view } = seen;
                if let (Some(lens), Some(view)) = (lens, view) {
                    lens.keep(place, view);
                }
                if let Some(origin) = origin {
                    origins.insert(place, origin);
                }
                work.add(session.take(place, examined));
            }
        }
    });
    let sight = sight();
    session.finish(sight).for_each(|mut judged| {
        if let Some(lens) = lens {
            lens.look_again(judged.place, &mut judged.findings);
        }
        work.add(judged);
    });
    let mut audit = conclude(work, input, now);
    for object in &mut audit.objects {
        let origin = origins.remove(&object.place);
        object.origin = origin.map(|(file, line)| Origin { file: file.to_string(), line: line as usize });
    }
    faults.sort();
    audit.faults = faults.into_iter().map(|(_, fault)| fault).collect();
    audit
}

fn judge(
    compiled: &Compiled,
    now: Timestamp,
    keep: &[Outcome],
    lens: Option<&Lens<'_>>,
    waiting: &Mutex<Receiver<(usize, Batch)>>,
    to_gather: &SyncSender<Done>,
) {
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, batch)) = next else { return };
        let mut done = Done { number, seen: Vec::new(), faults: Vec::new() };
        match batch {
            Batch::Faults(faults) => done.faults = faults,
            Batch::Objects(objects) => {
                let seen = |object: &Value| {
                    let (examined, view) = examine(compiled, lens, object, now);
                    Seen { examined, origin: None, view }
                };
                done.seen = objects.iter().map(seen).collect();
            }
            Batch::Documents(documents) => {
                for document in &documents {
                    let parsed = input::parse(document, &Limits::default());
                    done.faults.extend(parsed.faults.iter().map(ToString::to_string));
                    for object in &parsed.objects {
                        let (mut examined, view) = examine(compiled, lens, &object.value, now);
                        let line =
                            |path: &str| u32::try_from(object.line(document, path)).unwrap_or(u32::MAX);
                        let told = |finding: &&mut Finding| keep.contains(&finding.outcome);
                        for place in
                            examined.findings.iter_mut().filter(told).flat_map(|finding| &mut finding.places)
                        {
                            place.line = (!place.path.is_empty()).then(|| line(&place.path));
                        }
                        let ObjectRef { api_version, kind, .. } = &examined.object;
                        if let Some(wrong) = kinds::unknown(api_version, kind) {
                            done.faults.push(format!("{}:{}: {wrong}", document.file, line("kind")));
                        }
                        // Looking a line up costs as much as parsing, and few objects are told of.
                        let told = examined.pending.is_some()
                            || examined.findings.iter().any(|finding| keep.contains(&finding.outcome));
                        let origin = told.then(|| (Arc::clone(&document.file), line("")));
                        done.seen.push(Seen { examined, origin, view });
                    }
                }
            }
        }
        if to_gather.send(done).is_err() {
            return;
        }
    }
}

/// Judges an object, through the lens where there is one.
fn examine(
    compiled: &Compiled,
    lens: Option<&Lens<'_>>,
    object: &Value,
    now: Timestamp,
) -> (Examined, Option<View>) {
    match lens {
        None => (compiled.examine(object, now), None),
        Some(lens) => {
            let (examined, view) = lens.look(object, now);
            (examined, Some(view))
        }
    }
}
