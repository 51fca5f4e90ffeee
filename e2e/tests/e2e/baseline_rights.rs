//! A baseline with the rights that the chart grants: they are enough for all that it asks for, without Secrets and with them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan_crds::v1alpha1::{SecurityBaseline, SecurityBaselineStatus};
use banyan_e2e::chart::{self, wait_established};
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::operator::{self, Operator, OperatorOptions};
use banyan_e2e::wait::{eventually, until};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, PostParams};
use serde_json::{Value, json};

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![a_baseline_needs_no_right_but_those_of_the_chart_and_does_without_secrets]
}

/// How long the operator may take: what it was refused it tries again half a minute later.
const LIMIT: Duration = Duration::from_secs(90);
const NAME: &str = "city";

fn baseline(enforcement: &Value) -> Value {
    json!({
        "apiVersion": "banyan.dev/v1alpha1", "kind": "SecurityBaseline", "metadata": { "name": NAME },
        "spec": {
            "level": 3, "packs": ["mlps", "pod-security", "crypto"], "enforcement": enforcement,
            "reports": { "apis": ["openreports.io", "wgpolicyk8s.io"] },
        },
    })
}

/// A workload that fails a control, and has no Pods: there are no controllers here.
fn workload() -> Value {
    let container = json!({ "name": "a", "image": "a", "securityContext": { "privileged": true } });
    json!({
        "metadata": { "name": "privileged", "namespace": "default" },
        "spec": {
            "selector": { "matchLabels": { "app": "a" } },
            "template": { "metadata": { "labels": { "app": "a" } }, "spec": { "containers": [container] } },
        },
    })
}

async fn status(plane: &ControlPlane) -> Result<SecurityBaselineStatus> {
    let api: Api<SecurityBaseline> = Api::all(plane.client());
    Ok(api.get(NAME).await?.status.unwrap_or_default())
}

/// What the operator was refused for want of a right.
fn refused(plane: &ControlPlane) -> Result<BTreeSet<String>> {
    let requests = plane.audit().requests()?.into_iter();
    let own = requests.filter(|one| one.user == operator::user() && one.agent.starts_with("banyan/"));
    let refused = own.filter(|one| one.code == 403 && one.by_authorization);
    Ok(refused.map(|one| format!("{} {}.{}", one.verb, one.resource, one.group)).collect())
}

/// Waits until both kinds of reports tell of the workload.
async fn reported(plane: &ControlPlane) -> Result<()> {
    for (group, version, kind) in
        [("openreports.io", "v1alpha1", "Report"), ("wgpolicyk8s.io", "v1alpha2", "PolicyReport")]
    {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let reports: Api<DynamicObject> = Api::namespaced_with(plane.client(), "default", &resource);
        until(LIMIT, format!("a {kind} about the workload"), || async {
            let all = reports.list(&ListParams::default()).await?;
            Ok(all.iter().any(|report| report.data["scope"]["name"] == "privileged"))
        })
        .await?;
    }
    Ok(())
}

/// Waits until this many policies with their bindings are held for baselines.
async fn held(plane: &ControlPlane, count: usize) -> Result<()> {
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=banyan");
    let policies: Api<ValidatingAdmissionPolicy> = Api::all(plane.client());
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(plane.client());
    until(LIMIT, format!("{count} policies with bindings"), || async {
        let there = (policies.list(&ours).await?.items.len(), bindings.list(&ours).await?.items.len());
        Ok(there == (count, count))
    })
    .await
}

async fn a_baseline_needs_no_right_but_those_of_the_chart_and_does_without_secrets(_: World) -> Result<()> {
    let options = Options { name: "baseline-rights".to_owned(), ..Options::default() };
    let plane = ControlPlane::start(options).await?;
    chart::install(&plane, &json!({ "reports": { "installCRDs": true } })).await?;
    for name in [
        "reports.openreports.io",
        "clusterreports.openreports.io",
        "policyreports.wgpolicyk8s.io",
        "clusterpolicyreports.wgpolicyk8s.io",
    ] {
        wait_established(&Api::all(plane.client()), name).await?;
    }
    let workload: Deployment = serde_json::from_value(workload())?;
    Api::namespaced(plane.client(), "default").create(&PostParams::default(), &workload).await?;
    let baselines: Api<SecurityBaseline> = Api::all(plane.client());
    let deny = json!({ "controls": [{ "id": "workload-privileged", "action": "Deny" }] });
    baselines.create(&PostParams::default(), &serde_json::from_value(baseline(&deny))?).await?;
    let operator = Operator::start(&plane, OperatorOptions::default()).await?;

    // What it may not read it says, and of nothing else is that so.
    let unread = |status: &SecurityBaselineStatus| {
        status.unreadable.iter().map(|one| one.what.clone()).collect::<Vec<_>>()
    };
    let found = eventually(LIMIT, "the baseline to be judged", || async {
        Ok(Some(status(&plane).await?).filter(|status| status.counts.is_some()))
    })
    .await?;
    ensure!(unread(&found) == ["Secret"], "{:?}", found.unreadable);
    let counts = found.counts.context("no counts")?;
    ensure!(counts.fail > 0 && counts.unknown > 0, "{counts:?}");
    let series = format!("banyan_baseline_unread_kinds{{baseline=\"{NAME}\"}}");
    until(LIMIT, "the metric of unread kinds", || async { Ok(operator.metric(&series).await? == Some(1.0)) })
        .await?;
    reported(&plane).await?;
    held(&plane, 1).await?;
    let secrets = BTreeSet::from(["list secrets.".to_owned()]);
    ensure!(refused(&plane)? == secrets, "it was refused to {:?}", refused(&plane)?);

    // The administrator grants Secrets, and the operator finds out by itself.
    let values = json!({ "reports": { "installCRDs": true }, "baseline": { "readSecrets": true } });
    chart::install(&plane, &values).await?;
    until(LIMIT, "Secrets to be read", || async { Ok(unread(&status(&plane).await?).is_empty()) }).await?;
    until(LIMIT, "the metric of no unread kinds", || async {
        Ok(operator.metric(&series).await? == Some(0.0))
    })
    .await?;

    baselines.delete(NAME, &DeleteParams::default()).await?;
    held(&plane, 0).await?;
    ensure!(refused(&plane)? == secrets, "it was refused to {:?}", refused(&plane)?);
    operator.stop().await
}
