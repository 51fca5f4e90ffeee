//! The forms of a plan for merge requests, of a site that has something to hold.

use anyhow::{Context, Result, ensure};
use banyan_crds::v1alpha1::Action;
use banyan_e2e::dirs;
use banyan_e2e::operator::cli;
use banyan_e2e::process::Finished;
use serde_json::{Value, json};

use crate::stage::{Readings, VIOLATED};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![a_plan_is_told_as_a_diff_as_json_and_as_markdown]
}

async fn a_plan_is_told_as_a_diff_as_json_and_as_markdown(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let enforce = json!({ "mode": "Enforce", "actions": ["HoldBatch"], "hysteresis": { "dwell": "0s" } });
    stage.create_site("told", Readings::Hot, &enforce).await?;
    stage.create_cron_job("held", "told", true, false).await?;
    let operator = stage.operator(VIOLATED).await?;
    stage.engaged("told", &[Action::HoldBatch]).await?;
    operator.stop().await?;
    // One more that would be held, and another target.
    stage.create_cron_job("later", "told", true, false).await?;
    let site = stage.sites().get("told").await?;
    let mut spec = serde_json::to_value(&site.spec)?;
    spec["pue"]["targets"][0]["max"] = json!("1.24");
    let manifest = |name: &str, spec: &Value| json!({ "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter", "metadata": { "name": name }, "spec": spec });
    let file = dirs::fresh("told")?.join("sites.json");
    let kubeconfig = stage.plane.admin_kubeconfig();
    let plan = async |objects: &[Value], words: &[&str]| -> Result<Finished> {
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        std::fs::write(&file, serde_json::to_string_pretty(&list)?)?;
        let path = file.to_str().context("the path of a manifest is no text")?;
        cli(&kubeconfig, &[&["plan", "--now", VIOLATED, "-f", path][..], words].concat()).await
    };
    let changed = [manifest("told", &spec)];

    let machine = plan(&changed, &["-o", "json"]).await?;
    ensure!(machine.status.code() == Some(1), "{} {}", machine.stdout, machine.stderr);
    let report: Value = serde_json::from_str(&machine.stdout)?;
    let schema = std::fs::read_to_string(dirs::repository().join("docs/plan.schema.json"))?;
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema)?)?;
    let wrong: Vec<String> = schema.iter_errors(&report).map(|error| error.to_string()).collect();
    ensure!(wrong.is_empty(), "{wrong:?}\n{report:#}");
    let told = &report["documents"][0];
    ensure!(told["change"] == "Update" && report["sound"] == true, "{report:#}");
    let target = json!([{ "pointer": "/spec/pue/targets/0/max", "before": "1.25", "after": "1.24" }]);
    ensure!(told["fields"] == target, "{report:#}");
    let borrowed: Vec<&Value> =
        told["actions"].as_array().into_iter().flatten().filter(|act| act["step"] == "Borrow").collect();
    ensure!(borrowed.len() == 1 && borrowed[0]["name"] == "later", "{report:#}");
    let fields = json!([{ "pointer": "/spec/suspend", "before": false, "after": true }]);
    ensure!(borrowed[0]["action"] == "HoldBatch" && borrowed[0]["fields"] == fields, "{report:#}");

    let diff = plan(&changed, &["-o", "diff"]).await?.stdout;
    for line in [
        "--- a/DataCenter/told",
        "+++ b/DataCenter/told",
        "--- a/CronJob/work/later",
        "+++ b/CronJob/work/later",
        "-  suspend: false",
        "+  suspend: true",
    ] {
        ensure!(diff.lines().any(|one| one == line), "no line {line:?} in\n{diff}");
    }
    let loan = "+    banyan.dev/loan-hold-batch:";
    ensure!(diff.lines().any(|one| one.starts_with(loan)) && !diff.contains("managedFields"), "{diff}");

    // Together with one that is refused: the comment tells of both.
    let mut rising = spec.clone();
    rising["pue"]["targets"] =
        json!([{"from": "2024-06-01", "max": "1.2"}, {"from": "2025-06-01", "max": "1.3"}]);
    let both = [manifest("told", &spec), manifest("rising", &rising)];
    let comment = plan(&both, &["-o", "markdown", "--lang", "zh"]).await?;
    ensure!(comment.status.code() == Some(2), "{} {}", comment.stdout, comment.stderr);
    for part in [
        "### Banyan：2 个资源中有 1 个变更\n",
        "| <code>DataCenter told</code> | 修改 | ",
        "| <code>DataCenter rising</code> | 被拒绝 | - | - |",
        "```diff\n--- a/DataCenter/told\n",
    ] {
        ensure!(comment.stdout.contains(part), "no {part:?} in\n{}", comment.stdout);
    }
    ensure!(comment.stdout.matches("<details>").count() == 2, "{}", comment.stdout);

    // A new site: its ledger would be made, and the diff has all of it.
    let new = plan(&[manifest("new", &spec)], &["-o", "diff"]).await?.stdout;
    ensure!(new.starts_with("--- /dev/null\n+++ b/DataCenter/new\n"), "{new}");
    let ledger = "--- /dev/null\n+++ b/ConfigMap/banyan-system/banyan-ledger-new\n";
    ensure!(new.contains(ledger), "no {ledger:?} in\n{new}");
    Ok(())
}
