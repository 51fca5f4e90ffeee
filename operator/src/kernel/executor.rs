//! Carries out plans: the one executor for every kind.
//!
//! Order: the finalizer, what is to be taken back, objects in order of dependency, borrowed fields, prune, status last,
//! and the finalizer's removal when nothing is left to undo. Each write is idempotent and carries its own memory, so
//! that a process killed between any two of them is continued by the next run.

use std::sync::Arc;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::DynamicObject;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{
    digest,
    events::Events,
    loan::{self, Decision, Nothing},
    overlay::Overlay,
    plan::{Defence, FINALIZER, Notice, ObjectRef, Own, Owner, Plan, Undo},
    writer::{WriteError, Writer},
};

/// Writes in flight for one plan.
const CONCURRENCY: usize = 8;
/// Attempts at an object that somebody else keeps writing.
const ATTEMPTS: usize = 4;

/// What is known of an object that Banyan made.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The object, with its uid.
    pub object: ObjectRef,
    /// Digest of the intent it was last applied with.
    pub intent: Option<String>,
    /// Digest of its live fields that Banyan manages.
    pub live: Option<String>,
}

/// Objects that Banyan made, by owner; fed by watches and by the answers to own writes.
pub trait Inventory: Send + Sync {
    /// Everything made for `owner`.
    fn of(&self, owner: &Owner) -> Vec<Entry>;
    /// An object as the API server just answered it.
    fn observed(&self, object: &DynamicObject);
    /// An object that was just deleted.
    fn removed(&self, object: &ObjectRef);
}

/// The resource that a plan is for, as it was observed.
#[derive(Clone, Debug)]
pub struct Subject<S> {
    /// The object, with its uid.
    pub object: ObjectRef,
    /// For events.
    pub reference: ObjectReference,
    /// Its generation.
    pub generation: Option<i64>,
    /// Whether it carries [`FINALIZER`].
    pub finalizer: bool,
    /// Its status, own writes included.
    pub status: Option<S>,
    /// The observed resource version.
    pub version: String,
}

/// What was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Made or changed an own object.
    Ensured,
    /// Put an own object back that another manager had changed.
    PutBack,
    /// Deleted an own object.
    Removed,
    /// Borrowed a field.
    Borrowed,
    /// Gave a field back.
    Returned,
}

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
}

/// What the executor met.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Everything written, in order.
    pub done: Vec<Done>,
    /// Conflicts with other field managers on what is not defended: object and manager.
    pub conflicts: Vec<(String, String)>,
    /// Loans that another resource holds: object and holder.
    pub held_by_others: Vec<(String, String)>,
    /// What failed.
    pub failures: Vec<WriteError>,
    /// Nothing was borrowed: the finalizer without which nothing may be could not be put on.
    pub abandoned: bool,
}

impl Outcome {
    /// Whether an action that the plan takes was carried out: on some object, or there was nothing in its way.
    pub fn carried_out(&self, action: &str) -> bool {
        let undisturbed = !self.abandoned && self.failures.is_empty() && self.held_by_others.is_empty();
        undisturbed || self.done.iter().any(|done| done.action.as_deref() == Some(action))
    }

    /// Puts what was met at once into an order of its own, so that the same trouble gives the same words.
    fn in_order(&mut self) {
        self.failures.sort_by_key(ToString::to_string);
        self.conflicts.sort();
        self.held_by_others.sort();
    }
}

/// Carries out plans.
#[derive(Clone)]
pub struct Executor {
    /// Writes.
    pub writer: Writer,
    /// Tells.
    pub events: Events,
    /// What was made before.
    pub inventory: Arc<dyn Inventory>,
}

impl Executor {
    /// Carries out `plan`; `settle` adds what was met to the planned status, as a pure function.
    pub async fn apply<S>(
        &self,
        subject: &Subject<S>,
        plan: Plan<S>,
        overlay: &Overlay<S>,
        now: jiff::Timestamp,
        settle: impl FnOnce(S, &Outcome) -> S,
    ) -> Outcome
    where
        S: Clone + PartialEq + Serialize + DeserializeOwned,
    {
        let Plan { owner, finalizer, undo, mut own, mut keep, mut borrow, status, notices, next: _ } = plan;
        let mut outcome = Outcome::default();
        let held = if finalizer && !subject.finalizer {
            self.set_finalizer(&subject.object, true).await
        } else {
            Ok(true)
        };
        if !matches!(held, Ok(true)) {
            // Without it nothing may be borrowed: a deletion would leave it behind. All else needs none.
            outcome.abandoned = true;
            outcome.failures.extend(held.err());
            borrow.clear();
            keep.extend(own.extract_if(.., |own| own.lends).map(|own| own.object));
        }
        let trail = |done: &Done| trail(&owner, subject.generation, done);
        let unwound = self.unwind(&undo, &owner, &mut outcome, trail).await;
        let known = self.inventory.of(&owner);
        let mut ranked = own;
        ranked.sort_by_key(Own::rank);
        for rank in ranked.chunk_by(|a, b| a.rank() == b.rank()) {
            let ensured = rank.iter().map(|own| self.ensure(own, &owner, &known));
            note(&mut outcome, at_once(ensured, trail).await);
        }
        for group in borrow {
            let borrowed = group.iter().map(|loan| self.borrow(loan, &owner, now));
            note(&mut outcome, at_once(borrowed, trail).await);
        }
        // What is no longer planned may have been taken before what could not be given back.
        let stale: Vec<_> = unwound
            .then(|| self.inventory.of(&owner))
            .into_iter()
            .flatten()
            .filter(|entry| !ranked.iter().any(|own| same(&own.object, &entry.object)))
            .filter(|entry| !keep.iter().any(|kept| same(kept, &entry.object)))
            .map(|entry| Undo::Remove {
                object: entry.object,
                action: None,
                why: "no longer planned".to_owned(),
            })
            .collect();
        note(&mut outcome, at_once(stale.iter().map(|entry| self.undo(entry, &owner)), trail).await);

        outcome.in_order();
        let met = told(&outcome);
        // What is planned to be told follows from the status: while that is not written, it is planned again.
        let planned = match self.finish(subject, status, overlay, settle, &outcome).await {
            Ok(()) => notices,
            Err(error) => {
                outcome.failures.push(error);
                Vec::new()
            }
        };
        let happened =
            |notice: &&Notice| notice.action.as_ref().is_none_or(|action| outcome.carried_out(action));
        self.tell(&subject.reference, planned.iter().filter(happened).chain(&met)).await;
        if !finalizer
            && subject.finalizer
            && outcome.failures.is_empty()
            && let Err(error) = self.set_finalizer(&subject.object, false).await
        {
            outcome.failures.push(error);
        }
        outcome
    }

    /// Tells each notice about `object`, as long as this replica leads.
    pub async fn tell(&self, object: &ObjectReference, notices: impl Iterator<Item = &Notice>) {
        for notice in notices {
            if !self.writer.may_write() {
                return;
            }
            self.events.tell(object, notice).await;
        }
    }

    /// Takes back group by group. What was taken last is given back first, so a group that could not be given back stops
    /// those after it. Says whether all were tried.
    async fn unwind(
        &self,
        undo: &[Vec<Undo>],
        owner: &Owner,
        outcome: &mut Outcome,
        trail: impl Fn(&Done) + Copy,
    ) -> bool {
        for group in undo {
            let before = outcome.failures.len();
            note(outcome, at_once(group.iter().map(|entry| self.undo(entry, owner)), trail).await);
            if outcome.failures.len() > before {
                return false;
            }
        }
        true
    }

    /// Takes the finalizer off a resource for which nothing stands any more.
    pub async fn release(&self, object: &ObjectRef) -> Result<(), WriteError> {
        self.set_finalizer(object, false).await.map(drop)
    }

    /// Gives back what stands for a resource that is gone. The failures are answered; the next look tries again.
    pub async fn give_back_all(&self, owner: &Owner, undo: &[Undo]) -> Vec<WriteError> {
        let mut outcome = Outcome::default();
        let trail = |done: &Done| trail(owner, None, done);
        note(&mut outcome, at_once(undo.iter().map(|entry| self.undo(entry, owner)), trail).await);
        outcome.failures
    }

    /// Writes the status, if it differs from the one observed.
    async fn finish<S>(
        &self,
        subject: &Subject<S>,
        status: S,
        overlay: &Overlay<S>,
        settle: impl FnOnce(S, &Outcome) -> S,
        outcome: &Outcome,
    ) -> Result<(), WriteError>
    where
        S: Clone + PartialEq + Serialize,
    {
        let status = settle(status, outcome);
        if subject.status.as_ref() == Some(&status) {
            return Ok(());
        }
        let manifest = json!({
            "apiVersion": subject.object.resource.api_version,
            "kind": subject.object.resource.kind,
            "metadata": { "name": subject.object.name, "uid": subject.object.uid },
            "status": status,
        });
        match self.writer.apply_status(&subject.object, &manifest).await {
            Ok(written) => {
                if let (Some(uid), Some(version)) = (&subject.object.uid, &written.metadata.resource_version)
                {
                    overlay.wrote(uid, version, status);
                }
                Ok(())
            }
            // Gone: nobody is left to read it.
            Err(error) if error.is_not_found() => Ok(()),
            // A conflict, or a uid that may not be changed, says that it was replaced by a later one of its name, or
            // anything else.
            Err(error) if error.is_stale() || error.category() == "Invalid" => {
                match self.writer.read(&subject.object).await? {
                    Some(live) if live.metadata.uid == subject.object.uid => Err(error),
                    _ => Ok(()),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn ensure(&self, own: &Own, owner: &Owner, known: &[Entry]) -> Met {
        let manifest = own.manifest(owner);
        let intent = digest::of_intent(&manifest);
        let entry = known.iter().find(|entry| same(&entry.object, &own.object));
        if let Some(entry) = entry
            && entry.intent.as_deref() == Some(&intent)
            && entry.live.as_deref() == Some(&intent)
        {
            return Met::Nothing;
        }
        // Made by us with this very intent, and yet different: somebody changed it.
        let drifted = entry.is_some_and(|entry| entry.intent.as_deref() == Some(&intent));
        let applied = match self.writer.apply(&own.object, &manifest, false).await {
            Err(error) => match (managers(error.status()), own.defence) {
                (Some(others), Defence::PutBack) => {
                    self.writer.apply(&own.object, &manifest, true).await.map(|object| (object, Some(others)))
                }
                (Some(others), Defence::Report) => return Met::Conflict(own.object.to_string(), others),
                (None, _) => Err(error),
            },
            Ok(object) => Ok((object, drifted.then(|| "another client".to_owned()))),
        };
        match applied {
            Err(error) => Met::Failed(error),
            Ok((object, by)) => {
                self.inventory.observed(&object);
                Met::Done(Done {
                    deed: if by.is_some() { Deed::PutBack } else { Deed::Ensured },
                    object: own.object.to_string(),
                    action: own.action.clone(),
                    prior: by.map_or(Value::Null, |by| json!({ "changedBy": by })),
                    kept: Vec::new(),
                    why: own.why.clone(),
                })
            }
        }
    }

    async fn borrow(&self, loan: &loan::Loan, owner: &Owner, now: jiff::Timestamp) -> Met {
        let decide = |live: &Value| loan::take(live, loan, owner, now);
        self.lend(&loan.object, &loan.action, &loan.why, Deed::Borrowed, decide).await
    }

    async fn undo(&self, entry: &Undo, owner: &Owner) -> Met {
        match entry {
            Undo::Remove { object, action, why } => {
                // Only what is known to be ours, and exactly that object.
                let known = self.inventory.of(owner).into_iter().find(|entry| same(&entry.object, object));
                let Some(Entry { object, .. }) = known else {
                    // The end of an action is told, also when a run before was killed before it could tell it.
                    return action.as_ref().map_or(Met::Nothing, |action| {
                        Met::Done(Done {
                            deed: Deed::Removed,
                            object: object.to_string(),
                            action: Some(action.clone()),
                            prior: Value::Null,
                            kept: Vec::new(),
                            why: format!("{why}; it was gone already"),
                        })
                    });
                };
                if let Err(error) = self.writer.delete(&object).await {
                    return Met::Failed(error);
                }
                self.inventory.removed(&object);
                Met::Done(Done {
                    deed: Deed::Removed,
                    object: object.to_string(),
                    action: action.clone(),
                    prior: Value::Null,
                    kept: Vec::new(),
                    why: why.clone(),
                })
            }
            Undo::Return { object, action, terms, why } => {
                let decide = |live: &Value| loan::give_back(live, object, action, terms, owner);
                self.lend(object, action, why, Deed::Returned, decide).await
            }
        }
    }

    /// Reads the object as it is now, decides, and sends the patch; again when somebody wrote in between.
    async fn lend(
        &self,
        object: &ObjectRef,
        action: &str,
        why: &str,
        deed: Deed,
        decide: impl Fn(&Value) -> Decision,
    ) -> Met {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let live = match self.writer.read(object).await {
                Ok(Some(live)) => live,
                Ok(None) => {
                    self.inventory.removed(object);
                    return Met::Nothing;
                }
                Err(error) => return Met::Failed(error),
            };
            let (patch, prior, kept) = match decide(&json!(live)) {
                Decision::Patch { patch, prior, kept } => (patch, prior, kept),
                Decision::Nothing(nothing) => {
                    self.inventory.observed(&live);
                    return match nothing {
                        Nothing::HeldBy(other) => Met::HeldBy(object.to_string(), other),
                        Nothing::Unreadable(annotation) => {
                            Met::Failed(WriteError::LoanUnreadable { what: object.to_string(), annotation })
                        }
                        Nothing::Done | Nothing::AlreadySo | Nothing::OtherObject | Nothing::Guarded => {
                            Met::Nothing
                        }
                    };
                }
            };
            match self.writer.patch(object, patch).await {
                Ok(written) => {
                    self.inventory.observed(&written);
                    return Met::Done(Done {
                        deed,
                        object: object.to_string(),
                        action: Some(action.to_owned()),
                        prior,
                        kept,
                        why: why.to_owned(),
                    });
                }
                Err(error) if error.is_stale() && attempt < ATTEMPTS => {}
                Err(error) if error.is_not_found() => return Met::Nothing,
                Err(error) => return Met::Failed(error),
            }
        }
    }

    /// Puts the finalizer on or takes it off. False if it cannot be put on, because the object is on its way out.
    async fn set_finalizer(&self, object: &ObjectRef, wanted: bool) -> Result<bool, WriteError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Some(live) = self.writer.read(object).await? else { return Ok(!wanted) };
            if object.uid.is_some() && live.metadata.uid != object.uid {
                return Ok(!wanted);
            }
            let mut finalizers = live.metadata.finalizers.clone().unwrap_or_default();
            if finalizers.iter().any(|name| name == FINALIZER) == wanted {
                return Ok(true);
            }
            if wanted {
                // The API server refuses new finalizers on an object that is being deleted.
                if live.metadata.deletion_timestamp.is_some() {
                    return Ok(false);
                }
                finalizers.push(FINALIZER.to_owned());
            } else {
                finalizers.retain(|name| name != FINALIZER);
            }
            let patch = json!([
                {"op": "test", "path": "/metadata/resourceVersion", "value": live.metadata.resource_version},
                {"op": "add", "path": "/metadata/finalizers", "value": finalizers},
            ]);
            let patch = serde_json::from_value(patch).unwrap_or_default();
            match self.writer.patch(object, patch).await {
                Ok(_) => {
                    let verb = if wanted { "put on" } else { "taken off" };
                    tracing::info!(target: "banyan::trail", what = "Finalizer", object = %object, why = verb, "wrote");
                    return Ok(true);
                }
                Err(error) if error.is_not_found() => return Ok(!wanted),
                Err(error) if error.is_stale() && attempt < ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What one entry of a plan met.
enum Met {
    Nothing,
    Done(Done),
    Conflict(String, String),
    HeldBy(String, String),
    Failed(WriteError),
}

/// Runs a bounded number of writes at once. `trail` hears of each as soon as it is done: a process that is killed has
/// left the traces of what it did.
async fn at_once(work: impl Iterator<Item = impl Future<Output = Met>>, trail: impl Fn(&Done)) -> Vec<Met> {
    let work: Vec<_> = work.collect();
    stream::iter(work)
        .buffer_unordered(CONCURRENCY)
        .inspect(|met| {
            if let Met::Done(done) = met {
                trail(done);
            }
        })
        .collect()
        .await
}

fn note(outcome: &mut Outcome, met: Vec<Met>) {
    for met in met {
        match met {
            Met::Nothing => {}
            Met::Done(done) => outcome.done.push(done),
            Met::Conflict(object, manager) => outcome.conflicts.push((object, manager)),
            Met::HeldBy(object, other) => outcome.held_by_others.push((object, other)),
            Met::Failed(error) => outcome.failures.push(error),
        }
    }
}

fn same(a: &ObjectRef, b: &ObjectRef) -> bool {
    a.resource.kind == b.resource.kind
        && a.resource.group == b.resource.group
        && a.namespace == b.namespace
        && a.name == b.name
}

/// The other field managers of a conflict, as the server names them; none if it is a conflict of another kind, such as
/// with an object of the same name and another uid.
fn managers(status: Option<&kube::core::Status>) -> Option<String> {
    let status = status.filter(|status| status.is_conflict())?;
    let causes: Vec<_> = status
        .details
        .iter()
        .flat_map(|details| &details.causes)
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .collect();
    if causes.is_empty() {
        return None;
    }
    let mut names: Vec<String> =
        causes.iter().filter_map(|cause| cause.message.split('"').nth(1).map(str::to_owned)).collect();
    names.sort_unstable();
    names.dedup();
    Some(if names.is_empty() { "another field manager".to_owned() } else { names.join(", ") })
}

/// What is told of an outcome, beside what the plan tells.
fn told(outcome: &Outcome) -> Vec<Notice> {
    let mut notices = Vec::new();
    for done in &outcome.done {
        if done.deed == Deed::PutBack {
            let by = done.prior["changedBy"].as_str().unwrap_or("another client");
            notices.push(Notice::warning(
                "PutBack",
                format!("{} was changed by {by} and has been put back", done.object),
            ));
        }
        if !done.kept.is_empty() {
            notices.push(Notice::normal(
                "KeptUsersChange",
                format!(
                    "{}: {} was changed by somebody else meanwhile and is left as it is",
                    done.object,
                    done.kept.join(", ")
                ),
            ));
        }
    }
    for (object, manager) in &outcome.conflicts {
        notices.push(Notice::warning(
            "Conflict",
            format!("{object} is also managed by {manager}; it is left as it is"),
        ));
    }
    notices
}

/// Every use has a ground, every step leaves a trace: one structured line a write.
fn trail(owner: &Owner, generation: Option<i64>, done: &Done) {
    let Done { deed, object, action, prior, kept, why } = done;
    tracing::info!(
        target: "banyan::trail",
        what = ?deed,
        object,
        action = action.as_deref().unwrap_or_default(),
        prior = %prior,
        kept = kept.join(","),
        why,
        owner = %owner,
        generation = generation.unwrap_or_default(),
        "wrote"
    );
}

#[cfg(test)]
mod tests;
