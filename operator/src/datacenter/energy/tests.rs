//! Worked examples. Times are minutes; meters are read every 15 minutes in kWh unless an example says otherwise.

use super::*;

const MINUTE: i64 = 60_000;

/// A counter in kWh, read every 15 minutes, rated 100 kW: at most 1.2 · 100 kW · 0.25 h = 30 kWh an interval.
fn counter() -> MeterRules {
    MeterRules {
        kind: Kind::Counter { max_value: None },
        base_factor: 1e3,
        interval_ms: 15 * MINUTE,
        rated_watts: Some(100e3),
        valid_from: None,
        valid_to: None,
    }
}

fn gauge() -> MeterRules {
    MeterRules { kind: Kind::Gauge, ..counter() }
}

/// Readings at (minute, value).
fn curve(rules: MeterRules, readings: &[(i64, f64)]) -> Curve {
    Curve::new(
        rules,
        readings.iter().map(|(minute, value)| Sample { at: minute * MINUTE, value: *value }).collect(),
    )
}

/// A reading every 15 minutes from minute 0.
fn regular(values: &[f64]) -> Vec<(i64, f64)> {
    values.iter().zip(0..).map(|(value, index)| (index * 15, *value)).collect()
}

fn window(from: i64, to: i64) -> Window {
    Window { from: from * MINUTE, to: to * MINUTE }
}

fn flat(curve: &Curve) -> Vec<Window> {
    curve.flat_spans().iter().map(|flat| flat.span).collect()
}

#[track_caller]
fn assert_kwh(reading: &Reading, kwh: f64) {
    assert!((reading.energy / 1e3 - kwh).abs() < 1e-9, "{} kWh, not {kwh}", reading.energy / 1e3);
}

#[test]
fn a_counter_counts_the_difference_of_its_readings() {
    // 1000 → 1020 → 1041 → 1060 → 1080 kWh over an hour: 1080 − 1000 = 80 kWh, all 60 minutes covered.
    let reading =
        curve(counter(), &regular(&[1000.0, 1020.0, 1041.0, 1060.0, 1080.0])).reading(window(0, 60));
    assert_kwh(&reading, 80.0);
    assert_eq!((reading.covered_ms, reading.expected_ms, reading.gap_ms), (60 * MINUTE, 60 * MINUTE, 0));
    assert_eq!(reading.last_sample, Some(60 * MINUTE));
}

#[test]
fn the_base_is_the_last_reading_before_the_window_and_its_pair_is_split_at_the_edge() {
    // Readings at −5, 10, 25, 40, 55, 70 with 20 kWh between each. Of −5…10 the window has 10 of 15 minutes, of 55…70 it
    // has 5 of 15: 20 · 10/15 + 3 · 20 + 20 · 5/15 = 13.333 + 60 + 6.667 = 80 kWh.
    let readings: Vec<_> = (0..6).map(|index| (index * 15 - 5, 500.0 + 20.0 * index as f64)).collect();
    let reading = curve(counter(), &readings).reading(window(0, 60));
    assert_kwh(&reading, 80.0);
    assert_eq!((reading.covered_ms, reading.interpolated_ms), (60 * MINUTE, 0));
    assert_eq!(reading.last_sample, Some(55 * MINUTE));
}

#[test]
fn without_a_base_the_head_is_uncovered_and_without_a_later_reading_the_tail() {
    // First reading at 10, last at 55: 45 of 60 minutes, 3 · 20 kWh.
    let readings: Vec<_> = (0..4).map(|index| (10 + index * 15, 500.0 + 20.0 * index as f64)).collect();
    let reading = curve(counter(), &readings).reading(window(0, 60));
    assert_kwh(&reading, 60.0);
    assert_eq!((reading.covered_ms, reading.gap_ms), (45 * MINUTE, 15 * MINUTE));
}

#[test]
fn a_restart_counts_what_the_register_shows_after_it() {
    // 1000, 1020, then 4 after a restart, 24, 44: 20 + 4 + 20 + 20 = 64 kWh. What was counted between 1020 and the restart
    // is lost.
    let reading = curve(counter(), &regular(&[1000.0, 1020.0, 4.0, 24.0, 44.0])).reading(window(0, 60));
    assert_kwh(&reading, 64.0);
    assert_eq!((reading.resets, reading.rollovers, reading.spikes), (1, 0, 0));
    assert_eq!(reading.covered_ms, 60 * MINUTE);
}

#[test]
fn a_restart_belongs_to_the_window_that_ends_with_the_reading_that_shows_it() {
    let curve = curve(counter(), &regular(&[1000.0, 1020.0, 4.0, 24.0, 44.0]));
    assert_eq!(curve.reading(window(0, 30)).resets, 1);
    assert_eq!(curve.reading(window(30, 60)).resets, 0);
}

#[test]
fn a_rollover_counts_through_the_end_of_the_register() {
    // A register of 10,000 kWh: 9990 is above 9000 and 12 below 1000, so 10,000 − 9990 + 12 = 22; 20 before it, 20 after.
    let rules = MeterRules { kind: Kind::Counter { max_value: Some(10_000.0) }, ..counter() };
    let reading = curve(rules, &regular(&[9970.0, 9990.0, 12.0, 32.0])).reading(window(0, 45));
    assert_kwh(&reading, 62.0);
    assert_eq!((reading.resets, reading.rollovers), (0, 1));
    // 8000 is not near the end: 12 after a restart, even where 2012 kWh in an interval would be possible.
    let rules = MeterRules { rated_watts: Some(10e6), ..rules };
    let reading = curve(rules, &regular(&[7980.0, 8000.0, 12.0, 32.0])).reading(window(0, 45));
    assert_kwh(&reading, 52.0);
    assert_eq!((reading.resets, reading.rollovers), (1, 0));
}

#[test]
fn a_replaced_meter_and_its_successor_share_a_window() {
    // One series, device changed at minute 30: 1040 kWh on the old register at 29, 7 on the new at 31. The old meter serves
    // until 30, the new one from 30; what they read of each other's time is not used.
    let readings = [(0, 1000.0), (15, 1020.0), (29, 1040.0), (31, 7.0), (45, 27.0), (60, 47.0)];
    let old =
        curve(MeterRules { valid_to: Some(30 * MINUTE), ..counter() }, &readings).reading(window(0, 60));
    let new =
        curve(MeterRules { valid_from: Some(30 * MINUTE), ..counter() }, &readings).reading(window(0, 60));
    assert_kwh(&old, 40.0);
    assert_kwh(&new, 40.0);
    assert_eq!((old.expected_ms, old.covered_ms), (30 * MINUTE, 29 * MINUTE));
    assert_eq!((new.expected_ms, new.covered_ms), (30 * MINUTE, 29 * MINUTE));
    assert_eq!((old.resets, new.resets), (0, 0));
}

#[test]
fn a_meter_out_of_service_is_not_expected_to_cover_anything() {
    let rules = MeterRules { valid_to: Some(0), ..counter() };
    assert_eq!(curve(rules, &regular(&[1.0, 2.0])).reading(window(0, 60)), Reading::default());
}

#[test]
fn one_high_reading_adds_nothing() {
    // 900,000 between 1020 and 1060 would add its whole height, and its return as a restart the whole register. The pair
    // around it, 1020 → 1060 in 30 minutes, is 80 kW: in line.
    let reading =
        curve(counter(), &regular(&[1000.0, 1020.0, 900_000.0, 1060.0, 1080.0])).reading(window(0, 60));
    assert_kwh(&reading, 80.0);
    assert_eq!((reading.spikes, reading.resets), (1, 0));
    assert_eq!(reading.covered_ms, 60 * MINUTE);
}

#[test]
fn one_high_reading_adds_nothing_without_a_rating_either() {
    // Four good readings are too few for a limit, but a counter cannot rise to 900,000 and return to 1060.
    let rules = MeterRules { rated_watts: None, ..counter() };
    let reading = curve(rules, &regular(&[1000.0, 1020.0, 900_000.0, 1060.0, 1080.0])).reading(window(0, 60));
    assert_kwh(&reading, 80.0);
    assert_eq!(reading.spikes, 1);
}

#[test]
fn without_a_rating_the_meters_own_powers_set_the_limit() {
    // Thirty intervals of 20 kWh, and one rise of 500 kWh from which the register goes on: the 99th percentile of 31 powers
    // (index 0.99 · 30 = 29 of 0…30) is 80 kW, the limit 96 kW, and 500 kWh in 15 minutes are 2000 kW.
    let values: Vec<f64> = (0..32)
        .map(|index| 1000.0 + 20.0 * f64::from(index) + if index > 15 { 480.0 } else { 0.0 })
        .collect();
    let rules = MeterRules { rated_watts: None, ..counter() };
    let reading = curve(rules, &regular(&values)).reading(window(0, 31 * 15));
    assert_kwh(&reading, 600.0);
    assert_eq!((reading.spikes, reading.gap_ms), (1, 15 * MINUTE));
}

#[test]
fn without_a_rating_a_register_may_be_read_more_often_than_declared() {
    // Declared once in 15 minutes and scraped every minute, with a register that grows all the time: 80 kW are 1.333 kWh a
    // minute. Power is judged over the declared interval, not over a fifteenth of it.
    let readings: Vec<_> = (0..=480).map(|minute| (minute, 1000.0 + 80.0 / 60.0 * minute as f64)).collect();
    let reading = curve(MeterRules { rated_watts: None, ..counter() }, &readings).reading(window(0, 480));
    assert_kwh(&reading, 640.0);
    assert_eq!((reading.spikes, reading.covered_ms), (0, 480 * MINUTE));
}

#[test]
fn a_dip_of_a_tenth_does_not_add_the_register() {
    // 1,000,000 → 999,999.9 → 1,000,020: as a restart the dip would add 999,999.9 kWh. Two dips in a row are the same.
    let reading = curve(counter(), &regular(&[1e6, 999_999.9, 1e6 + 20.0])).reading(window(0, 30));
    assert_kwh(&reading, 20.0);
    assert_eq!((reading.resets, reading.spikes), (0, 1));
    let reading =
        curve(counter(), &regular(&[1e6, 999_999.9, 999_999.95, 1e6 + 20.0])).reading(window(0, 45));
    assert_kwh(&reading, 20.0);
    assert_eq!((reading.resets, reading.spikes), (0, 2));
    // Nor does it without a rating.
    let rules = MeterRules { rated_watts: None, ..counter() };
    let reading = curve(rules, &regular(&[1e6, 999_999.9, 1e6 + 20.0])).reading(window(0, 30));
    assert_kwh(&reading, 20.0);
}

#[test]
fn zeros_of_a_dead_exporter_are_no_restart() {
    // 0, 0 between 1,000,000 and 1,000,060: a restart to 0 would be possible, but not the jump back.
    for rated_watts in [Some(100e3), None] {
        let rules = MeterRules { rated_watts, ..counter() };
        let reading = curve(rules, &regular(&[999_980.0, 1e6, 0.0, 0.0, 1e6 + 60.0])).reading(window(0, 60));
        assert_kwh(&reading, 80.0);
        assert_eq!((reading.resets, reading.spikes), (0, 2));
        assert_eq!(reading.covered_ms, 60 * MINUTE);
    }
}

#[test]
fn zeros_of_a_dead_exporter_are_no_restart_however_many_there_are() {
    // Scraped every minute, updated every 15: 1000 kWh at minute 0 and 20 kWh more every 15 minutes. From minute 61 to 105,
    // 45 readings long, the exporter says zero; at 106 the register shows 1000 + 7 · 20 = 1140. From 60 (1080) to 106 it
    // has counted 60 kWh, and those 46 minutes are a gap: more than three intervals of 15.
    let register = |minute: i64| 1000.0 + 20.0 * (minute / 15) as f64;
    let readings: Vec<_> = (0..=180)
        .map(|minute| (minute, if (61..=105).contains(&minute) { 0.0 } else { register(minute) }))
        .collect();
    for rated_watts in [Some(100e3), None] {
        let reading = curve(MeterRules { rated_watts, ..counter() }, &readings).reading(window(0, 180));
        assert_kwh(&reading, 240.0);
        assert_eq!((reading.resets, reading.covered_ms), (0, (180 - 46) * MINUTE), "{rated_watts:?}");
        assert_eq!(reading.coarse_ms, 46 * MINUTE);
    }
    // A device that did start again at 61 goes on from there: 80 kWh until 60, and 8 steps of 20 until 180.
    let restarted: Vec<_> = (0..=180)
        .map(|minute| (minute, if minute > 60 { register(minute) - 1080.0 } else { register(minute) }))
        .collect();
    let reading = curve(counter(), &restarted).reading(window(0, 180));
    assert_kwh(&reading, 240.0);
    assert_eq!((reading.resets, reading.covered_ms), (1, 180 * MINUTE));
}

#[test]
fn a_low_register_that_started_again_may_pass_its_old_level() {
    // 30, then 5 after a restart, 25, 45, 65: 45 is in line with 30, but the register grew there step by step.
    // 5 + 20 + 20 + 20 = 65 kWh; as a dip it would be 35.
    let reading = curve(counter(), &regular(&[30.0, 5.0, 25.0, 45.0, 65.0])).reading(window(0, 60));
    assert_kwh(&reading, 65.0);
    assert_eq!((reading.resets, reading.spikes), (1, 0));
}

#[test]
fn a_fall_is_believed_only_when_the_next_readings_bear_it_out() {
    let used = |values: &[f64]| {
        let curve = curve(counter(), &regular(values));
        let reading = curve.reading(window(0, 240));
        (curve.last_sample().unwrap() / MINUTE, reading.resets, reading.spikes)
    };
    // At the last reading a zero may be the exporter's; with the next one it is a restart, or none.
    assert_eq!(used(&[1000.0, 1020.0, 0.0]), (15, 0, 0));
    assert_eq!(used(&[1000.0, 1020.0, 0.0, 20.0]), (45, 1, 0));
    assert_eq!(used(&[1000.0, 1020.0, 0.0, 1060.0]), (45, 0, 1));
    // Zeros alone say nothing for an hour after the last good reading, at 15; then the register has started again.
    assert_eq!(used(&[1000.0, 1020.0, 0.0, 0.0, 0.0]), (15, 0, 0));
    assert_eq!(used(&[1000.0, 1020.0, 0.0, 0.0, 0.0, 0.0]), (75, 1, 0));
    // Also the first reading after a long gap is one that only the next one bears out.
    let gap = [(0, 1000.0), (15, 1020.0), (135, 5.0)];
    assert_eq!(curve(counter(), &gap).last_sample(), Some(15 * MINUTE));
    let gap = [(0, 1000.0), (15, 1020.0), (135, 5.0), (150, 25.0)];
    assert_eq!(curve(counter(), &gap).reading(window(0, 150)).resets, 1);
    // A fall that nothing explains waits as long, and is told apart.
    assert_eq!(used(&[50_000.0, 50_020.0, 1000.0, 1020.0, 1040.0]), (15, 0, 0));
    let values = [50_000.0, 50_020.0, 1000.0, 1020.0, 1040.0, 1060.0];
    let reading = curve(counter(), &regular(&values)).reading(window(0, 75));
    assert_eq!((reading.resets, reading.falls), (1, 1));
    assert_eq!(curve(counter(), &regular(&[1020.0, 4.0, 24.0])).reading(window(0, 30)).falls, 0);
}

#[test]
fn zeros_of_a_dead_exporter_do_not_set_the_limit_that_is_to_tell_them() {
    // Forty intervals of 20 kWh with a zero after every fifth: eight jumps from zero to the whole register are a fifth of
    // all rises, far more than one in a hundred. A limit of 1.2 times such a jump would believe the 900,000 as well.
    let mut values = Vec::new();
    for index in 0..=40 {
        values.push(1000.0 + 20.0 * f64::from(index));
        if index % 5 == 4 {
            values.push(0.0);
        }
        if index == 22 {
            values.push(900_000.0);
        }
    }
    let rules = MeterRules { rated_watts: None, ..counter() };
    let reading = curve(rules, &regular(&values)).reading(window(0, 60 * 15));
    assert_kwh(&reading, 800.0);
    assert_eq!((reading.resets, reading.spikes), (0, 9));
}

#[test]
fn a_register_set_to_another_value_adds_nothing_and_leaves_its_pair_uncovered() {
    // 1000, 1020, then 50,000, 50,020, … (a device changed without a word): 20 before, 20 + 20 + 20 after.
    let values = [1000.0, 1020.0, 50_000.0, 50_020.0, 50_040.0, 50_060.0];
    let reading = curve(counter(), &regular(&values)).reading(window(0, 75));
    assert_kwh(&reading, 80.0);
    assert_eq!((reading.spikes, reading.resets, reading.gap_ms), (1, 0, 15 * MINUTE));
    // Downwards, to a value that no restart explains, it is counted among the resets.
    let values = [50_000.0, 50_020.0, 1000.0, 1020.0, 1040.0, 1060.0];
    let reading = curve(counter(), &regular(&values)).reading(window(0, 75));
    assert_kwh(&reading, 80.0);
    assert_eq!((reading.spikes, reading.resets, reading.gap_ms), (0, 1, 15 * MINUTE));
}

#[test]
fn a_step_of_the_register_is_no_spike() {
    // A meter rated 2 kW read every minute, with a register of whole kWh and a load of 1.5 kW: a step every 40 minutes. The
    // step implies 60 kW, far above 1.2 · 2 kW, and is real: 12 of them in 480 minutes, to within the one that is due.
    let rules = MeterRules { interval_ms: MINUTE, rated_watts: Some(2e3), ..counter() };
    let readings: Vec<_> =
        (0..=480).map(|minute| (minute, (1000.0 + 0.025 * minute as f64 + 1e-9).floor())).collect();
    let curve = curve(rules, &readings);
    assert_kwh(&curve.reading(window(0, 480)), 12.0);
    assert_eq!(curve.reading(window(0, 480)).spikes, 0);
    // Nor is the meter stuck between two steps.
    assert_eq!(curve.flat_spans(), []);
}

#[test]
fn a_register_that_is_read_more_often_than_it_is_updated_is_no_spike() {
    // Updated every 15 minutes by about 20 kWh (160 in two hours), read every minute: 20 kWh in one minute imply 1200 kW
    // and are 80 kW.
    let register = [0.0, 20.0, 37.3, 59.2, 77.6, 98.3, 117.4, 139.7, 160.0];
    let readings: Vec<_> =
        (0..=120).map(|minute| (minute, 1000.0 + register[usize::try_from(minute / 15).unwrap()])).collect();
    let reading = curve(counter(), &readings).reading(window(0, 120));
    assert_kwh(&reading, 160.0);
    assert_eq!((reading.spikes, reading.covered_ms), (0, 120 * MINUTE));
}

#[test]
fn a_gap_inside_a_window_keeps_its_energy_and_is_not_covered() {
    // Nothing between 15 and 75 (60 minutes, more than 3 · 15): 1120 − 1000 = 120 kWh are still exact.
    let readings = [(0, 1000.0), (15, 1020.0), (75, 1100.0), (90, 1120.0)];
    let reading = curve(counter(), &readings).reading(window(0, 90));
    assert_kwh(&reading, 120.0);
    assert_eq!((reading.covered_ms, reading.gap_ms), (30 * MINUTE, 60 * MINUTE));
    assert_eq!((reading.coarse_ms, reading.interpolated_ms), (60 * MINUTE, 0));
}

#[test]
fn a_gap_over_an_edge_is_split_in_proportion_to_time() {
    // The gap 15…75 holds 80 kWh. Until 45 that is half of it: 20 + 40 kWh, 30 minutes of it estimated.
    let readings = [(0, 1000.0), (15, 1020.0), (75, 1100.0), (90, 1120.0)];
    let reading = curve(counter(), &readings).reading(window(0, 45));
    assert_kwh(&reading, 60.0);
    assert_eq!(
        (reading.covered_ms, reading.interpolated_ms, reading.coarse_ms),
        (15 * MINUTE, 30 * MINUTE, 0)
    );
}

#[test]
fn a_restart_in_a_gap_keeps_what_was_counted_after_it() {
    // 1020 → [gap] → 30: at least 30 kWh, and nobody knows how much before. 20 + 30 + 20.
    let readings = [(0, 1000.0), (15, 1020.0), (75, 30.0), (90, 50.0)];
    let reading = curve(counter(), &readings).reading(window(0, 90));
    assert_kwh(&reading, 70.0);
    assert_eq!((reading.covered_ms, reading.coarse_ms, reading.resets), (30 * MINUTE, 0, 1));
}

#[test]
fn a_pair_three_intervals_apart_is_covered_and_one_a_moment_longer_is_not() {
    let at = |ms: i64| {
        let samples = vec![Sample { at: 0, value: 0.0 }, Sample { at: ms, value: 60.0 }];
        Curve::new(counter(), samples).reading(Window { from: 0, to: 46 * MINUTE }).covered_ms
    };
    assert_eq!(at(45 * MINUTE), 45 * MINUTE);
    assert_eq!(at(45 * MINUTE + 1), 0);
}

#[test]
fn a_gauge_is_integrated_by_trapezoids() {
    // 40, 80, 80, 40 kW every 15 minutes: (60 + 80 + 60) kW · 0.25 h = 50 kWh.
    let reading = curve(gauge(), &regular(&[40.0, 80.0, 80.0, 40.0])).reading(window(0, 45));
    assert_kwh(&reading, 50.0);
    assert_eq!(reading.covered_ms, 45 * MINUTE);
}

#[test]
fn a_gauge_is_cut_at_the_edge_of_a_window_along_its_trapezoid() {
    // From 40 kW at 0 to 80 kW at 15: at 5 it draws 53.33 kW. Until then (40 + 53.33)/2 · 5/60 = 3.889 kWh, after it
    // (53.33 + 80)/2 · 10/60 = 11.111; 15 kWh together. In proportion to time it would be 5 and 10.
    let ramp = curve(gauge(), &regular(&[40.0, 80.0]));
    assert_kwh(&ramp.reading(window(0, 5)), 3.5 / 0.9);
    assert_kwh(&ramp.reading(window(5, 15)), 10.0 / 0.9);
    assert_kwh(&ramp.reading(window(0, 15)), 15.0);
    // Down to zero and up from it.
    let triangle = curve(gauge(), &regular(&[0.0, 40.0, 0.0]));
    assert_kwh(&triangle.reading(window(0, 15)), 5.0);
    assert_kwh(&triangle.reading(window(0, 3)), 0.2);
    assert_kwh(&triangle.reading(window(27, 30)), 0.2);
}

#[test]
fn a_gauge_bridges_no_more_than_three_intervals() {
    // 60 minutes without a reading: nothing is counted there, neither exactly nor by estimate.
    let readings = [(0, 40.0), (15, 40.0), (75, 40.0), (90, 40.0)];
    let reading = curve(gauge(), &readings).reading(window(0, 90));
    assert_kwh(&reading, 20.0);
    assert_eq!((reading.covered_ms, reading.coarse_ms, reading.interpolated_ms), (30 * MINUTE, 0, 0));
}

#[test]
fn a_power_that_the_meter_cannot_have_is_dropped() {
    // 500 kW at a meter rated 100 kW: the trapezoid goes from 40 to 40 kW over it, 40 kW · 0.5 h = 20 kWh.
    let reading = curve(gauge(), &regular(&[40.0, 500.0, 40.0])).reading(window(0, 30));
    assert_kwh(&reading, 20.0);
    assert_eq!((reading.spikes, reading.covered_ms), (1, 30 * MINUTE));
}

#[test]
fn readings_that_are_no_numbers_leave_a_gap() {
    // The readings at 15, 30 and 45 are useless: 60 minutes between the two good ones.
    let values = [1000.0, f64::NAN, f64::INFINITY, -5.0, 1080.0];
    let reading = curve(counter(), &regular(&values)).reading(window(0, 60));
    assert_kwh(&reading, 80.0);
    assert_eq!(reading.covered_ms, 0);
    assert!(curve(counter(), &regular(&[f64::NAN])).is_empty());
}

#[test]
fn a_curve_without_readings_covers_nothing() {
    let reading = curve(counter(), &[]).reading(window(0, 60));
    assert_eq!((reading.expected_ms, reading.covered_ms, reading.gap_ms), (60 * MINUTE, 0, 60 * MINUTE));
    assert!(reading.is_blind());
    assert_eq!(reading.last_sample, None);
}

#[test]
fn standing_still_for_more_than_an_hour_is_told() {
    // Grows to 1020 at 15, stands until 90, grows again at 105: 75 minutes without energy. An hour is not more than one.
    let stands = regular(&[1000.0, 1020.0, 1020.0, 1020.0, 1020.0, 1020.0, 1020.0, 1041.0, 1060.0]);
    assert_eq!(flat(&curve(counter(), &stands)), [window(15, 90)]);
    let stands = regular(&[1000.0, 1020.0, 1020.0, 1020.0, 1020.0, 1020.0, 1041.0, 1060.0]);
    assert_eq!(flat(&curve(counter(), &stands)), []);
    // Still standing at the end; and a meter read once in an hour must stand for more than three.
    assert_eq!(flat(&curve(counter(), &regular(&[7.0; 6]))), [window(0, 75)]);
    let hourly = MeterRules { interval_ms: 60 * MINUTE, ..counter() };
    assert_eq!(curve(hourly, &[(0, 7.0), (60, 7.0), (120, 7.0), (180, 7.0)]).flat_spans().len(), 0);
    assert_eq!(flat(&curve(hourly, &[(0, 7.0), (60, 7.0), (120, 7.0), (240, 7.0)])), [window(0, 240)]);
}

#[test]
fn a_meter_read_seldom_stands_still_after_more_than_an_interval() {
    // Read once an hour: three rises, then two intervals without any are two hours.
    let hourly = MeterRules { interval_ms: 60 * MINUTE, ..counter() };
    let read = |values: &[f64]| -> Vec<(i64, f64)> {
        values.iter().zip(0..).map(|(value, index)| (index * 60, *value)).collect()
    };
    let stands = read(&[1000.0, 1080.0, 1161.3, 1240.0, 1240.0, 1240.0]);
    assert_eq!(flat(&curve(hourly, &stands)), [window(180, 300)]);
    // One interval is none, also if the reading comes late.
    let late = [(0, 1000.0), (60, 1080.0), (120, 1161.3), (180, 1240.0), (250, 1240.0), (310, 1320.0)];
    assert_eq!(flat(&curve(hourly, &late)), []);
    // A register of whole kWh at 0.4 kW stands for two hours between its steps, and is not stuck.
    let coarse = read(&[5.0, 5.0, 5.0, 6.0, 6.0, 7.0, 7.0, 7.0, 8.0, 8.0, 9.0]);
    assert_eq!(flat(&curve(hourly, &coarse)), []);
    // With two steps only nobody knows how coarse it is: three intervals and more.
    assert_eq!(flat(&curve(hourly, &read(&[5.0, 6.0, 6.0, 6.0, 7.0]))), []);
}

#[test]
fn readings_that_stood_still_and_made_up_for_it_say_so() {
    // 20 kWh an interval; from 30 to 105 the readings stand. The next one is higher by 6 · 20: nothing is lost. By 20: the
    // meter itself stood.
    let made_up = [1000.0, 1020.0, 1040.0, 1040.0, 1040.0, 1040.0, 1040.0, 1040.0, 1160.0, 1180.0];
    let rules = MeterRules { rated_watts: Some(1e6), ..counter() };
    let told = |values: &[f64]| {
        curve(rules, &regular(values))
            .flat_spans()
            .iter()
            .map(|flat| (flat.span, flat.caught_up))
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&made_up), [(window(30, 105), true)]);
    let lost = [1000.0, 1021.0, 1040.0, 1040.0, 1040.0, 1040.0, 1040.0, 1040.0, 1060.0, 1080.0];
    assert_eq!(told(&lost), [(window(30, 105), false)]);
}

#[test]
fn what_is_not_covered_and_what_is_not_known_are_told_apart() {
    // No reading from 15 to 75 of the counter: not covered, but known. Before 0 and after 90: neither.
    let readings = [(0, 1000.0), (15, 1020.0), (75, 1100.0), (90, 1120.0)];
    let counted = curve(counter(), &readings);
    assert_eq!(counted.uncovered(window(-10, 100)), [window(-10, 0), window(15, 75), window(90, 100)]);
    assert_eq!(counted.unknown(window(-10, 100)), [window(-10, 0), window(90, 100)]);
    assert_eq!(counted.unknown(window(20, 80)), []);
    // Of a gauge it is not known either, nor of a counter that started again in it.
    let readings = [(0, 40.0), (15, 40.0), (75, 40.0), (90, 40.0)];
    assert_eq!(curve(gauge(), &readings).unknown(window(20, 80)), [window(20, 75)]);
    let readings = [(0, 1000.0), (15, 1020.0), (75, 30.0), (90, 50.0)];
    assert_eq!(curve(counter(), &readings).unknown(window(20, 80)), [window(20, 75)]);
    // Without any reading all of its service is unknown.
    let rules = MeterRules { valid_from: Some(0), ..counter() };
    assert_eq!(curve(rules, &[]).unknown(window(-10, 100)), [window(0, 100)]);
}

#[test]
fn the_time_between_readings_is_their_median() {
    let curve_of = |minutes: &[i64]| {
        curve(counter(), &minutes.iter().map(|minute| (*minute, 1000.0 + *minute as f64)).collect::<Vec<_>>())
    };
    assert_eq!(curve_of(&[0, 15, 30, 90]).spacing_ms(), Some(15 * MINUTE));
    assert_eq!(curve_of(&[0, 15, 30]).spacing_ms(), None);
}

#[test]
fn a_gauge_at_zero_stands_still() {
    assert_eq!(
        flat(&curve(gauge(), &regular(&[40.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 40.0]))),
        [window(15, 90)]
    );
}

#[test]
fn readings_are_fetched_from_far_enough_before_and_behind_a_window() {
    let minutes = |interval: i64| {
        let rules = MeterRules { interval_ms: interval * MINUTE, ..counter() };
        (rules.lookback_ms() / MINUTE, rules.settle_ms() / MINUTE)
    };
    // Three intervals; at most an hour; but never less than an interval and a quarter.
    assert_eq!(minutes(4), (12, 5));
    assert_eq!(minutes(40), (60, 50));
    assert_eq!(minutes(60), (75, 75));
    assert_eq!(minutes(24 * 60), (30 * 60, 30 * 60));
}

#[test]
fn the_rules_of_a_meter_follow_its_resource() {
    let meter = Meter {
        name: "pdu".to_owned(),
        purpose: Purpose::It,
        position: None,
        query: "pdu".to_owned(),
        meter_type: MeterType::Counter,
        unit: banyan_crds::v1alpha1::Unit::Joule,
        interval: "1m".into(),
        rated_kilowatts: Some(50),
        max_value: Some(1000),
        valid_from: Some("1970-01-01T08:00:01+08:00".into()),
        valid_to: None,
    };
    let rules = MeterRules::from_meter(&meter).unwrap();
    let expected = MeterRules {
        kind: Kind::Counter { max_value: Some(1000.0) },
        base_factor: 1.0 / 3600.0,
        interval_ms: 60_000,
        rated_watts: Some(50e3),
        valid_from: Some(1000),
        valid_to: None,
    };
    assert_eq!(rules, expected);
    let water = Meter { purpose: Purpose::Water, unit: banyan_crds::v1alpha1::Unit::Litre, ..meter.clone() };
    assert_eq!(MeterRules::from_meter(&water).unwrap().rated_watts, None);
    let wrong = Meter { valid_to: Some("tomorrow".into()), ..meter };
    assert_eq!(MeterRules::from_meter(&wrong).unwrap_err().text, "tomorrow");
}
