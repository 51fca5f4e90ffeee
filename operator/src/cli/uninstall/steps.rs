//! The steps that write.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, Resource, ResourceExt as _,
    api::{Patch, PatchParams},
    core::ApiResource,
};
use serde::Serialize;
use serde_json::json;
use tokio::time::Instant;

use super::{
    LOOKS, Report, baselines,
    found::{self, Found, Site, Standing},
    words,
};
use crate::{
    baseline::{
        farewell as partings,
        made::{Made, OWNERS},
    },
    datacenter::farewell,
    index::union::Union,
    kernel::{
        events::Events,
        executor::{Deed, Executor, Inventory, Outcome},
        lease::Fence,
        metrics::{self, KernelMetrics},
        plan::{ObjectRef, Owner},
        trail::{Ground, Principal, Trail},
        writer::{WriteError, Writer},
    },
    lang::Lang,
    t,
};

/// For so long this process may write: nobody else does, once the Lease has been taken over.
const WRITING: Duration = Duration::from_hours(1);
/// How long API servers may take to see that a policy or its parameter is gone; a Job created until then may be held.
const POLICIES_SEEN: Duration = Duration::from_secs(3);
/// How long what was deleted or scaled down may take to be gone.
const GONE_WITHIN: Duration = Duration::from_mins(1);
/// Time between two looks at it.
const LOOK: Duration = Duration::from_millis(250);

/// Whole seconds, as the API keeps them.
fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

fn reference<K: Resource<DynamicType = ()>>(object: &K) -> ObjectRef {
    ObjectRef {
        resource: ApiResource::erase::<K>(&()),
        namespace: None,
        name: object.name_any(),
        uid: object.meta().uid.clone(),
    }
}

/// Writes.
pub struct Uninstaller {
    client: Client,
    namespace: String,
    writer: Writer,
    lang: Lang,
}

impl Uninstaller {
    /// What it writes leaves its traces in `trail`.
    pub fn new(client: Client, namespace: &str, trail: Trail, lang: Lang) -> anyhow::Result<Self> {
        let metrics = KernelMetrics::new(&metrics::registry()?)?;
        let writer = Writer::new(client.clone(), Fence::open_for(WRITING), metrics, trail);
        Ok(Self { client, namespace: namespace.to_owned(), writer, lang })
    }

    /// Gives everything back, removes the policies, and takes the finalizers off. Answers what is left.
    pub async fn undo(&self, found: Found, report: &mut Report) -> anyhow::Result<Found> {
        let mut found = found;
        let mut undone = BTreeMap::<Owner, Outcome>::new();
        for look in 1..=LOOKS {
            for Standing { owner, principal, groups } in found.standing() {
                let executor = self.executor(&found, owner.kind);
                let mut outcome = executor.unwind_all(&owner, &principal, &groups).await;
                for done in &outcome.done {
                    let object = match &done.action {
                        Some(action) => format!("{} ({action})", done.object),
                        None => done.object.clone(),
                    };
                    report.row(
                        &words::step_of(self.lang, done.deed),
                        &object,
                        words::result_of(self.lang, done.deed, &done.kept),
                    );
                }
                let kept = undone.entry(owner).or_default();
                kept.done.append(&mut outcome.done);
                kept.failures = outcome.failures;
            }
            if look == 1 {
                self.remove(&found.policies, t!(self.lang, "uninstall-step-policy"), report).await;
                tokio::time::sleep(POLICIES_SEEN).await;
            }
            found = Found::read(&self.client, &self.namespace).await?;
            if found.standing().is_empty() {
                break;
            }
        }
        let failed: BTreeSet<Owner> = found.standing().into_iter().map(|standing| standing.owner).collect();
        for owner in &failed {
            let failures = undone.get(owner).map(|outcome| outcome.failures.as_slice()).unwrap_or_default();
            for error in failures {
                report.failed(error.to_string());
            }
            if failures.is_empty() {
                report.failed(words::keeps_coming(self.lang, &owner.name));
            }
        }
        self.discard_reports(&found, report).await;
        let unreadable = found.unreadable();
        let nobodys = !unreadable.is_empty();
        for message in unreadable {
            report.failed(message);
        }
        let executor = self.executor(&found, found::KIND);
        for site in &found.sites {
            let none = Outcome::default();
            let outcome = undone.get(&found::owner(&site.name)).unwrap_or(&none);
            // Nobody knows for whom what cannot be read was borrowed, so every site waits for it.
            let free = !nobodys && !failed.contains(&found::owner(&site.name));
            if let Err(error) = self.part(&executor, site, outcome, free).await {
                report.failed(error.to_string());
            } else if free && site.finalizer {
                report.row(
                    &t!(self.lang, "uninstall-step-finalizer"),
                    &site.object,
                    t!(self.lang, "uninstall-taken-off"),
                );
            }
        }
        if let Err(error) = self.part_from_baselines(&found, &failed).await {
            report.failed(error.to_string());
        }
        Found::read(&self.client, &self.namespace).await.context("looking at what is left")
    }

    /// The last that baselines and Waivers hear of Banyan: their statuses. A baseline for which something still stands hears nothing.
    async fn part_from_baselines(&self, found: &Found, failed: &BTreeSet<Owner>) -> Result<(), WriteError> {
        let now = now();
        for baseline in &found.baselines {
            let Some(status) = baseline.status.clone() else { continue };
            let left = partings::baseline(status.clone(), baseline.metadata.generation, now);
            if left != status && !failed.contains(&baselines::owner(&baseline.name_any())) {
                self.write_status(&reference(baseline), &left).await?;
            }
        }
        for waiver in &found.waivers {
            let Some(status) = waiver.status.clone() else { continue };
            let left = partings::waiver(status.clone(), waiver.metadata.generation, now);
            if left != status {
                self.write_status(&reference(waiver), &left).await?;
            }
        }
        Ok(())
    }

    /// Writes a status; an object that is gone needs none.
    async fn write_status(&self, object: &ObjectRef, status: &impl Serialize) -> Result<(), WriteError> {
        let manifest = json!({
            "apiVersion": object.resource.api_version,
            "kind": object.resource.kind,
            "metadata": { "name": object.name, "uid": object.uid },
            "status": status,
        });
        match self.writer.apply_status(object, &manifest).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }

    /// The executor of what stands for owners of a kind.
    fn executor(&self, found: &Found, kind: &str) -> Executor {
        let indexes = &found.indexes;
        let inventory: Arc<dyn Inventory> = if kind == OWNERS {
            Arc::<Made>::clone(&found.made.made)
        } else {
            Arc::new(Union {
                owned: Arc::clone(&indexes.owned),
                nodes: Arc::clone(&indexes.nodes),
                batch: Arc::clone(&indexes.batch),
            })
        };
        Executor {
            writer: self.writer.clone(),
            events: Events::new(self.client.clone(), crate::kernel::takeover::HOLDER),
            inventory,
            repeats: Arc::default(),
        }
    }

    /// Deletes the reports, which nobody keeps up to date any more.
    async fn discard_reports(&self, found: &Found, report: &mut Report) {
        for reports in &found.made.reports {
            match reports.discard(&self.writer).await {
                Ok(()) => report.row(
                    &t!(self.lang, "uninstall-step-reports"),
                    &reports.named(),
                    t!(self.lang, "uninstall-deleted"),
                ),
                Err(error) => report.failed(error.to_string()),
            }
        }
    }

    /// The last that a site hears of Banyan: its status, then its finalizer, which stays unless it is `free`.
    async fn part(
        &self,
        executor: &Executor,
        site: &Site,
        outcome: &Outcome,
        free: bool,
    ) -> Result<(), WriteError> {
        if let Some(status) = site.dc.as_ref().and_then(|dc| dc.status.clone()) {
            let now = now();
            let left = if free {
                farewell::status(status.clone(), outcome, site.generation, now)
            } else {
                farewell::told(status.clone(), outcome, now)
            };
            if left != status {
                self.write_status(&site.object, &left).await?;
            }
        }
        if free && site.finalizer {
            executor.release(&site.object, site.generation).await?;
        }
        Ok(())
    }

    /// Deletes objects one after the other.
    async fn remove(&self, objects: &[ObjectRef], step: String, report: &mut Report) {
        // They belong to no site, but to the installation.
        let principal = Principal {
            api_version: "v1".to_owned(),
            kind: "Namespace".to_owned(),
            name: self.namespace.clone(),
            uid: None,
            generation: None,
        };
        let ground = Ground {
            what: Deed::Removed,
            action: None,
            prior: &serde_json::Value::Null,
            kept: &[],
            why: farewell::WHY,
            until: None,
            principal: &principal,
        };
        for object in objects {
            match self.writer.delete(object, &ground).await {
                Ok(()) => report.row(&step, object, t!(self.lang, "uninstall-deleted")),
                Err(error) => report.failed(error.to_string()),
            }
        }
    }

    /// Scales the Deployment to none and waits until its Pods are gone, so that the release can be deleted in any order.
    pub async fn stop_operator(&self, found: &Found, report: &mut Report) {
        let Some(name) = found.deployment_name() else { return };
        let object = format!("Deployment {}/{name}", self.namespace);
        let deployments: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let none = Patch::Merge(json!({ "spec": { "replicas": 0 } }));
        let params = PatchParams { field_manager: Some("banyan".to_owned()), ..PatchParams::default() };
        let written = match deployments.patch_scale(name, &params, &none).await {
            Ok(written) => written.metadata.generation,
            Err(error) => return report.failed(format!("{object}: {error}")),
        };
        let end = Instant::now() + GONE_WITHIN;
        loop {
            let stopped = match deployments.get_opt(name).await {
                Ok(None) => true,
                Ok(Some(live)) => {
                    let status = live.status.unwrap_or_default();
                    let seen = status.observed_generation >= live.metadata.generation.max(written);
                    seen && status.replicas.unwrap_or(0) == 0 && status.terminating_replicas.unwrap_or(0) == 0
                }
                Err(error) => return report.failed(format!("{object}: {error}")),
            };
            if stopped || Instant::now() >= end {
                let result = if stopped {
                    t!(self.lang, "uninstall-stopped")
                } else {
                    t!(self.lang, "uninstall-stopping")
                };
                return report.row(&t!(self.lang, "uninstall-step-stop"), &object, result);
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Deletes sites, ledgers and definitions, and waits until they are gone.
    pub async fn delete_data(&self, found: &Found, report: &mut Report) {
        let data = found.data();
        self.remove(&data, t!(self.lang, "uninstall-step-data"), report).await;
        let end = Instant::now() + GONE_WITHIN;
        for object in &data {
            while let Ok(Some(live)) = self.writer.read(object).await {
                if live.metadata.uid != object.uid {
                    break;
                }
                if Instant::now() >= end {
                    report.failed(words::still_there(self.lang, object));
                    break;
                }
                tokio::time::sleep(LOOK).await;
            }
        }
    }
}
