//! What is reported: of which days, and that every figure of the status has a series.

use super::*;
use crate::datacenter::{
    figures::Board,
    indicators::{self, Indicators},
    ledger::{ExtraTotal, Totals},
    verdict::fixtures::{dates, day},
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Readings of the site's meters are long gone, and matter to none of its days.
static ELSE: std::sync::LazyLock<Observation> =
    std::sync::LazyLock::new(|| Observation { days: None, ..seen(1e5, 1.10) });

/// A site that has nothing but its ledger at `now`: 1200 kWh of 1000 kWh IT on the days from `first` to `last`.
fn kept(now: &str, first: &str, last: &str) -> Observation {
    let days = dates(first.parse().unwrap(), last.parse().unwrap());
    let ledger: Ledger = days.map(|date| day(date, 1_200_000, 1_000_000)).collect();
    Observation {
        now: at(now),
        found: FoundLedger { ledger: Ok(Arc::new(ledger)), ..FoundLedger::default() },
        ..ELSE.clone()
    }
}

#[test]
fn just_after_midnight_yesterday_is_not_missing_yet() {
    // 0:05 in Fuzhou on 17 June, in operation since the 13th: the 16th closes at 0:18:45.
    let young = dc(&json!({"spec": {"commissioned": "2026-06-13"}}));
    let status = run(&young, &kept("2026-06-16T16:05:00Z", "2026-06-13", "2026-06-15")).status;
    let annual = status.annual.unwrap();
    assert_eq!((annual.verdict, annual.days, annual.coverage_percent), (Verdict::Provisional, 3, 100));
    assert_eq!(annual.to, Some("2026-06-15".into()));
    assert_eq!(status.current_month.unwrap().coverage_percent, 100);
    let burns = status.budget.unwrap().burn_rates;
    assert!(burns.iter().any(|burn| burn.window == "24h".into()), "{burns:?}");
    // From then on it is.
    let status = run(&young, &kept("2026-06-16T16:19:00Z", "2026-06-13", "2026-06-15")).status;
    let annual = status.annual.unwrap();
    assert_eq!((annual.verdict, annual.coverage_percent), (Verdict::Unknown, 75));
    // Before its first day is closed a site has no figure, and no fault.
    let annual =
        run(&young, &kept("2026-06-13T16:05:00Z", "2026-06-01", "2026-06-12")).status.annual.unwrap();
    assert_eq!((annual.verdict, annual.days, annual.from), (Verdict::Unknown, 0, None));
}

#[test]
fn a_month_is_closed_with_its_last_day() {
    let months = |site: &DataCenter, now: &str, last: &str| {
        let status = run(site, &kept(now, "2026-01-01", last)).status;
        let closed = status.months.last().unwrap();
        let current = status.current_month.map(|month| (month.month, month.it_kilowatt_hours));
        ((closed.month.clone(), closed.coverage_percent), current)
    };
    // Read every 15 minutes: at 0:05 on 1 July the 30th is open, at 0:19 June is closed.
    let quick = dc(&json!({}));
    let june = ("2026-06".to_owned(), 100);
    assert_eq!(
        months(&quick, "2026-06-30T16:05:00Z", "2026-06-29"),
        (("2026-05".to_owned(), 100), Some(("2026-06".to_owned(), 29_000)))
    );
    assert_eq!(months(&quick, "2026-06-30T16:19:00Z", "2026-06-30"), (june.clone(), None));
    // The feed is read once a week: each day closes 8.75 days later, and so does June.
    let weekly = dc(&json!({"spec": {"energy": {"meters": [
        {"name": "feed", "purpose": "Facility", "query": "f", "type": "Counter", "unit": "Wh", "interval": "168h"},
        {"name": "pdu", "purpose": "IT", "position": "PDU", "query": "i", "type": "Counter", "unit": "Wh", "interval": "15m"}
    ]}}}));
    assert_eq!(
        months(&weekly, "2026-07-08T04:00:00Z", "2026-06-28"),
        (("2026-05".to_owned(), 100), Some(("2026-06".to_owned(), 28_000)))
    );
    assert_eq!(months(&weekly, "2026-07-09T11:00:00Z", "2026-06-30"), (june.clone(), None));
    assert_eq!(
        months(&weekly, "2026-07-11T11:00:00Z", "2026-07-02"),
        (june, Some(("2026-07".to_owned(), 2_000)))
    );
    let status = run(&weekly, &kept("2026-07-08T04:00:00Z", "2026-01-01", "2026-06-28")).status;
    let annual = status.annual.unwrap();
    assert_eq!((annual.to, annual.coverage_percent), (Some("2026-06-28".into()), 100));
    let burns = status.budget.unwrap().burn_rates;
    assert!(burns.iter().any(|burn| burn.window == "168h".into()), "{burns:?}");
}

#[test]
fn what_was_metered_before_a_site_was_commissioned_is_not_in_its_model() {
    let plan = run(&dc(&json!({"spec": {"commissioned": "2026-05-01"}})), &seen(1e5, 1.10));
    // 1 May to 16 June.
    assert_eq!(plan.status.model.unwrap().samples, 31 + 16);
}

#[test]
fn the_next_hour_is_not_told_from_hours_long_ago() {
    let site = dc(&json!({}));
    let mut first = seen(1e5, 1.10);
    let told = |seen: &Observation| {
        let status = run(&site, seen).status;
        let burns = status.budget.unwrap().burn_rates;
        (status.forecast.unwrap().next_hour.is_some(), burns.iter().any(|burn| burn.window == "1h".into()))
    };
    assert_eq!(told(&first), (true, true));
    first.now = first.now.checked_add(SignedDuration::from_mins(150)).unwrap();
    assert_eq!(told(&first), (false, false));
}

#[test]
fn an_indicator_of_a_few_days_is_not_the_years() {
    let with = |days: i64| {
        let of = ExtraTotal { amount: 150 * days, facility_wh: 120 * days, it_wh: 100 * days, days };
        let first: Date = "2026-01-01".parse().unwrap();
        let totals = Ledger::default().totals(first..=first.saturating_add(99.days()), 9_500);
        indicators::of(&Totals { water_ml: of, carbon_g: of, renewable_wh: of, reuse_wh: of, ..totals }, 0.95)
    };
    // 95 of 100 days are enough, 94 are not.
    let known = Indicators { wue: Some(1.5), cue: Some(1.5), renewable: Some(1.25), erf: Some(1.25) };
    assert_eq!(with(95), known);
    assert_eq!(with(94), Indicators::default());
}

/// Each figure of the status by its path, and the series that has it.
const SERIES: &[(&str, &str)] = &[
    ("annual.verdict", r#"verdict{data_center="gulou-1",verdict="Violated",horizon="annual"}"#),
    ("annual.value", r#"pue_ratio{data_center="gulou-1",window="annual"}"#),
    ("annual.target", r#"pue_target_ratio{data_center="gulou-1",horizon="annual"}"#),
    ("annual.days", r#"annual_days{data_center="gulou-1"}"#),
    ("annual.interim", r#"annual_interim{data_center="gulou-1"}"#),
    ("annual.category", r#"category{data_center="gulou-1"}"#),
    ("annual.coveragePercent", r#"coverage_ratio{data_center="gulou-1",side="it",window="annual"}"#),
    ("operational.verdict", r#"verdict{data_center="gulou-1",verdict="Violated",horizon="operational"}"#),
    ("operational.value", r#"pue_ratio{data_center="gulou-1",window="operational"}"#),
    ("operational.streak", r#"operational_streak{data_center="gulou-1"}"#),
    ("operational.since", r#"operational_since_timestamp_seconds{data_center="gulou-1"}"#),
    (
        "months.facilityKilowattHours",
        r#"month_facility_kilowatt_hours{data_center="gulou-1",month="last_closed"}"#,
    ),
    ("months.itKilowattHours", r#"month_it_kilowatt_hours{data_center="gulou-1",month="last_closed"}"#),
    ("months.value", r#"month_pue_ratio{data_center="gulou-1",month="last_closed"}"#),
    ("months.coveragePercent", r#"month_coverage_ratio{data_center="gulou-1",month="last_closed"}"#),
    (
        "currentMonth.facilityKilowattHours",
        r#"month_facility_kilowatt_hours{data_center="gulou-1",month="current"}"#,
    ),
    ("currentMonth.itKilowattHours", r#"month_it_kilowatt_hours{data_center="gulou-1",month="current"}"#),
    ("currentMonth.value", r#"month_pue_ratio{data_center="gulou-1",month="current"}"#),
    ("currentMonth.coveragePercent", r#"month_coverage_ratio{data_center="gulou-1",month="current"}"#),
    ("grade", r#"grade{data_center="gulou-1"}"#),
    ("indicators.wue", r#"wue_litres_per_kilowatt_hour{data_center="gulou-1"}"#),
    ("indicators.cue", r#"cue_kilograms_per_kilowatt_hour{data_center="gulou-1"}"#),
    ("indicators.ref", r#"ref_ratio{data_center="gulou-1"}"#),
    ("indicators.erf", r#"erf_ratio{data_center="gulou-1"}"#),
    ("racksInUse", r#"racks{data_center="gulou-1",state="in_use"}"#),
    (
        "budget.allowedOverheadKilowattHours",
        r#"budget_allowed_overhead_kilowatt_hours{data_center="gulou-1"}"#,
    ),
    ("budget.usedOverheadKilowattHours", r#"budget_used_overhead_kilowatt_hours{data_center="gulou-1"}"#),
    ("budget.burnRates.rate", r#"budget_burn_rate_ratio{data_center="gulou-1",window="720h"}"#),
    ("budget.exhaustedOn", r#"budget_exhausted_timestamp_seconds{data_center="gulou-1"}"#),
    ("forecast.yearEnd", r#"forecast_pue_ratio{data_center="gulou-1",horizon="year_end"}"#),
    (
        "forecast.requiredForRestOfYear",
        r#"forecast_pue_ratio{data_center="gulou-1",horizon="rest_of_year_required"}"#,
    ),
    ("forecast.nextHour", r#"forecast_pue_ratio{data_center="gulou-1",horizon="next_hour"}"#),
    ("model.fixedOverheadKilowatts", r#"model_fixed_overhead_kilowatts{data_center="gulou-1"}"#),
    ("model.marginalRatio.value", r#"model_marginal_ratio{data_center="gulou-1",bound="value"}"#),
    ("model.marginalRatio.low", r#"model_marginal_ratio{data_center="gulou-1",bound="low"}"#),
    ("model.marginalRatio.high", r#"model_marginal_ratio{data_center="gulou-1",bound="high"}"#),
    ("model.rSquared", r#"model_r_squared_ratio{data_center="gulou-1"}"#),
    ("model.samples", r#"model_samples{data_center="gulou-1"}"#),
    ("model.itKilowattsForTarget", r#"model_it_kilowatts_for_target{data_center="gulou-1"}"#),
    ("enforcement.state", r#"enforcement_state{data_center="gulou-1",state="Enforcing"}"#),
    ("enforcement.since", r#"enforcement_since_timestamp_seconds{data_center="gulou-1"}"#),
    ("enforcement.engaged.action", r#"enforcement_engaged{data_center="gulou-1",action="HoldBatch"}"#),
];

/// What is no figure: names, days, and instants that order writes.
const NO_FIGURES: &[&str] = &[
    "observedGeneration",
    "annual.from",
    "annual.to",
    "operational.window",
    "operational.until",
    "operational.lastKnown",
    "operational.blindSince",
    "months.month",
    "currentMonth.month",
    "budget.burnRates.window",
    "enforcement.engaged.since",
    "enforcement.lastStep",
];

/// The paths of what `value` holds, without the places in lists.
fn leaves(value: &Value, path: &str, into: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(field, &path, into);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| leaves(item, path, into)),
        _ => {
            into.insert(path.to_owned());
        }
    }
}

#[test]
fn every_figure_of_the_status_has_a_series() {
    let meter = |name: &str, purpose: &str, unit: &str| json!({"name": name, "purpose": purpose, "query": name, "type": "Counter", "unit": unit, "interval": "15m"});
    let mut meters =
        dc(&json!({})).spec.energy.map(|energy| serde_json::to_value(energy.meters).unwrap()).unwrap();
    let extras = [
        ("sun", "Renewable", "Wh"),
        ("heat", "Reuse", "Wh"),
        ("water", "Water", "L"),
        ("carbon", "Carbon", "kgCO2e"),
    ];
    meters.as_array_mut().unwrap().extend(extras.map(|(name, purpose, unit)| meter(name, purpose, unit)));
    let rich = dc(&json!({"spec": {
        "energy": {"meters": meters}, "racks": {"standard": 2000, "inUse": 1450}, "ratedITKilowatts": 8000
    }}));
    let site = Site::read(&rich.spec).unwrap();
    let mut found = std::collections::BTreeSet::new();
    // One site that is held, one that is refused and one that is well: no single one has every figure.
    for (fixed, ratio) in [(1e4, 1.40), (4e5, 1.05), (1e5, 1.10)] {
        let mut seen = seen(fixed, ratio);
        let from = seen.now.as_millisecond() - 400 * 86_400_000;
        for (name, ..) in extras {
            seen.samples.insert(name.to_owned(), Ok(counter(from, seen.now.as_millisecond(), |_| 1e4)));
        }
        let mut ledger = Ledger::default();
        let days = ("2025-06-01".parse().unwrap(), windows::last_closed_day(&site, seen.now));
        let changes = windows::close_days(&site, &inputs(&site, &seen), &mut ledger, days, seen.now);
        seen.days = Some(ClosedDays { ledger: Arc::new(ledger), changes, complete: true });
        let (plan, figures) = plan(&rich, &Ok(site.clone()), &seen);

        let (registry, board) = (prometheus::Registry::new(), Board::default());
        registry.register(Box::new(board.clone())).unwrap();
        board.show("gulou-1", figures);
        let text = crate::kernel::metrics::render(&registry).unwrap();
        let mut paths = std::collections::BTreeSet::new();
        leaves(&serde_json::to_value(&plan.status).unwrap(), "", &mut paths);
        paths.retain(|path| {
            !path.starts_with("actions.")
                && !path.starts_with("conditions.")
                && !NO_FIGURES.contains(&path.as_str())
        });
        for path in &paths {
            let series = SERIES.iter().find(|(known, _)| known == path);
            let (_, series) = series.unwrap_or_else(|| panic!("{path} has no series"));
            assert!(text.contains(&format!("banyan_datacenter_{series} ")), "{path}: {series}\n{text}");
        }
        found.append(&mut paths);
    }
    let all: std::collections::BTreeSet<String> = SERIES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(found, all);
}
