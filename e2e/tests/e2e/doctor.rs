//! `banyan doctor`, and the condition that the operator makes of what it sees itself: a sound installation passes, and each
//! thing that is broken is named with what to do.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan_e2e::chart::{self, NAMESPACE, RELEASE};
use banyan_e2e::dirs;
use banyan_e2e::operator::{Operator, OperatorOptions, cli};
use banyan_e2e::process::Finished;
use banyan_e2e::prometheus::{Prometheus, PrometheusOptions};
use banyan_e2e::wait::eventually;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingAdmissionPolicyBinding, ValidatingAdmissionPolicyBinding,
};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};

use crate::stage::{LIMIT, Readings, Stage, VIOLATED, at, condition};
use crate::waivers::manifest as waiver;
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![what_is_broken_is_named_and_its_condition_turns_and_returns]
}

/// How long the operator may take to find something out: it looks every second.
const NOTICED: Duration = Duration::from_secs(20);

async fn doctor(kubeconfig: &Path, args: &[&str]) -> Result<Finished> {
    cli(kubeconfig, &[&["doctor"], args].concat()).await
}

/// What was found, after the command has ended with this code.
async fn found(stage: &Stage, code: i32) -> Result<Vec<Value>> {
    let finished = doctor(&stage.plane.admin_kubeconfig(), &["-o", "json"]).await?;
    ended(&finished, code)?;
    Ok(serde_json::from_str(&finished.stdout)?)
}

fn ended(finished: &Finished, code: i32) -> Result<()> {
    let Finished { status, stdout, stderr } = finished;
    ensure!(status.code() == Some(code), "it ended with {status} instead of {code}:\n{stdout}\n{stderr}");
    Ok(())
}

/// The one thing that fails.
fn failing<'a>(found: &'a [Value], check: &str) -> Result<&'a Value> {
    let failing: Vec<&Value> = found.iter().filter(|found| found["verdict"] == "fail").collect();
    ensure!(failing.len() == 1 && failing[0]["check"] == check, "{failing:?}");
    Ok(failing[0])
}

/// Waits until a site's condition has this status and reason; answers its message.
async fn turns(stage: &Stage, site: &str, status: &str, reason: &str) -> Result<String> {
    eventually(NOTICED, format!("InstallationSound of {site} to be {status} ({reason})"), || async {
        let stands = stage.status(site).await?;
        let (is, why, message) = condition(&stands, "InstallationSound");
        ensure!((is, why) == (status, reason), "it is {is} ({why}): {message}");
        Ok(Some(message.to_owned()))
    })
    .await
}

/// The Deployment's Pods run nowhere here: the operator is a process beside the cluster.
async fn deployed(stage: &Stage) -> Result<()> {
    let api: Api<Deployment> = Api::namespaced(stage.plane.client(), NAMESPACE);
    let generation = api.get(RELEASE).await?.metadata.generation;
    let status = json!({ "status": { "replicas": 2, "readyReplicas": 2, "observedGeneration": generation } });
    api.patch_status(RELEASE, &PatchParams::default(), &Patch::Merge(status)).await?;
    Ok(())
}

async fn what_is_broken_is_named_and_its_condition_turns_and_returns(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let result = broken_and_mended(&stage).await;
    // Whatever became of it, the next test finds the chart as it was.
    chart::install(&stage.plane, &json!({})).await?;
    result
}

async fn broken_and_mended(stage: &Stage) -> Result<()> {
    let options = OperatorOptions {
        now: Some(at(VIOLATED)?),
        args: vec!["--doctor-interval".to_owned(), "1s".to_owned()],
        ..OperatorOptions::default()
    };
    stage.create_site("sound", Readings::Cool, &json!({ "mode": "Observe" })).await?;
    let operator = Operator::start(&stage.plane, options).await?;
    turns(stage, "sound", "True", "Sound").await?;
    deployed(stage).await?;

    let all = found(stage, 0).await?;
    for check in [
        "server",
        "crds",
        "deployment",
        "operator-rights",
        "caller-rights",
        "clock",
        "lease",
        "policies",
        "monitoring",
        "prometheus-clock",
        "retention",
    ] {
        let passes = all.iter().any(|found| found["check"] == check && found["verdict"] == "pass");
        ensure!(passes, "{check} does not pass: {all:?}");
    }
    for (lang, well) in [("en", "The installation is sound."), ("zh", "安装完好。")] {
        let text = doctor(&stage.plane.admin_kubeconfig(), &["--lang", lang]).await?;
        ended(&text, 0)?;
        ensure!(text.stdout.contains(well), "{}", text.stdout);
    }
    could_not_look(stage).await?;

    // A policy without its binding refuses nothing.
    let bindings: Api<ValidatingAdmissionPolicyBinding> = Api::all(stage.plane.client());
    bindings.delete("banyan-freeze-growth", &DeleteParams::default()).await?;
    let all = found(stage, 1).await?;
    let policies = failing(&all, "policies")?;
    ensure!(policies["objects"][0] == "ValidatingAdmissionPolicyBinding banyan-freeze-growth", "{policies}");
    let message = turns(stage, "sound", "False", "PolicyMissing").await?;
    ensure!(message.contains("FreezeGrowth") && message.contains("helm upgrade"), "{message}");
    let text = doctor(&stage.plane.admin_kubeconfig(), &[]).await?;
    ensure!(text.stdout.contains("policies: helm upgrade the release"), "{}", text.stdout);
    metric(&operator, "policies", 0.0).await?;
    mended(stage).await?;
    metric(&operator, "policies", 1.0).await?;
    parameters_unkept(stage).await?;
    waivers_unguarded(stage).await?;
    mended(stage).await?;

    // A right that was taken away.
    let roles: Api<ClusterRole> = Api::all(stage.plane.client());
    let role = roles.get(RELEASE).await?;
    let kept: Vec<_> = role
        .rules
        .unwrap_or_default()
        .into_iter()
        .filter(|rule| !rule.resources.iter().flatten().any(|resource| resource == "clusterqueues"))
        .collect();
    roles.patch(RELEASE, &PatchParams::default(), &Patch::Merge(json!({ "rules": kept }))).await?;
    let all = found(stage, 1).await?;
    let rights = failing(&all, "operator-rights")?;
    ensure!(rights["rights"][0] == "get clusterqueues.kueue.x-k8s.io", "{rights}");
    let message = turns(stage, "sound", "False", "RightMissing").await?;
    ensure!(message.contains("list clusterqueues.kueue.x-k8s.io"), "{message}");
    mended(stage).await?;

    // A definition of an older Banyan, which lacks a field.
    let crds: Api<CustomResourceDefinition> = Api::all(stage.plane.client());
    let without = json!([{
        "op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/cooling",
    }]);
    let without = Patch::Json::<()>(serde_json::from_value(without)?);
    crds.patch("datacenters.banyan.dev", &PatchParams::default(), &without).await?;
    let all = found(stage, 1).await?;
    let older = failing(&all, "crds")?;
    ensure!(older["subject"] == "datacenters.banyan.dev" && older["fields"][0] == "spec.cooling", "{older}");
    let message = turns(stage, "sound", "False", "SchemaOutdated").await?;
    ensure!(message.contains("spec.cooling") && message.contains("banyan crds"), "{message}");
    mended(stage).await?;

    // A Prometheus that drops readings before their day is closed, which is the matter of its own sites alone.
    let options = PrometheusOptions {
        name: "forgetful".to_owned(),
        retention: "5d".to_owned(),
        ..PrometheusOptions::default()
    };
    let forgetful = Prometheus::start(options).await?;
    stage.create_site("forgotten", Readings::Cool, &json!({ "mode": "Observe" })).await?;
    stage.change_site("forgotten", json!({ "energy": { "prometheus": { "url": forgetful.url() } } })).await?;
    let message = turns(stage, "forgotten", "False", "RetentionTooShort").await?;
    ensure!(message.contains("5 days are kept") && message.contains("retention.time"), "{message}");
    let all = found(stage, 1).await?;
    ensure!(failing(&all, "retention")?["subject"] == "forgotten", "{all:?}");
    turns(stage, "sound", "True", "Sound").await?;
    stage.remove_site("forgotten").await?;

    operator.stop().await?;
    eventually(LIMIT, "nobody to lead", || async {
        let all = found(stage, 1).await?;
        failing(&all, "lease").map(|_| Some(()))
    })
    .await
}

/// Nothing is lost yet, as long as other policies with parameters are bound.
async fn parameters_unkept(stage: &Stage) -> Result<()> {
    let bindings: Api<MutatingAdmissionPolicyBinding> = Api::all(stage.plane.client());
    bindings.delete("banyan-parameters-in-use", &DeleteParams::default()).await?;
    let all = found(stage, 0).await?;
    let policies = all.iter().find(|found| found["check"] == "policies").context("nothing about policies")?;
    let objects = json!(["MutatingAdmissionPolicyBinding banyan-parameters-in-use"]);
    ensure!(
        policies["verdict"] == "warn"
            && policies["found"] == "parametersUnkept"
            && policies["objects"] == objects,
        "{policies}"
    );
    Ok(())
}

/// Without the policy that records authors, nobody can say who may approve; so no Waiver is taken.
async fn waivers_unguarded(stage: &Stage) -> Result<()> {
    let bindings: Api<MutatingAdmissionPolicyBinding> = Api::all(stage.plane.client());
    bindings.delete("banyan-waiver-author", &DeleteParams::default()).await?;
    let all = found(stage, 1).await?;
    let policies = failing(&all, "policies")?;
    ensure!(
        policies["found"] == "waiversUnguarded"
            && policies["objects"] == json!(["MutatingAdmissionPolicyBinding banyan-waiver-author"]),
        "{policies}"
    );
    turns(stage, "sound", "False", "PolicyMissing").await?;
    let file = dirs::fresh("unguarded")?.join("waiver.json");
    std::fs::write(&file, waiver("unguarded").to_string())?;
    eventually(LIMIT, "a Waiver without a recorded author to be refused", || async {
        let words = ["create", "--dry-run=server", "-f"].map(Into::into);
        let taken = stage.plane.kubectl(words.into_iter().chain([file.clone().into_os_string()])).await;
        let Err(error) = taken else { anyhow::bail!("it was taken") };
        let said = format!("{error:#}");
        ensure!(said.contains("'banyan-waiver-approval'") && said.contains("was not recorded as"), "{said}");
        Ok(Some(()))
    })
    .await
}

/// The chart again, and the condition that follows.
async fn mended(stage: &Stage) -> Result<()> {
    chart::install(&stage.plane, &json!({})).await?;
    deployed(stage).await?;
    turns(stage, "sound", "True", "Sound").await?;
    found(stage, 0).await.map(drop).context("after the chart was installed again")
}

async fn metric(operator: &Operator, check: &str, wanted: f64) -> Result<()> {
    let series = format!("banyan_doctor_check{{check=\"{check}\"}}");
    let shown = operator.metric(&series).await?;
    ensure!(shown == Some(wanted), "{series} is {shown:?} and not {wanted}");
    Ok(())
}

/// Who may see nothing is told so, and nothing is passed for it.
async fn could_not_look(stage: &Stage) -> Result<()> {
    let nobody = stage.plane.kubeconfig_for_user("nobody", &[])?;
    let finished = doctor(&nobody, &["-o", "json"]).await?;
    ended(&finished, 2)?;
    let all: Vec<Value> = serde_json::from_str(&finished.stdout)?;
    for check in ["crds", "deployment", "operator-rights", "lease", "policies", "retention"] {
        let unknown = all.iter().any(|found| found["check"] == check && found["verdict"] == "unknown");
        ensure!(unknown, "{check} is not unknown: {all:?}");
    }
    ensure!(all.iter().all(|found| found["verdict"] != "fail"), "{all:?}");
    let skipped = doctor(
        &nobody,
        &["--skip", "crds,deployment,operator-rights,lease,policies,monitoring,retention,prometheus-clock"],
    )
    .await?;
    ended(&skipped, 0)
}
