use jiff::{ToSpan, civil::date};
use proptest::prelude::*;

use super::*;

fn batch(reason: &str) -> Batch {
    Batch {
        id: 0,
        author: "li.na@city".into(),
        person: Some("李娜".into()),
        at: "2026-03-05T02:11:09Z".parse().unwrap(),
        reason: reason.into(),
        source: "dcim-2025.csv".into(),
    }
}

fn step(line: u64, replaced: Option<Day>) -> Step {
    Step { batch: 0, line, note: None, replaced }
}

fn metered() -> Day {
    Day { category: 2, ..Day::full(date(2026, 3, 2), 121_700_000, 95_100_000) }
}

#[test]
fn it_reads_as_its_documentation_shows() {
    let text = r#"{"version": 1,
 "batches": [{"id": 1, "author": "li.na@city", "person": "李娜", "at": "2026-03-05T02:11:09Z",
              "reason": "records of the DCIM before Banyan", "source": "dcim-2025.csv"}],
 "days": {"2025-03-01": [{"batch": 1, "line": 2}],
          "2026-03-02": [{"batch": 1, "line": 368, "replaced": "2026-03-02,121700000,95100000,10000,10000,0,c2"}]}}"#;
    let mut made = Provenance::default();
    let days = [(date(2025, 3, 1), step(2, None)), (date(2026, 3, 2), step(368, Some(metered())))];
    made.add(batch("records of the DCIM before Banyan"), days);
    assert_eq!(Provenance::decode(text).unwrap(), made);
    let written = made.encode();
    assert_eq!(Provenance::decode(&written).unwrap(), made);
    assert!(written.contains("\n\"2025-03-01\":[{\"batch\":1,\"line\":2}],\n\"2026-03-02\":[{"), "{written}");
}

#[test]
fn what_cannot_be_read_says_why() {
    let wrong = |text: &str| Provenance::decode(text).unwrap_err().to_string();
    assert!(wrong("{").contains("cannot be read: EOF"), "{}", wrong("{"));
    assert!(wrong(r#"{"version":2,"lots":[]}"#).contains("has version 2, and this Banyan reads up to 1"));
    let lost = r#"{"version":1,"batches":[],"days":{"2025-03-01":[{"batch":7,"line":2}]}}"#;
    assert!(wrong(lost).contains("2025-03-01 names batch 7, which is not there"));
    let row = r#"{"version":1,"batches":[],"days":{"2025-03-01":[{"batch":7,"line":2,"replaced":"1,2"}]}}"#;
    assert!(wrong(row).contains("1,2: it has fewer than 6 fields"), "{}", wrong(row));
}

#[test]
fn a_day_that_is_corrected_again_keeps_what_was_metered_and_the_last_steps() {
    let the_day = date(2026, 3, 2);
    let mut kept = Provenance::default();
    for number in 0..20 {
        let replaced = Day { it_wh: 95_100_000 + number, ..metered() };
        kept.add(batch(&number.to_string()), [(the_day, step(2, Some(replaced)))]);
    }
    let reasons: Vec<&str> = kept.of(the_day).map(|(_, batch)| batch.reason.as_str()).collect();
    assert_eq!(reasons, ["0", "13", "14", "15", "16", "17", "18", "19"]);
    assert_eq!(kept.of(the_day).next().unwrap().0.replaced, Some(metered()));
    // Batches that no day names any more are gone.
    assert_eq!(kept.batches().len(), 8);
    // One that changed no day leaves no trace.
    let before = kept.clone();
    kept.add(batch("nothing"), []);
    assert_eq!(kept, before);
}

#[test]
fn days_that_fall_out_of_the_ledger_take_their_batches_along() {
    let mut kept = Provenance::default();
    kept.add(batch("old"), (0..3).map(|day| (date(2025, 1, 1) + day.days(), step(1, None))));
    kept.add(batch("new"), (2..5).map(|day| (date(2025, 1, 1) + day.days(), step(1, None))));
    kept.prune(date(2025, 1, 3));
    assert_eq!(kept.of(date(2025, 1, 2)).count(), 0);
    assert_eq!(kept.of(date(2025, 1, 3)).count(), 2);
    kept.prune(date(2025, 1, 4));
    assert_eq!(kept.batches().iter().map(|batch| batch.reason.as_str()).collect::<Vec<_>>(), ["new"]);
    // Ids go on from the last one.
    kept.add(batch("newer"), [(date(2025, 1, 9), step(1, None))]);
    assert_eq!(kept.batches().iter().map(|batch| batch.id).collect::<Vec<_>>(), [2, 3]);
    kept.prune(date(2026, 1, 1));
    assert_eq!(kept, Provenance::default());
}

#[test]
fn three_years_by_hand_fit_where_they_are_kept() {
    let mut kept = Provenance::default();
    let days = (0..1130).map(|day| (date(2024, 1, 1) + day.days(), step(1131, Some(metered()))));
    kept.add(batch("records of the DCIM before Banyan"), days);
    let length = kept.encode().len();
    assert!(length < 120_000, "{length} bytes");
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        batches in proptest::collection::vec((".{0,20}", proptest::collection::vec((0..40_i64, any::<bool>(), ".{0,9}"), 0..6)), 0..6),
        first in 0..40_i64,
    ) {
        let mut kept = Provenance::default();
        for (reason, days) in batches {
            let days = days.into_iter().map(|(day, replaced, note)| {
                let step = Step { note: Some(note), ..step(3, replaced.then(metered)) };
                (date(2025, 1, 1) + day.days(), step)
            });
            kept.add(batch(&reason), days);
        }
        prop_assert_eq!(&Provenance::decode(&kept.encode()).unwrap(), &kept);
        kept.prune(date(2025, 1, 1) + first.days());
        prop_assert_eq!(&Provenance::decode(&kept.encode()).unwrap(), &kept);
    }
}
