//! Carries out plans: the one executor for every kind.
//!
//! Order: objects whose intent follows from what they were, the finalizer, what is to be taken back, other objects in order
//! of dependency, borrowed fields, prune, status last, and the finalizer's removal when nothing is left to undo. Each write
//! is idempotent and carries its own memory, so that a process killed between any two of them is continued by the next run.

use std::sync::Arc;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{Resource, ResourceExt, api::DynamicObject, core::ApiResource};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

pub use super::trail::Deed;
use super::{
    digest,
    events::Events,
    loan::{self, Decision, Nothing},
    overlay::Overlay,
    plan::{Basis, Defence, FINALIZER, Found, Notice, ObjectRef, Own, Owner, Plan, Undo},
    tally::Tally,
    trail::{Ground, Outcome as Told, Principal},
    writer::{WriteError, Writer},
};

mod outcome;
mod told;

use outcome::Met;
pub use outcome::{Done, Outcome, Round};

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
    /// The loan behind this annotation was just given back: that it is gone from the object is nobody else's doing.
    fn returned(&self, _object: &ObjectRef, _annotation: &str) {}
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

impl<S: Clone> Subject<S> {
    /// A resource as a watch has it, with the status that was last written to it.
    pub fn of<K>(resource: &K, status: Option<S>, overlay: &Overlay<S>) -> Self
    where
        K: Resource<DynamicType = ()>,
    {
        let uid = resource.uid();
        let version = resource.resource_version().unwrap_or_default();
        Self {
            object: ObjectRef {
                resource: ApiResource::erase::<K>(&()),
                namespace: None,
                name: resource.name_any(),
                uid: uid.clone(),
            },
            reference: resource.object_ref(&()),
            generation: resource.meta().generation,
            finalizer: resource.finalizers().iter().any(|name| name == FINALIZER),
            status: overlay.latest(&uid.unwrap_or_default(), &version, status),
            version,
        }
    }
}

/// For whom something is done: in the words of labels and loans, and in those of the trail.
#[derive(Clone, Copy)]
struct Behalf<'a> {
    owner: &'a Owner,
    principal: &'a Principal,
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
    /// What is done over and over.
    pub repeats: Arc<Tally>,
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
        let Plan { owner, finalizer, undo, mut own, mut keep, mut borrow, status, notices, found, next: _ } =
            plan;
        let mut outcome = Outcome::default();
        let principal = Principal::new(&subject.object, subject.generation);
        let behalf = Behalf { owner: &owner, principal: &principal };
        let known = self.inventory.of(&owner);
        // First of all what follows from what was there: when that is not so any more, nor is the rest of the plan.
        let based = own.iter().filter(|own| own.basis != Basis::Any);
        outcome.note(at_once(based.map(|own| self.ensure(own, behalf, &known))).await);
        if !outcome.stale.is_empty() {
            self.tell(&subject.reference, told::notices(&outcome).iter()).await;
            return outcome;
        }
        let held = if finalizer && !subject.finalizer {
            self.set_finalizer(&subject.object, true, &principal).await
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
        let unwound = self.unwind(&undo, behalf, &mut outcome).await;
        let known = self.inventory.of(&owner);
        let mut ranked = own;
        ranked.sort_by_key(Own::rank);
        for rank in ranked.chunk_by(|a, b| a.rank() == b.rank()) {
            let rank = rank.iter().filter(|own| own.basis == Basis::Any);
            let ensured = rank.map(|own| self.ensure(own, behalf, &known));
            outcome.note(at_once(ensured).await);
        }
        for group in borrow {
            let borrowed = group.iter().map(|loan| self.borrow(loan, behalf, now));
            outcome.note(at_once(borrowed).await);
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
        outcome.note(at_once(stale.iter().map(|entry| self.undo(entry, behalf))).await);

        outcome.in_order();
        told::fold(&mut outcome, &self.repeats, now);
        let met = told::notices(&outcome);
        // What is planned to be told follows from the status: while that is not written, it is planned again.
        let planned = match self.finish(subject, status, overlay, settle, &outcome).await {
            Ok(()) => {
                for found in &found {
                    self.find(found, &principal);
                }
                notices
            }
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
            && let Err(error) = self.set_finalizer(&subject.object, false, &principal).await
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
    async fn unwind(&self, undo: &[Vec<Undo>], behalf: Behalf<'_>, outcome: &mut Outcome) -> bool {
        for group in undo {
            let before = outcome.failures.len();
            outcome.note(at_once(group.iter().map(|entry| self.undo(entry, behalf))).await);
            if outcome.failures.len() > before {
                return false;
            }
        }
        true
    }

    /// Takes the finalizer off a resource for which nothing stands any more.
    pub async fn release(&self, object: &ObjectRef, generation: Option<i64>) -> Result<(), WriteError> {
        self.set_finalizer(object, false, &Principal::new(object, generation)).await.map(drop)
    }

    /// Takes back everything that stands for `owner`, group by group, whatever its plan says: for an installation that
    /// goes.
    pub async fn unwind_all(&self, owner: &Owner, principal: &Principal, undo: &[Vec<Undo>]) -> Outcome {
        let mut outcome = Outcome::default();
        self.unwind(undo, Behalf { owner, principal }, &mut outcome).await;
        outcome.in_order();
        outcome
    }

    /// Gives back what stands for a resource that is gone, and that was `principal`. The failures are answered; the next
    /// look tries again.
    pub async fn give_back_all(
        &self,
        owner: &Owner,
        principal: &Principal,
        undo: &[Undo],
    ) -> Vec<WriteError> {
        let mut outcome = Outcome::default();
        let behalf = Behalf { owner, principal };
        outcome.note(at_once(undo.iter().map(|entry| self.undo(entry, behalf))).await);
        outcome.failures
    }

    /// Leaves the trace of what was found done.
    fn find(&self, found: &Found, principal: &Principal) {
        let ground = Ground {
            what: found.what,
            action: Some(&found.action),
            prior: &found.prior,
            kept: &[],
            why: &found.why,
            until: found.until.as_deref(),
            principal,
        };
        self.writer.trail().tell(&found.object, None, &ground, Told::Found);
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

    async fn ensure(&self, own: &Own, behalf: Behalf<'_>, known: &[Entry]) -> Met {
        let manifest = own.manifest(behalf.owner);
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
        let done = |by: Option<String>| Done {
            deed: if by.is_some() { Deed::PutBack } else { Deed::Ensured },
            object: own.object.to_string(),
            action: own.action.clone(),
            prior: by.map_or(Value::Null, |by| json!({ "changedBy": by })),
            kept: Vec::new(),
            why: own.why.clone(),
            until: own.until.clone(),
        };
        let mut told = done(drifted.then(|| "another client".to_owned()));
        let mut applied =
            self.writer.apply(&own.object, &manifest, false, &told.ground(behalf.principal)).await;
        if let Some(others) = applied.as_ref().err().and_then(|error| managers(error.status())) {
            if own.defence == Defence::Report {
                return Met::Conflict(own.object.to_string(), others);
            }
            told = done(Some(others));
            applied = self.writer.apply(&own.object, &manifest, true, &told.ground(behalf.principal)).await;
        }
        match applied {
            Err(error)
                if own.basis != Basis::Any && error.status().is_some_and(kube::core::Status::is_conflict) =>
            {
                self.look_again(&own.object, entry).await
            }
            Err(error) => Met::Failed(error),
            Ok(object) => {
                self.inventory.observed(&object);
                Met::Done(told)
            }
        }
    }

    /// Shows the inventory an object as it is now, which is not what was planned on.
    async fn look_again(&self, object: &ObjectRef, known: Option<&Entry>) -> Met {
        match (self.writer.read(object).await, known) {
            (Err(error), _) => return Met::Failed(error),
            (Ok(Some(live)), _) => self.inventory.observed(&live),
            (Ok(None), Some(entry)) => self.inventory.removed(&entry.object),
            (Ok(None), None) => {}
        }
        Met::Stale(object.to_string())
    }

    async fn borrow(&self, loan: &loan::Loan, behalf: Behalf<'_>, now: jiff::Timestamp) -> Met {
        let decide = |live: &Value| loan::take(live, loan, behalf.owner, now);
        let done = Done {
            deed: Deed::Borrowed,
            object: loan.object.to_string(),
            action: Some(loan.action.clone()),
            prior: Value::Null,
            kept: Vec::new(),
            why: loan.why.clone(),
            until: loan.until.clone(),
        };
        self.lend(&loan.object, done, behalf.principal, decide).await
    }

    async fn undo(&self, entry: &Undo, behalf: Behalf<'_>) -> Met {
        let done = |deed, object: &ObjectRef, action: Option<&String>, why: &str| Done {
            deed,
            object: object.to_string(),
            action: action.cloned(),
            prior: Value::Null,
            kept: Vec::new(),
            why: why.to_owned(),
            until: None,
        };
        match entry {
            Undo::Remove { object, action, why } => {
                // Only what is known to be ours, and exactly that object.
                let known = self.inventory.of(behalf.owner);
                let known = known.into_iter().find(|entry| same(&entry.object, object));
                let Some(Entry { object, .. }) = known else {
                    // The end of an action is told, also when a run before was killed before it could tell it.
                    let Some(action) = action else { return Met::Nothing };
                    let why = format!("{why}; it was gone already");
                    let done = done(Deed::Removed, object, Some(action), &why);
                    self.writer.trail().tell(object, None, &done.ground(behalf.principal), Told::Found);
                    return Met::Done(done);
                };
                let done = done(Deed::Removed, &object, action.as_ref(), why);
                if let Err(error) = self.writer.delete(&object, &done.ground(behalf.principal)).await {
                    return Met::Failed(error);
                }
                self.inventory.removed(&object);
                Met::Done(done)
            }
            Undo::Return { object, action, terms, why } => {
                let decide = |live: &Value| loan::give_back(live, object, action, terms, behalf.owner);
                let done = done(Deed::Returned, object, Some(action), why);
                self.lend(object, done, behalf.principal, decide).await
            }
        }
    }

    /// Reads the object as it is now, decides, and sends the patch; again when somebody wrote in between. `done` is what is
    /// done then, before the values are known.
    async fn lend(
        &self,
        object: &ObjectRef,
        mut done: Done,
        principal: &Principal,
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
            let (patch, against) = match decide(&json!(live)) {
                Decision::Patch { patch, prior, kept, against } => {
                    (done.prior, done.kept) = (prior, kept);
                    (patch, against)
                }
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
            let done = match &against {
                None => done.clone(),
                // The same words each time: how often it was is not told here.
                Some(against) => Done {
                    deed: Deed::SetAgain,
                    why: format!("set again after {} had set it back", against.managers),
                    ..done.clone()
                },
            };
            match self.writer.patch(object, patch, &done.ground(principal)).await {
                Ok(written) => {
                    self.inventory.observed(&written);
                    let action = done.action.clone().unwrap_or_default();
                    if done.deed == Deed::Returned {
                        let object = ObjectRef { uid: written.metadata.uid.clone(), ..object.clone() };
                        self.inventory.returned(&object, &loan::annotation(&action));
                    }
                    let Some(against) = against else { return Met::Done(done) };
                    let round = Round { object: object.clone(), action, against };
                    return Met::Again(done, Box::new(round));
                }
                Err(error) if error.is_stale() && attempt < ATTEMPTS => {}
                Err(error) if error.is_not_found() => return Met::Nothing,
                Err(error) => return Met::Failed(error),
            }
        }
    }

    /// Puts the finalizer on or takes it off. False if it cannot be put on, because the object is on its way out.
    async fn set_finalizer(
        &self,
        object: &ObjectRef,
        wanted: bool,
        principal: &Principal,
    ) -> Result<bool, WriteError> {
        let (what, why) = if wanted {
            (
                Deed::FinalizerSet,
                "something is on loan for it, or about to be, which has to be given back before it goes",
            )
        } else {
            (Deed::FinalizerCleared, "nothing is on loan for it any more")
        };
        let mut attempt = 0;
        loop {
            attempt += 1;
            let Some(live) = self.writer.read(object).await? else { return Ok(!wanted) };
            if object.uid.is_some() && live.metadata.uid != object.uid {
                return Ok(!wanted);
            }
            let mut finalizers = live.metadata.finalizers.clone().unwrap_or_default();
            let prior = json!({ "/metadata/finalizers": live.metadata.finalizers });
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
            let ground = Ground { what, action: None, prior: &prior, kept: &[], why, until: None, principal };
            match self.writer.patch(object, patch, &ground).await {
                Ok(_) => return Ok(true),
                Err(error) if error.is_not_found() => return Ok(!wanted),
                Err(error) if error.is_stale() && attempt < ATTEMPTS => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Runs a bounded number of writes at once.
async fn at_once(work: impl Iterator<Item = impl Future<Output = Met>>) -> Vec<Met> {
    let work: Vec<_> = work.collect();
    stream::iter(work).buffer_unordered(CONCURRENCY).collect().await
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

#[cfg(test)]
mod tests;
