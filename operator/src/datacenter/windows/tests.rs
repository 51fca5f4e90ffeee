//! Which windows and days close, when, and with what.

use jiff::civil::date;
use serde_json::{Value, json};

use super::*;
use crate::datacenter::ledger::Flags;

const QUARTER: i64 = 900_000;
/// Midnight of 17 June 2026 in Fuzhou.
const MIDNIGHT: &str = "2026-06-16T16:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn ms(text: &str) -> i64 {
    at(text).as_millisecond()
}

fn meter(name: &str, purpose: &str, extra: &Value) -> Value {
    let mut meter = json!({"name": name, "purpose": purpose, "query": name, "type": "Counter", "unit": "Wh", "interval": "15m"});
    if purpose == "IT" {
        meter["position"] = "PDU".into();
    }
    json_patch::merge(&mut meter, extra);
    meter
}

fn site_of(zone: &str, meters: &[Value]) -> Site {
    let spec = json!({
        "location": {"timeZone": zone},
        "energy": {"prometheus": {"url": "http://p:9090"}, "meters": meters},
        "pue": {"targets": [{"from": "2026-01-01", "max": "1.25"}]}
    });
    Site::read(&serde_json::from_value(spec).unwrap()).unwrap()
}

fn site() -> Site {
    site_of("Asia/Shanghai", &[meter("feed", "Facility", &json!({})), meter("pdu", "IT", &json!({}))])
}

/// Readings of a constant load from `from` to `to`.
fn readings(from: i64, to: i64, every: i64, watts: f64) -> Vec<Sample> {
    let hours = |at: i64| at as f64 / HOUR_MS as f64;
    (from / every..=to / every)
        .map(|index| index * every)
        .map(|at| Sample { at, value: 1e9 + watts * (hours(at) - hours(from)) })
        .collect()
}

/// The site's meters with readings of these loads, in W, from `from` to `to`.
fn read(site: &Site, from: i64, to: i64, watts: &[f64]) -> Vec<MeterInput> {
    let meters = site.meters.iter().zip(watts);
    meters
        .map(|(meter, watts)| input(meter, Ok(readings(from, to, meter.rules.interval_ms, *watts))))
        .collect()
}

#[test]
fn a_new_site_is_looked_at_as_far_back_as_a_month_is_kept_and_a_known_one_at_its_last_days() {
    let (site, now) = (site(), at("2026-06-17T04:00:00Z"));
    let digest = site.meters_digest();
    let ledger: Ledger = [date(2026, 6, 14), date(2026, 6, 15)].map(row).into_iter().collect();
    let wanted = |ledger: &Ledger, metered_with: Option<&str>| days_wanted(&site, ledger, metered_with, now);
    // The last three days again; with an older end, from the day after it.
    assert_eq!(wanted(&ledger, Some(&digest)), Some((date(2026, 6, 14), date(2026, 6, 16))));
    let old: Ledger = [date(2026, 6, 1)].map(row).into_iter().collect();
    assert_eq!(wanted(&old, Some(&digest)), Some((date(2026, 6, 2), date(2026, 6, 16))));
    // With other meters, or none known, every day gets another look: thirteen months and the present one.
    for metered_with in [None, Some("other")] {
        assert_eq!(wanted(&ledger, metered_with), Some((date(2025, 5, 1), date(2026, 6, 16))));
    }
    let young = Site { commissioned: Some(date(2026, 6, 10)), ..site.clone() };
    assert_eq!(days_wanted(&young, &ledger, None, now), Some((date(2026, 6, 10), date(2026, 6, 16))));
    let to_come = Site { commissioned: Some(date(2026, 6, 17)), ..site.clone() };
    assert_eq!(days_wanted(&to_come, &Ledger::default(), None, now), None);
    assert_eq!(days_wanted(&Site { meters: vec![], ..site.clone() }, &ledger, None, now), None);
}

fn row(date: Date) -> Day {
    crate::datacenter::verdict::fixtures::day(date, 1_300_000, 1_000_000)
}

#[test]
fn runs_of_days_hold_a_bounded_number_of_samples() {
    // Two meters, a sample a minute each: 2880 a day, 173 days of them; 31 are the most.
    let site = site();
    assert_eq!(
        runs(&site, (date(2026, 1, 1), date(2026, 3, 1))),
        [(date(2026, 1, 1), date(2026, 1, 31)), (date(2026, 2, 1), date(2026, 3, 1))]
    );
    // Sixty meters read every five seconds: a day at a time.
    let fast: Vec<Value> =
        (0..60).map(|index| meter(&format!("m{index}"), "IT", &json!({"interval": "5s"}))).collect();
    let fast = site_of("Asia/Shanghai", &fast);
    assert_eq!(runs(&fast, (date(2026, 1, 1), date(2026, 1, 3))).len(), 3);
}

#[test]
fn a_day_is_fetched_with_a_day_before_it_and_what_is_due_after_it() {
    let site = site();
    let day = day_window(&site, date(2026, 6, 16)).unwrap();
    let span = fetch_span(&site.meters[0], day, at("2026-06-20T00:00:00Z"));
    assert_eq!((day.from - span.from, span.to - day.to), (24 * HOUR_MS, HOUR_MS + 60_000));
    // Nothing is fetched from the future.
    assert_eq!(fetch_span(&site.meters[0], day, at("2026-06-16T16:20:00Z")).to, day.to + 20 * 60_000);
}

#[test]
fn the_last_day_closes_when_its_last_reading_is_overdue() {
    // Read every 15 minutes: closed at 0:18:45.
    let site = site();
    assert_eq!(last_closed_day(&site, at("2026-06-16T16:05:00Z")), date(2026, 6, 15));
    assert_eq!(last_closed_day(&site, at("2026-06-16T16:18:44Z")), date(2026, 6, 15));
    assert_eq!(last_closed_day(&site, at("2026-06-16T16:18:45Z")), date(2026, 6, 16));
    // Read once a week: 8.75 days after its end.
    let weekly = json!({"interval": "168h"});
    let site =
        site_of("Asia/Shanghai", &[meter("feed", "Facility", &weekly), meter("pdu", "IT", &json!({}))]);
    assert_eq!(last_closed_day(&site, at("2026-07-08T04:00:00Z")), date(2026, 6, 28));
    // Once a meter is out of service its days no longer wait for it.
    let retired = json!({"interval": "168h", "validTo": "2026-06-01T00:00:00+08:00"});
    let meters = [
        meter("old", "Facility", &retired),
        meter("feed", "Facility", &json!({})),
        meter("pdu", "IT", &json!({})),
    ];
    assert_eq!(
        last_closed_day(&site_of("Asia/Shanghai", &meters), at("2026-07-08T04:00:00Z")),
        date(2026, 7, 7)
    );
}

#[test]
fn a_day_has_as_many_hours_as_the_clocks_say() {
    let site =
        site_of("Europe/Berlin", &[meter("feed", "Facility", &json!({})), meter("pdu", "IT", &json!({}))]);
    let now = at("2026-12-01T12:00:00Z");
    for (date, hours) in [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 10, 26), 24)] {
        let day = day_window(&site, date).unwrap();
        assert_eq!(day.length_ms(), hours * HOUR_MS);
        let inputs = read(&site, day.from - HOUR_MS, day.to + HOUR_MS, &[1300.0, 1000.0]);
        let mut ledger = Ledger::default();
        assert_eq!(close_days(&site, &inputs, &mut ledger, (date, date), now), [(date, Change::Added)]);
        let row = ledger.get(date).unwrap();
        assert_eq!((row.facility_wh, row.it_wh, row.coverage()), (1300 * hours, 1000 * hours, 10_000));
    }
}

#[test]
fn a_day_that_does_not_count_is_replaced_at_any_age_by_one_that_does() {
    let (site, now) = (site(), at("2026-06-17T04:00:00Z"));
    let old = date(2026, 2, 1);
    let day = day_window(&site, old).unwrap();
    let close = |ledger: &mut Ledger, watts: [f64; 2], to: i64| {
        let inputs = read(&site, day.from - HOUR_MS, to, &watts);
        close_days(&site, &inputs, ledger, (old, old), now)
    };
    // A feed was missing from the spec: 0.9, as well covered as can be, and suspect.
    let mut ledger = Ledger::default();
    close(&mut ledger, [0.9e6, 1e6], day.to + HOUR_MS);
    assert!(ledger.get(old).unwrap().flags.contains(Flags::SUSPECT));
    // The spec is put right: the day is no better covered, but counts, and says that it was closed otherwise before.
    assert_eq!(close(&mut ledger, [1.3e6, 1e6], day.to + HOUR_MS), [(old, Change::Replaced)]);
    let put_right = ledger.get(old).unwrap().clone();
    assert_eq!((put_right.facility_wh, put_right.flags), (31_200_000, Flags::LATE));
    // From then on it stands, whatever comes.
    assert_eq!(close(&mut ledger, [1.4e6, 1e6], day.to + HOUR_MS), []);
    assert_eq!(ledger.get(old), Some(&put_right));

    // One that does not count gives way to one that is covered better, and to none that is not.
    let mut ledger = Ledger::default();
    close(&mut ledger, [1.3e6, 1e6], day.from + 12 * HOUR_MS);
    assert_eq!(close(&mut ledger, [1.3e6, 1e6], day.from + 11 * HOUR_MS), []);
    assert_eq!(close(&mut ledger, [1.3e6, 1e6], day.from + 13 * HOUR_MS), [(old, Change::Replaced)]);
    assert_eq!(ledger.get(old).unwrap().coverage(), 5416);
}

#[test]
fn what_a_person_has_put_in_is_not_closed_again_and_does_not_hide_the_days_before_it() {
    let (site, now) = (site(), at("2026-06-17T04:00:00Z"));
    // Imported although it does not count: readings of the whole day come after all.
    let the_day = date(2026, 6, 16);
    let imported = Day { it_coverage: 5_000, flags: Flags::IMPORTED, ..row(the_day) };
    let mut ledger: Ledger = [imported.clone()].into_iter().collect();
    let day = day_window(&site, the_day).unwrap();
    let inputs = read(&site, day.from - HOUR_MS, day.to + HOUR_MS, &[1.4e6, 1e6]);
    assert_eq!(close_days(&site, &inputs, &mut ledger, (the_day, the_day), now), []);
    assert_eq!(ledger.get(the_day), Some(&imported));

    // The operator was down since the 6th, and somebody has put in the 14th to the 16th: the days between are wanted.
    let digest = site.meters_digest();
    let wanted = |ledger: &Ledger| days_wanted(&site, ledger, Some(&digest), now).map(|(first, _)| first);
    let by_hand = |number| Day { flags: Flags::IMPORTED, ..row(date(2026, 6, number)) };
    let gap: Ledger = [row(date(2026, 6, 6))].into_iter().chain((14..=16).map(by_hand)).collect();
    assert_eq!(wanted(&gap), Some(date(2026, 6, 7)));
    // And none if it was all of them: then the last three are looked at, as always.
    let whole: Ledger = [row(date(2026, 6, 6))].into_iter().chain((7..=16).map(by_hand)).collect();
    assert_eq!(wanted(&whole), Some(date(2026, 6, 14)));
}

#[test]
fn a_closed_day_has_the_category_of_its_meters_and_the_racks_of_its_end() {
    let (site, now) = (site(), at("2026-06-17T04:00:00Z"));
    let (before, last) = (date(2026, 6, 15), date(2026, 6, 16));
    let day = day_window(&site, before).unwrap();
    let inputs = read(&site, day.from - HOUR_MS, day.to + 25 * HOUR_MS, &[1.3e6, 1e6]);
    let close = |found: &Ledger| {
        let mut ledger = found.clone();
        let changes = close_days(&site, &inputs, &mut ledger, (before, last), now);
        count_racks(found, &mut ledger, last, &changes, Racks::of(1450));
        ledger
    };
    let racks = |ledger: &Ledger| [before, last].map(|date| ledger.get(date).unwrap().racks.count());
    // Filled in at first sight: nobody has counted.
    let first = close(&Ledger::default());
    assert_eq!(racks(&first), [None, None]);
    assert!(first.iter().all(|day| day.category == 2));
    // Just closed, behind the day before it.
    let yesterday: Ledger = first.iter().filter(|day| day.date == before).cloned().collect();
    let then = close(&yesterday);
    assert_eq!(racks(&then), [None, Some(1450)]);
    // It was counted once.
    let mut again = then.clone();
    count_racks(&then, &mut again, last, &[], Racks::of(9));
    assert_eq!(again, then);
}

#[test]
fn a_window_closes_when_every_meter_has_reached_its_end_or_is_overdue() {
    let (site, until) = (site(), at("2026-06-16T15:00:00Z"));
    let closed = |now: &str, last: &str| {
        let inputs = read(&site, ms(MIDNIGHT) - 30 * HOUR_MS, ms(last), &[1.3e6, 1e6]);
        let judged = close_windows(&site, &inputs, Some(until), at(now));
        judged.iter().map(|judged| (judged.closed.from, judged.closed.to)).collect::<Vec<_>>()
    };
    let first = (at("2026-06-16T15:00:00Z"), at(MIDNIGHT));
    assert_eq!(closed("2026-06-16T16:00:00Z", "2026-06-16T15:45:00Z"), []);
    assert_eq!(closed("2026-06-16T16:00:10Z", MIDNIGHT), [first]);
    // 18 minutes and 45 seconds after its end nothing is waited for.
    assert_eq!(closed("2026-06-16T16:18:44Z", "2026-06-16T15:45:00Z"), []);
    assert_eq!(closed("2026-06-16T16:18:45Z", "2026-06-16T15:45:00Z"), [first]);
}

#[test]
fn after_an_absence_48_windows_are_judged_and_at_first_sight_24() {
    let site = site();
    let now = at("2026-06-16T16:00:10Z");
    let inputs = read(&site, ms(MIDNIGHT) - 80 * HOUR_MS, ms(MIDNIGHT), &[1.3e6, 1e6]);
    let first = |until: Option<&str>| {
        let judged = close_windows(&site, &inputs, until.map(at), now);
        (judged.len(), judged.first().unwrap().closed.from)
    };
    assert_eq!(first(Some("2026-06-10T00:00:00Z")), (48, at("2026-06-14T16:00:00Z")));
    assert_eq!(first(None), (24, at("2026-06-15T16:00:00Z")));
    // A window of another length was judged before: on with the first whole hour.
    assert_eq!(first(Some("2026-06-16T13:20:00Z")), (2, at("2026-06-16T14:00:00Z")));
    // One in the future was judged by a clock that has been put right since.
    assert_eq!(first(Some("2027-01-01T00:00:00Z")).0, 24);
    assert!(live_from(&site, None, now) <= ms(MIDNIGHT) - 24 * HOUR_MS);
}

#[test]
fn a_dead_meter_that_is_read_seldom_does_not_freeze_the_verdict() {
    // The feed is read once a week, and was last read on 1 June; the next reading is overdue on 9 June at 18:00 UTC.
    let weekly = json!({"interval": "168h"});
    let site =
        site_of("Asia/Shanghai", &[meter("feed", "Facility", &weekly), meter("pdu", "IT", &json!({}))]);
    let last = ms("2026-06-01T00:00:00Z");
    let closed = |until: Option<Timestamp>, now: Timestamp| {
        let from = live_from(&site, until, now) - 9 * DAY_MS;
        let feed = (0..6).map(|week| Sample { at: last - week * 7 * DAY_MS, value: 1e9 - week as f64 * 1e6 });
        let inputs = [
            input(&site.meters[0], Ok(feed.filter(|sample| sample.at >= from).collect())),
            input(&site.meters[1], Ok(readings(from, now.as_millisecond(), QUARTER, 1e6))),
        ];
        close_windows(&site, &inputs, until, now)
    };
    for until in [Some(at("2026-06-01T00:00:00Z")), None] {
        // While the reading may still come, no window is judged without it.
        assert_eq!(closed(until, at("2026-06-09T17:00:00Z")).len(), 0);
        // Then the oldest window is judged each hour, and has no PUE.
        let judged = closed(until, at("2026-06-09T18:00:00Z"));
        assert_eq!(judged.len(), 1);
        assert!(judged[0].closed.pue.is_err());
        if until.is_some() {
            assert_eq!(closed(Some(judged[0].closed.to), at("2026-06-09T19:00:00Z")).len(), 1);
        }
        // Also when it is no longer among the readings that are fetched.
        assert_eq!(closed(until, at("2026-07-01T00:00:00Z")).len(), 1);
    }
}

#[test]
fn the_hours_of_late_are_the_valid_ones() {
    let site = site();
    let now = at("2026-06-16T16:20:00Z");
    let mut inputs = read(&site, ms(MIDNIGHT) - 12 * HOUR_MS, now.as_millisecond(), &[1.3e6, 1e6]);
    let hours = recent_hours(&site, &inputs, now);
    assert_eq!(hours.len(), 6);
    assert_eq!((hours[0].from, hours[5].to), (at("2026-06-16T10:00:00Z"), at(MIDNIGHT)));
    assert_eq!((hours[5].facility_wh, hours[5].it_wh, hours[5].target), (1_300_000, 1_000_000, Some(1.25)));
    inputs[1].curve = None;
    assert_eq!(recent_hours(&site, &inputs, now), []);
}

#[test]
fn the_instant_goes_on_after_a_meter_was_replaced() {
    let old = json!({"validTo": "2026-06-01T00:00:00+08:00"});
    let new = json!({"validFrom": "2026-06-01T00:00:00+08:00"});
    let site = site_of(
        "Asia/Shanghai",
        &[meter("feed", "Facility", &json!({})), meter("old", "IT", &old), meter("new", "IT", &new)],
    );
    let now = at("2026-06-16T16:07:00Z");
    let mut inputs = read(&site, ms(MIDNIGHT) - 6 * HOUR_MS, ms(MIDNIGHT), &[1.3e6, 1e6, 1e6]);
    inputs[1].curve = None;
    let reading = instant(&site, &inputs, now).unwrap();
    // Two of the slowest meter's intervals, up to the last reading that all have.
    assert_eq!(reading.window, Window { from: ms(MIDNIGHT) - 2 * QUARTER, to: ms(MIDNIGHT) });
    assert!((reading.pue.unwrap() - 1.3).abs() < 1e-9);
    // A meter in service without a reading is another matter.
    inputs[2].curve = None;
    assert_eq!(instant(&site, &inputs, now), None);
}
