use jiff::civil::date;
use proptest::prelude::*;

use super::{super::fixtures::*, *};
use crate::datacenter::ledger::{Day, Flags};

const TODAY: Date = date(2026, 11, 23);
/// A year before yesterday, plus a day: the span of `TODAY` is 2025-11-23 to 2026-11-22, 365 days.
const FROM: Date = date(2025, 11, 23);
const TO: Date = date(2026, 11, 22);
const RULES: Validity = Validity { minimum_coverage: 0.95, minimum_it_watts: 0.0 };

/// A flat year under a flat target of 1.25, of `facility` and 1000 kWh of IT a day.
fn flat(facility_wh: i64) -> Vec<Day> {
    dates(FROM, TO).map(|date| day(date, facility_wh, 1_000_000)).collect()
}

fn flat_target() -> GlidePath {
    glide(&[("2020-01-01", "1.25")])
}

fn judge(days: Vec<Day>) -> Annual {
    annual(&ledger(days), &flat_target(), TO, None, &RULES, None)
}

#[test]
fn a_year_across_a_step_is_held_against_the_weighted_target() {
    // 2025-11-23 to 12-31 are 8 + 31 = 39 days at 1.30, the other 326 at 1.25, all of 1000 kWh IT:
    // (39·1.30 + 326·1.25) / 365 = (50.7 + 407.5) / 365 = 1.255342.
    let glide = glide(&[("2024-06-01", "1.30"), ("2026-01-01", "1.25")]);
    let under = annual(&ledger(flat(1_255_000)), &glide, TO, None, &RULES, None);
    assert!((under.target.unwrap() - 458.2 / 365.0).abs() < 1e-12);
    assert_eq!(under.pue, Some(1.255));
    assert_eq!((under.verdict, under.reason), (Verdict::Compliant, "WithinTarget"));
    assert_eq!((under.from, under.to, under.days, under.interim), (Some(FROM), Some(TO), 365, false));
    assert_eq!(
        under.message,
        "PUE 1.2550 over 365 days, 2025-11-23 to 2026-11-22, is at or under the target 1.2553"
    );

    // 1.256 · 365 000 = 458 440 kWh, 240 kWh above the 458 200 that are allowed.
    let over = annual(&ledger(flat(1_256_000)), &glide, TO, None, &RULES, None);
    assert_eq!((over.verdict, over.reason), (Verdict::Violated, "AboveTarget"));
    assert_eq!(
        over.message,
        "PUE 1.2560 over 365 days, 2025-11-23 to 2026-11-22, is above the target 1.2553: 240 kWh more than it allows"
    );
}

#[test]
fn there_is_no_tolerance_not_even_of_a_watt_hour() {
    assert_eq!(judge(flat(1_250_000)).verdict, Verdict::Compliant);
    let mut days = flat(1_250_000);
    days[100].facility_wh += 1;
    assert_eq!(judge(days).verdict, Verdict::Violated);
}

#[test]
fn energies_are_summed_and_ratios_never_averaged() {
    // 364 days of 1200/1000 and one of 400/100: (364·1200 + 400) / (364·1000 + 100) = 437 200 / 364 100 = 1.200769.
    // The mean of the ratios would be (364·1.2 + 4) / 365 = 1.207671.
    let mut days = flat(1_200_000);
    (days[200].facility_wh, days[200].it_wh) = (400_000, 100_000);
    assert!((judge(days).pue.unwrap() - 437_200.0 / 364_100.0).abs() < 1e-12);
}

#[test]
fn a_span_with_a_29_february_has_366_days() {
    for (today, from, days) in [
        (date(2028, 2, 29), date(2027, 3, 1), 365), // ends on 28 February
        (date(2028, 3, 1), date(2027, 3, 1), 366),  // ends on the 29th
        (date(2028, 3, 2), date(2027, 3, 2), 366),
        (date(2029, 2, 28), date(2028, 2, 28), 366), // ends on the 27th
        (date(2029, 3, 1), date(2028, 2, 29), 366),  // a year before 28 February, plus a day
        (date(2029, 3, 2), date(2028, 3, 2), 365),
    ] {
        let full = ledger(dates(from - 20.days(), today).map(|date| day(date, 1_200_000, 1_000_000)));
        let annual = annual(&full, &flat_target(), today - 1.day(), None, &RULES, None);
        assert_eq!((annual.from, annual.days, annual.interim), (Some(from), days, false), "{today}");
    }
}

#[test]
fn today_is_not_closed_and_never_counts() {
    let mut days = flat(1_200_000);
    days.push(day(TODAY, 9_000_000, 1_000_000));
    assert_eq!(judge(days).pue, Some(1.2));
    assert_eq!(judge(vec![day(TODAY, 1_200_000, 1_000_000)]).reason, "NoData");
}

#[test]
fn the_span_ends_with_the_last_closed_day() {
    // Meters that are read once a week: the last closed day is nine days ago, and none of the nine is missing.
    let mut days = flat(1_200_000);
    days.truncate(356);
    let weekly = annual(&ledger(days), &flat_target(), TO - 9.days(), None, &RULES, None);
    assert_eq!((weekly.to, weekly.days, weekly.interim), (Some(date(2026, 11, 13)), 356, true));
    assert!((weekly.coverage - 1.0).abs() < 1e-12);
}

#[test]
fn a_year_without_it_load_has_no_figure_and_a_day_without_is_in_it() {
    // Rated 5000 kW: 50 kW on average are needed, 1200 kWh a day. 365 days of 1000 kWh are 41.7 kW.
    let rated = Validity { minimum_it_watts: 50e3, ..RULES };
    let judge = |days: Vec<Day>| annual(&ledger(days), &flat_target(), TO, None, &rated, None);
    let empty = judge(flat(1_200_000));
    assert_eq!((empty.verdict, empty.reason, empty.pue), (Verdict::Unknown, "NoITLoad", None));
    assert_eq!(
        empty.message,
        "the IT equipment drew 41.7 kW on average from 2025-11-23 to 2026-11-22, and 50.0 kW (1 % of the rated IT power) \
         are needed"
    );
    // With 1201 kWh on all days but one of 840: on average more than 50 kW, and the idle day is in both sums.
    let mut days: Vec<Day> = dates(FROM, TO).map(|date| day(date, 1_441_200, 1_201_000)).collect();
    days[100] = day(days[100].date, 1_100_000, 840_000);
    let busy = judge(days);
    assert_eq!((busy.days, busy.it_wh), (365, 364 * 1_201_000 + 840_000));
    assert!(busy.pue.is_some());
}

#[test]
fn a_row_with_energy_below_zero_never_counts() {
    assert!(counts(&day(TO, 1, 0), 0.95));
    assert!(!counts(&day(TO, 1, -1), 0.95));
    assert!(!counts(&day(TO, -1, -2), 0.95));
}

#[test]
fn below_365_days_the_figure_is_interim_and_the_verdict_provisional() {
    let year = flat(1_300_000);
    let late = judge(year[1..].to_vec());
    assert_eq!((late.verdict, late.reason, late.interim), (Verdict::Provisional, "Interim", true));
    assert_eq!((late.pue, late.from, late.days), (Some(1.3), Some(date(2025, 11, 24)), 364));
    assert!((late.coverage - 1.0).abs() < 1e-12);

    let full = ledger(year);
    let young = annual(&full, &flat_target(), TO, Some(date(2026, 10, 24)), &RULES, None);
    assert_eq!((young.verdict, young.days), (Verdict::Provisional, 30));
    assert_eq!(
        young.message,
        "interim PUE 1.3000 over 30 days, 2026-10-24 to 2026-11-22, is above the target 1.2500: 1500 kWh more than it \
         allows; a verdict needs 365 days"
    );
    // Commissioned long before: the year is full.
    let old = annual(&full, &flat_target(), TO, Some(date(2020, 1, 1)), &RULES, None);
    assert_eq!(old.verdict, Verdict::Violated);
}

/// Removes `count` days of each of `months` (after the span's first day).
fn without(mut days: Vec<Day>, gaps: &[((i16, i8), usize)]) -> Vec<Day> {
    for &((year, month), count) in gaps {
        let mut left = count;
        days.retain(|day| {
            let drop = left > 0 && (day.date.year(), day.date.month()) == (year, month);
            left -= usize::from(drop);
            !drop
        });
    }
    days
}

#[test]
fn a_span_needs_95_percent() {
    // 18 missing days: 347/365 = 95.07 %. 19: 346/365 = 94.79 %.
    let enough = judge(without(flat(1_200_000), &[((2026, 3), 6), ((2026, 5), 6), ((2026, 7), 6)]));
    assert_eq!((enough.verdict, enough.days), (Verdict::Compliant, 347));
    assert!((enough.coverage - 347.0 / 365.0).abs() < 1e-12);

    let exact = flat(1_200_000).into_iter().map(|day| Day { it_coverage: 9_500, ..day });
    assert_eq!(judge(exact.collect()).verdict, Verdict::Compliant, "95 % of every day are 95 %");

    let gaps = [((2026, 3), 6), ((2026, 5), 6), ((2026, 7), 6), ((2026, 8), 1)];
    let thin = judge(without(flat(1_200_000), &gaps));
    assert_eq!((thin.verdict, thin.reason, thin.pue), (Verdict::Unknown, "LowCoverage", None));
    assert_eq!(
        thin.message,
        "94.8 % of the 365 days from 2025-11-23 to 2026-11-22 are metered on both sides, 95 % are needed"
    );
}

#[test]
fn the_span_needs_what_the_spec_asks_for() {
    // 40 of 365 days are missing, never more than 6 of a month: 89.0 %.
    let months = [(2025, 12), (2026, 1), (2026, 2), (2026, 3), (2026, 4), (2026, 5), (2026, 6), (2026, 7)];
    let days = without(flat(1_200_000), &months.map(|month| (month, 5)));
    let at = |minimum_coverage| {
        let rules = Validity { minimum_coverage, ..RULES };
        annual(&ledger(days.clone()), &flat_target(), TO, None, &rules, None)
    };
    assert_eq!((at(0.85).verdict, at(0.89).verdict), (Verdict::Compliant, Verdict::Compliant));
    assert_eq!(at(0.90).reason, "LowCoverage");
    assert!(at(0.90).message.ends_with(
        "89.0 % of the 365 days from 2025-11-23 to 2026-11-22 are metered on both sides, 90 % are needed"
    ));
}

#[test]
fn each_side_has_its_own_coverage() {
    // 100 days of 98 % IT: (265 + 98) / 365 = 99.45 % on that side.
    let mut days = flat(1_200_000);
    for day in &mut days[..100] {
        day.it_coverage = 9_800;
    }
    let judged = judge(days);
    assert!((judged.facility_coverage - 1.0).abs() < 1e-12);
    assert!((judged.it_coverage - 363.0 / 365.0).abs() < 1e-12);
    assert!((judged.coverage - judged.it_coverage).abs() < 1e-12);
}

#[test]
fn no_month_may_have_less_than_80_percent() {
    // July has 31 days: 25 of them are 80.6 %, 24 are 77.4 %.
    assert_eq!(judge(without(flat(1_200_000), &[((2026, 7), 6)])).verdict, Verdict::Compliant);
    let thin = judge(without(flat(1_200_000), &[((2026, 7), 7)]));
    assert_eq!((thin.verdict, thin.reason), (Verdict::Unknown, "MonthUnderCovered"));
    assert_eq!(thin.message, "2026-07 is metered to 77.4 %, 80 % of every month are needed");

    // With days of 80 % counted, a July of nothing else has 80 %, and the year (334 + 31·0.8)/365 = 98.3 %.
    let july = |coverage| {
        let days = flat(1_200_000).into_iter().map(|day| match day.date.month() {
            7 => Day { facility_coverage: coverage, ..day },
            _ => day,
        });
        annual(&ledger(days), &flat_target(), TO, None, &Validity { minimum_coverage: 0.5, ..RULES }, None)
            .reason
    };
    assert_eq!((july(8_000), july(7_999)), ("WithinTarget", "MonthUnderCovered"));

    // Of November 2025 the span holds 8 days (23 to 30), too few to be judged by themselves.
    let mut edge = flat(1_200_000);
    edge.drain(1..8);
    assert_eq!(judge(edge).verdict, Verdict::Compliant);
}

#[test]
fn a_day_below_the_minimum_on_one_side_leaves_both_sums_out() {
    let mut days = flat(1_200_000);
    for (at, facility_coverage, it_coverage) in [(50, 9_499, 10_000), (90, 10_000, 0)] {
        days[at] = Day { facility_coverage, it_coverage, ..day(days[at].date, 77_000_000, 1) };
    }
    days[150] = Day { facility_coverage: 9_500, ..days[150].clone() };
    let judged = judge(days);
    assert_eq!((judged.pue, judged.days), (Some(1.2), 363));
    assert_eq!((judged.facility_wh, judged.it_wh), (363 * 1_200_000, 363 * 1_000_000));
    // 362 whole days, one of 95 %, two that do not count: 362.95 / 365.
    assert!((judged.coverage - 362.95 / 365.0).abs() < 1e-12);
}

#[test]
fn what_cannot_be_true_is_unknown() {
    for (facility_wh, it_wh, reason) in [
        (990_000, 1_000_000, "BetterThanPerfect"),
        (0, 1_000_000, "BetterThanPerfect"),
        (10_001_000, 1_000_000, "MeterSuspect"),
        (1_000_000, 0, "NoITLoad"),
    ] {
        let days = dates(FROM, TO).map(|date| day(date, facility_wh, it_wh)).collect();
        let judged = judge(days);
        assert_eq!((judged.verdict, judged.reason, judged.pue), (Verdict::Unknown, reason, None));
    }
    // A closed day with less than its IT is marked suspect and counts for nothing: then no day does.
    let suspect = dates(FROM, TO).map(|date| Day { flags: Flags::SUSPECT, ..day(date, 900_000, 1_000_000) });
    let judged = judge(suspect.collect());
    assert_eq!((judged.verdict, judged.reason), (Verdict::Unknown, "BetterThanPerfect"));
    assert_eq!(
        judged.message,
        "no closed day has valid readings of 95 % of both sides; a feed is not metered, for the facility drew less than \
         its IT on 365 days"
    );
    let empty = judge(vec![]);
    assert_eq!((empty.verdict, empty.reason, empty.from), (Verdict::Unknown, "NoData", None));
}

#[test]
fn a_year_that_heads_above_its_target_puts_a_compliant_site_at_risk() {
    let judge = |facility, year_end| {
        let ahead = Projection { year_end, target: 1.25 };
        annual(&ledger(flat(facility)), &flat_target(), TO, None, &RULES, Some(ahead))
    };
    assert_eq!(judge(1_240_000, 1.25).verdict, Verdict::Compliant);
    assert_eq!(
        (judge(1_240_000, 1.26).verdict, judge(1_240_000, 1.26).reason),
        (Verdict::AtRisk, "ProjectedAboveTarget")
    );
    // A good outlook does not mend a violated year.
    assert_eq!(judge(1_260_000, 1.2).verdict, Verdict::Violated);
}

#[test]
fn days_before_the_first_target_give_no_verdict() {
    // 1400/1000 in 2025 (39 days), 1200/1000 since the target began: no verdict until a year is under a target.
    let days = dates(FROM, TO)
        .map(|date| day(date, if date.year() == 2025 { 1_400_000 } else { 1_200_000 }, 1_000_000));
    let ledger = ledger(days);
    let new = annual(&ledger, &glide(&[("2026-01-01", "1.25")]), TO, None, &RULES, None);
    assert_eq!((new.verdict, new.reason, new.target), (Verdict::Provisional, "TargetIsNew", Some(1.25)));
    // (39·1400 + 326·1200) / 365 000 = 445 800 / 365 000.
    assert!((new.pue.unwrap() - 445.8 / 365.0).abs() < 1e-12);
    assert!(
        new.message.ends_with("the 326 days under one have 1.2000, which is at or under the target 1.2500")
    );

    let none = annual(&ledger, &glide(&[("2027-01-01", "1.25")]), TO, None, &RULES, None);
    assert_eq!((none.verdict, none.reason, none.target), (Verdict::Unknown, "NoTarget", None));
    assert!(none.pue.is_some(), "the figure itself is valid");
}

proptest! {
    // Each case judges up to forty years.
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_gap_never_raises_coverage_and_never_makes_a_pass(
        // The first day stays: without it the span itself would be shorter.
        gone in prop::collection::btree_set(1_usize..365, 0..40),
        facility in 1_100_000_i64..1_400_000,
    ) {
        let whole = judge(flat(facility));
        let mut left = flat(facility);
        let mut coverage = whole.coverage;
        for at in gone.iter().rev() {
            left.remove(*at);
            let judged = judge(left.clone());
            prop_assert!(judged.coverage < coverage);
            prop_assert!(judged.verdict == whole.verdict || judged.verdict == Verdict::Unknown);
            coverage = judged.coverage;
        }
    }

    #[test]
    fn the_figure_lies_between_the_best_and_the_worst_day(
        days in prop::collection::vec((1_i64..5_000_000, 0_i64..1_000_000), 365),
    ) {
        let ratios: Vec<f64> = days.iter().map(|(it, over)| (it + over) as f64 / *it as f64).collect();
        let filled = dates(FROM, TO).zip(&days).map(|(date, (it, over))| day(date, it + over, *it)).collect();
        if let Some(pue) = judge(filled).pue {
            let best = ratios.iter().copied().fold(f64::MAX, f64::min);
            let worst = ratios.iter().copied().fold(0.0, f64::max);
            prop_assert!(best - 1e-12 <= pue && pue <= worst + 1e-12);
        }
    }
}
