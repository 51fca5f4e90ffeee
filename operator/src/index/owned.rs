//! Objects that Banyan made: uid, version and digests, and what a room wants to keep of the content.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Resource, ResourceExt, api::DynamicObject, core::ApiResource};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::feed::Index;
use crate::kernel::{
    digest,
    driver::Queue,
    executor::{Entry, Inventory},
    overlay::is_older,
    plan::{DIGEST, FIELD_MANAGER, MANAGED_BY, OWNER, ObjectRef, Owner},
};

/// How soon the owner of an object that was changed or deleted by somebody else is looked at: at once, and yet not so
/// soon that another controller that insists is fought at full speed.
const DEFEND_AFTER: Duration = Duration::from_secs(1);

/// What a room keeps of an owned object's content.
pub type Projection<K, P> = fn(&K) -> Option<P>;

/// Owned `ConfigMaps` of Banyan's namespace.
pub type OwnedConfigMaps<P> = Owned<ConfigMap, P>;

/// What Banyan made of one kind for one kind of resources, by uid.
pub struct Owned<K, P> {
    /// The kind of the owners in lower case; what is made for others is another index's.
    owners: &'static str,
    project: Projection<K, P>,
    entries: RwLock<HashMap<String, Kept<P>>>,
    queue: Option<Arc<Queue>>,
    /// All that there was at the start is known.
    listed: AtomicBool,
}

struct Kept<P> {
    owner: String,
    version: String,
    entry: Entry,
    content: Option<P>,
}

impl<P> Kept<P> {
    /// Somebody else has changed what was intended.
    fn drifted(&self) -> bool {
        self.entry.intent.is_some() && self.entry.intent != self.entry.live
    }
}

impl<K, P: Clone> Owned<K, P>
where
    K: Resource<DynamicType = ()> + Serialize,
{
    /// An empty index of what is made for resources of a kind, in lower case, that keeps what `project` makes of each object.
    pub fn new(owners: &'static str, project: Projection<K, P>) -> Self {
        Self { owners, project, entries: RwLock::default(), queue: None, listed: AtomicBool::new(false) }
    }

    /// Tells `queue` when an object has to be put back, or was written on purpose by somebody else, such as the command line.
    #[must_use]
    pub fn telling(self, queue: Arc<Queue>) -> Self {
        Self { queue: Some(queue), ..self }
    }

    /// The owner, `<kind>.<name>`, is due.
    fn tell(&self, owner: &str) {
        if let (Some(queue), Some((_, name))) = (&self.queue, owner.split_once('.')) {
            queue.at(name, tokio::time::Instant::now() + DEFEND_AFTER);
        }
    }

    /// Names of the owners of what there is.
    pub fn owners(&self) -> Vec<String> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let name = |kept: &Kept<P>| kept.owner.split_once('.').map(|(_, name)| name.to_owned());
        entries.values().filter_map(name).collect()
    }

    /// The content kept for `owner`.
    pub fn content(&self, owner: &Owner) -> Option<P> {
        let owner = owner.to_string();
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.values().filter(|kept| kept.owner == owner).find_map(|kept| kept.content.clone())
    }

    fn insert(&self, object: &K, by_watch: bool) {
        let (Some(uid), Some(version)) = (object.uid(), object.resource_version()) else { return };
        let labels = object.labels();
        if labels.get(MANAGED_BY).is_none_or(|by| by != FIELD_MANAGER) {
            return;
        }
        let Some(owner) = labels.get(OWNER).cloned() else { return };
        if owner.split_once('.').is_none_or(|(kind, _)| kind != self.owners) {
            return;
        }
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        // An own write may be answered before the watch delivers an older state, and then delivers the same one.
        if entries.get(&uid).is_some_and(|kept| kept.version == version || is_older(&version, &kept.version))
        {
            return;
        }
        let entry = Entry {
            object: ObjectRef {
                resource: ApiResource::erase::<K>(&()),
                namespace: object.namespace(),
                name: object.name_any(),
                uid: Some(uid.clone()),
            },
            intent: object.annotations().get(DIGEST).cloned(),
            live: digest::of_live(&json!(object)),
        };
        let content = (self.project)(object);
        let kept = Kept { owner, version, entry, content };
        let known = entries.get(&uid);
        let drifted = kept.drifted() && known.is_none_or(|known| !known.drifted());
        // Own writes are mostly known before the watch tells of them.
        let intended = by_watch
            && self.listed.load(Ordering::Relaxed)
            && known.is_none_or(|known| known.entry.intent != kept.entry.intent);
        let told = drifted || intended;
        let owner = told.then(|| kept.owner.clone());
        entries.insert(uid, kept);
        drop(entries);
        if let Some(owner) = owner {
            self.tell(&owner);
        }
    }
}

impl<K, P> Index<K> for Owned<K, P>
where
    K: Resource<DynamicType = ()> + Serialize + Send + Sync + 'static,
    P: Clone + Send + Sync + 'static,
{
    fn apply(&self, object: K) -> bool {
        self.insert(&object, true);
        true
    }

    fn delete(&self, object: &K) -> bool {
        let Some(uid) = object.uid() else { return false };
        // An own deletion is known before the watch tells of it: what is still kept, somebody else has deleted.
        let kept = self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(&uid);
        if let Some(kept) = &kept {
            self.tell(&kept.owner);
        }
        kept.is_some()
    }

    fn reset(&self, seen: &HashSet<String>) {
        self.listed.store(true, Ordering::Relaxed);
        let mut gone = Vec::new();
        self.entries.write().unwrap_or_else(PoisonError::into_inner).retain(|uid, kept| {
            let here = seen.contains(uid);
            if !here {
                gone.push(kept.owner.clone());
            }
            here
        });
        for owner in gone {
            self.tell(&owner);
        }
    }
}

impl<K, P> Inventory for Owned<K, P>
where
    K: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned + Send + Sync,
    P: Clone + Send + Sync,
{
    fn of(&self, owner: &Owner) -> Vec<Entry> {
        let owner = owner.to_string();
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.values().filter(|kept| kept.owner == owner).map(|kept| kept.entry.clone()).collect()
    }

    fn observed(&self, object: &DynamicObject) {
        if object.types.as_ref().is_some_and(|types| types.kind == K::kind(&())) {
            match object.clone().try_parse::<K>() {
                Ok(object) => self.insert(&object, false),
                Err(error) => tracing::warn!(%error, "the answer to an own write could not be read"),
            }
        }
    }

    fn removed(&self, object: &ObjectRef) {
        if let Some(uid) = &object.uid {
            self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(uid);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(version: &str, data: &str) -> ConfigMap {
        serde_json::from_value(json!({
            "metadata": {
                "name": "ledger-a", "namespace": "banyan-system", "uid": "u", "resourceVersion": version,
                "labels": {MANAGED_BY: FIELD_MANAGER, OWNER: "datacenter.a"}
            },
            "data": {"days": data}
        }))
        .unwrap()
    }

    fn index() -> OwnedConfigMaps<String> {
        OwnedConfigMaps::new("datacenter", |object: &ConfigMap| object.data.as_ref()?.get("days").cloned())
    }

    fn owner() -> Owner {
        Owner { kind: "datacenter", name: "a".into() }
    }

    #[test]
    fn an_own_write_is_not_overtaken_by_an_older_watch_event() {
        let index = index();
        index.apply(object("10", "new"));
        index.apply(object("9", "old"));
        assert_eq!(index.content(&owner()).unwrap(), "new");
        index.apply(object("11", "newer"));
        assert_eq!(index.content(&owner()).unwrap(), "newer");
    }

    #[tokio::test(start_paused = true)]
    async fn what_somebody_deletes_or_changes_makes_its_owner_due_at_once() {
        let queue = Arc::new(Queue::default());
        let index = index().telling(Arc::clone(&queue));
        let untouched = |version| {
            let mut live = json!(object(version, "x"));
            let intent = digest::of_intent(&json!({
                "metadata": {"labels": {MANAGED_BY: FIELD_MANAGER, OWNER: "datacenter.a"}}, "data": {"days": "x"}
            }));
            live["metadata"]["annotations"] = json!({DIGEST: intent});
            live["metadata"]["managedFields"] = json!([{"manager": "banyan", "operation": "Apply", "fieldsV1": {
                "f:metadata": {
                    "f:labels": {format!("f:{MANAGED_BY}"): {}, format!("f:{OWNER}"): {}},
                    "f:annotations": {format!("f:{DIGEST}"): {}}
                },
                "f:data": {"f:days": {}}
            }}]);
            live
        };
        let parse = |live: &serde_json::Value| serde_json::from_value::<ConfigMap>(live.clone()).unwrap();
        index.apply(parse(&untouched("10")));
        assert_eq!(queue.due("a"), None, "as it was intended");
        let mut changed = untouched("11");
        changed["data"]["days"] = json!("y");
        index.apply(parse(&changed));
        let at = queue.due("a").unwrap();
        assert_eq!(at - tokio::time::Instant::now(), DEFEND_AFTER);

        queue.forget("a");
        index.apply(parse(&untouched("12")));
        index.delete(&parse(&untouched("12")));
        assert!(queue.due("a").is_some());
        // An own deletion is no surprise.
        queue.forget("a");
        index.apply(parse(&untouched("13")));
        index.removed(&index.of(&owner())[0].object);
        index.delete(&parse(&untouched("13")));
        assert_eq!(queue.due("a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_client_has_written_on_purpose_makes_its_owner_due_and_an_own_write_does_not() {
        let queue = Arc::new(Queue::default());
        let index = index().telling(Arc::clone(&queue));
        let intended = |uid: &str, version: &str, data: &str| {
            let mut map = object(version, data);
            map.metadata.uid = Some(uid.to_owned());
            map.metadata.annotations = Some([(DIGEST.to_owned(), data.to_owned())].into());
            map
        };
        let due = || {
            let due = queue.due("a").is_some();
            queue.forget("a");
            due
        };
        // What there is at the start is looked at anyway. Without managed fields it counts as changed, so it is told once.
        index.apply(intended("u", "10", "x"));
        due();
        index.reset(&HashSet::from(["u".to_owned()]));
        index.apply(intended("u", "11", "x"));
        assert!(!due(), "with the same intent");
        index.apply(intended("u", "12", "y"));
        assert!(due(), "another intent");
        index.insert(&intended("u", "13", "z"), false);
        index.apply(intended("u", "13", "z"));
        assert!(!due(), "an own write");
        index.apply(intended("v", "14", "x"));
        assert!(due(), "one that was not there");
    }

    #[test]
    fn what_a_new_list_does_not_name_is_gone() {
        let index = index();
        index.apply(object("10", "x"));
        index.reset(&HashSet::from(["other".to_owned()]));
        assert_eq!(index.of(&owner()), vec![]);
    }

    #[test]
    fn what_others_made_is_not_ours() {
        let index = index();
        let mut foreign = object("10", "x");
        foreign.metadata.labels.as_mut().unwrap().remove(MANAGED_BY);
        index.apply(foreign);
        assert!(index.of(&owner()).is_empty());
        let mut others = object("10", "x");
        others.metadata.labels.as_mut().unwrap().insert(OWNER.to_owned(), "securitybaseline.a".to_owned());
        index.apply(others);
        assert!(index.of(&Owner { kind: "securitybaseline", name: "a".into() }).is_empty());
    }
}
