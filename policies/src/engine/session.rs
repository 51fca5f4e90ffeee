//! A whole look: many objects, then the verdicts that depend on several of them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::{
    compile::Compiled,
    index::Index,
    judge::{Examined, Finding, Outcome, Pending},
    subject::{ObjectRef, kind_key},
};

/// What the objects of a look are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// Manifests: what is not among them may still exist.
    Manifests,
    /// A cluster, or a snapshot of one, of which all but these kinds was read.
    Cluster {
        /// The kinds that could not be read, `group/Kind`.
        unread: BTreeSet<String>,
    },
}

/// What was found about one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// The object.
    pub object: ObjectRef,
    /// Its place in the order of the objects, which their reader knows the file and line of.
    pub place: usize,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// A look that is going on. Objects are examined elsewhere, on any number of threads, and brought here.
#[derive(Debug)]
pub struct Session<'c> {
    compiled: &'c Compiled,
    now: Timestamp,
    index: Index,
    seen: BTreeSet<String>,
    /// What waits for others, by namespace; a Namespace itself under its name.
    pending: BTreeMap<String, Vec<(usize, Pending)>>,
}

impl<'c> Session<'c> {
    /// Begins a look.
    pub fn new(compiled: &'c Compiled, now: Timestamp) -> Self {
        Self { compiled, now, index: Index::default(), seen: BTreeSet::new(), pending: BTreeMap::new() }
    }

    /// Takes in an object that was examined and returns what is known of it already.
    pub fn take(&mut self, place: usize, mut examined: Examined) -> Judged {
        self.compiled.keep(&mut self.index, &mut examined);
        let key = kind_key(&examined.object.api_version, &examined.object.kind);
        if !self.seen.contains(&key) {
            self.seen.insert(key);
        }
        if let Some(pending) = examined.pending.take() {
            let object = &examined.object;
            let home = if object.kind == "Namespace" { &object.name } else { &object.namespace };
            match self.pending.get_mut(home) {
                Some(waiting) => waiting.push((place, pending)),
                None => {
                    self.pending.insert(home.clone(), vec![(place, pending)]);
                }
            }
        }
        Judged { object: examined.object, place, findings: examined.findings }
    }

    /// The number of objects that wait for others.
    pub fn waiting(&self) -> usize {
        self.pending.values().map(Vec::len).sum()
    }

    /// Judges what depends on several objects, one namespace after the other, so that the related objects of one are held as trees and not those
    /// of all; last comes the cluster as a whole. `sight` says what the objects were: what could not be read is known only now.
    pub fn finish(self, sight: Sight) -> impl Iterator<Item = Judged> {
        let Self { compiled, now, mut index, seen, pending } = self;
        let cluster = compiled.conclude_cluster(&index, now, &|kind| match &sight {
            Sight::Manifests => seen.contains(kind),
            Sight::Cluster { unread } => !unread.contains(kind),
        });
        index.rest(None);
        let cluster = (!cluster.is_empty()).then(|| Judged {
            object: ObjectRef::cluster(),
            place: usize::MAX,
            findings: cluster,
        });
        pending
            .into_iter()
            .flat_map(|(namespace, mut waiting)| {
                let last = waiting.pop().map(|last| (last, Some(namespace)));
                waiting.into_iter().map(|waiting| (waiting, None)).chain(last)
            })
            .map(move |((place, pending), done)| {
                let (object, mut findings) = compiled.conclude_whole(&pending, &index, now);
                if let Sight::Cluster { unread } = &sight {
                    for finding in &mut findings {
                        compiled.unless_unread(finding, unread);
                    }
                }
                if let Some(namespace) = done {
                    index.rest(Some(&namespace));
                }
                Judged { object, place, findings }
            })
            .filter(|judged| !judged.findings.is_empty())
            .chain(cluster)
    }
}

impl Compiled {
    /// A verdict that rests on objects that could not be read is unknown. Of manifests, what is not there is taken as absent: whoever checks a
    /// folder wants to hear that its Namespace has no `NetworkPolicy`.
    pub(super) fn unless_unread(&self, finding: &mut Finding, unread: &BTreeSet<String>) {
        let related = self
            .controls
            .get(finding.control)
            .map(|active| active.control.related.as_slice())
            .unwrap_or_default();
        if let Some(related) = related.iter().find(|related| unread.contains(&related.kind)) {
            *finding = Finding::whole(
                finding.control,
                Outcome::Unknown,
                format!("no {} could be read", related.kind),
            );
        }
    }
}
