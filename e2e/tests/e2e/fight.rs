//! Another field manager that sets back what an action borrows, again and again, as Argo CD's self-heal and Flux do:
//! Banyan sets it again a few times, then leaves it, says who and how to end it, and writes no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use banyan_crds::v1alpha1::{Action, ContestedObject, DataCenterStatus};
use banyan_e2e::audit::{Mark, Request};
use banyan_e2e::operator::{self, Operator};
use banyan_e2e::wait::{eventually, until};
use k8s_openapi::api::batch::v1::CronJob;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::stage::{BATCH, LIMIT, LOANS, Readings, Stage, VIOLATED, condition, looks_again, pod_template};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        who_applies_every_three_seconds_is_named_and_left_alone_and_a_users_change_is_no_fight,
        who_replaces_the_object_is_remembered_over_a_restart_and_tried_again_after_an_hour,
    ]
}

/// How often a tool applies what it finds in its repository.
const EVERY: Duration = Duration::from_secs(3);
/// A fight of three rounds, each of which the operator sees a few seconds after it.
const FIGHT: Duration = Duration::from_mins(1);
/// Attempts that must come to nothing before it is believed that nothing comes any more.
const SILENT: usize = 3;
/// An hour and a half after [`VIOLATED`], at which `hot` is still violated.
const LATER: &str = "2025-06-18T04:35:00Z";

fn enforcement(actions: &[&str]) -> Value {
    json!({ "mode": "Enforce", "actions": actions, "hysteresis": { "dwell": "0s" } })
}

/// A tool that applies the same every three seconds until it is dropped.
struct Tool {
    task: JoinHandle<()>,
    applied: Arc<AtomicUsize>,
}

impl Tool {
    fn start<F, Fut>(apply: F) -> Self
    where
        F: Fn() -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send,
    {
        let applied = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&applied);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            loop {
                ticks.tick().await;
                // What fails, because somebody wrote in between, is tried again with the next tick.
                if apply().await.is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self { task, applied }
    }

    /// Waits until it has applied so many times more.
    async fn goes_on(&self, times: usize) -> Result<()> {
        let wanted = self.applied.load(Ordering::SeqCst) + times;
        until(FIGHT, format!("the tool to apply {times} times"), || async {
            Ok(self.applied.load(Ordering::SeqCst) >= wanted)
        })
        .await
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What stands in the repository.
fn declared(name: &str) -> Value {
    json!({
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": { "name": name, "namespace": BATCH, "labels": { "banyan.dev/deferrable": "true" } },
        "spec": {
            "schedule": "30 1 * * *",
            "suspend": false,
            "jobTemplate": { "spec": { "template": pod_template("gulou") } },
        },
    })
}

/// Server-side apply, by force.
async fn apply(cron_jobs: &Api<CronJob>, name: &str, manager: &str) -> Result<()> {
    let params = PatchParams::apply(manager).force();
    cron_jobs.patch(name, &params, &Patch::Apply(declared(name))).await?;
    Ok(())
}

/// A PUT of what is declared, without anything else that was there.
async fn replace(cron_jobs: &Api<CronJob>, name: &str, manager: &str) -> Result<()> {
    let mut object: CronJob = serde_json::from_value(declared(name))?;
    object.metadata.resource_version = cron_jobs.get(name).await?.metadata.resource_version;
    let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
    cron_jobs.replace(name, &params, &object).await?;
    Ok(())
}

/// The operator's writes to this object.
fn writes(stage: &Stage, since: Mark, name: &str) -> Result<Vec<Request>> {
    let mut writes = stage.plane.audit().writes_by(&operator::user(), since)?;
    writes.retain(|write| write.name == name);
    Ok(writes)
}

/// Waits until this object is left alone.
async fn left(stage: &Stage, name: &str) -> Result<(DataCenterStatus, ContestedObject)> {
    eventually(FIGHT, format!("{name} to be left alone"), || async {
        let status = stage.status("gulou").await?;
        let found = status.contested.iter().find(|one| one.name == name && one.since.is_some()).cloned();
        match found {
            Some(found) => Ok(Some((status, found))),
            None => {
                bail!("contested are {}, conditions {}", json!(status.contested), json!(status.conditions))
            }
        }
    })
    .await
}

async fn suspended(stage: &Stage, name: &str) -> Result<bool> {
    Ok(stage.cron_jobs().get(name).await?.spec.suspend == Some(true))
}

/// While the tool goes on, the operator writes nothing at all, though it looks.
async fn is_silent(stage: &Stage, operator: &Operator, tool: &Tool) -> Result<()> {
    let mark = stage.plane.audit().mark();
    // The Node is changed, so that it looks, and back again.
    for beat in [json!("1"), Value::Null] {
        let beat = Patch::Merge(json!({ "metadata": { "labels": { "beat": beat } } }));
        let nodes = stage.nodes();
        looks_again(operator, async {
            nodes.patch("gulou-1", &PatchParams::default(), &beat).await.map(drop)
        })
        .await?;
    }
    tool.goes_on(SILENT).await?;
    let written = stage.plane.audit().writes_by(&operator::user(), mark)?;
    ensure!(written.is_empty(), "written while nothing is to be done: {written:?}");
    Ok(())
}

async fn who_applies_every_three_seconds_is_named_and_left_alone_and_a_users_change_is_no_fight(
    world: World,
) -> Result<()> {
    let stage = world.stage().await?;
    let cron_jobs = stage.cron_jobs();
    stage.create_site("gulou", Readings::Hot, &enforcement(&["HoldBatch", "PreferElsewhere"])).await?;
    stage.create_node("gulou-1", "gulou", json!([])).await?;
    let taints = json!([{ "key": "dedicated", "value": "gpu", "effect": "NoSchedule" }]);
    let nodes: Api<Node> = stage.nodes();
    let node = json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": { "name": "gulou-1", "labels": { "banyan.dev/avoid": "noise" } },
        "spec": { "taints": taints },
    });
    let pool = PatchParams::apply("node-pools").force();
    nodes.patch("gulou-1", &pool, &Patch::Apply(&node)).await?;
    for name in ["nightly", "weekly"] {
        apply(&cron_jobs, name, "argocd-controller").await?;
    }
    let before = stage.world().await?;
    let operator = stage.operator(VIOLATED).await?;
    let held = stage.engaged("gulou", &[Action::HoldBatch, Action::PreferElsewhere]).await?;
    ensure!(condition(&held, "Uncontested").0 == "True", "{:?}", held.conditions);

    // A user lets one go on. A tool keeps setting back the other, and another one a Node's label and its taints.
    let mark = stage.plane.audit().mark();
    let user = PatchParams { field_manager: Some("kubectl-patch".to_owned()), ..PatchParams::default() };
    let wish = Patch::Merge(json!({ "spec": { "suspend": false } }));
    cron_jobs.patch("weekly", &user, &wish).await?;
    let (jobs, all) = (cron_jobs.clone(), nodes.clone());
    let manifest = node.clone();
    let tool = Tool::start(move || {
        let (jobs, all, manifest, pool) = (jobs.clone(), all.clone(), manifest.clone(), pool.clone());
        async move {
            apply(&jobs, "nightly", "argocd-controller").await?;
            all.patch("gulou-1", &pool, &Patch::Apply(manifest)).await?;
            Ok(())
        }
    });
    let (_, nightly) = left(&stage, "nightly").await?;
    let (status, pooled) = left(&stage, "gulou-1").await?;
    ensure!((nightly.manager.as_str(), nightly.rounds) == ("argocd-controller", 3), "{nightly:?}");
    ensure!(nightly.fields == ["/spec/suspend"] && nightly.group == "batch", "{nightly:?}");
    ensure!((pooled.manager.as_str(), pooled.rounds) == ("node-pools", 3), "{pooled:?}");
    ensure!(pooled.fields == ["/metadata/labels/banyan.dev~1avoid", "/spec/taints"], "{pooled:?}");
    ensure!(status.contested.len() == 2, "a user's wish was taken for a fight: {:?}", status.contested);
    let (truth, reason, message) = condition(&status, "Uncontested");
    ensure!((truth, reason) == ("False", "FieldManagerFight"), "{truth} {reason}");
    for word in [
        "CronJob work/nightly",
        "argocd-controller",
        "/spec/suspend",
        "ignoreDifferences",
        "RespectIgnoreDifferences=true",
    ] {
        ensure!(message.contains(word), "{word} is not in: {message}");
    }
    for name in ["nightly", "gulou-1"] {
        let written = writes(&stage, mark, name)?;
        ensure!(written.len() == 3, "{name} was written {written:?}");
    }
    ensure!(writes(&stage, mark, "weekly")?.is_empty(), "a user's wish was overruled");
    until(LIMIT, "the event of the fight", || async {
        let events: Api<Event> = Api::all(stage.plane.client());
        let events = events.list(&ListParams::default()).await?;
        Ok(events.iter().any(|event| {
            let told = event.note.as_deref().unwrap_or_default();
            event.reason.as_deref() == Some("Contested")
                && told.contains("argocd-controller")
                && told.contains("ignoreDifferences")
        }))
    })
    .await?;
    until(LIMIT, "the metric of the fight", || async {
        let series = "banyan_datacenter_contested_objects{data_center=\"gulou\"}";
        Ok(operator.metric(series).await? == Some(2.0))
    })
    .await?;
    is_silent(&stage, &operator, &tool).await?;
    ensure!(!suspended(&stage, "nightly").await?, "what is left alone is suspended");

    // Now it ignores the field. Whoever changes the spec has it tried again at once; it holds, and comes back as it was.
    drop(tool);
    stage.change_site("gulou", json!({ "class": "A" })).await?;
    until(LIMIT, "the CronJob to be held again", || async { suspended(&stage, "nightly").await }).await?;
    stage
        .awaited("gulou", "nothing to be left alone", |status| {
            condition(status, "Uncontested").0 == "True"
                && status.contested.iter().all(|one| one.since.is_none())
        })
        .await?;
    ensure!(nodes.get("gulou-1").await?.labels()["banyan.dev/avoid"] == "pue");
    ensure!(!suspended(&stage, "weekly").await?, "a user's wish was overruled");

    stage.change_site("gulou", json!({ "enforcement": { "mode": "Observe" } })).await?;
    let clear = stage.engaged("gulou", &[]).await?;
    ensure!(clear.contested.is_empty(), "{:?}", clear.contested);
    let after = stage.world().await?;
    ensure!(after == before, "not as it was: {after:?}\n{before:?}");
    operator.stop().await
}

async fn who_replaces_the_object_is_remembered_over_a_restart_and_tried_again_after_an_hour(
    world: World,
) -> Result<()> {
    let stage = world.stage().await?;
    let cron_jobs = stage.cron_jobs();
    stage.create_site("gulou", Readings::Hot, &enforcement(&["HoldBatch"])).await?;
    stage.create_node("gulou-1", "gulou", json!([])).await?;
    apply(&cron_jobs, "nightly", "argocd-controller").await?;
    let operator = stage.operator(VIOLATED).await?;
    stage.engaged("gulou", &[Action::HoldBatch]).await?;
    ensure!(suspended(&stage, "nightly").await?, "it is not held");

    let mark = stage.plane.audit().mark();
    let jobs = cron_jobs.clone();
    let tool = Tool::start(move || {
        let jobs = jobs.clone();
        async move { replace(&jobs, "nightly", "argocd-controller").await }
    });
    let (_, nightly) = left(&stage, "nightly").await?;
    ensure!((nightly.manager.as_str(), nightly.rounds) == ("argocd-controller", 3), "{nightly:?}");
    let live = cron_jobs.get("nightly").await?;
    ensure!(!live.annotations().keys().any(|key| key.starts_with(LOANS)), "the record is still there");
    is_silent(&stage, &operator, &tool).await?;
    ensure!(writes(&stage, mark, "nightly")?.len() == 3, "{:?}", writes(&stage, mark, "nightly")?);
    operator.stop().await?;

    // Who leads next knows of it, though nothing on the object tells.
    let mark = stage.plane.audit().mark();
    let operator = stage.operator(VIOLATED).await?;
    is_silent(&stage, &operator, &tool).await?;
    operator.stop().await?;
    // After an hour it is tried once, and is set back.
    let operator = stage.operator(LATER).await?;
    stage
        .awaited("gulou", "one more try", |status| status.contested.iter().any(|one| one.rounds == 4))
        .await?;
    tool.goes_on(2).await?;
    is_silent(&stage, &operator, &tool).await?;
    ensure!(writes(&stage, mark, "nightly")?.len() == 1, "{:?}", writes(&stage, mark, "nightly")?);
    operator.stop().await?;

    // What is left alone is not touched by the undo either.
    drop(tool);
    let before = stage.world().await?;
    stage.change_site("gulou", json!({ "enforcement": { "mode": "Observe" } })).await?;
    let operator = stage.operator(LATER).await?;
    stage.engaged("gulou", &[]).await?;
    ensure!(stage.world().await? == before);
    until(LIMIT, "the finalizer to go", || async {
        Ok(stage.sites().get("gulou").await?.finalizers().is_empty())
    })
    .await?;
    operator.stop().await
}
