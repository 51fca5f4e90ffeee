//! The demo on a cluster that exists: everything that it puts there, it takes away again.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use banyan_crds::v1alpha1::DataCenter;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};

use super::{BATCH_NAMESPACE, Demo, Steps};
use crate::chart;
use crate::cluster::Cluster;
use crate::components::{Component, Tools};
use crate::dirs;
use crate::kubeconfig;
use crate::operator::{Operator, OperatorOptions};
use crate::wait::until;

/// How long a namespace may take to end.
const NAMESPACE_LIMIT: Duration = Duration::from_mins(2);

/// A stay on the cluster of the current kubeconfig context.
pub struct Visit {
    cluster: Cluster,
    steps: Steps,
}

impl Visit {
    /// Asks, unless `assume_yes`, whether the demo may go to the cluster of the current kubeconfig context.
    ///
    /// # Errors
    /// When there is no such context, when the answer is no, and when Banyan or something of the demo's names is there
    /// already: it could not be told apart from the demo's own, and would be removed with it.
    pub async fn ask(assume_yes: bool) -> Result<Self> {
        let steps = Steps::begin();
        let folder = dirs::fresh("current")?;
        let context = kubeconfig::write_current(&folder.join("kubeconfig"))?;
        let server = kubeconfig::server(&folder.join("kubeconfig"))?;
        if !assume_yes {
            eprint!(
                "This installs Banyan's chart, five DataCenters and a Namespace {BATCH_NAMESPACE} on the cluster of the \
                 context {context},\n{server}, runs the operator here with the chart's rights, and removes everything at \
                 the end. Go on? [y/N] "
            );
            let mut answer = String::new();
            std::io::stdin().read_line(&mut answer)?;
            if !matches!(answer.trim(), "y" | "Y" | "yes") {
                bail!("nothing was done");
            }
        }
        steps.tell("getting the components ready");
        let wanted = [Component::Prometheus, Component::Promtool, Component::Kubectl, Component::Helm];
        let visit = Self { cluster: Cluster::new(folder, Tools::ensure(&wanted).await?).await?, steps };
        let there = visit.there().await.with_context(|| format!("looking at {server}"))?;
        ensure!(
            there.is_empty(),
            "{} is on {server} already, and the demo would remove it at its end; nothing was done",
            there.join(", ")
        );
        Ok(visit)
    }

    /// Puts everything there and waits for the verdicts.
    pub async fn start(&self) -> Result<Demo> {
        Demo::on(self.cluster.clone(), None, self.steps).await
    }

    /// Removes everything, the operator last of what has something to undo. `demo` is what [`Visit::start`] gave; without
    /// one, what it had come to is removed.
    ///
    /// # Errors
    /// When something could not be removed, with what is left.
    pub async fn leave(self, demo: Option<Demo>) -> Result<()> {
        self.steps.tell("removing everything again");
        let removed = self.remove(demo).await;
        let left = self.there().await?;
        match removed {
            Ok(()) if left.is_empty() => Ok(()),
            Ok(()) => bail!("still there: {}", left.join(", ")),
            Err(error) => Err(error.context(format!("still there: {}", left.join(", ")))),
        }
    }

    async fn remove(&self, demo: Option<Demo>) -> Result<()> {
        let sites = self.sites().await?;
        if !sites.is_empty() {
            // While an operator runs, which gives back what was borrowed for them.
            let operator = match demo {
                Some(demo) => demo.operator,
                None => Operator::start(&self.cluster, OperatorOptions::default()).await?,
            };
            let words = ["delete", "datacenters", "--ignore-not-found", "--timeout=60s"].map(str::to_owned);
            self.cluster.kubectl(words.into_iter().chain(sites)).await?;
            operator.stop().await?;
        }
        self.remove_namespace(BATCH_NAMESPACE).await?;
        chart::uninstall(&self.cluster).await?;
        self.remove_namespace(chart::NAMESPACE).await
    }

    /// The names of the sites; none where the kind is not served.
    async fn sites(&self) -> Result<Vec<String>> {
        match Api::<DataCenter>::all(self.cluster.client()).list_metadata(&ListParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Vec::new()),
            sites => Ok(sites.context("listing the sites")?.iter().map(ResourceExt::name_any).collect()),
        }
    }

    async fn remove_namespace(&self, name: &str) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.cluster.client());
        match namespaces.delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            deleted => drop(deleted.with_context(|| format!("deleting the namespace {name}"))?),
        }
        until(NAMESPACE_LIMIT, format!("the namespace {name} to end"), || async {
            Ok(namespaces.get_opt(name).await?.is_none())
        })
        .await
    }

    /// What is on the cluster of all that the demo puts there.
    async fn there(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        let definitions: Api<CustomResourceDefinition> = Api::all(self.cluster.client());
        for name in chart::definitions() {
            if definitions.get_opt(&name).await?.is_some() {
                found.push(format!("the definition {name}"));
            }
        }
        let namespaces: Api<Namespace> = Api::all(self.cluster.client());
        for name in [chart::NAMESPACE, BATCH_NAMESPACE] {
            if namespaces.get_opt(name).await?.is_some() {
                found.push(format!("the namespace {name}"));
            }
        }
        Ok(found)
    }
}
