//! `DataCenter`: a site whose energy is metered and kept under a PUE target.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DataCenterStatus, Meter, PrometheusServer, selector::label_selector};
use crate::values::{Day, Decimal, Duration, Instant, SecretKeyRef};

/// A data centre: where it is, what it may draw, how its energy is metered, and what is done when it misses its target.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "banyan.dev",
    version = "v1alpha1",
    kind = "DataCenter",
    plural = "datacenters",
    shortname = "dc",
    category = "banyan",
    status = "DataCenterStatus",
    doc = "A data centre whose energy is metered and kept under a PUE target.",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 52").message("the name of a DataCenter has at most 52 characters, because it is part of labels"),
    printcolumn(name = "PUE", type_ = "string", json_path = ".status.annual.value", description = "Annual PUE, or interim PUE below 365 days"),
    printcolumn(name = "Target", type_ = "string", json_path = ".status.annual.target"),
    printcolumn(name = "Annual", type_ = "string", json_path = ".status.annual.verdict"),
    printcolumn(name = "Operational", type_ = "string", json_path = ".status.operational.verdict"),
    printcolumn(name = "Enforcement", type_ = "string", json_path = ".status.enforcement.state"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Category", type_ = "integer", json_path = ".status.annual.category", priority = 1),
    printcolumn(name = "Coverage", type_ = "integer", json_path = ".status.annual.coveragePercent", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct DataCenterSpec {
    /// Look and report, but change nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// Where the site is.
    pub location: Location,
    /// Class after GB 50174.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// First day of operation, in the site's time zone. Days before it are never missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commissioned: Option<Day>,
    /// Standard racks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub racks: Option<Racks>,
    /// Rated power of the IT equipment in kW. Below 1 % of it a window has no IT load to judge by.
    #[serde(default, rename = "ratedITKilowatts", skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub rated_it_kilowatts: Option<i64>,
    /// How the site is cooled. GB 40879 grades only sites cooled by air with electricity.
    #[serde(default)]
    pub cooling: Cooling,
    /// The Nodes of the site in its cluster. `{}` selects all of them, left out none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "label_selector")]
    pub node_selector: Option<LabelSelector>,
    /// The cluster that runs in the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
    /// Meters and where their readings are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Energy>,
    /// The PUE target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pue: Option<Pue>,
    /// Air at the inlet of the equipment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thermal: Option<Thermal>,
    /// Announced work: mutes alerts and holds actions, and never counts as coverage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub maintenance: Vec<Maintenance>,
    /// What is done while the site misses its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<Enforcement>,
}

/// Where a site is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// Region, such as `cn-fujian`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub region: Option<String>,
    /// City.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub city: Option<String>,
    /// District or county.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub district: Option<String>,
    /// IANA name of the time zone in which days and months are cut.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z][A-Za-z0-9_+/-]*$"))]
    pub time_zone: String,
}

/// Class of a data centre, GB 50174-2017.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Class {
    /// Fault tolerant.
    A,
    /// Redundant.
    B,
    /// Basic.
    C,
}

/// How a site is cooled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Cooling {
    /// By air, with electrically driven refrigeration: the sites that GB 40879-2021 covers.
    #[default]
    ElectricAir,
    /// By liquid at the equipment.
    Liquid,
    /// In another way, such as absorption refrigeration or a district network.
    Other,
}

/// Standard racks of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.inUse) || !has(self.inUseQuery)")
    .message("give inUse or inUseQuery, not both").field_path(".inUseQuery"))]
#[x_kube(validation = Rule::new("!has(self.inUse) || self.inUse <= self.standard")
    .message("no more racks can be in use than there are").field_path(".inUse"))]
pub struct Racks {
    /// Standard racks (2.5 kW each) that the site is built for.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub standard: i64,
    /// Standard racks in use. A fact that is reported, never enforced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub in_use: Option<i64>,
    /// `PromQL` that answers the racks in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub in_use_query: Option<String>,
}

/// The cluster that runs in a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// UID of that cluster's `kube-system` Namespace.
    #[schemars(length(min = 36, max = 36), regex(pattern = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))]
    pub id: String,
    /// How to reach it from elsewhere. A kubeconfig with exec, auth-provider, file paths, proxy-url or
    /// insecure-skip-tls-verify is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig_secret_ref: Option<SecretKeyRef>,
}

/// Meters and where their readings are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.meters.exists(m, m.purpose == 'Facility')")
    .message("a site needs at least one Facility meter").field_path(".meters"))]
#[x_kube(validation = Rule::new("self.meters.exists(m, m.purpose == 'IT')")
    .message("a site needs at least one IT meter").field_path(".meters"))]
pub struct Energy {
    /// The server that holds the readings.
    pub prometheus: PrometheusServer,
    /// The meters, each with a name of its own.
    #[schemars(length(min = 2, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub meters: Vec<Meter>,
}

/// The PUE target and how much of a window must be metered to judge it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pue {
    /// The glide path: from each day on, the highest PUE. Never rises.
    #[schemars(length(min = 1, max = 24))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["from".into()]))]
    #[x_kube(validation = Rule::new("self.all(a, self.all(b, a.from >= b.from || double(a.max) >= double(b.max)))")
        .message("a PUE target never rises: each later target is at or below the ones before it"))]
    pub targets: Vec<PueTarget>,
    /// A window is valid from this coverage on, on both sides.
    #[serde(default = "default_coverage")]
    #[schemars(range(min = 50, max = 100))]
    pub minimum_coverage_percent: i64,
}

/// One step of the glide path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PueTarget {
    /// First day of the step, in the site's time zone.
    pub from: Day,
    /// The highest PUE, from 1.0 to 10.
    #[x_kube(validation = Rule::new("double(self) >= 1.0").message("a PUE target below 1.0 cannot be met: a facility draws at least what its IT draws"))]
    #[x_kube(validation = Rule::new("double(self) <= 10.0").message("a PUE target above 10 restricts nothing"))]
    pub max: Decimal,
}

/// Air at the inlet of the equipment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Thermal {
    /// Class of the equipment after ASHRAE TC 9.9.
    pub ashrae_class: AshraeClass,
    /// `PromQL` for the dry-bulb temperature at inlets in °C; the highest series counts.
    #[schemars(length(min = 1, max = 1024))]
    pub inlet_temperature_query: String,
    /// `PromQL` for the relative humidity at inlets in percent; the lowest and highest series count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub relative_humidity_query: Option<String>,
}

/// Class of equipment after ASHRAE TC 9.9.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // The classes have no names but these.
pub enum AshraeClass {
    A1,
    A2,
    A3,
    A4,
}

/// A span of announced work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.from < self.to").message("maintenance ends after it begins").field_path(".to"))]
pub struct Maintenance {
    /// Begin.
    pub from: Instant,
    /// End.
    pub to: Instant,
    /// What is done.
    #[schemars(length(min = 1, max = 256))]
    pub reason: String,
}

/// What is done while a site misses its target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Enforcement {
    /// `Observe` touches nothing.
    #[serde(default)]
    pub mode: EnforcementMode,
    /// Actions in the order in which they are taken, one a dwell; undone in reverse.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub actions: Vec<Action>,
    /// When the operational verdict changes.
    #[serde(default)]
    pub hysteresis: Hysteresis,
}

/// Whether actions are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EnforcementMode {
    /// Say what would be done.
    #[default]
    Observe,
    /// Do it.
    Enforce,
}

/// Something that Banyan does about a site that misses its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// Let no new batch work start: Kueue's `stopPolicy: Hold`, or suspension of deferrable `CronJobs` and Jobs that
    /// never started.
    HoldBatch,
    /// Mark the site's Nodes so that the scheduler prefers others.
    PreferElsewhere,
    /// Refuse new workloads that ask for the site.
    FreezeGrowth,
}

/// When the operational verdict changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hysteresis {
    /// Violated above the target by more than this.
    #[serde(default = "default_margin")]
    pub up: Decimal,
    /// Clear at or below the target less this.
    #[serde(default = "default_margin")]
    pub down: Decimal,
    /// Closed windows in a row above, before a site is violated.
    #[serde(default = "default_violate_windows")]
    #[schemars(range(min = 1, max = 48))]
    pub violate_windows: i64,
    /// Closed windows in a row below, before it is clear.
    #[serde(default = "default_clear_windows")]
    #[schemars(range(min = 1, max = 48))]
    pub clear_windows: i64,
    /// Length of a window, 1m to 24h.
    #[serde(default = "one_hour")]
    #[x_kube(validation = Rule::new("duration(self) >= duration('1m') && duration(self) <= duration('24h')")
        .message("a window lasts between 1m and 24h"))]
    pub window: Duration,
    /// Least time between two changes, and between two actions.
    #[serde(default = "one_hour")]
    #[x_kube(validation = Rule::new("duration(self) <= duration('168h')").message("a dwell lasts at most 168h"))]
    pub dwell: Duration,
}

impl Default for Hysteresis {
    fn default() -> Self {
        Self {
            up: default_margin(),
            down: default_margin(),
            violate_windows: default_violate_windows(),
            clear_windows: default_clear_windows(),
            window: one_hour(),
            dwell: one_hour(),
        }
    }
}

fn default_margin() -> Decimal {
    "0.02".into()
}

const fn default_violate_windows() -> i64 {
    3
}

const fn default_clear_windows() -> i64 {
    6
}

fn one_hour() -> Duration {
    "1h".into()
}

const fn default_coverage() -> i64 {
    95
}
