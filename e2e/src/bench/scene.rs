//! The city that is measured: its control plane, its readings and its resources.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan::datacenter::holds::owner_reference;
use banyan::datacenter::ledger::{Day, Ledger};
use banyan::datacenter::observe::{LEDGER_KEY, METERS_KEY};
use banyan::datacenter::plan::LEDGER_ROLE;
use banyan::datacenter::spec::Site;
use banyan::kernel::plan::{Basis, Defence, FIELD_MANAGER, ObjectRef, Own, Owner, ROLE};
use banyan_crds::v1alpha1::DataCenter;
use futures::{StreamExt, TryStreamExt, stream};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date, tz::TimeZone};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::core::ApiResource;
use kube::{Client, ResourceExt};
use serde_json::json;

use crate::chart::{self, NAMESPACE};
use crate::controlplane::{ControlPlane, Options};
use crate::dirs;
use crate::estate::City;
use crate::operator::{Operator, OperatorOptions};
use crate::prometheus::{Prometheus, PrometheusOptions};

/// When the operator's clock starts: five minutes after a window has closed at all sites, in the middle of their morning.
/// For the next 55 minutes no window and no day closes.
const NOW: &str = "2026-03-10T02:05:00Z";
/// The time zone of every site.
const ZONE: &str = "Asia/Shanghai";
/// Requests at once while something is prepared, which is not measured.
const PREPARING: usize = 16;

/// The instant at which the operator's clock starts.
pub fn now() -> Result<Timestamp> {
    NOW.parse().context("reading the instant that measurements begin at")
}

/// The last day that is over by then.
pub fn yesterday() -> Result<Date> {
    Ok(now()?.to_zoned(zone()?).date().yesterday()?)
}

fn zone() -> Result<TimeZone> {
    TimeZone::get(ZONE).context("looking up the city's time zone")
}

/// The first instant of a day.
fn midnight(date: Date) -> Result<Timestamp> {
    Ok(date.to_zoned(zone()?)?.timestamp())
}

/// A control plane of the API server and its store with the chart in it, and a city's sites.
pub struct Scene {
    /// The control plane.
    pub plane: ControlPlane,
    /// The city.
    pub city: City,
    /// The first day of operation of every site.
    pub commissioned: Date,
    /// How often the meters are read, in the API's form.
    pub interval: &'static str,
}

impl Scene {
    /// Starts the control plane. There are no controllers and no nodes.
    pub async fn start(city: City, days: i64, interval: &'static str) -> Result<Self> {
        let name = format!("city-of-{}", city.sites());
        let plane = ControlPlane::start(Options { name, ..Options::default() }).await?;
        chart::install(&plane, &json!({})).await?;
        let commissioned = yesterday()?.checked_sub((days - 1).days())?;
        Ok(Self { plane, city, commissioned, interval })
    }

    /// Starts the operator at [`NOW`]. Returns as soon as it runs, not when it is ready.
    pub async fn operator(&self) -> Result<Operator> {
        let options = OperatorOptions { now: Some(now()?), await_ready: false, ..OperatorOptions::default() };
        Operator::start(&self.plane, options).await
    }

    /// The spec of a site: two meters, a target that about half of the city meets, and enforcement that only watches.
    fn spec(&self, site: usize, prometheus: &Prometheus) -> serde_json::Value {
        let [feed, pdu] = self.city.queries(site);
        let meter = |name: &str, purpose: &str, query: String| {
            json!({
                "name": name, "purpose": purpose, "query": query,
                "type": "Counter", "unit": "kWh", "interval": self.interval, "ratedKilowatts": 5000,
            })
        };
        let mut it = meter("pdu", "IT", pdu);
        it["position"] = json!("PDU");
        json!({
            "location": { "city": "Fuzhou", "timeZone": ZONE },
            "commissioned": self.commissioned.to_string(),
            "ratedITKilowatts": 3000,
            "energy": {
                "prometheus": { "url": prometheus.url() },
                "meters": [meter("feed", "Facility", feed), it],
            },
            "pue": { "targets": [{ "from": "2024-06-01", "max": "1.30" }] },
            "enforcement": { "mode": "Observe", "actions": ["HoldBatch"] },
        })
    }

    /// Creates every site, each under the name that `name` gives it.
    pub async fn create_sites(
        &self,
        prometheus: &Prometheus,
        name: impl Fn(usize) -> String,
    ) -> Result<Vec<DataCenter>> {
        let api: Api<DataCenter> = Api::all(self.plane.client());
        let sites: Vec<DataCenter> = (0..self.city.sites())
            .map(|site| {
                serde_json::from_value(json!({
                    "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter",
                    "metadata": { "name": name(site) }, "spec": self.spec(site, prometheus),
                }))
            })
            .collect::<Result<_, _>>()?;
        stream::iter(sites)
            .map(|site| {
                let api = &api;
                async move { api.create(&PostParams::default(), &site).await.context("creating a site") }
            })
            .buffered(PREPARING)
            .try_collect()
            .await
    }

    /// Gives every site the ledger that it would have after being looked after since it was commissioned.
    pub async fn create_ledgers(&self, sites: &[DataCenter]) -> Result<()> {
        let api: Api<ConfigMap> = Api::namespaced(self.plane.client(), NAMESPACE);
        let yesterday = yesterday()?;
        stream::iter(sites.iter().enumerate())
            .map(|(number, dc)| {
                let api = &api;
                async move {
                    let ledger = self.ledger(number, yesterday)?;
                    let metered_with = Site::read(&dc.spec)?.meters_digest();
                    let own = Own {
                        lends: false,
                        object: ObjectRef {
                            resource: ApiResource::erase::<ConfigMap>(&()),
                            namespace: Some(NAMESPACE.to_owned()),
                            name: format!("banyan-ledger-{}", dc.name_any()),
                            uid: None,
                        },
                        body: json!({ "data": { LEDGER_KEY: ledger.encode(), METERS_KEY: metered_with } }),
                        basis: Basis::Any,
                        defence: Defence::PutBack,
                        labels: BTreeMap::from([(ROLE.to_owned(), LEDGER_ROLE.to_owned())]),
                        owner_reference: owner_reference(dc),
                        action: None,
                        why: String::new(),
                        until: None,
                    };
                    let manifest = own.manifest(&Owner { kind: "datacenter", name: dc.name_any() });
                    let params = PatchParams::apply(FIELD_MANAGER);
                    api.patch(&own.object.name, &params, &Patch::Apply(manifest)).await?;
                    anyhow::Ok(())
                }
            })
            .buffer_unordered(PREPARING)
            .try_collect()
            .await
    }

    /// The days of a site from the first one to `last`, fully metered.
    fn ledger(&self, site: usize, last: Date) -> Result<Ledger> {
        let mut days = Vec::new();
        let mut date = self.commissioned;
        let mut before = self.city.reading(site, midnight(date)?);
        while date <= last {
            let after = self.city.reading(site, midnight(date.tomorrow()?)?);
            let (facility_wh, it_wh) = (after.facility_wh - before.facility_wh, after.it_wh - before.it_wh);
            days.push(Day::full(date, facility_wh, it_wh));
            (before, date) = (after, date.tomorrow()?);
        }
        Ok(days.into_iter().collect())
    }

    /// Every site with its status.
    pub async fn sites(&self) -> Result<Vec<DataCenter>> {
        let api: Api<DataCenter> = Api::all(self.plane.client());
        Ok(api.list(&ListParams::default()).await?.items)
    }

    /// Every ledger.
    pub async fn ledgers(&self) -> Result<Vec<ConfigMap>> {
        let api: Api<ConfigMap> = Api::namespaced(self.plane.client(), NAMESPACE);
        Ok(api.list(&ListParams::default().labels(&format!("{ROLE}={LEDGER_ROLE}"))).await?.items)
    }

    /// Makes sure that every site is ready, judged, and has every day of its history in its ledger.
    pub async fn check_converged(&self) -> Result<()> {
        let days = yesterday()?.since(self.commissioned)?.get_days() + 1;
        let sites = self.sites().await?;
        ensure!(sites.len() == self.city.sites(), "there are {} sites", sites.len());
        for dc in &sites {
            let name = dc.name_any();
            let status = dc.status.as_ref().with_context(|| format!("{name} has no status"))?;
            let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
            let message = ready.map_or("there is no such condition", |ready| ready.message.as_str());
            ensure!(ready.is_some_and(|ready| ready.status == "True"), "{name} is not Ready: {message}");
            // A year is judged, of however many days there are.
            let (judged, year) = (status.annual.as_ref().map(|annual| annual.days), days.min(365));
            ensure!(judged == Some(i64::from(year)), "{name} is judged by {judged:?} of {year} days");
        }
        let ledgers = self.ledgers().await?;
        ensure!(ledgers.len() == sites.len(), "{} sites have {} ledgers", sites.len(), ledgers.len());
        for map in &ledgers {
            let text = map.data.as_ref().and_then(|data| data.get(LEDGER_KEY)).context("an empty ledger")?;
            let found = Ledger::decode(text)?.len();
            ensure!(found == days as usize, "{} has {found} of {days} days", map.name_any());
        }
        Ok(())
    }

    /// A client with the operator's own rights.
    pub async fn client(&self) -> Result<Client> {
        self.plane.client_for(NAMESPACE, chart::RELEASE).await
    }
}

/// A Prometheus with the readings of a city: one every `step` seconds of every meter, from `from` until no measurement
/// goes on any more, so that readings go on arriving for a clock that starts at [`NOW`].
pub async fn readings(city: City, step: i64, from: Date) -> Result<Prometheus> {
    let file = dirs::fresh("readings")?.join("history.om");
    // An hour more, for the base sample of the first day.
    let begin = midnight(from)? - SignedDuration::from_hours(1);
    let end = now()? + SignedDuration::from_mins(50);
    let path = file.clone();
    tokio::task::spawn_blocking(move || city.write_openmetrics_every(step, &path, begin, end)).await??;
    let options = PrometheusOptions {
        history: vec![file.clone()],
        // Its own metrics are not looked at.
        interval: Duration::from_mins(1),
        ..PrometheusOptions::default()
    };
    let prometheus = Prometheus::start(options).await?;
    std::fs::remove_file(&file)?;
    Ok(prometheus)
}
