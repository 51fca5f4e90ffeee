//! `make demo ONCE=1`: the whole estate from nothing to its table of verdicts, and nothing left behind.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::dirs;
use banyan_e2e::process::Spec;
use banyan_e2e::wait::eventually;

use crate::world::{Test, World};

/// How long the demo may take; it takes 20 s on two idle cores.
const LIMIT: Duration = Duration::from_mins(4);

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        the_demo_comes_to_its_five_verdicts_and_leaves_no_process_behind,
        the_demo_on_a_cluster_that_exists_leaves_it_as_it_was,
        the_demo_does_not_touch_a_cluster_that_has_banyan,
    ]
}

/// Site, annual verdict, operational verdict, enforcement; empty where the season decides.
const VERDICTS: [[&str; 4]; 5] = [
    ["binhai-1", "Violated", "Violated", "Refused"],
    ["changle-1", "Compliant", "Compliant", "Clear"],
    ["gulou-1", "Violated", "Violated", "HoldBatch"],
    ["jinan-1", "", "Unknown", "Clear"],
    ["mawei-1", "", "AtRisk", "Clear"],
];

/// Processes with this variable in their environment: the demo and all that it has started.
fn marked(mark: &str) -> Result<Vec<String>> {
    let wanted = format!("BANYAN_E2E_MARK={mark}");
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        let folder = entry?.path();
        // Processes come and go, and those of others cannot be looked into.
        let Ok(environment) = std::fs::read(folder.join("environ")) else { continue };
        if environment.split(|byte| *byte == 0).any(|variable| variable == wanted.as_bytes()) {
            found.push(folder.display().to_string());
        }
    }
    Ok(found)
}

async fn the_demo_comes_to_its_five_verdicts_and_leaves_no_process_behind(_: World) -> Result<()> {
    let dir = dirs::fresh("demo")?;
    let mark = dir.display().to_string();
    let demo = Spec::new("banyan-e2e demo", env!("CARGO_BIN_EXE_banyan-e2e"), dir.join("demo.log"))
        .args(["demo", "--once"])
        .env("BANYAN_E2E_MARK", mark.as_str());
    let child = Spec { stdout: Some(dir.join("table")), ..demo }.spawn()?;
    let pid = child.pid();
    ensure!(marked(&mark)?.contains(&format!("/proc/{pid}")), "the mark does not show");

    let status = tokio::time::timeout(LIMIT, child.wait()).await.with_context(|| child.log_tail(20))?;
    ensure!(status.success(), "the demo ended with {status}:\n{}", child.log_tail(20));
    let left = marked(&mark)?;
    ensure!(left.is_empty(), "still there: {left:?}");
    let runs = std::fs::read_dir(dirs::target().join("e2e"))?.collect::<Result<Vec<_>, _>>()?;
    let own = format!("-{pid}");
    ensure!(
        !runs.iter().any(|run| run.file_name().to_string_lossy().ends_with(&own)),
        "the demo has left its run folder"
    );

    check(&std::fs::read_to_string(dir.join("table"))?)
}

/// The table says what the demo promises.
fn check(table: &str) -> Result<()> {
    let mut lines = table.lines();
    let header: Vec<&str> = lines.next().unwrap_or_default().split_whitespace().collect();
    let rows = lines.take_while(|line| !line.is_empty()).map(|line| {
        let cells = line.split_whitespace();
        header.iter().copied().zip(cells).collect::<BTreeMap<_, _>>()
    });
    let rows: Vec<_> = rows.collect();
    ensure!(rows.len() == VERDICTS.len(), "the table has {} rows:\n{table}", rows.len());
    for (row, expected) in rows.iter().zip(VERDICTS) {
        for (column, wanted) in ["SITE", "ANNUAL", "OPERATIONAL", "ENFORCEMENT"].into_iter().zip(expected) {
            let cell = row.get(column).copied().unwrap_or_default();
            ensure!(cell == wanted || wanted.is_empty(), "{column} is {cell} instead of {wanted}:\n{table}");
        }
        ensure!(row.get("READY") == Some(&"True"), "a site is not ready:\n{table}");
    }
    // Below the table stands why: the meter that is dead, and why holding work back would not help.
    for words in ["jinan-1: ", "binhai-1: "] {
        ensure!(table.contains(words), "no remark on {words}\n{table}");
    }
    Ok(())
}

/// The demo on the cluster of this kubeconfig, which it does not ask about.
fn visit(kubeconfig: &Path, dir: &Path) -> Spec {
    let spec = Spec::new("banyan-e2e demo", env!("CARGO_BIN_EXE_banyan-e2e"), dir.join("demo.log"))
        .args(["demo", "--cluster", "current", "--yes"])
        .env("KUBECONFIG", kubeconfig);
    Spec { stdout: Some(dir.join("table")), ..spec }
}

async fn the_demo_on_a_cluster_that_exists_leaves_it_as_it_was(_: World) -> Result<()> {
    // Namespaces end only where there are controllers.
    let options = Options { name: "somebodys".to_owned(), controller_manager: true, ..Options::default() };
    let plane = ControlPlane::start(options).await?;
    let before = everything(&plane).await?;
    let dir = dirs::fresh("visit")?;
    let child = visit(&plane.admin_kubeconfig(), &dir).spawn()?;
    eventually(LIMIT, "the table", || async {
        // A dead process never prints one: this inner error ends the wait at once.
        if let Err(error) = child.check_alive() {
            return Ok(Some(Err(error)));
        }
        let stands = std::fs::read_to_string(dir.join("table"))?.contains("Running until Ctrl-C");
        Ok(stands.then_some(Ok(())))
    })
    .await??;
    let text = std::fs::read_to_string(dir.join("table"))?;
    check(text.split("Running until").next().unwrap_or_default())?;

    // What a Ctrl-C does as well.
    let status = child.stop(LIMIT).await?;
    ensure!(status.success(), "the demo ended with {status}:\n{}", child.log_tail(20));
    let after = everything(&plane).await?;
    ensure!(after == before, "the cluster was {before:?} and is {after:?}");
    Ok(())
}

async fn the_demo_does_not_touch_a_cluster_that_has_banyan(world: World) -> Result<()> {
    let plane = world.installed().await?;
    let dir = dirs::fresh("visit")?;
    let refused = visit(&plane.admin_kubeconfig(), &dir).run(LIMIT).await?;
    ensure!(!refused.status.success(), "it went on");
    for words in ["definition datacenters.banyan.dev", "namespace banyan-system", "nothing was done"] {
        ensure!(refused.stderr.contains(words), "{words} is missing in\n{}", refused.stderr);
    }
    ensure!(!refused.stderr.contains("installing"), "it went on:\n{}", refused.stderr);
    Ok(())
}

/// All that the demo makes outside of its namespaces, and the namespaces.
async fn everything(plane: &ControlPlane) -> Result<Vec<String>> {
    let kinds = "namespaces,customresourcedefinitions,clusterroles,clusterrolebindings,\
                 validatingadmissionpolicies,validatingadmissionpolicybindings,\
                 mutatingadmissionpolicies,mutatingadmissionpolicybindings";
    let names = plane.kubectl(["get", kinds, "-o", "name"]).await?;
    Ok(names.lines().map(str::to_owned).collect())
}
