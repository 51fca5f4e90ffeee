//! Verdicts over the ledger: the annual one, which is reported, and the operational one, which actions follow.
//!
//! Both compare energy with what the glide path allows for the same energy; ratios are never averaged. `Unknown` is a
//! verdict: where data is missing or cannot be true, nothing is passed and nothing is failed.

mod annual;
#[cfg(test)]
pub(in crate::datacenter) mod fixtures;
mod glide;
mod operational;

pub use annual::{
    Annual, MONTH_COVERAGE_PERCENT, MONTH_MINIMUM_DAYS, Projection, YEAR_DAYS, annual, reasons,
};
pub use glide::{GlideError, GlidePath, Tally};
pub use operational::{Bands, ClosedWindow, Operational, Standing, operational};

use crate::datacenter::ledger::Day;

/// The range in which a PUE can be true. Below it the figure is "better than perfect" (a facility cannot draw less
/// than its IT), above it a meter is wrong or there is hardly any IT load.
pub const PLAUSIBLE: std::ops::RangeInclusive<f64> = 1.0..=10.0;

/// Whether a day is in the sums: both sides reach `minimum_coverage` (0 to 1), and nothing about it is missing or
/// suspect. A day that does not leaves both sums out, so that they always speak of the same days.
pub fn counts(day: &Day, minimum_coverage: f64) -> bool {
    // Coverage is whole basis points; rounding keeps 0.95 from being a hair above 9500 of them.
    day.counts((minimum_coverage * 10_000.0).round() as u16) && day.it_wh >= 0 && day.facility_wh >= 0
}
