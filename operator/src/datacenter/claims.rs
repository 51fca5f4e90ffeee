//! Which objects an action may borrow from, and which of these it takes, takes again or leaves.

use banyan_crds::v1alpha1::{Action, ContestedObject};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{
    fights::{Bid, Claim, Memory},
    holds::{self, Estate},
};
use crate::{
    index::batch::{BatchEntry, BatchKind, DEFERRABLE},
    kernel::{
        loan::{self, Guard, Loan, Record},
        plan::{ObjectRef, Owner},
        rivals::Doubt,
    },
};

/// An object that an action may borrow from, and what must hold on it.
pub struct Candidate<'a> {
    object: ObjectRef,
    guard: Guard,
    action: (Action, Timestamp),
    standing: Option<&'a Record>,
    doubt: Option<&'a Doubt>,
    open: bool,
}

impl<'a> Candidate<'a> {
    fn new(
        object: ObjectRef,
        guard: Guard,
        action: (Action, Timestamp),
        owner: &Owner,
        loans: &'a [(String, Record)],
        doubts: &'a [(String, Doubt)],
    ) -> Self {
        let key = loan::annotation(&holds::name(action.0));
        // One that stands for another is tried, so that its holder is told.
        let ours = |record: &&Record| record.owner == owner.to_string();
        let standing = loans.iter().find(|(at, _)| *at == key).map(|(_, record)| record).filter(ours);
        let doubt = doubts.iter().find(|(at, _)| *at == key).map(|(_, doubt)| doubt);
        let doubt = doubt.filter(|doubt| match doubt {
            Doubt::Dropped { record, .. } => ours(&record),
            Doubt::Overwritten { .. } => true,
        });
        Self { object, guard, action, standing, doubt, open: true }
    }
}

/// The loans that are taken of these, and those over which another manager fights.
pub fn take<'a>(
    candidates: impl Iterator<Item = Candidate<'a>>,
    memory: Memory<'_>,
    site: &str,
    why: &str,
) -> (Vec<Loan>, Vec<ContestedObject>) {
    let (mut loans, mut contested) = (Vec::new(), Vec::new());
    for candidate in candidates {
        let Candidate { object, guard, action, standing, doubt, open } = candidate;
        let claim = Claim { object: &object, action, standing, doubt, open };
        let bid = memory.bid(&claim);
        contested.extend(memory.keep(&claim, &bid));
        let fought = match bid {
            Bid::Stands | Bid::Left { .. } => continue,
            Bid::First => None,
            Bid::Again(rounds) => Some(rounds),
        };
        let terms = holds::terms(action.0, &object.resource.kind, site);
        let fields = terms.into_iter().map(|term| term.field).collect();
        loans.push(Loan {
            object,
            action: holds::name(action.0),
            fields,
            guard,
            fought,
            why: why.to_owned(),
            until: Some(holds::UNTIL.to_owned()),
        });
    }
    (loans, contested)
}

/// Kueue's queues of the site where there are any, else deferrable `CronJobs` and Jobs that never started.
pub fn of_batch<'a>(
    site: &'a str,
    selector: Option<&'a LabelSelector>,
    owner: &'a Owner,
    estate: &'a Estate,
    since: Timestamp,
) -> impl Iterator<Item = Candidate<'a>> {
    let action = Action::HoldBatch;
    let key = loan::annotation(&holds::name(action));
    // Queues that cannot be seen may have to be held instead.
    let all = if estate.queues_known { &estate.batch[..] } else { &[] };
    let of_site = move |entry: &&BatchEntry| holds::has_batch(site, selector, entry);
    let queues = all.iter().filter(of_site).any(|entry| entry.kind == BatchKind::ClusterQueue);
    all.iter()
        .filter(of_site)
        .filter(move |entry| (entry.kind == BatchKind::ClusterQueue) == queues)
        .filter(move |entry| entry.holdable || entry.loans.iter().any(|(at, _)| *at == key))
        .map(move |entry| {
            // What the index said may be past: the live object is asked again.
            let guard = match entry.kind {
                // A queue that its owner drains must not be stopped more mildly.
                BatchKind::ClusterQueue => Guard::StillDefault("/spec/stopPolicy", "None"),
                BatchKind::CronJob => Guard::Consent(DEFERRABLE),
                BatchKind::Job => Guard::NeverStarted(DEFERRABLE),
            };
            let object = entry.object.clone();
            let all = Candidate::new(object, guard, (action, since), owner, &entry.loans, &entry.doubts);
            // One that does not run has the borrowed value.
            Candidate { open: entry.holdable, ..all }
        })
}

/// The site's Nodes.
pub fn of_nodes<'a>(
    selector: Option<&'a LabelSelector>,
    owner: &'a Owner,
    estate: &'a Estate,
    since: Timestamp,
) -> impl Iterator<Item = Candidate<'a>> {
    estate.nodes.iter().filter(move |node| holds::has_node(selector, &node.labels)).map(move |node| {
        let action = (Action::PreferElsewhere, since);
        Candidate::new(holds::node_object(node), Guard::None, action, owner, &node.loans, &node.doubts)
    })
}
