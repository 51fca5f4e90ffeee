//! Objects that change: each change is judged again, with those whose verdict depends on it, and nothing else.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{
    compile::Compiled,
    index::Index,
    judge::{Finding, Outcome, Pending},
    session::{Judged, Sight},
    subject::{ObjectRef, kind_key},
};
use crate::pack::Reach;

/// The verdicts over objects that come, change and go, by UID. Of an object only that is kept which its remaining controls read, and of its
/// findings a pass costs two bytes.
#[derive(Debug)]
pub struct Live {
    compiled: Arc<Compiled>,
    index: Index,
    entries: HashMap<String, Entry>,
    /// The objects that wait for others, by namespace; a Namespace itself under its name.
    waiting: BTreeMap<String, BTreeSet<String>>,
    /// What was found about the cluster as a whole.
    cluster: Vec<Finding>,
}

#[derive(Debug)]
struct Entry {
    object: ObjectRef,
    key: String,
    pending: Option<Pending>,
    passed: Box<[u16]>,
    others: Vec<Finding>,
}

impl Entry {
    /// The namespace that its related objects are in.
    fn home(&self) -> &str {
        if self.key == "Namespace" { &self.object.name } else { &self.object.namespace }
    }

    /// Replaces the findings of some controls. Says whether anything differs.
    fn take(&mut self, found: Vec<Finding>, of: &dyn Fn(usize) -> bool) -> bool {
        let kept = |control: &u16| !of(usize::from(*control));
        let mut passed: Vec<u16> = self.passed.iter().copied().filter(kept).collect();
        let mut others: Vec<Finding> =
            self.others.iter().filter(|finding| !of(finding.control)).cloned().collect();
        for finding in found {
            match (finding.outcome, u16::try_from(finding.control)) {
                (Outcome::Pass, Ok(control)) => passed.push(control),
                _ => others.push(finding),
            }
        }
        passed.sort_unstable();
        others.sort_by_key(|finding| finding.control);
        let changed = *passed != *self.passed || others != self.others;
        self.passed = passed.into_boxed_slice();
        self.others = others;
        changed
    }
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
        }
    }

    /// The controls.
    pub fn compiled(&self) -> &Arc<Compiled> {
        &self.compiled
    }

    /// An object is there, or is another than it was. Answers the UIDs of the objects whose findings have changed.
    pub fn apply(&mut self, object: &Json, now: Timestamp) -> Vec<String> {
        let compiled = Arc::clone(&self.compiled);
        let mut examined = compiled.examine(object, now);
        let uid = examined.object.uid.clone();
        if uid.is_empty() {
            return Vec::new();
        }
        let key = kind_key(&examined.object.api_version, &examined.object.kind);
        let moves_others = compiled.keep(&mut self.index, &mut examined);
        let fresh = !self.entries.contains_key(&uid);
        let entry = self.entries.entry(uid.clone()).or_insert_with(|| Entry {
            object: examined.object.clone(),
            key: key.clone(),
            pending: None,
            passed: Box::default(),
            others: Vec::new(),
        });
        entry.object = examined.object;
        entry.pending = examined.pending;
        let mut found = examined.findings;
        if let Some(pending) = &entry.pending {
            found.extend(compiled.conclude(pending, &self.index, now));
            self.waiting.entry(entry.home().to_owned()).or_default().insert(uid.clone());
        }
        let mut changed = Vec::new();
        if entry.take(found, &|_| true) || fresh {
            changed.push(uid.clone());
        }
        let namespace =
            self.entries.get(&uid).map(|entry| entry.object.namespace.clone()).unwrap_or_default();
        let name = self.entries.get(&uid).map(|entry| entry.object.name.clone()).unwrap_or_default();
        if moves_others {
            changed.extend(self.dependents(&key, &namespace, &name, &uid, now));
        }
        changed
    }

    /// An object is gone. Answers the UIDs of the objects whose findings have changed, its own not among them.
    pub fn delete(&mut self, uid: &str, now: Timestamp) -> Vec<String> {
        let Some(entry) = self.entries.remove(uid) else { return Vec::new() };
        if let Some(waiting) = self.waiting.get_mut(entry.home()) {
            waiting.remove(uid);
            if waiting.is_empty() {
                self.waiting.remove(entry.home());
            }
        }
        if !self.index.remove(&entry.key, &entry.object.namespace, &entry.object.name) {
            return Vec::new();
        }
        self.dependents(&entry.key, &entry.object.namespace, &entry.object.name, uid, now)
    }

    /// Judges again what depends on an object of a kind in a namespace.
    fn dependents(
        &mut self,
        key: &str,
        namespace: &str,
        name: &str,
        except: &str,
        now: Timestamp,
    ) -> Vec<String> {
        let compiled = Arc::clone(&self.compiled);
        // A Namespace is related to what is in it.
        let near = if key == "Namespace" { name } else { namespace };
        let depends = |control: usize, reach: Reach| {
            compiled.controls.get(control).is_some_and(|active| {
                active.check.related.iter().any(|(kind, far)| kind == key && *far == reach)
                    || (reach == Reach::Namespace && key == "Namespace" && active.check.reads_namespace)
            })
        };
        let any = |reach: Reach| (0..compiled.controls.len()).any(|control| depends(control, reach));
        let far = any(Reach::Cluster);
        let uids: Vec<String> = if far {
            self.waiting.values().flatten().cloned().collect()
        } else if any(Reach::Namespace) {
            self.waiting.get(near).into_iter().flatten().cloned().collect()
        } else {
            Vec::new()
        };
        let mut changed = Vec::new();
        for uid in uids.into_iter().filter(|uid| uid != except) {
            let Some(entry) = self.entries.get_mut(&uid) else { continue };
            let here = entry.home() == near;
            let of = |control: usize| {
                depends(control, Reach::Cluster) || (here && depends(control, Reach::Namespace))
            };
            let Some(pending) = &entry.pending else { continue };
            let found = compiled.conclude_some(pending, &self.index, now, &of);
            if entry.take(found, &of) {
                changed.push(uid);
            }
        }
        changed
    }

    /// Judges again what depends on the clock.
    pub fn tick(&mut self, now: Timestamp) -> Vec<String> {
        let compiled = Arc::clone(&self.compiled);
        let timed =
            |control: usize| compiled.controls.get(control).is_some_and(|active| active.check.reads_clock);
        let mut changed = Vec::new();
        for uid in self.waiting.values().flatten() {
            let Some(entry) = self.entries.get_mut(uid) else { continue };
            let Some(pending) = &entry.pending else { continue };
            let found = compiled.conclude_some(pending, &self.index, now, &timed);
            if entry.take(found, &timed) {
                changed.push(uid.clone());
            }
        }
        changed
    }

    /// Judges the cluster as a whole. Says whether that has changed.
    pub fn judge_cluster(&mut self, sight: &Sight, now: Timestamp) -> bool {
        let found = self.compiled.conclude_cluster(&self.index, now, &|kind| match sight {
            Sight::Manifests => true,
            Sight::Cluster { unread } => !unread.contains(kind),
        });
        let changed = found != self.cluster;
        self.cluster = found;
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

    /// What is found about an object.
    pub fn judged(&self, uid: &str) -> Option<Judged> {
        self.entries.get(uid).map(|entry| Self::whole(0, entry))
    }

    /// What is found about every object, and last about the cluster as a whole.
    pub fn all(&self) -> impl Iterator<Item = Judged> {
        let cluster = (!self.cluster.is_empty()).then(|| Judged {
            object: ObjectRef::cluster(),
            place: usize::MAX,
            findings: self.cluster.clone(),
        });
        self.entries.values().enumerate().map(|(place, entry)| Self::whole(place, entry)).chain(cluster)
    }

    fn whole(place: usize, entry: &Entry) -> Judged {
        let passed = entry.passed.iter().map(|control| Finding::passed(usize::from(*control)));
        let mut findings: Vec<Finding> = passed.chain(entry.others.iter().cloned()).collect();
        findings.sort_by_key(|finding| finding.control);
        Judged { object: entry.object.clone(), place, findings }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::engine::{Session, fixtures::compiled};

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
        fn changes_come_to_what_a_fresh_look_finds(steps in prop::collection::vec((0..3_u8, 0..2_u8, 0..3_u8, 0..2_u8, any::<bool>()), 0..40)) {
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
            let of = |live: &Live| live.all().map(|judged| (judged.object.uid.clone(), judged.findings)).collect::<BTreeMap<_, _>>();
            let mut known = of(&live);
            for (kind, namespace, name, value, comes) in steps {
                let object = object(kind, namespace, name, value);
                let uid = object["metadata"]["uid"].as_str().unwrap().to_owned();
                let told = if comes {
                    model.insert(uid.clone(), object.clone());
                    live.apply(&object, before)
                } else {
                    model.remove(&uid);
                    live.delete(&uid, before)
                };
                let now = of(&live);
                prop_assert_eq!(&now, &look(&model, before));
                let differing: BTreeSet<&String> = now.iter().filter(|(uid, findings)| known.get(*uid) != Some(*findings)).map(|(uid, _)| uid).collect();
                prop_assert_eq!(told.iter().collect::<BTreeSet<_>>(), differing);
                known = now;
            }
            live.tick(after);
            prop_assert_eq!(of(&live), look(&model, after));
        }
    }
}
