//! As many sites as a benchmark wants, each with one feed and one IT meter.
//!
//! The load is a sine over the day, so its integral is a formula: a reading costs the same at any instant, and a
//! benchmark measures the operator and not this file.

use std::{f64::consts::TAU, io::Write as _, path::Path};

use jiff::Timestamp;

use super::{
    GRID_SECONDS,
    text::{self, Quantity, Value},
    weather::noise,
};

/// Half the daily swing of the load, as a share.
const SWING: f64 = 0.1;
/// Midnight of 2024-06-01 in Fuzhou, Unix seconds: the meters stood at zero.
const FITTED: i64 = 1_717_171_200;

/// Made-up sites `city-0000`, `city-0001`, …
#[derive(Clone, Copy, Debug)]
pub struct City {
    sites: usize,
}

/// One reading of both meters of a site, Wh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CityReading {
    /// The feed.
    pub facility_wh: i64,
    /// The IT meter.
    pub it_wh: i64,
}

impl City {
    /// A city of so many sites.
    pub const fn new(sites: usize) -> Self {
        Self { sites }
    }

    /// Number of sites.
    pub const fn sites(self) -> usize {
        self.sites
    }

    /// Name of a site.
    pub fn name(self, site: usize) -> String {
        format!("city-{site:04}")
    }

    /// The selectors of a site's feed and of its IT meter.
    pub fn queries(self, site: usize) -> [String; 2] {
        let name = self.name(site);
        let metric = Quantity::It.metric();
        [
            format!("{metric}{{site=\"{name}\",feed=\"a\"}}"),
            format!("{metric}{{site=\"{name}\",meter=\"pdu\"}}"),
        ]
    }

    /// PUE of a site in thousandths, the same at any time: between 1.150 and 1.450.
    pub fn pue_permille(self, site: usize) -> i64 {
        1300 + (150.0 * noise(site as u64, 11)) as i64
    }

    /// Both meters of a site at an instant. Before 2024-06-01 they stand at zero.
    pub fn reading(self, site: usize, at: Timestamp) -> CityReading {
        self.reading_at(site, at.as_millisecond())
    }

    fn reading_at(self, site: usize, milliseconds: i64) -> CityReading {
        let hours = (milliseconds - FITTED * 1000).max(0) as f64 / 3_600_000.0;
        // The power is 1 + SWING·sin(2π·hours/24 − phase), highest at 15 o'clock because FITTED is a local midnight.
        let phase = TAU * 9.0 / 24.0;
        let swing = (phase.cos() - (TAU * hours / 24.0 - phase).cos()) * 24.0 / TAU;
        let kilowatts = 1000.0 + 600.0 * noise(site as u64, 12);
        let it_wh = (kilowatts * 1000.0 * (hours + SWING * swing)) as i64;
        CityReading { it_wh, facility_wh: it_wh * self.pue_permille(site) / 1000 }
    }

    /// As [`super::Estate::write_openmetrics`].
    pub fn write_openmetrics(self, path: &Path, from: Timestamp, to: Timestamp) -> anyhow::Result<u64> {
        self.write_openmetrics_every(GRID_SECONDS, path, from, to)
    }

    /// The same with a reading every `step` seconds, at the multiples of `step` counted from 1970.
    pub fn write_openmetrics_every(
        self,
        step: i64,
        path: &Path,
        from: Timestamp,
        to: Timestamp,
    ) -> anyhow::Result<u64> {
        let steps = |at: Timestamp| at.as_second().div_euclid(step);
        text::write_file(path, |out| {
            text::openmetrics_type(out, Quantity::It.metric(), true)?;
            let mut samples = 0;
            for site in 0..self.sites {
                let [feed, pdu] = self.queries(site);
                for (query, facility) in [(feed, true), (pdu, false)] {
                    for index in steps(from)..=steps(to) {
                        let at = index * step;
                        let reading = self.reading_at(site, at * 1000);
                        let wh = if facility { reading.facility_wh } else { reading.it_wh };
                        writeln!(out, "{query} {} {at}", Value::Thousandths(wh))?;
                        samples += 1;
                    }
                }
            }
            Ok(samples)
        })
    }

    /// As [`super::Estate::exposition`].
    pub fn exposition(self, now: Timestamp) -> String {
        let mut out = String::new();
        text::exposition_type(&mut out, Quantity::It.metric(), true);
        for site in 0..self.sites {
            let [feed, pdu] = self.queries(site);
            let CityReading { facility_wh, it_wh } = self.reading(site, now);
            text::line(&mut out, &feed, &Value::Thousandths(facility_wh));
            text::line(&mut out, &pdu, &Value::Thousandths(it_wh));
        }
        out
    }
}
