//! What is remembered between looks.

use super::*;

#[tokio::test]
async fn days_count_as_looked_at_when_they_are_written_and_a_look_is_not_forgotten() {
    let room = crate::datacenter::tests::room(&Arc::default());
    let observer = &room.observer;
    let looked = |last: &str| LookedAt {
        at: Instant::now(),
        again_after: REOPEN_EVERY,
        last: last.parse().unwrap(),
        digest: String::new(),
    };
    let last = || observer.remembered("a").days.map(|looked| looked.last.to_string());
    observer.remember("a", |memory| memory.looking = Some(looked("2026-03-01")));
    assert_eq!(last(), None);
    observer.days_written("a");
    assert_eq!(last().as_deref(), Some("2026-03-01"));
    // A round that did not look at the days leaves the last look as it was.
    observer.days_written("a");
    assert_eq!(last().as_deref(), Some("2026-03-01"));
}
