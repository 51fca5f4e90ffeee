//! What would clear what is not well, each way by itself and with its figures.

use banyan_crds::v1alpha1::Verdict;
use jiff::{Timestamp, ToSpan, civil::Date};

use super::{AdviceKind, Explanation, Way};
use crate::datacenter::{
    ledger::Ledger,
    plan::Judgement,
    spec::Site,
    verdict::{GlidePath, Tally, YEAR_DAYS, counts, reasons},
};

/// Days over which a PUE to keep is told: the first of these over which one can be kept.
const HORIZONS: [i64; 3] = [90, 180, 364];
/// No facility draws less than its IT equipment.
const BEST: f64 = 1.0;

/// The ways for a site of which so much is told already.
pub(super) fn ways(told: &Explanation, judgement: &Judgement, site: &Site, now: Timestamp) -> Vec<Way> {
    let mut ways = Vec::new();
    if let Some(operational) = &told.operational {
        match (operational.verdict, operational.change) {
            (Verdict::Violated, Some(change)) => ways.push(Way::Windows {
                windows: change.windows,
                level: change.level,
                earliest: change.earliest,
            }),
            (Verdict::Unknown, _) if operational.target.is_some() => ways.push(Way::Readings {
                meter: operational.invalid.as_ref().and_then(|invalid| invalid.meter.clone()),
            }),
            _ => {}
        }
    }
    if let Some(advice) = &told.advice
        && advice.kind == AdviceKind::WouldRaisePue
        && let (Some(needed), Some(now)) = (advice.it_kilowatts_for_target, advice.it_kilowatts)
        && now < needed
    {
        ways.push(Way::Load { kilowatts: needed, now_kilowatts: now });
    }
    if let Some(glide) = &site.glide {
        annual(&mut ways, judgement, site, glide);
    }
    if let Some(budget) = &told.budget
        && let (Some(year_end), Some(target)) = (budget.year_end, budget.year_target)
        && year_end > target
    {
        let it = (judgement.budget.as_ref()).map_or(0, |budget| budget.it_so_far_wh + budget.it_expected_wh);
        let less = (year_end - target) * it as f64 / 1000.0;
        ways.push(Way::Overhead {
            kilowatt_hours: less,
            kilowatt_hours_a_day: less / budget.days_left.max(1) as f64,
            value: budget.required_for_rest_of_year,
            until: site.today(now).with().year(budget.year).build().unwrap_or(site.today(now)).last_of_year(),
        });
    }
    ways
}

/// What the annual verdict asks for.
fn annual(ways: &mut Vec<Way>, judgement: &Judgement, site: &Site, glide: &GlidePath) {
    let annual = &judgement.annual;
    let (Some(from), Some(to)) = (annual.from, annual.to) else { return };
    match annual.reason {
        reasons::LOW_COVERAGE | reasons::MONTH_UNDER_COVERED => {
            let span = i64::from((to - from).get_days()) + 1;
            // Whole days that would have to count beside those that do.
            let lacking = site.minimum_coverage * span as f64 - annual.coverage * span as f64;
            let months = super::annual::annual(judgement, site).thin_months;
            ways.push(Way::Coverage {
                days: (lacking - 1e-9).ceil().max(0.0) as i64,
                months: months.into_iter().map(|month| month.month).collect(),
            });
        }
        reasons::INTERIM => ways.push(Way::Wait { until: from.saturating_add((YEAR_DAYS - 1).days()) }),
        reasons::TARGET_IS_NEW => {
            if let Some(first) = glide.first_day() {
                ways.push(Way::Wait { until: first.saturating_add((YEAR_DAYS - 1).days()).max(to) });
            }
        }
        _ => {}
    }
    if excess_wh(&judgement.ledger, glide, site.minimum_coverage, from, to) > 0.0 {
        ways.push(Way::OnTarget { on: on_target(judgement, site, glide, from, to) });
        ways.extend(keep_for(judgement, site, glide, from, to));
    }
}

/// What the days `from` to `to` that count drew above their targets, Wh.
fn excess_wh(ledger: &Ledger, glide: &GlidePath, minimum_coverage: f64, from: Date, to: Date) -> f64 {
    tally(ledger, glide, minimum_coverage, from, to).excess_wh()
}

fn tally(ledger: &Ledger, glide: &GlidePath, minimum_coverage: f64, from: Date, to: Date) -> Tally {
    let mut tally = Tally::default();
    for day in ledger.range(from..=to).iter().filter(|day| counts(day, minimum_coverage)) {
        tally.add(glide, day.date, day.facility_wh, day.it_wh);
    }
    tally
}

/// First day of the span that ends `days` after `to`. A span that is not full yet loses nothing until it is.
fn later_from(from: Date, to: Date, days: i64) -> Date {
    from.max(to.saturating_add(days.days()).saturating_sub(1.year()).saturating_add(1.day()))
}

/// When the span is at its target again if each day from now on keeps it exactly: such days add nothing to the excess.
fn on_target(judgement: &Judgement, site: &Site, glide: &GlidePath, from: Date, to: Date) -> Option<Date> {
    (1..=YEAR_DAYS)
        .find(|days| {
            let from = later_from(from, to, *days);
            excess_wh(&judgement.ledger, glide, site.minimum_coverage, from, to) <= 0.0
        })
        .map(|days| to.saturating_add(days.days()))
}

/// The PUE that the coming days have to keep for the span to be at its target at their end. The IT load is taken to be what
/// it was on the last 28 days that count; targets to come are those of the glide path.
fn keep_for(judgement: &Judgement, site: &Site, glide: &GlidePath, from: Date, to: Date) -> Option<Way> {
    let recent: Vec<i64> = judgement
        .ledger
        .range(from..=to)
        .iter()
        .rev()
        .filter(|day| counts(day, site.minimum_coverage))
        .take(28)
        .map(|day| day.it_wh)
        .collect();
    let it = recent.iter().sum::<i64>() as f64 / recent.len().max(1) as f64;
    HORIZONS.into_iter().find_map(|days| {
        let begin = later_from(from, to, days);
        let left = excess_wh(&judgement.ledger, glide, site.minimum_coverage, begin, to);
        let until = to.saturating_add(days.days());
        let allowed: f64 = to
            .saturating_add(1.day())
            .series(1.day())
            .take_while(|date| *date <= until)
            .filter_map(|date| glide.target_on(date))
            .map(|target| target * it)
            .sum();
        let value = (allowed - left) / (days as f64 * it);
        // What rounding would turn into a promise that is not kept is rounded down.
        let value = (value * 1e4).floor() / 1e4;
        (it > 0.0 && value > BEST).then_some(Way::KeepFor { days, value, until })
    })
}
