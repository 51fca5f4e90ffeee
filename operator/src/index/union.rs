//! Every index as one, for the executor: the answers to its writes go to the index that keeps such objects.

use std::sync::Arc;

use kube::api::DynamicObject;

use super::{batch::Batch, nodes::Nodes, owned::OwnedConfigMaps};
use crate::kernel::{
    executor::{Entry, Inventory},
    plan::{ObjectRef, Owner},
};

/// The indexes of the process.
pub struct Union<P> {
    /// Objects that Banyan made.
    pub owned: Arc<OwnedConfigMaps<P>>,
    /// Nodes.
    pub nodes: Arc<Nodes>,
    /// Batch work.
    pub batch: Arc<Batch>,
}

impl<P: Clone + Send + Sync> Inventory for Union<P> {
    fn of(&self, owner: &Owner) -> Vec<Entry> {
        self.owned.of(owner)
    }

    fn observed(&self, object: &DynamicObject) {
        match object.types.as_ref().map(|types| types.kind.as_str()) {
            Some("Node") => {
                let _ = self.nodes.observe(&object.metadata);
            }
            Some("ConfigMap") => self.owned.observed(object),
            _ => self.batch.observe(object),
        }
    }

    fn removed(&self, object: &ObjectRef) {
        self.owned.removed(object);
        if let Some(uid) = &object.uid {
            let _ = self.nodes.forget(uid) || self.batch.forget(Some(uid));
        }
    }

    fn returned(&self, object: &ObjectRef, annotation: &str) {
        if let Some(uid) = &object.uid {
            self.nodes.returned(uid, annotation);
            self.batch.returned(uid, annotation);
        }
    }
}
