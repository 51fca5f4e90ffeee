//! The dashboards of the chart: that Grafana finds its way through them, Prometheus understands what they ask, and there is such a figure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan_e2e::components::{Component, Tools};
use banyan_e2e::dirs;
use banyan_e2e::process::Spec;
use serde_json::{Value, json};

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        panels_have_an_id_and_a_place_of_their_own,
        what_panels_ask_is_understood_by_prometheus,
        what_panels_ask_for_is_documented_and_every_figure_of_a_baseline_is_shown,
    ]
}

/// The dashboards by their files' names.
fn dashboards() -> Result<BTreeMap<String, Value>> {
    let folder = dirs::repository().join("charts/banyan/files/dashboards");
    let mut all = BTreeMap::new();
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path)?;
        let dashboard = serde_json::from_str(&text).with_context(|| format!("{name} is no JSON"))?;
        all.insert(name, dashboard);
    }
    ensure!(all.len() >= 2, "only {:?}", all.keys());
    Ok(all)
}

fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    dashboard["panels"].as_array().into_iter().flatten()
}

/// What the panels and annotations ask, with values in the place of Grafana's variables.
fn expressions(dashboard: &Value) -> Vec<String> {
    let targets = panels(dashboard).flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let annotations = dashboard["annotations"]["list"].as_array().into_iter().flatten();
    let asked = targets.chain(annotations).filter_map(|one| one["expr"].as_str());
    asked
        .map(|expr| {
            expr.replace("$__rate_interval", "5m").replace("$data_center", ".*").replace("$baseline", ".*")
        })
        .collect()
}

/// The names of Banyan's metrics in a text.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    words.filter(|word| word.starts_with("banyan_")).collect()
}

async fn panels_have_an_id_and_a_place_of_their_own(_: World) -> Result<()> {
    let mut uids = BTreeSet::new();
    for (name, dashboard) in dashboards()? {
        let uid = dashboard["uid"].as_str().context("no uid")?;
        ensure!(format!("{uid}.json") == name, "{name} has the uid {uid}");
        ensure!(uids.insert(dashboard["title"].to_string()), "{name}: its title is another's");
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeMap::new());
        for panel in panels(&dashboard) {
            let title =
                panel["title"].as_str().with_context(|| format!("{name}: a panel without a title"))?;
            ensure!(ids.insert(panel["id"].as_u64().context("no id")?), "{name}: {title} has another's id");
            let place = |key: &str| {
                panel["gridPos"][key].as_u64().with_context(|| format!("{name}: {title} has no {key}"))
            };
            let (left, top) = (place("x")?, place("y")?);
            ensure!(left + place("w")? <= 24, "{name}: {title} is wider than the page");
            for x in left..left + place("w")? {
                for y in top..top + place("h")? {
                    let other = taken.insert((x, y), title);
                    ensure!(other.is_none(), "{name}: {title} lies upon {other:?}");
                }
            }
            ensure!(
                panel["type"] == "row" || panel["targets"].as_array().is_some_and(|all| !all.is_empty()),
                "{name}: {title} asks nothing"
            );
        }
    }
    Ok(())
}

async fn what_panels_ask_is_understood_by_prometheus(_: World) -> Result<()> {
    let tools = Tools::ensure(&[Component::Promtool]).await?;
    let folder = dirs::fresh("dashboards")?;
    for (name, dashboard) in dashboards()? {
        // An expression that is wrong is a rule that is.
        let rules: Vec<Value> = expressions(&dashboard)
            .into_iter()
            .enumerate()
            .map(|(place, expr)| json!({ "record": format!("panel:{place}"), "expr": expr }))
            .collect();
        ensure!(rules.len() > 10, "{name} asks only {}", rules.len());
        let file = folder.join(&name);
        let groups = json!({ "groups": [{ "name": "panels", "rules": rules }] });
        std::fs::write(&file, serde_yaml::to_string(&groups)?)?;
        let spec = Spec::new("promtool", tools.path(Component::Promtool)?, folder.join("promtool.log"))
            .args(["check", "rules", "--lint=none"])
            .args([&file]);
        let finished = spec.run(Duration::from_mins(1)).await?;
        ensure!(finished.status.success(), "{name}:\n{}{}", finished.stdout, finished.stderr);
    }
    Ok(())
}

async fn what_panels_ask_for_is_documented_and_every_figure_of_a_baseline_is_shown(_: World) -> Result<()> {
    let page = std::fs::read_to_string(dirs::repository().join("docs/metrics.md"))?;
    let documented = metrics(&page);
    let mut shown = BTreeSet::new();
    for (name, dashboard) in dashboards()? {
        for expression in expressions(&dashboard) {
            for metric in metrics(&expression) {
                // A histogram is documented by its own name.
                let whole = metric.strip_suffix("_bucket").unwrap_or(metric);
                ensure!(
                    documented.contains(whole),
                    "{name} shows {metric}, which docs/metrics.md does not have"
                );
                shown.insert(whole.to_owned());
            }
        }
    }
    let of_baselines = ["banyan_baseline_", "banyan_waiver_", "banyan_attestation_"];
    // A wildcard in the text ends in an underscore.
    let missing: Vec<_> = documented
        .iter()
        .filter(|name| of_baselines.iter().any(|start| name.starts_with(start)) && !name.ends_with('_'))
        .filter(|name| !shown.contains(**name))
        .collect();
    ensure!(missing.is_empty(), "no dashboard shows {missing:?}");
    Ok(())
}
