//! What is done about a site that misses its target, what is left alone, and how everything is given back.

use anyhow::{Context, Result, bail, ensure};
use banyan_crds::v1alpha1::{Action, EnforcementState, Verdict};
use banyan_e2e::audit::{self, Request};
use banyan_e2e::operator;
use banyan_e2e::wait::{eventually, until};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::stage::{
    BATCH, CLEARED, FINALIZER, LIMIT, LOANS, Readings, VIOLATED, actions, condition, differing, looks,
    looks_again, pod_template,
};
use crate::world::{Test, World};

use Action::{FreezeGrowth, HoldBatch, PreferElsewhere};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        a_violated_site_is_held_and_gets_everything_back_exactly,
        one_action_a_dwell_taken_in_order_and_undone_in_reverse,
        a_users_own_change_is_kept_and_the_undo_says_so,
        a_site_that_is_deleted_gives_everything_back_before_it_goes,
        a_suspended_site_stays_as_it_is,
        whoever_only_observes_or_would_do_harm_touches_nothing,
    ]
}

/// All three actions, and no waiting between them.
fn all_at_once() -> Value {
    json!({
        "mode": "Enforce",
        "actions": ["HoldBatch", "PreferElsewhere", "FreezeGrowth"],
        "hysteresis": { "dwell": "0s" },
    })
}

async fn a_violated_site_is_held_and_gets_everything_back_exactly(world: World) -> Result<()> {
    let stage = world.stage().await?;
    stage.create_site("gulou", Readings::Hot, &all_at_once()).await?;
    stage.create_site("changle", Readings::Cool, &all_at_once()).await?;
    let foreign = json!([{ "key": "dedicated", "value": "gpu", "effect": "NoSchedule" }]);
    stage.create_node("gulou-1", "gulou", foreign).await?;
    stage.create_node("gulou-2", "gulou", json!([])).await?;
    stage.create_node("changle-1", "changle", json!([])).await?;
    for (site, name, deferrable, held) in [
        ("gulou", "nightly", true, false),
        ("gulou", "backup", false, false),
        ("gulou", "put-aside", true, true),
        ("changle", "elsewhere", true, false),
    ] {
        stage.create_cron_job(name, site, deferrable, held).await?;
        stage.create_job(name, site, deferrable, held).await?;
    }
    stage.create_job("running", "gulou", true, false).await?;
    let started = json!({ "status": { "active": 1, "startTime": "2025-06-18T03:00:00Z" } });
    stage.jobs().patch_status("running", &PatchParams::default(), &Patch::Merge(started)).await?;
    let before = stage.world().await?;
    let deployments: Api<Deployment> = Api::namespaced(stage.plane.client(), BATCH);
    ensure!(refused(&deployments, "gulou").await?.is_none(), "frozen before anything was done");

    let operator = stage.operator(VIOLATED).await?;
    let held = stage.engaged("gulou", &[HoldBatch, PreferElsewhere, FreezeGrowth]).await?;
    ensure!(held.operational.as_ref().map(|one| one.verdict) == Some(Verdict::Violated));
    let during = stage.world().await?;
    let touched = ["CronJob nightly", "Job nightly", "Node gulou-1", "Node gulou-2"];
    ensure!(differing(&before, &during) == touched, "touched: {:?}", differing(&before, &during));
    ensure!(stage.cron_jobs().get("nightly").await?.spec.suspend == Some(true));
    let job = stage.jobs().get("nightly").await?;
    ensure!(job.spec.and_then(|spec| spec.suspend) == Some(true));
    for name in ["gulou-1", "gulou-2"] {
        let node = stage.nodes().get(name).await?;
        ensure!(node.labels().get("banyan.dev/avoid").map(String::as_str) == Some("pue"), "{name}");
        let taints = json!(node.spec.and_then(|spec| spec.taints));
        let ours =
            json!({ "key": "banyan.dev/pue-violated", "value": "gulou", "effect": "PreferNoSchedule" });
        let taints = taints.as_array().map(Vec::as_slice).unwrap_or_default();
        ensure!(taints.contains(&ours), "{name} has {taints:?}");
        let foreign = taints.iter().any(|taint| taint["key"] == "dedicated" && taint["value"] == "gpu");
        ensure!(foreign == (name == "gulou-1"), "{name} has {taints:?}");
    }
    let refusal =
        eventually(LIMIT, "new Deployments to be refused", || refused(&deployments, "gulou")).await?;
    ensure!(refusal.contains("data centre gulou is frozen"), "refused with: {refusal}");
    ensure!(refused(&deployments, "changle").await?.is_none(), "refused at another site");
    ensure!(stage.status("changle").await?.enforcement.is_some_and(|one| one.engaged.is_empty()));
    ensure!(stage.sites().get("gulou").await?.finalizers() == [FINALIZER]);
    // A heartbeat makes the operator look again, at the status as the server keeps it: nothing is done twice.
    looks_again(&operator, async {
        let beat = Patch::Merge(json!({ "status": { "phase": "Running" } }));
        stage.nodes().patch_status("gulou-2", &PatchParams::default(), &beat).await.map(drop)
    })
    .await?;
    let held = stage.status("gulou").await?;
    ensure!(actions(&held) == ["FreezeGrowth", "HoldBatch", "PreferElsewhere"], "{:?}", actions(&held));
    operator.stop().await?;

    let mark = stage.plane.audit().mark();
    let operator = stage.operator(CLEARED).await?;
    let clear = stage.engaged("gulou", &[]).await?;
    ensure!(clear.operational.as_ref().map(|one| one.verdict) == Some(Verdict::Compliant));
    let after = stage.world().await?;
    ensure!(after == before, "not as it was: {:?}", differing(&before, &after));
    until(LIMIT, "new Deployments to be permitted", || async {
        Ok(refused(&deployments, "gulou").await?.is_none())
    })
    .await?;
    until(LIMIT, "the finalizer to go", || async {
        Ok(stage.sites().get("gulou").await?.finalizers().is_empty())
    })
    .await?;
    let undone = ["UndoFreezeGrowth", "UndoPreferElsewhere", "UndoHoldBatch"];
    ensure!(actions(&clear).ends_with(&undone), "{:?}", actions(&clear));
    ensure!(actions(&clear).len() == 6, "{:?}", actions(&clear));
    // And in the order in which the server took them.
    let writes = stage.plane.audit().writes_by(&operator::user(), mark)?;
    let mut order: Vec<&str> =
        writes.iter().filter(|write| touches_others(write)).map(|write| write.resource.as_str()).collect();
    order.retain(|resource| *resource != "datacenters");
    order.dedup();
    let (last, first) = order.split_last().context("nothing was undone")?;
    ensure!(first.starts_with(&["configmaps", "nodes"]), "{}", audit::list(&writes));
    ensure!(["cronjobs", "jobs"].contains(last), "{}", audit::list(&writes));
    operator.stop().await
}

async fn one_action_a_dwell_taken_in_order_and_undone_in_reverse(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let mut enforcement = all_at_once();
    enforcement["actions"] = json!(["HoldBatch", "PreferElsewhere"]);
    enforcement["hysteresis"]["dwell"] = json!("1h");
    stage.create_site("gulou", Readings::Hot, &enforcement).await?;
    stage.create_node("gulou-1", "gulou", json!([])).await?;
    stage.create_cron_job("nightly", "gulou", true, false).await?;
    let before = stage.world().await?;
    // 03:05, an hour and five minutes later, then after six windows that were clear, and one dwell later again.
    for (now, engaged) in [
        (VIOLATED, &[HoldBatch][..]),
        ("2025-06-18T04:10:00Z", &[HoldBatch, PreferElsewhere]),
        (CLEARED, &[HoldBatch]),
        ("2025-06-18T14:10:00Z", &[]),
    ] {
        let operator = stage.operator(now).await?;
        stage.engaged("gulou", engaged).await.with_context(|| format!("at {now}"))?;
        let held = stage.cron_jobs().get("nightly").await?.spec.suspend == Some(true);
        let marked = stage.nodes().get("gulou-1").await?.labels().contains_key("banyan.dev/avoid");
        let wanted = (engaged.contains(&HoldBatch), engaged.contains(&PreferElsewhere));
        ensure!((held, marked) == wanted, "at {now}");
        operator.stop().await?;
    }
    let status = stage.status("gulou").await?;
    let order = ["HoldBatch", "PreferElsewhere", "UndoPreferElsewhere", "UndoHoldBatch"];
    ensure!(actions(&status) == order, "{:?}", actions(&status));
    ensure!(stage.world().await? == before);
    Ok(())
}

async fn a_users_own_change_is_kept_and_the_undo_says_so(world: World) -> Result<()> {
    let stage = world.stage().await?;
    stage.create_site("gulou", Readings::Hot, &all_at_once()).await?;
    for name in ["hourly", "nightly"] {
        stage.create_cron_job(name, "gulou", true, false).await?;
    }
    stage.create_job("import", "gulou", true, false).await?;
    let before = stage.world().await?;
    let operator = stage.operator(VIOLATED).await?;
    stage.engaged("gulou", &[HoldBatch, PreferElsewhere, FreezeGrowth]).await?;
    let suspended = stage.jobs().get("import").await?.spec.and_then(|spec| spec.suspend);
    ensure!(suspended == Some(true), "the Job is not held");
    // Their owner cannot wait, and has changed the times as well. The operator looks at it and does not insist.
    looks_again(&operator, async {
        let go_on = Patch::Merge(json!({ "spec": { "suspend": false } }));
        stage.jobs().patch("import", &PatchParams::default(), &go_on).await?;
        let wish = Patch::Merge(json!({ "spec": { "suspend": false, "schedule": "0 2 * * *" } }));
        stage.cron_jobs().patch("nightly", &PatchParams::default(), &wish).await.map(drop)
    })
    .await?;
    ensure!(stage.cron_jobs().get("nightly").await?.spec.suspend == Some(false), "it was held once more");
    let suspended = stage.jobs().get("import").await?.spec.and_then(|spec| spec.suspend);
    ensure!(suspended == Some(false), "the Job was held once more");
    operator.stop().await?;

    let operator = stage.operator(CLEARED).await?;
    let clear = stage.engaged("gulou", &[]).await?;
    let kept = stage.cron_jobs().get("nightly").await?;
    ensure!(kept.spec.suspend == Some(false) && kept.spec.schedule == "0 2 * * *", "{:?}", kept.spec);
    ensure!(!kept.annotations().keys().any(|key| key.starts_with(LOANS)), "{:?}", kept.annotations());
    let after = stage.world().await?;
    ensure!(differing(&before, &after) == ["CronJob nightly"], "{:?}", differing(&before, &after));
    let suspended = stage.jobs().get("import").await?.spec.and_then(|spec| spec.suspend);
    ensure!(suspended == Some(false), "the Job was not left as its owner set it");
    let undo = clear.actions.iter().find(|record| record.action == "UndoHoldBatch").context("no undo")?;
    let said =
        undo.why.split_once("left as somebody else had set it meanwhile: ").context(undo.why.clone())?.1;
    for (name, kept) in [("work/nightly", true), ("work/import", true), ("hourly", false)] {
        ensure!(said.contains(name) == kept, "it says: {}", undo.why);
    }
    until(LIMIT, "the event of the undo", || async {
        let events: Api<Event> = Api::all(stage.plane.client());
        let events = events.list(&ListParams::default()).await?;
        Ok(events.iter().any(|event| {
            let of_gulou = event.regarding.as_ref().and_then(|of| of.name.as_deref()) == Some("gulou");
            let note = event.note.as_deref().unwrap_or_default();
            of_gulou && event.reason.as_deref() == Some("KeptUsersChange") && note.contains("work/nightly")
        }))
    })
    .await?;
    operator.stop().await
}

async fn a_site_that_is_deleted_gives_everything_back_before_it_goes(world: World) -> Result<()> {
    let stage = world.stage().await?;
    stage.create_site("gulou", Readings::Hot, &all_at_once()).await?;
    stage.create_node("gulou-1", "gulou", json!([])).await?;
    stage.create_cron_job("nightly", "gulou", true, false).await?;
    let before = stage.world().await?;
    let operator = stage.operator(VIOLATED).await?;
    stage.engaged("gulou", &[HoldBatch, PreferElsewhere, FreezeGrowth]).await?;
    operator.stop().await?;

    // Nobody is there to undo it: the site waits.
    stage.sites().delete("gulou", &DeleteParams::default()).await?;
    ensure!(stage.sites().get("gulou").await?.metadata.deletion_timestamp.is_some());
    ensure!(differing(&before, &stage.world().await?) == ["CronJob nightly", "Node gulou-1"]);
    let mark = stage.plane.audit().mark();
    let operator = stage.operator(VIOLATED).await?;
    until(LIMIT, "the site to go", || async { Ok(stage.sites().get_opt("gulou").await?.is_none()) }).await?;
    let after = stage.world().await?;
    ensure!(after == before, "left behind: {:?}", differing(&before, &after));
    ensure!(stage.maps().get_opt("banyan-freeze-gulou").await?.is_none(), "the freeze was left behind");
    // The finalizer is the last thing that is taken off.
    let writes = stage.plane.audit().writes_by(&operator::user(), mark)?;
    let last = writes.last().context("nothing was written")?;
    ensure!(
        (last.resource.as_str(), last.subresource.as_str(), last.verb.as_str())
            == ("datacenters", "", "patch"),
        "{}",
        audit::list(&writes)
    );
    operator.stop().await
}

async fn a_suspended_site_stays_as_it_is(world: World) -> Result<()> {
    let stage = world.stage().await?;
    for site in ["gulou", "mawei"] {
        stage.create_site(site, Readings::Hot, &all_at_once()).await?;
        stage.create_node(&format!("{site}-1"), site, json!([])).await?;
        stage.create_cron_job(site, site, true, false).await?;
    }
    // One is suspended from the beginning, the other while it is held.
    stage.change_site("mawei", json!({ "suspend": true })).await?;
    let before = stage.world().await?;
    let operator = stage.operator(VIOLATED).await?;
    stage.engaged("gulou", &[HoldBatch, PreferElsewhere, FreezeGrowth]).await?;
    stage.awaited("mawei", "mawei to be violated", violated).await?;
    let held = stage.world().await?;
    ensure!(differing(&before, &held) == ["CronJob gulou", "Node gulou-1"]);
    operator.stop().await?;

    stage.change_site("gulou", json!({ "suspend": true })).await?;
    let operator = stage.operator(CLEARED).await?;
    let clear = stage
        .awaited("gulou", "gulou to be clear", |status| {
            status.operational.as_ref().is_some_and(|one| one.verdict == Verdict::Compliant)
        })
        .await?;
    ensure!(condition(&clear, "Ready").1 == "Suspended", "{:?}", clear.conditions);
    ensure!(
        clear.enforcement.is_some_and(|one| one.engaged.len() == 3 && one.state == EnforcementState::Paused)
    );
    looks(&operator, 2.0).await?;
    ensure!(stage.world().await? == held);
    ensure!(stage.maps().get_opt("banyan-freeze-gulou").await?.is_some(), "the freeze was lifted");

    stage.change_site("gulou", json!({ "suspend": false })).await?;
    stage.engaged("gulou", &[]).await?;
    ensure!(stage.world().await? == before);
    operator.stop().await
}

async fn whoever_only_observes_or_would_do_harm_touches_nothing(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let mut observe = all_at_once();
    observe["mode"] = json!("Observe");
    let mut harmful = all_at_once();
    harmful["actions"] = json!(["HoldBatch", "PreferElsewhere"]);
    stage.create_site("gulou", Readings::Hot, &observe).await?;
    stage.create_site("binhai", Readings::Empty, &harmful).await?;
    for site in ["gulou", "binhai"] {
        stage.create_node(&format!("{site}-1"), site, json!([])).await?;
        stage.create_cron_job(site, site, true, false).await?;
    }
    let before = stage.world().await?;
    let mark = stage.plane.audit().mark();
    let operator = stage.operator(VIOLATED).await?;
    let watched = stage.awaited("gulou", "gulou to be violated", violated).await?;
    let enforced =
        |status: &banyan_crds::v1alpha1::DataCenterStatus| status.enforcement.as_ref().map(|one| one.state);
    ensure!(enforced(&watched) == Some(EnforcementState::WouldAct));
    let (_, reason, message) = condition(&watched, "NotEnforcing");
    ensure!(reason == "Observing" && message.contains("HoldBatch"), "{reason}: {message}");

    let refused = stage.awaited("binhai", "binhai to be violated", violated).await?;
    ensure!(enforced(&refused) == Some(EnforcementState::Refused));
    let (status, reason, message) = condition(&refused, "NotEnforcing");
    ensure!((status, reason) == ("True", "WouldRaisePUE"), "{status} {reason}: {message}");
    // 330 kW over (1.25 − 1.085), to the nearest that the fit gives: about 2000 kW.
    let load = refused.model.as_ref().and_then(|model| model.it_kilowatts_for_target).unwrap_or(0);
    ensure!((1900..2100).contains(&load) && message.contains(&format!("{load} kW")), "{load}: {message}");

    looks(&operator, 2.0).await?;
    ensure!(stage.world().await? == before);
    let writes = stage.plane.audit().writes_by(&operator::user(), mark)?;
    ensure!(!writes.is_empty() && !writes.iter().any(touches_others), "{}", audit::list(&writes));
    for site in ["gulou", "binhai"] {
        let site = stage.sites().get(site).await?;
        ensure!(site.finalizers().is_empty() && actions(&site.status.unwrap_or_default()).is_empty());
    }
    operator.stop().await
}

fn violated(status: &banyan_crds::v1alpha1::DataCenterStatus) -> bool {
    status.operational.as_ref().is_some_and(|one| one.verdict == Verdict::Violated)
}

/// Whether a write is more than a status or a ledger.
fn touches_others(write: &Request) -> bool {
    let ledger = write.resource == "configmaps" && write.name.starts_with("banyan-ledger-");
    !ledger && write.subresource != "status"
}

/// Why a new Deployment for a site is refused; none if it is not. Nothing is created.
async fn refused(deployments: &Api<Deployment>, site: &str) -> Result<Option<String>> {
    let mut template = pod_template(site);
    template["spec"]["restartPolicy"] = json!("Always");
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": { "name": "more" },
        "spec": { "selector": { "matchLabels": { "app": "example" } }, "template": template },
    }))?;
    let params = PostParams { dry_run: true, ..PostParams::default() };
    match deployments.create(&params, &deployment).await {
        Ok(_) => Ok(None),
        Err(kube::Error::Api(status)) if status.code == 403 || status.code == 422 => {
            Ok(Some(status.message.clone()))
        }
        Err(error) => bail!("{error}"),
    }
}
