//! What Banyan says of a `DataCenter`.
//!
//! Figures are decimals as text; energies are whole kWh. What changes from minute to minute is a metric, not a field:
//! a status changes when a verdict, a condition or a phase does, or a window closes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Action;
use crate::values::{Day, Decimal, Duration};

/// A verdict. `Unknown` is one: missing data is never a pass and never zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Verdict {
    /// At or under the target.
    Compliant,
    /// Above the target, but not yet for long enough, or within the tolerance.
    AtRisk,
    /// Above the target.
    Violated,
    /// Too few days for an annual verdict.
    Provisional,
    /// Cannot be told.
    #[default]
    Unknown,
}

/// What Banyan says of a `DataCenter`.
// A status that is not there yet would be taken for one of a resource that is done: kstatus, and with it Flux and others
// that wait, hold a resource without conditions to be current unless its observed generation is behind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct DataCenterStatus {
    /// Generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The reported verdict over up to 365 closed days, without tolerance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annual: Option<AnnualStatus>,
    /// The verdict that actions follow, with hysteresis.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operational: Option<OperationalStatus>,
    /// Closed months, the last 13, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 13))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["month".into()]))]
    pub months: Vec<MonthStatus>,
    /// The month that is not closed yet, by its closed days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_month: Option<MonthStatus>,
    /// Grade after GB 40879-2021; absent for sites that it does not cover.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grade: Option<i64>,
    /// Other indicators of the ISO/IEC 30134 series, where their meters exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indicators: Option<IndicatorsStatus>,
    /// Standard racks in use, as last told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub racks_in_use: Option<i64>,
    /// The target seen as an allowance of overhead energy for the calendar year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetStatus>,
    /// Where the year is heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<ForecastStatus>,
    /// Overhead as a fixed part and a part proportional to IT load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelStatus>,
    /// What is being done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<EnforcementStatus>,
    /// The last actions that Banyan took for this site, newest last, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub actions: Vec<ActionRecord>,
    /// Objects over which Banyan fights with another field manager, at most 16: those that it leaves alone for now, which
    /// have `since`, and those that were set again within the last hour.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub contested: Vec<ContestedObject>,
    /// Further objects that Banyan leaves alone, beside those in `contested`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contested_more: Option<i64>,
    /// Conditions, `Ready` first, each healthy when `True`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The reported verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AnnualStatus {
    /// Verdict against the weighted target.
    pub verdict: Verdict,
    /// PUE, or interim PUE (iPUE) where `interim` is true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// Target, weighted by IT energy across steps of the glide path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Decimal>,
    /// First day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Day>,
    /// Last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Day>,
    /// Days that count.
    pub days: i64,
    /// Fewer than 365 days: the figure is an interim PUE.
    pub interim: bool,
    /// Category 1 to 3 (ISO/IEC 30134-2), derived from the meters and from the days of the ledger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<i64>,
    /// Share of the span that is metered, whole percent, rounded down.
    pub coverage_percent: i64,
    /// Days among them that a person has put in; absent if none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported_days: Option<i64>,
    /// Days among these that had other figures before; absent if none had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected_days: Option<i64>,
}

/// The verdict that actions follow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationalStatus {
    /// Verdict with hysteresis.
    pub verdict: Verdict,
    /// PUE of the last valid closed window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// Length of a window.
    pub window: Duration,
    /// End of the last closed window that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Time>,
    /// When the verdict last changed.
    pub since: Time,
    /// Closed windows in a row on the side that would change the verdict.
    #[serde(default)]
    pub streak: i64,
    /// The last verdict that was not `Unknown`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_known: Option<Verdict>,
    /// Since when the meters cannot be read at all; no window is judged meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blind_since: Option<Time>,
}

/// A month's energy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonthStatus {
    /// `YYYY-MM` in the site's time zone.
    #[schemars(length(max = 7))]
    pub month: String,
    /// Energy of the facility on the days that count.
    pub facility_kilowatt_hours: i64,
    /// Energy of the IT equipment on the same days.
    #[serde(rename = "itKilowattHours")]
    pub it_kilowatt_hours: i64,
    /// PUE; absent without IT energy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Decimal>,
    /// Share of the month that is metered, whole percent, rounded down.
    pub coverage_percent: i64,
    /// Days that count and that a person has put in; absent if none was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported_days: Option<i64>,
    /// Days among these that had other figures before; absent if none had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrected_days: Option<i64>,
}

/// Indicators over the same days as the annual PUE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct IndicatorsStatus {
    /// Water usage effectiveness, litres per kWh of IT (ISO/IEC 30134-9).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wue: Option<Decimal>,
    /// Carbon usage effectiveness, kgCO2e per kWh of IT (ISO/IEC 30134-8).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cue: Option<Decimal>,
    /// Renewable energy factor, 0 to 1 (ISO/IEC 30134-3).
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub renewable: Option<Decimal>,
    /// Energy reuse factor, 0 to 1 (ISO/IEC 30134-6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erf: Option<Decimal>,
}

/// The target as an allowance of overhead energy, in the calendar year so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BudgetStatus {
    /// Overhead that the target allows for the year's expected IT energy.
    pub allowed_overhead_kilowatt_hours: i64,
    /// Overhead used so far.
    pub used_overhead_kilowatt_hours: i64,
    /// How fast it is used, 1 being as fast as allowed, over several windows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["window".into()]))]
    pub burn_rates: Vec<BurnRate>,
    /// Day on which it runs out at the present pace; absent if not within the year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted_on: Option<Day>,
}

/// How fast the budget is used over a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BurnRate {
    /// Window, such as `24h`.
    pub window: Duration,
    /// Overhead used over overhead allowed in it.
    pub rate: Decimal,
}

/// Where the year is heading. Projected, never reported as PUE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForecastStatus {
    /// Projected PUE of the calendar year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub year_end: Option<Decimal>,
    /// PUE that the rest of the year must keep to meet the target; absent where none can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required_for_rest_of_year: Option<Decimal>,
    /// Projected PUE of the coming hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_hour: Option<Decimal>,
}

/// Overhead = fixed + marginal · IT, fitted by least squares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModelStatus {
    /// Overhead at no IT load, kW.
    pub fixed_overhead_kilowatts: SignedDecimal,
    /// Facility energy per kWh of IT more: 1 + slope.
    pub marginal_ratio: Interval,
    /// Share of the variance that the model explains.
    pub r_squared: Decimal,
    /// Days that it was fitted to.
    pub samples: i64,
    /// IT power at which the target is met, kW; absent where no load meets it or any does.
    #[serde(default, rename = "itKilowattsForTarget", skip_serializing_if = "Option::is_none")]
    pub it_kilowatts_for_target: Option<i64>,
}

/// A figure and its 95 % confidence interval. A bound may be below zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Interval {
    /// Estimate.
    pub value: SignedDecimal,
    /// Lower bound.
    pub low: SignedDecimal,
    /// Upper bound.
    pub high: SignedDecimal,
}

/// A decimal that may be below zero, as text.
pub type SignedDecimal = String;

/// What is being done about a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnforcementStatus {
    /// Where enforcement stands.
    pub state: EnforcementState,
    /// Since when.
    pub since: Time,
    /// Actions in force, in the order in which they were taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 3))]
    pub engaged: Vec<EngagedAction>,
    /// When an action was last taken or undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_step: Option<Time>,
}

/// An action in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EngagedAction {
    /// The action.
    pub action: Action,
    /// When it was taken.
    pub since: Time,
}

/// Where enforcement stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum EnforcementState {
    /// Nothing is in force and nothing is due.
    #[default]
    Clear,
    /// `mode: Observe`: something would be due.
    WouldAct,
    /// Something is in force.
    Enforcing,
    /// Every action that is due was refused, because it would make things worse.
    Refused,
    /// Held by suspend, maintenance or missing data: nothing is taken or undone.
    Paused,
}

/// An object over which Banyan fights with another field manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ContestedObject {
    /// API group; absent for the core group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 253))]
    pub group: String,
    /// Kind.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Namespace; absent for cluster-scoped kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,
    /// Name.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The action whose fields are set back.
    pub action: Action,
    /// JSON pointers (RFC 6901) of the fields.
    #[schemars(length(max = 8), inner(length(max = 512)))]
    pub fields: Vec<String>,
    /// Who sets them back, by the name of the field manager.
    #[schemars(length(max = 512))]
    pub manager: String,
    /// How often Banyan has set them again.
    pub rounds: i64,
    /// When it last did.
    pub at: Time,
    /// Since when it leaves them, and tries again once an hour; absent while it still sets them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
}

/// Something that Banyan did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionRecord {
    /// When.
    pub at: Time,
    /// What: `HoldBatch`, `UndoHoldBatch`, …
    #[schemars(length(max = 63))]
    pub action: String,
    /// On what, such as `CronJob health/nightly`.
    #[schemars(length(max = 512))]
    pub object: String,
    /// Value before, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub prior: Option<String>,
    /// Why.
    #[schemars(length(max = 512))]
    pub why: String,
    /// Until when, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub until: Option<String>,
}
