//! The switches that end enforcement everywhere: the chart's value, and the page for when Banyan cannot run.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use banyan_crds::v1alpha1::Action;
use banyan_e2e::chart::NAMESPACE;
use banyan_e2e::kueue::Kueue;
use banyan_e2e::operator::{Operator, OperatorOptions};
use banyan_e2e::wait::until;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::discovery::{Discovery, verbs};
use serde_json::{Value, json};

use crate::page;
use crate::stage::{LIMIT, LOANS, Readings, Stage, VIOLATED, actions, at, condition, create, differing};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        with_enforcement_off_everything_is_given_back_everywhere,
        by_the_page_every_trace_is_removed_while_banyan_is_dead,
    ]
}

const ALL: [Action; 3] = [Action::HoldBatch, Action::PreferElsewhere, Action::FreezeGrowth];

fn all_at_once() -> Value {
    json!({
        "mode": "Enforce",
        "actions": ["HoldBatch", "PreferElsewhere", "FreezeGrowth"],
        "hysteresis": { "dwell": "0s" },
    })
}

async fn with_enforcement_off_everything_is_given_back_everywhere(world: World) -> Result<()> {
    let stage = world.stage().await?;
    for site in ["gulou", "mawei"] {
        stage.create_site(site, Readings::Hot, &all_at_once()).await?;
        stage.create_node(&format!("{site}-1"), site, json!([])).await?;
        stage.create_cron_job(site, site, true, false).await?;
        stage.create_job(site, site, true, false).await?;
    }
    let before = stage.world().await?;
    let operator = stage.operator(VIOLATED).await?;
    for site in ["gulou", "mawei"] {
        stage.engaged(site, &ALL).await?;
    }
    operator.stop().await?;
    ensure!(differing(&before, &stage.world().await?).len() == before.len(), "not everything is held");

    // Still violated, a minute later: only the switch is another one.
    let options = OperatorOptions {
        now: Some(at("2025-06-18T03:06:00Z")?),
        args: vec!["--enforcement=false".to_owned()],
        ..OperatorOptions::default()
    };
    let operator = Operator::start(&stage.plane, options).await?;
    for site in ["gulou", "mawei"] {
        let status = stage.engaged(site, &[]).await?;
        ensure!(condition(&status, "NotEnforcing").1 == "Disabled", "{:?}", status.conditions);
        let undone = ["UndoFreezeGrowth", "UndoPreferElsewhere", "UndoHoldBatch"];
        ensure!(actions(&status).ends_with(&undone), "{:?}", actions(&status));
        until(LIMIT, "the finalizer to go", || async {
            Ok(stage.sites().get(site).await?.finalizers().is_empty())
        })
        .await?;
    }
    let after = stage.world().await?;
    ensure!(after == before, "not given back: {:?}", differing(&before, &after));
    let marks = stage.maps().list(&ListParams::default().labels("banyan.dev/role in (hold,freeze)")).await?;
    ensure!(
        marks.items.is_empty(),
        "left: {:?}",
        marks.iter().map(ResourceExt::name_any).collect::<Vec<_>>()
    );
    operator.stop().await
}

async fn by_the_page_every_trace_is_removed_while_banyan_is_dead(_: World) -> Result<()> {
    let stage = Stage::start("break-glass").await?;
    Kueue::install_crds(&stage.plane).await?;
    let queues: Api<DynamicObject> = Api::all_with(stage.plane.client(), &queue());
    // One site with a queue, one without, one that takes new work; Nodes that had something by Banyan's names before.
    for site in ["gulou", "mawei"] {
        stage.create_site(site, Readings::Hot, &all_at_once()).await?;
        stage.create_cron_job(site, site, true, false).await?;
        stage.create_cron_job(&format!("{site}-put-aside"), site, true, true).await?;
        stage.create_job(site, site, true, false).await?;
    }
    let mut no_freeze = all_at_once();
    no_freeze["actions"] = json!(["HoldBatch", "PreferElsewhere"]);
    stage.create_site("cangshan", Readings::Hot, &no_freeze).await?;
    stage.create_cron_job("their-own", "gulou", true, false).await?;
    create(
        &queues,
        json!({
            "apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ClusterQueue",
            "metadata": { "name": "mawei", "labels": { "banyan.dev/site": "mawei" } },
            "spec": { "namespaceSelector": {} },
        }),
    )
    .await?;
    // kubectl puts a taint that it changes first; their order means nothing.
    let theirs = json!([
        { "key": "banyan.dev/pue-violated", "value": "theirs", "effect": "PreferNoSchedule" },
        { "key": "dedicated", "value": "gpu", "effect": "NoSchedule" },
    ]);
    stage.create_node("gulou-1", "gulou", theirs).await?;
    stage.create_node("gulou-2", "gulou", json!([])).await?;
    stage.create_node("mawei-1", "mawei", json!([])).await?;
    label(&stage, "gulou-1", "theirs").await?;
    let before = stage.world().await?;
    let queue_before = meant(&queues.get("mawei").await?);

    let operator = stage.operator(VIOLATED).await?;
    for site in ["gulou", "mawei"] {
        stage.engaged(site, &ALL).await?;
    }
    stage.engaged("cangshan", &ALL[..2]).await?;
    operator.kill_9().await?;
    let held = differing(&before, &stage.world().await?);
    let all =
        ["CronJob gulou", "CronJob their-own", "Job gulou", "Node gulou-1", "Node gulou-2", "Node mawei-1"];
    ensure!(held == all, "held: {held:?}");
    ensure!(meant(&queues.get("mawei").await?) != queue_before, "the queue is not held");
    // One more comes while it is held, and somebody else takes one back.
    stage.create_job("late", "cangshan", true, false).await?;
    ensure!(is_suspended(&stage.jobs().get("late").await?), "it was not held as it came");
    let wish = Patch::Merge(json!({ "spec": { "suspend": false } }));
    stage.cron_jobs().patch("their-own", &PatchParams::default(), &wish).await?;

    let admin = stage.plane.admin_kubeconfig();
    let script = format!("cd \"$HOME\"\n{}", page::blocks("break-glass.md")?.join("\n"));
    let said = page::run(&stage.plane, &admin, &script).await?;

    let mut after = stage.world().await?;
    let late = after.remove("Job late").context("the Job is gone")?;
    ensure!(!late.contains(LOANS) && late.contains("\"suspend\":false"), "{late}");
    ensure!(after == before, "not as it was: {:?}\n{said}", differing(&before, &after));
    ensure!(meant(&queues.get("mawei").await?) == queue_before, "the queue is not as it was");
    let left = traces(&stage).await?;
    ensure!(left.is_empty(), "left behind: {left:#?}");
    // New work is taken in as it comes.
    stage.create_job("new", "cangshan", true, false).await?;
    ensure!(!is_suspended(&stage.jobs().get("new").await?), "a new Job is held");
    // What was held was listed before it was given back.
    ensure!(said.contains("work gulou {") && said.contains("- gulou-1 {"), "{said}");
    Ok(())
}

async fn label(stage: &Stage, node: &str, value: &str) -> Result<()> {
    let label = Patch::Merge(json!({ "metadata": { "labels": { "banyan.dev/avoid": value } } }));
    stage.nodes().patch(node, &PatchParams::default(), &label).await?;
    Ok(())
}

fn queue() -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("kueue.x-k8s.io", "v1beta2", "ClusterQueue"))
}

fn meant(queue: &DynamicObject) -> Value {
    json!([queue.metadata.annotations, queue.metadata.labels, queue.data["spec"]])
}

fn is_suspended(job: &Job) -> bool {
    job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true)
}

/// Every object of the cluster that has Banyan in its name, or something of Banyan on it: what is not the users' own.
async fn traces(stage: &Stage) -> Result<Vec<String>> {
    // What users write for Banyan to read.
    const USERS: [&str; 2] = ["banyan.dev/deferrable", "banyan.dev/site"];
    // In the world as it was, as the test has made it.
    const THEIRS: [&str; 1] = ["Node gulou-1"];
    let discovery = Discovery::new(stage.plane.client()).run().await?;
    let mut left = Vec::new();
    for group in discovery.groups() {
        for (resource, capabilities) in group.recommended_resources() {
            if !capabilities.supports_operation(verbs::LIST) {
                continue;
            }
            let api: Api<DynamicObject> = Api::all_with(stage.plane.client(), &resource);
            for object in api.list(&ListParams::default()).await? {
                let name = format!("{} {}", resource.kind, object.name_any());
                let keys = |map: &BTreeMap<String, String>| {
                    map.iter().any(|(key, value)| {
                        key.starts_with("banyan.dev/") && !USERS.contains(&key.as_str())
                            || key.starts_with("app.kubernetes.io/") && value == "banyan"
                    })
                };
                let marked = keys(object.labels()) || keys(object.annotations());
                let ours = name.contains("banyan") || marked || !object.finalizers().is_empty();
                let kept = name == format!("Namespace {NAMESPACE}") || THEIRS.contains(&name.as_str());
                if ours && !kept && object.namespace().as_deref() != Some("kube-system") {
                    left.push(name);
                }
            }
        }
    }
    Ok(left)
}
