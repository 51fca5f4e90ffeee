use std::sync::Arc;

use banyan_crds::v1alpha1::DataCenterSpec;
use jiff::{ToSpan, civil::date};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::datacenter::{
    ledger::{Day, Extras, Flags, Ledger, Racks},
    provenance::{Batch, Provenance, Step},
};

fn site(name: &str, district: &str, commissioned: Option<&str>, days: Vec<Day>) -> Subject {
    let spec: DataCenterSpec = serde_json::from_value(json!({
        "location": { "timeZone": "Asia/Shanghai", "district": district },
        "commissioned": commissioned,
        "pue": { "targets": [{ "from": "2024-06-01", "max": "1.30" }, { "from": "2026-01-01", "max": "1.25" }] },
    }))
    .unwrap();
    let read = Ok((Site::read(&spec).unwrap(), Arc::new(Ledger::from_iter(days))));
    Subject { name: name.into(), district: Some(district.into()), read, provenance: Provenance::default() }
}

/// Days from the first of 2025-03 to the end of 2026-03, of so many kWh of IT, whose PUE goes from one figure to another.
fn days(from: f64, to: f64, load: i64) -> Vec<Day> {
    let first = date(2025, 3, 1);
    (0..396)
        .map(|at| {
            let it_wh = load * 1000 + 1234 * i64::from(at % 7);
            let pue = from + (to - from) * f64::from(at) / 396.0;
            Day {
                category: 2,
                racks: Racks::of(1450),
                ..Day::full(first + at.days(), (it_wh as f64 * pue) as i64, it_wh)
            }
        })
        .collect()
}

fn estate() -> Vec<Subject> {
    let mut thin = days(1.45, 1.38, 21_000);
    thin.retain(|day| day.date.month() != 8 && !(day.date.month() == 3 && day.date.day() > 27));
    for day in thin.iter_mut().filter(|day| day.date.year() == 2025 && day.date.month() < 8) {
        day.flags = Flags::IMPORTED.with(Flags::SPREAD);
    }
    for day in thin.iter_mut().filter(|day| day.date.month() == 11 && day.date.day() < 4) {
        day.flags = Flags::IMPORTED.with(Flags::CORRECTED);
    }
    let mut rich = days(1.27, 1.21, 192_000);
    for day in &mut rich {
        day.extras = Extras {
            renewable_wh: Some(day.facility_wh / 3),
            reuse_wh: Some(day.facility_wh / 20),
            water_ml: Some(day.it_wh * 9 / 5),
            carbon_g: Some(day.facility_wh / 2),
            generator_wh: Some(120_000),
            excluded_wh: Some(5_400_000),
        }
        .kept();
    }
    let mut provenance = Provenance::default();
    let batch = |person: Option<&str>, reason: &str, source: &str| Batch {
        id: 0,
        author: "li.na@city".into(),
        person: person.map(str::to_owned),
        at: "2026-03-05T02:11:09Z".parse().unwrap(),
        reason: reason.into(),
        source: source.into(),
    };
    let step = |replaced: Option<Day>| Step { batch: 0, line: 2, note: None, replaced };
    let of = |flag: Flags| thin.iter().filter(move |day| day.flags.contains(flag));
    provenance
        .add(batch(None, "电费账单", "bills-2025.csv"), of(Flags::SPREAD).map(|day| (day.date, step(None))));
    provenance.add(
        batch(Some("李娜"), "=cmd|'/c calc'!A1 <img src=x onerror=alert(1)>", "fix.csv"),
        of(Flags::CORRECTED).map(|day| (day.date, step(Some(Day::full(day.date, 31_000_000, 20_000_000))))),
    );
    vec![
        site("binhai-1", "长乐区", Some("2025-11-20"), days(1.24, 1.22, 88_000)),
        site("changle-1", "长乐区", Some("2024-06-01"), rich),
        Subject { provenance, ..site("gulou-1", "鼓楼区", None, thin) },
        Subject {
            read: Err(Unreadable::Ledger("line 3 of the ledger: <script>alert(1)</script>".into())),
            ..site("jinan-1", "=1+1<b>晋安区</b>", None, Vec::new())
        },
    ]
}

fn now() -> Timestamp {
    "2026-04-02T01:30:00Z".parse().unwrap()
}

fn march() -> Span {
    Span::Month("2026-03".parse().unwrap())
}

fn rendered(span: Span, output: Output, lang: Lang) -> String {
    let report = report::report(&estate(), span, now()).unwrap();
    String::from_utf8(render(&report, true, output, now(), lang).unwrap()).unwrap()
}

#[test]
fn what_people_wrote_is_text_in_a_page_and_in_a_csv_file() {
    for span in [march(), Span::Year("2025".parse().unwrap())] {
        for lang in Lang::ALL {
            let page = rendered(span, Output::Html, lang);
            assert!(
                page.contains("&lt;script&gt;alert(1)&lt;&#x2F;script&gt;")
                    || page.contains("&lt;script&gt;alert(1)&lt;/script&gt;")
            );
            for tag in ["<script", "<img", "<b>"] {
                assert!(!page.contains(tag), "{lang}: {tag}");
            }
            let csv = rendered(span, Output::Csv, lang);
            assert!(csv.contains(",'=1+1<b>"), "{csv}");
        }
    }
    // A reason is told where its days are.
    assert!(rendered(Span::Year("2025".parse().unwrap()), Output::Html, Lang::Zh).contains("=cmd|"));
}

#[test]
fn every_text_of_a_page_and_a_table_is_in_its_language() {
    for output in [Output::Html, Output::Table] {
        for span in [march(), Span::Year("2025".parse().unwrap())] {
            let english = rendered(span, output, Lang::En);
            // But for what people wrote.
            let left: String = ["长乐区", "鼓楼区", "晋安区", "李娜", "电费账单"]
                .iter()
                .fold(english, |text, word| text.replace(word, ""));
            let chinese = |letter: char| ('\u{3000}'..='\u{9fff}').contains(&letter);
            let at = left.find(chinese).map(|at| left[at..].chars().take(40).collect::<String>());
            assert_eq!(at, None);
            assert!(!left.contains("report-"), "a key without its text");
        }
    }
}

#[test]
fn a_verdict_that_rounding_would_hide_is_explained_in_kilowatt_hours() {
    let day = |date| Day::full(date, 1_250_001, 1_000_000);
    let march_days: Vec<_> = (1..=31).map(|at| day(date(2026, 3, at))).collect();
    let subject = site("a", "", None, march_days);
    let report = report::report(&[subject], march(), now()).unwrap();
    let text = String::from_utf8(render(&report, true, Output::Table, now(), Lang::En).unwrap()).unwrap();
    assert!(text.contains("1.2500  1.2500  Violated"), "{text}");
    assert!(text.contains("a: 2026-03: 1 kWh more than the target allows"), "{text}");
}

#[test]
fn a_report_of_one_site_has_no_line_for_all_of_them() {
    let one = estate().swap_remove(1);
    let report = report::report(&[one], march(), now()).unwrap();
    let csv = String::from_utf8(render(&report, false, Output::Csv, now(), Lang::En).unwrap()).unwrap();
    assert_eq!(csv.lines().count(), 2, "{csv}");
}

proptest! {
    /// What is printed for all sites differs from the sum of what is printed for each by no more than their rounding: half
    /// a kWh each, and half of its own.
    #[test]
    fn printed_sums_contradict_each_other_by_no_more_than_rounding(
        amounts in prop::collection::vec((0_i64..90_000_000, 1_i64..70_000_000), 2..9),
    ) {
        let sites: Vec<_> = amounts
            .iter()
            .zip(0..)
            .map(|((overhead, it), at)| {
                let days = (1..=31).map(|day| Day::full(date(2026, 3, day), it + overhead, *it)).collect();
                site(&format!("s{at}"), "", None, days)
            })
            .collect();
        let report = report::report(&sites, march(), now()).unwrap();
        let lines = lines::all(&report, true, Lang::En);
        let (city, sites) = lines.split_last().unwrap();
        for col in [columns::Col::Facility, columns::Col::It] {
            let number = |line: &lines::Line| col.cell(line, Lang::En).plain().parse::<i64>().unwrap_or(0);
            let sum: i64 = sites.iter().map(number).sum();
            prop_assert!((sum - number(city)).abs() as f64 <= (sites.len() + 1) as f64 / 2.0);
        }
        let (facility, it): (i64, i64) = amounts.iter().fold((0, 0), |(f, i), (overhead, it)| (f + it + overhead, i + it));
        let known: Vec<_> = sites.iter().filter(|line| line.pue.is_some()).collect();
        prop_assert!(known.len() <= sites.len());
        // The division of the sums before any rounding.
        if let Some(pue) = city.pue && known.len() == sites.len() {
            prop_assert!((pue - facility as f64 / it as f64).abs() < 1e-12);
        }
    }
}
