//! The indexes, filled once by lists instead of watches, for subcommands that look at a cluster and end.

use std::sync::Arc;

use anyhow::Context as _;
use k8s_openapi::api::{
    batch::v1::{CronJob, Job},
    core::v1::{ConfigMap, Node},
};
use kube::{Api, Client, api::ListParams};

use crate::{
    datacenter::observe::FoundLedger,
    index::{batch::Batch, feed::Index, kueue, nodes::Nodes, owned::OwnedConfigMaps},
    kernel::plan::{FIELD_MANAGER, MANAGED_BY},
};

/// What the operator knows of a cluster.
pub struct Indexes {
    /// Nodes.
    pub nodes: Arc<Nodes>,
    /// Batch work.
    pub batch: Arc<Batch>,
    /// Ledgers and marks.
    pub owned: Arc<OwnedConfigMaps<FoundLedger>>,
    /// The objects that `owned` was filled with.
    pub maps: Vec<ConfigMap>,
}

impl Indexes {
    /// Reads them. `namespace` is Banyan's.
    pub async fn read(client: &Client, namespace: &str) -> anyhow::Result<Self> {
        let (nodes, batch) = (Nodes::default(), Batch::default());
        let all = ListParams::default();
        let listed = Api::<Node>::all(client.clone()).list_metadata(&all).await;
        for node in listed.context("Nodes cannot be listed")? {
            let _ = nodes.observe(&node.metadata);
        }
        let listed = Api::<CronJob>::all(client.clone()).list(&all).await;
        for object in listed.context("CronJobs cannot be listed")? {
            let _ = Index::<CronJob>::apply(&batch, object);
        }
        let listed = Api::<Job>::all(client.clone()).list(&all).await;
        for object in listed.context("Jobs cannot be listed")? {
            let _ = Index::<Job>::apply(&batch, object);
        }
        kueue::fill(client, &batch).await.context("ClusterQueues cannot be listed")?;
        let (owned, maps) = owned(client, namespace).await?;
        Ok(Self { nodes: Arc::new(nodes), batch: Arc::new(batch), owned: Arc::new(owned), maps })
    }
}

/// Ledgers and marks, and the objects that they were read from. `namespace` is Banyan's.
///
/// # Errors
/// When the objects cannot be listed. What cannot be read of one of them is told where its content is asked for.
pub async fn owned(
    client: &Client,
    namespace: &str,
) -> anyhow::Result<(OwnedConfigMaps<FoundLedger>, Vec<ConfigMap>)> {
    let owned = OwnedConfigMaps::new("datacenter", FoundLedger::read);
    let ours = ListParams::default().labels(&format!("{MANAGED_BY}={FIELD_MANAGER}"));
    let listed = Api::<ConfigMap>::namespaced(client.clone(), namespace).list(&ours).await;
    let maps = listed.with_context(|| format!("ledgers in namespace {namespace} cannot be listed"))?.items;
    for object in &maps {
        let _ = owned.apply(object.clone());
    }
    Ok((owned, maps))
}
