//! Bad input inside the cluster: packs with faults, a control that fails while it is evaluated, a baseline that cannot be decoded. Each is named, and
//! the rest goes on.

use anyhow::{Context, Result, ensure};
use banyan_e2e::chart;
use banyan_e2e::controlplane::ControlPlane;
use banyan_e2e::operator::{self, Operator};
use banyan_e2e::wait::until;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{LIMIT, Scene};
use crate::stage::create;

const PACK: &str = "house";
const ABOUT: &str = "name: house\ntitle: { en: House, zh: 自 }\nstandard: H\nversion: '1'\nlevels: ['3']\nnote: { en: n, zh: n }\n";
const REQUIREMENTS: &str = "- { id: r, title: { en: t, zh: t }, summary: { en: s, zh: s }, type: Automatic, levels: { 3: { clause: '1 a' } } }\n";

fn control(id: &str, expression: &str) -> String {
    format!(
        "id: {id}\ntitle: {{ en: t, zh: t }}\nseverity: high\ntype: Automatic\nrequirements: [r]\nmatch: {{ kinds: [apps/Deployment] }}\n\
         expression: {expression}\nmessage: \"'wrong'\"\nremediation: {{ en: f, zh: f }}\n"
    )
}

/// A pack of which one control holds, one cannot be parsed, one fails on every object, and one is there twice.
fn pack() -> Value {
    json!({
        "metadata": { "name": PACK, "labels": { "banyan.dev/policy-pack": "" } },
        "data": {
            "pack.yaml": ABOUT,
            "requirements.yaml": REQUIREMENTS,
            "sound.yaml": control("sound", "\"object.metadata.name != 'camera'\""),
            "broken.yaml": control("broken", "\"object.metadata.name ==\""),
            "fails.yaml": control("fails", "\"object.spec.nothing.here == 1\""),
            "zz.yaml": control("sound", "\"true\""),
        },
    })
}

/// `camera` is a Deployment that there is a report on.
pub(super) async fn packs_are_named_and_the_rest_goes_on(scene: &Scene, operator: &Operator) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(scene.client.clone(), chart::NAMESPACE);
    let packs = |packs: &[&str]| {
        let patch = Patch::Merge(json!({ "spec": { "packs": packs } }));
        async move { anyhow::Ok(scene.baselines().patch("city", &PatchParams::default(), &patch).await?) }
    };

    // One that cannot be read at all.
    let unreadable = json!({
        "metadata": { "name": "house-rules", "labels": { "banyan.dev/policy-pack": "" } },
        "data": { "pack.yaml": "name: [", "owner.yaml": "title: [" },
    });
    create(&maps, unreadable).await?;
    let wrong = scene.told("PacksLoaded", "False").await?;
    ensure!(wrong.contains("house-rules"), "{wrong}");
    scene.told("Evaluated", "True").await?;
    maps.delete("house-rules", &DeleteParams::default()).await?;
    scene.told("PacksLoaded", "True").await?;

    // One with sound controls and others: place and fault are told, and what is sound judges.
    create(&maps, pack()).await?;
    packs(&["mlps", "pod-security", PACK]).await?;
    let wrong = scene.told("PacksLoaded", "False").await?;
    until(LIMIT, "the faults of the pack to be told", || async {
        let (_, _, message) = scene.condition("PacksLoaded").await?;
        let twice = "zz.yaml:1: house/sound.yaml has a control called sound too";
        let status = scene.baselines().get("city").await?.status.context("no status")?;
        let told = status.unreadable.iter().any(|one| one.what == "ConfigMap house" && one.reason == twice);
        ensure!(told, "{:?}", status.unreadable);
        let parsed = "house/broken.yaml:7: expression: the expression cannot be parsed";
        ensure!(message.contains(parsed), "{message}, and before: {wrong}");
        Ok(true)
    })
    .await?;
    scene.says("camera", "sound", Some("fail")).await?;

    // What cannot be evaluated is an error, and never a pass.
    scene.says("camera", "fails", Some("error")).await?;
    let failing = scene.told("Evaluated", "False").await?;
    ensure!(failing.contains("EvaluationFailed") && failing.contains("fails"), "{failing}");
    until(LIMIT, "the metric that the alert watches to move", || async {
        Ok(operator.metric(ERRORS).await?.is_some_and(|errors| errors > 0.0))
    })
    .await?;
    // It is to warn, and refuses nothing.
    ensure!(scene.try_create("another", false).await?.is_none(), "a control that fails refuses a Deployment");

    packs(&["mlps", "pod-security"]).await?;
    maps.delete(PACK, &DeleteParams::default()).await?;
    scene.told("PacksLoaded", "True").await?;
    scene.told("Evaluated", "True").await?;
    scene.says("camera", "fails", None).await?;
    until(LIMIT, "the metric to be back", || async { Ok(operator.metric(ERRORS).await? == Some(0.0)) }).await
}

const ERRORS: &str = "banyan_baseline_results{baseline=\"city\",result=\"error\"}";
const UNDECODABLE: &str = "banyan_kernel_reconciles_total{kind=\"SecurityBaseline\",outcome=\"Undecodable\"}";

/// A baseline that was written under a looser schema.
pub(super) async fn a_baseline_that_cannot_be_decoded_hides_no_other(
    scene: &Scene,
    operator: &Operator,
) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(scene.client.clone());
    let name = "securitybaselines.banyan.dev";
    let strict = json!(definitions.get(name).await?.spec.versions);
    let mut loose = strict.clone();
    loose[0]["schema"]["openAPIV3Schema"]["properties"]["spec"] =
        json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    let versions = |versions: &Value| Patch::Merge(json!({ "spec": { "versions": versions } }));
    definitions.patch(name, &PatchParams::default(), &versions(&loose)).await?;
    let resource = ApiResource::erase::<banyan_crds::v1alpha1::SecurityBaseline>(&());
    let baselines: Api<DynamicObject> = Api::all_with(scene.client.clone(), &resource);
    let odd: DynamicObject = serde_json::from_value(json!({
        "apiVersion": "banyan.dev/v1alpha1", "kind": "SecurityBaseline", "metadata": { "name": "odd" },
        "spec": { "level": "three", "packs": ["mlps"] },
    }))?;
    until(LIMIT, "the API server to take what does not fit", || async {
        match baselines.create(&PostParams::default(), &odd).await {
            Err(kube::Error::Api(status)) if status.is_invalid() => Ok(false),
            made => Ok(made.map(|_| true)?),
        }
    })
    .await?;
    until(LIMIT, "it to be told", || async {
        Ok(operator.metric(UNDECODABLE).await?.is_some_and(|times| times >= 1.0))
    })
    .await?;
    let shown = operator::cli(&scene.plane.admin_kubeconfig(), &["status"]).await?;
    ensure!(
        shown.status.code() == Some(0) && shown.stderr.contains("SecurityBaseline odd cannot be decoded"),
        "{shown:?}"
    );
    // What another one says still moves.
    for (is, said) in [(true, Some("fail")), (false, None)] {
        let change = json!({ "spec": { "template": { "spec": { "hostNetwork": is } } } });
        scene.deployments().patch("camera", &PatchParams::default(), &Patch::Strategic(change)).await?;
        scene.says("camera", super::WARNED, said).await?;
    }
    baselines.delete("odd", &DeleteParams::default()).await?;
    definitions.patch(name, &PatchParams::default(), &versions(&strict)).await?;
    Ok(())
}

/// What the garbage collector takes away after a baseline; there is none here.
pub(super) async fn collect(plane: &ControlPlane) -> Result<()> {
    let owned = "--selector=banyan.dev/owner=securitybaseline.city";
    let policies = "validatingadmissionpolicies,validatingadmissionpolicybindings";
    plane.kubectl(["delete", policies, owned]).await?;
    plane.kubectl(["delete", "configmaps", owned, "--namespace", chart::NAMESPACE]).await.map(drop)
}
