//! What an action means on objects: which fields it borrows, which object it makes, and what is given back.

use std::collections::BTreeMap;

use banyan_crds::v1alpha1::{Action, ContestedObject, DataCenter};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{ResourceExt, core::ApiResource};
use serde_json::json;

use super::{
    claims,
    fights::{self, Memory},
    marks::Mark,
};
use crate::{
    index::{
        batch::{BatchEntry, BatchKind},
        nodes::NodeEntry,
        selector,
    },
    kernel::{
        loan::{self, Field, Loan, Prior, Term},
        plan::{FINALIZER, ObjectRef, Own, Owner, Undo},
    },
};

mod standing;

pub use standing::{StandingLoan, leftovers, on_loan, standing};
use standing::{give_back, unreadable};

/// Label that `PreferElsewhere` sets on Nodes.
pub const AVOID_LABEL: &str = "banyan.dev/avoid";
/// Taint that `PreferElsewhere` sets on Nodes.
pub const AVOID_TAINT: &str = "banyan.dev/pue-violated";

/// Until when an action stands.
pub const UNTIL: &str = "the operational verdict is clear again";

/// The cluster as far as a site's actions go.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    /// Nodes of the site, and Nodes with a loan for it.
    pub nodes: Vec<NodeEntry>,
    /// Batch work of the site, and such with a loan for it.
    pub batch: Vec<BatchEntry>,
    /// Whether it is known which of Kueue's queues there are. While it is not, no batch work is held, and what may be on
    /// loan from one of them keeps the finalizer.
    pub queues_known: bool,
}

/// The entries of a plan that bring about what is engaged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries {
    /// What is given back first.
    pub undo: Vec<Vec<Undo>>,
    /// Objects to ensure.
    pub own: Vec<Own>,
    /// Fields to borrow.
    pub borrow: Vec<Vec<Loan>>,
    /// Something is or will be on loan after this plan.
    pub lending: bool,
    /// Something may still be held after this plan that it does not know of.
    pub look_again: bool,
    /// Objects over which another manager fights, as far as this plan knows of them.
    pub contested: Vec<ContestedObject>,
}

/// What is to be in force.
#[derive(Clone, Copy, Debug)]
pub struct Course<'a> {
    /// Actions in force, with since when, in order.
    pub engaged: &'a [(Action, jiff::Timestamp)],
    /// What was just taken out of force, in order.
    pub undone: &'a [Action],
    /// Why.
    pub why: &'a str,
    /// What is remembered of fights.
    pub memory: Memory<'a>,
}

/// The name of an action in annotations, events and the trail.
pub fn name(action: Action) -> String {
    format!("{action:?}")
}

/// Whether a Node belongs to the site.
pub fn has_node(selector: Option<&LabelSelector>, labels: &BTreeMap<String, String>) -> bool {
    selector.is_some_and(|selector| selector::matches(selector, labels))
}

/// Whether a piece of batch work belongs to the site called `site`: by its site label, or because its Pods ask for the
/// site's Nodes.
pub fn has_batch(site: &str, selector: Option<&LabelSelector>, entry: &BatchEntry) -> bool {
    if let Some(label) = &entry.site {
        return label == site;
    }
    if entry.kind == BatchKind::ClusterQueue {
        return false;
    }
    // A Pod's node selector can only ask for labels; what a Node must not have cannot be read from it.
    selector.is_some_and(|selector| {
        let negative = selector
            .match_expressions
            .iter()
            .flatten()
            .any(|expression| matches!(expression.operator.as_str(), "NotIn" | "DoesNotExist"));
        !negative && selector::matches(selector, &entry.node_selector)
    })
}

/// The fields that an action borrows on objects of a kind for the site called `site`. Nothing else is ever given back,
/// whatever stands on an object.
pub fn terms(action: Action, kind: &str, site: &str) -> Vec<Term> {
    let plain =
        |pointer: String, set, prior| Term { field: Field { pointer, set, element_keys: vec![] }, prior };
    match (action, kind) {
        (Action::HoldBatch, "CronJob" | "Job") => {
            vec![plain("/spec/suspend".to_owned(), json!(true), Prior::Bool)]
        }
        (Action::HoldBatch, "ClusterQueue") => vec![plain(
            "/spec/stopPolicy".to_owned(),
            json!("Hold"),
            Prior::OneOf(&["None", "Hold", "HoldAndDrain"]),
        )],
        (Action::PreferElsewhere, "Node") => vec![
            plain(format!("/metadata/labels/{}", loan::escape(AVOID_LABEL)), json!("pue"), Prior::Label),
            Term {
                field: Field {
                    pointer: "/spec/taints".to_owned(),
                    set: json!({ "key": AVOID_TAINT, "value": site, "effect": "PreferNoSchedule" }),
                    element_keys: vec!["key".to_owned(), "effect".to_owned()],
                },
                prior: Prior::Taint,
            },
        ],
        _ => vec![],
    }
}

/// The entries for a course of action.
pub fn entries(
    dc: &DataCenter,
    owner: &Owner,
    namespace: &str,
    course: &Course<'_>,
    estate: &Estate,
) -> Entries {
    let Course { engaged, undone, why, memory } = *course;
    let mut entries = Entries::default();
    let site = dc.name_any();
    let selector = dc.spec.node_selector.as_ref();
    let queued = estate
        .batch
        .iter()
        .any(|entry| entry.kind == BatchKind::ClusterQueue && has_batch(&site, selector, entry));
    let in_force = |action: Action| engaged.iter().any(|(held, _)| *held == action);

    // Whatever stands for this site without being in force goes: what was just undone in its order, then leftovers of
    // a process that was killed in between.
    let mut order: Vec<Action> = undone.to_vec();
    for action in [Action::FreezeGrowth, Action::PreferElsewhere, Action::HoldBatch] {
        if !order.contains(&action) {
            order.push(action);
        }
    }
    let because = if undone.is_empty() { "no longer in force" } else { why };
    for action in order {
        let group: Vec<Undo> = standing(estate, owner, action)
            .filter(|loan| !in_force(action) || !(loan.belongs)(&site, selector) || loan.object.uid.is_none())
            .map(|loan| loan.object)
            // In force, they fail where they are to be taken.
            .chain(unreadable(estate, &site, selector, action).filter(|_| !in_force(action)))
            .map(|object| give_back(object, action, &site, because))
            .collect();
        // Its mark goes first, so that nothing new is held while what is held is given back.
        let mark = match action {
            Action::HoldBatch if !queued => Some(Mark::Hold),
            Action::FreezeGrowth => Some(Mark::Freeze),
            Action::HoldBatch | Action::PreferElsewhere => None,
        };
        if let Some(mark) = mark.filter(|_| undone.contains(&action)) {
            let object = mark.object(&site, namespace);
            // The end of a hold is told once, by what is given back; see `unrecorded` where there is nothing.
            let tells = (mark == Mark::Freeze).then(|| name(action));
            entries.undo.push(vec![Undo::Remove { object, action: tells, why: why.to_owned() }]);
            // Servers see that a moment later, and may hold one more Job: it is found by another look.
            entries.look_again |= mark == Mark::Hold;
        }
        if !group.is_empty() {
            entries.undo.push(group);
        }
    }

    for (action, since) in engaged {
        match action {
            Action::HoldBatch => {
                let claims = claims::of_batch(&site, selector, owner, estate, *since);
                let (loans, contested) = claims::take(claims, memory, &site, why);
                entries.contested.extend(contested);
                if !estate.queues_known {
                    // Queues that cannot be seen may have to be held instead, and may be contested.
                    let known = fights::carried(memory.contested, |known| known.action == *action);
                    entries.contested.extend(known);
                }
                if !queued && estate.queues_known {
                    let mut mark = Mark::Hold.own(dc, owner, namespace, *since, why);
                    // The action is told once: by what is held, where there is something.
                    let tells = loans.is_empty() && standing(estate, owner, *action).next().is_none();
                    mark.action = mark.action.filter(|_| tells);
                    entries.own.push(mark);
                }
                entries.borrow.push(loans);
            }
            Action::PreferElsewhere => {
                let claims = claims::of_nodes(selector, owner, estate, *since);
                let (loans, contested) = claims::take(claims, memory, &site, why);
                entries.contested.extend(contested);
                entries.borrow.push(loans);
            }
            Action::FreezeGrowth => entries.own.push(Mark::Freeze.own(dc, owner, namespace, *since, why)),
        }
    }
    entries.borrow.retain(|group| !group.is_empty());
    let kept = [Action::HoldBatch, Action::PreferElsewhere]
        .into_iter()
        .any(|action| in_force(action) && standing(estate, owner, action).next().is_some());
    // A queue that cannot be seen may be on loan.
    let unseen = !estate.queues_known
        && (in_force(Action::HoldBatch) || dc.finalizers().iter().any(|name| name == FINALIZER));
    // A freeze needs no finalizer: it is an object of the site's own, and goes with it.
    let borrowing = engaged.iter().any(|(action, _)| *action != Action::FreezeGrowth);
    entries.lending = kept || unseen || borrowing || entries.look_again || !entries.borrow.is_empty();
    entries
}

/// The action that something is taken back for.
pub fn action_of(undo: &Undo) -> Option<Action> {
    let of = match undo {
        Undo::Remove { action, .. } => action.as_deref()?,
        Undo::Return { action, .. } => action,
    };
    action(of)
}

/// The action of this name.
pub fn action(of: &str) -> Option<Action> {
    [Action::HoldBatch, Action::PreferElsewhere, Action::FreezeGrowth]
        .into_iter()
        .find(|action| name(*action) == of)
}

/// A Node as it is referred to.
pub fn node_object(node: &NodeEntry) -> ObjectRef {
    ObjectRef {
        resource: ApiResource::erase::<Node>(&()),
        namespace: None,
        name: node.name.clone(),
        uid: Some(node.uid.clone()),
    }
}

/// A reference that lets the garbage collector remove what is worthless without the site.
pub fn owner_reference(dc: &DataCenter) -> Option<serde_json::Value> {
    use kube::Resource as _;
    dc.controller_owner_ref(&()).map(|mut reference| {
        // Nothing waits for it: deletion of the site is not blocked.
        reference.block_owner_deletion = None;
        json!(reference)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kernel::loan::Record;

    fn dc() -> DataCenter {
        serde_json::from_value(json!({
            "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter",
            "metadata": {"name": "gulou-1", "uid": "d1"},
            "spec": {
                "location": {"timeZone": "Asia/Shanghai"},
                "nodeSelector": {"matchLabels": {"zone": "gulou-1"}}
            }
        }))
        .unwrap()
    }

    fn owner() -> Owner {
        Owner { kind: "datacenter", name: "gulou-1".into() }
    }

    fn now() -> jiff::Timestamp {
        "2026-03-01T00:00:00Z".parse().unwrap()
    }

    fn node(name: &str, zone: &str) -> NodeEntry {
        NodeEntry {
            name: name.into(),
            uid: format!("uid-{name}"),
            labels: Arc::new([("zone".to_owned(), zone.to_owned())].into()),
            loans: vec![],
            doubts: vec![],
        }
    }

    fn batch(kind: BatchKind, name: &str, zone: Option<&str>, site: Option<&str>) -> BatchEntry {
        BatchEntry {
            kind,
            object: ObjectRef {
                resource: crate::index::batch::cluster_queue("v1beta1"),
                namespace: None,
                name: name.into(),
                uid: Some(format!("uid-{name}")),
            },
            site: site.map(str::to_owned),
            node_selector: zone.map(|zone| ("zone".to_owned(), zone.to_owned())).into_iter().collect(),
            deferrable: true,
            holdable: true,
            loans: vec![],
            doubts: vec![],
        }
    }

    fn lent(action: Action, to: &str) -> Vec<(String, Record)> {
        vec![(
            loan::annotation(&name(action)),
            Record { owner: to.into(), at: "2026-03-01T00:00:00Z".into(), rounds: 0, fields: vec![] },
        )]
    }

    fn course<'a>(engaged: &'a [(Action, jiff::Timestamp)], undone: &'a [Action]) -> Course<'a> {
        let memory = Memory { contested: &[], afresh: false, now: now() };
        Course { engaged, undone, why: "test", memory }
    }

    fn made(engaged: &[Action], undone: &[Action], estate: &Estate) -> Entries {
        let engaged: Vec<_> = engaged.iter().map(|action| (*action, now())).collect();
        entries(&dc(), &owner(), "banyan-system", &course(&engaged, undone), estate)
    }

    fn borrowed(entries: &Entries) -> Vec<String> {
        entries.borrow.iter().flatten().map(|loan| loan.object.name.clone()).collect()
    }

    #[test]
    fn only_work_of_the_site_is_held() {
        let estate = Estate {
            nodes: vec![],
            batch: vec![
                batch(BatchKind::CronJob, "here", Some("gulou-1"), None),
                batch(BatchKind::CronJob, "there", Some("mawei-1"), None),
                batch(BatchKind::CronJob, "anywhere", None, None),
                batch(BatchKind::Job, "labelled", None, Some("gulou-1")),
                batch(BatchKind::Job, "labelled-there", Some("gulou-1"), Some("mawei-1")),
            ],
            queues_known: true,
        };
        assert_eq!(borrowed(&made(&[Action::HoldBatch], &[], &estate)), ["here", "labelled"]);
    }

    #[test]
    fn where_kueue_has_queues_of_the_site_they_are_held_and_nothing_else() {
        let estate = Estate {
            nodes: vec![],
            batch: vec![
                batch(BatchKind::CronJob, "here", Some("gulou-1"), None),
                batch(BatchKind::ClusterQueue, "queue", None, Some("gulou-1")),
                batch(BatchKind::ClusterQueue, "other", None, Some("mawei-1")),
                batch(BatchKind::ClusterQueue, "unlabelled", None, None),
            ],
            queues_known: true,
        };
        let entries = made(&[Action::HoldBatch], &[], &estate);
        assert_eq!(borrowed(&entries), ["queue"]);
        assert_eq!(entries.borrow[0][0].fields[0].pointer, "/spec/stopPolicy");
    }

    #[test]
    fn while_the_queues_are_unknown_no_batch_work_is_held_and_the_finalizer_stays() {
        let estate = Estate {
            nodes: vec![node("n1", "gulou-1")],
            batch: vec![batch(BatchKind::CronJob, "here", Some("gulou-1"), None)],
            queues_known: false,
        };
        let entries = made(&[Action::HoldBatch, Action::PreferElsewhere], &[], &estate);
        assert_eq!((borrowed(&entries), entries.lending), (vec!["n1".to_owned()], true));
        // Nothing is in force any more, but a queue may still be held.
        let made =
            |dc: &DataCenter| super::entries(dc, &owner(), "banyan-system", &course(&[], &[]), &estate);
        assert!(!made(&dc()).lending);
        let mut held = dc();
        held.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        assert!(made(&held).lending);
    }

    #[test]
    fn what_is_on_loan_already_is_not_taken_again() {
        let mut held = batch(BatchKind::CronJob, "here", Some("gulou-1"), None);
        held.loans = lent(Action::HoldBatch, "datacenter.gulou-1");
        let mut node = node("n1", "gulou-1");
        node.loans = lent(Action::PreferElsewhere, "datacenter.gulou-1");
        let estate = Estate { nodes: vec![node], batch: vec![held], queues_known: true };
        let entries = made(&[Action::HoldBatch, Action::PreferElsewhere], &[], &estate);
        assert_eq!((entries.borrow.len(), entries.undo.len()), (0, 0));
        assert!(entries.lending);
    }

    #[test]
    fn what_was_set_back_is_taken_again_and_what_is_left_alone_is_not() {
        use crate::kernel::rivals::Doubt;
        let overwritten =
            |action| (loan::annotation(&name(action)), Doubt::Overwritten { by: "platform".into() });
        let mut reverted = batch(BatchKind::CronJob, "reverted", Some("gulou-1"), None);
        reverted.loans = lent(Action::HoldBatch, "datacenter.gulou-1");
        reverted.doubts = vec![overwritten(Action::HoldBatch)];
        // A rival manages the field, and it has the borrowed value all the same.
        let mut agreed = reverted.clone();
        (agreed.object.name, agreed.holdable) = ("agreed".into(), false);
        let mut fought = reverted.clone();
        fought.object.name = "fought".into();
        fought.loans[0].1.rounds = 3;
        let mut queue = fought.clone();
        queue.kind = BatchKind::ClusterQueue;
        queue.site = Some("gulou-1".into());
        let mut node = node("n1", "gulou-1");
        node.loans = lent(Action::PreferElsewhere, "datacenter.gulou-1");
        node.doubts = vec![overwritten(Action::PreferElsewhere)];
        let estate = Estate { nodes: vec![node], batch: vec![reverted, agreed, fought], queues_known: true };
        let entries = made(&[Action::HoldBatch, Action::PreferElsewhere], &[], &estate);
        assert_eq!(borrowed(&entries), ["reverted", "n1"]);
        assert!(entries.borrow.iter().flatten().all(|loan| loan.fought == Some(0)));
        let left: Vec<_> =
            entries.contested.iter().map(|one| (one.name.as_str(), one.since.is_some())).collect();
        assert_eq!(left, [("fought", true)]);
        // A queue of Kueue is fought over in the same way, and what is undone is not fought over.
        let estate = Estate { nodes: vec![], batch: vec![queue], queues_known: true };
        let entries = made(&[Action::HoldBatch], &[], &estate);
        assert_eq!((entries.borrow.len(), entries.contested[0].fields[0].as_str()), (0, "/spec/stopPolicy"));
        let undone = made(&[], &[Action::HoldBatch], &estate);
        assert_eq!((undone.contested.len(), undone.undo.len()), (0, 1));
    }

    #[test]
    fn leftovers_of_a_killed_process_are_given_back_in_reverse_order() {
        let mut held = batch(BatchKind::CronJob, "here", Some("gulou-1"), None);
        held.loans = lent(Action::HoldBatch, "datacenter.gulou-1");
        let mut others = batch(BatchKind::CronJob, "others", Some("gulou-1"), None);
        others.loans = lent(Action::HoldBatch, "datacenter.mawei-1");
        let mut node = node("n1", "gulou-1");
        node.loans = lent(Action::PreferElsewhere, "datacenter.gulou-1");
        let estate = Estate { nodes: vec![node], batch: vec![held, others], queues_known: true };
        let entries = made(&[], &[], &estate);
        let names: Vec<Vec<String>> = entries
            .undo
            .iter()
            .map(|group| {
                group
                    .iter()
                    .map(|undo| match undo {
                        Undo::Return { object, .. } | Undo::Remove { object, .. } => object.name.clone(),
                    })
                    .collect()
            })
            .collect();
        assert_eq!(names, [["n1"], ["here"]]);
        assert!(!entries.lending);
    }

    #[test]
    fn what_no_longer_consents_is_released_while_the_action_is_in_force() {
        let mut held = batch(BatchKind::CronJob, "here", Some("gulou-1"), None);
        held.loans = lent(Action::HoldBatch, "datacenter.gulou-1");
        (held.deferrable, held.holdable) = (false, false);
        let entries =
            made(&[Action::HoldBatch], &[], &Estate { nodes: vec![], batch: vec![held], queues_known: true });
        assert!(matches!(&entries.undo[0][0], Undo::Return { object, .. } if object.name == "here"));
        assert_eq!(borrowed(&entries), [""; 0]);
    }

    #[test]
    fn a_loan_that_cannot_be_read_is_not_taken_for_none() {
        let mut node = node("n1", "gulou-1");
        let key = loan::annotation("PreferElsewhere");
        node.loans = loan::records([(key.as_str(), "{")].into_iter());
        let estate = Estate { nodes: vec![node], batch: vec![], queues_known: true };
        let undo = made(&[], &[], &estate).undo;
        assert!(matches!(&undo[0][0], Undo::Return { object, .. } if object.name == "n1"));
    }

    #[test]
    fn a_node_that_left_the_site_gets_its_taint_back() {
        let mut moved = node("n1", "mawei-1");
        moved.loans = lent(Action::PreferElsewhere, "datacenter.gulou-1");
        let estate = Estate { nodes: vec![moved, node("n2", "gulou-1")], batch: vec![], queues_known: true };
        let entries = made(&[Action::PreferElsewhere], &[], &estate);
        assert_eq!(entries.undo.len(), 1);
        assert_eq!(borrowed(&entries), ["n2"]);
    }

    #[test]
    fn new_jobs_are_held_by_a_mark_that_goes_before_what_is_held_is_given_back() {
        let mut held = batch(BatchKind::CronJob, "here", Some("gulou-1"), None);
        held.loans = lent(Action::HoldBatch, "datacenter.gulou-1");
        let estate = Estate { nodes: vec![], batch: vec![held], queues_known: true };
        let entries = made(&[Action::HoldBatch], &[], &estate);
        let data = &entries.own[0].body["data"];
        assert_eq!(entries.own[0].object.name, "banyan-hold-gulou-1");
        assert_eq!((&data["owner"], &data["site"]), (&json!("datacenter.gulou-1"), &json!("gulou-1")));
        let back = made(&[], &[Action::HoldBatch], &estate);
        assert!(
            matches!(&back.undo[0][0], Undo::Remove { object, .. } if object.name == "banyan-hold-gulou-1")
        );
        assert!(matches!(&back.undo[1][0], Undo::Return { object, .. } if object.name == "here"));
        // Told once, by what is held or given back, and by the mark where there is nothing else.
        assert_eq!(
            (action_of(&back.undo[0][0]), action_of(&back.undo[1][0])),
            (None, Some(Action::HoldBatch))
        );
        assert_eq!(entries.own[0].action, None);
        let empty = Estate { queues_known: true, ..Estate::default() };
        let nothing = made(&[Action::HoldBatch], &[], &empty);
        assert_eq!(nothing.own[0].action.as_deref(), Some("HoldBatch"));
        // A Job may have been held meanwhile: the finalizer waits for another look.
        assert!(back.lending && back.look_again);
        assert!(!made(&[], &[], &Estate::default()).lending);
        // Whether there are queues is not known yet: nothing is held anew.
        assert!(made(&[Action::HoldBatch], &[], &Estate::default()).own.is_empty());
    }

    #[test]
    fn a_queue_of_kueue_needs_no_mark() {
        let queue = batch(BatchKind::ClusterQueue, "queue", None, Some("gulou-1"));
        let estate = Estate { nodes: vec![], batch: vec![queue], queues_known: true };
        assert_eq!(made(&[Action::HoldBatch], &[], &estate).own, vec![]);
        assert_eq!(made(&[], &[Action::HoldBatch], &estate).undo.len(), 0);
    }

    #[test]
    fn a_freeze_is_one_parameter_object() {
        let entries = made(&[Action::FreezeGrowth], &[], &Estate { queues_known: true, ..Estate::default() });
        assert!(!entries.lending && entries.own[0].owner_reference.is_some());
        assert_eq!(entries.own[0].body["data"]["matchLabels"], "zone=gulou-1");
        assert_eq!(entries.own[0].body["data"]["expressions"], "");
        let lifted = made(&[], &[Action::FreezeGrowth], &Estate::default());
        assert!(
            matches!(&lifted.undo[0][0], Undo::Remove { object, .. } if object.name == "banyan-freeze-gulou-1")
        );
    }
}
