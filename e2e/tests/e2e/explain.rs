//! `banyan explain`: the figures of a site's verdicts are those of its status and metrics, in both languages.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use banyan_crds::v1alpha1::{Action, DataCenterStatus, Verdict};
use banyan_e2e::controlplane::free_port;
use banyan_e2e::operator::{Operator, cli};
use banyan_e2e::process::Finished;
use serde_json::{Value, json};

use crate::stage::{Readings, Stage, VIOLATED, looks};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![explanations_have_the_figures_of_status_and_metrics, what_cannot_be_asked_is_said_first]
}

async fn explain(stage: &Stage, args: &[&str]) -> Result<Finished> {
    explain_with(&stage.plane.admin_kubeconfig(), args).await
}

async fn explain_with(kubeconfig: &Path, args: &[&str]) -> Result<Finished> {
    cli(kubeconfig, &[&["explain", "--now", VIOLATED], args].concat()).await
}

fn ended(finished: &Finished, code: i32) -> Result<()> {
    let Finished { status, stdout, stderr } = finished;
    ensure!(status.code() == Some(code), "it ended with {status} instead of {code}:\n{stdout}\n{stderr}");
    Ok(())
}

/// A figure of a status, as a number.
fn number(text: Option<&banyan_crds::values::Decimal>) -> Option<f64> {
    text.and_then(|text| text.number().ok())
}

fn same(what: &str, told: &Value, wanted: Option<f64>) -> Result<()> {
    let close = match (told.as_f64(), wanted) {
        // The status has four digits.
        (Some(told), Some(wanted)) => (told - wanted).abs() < 6e-5,
        (told, wanted) => told == wanted,
    };
    ensure!(close, "{what} is {told} and not {wanted:?}");
    Ok(())
}

/// The explanation against the status, figure by figure.
fn agrees(told: &Value, status: &DataCenterStatus) -> Result<()> {
    let annual = status.annual.as_ref().context("the status has no annual verdict")?;
    same("the annual PUE", &told["annual"]["value"], number(annual.value.as_ref()))?;
    same("the annual target", &told["annual"]["target"], number(annual.target.as_ref()))?;
    ensure!(told["annual"]["verdict"] == json!(annual.verdict), "{}", told["annual"]);
    ensure!(told["annual"]["days"] == json!(annual.days), "{}", told["annual"]);
    let operational = status.operational.as_ref().context("the status has no operational verdict")?;
    same("the operational PUE", &told["operational"]["value"], number(operational.value.as_ref()))?;
    ensure!(told["operational"]["verdict"] == json!(operational.verdict), "{}", told["operational"]);
    let budget = status.budget.as_ref().context("the status has no budget")?;
    ensure!(
        told["budget"]["allowedKilowattHours"] == json!(budget.allowed_overhead_kilowatt_hours)
            && told["budget"]["usedKilowattHours"] == json!(budget.used_overhead_kilowatt_hours),
        "{}",
        told["budget"]
    );
    let forecast = status.forecast.as_ref().context("the status has no forecast")?;
    same("the year's end", &told["budget"]["yearEnd"], number(forecast.year_end.as_ref()))?;
    let required = number(forecast.required_for_rest_of_year.as_ref());
    same("the rest of the year", &told["budget"]["requiredForRestOfYear"], required)
}

async fn metered(operator: &Operator, site: &str, told: &Value) -> Result<()> {
    let window = &told["operational"]["windows"][5];
    for (metric, field) in
        [("facility_kilowatts", "facilityKilowattHours"), ("it_kilowatts", "itKilowattHours")]
    {
        let shown = operator.metric(&format!("banyan_datacenter_{metric}{{data_center=\"{site}\"}}")).await?;
        let (shown, told) =
            (shown.context("there is no such metric")?, window[field].as_f64().unwrap_or(0.0));
        // A window of an hour: as many kWh as kW.
        ensure!((shown - told).abs() < 0.01, "{site}: {metric} is {shown}, and {told} kWh are told");
    }
    for (at, meter) in [(0, "feed"), (1, "pdu")] {
        let series = format!(
            "banyan_datacenter_meter_last_sample_timestamp_seconds{{data_center=\"{site}\",meter=\"{meter}\"}}"
        );
        let shown = operator.metric(&series).await?.with_context(|| format!("{series} is not there"))?;
        let told = told["meters"][at]["last"].as_str().context("no last reading is told")?;
        let told: jiff::Timestamp = told.parse()?;
        ensure!((told.as_second() as f64 - shown).abs() < 1.0, "{site}: {meter}: {told} and {shown}");
    }
    Ok(())
}

async fn explanations_have_the_figures_of_status_and_metrics(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let sites = [
        ("explained-hot", Readings::Hot, Verdict::Violated),
        ("explained-cool", Readings::Cool, Verdict::Compliant),
        ("explained-empty", Readings::Empty, Verdict::Violated),
    ];
    for (name, readings, _) in sites {
        stage.create_node(&format!("node-{name}"), name, json!([])).await?;
        stage
            .create_site(name, readings, &json!({ "mode": "Enforce", "actions": ["PreferElsewhere"] }))
            .await?;
    }
    let operator = stage.operator(VIOLATED).await?;
    looks(&operator, 3.0).await?;
    stage.engaged("explained-hot", &[Action::PreferElsewhere]).await?;
    // What is on loan is known to the operator's watch by then, and its status stands.
    looks(&operator, 4.0).await?;

    let names = sites.map(|(name, ..)| format!("dc/{name}"));
    let mut args = vec!["-o", "json"];
    args.extend(names.iter().map(String::as_str));
    let json = explain(&stage, &args).await?;
    ended(&json, 0)?;
    let told: Vec<Value> = serde_json::from_str(&json.stdout)?;
    ensure!(told.len() == 3, "{}", json.stdout);
    for (told, (name, _, verdict)) in told.iter().zip(sites) {
        let status = stage.status(name).await?;
        let operational = status.operational.as_ref().map(|operational| operational.verdict);
        ensure!(operational == Some(verdict), "{name} is {operational:?}");
        agrees(told, &status).with_context(|| format!("{name}: {}", json.stdout))?;
        metered(&operator, name, told).await?;
    }
    operator.stop().await?;

    // The way out has the figures of the rule: six windows in a row at or below 1.23, of which none has been.
    let ways = told[0]["ways"].as_array().context("there are no ways")?;
    let windows = ways.iter().find(|way| way["way"] == "windows").context("the windows are not a way")?;
    ensure!(windows["windows"] == 6 && windows["earliest"] == "2025-06-18T09:00:00Z", "{windows}");
    ensure!(
        told[0]["enforcement"]["engaged"][0]["objects"] == json!(["Node node-explained-hot"]),
        "{}",
        told[0]
    );
    ensure!(
        told[0]["advice"]["kind"] == "Helps" && told[2]["advice"]["kind"] == "WouldRaisePue",
        "{}",
        told[2]
    );
    ensure!(
        told[2]["ways"].as_array().is_some_and(|ways| ways.iter().any(|way| way["way"] == "load")),
        "{}",
        told[2]
    );
    ensure!(told[1]["conditions"] == json!([]), "{}", told[1]);

    for (lang, wanted) in [
        ("en", ["Violated", "6 more windows in a row at or below 1.23 clear it", "marks 1 Node"]),
        ("zh", ["超标", "再连续 6 个时段不高于 1.23 即解除", "标记 1 个 Node"]),
    ] {
        let text = explain(&stage, &["--lang", lang, "DataCenter", "explained-hot"]).await?;
        ended(&text, 0)?;
        let value =
            stage.status("explained-hot").await?.operational.and_then(|operational| operational.value);
        let value = value.context("there is no value")?;
        for part in wanted.into_iter().chain([value.0.as_str()]) {
            ensure!(text.stdout.contains(part), "{part} is not in\n{}", text.stdout);
        }
    }
    let missing = explain(&stage, &["dc/nowhere"]).await?;
    ended(&missing, 2)?;
    ensure!(
        missing.stdout.is_empty() && missing.stderr.contains("there is no DataCenter nowhere"),
        "{}",
        missing.stderr
    );
    Ok(())
}

async fn what_cannot_be_asked_is_said_first(world: World) -> Result<()> {
    let stage = world.stage().await?;
    stage.create_site("unasked", Readings::Hot, &json!({ "mode": "Observe" })).await?;
    let operator = stage.operator(VIOLATED).await?;
    let seen = stage.awaited("unasked", "a verdict", |status| status.annual.is_some()).await?;
    operator.stop().await?;
    // Now Prometheus is where nobody answers, as it is for who is outside the cluster's network.
    let nowhere = format!("http://127.0.0.1:{}", free_port()?);
    stage.change_site("unasked", json!({ "energy": { "prometheus": { "url": nowhere } } })).await?;

    let json = explain(&stage, &["-o", "json", "dc/unasked"]).await?;
    ended(&json, 0)?;
    let told: Vec<Value> = serde_json::from_str(&json.stdout)?;
    ensure!(told[0]["unseen"]["reason"] == "PrometheusUnreachable", "{}", told[0]);
    agrees(&told[0], &seen).with_context(|| json.stdout.clone())?;
    let text = explain(&stage, &["--lang", "zh", "dc/unasked"]).await?;
    ended(&text, 0)?;
    let first = text.stdout.lines().nth(1).unwrap_or_default();
    ensure!(first.contains("此处无法访问 Prometheus"), "{}", text.stdout);

    // One that nobody has looked at yet: there is nothing to explain it by.
    let mut copy = stage.sites().get("unasked").await?;
    copy.metadata = kube::core::ObjectMeta { name: Some("unlooked".to_owned()), ..Default::default() };
    copy.status = None;
    crate::stage::create(&stage.sites(), json!(copy)).await?;
    let nothing = explain(&stage, &["dc/unlooked"]).await?;
    ended(&nothing, 2)?;
    ensure!(nothing.stderr.contains("neither a status nor a ledger"), "{}", nothing.stderr);
    Ok(())
}
