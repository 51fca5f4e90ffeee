//! The example of Alertmanager's configuration, by Alertmanager itself and its own tool: who is told, what is muted, and that what
//! they read is Chinese.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::{Json, Path, State};
use axum::routing::post;
use banyan_e2e::alertmanager::Alertmanager;
use banyan_e2e::components::{Component, Tools};
use banyan_e2e::dirs;
use banyan_e2e::operator::cli;
use banyan_e2e::process::{Finished, Spec};
use banyan_e2e::wait::{eventually, until};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![each_alert_goes_to_those_on_duty, what_is_no_news_is_muted_and_the_rest_is_told_in_chinese]
}

/// Where the example's webhooks lead.
const DESKS: &str = "http://127.0.0.1:9095/";
const LIMIT: Duration = Duration::from_secs(30);

/// Name, severity, site and district of an alert; receivers that are told.
type Case = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// A site with a desk of its own, one of a district that has one, one of another district, one of none, and no site at all.
const CASES: [Case; 23] = [
    ("BanyanNoLeader", "critical", "", "", "platform"),
    ("BanyanReconcileErrors", "warning", "", "", "platform"),
    ("BanyanPueAboveTarget", "warning", "binhai-1", "changle", "site-binhai-1"),
    ("BanyanPueAboveTarget", "warning", "changle-1", "changle", "district-changle"),
    ("BanyanPueAboveTarget", "warning", "gulou-1", "gulou", "district-gulou"),
    ("BanyanPueAboveTarget", "warning", "minhou-1", "minhou", "city-duty"),
    ("BanyanPueAboveTarget", "warning", "new-1", "", "city-duty"),
    ("BanyanPueLongAndShortViolated", "critical", "binhai-1", "changle", "city-duty,site-binhai-1"),
    ("BanyanPueLongAndShortViolated", "critical", "changle-1", "changle", "city-duty,district-changle"),
    ("BanyanPueLongAndShortViolated", "critical", "new-1", "", "city-duty"),
    ("BanyanPueAnnualAtRisk", "warning", "changle-1", "changle", "energy-manager"),
    ("BanyanPueDataGap", "warning", "changle-1", "changle", "district-changle"),
    ("BanyanPueBelowOne", "warning", "gulou-1", "gulou", "district-gulou"),
    ("BanyanMeterReset", "info", "binhai-1", "changle", "journal"),
    ("BanyanEnforcementRefused", "info", "new-1", "", "journal"),
    ("BanyanInletTemperatureHigh", "warning", "changle-1", "changle", "district-changle"),
    ("BanyanInletTemperatureHigh", "critical", "changle-1", "changle", "city-duty,district-changle"),
    ("BanyanBaselineNewHighRisk", "warning", "", "", "security"),
    ("BanyanBaselineFalling", "warning", "", "", "security"),
    ("BanyanWaiverExpiring", "warning", "", "", "security"),
    ("BanyanAttestationExpiring", "warning", "", "", "security"),
    ("BanyanBaselineEvaluationFailing", "warning", "", "", "platform"),
    // Of a kind that is to come.
    ("BanyanNodeOffline", "warning", "gulou-1", "gulou", "district-gulou"),
];

fn example(name: &str) -> PathBuf {
    dirs::repository().join("docs").join(name)
}

async fn amtool(args: &[&str]) -> Result<Finished> {
    let tools = Tools::ensure(&[Component::Amtool]).await?;
    let log = dirs::fresh("amtool")?.join("amtool.log");
    Spec::new("amtool", tools.path(Component::Amtool)?, log).args(args).run(Duration::from_secs(20)).await
}

/// The rules that are alerts, as `banyan rules` prints them.
async fn rules() -> Result<Vec<Value>> {
    let printed = cli("/nonexistent/kubeconfig".as_ref(), &["rules"]).await?;
    let file: Value = serde_yaml::from_str(&printed.stdout)?;
    let groups = file["groups"].as_array().context("no groups of rules")?;
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten());
    Ok(rules.filter(|rule| rule["alert"].is_string()).cloned().collect())
}

async fn each_alert_goes_to_those_on_duty(_: World) -> Result<()> {
    let file = example("alertmanager.yaml").display().to_string();
    let checked = amtool(&["check-config", &file]).await?;
    ensure!(checked.status.success(), "amtool check-config:\n{}{}", checked.stdout, checked.stderr);
    ensure!(checked.stdout.contains(" - 1 templates"), "the template is not found:\n{}", checked.stdout);

    let rules = rules().await?;
    let there: BTreeSet<_> =
        rules.iter().map(|rule| (rule["alert"].as_str(), rule["labels"]["severity"].as_str())).collect();
    let tested: BTreeSet<_> = CASES.iter().map(|case| (Some(case.0), Some(case.1))).collect();
    ensure!(there.is_subset(&tested), "no case for {:?}", there.difference(&tested).collect::<Vec<_>>());

    for (alert, severity, site, district, receivers) in CASES {
        let labels =
            [("alertname", alert), ("severity", severity), ("data_center", site), ("district", district)];
        let labels: Vec<String> = labels
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let words = ["config", "routes", "test", "--config.file", &file].into_iter();
        let routed = amtool(&words.chain(labels.iter().map(String::as_str)).collect::<Vec<_>>()).await?;
        ensure!(
            routed.stdout.trim() == receivers,
            "{labels:?} goes to {}, not to {receivers}",
            routed.stdout
        );
    }
    Ok(())
}

/// What has reached the desks: the receiver, and the body of the request.
type Log = Arc<Mutex<Vec<(String, Value)>>>;

/// All desks: a web server that takes down what it is told.
struct Desks {
    url: String,
    log: Log,
    task: JoinHandle<()>,
}

impl Desks {
    async fn open() -> Result<Self> {
        let log = Log::default();
        let take = |State(log): State<Log>, Path(receiver): Path<String>, Json(body): Json<Value>| async move {
            log.lock().unwrap_or_else(PoisonError::into_inner).push((receiver, body));
        };
        let router = Router::new().route("/{receiver}", post(take)).with_state(log.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let task = tokio::spawn(async move {
            // It ends only with the test.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url, log, task })
    }

    /// The texts that a receiver with a Chinese payload has got.
    fn texts(&self, receiver: &str) -> Vec<String> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let texts = log.iter().filter(|(to, _)| to == receiver);
        texts.filter_map(|(_, body)| body["text"]["content"].as_str().map(str::to_owned)).collect()
    }

    /// The first text at a receiver that has a part in it.
    async fn told(&self, receiver: &str, part: &str) -> Result<String> {
        let what = format!("{receiver} to be told of {part}");
        eventually(LIMIT, what, || async {
            Ok(self.texts(receiver).into_iter().find(|text| text.contains(part)))
        })
        .await
    }
}

impl Drop for Desks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An alert as Prometheus would send it, with the annotations of its rule, if it has one.
fn alert(rules: &[Value], labels: &[(&str, &str)]) -> Value {
    let labels: Value = labels.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    let rule = rules.iter().find(|rule| {
        rule["alert"] == labels["alertname"] && rule["labels"]["severity"] == labels["severity"]
    });
    let annotations = rule.and_then(|rule| rule["annotations"].as_object()).cloned().unwrap_or_default();
    let filled = annotations.into_iter().map(|(name, text)| {
        let text = text.as_str().unwrap_or_default();
        let site = labels["data_center"].as_str().unwrap_or_default();
        (
            name,
            json!(text.replace("{{ $labels.data_center }}", site).replace("{{ $value | humanize }}", "36.2")),
        )
    });
    json!({ "annotations": filled.collect::<serde_json::Map<_, _>>(), "labels": labels })
}

async fn what_is_no_news_is_muted_and_the_rest_is_told_in_chinese(_: World) -> Result<()> {
    let (desks, rules) = (Desks::open().await?, rules().await?);
    let mut config = std::fs::read_to_string(example("alertmanager.yaml"))?;
    for (example, test) in [
        (DESKS, desks.url.as_str()),
        ("group_wait: 30s", "group_wait: 1s"),
        ("group_interval: 5m", "group_interval: 1s"),
        ("group_interval: 1h", "group_interval: 1s"),
    ] {
        ensure!(config.contains(example), "the example has no {example}");
        config = config.replace(example, test);
    }
    let alertmanager = Alertmanager::start(&config, &[example("alertmanager.tmpl")]).await?;

    let of = |name: &'static str, severity: &'static str, site: &'static str, district: &'static str| {
        vec![("alertname", name), ("severity", severity), ("data_center", site), ("district", district)]
    };
    let with = |mut labels: Vec<(&'static str, &'static str)>, name: &'static str, value: &'static str| {
        labels.push((name, value));
        labels
    };
    let hot = of("BanyanInletTemperatureHigh", "critical", "binhai-1", "changle");
    let node = |site, district| with(of("BanyanNodeOffline", "warning", site, district), "node", "edge-0421");
    let gap = |site, horizon| with(of("BanyanPueDataGap", "warning", site, "changle"), "horizon", horizon);
    let (above, lasting) = ("BanyanPueAboveTarget", "BanyanPueLongAndShortViolated");
    let (year, refused) = ("BanyanPueAnnualAtRisk", "BanyanEnforcementRefused");

    // Each alert, and whether it is to be muted.
    let cases = [
        // A site that has lost its cooling mutes its lesser alert and its nodes, and neither its PUE nor other sites' nodes.
        (hot.clone(), false),
        (of("BanyanInletTemperatureHigh", "warning", "binhai-1", "changle"), true),
        (node("binhai-1", "changle"), true),
        (of(above, "warning", "binhai-1", "changle"), false),
        (node("changle-1", "changle"), false),
        // Missing data mutes the verdict, each horizon its own.
        (gap("changle-1", "operational"), false),
        (of(above, "warning", "changle-1", "changle"), true),
        (of(lasting, "critical", "changle-1", "changle"), true),
        (of(refused, "info", "changle-1", "changle"), true),
        (gap("mawei-1", "annual"), false),
        (of(year, "warning", "mawei-1", "mawei"), true),
        (of(above, "warning", "mawei-1", "mawei"), false),
        // The greater alert mutes the lesser, and no node: a PUE above target explains none.
        (of(lasting, "critical", "gulou-1", "gulou"), false),
        (of(above, "warning", "gulou-1", "gulou"), true),
        (of(year, "warning", "gulou-1", "gulou"), true),
        (node("gulou-1", "gulou"), false),
        // Without a site nothing is equal.
        (vec![("alertname", "BanyanNoLeader"), ("severity", "critical")], false),
    ];
    // What mutes comes first, as the sources of an inhibition fire earlier than anybody is told of their targets.
    for muted in [false, true] {
        let alerts: Vec<Value> =
            cases.iter().filter(|case| case.1 == muted).map(|(labels, _)| alert(&rules, labels)).collect();
        alertmanager.post(&json!(alerts)).await?;
        until(LIMIT, "the alerts to be there", || async {
            let there = alertmanager.alerts().await?.len();
            Ok(there == if muted { cases.len() } else { alerts.len() })
        })
        .await?;
    }
    for (labels, muted) in &cases {
        let state = if *muted { "suppressed" } else { "active" };
        until(LIMIT, format!("{labels:?} to be {state}"), || async {
            let alerts = alertmanager.alerts().await?;
            let wanted = &alert(&rules, labels)["labels"];
            let one = alerts.iter().find(|one| one["labels"] == *wanted);
            Ok(one.is_some_and(|one| one["status"]["state"] == state))
        })
        .await?;
    }

    // Both desks read the same, in Chinese.
    for receiver in ["city-duty", "site-binhai-1"] {
        let text = desks.told(receiver, "【严重】设备进风温度").await?;
        for part in [
            "【告警 1 条】changle binhai-1 设备进风温度超过设备允许值。",
            "【严重】设备进风温度超过设备允许值。",
            "数据中心 binhai-1 最高进风温度超过其 ASHRAE 等级的允许值已 5 分钟，现为 36.2 °C。",
            "数据中心：binhai-1\n区县：changle\n开始时间：20",
            "处理手册：https://github.com/banyan-dev/banyan/blob/main/docs/zh/runbooks/BanyanInletTemperatureHigh.md\n",
            "无网络时：banyan runbook BanyanInletTemperatureHigh --lang zh",
        ] {
            ensure!(text.contains(part), "{receiver} is not told {part}:\n{text}");
        }
    }
    let text = desks.told("platform", "Banyan 没有主实例，或未被采集。").await?;
    ensure!(!text.contains("数据中心："), "an alert of no site names one:\n{text}");
    desks.told("district-gulou", "近 30 天").await?;
    // The journal gets Alertmanager's own form, which has both languages. It comes after what is muted, and of the same severity.
    let reset = with(of("BanyanMeterReset", "info", "changle-1", "changle"), "meter", "utility-a");
    alertmanager.post(&json!([alert(&rules, &reset)])).await?;
    let body = eventually(LIMIT, "the journal to be told", || async {
        let log = desks.log.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(log.iter().find(|(to, _)| to == "journal").map(|(_, body)| body.clone()))
    })
    .await?;
    let alerts = body["alerts"].as_array().context("the journal gets no alerts")?;
    ensure!(alerts.len() == 1 && alerts[0]["labels"]["alertname"] == "BanyanMeterReset", "{body}");
    ensure!(alerts[0]["annotations"]["summary_zh"] == "电表读数归零。", "{body}");
    ensure!(alerts[0]["annotations"]["summary"] == "An energy meter started again at zero.", "{body}");
    let texts = desks.texts("city-duty");
    let muted = |text: &&String| text.contains("数据中心：changle-1");
    ensure!(texts.iter().find(muted).is_none(), "a verdict without data is told: {texts:?}");

    // The cooling is back: that is told, and the site mutes nothing any more.
    let mut over = alert(&rules, &hot);
    over["endsAt"] = json!(jiff::Timestamp::now().to_string());
    alertmanager.post(&json!([over])).await?;
    let text = desks.told("site-binhai-1", "【恢复】").await?;
    ensure!(
        text.contains("【已恢复】设备进风温度超过设备允许值。") && text.contains("恢复时间：20"),
        "{text}"
    );
    until(LIMIT, "the node to be unmuted", || async {
        let labels = &alert(&rules, &node("binhai-1", "changle"))["labels"];
        let alerts = alertmanager.alerts().await?;
        Ok(alerts.iter().any(|one| one["labels"] == *labels && one["status"]["state"] == "active"))
    })
    .await
}
