//! `HoldBatch` where Kueue is installed, shown by Kueue's own controller: Banyan holds the site's queue, new Jobs wait,
//! admitted ones go on, and the queue is given back as it was.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::kueue::Kueue;
use banyan_e2e::wait::until;
use k8s_openapi::api::batch::v1::Job;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::json;

use crate::stage::{Readings, Stage, VIOLATED};
use crate::world::{Test, World};

/// How long Kueue may take to act.
const LIMIT: Duration = Duration::from_secs(30);

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![banyan_holds_the_sites_queue_new_jobs_wait_and_admitted_ones_go_on]
}

const QUEUES: &str = "\
apiVersion: kueue.x-k8s.io/v1beta2
kind: ResourceFlavor
metadata: {name: any}
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: ClusterQueue
metadata: {name: batch, labels: {banyan.dev/site: gulou-1}}
spec:
  namespaceSelector: {}
  resourceGroups:
    - coveredResources: [cpu]
      flavors:
        - name: any
          resources: [{name: cpu, nominalQuota: 10}]
---
apiVersion: kueue.x-k8s.io/v1beta2
kind: LocalQueue
metadata: {name: batch, namespace: default}
spec: {clusterQueue: batch}
";

async fn banyan_holds_the_sites_queue_new_jobs_wait_and_admitted_ones_go_on(_: World) -> Result<()> {
    let options = Options { name: "kueue-plane".to_owned(), controller_manager: true, ..Options::default() };
    let plane = ControlPlane::start(options).await?;
    let kueue = Kueue::start(&plane).await?;
    plane.apply(QUEUES).await?;
    let jobs: Api<Job> = Api::namespaced(plane.client(), "default");

    submit(&jobs, "before").await?;
    until(LIMIT, "the first job to be admitted", || async { is_running(&jobs, "before").await }).await?;

    let before = queue(&plane).await?;
    let stage = Stage::on(plane).await?;
    let plane = &stage.plane;
    stage
        .create_site("gulou-1", Readings::Hot, &json!({ "mode": "Enforce", "actions": ["HoldBatch"] }))
        .await?;
    let operator = stage.operator(VIOLATED).await?;
    until(LIMIT, "Banyan to hold the queue", || async {
        Ok(queue(plane).await?.data["spec"]["stopPolicy"] == "Hold")
    })
    .await?;
    submit(&jobs, "during").await?;
    // A workload that Kueue has looked at and not admitted says so, and why.
    let workloads: Api<DynamicObject> =
        Api::namespaced_with(plane.client(), "default", &resource("Workload"));
    until(LIMIT, "Kueue to say that the queue is held", || async {
        let all = workloads.list(&kube::api::ListParams::default()).await?;
        let during = all.items.iter().find(|workload| owner(workload) == Some("during"));
        let conditions = during.and_then(|workload| workload.data["status"]["conditions"].as_array());
        Ok(conditions.is_some_and(|all| all.iter().any(is_refused)))
    })
    .await?;
    ensure!(!is_running(&jobs, "during").await?, "a job was admitted by a held queue");
    ensure!(is_running(&jobs, "before").await?, "Hold has stopped an admitted job");

    stage.change_site("gulou-1", json!({ "enforcement": { "mode": "Observe" } })).await?;
    until(LIMIT, "the second job to be admitted", || async { is_running(&jobs, "during").await }).await?;
    let after = queue(plane).await?;
    ensure!(after.data["spec"] == before.data["spec"], "{} was {}", after.data["spec"], before.data["spec"]);
    ensure!(after.metadata.annotations == before.metadata.annotations, "a loan is left on the queue");
    operator.stop().await?;
    kueue.process().check_alive()
}

/// A Job in the queue, not suspended by its author: suspending it is Kueue's part.
async fn submit(jobs: &Api<Job>, name: &str) -> Result<()> {
    let container = json!({
        "name": "main", "image": "example/batch", "resources": { "requests": { "cpu": "1" } }
    });
    let job: Job = serde_json::from_value(json!({
        "metadata": { "name": name, "labels": { "kueue.x-k8s.io/queue-name": "batch" } },
        "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [container] } } },
    }))?;
    let created =
        jobs.create(&PostParams::default(), &job).await.with_context(|| format!("submitting {name}"))?;
    let suspended = created.spec.and_then(|spec| spec.suspend);
    ensure!(suspended == Some(true), "Kueue's webhook did not suspend {name} on its way in");
    Ok(())
}

async fn is_running(jobs: &Api<Job>, name: &str) -> Result<bool> {
    let job = jobs.get(name).await?;
    Ok(job.spec.and_then(|spec| spec.suspend) == Some(false))
}

async fn queue(plane: &ControlPlane) -> Result<DynamicObject> {
    let queues: Api<DynamicObject> = Api::all_with(plane.client(), &resource("ClusterQueue"));
    queues.get("batch").await.context("reading the queue")
}

fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("kueue.x-k8s.io", "v1beta2", kind))
}

fn owner(workload: &DynamicObject) -> Option<&str> {
    Some(workload.metadata.owner_references.as_ref()?.first()?.name.as_str())
}

fn is_refused(condition: &serde_json::Value) -> bool {
    let inactive = condition["message"].as_str().is_some_and(|message| message.contains("inactive"));
    condition["type"] == "QuotaReserved" && condition["status"] == "False" && inactive
}
