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
    assert_eq!((reading.facility_coverage, reading.it_coverage, reading.known_ms), (1.0, 1.0, 24 * HOUR));
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
    // the day. Nobody knows the 25 kWh of the IT equipment in them, so the facility's 32.5 kWh do not count either: 2375
    // and 3087.5 kWh, 1.30. With them the PUE would be 1.314.
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
    assert_kwh(reading.facility_wh, 3087.5);
    assert!((reading.pue.unwrap() - 1.3).abs() < 1e-9);
    assert!((reading.it_coverage - (1.0 - 15.0 / 1440.0)).abs() < 1e-9);
    assert_eq!((reading.facility_coverage, reading.known_ms), (1.0, 24 * HOUR - QUARTER));
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
    assert_eq!(reading.known_ms, 23 * HOUR + QUARTER);
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
    // A day of 25 hours is a day: two are one too many there as well. Over two days they are believed.
    let long = Window { from: -HOUR, to: 24 * HOUR };
    assert!(matches!(evaluate(&it(&[30, 60]), long, &RULES).pue, Err(Invalid::MeterSuspect { .. })));
    let two = Window { from: -24 * HOUR, to: 24 * HOUR };
    let lenient = Validity { minimum_coverage: 0.5, ..RULES };
    assert!(evaluate(&it(&[30, 60]), two, &lenient).pue.is_ok());
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

/// A gauge in kW of constant power with the readings for which `keep` holds of their time.
fn gauge(power: f64, name: &str, purpose: Purpose, keep: impl Fn(i64) -> bool) -> MeterInput {
    let rules = MeterRules { kind: Kind::Gauge, ..rules() };
    let samples = (-4..=100)
        .map(|quarter| Sample { at: quarter * QUARTER, value: power })
        .filter(|sample| keep(sample.at));
    MeterInput { rules, curve: Some(Curve::new(rules, samples.collect())), ..steady(name, purpose, 0.0) }
}

#[test]
fn a_gap_of_a_gauge_leaves_both_sides_out() {
    // The IT gauge says nothing between 6:00 and 7:00, 4.2 % of the day. 100 kW · 23 h = 2300 kWh, and of the facility the
    // same 23 hours: 2990 kWh, 1.30. Against all 24 hours, 3120 kWh, it would be 1.3565.
    let site = |it: MeterInput| [steady("a", Purpose::Facility, 130.0), it];
    let reading =
        evaluate(&site(gauge(100.0, "pdu", Purpose::It, |at| at <= 6 * HOUR || at >= 7 * HOUR)), DAY, &RULES);
    assert_kwh(reading.it_wh, 2300.0);
    assert_kwh(reading.facility_wh, 2990.0);
    assert!((reading.pue.unwrap() - 1.3).abs() < 1e-9);
    assert!((reading.it_coverage - 23.0 / 24.0).abs() < 1e-9);
    assert_eq!((reading.facility_coverage, reading.known_ms), (1.0, 23 * HOUR));
    // A counter tells what it counted in the gap: nothing is left out.
    let reading =
        evaluate(&site(only(100.0, "pdu", Purpose::It, |at| at <= 6 * HOUR || at >= 7 * HOUR)), DAY, &RULES);
    assert_kwh(reading.it_wh, 2400.0);
    assert_kwh(reading.facility_wh, 3120.0);
    assert_eq!(reading.known_ms, 24 * HOUR);
}

#[test]
fn a_rise_that_no_load_explains_leaves_both_sides_out() {
    // At 6:15 the IT register is set up by 100,000 kWh: the quarter of an hour before is not known. 23.75 h of 100 and
    // 130 kW.
    let samples = (-4..=100).map(|quarter| Sample {
        at: quarter * QUARTER,
        value: 50_000.0 + 25.0 * quarter as f64 + if quarter >= 25 { 100_000.0 } else { 0.0 },
    });
    let it =
        MeterInput { curve: Some(Curve::new(rules(), samples.collect())), ..steady("pdu", Purpose::It, 0.0) };
    let reading = evaluate(&[steady("a", Purpose::Facility, 130.0), it], DAY, &RULES);
    assert_kwh(reading.it_wh, 2375.0);
    assert_kwh(reading.facility_wh, 3087.5);
    assert!((reading.pue.unwrap() - 1.3).abs() < 1e-9);
}

#[test]
fn the_holes_of_a_meter_and_its_successor_add_up() {
    // Replaced at noon; the old one's last reading is at 11:45 and the new one's first at 12:15, so that each misses 15
    // minutes, 1 % of the day, and the side 30. 23.5 h of 100 and 130 kW. In the hour from 11:30 to 12:30 half is known:
    // 50 and 65 kWh, 1.30, where 130 kWh against 50 would be 2.6; but 50 % are too little.
    let it = |name: &str, valid_from: Option<i64>, valid_to: Option<i64>| {
        let rules = MeterRules { valid_from, valid_to, ..rules() };
        let samples = (-4..=100)
            .filter(|quarter| *quarter != 48)
            .map(|quarter| Sample { at: quarter * QUARTER, value: 25.0 * quarter as f64 + 9e3 });
        let curve = Some(Curve::new(rules, samples.collect()));
        MeterInput { rules, curve, ..steady(name, Purpose::It, 0.0) }
    };
    let noon = Some(12 * HOUR);
    let site = [steady("a", Purpose::Facility, 130.0), it("old", None, noon), it("new", noon, None)];
    let reading = evaluate(&site, DAY, &RULES);
    assert!((reading.it_coverage - (1.0 - 30.0 / 1440.0)).abs() < 1e-9);
    assert_kwh(reading.it_wh, 2350.0);
    assert_kwh(reading.facility_wh, 3055.0);
    assert!((reading.pue.unwrap() - 1.3).abs() < 1e-9);
    let hour = Window { from: 11 * HOUR + 2 * QUARTER, to: 12 * HOUR + 2 * QUARTER };
    let reading = evaluate(&site, hour, &RULES);
    assert_kwh(reading.it_wh, 50.0);
    assert_kwh(reading.facility_wh, 65.0);
    assert!(matches!(reading.pue, Err(Invalid::LowCoverage { side: Side::It, percent: 50, .. })));
}

#[test]
fn standing_readings_leave_both_sides_out_unless_they_are_made_up_for() {
    // pdu-2, 30 of 100 kW, stands from 6:00 to 7:15. If the reading at 7:30 makes up for it, nothing is lost: 2400 kWh. If
    // not, 22.75 hours are known: 2275 and 2957.5 kWh. With 75 minutes missing the day is covered to 94.8 %.
    let lenient = Validity { minimum_coverage: 0.94, ..RULES };
    let read = |made_up: bool| {
        let mut shown = 0.0;
        let mut lost = 0.0;
        let samples = (-4..=100)
            .map(|quarter| {
                let value = 50_000.0 + 7.5 * quarter as f64;
                let stands = (25..=29).contains(&quarter);
                if !stands {
                    shown = value - lost;
                } else if !made_up {
                    lost += 7.5;
                }
                Sample { at: quarter * QUARTER, value: shown }
            })
            .collect();
        let stands =
            MeterInput { curve: Some(Curve::new(rules(), samples)), ..steady("pdu-2", Purpose::It, 0.0) };
        let site = [steady("a", Purpose::Facility, 130.0), steady("pdu-1", Purpose::It, 70.0), stands];
        evaluate(&site, DAY, &lenient)
    };
    for (made_up, it, facility) in [(true, 2400.0, 3120.0), (false, 2275.0, 2957.5)] {
        let reading = read(made_up);
        assert_kwh(reading.it_wh, it);
        assert_kwh(reading.facility_wh, facility);
        assert!((reading.pue.unwrap() - 1.3).abs() < 1e-9);
        assert!((reading.it_coverage - (1.0 - 75.0 / 1440.0)).abs() < 1e-9);
    }
}

#[test]
fn an_excluded_load_that_stood_and_made_up_for_it_was_stuck_and_one_that_was_off_was_not() {
    let site = |made_up: f64| {
        let offices = move |at: i64| match at {
            at if (6 * HOUR..9 * HOUR).contains(&at) => 0.0,
            at if at == 9 * HOUR => made_up,
            _ => 4.0,
        };
        [
            steady("a", Purpose::Facility, 134.0),
            varying("offices", Purpose::Excluded, offices),
            steady("pdu", Purpose::It, 100.0),
        ]
    };
    // Dark from 6:00 to 9:00. 134 · 24 − 4 · 21 = 3132 kWh, all of it covered.
    let reading = evaluate(&site(4.0), DAY, &RULES);
    assert_eq!(meter(&reading, "offices").reading.stuck_ms, 0);
    assert_kwh(reading.facility_wh, 3132.0);
    assert!(reading.pue.is_ok());
    // The meter stands for the same time, and the 12 kWh come in the next quarter: 48 kW above its 4.
    let reading = evaluate(&site(52.0), DAY, &RULES);
    assert_eq!(meter(&reading, "offices").reading.stuck_ms, 3 * HOUR);
    assert!(
        matches!(reading.pue, Err(Invalid::LowCoverage { side: Side::Facility, meter, .. }) if meter == "offices")
    );
}

#[test]
fn a_meter_that_starts_again_every_hour_is_suspect_in_every_hour() {
    // At each full hour it shows zero again: of every four quarters one, 25 of 100 kWh, is lost, and the PUE would be
    // 130 / 75 = 1.73 with all of the hour covered.
    let restarts = |hourly: bool| {
        let samples = (-4..=100)
            .map(|quarter: i64| Sample {
                at: quarter * QUARTER,
                value: 25.0
                    * (if hourly { quarter.rem_euclid(4) } else { (quarter - 40).rem_euclid(200) }) as f64,
            })
            .collect();
        let it = MeterInput { curve: Some(Curve::new(rules(), samples)), ..steady("pdu", Purpose::It, 0.0) };
        [steady("a", Purpose::Facility, 130.0), it]
    };
    let hour = Window { from: 11 * HOUR, to: 12 * HOUR };
    let reading = evaluate(&restarts(true), hour, &RULES);
    // Readings are at hand since 23:00 of the day before: restarts at 0:00, 1:00, … 12:00.
    assert_eq!(reading.pue, Err(Invalid::MeterSuspect { name: "pdu".to_owned(), resets: 13, allowed: 1 }));
    assert_eq!(meter(&reading, "pdu").faults, [Fault::Resets { resets: 13 }]);
    // One restart, at 10:00, is believed for as long as it is the only one.
    assert!(evaluate(&restarts(false), hour, &RULES).pue.is_ok());
}

#[test]
fn no_fall_without_a_reason_is_believed() {
    // At 6:00 the register is at 49,000 where it was at 50,575: no restart, and no rollover.
    let samples = (-4..=100).map(|quarter| Sample {
        at: quarter * QUARTER,
        value: 25.0 * quarter as f64 + if quarter >= 24 { 48_400.0 } else { 50_000.0 },
    });
    let it =
        MeterInput { curve: Some(Curve::new(rules(), samples.collect())), ..steady("pdu", Purpose::It, 0.0) };
    let site = [steady("a", Purpose::Facility, 130.0), it];
    let suspect = Err(Invalid::MeterSuspect { name: "pdu".to_owned(), resets: 1, allowed: 0 });
    assert_eq!(evaluate(&site, DAY, &RULES).pue, suspect);
    // Nor in an hour of that day after it.
    assert_eq!(evaluate(&site, Window { from: 11 * HOUR, to: 12 * HOUR }, &RULES).pue, suspect);
    assert!(evaluate(&site, Window { from: 4 * HOUR, to: 5 * HOUR }, &RULES).pue.is_ok());
}

#[test]
fn the_category_does_not_trust_a_declared_interval() {
    // Declared 15 minutes at the rack: category 3. Read once an hour: 2. Late by a minute: 3.
    let read_every = |spacing: i64| {
        let samples =
            (0..30).map(|index| Sample { at: index * spacing, value: 25.0 * index as f64 }).collect();
        MeterInput {
            position: Some(Position::Rack),
            curve: Some(Curve::new(rules(), samples)),
            ..steady("m", Purpose::It, 1.0)
        }
    };
    assert_eq!(category(&[read_every(QUARTER)], DAY), Some(3));
    assert_eq!(category(&[read_every(QUARTER + 60_000)], DAY), Some(3));
    assert_eq!(category(&[read_every(HOUR)], DAY), Some(2));
    assert_eq!(category(&[read_every(25 * HOUR)], DAY), Some(1));
    // A meter that is read more often than declared stays at what is declared.
    let daily = MeterInput { rules: MeterRules { interval_ms: 25 * HOUR, ..rules() }, ..read_every(QUARTER) };
    assert_eq!(category(&[daily], DAY), Some(1));
}
