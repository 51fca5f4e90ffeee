//! How fast the Pods of a cluster get their reports, and what the operator needs once they have them.
//!
//! The Pods are kwok's, on its nodes, all running. A bare client writes the same reports afterwards: those that the operator has written, read back,
//! deleted and made again, as many at once as the operator has in flight.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use banyan_crds::v1alpha1::SecurityBaseline;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Figure, objects, progress};
use crate::audit;
use crate::chart;
use crate::controlplane::{ControlPlane, Options};
use crate::operator::{self, Operator, OperatorOptions};
use crate::wait::until;

/// Pods.
const PODS: usize = 10_000;
/// Nodes that they run on.
const NODES: usize = 100;
/// Requests at once while something is prepared, which is not measured.
const PREPARING: usize = 16;
/// Writes in flight, as the operator has them.
const CONCURRENCY: usize = 16;
/// How long a step may take.
const LIMIT: Duration = Duration::from_mins(10);

/// Measures.
pub async fn measure() -> Result<Vec<Figure>> {
    let scene = Scene::start().await?;
    scene.create_pods().await?;
    progress(format!("{PODS} Pods run"));

    // The operator is up and knows what there is to know without a baseline.
    let operator = scene.operator().await?;
    let began = Instant::now();
    scene.create_baseline().await?;
    scene.reported().await?;
    let reported = began.elapsed().as_secs_f64();
    settled(&operator).await?;
    // The status has what was found last too: its figures wait for each other, and what waits would be written at the next start.
    scene.told(&operator).await?;
    let resident = memory(&operator, "process_resident_memory_bytes").await?;
    operator.stop().await?;

    // Everything is looked at again by a new process.
    let mark = scene.plane.audit().mark();
    let operator = scene.operator().await?;
    settled(&operator).await?;
    let writes = scene.plane.audit().writes_by(&operator::user(), mark)?;
    let again = memory(&operator, "process_resident_memory_bytes").await?;
    operator.stop().await?;
    if !writes.is_empty() {
        progress(audit::list(&writes));
    }

    let reports = scene.take_reports().await?;
    let of_pods: Vec<&Value> = reports.iter().filter(|report| report["scope"]["kind"] == "Pod").collect();
    ensure!(of_pods.len() == PODS, "{} of {PODS} Pods have a report", of_pods.len());
    let clean: Vec<usize> = of_pods
        .iter()
        .filter(|report| report["results"].as_array().is_none_or(Vec::is_empty))
        .map(|report| report.to_string().len())
        .collect();
    let all: usize = reports.iter().map(|report| report.to_string().len()).sum();
    let began = Instant::now();
    scene.write(reports.clone()).await?;
    let bare = began.elapsed().as_secs_f64();

    let told = |name: &str, value, unit| Figure::told("baseline", name, value, unit);
    let ratio = reported / bare;
    Ok(vec![
        told("reports", reports.len() as f64, "reports"),
        told("reported", reported, "s"),
        told("bare_client", bare, "s"),
        told("reported_over_bare", ratio, "").at_most(ratio, 1.5),
        told("memory_after_reporting", resident, "MB").at_most(resident, 120.0),
        told("memory_after_rescan", again, "MB").at_most(again, 120.0),
        told("rescan_writes", writes.len() as f64, "requests").at_most(writes.len() as f64, 0.0),
        told("clean_objects", clean.len() as f64, "Pods"),
        told("report_of_a_clean_object", mean(&clean), "bytes").at_most(mean(&clean), 1_500.0),
        told("report_mean", all as f64 / reports.len() as f64, "bytes"),
    ])
}

fn mean(values: &[usize]) -> f64 {
    values.iter().sum::<usize>() as f64 / values.len().max(1) as f64
}

async fn memory(operator: &Operator, metric: &str) -> Result<f64> {
    Ok(operator.metric(metric).await?.context("the operator does not say how much memory it has")? / 1e6)
}

/// Waits until the operator has looked, and has nothing left to write.
async fn settled(operator: &Operator) -> Result<()> {
    let shown = "banyan_baseline_reports{baseline=\"city\",api=\"openreports.io\"}";
    let objects = PODS as f64;
    until(LIMIT, "everything to be reported", || async {
        Ok(operator.metric(shown).await?.is_some_and(|reports| reports >= objects))
    })
    .await
}

struct Scene {
    plane: ControlPlane,
    client: Client,
}

impl Scene {
    async fn start() -> Result<Self> {
        let options = Options { name: "reports".to_owned(), kwok: true, ..Options::default() };
        let plane = ControlPlane::start(options).await?;
        chart::install(&plane, &json!({ "reports": { "installCRDs": true } })).await?;
        for number in 0..NODES {
            plane.kwok()?.add_node(&format!("node-{number}"), &[]).await?;
        }
        let client = plane.client();
        Ok(Self { plane, client })
    }

    async fn operator(&self) -> Result<Operator> {
        Operator::start(
            &self.plane,
            OperatorOptions { lease_duration: "3s".to_owned(), ..OperatorOptions::default() },
        )
        .await
    }

    async fn create_pods(&self) -> Result<()> {
        let mut text = Vec::new();
        objects::pods(PODS, &mut text)?;
        let mut pods = Vec::with_capacity(PODS);
        let mut namespaces = BTreeSet::new();
        for (number, document) in serde_yaml::Deserializer::from_slice(&text).enumerate() {
            let mut pod = Value::deserialize(document)?;
            // The names of the objects in files come again.
            pod["metadata"]["name"] = format!("pod-{number}").into();
            // In the network of the node, two containers cannot have one port.
            if pod["spec"]["hostNetwork"] == true {
                for container in pod["spec"]["containers"].as_array_mut().into_iter().flatten().skip(1) {
                    container.as_object_mut().map(|container| container.remove("ports"));
                }
            }
            // Nobody looks for it: garbage is not collected here.
            pod["metadata"]["ownerReferences"] = json!([{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("app-{number}"), "controller": true,
                "uid": format!("00000000-0000-4000-8000-{number:012}"),
            }]);
            pod["spec"]["nodeName"] = format!("node-{}", number % NODES).into();
            namespaces.insert(pod["metadata"]["namespace"].as_str().context("no namespace")?.to_owned());
            pods.push(serde_json::from_value::<Pod>(pod)?);
        }
        for namespace in &namespaces {
            let made =
                json!({ "metadata": { "name": namespace, "labels": { "banyan.dev/tenant": namespace } } });
            let api: Api<Namespace> = Api::all(self.client.clone());
            api.create(&PostParams::default(), &serde_json::from_value(made)?).await?;
        }
        stream::iter(pods)
            .map(|pod| async move {
                let namespace = pod.namespace().unwrap_or_default();
                let api: Api<Pod> = Api::namespaced(self.client.clone(), &namespace);
                api.create(&PostParams::default(), &pod).await.context("creating a Pod")
            })
            .buffer_unordered(PREPARING)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        let api: Api<Pod> = Api::all(self.client.clone());
        until(LIMIT, "the Pods to run", || async {
            let waiting = ListParams::default().fields("status.phase!=Running").limit(1);
            Ok(api.list_metadata(&waiting).await?.items.is_empty())
        })
        .await
    }

    async fn create_baseline(&self) -> Result<()> {
        let api: Api<SecurityBaseline> = Api::all(self.client.clone());
        let baseline = serde_json::from_value(json!({
            "apiVersion": "banyan.dev/v1alpha1", "kind": "SecurityBaseline", "metadata": { "name": "city" },
            "spec": { "level": 3, "packs": ["mlps", "pod-security"], "reports": { "apis": ["openreports.io"] } },
        }))?;
        api.create(&PostParams::default(), &baseline).await?;
        Ok(())
    }

    /// Waits until the baseline's status has the figures that the operator shows.
    async fn told(&self, operator: &Operator) -> Result<()> {
        let api: Api<SecurityBaseline> = Api::all(self.client.clone());
        until(LIMIT, "the status to tell what was found", || async {
            let counts = json!(api.get_status("city").await?.status.and_then(|status| status.counts));
            let text = operator.metrics().await?;
            let shown = |result: &str| {
                let series = format!("banyan_baseline_results{{baseline=\"city\",result=\"{result}\"}}");
                operator::find_metric(&text, &series)
            };
            let all = ["pass", "fail", "warn", "error", "skip", "manual", "unknown"];
            Ok(all.iter().all(|result| counts[*result].as_f64() == shown(result)))
        })
        .await
    }

    /// Waits until every Pod has its report.
    async fn reported(&self) -> Result<()> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &report(true));
        until(LIMIT, "every Pod to be reported", || async {
            let first = api.list_metadata(&ListParams::default().limit(1)).await?;
            let rest = first.metadata.remaining_item_count.unwrap_or_default();
            Ok(first.items.len() + usize::try_from(rest)? >= PODS)
        })
        .await
    }

    /// Reads every report about an object, of a namespace and of the cluster, and deletes it.
    async fn take_reports(&self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for namespaced in [true, false] {
            let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &report(namespaced));
            let mut next = None;
            loop {
                let mut page = ListParams::default().limit(500);
                page.continue_token = next.take();
                let list = api.list(&page).await?;
                // What is about no object belongs to its baseline, and comes of the look and not of the objects.
                let of_objects = list.items.into_iter().filter(|report| report.data["scope"].is_object());
                all.extend(of_objects.map(|report| as_written(report, namespaced)));
                next = list.metadata.continue_.filter(|token| !token.is_empty());
                if next.is_none() {
                    break;
                }
            }
        }
        stream::iter(&all)
            .map(|report| async move {
                let name = report["metadata"]["name"].as_str().unwrap_or_default();
                let deleted = self.home(report).delete(name, &DeleteParams::default()).await;
                deleted.context("deleting a report")
            })
            .buffer_unordered(PREPARING)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        Ok(all)
    }

    /// Where a report lies.
    fn home(&self, written: &Value) -> Api<DynamicObject> {
        let client = self.client.clone();
        match written["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(client, namespace, &report(true)),
            None => Api::all_with(client, &report(false)),
        }
    }

    /// Writes reports, and nothing else.
    async fn write(&self, reports: Vec<Value>) -> Result<()> {
        stream::iter(reports)
            .map(|body| async move {
                let api = self.home(&body);
                let object: DynamicObject = serde_json::from_value(body)?;
                api.create(&PostParams::default(), &object).await.context("creating a report")
            })
            .buffer_unordered(CONCURRENCY)
            .try_for_each(|_| async { Ok(()) })
            .await
    }
}

/// A report as its writer sent it.
fn as_written(report: DynamicObject, namespaced: bool) -> Value {
    let mut metadata = json!({
        "name": report.name_any(), "labels": report.labels(),
        "annotations": report.annotations(), "ownerReferences": report.owner_references(),
    });
    if let Some(namespace) = report.namespace() {
        metadata["namespace"] = namespace.into();
    }
    let mut value = report.data;
    value["apiVersion"] = "openreports.io/v1alpha1".into();
    value["kind"] = if namespaced { "Report" } else { "ClusterReport" }.into();
    value["metadata"] = metadata;
    value
}

/// The kind of the reports.
fn report(namespaced: bool) -> ApiResource {
    let kind = if namespaced { "Report" } else { "ClusterReport" };
    ApiResource::from_gvk(&GroupVersionKind::gvk("openreports.io", "v1alpha1", kind))
}
