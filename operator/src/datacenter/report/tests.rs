use std::sync::Arc;

use banyan_crds::v1alpha1::DataCenterSpec;
use jiff::civil::date;
use serde_json::json;

use super::*;
use crate::datacenter::{
    ledger::{Extras, Racks},
    provenance::Step,
    verdict::fixtures::{dates, day, ledger},
};

/// A spec in Fuzhou's time zone with these fields more; its target is 1.25, from mid-2024 on.
fn site(more: &serde_json::Value) -> Site {
    let mut spec = json!({
        "location": { "timeZone": "Asia/Shanghai" },
        "pue": { "targets": [{ "from": "2024-06-01", "max": "1.25" }] },
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    Site::read(&serde_json::from_value::<DataCenterSpec>(spec).unwrap()).unwrap()
}

fn subject(name: &str, site: Site, days: impl IntoIterator<Item = Day>) -> Subject {
    let read = Ok((site, Arc::new(ledger(days))));
    Subject { name: name.into(), district: None, read, provenance: Provenance::default() }
}

/// These days, each with as many Wh on both sides.
fn days(from: Date, to: Date, facility_wh: i64, it_wh: i64) -> Vec<Day> {
    dates(from, to).map(|date| day(date, facility_wh, it_wh)).collect()
}

fn month(text: &str) -> Span {
    Span::Month(text.parse().unwrap())
}

fn year(text: &str) -> Span {
    Span::Year(text.parse().unwrap())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Long after the days of these tests.
const LATER: &str = "2026-06-10T00:00:00Z";

fn one(subject: Subject, span: Span) -> SiteReport {
    report(&[subject], span, at(LATER)).unwrap().sites.remove(0)
}

#[test]
fn a_day_that_does_not_count_is_in_neither_sum_and_is_named() {
    let mut march = days(date(2026, 3, 1), date(2026, 3, 31), 1_200_000, 1_000_000);
    // Its figures would change both sums.
    march[4] = Day { it_coverage: 9_000, ..day(date(2026, 3, 5), 9_000_000, 5_000_000) };
    march.remove(9);
    let row = one(subject("a", site(&json!({})), march), month("2026-03")).months.remove(0);
    assert_eq!((row.totals.facility_wh, row.totals.it_wh), (29 * 1_200_000, 29 * 1_000_000));
    assert_eq!(row.missing, [(date(2026, 3, 5), date(2026, 3, 5)), (date(2026, 3, 10), date(2026, 3, 10))]);
    assert_eq!(days_in(&row.missing), row.totals.span_days - row.totals.days);
    // 29 of 31 days are 93.54 %.
    assert_eq!(
        (row.totals.coverage, row.verdict, row.reason),
        (9_354, Verdict::Unknown, reasons::LOW_COVERAGE)
    );
    assert_eq!(row.pue, None);
}

#[test]
fn a_month_is_judged_without_tolerance_and_without_rounding() {
    let judged = |facility_wh: i64, it_wh: i64| {
        let march = days(date(2026, 3, 1), date(2026, 3, 31), facility_wh, it_wh);
        let row = one(subject("a", site(&json!({})), march), month("2026-03")).months.remove(0);
        (row.verdict, row.reason, row.pue.map(|pue| format!("{pue:.4}")))
    };
    assert_eq!(judged(125_000, 100_000), (Verdict::Compliant, reasons::WITHIN_TARGET, Some("1.2500".into())));
    // A Wh a day more, which the figure does not show.
    assert_eq!(judged(125_001, 100_000), (Verdict::Violated, reasons::ABOVE_TARGET, Some("1.2500".into())));
    assert_eq!(judged(99_999, 100_000), (Verdict::Unknown, reasons::BETTER_THAN_PERFECT, None));
    assert_eq!(judged(1_000_001, 100_000), (Verdict::Unknown, reasons::METER_SUSPECT, None));
    assert_eq!(judged(0, 0), (Verdict::Unknown, reasons::NO_IT_LOAD, None));
}

#[test]
fn without_a_target_there_is_a_figure_and_no_verdict() {
    let march = days(date(2026, 3, 1), date(2026, 3, 31), 120_000, 100_000);
    let with = |targets: serde_json::Value| {
        let site = site(&json!({ "pue": targets }));
        one(subject("a", site, march.clone()), month("2026-03")).months.remove(0)
    };
    let none = with(serde_json::Value::Null);
    assert_eq!(
        (none.pue, none.target, none.verdict, none.reason),
        (Some(1.2), None, Verdict::Unknown, reasons::NO_TARGET)
    );
    let new = with(json!({ "targets": [{ "from": "2026-03-10", "max": "1.25" }] }));
    assert_eq!((new.pue, new.verdict, new.reason), (Some(1.2), Verdict::Provisional, reasons::TARGET_IS_NEW));
}

#[test]
fn a_month_ends_where_the_site_is() {
    let zoned = |zone: &str, now: &str| {
        let site = site(&json!({ "location": { "timeZone": zone } }));
        let march = days(date(2026, 3, 1), date(2026, 3, 31), 120_000, 100_000);
        report(&[subject("a", site, march)], month("2026-03"), at(now))
    };
    // Midnight in Fuzhou is 16:00 in London, and 22:00 in Urumqi.
    assert!(zoned("Asia/Shanghai", "2026-03-31T15:59:59Z").is_none());
    assert!(zoned("Asia/Shanghai", "2026-03-31T16:00:00Z").is_some());
    assert!(zoned("Asia/Urumqi", "2026-03-31T17:59:59Z").is_none());
    assert!(zoned("Asia/Urumqi", "2026-03-31T18:00:00Z").is_some());
}

#[test]
fn a_site_whose_month_is_still_open_says_so_beside_one_whose_is_closed() {
    let zoned = |name: &str, zone: &str| {
        let site = site(&json!({ "location": { "timeZone": zone } }));
        subject(name, site, days(date(2026, 3, 1), date(2026, 3, 31), 120_000, 100_000))
    };
    let sites = [zoned("east", "Asia/Shanghai"), zoned("west", "Asia/Urumqi")];
    let report = report(&sites, month("2026-03"), at("2026-03-31T17:00:00Z")).unwrap();
    assert_eq!(report.sites[0].months.len(), 1);
    assert!(report.sites[0].open.is_empty());
    assert!(report.sites[1].months.is_empty());
    assert_eq!(report.sites[1].open, ["2026-03".parse().unwrap()]);
    let city = report.city.whole(report.span).unwrap();
    // It is not over there: it is neither in the sums nor left out of them.
    assert_eq!((city.included, city.verdicts.all()), (1, 1));
}

#[test]
fn months_before_a_site_was_in_operation_are_not_there() {
    let site = site(&json!({ "commissioned": "2025-10-20" }));
    let report =
        one(subject("a", site, days(date(2025, 9, 1), date(2025, 12, 31), 120_000, 100_000)), year("2025"));
    let months: Vec<_> = report.months.iter().map(|row| (row.totals.from, row.totals.span_days)).collect();
    let expected = [(date(2025, 10, 20), 12), (date(2025, 11, 1), 30), (date(2025, 12, 1), 31)];
    assert_eq!(months, expected);
    assert_eq!(report.curve.iter().filter(|(_, row)| row.is_some()).count(), 3);
    let year = report.year.unwrap();
    assert_eq!((year.totals.from, year.totals.days, year.interim), (date(2025, 10, 20), 73, true));
    assert_eq!(year.verdict, Verdict::Provisional);
}

#[test]
fn a_month_of_which_nothing_is_known_is_there_and_unknown() {
    let report = one(subject("a", site(&json!({})), []), month("2026-03"));
    let row = &report.months[0];
    assert_eq!(
        (row.verdict, row.reason, row.pue, row.category),
        (Verdict::Unknown, reasons::NO_DATA, None, None)
    );
    assert_eq!(row.missing, [(date(2026, 3, 1), date(2026, 3, 31))]);
}

#[test]
fn a_year_is_judged_as_the_annual_verdict_is() {
    let mut whole = days(date(2023, 12, 1), date(2024, 12, 31), 120_000, 100_000);
    whole.extend(days(date(2025, 1, 1), date(2025, 12, 31), 126_000, 100_000));
    let plain = site(&json!({ "pue": { "targets": [{ "from": "2023-01-01", "max": "1.25" }] } }));
    let of = |text: &str| {
        let report = one(subject("a", plain.clone(), whole.clone()), year(text));
        (report.months.len(), report.year.unwrap())
    };
    let (months, leap) = of("2024");
    assert_eq!((months, leap.totals.from, leap.totals.days), (12, date(2024, 1, 1), 366));
    assert_eq!((leap.verdict, leap.pue, leap.interim), (Verdict::Compliant, Some(1.2), false));
    let (_, next) = of("2025");
    assert_eq!((next.verdict, next.pue, next.totals.days), (Verdict::Violated, Some(1.26), 365));
    // Metering that began late makes the figure an interim one, and earlier days are not missing from it.
    let late = whole.iter().filter(|day| day.date >= date(2025, 3, 10)).cloned();
    let late = one(subject("a", plain.clone(), late), year("2025"));
    let row = late.year.unwrap();
    assert_eq!(
        (row.totals.from, row.verdict, row.missing.len()),
        (date(2025, 3, 10), Verdict::Provisional, 0)
    );
    assert_eq!(late.months.len(), 12);
    assert_eq!(late.months[0].reason, reasons::NO_DATA);
}

#[test]
fn a_year_that_is_not_over_has_its_closed_months() {
    let site = site(&json!({}));
    let days = days(date(2025, 4, 1), date(2026, 4, 30), 120_000, 100_000);
    let report = report(&[subject("a", site, days)], year("2026"), at("2026-04-12T00:00:00Z")).unwrap();
    let a = &report.sites[0];
    let months: Vec<_> = a.months.iter().map(|row| Month::of(row.totals.to).to_string()).collect();
    assert_eq!(months, ["2026-01", "2026-02", "2026-03"]);
    assert_eq!((a.open.len(), a.open[0].to_string()), (9, "2026-04".into()));
    let row = a.year.as_ref().unwrap();
    assert_eq!((row.totals.from, row.totals.to), (date(2026, 1, 1), date(2026, 3, 31)));
    assert_eq!((row.totals.days, row.verdict), (90, Verdict::Provisional));
    // The curve goes back to before the year.
    assert_eq!(a.curve.len(), 12);
    assert_eq!(a.curve[0].0.to_string(), "2025-04");
    assert!(a.curve.iter().all(|(_, row)| row.as_ref().is_some_and(|row| row.pue.is_some())));
}

#[test]
fn the_city_divides_sums_and_averages_nothing() {
    let large = subject("a", site(&json!({})), days(date(2026, 3, 1), date(2026, 3, 31), 1_170_000, 900_000));
    let small = subject("b", site(&json!({})), days(date(2026, 3, 1), date(2026, 3, 31), 110_000, 100_000));
    let report = report(&[large, small], month("2026-03"), at(LATER)).unwrap();
    let city = &report.city.months[0];
    // (1170 + 110) / (900 + 100); the mean of 1.3 and 1.1 would be 1.2.
    assert_eq!(city.pue, Some(1.28));
    assert_eq!((city.target, city.tally.met()), (Some(1.25), false));
    assert_eq!((city.totals.span_days, city.totals.days, city.totals.coverage), (62, 62, 10_000));
    assert_eq!((city.verdicts.compliant, city.verdicts.violated, city.included), (1, 1, 2));
    assert!(city.is_complete() && report.city.year.is_none());
}

#[test]
fn the_city_names_the_sites_that_are_not_or_only_partly_in_its_sums() {
    let all = days(date(2026, 3, 1), date(2026, 3, 31), 120_000, 100_000);
    let broken =
        Subject { read: Err(Unreadable::Ledger("line 3".into())), ..subject("c", site(&json!({})), []) };
    let sites = [
        subject("a", site(&json!({})), all.clone()),
        subject("b", site(&json!({})), all[..20].to_vec()),
        broken,
        // The one that came later is not counted at all.
        subject("d", site(&json!({ "commissioned": "2026-05-01" })), []),
        subject("e", site(&json!({})), []),
    ];
    let report = report(&sites, month("2026-03"), at(LATER)).unwrap();
    let city = &report.city.months[0];
    assert_eq!((city.totals.facility_wh, city.totals.days), (51 * 120_000, 51));
    // 51 of 93 days.
    assert_eq!((city.totals.span_days, city.totals.coverage), (93, 5_483));
    assert_eq!(
        (city.partly.as_slice(), city.left_out.as_slice()),
        (&["b".to_owned()][..], &["c".into(), "e".into()][..])
    );
    assert_eq!((city.included, city.verdicts.all(), city.verdicts.unknown), (2, 4, 3));
    assert!(!city.is_complete());
    assert_eq!(report.sites[2].unreadable, Some(Unreadable::Ledger("line 3".into())));
}

#[test]
fn the_citys_year_is_the_sum_of_its_months() {
    let mut thin = days(date(2025, 2, 10), date(2025, 12, 31), 139_999, 100_001);
    thin.retain(|day| day.date.month() != 8);
    let sites = [
        subject("a", site(&json!({})), days(date(2025, 1, 1), date(2025, 12, 31), 123_457, 100_003)),
        subject("b", site(&json!({})), thin),
        subject(
            "c",
            site(&json!({ "commissioned": "2025-06-15" })),
            days(date(2025, 6, 1), date(2025, 12, 31), 120_000, 90_001),
        ),
    ];
    let report = report(&sites, year("2025"), at(LATER)).unwrap();
    let of = |pick: fn(&Totals) -> i64| {
        let months: i64 = report.city.months.iter().map(|row| pick(&row.totals)).sum();
        (months, pick(&report.city.year.as_ref().unwrap().totals))
    };
    for pick in
        [|totals: &Totals| totals.facility_wh, |totals: &Totals| totals.it_wh, |totals: &Totals| totals.days]
    {
        let (months, year) = of(pick);
        assert_eq!(months, year);
    }
}

#[test]
fn what_not_every_site_tells_is_not_the_citys() {
    let with = |water_ml: Option<i64>, racks: Option<i64>| {
        let extras = Extras { water_ml, ..Extras::default() };
        days(date(2026, 3, 1), date(2026, 3, 31), 120_000, 100_000).into_iter().map(move |day| Day {
            extras: extras.kept(),
            racks: racks.map(Racks::of).unwrap_or_default(),
            category: 2,
            ..day
        })
    };
    let city = |a, b| {
        let sites = [subject("a", site(&json!({})), a), subject("b", site(&json!({})), b)];
        report(&sites, month("2026-03"), at(LATER)).unwrap().city.months.remove(0)
    };
    let both = city(with(Some(150_000), Some(40)), with(Some(50_000), Some(60)));
    // (150 + 50) L over 200 kWh.
    assert_eq!((both.indicators.wue, both.racks, both.category), (Some(1.0), Some(100), Some(2)));
    let one = city(with(Some(150_000), Some(40)), with(None, None));
    assert_eq!((one.indicators.wue, one.racks), (None, None));
    // Its litres are still a sum that is shown.
    assert_eq!(one.totals.water_ml.amount, 31 * 150_000);
}

#[test]
fn marked_days_are_named() {
    let mut march = days(date(2026, 3, 1), date(2026, 3, 31), 120_000, 100_000);
    march[0].flags = Flags::IMPORTED.with(Flags::SPREAD);
    march[1].flags = Flags::IMPORTED.with(Flags::CORRECTED);
    march[6].flags = Flags::LATE;
    let row = one(subject("a", site(&json!({})), march), month("2026-03")).months.remove(0);
    let run = |from: i8, to: i8| vec![(date(2026, 3, from), date(2026, 3, to))];
    let marks = Marks { imported: run(1, 2), corrected: run(2, 2), spread: run(1, 1), late: run(7, 7) };
    assert_eq!(row.marks, marks);
}

#[test]
fn what_persons_put_in_is_told_for_the_days_of_the_span() {
    let batch = |author: &str| Batch {
        id: 0,
        author: author.into(),
        person: None,
        at: at("2026-04-01T00:00:00Z"),
        reason: "bill".into(),
        source: "march.csv".into(),
    };
    let step = |line: u64, replaced: Option<Day>| Step { batch: 0, line, note: None, replaced };
    let mut provenance = Provenance::default();
    // The first one begins in February.
    let first = dates(date(2026, 2, 27), date(2026, 3, 3)).map(|date| (date, step(2, None)));
    provenance.add(batch("li"), first);
    let old = day(date(2026, 3, 2), 130_000, 100_000);
    provenance.add(batch("chen"), [(old.date, step(3, Some(old)))]);
    provenance.add(batch("wu"), [(date(2026, 4, 1), step(4, None))]);
    let march = days(date(2026, 2, 27), date(2026, 3, 31), 120_000, 100_000);
    let subject = Subject { provenance, ..subject("a", site(&json!({})), march) };
    let told: Vec<_> = one(subject, month("2026-03"))
        .imports
        .into_iter()
        .map(|import| (import.batch.author, import.days, import.replaced))
        .collect();
    let run = |from: i8, to: i8| vec![(date(2026, 3, from), date(2026, 3, to))];
    let expected = [
        ("li".to_owned(), run(1, 3), Vec::new()),
        ("chen".to_owned(), run(2, 2), vec![(date(2026, 3, 2), 130_000, 100_000)]),
    ];
    assert_eq!(told, expected);
}

#[test]
fn no_present_meter_gives_a_category_to_days_that_a_person_put_in() {
    let meter = |name: &str, purpose: &str, position: Option<&str>| {
        json!({
            "name": name, "purpose": purpose, "position": position, "query": "q", "type": "Counter", "unit": "kWh",
            "interval": "15m"
        })
    };
    let meters = json!({ "energy": {
        "prometheus": { "url": "http://p:9090" },
        "meters": [meter("feed", "Facility", None), meter("rack", "IT", Some("Rack"))],
    }});
    let mut march = days(date(2026, 3, 1), date(2026, 3, 31), 120_000, 100_000);
    let category = |march: &[Day]| {
        one(subject("a", site(&meters), march.to_vec()), month("2026-03")).months.remove(0).category
    };
    assert_eq!(category(&march), Some(3));
    // What the ledger tells of its days goes before.
    march[3].category = 1;
    assert_eq!(category(&march), Some(1));
    for day in &mut march {
        (day.category, day.flags) = (0, Flags::IMPORTED);
    }
    assert_eq!(category(&march), None);
}

#[test]
fn a_span_of_the_future_is_no_report() {
    let sites = [subject("a", site(&json!({})), [])];
    assert!(report(&sites, month("2026-06"), at(LATER)).is_none());
    assert!(report(&sites, year("2027"), at(LATER)).is_none());
    assert!(report(&sites, month("2026-05"), at(LATER)).is_some());
}
