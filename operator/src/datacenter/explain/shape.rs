//! What an explanation is: the shape that `banyan explain -o json` prints.

use banyan_crds::v1alpha1::{Action, EnforcementMode, EnforcementState, Position, Purpose, Verdict};
use jiff::{Timestamp, civil::Date};
use serde::Serialize;

use crate::datacenter::observe::Blind;

/// Why a site stands where it stands. Energies are in kWh, instants in UTC, days in the site's time zone.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Always `DataCenter`.
    pub kind: &'static str,
    /// Name of the site.
    pub name: String,
    /// The instant that is explained.
    pub at: Timestamp,
    /// Time zone of the site, IANA.
    pub time_zone: String,
    /// Why nothing could be read from Prometheus: then all below is from the status and the ledger, and meters have no
    /// figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
    /// What cannot be read of the spec; then there is no judgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<Unseen>,
    /// The reported verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annual: Option<AnnualWhy>,
    /// The verdict that actions follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operational: Option<OperationalWhy>,
    /// What is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcement: Option<EnforcementWhy>,
    /// The allowance of the calendar year, and where it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetWhy>,
    /// Whether taking load away helps, and the model that says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<AdviceWhy>,
    /// Objects over which another field manager fights.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contested: Vec<ContestedWhy>,
    /// Category of the PUE, and which meters decide it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub category: Option<CategoryWhy>,
    /// Meters, as in the spec.
    pub meters: Vec<MeterWhy>,
    /// What would clear what is not well; each way by itself.
    pub ways: Vec<Way>,
    /// Conditions that are not `True`.
    pub conditions: Vec<ConditionWhy>,
}

/// Why something could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unseen {
    /// Constant word, one of the conditions' reasons.
    pub reason: &'static str,
    /// What was attempted, in the API's language.
    pub message: String,
}

impl From<&Blind> for Unseen {
    fn from(blind: &Blind) -> Self {
        Self { reason: blind.reason, message: blind.message.clone() }
    }
}

/// The annual figure as the division that it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AnnualWhy {
    /// The verdict.
    pub verdict: Verdict,
    /// Constant word, see [`crate::datacenter::verdict::reasons`].
    pub reason: &'static str,
    /// Facility energy of the days that count, kWh.
    pub facility_kilowatt_hours: i64,
    /// IT energy of the same days, kWh.
    #[serde(rename = "itKilowattHours")]
    pub it_kilowatt_hours: i64,
    /// Their quotient; none where it would not be valid.
    pub value: Option<f64>,
    /// The target, weighted by IT energy.
    pub target: Option<f64>,
    /// First day.
    pub from: Option<Date>,
    /// Last day.
    pub to: Option<Date>,
    /// Days that count.
    pub days: i64,
    /// Days of the span.
    pub span_days: i64,
    /// The span is shorter than 365 days.
    pub interim: bool,
    /// Share of the span that is metered, percent.
    pub coverage_percent: f64,
    /// Share that is needed, percent.
    pub minimum_coverage_percent: f64,
    /// Energy above what the targets allow, kWh; below zero where there is room. None without a target.
    pub excess_kilowatt_hours: Option<f64>,
    /// Days that a person has put in, among those that count.
    pub imported_days: i64,
    /// Those of them that stand in place of others.
    pub corrected_days: i64,
    /// Days of the span that do not count, by why.
    pub left_out: Vec<LeftOut>,
    /// Months that are metered less than they need.
    pub thin_months: Vec<ThinMonth>,
    /// Steps of the glide path that hold within the span.
    pub steps: Vec<Step>,
}

/// Why a day does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Because {
    /// The ledger has no such day.
    NoRow,
    /// A side is not known.
    Missing,
    /// Its figures contradict each other, or a meter is suspect.
    Suspect,
    /// The facility side is metered too little.
    FacilityCoverage,
    /// The IT side is metered too little, and no better than the facility's.
    ItCoverage,
}

/// Days that do not count, for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// Why.
    pub because: Because,
    /// How many.
    pub days: i64,
    /// Where they are: first and last day of each run, the latest runs first.
    pub spans: Vec<(Date, Date)>,
}

/// A month that is metered too little.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ThinMonth {
    /// `YYYY-MM`.
    pub month: String,
    /// Metered share of its days within the span, percent.
    pub coverage_percent: f64,
}

/// A step of the glide path.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// First day on which it holds; before the span perhaps.
    pub from: Date,
    /// The target.
    pub max: f64,
    /// Days that count under it.
    pub days: i64,
    /// Their IT energy, kWh.
    #[serde(rename = "itKilowattHours")]
    pub it_kilowatt_hours: i64,
    /// Its share of the IT energy under any target, percent: its weight.
    pub weight_percent: f64,
}

/// The operational verdict and the windows that make it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationalWhy {
    /// The verdict.
    pub verdict: Verdict,
    /// Since when.
    pub since: Timestamp,
    /// PUE of the last valid window.
    pub value: Option<f64>,
    /// End of the last judged window.
    pub until: Option<Timestamp>,
    /// Length of a window, ms.
    pub window_milliseconds: i64,
    /// The target in force.
    pub target: Option<f64>,
    /// A window above this counts towards `Violated`.
    pub over: Option<f64>,
    /// A window at or below this counts towards clearing.
    pub under: Option<f64>,
    /// Windows in a row on the side that would change the verdict.
    pub streak: i64,
    /// The last windows, oldest first.
    pub windows: Vec<WindowWhy>,
    /// What would change it.
    pub change: Option<Change>,
    /// Why there is no verdict: the last window has no PUE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid: Option<InvalidWhy>,
    /// Meters cannot be read at all, since when, and what stood before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blind: Option<BlindWhy>,
}

/// A closed window.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WindowWhy {
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// Facility energy, kWh.
    pub facility_kilowatt_hours: Option<f64>,
    /// IT energy, kWh.
    #[serde(rename = "itKilowattHours")]
    pub it_kilowatt_hours: Option<f64>,
    /// Its PUE.
    pub value: Option<f64>,
    /// Reason for which it has none.
    pub invalid: Option<&'static str>,
    /// The target in force.
    pub target: Option<f64>,
    /// Where it lies.
    pub side: WindowSide,
}

/// Where a window lies against target and hysteresis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum WindowSide {
    /// Above target + up: counts towards `Violated`.
    Over,
    /// Above the target, within the tolerance.
    AboveTarget,
    /// At or under the target, and not low enough to count towards clearing.
    WithinTarget,
    /// At or under target − down: counts towards clearing.
    Under,
    /// Without a PUE or a target.
    NoVerdict,
}

/// What would change the operational verdict.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// To which verdict.
    pub to: Verdict,
    /// Windows in a row that are still needed, at least 1.
    pub windows: i64,
    /// Their bound: at or below it for `Compliant`, above it for `Violated`.
    pub level: f64,
    /// End of the last of them, at the earliest.
    pub earliest: Timestamp,
}

/// Why a window has no PUE.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InvalidWhy {
    /// Reason of `PUEValid`.
    pub reason: &'static str,
    /// The meter to look at, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meter: Option<String>,
    /// The side that is metered too little.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub side: Option<Purpose>,
    /// The figure that cannot be: percent metered, restarts, excess or IT energy in kWh, or the PUE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// What would be needed, in the same unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needed: Option<f64>,
}

/// Meters that cannot be read.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlindWhy {
    /// Since when.
    pub since: Timestamp,
    /// The verdict before.
    pub last_known: Option<Verdict>,
}

/// What is done about the site.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnforcementWhy {
    /// Mode of the spec.
    pub mode: EnforcementMode,
    /// Where it stands.
    pub state: EnforcementState,
    /// Reason of `NotEnforcing`.
    pub reason: String,
    /// Since when it stands there.
    pub since: Timestamp,
    /// Actions of the spec, in order.
    pub actions: Vec<Action>,
    /// What is in force, in the order in which it was taken.
    pub engaged: Vec<EngagedWhy>,
    /// Before this no further step is taken.
    pub next_step: Option<Timestamp>,
    /// The announced work that is going on, and its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<(String, Timestamp)>,
}

/// An action in force.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EngagedWhy {
    /// The action.
    pub action: Action,
    /// Since when.
    pub since: Timestamp,
    /// How many objects it holds.
    pub holds: usize,
    /// The first of them, as `Kind namespace/name`.
    pub objects: Vec<String>,
}

/// A fight with another field manager.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ContestedWhy {
    /// On what, as `Kind namespace/name`.
    pub object: String,
    /// The action whose fields are set back.
    pub action: Action,
    /// The fields, as JSON pointers.
    pub fields: Vec<String>,
    /// Who sets them back.
    pub manager: String,
    /// How often Banyan has set them again.
    pub rounds: i64,
    /// Since when it leaves them alone; none while it still sets them again.
    pub left_since: Option<Timestamp>,
    /// What ends it, in the API's language.
    pub advice: String,
    /// What to merge there, as YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

/// The calendar year's allowance and forecast.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BudgetWhy {
    /// The calendar year.
    pub year: i16,
    /// Overhead allowed in the year, in part expected, kWh.
    pub allowed_kilowatt_hours: i64,
    /// Overhead used so far, kWh.
    pub used_kilowatt_hours: i64,
    /// Burn rates: window and rate.
    pub burn_rates: Vec<(&'static str, f64)>,
    /// When it runs out.
    pub exhausted_on: Option<Date>,
    /// Projected PUE of the year.
    pub year_end: Option<f64>,
    /// Target of the year.
    pub year_target: Option<f64>,
    /// PUE that the rest of the year must keep; none where none can.
    pub required_for_rest_of_year: Option<f64>,
    /// Days that are left, the first that is not closed included.
    pub days_left: i64,
    /// IT energy expected on them, kWh.
    #[serde(rename = "itExpectedKilowattHours")]
    pub it_expected_kilowatt_hours: i64,
    /// Projected PUE of the next hour.
    pub next_hour: Option<f64>,
}

/// Whether taking load away helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AdviceKind {
    /// Each deferred kWh lowers the year's excess.
    Helps,
    /// Each deferred kWh raises it: too little load.
    WouldRaisePue,
    /// Not sure: no model yet.
    NoModel,
    /// Not sure: too few days.
    FewDays,
    /// Not sure: the interval reaches down to the target.
    WideInterval,
    /// Not sure: the model explains too little.
    LooseModel,
}

/// The advice with its figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AdviceWhy {
    /// What is advised.
    pub kind: AdviceKind,
    /// The target that it is held against.
    pub target: f64,
    /// The model; none yet.
    pub model: Option<ModelWhy>,
    /// IT power now, kW.
    #[serde(rename = "itKilowatts")]
    pub it_kilowatts: Option<f64>,
    /// IT power at which the target is met, kW.
    #[serde(rename = "itKilowattsForTarget")]
    pub it_kilowatts_for_target: Option<f64>,
    /// The model's PUE at the present load, and with a tenth of it gone.
    pub ratio: Option<(f64, f64)>,
}

/// Overhead as a function of the IT load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelWhy {
    /// Overhead at no load, kW.
    pub fixed_kilowatts: f64,
    /// Facility energy per kWh of IT more.
    pub marginal_ratio: f64,
    /// Its 95 % interval.
    pub low: f64,
    /// Its 95 % interval.
    pub high: f64,
    /// Explained share of the variance.
    pub r_squared: f64,
    /// Days that it is fitted to.
    pub days: usize,
}

/// The category, and what decides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CategoryWhy {
    /// 1 to 3.
    pub category: i64,
    /// The IT meters that keep it from being higher; all of them at category 3.
    pub decided: Vec<Decided>,
}

/// An IT meter that decides the category.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decided {
    /// The meter.
    pub meter: String,
    /// Where it meters.
    pub position: Option<Position>,
    /// Time between two of its readings as it counts, ms.
    pub interval_milliseconds: i64,
}

/// A meter.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct MeterWhy {
    /// Name.
    pub name: String,
    /// What it counts as.
    pub purpose: Purpose,
    /// Where an IT load is metered.
    pub position: Option<Position>,
    /// It is in service.
    pub in_service: bool,
    /// The last reading.
    pub last: Option<Timestamp>,
    /// Why it cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<Unseen>,
    /// In the last closed window.
    pub window: Option<Amount>,
    /// In the 24 hours up to its end.
    pub day: Option<Amount>,
    /// It has the largest gap of its side, which is covered less than wholly.
    pub holds_down: bool,
    /// What is wrong with it in the last closed window.
    pub faults: Vec<FaultWhy>,
}

/// What a meter counted in a span.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Amount {
    /// kWh; litres of water; kg of carbon.
    pub amount: f64,
    /// Share of the span that it does not miss, percent.
    pub coverage_percent: f64,
}

/// What is wrong with a meter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FaultWhy {
    /// No reading.
    Absent,
    /// No reading for longer than two are apart.
    Silent {
        /// For how long.
        minutes: i64,
    },
    /// Covers less than needed.
    Gaps {
        /// Coverage.
        percent: i64,
    },
    /// Stood still while it cannot have.
    Stuck {
        /// For how long.
        minutes: i64,
    },
    /// Started again or fell too often.
    Resets {
        /// How often.
        times: u32,
    },
    /// Readings that no load explains.
    Spikes {
        /// How many.
        readings: u32,
    },
}

/// A way to clear what is not well.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "way", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Way {
    /// Windows in a row at or below a level clear the operational verdict.
    Windows {
        /// How many more.
        windows: i64,
        /// At or below.
        level: f64,
        /// At the earliest.
        earliest: Timestamp,
    },
    /// Readings come back: the last window has no PUE.
    Readings {
        /// The meter that is missing or suspect, where it is one.
        meter: Option<String>,
    },
    /// Less overhead in the rest of the calendar year meets its target.
    Overhead {
        /// kWh less, in all.
        kilowatt_hours: f64,
        /// kWh less a day.
        kilowatt_hours_a_day: f64,
        /// The PUE that the rest of the year must keep.
        value: Option<f64>,
        /// Last day of the year.
        until: Date,
    },
    /// Each day to come exactly on its target: old days fall out of the span.
    OnTarget {
        /// The first day on which the span is at or under its target again; none within a year.
        on: Option<Date>,
    },
    /// A PUE that brings the span back to its target in so many days.
    KeepFor {
        /// Days.
        days: i64,
        /// The PUE to keep.
        value: f64,
        /// The last of these days.
        until: Date,
    },
    /// More IT load meets the target.
    Load {
        /// IT power that is needed, kW.
        kilowatts: f64,
        /// IT power now, kW.
        now_kilowatts: f64,
    },
    /// Days that are not metered come back.
    Coverage {
        /// How many days must still count for the span as a whole; 0 where only a month is short.
        days: i64,
        /// Months that are short.
        months: Vec<String>,
    },
    /// Nothing but time: a span of 365 days, or a target that has held for them.
    Wait {
        /// The day after which it is long enough, if no day is missed.
        until: Date,
    },
}

/// A condition that is not `True`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConditionWhy {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// `False` or `Unknown`.
    pub status: String,
    /// Its reason.
    pub reason: String,
    /// Its message, in the API's language.
    pub message: String,
    /// Since when.
    pub since: Timestamp,
}
