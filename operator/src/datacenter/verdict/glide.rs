//! The glide path: from each day on, the highest PUE; and what it allows for a set of days.

use banyan_crds::{v1alpha1::PueTarget, values::ValueError};
use jiff::civil::Date;

/// Targets are held in millionths. The API's decimals have at most six digits, so this is exact, and a site that
/// draws precisely its target is not judged by a rounding error.
const MILLION: i64 = 1_000_000;

/// Why a glide path cannot be read.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GlideError {
    /// No step at all.
    #[error("pue.targets is empty")]
    Empty,
    /// A first day that is none.
    #[error("pue.targets[{index}].from: {source}")]
    From {
        /// Place in the list.
        index: usize,
        /// What is wrong with it.
        source: ValueError,
    },
    /// A target that is no number.
    #[error("pue.targets[{index}].max: {source}")]
    Max {
        /// Place in the list.
        index: usize,
        /// What is wrong with it.
        source: ValueError,
    },
    /// A target that no site can miss or none can meet.
    #[error("pue.targets[{index}].max: {max} lies outside 1.0 to 10")]
    OutOfRange {
        /// Place in the list.
        index: usize,
        /// The target.
        max: f64,
    },
    /// Two steps begin on one day.
    #[error("pue.targets: two of them begin on {from}")]
    Twice {
        /// The day.
        from: Date,
    },
    /// A later target is above an earlier one.
    #[error("pue.targets: the target of {from} is above the one before it")]
    Rises {
        /// First day of the step that rises.
        from: Date,
    },
}

/// A PUE target by steps, non-increasing, sorted by first day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlidePath {
    /// First day and target in millionths.
    steps: Vec<(Date, i64)>,
}

impl GlidePath {
    /// Reads the steps of a spec, in any order.
    pub fn new(targets: &[PueTarget]) -> Result<Self, GlideError> {
        let mut steps = Vec::with_capacity(targets.len());
        for (index, target) in targets.iter().enumerate() {
            let from = target.from.date().map_err(|source| GlideError::From { index, source })?;
            let max = target.max.number().map_err(|source| GlideError::Max { index, source })?;
            if !super::PLAUSIBLE.contains(&max) {
                return Err(GlideError::OutOfRange { index, max });
            }
            steps.push((from, (max * MILLION as f64).round() as i64));
        }
        steps.sort_unstable_by_key(|(from, _)| *from);
        for pair in steps.windows(2) {
            let ((before, higher), (from, max)) = (pair[0], pair[1]);
            if before == from {
                return Err(GlideError::Twice { from });
            }
            if max > higher {
                return Err(GlideError::Rises { from });
            }
        }
        if steps.is_empty() { Err(GlideError::Empty) } else { Ok(Self { steps }) }
    }

    /// No target on any day.
    pub const fn none() -> Self {
        Self { steps: Vec::new() }
    }

    /// The target in force on `date`; none before the first step.
    pub fn target_on(&self, date: Date) -> Option<f64> {
        self.millionths_on(date).map(|target| target as f64 / MILLION as f64)
    }

    /// The step in force on `date`: its first day and target; none before the first.
    pub fn step_on(&self, date: Date) -> Option<(Date, f64)> {
        let after = self.steps.partition_point(|(from, _)| *from <= date);
        let (from, target) = self.steps[after.checked_sub(1)?];
        Some((from, target as f64 / MILLION as f64))
    }

    /// The first day that has a target.
    pub fn first_day(&self) -> Option<Date> {
        self.steps.first().map(|(from, _)| *from)
    }

    fn millionths_on(&self, date: Date) -> Option<i64> {
        let after = self.steps.partition_point(|(from, _)| *from <= date);
        after.checked_sub(1).map(|at| self.steps[at].1)
    }
}

/// Energy of a set of days and what their targets allow. Exact: the tally of two sets is the sum of their tallies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Days in it.
    pub days: i64,
    /// Energy of the facility, Wh.
    pub facility_wh: i64,
    /// Energy of the IT equipment, Wh.
    pub it_wh: i64,
    /// Σ target·IT, in millionths of a Wh.
    allowed: i128,
}

impl Tally {
    /// Adds a day. A day without a target adds nothing; says whether it was added.
    pub fn add(&mut self, glide: &GlidePath, date: Date, facility_wh: i64, it_wh: i64) -> bool {
        let Some(target) = glide.millionths_on(date) else { return false };
        self.days += 1;
        self.facility_wh += facility_wh;
        self.it_wh += it_wh;
        self.allowed += i128::from(target) * i128::from(it_wh);
        true
    }

    /// PUE of the days; none without IT energy.
    pub fn pue(&self) -> Option<f64> {
        (self.it_wh > 0).then(|| self.facility_wh as f64 / self.it_wh as f64)
    }

    /// Target of the days, weighted by IT energy; none without IT energy.
    pub fn target(&self) -> Option<f64> {
        (self.it_wh > 0).then(|| self.allowed as f64 / MILLION as f64 / self.it_wh as f64)
    }

    /// Whether the facility drew at most what the targets allow. No tolerance and no rounding.
    pub fn met(&self) -> bool {
        i128::from(self.facility_wh) * i128::from(MILLION) <= self.allowed
    }

    /// Overhead used: facility less IT, Wh.
    pub fn overhead_wh(&self) -> i64 {
        self.facility_wh - self.it_wh
    }

    /// Overhead allowed: Σ (target − 1)·IT, Wh.
    pub fn allowed_overhead_wh(&self) -> f64 {
        (self.allowed - i128::from(self.it_wh) * i128::from(MILLION)) as f64 / MILLION as f64
    }

    /// Facility energy above what the targets allow, Wh; below zero where there is room.
    pub fn excess_wh(&self) -> f64 {
        (i128::from(self.facility_wh) * i128::from(MILLION) - self.allowed) as f64 / MILLION as f64
    }
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            days: self.days + other.days,
            facility_wh: self.facility_wh + other.facility_wh,
            it_wh: self.it_wh + other.it_wh,
            allowed: self.allowed + other.allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::{ToSpan, civil::date};
    use proptest::prelude::*;

    use super::{super::fixtures::*, *};
    use crate::datacenter::ledger::Day;

    #[test]
    fn a_target_holds_from_its_first_day_and_none_before() {
        // Given out of order on purpose: the API keeps the list as a map.
        let glide = glide(&[("2026-01-01", "1.25"), ("2024-06-01", "1.30")]);
        assert_eq!(glide.target_on(date(2024, 5, 31)), None);
        assert_eq!(glide.target_on(date(2024, 6, 1)), Some(1.30));
        assert_eq!(glide.target_on(date(2025, 12, 31)), Some(1.30));
        assert_eq!(glide.target_on(date(2026, 1, 1)), Some(1.25));
        assert_eq!(glide.first_day(), Some(date(2024, 6, 1)));
    }

    #[test]
    fn a_path_that_cannot_be_one_says_which_step_is_wrong() {
        let wrong = |steps: &[(&str, &str)]| GlidePath::new(&targets(steps)).unwrap_err().to_string();
        assert_eq!(wrong(&[]), "pue.targets is empty");
        assert_eq!(
            wrong(&[("2026-01-01", "1.3"), ("2026-13-01", "1.2")]),
            r#"pue.targets[1].from: "2026-13-01" is not a day like 2026-01-31"#
        );
        assert_eq!(
            wrong(&[("2026-01-01", "low")]),
            r#"pue.targets[0].max: "low" is not a decimal number like 1.25"#
        );
        assert_eq!(wrong(&[("2026-01-01", "0.99")]), "pue.targets[0].max: 0.99 lies outside 1.0 to 10");
        assert_eq!(
            wrong(&[("2026-01-01", "1.3"), ("2026-01-01", "1.2")]),
            "pue.targets: two of them begin on 2026-01-01"
        );
        assert_eq!(
            wrong(&[("2027-01-01", "1.3"), ("2026-01-01", "1.2")]),
            "pue.targets: the target of 2027-01-01 is above the one before it"
        );
    }

    fn weighted(glide: &GlidePath, days: &[Day]) -> Option<f64> {
        let mut tally = Tally::default();
        for day in days {
            tally.add(glide, day.date, day.facility_wh, day.it_wh);
        }
        tally.target()
    }

    #[test]
    fn a_target_over_a_step_is_weighted_by_energy_not_by_days() {
        // One day of 3000 kWh at 1.30 and one of 1000 kWh at 1.20: (3000·1.30 + 1000·1.20) / 4000 = 1.275. By days it
        // would be 1.25. The day before the first step has no say.
        let glide = glide(&[("2025-12-31", "1.30"), ("2026-01-01", "1.20")]);
        let days = [
            day(date(2025, 12, 30), 9_000_000, 5_000_000),
            day(date(2025, 12, 31), 3_600_000, 3_000_000),
            day(date(2026, 1, 1), 1_200_000, 1_000_000),
        ];
        assert_eq!(weighted(&glide, &days), Some(1.275));
        assert_eq!(weighted(&glide, &days[..1]), None);
    }

    proptest! {
        #[test]
        fn a_weighted_target_lies_between_the_lowest_and_the_highest(
            energies in prop::collection::vec(0_i64..50_000_000, 1..60),
            first in 1_000_000_i64..3_000_000,
            fall in 0_i64..1_000_000,
            step in 0_i32..60,
        ) {
            let (high, low) = (first as f64 / 1e6, (first - fall).max(1_000_000) as f64 / 1e6);
            let start = date(2026, 1, 1);
            let glide = glide(&[
                ("2025-01-01", &high.to_string()),
                (&(start + step.days()).to_string(), &low.to_string()),
            ]);
            let days: Vec<_> = start.series(1.day()).zip(&energies).map(|(at, it)| day(at, 0, *it)).collect();
            if let Some(target) = weighted(&glide, &days) {
                prop_assert!(target >= low - 1e-12 && target <= high + 1e-12, "{low} {target} {high}");
            } else {
                prop_assert_eq!(energies.iter().sum::<i64>(), 0);
            }
        }

        #[test]
        fn the_tally_of_two_halves_is_that_of_the_whole(
            energies in prop::collection::vec((0_i64..90_000_000, 0_i64..50_000_000), 1..60),
            at in 0_usize..60,
        ) {
            let glide = glide(&[("2026-01-10", "1.337"), ("2026-02-01", "1.25")]);
            let tally = |skip: usize, take: usize| {
                let mut tally = Tally::default();
                for (date, (facility, it)) in date(2026, 1, 1).series(1.day()).zip(&energies).skip(skip).take(take) {
                    tally.add(&glide, date, *facility, *it);
                }
                tally
            };
            prop_assert_eq!(tally(0, at) + tally(at, usize::MAX), tally(0, usize::MAX));
        }
    }
}
