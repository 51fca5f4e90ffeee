//! The annual figure: which days are in it, which are not and why, and what each step of the target weighs.

use std::collections::BTreeMap;

use jiff::{ToSpan, civil::Date};

use super::{AnnualWhy, Because, BudgetWhy, LeftOut, Step, ThinMonth};
use crate::datacenter::{
    budget::Budget,
    ledger::{Day, Flags, thousandth},
    plan::Judgement,
    spec::Site,
    verdict::{GlidePath, MONTH_COVERAGE_PERCENT, MONTH_MINIMUM_DAYS, Tally, counts},
};

/// Runs of days that are named for each reason.
const RUNS: usize = 5;

/// The annual figure of a site.
pub(super) fn annual(judgement: &Judgement, site: &Site) -> AnnualWhy {
    let annual = &judgement.annual;
    let no_target = GlidePath::none();
    let glide = site.glide.as_ref().unwrap_or(&no_target);
    let days: Vec<(Date, Option<&Day>)> = annual
        .from
        .zip(annual.to)
        .map(|(from, to)| from.series(1.day()).take_while(|date| *date <= to).collect::<Vec<_>>())
        .unwrap_or_default()
        .into_iter()
        .map(|date| (date, judgement.ledger.get(date)))
        .collect();
    let (mut imported_days, mut corrected_days) = (0, 0);
    let mut tally = Tally::default();
    for day in days.iter().filter_map(|(_, day)| *day).filter(|day| counts(day, site.minimum_coverage)) {
        tally.add(glide, day.date, day.facility_wh, day.it_wh);
        imported_days += i64::from(day.flags.contains(Flags::IMPORTED));
        corrected_days += i64::from(day.flags.contains(Flags::CORRECTED));
    }
    AnnualWhy {
        verdict: annual.verdict,
        reason: annual.reason,
        facility_kilowatt_hours: thousandth(annual.facility_wh),
        it_kilowatt_hours: thousandth(annual.it_wh),
        value: annual.pue,
        target: annual.target,
        from: annual.from,
        to: annual.to,
        days: annual.days,
        span_days: i64::try_from(days.len()).unwrap_or(i64::MAX),
        interim: annual.interim,
        coverage_percent: annual.coverage * 100.0,
        minimum_coverage_percent: site.minimum_coverage * 100.0,
        excess_kilowatt_hours: (tally.days > 0).then(|| tally.excess_wh() / 1000.0),
        imported_days,
        corrected_days,
        left_out: left_out(&days, site.minimum_coverage),
        thin_months: thin_months(&days, site.minimum_coverage),
        steps: steps(&days, glide, site.minimum_coverage),
    }
}

/// Why a day does not count; none if it does.
fn because(day: Option<&Day>, minimum_coverage: f64) -> Option<Because> {
    let Some(day) = day else { return Some(Because::NoRow) };
    if counts(day, minimum_coverage) {
        return None;
    }
    Some(if day.flags.contains(Flags::MISSING) {
        Because::Missing
    } else if day.flags.contains(Flags::SUSPECT) {
        Because::Suspect
    } else if day.it_coverage <= day.facility_coverage {
        Because::ItCoverage
    } else {
        Because::FacilityCoverage
    })
}

fn left_out(days: &[(Date, Option<&Day>)], minimum_coverage: f64) -> Vec<LeftOut> {
    let mut found: BTreeMap<Because, LeftOut> = BTreeMap::new();
    for (date, day) in days {
        let Some(because) = because(*day, minimum_coverage) else { continue };
        let left = found.entry(because).or_insert(LeftOut { because, days: 0, spans: Vec::new() });
        left.days += 1;
        match left.spans.last_mut() {
            Some((_, last)) if last.tomorrow().is_ok_and(|next| next == *date) => *last = *date,
            _ => left.spans.push((*date, *date)),
        }
    }
    let mut found: Vec<LeftOut> = found.into_values().collect();
    for left in &mut found {
        left.spans.reverse();
        left.spans.truncate(RUNS);
    }
    found
}

fn thin_months(days: &[(Date, Option<&Day>)], minimum_coverage: f64) -> Vec<ThinMonth> {
    let mut months: BTreeMap<(i16, i8), (i64, i64)> = BTreeMap::new();
    for (date, day) in days {
        let covered =
            day.filter(|day| counts(day, minimum_coverage)).map_or(0, |day| i64::from(day.coverage()));
        let month = months.entry((date.year(), date.month())).or_default();
        month.0 += 1;
        month.1 += covered;
    }
    months
        .into_iter()
        .filter(|(_, (days, covered))| {
            *days >= MONTH_MINIMUM_DAYS && *covered < days * 100 * MONTH_COVERAGE_PERCENT
        })
        .map(|((year, month), (days, covered))| ThinMonth {
            month: format!("{year:04}-{month:02}"),
            coverage_percent: covered as f64 / days as f64 / 100.0,
        })
        .collect()
}

fn steps(days: &[(Date, Option<&Day>)], glide: &GlidePath, minimum_coverage: f64) -> Vec<Step> {
    let mut steps: BTreeMap<Date, (f64, i64, i64)> = BTreeMap::new();
    for day in days.iter().filter_map(|(_, day)| *day).filter(|day| counts(day, minimum_coverage)) {
        let Some((from, max)) = glide.step_on(day.date) else { continue };
        let step = steps.entry(from).or_insert((max, 0, 0));
        step.1 += 1;
        step.2 += day.it_wh;
    }
    let all: i64 = steps.values().map(|(_, _, it_wh)| it_wh).sum();
    steps
        .into_iter()
        .map(|(from, (max, days, it_wh))| Step {
            from,
            max,
            days,
            it_kilowatt_hours: thousandth(it_wh),
            weight_percent: if all > 0 { it_wh as f64 / all as f64 * 100.0 } else { 0.0 },
        })
        .collect()
}

/// The allowance of the year of `open`, the first day that is not closed.
pub(super) fn budget(budget: &Budget, open: Date, next_hour: Option<f64>) -> BudgetWhy {
    let days_left = i64::from((open.last_of_year() - open).get_days()) + 1;
    BudgetWhy {
        year: open.year(),
        allowed_kilowatt_hours: thousandth(budget.allowed_wh),
        used_kilowatt_hours: thousandth(budget.used_wh),
        burn_rates: budget.burn_rates.iter().map(|burn| (burn.window, burn.rate)).collect(),
        exhausted_on: budget.exhausted_on,
        year_end: budget.projection.map(|ahead| ahead.year_end),
        year_target: budget.projection.map(|ahead| ahead.target),
        required_for_rest_of_year: budget.required_for_rest_of_year,
        days_left,
        it_expected_kilowatt_hours: thousandth(budget.it_expected_wh),
        next_hour,
    }
}
