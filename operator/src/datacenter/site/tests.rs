//! Worked examples of sites. Meters are read every 15 minutes, at constant power unless an example says otherwise.

// The shares and powers compared here are quarters and thousands, which f64 holds exactly.
#![allow(clippy::float_cmp)]

use jiff::civil::date;

use super::*;
use crate::datacenter::energy::{Kind, Sample};

const HOUR: i64 = 3_600_000;
const QUARTER: i64 = HOUR / 4;
const DAY: Window = Window { from: 0, to: 24 * HOUR };
const RULES: Validity = Validity { minimum_coverage: 0.95, minimum_it_watts: 1000.0 };

fn rules() -> MeterRules {
    MeterRules {
        kind: Kind::Counter { max_value: None },
        base_factor: 1e3,
        interval_ms: QUARTER,
        rated_watts: Some(1e6),
        valid_from: None,
        valid_to: None,
    }
}

/// A counter in kWh from an hour before the day to an hour after it, whose power in kW at each quarter is `power`.
fn varying(name: &str, purpose: Purpose, power: impl Fn(i64) -> f64) -> MeterInput {
    let mut value = 50_000.0;
    let samples = (-4..=100)
        .map(|quarter| {
            let sample = Sample { at: quarter * QUARTER, value };
            value += power(quarter * QUARTER) * 0.25;
            sample
        })
        .collect();
    let position = (purpose == Purpose::It).then_some(Position::Pdu);
    let curve = Some(Curve::new(rules(), samples));
    MeterInput { name: name.to_owned(), purpose, position, rules: rules(), curve, fault: None }
}

fn steady(name: &str, purpose: Purpose, kilowatts: f64) -> MeterInput {
    varying(name, purpose, |_| kilowatts)
}

/// `meter` with the readings for which `keep` holds of their time.
fn only(power: f64, name: &str, purpose: Purpose, keep: impl Fn(i64) -> bool) -> MeterInput {
    let samples = (-4..=100)
        .map(|quarter| Sample { at: quarter * QUARTER, value: 50_000.0 + power * 0.25 * quarter as f64 })
        .filter(|sample| keep(sample.at))
        .collect();
    MeterInput { curve: Some(Curve::new(rules(), samples)), ..steady(name, purpose, 0.0) }
}

fn absent(name: &str, purpose: Purpose) -> MeterInput {
    MeterInput {
        curve: None,
        fault: Some("the server answered 401".to_owned()),
        ..steady(name, purpose, 0.0)
    }
}

fn served(mut meter: MeterInput, valid_from: Option<i64>, valid_to: Option<i64>) -> MeterInput {
    meter.rules = MeterRules { valid_from, valid_to, ..meter.rules };
    meter
}

#[track_caller]
fn assert_kwh(energy: Option<f64>, kwh: f64) {
    let energy = energy.unwrap() / 1e3;
    assert!((energy - kwh).abs() < 1e-6, "{energy} kWh, not {kwh}");
}

fn meter<'a>(reading: &'a SiteReading, name: &str) -> &'a MeterReading {
    reading.meters.iter().find(|meter| meter.name == name).unwrap()
}

#[test]
fn feeds_and_generator_are_summed_and_excluded_loads_subtracted() {
    // A 60 kW, B 50 kW, generator 20 kW, offices 4 kW: 126 kW · 24 h = 3024 kWh. IT 70 + 30 kW: 2400 kWh. PUE 1.26.
    let site = [
        steady("a", Purpose::Facility, 60.0),
        steady("b", Purpose::Facility, 50.0),
        steady("generator", Purpose::Generator, 20.0),
        steady("offices", Purpose::Excluded, 4.0),
        steady("pdu-1", Purpose::It, 70.0),
        steady("pdu-2", Purpose::It, 30.0),
    ];
    let reading = evaluate(&site, DAY, &RULES);
    assert_kwh(reading.facility_wh, 3024.0);
    assert_kwh(reading.it_wh, 2400.0);
    assert!((reading.pue.clone().unwrap() - 1.26).abs() < 1e-9);
    assert_eq!((reading.facility_coverage, reading.it_coverage, reading.span), (1.0, 1.0, DAY));
    assert!(reading.meters.iter().all(|meter| meter.faults.is_empty()));
}

#[test]
fn coverage_is_that_of_the_worst_meter() {
    // pdu-2 has no reading between 6:00 and 9:00: 3 of 24 hours, 87.5 %. A mean over the two would be 93.75 %.
    let gap = |at: i64| at <= 6 * HOUR || at >= 9 * HOUR;
    let site = [
        steady("a", Purpose::Facility, 130.0),
        steady("pdu-1", Purpose::It, 70.0),
        only(30.0, "pdu-2", Purpose::It, gap),
    ];
    let reading = evaluate(&site, DAY, &RULES);
    assert_eq!((reading.facility_coverage, reading.it_coverage), (1.0, 0.875));
    // The energy is kept: 100 kW · 24 h.
    assert_kwh(reading.it_wh, 2400.0);
    let low =
        Invalid::LowCoverage { side: Side::It, percent: 87, minimum_percent: 95, meter: "pdu-2".to_owned() };
    assert_eq!(reading.pue, Err(low.clone()));
    assert_eq!(
        low.to_string(),
        "the IT side is metered for 87 % of the window, and 95 % are needed; meter pdu-2 has the largest gap: look for missing or standing readings of it"
    );
    assert_eq!(meter(&reading, "pdu-2").faults, [Fault::Gaps { percent: 87 }]);
}

#[test]
fn an_absent_meter_makes_its_side_unknown() {
    let site = [
        steady("a", Purpose::Facility, 130.0),
        absent("b", Purpose::Facility),
        steady("pdu", Purpose::It, 100.0),
    ];
    let reading = evaluate(&site, DAY, &RULES);
    assert_eq!((reading.facility_wh, reading.facility_coverage), (None, 0.0));
    assert_kwh(reading.it_wh, 2400.0);
    let why = "the server answered 401".to_owned();
    assert_eq!(reading.pue, Err(Invalid::MeterAbsent { name: "b".to_owned(), why: why.clone() }));
    assert_eq!(meter(&reading, "b").faults, [Fault::Absent { why }]);
    // A meter whose readings all lie outside the window is absent as well, and so is one without a series.
    for curve in [only(1.0, "b", Purpose::Facility, |at| at < 0).curve, None] {
        let site = [
            steady("a", Purpose::Facility, 130.0),
            MeterInput { curve, ..steady("b", Purpose::Facility, 1.0) },
            steady("pdu", Purpose::It, 100.0),
        ];
        assert!(
            matches!(evaluate(&site, DAY, &RULES).pue, Err(Invalid::MeterAbsent { name, .. }) if name == "b")
        );
    }
}

#[test]
fn a_side_without_any_meter_is_unknown() {
    let reading = evaluate(&[steady("a", Purpose::Facility, 130.0)], DAY, &RULES);
    assert_eq!(reading.it_wh, None);
    assert!(matches!(reading.pue, Err(Invalid::MeterAbsent { .. })));
    assert!(matches!(evaluate(&[], DAY, &RULES).pue, Err(Invalid::MeterAbsent { .. })));
}

#[test]
fn meters_of_other_figures_never_make_the_pue_invalid() {
    let site = [
        steady("a", Purpose::Facility, 130.0),
        steady("pdu", Purpose::It, 100.0),
        steady("sun", Purpose::Renewable, 25.0),
        absent("water", Purpose::Water),
        only(5.0, "heat", Purpose::Reuse, |at| at < 12 * HOUR),
    ];
    let reading = evaluate(&site, DAY, &RULES);
    assert!((reading.pue.unwrap() - 1.3).abs() < 1e-9);
    // 25 kW · 24 h; the half day of heat and the absent water are not known, and not zero.
    assert_kwh(reading.extras.renewable_wh, 600.0);
    assert_eq!(
        (reading.extras.reuse_wh, reading.extras.water_ml, reading.extras.carbon_g),
        (None, None, None)
    );
}

#[test]
fn a_replaced_meter_is_covered_by_itself_and_its_successor() {
    // Replaced at noon. The old one's last reading is at 11:45, the new one's first at 12:00: 15 minutes are lost, 1 % of
    // the day, and 25 kWh of 2400.
    let it = |name: &str, valid_from: Option<i64>, valid_to: Option<i64>| {
        let rules = MeterRules { valid_from, valid_to, ..rules() };
        let samples =
            (-4..=100).map(|quarter| Sample { at: quarter * QUARTER, value: 25.0 * quarter as f64 + 9e3 });
        let curve = Some(Curve::new(rules, samples.collect()));
        MeterInput { rules, curve, ..steady(name, Purpose::It, 0.0) }
    };
    let noon = Some(12 * HOUR);
    let site = [steady("a", Purpose::Facility, 130.0), it("old", None, noon), it("new", noon, None)];
    let reading = evaluate(&site, DAY, &RULES);
    assert_kwh(reading.it_wh, 2375.0);
    assert_kwh(reading.facility_wh, 3120.0);
    assert!((reading.it_coverage - (1.0 - 15.0 / 1440.0)).abs() < 1e-9);
    assert_eq!(reading.span, DAY);
    // The day after, the old meter is not asked for; nor was the new one before.
    let next = Window { from: 24 * HOUR, to: 25 * HOUR };
    let names: Vec<String> =
        evaluate(&site, next, &RULES).meters.into_iter().map(|meter| meter.name).collect();
    assert_eq!(names, ["a", "new"]);
}

#[test]
fn a_retired_meter_without_a_series_may_miss_as_much_as_the_coverage_allows() {
    let site = |end: i64| {
        [
            steady("a", Purpose::Facility, 130.0),
            served(absent("old", Purpose::It), None, Some(end)),
            steady("new", Purpose::It, 100.0),
        ]
    };
    // One hour of a day is 4.2 %, two are 8.3 %.
    let reading = evaluate(&site(HOUR), DAY, &RULES);
    assert!((reading.it_coverage - 23.0 / 24.0).abs() < 1e-9);
    assert!(reading.pue.is_ok());
    assert!(matches!(evaluate(&site(2 * HOUR), DAY, &RULES).pue, Err(Invalid::MeterAbsent { .. })));
}

#[test]
fn both_sides_are_cut_where_the_first_meter_ends() {
    // IT read until 23:15 only (3.1 % missing): 23.25 h · 100 kW against the facility's 23.25 h, not 24 h, or the PUE would
    // be 1.342. Coverage is still counted over the day.
    let site = [
        steady("a", Purpose::Facility, 130.0),
        only(100.0, "pdu", Purpose::It, |at| at <= 23 * HOUR + QUARTER),
    ];
    let reading = evaluate(&site, DAY, &RULES);
    assert_eq!(reading.span, Window { from: 0, to: 23 * HOUR + QUARTER });
    assert_kwh(reading.facility_wh, 3022.5);
    assert_kwh(reading.it_wh, 2325.0);
    assert!((reading.pue.unwrap() - 1.3).abs() < 1e-9);
    assert!((reading.it_coverage - 23.25 / 24.0).abs() < 1e-9);
    assert_eq!(reading.facility_coverage, 1.0);
}

#[test]
fn an_it_meter_that_stands_while_others_draw_is_stuck() {
    // Stands from 6:00 to 9:00: three hours of its coverage are worth nothing.
    let stands = |at: i64| if (6 * HOUR..9 * HOUR).contains(&at) { 0.0 } else { 30.0 };
    let site = [
        steady("a", Purpose::Facility, 130.0),
        steady("pdu-1", Purpose::It, 70.0),
        varying("pdu-2", Purpose::It, stands),
    ];
    let reading = evaluate(&site, DAY, &RULES);
    assert_eq!(reading.it_coverage, 0.875);
    assert_eq!(meter(&reading, "pdu-2").reading.stuck_ms, 3 * HOUR);
    let faults = [Fault::Gaps { percent: 87 }, Fault::Stuck { minutes: 180 }];
    assert_eq!(meter(&reading, "pdu-2").faults, faults);
    assert!(matches!(reading.pue, Err(Invalid::LowCoverage { side: Side::It, .. })));
}

#[test]
fn a_feed_may_idle_while_the_other_carries_the_load() {
    // B idles all day; A alone supplies 130 kW for 100 kW of IT.
    let site = [
        steady("a", Purpose::Facility, 130.0),
        steady("b", Purpose::Facility, 0.0),
        steady("pdu", Purpose::It, 100.0),
    ];
    let reading = evaluate(&site, DAY, &RULES);
    assert!((reading.pue.clone().unwrap() - 1.3).abs() < 1e-9);
    assert_eq!(meter(&reading, "b").reading.stuck_ms, 0);
    // But if A shows 80 kW, less than IT draws, then B cannot be idle.
    let site = [
        steady("a", Purpose::Facility, 80.0),
        steady("b", Purpose::Facility, 0.0),
        steady("pdu", Purpose::It, 100.0),
    ];
    let reading = evaluate(&site, DAY, &RULES);
    assert_eq!(meter(&reading, "b").reading.stuck_ms, 24 * HOUR);
    assert!(matches!(reading.pue, Err(Invalid::LowCoverage { side: Side::Facility, .. })));
}

#[test]
fn a_feed_may_idle_while_the_generator_runs() {
    let outage = |at: i64| (6 * HOUR..9 * HOUR).contains(&at);
    let site = [
        varying("a", Purpose::Facility, |at| if outage(at) { 0.0 } else { 130.0 }),
        varying("generator", Purpose::Generator, |at| if outage(at) { 130.0 } else { 0.0 }),
        steady("pdu", Purpose::It, 100.0),
    ];
    let reading = evaluate(&site, DAY, &RULES);
    assert!((reading.pue.unwrap() - 1.3).abs() < 1e-9);
    assert_eq!((reading.facility_coverage, reading.it_coverage), (1.0, 1.0));
}

#[test]
fn meters_that_all_stand_still_are_frozen_and_no_site_without_load() {
    let frozen = |at: i64| if at >= 12 * HOUR { 0.0 } else { 100.0 };
    let site = [varying("a", Purpose::Facility, frozen), varying("pdu", Purpose::It, frozen)];
    let reading = evaluate(&site, DAY, &RULES);
    assert_eq!(reading.facility_coverage, 0.5);
    assert!(matches!(reading.pue, Err(Invalid::LowCoverage { side: Side::Facility, percent: 50, .. })));
}

#[test]
fn ratios_that_cannot_be_are_no_pue() {
    let site = |facility: f64, excluded: f64, it: f64| {
        let site = [
            steady("a", Purpose::Facility, facility),
            steady("offices", Purpose::Excluded, excluded),
            steady("pdu", Purpose::It, it),
        ];
        evaluate(&site, DAY, &RULES)
    };
    // 99 / 100, 1001 / 100, (50 − 60) kW, and 0.9 kW against the 1 kW that the rules ask for, each over 24 h.
    assert_eq!(site(100.0, 1.0, 100.0).pue, Err(Invalid::BetterThanPerfect { pue: 0.99 }));
    assert_eq!(site(1002.0, 1.0, 100.0).pue, Err(Invalid::AboveTen { pue: 10.01 }));
    let negative = site(50.0, 60.0, 100.0);
    assert!(
        matches!(negative.pue, Err(Invalid::NegativeFacility { excess_wh }) if (excess_wh - 240e3).abs() < 1e-3)
    );
    assert_kwh(negative.facility_wh, -240.0);
    let idle = site(100.0, 1.0, 0.9);
    assert!(
        matches!(idle.pue, Err(Invalid::NoITLoad { it_wh, minimum_wh }) if (it_wh - 21_600.0).abs() < 1e-3 && minimum_wh == 24e3)
    );
    assert!(site(101.0, 1.0, 100.0).pue.is_ok());
    assert!(site(1001.0, 1.0, 100.0).pue.is_ok());
}

#[test]
fn a_meter_that_starts_again_twice_a_day_is_suspect() {
    let it = |restarts: &[i64]| {
        let mut value = 50_000.0;
        let samples = (-4..=100)
            .map(|quarter| {
                value = if restarts.contains(&quarter) { 10.0 } else { value + 25.0 };
                Sample { at: quarter * QUARTER, value }
            })
            .collect();
        let it = MeterInput { curve: Some(Curve::new(rules(), samples)), ..steady("pdu", Purpose::It, 0.0) };
        [steady("a", Purpose::Facility, 130.0), it]
    };
    assert!(evaluate(&it(&[30]), DAY, &RULES).pue.is_ok());
    let reading = evaluate(&it(&[30, 60]), DAY, &RULES);
    assert_eq!(reading.pue, Err(Invalid::MeterSuspect { name: "pdu".to_owned(), resets: 2, allowed: 1 }));
    assert_eq!(meter(&reading, "pdu").faults, [Fault::Resets { resets: 2 }]);
    // Over 25 hours two are believed: one for each day that has begun.
    assert!(evaluate(&it(&[30, 60]), Window { from: -HOUR, to: 24 * HOUR }, &RULES).pue.is_ok());
}

#[test]
fn validity_follows_the_resource() {
    // 95 %, and one percent of 8000 kW.
    assert_eq!(Validity::new(95, Some(8000)), Validity { minimum_coverage: 0.95, minimum_it_watts: 80e3 });
    assert_eq!(Validity::new(80, None).minimum_it_watts, 0.0);
}

#[test]
fn the_category_is_that_of_the_worst_it_meter() {
    let it = |position: Position, interval_ms: i64| MeterInput {
        position: Some(position),
        rules: MeterRules { interval_ms, ..rules() },
        ..steady("m", Purpose::It, 1.0)
    };
    let of = |meters: &[MeterInput]| category(meters, DAY);
    // Position and interval: the lower level of the two.
    assert_eq!(of(&[it(Position::Rack, QUARTER)]), Some(3));
    assert_eq!(of(&[it(Position::Rack, HOUR)]), Some(2));
    assert_eq!(of(&[it(Position::Rack, 24 * HOUR)]), Some(2));
    assert_eq!(of(&[it(Position::Rack, 24 * HOUR + 1)]), Some(1));
    assert_eq!(of(&[it(Position::Pdu, 60_000)]), Some(2));
    assert_eq!(of(&[it(Position::Ups, 60_000)]), Some(1));
    // One worse meter decides, if it is in service.
    let ups = it(Position::Ups, QUARTER);
    assert_eq!(of(&[it(Position::Rack, QUARTER), ups.clone()]), Some(1));
    assert_eq!(of(&[it(Position::Rack, QUARTER), served(ups, None, Some(0))]), Some(3));
    assert_eq!(of(&[steady("a", Purpose::Facility, 1.0)]), None);
    assert_eq!(of(&[]), None);
}

#[test]
fn days_last_from_midnight_to_midnight_of_the_site() {
    // Shanghai has no summer time: 24 hours each, the first from 16:00 UTC of the day before.
    let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
    let days = split_into_days(&shanghai, date(2026, 2, 28), date(2026, 3, 1)).unwrap();
    let from = "2026-02-27T16:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
    assert_eq!(
        days,
        [
            (date(2026, 2, 28), Window { from, to: from + 24 * HOUR }),
            (date(2026, 3, 1), Window { from: from + 24 * HOUR, to: from + 48 * HOUR })
        ]
    );
    // Berlin: 23 hours on 29 March 2026, 25 on 25 October. Beirut's clocks jump at midnight: 29 March begins at 1:00.
    let hours = |zone: &str, month: i8, day: i8| {
        let date = date(2026, month, day);
        split_into_days(&TimeZone::get(zone).unwrap(), date, date).unwrap()[0].1.hours()
    };
    assert_eq!(hours("Europe/Berlin", 3, 29), 23.0);
    assert_eq!(hours("Europe/Berlin", 10, 25), 25.0);
    assert_eq!((hours("Asia/Beirut", 3, 28), hours("Asia/Beirut", 3, 29)), (24.0, 23.0));
    assert_eq!(split_into_days(&shanghai, date(2026, 3, 1), date(2026, 2, 28)).unwrap(), []);
}

#[test]
fn the_energy_of_a_short_day_is_that_of_its_hours() {
    // 100 kW on the 23 hours of 29 March 2026 in Berlin.
    let day = date(2026, 3, 29);
    let (_, window) = split_into_days(&TimeZone::get("Europe/Berlin").unwrap(), day, day).unwrap()[0];
    let samples = (-4..=100)
        .map(|quarter| Sample { at: window.from + quarter * QUARTER, value: 1e3 + 25.0 * quarter as f64 });
    let reading = Curve::new(rules(), samples.collect()).reading(window);
    assert!((reading.energy - 2300e3).abs() < 1e-6);
    assert_eq!((reading.expected_ms, reading.covered_ms), (23 * HOUR, 23 * HOUR));
}
