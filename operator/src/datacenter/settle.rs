//! Adds what the executor met to the planned status: the trail of actions, and what went wrong.

use std::collections::BTreeMap;

use banyan_crds::{
    conditions::READY,
    v1alpha1::{Action, ActionRecord, DataCenterStatus, EnforcementState},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::{fights, holds, words::NOT_ENFORCING};
use crate::kernel::executor::{Deed, Done, Outcome};

/// Actions that the status keeps.
const KEPT: usize = 20;
/// Objects that a record names, with their values before, until it counts the rest.
const NAMED: usize = 5;

/// The status to write.
///
/// `previous` is the status before the plan: a `Ready` that was false before goes on being false since then.
pub fn settle(
    mut status: DataCenterStatus,
    previous: Option<&DataCenterStatus>,
    outcome: &Outcome,
    now: Timestamp,
) -> DataCenterStatus {
    let (again, once): (Vec<_>, Vec<_>) =
        outcome.done.iter().cloned().partition(|done| matches!(done.deed, Deed::SetAgain | Deed::PutBack));
    status.actions.extend(records(&once, now));
    for record in records(&again, now) {
        // What is done over and over is in the trail each time, and here once: it would push out everything else.
        let same = |old: &ActionRecord| {
            (&old.action, &old.object, &old.why) == (&record.action, &record.object, &record.why)
        };
        status.actions.retain(|old| !same(old));
        status.actions.push(record);
    }
    fights::count(&mut status.contested, &outcome.rounds, now);
    let surplus = status.actions.len().saturating_sub(KEPT);
    status.actions.drain(..surplus);
    let wrong = outcome
        .failures
        .first()
        .map(|error| (error.category(), format!("{error}; it is tried again")))
        .or_else(|| {
            let (object, manager) = outcome.conflicts.first()?;
            Some(("Conflict", format!("{object} is also managed by {manager}; it is left as it is")))
        })
        .or_else(|| {
            let (object, holder) = outcome.held_by_others.first()?;
            Some((
                "HeldByAnother",
                format!("{object} is held for {holder}; do two sites select the same objects?"),
            ))
        });
    let cause = wrong
        .as_ref()
        .map_or_else(|| "the DataCenter is being deleted".to_owned(), |(_, message)| message.clone());
    withdraw(&mut status, previous, outcome, &cause, now);
    if let Some((reason, message)) = wrong
        && let Some(ready) = status.conditions.iter_mut().find(|condition| condition.type_ == READY)
    {
        restate(ready, previous, "False", reason, message, now);
    }
    status
}

/// Takes out of force what this look was to take and nothing carries, so that the status claims nothing that is not so
/// and the next look tries it again.
fn withdraw(
    status: &mut DataCenterStatus,
    previous: Option<&DataCenterStatus>,
    outcome: &Outcome,
    cause: &str,
    now: Timestamp,
) {
    let before = previous.and_then(|status| status.enforcement.as_ref());
    let Some(enforcement) = &mut status.enforcement else { return };
    let stood = |action: Action| {
        before.is_some_and(|before| before.engaged.iter().any(|engaged| engaged.action == action))
    };
    let (kept, withdrawn): (Vec<_>, Vec<_>) = std::mem::take(&mut enforcement.engaged)
        .into_iter()
        .partition(|engaged| stood(engaged.action) || outcome.carried_out(&holds::name(engaged.action)));
    enforcement.engaged = kept;
    if withdrawn.is_empty() {
        return;
    }
    let names: Vec<_> = withdrawn.iter().map(|engaged| holds::name(engaged.action)).collect();
    let undone = before.is_some_and(|before| before.engaged.len() > enforcement.engaged.len());
    if !undone {
        enforcement.last_step = before.and_then(|before| before.last_step.clone());
    }
    let nothing = enforcement.engaged.is_empty();
    if nothing {
        let state = before.map_or(EnforcementState::Clear, |before| before.state);
        // Nothing is in force: an `Enforcing` of before ended with this look.
        enforcement.state =
            if state == EnforcementState::Enforcing { EnforcementState::Clear } else { state };
        enforcement.since = before
            .filter(|before| before.state == enforcement.state)
            .map_or(Time(now), |before| before.since.clone());
    }
    if let Some(condition) = status.conditions.iter_mut().find(|condition| condition.type_ == NOT_ENFORCING) {
        let message = format!("{} was due and could not be carried out: {cause}", names.join(", "));
        let truth = if nothing { "True" } else { "False" };
        restate(condition, previous, truth, "NotCarriedOut", message, now);
    }
}

/// Says something else in a planned condition; it has been so since it first was, not since this look.
fn restate(
    condition: &mut Condition,
    previous: Option<&DataCenterStatus>,
    truth: &str,
    reason: &str,
    message: String,
    now: Timestamp,
) {
    if condition.status != truth {
        truth.clone_into(&mut condition.status);
        condition.last_transition_time = previous
            .and_then(|status| status.conditions.iter().find(|before| before.type_ == condition.type_))
            .filter(|before| before.status == truth)
            .map_or(Time(now), |before| before.last_transition_time.clone());
    }
    reason.clone_into(&mut condition.reason);
    condition.message = message;
}

/// One record for each action and kind of deed, however many objects it touched.
pub fn records(done: &[Done], now: Timestamp) -> Vec<ActionRecord> {
    let mut groups: BTreeMap<(String, &str), Vec<&Done>> = BTreeMap::new();
    let mut order = Vec::new();
    for done in done {
        let Some(action) = &done.action else { continue };
        let name = match done.deed {
            Deed::Borrowed | Deed::SetAgain | Deed::Ensured => action.clone(),
            Deed::PutBack => format!("PutBack{action}"),
            Deed::Returned | Deed::Removed => format!("Undo{action}"),
            Deed::FinalizerSet | Deed::FinalizerCleared => continue,
        };
        let key = (name, done.why.as_str());
        if !groups.contains_key(&key) {
            order.push(key.clone());
        }
        groups.entry(key).or_default().push(done);
    }
    order
        .into_iter()
        .filter_map(|key| {
            let group = groups.remove(&key)?;
            let (action, why) = key;
            let prior = priors(&group);
            let mut objects: Vec<&str> = group.iter().map(|done| done.object.as_str()).collect();
            objects.sort_unstable();
            let rest = objects.len().saturating_sub(NAMED);
            objects.truncate(NAMED);
            let mut object = objects.join(", ");
            if rest > 0 {
                object = format!("{object} and {rest} more");
            }
            let kept: Vec<_> =
                group.iter().filter(|done| !done.kept.is_empty()).map(|done| done.object.as_str()).collect();
            let mut why = why.to_owned();
            if !kept.is_empty() {
                why = format!("{why}; left as somebody else had set it meanwhile: {}", kept.join(", "));
            }
            Some(ActionRecord {
                at: Time(now),
                action,
                object: cut(&object, 512),
                prior: prior.map(|prior| cut(&prior, 512)),
                why: cut(&why, 512),
                until: group[0].until.as_deref().map(|until| cut(until, 128)),
            })
        })
        .collect()
}

/// The values before: once where they were the same everywhere, else by object.
fn priors(group: &[&Done]) -> Option<String> {
    let mut told: Vec<_> = group.iter().filter(|done| !done.prior.is_null()).collect();
    let first = told.first()?;
    if told.iter().all(|done| done.prior == first.prior) {
        return Some(first.prior.to_string());
    }
    told.sort_by(|a, b| a.object.cmp(&b.object));
    let by_object: Vec<_> =
        told.iter().take(NAMED).map(|done| format!("{}: {}", done.object, done.prior)).collect();
    Some(by_object.join("; "))
}

/// At most `limit` characters, which is how the schema counts.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kernel::writer::WriteError;

    fn held(object: &str) -> Done {
        Done {
            deed: Deed::Borrowed,
            object: object.into(),
            action: Some("HoldBatch".into()),
            prior: json!({"/spec/suspend": false}),
            kept: vec![],
            why: "violated".into(),
            until: Some("it is clear again".into()),
        }
    }

    fn now() -> Timestamp {
        "2026-03-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn an_action_on_many_objects_is_one_record() {
        let done: Vec<_> = (0..8).map(|n| held(&format!("CronJob a/{n}"))).collect();
        let status =
            settle(DataCenterStatus::default(), None, &Outcome { done, ..Outcome::default() }, now());
        assert_eq!(status.actions.len(), 1);
        assert!(status.actions[0].object.ends_with("and 3 more"), "{}", status.actions[0].object);
        assert_eq!(status.actions[0].prior.as_deref(), Some(r#"{"/spec/suspend":false}"#));
        assert_eq!(status.actions[0].until.as_deref(), Some("it is clear again"));
    }

    #[test]
    fn values_before_that_differ_are_told_by_object() {
        let other = Done { prior: json!({"/spec/suspend": null}), ..held("CronJob a/0") };
        let records = records(&[held("CronJob a/1"), other], now());
        assert_eq!(
            records[0].prior.as_deref(),
            Some(r#"CronJob a/0: {"/spec/suspend":null}; CronJob a/1: {"/spec/suspend":false}"#)
        );
    }

    /// A plan that takes `HoldBatch`, from nothing.
    fn taking() -> (DataCenterStatus, DataCenterStatus) {
        let status = |enforcement: Value, truth, reason| DataCenterStatus {
            enforcement: serde_json::from_value(enforcement).unwrap(),
            conditions: banyan_crds::conditions::merge(
                &[],
                &[
                    banyan_crds::conditions::Stated::new(READY, true, "Reconciled", ""),
                    banyan_crds::conditions::Stated::new(NOT_ENFORCING, truth, reason, ""),
                ],
                None,
                now(),
            ),
            ..DataCenterStatus::default()
        };
        let before = status(json!({"state": "Clear", "since": "2026-02-01T00:00:00Z"}), true, "Clear");
        let planned = json!({
            "state": "Enforcing", "since": "2026-03-01T00:00:00Z", "lastStep": "2026-03-01T00:00:00Z",
            "engaged": [{"action": "HoldBatch", "since": "2026-03-01T00:00:00Z"}]
        });
        (before, status(planned, false, "Enforcing"))
    }

    #[test]
    fn an_action_that_nothing_carries_is_not_claimed_and_is_tried_again() {
        let (before, planned) = taking();
        let failed = || vec![WriteError::Fenced { what: "CronJob a/b".into() }];
        for outcome in [
            Outcome { failures: failed(), ..Outcome::default() },
            Outcome { abandoned: true, ..Outcome::default() },
            Outcome { held_by_others: vec![("CronJob a/b".into(), "c".into())], ..Outcome::default() },
        ] {
            let status = settle(planned.clone(), Some(&before), &outcome, now());
            assert_eq!(status.enforcement, before.enforcement, "{outcome:?}");
            let condition = &status.conditions[1];
            assert_eq!((condition.status.as_str(), condition.reason.as_str()), ("True", "NotCarriedOut"));
            assert!(condition.message.starts_with("HoldBatch was due"), "{}", condition.message);
        }
    }

    #[test]
    fn an_action_that_something_carries_or_nothing_hindered_is_in_force() {
        let (before, planned) = taking();
        let failures = vec![WriteError::Fenced { what: "CronJob a/c".into() }];
        for outcome in
            [Outcome { failures, done: vec![held("CronJob a/b")], ..Outcome::default() }, Outcome::default()]
        {
            let status = settle(planned.clone(), Some(&before), &outcome, now());
            assert_eq!(status.enforcement, planned.enforcement);
        }
    }

    #[test]
    fn the_last_twenty_are_kept() {
        let mut status = DataCenterStatus::default();
        for n in 0..25 {
            let done = vec![Done { why: n.to_string(), ..held("CronJob a/b") }];
            status = settle(status, None, &Outcome { done, ..Outcome::default() }, now());
        }
        assert_eq!(status.actions.len(), KEPT);
        assert_eq!(status.actions[0].why, "5");
    }

    #[test]
    fn what_is_done_over_and_over_is_one_record_and_counted_where_it_is_fought_over() {
        use crate::kernel::{executor::Round, loan::Against, plan::ObjectRef};
        let mut status = settle(
            DataCenterStatus::default(),
            None,
            &Outcome { done: vec![held("CronJob a/b")], ..Outcome::default() },
            now(),
        );
        for rounds in 1..=3 {
            let object = ObjectRef {
                resource: kube::core::ApiResource::erase::<k8s_openapi::api::batch::v1::CronJob>(&()),
                namespace: Some("a".into()),
                name: "b".into(),
                uid: None,
            };
            let against =
                Against { managers: "platform".into(), fields: vec!["/spec/suspend".into()], rounds };
            let again = Done { deed: Deed::SetAgain, why: "set again".into(), ..held("CronJob a/b") };
            let round = Round { object, action: "HoldBatch".into(), against };
            let outcome = Outcome { done: vec![again], rounds: vec![round], ..Outcome::default() };
            status = settle(status, None, &outcome, now());
        }
        let told: Vec<_> =
            status.actions.iter().map(|record| (record.action.as_str(), record.why.as_str())).collect();
        assert_eq!(told, [("HoldBatch", "violated"), ("HoldBatch", "set again")]);
        assert_eq!((status.contested.len(), status.contested[0].rounds), (1, 3));
    }

    #[test]
    fn what_nobody_did_changes_nothing() {
        let status = DataCenterStatus::default();
        assert_eq!(settle(status.clone(), None, &Outcome::default(), now()), status);
    }

    #[test]
    fn a_failure_is_said_in_ready() {
        let ready = banyan_crds::conditions::Stated::new(READY, true, "Reconciled", "");
        let conditions = banyan_crds::conditions::merge(&[], &[ready], None, now());
        let status = DataCenterStatus { conditions, ..DataCenterStatus::default() };
        let failures = vec![WriteError::Fenced { what: "CronJob a/b".into() }];
        let status = settle(status, None, &Outcome { failures, ..Outcome::default() }, now());
        assert_eq!(
            (status.conditions[0].status.as_str(), status.conditions[0].reason.as_str()),
            ("False", "NotLeading")
        );
        // Failing again a minute later is no transition: the same bytes, so nothing is written.
        let later = now().checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
        let mut planned = status.clone();
        let ready = banyan_crds::conditions::Stated::new(READY, true, "Reconciled", "");
        planned.conditions = banyan_crds::conditions::merge(&status.conditions, &[ready], None, later);
        let failures = vec![WriteError::Fenced { what: "CronJob a/b".into() }];
        let again = settle(planned, Some(&status), &Outcome { failures, ..Outcome::default() }, later);
        assert_eq!(again, status);
    }

    #[test]
    fn a_kept_change_is_named_in_the_undo() {
        let done = vec![Done {
            deed: Deed::Returned,
            kept: vec!["/spec/suspend".into()],
            prior: Value::Null,
            ..held("CronJob a/b")
        }];
        let status =
            settle(DataCenterStatus::default(), None, &Outcome { done, ..Outcome::default() }, now());
        assert_eq!(status.actions[0].action, "UndoHoldBatch");
        assert!(status.actions[0].why.contains("CronJob a/b"));
    }
}
