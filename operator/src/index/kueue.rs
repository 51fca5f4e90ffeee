//! Kueue's `ClusterQueues`, where Kueue is installed; it may be installed later.

use std::{collections::HashSet, sync::Arc, time::Duration};

use futures::StreamExt;
use kube::{Api, Client, ResourceExt, api::DynamicObject, core::ApiResource, runtime::watcher};
use tokio::sync::Notify;

use super::{
    batch::{Batch, cluster_queue},
    patience::Patience,
};

/// How often the API server is asked whether Kueue has been installed meanwhile.
const LOOK_EVERY: Duration = Duration::from_mins(5);
/// The group of Kueue's kinds.
const GROUP: &str = "kueue.x-k8s.io";

/// Feeds the index until the task is dropped.
///
/// The queues are known ([`Batch::queues_known`]) only when they were listed, or when the API server has said that it does
/// not serve the kind. Kueue is optional: while it is broken nothing else waits for it, but no batch work is held, since
/// it cannot be told what to hold.
pub async fn feed(client: Client, batch: Arc<Batch>, changed: Arc<Notify>) {
    let mut patience = Patience::new("clusterqueues");
    loop {
        match served(&client).await {
            Ok(Some(resource)) => {
                patience.restore();
                watch(&client, &resource, &batch, &changed).await;
            }
            Ok(None) => {
                patience.restore();
                if batch.retain_queues(&HashSet::new()) {
                    changed.notify_one();
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            Err(error) => tokio::time::sleep(patience.failed(&error)).await,
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

/// Watches until the kind is gone or is served in another version.
async fn watch(client: &Client, resource: &ApiResource, batch: &Batch, changed: &Notify) {
    batch.queues_unknown();
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let mut seen = HashSet::new();
    let mut patience = Patience::new("clusterqueues");
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default().page_size(100)));
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => seen.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                seen.extend(object.uid());
                let _ = batch.observe_queue(resource, &object);
            }
            Ok(watcher::Event::InitDone) => {
                patience.restore();
                let _ = batch.retain_queues(&seen);
                changed.notify_one();
            }
            Ok(watcher::Event::Apply(object)) => {
                patience.restore();
                if batch.observe_queue(resource, &object) {
                    changed.notify_one();
                }
            }
            Ok(watcher::Event::Delete(object)) => {
                patience.restore();
                if batch.forget_queue(&object) {
                    changed.notify_one();
                }
            }
            Err(error) => {
                tokio::time::sleep(patience.failed(&error)).await;
                // Kueue may have been taken away, or serve another version now. The caller looks.
                if let Ok(now) = served(client).await
                    && now.as_ref() != Some(resource)
                {
                    return;
                }
            }
        }
    }
}

/// All `ClusterQueues` once, for the command line.
pub async fn fill(client: &Client, batch: &Batch) -> Result<(), kube::Error> {
    let mut seen = HashSet::new();
    if let Some(resource) = served(client).await? {
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        for object in api.list(&kube::api::ListParams::default()).await? {
            seen.extend(object.uid());
            let _ = batch.observe_queue(&resource, &object);
        }
    }
    let _ = batch.retain_queues(&seen);
    Ok(())
}
