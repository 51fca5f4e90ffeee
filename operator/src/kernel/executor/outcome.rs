//! What the executor met: what was done, and what stood in its way.

use serde_json::Value;

use super::Deed;
use crate::kernel::{
    loan::Against,
    plan::ObjectRef,
    trail::{Ground, Principal},
    writer::WriteError,
};

/// One thing done.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// What.
    pub deed: Deed,
    /// On what.
    pub object: String,
    /// For which action, where it was a loan.
    pub action: Option<String>,
    /// Values before.
    pub prior: Value,
    /// Fields that were left as somebody else had set them.
    pub kept: Vec<String>,
    /// Why.
    pub why: String,
    /// Until when, as far as that is known.
    pub until: Option<String>,
}

/// A round of a fight over a borrowed field.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// On what.
    pub object: ObjectRef,
    /// The action that it was borrowed for.
    pub action: String,
    /// Against whom.
    pub against: Against,
}

/// What the executor met.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Everything written, in order.
    pub done: Vec<Done>,
    /// Rounds of fights, of what was set again.
    pub rounds: Vec<Round>,
    /// Conflicts with other field managers on what is not defended: object and manager.
    pub conflicts: Vec<(String, String)>,
    /// Loans that another resource holds: object and holder.
    pub held_by_others: Vec<(String, String)>,
    /// What failed.
    pub failures: Vec<WriteError>,
    /// Objects that were not any more what the plan followed from: nothing of it was carried out.
    pub stale: Vec<String>,
    /// Nothing was borrowed: the finalizer without which nothing may be could not be put on.
    pub abandoned: bool,
}

impl Done {
    /// The ground of it, for the trail.
    pub(super) fn ground<'a>(&'a self, principal: &'a Principal) -> Ground<'a> {
        let Self { deed, object: _, action, prior, kept, why, until } = self;
        Ground {
            what: *deed,
            action: action.as_deref(),
            prior,
            kept,
            why,
            until: until.as_deref(),
            principal,
        }
    }
}

impl Outcome {
    /// Whether an action that the plan takes was carried out: on some object, or there was nothing in its way.
    pub fn carried_out(&self, action: &str) -> bool {
        let undisturbed = !self.abandoned && self.failures.is_empty() && self.held_by_others.is_empty();
        undisturbed || self.done.iter().any(|done| done.action.as_deref() == Some(action))
    }

    /// Puts what was met at once into an order of its own, so that the same trouble gives the same words.
    pub(super) fn in_order(&mut self) {
        self.failures.sort_by_key(ToString::to_string);
        self.conflicts.sort();
        self.rounds.sort_by_key(|round| round.object.to_string());
        self.held_by_others.sort();
    }

    /// Takes in what entries of a plan met.
    pub(super) fn note(&mut self, met: Vec<Met>) {
        for met in met {
            match met {
                Met::Nothing => {}
                Met::Done(done) => self.done.push(done),
                Met::Again(done, round) => {
                    self.done.push(done);
                    self.rounds.push(*round);
                }
                Met::Conflict(object, manager) => self.conflicts.push((object, manager)),
                Met::HeldBy(object, other) => self.held_by_others.push((object, other)),
                Met::Stale(object) => self.stale.push(object),
                Met::Failed(error) => self.failures.push(error),
            }
        }
    }
}

/// What one entry of a plan met.
pub(super) enum Met {
    Nothing,
    Done(Done),
    Again(Done, Box<Round>),
    Conflict(String, String),
    HeldBy(String, String),
    Stale(String),
    Failed(WriteError),
}
