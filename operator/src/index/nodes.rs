//! Nodes: labels and loans, nothing else.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use k8s_openapi::api::core::v1::Node;
use kube::{ResourceExt, core::PartialObjectMeta};

use super::feed::Index;
use crate::kernel::loan::{self, Record};

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
}

/// Nodes by uid. Only metadata is watched, so that heartbeats in the status cost as little as they can.
#[derive(Default)]
pub struct Nodes(RwLock<HashMap<String, NodeEntry>>);

impl Nodes {
    /// The Nodes that `wanted` accepts, by name.
    pub fn select(&self, wanted: impl Fn(&NodeEntry) -> bool) -> Vec<NodeEntry> {
        let nodes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> = nodes.values().filter(|node| wanted(node)).cloned().collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found
    }

    /// Takes in a Node's metadata, from the watch or from the answer to an own write.
    /// Says whether what is kept of it has changed.
    pub fn observe(&self, meta: &kube::core::ObjectMeta) -> bool {
        let (Some(uid), Some(name)) = (meta.uid.clone(), meta.name.clone()) else { return false };
        let annotations =
            meta.annotations.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let loans = loan::records(annotations);
        let labels = meta.labels.clone().unwrap_or_default();
        let mut nodes = self.0.write().unwrap_or_else(PoisonError::into_inner);
        // Heartbeats change neither: the one copy stays.
        if nodes.get(&uid).is_some_and(|known| *known.labels == labels && known.loans == loans) {
            return false;
        }
        nodes.insert(uid.clone(), NodeEntry { name, uid, labels: Arc::new(labels), loans });
        true
    }
}

impl Index<PartialObjectMeta<Node>> for Nodes {
    fn apply(&self, object: PartialObjectMeta<Node>) -> bool {
        self.observe(&object.metadata)
    }

    fn delete(&self, object: &PartialObjectMeta<Node>) {
        if let Some(uid) = object.uid() {
            self.0.write().unwrap_or_else(PoisonError::into_inner).remove(&uid);
        }
    }

    fn reset(&self, seen: &HashSet<String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).retain(|uid, _| seen.contains(uid));
    }
}
