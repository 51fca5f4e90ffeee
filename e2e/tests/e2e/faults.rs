//! What each fault of Prometheus and of the meters gets: a condition that names the meter and the fault, the verdict
//! Unknown with the last one in the message, and no action taken or undone until it is over.

mod gate;
mod readings;

use std::future::Future;

use anyhow::{Context, Result, bail, ensure};
use banyan_crds::v1alpha1::{
    Action, DataCenterStatus, EnforcementState, EnforcementStatus, OperationalStatus, Verdict,
};
use banyan_e2e::chart;
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::operator::{Operator, OperatorOptions};
use banyan_e2e::prometheus::{Prometheus, PrometheusOptions};
use banyan_e2e::wait::eventually;
use k8s_openapi::api::batch::v1::CronJob;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::sites::{LIMIT, apply, holds, nudge, sites, until_status};
use crate::trap::Trap;
use crate::world::{Test, World};
use gate::{Gate, Mode};
use readings::Wrong;

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        while_the_server_cannot_be_asked_what_is_held_stays_held,
        while_a_meter_cannot_be_believed_what_is_held_stays_held,
        what_was_never_believable_is_never_compliant,
    ]
}

/// In the middle of a window, after the last of the good ones has closed.
const HELD: &str = "2025-06-18T03:30:00Z";
/// Two windows after the meters went wrong have closed.
const BLIND: &str = "2025-06-18T05:30:00Z";
/// Three windows after they got well again have closed.
const WELL: &str = "2025-06-18T09:30:00Z";

/// A control plane with the chart, and a Prometheus with the readings of some sites.
struct Scene {
    plane: ControlPlane,
    prometheus: Prometheus,
}

impl Scene {
    async fn start(name: &str, sites: &[(&str, Wrong)]) -> Result<Self> {
        let plane = ControlPlane::start(Options { name: name.to_owned(), ..Options::default() });
        let history = vec![readings::write(sites)?];
        let prometheus = Prometheus::start(PrometheusOptions { history, ..PrometheusOptions::default() });
        let (plane, prometheus) = tokio::try_join!(plane, prometheus)?;
        chart::install(&plane, &json!({})).await?;
        Ok(Self { plane, prometheus })
    }

    async fn operator(&self, now: &str) -> Result<Operator> {
        let now = Some(now.parse()?);
        Operator::start(&self.plane, OperatorOptions { now, ..OperatorOptions::default() }).await
    }

    /// Creates a site with the readings of its name, and a `CronJob` at it that may be held.
    async fn site(&self, name: &str, url: &str) -> Result<()> {
        let cron_job: CronJob = serde_json::from_value(json!({
            "metadata": {
                "name": name, "labels": { "banyan.dev/deferrable": "true", "banyan.dev/site": name },
            },
            "spec": { "schedule": "30 1 * * *", "jobTemplate": { "spec": { "template": { "spec": {
                "restartPolicy": "Never", "containers": [{ "name": "main", "image": "example/work" }],
            } } } } },
        }))?;
        self.cron_jobs().create(&PostParams::default(), &cron_job).await?;
        apply(&self.plane, name, spec(name, url)).await.map(drop)
    }

    fn cron_jobs(&self) -> Api<CronJob> {
        Api::namespaced(self.plane.client(), "default")
    }

    /// Lets the operator look again until the status is as wanted.
    async fn look<C: Fn(&DataCenterStatus) -> Result<()>>(
        &self,
        site: &str,
        check: C,
    ) -> Result<DataCenterStatus> {
        eventually(LIMIT, format!("another look at {site}"), || async {
            let generation = nudge(&self.plane, site).await?;
            let found = until_status(&self.plane, site, generation, |_| Ok(())).await?;
            check(&found)?;
            Ok(Some(found))
        })
        .await
    }

    /// Waits until the site is violated and its batch work held.
    async fn held(&self, site: &str) -> Result<Held> {
        let found = until_status(&self.plane, site, 0, is_held).await?;
        let held = Held {
            since: operational(&found)?.since.0.to_string(),
            cron_job: self.version(site).await?,
            found,
        };
        Ok(held)
    }

    /// The version of a site's `CronJob`, which is suspended.
    async fn version(&self, site: &str) -> Result<String> {
        let cron_job = self.cron_jobs().get(site).await?;
        ensure!(cron_job.spec.suspend == Some(true), "the CronJob of {site} is not held");
        cron_job.metadata.resource_version.context("an object has a version")
    }

    /// Nothing was taken or undone since.
    async fn untouched(&self, site: &str, held: &Held, found: &DataCenterStatus) -> Result<()> {
        let (before, now) = (enforcement(&held.found)?, enforcement(found)?);
        ensure!(
            before.engaged == now.engaged,
            "{site} has {:?} in force, and had {:?}",
            now.engaged,
            before.engaged
        );
        ensure!(held.found.actions == found.actions, "{site}: something was done: {:?}", found.actions);
        ensure!(self.version(site).await? == held.cron_job, "the CronJob of {site} was written");
        Ok(())
    }
}

/// A site while its batch work is held.
struct Held {
    /// Since when it is violated.
    since: String,
    /// The version of its `CronJob`.
    cron_job: String,
    found: DataCenterStatus,
}

fn meter(site: &str, name: &str, purpose: &str) -> Value {
    json!({
        "name": name, "purpose": purpose, "query": format!("kwh_total{{site=\"{site}\",meter=\"{name}\"}}"),
        "type": "Counter", "unit": "kWh", "interval": "15m",
    })
}

fn spec(site: &str, url: &str) -> Value {
    let mut it = meter(site, "it", "IT");
    it["position"] = json!("PDU");
    json!({
        "location": { "timeZone": "Asia/Shanghai" },
        "commissioned": "2025-05-06",
        "energy": { "prometheus": { "url": url, "timeout": "1s" }, "meters": [meter(site, "feed", "Facility"), it] },
        "pue": { "targets": [{ "from": "2025-01-01", "max": "1.25" }] },
        "enforcement": { "mode": "Enforce", "actions": ["HoldBatch"] },
    })
}

fn operational(found: &DataCenterStatus) -> Result<&OperationalStatus> {
    found.operational.as_ref().context("there is no operational verdict")
}

fn enforcement(found: &DataCenterStatus) -> Result<&EnforcementStatus> {
    found.enforcement.as_ref().context("enforcement has no status")
}

fn is_held(found: &DataCenterStatus) -> Result<()> {
    ensure!(operational(found)?.verdict == Verdict::Violated, "it is not violated");
    let engaged: Vec<Action> = enforcement(found)?.engaged.iter().map(|engaged| engaged.action).collect();
    ensure!(engaged == [Action::HoldBatch], "{engaged:?} is in force");
    holds(found, "MetersHealthy", "True", "Healthy")?;
    holds(found, "PUEValid", "True", "Valid").map(drop)
}

/// Unknown, with what stood before, and holding still.
fn is_unknown(found: &DataCenterStatus) -> Result<()> {
    let operational = operational(found)?;
    ensure!(operational.verdict == Verdict::Unknown, "it is {:?}", operational.verdict);
    ensure!(operational.last_known == Some(Verdict::Violated), "the last was {:?}", operational.last_known);
    ensure!(enforcement(found)?.state == EnforcementState::Paused, "it is {:?}", enforcement(found)?.state);
    holds(found, "NotEnforcing", "False", "VerdictUnknown").map(drop)
}

/// A fault of the server, and what is said of it.
struct Fault {
    reason: &'static str,
    words: &'static str,
}

/// Brings a fault about, looks, ends it, and looks again.
async fn endure<B, E>(scene: &Scene, site: &str, fault: Fault, begin: B, end: E) -> Result<()>
where
    B: Future<Output = Result<()>>,
    E: Future<Output = Result<()>>,
{
    let Fault { reason, words } = fault;
    let held = scene.look(site, is_held).await.map(drop);
    held.with_context(|| format!("before {reason}"))?;
    let held = scene.held(site).await?;
    begin.await?;
    let blind = scene.look(site, |found| {
        is_unknown(found)?;
        for kind in ["MetersHealthy", "PUEValid"] {
            let message = holds(found, kind, "Unknown", reason)?;
            ensure!(message.contains("feed") && message.contains(words), "{kind} says {message}");
        }
        ensure!(operational(found)?.blind_since.is_some(), "since when it is blind is not told");
        let message = holds(found, "PUEWithinTarget", "Unknown", "OperationalUnknown")?;
        let last = format!("the last verdict was Violated, since {}", held.since);
        ensure!(message.contains(&last), "the last verdict is not in the message: {message}");
        Ok(())
    });
    let blind = blind.await.with_context(|| format!("during {reason}"))?;
    scene.untouched(site, &held, &blind).await.with_context(|| format!("during {reason}"))?;
    end.await?;

    let well = scene.look(site, is_held).await.with_context(|| format!("after {reason}"))?;
    ensure!(operational(&well)?.since.0.to_string() == held.since, "the verdict began anew after {reason}");
    scene.untouched(site, &held, &well).await.with_context(|| format!("after {reason}"))
}

async fn while_the_server_cannot_be_asked_what_is_held_stays_held(_: World) -> Result<()> {
    let mut scene = Scene::start("faults", &[("direct", Wrong::Nothing), ("gated", Wrong::Nothing)]).await?;
    let gate = Gate::start(scene.prometheus.url()).await?;
    let trap = Trap::start().await?;
    scene.site("direct", scene.prometheus.url()).await?;
    scene.site("gated", gate.url()).await?;
    let operator = scene.operator(HELD).await?;
    scene.held("direct").await?;
    scene.held("gated").await?;

    let slow = Fault { reason: "PrometheusTimeout", words: "gave no complete answer within 1000 ms" };
    let pause = async {
        scene.prometheus.pause();
        Ok(())
    };
    let resume = async {
        scene.prometheus.resume();
        Ok(())
    };
    endure(&scene, "direct", slow, pause, resume).await?;

    let elsewhere = format!("Location: http://{}/login?secret\r\n", trap.address());
    let html = "Content-Type: text/html\r\n".to_owned();
    let json = "Content-Type: application/json\r\n".to_owned();
    for (reason, words, mode) in [
        (
            "NotPrometheus",
            "(<html>Please sign in</html>); check that prometheus.url leads to a Prometheus API",
            Mode::Answer("200 OK", html.clone(), "<html>Please sign in</html>"),
        ),
        (
            "PrometheusUnauthorized",
            "status 401; check the Secret of prometheus.authSecretRef",
            Mode::Answer("401 Unauthorized", html, "<html>no</html>"),
        ),
        (
            "PrometheusRedirected",
            "name the final address in prometheus.url",
            Mode::Answer("302 Found", elsewhere, ""),
        ),
        (
            "PrometheusFailed",
            "answered status 503 (down for backup)",
            Mode::Answer("503 Service Unavailable", String::new(), "down for backup"),
        ),
        (
            "PartialAnswer",
            "a store does not answer",
            Mode::Answer(
                "200 OK",
                json.clone(),
                r#"{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["a store does not answer"]}"#,
            ),
        ),
        ("NotPrometheus", "an empty body", Mode::Answer("200 OK", json, "")),
    ] {
        let set = async |mode| {
            gate.set(mode);
            Ok(())
        };
        endure(&scene, "gated", Fault { reason, words }, set(mode), set(Mode::Pass)).await?;
    }
    ensure!(trap.connections() == 0, "a redirect was followed");

    // The meters themselves: what they ask for is changed, and changed back.
    let query = |query: &str| {
        let mut energy = spec("direct", scene.prometheus.url())["energy"].clone();
        energy["meters"][0]["query"] = json!(query);
        let patch = Patch::Merge(json!({ "spec": { "energy": energy } }));
        let api = sites(&scene.plane);
        async move {
            api.patch("direct", &PatchParams::default(), &patch).await.map(drop).context("changing a query")
        }
    };
    let right = "kwh_total{site=\"direct\",meter=\"feed\"}";
    let several = Fault { reason: "MultipleSeries", words: "matches 2 series, for instance" };
    endure(&scene, "direct", several, query("kwh_total{meter=\"feed\"}"), query(right)).await?;
    let malformed = Fault { reason: "BadQuery", words: "the query is refused" };
    endure(&scene, "direct", malformed, query("sum("), query(right)).await?;

    // Last, because it takes the server away that the others need.
    let held = scene.held("direct").await?;
    scene.prometheus.kill().await?;
    let down = scene.look("direct", |found| {
        is_unknown(found)?;
        let message = holds(found, "MetersHealthy", "Unknown", "PrometheusUnreachable")?;
        ensure!(message.contains("feed: ") && message.contains("could not be reached"), "{message}");
        let message = holds(found, "PUEWithinTarget", "Unknown", "OperationalUnknown")?;
        ensure!(message.contains(&format!("was Violated, since {}", held.since)), "{message}");
        Ok(())
    });
    let down = down.await?;
    scene.untouched("direct", &held, &down).await?;
    scene.prometheus.restart().await?;
    let well = scene.look("direct", is_held).await?;
    scene.untouched("direct", &held, &well).await?;
    operator.stop().await
}

/// The site, what goes wrong, status and reason of `MetersHealthy` with words of its message, and reason of `PUEValid`.
type Expected = (&'static str, Wrong, &'static str, &'static str, &'static str, &'static str);

const EXPECTED: [Expected; 5] = [
    (
        "missing",
        Wrong::Missing,
        "False",
        "Stale",
        "feed: no reading since 2025-06-18T03:00:00Z",
        "MeterAbsent",
    ),
    (
        "nan",
        Wrong::NotANumber,
        "False",
        "Stale",
        "feed: no reading since 2025-06-18T03:00:00Z",
        "MeterAbsent",
    ),
    ("rare", Wrong::Rare, "False", "Faulty", "feed: covers 0 % of the window", "LowCoverage"),
    ("half", Wrong::Half, "True", "Healthy", "", "BetterThanPerfect"),
    (
        "empty",
        Wrong::Nothing,
        "False",
        "NoSeries",
        "feed: the query matches no series with samples",
        "MeterAbsent",
    ),
];

async fn while_a_meter_cannot_be_believed_what_is_held_stays_held(_: World) -> Result<()> {
    let all = EXPECTED.map(|(site, wrong, ..)| (site, wrong));
    let scene = Scene::start("doubts", &all).await?;
    for (site, _) in all {
        scene.site(site, scene.prometheus.url()).await?;
    }
    let operator = scene.operator(HELD).await?;
    let mut held = Vec::new();
    for (site, _) in all {
        held.push(scene.held(site).await?);
    }
    operator.stop().await?;

    let empty = |query: &str| {
        let mut energy = spec("empty", scene.prometheus.url())["energy"].clone();
        energy["meters"][0]["query"] = json!(query);
        let patch = Patch::Merge(json!({ "spec": { "energy": energy } }));
        let api = sites(&scene.plane);
        async move {
            api.patch("empty", &PatchParams::default(), &patch).await.map(drop).context("changing a query")
        }
    };
    empty("kwh_total{site=\"nowhere\"}").await?;
    let operator = scene.operator(BLIND).await?;
    for ((site, _, status, reason, words, invalid), held) in EXPECTED.iter().zip(&held) {
        let blind = until_status(&scene.plane, site, 0, |found| {
            is_unknown(found)?;
            let message = holds(found, "MetersHealthy", status, reason)?;
            ensure!(message.contains(words), "MetersHealthy says {message}");
            let message = holds(found, "PUEValid", "False", invalid)?;
            ensure!(
                *invalid == "BetterThanPerfect" || message.contains("meter feed"),
                "PUEValid says {message}"
            );
            let message = holds(found, "PUEWithinTarget", "Unknown", "OperationalUnknown")?;
            // The window that begins with the fault closes an hour later.
            let last = "the last verdict, Violated, stood until 2025-06-18T04:00:00Z";
            ensure!(message.contains(last), "the last verdict is not in the message: {message}");
            Ok(())
        });
        let blind = blind.await?;
        scene.untouched(site, held, &blind).await?;
    }
    operator.stop().await?;

    empty("kwh_total{site=\"empty\",meter=\"feed\"}").await?;
    let operator = scene.operator(WELL).await?;
    for ((site, ..), held) in EXPECTED.iter().zip(&held) {
        let well = until_status(&scene.plane, site, 0, is_held).await?;
        scene.untouched(site, held, &well).await?;
    }
    operator.stop().await
}

/// Sites that had no good day, and one with two bad meters of three: neither fault hides the other.
async fn what_was_never_believable_is_never_compliant(_: World) -> Result<()> {
    let scene = Scene::start(
        "never",
        &[("half", Wrong::AlwaysHalf), ("rare", Wrong::AlwaysRare), ("good", Wrong::Nothing)],
    )
    .await?;
    for site in ["half", "rare", "good"] {
        scene.site(site, scene.prometheus.url()).await?;
    }
    let mut several = spec("good", scene.prometheus.url());
    let mut other = meter("good", "other", "Facility");
    other["query"] = json!("kwh_total{meter=\"feed\"}");
    several["energy"]["meters"][1]["query"] = json!("sum(");
    several["energy"]["meters"].as_array_mut().context("meters are a list")?.push(other);
    apply(&scene.plane, "several", several).await?;

    let operator = scene.operator(HELD).await?;
    for (site, reason) in [("half", "BetterThanPerfect"), ("rare", "LowCoverage")] {
        let found =
            until_status(&scene.plane, site, 0, |found| holds(found, "PUEValid", "False", reason).map(drop))
                .await?;
        let (annual, operational) =
            (found.annual.as_ref().map(|annual| annual.verdict), operational(&found)?.verdict);
        ensure!(
            (annual, operational) == (Some(Verdict::Unknown), Verdict::Unknown),
            "{site} is {annual:?}, {operational:?}"
        );
        ensure!(enforcement(&found)?.engaged.is_empty(), "{site} holds {:?}", enforcement(&found)?.engaged);
        ensure!(self::operational(&found)?.last_known.is_none(), "{site} had a verdict");
    }
    let found = until_status(&scene.plane, "several", 0, |found| {
        let message = holds(found, "MetersHealthy", "Unknown", "BadQuery")?;
        ensure!(message.contains("it: the query is refused"), "{message}");
        ensure!(message.contains("other: the query matches 3 series"), "{message}");
        ensure!(!message.contains("feed: "), "a good meter is blamed: {message}");
        Ok(())
    });
    found.await?;
    // The sites beside them are judged as ever.
    if let Err(error) = scene.held("good").await {
        bail!("a bad site hides a good one: {error:#}");
    }
    operator.stop().await
}
