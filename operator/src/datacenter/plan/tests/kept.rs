//! The ledger as it is kept: what a person has put in, where it comes from, and what it must still be when it is written.

use super::*;
use crate::{
    datacenter::{
        ledger::{Day, Flags},
        observe::PROVENANCE_KEY,
        provenance::{Batch, Provenance, Step},
        verdict::fixtures::{dates, day},
    },
    kernel::plan::Basis,
};

const FIRST: &str = "2025-06-01";
const LAST: &str = "2026-06-16";

/// The `ConfigMap` of a ledger.
fn map(data: &[(&str, String)]) -> k8s_openapi::api::core::v1::ConfigMap {
    let mut map = k8s_openapi::api::core::v1::ConfigMap {
        data: Some(data.iter().map(|(key, text)| ((*key).to_owned(), text.clone())).collect()),
        ..Default::default()
    };
    map.metadata.uid = Some("u".into());
    map.metadata.resource_version = Some("17".into());
    map
}

/// A year that somebody has put in but for the last fifteen days, with another person's correction among these.
fn imported() -> (Ledger, Provenance) {
    let since = "2026-06-02".parse::<Date>().unwrap();
    let days = dates(FIRST.parse().unwrap(), LAST.parse().unwrap());
    let rows = days.map(|date| match date {
        date if date < since => {
            Day { flags: Flags::IMPORTED, category: 1, ..day(date, 1_200_000, 1_000_000) }
        }
        date => Day { category: 2, ..day(date, 1_200_000, 1_000_000) },
    });
    let mut ledger: Ledger = rows.collect();
    let wrong = ledger.get("2026-06-10".parse().unwrap()).unwrap().clone();
    ledger.upsert(Day { flags: Flags::IMPORTED.with(Flags::CORRECTED), it_wh: 990_000, ..wrong.clone() });
    let batch = |reason: &str| Batch {
        id: 0,
        author: "li.na".into(),
        person: None,
        at: "2026-06-16T01:00:00Z".parse().unwrap(),
        reason: reason.into(),
        source: "days.csv".into(),
    };
    let step = |replaced| Step { batch: 0, line: 2, note: None, replaced };
    let mut provenance = Provenance::default();
    let by_hand = ledger.iter().filter(|day| day.flags == Flags::IMPORTED).map(|day| (day.date, step(None)));
    provenance.add(batch("before Banyan"), by_hand);
    provenance.add(batch("the meter was read wrong"), [(wrong.date, step(Some(wrong)))]);
    (ledger, provenance)
}

/// Nothing but a `ConfigMap`.
fn found(map: &k8s_openapi::api::core::v1::ConfigMap) -> Observation {
    Observation { found: FoundLedger::read(map).unwrap(), days: None, ..seen(1e5, 1.10) }
}

fn ledger_of(plan: &Plan<DataCenterStatus>) -> &Own {
    plan.own.iter().find(|own| own.object.name == "banyan-ledger-gulou-1").unwrap()
}

#[test]
fn a_new_site_whose_past_was_put_in_is_judged_and_says_by_how_much_it_was() {
    let (ledger, provenance) = imported();
    let texts = [(LEDGER_KEY, ledger.encode()), (PROVENANCE_KEY, provenance.encode())];
    let old_target = dc(&json!({"spec": {"pue": {"targets": [{"from": "2025-01-01", "max": "1.25"}]}}}));
    let plan = run(&old_target, &found(&map(&texts)));
    let annual = plan.status.annual.as_ref().unwrap();
    // 17 June 2025 to 16 June 2026: 350 days up to 1 June were put in, and one later.
    assert_eq!((annual.verdict, annual.days), (Verdict::Compliant, 365));
    assert_eq!((annual.imported_days, annual.corrected_days), (Some(351), Some(1)));
    // The meters have category 2; days of which it is not known how they were metered bring it down.
    assert_eq!(annual.category, Some(1));
    let month = |name: &str| plan.status.months.iter().find(|month| month.month == name).unwrap();
    assert_eq!((month("2025-07").imported_days, month("2025-07").corrected_days), (Some(31), None));
    let june = plan.status.current_month.as_ref().unwrap();
    assert_eq!((june.imported_days, june.corrected_days), (Some(2), Some(1)));
    // It is kept as it was found, by whoever it is that wrote it.
    let kept = ledger_of(&plan);
    assert_eq!(kept.body["data"], json!({"ledger": texts[0].1, "provenance": texts[1].1}));
    assert_eq!(kept.basis, Basis::Seen { uid: "u".into(), version: "17".into() });
}

#[test]
fn a_closed_day_leaves_the_provenance_as_it_is() {
    let (mut ledger, provenance) = imported();
    let last = ledger.iter().next_back().unwrap().clone();
    let shorter: Ledger = ledger.iter().filter(|day| day.date < last.date).cloned().collect();
    ledger = shorter;
    let texts = [(LEDGER_KEY, ledger.encode()), (PROVENANCE_KEY, provenance.encode())];
    let mut seen = found(&map(&texts));
    let closed = closed(&seen.samples, LAST, ledger);
    assert_eq!(closed.changes.len(), 1);
    seen.days = Some(closed);
    let kept = run(&dc(&json!({})), &seen);
    let kept = ledger_of(&kept);
    assert_ne!(kept.body["data"][LEDGER_KEY], texts[0].1.as_str());
    assert_eq!(kept.body["data"][PROVENANCE_KEY], texts[1].1.as_str());
}

#[test]
fn days_that_fall_out_take_their_provenance_along() {
    let (ledger, provenance) = imported();
    let texts = [(LEDGER_KEY, ledger.encode()), (PROVENANCE_KEY, provenance.encode())];
    let found = FoundLedger::read(&map(&texts)).unwrap();
    let since = |first: &str| found.provenance_since(Some(first.parse().unwrap()));
    assert_eq!(since(FIRST).as_deref(), Some(texts[1].1.as_str()));
    let later = Provenance::decode(&since("2026-06-01").unwrap()).unwrap();
    assert_eq!(later.of("2026-05-31".parse().unwrap()).count(), 0);
    assert_eq!(later.of("2026-06-01".parse().unwrap()).count(), 1);
    assert_eq!(later.batches().len(), 2);
    assert_eq!(since("2026-06-11"), None);
}

#[test]
fn a_ledger_of_the_first_version_is_not_written_anew_by_an_upgrade() {
    let days: Ledger = dates(FIRST.parse().unwrap(), LAST.parse().unwrap())
        .map(|date| day(date, 1_200_000, 1_000_000))
        .collect();
    let text = days.encode();
    assert!(text.starts_with("banyan-ledger 1\n"));
    let data =
        [(LEDGER_KEY, text.clone()), (METERS_KEY, Site::read(&dc(&json!({})).spec).unwrap().meters_digest())];
    let mut seen = found(&map(&data));
    // The last days are looked at again, with meters that tell a category, and tell the same.
    let same = |_: i64| 1e6 / 24.0;
    let (from, to) = (now().as_millisecond() - 10 * 86_400_000, now().as_millisecond());
    let samples = [("feed", 1.2), ("pdu", 1.0)];
    seen.samples =
        samples.map(|(name, ratio)| (name.to_owned(), Ok(counter(from, to, |at| ratio * same(at))))).into();
    let looked = closed(&seen.samples, "2026-06-14", days);
    assert_eq!(looked.changes, []);
    seen.days = Some(looked);
    assert_eq!(ledger_of(&run(&dc(&json!({})), &seen)).body["data"][LEDGER_KEY], text.as_str());
}

#[test]
fn a_ledger_whose_provenance_cannot_be_read_is_left_as_it_is() {
    let (ledger, _) = imported();
    let texts = [(LEDGER_KEY, ledger.encode()), (PROVENANCE_KEY, r#"{"version":2}"#.to_owned())];
    let plan = run(&dc(&json!({})), &found(&map(&texts)));
    let (truth, reason, message) = condition(&plan, "Ready");
    assert_eq!((truth, reason), ("False", "LedgerUnreadable"));
    assert!(message.contains("provenance of its imported days has version 2"), "{message}");
    assert!(plan.own.iter().all(|own| own.object.name != "banyan-ledger-gulou-1"));
    assert!(plan.keep.iter().any(|kept| kept.name == "banyan-ledger-gulou-1"));
}
