//! The demo: a city's estate on one machine, from nothing to the table of verdicts.

mod current;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use banyan_crds::v1alpha1::{Action, DataCenter, EnforcementState, Verdict};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::chart;
use crate::cluster::Cluster;
use crate::components::{Component, Tools};
use crate::controlplane::{ControlPlane, Options};
use crate::dirs;
use crate::estate::{Estate, PROMETHEUS_PLACEHOLDER};
use crate::exporter::Exporter;
use crate::operator::{self, Operator, OperatorOptions};
use crate::prometheus::{Prometheus, PrometheusOptions, Series};
use crate::wait::until;
pub use current::Visit;

/// How long the verdicts may take: a back-fill of thirteen months for five sites.
const VERDICTS_LIMIT: Duration = Duration::from_mins(3);

/// How long the alerts may take: a scrape and an evaluation.
const ALERTS_LIMIT: Duration = Duration::from_mins(1);

/// What a site of the demo must come to.
#[derive(Clone, Copy, Debug)]
struct Expected {
    site: &'static str,
    annual: Option<Verdict>,
    operational: Verdict,
    enforcement: EnforcementState,
    what: &'static str,
}

/// One compliant, one at risk, one violated and held, one violated and rightly refused, one blind.
const EXPECTED: [Expected; 5] = [
    Expected {
        site: "changle-1",
        annual: Some(Verdict::Compliant),
        operational: Verdict::Compliant,
        enforcement: EnforcementState::Clear,
        what: "compliant",
    },
    Expected {
        site: "mawei-1",
        annual: None,
        operational: Verdict::AtRisk,
        enforcement: EnforcementState::Clear,
        what: "at risk",
    },
    Expected {
        site: "gulou-1",
        annual: Some(Verdict::Violated),
        operational: Verdict::Violated,
        enforcement: EnforcementState::Enforcing,
        what: "violated, and its batch work held",
    },
    Expected {
        site: "binhai-1",
        annual: Some(Verdict::Violated),
        operational: Verdict::Violated,
        enforcement: EnforcementState::Refused,
        what: "violated, and holding it back rightly refused",
    },
    Expected {
        site: "jinan-1",
        annual: None,
        operational: Verdict::Unknown,
        enforcement: EnforcementState::Clear,
        what: "unknown, because a meter is dead",
    },
];

/// What the rules say of the estate, alert and site: pending at first, and firing when they have stood long enough.
/// Whether the year of mawei-1 is at risk depends on the season.
const ALERTS: [(&str, &str); 8] = [
    ("BanyanPueAboveTarget", "binhai-1"),
    ("BanyanPueLongAndShortViolated", "binhai-1"),
    ("BanyanPueAnnualAtRisk", "binhai-1"),
    ("BanyanEnforcementRefused", "binhai-1"),
    ("BanyanPueAboveTarget", "gulou-1"),
    ("BanyanPueLongAndShortViolated", "gulou-1"),
    ("BanyanPueAnnualAtRisk", "gulou-1"),
    ("BanyanPueDataGap", "jinan-1"),
];

/// The namespace of the batch work among the examples.
const BATCH_NAMESPACE: &str = "batch-demo";

/// Tells what is going on, with the seconds since the beginning.
#[derive(Clone, Copy)]
struct Steps(Instant);

impl Steps {
    fn begin() -> Self {
        Self(Instant::now())
    }

    fn tell(self, what: &str) {
        eprintln!("[{:>4.0} s] {what}", self.0.elapsed().as_secs_f64());
    }
}

/// A running demo. Dropping it stops everything.
pub struct Demo {
    // In the order in which they stop.
    operator: Operator,
    prometheus: Prometheus,
    _exporter: Exporter,
    cluster: Cluster,
    _plane: Option<ControlPlane>,
}

impl Demo {
    /// Builds what is missing, starts everything, applies `docs/examples/` and waits for the verdicts.
    pub async fn start() -> Result<Self> {
        let steps = Steps::begin();
        let step = |what: &str| steps.tell(what);
        step("getting the components ready (the first time they are built, in about a quarter of an hour)");
        Tools::ensure(&Component::ALL).await?;
        step("starting a control plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kwok");
        let plane = ControlPlane::start(Options::whole("demo")).await?;
        for site in EXPECTED {
            for number in 1..=2 {
                let name = format!("{}-node-{number}", site.site);
                plane.kwok()?.add_node(&name, &[("topology.kubernetes.io/zone", site.site)]).await?;
            }
        }
        let cluster = (*plane).clone();
        Self::on(cluster, Some(plane), steps).await
    }

    /// The demo on this cluster, from the chart to the verdicts. `plane` is what the cluster lives on, if it is the
    /// demo's own.
    async fn on(cluster: Cluster, plane: Option<ControlPlane>, steps: Steps) -> Result<Self> {
        let step = |what: &str| steps.tell(what);
        step("installing the chart");
        chart::install(&cluster, &json!({})).await?;

        step("making thirteen months of meter readings");
        let now = Timestamp::now();
        let estate = Estate::demo(now);
        let folder = dirs::fresh("readings")?;
        let history = folder.join("history.om");
        let (from, to) = (Timestamp::from_second(estate.begin())?, Timestamp::from_second(estate.end())?);
        let samples = estate.write_openmetrics(&history, from, to)?;
        step(&format!("{samples} readings; starting Prometheus and the operator"));
        let exporter = Exporter::start(move || estate.exposition(Timestamp::now())).await?;
        let operator = Operator::start(&cluster, OperatorOptions::default()).await?;
        let rules = folder.join("alerts.yaml");
        std::fs::write(&rules, operator::cli(&cluster.admin_kubeconfig(), &["rules"]).await?.stdout)?;
        let prometheus = Prometheus::start(PrometheusOptions {
            history: vec![history.clone()],
            rules: vec![rules],
            targets: vec![operator.address().to_owned()],
            meters: vec![exporter.address().to_owned()],
            interval: Duration::from_secs(5),
            ..PrometheusOptions::default()
        })
        .await?;
        std::fs::remove_file(&history).ok();

        // The history ends in the past, and a gauge counts for five minutes: the live exporter must have been asked once.
        until(VERDICTS_LIMIT, "the first live readings", || async {
            Ok(!prometheus.query("dc_inlet_temperature_celsius").await?.is_empty())
        })
        .await?;

        step("applying docs/examples/");
        for (file, text) in examples(prometheus.url())? {
            cluster.apply(&text).await.with_context(|| format!("applying {}", file.display()))?;
        }
        let demo = Self { operator, prometheus, _exporter: exporter, cluster, _plane: plane };
        step("waiting for the verdicts");
        demo.verdicts().await?;
        step("creating a Job at the held site");
        demo.late_job().await?;
        step("waiting for Prometheus to have the alerts");
        demo.alerts().await?;
        step("done\n");
        Ok(demo)
    }

    /// Waits until every site has come to what it must.
    async fn verdicts(&self) -> Result<()> {
        let sites: Api<DataCenter> = Api::all(self.cluster.client());
        for expected in EXPECTED {
            let what = format!("{} to be {}", expected.site, expected.what);
            until(VERDICTS_LIMIT, what, || async {
                let site = sites.get(expected.site).await?;
                let status = site.status.clone().unwrap_or_default();
                let found = (
                    status.annual.as_ref().map(|annual| annual.verdict),
                    status.operational.as_ref().map(|operational| operational.verdict),
                    status.enforcement.as_ref().map(|enforcement| enforcement.state),
                );
                let good = expected.annual.is_none_or(|wanted| found.0 == Some(wanted))
                    && found.1 == Some(expected.operational)
                    && found.2.unwrap_or_default() == expected.enforcement;
                if !good {
                    bail!("it is {found:?}: {}", serde_json::to_string(&status.conditions)?);
                }
                Ok(true)
            })
            .await?;
        }
        let gulou = sites.get("gulou-1").await?.status.unwrap_or_default();
        let engaged = gulou.enforcement.map(|enforcement| enforcement.engaged).unwrap_or_default();
        ensure!(
            engaged.first().is_some_and(|first| first.action == Action::HoldBatch),
            "gulou-1 holds {engaged:?}"
        );
        let jobs: Api<CronJob> = Api::namespaced(self.cluster.client(), BATCH_NAMESPACE);
        for (name, held) in [("nightly-statistics", true), ("hourly-backup", false)] {
            let suspended = jobs.get(name).await?.spec.suspend.unwrap_or(false);
            ensure!(suspended == held, "CronJob {name} has suspend: {suspended}");
        }
        Ok(())
    }

    /// Creates a Job that may wait at the site that is held: it is held as it comes in, and the job controller, which is
    /// really there, never starts it.
    async fn late_job(&self) -> Result<()> {
        let jobs: Api<Job> = Api::namespaced(self.cluster.client(), BATCH_NAMESPACE);
        let job: Job = serde_json::from_value(json!({
            "metadata": { "name": "late-report", "labels": { "banyan.dev/deferrable": "true" } },
            "spec": { "template": { "spec": {
                "nodeSelector": { "topology.kubernetes.io/zone": "gulou-1" },
                "restartPolicy": "Never",
                "containers": [{ "name": "report", "image": "busybox:1.37", "command": ["sleep", "5"] }],
            } } },
        }))?;
        // A policy goes by a new parameter a moment after it was written.
        until(VERDICTS_LIMIT, "a Job that is tried to be held", || async {
            let tried = jobs.create(&PostParams { dry_run: true, ..PostParams::default() }, &job).await?;
            Ok(tried.spec.and_then(|spec| spec.suspend) == Some(true))
        })
        .await?;
        jobs.create(&PostParams::default(), &job).await.context("creating the Job late-report")?;
        until(VERDICTS_LIMIT, "the job controller to see that late-report is suspended", || async {
            let status = jobs.get("late-report").await?.status.unwrap_or_default();
            ensure!(status.active.unwrap_or(0) == 0 && status.start_time.is_none(), "it was started");
            let conditions = status.conditions.unwrap_or_default();
            Ok(conditions.iter().any(|one| one.type_ == "Suspended" && one.status == "True"))
        })
        .await
    }

    /// Waits until Prometheus has scraped the operator and these alerts, and no other of a site, are pending or firing.
    async fn alerts(&self) -> Result<()> {
        until(ALERTS_LIMIT, format!("the alerts {ALERTS:?}"), || async {
            let series = self.prometheus.query("ALERTS{data_center!~\"|mawei-1\"}").await?;
            let label = |one: &Series, name: &str| one.metric[name].as_str().unwrap_or_default().to_owned();
            let found: BTreeSet<_> =
                series.iter().map(|one| (label(one, "alertname"), label(one, "data_center"))).collect();
            let wanted = ALERTS.map(|(alert, site)| (alert.to_owned(), site.to_owned()));
            ensure!(found == BTreeSet::from(wanted), "there are {found:?}");
            Ok(true)
        })
        .await
    }

    /// The table that `banyan status` prints.
    pub async fn table(&self) -> Result<String> {
        let shown = operator::cli(&self.cluster.admin_kubeconfig(), &["status"]).await?;
        ensure!(shown.status.success(), "banyan status: {}", shown.stderr);
        Ok(shown.stdout)
    }

    /// Where everything is, for somebody who wants to look around.
    pub fn addresses(&self) -> String {
        format!(
            "API server   {}\nPrometheus   {}\nmetrics      http://{}/metrics\n",
            self.cluster.url(),
            self.prometheus.url(),
            self.operator.address(),
        )
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.cluster.admin_kubeconfig()
    }
}

/// The examples in the order of their names, with the address of the demo's Prometheus in them. Namespaces and batch
/// work come first, so that there is something to hold.
fn examples(prometheus: &str) -> Result<Vec<(PathBuf, String)>> {
    let folder = dirs::repository().join("docs/examples");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .with_context(|| format!("reading {}", folder.display()))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    files.retain(|file| file.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let text = std::fs::read_to_string(&file)?.replace(PROMETHEUS_PLACEHOLDER, prometheus);
            Ok((file, text))
        })
        .collect()
}
