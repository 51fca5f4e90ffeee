//! Objects that change: each change is judged again, with those whose verdict depends on it, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{
    compile::Compiled,
    index::Index,
    judge::{Finding, Outcome, Pending},
    kept::{Kept, Texts},
    subject::{ObjectRef, kind_key},
};
use crate::pack::Reach;

/// The verdicts over objects that come, change and go, by UID. Of an object only that is kept which its remaining controls read, and of its
/// findings a pass costs two bytes.
///
/// [`Live::apply`] and [`Live::delete`] judge what the object alone decides and note what depends on it; [`Live::settle`] judges that, once for any
/// number of changes: a first list of ten thousand objects is as many verdicts, not their square.
#[derive(Debug)]
pub struct Live {
    compiled: Arc<Compiled>,
    index: Index,
    entries: HashMap<String, Entry>,
    /// The objects that wait for others, by namespace; a Namespace itself under its name.
    waiting: BTreeMap<String, BTreeSet<String>>,
    /// What was found about the cluster as a whole, and what it is called.
    cluster: Vec<Kept>,
    whole: ObjectRef,
    /// What the findings say.
    texts: Texts,
    /// The kinds that cannot be read.
    unread: BTreeSet<String>,
    /// What is to be settled.
    open: Open,
}

/// What has changed since the last settling.
#[derive(Debug, Default)]
struct Open {
    /// Objects whose related controls have to be judged whatever else has changed.
    own: BTreeSet<String>,
    /// Kinds of which something changed, and the namespaces in which.
    kinds: BTreeMap<String, BTreeSet<String>>,
    /// Objects with other findings than before.
    changed: BTreeSet<String>,
    /// Everything that looks at the clock.
    clock: bool,
}

#[derive(Debug)]
struct Entry {
    object: ObjectRef,
    key: String,
    pending: Option<Pending>,
    passed: Box<[u16]>,
    others: Box<[Kept]>,
}

/// What is known of an object, or of the cluster as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The object.
    pub object: &'a ObjectRef,
    /// Whether it is the cluster as a whole.
    pub whole: bool,
    /// The controls that it passes, by their places, in order.
    pub passed: &'a [u16],
    /// The other findings, in the order of their controls.
    pub others: &'a [Kept],
}

impl Known<'_> {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.passed.is_empty() && self.others.is_empty()
    }
}

impl Entry {
    /// The namespace that its related objects are in.
    fn home(&self) -> &str {
        home(&self.key, &self.object.namespace, &self.object.name)
    }

    fn seen(&self) -> Known<'_> {
        Known { object: &self.object, whole: false, passed: &self.passed, others: &self.others }
    }

    /// Replaces the findings of some controls. Says whether anything differs.
    fn take(&mut self, found: Vec<Finding>, of: &dyn Fn(usize) -> bool, texts: &mut Texts) -> bool {
        let kept = |control: &u16| !of(usize::from(*control));
        let mut passed: Vec<u16> = self.passed.iter().copied().filter(kept).collect();
        let mut others: Vec<Kept> =
            self.others.iter().filter(|finding| !of(finding.control)).cloned().collect();
        for finding in found {
            match (finding.outcome, u16::try_from(finding.control)) {
                (Outcome::Pass, Ok(control)) => passed.push(control),
                _ => others.push(Kept::of(finding, texts)),
            }
        }
        passed.sort_unstable();
        others.sort_by_key(|finding| finding.control);
        let changed = *passed != *self.passed || *others != *self.others;
        if changed {
            self.passed = passed.into_boxed_slice();
            self.others = others.into_boxed_slice();
        }
        changed
    }
}

/// A Namespace is related to what is in it.
fn home<'a>(key: &str, namespace: &'a str, name: &'a str) -> &'a str {
    if key == "Namespace" { name } else { namespace }
}

impl Live {
    /// Nothing yet.
    pub fn new(compiled: Arc<Compiled>) -> Self {
        Self {
            compiled,
            index: Index::changing(),
            entries: HashMap::new(),
            waiting: BTreeMap::new(),
            cluster: Vec::new(),
            whole: ObjectRef::cluster(),
            texts: Texts::default(),
            unread: BTreeSet::new(),
            open: Open::default(),
        }
    }

    /// The controls.
    pub fn compiled(&self) -> &Arc<Compiled> {
        &self.compiled
    }

    /// An object is there, or is another than it was. One without a UID is not of a cluster, and is left out. Says whether there is something to
    /// settle.
    pub fn apply(&mut self, object: &Json, now: Timestamp) -> bool {
        let compiled = Arc::clone(&self.compiled);
        let mut examined = compiled.examine(object, now);
        let uid = examined.object.uid.clone();
        if uid.is_empty() {
            return false;
        }
        let key = kind_key(&examined.object.api_version, &examined.object.kind);
        let at = home(&key, &examined.object.namespace, &examined.object.name).to_owned();
        if compiled.keep(&mut self.index, &mut examined) {
            self.open.kinds.entry(key.clone()).or_default().insert(at.clone());
        }
        let fresh = !self.entries.contains_key(&uid);
        let entry = self.entries.entry(uid.clone()).or_insert_with(|| Entry {
            object: examined.object.clone(),
            key: key.clone(),
            pending: None,
            passed: Box::default(),
            others: Box::default(),
        });
        entry.object = examined.object;
        entry.pending = examined.pending;
        let later = compiled.later.get(&key).map(Vec::as_slice).unwrap_or_default();
        let waits = entry.pending.is_some();
        // What is judged in settling stays until then as it was.
        let of = |control: usize| !waits || !later.contains(&control);
        if entry.take(examined.findings, &of, &mut self.texts) || fresh {
            self.open.changed.insert(uid.clone());
        }
        if waits {
            self.waiting.entry(at).or_default().insert(uid.clone());
            self.open.own.insert(uid);
        } else {
            self.waits_no_more(&at, &uid);
        }
        !self.is_settled()
    }

    /// An object is gone. Says whether there is something to settle.
    pub fn delete(&mut self, uid: &str) -> bool {
        let Some(entry) = self.entries.remove(uid) else { return false };
        self.open.own.remove(uid);
        self.open.changed.remove(uid);
        self.waits_no_more(entry.home(), uid);
        if self.index.remove(&entry.key, &entry.object.namespace, &entry.object.name) {
            let at = entry.home().to_owned();
            self.open.kinds.entry(entry.key).or_default().insert(at);
        }
        true
    }

    /// A list of a kind is complete: what it does not name is gone. Answers the UIDs of what is.
    pub fn retain(&mut self, key: &str, seen: &HashSet<String>) -> Vec<String> {
        let gone: Vec<String> = self
            .entries
            .iter()
            .filter(|(uid, entry)| entry.key == key && !seen.contains(*uid))
            .map(|(uid, _)| uid.clone())
            .collect();
        for uid in &gone {
            self.delete(uid);
        }
        gone
    }

    /// Which kinds cannot be read. A verdict that rests on one of them is unknown.
    pub fn set_unread(&mut self, unread: BTreeSet<String>) {
        for kind in unread.symmetric_difference(&self.unread) {
            let everywhere = self.waiting.keys().cloned();
            self.open.kinds.entry(kind.clone()).or_default().extend(everywhere);
        }
        self.unread = unread;
    }

    /// What depends on the clock is to be judged again.
    pub fn tick(&mut self) {
        self.open.clock = true;
    }

    /// Whether every verdict is that of the objects as they are.
    pub fn is_settled(&self) -> bool {
        let Open { own, kinds, changed, clock } = &self.open;
        own.is_empty() && kinds.is_empty() && changed.is_empty() && !clock
    }

    /// Judges everything that depends on what has changed, and the cluster as a whole. Answers the UIDs of the objects whose findings are others
    /// than at the last settling.
    pub fn settle(&mut self, now: Timestamp) -> BTreeSet<String> {
        let Open { own, kinds, mut changed, clock } = std::mem::take(&mut self.open);
        let compiled = Arc::clone(&self.compiled);
        // Of each control: whether it is due everywhere, and the namespaces where it is.
        let due: Vec<(bool, Vec<&BTreeSet<String>>)> = compiled
            .controls
            .iter()
            .map(|active| {
                let check = &active.check;
                let mut everywhere = clock && check.reads_clock;
                let mut places = Vec::new();
                for (kind, at) in &kinds {
                    for (_, reach) in check.related.iter().filter(|(related, _)| related == kind) {
                        match reach {
                            Reach::Cluster => everywhere = true,
                            Reach::Namespace => places.push(at),
                        }
                    }
                    if check.reads_namespace && kind == "Namespace" {
                        places.push(at);
                    }
                }
                (everywhere, places)
            })
            .collect();
        let far = due.iter().any(|(everywhere, _)| *everywhere);
        let near: BTreeSet<&String> =
            due.iter().flat_map(|(_, places)| places.iter().copied().flatten()).collect();
        let all = |_: usize| true;
        for (at, uids) in &self.waiting {
            let here = near.contains(at);
            for uid in uids {
                let fresh = own.contains(uid);
                if !fresh && !far && !here {
                    continue;
                }
                let Some(entry) = self.entries.get_mut(uid) else { continue };
                let Some(pending) = &entry.pending else { continue };
                let later = compiled.later.get(&entry.key).map(Vec::as_slice).unwrap_or_default();
                let some = |control: usize| {
                    due.get(control).is_some_and(|(everywhere, places)| {
                        *everywhere || places.iter().any(|places| places.contains(at))
                    })
                };
                let of: &dyn Fn(usize) -> bool = if fresh { &all } else { &some };
                let mut found = compiled.conclude_some(pending, &self.index, now, of);
                if !self.unread.is_empty() {
                    for finding in &mut found {
                        compiled.unless_unread(finding, &self.unread);
                    }
                }
                let taken = |control: usize| later.contains(&control) && of(control);
                if entry.take(found, &taken, &mut self.texts) {
                    changed.insert(uid.clone());
                }
            }
            self.index.rest(Some(at));
        }
        let found = compiled.conclude_cluster(&self.index, now, &|kind| !self.unread.contains(kind));
        self.index.rest(None);
        let found: Vec<Kept> = found.into_iter().map(|finding| Kept::of(finding, &mut self.texts)).collect();
        if found != self.cluster {
            self.cluster = found;
            changed.insert(String::new());
        }
        changed
    }

    /// The number of objects.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What is found about an object; about the cluster as a whole under no UID.
    pub fn seen(&self, uid: &str) -> Option<Known<'_>> {
        if uid.is_empty() {
            return self.whole_cluster();
        }
        self.entries.get(uid).map(Entry::seen)
    }

    /// What is found about every object, and last about the cluster as a whole.
    pub fn all(&self) -> impl Iterator<Item = Known<'_>> {
        self.entries.values().map(Entry::seen).chain(self.whole_cluster())
    }

    /// The UIDs of all objects.
    pub fn uids(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    fn whole_cluster(&self) -> Option<Known<'_>> {
        (!self.cluster.is_empty()).then_some(Known {
            object: &self.whole,
            whole: true,
            passed: &[],
            others: &self.cluster,
        })
    }

    fn waits_no_more(&mut self, at: &str, uid: &str) {
        if let Some(waiting) = self.waiting.get_mut(at) {
            waiting.remove(uid);
            if waiting.is_empty() {
                self.waiting.remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::engine::{Judged, Session, Sight, fixtures::compiled};

    const CONTROLS: [(&str, &str); 5] = [
        ("alone", "match: {kinds: [ConfigMap]}\nexpression: \"object.data.x == 'a'\"\n"),
        (
            "near",
            "match: {kinds: [Namespace]}\nrelated: [{name: maps, kind: ConfigMap, in: Namespace}]\nexpression: \"related.maps.exists(m, m.data.x == 'a')\"\n",
        ),
        (
            "far",
            "match: {kinds: [Service]}\nrelated: [{name: maps, kind: ConfigMap, in: Cluster}]\nexpression: \"related.maps.size() < 3\"\n",
        ),
        ("home", "match: {kinds: [Service]}\nexpression: \"namespaceObject.metadata.labels.x == 'a'\"\n"),
        (
            "clock",
            "match: {kinds: [Service]}\nexpression: \"now < timestamp('2026-06-01T00:00:00Z') || object.data.x == 'a'\"\n",
        ),
    ];

    fn object(kind: u8, namespace: u8, name: u8, value: u8) -> Json {
        let value = ["a", "b"][usize::from(value % 2)];
        let (kind, namespaced) =
            [("ConfigMap", true), ("Service", true), ("Namespace", false)][usize::from(kind)];
        let name = if namespaced { format!("o{name}") } else { format!("n{namespace}") };
        let mut object = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": {"x": value}}, "data": {"x": value}});
        if namespaced {
            object["metadata"]["namespace"] = format!("n{namespace}").into();
        }
        object["metadata"]["uid"] = format!("{kind}/{namespace}/{}", object["metadata"]["name"]).into();
        object
    }

    proptest! {
        /// Whatever comes, changes and goes, in the end every verdict is the one of a fresh look, and only objects whose findings changed were told.
        #[test]
        fn changes_come_to_what_a_fresh_look_finds(steps in prop::collection::vec((0..3_u8, 0..2_u8, 0..3_u8, 0..2_u8, any::<bool>(), any::<bool>()), 0..40)) {
            let compiled = Arc::new(compiled(&CONTROLS));
            let (before, after): (Timestamp, Timestamp) = ("2026-05-01T00:00:00Z".parse().unwrap(), "2026-07-01T00:00:00Z".parse().unwrap());
            let mut live = Live::new(Arc::clone(&compiled));
            let mut model: BTreeMap<String, Json> = BTreeMap::new();
            let look = |model: &BTreeMap<String, Json>, now: Timestamp| {
                let mut session = Session::new(&compiled, now);
                let mut found: BTreeMap<String, Vec<Finding>> = BTreeMap::new();
                let first: Vec<Judged> = model.values().enumerate().map(|(place, object)| session.take(place, compiled.examine(object, now))).collect();
                for judged in first.into_iter().chain(session.finish(Sight::Cluster { unread: BTreeSet::new() })) {
                    found.entry(judged.object.uid.clone()).or_default().extend(judged.findings);
                }
                for findings in found.values_mut() {
                    findings.sort_by_key(|finding| finding.control);
                }
                found
            };
            let of = |live: &Live| {
                let findings = |seen: Known<'_>| {
                    let passed = seen.passed.iter().map(|control| Finding::passed(usize::from(*control)));
                    let mut all: Vec<Finding> = passed.chain(seen.others.iter().map(Kept::finding)).collect();
                    all.sort_by_key(|finding| finding.control);
                    all
                };
                live.all().map(|seen| (seen.object.uid.clone(), findings(seen))).collect::<BTreeMap<_, _>>()
            };
            let mut known = of(&live);
            for (kind, namespace, name, value, comes, settles) in steps {
                let object = object(kind, namespace, name, value);
                let uid = object["metadata"]["uid"].as_str().unwrap().to_owned();
                if comes {
                    model.insert(uid.clone(), object.clone());
                    live.apply(&object, before);
                } else {
                    model.remove(&uid);
                    live.delete(&uid);
                }
                if !settles {
                    continue;
                }
                let told = live.settle(before);
                prop_assert!(live.is_settled());
                let now = of(&live);
                prop_assert_eq!(&now, &look(&model, before));
                // Whatever differs is told. What came and went back between two settlings may be told as well.
                for (uid, findings) in &now {
                    prop_assert!(known.get(uid) == Some(findings) || told.contains(uid));
                }
                known = now;
            }
            live.tick();
            live.settle(after);
            prop_assert_eq!(of(&live), look(&model, after));
            let nothing: BTreeSet<String> = BTreeSet::new();
            prop_assert_eq!(live.settle(after), nothing);
        }
    }
}
