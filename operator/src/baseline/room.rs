//! Reconciles baselines and waivers: from what is seen to status, policies and reports.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use banyan_crds::v1alpha1::{SecurityBaseline, SecurityBaselineStatus, Waiver, WaiverStatus};
use banyan_policies::verdict::{Audit, Waiver as Given, WaiverLine, Waivers};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, ResourceExt,
    core::{ApiResource, ObjectMeta},
};

use super::{
    admission::{self, Held},
    figures::{self, Board, Figures},
    ledger::{self, Day, Ledger},
    made::{Made, OWNERS},
    packs::{Packs, Stock},
    publish,
    reports::Reports,
    scene::Stale,
    spec::{self, Asked},
    status::{self, Look},
    waivers,
    watch::{self, Said, Watched},
};
use crate::{
    index::{
        estate::{Change, Sink},
        resources::{Arrived, Resources},
    },
    kernel::{
        clock::Clock,
        driver::{Next, Queue},
        executor::{Executor, Inventory as _, Outcome, Subject},
        metrics::KernelMetrics,
        overlay::Overlay,
        plan::{Basis, Defence, Notice, ObjectRef, Own, Owner, Plan, ROLE, Undo},
        trail::Principal,
    },
};

/// Baselines that are reconciled at once, and waivers.
pub const CONCURRENCY: usize = 4;
/// What changes within this long is judged and written at once.
const SETTLE_AFTER: Duration = Duration::from_millis(500);
/// How long the status of before is left standing while the first lists are under way.
const PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
/// How often what depends on the time is judged.
const TICK: jiff::SignedDuration = jiff::SignedDuration::from_mins(10);
/// How often a status is written of which only figures have changed.
const FIGURES: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);
/// How often a baseline is looked at when nothing changes.
const LOOK: Duration = Duration::from_mins(10);

/// In the queue: what is left of baselines that went while nobody watched. No baseline has this name.
const NOBODY: &str = "";

/// UID and generation.
pub type Essence = (Option<String>, Option<i64>);

/// Reconciles baselines and waivers.
pub struct Room {
    /// Reads what the packs look at.
    pub client: Client,
    /// Banyan's own namespace.
    pub namespace: String,
    /// Every `SecurityBaseline`.
    pub baselines: Arc<Resources<SecurityBaseline>>,
    /// Every `Waiver`.
    pub waivers: Arc<Resources<Waiver>>,
    /// The packs.
    pub packs: Arc<Packs>,
    /// The reports in the cluster.
    pub reports: Arc<Reports>,
    /// What was made for baselines.
    pub made: Arc<Made>,
    /// Writes.
    pub executor: Executor,
    /// Own statuses of baselines that the watch has not brought back yet.
    pub overlay: Overlay<SecurityBaselineStatus>,
    /// The same of waivers.
    pub waiver_overlay: Overlay<WaiverStatus>,
    /// The clock.
    pub clock: Clock,
    /// Metrics of the loop.
    pub metrics: KernelMetrics,
    /// Figures.
    pub board: Board,
    /// When baselines are due.
    pub queue: Arc<Queue>,
    /// When waivers are due.
    pub waiver_queue: Arc<Queue>,
    /// What is watched for, by baseline.
    pub watched: Mutex<BTreeMap<String, Arc<Watched>>>,
    /// UID and generation of each waiver that its baseline was told of.
    pub told: Mutex<BTreeMap<String, Essence>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Room {
    /// Every baseline, and every one that is gone and for which something still stands.
    pub fn names(&self) -> Vec<String> {
        let mut all = self.baselines.names();
        all.extend(self.made.owners());
        all.extend(self.has_strays().then(|| NOBODY.to_owned()));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Every baseline is due.
    pub fn all_due(&self) {
        for name in self.baselines.names() {
            self.queue.now(&name);
        }
    }

    /// A report is not as it was written, or all have to be looked at.
    pub fn doubt_report(&self, name: Option<&str>) {
        for (baseline, watched) in lock(&self.watched).iter() {
            match name {
                Some(name) => watched.scene.doubt(Stale::Some([name.to_owned()].into())),
                None => watched.scene.doubt(Stale::All),
            }
            self.queue.at(baseline, tokio::time::Instant::now() + SETTLE_AFTER);
        }
        if name.is_none() && self.has_strays() {
            self.queue.now(NOBODY);
        }
    }

    /// Whether there are reports and no baseline, be it one that cannot be read. Where there is one, its first look finds what it does not say.
    fn has_strays(&self) -> bool {
        let known = publish::APIS.into_iter().any(|api| self.reports.count(api) > 0);
        known && self.baselines.names().is_empty()
    }

    /// Reports of baselines that went while Banyan was down go.
    async fn tidy(&self) -> Next {
        if !self.has_strays() {
            return Next::Gone;
        }
        let Some(error) = publish::withdraw(self, NOBODY, None, self.now()).await else { return Next::Gone };
        tracing::warn!(error, "reports of baselines that are gone could not be removed");
        Next::Failed
    }

    /// Another replica leads: it watches.
    pub fn rest(&self) {
        lock(&self.watched).clear();
        lock(&self.told).clear();
        self.board.clear();
    }

    /// Observes, plans and applies for the baseline called `name`.
    pub async fn reconcile(&self, name: &str) -> Next {
        if name == NOBODY {
            return self.tidy().await;
        }
        let started = std::time::Instant::now();
        let (outcome, next) = self.round(name).await;
        self.metrics.reconciles.with_label_values(&["SecurityBaseline", outcome]).inc();
        let took = started.elapsed().as_secs_f64();
        self.metrics.reconcile_duration.with_label_values(&["SecurityBaseline"]).observe(took);
        let now = self.clock.now().as_second();
        self.metrics.last_reconcile.with_label_values(&["SecurityBaseline"]).set(now);
        next
    }

    async fn round(&self, name: &str) -> (&'static str, Next) {
        let baseline = match self.baselines.get(name) {
            None => return self.farewell(name).await,
            Some(Arrived::Bad { meta, error }) => return self.undecodable(&meta, &error).await,
            Some(Arrived::Good(baseline)) => baseline,
        };
        if baseline.metadata.deletion_timestamp.is_some() {
            return self.farewell(name).await;
        }
        let now = self.now();
        let stock = self.packs.stock();
        let asked = spec::asked(&baseline.spec, &stock.all);
        let watched = self.watched(name, &asked, &stock, now);
        // Nothing of a baseline has to be undone before it goes: its finalizers are others'.
        let subject = Subject {
            finalizer: false,
            ..Subject::of(baseline.as_ref(), baseline.status.clone(), &self.overlay)
        };
        if !watched.scene.is_complete() {
            let before = subject.status.as_ref();
            let standing = before.is_some_and(|status| {
                status.counts.is_some() && status.observed_generation == baseline.metadata.generation
            });
            // Nothing can be told before everything has been seen; looking again at what there is so far would only take time from it.
            let looked = lock(&watched.said).looked;
            let told = looked.is_some() && looked == baseline.metadata.generation;
            if (standing || told) && now.duration_since(watched.since) < PATIENCE {
                return ("Listing", Next::After(SETTLE_AFTER));
            }
        }
        let mut said = lock(&watched.said).clone();
        let clock = said.ticked.is_none_or(|ticked| now.duration_since(ticked) >= TICK);
        if clock {
            said.ticked = Some(now);
        }
        watched.scene.settle(clock, now);
        let complete = watched.scene.is_complete();
        let given = self.waivers_of(name);
        let scope = baseline.spec.scope.clone();
        let audit = watched.scene.audit(scope.as_ref(), Waivers::new(given.clone(), now), &asked.input, now);
        let audit = Arc::new(audit);
        let mut held =
            admission::held(&baseline, &watched.compiled, &asked.parameters, &given, &self.namespace, now);
        let fresh = said_of(&baseline, &audit, &given, complete, said, now);
        if fresh.basis != lock(&watched.said).basis {
            watched.scene.doubt(Stale::All);
        }
        let audit_before = lock(&watched.said).audit.clone();
        *lock(&watched.said) = fresh.clone();

        let look = self.look(&baseline, &asked, &stock, &watched, &held, audit, &fresh, now);
        let mut after = status::status(&look, subject.status.as_ref());
        // Metrics follow at once.
        let found = after.clone();
        let mut figures_wait = None;
        if let Some(before) = &subject.status
            && status::differs_in_figures_only(before, &after)
        {
            let since = fresh.written.map_or(FIGURES, |written| now.duration_since(written));
            if since < FIGURES {
                after = before.clone();
                figures_wait = Duration::try_from(FIGURES - since).ok();
            }
        }
        if subject.status.as_ref() != Some(&after) {
            lock(&watched.said).written = Some(now);
        }
        let notices = status::notices(&look, subject.status.as_ref(), &after);
        let plan = self.plan(&baseline, &look, &mut held, after, notices, &given, now);
        let next = figures_wait.unwrap_or(plan.next).min(plan.next);
        let outcome = self
            .executor
            .apply(&subject, plan, &self.overlay, now, |status, outcome| {
                settled(status, subject.status.as_ref(), outcome, now)
            })
            .await;
        if complete {
            self.tell_waivers(&look.audit, audit_before.as_deref());
        }
        if let Some(error) = outcome.failures.first() {
            tracing::warn!(baseline = name, %error, "a baseline could not be reconciled in full");
            return (error.category(), Next::Failed);
        }
        lock(&watched.said).looked = baseline.metadata.generation;
        if complete {
            let trouble = publish::publish(self, name, &watched, now).await;
            let changed = {
                let mut said = lock(&watched.said);
                std::mem::replace(&mut said.trouble, trouble.clone()) != trouble
            };
            if changed {
                self.queue.now(name);
            }
            if trouble.is_some() {
                return ("ReportsNotWritten", Next::Failed);
            }
        }
        let counts = fresh.apis.iter().map(|api| (*api, self.reports.count(*api))).collect::<Vec<_>>();
        if complete {
            self.board.show(name, Figures::of(&found, &look.audit, &baseline.spec, &counts, now));
        }
        (if complete { "ok" } else { "Listing" }, Next::After(next))
    }

    /// Whole seconds, as the API keeps them: what is read back must be what was written.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    /// What is watched for a baseline; anew if its packs, levels or parameters are others.
    fn watched(&self, name: &str, asked: &Asked, stock: &Stock, now: Timestamp) -> Arc<Watched> {
        let key = watch::key(asked, stock);
        if let Some(watched) = lock(&self.watched).get(name).filter(|watched| watched.key == key) {
            return Arc::clone(watched);
        }
        let due = |queue: &Arc<Queue>| {
            let (queue, name) = (Arc::clone(queue), name.to_owned());
            move || queue.at(&name, tokio::time::Instant::now() + SETTLE_AFTER)
        };
        let clock = self.clock;
        let (soon, heard) = (due(&self.queue), due(&self.queue));
        let at_once = {
            let (queue, name) = (Arc::clone(&self.queue), name.to_owned());
            move || queue.now(&name)
        };
        let watched = Arc::new(Watched::begin(
            &self.client,
            asked,
            stock,
            now,
            move |scene| {
                let sink: Sink = Arc::new(move |change| {
                    let may_complete = matches!(change, Change::Listed { .. } | Change::Refused { .. });
                    if scene.take(change, clock.now()) {
                        if may_complete && scene.is_complete() { at_once() } else { soon() }
                    }
                });
                sink
            },
            heard,
        ));
        lock(&self.watched).insert(name.to_owned(), Arc::clone(&watched));
        watched
    }

    /// The waivers of a baseline that can be read, in the order of their names.
    fn waivers_of(&self, name: &str) -> Vec<Given> {
        let mut all: Vec<Given> = self
            .waivers
            .all()
            .iter()
            .filter(|waiver| waiver.spec.baseline_name.0 == name && !waiver.spec.suspend)
            .filter(|waiver| waiver.metadata.deletion_timestamp.is_none())
            .filter_map(|waiver| waivers::read(waiver).ok())
            .collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    #[allow(clippy::too_many_arguments)] // One call, in one place.
    fn look(
        &self,
        baseline: &SecurityBaseline,
        asked: &Asked,
        stock: &Stock,
        watched: &Watched,
        held: &Held,
        audit: Arc<Audit>,
        said: &Said,
        now: Timestamp,
    ) -> Look {
        let faults = [&asked.faults, &watched.faults, &held.faults, &stock.faults];
        let mut faults: Vec<(String, String)> = faults.into_iter().flatten().cloned().collect();
        for name in baseline.spec.parameters.keys() {
            let known =
                watched.compiled.controls.iter().any(|active| active.control.parameters.contains_key(name));
            if !known {
                let what = "no control of its packs at this level has such a parameter".to_owned();
                faults.push((format!("spec.parameters.{name}"), what));
            }
        }
        Look {
            audit,
            unread: watched.scene.unread(),
            faults,
            not_decided: held.not_decided.clone(),
            held: held.controls,
            reports_missing: said
                .apis
                .iter()
                .copied()
                .filter(|api| self.reports.is_known(*api) && !self.reports.is_served(*api))
                .collect(),
            reports_failed: said.trouble.clone(),
            complete: watched.scene.is_complete(),
            generation: baseline.metadata.generation,
            suspended: baseline.spec.suspend,
            now,
        }
    }

    #[allow(clippy::too_many_arguments)] // One call, in one place.
    fn plan(
        &self,
        baseline: &SecurityBaseline,
        look: &Look,
        held: &mut Held,
        status: SecurityBaselineStatus,
        notices: Vec<Notice>,
        given: &[Given],
        now: Timestamp,
    ) -> Plan<SecurityBaselineStatus> {
        let name = baseline.name_any();
        let owner = Owner { kind: OWNERS, name: name.clone() };
        let at = ledger::object_ref(&name, &self.namespace);
        let mut own = Vec::new();
        let mut keep = Vec::new();
        if baseline.spec.suspend {
            keep.extend(self.made.of(&owner).into_iter().map(|entry| entry.object));
        } else {
            own.append(&mut held.own);
            let there = self.made.of(&owner).iter().any(|entry| entry.object.name == at.name);
            let found = self.made.maps.content(&owner);
            // What is there and cannot be read is not overwritten.
            let ledger = if there { found } else { Some(Ledger::default()) };
            match (ledger, Day::of(&status)) {
                (Some(mut ledger), Some(day)) if look.complete => {
                    if ledger.record(now, day) {
                        own.push(ledger_object(baseline, at, &ledger));
                    } else {
                        keep.push(at);
                    }
                }
                _ => keep.push(at),
            }
        }
        Plan {
            owner,
            finalizer: false,
            undo: Vec::new(),
            own,
            keep,
            borrow: Vec::new(),
            status,
            notices,
            found: Vec::new(),
            next: until_something_ends(given, &look.audit, now),
        }
    }

    /// Waivers whose use is another than it was are due.
    fn tell_waivers(&self, audit: &Audit, before: Option<&Audit>) {
        let of = |audit: &Audit| -> BTreeMap<String, WaiverLine> {
            audit.waivers.iter().map(|line| (line.name.clone(), line.clone())).collect()
        };
        let before = before.map(of).unwrap_or_default();
        for (name, line) in of(audit) {
            if before.get(&name) != Some(&line) {
                self.waiver_queue.now(&name);
            }
        }
    }

    /// A baseline that is gone: what was made for it goes, and its reports.
    async fn farewell(&self, name: &str) -> (&'static str, Next) {
        let gone = lock(&self.watched).remove(name);
        self.board.forget(name);
        let here = self.baselines.uids();
        self.overlay.retain(|uid| here.contains(uid));
        let owner = Owner { kind: OWNERS, name: name.to_owned() };
        let undo: Vec<Undo> = self
            .made
            .of(&owner)
            .into_iter()
            .map(|entry| Undo::Remove {
                object: entry.object,
                action: None,
                why: "its SecurityBaseline is gone".to_owned(),
            })
            .collect();
        let principal = Principal::new(&Self::object(name, None), None);
        let failures = self.executor.give_back_all(&owner, &principal, &undo).await;
        if let Some(error) = failures.first() {
            tracing::warn!(baseline = name, %error, "what stood for a baseline that is gone could not be removed");
            return (error.category(), Next::Failed);
        }
        for waiver in self.waivers.all().iter().filter(|waiver| waiver.spec.baseline_name.0 == name) {
            self.waiver_queue.now(&waiver.name_any());
        }
        match publish::withdraw(self, name, gone.as_deref(), self.now()).await {
            None => ("ok", Next::Gone),
            Some(error) => {
                tracing::warn!(
                    baseline = name,
                    error,
                    "reports of a baseline that is gone could not be removed"
                );
                ("ReportsNotRemoved", Next::Failed)
            }
        }
    }

    /// A baseline that cannot be read is told of; what is held for it stays.
    async fn undecodable(&self, meta: &ObjectMeta, error: &str) -> (&'static str, Next) {
        let name = meta.name.as_deref().unwrap_or_default();
        tracing::warn!(baseline = name, error, "a SecurityBaseline cannot be decoded and is left out");
        let object = Self::object(name, meta.uid.clone());
        let reference = ObjectReference {
            api_version: Some(object.resource.api_version),
            kind: Some(object.resource.kind),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            ..ObjectReference::default()
        };
        let what = format!("it is left out, because it does not fit the schema; write it anew: {error}");
        self.executor.tell(&reference, std::iter::once(&Notice::warning("Undecodable", what))).await;
        ("Undecodable", Next::After(Duration::from_mins(5)))
    }

    /// Observes, plans and applies for the waiver called `name`.
    pub async fn reconcile_waiver(&self, name: &str) -> Next {
        let arrived = self.waivers.get(name);
        let essence = arrived.as_ref().map(|arrived| (arrived.meta().uid.clone(), arrived.meta().generation));
        let waiver = match arrived {
            Some(Arrived::Good(waiver)) => waiver,
            gone => {
                lock(&self.told).remove(name);
                let here = self.waivers.uids();
                self.waiver_overlay.retain(|uid| here.contains(uid));
                // It is not known whose it was.
                self.all_due();
                if let Some(Arrived::Bad { error, .. }) = gone {
                    tracing::warn!(waiver = name, error, "a Waiver cannot be decoded; it covers nothing");
                }
                return Next::Gone;
            }
        };
        let baseline = waiver.spec.baseline_name.to_string();
        if lock(&self.told).insert(name.to_owned(), essence.clone().unwrap_or_default()) != essence {
            // Another generation may be of another baseline.
            self.all_due();
        }
        let watched = lock(&self.watched).get(&baseline).cloned();
        let audit = watched.as_ref().and_then(|watched| lock(&watched.said).audit.clone());
        let line = audit.as_ref().and_then(|audit| audit.waivers.iter().find(|line| line.name == name));
        let unknown: Vec<String> = watched
            .iter()
            .flat_map(|watched| {
                waiver
                    .spec
                    .controls
                    .iter()
                    .map(ToString::to_string)
                    .filter(|id| !watched.knows(id))
                    .collect::<Vec<_>>()
            })
            .collect();
        let now = self.now();
        let plan = waivers::plan(&waiver, line, self.baselines.get(&baseline).is_some(), &unknown, now);
        let next = plan.next;
        let subject = Subject {
            finalizer: false,
            ..Subject::of(waiver.as_ref(), waiver.status.clone(), &self.waiver_overlay)
        };
        let outcome =
            self.executor.apply(&subject, plan, &self.waiver_overlay, now, |status, _| status).await;
        let result = outcome.failures.first().map_or("ok", |error| error.category());
        self.metrics.reconciles.with_label_values(&["Waiver", result]).inc();
        match outcome.failures.first() {
            None => Next::After(next),
            Some(error) => {
                tracing::warn!(waiver = name, %error, "the status of a waiver could not be written");
                Next::Failed
            }
        }
    }

    fn object(name: &str, uid: Option<String>) -> ObjectRef {
        let resource = ApiResource::erase::<SecurityBaseline>(&());
        ObjectRef { resource, namespace: None, name: name.to_owned(), uid }
    }
}

/// What is said of a baseline from now on.
fn said_of(
    baseline: &SecurityBaseline,
    audit: &Arc<Audit>,
    given: &[Given],
    complete: bool,
    before: Said,
    now: Timestamp,
) -> Said {
    let spec = &baseline.spec;
    let (apis, keep) = spec
        .reports
        .as_ref()
        .map_or((Vec::new(), Vec::new()), |reports| (reports.apis.clone(), reports.keep.clone()));
    let valid: Vec<&Given> = given.iter().filter(|waiver| waiver.is_valid(now)).collect();
    let clauses: Vec<(&String, bool)> =
        audit.controls.iter().map(|control| (&control.id, control.scored)).collect();
    let basis = format!("{valid:?} {:?} {apis:?} {keep:?} {clauses:?}", spec.scope);
    Said {
        audit: complete.then(|| Arc::clone(audit)),
        waivers: given.to_vec(),
        scope: spec.scope.clone(),
        apis,
        keep,
        basis,
        ..before
    }
}

fn ledger_object(baseline: &SecurityBaseline, at: ObjectRef, ledger: &Ledger) -> Own {
    Own {
        object: at,
        body: ledger.body(),
        basis: Basis::Any,
        defence: Defence::PutBack,
        labels: [(ROLE.to_owned(), ledger::LEDGER_ROLE.to_owned())].into(),
        owner_reference: admission::owner_reference(baseline),
        lends: false,
        action: None,
        why: "daily counts of the baseline".to_owned(),
        until: None,
    }
}

/// How long until a waiver or an attestation ends, at most until the next look.
fn until_something_ends(given: &[Given], audit: &Audit, now: Timestamp) -> Duration {
    let attested = audit
        .clauses
        .iter()
        .flat_map(|clause| &clause.attested)
        .filter_map(|word| figures::end_of(word.valid_until));
    let ends = given.iter().map(|waiver| waiver.expires).chain(attested).filter(|end| *end > now).min();
    let left = ends.and_then(|end| Duration::try_from(end.duration_since(now)).ok());
    left.unwrap_or(LOOK).min(LOOK).max(Duration::from_millis(500))
}

/// Says in the status what the executor met.
fn settled(
    status: SecurityBaselineStatus,
    before: Option<&SecurityBaselineStatus>,
    outcome: &Outcome,
    now: Timestamp,
) -> SecurityBaselineStatus {
    match outcome.failures.first() {
        None => status,
        Some(error) => {
            let why = format!("{error}; it is tried again");
            status::write_failed(status, before, error.category(), &why, now)
        }
    }
}

/// Whether every baseline that has reports can say what belongs into them.
pub(super) fn contributors(room: &Room) -> Option<Vec<(String, Arc<Watched>, Said)>> {
    let names: BTreeSet<String> = room.baselines.names().into_iter().collect();
    let wants = |name: &str| match room.baselines.get(name) {
        Some(Arrived::Good(baseline)) => {
            baseline.metadata.deletion_timestamp.is_none()
                && baseline.spec.reports.as_ref().is_some_and(|reports| !reports.apis.is_empty())
        }
        _ => false,
    };
    let watched = lock(&room.watched).clone();
    let mut all = Vec::new();
    for name in names.into_iter().filter(|name| wants(name)) {
        let one = watched.get(&name)?;
        let said = lock(&one.said).clone();
        said.audit.as_ref()?;
        all.push((name, Arc::clone(one), said));
    }
    Some(all)
}
