//! What the tests of enforcement stand on: a control plane with the chart, readings of three sites, and a world of Nodes
//! and batch work. There are no controllers and no nodes that beat, so whatever changes was changed by the test or by
//! the operator.
//!
//! The operator's clock is set: the readings lie in the past and end. Until [`CLEAR_FROM`] the site `hot` has a fault in
//! its cooling, so that it is violated; six hours later it is clear.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use banyan_crds::v1alpha1::{Action, DataCenter, DataCenterStatus};
use banyan_e2e::chart::{self, NAMESPACE};
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::dirs;
use banyan_e2e::estate::{Bulb, Estate, Fault, Load, Overhead, Part, Quantity, Series, Site};
use banyan_e2e::operator::{Operator, OperatorOptions};
use banyan_e2e::prometheus::{Prometheus, PrometheusOptions};
use banyan_e2e::proxy::Proxy;
use banyan_e2e::wait::{eventually, until};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A time at which `hot` is violated: the window before 03:00 is closed, and none closes for most of an hour.
pub const VIOLATED: &str = "2025-06-18T03:05:00Z";
/// When the fault of `hot` ends.
const CLEAR_FROM: &str = "2025-06-18T06:00:00Z";
/// A time at which `hot` has been clear for six windows, on the same day in Fuzhou, so that the ledger stays as it is.
pub const CLEARED: &str = "2025-06-18T13:05:00Z";
/// The end of the readings.
const END: &str = "2025-06-18T16:00:00Z";
/// Days of readings: the model of the overhead needs 30.
const DAYS: i64 = 60;

/// The namespace of the batch work.
pub const BATCH: &str = "work";
/// The label that says at which site a Node stands.
pub const ZONE: &str = "topology.kubernetes.io/zone";
/// The finalizer of a site that holds something.
pub const FINALIZER: &str = "banyan.dev/undo";
/// The annotations that remember what was borrowed.
pub const LOANS: &str = "banyan.dev/loan-";

/// How long the operator may take to come to what it must: a back-fill of two months and a few writes.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The sites whose readings there are. Any number of `DataCenters` may be metered by one of them.
#[derive(Clone, Copy, Debug)]
pub enum Readings {
    /// A kWh of IT costs 1.40 until [`CLEAR_FROM`] and 1.10 afterwards, beside 20 kW: a PUE of 1.42 and 1.12.
    Hot,
    /// A PUE of 1.12, always.
    Cool,
    /// 330 kW beside 600 kW of IT, of which a kWh more costs 1.085: a PUE of 1.6 that less load would raise.
    Empty,
}

impl Readings {
    const fn site(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Cool => "cool",
            Self::Empty => "empty",
        }
    }
}

/// An instant of these tests.
pub fn at(text: &str) -> Result<Timestamp> {
    text.parse().with_context(|| format!("reading the instant {text}"))
}

/// The control plane and the Prometheus.
pub struct Stage {
    pub plane: ControlPlane,
    prometheus: Prometheus,
}

impl Stage {
    /// Starts everything but the operator.
    pub async fn start(name: &str) -> Result<Self> {
        let options = Options { name: name.to_owned(), ..Options::default() };
        let (plane, prometheus) = tokio::try_join!(ControlPlane::start(options), readings())?;
        chart::install(&plane, &json!({})).await?;
        plane.create_namespace(BATCH).await?;
        Ok(Self { plane, prometheus })
    }

    /// The same on a control plane of the test's own.
    pub async fn on(plane: ControlPlane) -> Result<Self> {
        chart::install(&plane, &json!({})).await?;
        Ok(Self { plane, prometheus: readings().await? })
    }

    /// The same on a control plane to which the test installs the chart itself.
    pub async fn without_chart(plane: ControlPlane) -> Result<Self> {
        Ok(Self { plane, prometheus: readings().await? })
    }

    /// The address of the readings.
    pub fn prometheus_url(&self) -> &str {
        self.prometheus.url()
    }

    /// Removes what a test before has left.
    pub async fn clear(&self) -> Result<()> {
        let sites = self.sites();
        for site in sites.list(&ListParams::default()).await? {
            self.remove_site(&site.name_any()).await?;
        }
        delete_all(&self.cron_jobs()).await?;
        delete_all(&self.jobs()).await?;
        delete_all(&self.nodes()).await
    }

    /// Removes a site with what belongs to it, whatever it holds. There is no garbage collector here.
    pub async fn remove_site(&self, name: &str) -> Result<()> {
        let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
        self.sites().patch(name, &PatchParams::default(), &free).await?;
        ignore_missing(self.sites().delete(name, &DeleteParams::default()).await)?;
        for kind in ["ledger", "freeze", "hold"] {
            let map = format!("banyan-{kind}-{name}");
            ignore_missing(self.maps().delete(&map, &DeleteParams::default()).await)?;
        }
        Ok(())
    }

    /// Runs the operator from this instant on.
    pub async fn operator(&self, now: &str) -> Result<Operator> {
        Operator::start(&self.plane, OperatorOptions { now: Some(at(now)?), ..OperatorOptions::default() })
            .await
    }

    /// As [`Stage::operator`], through a proxy and not awaited, with this name and its lease's duration.
    pub async fn operator_through(
        &self,
        proxy: &Proxy,
        now: &str,
        identity: &str,
        lease_duration: &str,
    ) -> Result<Operator> {
        let options = OperatorOptions {
            identity: identity.to_owned(),
            now: Some(at(now)?),
            lease_duration: lease_duration.to_owned(),
            kubeconfig: Some(proxy.kubeconfig(&self.plane).await?),
            await_ready: false,
            ..OperatorOptions::default()
        };
        Operator::start(&self.plane, options).await
    }

    pub fn sites(&self) -> Api<DataCenter> {
        Api::all(self.plane.client())
    }

    pub fn nodes(&self) -> Api<Node> {
        Api::all(self.plane.client())
    }

    pub fn cron_jobs(&self) -> Api<CronJob> {
        Api::namespaced(self.plane.client(), BATCH)
    }

    pub fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.plane.client(), BATCH)
    }

    /// `ConfigMaps` of Banyan's own namespace.
    pub fn maps(&self) -> Api<ConfigMap> {
        Api::namespaced(self.plane.client(), NAMESPACE)
    }

    /// Creates a site that stands where Nodes have its name in their label [`ZONE`]. Its target is 1.25; the section
    /// `enforcement` is given.
    pub async fn create_site(&self, name: &str, readings: Readings, enforcement: &Value) -> Result<()> {
        let meter = |name: &str, purpose: &str, label: &str| {
            json!({
                "name": name,
                "purpose": purpose,
                "query": format!("dc_energy_kwh_total{{site=\"{}\",{label}}}", readings.site()),
                "type": "Counter",
                "unit": "kWh",
                "interval": "15m",
                "ratedKilowatts": 3000,
            })
        };
        let mut it = meter("pdu", "IT", "meter=\"pdu\"");
        it["position"] = json!("PDU");
        let site = json!({
            "apiVersion": "banyan.dev/v1alpha1",
            "kind": "DataCenter",
            "metadata": { "name": name },
            "spec": {
                "location": { "timeZone": "Asia/Shanghai" },
                "ratedITKilowatts": 1500,
                "nodeSelector": { "matchLabels": { ZONE: name } },
                "energy": {
                    "prometheus": { "url": self.prometheus.url() },
                    "meters": [meter("feed", "Facility", "feed=\"all\""), it],
                },
                "pue": { "targets": [{ "from": "2024-06-01", "max": "1.25" }] },
                "enforcement": enforcement,
            },
        });
        create(&self.sites(), site).await.map(drop)
    }

    /// Changes a site's spec (RFC 7386).
    pub async fn change_site(&self, name: &str, spec: Value) -> Result<()> {
        let patch = Patch::Merge(json!({ "spec": spec }));
        self.sites().patch(name, &PatchParams::default(), &patch).await?;
        Ok(())
    }

    /// Creates a Node at a site; `taints` is a list.
    pub async fn create_node(&self, name: &str, site: &str, taints: Value) -> Result<()> {
        let node = json!({
            "metadata": { "name": name, "labels": { ZONE: site } },
            "spec": { "taints": taints },
        });
        create(&self.nodes(), node).await.map(drop)
    }

    /// Creates a `CronJob` whose Pods ask for a site's Nodes.
    pub async fn create_cron_job(&self, name: &str, site: &str, deferrable: bool, held: bool) -> Result<()> {
        let cron_job = json!({
            "metadata": { "name": name, "labels": labels(deferrable) },
            "spec": {
                "schedule": "30 1 * * *",
                "suspend": held,
                "jobTemplate": { "spec": { "template": pod_template(site) } },
            },
        });
        create(&self.cron_jobs(), cron_job).await.map(drop)
    }

    /// Creates a Job whose Pod asks for a site's Nodes.
    pub async fn create_job(&self, name: &str, site: &str, deferrable: bool, held: bool) -> Result<()> {
        let job = json!({
            "metadata": { "name": name, "labels": labels(deferrable) },
            "spec": { "suspend": held, "template": pod_template(site) },
        });
        create(&self.jobs(), job).await.map(drop)
    }

    /// The site's status; empty before the first.
    pub async fn status(&self, site: &str) -> Result<DataCenterStatus> {
        Ok(self.sites().get(site).await?.status.unwrap_or_default())
    }

    /// Waits until exactly these actions are in force at a site, in this order.
    pub async fn engaged(&self, site: &str, wanted: &[Action]) -> Result<DataCenterStatus> {
        let what = format!("{wanted:?} to be in force at {site}");
        self.awaited(site, &what, |status| {
            let enforcement = status.enforcement.as_ref();
            enforcement
                .is_some_and(|one| one.engaged.iter().map(|held| held.action).eq(wanted.iter().copied()))
        })
        .await
    }

    /// Waits until a site's status is as wanted.
    pub async fn awaited(
        &self,
        site: &str,
        what: &str,
        wanted: impl Fn(&DataCenterStatus) -> bool,
    ) -> Result<DataCenterStatus> {
        eventually(LIMIT, what, || async {
            let status = self.status(site).await?;
            if !wanted(&status) {
                // The last error is told at the end of the wait.
                bail!("the status is {}", json!(status));
            }
            Ok(Some(status))
        })
        .await
    }

    /// Everything about Nodes and batch work that somebody may have meant, as text, by kind and name: uid, labels,
    /// annotations and spec.
    pub async fn world(&self) -> Result<BTreeMap<String, String>> {
        let mut world = BTreeMap::new();
        for resource in [
            ApiResource::erase::<Node>(&()),
            ApiResource::erase::<CronJob>(&()),
            ApiResource::erase::<Job>(&()),
        ] {
            let api: Api<DynamicObject> = Api::all_with(self.plane.client(), &resource);
            for object in api.list(&ListParams::default()).await? {
                let meta = &object.metadata;
                let meant = json!({
                    "uid": meta.uid,
                    "labels": meta.labels,
                    "annotations": meta.annotations,
                    "finalizers": meta.finalizers,
                    "owners": meta.owner_references,
                    "spec": object.data["spec"],
                });
                world.insert(format!("{} {}", resource.kind, object.name_any()), meant.to_string());
            }
        }
        Ok(world)
    }
}

/// The names of what differs between two worlds.
pub fn differing(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let names: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

/// The names in `status.actions`, oldest first.
pub fn actions(status: &DataCenterStatus) -> Vec<&str> {
    status.actions.iter().map(|record| record.action.as_str()).collect()
}

/// Status, reason and message of a condition; empty when it is not there.
pub fn condition<'a>(status: &'a DataCenterStatus, kind: &str) -> (&'a str, &'a str, &'a str) {
    let found = status.conditions.iter().find(|condition| condition.type_ == kind);
    found.map_or(("", "", ""), |one| (&one.status, &one.reason, &one.message))
}

/// How often an operator has looked at sites without a failure.
const LOOKS: &str = "banyan_kernel_reconciles_total{kind=\"DataCenter\",outcome=\"ok\"}";

/// Waits until a running operator has looked so many times at sites without a failure.
pub async fn looks(operator: &Operator, wanted: f64) -> Result<()> {
    until(LIMIT, format!("the operator to look {wanted} times"), || async {
        Ok(operator.metric(LOOKS).await?.is_some_and(|looks| looks >= wanted))
    })
    .await
}

/// Waits until a running operator has looked again because of a change.
pub async fn looks_again(operator: &Operator, change: impl Future<Output = kube::Result<()>>) -> Result<()> {
    change.await?;
    // The change is looked at a second later, so that it cannot be among these yet.
    let so_far = operator.metric(LOOKS).await?.unwrap_or(0.0);
    looks(operator, so_far + 1.0).await
}

/// Creates an object from JSON.
pub async fn create<K>(api: &Api<K>, object: Value) -> Result<K>
where
    K: Resource + Clone + Debug + DeserializeOwned + serde::Serialize,
{
    let what = object["metadata"]["name"].to_string();
    let object: K = serde_json::from_value(object).with_context(|| format!("reading {what}"))?;
    api.create(&PostParams::default(), &object).await.with_context(|| format!("creating {what}"))
}

fn ignore_missing<T>(result: kube::Result<T>) -> Result<()> {
    match result {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        result => Ok(result.map(drop)?),
    }
}

async fn delete_all<K>(api: &Api<K>) -> Result<()>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    for object in api.list(&ListParams::default()).await? {
        ignore_missing(api.delete(&object.name_any(), &DeleteParams::background()).await)?;
    }
    Ok(())
}

fn labels(deferrable: bool) -> Value {
    if deferrable { json!({ "banyan.dev/deferrable": "true" }) } else { json!({}) }
}

/// What Pods at a site look like.
pub fn pod_template(site: &str) -> Value {
    json!({
        "metadata": { "labels": { "app": "example" } },
        "spec": {
            "nodeSelector": { ZONE: site },
            "restartPolicy": "Never",
            "containers": [{ "name": "main", "image": "example/work" }],
        },
    })
}

/// A Prometheus with the readings of all three sites.
async fn readings() -> Result<Prometheus> {
    let end = at(END)?;
    let estate = Estate::new(sites()?, end);
    let history = dirs::fresh("readings")?.join("history.om");
    estate.write_openmetrics(&history, end - SignedDuration::from_hours(24 * DAYS), end)?;
    Prometheus::start(PrometheusOptions { history: vec![history], ..PrometheusOptions::default() }).await
}

fn sites() -> Result<Vec<Site>> {
    let anchor = at(END)?.as_second();
    let site = |readings: Readings, seed, base_kilowatts, fixed_kilowatts, proportional| Site {
        name: readings.site().to_owned(),
        seed,
        load: Load { base_kilowatts, anchor, growth_per_year: 0.0, daily_swing: 0.06, weekend_dip: 0.2 },
        // The weather is left out: it would blur the model.
        overhead: Overhead {
            fixed_kilowatts,
            proportional,
            per_kelvin: 0.0,
            free_below_celsius: 0.0,
            bulb: Bulb::Dry,
        },
        fault: None,
        solar_kilowatts: 0.0,
        inlet_celsius: 24.0,
        series: vec![
            Series {
                quantity: Quantity::Facility,
                part: Part::Whole,
                label: "feed=\"all\"".into(),
                stops: None,
            },
            Series { quantity: Quantity::It, part: Part::Whole, label: "meter=\"pdu\"".into(), stops: None },
        ],
    };
    let mut hot = site(Readings::Hot, 1, 1000.0, 20.0, 0.10);
    hot.fault = Some(Fault { from: 0, until: Some(at(CLEAR_FROM)?.as_second()), ratio: 0.30 });
    Ok(vec![hot, site(Readings::Cool, 2, 1000.0, 20.0, 0.10), site(Readings::Empty, 3, 600.0, 330.0, 0.085)])
}
