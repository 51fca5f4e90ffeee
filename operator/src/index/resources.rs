//! Banyan's own resources, by name. They are kept whole, without what only the API server needs of them.

use std::{
    collections::{HashMap, HashSet},
    fmt::Debug,
    sync::{Arc, PoisonError, RwLock},
};

use kube::{
    Resource, ResourceExt,
    core::{DeserializeGuard, ObjectMeta},
};
use serde::de::DeserializeOwned;

use super::feed::Index;
use crate::kernel::driver::Queue;

/// A resource as it arrived: readable, or what is wrong with it.
#[derive(Clone, Debug)]
pub enum Arrived<K> {
    /// Readable.
    Good(Arc<K>),
    /// It cannot be decoded. The watch goes on for all others.
    Bad {
        /// Its metadata.
        meta: Box<ObjectMeta>,
        /// What is wrong.
        error: String,
    },
}

impl<K: Resource<DynamicType = ()>> Arrived<K> {
    /// Its metadata, readable or not.
    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Good(object) => object.meta(),
            Self::Bad { meta, .. } => meta,
        }
    }
}

/// The resources of a kind, and the queue that is told when one needs a look.
pub struct Resources<K> {
    entries: RwLock<HashMap<String, Arrived<K>>>,
    queue: Arc<Queue>,
}

impl<K> Resources<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug,
{
    /// An empty index that tells `queue`.
    pub fn new(queue: Arc<Queue>) -> Self {
        Self { entries: RwLock::default(), queue }
    }

    /// The resource called `name`.
    pub fn get(&self, name: &str) -> Option<Arrived<K>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Every readable resource.
    pub fn all(&self) -> Vec<Arc<K>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries
            .values()
            .filter_map(|arrived| match arrived {
                Arrived::Good(object) => Some(Arc::clone(object)),
                Arrived::Bad { .. } => None,
            })
            .collect()
    }

    /// Every uid, readable or not.
    pub fn uids(&self) -> HashSet<String> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.values().filter_map(|arrived| arrived.meta().uid.clone()).collect()
    }

    /// Every name.
    pub fn names(&self) -> Vec<String> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }
}

/// What a look is worth: a new spec, a deletion, a finalizer; not a status of our own.
fn essence(meta: &ObjectMeta) -> (Option<String>, Option<i64>, bool, usize) {
    (
        meta.uid.clone(),
        meta.generation,
        meta.deletion_timestamp.is_some(),
        meta.finalizers.as_ref().map_or(0, Vec::len),
    )
}

impl<K> Index<DeserializeGuard<K>> for Resources<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    fn apply(&self, object: DeserializeGuard<K>) -> bool {
        let name = object.name_any();
        let arrived = match object.0 {
            Ok(mut object) => {
                let meta = object.meta_mut();
                meta.managed_fields = None;
                if let Some(annotations) = &mut meta.annotations {
                    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
                }
                Arrived::Good(Arc::new(object))
            }
            Err(invalid) => Arrived::Bad { meta: Box::new(invalid.metadata), error: invalid.error },
        };
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let look = entries.get(&name).is_none_or(|old| essence(old.meta()) != essence(arrived.meta()));
        entries.insert(name.clone(), arrived);
        drop(entries);
        if look {
            self.queue.now(&name);
        }
        look
    }

    fn delete(&self, object: &DeserializeGuard<K>) -> bool {
        let name = object.name_any();
        let kept = self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(&name).is_some();
        // A last look, so that what only the room keeps of it is dropped as well.
        self.queue.now(&name);
        kept
    }

    fn reset(&self, seen: &HashSet<String>) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|name, arrived| {
            let kept = arrived.meta().uid.as_ref().is_some_and(|uid| seen.contains(uid));
            if !kept {
                self.queue.now(name);
            }
            kept
        });
    }
}
