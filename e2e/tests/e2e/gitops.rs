//! Banyan under GitOps: what was applied stays as it was applied, and nothing of Banyan's is taken for the GitOps tool's.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use banyan_crds::v1alpha1::DataCenter;
use banyan_e2e::audit::Mark;
use banyan_e2e::chart;
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::dirs;
use banyan_e2e::estate::{Estate, PROMETHEUS_PLACEHOLDER};
use banyan_e2e::operator::{self, Operator, OperatorOptions};
use banyan_e2e::prometheus::{Prometheus, PrometheusOptions};
use banyan_e2e::wait::eventually;
use jiff::SignedDuration;
use kube::ResourceExt;
use kube::api::ListParams;
use serde_json::Value;

use crate::sites::sites;
use crate::stage::at;
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        every_example_stays_as_it_was_applied_by_the_client,
        every_example_stays_as_it_was_applied_by_the_server,
        no_definition_is_too_large_for_client_side_apply,
    ]
}

/// The end of the readings, long enough after the second look.
const END: &str = "2025-11-12T06:00:00Z";
/// The first look: a window has closed five minutes ago.
const FIRST: &str = "2025-11-12T02:05:00Z";
/// An hour later another one has.
const SECOND: &str = "2025-11-12T03:05:00Z";
/// Days of readings.
const DAYS: i64 = 40;
/// How long a back-fill of all sites may take.
const LIMIT: Duration = Duration::from_mins(1);

/// What the GitOps tools call all of it.
const ESTATE: &str = "estate";

/// By what GitOps tools know what is theirs. Put on every site, they must be on nothing that is made for it.
const TRACKING: [(&str, &str); 5] = [
    ("argocd.argoproj.io/tracking-id", "estate:banyan.dev/DataCenter:/x"),
    ("argocd.argoproj.io/instance", "estate"),
    ("kustomize.toolkit.fluxcd.io/name", "estate"),
    ("helm.toolkit.fluxcd.io/name", "estate"),
    ("app.kubernetes.io/instance", "estate"),
];

/// The examples, with the address of a Prometheus and the marks of GitOps tools, in a folder of their own.
fn manifests(prometheus: &str) -> Result<PathBuf> {
    let folder = dirs::fresh("examples")?;
    for entry in std::fs::read_dir(dirs::repository().join("docs/examples"))? {
        let file = entry?.path();
        let text = std::fs::read_to_string(&file)?.replace(PROMETHEUS_PLACEHOLDER, prometheus);
        let marks = |indent: &str| {
            let lines = TRACKING.iter().map(|(key, value)| format!("{indent}{key}: {value:?}\n"));
            lines.collect::<Vec<_>>().concat()
        };
        let text = text.replace(
            "kind: DataCenter\nmetadata:\n",
            &format!(
                "kind: DataCenter\nmetadata:\n  labels:\n{}  annotations:\n{}",
                marks("    ").replace("estate:banyan.dev/DataCenter:/x", "estate"),
                marks("    "),
            ),
        );
        std::fs::write(folder.join(file.file_name().context("a file has a name")?), text)?;
    }
    Ok(folder)
}

/// Waits until every site is ready and has judged the window that ended last.
async fn looked(plane: &ControlPlane, now: &str) -> Result<Vec<DataCenter>> {
    let hour = at(now)? - SignedDuration::from_mins(5);
    eventually(LIMIT, format!("every site to be looked at after {hour}"), || async {
        let all = sites(plane).list(&ListParams::default()).await?.items;
        for site in &all {
            let status = site.status.clone().unwrap_or_default();
            let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
            if ready.is_none_or(|ready| ready.status != "True") {
                bail!("{} is not ready: {ready:?}", site.name_any());
            }
            let until = status.operational.as_ref().and_then(|one| one.until.as_ref().map(|until| until.0));
            // At jinan-1 a meter is dead, so that no window of it is judged any more.
            if site.name_any() != "jinan-1" && until != Some(hour) {
                bail!("{} has judged the windows until {until:?}", site.name_any());
            }
        }
        Ok((!all.is_empty()).then_some(all))
    })
    .await
}

/// The operator's rights to sites end at their status and finalizers, and it has used no others.
fn only_status_and_finalizers(plane: &ControlPlane, all: &[DataCenter], since: Mark) -> Result<()> {
    for write in plane.audit().writes_by(&operator::user(), since)? {
        let allowed = write.resource != "datacenters"
            || write.subresource == "status"
            // The finalizer is put on and taken off by a patch; below it is seen that nothing else was.
            || (write.verb == "patch" && write.subresource.is_empty());
        ensure!(allowed, "{write}");
    }
    for site in all {
        let name = site.name_any();
        ensure!(
            site.metadata.generation == Some(1),
            "the spec of {name} was written: {:?}",
            site.metadata.generation
        );
        for entry in site.metadata.managed_fields.iter().flatten() {
            let manager = entry.manager.as_deref().unwrap_or_default();
            if !manager.starts_with("banyan") || entry.subresource.as_deref() == Some("status") {
                continue;
            }
            let fields = serde_json::to_value(&entry.fields_v1)?;
            let outside = ["f:spec", "f:status"].iter().any(|part| !fields[part].is_null());
            let metadata: Vec<&String> =
                fields["f:metadata"].as_object().into_iter().flat_map(|all| all.keys()).collect();
            ensure!(!outside && metadata == ["f:finalizers"], "{name}: {manager} owns {fields}");
        }
    }
    Ok(())
}

/// Everything that the operator has made, of whatever kind, carries no mark of a GitOps tool.
async fn nothing_is_tracked(plane: &ControlPlane, since: Mark) -> Result<()> {
    let user = operator::user();
    let (writes, _) = plane.audit().everything(since)?;
    let made = writes.iter().filter(|write| write.user == user && write.resource != "datacenters");
    let kinds: BTreeSet<String> = made
        .map(|write| match write.group.as_str() {
            "" => write.resource.clone(),
            group => format!("{}.{group}", write.resource),
        })
        .filter(|kind| !kind.contains("review"))
        .collect();
    for wanted in ["configmaps", "leases.coordination.k8s.io", "events.events.k8s.io"] {
        ensure!(kinds.contains(wanted), "no {wanted} among what was written: {kinds:?}");
    }
    let mut looked_at = 0;
    for kind in kinds {
        let all = plane.kubectl(["get", &kind, "--all-namespaces", "-o", "json"]).await?;
        let all: Value = serde_json::from_str(&all)?;
        for object in all["items"].as_array().into_iter().flatten() {
            let meta = &object["metadata"];
            looked_at += 1;
            for (key, _) in TRACKING {
                // The chart's objects have an instance too: its own release.
                let copied = ["labels", "annotations"]
                    .iter()
                    .any(|part| meta[*part][key].as_str().is_some_and(|value| value.starts_with(ESTATE)));
                ensure!(!copied, "{kind} {} carries {key}", meta["name"]);
            }
        }
    }
    // A ledger for each site, a mark of the hold, the Lease, and an Event at least.
    ensure!(looked_at >= 8, "only {looked_at} objects of the operator's were found");
    Ok(())
}

/// Applies the examples, lets the operator look, and again an hour later.
async fn stay_as_applied(name: &str, server_side: &[&str]) -> Result<()> {
    let end = at(END)?;
    let estate = Estate::demo(end);
    let history = dirs::fresh("readings")?.join("history.om");
    estate.write_openmetrics(&history, end - SignedDuration::from_hours(24 * DAYS), end)?;
    let options = Options { name: name.to_owned(), ..Options::default() };
    let prometheus =
        Prometheus::start(PrometheusOptions { history: vec![history], ..PrometheusOptions::default() });
    let (plane, prometheus) = tokio::try_join!(ControlPlane::start(options), prometheus)?;
    chart::install(&plane, &serde_json::json!({})).await?;
    let folder = manifests(prometheus.url())?;
    let start = plane.audit().mark();

    kubectl(&plane, "apply", server_side, &folder).await?;
    let mut before: Option<Vec<DataCenter>> = None;
    for now in [FIRST, SECOND] {
        let options = OperatorOptions { now: Some(at(now)?), ..OperatorOptions::default() };
        let operator = Operator::start(&plane, options).await?;
        let all = looked(&plane, now).await?;
        ensure!(all.len() == 5, "{} examples are sites", all.len());
        let marked = |site: &DataCenter| {
            TRACKING
                .iter()
                .all(|(key, _)| site.labels().contains_key(*key) && site.annotations().contains_key(*key))
        };
        ensure!(all.iter().all(marked), "a site lost the marks of the GitOps tools");
        // It ends with 1, and kubectl here with an error, when applying again would change something.
        let drift = kubectl(&plane, "diff", server_side, &folder).await;
        drift.with_context(|| format!("at {now} there is a difference"))?;
        for (old, new) in before.iter().flatten().zip(&all) {
            ensure!(old.status != new.status, "the status of {} has not changed in an hour", new.name_any());
        }
        only_status_and_finalizers(&plane, &all, start)?;
        before = Some(all);
        operator.stop().await?;
    }
    // Batch work is really held, so that the difference could have been there.
    let held = plane
        .kubectl([
            "get",
            "cronjob",
            "-n",
            "batch-demo",
            "nightly-statistics",
            "-o",
            "jsonpath={.spec.suspend}",
        ])
        .await?;
    ensure!(held == "true", "nightly-statistics is not held: {held:?}");
    nothing_is_tracked(&plane, start).await
}

async fn kubectl(plane: &ControlPlane, verb: &str, server_side: &[&str], folder: &Path) -> Result<String> {
    let words = [verb].into_iter().chain(server_side.iter().copied()).chain(["-f"]).map(Into::into);
    plane.kubectl(words.chain([folder.as_os_str().to_owned()])).await
}

async fn every_example_stays_as_it_was_applied_by_the_client(_: World) -> Result<()> {
    stay_as_applied("gitops-client", &[]).await
}

async fn every_example_stays_as_it_was_applied_by_the_server(_: World) -> Result<()> {
    stay_as_applied("gitops-server", &["--server-side"]).await
}

/// kubectl keeps what was applied in an annotation, of which the API server takes 262144 bytes on an object.
async fn no_definition_is_too_large_for_client_side_apply(world: World) -> Result<()> {
    let plane = world.api_server().await?;
    let folder = dirs::repository().join("crds/manifests");
    let folder = folder.to_str().context("the path of the repository is no text")?;
    let applied = plane.kubectl(["apply", "-f", folder]).await?;
    ensure!(applied.lines().count() == banyan_crds::all().len(), "{applied}");
    plane
        .kubectl(["diff", "-f", folder])
        .await
        .context("applying the definitions twice changes something")?;
    Ok(())
}
