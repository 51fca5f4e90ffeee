//! Banyan's chart and its custom resource definitions, put into a control plane.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::components::{Component, Tools};
use crate::dirs;
use crate::process::Spec;
use crate::wait::until;

/// The namespace that the chart is installed into.
pub const NAMESPACE: &str = "banyan-system";
/// The release's name, which is the service account's too.
pub const RELEASE: &str = "banyan";

/// How long one run of Helm may take.
const HELM_LIMIT: Duration = Duration::from_mins(2);
/// How long the API server may take to serve a new definition.
const ESTABLISHED_LIMIT: Duration = Duration::from_secs(30);

/// Installs the chart with Helm, with these values over its own, and waits until its definitions are served.
///
/// The chart's Deployment is there and its Pods stay Pending: the operator runs as a subprocess
/// ([`crate::operator::Operator`]) under the chart's service account. A second call upgrades the release.
///
/// # Errors
/// When Helm or the API server refuses the chart, with what they say.
pub async fn install(cluster: &Cluster, values: &Value) -> Result<()> {
    install_from(cluster, &dirs::repository().join("charts/banyan"), values).await
}

/// As [`install`], from a chart in another folder or an archive.
pub async fn install_from(cluster: &Cluster, chart: &Path, values: &Value) -> Result<()> {
    let dir = dirs::fresh("values")?;
    // No node has this label.
    let mut all = json!({ "nodeSelector": { "banyan.dev/runs": "outside" } });
    lay_over(&mut all, values);
    let file = dir.join("values.yaml");
    std::fs::write(&file, serde_yaml::to_string(&all)?)
        .with_context(|| format!("writing {}", file.display()))?;

    helm(cluster)
        .await?
        .args(["upgrade", "--install", RELEASE])
        .args([chart])
        .args(["--create-namespace", "--values"])
        .args([&file])
        .output(HELM_LIMIT)
        .await?;
    established(cluster).await
}

/// The chart's manifests with its own values, without a cluster.
///
/// # Errors
/// When Helm refuses the chart.
pub async fn manifests() -> Result<Vec<Value>> {
    let tools = Tools::ensure(&[Component::Helm]).await?;
    let dir = dirs::fresh("manifests")?;
    let mut spec = Spec::new("helm", tools.path(Component::Helm)?, dir.join("helm.log"))
        .args(["template", RELEASE, "--namespace", NAMESPACE])
        .args(["--kube-version", &Component::KubeApiserver.version()?])
        .args([dirs::repository().join("charts/banyan")]);
    for name in ["HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME"] {
        spec = spec.env(name, &dir);
    }
    let text = spec.output(HELM_LIMIT).await?;
    let read: Result<Vec<_>, _> = serde_yaml::Deserializer::from_str(&text).map(Value::deserialize).collect();
    read.context("reading the chart's manifests")
}

/// Removes the release, and the definitions, which the chart itself leaves where they are.
pub async fn uninstall(cluster: &Cluster) -> Result<()> {
    delete_release(cluster).await?;
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client());
    for name in definitions() {
        match api.delete(&name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            deleted => drop(deleted.with_context(|| format!("deleting the definition {name}"))?),
        }
    }
    Ok(())
}

/// Removes the release, which leaves the definitions where they are.
pub async fn delete_release(cluster: &Cluster) -> Result<()> {
    let spec = helm(cluster).await?.args(["uninstall", RELEASE, "--ignore-not-found", "--wait"]);
    spec.output(HELM_LIMIT).await.map(drop)
}

/// The names of the definitions.
pub fn definitions() -> Vec<String> {
    banyan_crds::all().into_iter().filter_map(|crd| crd.metadata.name).collect()
}

/// Helm, for this cluster and Banyan's namespace.
async fn helm(cluster: &Cluster) -> Result<Spec> {
    let tools = Tools::ensure(&[Component::Helm]).await?;
    let dir = dirs::fresh("helm")?;
    Ok(Spec::new("helm", tools.path(Component::Helm)?, dir.join("helm.log"))
        .flag("kubeconfig", cluster.admin_kubeconfig())
        .flag("namespace", NAMESPACE)
        // Whatever Helm knows of this machine's user stays out of it.
        .env("HELM_CONFIG_HOME", dir.join("config"))
        .env("HELM_CACHE_HOME", dir.join("cache"))
        .env("HELM_DATA_HOME", dir.join("data")))
}

/// Applies the definitions alone, straight from the API's types, and waits until they are served.
pub async fn install_crds(cluster: &Cluster) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client());
    for crd in banyan_crds::all() {
        let name = crd.metadata.name.clone().unwrap_or_default();
        let applied = api.patch(&name, &PatchParams::apply("banyan-e2e").force(), &Patch::Apply(&crd)).await;
        applied.with_context(|| format!("applying the definition {name}"))?;
    }
    established(cluster).await
}

async fn established(cluster: &Cluster) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(cluster.client());
    for name in definitions() {
        wait_established(&api, &name).await?;
    }
    Ok(())
}

/// Waits until the API server serves a definition.
pub async fn wait_established(api: &Api<CustomResourceDefinition>, name: &str) -> Result<()> {
    until(ESTABLISHED_LIMIT, format!("the definition {name} to be served"), || async {
        let crd = api.get(name).await?;
        let conditions = crd.status.and_then(|status| status.conditions).unwrap_or_default();
        Ok(conditions.iter().any(|one| one.type_ == "Established" && one.status == "True"))
    })
    .await
}

/// Lays one JSON object over another, field by field (RFC 7386 without its removals).
fn lay_over(below: &mut Value, above: &Value) {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            for (key, value) in above {
                lay_over(below.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (below, above) => *below = above.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_laid_over_each_other_field_by_field() {
        let mut values = json!({ "a": { "x": 1, "y": [1] }, "b": 2 });
        lay_over(&mut values, &json!({ "a": { "y": [3] }, "c": 4 }));
        assert_eq!(values, json!({ "a": { "x": 1, "y": [3] }, "b": 2, "c": 4 }));
    }
}
