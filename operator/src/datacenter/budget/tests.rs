use jiff::civil::date;
use proptest::prelude::*;

use super::*;
use crate::datacenter::verdict::fixtures::{dates, day, glide, ledger};

const KWH: i64 = 1_000;

/// Days of 1000 kWh of IT and `overhead` kWh on top.
fn flat(first: Date, last: Date, overhead: i64) -> impl Iterator<Item = Day> {
    dates(first, last).map(move |date| day(date, (1_000 + overhead) * KWH, 1_000 * KWH))
}

fn flat_target() -> GlidePath {
    glide(&[("2020-01-01", "1.25")])
}

fn of(ledger: &Ledger, today: Date) -> Budget {
    budget(ledger, &flat_target(), today, None, 0.95, &[]).unwrap()
}

/// 182 days have passed, 1 January to 1 July; 183 remain.
const TODAY: Date = date(2026, 7, 2);

#[test]
fn a_year_on_a_good_course() {
    // Allowed: 365 days of 0.25·1000 = 91 250 kWh. Used: 182·240 = 43 680. The rest must keep
    // 1 + (91 250 − 43 680) / 183 000 = 1.259945.
    let budget = of(&ledger(flat(date(2026, 1, 1), date(2026, 7, 1), 240)), TODAY);
    assert_eq!((budget.allowed_wh, budget.used_wh), (91_250 * KWH, 43_680 * KWH));
    assert_eq!((budget.it_so_far_wh, budget.it_expected_wh), (182_000 * KWH, 183_000 * KWH));
    assert!((budget.required_for_rest_of_year.unwrap() - (1.0 + 47_570.0 / 183_000.0)).abs() < 1e-12);
    assert_eq!(budget.exhausted_on, None);
    let ahead = budget.projection.unwrap();
    assert!((ahead.year_end - 1.24).abs() < 1e-12 && (ahead.target - 1.25).abs() < 1e-12);
}

#[test]
fn a_year_on_a_bad_course_runs_out_on_a_day() {
    // 260 kWh a day: 350 days use 91 000 of the 91 250 kWh, 351 use 91 260. Day 351 of 2026 is 17 December.
    let budget = of(&ledger(flat(date(2026, 1, 1), date(2026, 7, 1), 260)), TODAY);
    assert_eq!(budget.exhausted_on, Some(date(2026, 12, 17)));
    assert!(
        (budget.required_for_rest_of_year.unwrap() - (1.0 + (91_250.0 - 47_320.0) / 183_000.0)).abs() < 1e-12
    );

    // By 30 December it ran out 13 days ago, and two days cannot make up for 94 380 − 91 250 kWh.
    let late = of(&ledger(flat(date(2026, 1, 1), date(2026, 12, 29), 260)), date(2026, 12, 30));
    assert_eq!((late.exhausted_on, late.required_for_rest_of_year), (Some(date(2026, 12, 17)), None));
}

#[test]
fn last_year_shapes_what_is_expected() {
    // June 2025: 800 and 200 kWh a day; July to December 2025: 900 and 270; 2026: 1000 and 250. The last 28 days are
    // 1.25 times last year's on both sides, so a remaining day is expected at 1125 and 337.5 kWh:
    // allowed 182·250 + 183·0.25·1125 = 45 500 + 51 468.75 = 96 968.75 kWh;
    // year's end 1 + (45 500 + 183·337.5) / (182 000 + 183·1125) = 1 + 107 262.5 / 387 875 = 1.276539;
    // 51 468.75 / 337.5 = 152.5, so it runs out on the 153rd day from 2 July: 1 December.
    let june = dates(date(2025, 6, 1), date(2025, 7, 1)).map(|date| day(date, 1_000 * KWH, 800 * KWH));
    let later = dates(date(2025, 7, 2), date(2025, 12, 31)).map(|date| day(date, 1_170 * KWH, 900 * KWH));
    let ledger = ledger(june.chain(later).chain(flat(date(2026, 1, 1), date(2026, 7, 1), 250)));
    let seasonal = of(&ledger, TODAY);
    assert_eq!(seasonal.it_expected_wh, 205_875 * KWH);
    assert_eq!(seasonal.allowed_wh, 96_968_750);
    assert!((seasonal.projection.unwrap().year_end - (1.0 + 107_262.5 / 387_875.0)).abs() < 1e-12);
    assert_eq!(seasonal.exhausted_on, Some(date(2026, 12, 1)));

    // Commissioned in 2026, what was metered before it is no guide: the mean of the last 28 days is.
    let young = budget(&ledger, &flat_target(), TODAY, Some(date(2026, 1, 1)), 0.95, &[]).unwrap();
    assert_eq!(young.it_expected_wh, 183_000 * KWH);
}

#[test]
fn an_allowance_that_is_just_used_up_has_not_run_out() {
    let exact = of(&ledger(flat(date(2026, 1, 1), date(2026, 7, 1), 250)), TODAY);
    assert_eq!(exact.exhausted_on, None);
    assert_eq!(exact.required_for_rest_of_year, Some(1.25));
    // The present day is not closed, whatever the ledger says of it.
    let early = flat(date(2026, 1, 1), date(2026, 7, 1), 250).chain([day(TODAY, 9_000 * KWH, 1_000 * KWH)]);
    assert_eq!(of(&ledger(early), TODAY), exact);
}

#[test]
fn a_few_days_of_last_year_are_no_guide() {
    // Last year's days had 500 kWh of IT. Of those 28 days back to 4 June, 14 are known from 18 June on, 13 from the 19th.
    let growing = ledger(
        dates(date(2025, 6, 18), date(2025, 7, 1))
            .map(|date| day(date, 625 * KWH, 500 * KWH))
            .chain(dates(date(2025, 7, 2), date(2025, 12, 31)).map(|date| day(date, 750 * KWH, 600 * KWH)))
            .chain(flat(date(2026, 1, 1), date(2026, 7, 1), 250)),
    );
    // Twice the 500 kWh of last year: a day of 600 is expected at 1200.
    assert_eq!(of(&growing, TODAY).it_expected_wh, 183 * 1_200 * KWH);
    let thin = ledger(growing.iter().filter(|day| day.date != date(2025, 6, 18)).cloned());
    assert_eq!(of(&thin, TODAY).it_expected_wh, 183 * 1_000 * KWH);
}

#[test]
fn days_that_do_not_count_leave_both_sides_out() {
    let mut days: Vec<Day> = flat(date(2026, 1, 1), date(2026, 7, 1), 240).collect();
    days[40] = Day { it_coverage: 9_000, ..day(days[40].date, 90_000 * KWH, KWH) };
    let budget = of(&ledger(days), TODAY);
    assert_eq!((budget.allowed_wh, budget.used_wh), (364 * 250 * KWH, 181 * 240 * KWH));
}

#[test]
fn a_step_in_the_year_and_a_late_start_are_seen() {
    // Target 1.30 to the end of June, 1.20 from July; in operation since 1 June. Past: 30 days at 300 and one at 200 kWh
    // allowed, 31·240 used. Rest: 183 days at 200.
    let steps = glide(&[("2026-01-01", "1.30"), ("2026-07-01", "1.20")]);
    let ledger = ledger(flat(date(2026, 1, 1), date(2026, 7, 1), 240));
    let late = budget(&ledger, &steps, TODAY, Some(date(2026, 6, 1)), 0.95, &[]).unwrap();
    assert_eq!(late.allowed_wh, (30 * 300 + 200 + 183 * 200) * KWH);
    assert_eq!(late.used_wh, 31 * 240 * KWH);

    // A target that begins in September allows and asks nothing before: 122 days of 250 kWh.
    let autumn = budget(&ledger, &glide(&[("2026-09-01", "1.25")]), TODAY, None, 0.95, &[]).unwrap();
    assert_eq!((autumn.allowed_wh, autumn.used_wh), (122 * 250 * KWH, 0));
    assert_eq!(autumn.burn_rates, []);
    assert!(budget(&ledger, &glide(&[("2027-01-01", "1.25")]), TODAY, None, 0.95, &[]).is_none());
    assert!(budget(&Ledger::default(), &flat_target(), TODAY, None, 0.95, &[]).is_none());
}

#[test]
fn a_target_of_one_allows_nothing() {
    let ledger = ledger(flat(date(2026, 1, 1), date(2026, 7, 1), 240));
    let hard = budget(&ledger, &glide(&[("2020-01-01", "1.0")]), TODAY, None, 0.95, &[]).unwrap();
    assert_eq!((hard.allowed_wh, hard.exhausted_on), (0, Some(date(2026, 1, 1))));
    assert_eq!((hard.burn_rates, hard.required_for_rest_of_year), (vec![], None));
}

/// Hourly windows that end at hour 1, 2, …, of (IT, overhead) in kWh.
fn hours(energies: &[(i64, i64)]) -> Vec<WindowEnergy> {
    let at = |hour: i64| Timestamp::from_second(1_800_000_000 + hour * 3600).unwrap();
    (0..)
        .zip(energies)
        .map(|(hour, (it, overhead))| WindowEnergy {
            from: at(hour),
            to: at(hour + 1),
            facility_wh: (it + overhead) * KWH,
            it_wh: it * KWH,
            target: Some(1.25),
        })
        .collect()
}

fn burns(ledger: &Ledger, recent: &[WindowEnergy]) -> Vec<(&'static str, f64)> {
    let budget = budget(ledger, &flat_target(), TODAY, None, 0.95, recent).unwrap();
    budget.burn_rates.iter().map(|burn| (burn.window, burn.rate)).collect()
}

#[test]
fn burn_rates_are_used_over_allowed() {
    // 172 quiet days of 200 kWh, three of 300, seven of 250 of which the last has 375; 250 are allowed each day.
    // 24h: 375/250 = 1.5. 168h: (6·250 + 375)/1750 = 1.0714. 720h: (20·200 + 3·300 + 6·250 + 375)/7500 = 6775/7500.
    let mut days: Vec<Day> = flat(date(2026, 1, 1), date(2026, 7, 1), 200).collect();
    for (at, overhead) in
        [(172, 300), (173, 300), (174, 300)].into_iter().chain((175..181).map(|at| (at, 250)))
    {
        days[at].facility_wh = (1_000 + overhead) * KWH;
    }
    days[181].facility_wh = 1_375 * KWH;
    // 1h: 30/25 = 1.2. 6h: (5·25 + 30)/150; the seventh hour back, of 90 kWh, is out of it.
    let mut recent = hours(&[(100, 90), (100, 25), (100, 25), (100, 25), (100, 25), (100, 25), (100, 30)]);
    recent.reverse();
    let expected = [
        ("1h", 1.2),
        ("6h", 155.0 / 150.0),
        ("24h", 1.5),
        ("168h", 1_875.0 / 1_750.0),
        ("720h", 6_775.0 / 7_500.0),
    ];
    for (found, wanted) in burns(&ledger(days), &recent).iter().zip(expected) {
        assert!(found.0 == wanted.0 && (found.1 - wanted.1).abs() < 1e-12, "{found:?} {wanted:?}");
    }
}

#[test]
fn a_burn_rate_without_its_readings_is_absent() {
    let names = |days: Vec<Day>, recent: &[WindowEnergy]| -> Vec<&'static str> {
        burns(&ledger(days), recent).into_iter().map(|(name, _)| name).collect()
    };
    let mut days: Vec<Day> = flat(date(2026, 1, 1), date(2026, 7, 1), 200).collect();
    // Five of six hours are 83 %, four are 67 %.
    assert_eq!(names(days.clone(), &hours(&[(100, 25); 5])), ["1h", "6h", "24h", "168h", "720h"]);
    assert_eq!(names(days.clone(), &hours(&[(100, 25); 4])), ["1h", "24h", "168h", "720h"]);
    // Yesterday is missing: 6 of 7 days are 86 %. With another day gone, 5 of 7 are 71 %.
    days.pop();
    assert_eq!(names(days.clone(), &[]), ["168h", "720h"]);
    days.pop();
    assert_eq!(names(days, &[]), ["720h"]);
}

#[test]
fn the_next_window_follows_the_trend_along_the_models_slope() {
    let model =
        Model { fixed_kw: 999.0, slope: 0.2, slope_se: 0.0, low: 1.2, high: 1.2, r_squared: 1.0, n: 30 };
    // IT 100, 110, 120 kW: 130 next. Overhead 30 kW now and 0.2·10 more: 32. PUE 1 + 32/130. The model's own level, of
    // 999 kW, has no say; nor has the hour before the last three.
    let recent = hours(&[(900, 25), (100, 25), (110, 26), (120, 30)]);
    assert!((next_window(&recent, Some(&model)).unwrap() - (1.0 + 32.0 / 130.0)).abs() < 1e-12);
    assert_eq!(next_window(&recent, None), None);
    assert_eq!(next_window(&recent[..1], Some(&model)), None);
    // 100, 40: the trend ends below nothing.
    assert_eq!(next_window(&hours(&[(100, 25), (40, 25)]), Some(&model)), None);
}

#[test]
fn hours_that_are_long_over_say_nothing_of_now() {
    // The last one ended two hours ago: it still does. A second later it does not.
    let recent = hours(&[(100, 25), (100, 30)]);
    let last = recent[1].to;
    assert_eq!(fresh(&recent, last + SignedDuration::from_hours(2)).len(), 2);
    assert!(fresh(&recent, last + SignedDuration::from_secs(7201)).is_empty());
    assert!(fresh(&[], last).is_empty());
}

proptest! {
    #[test]
    fn the_figures_of_a_year_agree_with_each_other(
        days in prop::collection::vec((1_i64..2_000, 0_i64..600), 1..364),
        target in 1_010_000_i64..1_600_000,
    ) {
        let first = date(2026, 1, 1);
        let today = first + i64::try_from(days.len()).unwrap().days();
        let filled: Vec<Day> =
            first.series(1.day()).zip(&days).map(|(at, (it, over))| day(at, (it + over) * KWH, it * KWH)).collect();
        let steps = glide(&[("2020-01-01", &(target as f64 / 1e6).to_string())]);
        let year = budget(&ledger(filled), &steps, today, None, 0.95, &[]).unwrap();
        let it = (year.it_so_far_wh + year.it_expected_wh) as f64;
        let ahead = year.projection.unwrap();

        // It runs out within the year exactly when the year is heading above its target.
        let margin = (ahead.year_end - ahead.target).abs() * it;
        if margin > 10.0 {
            prop_assert_eq!(year.exhausted_on.is_some(), ahead.year_end > ahead.target);
        }
        // A rest of the year at the required PUE ends it on the target.
        if let Some(required) = year.required_for_rest_of_year {
            let total = year.used_wh as f64 + (required - 1.0) * year.it_expected_wh as f64;
            // Both energies are rounded to a Wh, and the ratio multiplies one of them.
            prop_assert!((total - year.allowed_wh as f64).abs() < 1.0 + required);
        }
        // Energies add up: the sum over the days is the sum over any two parts of them.
        let used: i64 = days.iter().map(|(_, over)| over * KWH).sum();
        prop_assert_eq!(year.used_wh, used);
        prop_assert!((ahead.target - target as f64 / 1e6).abs() < 1e-9);
    }
}
