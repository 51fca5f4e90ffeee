//! Fights with other field managers over what an action borrows: when a field that was set back is set again, when it is
//! left, and what is remembered of it. Pure functions; who is a rival says [`crate::kernel::rivals`].
//!
//! The rounds are counted on the object, in the record of the loan. A rival that replaces the whole object removes that
//! record, so they are in the status as well, for as many objects as it holds.

use banyan_crds::v1alpha1::{Action, ContestedObject};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::holds;
use crate::kernel::{
    executor::Round,
    ignore_rule::{self, Contest, Rule},
    loan::Record,
    plan::ObjectRef,
    rivals::Doubt,
};

/// How often a field is set again before it is left.
pub const ROUNDS: u32 = 3;
/// How long it is left before it is tried again, and how long it must have stood for its rounds to be forgotten.
pub const PAUSE: SignedDuration = SignedDuration::from_hours(1);
/// Objects that the status names.
const NAMED: usize = 16;

/// What the decisions of a look go by.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'a> {
    /// The status before.
    pub contested: &'a [ContestedObject],
    /// Somebody has changed the spec since, so that everything is tried anew.
    pub afresh: bool,
    /// Now.
    pub now: Timestamp,
}

/// An object that an action may borrow from, as far as the index shows it.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// The object.
    pub object: &'a ObjectRef,
    /// The action, and since when it is in force.
    pub action: (Action, Timestamp),
    /// The loan that stands for the site.
    pub standing: Option<&'a Record>,
    /// What speaks against it.
    pub doubt: Option<&'a Doubt>,
    /// The field may have another value than the borrowed one.
    pub open: bool,
}

/// What to do about a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bid {
    /// It stands.
    Stands,
    /// It is taken for the first time.
    First,
    /// It is taken again, if the live object shows that it was set back; so many rounds count.
    Again(u32),
    /// It is left.
    Left {
        /// Rounds that were fought.
        rounds: u32,
        /// When the last one was.
        at: Timestamp,
        /// Who sets it back; empty if that cannot be told.
        by: String,
    },
}

impl Memory<'_> {
    fn of(&self, object: &ObjectRef, action: Action) -> Option<&ContestedObject> {
        self.contested.iter().find(|known| is(known, object, action))
    }

    /// What to do about `claim`.
    pub fn bid(&self, claim: &Claim<'_>) -> Bid {
        let (action, since) = claim.action;
        let last = |record: &Record| record.at.parse().unwrap_or(since);
        let fought = match (claim.standing, claim.doubt) {
            (Some(record), Some(Doubt::Overwritten { by })) if claim.open => {
                Some((record.rounds, last(record), by.clone()))
            }
            (Some(_), _) => return Bid::Stands,
            // What was lent when the action was in force before, was given back or is forgotten.
            (None, Some(Doubt::Dropped { record, by })) if last(record) >= since => {
                Some((record.rounds, last(record), by.clone()))
            }
            (None, _) => self.of(claim.object, action).map(|known| {
                let rounds = u32::try_from(known.rounds).unwrap_or(u32::MAX);
                (rounds, known.at.0, known.manager.clone())
            }),
        };
        let Some((rounds, at, by)) = fought else { return Bid::First };
        let rested = self.now.duration_since(at) >= PAUSE;
        match (rounds >= ROUNDS, rested) {
            _ if self.afresh => Bid::Again(0),
            // Set back every few hours is not a fight: a manifest is applied every night.
            (false, true) => Bid::Again(0),
            (false, false) | (true, true) => Bid::Again(rounds),
            (true, false) => Bid::Left { rounds, at, by },
        }
    }

    /// What the status says of `claim` after this look, before what the executor met is added.
    pub fn keep(&self, claim: &Claim<'_>, bid: &Bid) -> Option<ContestedObject> {
        let action = claim.action.0;
        let known = self.of(claim.object, action).filter(|_| !self.afresh).cloned();
        match bid {
            Bid::First | Bid::Again(0) => None,
            Bid::Again(_) => known,
            Bid::Stands => known.filter(|known| self.now.duration_since(known.at.0) < PAUSE),
            Bid::Left { rounds, at, by } => {
                let mut left = known.unwrap_or_else(|| {
                    let manager = if by.is_empty() { "another client" } else { by };
                    let terms = holds::terms(action, &claim.object.resource.kind, "");
                    let fields = terms.into_iter().map(|term| term.field.pointer).collect();
                    entry(claim.object, action, fields, manager, *rounds, *at)
                });
                left.since.get_or_insert(Time(self.now));
                Some(left)
            }
        }
    }
}

/// What the status says of an object from which Banyan may no longer borrow, or cannot see whether it may.
pub fn carried(known: &[ContestedObject], wanted: impl Fn(&ContestedObject) -> bool) -> Vec<ContestedObject> {
    known.iter().filter(|known| wanted(known)).cloned().collect()
}

/// Adds the rounds of a look.
pub fn count(contested: &mut Vec<ContestedObject>, rounds: &[Round], now: Timestamp) {
    for Round { object, action, against } in rounds {
        let Some(action) = holds::action(action) else { continue };
        let manager = cut(&against.managers);
        if let Some(known) = contested.iter_mut().find(|known| is(known, object, action)) {
            known.fields.clone_from(&against.fields);
            known.manager = manager;
            known.rounds = i64::from(against.rounds);
            known.at = Time(now);
        } else {
            let fields = against.fields.clone();
            contested.push(entry(object, action, fields, &manager, against.rounds, now));
        }
    }
    bound(contested);
}

/// Brings the entries into their order, and cuts them to what the status holds: those that are left alone stay longest.
/// Answers how many of these it has cut.
pub fn bound(contested: &mut Vec<ContestedObject>) -> usize {
    let place = |known: &ContestedObject| {
        (holds::name(known.action), known.kind.clone(), known.namespace.clone(), known.name.clone())
    };
    contested.sort_by_key(|known| (known.since.is_none(), place(known)));
    let surplus = contested.split_off(NAMED.min(contested.len()));
    contested.sort_by_key(place);
    surplus.iter().filter(|known| known.since.is_some()).count()
}

/// Whether `old` is the same object and action as `known`, and was left alone already.
pub fn is_left(old: &ContestedObject, known: &ContestedObject) -> bool {
    old.since.is_some()
        && (old.action, &old.group, &old.kind, &old.namespace, &old.name)
            == (known.action, &known.group, &known.kind, &known.namespace, &known.name)
}

/// The rule that ends the fight over an object.
pub fn rule(contested: &ContestedObject) -> Rule {
    ignore_rule::rule(&Contest {
        group: &contested.group,
        kind: &contested.kind,
        namespace: contested.namespace.as_deref(),
        name: &contested.name,
        action: &holds::name(contested.action),
        fields: &contested.fields,
        manager: &contested.manager,
    })
}

/// The object, such as `CronJob work/nightly`.
pub fn object(contested: &ContestedObject) -> String {
    let ContestedObject { kind, namespace, name, .. } = contested;
    match namespace {
        Some(namespace) => format!("{kind} {namespace}/{name}"),
        None => format!("{kind} {name}"),
    }
}

/// What is so about those objects that are left alone, and what to do about it; none if there are none. `more` are left
/// alone beside them.
pub fn message<'a>(left: impl Iterator<Item = &'a ContestedObject>, more: usize) -> Option<String> {
    let left: Vec<_> = left.filter(|known| known.since.is_some()).collect();
    let first = left.first()?;
    let others = left.len() - 1 + more;
    let others =
        if others > 0 { format!("; so are {others} more (status.contested)") } else { String::new() };
    Some(format!(
        "{}: {} sets {} back whenever {} sets it, so Banyan leaves it alone and tries again once an hour{others}. To end \
         this, {}",
        object(first),
        first.manager,
        first.fields.join(" and "),
        holds::name(first.action),
        rule(first),
    ))
}

fn is(known: &ContestedObject, object: &ObjectRef, action: Action) -> bool {
    known.action == action
        && known.kind == object.resource.kind
        && known.group == object.resource.group
        && known.namespace == object.namespace
        && known.name == object.name
}

fn entry(
    object: &ObjectRef,
    action: Action,
    fields: Vec<String>,
    manager: &str,
    rounds: u32,
    at: Timestamp,
) -> ContestedObject {
    ContestedObject {
        group: object.resource.group.clone(),
        kind: object.resource.kind.clone(),
        namespace: object.namespace.clone(),
        name: object.name.clone(),
        action,
        fields,
        manager: cut(manager),
        rounds: i64::from(rounds),
        at: Time(at),
        since: None,
    }
}

/// At most what the schema holds.
fn cut(text: &str) -> String {
    text.chars().take(512).collect()
}

#[cfg(test)]
mod tests;
