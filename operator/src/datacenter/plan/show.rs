//! What was judged, as the status shows it.

use banyan_crds::{
    v1alpha1::{
        AnnualStatus, BudgetStatus, BurnRate, DataCenter, DataCenterStatus, ForecastStatus, IndicatorsStatus,
        Interval, ModelStatus, MonthStatus,
    },
    values::{Day as DayText, Decimal},
};
use jiff::civil::Date;

use super::Judgement;
use crate::datacenter::{
    energy::Window,
    grade,
    indicators::{self, Indicators},
    ledger::{Totals, lower, thousandth},
    observe::Observation,
    site::{self, MeterInput},
    spec::Site,
    windows,
};

/// Months that the status keeps.
const MONTHS: usize = 13;

/// Puts what was judged into the status.
pub(super) fn show(
    status: &mut DataCenterStatus,
    dc: &DataCenter,
    site: &Site,
    judged: &Judgement,
    meters: &[MeterInput],
    seen: &Observation,
) {
    let Judgement { operational, annual, budget, model, ledger, .. } = judged;
    let now = seen.now;
    let today = site.today(now);
    status.operational = (!site.meters.is_empty()).then(|| operational.clone());
    status.annual = Some(AnnualStatus {
        verdict: annual.verdict,
        value: annual.pue.map(|pue| Decimal::rounded(pue, 4)),
        target: annual.target.map(|target| Decimal::rounded(target, 4)),
        from: annual.from.map(day_text),
        to: annual.to.map(day_text),
        days: annual.days,
        interim: annual.interim,
        category: annual.from.zip(annual.to).and_then(|(from, to)| {
            // Of the whole span that is reported: one that was metered worse for a while has the lower category.
            let span =
                Window { from: windows::day_start(site, from)?, to: windows::day_start(site, to)? + 1 };
            // And of its days, which other meters may have told, or a person.
            let category = lower(site::category(meters, span).unwrap_or(0), annual.category);
            (category > 0).then_some(i64::from(category))
        }),
        coverage_percent: (annual.coverage * 100.0 + 1e-9).floor() as i64,
        imported_days: some(annual.imported_days),
        corrected_days: some(annual.corrected_days),
    });
    let minimum = (site.minimum_coverage * 10_000.0).round() as u16;
    let last_closed = windows::last_closed_day(site, now);
    let (mut months, mut current) = (Vec::new(), None);
    if let Some(first) = ledger.first_date() {
        // Whole months, so that the coverage of one whose beginning is not known says so.
        let first = first.first_of_month();
        let first = site.commissioned.map_or(first, |commissioned| commissioned.max(first));
        for month in ledger.months(first..=last_closed, minimum) {
            let shown = month_status(&month);
            // A month is closed with its last day, which may be a while after its end.
            if month.to < month.to.last_of_month() {
                current = Some(shown);
            } else {
                months.push(shown);
            }
        }
    }
    months.drain(..months.len().saturating_sub(MONTHS));
    status.months = months;
    status.current_month = current;
    status.grade = grade::grade(annual, dc.spec.racks.as_ref(), dc.spec.cooling, today).grade;
    status.indicators = annual.from.zip(annual.to).and_then(|(from, to)| {
        shown(&indicators::of(&ledger.totals(from..=to, minimum), site.minimum_coverage))
    });
    status.racks_in_use = match &seen.racks_in_use {
        // A live value: it goes with the windows.
        Some(Ok(racks)) if judged.closed || status.racks_in_use.is_none() => Some(*racks),
        Some(_) => status.racks_in_use,
        None => dc.spec.racks.as_ref().and_then(|racks| racks.in_use),
    };
    status.budget = budget.as_ref().map(|budget| BudgetStatus {
        allowed_overhead_kilowatt_hours: thousandth(budget.allowed_wh),
        used_overhead_kilowatt_hours: thousandth(budget.used_wh),
        burn_rates: budget
            .burn_rates
            .iter()
            .map(|burn| BurnRate {
                window: burn.window.into(),
                rate: Decimal::rounded(burn.rate.max(0.0), 2),
            })
            .collect(),
        exhausted_on: budget.exhausted_on.map(day_text),
    });
    let forecast = ForecastStatus {
        year_end: budget
            .as_ref()
            .and_then(|budget| budget.projection)
            .map(|ahead| Decimal::rounded(ahead.year_end, 4)),
        required_for_rest_of_year: budget
            .as_ref()
            .and_then(|budget| budget.required_for_rest_of_year)
            .map(|required| Decimal::rounded(required, 4)),
        next_hour: judged.next_hour.map(|pue| Decimal::rounded(pue, 4)),
    };
    status.forecast = (forecast != ForecastStatus::default()).then_some(forecast);
    let target = site.glide.as_ref().and_then(|glide| glide.target_on(today));
    status.model = model.as_ref().map(|model| ModelStatus {
        fixed_overhead_kilowatts: format!("{:.1}", model.fixed_kw),
        marginal_ratio: Interval {
            value: format!("{:.3}", model.marginal_ratio()),
            low: format!("{:.3}", model.low),
            high: format!("{:.3}", model.high),
        },
        r_squared: Decimal::rounded(model.r_squared.clamp(0.0, 1.0), 3),
        samples: i64::try_from(model.n).unwrap_or(i64::MAX),
        it_kilowatts_for_target: target
            .and_then(|target| model.it_kw_for_target(target))
            .map(|kw| kw.round() as i64),
    });
}

/// A number of days, where there are any.
fn some(days: i64) -> Option<i64> {
    (days > 0).then_some(days)
}

fn day_text(date: Date) -> DayText {
    DayText(date.to_string())
}

fn month_status(month: &Totals) -> MonthStatus {
    MonthStatus {
        month: format!("{:04}-{:02}", month.from.year(), month.from.month()),
        facility_kilowatt_hours: thousandth(month.facility_wh),
        it_kilowatt_hours: thousandth(month.it_wh),
        value: month.pue().map(|pue| Decimal::rounded(pue, 4)),
        coverage_percent: i64::from(month.coverage / 100),
        imported_days: some(month.imported_days),
        corrected_days: some(month.corrected_days),
    }
}

/// The indicators as the status shows them; none where none is known.
fn shown(known: &Indicators) -> Option<IndicatorsStatus> {
    let text = |figure: Option<f64>| figure.map(|figure| Decimal::rounded(figure, 4));
    let Indicators { wue, cue, renewable, erf } = *known;
    let shown =
        IndicatorsStatus { wue: text(wue), cue: text(cue), renewable: text(renewable), erf: text(erf) };
    (shown != IndicatorsStatus::default()).then_some(shown)
}
