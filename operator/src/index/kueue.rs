//! Kueue's `ClusterQueues`, where Kueue is installed; it may be installed later.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::DynamicObject,
    core::ApiResource,
    runtime::{WatchStreamExt, watcher},
};
use tokio::sync::Notify;

use super::batch::{Batch, cluster_queue};
use crate::kernel::admin::Readiness;

/// How often the API server is asked whether Kueue has been installed meanwhile.
const LOOK_EVERY: Duration = Duration::from_mins(5);
/// The group of Kueue's kinds.
const GROUP: &str = "kueue.x-k8s.io";

/// Feeds the index until the task is dropped. Without Kueue it is filled at once, with nothing.
pub async fn feed(client: Client, batch: Arc<Batch>, readiness: Readiness, changed: Arc<Notify>) {
    loop {
        match served(&client).await {
            Ok(Some(resource)) => watch(&client, &resource, &batch, &readiness, &changed).await,
            Ok(None) => {
                readiness.filled("clusterqueues");
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(error) => {
                tracing::warn!(%error, "the API server's groups could not be read");
                // Kueue is optional: what can be judged without it is not kept waiting.
                readiness.filled("clusterqueues");
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        }
    }
}

/// `ClusterQueue` in the version that the server prefers. An answer that does not come counts as an error.
pub async fn served(client: &Client) -> Result<Option<ApiResource>, kube::Error> {
    let limit = Duration::from_secs(10);
    let late = |_| kube::Error::Service(format!("no answer within {limit:?}").into());
    tokio::time::timeout(limit, discover(client)).await.map_err(late)?
}

async fn discover(client: &Client) -> Result<Option<ApiResource>, kube::Error> {
    let groups = client.list_api_groups().await?;
    let Some(group) = groups.groups.into_iter().find(|group| group.name == GROUP) else { return Ok(None) };
    let Some(version) = group.preferred_version.or_else(|| group.versions.into_iter().next()) else {
        return Ok(None);
    };
    let resources = client.list_api_group_resources(&version.group_version).await?;
    let here = resources.resources.iter().any(|resource| resource.name == "clusterqueues");
    Ok(here.then(|| cluster_queue(&version.version)))
}

/// Watches until the kind is gone.
async fn watch(
    client: &Client,
    resource: &ApiResource,
    batch: &Batch,
    readiness: &Readiness,
    changed: &Notify,
) {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let mut seen = std::collections::HashSet::new();
    let mut events =
        std::pin::pin!(watcher(api, watcher::Config::default().page_size(100)).default_backoff());
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => seen.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                seen.extend(object.uid());
                let _ = batch.observe_queue(resource, &object);
            }
            Ok(watcher::Event::InitDone) => {
                batch.retain_queues(&seen);
                readiness.filled("clusterqueues");
                changed.notify_one();
            }
            Ok(watcher::Event::Apply(object)) => {
                if batch.observe_queue(resource, &object) {
                    changed.notify_one();
                }
            }
            Ok(watcher::Event::Delete(object)) => {
                batch.forget_queue(&object);
                changed.notify_one();
            }
            Err(error) => {
                tracing::warn!(%error, "the watch of ClusterQueues was interrupted");
                readiness.filled("clusterqueues");
                // Kueue may have been taken away, or serve another version now.
                if let Ok(now) = served(client).await
                    && now.as_ref() != Some(resource)
                {
                    if now.is_none() {
                        batch.retain_queues(&std::collections::HashSet::new());
                    }
                    return;
                }
            }
        }
    }
}

/// All `ClusterQueues` once, for the command line.
pub async fn fill(client: &Client, batch: &Batch) -> Result<(), kube::Error> {
    let Some(resource) = served(client).await? else { return Ok(()) };
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    for object in api.list(&kube::api::ListParams::default()).await? {
        let _ = batch.observe_queue(&resource, &object);
    }
    Ok(())
}
