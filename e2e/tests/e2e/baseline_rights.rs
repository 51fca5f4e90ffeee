//! A baseline with the rights that the chart grants: they are enough for all that it asks for, without Secrets and with them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan_crds::v1alpha1::{SecurityBaseline, SecurityBaselineStatus};
use banyan_e2e::audit::Request;
use banyan_e2e::chart::{self, wait_established};
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::operator::{self, Operator, OperatorOptions};
use banyan_e2e::rights::{Comparison, Grant};
use banyan_e2e::wait::{eventually, until};
use k8s_openapi::api::admissionregistration::v1::{
    ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::rbac::v1::ClusterRole;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams,
    PostParams,
};
use serde_json::{Value, json};

use crate::rights_used;
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
            "level": 4, "packs": ["mlps", "pod-security", "crypto"], "enforcement": enforcement,
            "reports": { "apis": ["openreports.io", "wgpolicyk8s.io"] },
        },
    })
}

/// A role that fails one control, or another.
fn role(resource: &str, verb: &str) -> Value {
    json!({
        "metadata": { "name": "broad" },
        "rules": [{ "apiGroups": [""], "resources": [resource], "verbs": [verb] }],
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

/// What the operator has asked for.
fn requests(plane: &ControlPlane) -> Result<Vec<Request>> {
    let mut all = plane.audit().requests()?;
    all.retain(|one| one.user == operator::user() && one.agent.starts_with("banyan/"));
    Ok(all)
}

/// What it was refused for want of a right.
fn refused(plane: &ControlPlane) -> Result<BTreeSet<String>> {
    let refused = requests(plane)?.into_iter().filter(|one| one.code == 403 && one.by_authorization);
    Ok(refused.map(|one| format!("{} {}.{}", one.verb, one.resource, one.group)).collect())
}

/// Every kind of reports, with the object that it tells of in this test.
const REPORTS: [(&str, &str, &str, &str); 4] = [
    ("openreports.io", "v1alpha1", "Report", "privileged"),
    ("openreports.io", "v1alpha1", "ClusterReport", "broad"),
    ("wgpolicyk8s.io", "v1alpha2", "PolicyReport", "privileged"),
    ("wgpolicyk8s.io", "v1alpha2", "ClusterPolicyReport", "broad"),
];

fn reports_of(plane: &ControlPlane, group: &str, version: &str, kind: &str) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::all_with(plane.client(), &resource)
}

/// Waits until every kind of reports tells of its object, and something else than `before`. Answers what.
async fn reported(plane: &ControlPlane, before: &[Value]) -> Result<Vec<Value>> {
    let mut told = Vec::new();
    for (place, (group, version, kind, object)) in REPORTS.into_iter().enumerate() {
        let reports = reports_of(plane, group, version, kind);
        let results = eventually(LIMIT, format!("a {kind} about {object}"), || async {
            let all = reports.list(&ListParams::default()).await?;
            let found = all.into_iter().find(|report| report.data["scope"]["name"] == object);
            let results = found.map(|report| report.data["results"].clone());
            Ok(results.filter(|results| Some(results) != before.get(place)))
        })
        .await?;
        told.push(results);
    }
    Ok(told)
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
    let (workloads, roles) =
        (Api::<Deployment>::namespaced(plane.client(), "default"), Api::<ClusterRole>::all(plane.client()));
    workloads.create(&PostParams::default(), &serde_json::from_value(workload())?).await?;
    roles.create(&PostParams::default(), &serde_json::from_value(role("*", "get"))?).await?;
    let baselines: Api<SecurityBaseline> = Api::all(plane.client());
    let warn = json!({ "controls": [{ "id": "workload-privileged", "action": "Warn" }] });
    baselines.create(&PostParams::default(), &serde_json::from_value(baseline(&warn))?).await?;
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
    let reports = reported(&plane, &[]).await?;
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

    // Whatever it may do for baselines it does: reports change and go, and so do policies.
    let opened = Patch::Merge(json!({ "spec": { "template": { "spec": { "hostNetwork": true } } } }));
    workloads.patch("privileged", &PatchParams::default(), &opened).await?;
    roles.patch("broad", &PatchParams::default(), &Patch::Merge(role("secrets", "list"))).await?;
    reported(&plane, &reports).await?;
    baselines.delete(NAME, &DeleteParams::default()).await?;
    held(&plane, 0).await?;
    for (group, version, kind, _) in REPORTS {
        let reports = reports_of(&plane, group, version, kind);
        until(LIMIT, format!("each {kind} to go"), || async {
            Ok(reports.list(&ListParams::default()).await?.items.is_empty())
        })
        .await?;
    }
    // A watch is in the log when it has ended.
    operator.stop().await?;
    let written = |grant: &Grant| ["openreports.io", "wgpolicyk8s.io"].contains(&grant.group.as_str());
    let mut rights = rights_used::to_use().await?;
    rights.retain(|grant| written(grant) || rights_used::of_packs(grant));
    until(LIMIT, "every right to be used", || async {
        let unused = Comparison::new(&rights, &requests(&plane)?).unused;
        ensure!(unused.is_empty(), "granted and not used: {unused:?}");
        Ok(true)
    })
    .await?;
    ensure!(refused(&plane)? == secrets, "it was refused to {:?}", refused(&plane)?);
    Ok(())
}
