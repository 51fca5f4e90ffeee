//! What is said and done about a field manager that sets back what is held.

use super::*;
use crate::kernel::{
    loan::{self, Record},
    rivals::Doubt,
};

#[test]
fn who_sets_back_what_is_held_is_said_once_and_left_alone_until_the_spec_changes() {
    let site = dc(&json!({"spec": {"enforcement": {"actions": ["HoldBatch"]}}}));
    let first = run(&site, &seen(1e4, 1.40));
    assert_eq!(condition(&first, words::UNCONTESTED).0, "True");
    let before = seen(1e4, 1.40);
    let mut next = after(first, &before, now());
    let key = loan::annotation("HoldBatch");
    let record = Record { owner: "datacenter.gulou-1".into(), at: NOW.into(), rounds: 3, fields: vec![] };
    next.estate.batch[0].loans = vec![(key.clone(), record)];
    next.estate.batch[0].doubts = vec![(key, Doubt::Overwritten { by: "argocd-controller".into() })];
    let left = run(&site, &next);
    let (truth, reason, message) = condition(&left, words::UNCONTESTED);
    assert_eq!((truth, reason, loans(&left).len()), ("False", "FieldManagerFight", 0));
    assert!(
        message.contains("CronJob health/nightly: argocd-controller sets /spec/suspend back"),
        "{message}"
    );
    let told =
        |plan: &Plan<DataCenterStatus>| plan.notices.iter().filter(|one| one.reason == "Contested").count();
    assert_eq!(told(&left), 1);
    // The same again: nothing is told or written anew.
    let seen_again = after(left, &next, now());
    let again = run(&site, &seen_again);
    assert_eq!((told(&again), &again.status), (0, seen_again.status.as_ref().unwrap()));
    // Nobody fights while nothing is to be done; and with another spec everything is tried.
    let suspended = run(&dc(&json!({"spec": {"suspend": true}})), &seen_again);
    assert_eq!((suspended.status.contested.len(), loans(&suspended).len()), (1, 0));
    let mut changed = site.clone();
    changed.metadata.generation = Some(4);
    let anew = run(&changed, &seen_again);
    assert_eq!((loans(&anew)[0].fought, anew.status.contested.len()), (Some(0), 0));
    assert_eq!(condition(&anew, words::UNCONTESTED).0, "True");
}
