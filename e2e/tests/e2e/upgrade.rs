//! An upgrade while something is held: nothing is given back and taken anew, and no day of the ledger is lost.
//!
//! From the last tagged release, built from its own sources, once there is one; until then from the present build to
//! itself, by a chart with other values. Which of the two it was is written to standard error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan::datacenter::ledger::Ledger;
use banyan_crds::v1alpha1::Action;
use banyan_e2e::operator::{Operator, OperatorOptions, user};
use banyan_e2e::process::Spec;
use banyan_e2e::{audit, chart, dirs};
use kube::ResourceExt;
use serde_json::json;

use crate::stage::{Readings, Stage, VIOLATED, at, looks};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    // The build of a tagged release takes its time.
    tests![an_upgrade_keeps_ledgers_and_what_is_held]
        .into_iter()
        .map(|test| Test { limit: Duration::from_mins(40), ..test })
        .collect()
}

const SITE: &str = "gulou";
/// A minute after the first run: no window has closed since.
const LATER: &str = "2025-06-18T03:06:00Z";

/// A release to upgrade from.
struct Release {
    chart: PathBuf,
    /// None for the present build.
    program: Option<PathBuf>,
}

async fn an_upgrade_keeps_ledgers_and_what_is_held(world: World) -> Result<()> {
    let before = previous().await?;
    let stage = world.stage().await?;
    let result = upgrade(&stage, &before).await;
    // The other tests go on with the chart's own values.
    chart::install(&stage.plane, &json!({})).await?;
    result
}

async fn upgrade(stage: &Stage, before: &Release) -> Result<()> {
    chart::install_from(&stage.plane, &before.chart, &json!({})).await?;
    stage.create_node("gulou-1", SITE, json!([])).await?;
    stage.create_cron_job("nightly", SITE, true, false).await?;
    let options = |now: &str, program: &Option<PathBuf>| {
        let now = Some(at(now)?);
        anyhow::Ok(OperatorOptions { now, program: program.clone(), ..OperatorOptions::default() })
    };
    let old = Operator::start(&stage.plane, options(VIOLATED, &before.program)?).await?;
    let actions = [Action::HoldBatch, Action::PreferElsewhere, Action::FreezeGrowth];
    let enforcement = json!({ "mode": "Enforce", "actions": actions, "hysteresis": { "dwell": "0s" } });
    stage.create_site(SITE, Readings::Hot, &enforcement).await?;
    let held = stage.engaged(SITE, &actions).await?;
    let (objects, ledger) = (stands(stage).await?, ledger(stage).await?);
    ensure!(Ledger::decode(&ledger)?.len() > 30, "the ledger has few days: {ledger}");

    // As a rolling update: the old one gives its Lease up, and the new one takes over.
    old.stop().await?;
    let values = json!({ "leaseDuration": "20s", "replicas": 3, "podLabels": { "release": "next" } });
    chart::install(&stage.plane, &values).await?;
    let mark = stage.plane.audit().mark();
    let new = Operator::start(&stage.plane, options(LATER, &None)?).await?;
    looks(&new, 1.0).await?;

    let after = stage.status(SITE).await?;
    let engaged = |status: &banyan_crds::v1alpha1::DataCenterStatus| {
        json!(status.enforcement.as_ref().map(|one| one.engaged.clone()))
    };
    ensure!(engaged(&held) == engaged(&after), "in force since: {} and {}", engaged(&held), engaged(&after));
    let writes = stage.plane.audit().writes_by(&user(), mark)?;
    let touched = stands(stage).await?;
    ensure!(
        objects == touched,
        "what was held has been written:\n{objects:#?}\n{touched:#?}\n{}",
        audit::list(&writes)
    );
    let kept = self::ledger(stage).await?;
    if before.program.is_none() {
        ensure!(kept == ledger, "the ledger has changed");
    }
    ensure!(Ledger::decode(&kept)? == Ledger::decode(&ledger)?, "days were lost or changed");
    new.stop().await
}

/// Versions of what is held and of what holds it: nothing is given back and taken anew without another one.
async fn stands(stage: &Stage) -> Result<BTreeMap<String, String>> {
    let version = |name: &str, meta: &kube::core::ObjectMeta| {
        (name.to_owned(), format!("{:?} {:?}", meta.uid, meta.resource_version))
    };
    let mut found = BTreeMap::from([
        version("Node", &stage.nodes().get("gulou-1").await?.metadata),
        version("CronJob", &stage.cron_jobs().get("nightly").await?.metadata),
    ]);
    for map in ["banyan-freeze-gulou", "banyan-hold-gulou"] {
        found.extend([version(map, &stage.maps().get(map).await?.metadata)]);
    }
    let site = stage.sites().get(SITE).await?;
    found.insert("finalizers".to_owned(), format!("{:?}", site.finalizers()));
    Ok(found)
}

async fn ledger(stage: &Stage) -> Result<String> {
    let map = stage.maps().get("banyan-ledger-gulou").await?;
    map.data.and_then(|mut data| data.remove("ledger")).context("the ledger has no text")
}

/// The last tagged release, built; the present one if there is none.
async fn previous() -> Result<Release> {
    let root = dirs::repository();
    let git = |name: &str| {
        let log = dirs::fresh(name)?.join("git.log");
        anyhow::Ok(Spec::new(name, "git", log).args(["-C"]).args([root]))
    };
    let tags = git("tags")?
        .args(["tag", "--list", "v*", "--sort=-version:refname", "--merged", "HEAD"])
        .output(Duration::from_secs(20))
        .await
        .unwrap_or_default();
    let Some(tag) = tags.lines().next() else {
        eprintln!("upgrade: no release is tagged yet, so it is from the present build to itself");
        return Ok(Release { chart: root.join("charts/banyan"), program: None });
    };
    eprintln!("upgrade: from the release {tag}");
    let sources = dirs::target().join("upgrade").join(tag);
    std::fs::create_dir_all(&sources).with_context(|| format!("creating {}", sources.display()))?;
    let archive = dirs::fresh("release")?.join("sources.tar");
    git("archive")?
        .args(["archive", "--output"])
        .args([&archive])
        .args([tag])
        .output(Duration::from_mins(1))
        .await?;
    banyan_e2e::bundle::unpack(&std::fs::read(&archive)?, &sources)?;
    let program = build(&sources, tag).await?;
    Ok(Release { chart: sources.join("charts/banyan"), program: Some(program) })
}

async fn build(sources: &Path, tag: &str) -> Result<PathBuf> {
    // Dependencies that have not changed since are compiled once for all tags.
    let target = dirs::target().join("upgrade/target");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Spec::new("build-release", cargo, dirs::fresh("build-release")?.join("cargo.log"))
        .args(["build", "--locked", "--package", "banyan", "--bin", "banyan", "--manifest-path"])
        .args([sources.join("Cargo.toml")])
        .args(["--target-dir"])
        .args([&target])
        .output(Duration::from_mins(35))
        .await
        .with_context(|| format!("building {tag}"))?;
    Ok(target.join("debug/banyan"))
}
