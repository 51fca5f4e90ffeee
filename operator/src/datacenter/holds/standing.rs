//! What stands on objects for a site, read from what is stored on them, and how it is given back.

use banyan_crds::v1alpha1::Action;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Estate, has_batch, has_node, name, node_object, terms};
use crate::kernel::{
    loan::{self, Record},
    plan::{ObjectRef, Owner, Undo},
};

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
        // Its owner may take back the consent at any time.
        let belongs: Belongs<'a> =
            Box::new(move |site, selector| entry.deferrable && has_batch(site, selector, entry));
        Some(StandingLoan { object: entry.object.clone(), record: ours_too(&entry.loans)?, belongs })
    });
    nodes.chain(batch)
}

/// Objects of the site on which an action's loan stands that cannot be read, so that nobody knows for whom.
pub(super) fn unreadable<'a>(
    estate: &'a Estate,
    site: &'a str,
    selector: Option<&'a LabelSelector>,
    action: Action,
) -> impl Iterator<Item = ObjectRef> + 'a {
    let key = loan::annotation(&name(action));
    let wrong = move |loans: &[(String, Record)]| {
        loans.iter().any(|(at, record)| *at == key && !record.is_readable())
    };
    let wrong_too = wrong.clone();
    let nodes =
        estate.nodes.iter().filter(move |node| has_node(selector, &node.labels) && wrong(&node.loans));
    let batch =
        estate.batch.iter().filter(move |entry| has_batch(site, selector, entry) && wrong_too(&entry.loans));
    nodes.map(node_object).chain(batch.map(|entry| entry.object.clone()))
}

/// Everything that stands for `owner`, which is gone, to be given back.
pub fn leftovers(estate: &Estate, owner: &Owner) -> Vec<Undo> {
    on_loan(estate, owner, "its site is gone").into_iter().flatten().collect()
}

/// Everything that is on loan for `owner`, to be given back in this order: a group an action, none of them empty.
pub fn on_loan(estate: &Estate, owner: &Owner, why: &str) -> Vec<Vec<Undo>> {
    [Action::PreferElsewhere, Action::HoldBatch]
        .into_iter()
        .map(|action| {
            let loans = standing(estate, owner, action);
            loans.map(|loan| give_back(loan.object, action, &owner.name, why)).collect::<Vec<_>>()
        })
        .filter(|group| !group.is_empty())
        .collect()
}

/// What gives back all that `action` may have borrowed of an object for the site called `site`.
pub(super) fn give_back(object: ObjectRef, action: Action, site: &str, why: &str) -> Undo {
    let terms = terms(action, &object.resource.kind, site);
    Undo::Return { object, action: name(action), terms, why: why.to_owned() }
}
