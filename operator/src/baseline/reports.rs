//! The reports in the cluster: which there are, and how each comes to be as it should.
//!
//! Of a report its metadata is kept: the digest of what it says is an annotation, so that an unchanged one is not written, also after a restart.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use banyan_crds::v1alpha1::{ReportApi, ReportResult};
use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt,
    api::DynamicObject,
    core::{ApiResource, GroupVersionKind, ObjectMeta, PartialObjectMeta},
    runtime::watcher,
};
use serde_json::{Value, json};

use crate::{
    index::{estate::refusal, patience::Patience},
    kernel::{
        digest,
        plan::{DIGEST, FIELD_MANAGER, MANAGED_BY, ObjectRef},
        writer::{WriteError, Writer},
    },
    report::audit::openreports,
};

/// Reports that a list brings at once.
const PAGE: u32 = 500;
/// How long an API that is not served is left alone.
const LATER: Duration = Duration::from_secs(10);

/// The kinds of reports: API, and whether they lie in namespaces.
pub const KINDS: [(ReportApi, bool); 4] = [
    (ReportApi::OpenReports, true),
    (ReportApi::OpenReports, false),
    (ReportApi::WgPolicy, true),
    (ReportApi::WgPolicy, false),
];

/// The API in the renderer's terms.
pub fn form(api: ReportApi) -> openreports::Api {
    match api {
        ReportApi::OpenReports => openreports::Api::OpenReports,
        ReportApi::WgPolicy => openreports::Api::PolicyReport,
    }
}

/// The resource of a kind of reports.
pub fn resource(api: ReportApi, namespaced: bool) -> ApiResource {
    let form = form(api);
    let (group, version) = form.version().split_once('/').unwrap_or_default();
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, form.kind(namespaced)))
}

/// What is known of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Known {
    /// Its namespace; empty for reports on objects of the cluster.
    namespace: String,
    uid: String,
    version: String,
    /// Moves with every change of what it says.
    generation: Option<i64>,
    /// Digest of what it was last written with; none when somebody else has written it since.
    digest: Option<String>,
}

/// Whether an API can be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Standing {
    /// It is not known yet.
    #[default]
    Asked,
    /// It is served, and what there is is known.
    Listed,
    /// It is not served, or may not be read.
    Missing,
}

/// The reports of one kind.
#[derive(Debug, Default)]
struct Shelf {
    standing: Standing,
    /// By name, which is the UID of an object, and so of no other report.
    known: HashMap<String, Known>,
}

/// Told of the reports, by name, that somebody else has changed or deleted, or of all when an API has become usable.
pub type Told = Arc<dyn Fn(Option<String>) + Send + Sync>;

/// The reports of the cluster that Banyan made.
pub struct Reports {
    shelves: [RwLock<Shelf>; 4],
    told: Mutex<Option<Told>>,
}

impl Default for Reports {
    fn default() -> Self {
        Self { shelves: std::array::from_fn(|_| RwLock::default()), told: Mutex::new(None) }
    }
}

impl Reports {
    /// Tells `told` from now on.
    pub fn telling(&self, told: Told) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
    }

    fn tell(&self, name: Option<String>) {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(told) = told {
            told(name);
        }
    }

    fn shelf<T>(&self, api: ReportApi, namespaced: bool, with: impl FnOnce(&mut Shelf) -> T) -> Option<T> {
        let place = KINDS.iter().position(|kind| *kind == (api, namespaced))?;
        let mut held = self.shelves.get(place)?.write().unwrap_or_else(PoisonError::into_inner);
        Some(with(&mut held))
    }

    fn standing(&self, api: ReportApi, namespaced: bool) -> Standing {
        self.shelf(api, namespaced, |shelf| shelf.standing).unwrap_or_default()
    }

    /// Whether an API is known to be served or not.
    pub fn is_known(&self, api: ReportApi) -> bool {
        [true, false].iter().all(|namespaced| self.standing(api, *namespaced) != Standing::Asked)
    }

    /// Whether reports of an API can be written.
    pub fn is_served(&self, api: ReportApi) -> bool {
        [true, false].iter().all(|namespaced| self.standing(api, *namespaced) == Standing::Listed)
    }

    /// How many reports of an API there are.
    pub fn count(&self, api: ReportApi) -> usize {
        [true, false]
            .iter()
            .filter_map(|namespaced| self.shelf(api, *namespaced, |shelf| shelf.known.len()))
            .sum()
    }

    /// The names of all reports of an API.
    pub fn names(&self, api: ReportApi) -> HashSet<String> {
        let of = |namespaced: bool| {
            self.shelf(api, namespaced, |shelf| shelf.known.keys().cloned().collect::<Vec<_>>())
        };
        [true, false].into_iter().filter_map(of).flatten().collect()
    }

    /// What the API server has of a report.
    fn note(&self, api: ReportApi, namespaced: bool, meta: &ObjectMeta, own: Option<&str>) {
        let (Some(name), Some(uid), Some(version)) = (&meta.name, &meta.uid, &meta.resource_version) else {
            return;
        };
        let namespace = meta.namespace.clone().unwrap_or_default();
        let written = meta.annotations.as_ref().and_then(|all| all.get(DIGEST)).cloned();
        let changed = self.shelf(api, namespaced, |shelf| {
            let known = shelf.known.get(name);
            // The watch brings an own write when it is known already, and may bring an older state after it.
            if own.is_none()
                && known.is_some_and(|known| {
                    known.version == *version || crate::kernel::overlay::is_older(version, &known.version)
                })
            {
                return false;
            }
            let foreign = own.is_none()
                && known.is_some_and(|known| known.uid == *uid && known.generation != meta.generation);
            let digest = if foreign { None } else { own.map(str::to_owned).or(written) };
            let (uid, version) = (uid.clone(), version.clone());
            let now = Known { namespace, uid, version, generation: meta.generation, digest };
            shelf.known.insert(name.clone(), now);
            foreign
        });
        if changed == Some(true) {
            self.tell(Some(name.clone()));
        }
    }

    fn forget(&self, api: ReportApi, namespaced: bool, meta: &ObjectMeta) {
        let Some(name) = &meta.name else { return };
        let gone = self.shelf(api, namespaced, |shelf| {
            let same = shelf.known.get(name).is_some_and(|known| Some(&known.uid) == meta.uid.as_ref());
            same && shelf.known.remove(name).is_some()
        });
        // An own deletion is forgotten before it is asked for.
        if gone == Some(true) {
            self.tell(Some(name.clone()));
        }
    }

    fn listed(&self, api: ReportApi, namespaced: bool, standing: Standing, seen: Option<&HashSet<String>>) {
        let fresh = self.shelf(api, namespaced, |shelf| {
            let fresh = shelf.standing != standing;
            shelf.standing = standing;
            shelf.known.retain(|_, known| seen.is_some_and(|seen| seen.contains(&known.uid)));
            fresh
        });
        if fresh == Some(true) {
            self.tell(None);
        }
    }

    /// Keeps up with the reports of one kind until the task is dropped.
    pub async fn feed(self: Arc<Self>, client: Client, api: ReportApi, namespaced: bool) {
        let reports: Api<PartialObjectMeta<DynamicObject>> =
            Api::all_with(client, &resource(api, namespaced));
        let config =
            watcher::Config::default().page_size(PAGE).labels(&format!("{MANAGED_BY}={FIELD_MANAGER}"));
        let mut events = std::pin::pin!(watcher(reports, config));
        let mut patience = Patience::new("reports");
        let mut seen = HashSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => seen.clear(),
                Ok(watcher::Event::InitApply(report)) => {
                    seen.extend(report.uid());
                    self.note(api, namespaced, &report.metadata, None);
                }
                Ok(watcher::Event::InitDone) => {
                    patience.restore();
                    let seen = std::mem::take(&mut seen);
                    self.listed(api, namespaced, Standing::Listed, Some(&seen));
                }
                Ok(watcher::Event::Apply(report)) => {
                    patience.restore();
                    self.note(api, namespaced, &report.metadata, None);
                }
                Ok(watcher::Event::Delete(report)) => {
                    patience.restore();
                    self.forget(api, namespaced, &report.metadata);
                }
                Err(error) if refusal(&error).is_some() => {
                    self.listed(api, namespaced, Standing::Missing, None);
                    tokio::time::sleep(LATER).await;
                }
                Err(error) => tokio::time::sleep(patience.failed(&error)).await,
            }
        }
    }

    /// Brings the report called `name` to what it should be, or away. Says whether anything was written.
    ///
    /// # Errors
    /// What the API server answered; a namespace that goes takes its reports along, which is none.
    pub async fn bring(
        &self,
        writer: &Writer,
        api: ReportApi,
        name: &str,
        body: Option<Value>,
    ) -> Result<bool, WriteError> {
        let wanted =
            body.as_ref().map(|body| body["metadata"]["namespace"].as_str().unwrap_or_default().to_owned());
        let mut wrote = false;
        for namespaced in [true, false] {
            let stray = self.shelf(api, namespaced, |shelf| {
                let stray =
                    shelf.known.get(name).is_some_and(|known| wanted.as_ref() != Some(&known.namespace));
                stray.then(|| shelf.known.remove(name)).flatten()
            });
            let Some(known) = stray.flatten() else { continue };
            let object = reference(api, &known.namespace, name, Some(&known.uid));
            if let Err(error) = writer.discard(&object).await {
                self.shelf(api, namespaced, |shelf| shelf.known.insert(name.to_owned(), known));
                return Err(error);
            }
            wrote = true;
        }
        if let (Some(namespace), Some(body)) = (wanted, body) {
            wrote |= self.write(writer, api, &namespace, name, body).await?;
        }
        Ok(wrote)
    }

    async fn write(
        &self,
        writer: &Writer,
        api: ReportApi,
        namespace: &str,
        name: &str,
        mut body: Value,
    ) -> Result<bool, WriteError> {
        let digest = said(&body);
        let namespaced = !namespace.is_empty();
        let known = self.shelf(api, namespaced, |shelf| shelf.known.get(name).cloned()).flatten();
        if known.as_ref().is_some_and(|known| known.digest.as_deref() == Some(&digest)) {
            return Ok(false);
        }
        if !body["metadata"]["annotations"].is_object() {
            body["metadata"]["annotations"] = json!({});
        }
        body["metadata"]["annotations"][DIGEST] = digest.clone().into();
        let object = reference(api, namespace, name, None);
        let mut known = known;
        // Once more if it is there although it was not known, or not there although it was.
        for last in [false, true] {
            if let Some(known) = &known {
                body["metadata"]["resourceVersion"] = known.version.clone().into();
                body["metadata"]["uid"] = known.uid.clone().into();
            } else if let Some(metadata) = body["metadata"].as_object_mut() {
                metadata.remove("resourceVersion");
                metadata.remove("uid");
            }
            let version = known.as_ref().map(|known| known.version.as_str());
            match writer.put(&object, version, &body).await {
                Ok(written) => {
                    self.note(api, namespaced, &written.metadata, Some(&digest));
                    return Ok(true);
                }
                // Its namespace goes, and the object with it.
                Err(error) if is_terminating(&error) => return Ok(false),
                Err(error) if !last && (error.is_stale() || error.is_not_found()) => {
                    known = writer.read(&object).await?.and_then(|live| {
                        Some(Known {
                            namespace: namespace.to_owned(),
                            uid: live.metadata.uid?,
                            version: live.metadata.resource_version?,
                            generation: live.metadata.generation,
                            digest: None,
                        })
                    });
                }
                // Neither the report nor its namespace.
                Err(error) if error.is_not_found() && known.is_none() && namespaced => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}

fn reference(api: ReportApi, namespace: &str, name: &str, uid: Option<&str>) -> ObjectRef {
    let namespaced = !namespace.is_empty();
    ObjectRef {
        resource: resource(api, namespaced),
        namespace: namespaced.then(|| namespace.to_owned()),
        name: name.to_owned(),
        uid: uid.map(str::to_owned),
    }
}

fn is_terminating(error: &WriteError) -> bool {
    error.status().is_some_and(|status| {
        let causes = status.details.iter().flat_map(|details| &details.causes);
        causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
            || (status.is_forbidden() && status.message.contains("being terminated"))
    })
}

/// Digest of what a report says. The instants of its results are not part of it: they are of the look that wrote it.
pub fn said(report: &Value) -> String {
    let mut said = report.clone();
    for result in said["results"].as_array_mut().into_iter().flatten() {
        if let Some(result) = result.as_object_mut() {
            result.remove("timestamp");
        }
    }
    digest::of_value(&said)
}

/// One report of what several baselines say of one object: their results one after the other, their counts together. Only the results in `keep` stay;
/// all are counted.
pub fn together(mut reports: Vec<(Value, Vec<ReportResult>)>) -> Option<Value> {
    for (report, keep) in &mut reports {
        let words: Vec<Value> = keep.iter().map(|result| json!(result)).collect();
        if let Some(results) = report["results"].as_array_mut() {
            results.retain(|result| words.contains(&result["result"]) || result["rule"] == "truncated");
        }
    }
    let mut all = reports.into_iter().map(|(report, _)| report);
    let mut one = all.next()?;
    for mut other in all {
        for word in ["pass", "fail", "warn", "error", "skip"] {
            let count = |report: &Value| report["summary"][word].as_u64().unwrap_or_default();
            one["summary"][word] = (count(&one) + count(&other)).into();
        }
        let more = other["results"].as_array_mut().map(std::mem::take).unwrap_or_default();
        if let Some(results) = one["results"].as_array_mut() {
            results.extend(more);
        }
    }
    Some(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(version: &str, generation: i64, digest: &str) -> ObjectMeta {
        serde_json::from_value(json!({
            "name": "r", "namespace": "n", "uid": "u", "resourceVersion": version, "generation": generation, "annotations": {DIGEST: digest},
        }))
        .unwrap()
    }

    fn digest_of(reports: &Reports) -> Option<String> {
        reports.shelf(ReportApi::OpenReports, true, |shelf| shelf.known.get("r").cloned()).flatten()?.digest
    }

    #[test]
    fn what_somebody_else_has_written_is_told_and_an_own_write_is_not() {
        let reports = Reports::default();
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        reports.telling(Arc::new(move |name| heard.lock().unwrap().push(name)));
        let note =
            |meta: &ObjectMeta, own: Option<&str>| reports.note(ReportApi::OpenReports, true, meta, own);
        note(&meta("5", 1, "a"), None);
        assert_eq!(digest_of(&reports).as_deref(), Some("a"));
        note(&meta("7", 2, "b"), Some("b"));
        note(&meta("7", 2, "b"), None);
        note(&meta("5", 1, "a"), None);
        assert_eq!(digest_of(&reports).as_deref(), Some("b"));
        assert_eq!(*told.lock().unwrap(), []);
        // The same annotation, and something else in it.
        note(&meta("8", 3, "b"), None);
        assert_eq!(digest_of(&reports), None);
        reports.forget(ReportApi::OpenReports, true, &meta("8", 3, "b"));
        assert_eq!(*told.lock().unwrap(), [Some("r".to_owned()), Some("r".to_owned())]);
    }

    #[test]
    fn an_api_is_usable_when_both_of_its_kinds_are_known() {
        let reports = Reports::default();
        let api = ReportApi::WgPolicy;
        reports.listed(api, true, Standing::Listed, Some(&HashSet::new()));
        assert!(!reports.is_known(api) && !reports.is_served(api));
        reports.listed(api, false, Standing::Missing, None);
        assert!(reports.is_known(api) && !reports.is_served(api));
        reports.listed(api, false, Standing::Listed, Some(&HashSet::new()));
        assert!(reports.is_served(api));
        assert!(!reports.is_known(ReportApi::OpenReports));
    }

    #[test]
    fn the_time_of_a_look_is_no_change() {
        let report = |seconds: i64, result: &str| json!({"results": [{"result": result, "timestamp": {"seconds": seconds, "nanos": 0}}]});
        assert_eq!(said(&report(1, "fail")), said(&report(2, "fail")));
        assert_ne!(said(&report(1, "fail")), said(&report(1, "warn")));
    }

    #[test]
    fn two_baselines_make_one_report() {
        let report = |rule: &str| json!({"summary": {"pass": 1, "fail": 1}, "results": [{"rule": rule, "result": "fail"}, {"rule": rule, "result": "skip"}]});
        let one = together(vec![
            (report("a"), vec![ReportResult::Fail]),
            (report("b"), vec![ReportResult::Fail, ReportResult::Skip]),
        ])
        .unwrap();
        assert_eq!(one["summary"]["pass"], 2);
        let rules: Vec<_> = one["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|result| (&result["rule"], &result["result"]))
            .collect();
        assert_eq!(json!(rules), json!([["a", "fail"], ["b", "fail"], ["b", "skip"]]));
        assert_eq!(together(Vec::new()), None);
    }

    #[test]
    fn resources_are_those_of_the_definitions() {
        let names: Vec<String> =
            KINDS.iter().map(|(api, namespaced)| resource(*api, *namespaced).plural).collect();
        assert_eq!(names, ["reports", "clusterreports", "policyreports", "clusterpolicyreports"]);
    }
}
