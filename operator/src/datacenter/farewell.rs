//! What is undone for a site, and what its status says, when Banyan is taken off a cluster.

use banyan_crds::{
    conditions::{READY, Stated, Truth, UNINSTALLED, merge},
    v1alpha1::{DataCenterStatus, EnforcementState},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{
    holds::{self, Estate},
    marks::Mark,
    settle,
    words::NOT_ENFORCING,
};
use crate::kernel::{
    executor::{Entry, Outcome},
    plan::{Owner, Undo},
};

/// Why everything is undone, in the trail and in `status.actions`.
pub const WHY: &str = "Banyan is being uninstalled";
/// Actions that the status keeps.
const KEPT: usize = 20;

/// Everything that stands for `owner`, in the order in which it is taken back: the marks first, so that nothing new is
/// held or refused while the rest is given back. `known` is what Banyan made for it in `namespace`.
pub fn undo(estate: &Estate, known: &[Entry], owner: &Owner, namespace: &str) -> Vec<Vec<Undo>> {
    let marks: Vec<Undo> = [Mark::Freeze, Mark::Hold]
        .into_iter()
        .map(|mark| (mark, mark.object(&owner.name, namespace)))
        .filter(|(_, object)| known.iter().any(|entry| entry.object.name == object.name))
        .map(|(mark, object)| Undo::Remove {
            object,
            action: Some(holds::name(mark.action())),
            why: WHY.to_owned(),
        })
        .collect();
    let marks = (!marks.is_empty()).then_some(marks);
    marks.into_iter().chain(holds::on_loan(estate, owner, WHY)).collect()
}

/// The status with what was undone told in it, and nothing else changed: for a site of which something still stands.
pub fn told(mut status: DataCenterStatus, outcome: &Outcome, now: Timestamp) -> DataCenterStatus {
    status.actions.extend(settle::records(&outcome.done, now));
    let surplus = status.actions.len().saturating_sub(KEPT);
    status.actions.drain(..surplus);
    status
}

/// The status that a site is left with: nothing is in force, what was undone is told, and nobody takes what it says for
/// the present.
pub fn status(
    mut status: DataCenterStatus,
    outcome: &Outcome,
    generation: Option<i64>,
    now: Timestamp,
) -> DataCenterStatus {
    status = told(status, outcome, now);
    if let Some(enforcement) = &mut status.enforcement {
        enforcement.engaged.clear();
        if enforcement.state != EnforcementState::Clear {
            enforcement.state = EnforcementState::Clear;
            enforcement.since = Time(now);
        }
    }
    let left = [
        Stated::new(
            READY,
            Truth::Unknown,
            UNINSTALLED,
            "Banyan was uninstalled: nothing here is kept up to date; install it again to go on",
        ),
        Stated::new(NOT_ENFORCING, true, UNINSTALLED, "Banyan was uninstalled: everything was given back"),
    ];
    let mut conditions = merge(&status.conditions, &left, generation, now);
    let others = status.conditions.drain(..);
    conditions.extend(others.filter(|one| ![READY, NOT_ENFORCING].contains(&one.type_.as_str())));
    status.conditions = conditions;
    status
}

#[cfg(test)]
mod tests {
    use kube::core::ApiResource;
    use serde_json::json;

    use super::*;
    use crate::{
        index::nodes::NodeEntry,
        kernel::{
            executor::{Deed, Done},
            loan::{self, Record},
        },
    };

    fn owner() -> Owner {
        Owner { kind: "datacenter", name: "gulou".into() }
    }

    fn node(name: &str, lent_to: &str) -> NodeEntry {
        let record =
            Record { owner: lent_to.into(), at: "2026-03-01T00:00:00Z".into(), rounds: 0, fields: vec![] };
        NodeEntry {
            name: name.into(),
            uid: format!("uid-{name}"),
            labels: std::sync::Arc::default(),
            loans: vec![(loan::annotation("PreferElsewhere"), record)],
            doubts: vec![],
        }
    }

    #[test]
    fn the_marks_go_first_and_only_what_stands_for_the_site_is_undone() {
        let entry = |name: &str| Entry {
            object: crate::kernel::plan::ObjectRef {
                resource: ApiResource::erase::<k8s_openapi::api::core::v1::ConfigMap>(&()),
                namespace: Some("banyan-system".into()),
                name: name.into(),
                uid: Some("u".into()),
            },
            intent: None,
            live: None,
        };
        let known = [entry("banyan-ledger-gulou"), entry("banyan-freeze-gulou")];
        let estate = Estate {
            nodes: vec![node("a", "datacenter.gulou"), node("b", "datacenter.mawei")],
            ..Estate::default()
        };
        let groups = undo(&estate, &known, &owner(), "banyan-system");
        let name = |undo: &Undo| match undo {
            Undo::Remove { object, .. } | Undo::Return { object, .. } => object.name.clone(),
        };
        let names: Vec<Vec<String>> = groups.iter().map(|group| group.iter().map(name).collect()).collect();
        assert_eq!(names, [["banyan-freeze-gulou"], ["a"]]);
        assert!(undo(&Estate::default(), &known[..1], &owner(), "banyan-system").is_empty());
    }

    #[test]
    fn the_status_claims_nothing_that_is_not_so_and_keeps_the_energy() {
        let before: DataCenterStatus = serde_json::from_value(json!({
            "racksInUse": 7,
            "enforcement": {"state": "Enforcing", "since": "2026-03-01T00:00:00Z", "engaged": [
                {"action": "HoldBatch", "since": "2026-03-01T00:00:00Z"}
            ]},
            "conditions": [
                {"type": "Ready", "status": "True", "reason": "Reconciled", "message": "",
                 "lastTransitionTime": "2026-03-01T00:00:00Z"},
                {"type": "PUEValid", "status": "True", "reason": "Valid", "message": "",
                 "lastTransitionTime": "2026-03-01T00:00:00Z"},
                {"type": "NotEnforcing", "status": "False", "reason": "Enforcing", "message": "",
                 "lastTransitionTime": "2026-03-01T00:00:00Z"}
            ]
        }))
        .unwrap();
        let outcome = Outcome {
            done: vec![Done {
                deed: Deed::Returned,
                object: "CronJob work/nightly".into(),
                action: Some("HoldBatch".into()),
                prior: json!({}),
                kept: vec![],
                why: WHY.into(),
                until: None,
            }],
            ..Outcome::default()
        };
        let now = "2026-03-02T00:00:00Z".parse().unwrap();
        let after = status(before, &outcome, Some(2), now);
        assert_eq!(after.racks_in_use, Some(7));
        let enforcement = after.enforcement.unwrap();
        assert!(enforcement.engaged.is_empty() && enforcement.state == EnforcementState::Clear);
        let shown: Vec<_> = after.conditions.iter().map(|one| (&*one.type_, &*one.status)).collect();
        assert_eq!(shown, [("Ready", "Unknown"), ("NotEnforcing", "True"), ("PUEValid", "True")]);
        assert_eq!(after.actions[0].action, "UndoHoldBatch");
        assert!(after.actions[0].why.contains("uninstalled"));
    }
}
