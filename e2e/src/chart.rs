//! Banyan's chart and its custom resource definitions, put into a control plane.

use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use crate::components::{Component, Tools};
use crate::controlplane::ControlPlane;
use crate::dirs;
use crate::process::Spec;
use crate::wait::until;

/// The namespace that the chart is installed into.
pub const NAMESPACE: &str = "banyan-system";
/// The release's name, which is the service account's too.
pub const RELEASE: &str = "banyan";

/// How long the API server may take to serve a new definition.
const ESTABLISHED_LIMIT: Duration = Duration::from_secs(30);

/// Installs the chart with Helm, with these values over its own, and waits until its definitions are served.
///
/// The chart's Deployment is there and its Pods stay Pending: the operator runs as a subprocess
/// ([`crate::operator::Operator`]) under the chart's service account. A second call upgrades the release.
///
/// # Errors
/// When Helm or the API server refuses the chart, with what they say.
pub async fn install(plane: &ControlPlane, values: &Value) -> Result<()> {
    let tools = Tools::ensure(&[Component::Helm]).await?;
    let dir = dirs::fresh("helm")?;
    // No node has this label.
    let mut all = json!({ "nodeSelector": { "banyan.dev/runs": "outside" } });
    lay_over(&mut all, values);
    let file = dir.join("values.yaml");
    std::fs::write(&file, serde_yaml::to_string(&all)?)
        .with_context(|| format!("writing {}", file.display()))?;

    let chart = dirs::repository().join("charts/banyan");
    let helm = Spec::new("helm", tools.path(Component::Helm)?, dir.join("helm.log"))
        .args(["upgrade", "--install", RELEASE])
        .args([chart])
        .args(["--namespace", NAMESPACE, "--create-namespace", "--values"])
        .args([&file])
        .flag("kubeconfig", plane.admin_kubeconfig())
        // Whatever Helm knows of this machine's user stays out of it.
        .env("HELM_CONFIG_HOME", dir.join("config"))
        .env("HELM_CACHE_HOME", dir.join("cache"))
        .env("HELM_DATA_HOME", dir.join("data"));
    helm.output(Duration::from_mins(2)).await?;
    established(plane).await
}

/// Applies the definitions alone, straight from the API's types, and waits until they are served.
pub async fn install_crds(plane: &ControlPlane) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(plane.client());
    for crd in banyan_crds::all() {
        let name = crd.metadata.name.clone().unwrap_or_default();
        let applied = api.patch(&name, &PatchParams::apply("banyan-e2e").force(), &Patch::Apply(&crd)).await;
        applied.with_context(|| format!("applying the definition {name}"))?;
    }
    established(plane).await
}

async fn established(plane: &ControlPlane) -> Result<()> {
    let api: Api<CustomResourceDefinition> = Api::all(plane.client());
    for crd in banyan_crds::all() {
        let name = crd.metadata.name.unwrap_or_default();
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
