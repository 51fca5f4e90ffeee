//! Reading and changing `DataCenter`s in tests.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use banyan_crds::v1alpha1::{DataCenter, DataCenterStatus};
use banyan_e2e::controlplane::ControlPlane;
use banyan_e2e::wait::eventually;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

/// How long the operator may take to come to what is expected of one look.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The sites of a control plane.
pub fn sites(plane: &ControlPlane) -> Api<DataCenter> {
    Api::all(plane.client())
}

/// Creates a site with this spec, or changes it.
pub async fn apply(plane: &ControlPlane, name: &str, spec: Value) -> Result<DataCenter> {
    let manifest = json!({
        "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter", "metadata": { "name": name }, "spec": spec,
    });
    let params = PatchParams::apply("banyan-e2e").force();
    sites(plane)
        .patch(name, &params, &Patch::Apply(manifest))
        .await
        .with_context(|| format!("applying the site {name}"))
}

/// Deletes sites; the operator gives back first what they hold.
pub async fn delete(plane: &ControlPlane, names: &[impl AsRef<str>]) -> Result<()> {
    for name in names {
        sites(plane).delete(name.as_ref(), &DeleteParams::default()).await?;
    }
    Ok(())
}

/// Changes the spec in a field that decides nothing, so that the operator looks at the site at once, and returns the
/// generation that its status must speak of.
pub async fn nudge(plane: &ControlPlane, name: &str) -> Result<i64> {
    let api = sites(plane);
    let before = api.get(name).await?.metadata.generation.unwrap_or_default();
    let patch = json!({ "spec": { "location": { "city": format!("look-{before}") } } });
    let after = api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await?;
    after.metadata.generation.context("a site has a generation")
}

/// Waits until the status speaks of this generation or a later one and passes the check, whose error says what is not
/// as expected yet.
pub async fn until_status<C>(
    plane: &ControlPlane,
    name: &str,
    generation: i64,
    check: C,
) -> Result<DataCenterStatus>
where
    C: Fn(&DataCenterStatus) -> Result<()>,
{
    let api = sites(plane);
    eventually(LIMIT, format!("the status of {name}"), || async {
        let status = api.get(name).await?.status.context("there is no status yet")?;
        if status.observed_generation < Some(generation) {
            bail!("the status is of generation {:?}", status.observed_generation);
        }
        check(&status).with_context(|| describe(&status))?;
        Ok(Some(status))
    })
    .await
}

/// Waits until a condition of the site has this status and reason, and returns its message.
pub async fn until_condition(
    plane: &ControlPlane,
    name: &str,
    kind: &str,
    status: &str,
    reason: &str,
) -> Result<String> {
    let found = until_status(plane, name, 0, |found| holds(found, kind, status, reason).map(drop)).await?;
    holds(&found, kind, status, reason)
}

/// The message of a condition with this status and reason.
pub fn holds(found: &DataCenterStatus, kind: &str, status: &str, reason: &str) -> Result<String> {
    let condition = condition(found, kind)?;
    if (condition.status.as_str(), condition.reason.as_str()) != (status, reason) {
        bail!("{kind} is {} ({}) instead of {status} ({reason})", condition.status, condition.reason);
    }
    Ok(condition.message.clone())
}

/// A condition.
pub fn condition<'a>(found: &'a DataCenterStatus, kind: &str) -> Result<&'a Condition> {
    found
        .conditions
        .iter()
        .find(|condition| condition.type_ == kind)
        .with_context(|| format!("there is no {kind}"))
}

/// The conditions in a few lines, for the message of a test that wanted others.
fn describe(found: &DataCenterStatus) -> String {
    let line = |one: &Condition| format!("{}={} ({}): {}", one.type_, one.status, one.reason, one.message);
    let lines: Vec<String> = found.conditions.iter().map(line).collect();
    let verdict = found.operational.as_ref().map(|operational| operational.verdict);
    format!("operational {verdict:?}\n{}", lines.join("\n"))
}
