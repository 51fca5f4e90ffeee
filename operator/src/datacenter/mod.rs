//! Data centres: energy metered, PUE judged against a glide path, and what is done about a site that misses it.
//!
//! ```text
//! observe ── samples ──► energy, site ──► ledger ──► verdict, budget, model ──► enforce ──► plan
//! ```
//!
//! [`observe`] is the only file that reads, everything else is a pure function of plain data.

pub mod benefit;
pub mod budget;
pub mod claims;
pub mod energy;
pub mod enforce;
pub mod explain;
pub mod farewell;
pub mod fights;
pub mod figures;
pub mod grade;
pub mod holds;
pub mod import;
pub mod indicators;
pub mod ledger;
pub mod marks;
pub mod model;
pub mod observe;
pub mod plan;
pub mod provenance;
pub mod report;
pub mod settle;
pub mod site;
pub mod spec;
pub mod thermal;
pub mod unrecorded;
pub mod verdict;
pub mod windows;
pub mod words;

use std::sync::Arc;

use banyan_crds::v1alpha1::{DataCenter, DataCenterStatus};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Resource, ResourceExt,
    core::{ApiResource, ObjectMeta},
};

use crate::{
    index::{
        owned::OwnedConfigMaps,
        resources::{Arrived, Resources},
    },
    kernel::{
        clock::Clock,
        driver::Next,
        executor::{Executor, Subject},
        metrics::KernelMetrics,
        overlay::Overlay,
        plan::{FINALIZER, Notice, ObjectRef, Owner},
        trail::Principal,
    },
};
use figures::Board;
use observe::{FoundLedger, Observer};
use spec::Site;

/// The alert rules of this room, as a Prometheus rule file.
pub const ALERTS: &str = include_str!("alerts.yaml");
/// Rounds in a row that a site is looked at because it, or its ledger, was changed meanwhile.
const ROUNDS: usize = 8;
/// Sites that are reconciled at once.
pub const CONCURRENCY: usize = 16;

/// Reconciles sites.
pub struct Room {
    /// Every `DataCenter`.
    pub sites: Arc<Resources<DataCenter>>,
    /// Ledgers and other objects made for sites.
    pub owned: Arc<OwnedConfigMaps<FoundLedger>>,
    /// Reads.
    pub observer: Observer,
    /// Writes.
    pub executor: Executor,
    /// Own statuses that the watch has not brought back yet.
    pub overlay: Overlay<DataCenterStatus>,
    /// The clock.
    pub clock: Clock,
    /// Metrics of the loop.
    pub metrics: KernelMetrics,
    /// Figures of the sites.
    pub board: Board,
}

impl Room {
    /// Observes, plans and applies for the site called `name`.
    pub async fn reconcile(&self, name: &str) -> Next {
        let started = std::time::Instant::now();
        let mut rounds = 0;
        let (outcome, next) = loop {
            rounds += 1;
            match self.round(name).await {
                Some(done) => break done,
                None if rounds < ROUNDS => {}
                // Somebody writes without end: a little later then.
                None => break ("Conflict", Next::Failed),
            }
        };
        self.metrics.reconciles.with_label_values(&["DataCenter", outcome]).inc();
        self.metrics
            .reconcile_duration
            .with_label_values(&["DataCenter"])
            .observe(started.elapsed().as_secs_f64());
        self.metrics.last_reconcile.with_label_values(&["DataCenter"]).set(self.clock.now().as_second());
        next
    }

    /// One round; none if the site was changed while it was observed, or its ledger before it was written, so that it has to
    /// be looked at again at once.
    async fn round(&self, name: &str) -> Option<(&'static str, Next)> {
        let dc = match self.sites.get(name) {
            None => {
                self.board.forget(name);
                self.observer.forget(name);
                let here = self.sites.uids();
                self.overlay.retain(|uid| here.contains(uid));
                return Some(self.sweep(&Self::object(name, None), None).await);
            }
            Some(Arrived::Bad { meta, error }) => {
                self.board.forget(name);
                return Some(self.undecodable(&meta, &error).await);
            }
            Some(Arrived::Good(dc)) => dc,
        };
        // Whole seconds, as the API keeps them: what is read back must be what was written.
        let now = windows::timestamp(self.clock.now().as_second() * 1000);
        let subject = Subject::of(dc.as_ref(), dc.status.clone(), &self.overlay);
        let site = Site::read(&dc.spec);
        let owner = Owner { kind: "datacenter", name: name.to_owned() };
        let found = match self.owned.content(&owner) {
            Some(found) => found,
            None => self.observer.ledger_by_name(name).await,
        };
        let twins = self.twins(&dc);
        let seen =
            self.observer.observe(&dc, site.as_ref().ok(), subject.status.clone(), found, &twins, now).await;
        // Observing takes a while. What was decided for another spec, or for a site that was not yet to go, is not done.
        if self.sites.get(name).is_none_or(|now| has_changed(dc.meta(), now.meta())) {
            return None;
        }
        let (plan, figures) = plan::plan(&dc, &site, &seen);
        let next = plan.next;
        let ledger = plan::ledger_ref(&dc, &seen.namespace).to_string();
        let outcome = self
            .executor
            .apply(&subject, plan, &self.overlay, now, |status, outcome| {
                settle::settle(status, subject.status.as_ref(), outcome, now)
            })
            .await;
        if !outcome.stale.is_empty() {
            tracing::info!(data_center = name, "the ledger was written by somebody else meanwhile");
            return None;
        }
        self.board.show(name, figures);
        // The days count as looked at once they are in the ledger, whatever else went wrong.
        if outcome.failures.iter().all(|error| error.what() != ledger) {
            self.observer.days_written(name);
        }
        Some(match outcome.failures.first() {
            None => ("ok", Next::After(next)),
            Some(error) => {
                tracing::warn!(data_center = name, %error, "a site could not be reconciled in full");
                (error.category(), Next::Failed)
            }
        })
    }

    /// Names of sites that are gone and for which something is still on loan.
    pub fn orphans(&self) -> Vec<String> {
        let known = self.sites.names();
        let mut owners = self.observer.borrowers();
        owners.retain(|owner| !known.contains(owner));
        owners
    }

    /// Names of the sites with an action in force, or with something that is still to be undone.
    pub fn lending(&self) -> Vec<String> {
        let lends = |dc: &DataCenter| {
            let enforcement = dc.status.as_ref().and_then(|status| status.enforcement.as_ref());
            dc.finalizers().iter().any(|name| name == FINALIZER)
                || enforcement.is_some_and(|enforcement| !enforcement.engaged.is_empty())
        };
        self.sites.all().iter().filter(|dc| lends(dc)).map(|dc| dc.name_any()).collect()
    }

    /// The site called `name`.
    fn object(name: &str, uid: Option<String>) -> ObjectRef {
        ObjectRef {
            resource: ApiResource::erase::<DataCenter>(&()),
            namespace: None,
            name: name.to_owned(),
            uid,
        }
    }

    /// Gives back what stands for a site that is gone, or as good as gone.
    async fn sweep(&self, site: &ObjectRef, generation: Option<i64>) -> (&'static str, Next) {
        let name = &site.name;
        let owner = Owner { kind: "datacenter", name: name.to_owned() };
        let undo = holds::leftovers(&self.observer.lent_to(&owner), &owner);
        let principal = Principal::new(site, generation);
        let failures = self.executor.give_back_all(&owner, &principal, &undo).await;
        match failures.first() {
            None => ("ok", Next::Gone),
            Some(error) => {
                tracing::warn!(data_center = name, %error, "what stood for a site that is gone could not be given back");
                (error.category(), Next::Failed)
            }
        }
    }

    /// What can be done for a site whose spec cannot be read: it is told, and if it is on its way out, it may go.
    ///
    /// Its status is left alone, since applying a part of it would remove the rest, the memory of actions among it.
    async fn undecodable(&self, meta: &ObjectMeta, error: &str) -> (&'static str, Next) {
        let name = meta.name.as_deref().unwrap_or_default();
        tracing::warn!(data_center = name, error, "a DataCenter cannot be decoded and is left out");
        let later = Next::After(std::time::Duration::from_mins(5));
        let object = Self::object(name, meta.uid.clone());
        let held = meta.finalizers.iter().flatten().any(|name| name == FINALIZER);
        if meta.deletion_timestamp.is_none() || !held {
            let reference = ObjectReference {
                api_version: Some(object.resource.api_version.clone()),
                kind: Some(object.resource.kind.clone()),
                name: meta.name.clone(),
                uid: meta.uid.clone(),
                ..ObjectReference::default()
            };
            let notice = Notice::warning(
                "Undecodable",
                format!("it is left out, because it does not fit the schema; write it anew: {error}"),
            );
            self.executor.tell(&reference, std::iter::once(&notice)).await;
            return ("Undecodable", later);
        }
        let (outcome, next) = self.sweep(&object, meta.generation).await;
        // A queue that cannot be seen may be on loan.
        if next != Next::Gone || !self.observer.batch.queues_known() {
            return (outcome, Next::Failed);
        }
        match self.executor.release(&object, meta.generation).await {
            Ok(()) => ("Undecodable", later),
            Err(error) => {
                tracing::warn!(data_center = name, %error, "the finalizer could not be taken off");
                (error.category(), Next::Failed)
            }
        }
    }

    /// Names of other sites with the same cluster that were there before this one.
    fn twins(&self, dc: &DataCenter) -> Vec<String> {
        let all = self.sites.all();
        twins(dc, all.iter().map(AsRef::as_ref))
    }
}

/// Whether what is decided for a site with metadata `old` does not hold for it with `new`.
fn has_changed(old: &ObjectMeta, new: &ObjectMeta) -> bool {
    let essence = |meta: &ObjectMeta| (meta.uid.clone(), meta.generation, meta.deletion_timestamp.is_some());
    essence(old) != essence(new)
}

/// Names of the sites among `others` that have the same cluster as `dc` and were there before it: the first keeps it.
pub fn twins<'a>(dc: &DataCenter, others: impl Iterator<Item = &'a DataCenter>) -> Vec<String> {
    let Some(cluster) = &dc.spec.cluster else { return Vec::new() };
    // One that does not exist yet is younger than all that do.
    let age = |dc: &DataCenter| {
        let created = dc.metadata.creation_timestamp.clone();
        (created.is_none(), created, dc.name_any())
    };
    let mut twins: Vec<_> = others
        .filter(|other| other.spec.cluster.as_ref().is_some_and(|theirs| theirs.id == cluster.id))
        .filter(|other| other.name_any() != dc.name_any() && age(other) < age(dc))
        .map(ResourceExt::name_any)
        .collect();
    twins.sort_unstable();
    twins
}

#[cfg(test)]
pub(crate) mod tests;
