//! Batch work that can be held: deferrable `CronJobs` and Jobs, and Kueue's `ClusterQueues`.
//!
//! Only what can be held, or is held, is kept: an object without the label and without a loan is forgotten as it arrives.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::{
    ResourceExt,
    api::DynamicObject,
    core::{ApiResource, ObjectMeta},
};
use serde_json::Value;

use super::feed::Index;
use crate::kernel::{
    loan::{self, Record},
    overlay::is_older,
    plan::ObjectRef,
    rivals::{self, Doubt},
};

/// Label of batch work that may wait.
pub const DEFERRABLE: &str = "banyan.dev/deferrable";
/// Label that names the site of an object.
pub const SITE: &str = "banyan.dev/site";
/// Label of Jobs that Kueue runs.
const KUEUE_QUEUE: &str = "kueue.x-k8s.io/queue-name";

/// A kind of batch work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BatchKind {
    /// `batch/v1` `CronJob`.
    CronJob,
    /// `batch/v1` Job.
    Job,
    /// Kueue's `ClusterQueue`.
    ClusterQueue,
}

/// What is kept of a piece of batch work.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchEntry {
    /// Kind.
    pub kind: BatchKind,
    /// The object.
    pub object: ObjectRef,
    /// The site it names by label.
    pub site: Option<String>,
    /// The node selector of its Pods.
    pub node_selector: BTreeMap<String, String>,
    /// It carries the label by which its owner consents to waiting, and Kueue does not run it. Queues need none.
    pub deferrable: bool,
    /// It may be held: labelled, not run by anybody else, not started, not held by its own owner.
    pub holdable: bool,
    /// Loans on it, by annotation.
    pub loans: Vec<(String, Record)>,
    /// What speaks against loans on it, by annotation.
    pub doubts: Vec<(String, Doubt)>,
}

/// Batch work by uid.
#[derive(Default)]
pub struct Batch {
    entries: RwLock<HashMap<String, Kept>>,
    queues_known: AtomicBool,
}

/// An entry, and the resource version that it is of.
struct Kept {
    version: String,
    entry: BatchEntry,
}

impl Batch {
    /// The entries that `wanted` accepts, by kind, namespace and name.
    pub fn select(&self, wanted: impl Fn(&BatchEntry) -> bool) -> Vec<BatchEntry> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<_> =
            entries.values().map(|kept| &kept.entry).filter(|entry| wanted(entry)).cloned().collect();
        found.sort_by(|a, b| {
            (a.kind, &a.object.namespace, &a.object.name).cmp(&(b.kind, &b.object.namespace, &b.object.name))
        });
        found
    }

    /// Takes in an object as the API server just answered it.
    pub fn observe(&self, object: &DynamicObject) {
        let kind = object.types.as_ref().map(|types| types.kind.as_str());
        match kind {
            Some("CronJob") => {
                if let Ok(object) = object.clone().try_parse() {
                    let _ = Index::<CronJob>::apply(self, object);
                }
            }
            Some("Job") => {
                if let Ok(object) = object.clone().try_parse() {
                    let _ = Index::<Job>::apply(self, object);
                }
            }
            Some("ClusterQueue") => {
                if let Some(version) =
                    object.types.as_ref().and_then(|types| types.api_version.rsplit('/').next())
                {
                    let _ = self.observe_queue(&cluster_queue(version), object);
                }
            }
            _ => {}
        }
    }

    /// Takes in a `ClusterQueue` of the version in `resource`.
    /// Says whether what is kept of it has changed.
    pub fn observe_queue(&self, resource: &ApiResource, object: &DynamicObject) -> bool {
        let stopped = object.data.pointer("/spec/stopPolicy").and_then(Value::as_str).unwrap_or("None");
        let holdable = object.labels().contains_key(SITE) && stopped == "None";
        self.keep(BatchKind::ClusterQueue, resource.clone(), &object.metadata, BTreeMap::new(), holdable)
    }

    /// Whether it is known which `ClusterQueues` there are: they were listed, or the API server does not serve the kind.
    pub fn queues_known(&self) -> bool {
        self.queues_known.load(Ordering::Acquire)
    }

    /// The kind is served, and not yet listed.
    pub fn queues_unknown(&self) {
        self.queues_known.store(false, Ordering::Release);
    }

    /// Forgets a `ClusterQueue`. Says whether it was kept.
    pub fn forget_queue(&self, object: &DynamicObject) -> bool {
        self.forget(object.uid().as_deref())
    }

    /// These are the `ClusterQueues` there are, by uid: the others are forgotten. Says whether that is news.
    pub fn retain_queues(&self, seen: &HashSet<String>) -> bool {
        let gone = self.retain(BatchKind::ClusterQueue, seen);
        let known = self.queues_known.swap(true, Ordering::AcqRel);
        gone || !known
    }

    fn keep(
        &self,
        kind: BatchKind,
        resource: ApiResource,
        meta: &ObjectMeta,
        node_selector: BTreeMap<String, String>,
        holdable: bool,
    ) -> bool {
        let deferrable = kind == BatchKind::ClusterQueue || deferrable(meta);
        let (Some(uid), Some(name)) = (meta.uid.clone(), meta.name.clone()) else { return false };
        let annotations =
            meta.annotations.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
        let loans = loan::records(annotations);
        let site = meta.labels.iter().flatten().find(|(key, _)| *key == SITE).map(|(_, value)| value.clone());
        let version = meta.resource_version.clone().unwrap_or_default();
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        // An own write may be answered before the watch delivers the state of before.
        if entries.get(&uid).is_some_and(|kept| is_older(&version, &kept.version)) {
            return false;
        }
        if !holdable && loans.is_empty() && kind != BatchKind::ClusterQueue {
            return entries.remove(&uid).is_some();
        }
        let object = ObjectRef { resource, namespace: meta.namespace.clone(), name, uid: Some(uid.clone()) };
        let known = entries.get(&uid).map(|kept| (&kept.entry.loans[..], &kept.entry.doubts[..]));
        let (before, doubted) = known.unwrap_or_default();
        let doubts = rivals::doubts(meta, &loans, before, doubted);
        let entry = BatchEntry { kind, object, site, node_selector, deferrable, holdable, loans, doubts };
        if let Some(known) = entries.get_mut(&uid)
            && known.entry == entry
        {
            known.version = version;
            return false;
        }
        entries.insert(uid, Kept { version, entry });
        true
    }

    /// Forgets the object of this uid. Says whether it was kept.
    pub fn forget(&self, uid: Option<&str>) -> bool {
        uid.is_some_and(|uid| {
            self.entries.write().unwrap_or_else(PoisonError::into_inner).remove(uid).is_some()
        })
    }

    /// The loan behind this annotation was given back by Banyan itself.
    pub fn returned(&self, uid: &str, annotation: &str) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = entries.get_mut(uid) {
            kept.entry.doubts.retain(|(at, _)| at != annotation);
        }
    }

    fn retain(&self, kind: BatchKind, seen: &HashSet<String>) -> bool {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let before = entries.len();
        entries.retain(|uid, kept| kept.entry.kind != kind || seen.contains(uid));
        entries.len() < before
    }
}

/// Kueue's `ClusterQueue` in a version.
pub fn cluster_queue(version: &str) -> ApiResource {
    ApiResource {
        group: "kueue.x-k8s.io".to_owned(),
        version: version.to_owned(),
        api_version: format!("kueue.x-k8s.io/{version}"),
        kind: "ClusterQueue".to_owned(),
        plural: "clusterqueues".to_owned(),
    }
}

fn deferrable(meta: &ObjectMeta) -> bool {
    let labels = meta.labels.iter().flatten();
    let mut deferrable = false;
    for (key, value) in labels {
        deferrable |= key == DEFERRABLE && value == "true";
        if key == KUEUE_QUEUE {
            return false;
        }
    }
    deferrable
}

impl Index<CronJob> for Batch {
    fn apply(&self, object: CronJob) -> bool {
        let holdable = deferrable(&object.metadata) && !object.spec.suspend.unwrap_or(false);
        let selector = object
            .spec
            .job_template
            .spec
            .and_then(|job| job.template.spec)
            .and_then(|pod| pod.node_selector)
            .unwrap_or_default();
        self.keep(
            BatchKind::CronJob,
            ApiResource::erase::<CronJob>(&()),
            &object.metadata,
            selector,
            holdable,
        )
    }

    fn delete(&self, object: &CronJob) -> bool {
        self.forget(object.uid().as_deref())
    }

    fn reset(&self, seen: &HashSet<String>) {
        let _ = self.retain(BatchKind::CronJob, seen);
    }
}

impl Index<Job> for Batch {
    fn apply(&self, object: Job) -> bool {
        let status = object.status.as_ref();
        let started = status.is_some_and(|status| {
            status.start_time.is_some() || status.active.unwrap_or(0) > 0 || status.completion_time.is_some()
        });
        let spec = object.spec.as_ref();
        let elsewhere = spec
            .and_then(|spec| spec.managed_by.as_deref())
            .is_some_and(|by| by != "kubernetes.io/job-controller");
        let suspended = spec.is_some_and(|spec| spec.suspend.unwrap_or(false));
        let holdable = deferrable(&object.metadata) && !started && !elsewhere && !suspended;
        let selector = object
            .spec
            .and_then(|job| job.template.spec)
            .and_then(|pod| pod.node_selector)
            .unwrap_or_default();
        self.keep(BatchKind::Job, ApiResource::erase::<Job>(&()), &object.metadata, selector, holdable)
    }

    fn delete(&self, object: &Job) -> bool {
        self.forget(object.uid().as_deref())
    }

    fn reset(&self, seen: &HashSet<String>) {
        let _ = self.retain(BatchKind::Job, seen);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn job(version: &str, deferrable: bool) -> Job {
        let labels = if deferrable { json!({DEFERRABLE: "true"}) } else { json!({}) };
        serde_json::from_value(json!({
            "metadata": {"name": "j", "namespace": "a", "uid": "u", "resourceVersion": version, "labels": labels},
            "spec": {"template": {"spec": {"containers": []}}}
        }))
        .unwrap()
    }

    fn held(version: &str) -> Job {
        let mut job = job(version, true);
        let record = json!({"owner": "datacenter.a", "at": "2026-03-01T00:00:00Z", "fields": []}).to_string();
        job.metadata.annotations = Some([(loan::annotation("HoldBatch"), record)].into());
        job
    }

    #[test]
    fn an_own_write_is_not_overtaken_by_an_older_watch_event() {
        let batch = Batch::default();
        assert!(batch.apply(job("8", true)));
        assert!(batch.apply(held("10")));
        assert!(!batch.apply(job("9", true)));
        assert_eq!(batch.select(|_| true)[0].loans.len(), 1);
        assert!(batch.apply(job("11", true)));
        assert!(!batch.apply(job("13", true)));
        assert!(!batch.apply(held("12")));
        assert!(batch.select(|_| true)[0].loans.is_empty());
    }

    #[test]
    fn a_loan_that_is_gone_is_doubted_until_it_is_taken_again_or_was_given_back() {
        let batch = Batch::default();
        let key = loan::annotation("HoldBatch");
        let doubts = || batch.select(|_| true)[0].doubts.clone();
        batch.apply(held("8"));
        assert_eq!(doubts(), vec![]);
        // Replaced by somebody, and seen once more after a reconnect.
        assert!(batch.apply(job("9", true)));
        let [(at, Doubt::Dropped { record, .. })] = &doubts()[..] else { panic!("{:?}", doubts()) };
        assert_eq!((at, record.owner.as_str()), (&key, "datacenter.a"));
        assert!(!batch.apply(job("10", true)));
        assert_eq!(doubts().len(), 1);
        batch.apply(held("11"));
        assert_eq!(doubts(), vec![]);
        // The watch may tell of an own undo before the answer to it is here.
        batch.apply(job("12", true));
        batch.returned("u", &key);
        assert!(!batch.apply(job("12", true)));
        assert_eq!(doubts(), vec![]);
    }

    #[test]
    fn a_job_that_was_never_kept_is_no_news_when_it_goes() {
        let batch = Batch::default();
        assert!(!batch.apply(job("8", false)));
        assert!(!batch.delete(&job("8", false)));
        batch.apply(job("9", true));
        assert!(batch.delete(&job("9", true)));
    }

    #[test]
    fn queues_are_unknown_until_they_were_listed() {
        let batch = Batch::default();
        assert!(!batch.queues_known());
        assert!(batch.retain_queues(&HashSet::new()));
        assert!(batch.queues_known());
        assert!(!batch.retain_queues(&HashSet::new()));
        // Kueue is installed later, or serves another version.
        batch.queues_unknown();
        assert!(!batch.queues_known());
    }
}
