//! The cluster as a command sees it: read once, and looked at site by site as the operator would.

use std::sync::Arc;

use anyhow::{Context as _, bail};
use banyan_crds::v1alpha1::DataCenter;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, Resource, ResourceExt,
    api::ListParams,
    core::{ClusterResourceScope, DeserializeGuard},
};
use serde::de::DeserializeOwned;

use super::indexes::Indexes;
use crate::{
    datacenter::{
        self,
        ledger::Ledger,
        observe::{FoundLedger, Observation, Observer},
        spec::{Site, SpecError},
    },
    index::owned::OwnedConfigMaps,
    kernel::{plan::Owner, remote},
    prometheus::Clients,
};

/// What is wrong where nothing says which cluster is meant.
pub const NO_CLUSTER: &str = "no cluster: neither a kubeconfig nor a service account was found";

/// A client of the cluster that the kubeconfig names, or else of the one that this process runs in.
///
/// # Errors
/// [`NO_CLUSTER`], or what is wrong with its address or credentials. Nothing is asked of the cluster yet.
pub async fn connect() -> anyhow::Result<Client> {
    Client::try_default().await.context(NO_CLUSTER)
}

/// The instant that is asked for, or else that of the clock, in whole seconds, as the API keeps them.
///
/// # Errors
/// Never for an instant that there is: its seconds are one too.
pub fn now(asked: Option<Timestamp>) -> anyhow::Result<Timestamp> {
    Ok(Timestamp::from_second(asked.unwrap_or_else(Timestamp::now).as_second())?)
}

/// What the operator may do in this installation, where the caller says it; read from its Deployment where not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Switches {
    /// Whether it may take actions.
    pub enforcement: Option<bool>,
    /// Whether the admission policy of `FreezeGrowth` is installed.
    pub freeze_growth: Option<bool>,
}

/// The cluster, read once.
pub struct World {
    /// Of the cluster.
    pub client: Client,
    /// Ledgers and other objects made for sites.
    pub owned: Arc<OwnedConfigMaps<FoundLedger>>,
    /// Looks at a site.
    pub observer: Observer,
    /// Every `DataCenter` that can be decoded.
    pub sites: Vec<DataCenter>,
}

/// Every `DataCenter`; as [`every`].
pub async fn data_centers(client: &Client) -> anyhow::Result<Vec<DeserializeGuard<DataCenter>>> {
    every(client).await
}

/// Every resource of a kind of ours; one that cannot be decoded does not hide the others.
///
/// # Errors
/// When they cannot be listed. A cluster that does not know the kind is told of in plain words.
pub async fn every<K>(client: &Client) -> anyhow::Result<Vec<DeserializeGuard<K>>>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let kind = K::kind(&());
    every_if_known(client).await?.with_context(|| {
        format!("this cluster does not know the kind {kind}: Banyan's chart is not installed here")
    })
}

/// As [`every`]; none on a cluster that does not know the kind.
///
/// # Errors
/// When they cannot be listed.
pub async fn every_if_known<K>(client: &Client) -> anyhow::Result<Option<Vec<DeserializeGuard<K>>>>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let api: Api<DeserializeGuard<K>> = Api::all(client.clone());
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(Some(list.items)),
        // The answer has no Status, so no reason either: nothing serves the path.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{}s cannot be listed", K::kind(&()))),
    }
}

/// Those of `sites` that are asked for by name, or all of them where none is, in the order of their names.
///
/// # Errors
/// When one that is asked for is not among them.
pub fn pick<T>(
    mut sites: Vec<T>,
    names: &[String],
    name_of: impl Fn(&T) -> String,
) -> anyhow::Result<Vec<T>> {
    if let Some(missing) = names.iter().find(|name| sites.iter().all(|site| name_of(site) != **name)) {
        bail!("there is no DataCenter {missing}");
    }
    sites.retain(|site| names.is_empty() || names.contains(&name_of(site)));
    sites.sort_by_key(name_of);
    Ok(sites)
}

impl World {
    /// Reads it. `namespace` is Banyan's.
    pub async fn read(client: Client, namespace: &str, told: Switches) -> anyhow::Result<Self> {
        let cluster_id =
            remote::cluster_id(&client).await.context("the cluster's identity cannot be read")?;
        let Indexes { nodes, batch, owned, maps: _ } = Indexes::read(&client, namespace).await?;
        let sites = data_centers(&client).await?.into_iter().filter_map(|guarded| guarded.0.ok()).collect();
        let installed = if told.enforcement.is_some() && told.freeze_growth.is_some() {
            (None, None)
        } else {
            installed(&client, namespace).await
        };
        let observer = Observer {
            client: client.clone(),
            namespace: namespace.to_owned(),
            cluster_id,
            enforcement: told.enforcement.or(installed.0).unwrap_or(true),
            freeze_growth: told.freeze_growth.or(installed.1).unwrap_or(true),
            prometheus: Clients::new(4, Arc::new(|_| {})),
            nodes,
            batch,
            memory: std::sync::Mutex::default(),
            desk: None,
        };
        Ok(Self { client, owned, observer, sites })
    }

    /// The site of this name as it is.
    pub fn live(&self, name: &str) -> Option<&DataCenter> {
        self.sites.iter().find(|site| site.name_any() == name)
    }

    /// The ledger of a site, where it can be read.
    pub fn ledger(&self, dc: &DataCenter) -> Option<Arc<Ledger>> {
        let owner = Owner { kind: "datacenter", name: dc.name_any() };
        self.owned.content(&owner)?.ledger.ok()
    }

    /// What the operator would observe of `wanted` at `now`, beside `sites`: from the status and the ledger of the site of
    /// that name.
    pub async fn look(
        &self,
        wanted: &DataCenter,
        site: &Result<Site, SpecError>,
        sites: &[DataCenter],
        now: Timestamp,
    ) -> Observation {
        let name = wanted.name_any();
        let status = self.live(&name).and_then(|live| live.status.clone());
        let found = self.owned.content(&Owner { kind: "datacenter", name }).unwrap_or_default();
        let twins = datacenter::twins(wanted, sites.iter());
        self.observer.observe(wanted, site.as_ref().ok(), status, found, &twins, now).await
    }
}

/// What the installed operator was told on its command line: about enforcement, and about the freeze.
async fn installed(client: &Client, namespace: &str) -> (Option<bool>, Option<bool>) {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    match deployments.list(&ListParams::default()).await {
        Ok(all) => {
            let told = all.items.into_iter().filter_map(|one| one.spec?.template.spec);
            let args = told.flat_map(|pod| pod.containers).filter_map(|container| container.args);
            args.filter(|args| args.first().is_some_and(|word| word == "run"))
                .map(|args| (switch(&args, "--enforcement"), switch(&args, "--freeze-growth")))
                .find(|(enforcement, _)| enforcement.is_some())
                .unwrap_or_default()
        }
        Err(error) => {
            eprintln!(
                "the operator's Deployment in namespace {namespace} cannot be read ({error}): taken as if it had \
                 --enforcement=true and --freeze-growth=true; say so if not"
            );
            (None, None)
        }
    }
}

/// The last value of a switch among arguments.
pub fn switch(args: &[String], name: &str) -> Option<bool> {
    args.iter().rev().find_map(|arg| arg.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_picked_by_name_or_all_of_them() {
        let pick = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            pick(vec!["b", "c", "a"], &names, |&site| site.to_owned()).map_err(|error| error.to_string())
        };
        assert_eq!((pick(&[]), pick(&["c", "b"])), (Ok(vec!["a", "b", "c"]), Ok(vec!["b", "c"])));
        assert_eq!(pick(&["a", "d"]), Err("there is no DataCenter d".to_owned()));
    }

    #[test]
    fn what_the_operator_was_told_is_read_from_its_arguments() {
        let args = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let both = args("run --enforcement=true --freeze-growth=false --enforcement=false");
        assert_eq!(switch(&both, "--enforcement"), Some(false));
        assert_eq!(switch(&both, "--freeze-growth"), Some(false));
        assert_eq!(switch(&args("run --enforcement-x=true"), "--enforcement"), None);
    }
}
