//! What an audit looks at, and the judging of it.

use std::{
    fs::File,
    io::{BufReader, Read as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use anyhow::{Context as _, bail};
use banyan_policies::{engine::Sight, verdict::Audit};
use jiff::Timestamp;
use kube::Client;
use tokio::runtime::Handle;

pub use super::scan::Plan;
use super::{cluster, lens::Lens, scan, sources};
use crate::{
    cli::inputs::{Unpacking, unpacked},
    evidence::{
        about::{ClusterId, Denied, Span},
        snapshot::{self, Snapshot, SnapshotError},
    },
    lang::Lang,
    report::{audit::words, visible::visible},
    t,
};

/// What is looked at.
pub enum Source {
    /// Manifests.
    Files(Vec<PathBuf>),
    /// A cluster, now.
    Cluster(Client),
    /// A snapshot of a cluster.
    Snapshot(PathBuf),
}

/// Where the objects come from.
pub struct Seen {
    /// The cluster, unless they are manifests.
    pub cluster: Option<ClusterId>,
    /// When it was read.
    pub read: Option<Span>,
    /// The kinds that could not be read.
    pub denied: Vec<Denied>,
}

impl Seen {
    /// Which cluster it was, and when, on one line.
    pub fn line(&self, lang: Lang) -> String {
        let cluster = self.cluster.as_ref().map(ToString::to_string).unwrap_or_default();
        let instant = |at: Option<Timestamp>| at.map(words::instant).unwrap_or_default();
        t!(
            lang,
            "evidence-cluster",
            cluster = visible(&cluster).into_owned(),
            from = instant(self.read.map(|read| read.from)),
            until = instant(self.read.map(|read| read.until))
        )
    }
}

impl Source {
    /// What was named on the command line.
    ///
    /// # Errors
    /// When there is no cluster, or a snapshot is named beside something else.
    pub async fn of(files: Vec<PathBuf>, cluster: bool) -> anyhow::Result<Self> {
        if cluster {
            return Ok(Self::Cluster(crate::cli::world::connect().await?));
        }
        match files.iter().find(|file| is_archive(file)) {
            None => Ok(Self::Files(files)),
            Some(file) if files.len() == 1 => Ok(Self::Snapshot(file.clone())),
            Some(file) => bail!("{} is a snapshot, which is audited alone", file.display()),
        }
    }

    /// Judges it. This blocks, and runs on a thread of its own.
    ///
    /// # Errors
    /// When it cannot be read at all, or not be trusted.
    pub fn judge(self, runtime: &Handle, plan: Plan<'_>) -> anyhow::Result<(Audit, Seen)> {
        match self {
            Self::Files(files) => {
                let audit = scan::run(plan, sources::of_files(&files), || Sight::Manifests);
                Ok((audit, Seen { cluster: None, read: None, denied: Vec::new() }))
            }
            Self::Cluster(client) => {
                let wanted = plan.compiled.kinds();
                let cluster = runtime.block_on(cluster::identity(&client));
                let from = Timestamp::now();
                let (batches, unread) = sources::of_cluster(runtime, client, &wanted)?;
                let told = Arc::clone(&unread);
                let mut audit =
                    scan::run(plan, batches, move || Sight::Cluster { unread: sources::kinds(&told) });
                audit.unread = sources::lines(&unread);
                let read = Span { from, until: Timestamp::now() };
                let denied = sources::denied(&unread);
                Ok((audit, Seen { cluster: Some(cluster), read: Some(read), denied }))
            }
            Self::Snapshot(path) => {
                let own = Lens::new(plan.compiled);
                of_snapshot(&path, Plan { lens: Some(plan.lens.unwrap_or(&own)), ..plan })
                    .with_context(|| path.display().to_string())
            }
        }
    }
}

/// Whether a file is an archive, by its bytes or by its name: a damaged one is told as such.
fn is_archive(path: &Path) -> bool {
    const MAGIC: (usize, &[u8]) = (257, b"ustar");
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    if !path.is_file() {
        return false;
    }
    let Ok(mut file) = File::open(path) else { return false };
    let mut head = [0; 2];
    if file.read_exact(&mut head).is_err() || head != [0x1F, 0x8B] {
        return false;
    }
    let mut header = Vec::new();
    let whole = std::io::Cursor::new(head).chain(file);
    let _ = unpacked(whole, Unpacking::default()).take(512).read_to_end(&mut header);
    let (at, magic) = MAGIC;
    header.get(at..at + magic.len()) == Some(magic)
        || [".tar.gz", ".tgz"].iter().any(|ending| name.ends_with(ending))
}

/// Batches of objects that wait to be judged.
const WAITING: usize = 4;

fn of_snapshot(path: &Path, plan: Plan<'_>) -> anyhow::Result<(Audit, Seen)> {
    let compiled = plan.compiled;
    let file = BufReader::with_capacity(64 * 1024, File::open(path)?);
    let (to_start, started) = mpsc::sync_channel::<Snapshot>(1);
    let (to_judge, waiting) = mpsc::sync_channel(WAITING);
    let failed: Mutex<Option<SnapshotError>> = Mutex::new(None);
    let judged = thread::scope(|scope| {
        let failed = &failed;
        scope.spawn(move || {
            let begin = |about: &Snapshot| -> Box<dyn Fn(&str) -> bool + '_> {
                let _ = to_start.send(about.clone());
                let wanted = compiled.kinds();
                Box::new(move |kind| wanted.contains(kind))
            };
            // Nobody judges any more when the other side is gone, so reading on is of no use either, and of no harm.
            let read = snapshot::read(unpacked(file, Unpacking::default()), begin, |objects| {
                let _ = to_judge.send(scan::Batch::Objects(objects));
                Ok(())
            });
            if let Err(error) = read {
                *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        });
        let about = started.recv().ok()?;
        let denied = about.unread(compiled.judged_kinds().chain(compiled.related_kinds()));
        let unread = denied.iter().map(|denied| denied.kind.clone()).collect();
        let mut audit = scan::run(plan, waiting.into_iter(), move || Sight::Cluster { unread });
        audit.unread = denied.iter().map(|denied| format!("{}: {}", denied.kind, denied.why)).collect();
        Some((audit, Seen { cluster: Some(about.cluster), read: Some(about.read), denied }))
    });
    // What was judged of half a snapshot says nothing: what is missing would count as not being there.
    match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error.into()),
        None => judged.context("it is empty"),
    }
}
