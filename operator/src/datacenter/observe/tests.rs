//! What is remembered between looks.

use super::{
    days::{LookedAt, REOPEN_EVERY},
    *,
};

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

#[test]
fn a_service_accounts_token_is_not_sent_to_a_prometheus() {
    let secret = |kind: &str| -> Secret {
        serde_json::from_value(serde_json::json!({"type": kind, "data": {"token": "dG9rZW4="}})).unwrap()
    };
    assert!(matches!(credentials(&secret("Opaque"), "prom"), Ok(Auth::Bearer(_))));
    let refused = credentials(&secret("kubernetes.io/service-account-token"), "prom").unwrap_err();
    assert_eq!(refused.reason, "SecretRefused");
    assert!(refused.message.contains("prom") && !refused.message.contains("token="), "{}", refused.message);
}
