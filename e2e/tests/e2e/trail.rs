//! The trail against the API server's own audit log: each write has its line, and each action too, whatever happens to
//! the process in between.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use banyan_crds::v1alpha1::{Action, ActionRecord};
use banyan_e2e::audit::{self, Request};
use banyan_e2e::operator;
use banyan_e2e::proxy::{Proxy, Side, Trap};
use banyan_e2e::wait::until;
use jiff::Timestamp;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::stage::{CLEARED, LIMIT, Readings, Stage, VIOLATED, looks};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![each_write_has_one_line_and_each_action_too]
}

/// Writes that may be under way at once, and so be lost to the trail when the process is killed.
const UNDER_WAY: usize = 8;
const ALL: [Action; 3] = [Action::HoldBatch, Action::PreferElsewhere, Action::FreezeGrowth];

async fn each_write_has_one_line_and_each_action_too(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let enforcement = json!({
        "mode": "Enforce",
        "actions": ["HoldBatch", "PreferElsewhere", "FreezeGrowth"],
        "hysteresis": { "dwell": "0s" },
    });
    for site in ["gulou", "mawei"] {
        stage.create_site(site, Readings::Hot, &enforcement).await?;
        stage.create_node(&format!("{site}-1"), site, json!([])).await?;
        stage.create_cron_job(site, site, true, false).await?;
    }
    stage.create_job("import", "gulou", true, false).await?;
    let mark = stage.plane.audit().mark();

    // Killed in the midst of the taking, when the server has taken a write and its answer is not there yet.
    let proxy = Proxy::start(&stage.plane).await?;
    proxy.arm(Trap { write: 5, side: Side::After });
    let first = stage.operator_through(&proxy, VIOLATED, "banyan-0", "15s").await?;
    tokio::time::timeout(LIMIT, proxy.sprung()).await.context("too few writes came")?;
    first.kill_9().await?;
    proxy.reset();
    let killed = Timestamp::now();

    // Taken to the end, with somebody in between, and a user.
    let second = stage.operator("2025-06-18T03:06:00Z").await?;
    for site in ["gulou", "mawei"] {
        stage.engaged(site, &ALL).await?;
    }
    // Twice, so that the Event of it is counted up, by a patch.
    intrude(&stage).await?;
    intrude(&stage).await?;
    second.stop().await?;
    let wish = Patch::Merge(json!({ "spec": { "suspend": false } }));
    stage.cron_jobs().patch("gulou", &PatchParams::default(), &wish).await?;

    // One site is torn out while it is held; the other gets everything back.
    stage.remove_site("mawei").await?;
    let third = stage.operator(CLEARED).await?;
    let clear = stage.engaged("gulou", &[]).await?;
    until(LIMIT, "everything to be given back", || async {
        let site = stage.sites().get("gulou").await?;
        let torn = stage.cron_jobs().get("mawei").await?;
        let node = stage.nodes().get("mawei-1").await?;
        let free = torn.spec.suspend == Some(false) && !node.labels().contains_key("banyan.dev/avoid");
        Ok(site.finalizers().is_empty() && free)
    })
    .await?;
    looks(&third, 1.0).await?;
    third.stop().await?;

    let lines = read([&first, &second, &third].map(|operator| operator.trail().to_owned()))?;
    let mut writes = stage.plane.audit().writes_by(&operator::user(), mark)?;
    writes.retain(|write| (200..300).contains(&write.code) && write.subresource != "status");
    compare(&lines, &writes, killed)?;
    for record in &clear.actions {
        ensure!(lines.iter().any(|line| tells(line, record)), "{} is in no line", json!(record));
    }
    let of = |what: &str, name: &str| lines.iter().filter(|line| is(line, what, name)).collect::<Vec<_>>();
    ensure!(of("PutBack", "banyan-freeze-gulou").len() == 2, "the mark was put back twice");
    let kept = of("Returned", "gulou");
    ensure!(kept.len() == 1 && kept[0]["kept"] == json!(["/spec/suspend"]), "{kept:?}");
    // For a site that is gone: by whose name, and no uid or generation.
    let swept = of("Returned", "mawei-1");
    ensure!(swept.len() == 1 && swept[0]["for"]["name"] == "mawei", "{swept:?}");
    ensure!(swept[0]["for"].get("uid").is_none() && swept[0]["for"].get("generation").is_none());
    let set = of("FinalizerSet", "gulou");
    ensure!(
        set.iter().all(|line| line["for"]["generation"] == 1 && line["for"]["uid"].is_string()),
        "{set:?}"
    );
    Ok(())
}

/// Somebody changes the mark of the frozen site by force, and it is put back.
async fn intrude(stage: &Stage) -> Result<()> {
    let change = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "banyan-freeze-gulou" },
        "data": { "message": "thawed" },
    });
    let params = PatchParams::apply("intruder").force();
    stage.maps().patch("banyan-freeze-gulou", &params, &Patch::Apply(change)).await?;
    until(LIMIT, "the mark to be put back", || async {
        let map = stage.maps().get("banyan-freeze-gulou").await?;
        Ok(map.data.is_some_and(|data| data["message"] != "thawed"))
    })
    .await
}

/// The lines of these files, each of which fits the schema.
fn read(files: impl IntoIterator<Item = PathBuf>) -> Result<Vec<Value>> {
    let schema = std::fs::read_to_string(banyan_e2e::dirs::repository().join("docs/trail.schema.json"))?;
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&serde_json::from_str(&schema)?)
        .map_err(|error| anyhow::anyhow!("the schema is none: {error}"))?;
    let mut lines = Vec::new();
    for file in files {
        for text in text(&file)?.lines() {
            let line: Value = serde_json::from_str(text).with_context(|| format!("reading {text}"))?;
            if let Some(error) = validator.iter_errors(&line).next() {
                anyhow::bail!("{text}: {error}");
            }
            lines.push(line);
        }
    }
    Ok(lines)
}

fn text(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}

/// Each line has its write. Each write has its line; only what was under way when the process was killed may have none.
fn compare(lines: &[Value], writes: &[Request], killed: Timestamp) -> Result<()> {
    let mut unmatched: Vec<&Request> = writes.iter().collect();
    for line in lines.iter().filter(|line| line["outcome"] == "Written") {
        let time: Timestamp = line["time"].as_str().unwrap_or_default().parse()?;
        // The last one before it: the same object may have been written before without a line.
        let answered =
            |write: &&Request| write.at.as_millisecond() <= time.as_millisecond() && is_of(line, write);
        let found = unmatched.iter().rposition(answered);
        let found = found.with_context(|| format!("no such write: {line}\n{}", audit::list(writes)))?;
        unmatched.remove(found);
    }
    let lost: Vec<_> = unmatched.iter().map(|write| (*write).clone()).collect();
    ensure!(lost.iter().all(|write| write.at <= killed), "without a line:\n{}", audit::list(&lost));
    ensure!(
        (1..=UNDER_WAY).contains(&lost.len()),
        "{} writes of {} were lost by the kill:\n{}",
        lost.len(),
        writes.len(),
        audit::list(&lost)
    );
    Ok(())
}

fn is_of(line: &Value, write: &Request) -> bool {
    let object = &line["object"];
    let plural = object["kind"].as_str().unwrap_or_default().to_lowercase() + "s";
    let verb = if line["what"] == "Removed" { "delete" } else { "patch" };
    (write.verb.as_str(), write.resource.as_str()) == (verb, &plural)
        && write.namespace == object["namespace"].as_str().unwrap_or_default()
        && write.name == object["name"].as_str().unwrap_or_default()
}

fn is(line: &Value, what: &str, name: &str) -> bool {
    line["what"] == what && line["object"]["name"] == name
}

/// Whether a line tells of what a status tells of.
fn tells(line: &Value, record: &ActionRecord) -> bool {
    let (name, deeds): (_, &[&str]) = if let Some(name) = record.action.strip_prefix("Undo") {
        (name, &["Returned", "Removed"])
    } else if let Some(name) = record.action.strip_prefix("PutBack") {
        (name, &["PutBack"])
    } else {
        (record.action.as_str(), &["Borrowed", "SetAgain", "Ensured"])
    };
    let object = &line["object"];
    let place = [&object["namespace"], &object["name"]].map(|part| part.as_str().unwrap_or_default());
    let place = place.join("/");
    let object = format!("{} {}", object["kind"].as_str().unwrap_or_default(), place.trim_start_matches('/'));
    line["action"] == name
        && deeds.iter().any(|deed| line["what"] == *deed)
        && record.object.split(", ").any(|named| named == object)
        && record.why.starts_with(line["why"].as_str().unwrap_or("no reason"))
        && line["until"].as_str() == record.until.as_deref()
}
