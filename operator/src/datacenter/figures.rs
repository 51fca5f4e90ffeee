//! The figures of a site as metrics: live values that the status does not carry, and every figure that it does.
//!
//! A thousand sites have sixty figures each, so they are kept as plain numbers and turned into metric families only
//! when they are scraped.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use banyan_crds::v1alpha1::{Action, DataCenter, DataCenterStatus, EnforcementState, Location, Verdict};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use prometheus::{
    core::{Collector, Desc},
    proto::{Metric, MetricFamily},
};

use super::{
    energy::Window, observe::Observation, plan::Judgement, site::MeterInput, spec::Site, thermal, windows,
    words,
};
use crate::kernel::metrics::{Definition, gauge, pair};

macro_rules! metrics {
    ($($id:ident = $name:literal, $help:literal, $label:expr;)*) => {
        /// A metric of this room.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        enum Id { $($id),* }
        const DEFINITIONS: &[Definition] = &[$(Definition(concat!("banyan_datacenter_", $name), $help, $label)),*];
    };
}

metrics! {
    Info = "info", "1 for each site, with what its spec says of it: region, city, district, class", None;
    Pue = "pue_ratio", "PUE over a window", Some("window");
    Target = "pue_target_ratio", "PUE target: of today, and weighted over the annual span", Some("horizon");
    Judged = "verdict", "1 for the verdict that holds, by horizon", Some("verdict");
    Coverage = "coverage_ratio", "Metered share of the last operational window by side, and of the annual span", Some("side");
    FacilityKw = "facility_kilowatts", "Mean power of the facility in the last valid closed window", None;
    ItKw = "it_kilowatts", "Mean power of the IT equipment in the last valid closed window", None;
    MeterHealthy = "meter_healthy", "1 while a meter gives readings that can be true", Some("meter");
    MeterResets = "meter_resets", "Restarts at zero of a meter in the last six hours", Some("meter");
    MeterLast = "meter_last_sample_timestamp_seconds", "Time of a meter's last usable reading", Some("meter");
    Allowed = "budget_allowed_overhead_kilowatt_hours", "Overhead that the target allows in the calendar year", None;
    Used = "budget_used_overhead_kilowatt_hours", "Overhead used in the calendar year so far", None;
    Burn = "budget_burn_rate_ratio", "Overhead used over overhead allowed in a window", Some("window");
    Forecast = "forecast_pue_ratio", "Projected PUE, and the one that the rest of the year must keep", Some("horizon");
    Fixed = "model_fixed_overhead_kilowatts", "Overhead at no IT load, as fitted", None;
    Marginal = "model_marginal_ratio", "Facility energy per kWh of IT more, with its 95 % interval", Some("bound");
    RSquared = "model_r_squared_ratio", "Share of the variance that the model explains", None;
    Samples = "model_samples", "Days that the model was fitted to", None;
    ItForTarget = "model_it_kilowatts_for_target", "IT power at which the target is met", None;
    Interim = "annual_interim", "1 while the annual figure is an interim PUE, of fewer than 365 days", None;
    Streak = "operational_streak", "Closed windows in a row on the side that would change the operational verdict", None;
    Since = "operational_since_timestamp_seconds", "When the operational verdict last changed", None;
    Days = "annual_days", "Days that count in the annual figure", None;
    Category = "category", "Category of the PUE, 1 to 3", None;
    Grade = "grade", "Grade after GB 40879, 1 to 3", None;
    Exhausted = "budget_exhausted_timestamp_seconds", "Day on which the yearly allowance runs out", None;
    FacilityMonth = "month_facility_kilowatt_hours", "Energy of the facility in the last closed month and in the present one", Some("month");
    ItMonth = "month_it_kilowatt_hours", "Energy of the IT equipment in the last closed month and in the present one", Some("month");
    MonthPue = "month_pue_ratio", "PUE of the last closed month and of the present one", Some("month");
    MonthCoverage = "month_coverage_ratio", "Metered share of the last closed month and of the present one", Some("month");
    Wue = "wue_litres_per_kilowatt_hour", "Water usage effectiveness over the annual span", None;
    Cue = "cue_kilograms_per_kilowatt_hour", "Carbon usage effectiveness over the annual span", None;
    Ref = "ref_ratio", "Renewable energy factor over the annual span", None;
    Erf = "erf_ratio", "Energy reuse factor over the annual span", None;
    Inlet = "inlet_temperature_celsius", "Hottest inlet", None;
    InletLimit = "inlet_temperature_limit_celsius", "Limits of the inlet temperature: recommended, and allowable in the class", Some("limit");
    Humidity = "relative_humidity_percent", "Lowest and highest relative humidity at inlets", Some("bound");
    State = "enforcement_state", "1 for the state of enforcement that holds", Some("state");
    StateSince = "enforcement_since_timestamp_seconds", "When the state of enforcement last changed", None;
    Engaged = "enforcement_engaged", "1 for each action in force", Some("action");
    Contested = "contested_objects", "Objects whose borrowed fields another field manager sets back, left alone for now", None;
    Maintenance = "maintenance", "1 during announced work", None;
    Racks = "racks", "Standard racks", Some("state");
    Valid = "pue_valid", "1 while the last closed window has a valid PUE", None;
    Invalid = "pue_invalid", "1 for the reason for which it has none", Some("reason");
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
struct Figure {
    id: Id,
    label: Cow<'static, str>,
    /// Only verdicts and coverage have a third label.
    extra: Option<(&'static str, &'static str)>,
    value: f64,
}

/// The figures of one site.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    values: Vec<Figure>,
    /// Where the site is and what it is: labels that stand in the spec, as they are. One series a site.
    info: Vec<(&'static str, String)>,
}

impl Figures {
    fn set(&mut self, id: Id, label: impl Into<Cow<'static, str>>, value: f64) {
        self.values.push(Figure { id, label: label.into(), extra: None, value });
    }

    fn set_if(&mut self, id: Id, label: &'static str, value: Option<f64>) {
        if let Some(value) = value {
            self.set(id, label, value);
        }
    }

    fn set_by(&mut self, id: Id, label: &'static str, extra: (&'static str, &'static str), value: f64) {
        self.values.push(Figure { id, label: label.into(), extra: Some(extra), value });
    }

    /// Takes the figures from what was seen and judged.
    #[allow(clippy::too_many_arguments)] // One place where everything about a site comes together.
    pub(super) fn fill(
        &mut self,
        dc: &DataCenter,
        site: Option<&Site>,
        meters: &[MeterInput],
        judgement: Option<&Judgement>,
        seen: &Observation,
        status: &DataCenterStatus,
        maintenance: bool,
    ) {
        let Location { region, city, district, time_zone: _ } = &dc.spec.location;
        let class = dc.spec.class.map(|class| format!("{class:?}"));
        let known = [("region", region), ("city", city), ("district", district), ("class", &class)];
        self.info = known.into_iter().filter_map(|(label, value)| Some((label, value.clone()?))).collect();
        self.set(Id::Info, "", 1.0);
        self.set(Id::Maintenance, "", f64::from(u8::from(maintenance)));
        if let Some(racks) = &dc.spec.racks {
            self.set(Id::Racks, "standard", racks.standard as f64);
            self.set_if(Id::Racks, "in_use", status.racks_in_use.map(|racks| racks as f64));
        }
        if let (Some(site), Some(judgement)) = (site, judgement) {
            self.judged(site, meters, judgement, seen, status);
        }
        self.meters(meters, judgement, seen);
        if let Some(thermal) = &dc.spec.thermal {
            self.set(Id::InletLimit, "recommended", *thermal::RECOMMENDED_CELSIUS.end());
            self.set(Id::InletLimit, "allowable", thermal::allowable(thermal.ashrae_class).max_celsius);
            if let Some(Ok(air)) = &seen.air {
                self.set(Id::Inlet, "", air.hottest);
                self.set_if(Id::Humidity, "low", air.humidity.map(|(low, _)| low));
                self.set_if(Id::Humidity, "high", air.humidity.map(|(_, high)| high));
            }
        }
        if let Some(enforcement) = &status.enforcement {
            use EnforcementState::{Clear, Enforcing, Paused, Refused, WouldAct};
            for (state, name) in [
                (Clear, "Clear"),
                (WouldAct, "WouldAct"),
                (Enforcing, "Enforcing"),
                (Refused, "Refused"),
                (Paused, "Paused"),
            ] {
                self.set(Id::State, name, f64::from(u8::from(enforcement.state == state)));
            }
            self.set(Id::StateSince, "", seconds(&enforcement.since));
            for (action, name) in [
                (Action::HoldBatch, "HoldBatch"),
                (Action::PreferElsewhere, "PreferElsewhere"),
                (Action::FreezeGrowth, "FreezeGrowth"),
            ] {
                let engaged = enforcement.engaged.iter().any(|engaged| engaged.action == action);
                self.set(Id::Engaged, name, f64::from(u8::from(engaged)));
            }
            let left = status.contested.iter().filter(|known| known.since.is_some()).count();
            self.set(Id::Contested, "", left as f64 + status.contested_more.unwrap_or(0) as f64);
        }
    }

    fn judged(
        &mut self,
        site: &Site,
        meters: &[MeterInput],
        judgement: &Judgement,
        seen: &Observation,
        status: &DataCenterStatus,
    ) {
        let Judgement { operational, annual, budget, model, kilowatts, next_hour, .. } = judgement;
        let number =
            |text: &Option<banyan_crds::values::Decimal>| text.as_ref().and_then(|text| text.number().ok());
        let known = operational.verdict != Verdict::Unknown;
        self.set_if(Id::Pue, "operational", number(&operational.value).filter(|_| known));
        self.set_if(Id::Pue, "annual", annual.pue);
        let instant = windows::instant(site, meters, seen.now).and_then(|reading| reading.pue.ok());
        self.set_if(Id::Pue, "instant", instant);
        let today = site.glide.as_ref().and_then(|glide| glide.target_on(site.today(seen.now)));
        self.set_if(Id::Target, "today", today);
        self.set_if(Id::Target, "annual", annual.target);
        if site.glide.is_some() {
            for (horizon, verdict) in [("annual", annual.verdict), ("operational", operational.verdict)] {
                for (candidate, name) in [
                    (Verdict::Compliant, "Compliant"),
                    (Verdict::AtRisk, "AtRisk"),
                    (Verdict::Violated, "Violated"),
                    (Verdict::Provisional, "Provisional"),
                    (Verdict::Unknown, "Unknown"),
                ] {
                    self.set_by(
                        Id::Judged,
                        name,
                        ("horizon", horizon),
                        f64::from(u8::from(verdict == candidate)),
                    );
                }
            }
        }
        if status.operational.is_some() {
            self.set(Id::Streak, "", operational.streak as f64);
            self.set(Id::Since, "", seconds(&operational.since));
        }
        self.set(Id::Interim, "", f64::from(u8::from(annual.interim)));
        self.set_by(Id::Coverage, "facility", ("window", "annual"), annual.facility_coverage);
        self.set_by(Id::Coverage, "it", ("window", "annual"), annual.it_coverage);
        self.last_window(meters, judgement);
        self.set_if(Id::FacilityKw, "", kilowatts.map(|(facility, _)| facility));
        self.set_if(Id::ItKw, "", kilowatts.map(|(_, it)| it));
        if let Some(budget) = budget {
            self.set(Id::Allowed, "", budget.allowed_wh as f64 / 1000.0);
            self.set(Id::Used, "", budget.used_wh as f64 / 1000.0);
            for burn in &budget.burn_rates {
                self.set(Id::Burn, burn.window, burn.rate);
            }
            self.set_if(Id::Forecast, "year_end", budget.projection.map(|ahead| ahead.year_end));
            self.set_if(Id::Forecast, "rest_of_year_required", budget.required_for_rest_of_year);
        }
        self.set_if(Id::Forecast, "next_hour", *next_hour);
        if let Some(model) = model {
            self.set(Id::Fixed, "", model.fixed_kw);
            self.set(Id::Marginal, "value", model.marginal_ratio());
            self.set(Id::Marginal, "low", model.low);
            self.set(Id::Marginal, "high", model.high);
            self.set(Id::RSquared, "", model.r_squared);
            self.set(Id::Samples, "", model.n as f64);
        }
        let whole = |number: Option<i64>| number.map(|number| number as f64);
        self.set_if(
            Id::ItForTarget,
            "",
            whole(status.model.as_ref().and_then(|model| model.it_kilowatts_for_target)),
        );
        self.set(Id::Days, "", annual.days as f64);
        self.set_if(Id::Category, "", whole(status.annual.as_ref().and_then(|annual| annual.category)));
        self.set_if(Id::Grade, "", whole(status.grade));
        let exhausted = budget.as_ref().and_then(|budget| budget.exhausted_on);
        let exhausted = exhausted.and_then(|day| windows::day_start(site, day));
        self.set_if(Id::Exhausted, "", exhausted.map(|at| at as f64 / 1000.0));
        for (label, month) in
            [("last_closed", status.months.last()), ("current", status.current_month.as_ref())]
        {
            if let Some(month) = month {
                self.set(Id::FacilityMonth, label, month.facility_kilowatt_hours as f64);
                self.set(Id::ItMonth, label, month.it_kilowatt_hours as f64);
                self.set_if(Id::MonthPue, label, number(&month.value));
                self.set(Id::MonthCoverage, label, month.coverage_percent as f64 / 100.0);
            }
        }
        if let Some(indicators) = &status.indicators {
            self.set_if(Id::Wue, "", number(&indicators.wue));
            self.set_if(Id::Cue, "", number(&indicators.cue));
            self.set_if(Id::Ref, "", number(&indicators.renewable));
            self.set_if(Id::Erf, "", number(&indicators.erf));
        }
    }

    /// The last closed window. While the meters cannot be read there is none, and nothing is covered.
    fn last_window(&mut self, meters: &[MeterInput], judgement: &Judgement) {
        let reading = judgement.last.as_ref().map(|judged| &judged.reading);
        // A window so long ago that it is not fetched any more says nothing, and nothing is said of it.
        if meters.is_empty() || (reading.is_none() && judgement.operational.verdict != Verdict::Unknown) {
            return;
        }
        let (facility, it) =
            reading.map_or((0.0, 0.0), |reading| (reading.facility_coverage, reading.it_coverage));
        self.set_by(Id::Coverage, "facility", ("window", "operational"), facility);
        self.set_by(Id::Coverage, "it", ("window", "operational"), it);
        match reading.map(|reading| &reading.pue) {
            Some(Ok(_)) => self.set(Id::Valid, "", 1.0),
            Some(Err(invalid)) => {
                self.set(Id::Valid, "", 0.0);
                self.set(Id::Invalid, words::invalid_reason(invalid), 1.0);
            }
            None => self.set(Id::Valid, "", 0.0),
        }
    }

    fn meters(&mut self, meters: &[MeterInput], judgement: Option<&Judgement>, seen: &Observation) {
        let now = seen.now.as_millisecond();
        for meter in meters {
            let curve = meter.curve.as_ref();
            let last = curve.and_then(super::energy::Curve::last_sample);
            let served = meter.rules.in_service(Window { from: now - 1, to: now }).length_ms() > 0;
            if !served {
                continue;
            }
            let faulty = judgement
                .and_then(|judgement| judgement.last.as_ref())
                .and_then(|last| last.reading.meters.iter().find(|other| other.name == meter.name))
                .is_some_and(|other| !other.faults.is_empty());
            let fresh = !faulty && last.is_some_and(|last| last + 2 * meter.rules.settle_ms() >= now);
            self.set(Id::MeterHealthy, meter.name.clone(), f64::from(u8::from(fresh)));
            if let Some(last) = last {
                self.set(Id::MeterLast, meter.name.clone(), last as f64 / 1000.0);
            }
            if let Some(curve) = curve {
                let recent = Window { from: now - windows::RECENT_HOURS * 3_600_000, to: now };
                self.set(Id::MeterResets, meter.name.clone(), f64::from(curve.reading(recent).resets));
            }
        }
    }
}

/// Seconds since the epoch.
fn seconds(at: &Time) -> f64 {
    at.0.as_second() as f64
}

/// The figures of all sites, collected when they are scraped.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<String, Figures>>>);

impl Board {
    /// The present figures of a site.
    pub fn show(&self, name: &str, figures: Figures) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), figures);
    }

    /// The site is gone.
    pub fn forget(&self, name: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// No site is shown: another replica leads, and shows them.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Collector for Board {
    fn desc(&self) -> Vec<&Desc> {
        // Families come and go with the sites; the registry only needs to know of none that would collide.
        Vec::new()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let sites = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut families: BTreeMap<Id, Vec<Metric>> = BTreeMap::new();
        for (name, figures) in sites.iter() {
            for figure in &figures.values {
                let mut labels = vec![pair("data_center", name)];
                if let Some(label) = DEFINITIONS[figure.id as usize].2 {
                    labels.push(pair(label, &figure.label));
                }
                if let Some((label, value)) = figure.extra {
                    labels.push(pair(label, value));
                }
                if figure.id == Id::Info {
                    labels.extend(figures.info.iter().map(|(label, value)| pair(label, value)));
                }
                families.entry(figure.id).or_default().push(gauge(labels, figure.value));
            }
        }
        families.into_iter().map(|(id, gauges)| DEFINITIONS[id as usize].family(gauges)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rendered_with_their_labels_and_vanish_with_their_site() {
        let registry = prometheus::Registry::new();
        let board = Board::default();
        registry.register(Box::new(board.clone())).unwrap();
        let mut figures = Figures::default();
        figures.set(Id::Pue, "annual", 1.27);
        figures.set_by(Id::Judged, "Violated", ("horizon", "annual"), 1.0);
        figures.set(Id::Maintenance, "", 0.0);
        figures.set(Id::Info, "", 1.0);
        figures.info = vec![("district", "长乐区".to_owned())];
        board.show("changle-1", figures);
        let text = crate::kernel::metrics::render(&registry).unwrap();
        for line in [
            r#"banyan_datacenter_pue_ratio{data_center="changle-1",window="annual"} 1.27"#,
            r#"banyan_datacenter_verdict{data_center="changle-1",verdict="Violated",horizon="annual"} 1"#,
            r#"banyan_datacenter_maintenance{data_center="changle-1"} 0"#,
            r#"banyan_datacenter_info{data_center="changle-1",district="长乐区"} 1"#,
            "# TYPE banyan_datacenter_pue_ratio gauge",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        board.forget("changle-1");
        assert!(!crate::kernel::metrics::render(&registry).unwrap().contains("changle-1"));
    }

    #[test]
    fn every_metric_is_documented() {
        let page = include_str!("../../../docs/metrics.md");
        for Definition(name, ..) in DEFINITIONS {
            assert!(page.contains(name), "{name} is not in docs/metrics.md");
        }
    }
}
