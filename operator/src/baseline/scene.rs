//! What a baseline sees: the verdicts over the objects of the cluster, kept up with every change.
//!
//! Fed by [`crate::index::estate`], asked by the room. Of an object only its verdicts are kept, and what other verdicts read of it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use banyan_crds::v1alpha1::BaselineScope;
use banyan_policies::{
    engine::{Compiled, Live, ObjectRef, Outcome},
    verdict::{Audit, Input, ObjectLine, Waivers, Work, conclude, line_of},
};
use jiff::Timestamp;
use serde_json::Value;

use super::scope;
use crate::index::estate::Change;

/// What is seen for one baseline.
#[derive(Debug)]
pub struct Scene {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    live: Live,
    /// The kinds of which nothing has been heard yet.
    awaited: BTreeSet<String>,
    /// The kinds that cannot be read, and why.
    unread: BTreeMap<String, String>,
    /// Labels of Namespaces, by name.
    namespaces: HashMap<String, BTreeMap<String, String>>,
    stale: Stale,
}

/// The objects whose report may be another than it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stale {
    /// These, by UID; the empty one is the cluster as a whole.
    Some(BTreeSet<String>),
    /// Any.
    All,
}

impl Stale {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Some(uids) if uids.is_empty())
    }

    /// Both.
    pub fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Some(uids), Self::Some(more)) => uids.extend(more),
            _ => *self = Self::All,
        }
    }
}

impl Default for Stale {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}

impl Scene {
    /// Nothing yet; these kinds will be told of.
    pub fn new(compiled: Arc<Compiled>, kinds: BTreeSet<String>) -> Self {
        Self {
            state: Mutex::new(State {
                live: Live::new(compiled),
                awaited: kinds,
                unread: BTreeMap::new(),
                namespaces: HashMap::new(),
                stale: Stale::All,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something has changed. Says whether there is something new to be told.
    pub fn take(&self, change: Change, now: Timestamp) -> bool {
        let mut state = self.state();
        match change {
            Change::Applied(object) => {
                if object["kind"] == "Namespace" && object["apiVersion"] == "v1" {
                    state.note_namespace(&object);
                }
                state.live.apply(&object, now)
            }
            Change::Deleted(uid) => {
                let was = state.live.delete(&uid);
                if was {
                    state.stale.add(Stale::Some([uid].into()));
                }
                was
            }
            Change::Listed { key, seen } => {
                let gone = state.live.retain(&key, &seen);
                let news =
                    state.awaited.remove(&key) | state.unread.remove(&key).is_some() | !gone.is_empty();
                state.stale.add(Stale::Some(gone.into_iter().collect()));
                state.tell_unread();
                news
            }
            Change::Refused { key, why } => {
                let news = state.awaited.remove(&key) | (state.unread.get(&key) != Some(&why));
                state.unread.insert(key, why);
                state.tell_unread();
                news
            }
        }
    }

    /// These kinds are not served: there is nothing of them.
    pub fn absent(&self, kinds: impl IntoIterator<Item = String>) {
        let mut state = self.state();
        for kind in kinds {
            state.awaited.remove(&kind);
        }
    }

    /// Whether every kind has been heard of.
    pub fn is_complete(&self) -> bool {
        self.state().awaited.is_empty()
    }

    /// The kinds that cannot be read, and why.
    pub fn unread(&self) -> Vec<(String, String)> {
        self.state().unread.iter().map(|(key, why)| (key.clone(), why.clone())).collect()
    }

    /// Judges what has changed; with `clock` also what depends on the time.
    pub fn settle(&self, clock: bool, now: Timestamp) {
        let mut state = self.state();
        if clock {
            state.live.tick();
        }
        if !state.live.is_settled() {
            let changed = state.live.settle(now);
            state.stale.add(Stale::Some(changed));
        }
    }

    /// These reports may be others than they should be.
    pub fn doubt(&self, stale: Stale) {
        self.state().stale.add(stale);
    }

    /// Takes the objects whose reports may be others.
    pub fn take_stale(&self) -> Stale {
        mem::take(&mut self.state().stale)
    }

    /// The UIDs of all objects, and the empty one for the cluster as a whole.
    pub fn uids(&self) -> BTreeSet<String> {
        self.state().live.uids().map(str::to_owned).chain([String::new()]).collect()
    }

    /// What comes of everything that is in the scope, without the objects.
    pub fn audit(
        &self,
        scope: Option<&BaselineScope>,
        waivers: Waivers,
        input: &Input,
        now: Timestamp,
    ) -> Audit {
        let state = self.state();
        let compiled = Arc::clone(state.live.compiled());
        let mut work = Work::new(&compiled, waivers, &[]);
        for seen in state.live.all().filter(|seen| state.covers(scope, seen.object)) {
            // The cluster is no object.
            if !seen.whole && !seen.is_empty() {
                work.count();
            }
            work.tell(seen);
        }
        let mut audit = conclude(work, input, now);
        audit.unread = state.unread.iter().map(|(key, why)| format!("{key}: {why}")).collect();
        audit
    }

    /// What is told of one object; none if nothing is, or it is out of scope.
    pub fn line(
        &self,
        uid: &str,
        scope: Option<&BaselineScope>,
        waivers: &mut Waivers,
        keep: &[Outcome],
    ) -> Option<ObjectLine> {
        let state = self.state();
        let seen = state.live.seen(uid).filter(|seen| !seen.is_empty())?;
        if !state.covers(scope, seen.object) {
            return None;
        }
        Some(line_of(state.live.compiled(), waivers, seen, keep))
    }
}

impl State {
    fn tell_unread(&mut self) {
        let unread = self.unread.keys().cloned().collect();
        self.live.set_unread(unread);
    }

    fn note_namespace(&mut self, object: &Value) {
        let Some(name) = object["metadata"]["name"].as_str() else { return };
        let labels: BTreeMap<String, String> = object["metadata"]["labels"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect();
        if self.namespaces.get(name) != Some(&labels) {
            // Everything in it may have come into the scope, or gone out of it.
            self.stale = Stale::All;
            self.namespaces.insert(name.to_owned(), labels);
        }
    }

    fn covers(&self, scope: Option<&BaselineScope>, object: &ObjectRef) -> bool {
        let namespace = if object.kind == "Namespace" { &object.name } else { &object.namespace };
        namespace.is_empty() || scope::covers(scope, self.namespaces.get(namespace))
    }
}

#[cfg(test)]
mod tests {
    use banyan_policies::{
        engine::{Parameters, Selection, compile},
        pack::builtin,
    };
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-06-01T00:00:00Z";

    fn now() -> Timestamp {
        NOW.parse().unwrap()
    }

    fn scene() -> Scene {
        let packs: Vec<_> = builtin().0.into_iter().map(Arc::new).collect();
        let (compiled, faults) =
            compile(&packs, &[Selection::new("pod-security", "restricted")], &Parameters::default());
        assert_eq!(faults, []);
        Scene::new(Arc::new(compiled), ["Pod".to_owned(), "Namespace".to_owned()].into())
    }

    fn pod(name: &str, namespace: &str, privileged: bool) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "uid": name},
            "spec": {"containers": [{"name": "a", "image": "b", "securityContext": {"privileged": privileged}}]},
        })
    }

    fn failing(scene: &Scene, scope: Option<&BaselineScope>) -> usize {
        scene.settle(false, now());
        let audit = scene.audit(scope, Waivers::default(), &Input::default(), now());
        audit
            .controls
            .iter()
            .find(|control| control.id.contains("privileged"))
            .map_or(0, |control| control.tally.fail)
    }

    #[test]
    fn an_object_that_is_mended_or_goes_is_told() {
        let scene = scene();
        assert!(!scene.is_complete());
        scene.absent(["Namespace".to_owned()]);
        assert!(scene.take(Change::Applied(pod("p", "n", true)), now()));
        scene.take(Change::Listed { key: "Pod".to_owned(), seen: ["p".to_owned()].into() }, now());
        assert!(scene.is_complete());
        assert_eq!(failing(&scene, None), 1);
        assert_eq!(scene.take_stale(), Stale::All);
        assert_eq!(scene.take_stale(), Stale::default());
        scene.take(Change::Applied(pod("p", "n", false)), now());
        assert_eq!(failing(&scene, None), 0);
        assert_eq!(scene.take_stale(), Stale::Some(["p".to_owned()].into()));
        // The same again is no news.
        assert!(!scene.take(Change::Applied(pod("p", "n", false)), now()));
        assert_eq!(scene.take_stale(), Stale::default());
        scene.take(Change::Listed { key: "Pod".to_owned(), seen: [].into() }, now());
        assert_eq!(scene.take_stale(), Stale::Some(["p".to_owned()].into()));
        assert_eq!(scene.line("p", None, &mut Waivers::default(), &[]), None);
    }

    #[test]
    fn a_namespace_that_leaves_the_scope_takes_its_objects_along() {
        let scene = scene();
        let scope: BaselineScope = serde_json::from_value(json!({"tenants": ["health"]})).unwrap();
        let namespace = |tenant: &str| {
            Change::Applied(
                json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n", "uid": "n", "labels": {"banyan.dev/tenant": tenant}}}),
            )
        };
        scene.take(namespace("health"), now());
        scene.take(Change::Applied(pod("p", "n", true)), now());
        assert_eq!(failing(&scene, Some(&scope)), 1);
        scene.take_stale();
        scene.take(namespace("other"), now());
        assert_eq!(failing(&scene, Some(&scope)), 0);
        assert_eq!(scene.take_stale(), Stale::All);
        assert_eq!(scene.line("p", Some(&scope), &mut Waivers::default(), &[]), None);
        assert!(scene.line("p", None, &mut Waivers::default(), &[Outcome::Fail]).is_some());
    }

    #[test]
    fn a_kind_that_may_not_be_read_is_heard_of_and_told() {
        let scene = scene();
        scene.take(Change::Listed { key: "Namespace".to_owned(), seen: [].into() }, now());
        let refused = || Change::Refused { key: "Pod".to_owned(), why: "no".to_owned() };
        assert!(scene.take(refused(), now()));
        assert!(!scene.take(refused(), now()));
        assert!(scene.is_complete());
        assert_eq!(scene.unread(), [("Pod".to_owned(), "no".to_owned())]);
        scene.take(Change::Listed { key: "Pod".to_owned(), seen: [].into() }, now());
        assert_eq!(scene.unread(), []);
    }
}
