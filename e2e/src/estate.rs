//! A made-up estate of data centres in Fuzhou: the readings behind the demo, and the reason for each of its verdicts.
//!
//! Every reading is a pure function of the site, the instant and the instant at which the demo began (`end`, the end of
//! the history). Nothing is random and nothing is remembered, so the thirteen months that are written into Prometheus
//! and the live exporter that goes on after them agree to the watt-hour, in any process. docs/demo.md tells the same in
//! plain words, with the formulas.
//!
//! - `weather`: outdoor air in Fuzhou.
//! - `physics`: from air and clock to IT load and overhead, one quarter of an hour at a time.
//! - `sites`: the five sites of the demo.
//! - `text`: meters, and the two formats that Prometheus reads.
//! - `city`: as many cheap sites as a benchmark wants.

mod city;
mod physics;
mod sites;
mod text;
mod weather;

use std::path::Path;

use jiff::Timestamp;

pub use city::{City, CityReading};
pub use physics::{Bulb, Fault, Load, Overhead, Site, Totals};
pub use text::{CONTENT_TYPE, Part, Quantity, Series};

/// Length of a grid interval in seconds: meters read every 15 minutes.
pub const GRID_SECONDS: i64 = 900;

/// Days of readings before the end of the history. Thirteen months have at most 397 days.
pub const HISTORY_DAYS: i64 = 400;

/// The address that the files in docs/examples name. Whoever applies them puts the address of the real server in its
/// place, by text: it appears once in each file.
pub const PROMETHEUS_PLACEHOLDER: &str = "http://127.0.0.1:9090";

const DAY_SECONDS: i64 = 86_400;

/// Grid intervals of a day.
const GRID_DAY: i64 = DAY_SECONDS / GRID_SECONDS;

/// Fuzhou keeps UTC+8 without daylight saving time.
const LOCAL_OFFSET_SECONDS: i64 = 8 * 3600;

/// Sites and their readings around one instant.
#[derive(Clone, Debug)]
pub struct Estate {
    sites: Vec<Site>,
    /// Grid index of the first reading, a local midnight.
    begin: i64,
    /// Grid index of the end of the history.
    end: i64,
    /// Totals of each site at the local midnights from `begin` to `end`, so that nobody who asks for one reading adds
    /// up thirteen months.
    midnights: Vec<Vec<Totals>>,
}

impl Estate {
    /// The five sites of the demo, with their faults placed before `end`, which is cut to the 15-minute grid.
    ///
    /// Give the same `end` to whoever writes the history and whoever serves the live readings.
    pub fn demo(end: Timestamp) -> Self {
        Self::new(sites::demo(grid_index(end) * GRID_SECONDS), end)
    }

    /// Sites of one's own. Readings begin on the day [`HISTORY_DAYS`] before `end`, which is cut to the 15-minute grid.
    pub fn new(sites: Vec<Site>, end: Timestamp) -> Self {
        let end = grid_index(end);
        let local = LOCAL_OFFSET_SECONDS / GRID_SECONDS;
        let begin = ((end + local).div_euclid(GRID_DAY) - HISTORY_DAYS) * GRID_DAY - local;
        let midnights = sites.iter().map(|site| physics::midnights(site, begin, end)).collect();
        Self { sites, begin, end, midnights }
    }

    /// The sites.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// The first reading, a local midnight, Unix seconds.
    pub const fn begin(&self) -> i64 {
        self.begin * GRID_SECONDS
    }

    /// The end of the history, on the 15-minute grid, Unix seconds.
    pub const fn end(&self) -> i64 {
        self.end * GRID_SECONDS
    }

    /// What the meters of a site have counted up to an instant: exact on the 15-minute grid, linear between. Before
    /// the first reading they stand still. `None` if there is no such site.
    pub fn totals(&self, site: &str, at: Timestamp) -> Option<Totals> {
        let number = self.sites.iter().position(|other| other.name == site)?;
        Some(self.totals_of(number, at))
    }

    fn totals_of(&self, number: usize, at: Timestamp) -> Totals {
        let index = grid_index(at).max(self.begin);
        let here = self.totals_at(number, index);
        let next = here + self.sites[number].interval(index);
        let past = (at.as_millisecond() - index * GRID_SECONDS * 1000).max(0);
        here.towards(next, past, GRID_SECONDS * 1000)
    }

    /// Totals at a grid index, from the last midnight on.
    fn totals_at(&self, number: usize, index: i64) -> Totals {
        let midnights = &self.midnights[number];
        // After the end of the history the last midnight before it is where the sum begins.
        let day = ((index - self.begin) / GRID_DAY).clamp(0, (self.end - self.begin) / GRID_DAY);
        self.sites[number].totals(midnights[day as usize], self.begin + day * GRID_DAY, index)
    }

    /// Writes the readings of `from ..= to` on the 15-minute grid as `OpenMetrics` with timestamps, which
    /// `promtool tsdb create-blocks-from openmetrics` takes. Answers the number of samples.
    pub fn write_openmetrics(&self, path: &Path, from: Timestamp, to: Timestamp) -> anyhow::Result<u64> {
        let from = grid_index(from).max(self.begin);
        let at_from: Vec<Totals> = (0..self.sites.len()).map(|number| self.totals_at(number, from)).collect();
        text::write_file(path, |out| text::history(out, &self.sites, &at_from, from, grid_index(to)))
    }

    /// The readings at `now` in the Prometheus text format ([`CONTENT_TYPE`]), without timestamps.
    pub fn exposition(&self, now: Timestamp) -> String {
        let totals: Vec<Totals> = (0..self.sites.len()).map(|number| self.totals_of(number, now)).collect();
        text::exposition(&self.sites, &totals, now.as_second())
    }
}

/// Index of the last grid point at or before `at`.
fn grid_index(at: Timestamp) -> i64 {
    // From milliseconds, because `as_second` rounds instants before 1970 towards zero.
    at.as_millisecond().div_euclid(GRID_SECONDS * 1000)
}

#[cfg(test)]
mod tests;
