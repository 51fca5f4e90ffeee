//! The annual verdict: what is reported, without tolerance.

use std::collections::BTreeMap;

use banyan_crds::v1alpha1::Verdict;
use jiff::{ToSpan, civil::Date};

use super::{GlidePath, PLAUSIBLE, Tally, counts};
use crate::datacenter::{
    ledger::{Flags, Ledger, lower},
    site::Validity,
};

/// Least share of every calendar month. A year may miss 5 %, but not all of it in the summer.
pub const MONTH_COVERAGE_PERCENT: i64 = 80;
/// A month of which the span holds fewer days than this is not judged by itself. Only the two ends of the span can have
/// so few: every month between them is whole, and a year's two ends are mostly the halves of one month.
pub const MONTH_MINIMUM_DAYS: i64 = 15;
/// Below this many days the figure is an interim PUE (ISO/IEC 30134-2, iPUE).
pub const YEAR_DAYS: i64 = 365;
/// Coverage of a whole day in the ledger, basis points.
const FULL_DAY: i64 = 10_000;

/// What a PUE below 1 means.
const FEED_MISSING: &str = "a feed is not metered, for the facility drew less than its IT";

/// Reasons that an annual verdict gives.
#[allow(missing_docs)] // The words say it.
pub mod reasons {
    pub const WITHIN_TARGET: &str = "WithinTarget";
    pub const ABOVE_TARGET: &str = "AboveTarget";
    pub const PROJECTED_ABOVE_TARGET: &str = "ProjectedAboveTarget";
    pub const INTERIM: &str = "Interim";
    pub const TARGET_IS_NEW: &str = "TargetIsNew";
    pub const NO_TARGET: &str = "NoTarget";
    pub const NO_DATA: &str = "NoData";
    pub const LOW_COVERAGE: &str = "LowCoverage";
    pub const MONTH_UNDER_COVERED: &str = "MonthUnderCovered";
    pub const NO_IT_LOAD: &str = "NoITLoad";
    pub const BETTER_THAN_PERFECT: &str = "BetterThanPerfect";
    pub const METER_SUSPECT: &str = "MeterSuspect";
}

/// Where the calendar year is heading, from [`crate::datacenter::budget`]. Never reported as a PUE.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Projection {
    /// Projected PUE of the calendar year.
    pub year_end: f64,
    /// Target of the calendar year, weighted by its IT energy, in part expected.
    pub target: f64,
}

/// The reported verdict.
#[derive(Clone, Debug, PartialEq)]
pub struct Annual {
    /// `Compliant`, `AtRisk`, `Violated`, `Provisional` or `Unknown`.
    pub verdict: Verdict,
    /// Σ facility / Σ IT, an interim PUE where `interim` is true; none where it would not be valid.
    pub pue: Option<f64>,
    /// Target over the days that count, weighted by IT energy.
    pub target: Option<f64>,
    /// First day of the span; none if there is none.
    pub from: Option<Date>,
    /// Last day of the span: the last closed one.
    pub to: Option<Date>,
    /// Days that count.
    pub days: i64,
    /// The span holds fewer than 365 days.
    pub interim: bool,
    /// Share of the span that is in the sums, 0 to 1: metered time of the days that count, by the worse side.
    pub coverage: f64,
    /// The same of the facility side alone.
    pub facility_coverage: f64,
    /// The same of the IT side alone.
    pub it_coverage: f64,
    /// Facility energy of the days that count, Wh.
    pub facility_wh: i64,
    /// IT energy of the same days, Wh.
    pub it_wh: i64,
    /// Days that count and that a person has put in.
    pub imported_days: i64,
    /// Days among these that had other figures before.
    pub corrected_days: i64,
    /// The lowest category that a day that counts tells, 1 to 3; 0 if none does.
    pub category: u8,
    /// One of [`reasons`].
    pub reason: &'static str,
    /// What is so, in a sentence.
    pub message: String,
}

impl Annual {
    fn unknown(reason: &'static str, message: String) -> Self {
        Self {
            verdict: Verdict::Unknown,
            pue: None,
            target: None,
            from: None,
            to: None,
            days: 0,
            interim: false,
            coverage: 0.0,
            facility_coverage: 0.0,
            it_coverage: 0.0,
            facility_wh: 0,
            it_wh: 0,
            imported_days: 0,
            corrected_days: 0,
            category: 0,
            reason,
            message,
        }
    }
}

/// Judges the last year of closed days, ending with `last`: 365 days, or 366 where the span holds a 29 February.
///
/// - `last`: the last day that is closed, in the site's time zone. Later days never count: just after midnight that is
///   not yesterday yet, and with meters that are read once a week it is days ago.
/// - `commissioned`: days before it are not the site's and are left out.
/// - `validity`: the coverage that a day and the whole span need, on both sides (see [`counts`]), and the mean IT power
///   below which the whole span has no IT load to judge by. A day with little IT load stays in the sums.
/// - `projection`: turns `Compliant` into `AtRisk` where the calendar year is heading above its own target.
///
/// The span begins with the first day that counts, if that is later than a year ago. Metering that began late makes
/// the figure an interim one; days missing after it began lower its coverage. A day that does not count covers
/// nothing, because its energy is in neither sum.
///
/// A target that came into force within the span gives `Provisional`: no site has missed a target on days that had
/// none. `value` and verdict are those of ISO/IEC 30134-2 (annual PUE, iPUE below a year).
pub fn annual(
    ledger: &Ledger,
    glide: &GlidePath,
    last: Date,
    commissioned: Option<Date>,
    validity: &Validity,
    projection: Option<Projection>,
) -> Annual {
    let Validity { minimum_coverage, minimum_it_watts } = *validity;
    let to = last;
    let year_began = to.saturating_sub(1.year()).saturating_add(1.day());
    let own = |date: Date| date <= to && commissioned.is_none_or(|first| date >= first);
    let first = ledger.iter().find(|day| own(day.date) && counts(day, minimum_coverage)).map(|day| day.date);
    let impossible = ledger
        .range(year_began..=to)
        .iter()
        .filter(|day| own(day.date) && day.coverage() > 0 && day.facility_wh < day.it_wh)
        .count();
    let hint = match impossible {
        0 => String::new(),
        1 => format!("; {FEED_MISSING} on 1 day"),
        days => format!("; {FEED_MISSING} on {days} days"),
    };
    let Some(first) = first else {
        let reason = if impossible > 0 { reasons::BETTER_THAN_PERFECT } else { reasons::NO_DATA };
        let needed = minimum_coverage * 100.0;
        return Annual::unknown(
            reason,
            format!("no closed day has valid readings of {needed:.0} % of both sides{hint}"),
        );
    };
    let from = first.max(year_began);

    let mut days = 0;
    let (mut facility_wh, mut it_wh) = (0_i64, 0_i64);
    let (mut imported_days, mut corrected_days, mut category) = (0, 0, 0);
    let (mut facility, mut it) = (Covered::default(), Covered::default());
    let mut under_target = Tally::default();
    let mut span = Covered::default();
    let mut months: BTreeMap<(i16, i8), Covered> = BTreeMap::new();
    for date in from.series(1.day()).take_while(|date| *date <= to) {
        let day = ledger.get(date).filter(|day| counts(day, minimum_coverage));
        let covered = day.map_or(0, |day| i64::from(day.coverage()));
        span.add(covered);
        facility.add(day.map_or(0, |day| i64::from(day.facility_coverage)));
        it.add(day.map_or(0, |day| i64::from(day.it_coverage)));
        months.entry((date.year(), date.month())).or_default().add(covered);
        if let Some(day) = day {
            days += 1;
            facility_wh += day.facility_wh;
            it_wh += day.it_wh;
            imported_days += i64::from(day.flags.contains(Flags::IMPORTED));
            corrected_days += i64::from(day.flags.contains(Flags::CORRECTED));
            category = lower(category, day.category);
            under_target.add(glide, date, day.facility_wh, day.it_wh);
        }
    }

    let mut judged = Annual {
        target: under_target.target(),
        from: Some(from),
        to: Some(to),
        days,
        interim: span.days < YEAR_DAYS,
        coverage: span.share(),
        facility_coverage: facility.share(),
        it_coverage: it.share(),
        facility_wh,
        it_wh,
        imported_days,
        corrected_days,
        category,
        ..Annual::unknown(reasons::NO_DATA, String::new())
    };
    let invalid = |annual: Annual, reason, message| Annual { reason, message, ..annual };

    if span.below((minimum_coverage * 100.0).round() as i64) {
        let message = format!(
            "{:.1} % of the {} days from {from} to {to} are metered on both sides, {:.0} % are needed{hint}",
            span.share() * 100.0,
            span.days,
            minimum_coverage * 100.0
        );
        return invalid(judged, reasons::LOW_COVERAGE, message);
    }
    let thin = months
        .iter()
        .find(|(_, month)| month.days >= MONTH_MINIMUM_DAYS && month.below(MONTH_COVERAGE_PERCENT));
    if let Some(((year, month), covered)) = thin {
        let message = format!(
            "{year:04}-{month:02} is metered to {:.1} %, {MONTH_COVERAGE_PERCENT} % of every month are needed{hint}",
            covered.share() * 100.0
        );
        return invalid(judged, reasons::MONTH_UNDER_COVERED, message);
    }
    if it_wh <= 0 {
        return invalid(judged, reasons::NO_IT_LOAD, format!("no IT energy from {from} to {to}"));
    }
    let mean_watts = it_wh as f64 / (days as f64 * 24.0);
    if mean_watts < minimum_it_watts {
        let message = format!(
            "the IT equipment drew {:.1} kW on average from {from} to {to}, and {:.1} kW (1 % of the rated IT power) are \
             needed",
            mean_watts / 1000.0,
            minimum_it_watts / 1000.0
        );
        return invalid(judged, reasons::NO_IT_LOAD, message);
    }
    let pue = facility_wh as f64 / it_wh as f64;
    if !PLAUSIBLE.contains(&pue) {
        let (reason, why) = if pue < 1.0 {
            (reasons::BETTER_THAN_PERFECT, FEED_MISSING)
        } else {
            (reasons::METER_SUSPECT, "an IT meter is missing or reads too little")
        };
        return invalid(judged, reason, format!("PUE {pue:.4} from {from} to {to} cannot be true: {why}"));
    }

    judged.pue = Some(pue);
    let figure = format!(
        "{} {pue:.4} over {days} days, {from} to {to},",
        if judged.interim { "interim PUE" } else { "PUE" }
    );
    let Some(target) = judged.target else {
        judged.reason = reasons::NO_TARGET;
        judged.message = format!("{figure} has no target to be held against yet");
        return judged;
    };
    let stands = if under_target.met() {
        format!("is at or under the target {target:.4}")
    } else {
        format!(
            "is above the target {target:.4}: {:.0} kWh more than it allows",
            (under_target.excess_wh() / 1000.0).ceil()
        )
    };
    (judged.verdict, judged.reason, judged.message) = if under_target.days < days {
        let own = under_target.pue().unwrap_or(pue);
        (
            Verdict::Provisional,
            reasons::TARGET_IS_NEW,
            format!(
                "{figure} reaches back before the first target; the {} days under one have {own:.4}, which {stands}",
                under_target.days
            ),
        )
    } else if judged.interim {
        let message = format!("{figure} {stands}; a verdict needs {YEAR_DAYS} days");
        (Verdict::Provisional, reasons::INTERIM, message)
    } else if !under_target.met() {
        (Verdict::Violated, reasons::ABOVE_TARGET, format!("{figure} {stands}"))
    } else if let Some(ahead) = projection.filter(|ahead| ahead.year_end > ahead.target) {
        let message = format!(
            "{figure} {stands}, but the calendar year is heading for {:.4} against {:.4}",
            ahead.year_end, ahead.target
        );
        (Verdict::AtRisk, reasons::PROJECTED_ABOVE_TARGET, message)
    } else {
        (Verdict::Compliant, reasons::WITHIN_TARGET, format!("{figure} {stands}"))
    };
    judged
}

/// Metered share of a run of days, in whole basis points, so that no rounding decides.
#[derive(Clone, Copy, Default)]
struct Covered {
    days: i64,
    basis_points: i64,
}

impl Covered {
    fn add(&mut self, basis_points: i64) {
        self.days += 1;
        self.basis_points += basis_points;
    }

    fn below(self, percent: i64) -> bool {
        self.basis_points * 100 < self.days * FULL_DAY * percent
    }

    fn share(self) -> f64 {
        self.basis_points as f64 / (self.days * FULL_DAY) as f64
    }
}

#[cfg(test)]
mod tests;
