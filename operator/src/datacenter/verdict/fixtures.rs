//! Ledgers and glide paths for the tests of this room.

use banyan_crds::v1alpha1::PueTarget;
use jiff::{ToSpan, civil::Date};

use super::GlidePath;
use crate::datacenter::ledger::{Day, Ledger};

/// The steps of a spec.
pub fn targets(steps: &[(&str, &str)]) -> Vec<PueTarget> {
    steps.iter().map(|(from, max)| PueTarget { from: (*from).into(), max: (*max).into() }).collect()
}

/// A glide path.
pub fn glide(steps: &[(&str, &str)]) -> GlidePath {
    GlidePath::new(&targets(steps)).unwrap()
}

/// A fully metered day.
pub fn day(date: Date, facility_wh: i64, it_wh: i64) -> Day {
    Day::full(date, facility_wh, it_wh)
}

/// A ledger of these days.
pub fn ledger(days: impl IntoIterator<Item = Day>) -> Ledger {
    days.into_iter().collect()
}

/// The days from `first` to `last`, both included.
pub fn dates(first: Date, last: Date) -> impl Iterator<Item = Date> {
    first.series(1.day()).take_while(move |date| *date <= last)
}
