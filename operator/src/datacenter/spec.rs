//! A `DataCenter`'s spec, read: durations, decimals, days and time zone as numbers, or the path of what cannot be read.
//!
//! The API server has refused most of what is wrong; what only a program can see is found here.

use banyan_crds::{
    v1alpha1::{DataCenterSpec, Enforcement, Meter},
    values::ValueError,
};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};

use super::{
    energy::{MeterRules, Window},
    site::Side,
    verdict::{Bands, GlidePath},
};

/// Share of the rated IT power below which a window has no IT load to judge by.
const MINIMUM_IT_SHARE: f64 = 0.01;

/// What cannot be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct SpecError {
    /// Path of the field, such as `spec.location.timeZone`.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

impl SpecError {
    fn at(path: impl Into<String>) -> impl FnOnce(ValueError) -> Self {
        let path = path.into();
        move |error| Self { path, message: error.to_string() }
    }
}

/// A meter with its rules read.
#[derive(Clone, Debug)]
pub struct SiteMeter {
    /// As declared.
    pub meter: Meter,
    /// As the arithmetic takes it.
    pub rules: MeterRules,
}

/// A span of announced work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// What is done.
    pub reason: String,
}

/// A spec, read.
#[derive(Clone, Debug)]
pub struct Site {
    /// Time zone in which days and months are cut.
    pub zone: TimeZone,
    /// First day of operation.
    pub commissioned: Option<Date>,
    /// Least coverage of a valid window, 0 to 1.
    pub minimum_coverage: f64,
    /// The targets, if there are any.
    pub glide: Option<GlidePath>,
    /// The meters.
    pub meters: Vec<SiteMeter>,
    /// Hysteresis.
    pub bands: Bands,
    /// Length of an operational window, ms.
    pub window_ms: i64,
    /// Least time between two actions.
    pub dwell: SignedDuration,
    /// Announced work.
    pub maintenance: Vec<Quiet>,
    /// Least mean IT power to judge by, W.
    pub minimum_it_watts: f64,
    /// Where the readings are.
    pub source: String,
}

impl Site {
    /// Reads a spec.
    pub fn read(spec: &DataCenterSpec) -> Result<Self, SpecError> {
        let zone = TimeZone::get(&spec.location.time_zone).map_err(|_| SpecError {
            path: "spec.location.timeZone".to_owned(),
            message: format!(
                "{:?} is not a time zone of the IANA database, such as Asia/Shanghai",
                spec.location.time_zone
            ),
        })?;
        let commissioned = spec
            .commissioned
            .as_ref()
            .map(|day| day.date().map_err(SpecError::at("spec.commissioned")))
            .transpose()?;
        let glide = spec
            .pue
            .as_ref()
            .map(|pue| {
                GlidePath::new(&pue.targets).map_err(|error| SpecError {
                    path: "spec.pue.targets".to_owned(),
                    message: error.to_string(),
                })
            })
            .transpose()?;
        let meters = spec
            .energy
            .iter()
            .flat_map(|energy| &energy.meters)
            .map(|meter| {
                let rules = MeterRules::from_meter(meter)
                    .map_err(SpecError::at(format!("spec.energy.meters[{}]", meter.name)))?;
                Ok(SiteMeter { meter: meter.clone(), rules })
            })
            .collect::<Result<Vec<_>, SpecError>>()?;
        let hysteresis = spec
            .enforcement
            .clone()
            .map_or_else(Default::default, |Enforcement { hysteresis, .. }| hysteresis);
        let path = "spec.enforcement.hysteresis";
        let bands = Bands::try_from(&hysteresis).map_err(SpecError::at(path))?;
        let window_ms =
            hysteresis.window.milliseconds().map_err(SpecError::at(format!("{path}.window")))?.max(60_000);
        let dwell = bands.dwell;
        let maintenance = spec
            .maintenance
            .iter()
            .enumerate()
            .map(|(index, span)| {
                let path = format!("spec.maintenance[{index}]");
                Ok(Quiet {
                    from: span.from.timestamp().map_err(SpecError::at(format!("{path}.from")))?,
                    to: span.to.timestamp().map_err(SpecError::at(format!("{path}.to")))?,
                    reason: span.reason.clone(),
                })
            })
            .collect::<Result<Vec<_>, SpecError>>()?;
        let percent = spec.pue.as_ref().map_or(95, |pue| pue.minimum_coverage_percent);
        Ok(Self {
            zone,
            commissioned,
            minimum_coverage: percent as f64 / 100.0,
            glide,
            meters,
            bands,
            window_ms,
            dwell,
            maintenance,
            source: spec.energy.as_ref().map(|energy| energy.prometheus.url.clone()).unwrap_or_default(),
            minimum_it_watts: spec.rated_it_kilowatts.unwrap_or(0) as f64 * 1000.0 * MINIMUM_IT_SHARE,
        })
    }

    /// The site's calendar day at `now`.
    pub fn today(&self, now: Timestamp) -> Date {
        now.to_zoned(self.zone.clone()).date()
    }

    /// The announced work that is going on at `now`.
    pub fn quiet(&self, now: Timestamp) -> Option<&Quiet> {
        self.maintenance.iter().find(|span| span.from <= now && now < span.to)
    }

    /// The meters that the PUE needs in `window`.
    pub fn required(&self, window: Window) -> impl Iterator<Item = &SiteMeter> {
        self.meters.iter().filter(move |meter| {
            Side::of(meter.meter.purpose).is_some() && meter.rules.in_service(window).length_ms() > 0
        })
    }

    /// How long after `window` the last reading of a meter that it needs may still be due, ms.
    pub fn settle_ms(&self, window: Window) -> i64 {
        self.required(window).map(|meter| meter.rules.settle_ms()).max().unwrap_or(0)
    }

    /// How long the slowest of its meters may take to close a day, ms.
    pub fn slowest_ms(&self) -> i64 {
        let needed = self.meters.iter().filter(|meter| Side::of(meter.meter.purpose).is_some());
        needed.map(|meter| meter.rules.settle_ms()).max().unwrap_or(0)
    }

    /// How often the site is looked at: with its fastest meter, within one and five minutes.
    pub fn tick(&self) -> std::time::Duration {
        let fastest = self.meters.iter().map(|meter| meter.rules.interval_ms).min().unwrap_or(300_000);
        std::time::Duration::from_millis(fastest.clamp(60_000, 300_000).unsigned_abs())
    }

    /// What the days in the ledger were metered with, from where, and since when: all that decides the arithmetic. Where
    /// that is something else, days that do not count are worth another look.
    pub fn meters_digest(&self) -> String {
        use std::fmt::Write as _;
        let mut text = format!("{}\n{:?}\n{:?}\n", self.source, self.commissioned, self.zone.iana_name());
        for SiteMeter { meter, .. } in &self.meters {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "{}\n{:?}\n{}\n{:?}\n{:?}\n{:?}\n{:?} {:?} {:?} {:?}\n",
                meter.name,
                meter.purpose,
                meter.query,
                meter.unit,
                meter.meter_type,
                meter.interval,
                meter.rated_kilowatts,
                meter.max_value,
                meter.valid_from,
                meter.valid_to
            );
        }
        crate::kernel::digest::of_intent(&serde_json::Value::String(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(zone: &str) -> DataCenterSpec {
        serde_json::from_value(serde_json::json!({
            "location": {"timeZone": zone},
            "maintenance": [{"from": "2026-03-01T00:00:00+08:00", "to": "2026-03-01T06:00:00+08:00", "reason": "UPS test"}]
        }))
        .unwrap()
    }

    #[test]
    fn a_time_zone_that_does_not_exist_is_named_with_its_path() {
        let error = Site::read(&spec("Asia/Fuzhou")).unwrap_err();
        assert_eq!(error.path, "spec.location.timeZone");
        assert!(error.to_string().contains("Asia/Fuzhou"));
    }

    #[test]
    fn a_window_needs_coverage_and_a_percent_of_the_rated_load() {
        let needed = |value| {
            let site = Site::read(&serde_json::from_value(value).unwrap()).unwrap();
            (site.minimum_coverage, site.minimum_it_watts)
        };
        let location = serde_json::json!({"timeZone": "Asia/Shanghai"});
        let pue = serde_json::json!({"targets": [{"from": "2026-01-01", "max": "1.3"}], "minimumCoveragePercent": 80});
        assert_eq!(needed(serde_json::json!({"location": location, "ratedITKilowatts": 8000})), (0.95, 80e3));
        assert_eq!(needed(serde_json::json!({"location": location, "pue": pue})), (0.8, 0.0));
    }

    #[test]
    fn whatever_decides_the_arithmetic_asks_for_another_look_at_the_days() {
        let meter = serde_json::json!({
            "name": "pdu", "purpose": "IT", "position": "PDU", "query": "q", "type": "Counter", "unit": "kWh",
            "interval": "15m"
        });
        let digest = |field: &str, value: serde_json::Value| {
            let mut changed = meter.clone();
            changed[field] = value;
            let spec = serde_json::json!({
                "location": {"timeZone": "Asia/Shanghai"},
                "energy": {"prometheus": {"url": "http://p:9090"}, "meters": [changed]}
            });
            Site::read(&serde_json::from_value(spec).unwrap()).unwrap().meters_digest()
        };
        let before = digest("name", "pdu".into());
        for (field, value) in [
            ("purpose", "Facility".into()),
            ("query", "other".into()),
            ("type", "Gauge".into()),
            ("unit", "Wh".into()),
            ("interval", "5m".into()),
            ("ratedKilowatts", 100.into()),
            ("maxValue", 100_000.into()),
            ("validFrom", "2026-03-01T00:00:00+08:00".into()),
            ("validTo", "2026-03-01T00:00:00+08:00".into()),
        ] {
            assert_ne!(digest(field, value), before, "{field}");
        }
        // Where in the chain it meters decides the category, not the energy.
        assert_eq!(digest("position", "UPS".into()), before);
    }

    #[test]
    fn days_are_the_sites_own() {
        let site = Site::read(&spec("Asia/Shanghai")).unwrap();
        // 16:00 in London is midnight in Fuzhou.
        assert_eq!(site.today("2026-03-01T16:00:00Z".parse().unwrap()).to_string(), "2026-03-02");
        assert_eq!(site.quiet("2026-02-28T16:00:00Z".parse().unwrap()).unwrap().reason, "UPS test");
        assert!(site.quiet("2026-02-28T22:00:00Z".parse().unwrap()).is_none());
    }
}
