//! Feeding an index from a watch.

use std::{fmt::Debug, sync::Arc};

use futures::StreamExt;
use kube::{Api, Resource, ResourceExt, runtime::watcher};
use serde::de::DeserializeOwned;
use tokio::sync::Notify;

use super::patience::Patience;
use crate::kernel::admin::Readiness;

/// An index of objects of type `K`.
pub trait Index<K>: Send + Sync + 'static {
    /// An object as it is now. Says whether what is kept of it has changed.
    fn apply(&self, object: K) -> bool;
    /// It is gone. Says whether anything was kept of it.
    fn delete(&self, object: &K) -> bool;
    /// A list is complete: what was not seen since its begin is gone. `seen` has the uids.
    fn reset(&self, seen: &std::collections::HashSet<String>);
}

/// Feeds `index` until the task is dropped. `changed` is notified when
/// what is kept has changed.
pub async fn feed<K, I>(
    api: Api<K>,
    config: watcher::Config,
    index: Arc<I>,
    name: &'static str,
    readiness: Readiness,
    changed: Arc<Notify>,
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Default + Clone,
    I: Index<K>,
{
    let mut seen = std::collections::HashSet::new();
    let mut patience = Patience::new(name);
    let mut events = std::pin::pin!(watcher(api, config));
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => seen.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                seen.extend(object.uid());
                let _ = index.apply(object);
            }
            Ok(watcher::Event::InitDone) => {
                index.reset(&seen);
                // The uids are needed while listing only.
                seen = std::collections::HashSet::new();
                patience.restore();
                readiness.filled(name);
                changed.notify_one();
            }
            Ok(watcher::Event::Apply(object)) => {
                patience.restore();
                if index.apply(object) {
                    changed.notify_one();
                }
            }
            Ok(watcher::Event::Delete(object)) => {
                patience.restore();
                // What was never kept, such as a Job that nobody may hold, is nobody's news.
                if index.delete(&object) {
                    changed.notify_one();
                }
            }
            // The watcher starts again when it is asked for its next event.
            Err(error) => tokio::time::sleep(patience.failed(&error)).await,
        }
    }
}
