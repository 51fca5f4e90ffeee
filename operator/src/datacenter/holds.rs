//! What an action means on objects: which fields it borrows, which object it makes, and what is given back.

use std::collections::BTreeMap;

use banyan_crds::v1alpha1::{Action, DataCenter};
use k8s_openapi::api::core::v1::{ConfigMap, Node};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{ResourceExt, core::ApiResource};
use serde_json::json;

use crate::{
    index::{
        batch::{BatchEntry, BatchKind},
        nodes::NodeEntry,
        selector,
    },
    kernel::{
        loan::{self, Field, Guard, Loan, Record},
        plan::{Defence, FINALIZER, ObjectRef, Own, Owner, ROLE, Undo},
    },
};

/// Label that `PreferElsewhere` sets on Nodes.
pub const AVOID_LABEL: &str = "banyan.dev/avoid";
/// Taint that `PreferElsewhere` sets on Nodes.
pub const AVOID_TAINT: &str = "banyan.dev/pue-violated";
/// Value of [`ROLE`] on the parameter of the freeze policy.
pub const FREEZE_ROLE: &str = "freeze";

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

/// The entries for `engaged`; `undone` names what was just taken out of force, in order.
pub fn entries(
    dc: &DataCenter,
    owner: &Owner,
    namespace: &str,
    engaged: &[(Action, jiff::Timestamp)],
    undone: &[Action],
    estate: &Estate,
    why: &str,
) -> Entries {
    let mut entries = Entries::default();
    let site = dc.name_any();
    let selector = dc.spec.node_selector.as_ref();
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
            .map(|loan| Undo::Return { object: loan.object, action: name(action), why: because.to_owned() })
            .collect();
        if !group.is_empty() {
            entries.undo.push(group);
        }
        if action == Action::FreezeGrowth && undone.contains(&action) {
            let object = ObjectRef { uid: None, ..freeze_object(&site, namespace) };
            entries.undo.push(vec![Undo::Remove { object, action: Some(name(action)), why: why.to_owned() }]);
        }
    }

    for (action, since) in engaged {
        match action {
            Action::HoldBatch => entries.borrow.push(hold_batch(&site, selector, owner, estate, why)),
            Action::PreferElsewhere => {
                entries.borrow.push(prefer_elsewhere(&site, selector, owner, estate, why));
            }
            Action::FreezeGrowth => entries.own.push(freeze(dc, &site, namespace, *since, why)),
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
    entries.lending = kept || unseen || borrowing || !entries.borrow.is_empty();
    entries
}

/// Everything that stands for `owner`, which is gone, to be given back.
pub fn leftovers(estate: &Estate, owner: &Owner) -> Vec<Undo> {
    [Action::PreferElsewhere, Action::HoldBatch]
        .into_iter()
        .flat_map(|action| {
            standing(estate, owner, action).map(move |loan| Undo::Return {
                object: loan.object,
                action: name(action),
                why: "its site is gone".to_owned(),
            })
        })
        .collect()
}

type Belongs<'a> = Box<dyn Fn(&str, Option<&LabelSelector>) -> bool + 'a>;

/// A loan that stands on an object.
pub struct StandingLoan<'a> {
    /// The object.
    pub object: ObjectRef,
    /// What is stored on it.
    pub record: &'a Record,
    /// Whether the object still belongs to the site of this name and selector.
    pub belongs: Belongs<'a>,
}

/// Loans of `action` for `owner`.
pub fn standing<'a>(
    estate: &'a Estate,
    owner: &Owner,
    action: Action,
) -> impl Iterator<Item = StandingLoan<'a>> + 'a {
    let key = loan::annotation(&name(action));
    let owner = owner.to_string();
    let ours = move |loans: &'a [(String, Record)]| {
        loans.iter().find(|(at, record)| *at == key && record.owner == owner).map(|(_, record)| record)
    };
    let ours_too = ours.clone();
    let nodes = estate.nodes.iter().filter_map(move |node| {
        let belongs: Belongs<'a> = Box::new(move |_, selector| has_node(selector, &node.labels));
        Some(StandingLoan { object: node_object(node), record: ours(&node.loans)?, belongs })
    });
    let batch = estate.batch.iter().filter_map(move |entry| {
        let belongs: Belongs<'a> = Box::new(move |site, selector| has_batch(site, selector, entry));
        Some(StandingLoan { object: entry.object.clone(), record: ours_too(&entry.loans)?, belongs })
    });
    nodes.chain(batch)
}

fn node_object(node: &NodeEntry) -> ObjectRef {
    ObjectRef {
        resource: ApiResource::erase::<Node>(&()),
        namespace: None,
        name: node.name.clone(),
        uid: Some(node.uid.clone()),
    }
}

/// Whether the loan stands for `owner` already. One that stands for another is tried, so that its holder is told.
fn lent_to(loans: &[(String, Record)], key: &str, owner: &Owner) -> bool {
    loans.iter().any(|(at, record)| at == key && record.owner == owner.to_string())
}

/// Kueue's queues of the site where there are any, else deferrable `CronJobs` and Jobs that never started.
fn hold_batch(
    site: &str,
    selector: Option<&LabelSelector>,
    owner: &Owner,
    estate: &Estate,
    why: &str,
) -> Vec<Loan> {
    // Queues that cannot be seen may have to be held instead.
    if !estate.queues_known {
        return Vec::new();
    }
    let action = name(Action::HoldBatch);
    let key = loan::annotation(&action);
    let of_site: Vec<_> = estate.batch.iter().filter(|entry| has_batch(site, selector, entry)).collect();
    let queues = of_site.iter().any(|entry| entry.kind == BatchKind::ClusterQueue);
    of_site
        .into_iter()
        .filter(|entry| (entry.kind == BatchKind::ClusterQueue) == queues)
        .filter(|entry| entry.holdable || entry.loans.iter().any(|(at, _)| *at == key))
        .filter(|entry| !lent_to(&entry.loans, &key, owner))
        .map(|entry| {
            let (pointer, set, guard) = match entry.kind {
                BatchKind::ClusterQueue => ("/spec/stopPolicy", json!("Hold"), Guard::None),
                BatchKind::CronJob => ("/spec/suspend", json!(true), Guard::None),
                BatchKind::Job => ("/spec/suspend", json!(true), Guard::NeverStarted),
            };
            Loan {
                object: entry.object.clone(),
                action: action.clone(),
                fields: vec![Field { pointer: pointer.to_owned(), set, element_keys: vec![] }],
                guard,
                why: why.to_owned(),
            }
        })
        .collect()
}

fn prefer_elsewhere(
    site: &str,
    selector: Option<&LabelSelector>,
    owner: &Owner,
    estate: &Estate,
    why: &str,
) -> Vec<Loan> {
    let action = name(Action::PreferElsewhere);
    let key = loan::annotation(&action);
    estate
        .nodes
        .iter()
        .filter(|node| has_node(selector, &node.labels))
        .filter(|node| !lent_to(&node.loans, &key, owner))
        .map(|node| Loan {
            object: node_object(node),
            action: action.clone(),
            fields: vec![
                Field {
                    pointer: format!("/metadata/labels/{}", loan::escape(AVOID_LABEL)),
                    set: json!("pue"),
                    element_keys: vec![],
                },
                Field {
                    pointer: "/spec/taints".to_owned(),
                    set: json!({ "key": AVOID_TAINT, "value": site, "effect": "PreferNoSchedule" }),
                    element_keys: vec!["key".to_owned(), "effect".to_owned()],
                },
            ],
            guard: Guard::None,
            why: why.to_owned(),
        })
        .collect()
}

/// The parameter object of the freeze policy for a site.
pub fn freeze_ref(dc: &DataCenter, namespace: &str) -> ObjectRef {
    freeze_object(&dc.name_any(), namespace)
}

fn freeze_object(site: &str, namespace: &str) -> ObjectRef {
    ObjectRef {
        resource: ApiResource::erase::<ConfigMap>(&()),
        namespace: Some(namespace.to_owned()),
        name: format!("banyan-freeze-{site}"),
        uid: None,
    }
}

/// The parameter that makes the freeze policy refuse new workloads for the site.
fn freeze(dc: &DataCenter, site: &str, namespace: &str, since: jiff::Timestamp, why: &str) -> Own {
    let selector = dc.spec.node_selector.as_ref();
    let labels: Vec<String> = selector
        .and_then(|selector| selector.match_labels.as_ref())
        .map(|labels| labels.iter().map(|(key, value)| format!("{key}={value}")).collect())
        .unwrap_or_default();
    // Without a selector, or with one that labels alone cannot express, only the site label counts.
    let whole = selector.is_some_and(|selector| selector.match_expressions.iter().flatten().next().is_none());
    Own {
        object: freeze_object(site, namespace),
        body: json!({ "data": {
            "site": site,
            "matchLabels": labels.join(","),
            "expressions": if whole { "" } else { "not by labels alone" },
            "since": since.to_string(),
            "message": "its PUE is above the target; it is lifted when the operational verdict is clear again",
        }}),
        defence: Defence::PutBack,
        labels: BTreeMap::from([(ROLE.to_owned(), FREEZE_ROLE.to_owned())]),
        owner_reference: owner_reference(dc),
        action: Some(name(Action::FreezeGrowth)),
        why: why.to_owned(),
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
            holdable: true,
            loans: vec![],
        }
    }

    fn lent(action: Action, to: &str) -> Vec<(String, Record)> {
        vec![(
            loan::annotation(&name(action)),
            Record { owner: to.into(), at: "2026-03-01T00:00:00Z".into(), fields: vec![] },
        )]
    }

    fn made(engaged: &[Action], undone: &[Action], estate: &Estate) -> Entries {
        let engaged: Vec<_> = engaged.iter().map(|action| (*action, now())).collect();
        entries(&dc(), &owner(), "banyan-system", &engaged, undone, estate, "test")
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
        let made = |dc: &DataCenter| super::entries(dc, &owner(), "banyan-system", &[], &[], &estate, "test");
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
    fn a_node_that_left_the_site_gets_its_taint_back() {
        let mut moved = node("n1", "mawei-1");
        moved.loans = lent(Action::PreferElsewhere, "datacenter.gulou-1");
        let estate = Estate { nodes: vec![moved, node("n2", "gulou-1")], batch: vec![], queues_known: true };
        let entries = made(&[Action::PreferElsewhere], &[], &estate);
        assert_eq!(entries.undo.len(), 1);
        assert_eq!(borrowed(&entries), ["n2"]);
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
