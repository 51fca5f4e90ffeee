//! Objects that Banyan made: uid, version and digests, and what a room wants to keep of the content.

use std::{
    collections::{HashMap, HashSet},
    sync::{PoisonError, RwLock},
};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Resource, ResourceExt, api::DynamicObject, core::ApiResource};
use serde_json::json;

use super::feed::Index;
use crate::kernel::{
    digest,
    executor::{Entry, Inventory},
    overlay::is_older,
    plan::{DIGEST, FIELD_MANAGER, MANAGED_BY, OWNER, ObjectRef, Owner},
};

/// What a room keeps of an owned object's content.
pub type Projection<P> = fn(&ConfigMap) -> Option<P>;

/// Owned `ConfigMaps` of Banyan's namespace, by uid.
pub struct OwnedConfigMaps<P> {
    project: Projection<P>,
    entries: RwLock<HashMap<String, Kept<P>>>,
}

struct Kept<P> {
    owner: String,
    version: String,
    entry: Entry,
    content: Option<P>,
}

impl<P: Clone> OwnedConfigMaps<P> {
    /// An empty index that keeps what `project` makes of each object.
    pub fn new(project: Projection<P>) -> Self {
        Self { project, entries: RwLock::default() }
    }

    /// The content kept for `owner`.
    pub fn content(&self, owner: &Owner) -> Option<P> {
        let owner = owner.to_string();
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.values().filter(|kept| kept.owner == owner).find_map(|kept| kept.content.clone())
    }

    fn insert(&self, object: &ConfigMap) {
        let (Some(uid), Some(version)) = (object.uid(), object.resource_version()) else { return };
        let labels = object.labels();
        if labels.get(MANAGED_BY).is_none_or(|by| by != FIELD_MANAGER) {
            return;
        }
        let Some(owner) = labels.get(OWNER).cloned() else { return };
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        // An own write may be answered before the watch delivers an older state.
        if entries.get(&uid).is_some_and(|kept| is_older(&version, &kept.version)) {
            return;
        }
        let entry = Entry {
            object: ObjectRef {
                resource: ApiResource::erase::<ConfigMap>(&()),
                namespace: object.namespace(),
                name: object.name_any(),
                uid: Some(uid.clone()),
            },
            intent: object.annotations().get(DIGEST).cloned(),
            live: digest::of_live(&json!(object)),
        };
        let content = (self.project)(object);
        entries.insert(uid, Kept { owner, version, entry, content });
    }
}

impl<P: Clone + Send + Sync + 'static> Index<ConfigMap> for OwnedConfigMaps<P> {
    fn apply(&self, object: ConfigMap) -> bool {
        self.insert(&object);
        true
    }

    fn delete(&self, object: &ConfigMap) {
        if let Some(uid) = object.uid() {
            self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(&uid);
        }
    }

    fn reset(&self, seen: &HashSet<String>) {
        self.entries.write().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| seen.contains(uid));
    }
}

impl<P: Clone + Send + Sync> Inventory for OwnedConfigMaps<P> {
    fn of(&self, owner: &Owner) -> Vec<Entry> {
        let owner = owner.to_string();
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.values().filter(|kept| kept.owner == owner).map(|kept| kept.entry.clone()).collect()
    }

    fn observed(&self, object: &DynamicObject) {
        if object.types.as_ref().is_some_and(|types| types.kind == ConfigMap::kind(&())) {
            match object.clone().try_parse::<ConfigMap>() {
                Ok(object) => self.insert(&object),
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
        OwnedConfigMaps::new(|object| object.data.as_ref()?.get("days").cloned())
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
    }
}
