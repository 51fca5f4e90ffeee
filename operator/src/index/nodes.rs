//! Nodes: labels and loans, nothing else.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use k8s_openapi::api::core::v1::Node;
use kube::{ResourceExt, core::PartialObjectMeta};

use super::feed::Index;
use crate::kernel::{
    loan::{self, Record},
    overlay::is_older,
    rivals::{self, Doubt},
};

/// What is kept of a Node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeEntry {
    /// Name.
    pub name: String,
    /// Uid.
    pub uid: String,
    /// Labels.
    pub labels: Arc<BTreeMap<String, String>>,
    /// Loans on it, by annotation.
    pub loans: Vec<(String, Record)>,
    /// What speaks against loans on it, by annotation.
    pub doubts: Vec<(String, Doubt)>,
}

/// An entry, and the resource version that it is of.
struct Kept {
    version: String,
    entry: NodeEntry,
}

/// Nodes by uid. Only metadata is watched, so that heartbeats in the status cost as little as they can.
#[derive(Default)]
pub struct Nodes(RwLock<HashMap<String, Kept>>);

impl Nodes {
    /// The Nodes that `wanted` accepts, by name.
    pub fn select(&self, wanted: impl Fn(&NodeEntry) -> bool) -> Vec<NodeEntry> {
        let nodes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> =
            nodes.values().map(|kept| &kept.entry).filter(|node| wanted(node)).cloned().collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// Takes in a Node's metadata, from the watch or from the answer to an own write.
    /// Says whether what is kept of it has changed. What is older than what is known is passed over: an own write may be
    /// answered before the watch delivers the state of before.
    pub fn observe(&self, meta: &kube::core::ObjectMeta) -> bool {
        let (Some(uid), Some(name)) = (meta.uid.clone(), meta.name.clone()) else { return false };
        let version = meta.resource_version.clone().unwrap_or_default();
        let annotations =
            meta.annotations.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let loans = loan::records(annotations);
        let labels = meta.labels.clone().unwrap_or_default();
        let mut nodes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let known = nodes.get(&uid).map(|kept| (&kept.entry.loans[..], &kept.entry.doubts[..]));
        let (before, doubted) = known.unwrap_or_default();
        let doubts = rivals::doubts(meta, &loans, before, doubted);
        if let Some(known) = nodes.get_mut(&uid) {
            if is_older(&version, &known.version) {
                return false;
            }
            // Heartbeats change neither: the one copy stays.
            if *known.entry.labels == labels && known.entry.loans == loans && known.entry.doubts == doubts {
                known.version = version;
                return false;
            }
        }
        let entry = NodeEntry { name, uid: uid.clone(), labels: Arc::new(labels), loans, doubts };
        nodes.insert(uid, Kept { version, entry });
        true
    }

    /// The loan behind this annotation was given back by Banyan itself.
    pub fn returned(&self, uid: &str, annotation: &str) {
        let mut nodes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = nodes.get_mut(uid) {
            kept.entry.doubts.retain(|(at, _)| at != annotation);
        }
    }

    /// Forgets the Node of this uid. Says whether it was known.
    pub fn forget(&self, uid: &str) -> bool {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(uid).is_some()
    }
}

impl Index<PartialObjectMeta<Node>> for Nodes {
    fn apply(&self, object: PartialObjectMeta<Node>) -> bool {
        self.observe(&object.metadata)
    }

    fn delete(&self, object: &PartialObjectMeta<Node>) -> bool {
        object.uid().is_some_and(|uid| self.forget(&uid))
    }

    fn reset(&self, seen: &HashSet<String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| seen.contains(uid));
    }
}

#[cfg(test)]
mod tests {
    use kube::core::ObjectMeta;
    use serde_json::json;

    use super::*;

    fn meta(version: &str, loan: bool) -> ObjectMeta {
        let record = json!({"owner": "datacenter.a", "at": "2026-03-01T00:00:00Z", "fields": []}).to_string();
        let annotations = loan.then(|| json!({loan::annotation("PreferElsewhere"): record}));
        serde_json::from_value(json!({
            "name": "n", "uid": "u", "resourceVersion": version, "annotations": annotations
        }))
        .unwrap()
    }

    #[test]
    fn an_own_write_is_not_overtaken_by_an_older_watch_event() {
        let nodes = Nodes::default();
        assert!(nodes.observe(&meta("8", false)));
        // The answer to an own write, and then the watch with the state of before.
        assert!(nodes.observe(&meta("10", true)));
        assert!(!nodes.observe(&meta("9", false)));
        assert_eq!(nodes.select(|_| true)[0].loans.len(), 1);
        assert!(nodes.observe(&meta("11", false)));
        // A heartbeat changes the version only, and that counts too.
        assert!(!nodes.observe(&meta("13", false)));
        assert!(!nodes.observe(&meta("12", true)));
        assert!(nodes.select(|_| true)[0].loans.is_empty());
    }

    #[test]
    fn a_rival_that_writes_the_taints_is_seen_by_the_metadata_alone() {
        let nodes = Nodes::default();
        let managed = |version: &str, manager: &str, operation: &str| {
            let lent = json!([{
                "pointer": "/spec/taints", "elementKeys": ["key"], "set": {"key": "a"}, "prior": null,
                "declarers": ["node-pools"]
            }]);
            let record = json!({"owner": "datacenter.a", "at": "2026-03-01T00:00:00Z", "fields": lent});
            serde_json::from_value::<ObjectMeta>(json!({
                "name": "n", "uid": "u", "resourceVersion": version,
                "annotations": {loan::annotation("PreferElsewhere"): record.to_string()},
                "managedFields": [{
                    "manager": manager, "operation": operation, "fieldsV1": {"f:spec": {"f:taints": {}}}
                }]
            }))
            .unwrap()
        };
        nodes.observe(&managed("1", "banyan", "Update"));
        // The node lifecycle controller marks one that is not ready, and keeps what others have set.
        assert!(!nodes.observe(&managed("2", "kube-controller-manager", "Update")));
        assert!(nodes.observe(&managed("3", "node-pools", "Apply")));
        let doubt = Doubt::Overwritten { by: "node-pools".into() };
        assert_eq!(nodes.select(|_| true)[0].doubts[0].1, doubt);
        nodes.returned("u", &loan::annotation("PreferElsewhere"));
        assert!(nodes.select(|_| true)[0].doubts.is_empty());
    }

    #[test]
    fn only_what_was_kept_is_news_when_it_goes() {
        let nodes = Nodes::default();
        nodes.observe(&meta("8", false));
        let node: PartialObjectMeta<Node> =
            serde_json::from_value(json!({"metadata": {"name": "n", "uid": "u"}})).unwrap();
        assert!(nodes.delete(&node));
        assert!(!nodes.delete(&node));
    }
}
