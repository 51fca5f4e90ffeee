//! What was done by a run that was killed before it could write it into the status.
//!
//! An action and its memory are one write, so the next run finds what was taken; but the status, which is written last,
//! says nothing of it yet, and nothing is left to do that would be told. Found work is told here, once: with the status
//! that says so, the step itself is no longer due.

use banyan_crds::v1alpha1::{Action, ActionRecord, DataCenter};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{ResourceExt, core::ApiResource};
use serde_json::Value;

use super::{
    enforce::Decision,
    holds::{self, Entries, Estate},
    settle,
};
use crate::kernel::{
    executor::{Deed, Done},
    plan::{Found, ObjectRef, Owner},
};

/// Records of what stands or was given back and is in no record of `told`: loans that stand for what is only now taken,
/// loans that were made after the action was told last, and loans of which nothing stands any more for what is only now
/// undone. `entries` are those for the same decision. And the same for the trail.
pub fn records(
    dc: &DataCenter,
    owner: &Owner,
    decision: &Decision,
    estate: &Estate,
    entries: &Entries,
    told: &[ActionRecord],
    now: Timestamp,
) -> (Vec<ActionRecord>, Vec<Found>) {
    let site = dc.name_any();
    let mut found: Vec<Found> = decision
        .engaged
        .iter()
        .flat_map(|(action, _)| {
            let new = decision.taken.contains(action);
            holds::standing(estate, owner, *action)
                .filter(|loan| (loan.belongs)(&site, dc.spec.node_selector.as_ref()))
                .filter(move |loan| {
                    let made = loan.record.at.parse().ok();
                    new || !is_told(&holds::name(*action), &loan.object.to_string(), made, told, now)
                })
                .map(|loan| Found {
                    what: Deed::Borrowed,
                    object: loan.object,
                    action: holds::name(*action),
                    prior: Value::Object(
                        loan.record
                            .fields
                            .iter()
                            .map(|lent| (lent.field.pointer.clone(), lent.prior.clone()))
                            .collect(),
                    ),
                    why: decision.message.clone(),
                    until: Some(holds::UNTIL.to_owned()),
                })
        })
        .collect();
    let taken: Vec<Done> = found.iter().map(done).collect();
    let undone: Vec<_> = decision
        .undone
        .iter()
        .filter(|action| {
            // Of a queue that cannot be seen it cannot be said.
            let unseen = **action == Action::HoldBatch && !estate.queues_known;
            // What is told by what is taken back, the mark of a freeze among it, is not told here.
            !unseen && !entries.undo.iter().flatten().any(|undo| holds::action_of(undo) == Some(**action))
        })
        .filter_map(|action| {
            let name = holds::name(*action);
            let taken = told.iter().rev().find(|record| record.action == name)?;
            Some((name.clone(), ActionRecord {
                at: Time(now),
                action: format!("Undo{name}"),
                object: taken.object.clone(),
                prior: None,
                why: "nothing was on loan any more: there was nothing else to give back, or a run that was ended before it could say so has done it"
                    .to_owned(),
                until: None,
            }))
        })
        .collect();
    // What had been on which object is not known any more: it is told of the site.
    found.extend(undone.iter().map(|(action, record)| Found {
        what: Deed::Returned,
        object: ObjectRef {
            resource: ApiResource::erase::<DataCenter>(&()),
            namespace: None,
            name: dc.name_any(),
            uid: dc.uid(),
        },
        action: action.clone(),
        prior: Value::Null,
        why: record.why.clone(),
        until: None,
    }));
    let undone = undone.into_iter().map(|(_, record)| record);
    (settle::records(&taken, now).into_iter().chain(undone).collect(), found)
}

fn done(found: &Found) -> Done {
    let Found { what, object, action, prior, why, until } = found;
    Done {
        deed: *what,
        object: object.to_string(),
        action: Some(action.clone()),
        prior: prior.clone(),
        kept: Vec::new(),
        why: why.clone(),
        until: until.clone(),
    }
}

/// Whether a loan of `action` from `object`, made at `made`, is in a record: in one that is younger, or, of the same
/// second, in one that names it or no longer names all. A time that cannot be read, or lies in the future, was told if the
/// action ever was.
fn is_told(
    action: &str,
    object: &str,
    made: Option<Timestamp>,
    told: &[ActionRecord],
    now: Timestamp,
) -> bool {
    told.iter().filter(|record| record.action == action).any(|record| {
        match made.filter(|made| *made <= now) {
            None => true,
            Some(made) if record.at.0 == made => {
                record.object.ends_with('…')
                    || record.object.split(", ").any(|named| named == object)
                    || record.object.ends_with(" more")
            }
            Some(made) => record.at.0 > made,
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use banyan_crds::v1alpha1::{Action, EnforcementState};
    use serde_json::json;

    use super::*;
    use crate::{
        index::nodes::NodeEntry,
        kernel::loan::{self, Field, Lent, Record},
    };

    fn decision(taken: &[Action], undone: &[Action]) -> Decision {
        Decision {
            state: EnforcementState::Enforcing,
            engaged: taken.iter().map(|action| (*action, Timestamp::UNIX_EPOCH)).collect(),
            taken: taken.to_vec(),
            undone: undone.to_vec(),
            refused: vec![],
            last_step: None,
            next_step: None,
            reason: "Enforcing",
            message: "violated".into(),
        }
    }

    fn told_by(
        decision: &Decision,
        marked: bool,
        told: &[ActionRecord],
    ) -> Vec<(String, String, Option<String>)> {
        let dc: DataCenter = serde_json::from_value(json!({
            "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter", "metadata": {"name": "a"},
            "spec": {"location": {"timeZone": "Asia/Shanghai"}, "nodeSelector": {"matchLabels": {"zone": "a"}}}
        }))
        .unwrap();
        let owner = Owner { kind: "datacenter", name: "a".into() };
        let field = Field { pointer: "/x".into(), set: json!(2), element_keys: vec![] };
        let record = Record {
            owner: owner.to_string(),
            at: String::new(),
            rounds: 0,
            fields: vec![Lent { field, prior: json!(1), declarers: vec![] }],
        };
        let loans = if marked { vec![(loan::annotation("PreferElsewhere"), record)] } else { vec![] };
        let node = NodeEntry {
            name: "n".into(),
            uid: "u".into(),
            labels: Arc::new([("zone".to_owned(), "a".to_owned())].into()),
            loans,
            doubts: vec![],
        };
        let estate = Estate { nodes: vec![node], batch: vec![], queues_known: true };
        let now = Timestamp::UNIX_EPOCH;
        let course = holds::Course {
            engaged: &decision.engaged,
            undone: &decision.undone,
            why: "violated",
            memory: crate::datacenter::fights::Memory { contested: &[], afresh: false, now },
        };
        let entries = holds::entries(&dc, &owner, "ns", &course, &estate);
        let (records, found) = records(&dc, &owner, decision, &estate, &entries, told, Timestamp::UNIX_EPOCH);
        // What is told is in the trail too.
        assert_eq!(records.len(), found.len());
        records.into_iter().map(|record| (record.action, record.object, record.prior)).collect()
    }

    fn taken() -> ActionRecord {
        ActionRecord {
            at: Time(Timestamp::UNIX_EPOCH),
            action: "PreferElsewhere".into(),
            object: "Node n".into(),
            prior: None,
            why: String::new(),
            until: None,
        }
    }

    #[test]
    fn what_stands_before_it_is_taken_is_told_with_its_prior_value() {
        let step = decision(&[Action::PreferElsewhere], &[]);
        let told = told_by(&step, true, &[]);
        assert_eq!(told, [("PreferElsewhere".into(), "Node n".into(), Some(r#"{"/x":1}"#.into()))]);
        // What the executor is about to do it tells itself.
        assert_eq!(told_by(&step, false, &[]), []);
    }

    #[test]
    fn what_was_given_back_before_it_is_undone_is_told() {
        let step = decision(&[], &[Action::PreferElsewhere]);
        let told = told_by(&step, false, &[taken()]);
        assert_eq!(told, [("UndoPreferElsewhere".into(), "Node n".into(), None)]);
        assert_eq!(told_by(&step, true, &[taken()]), []);
        // An action that touched nothing has nothing to give back.
        assert_eq!(told_by(&step, false, &[]), []);
    }

    #[test]
    fn a_loan_that_was_made_and_not_answered_is_told_once() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let record =
            |second, object: &str| ActionRecord { at: Time(at(second)), object: object.into(), ..taken() };
        let is_told = |made, told: &[ActionRecord]| is_told("PreferElsewhere", "Node n", made, told, at(100));
        // Made in the very round that told of its like, or later.
        assert!(!is_told(Some(at(50)), &[record(50, "Node m")]));
        assert!(!is_told(Some(at(60)), &[record(50, "Node n")]));
        assert!(!is_told(
            Some(at(60)),
            &[ActionRecord { action: "HoldBatch".into(), ..record(70, "Node n") }]
        ));
        // In a record, or too old to tell.
        assert!(is_told(Some(at(50)), &[record(50, "Node m, Node n")]));
        assert!(is_told(Some(at(50)), &[record(50, "Node a, Node b and 3 more")]));
        assert!(is_told(Some(at(50)), &[record(60, "Node m")]));
        // A clock that has been put right since, and a time that is none: once.
        for made in [Some(at(200)), None] {
            assert!(!is_told(made, &[]));
            assert!(is_told(made, &[record(50, "Node m")]));
        }
    }

    #[test]
    fn what_stands_and_was_never_told_is_told_while_it_is_in_force() {
        let mut held = decision(&[Action::PreferElsewhere], &[]);
        held.taken.clear();
        let told = told_by(&held, true, &[]);
        assert_eq!(told, [("PreferElsewhere".into(), "Node n".into(), Some(r#"{"/x":1}"#.into()))]);
        assert_eq!(told_by(&held, true, &[taken()]), []);
    }
}
