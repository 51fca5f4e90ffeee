//! The bare client: makes the writes that the operator has made, and nothing else.

use anyhow::{Context, Result, ensure};
use banyan::datacenter::CONCURRENCY;
use banyan::kernel::plan::FIELD_MANAGER;
use banyan_crds::v1alpha1::DataCenter;
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::events::v1::Event;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::{Value, json};

use super::scene::Scene;
use crate::chart::NAMESPACE;
use crate::prometheus::Prometheus;

/// What is written for one site, in the operator's order.
pub struct Writes {
    ledger: (String, Value),
    events: Vec<Event>,
    status: (String, Value),
}

/// Creates a second site for each one that there is, and gives what the operator has written for the first one, in the
/// name of the second.
pub async fn prepare(scene: &Scene, prometheus: &Prometheus) -> Result<Vec<Writes>> {
    let (before, ledgers) = (scene.sites().await?, scene.ledgers().await?);
    let events: Api<Event> = Api::namespaced(scene.plane.client(), "default");
    let events = events.list(&ListParams::default()).await?.items;
    let twins = scene.create_sites(prometheus, twin_name).await?;
    twins
        .iter()
        .enumerate()
        .map(|(number, twin)| {
            let name = scene.city.name(number);
            let site = before.iter().find(|dc| dc.name_any() == name).context("a site is gone")?;
            let ledger_name = format!("banyan-ledger-{name}");
            let ledger =
                ledgers.iter().find(|map| map.name_any() == ledger_name).context("a ledger is gone")?;
            let told: Vec<&Event> = events
                .iter()
                .filter(|event| {
                    event.regarding.as_ref().and_then(|about| about.uid.as_ref()) == site.meta().uid.as_ref()
                })
                .collect();
            ensure!(!told.is_empty(), "the operator has told nothing of {name}");
            Ok(Writes {
                ledger: ledger_of(ledger, twin),
                events: told.iter().enumerate().map(|(index, event)| event_of(event, index, twin)).collect(),
                status: status_of(site, twin),
            })
        })
        .collect()
}

fn twin_name(number: usize) -> String {
    format!("twin-{number:04}")
}

fn ledger_of(ledger: &ConfigMap, twin: &DataCenter) -> (String, Value) {
    let name = format!("banyan-ledger-{}", twin.name_any());
    let mut labels = ledger.labels().clone();
    labels.insert("banyan.dev/owner".to_owned(), format!("datacenter.{}", twin.name_any()));
    let manifest = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": name, "namespace": NAMESPACE, "labels": labels, "annotations": ledger.annotations(),
            "ownerReferences": [banyan::datacenter::holds::owner_reference(twin)],
        },
        "data": ledger.data,
    });
    (name, manifest)
}

fn event_of(event: &Event, index: usize, twin: &DataCenter) -> Event {
    let mut event = event.clone();
    let namespace = event.metadata.namespace.take();
    event.metadata = kube::api::ObjectMeta {
        name: Some(format!("{}.{index}", twin.name_any())),
        namespace,
        ..kube::api::ObjectMeta::default()
    };
    event.regarding = Some(twin.object_ref(&()));
    event
}

fn status_of(site: &DataCenter, twin: &DataCenter) -> (String, Value) {
    let name = twin.name_any();
    let manifest = json!({
        "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter",
        "metadata": { "name": name, "uid": twin.metadata.uid },
        "status": site.status,
    });
    (name, manifest)
}

/// Makes the writes, for as many sites at once as the operator, with the operator's own rights.
pub async fn write(scene: &Scene, writes: Vec<Writes>) -> Result<()> {
    let client = scene.client().await?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let events: Api<Event> = Api::namespaced(client.clone(), "default");
    let sites: Api<DataCenter> = Api::all(client);
    let params = PatchParams::apply(FIELD_MANAGER);
    let force = PatchParams::apply(FIELD_MANAGER).force();
    stream::iter(writes)
        .map(|Writes { ledger, events: told, status }| {
            let (maps, sites, events, params, force) = (&maps, &sites, &events, &params, &force);
            async move {
                maps.patch(&ledger.0, params, &Patch::Apply(ledger.1)).await?;
                for event in &told {
                    events.create(&PostParams::default(), event).await?;
                }
                sites.patch_status(&status.0, force, &Patch::Apply(status.1)).await?;
                anyhow::Ok(())
            }
        })
        .buffer_unordered(CONCURRENCY)
        .try_collect()
        .await
}
