//! The admission policy of `HoldBatch`, by the API server itself: which Jobs are suspended as they are created, with the
//! loan by which Banyan gives them back.

use std::time::Duration;

use anyhow::{Result, ensure};
use banyan::kernel::loan;
use banyan_e2e::chart::NAMESPACE;
use banyan_e2e::wait::until;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![a_job_that_may_wait_is_created_suspended_and_on_loan_while_its_site_is_held]
}

/// How long the API server may take to see a change of the parameters.
const LIMIT: Duration = Duration::from_secs(30);
const CITY: &str = "hold-city";
const ZONE: &str = "topology.kubernetes.io/zone";
const SITE: &str = "held-1";
const SINCE: &str = "2026-01-01T00:00:00Z";

/// The parameter that the operator keeps for a held site.
fn mark(expressions: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": format!("banyan-hold-{SITE}"),
            "labels": { "banyan.dev/role": "hold", "app.kubernetes.io/managed-by": "banyan" },
        },
        "data": {
            "site": SITE, "owner": format!("datacenter.{SITE}"), "matchLabels": format!("{ZONE}={SITE},room=a"),
            "expressions": expressions, "since": SINCE,
        },
    })
}

/// A deferrable Job for a zone, with changes laid over it.
fn job(zone: &str, change: &Value) -> Value {
    let mut job = json!({
        "metadata": { "generateName": "work-", "labels": { "banyan.dev/deferrable": "true" } },
        "spec": { "template": { "spec": {
            "restartPolicy": "Never", "nodeSelector": { ZONE: zone, "room": "a" },
            "containers": [{ "name": "main", "image": "example/work" }],
        } } },
    });
    json_patch::merge(&mut job, change);
    job
}

/// The Job as it is taken in.
async fn taken_in(jobs: &Api<Job>, object: &Value) -> Result<Job> {
    Ok(jobs.create(&PostParams::default(), &serde_json::from_value(object.clone())?).await?)
}

fn is_held(job: &Job) -> bool {
    job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true)
        && job.annotations().contains_key("banyan.dev/loan-hold-batch")
}

async fn a_job_that_may_wait_is_created_suspended_and_on_loan_while_its_site_is_held(
    world: World,
) -> Result<()> {
    let plane = world.installed().await?;
    plane.create_namespace(CITY).await?;
    let jobs: Api<Job> = Api::namespaced(plane.client(), CITY);
    let maps: Api<ConfigMap> = Api::namespaced(plane.client(), NAMESPACE);
    let here = job(SITE, &json!({}));
    ensure!(!is_held(&taken_in(&jobs, &here).await?), "held while nothing is");

    let params = PatchParams::apply("banyan-e2e").force();
    let name = format!("banyan-hold-{SITE}");
    maps.patch(&name, &params, &Patch::Apply(mark(""))).await?;
    until(LIMIT, "the site to be held", || async { Ok(is_held(&taken_in(&jobs, &here).await?)) }).await?;

    let label = |site: &str| json!({ "metadata": { "labels": { "banyan.dev/site": site } } });
    let annotated = json!({ "metadata": { "annotations": { "a": "b" } }, "spec": { "suspend": false } });
    for (what, job, held) in [
        ("by nodeSelector", here.clone(), true),
        ("with annotations", job(SITE, &annotated), true),
        ("by its label", job("elsewhere", &label(SITE)), true),
        ("elsewhere", job("elsewhere", &json!({})), false),
        ("labelled for another site", job(SITE, &label("elsewhere")), false),
        (
            "without consent",
            job(SITE, &json!({ "metadata": { "labels": { "banyan.dev/deferrable": null } } })),
            false,
        ),
        (
            "of Kueue",
            job(SITE, &json!({ "metadata": { "labels": { "kueue.x-k8s.io/queue-name": "q" } } })),
            false,
        ),
        ("of another controller", job(SITE, &json!({ "spec": { "managedBy": "example.org/other" } })), false),
        ("suspended by its owner", job(SITE, &json!({ "spec": { "suspend": true } })), false),
    ] {
        let created = taken_in(&jobs, &job).await?;
        ensure!(is_held(&created) == held, "a Job {what}: {:?} {:?}", created.annotations(), created.spec);
        if held {
            gives_back(&created, what)?;
        }
    }

    // A selector that labels cannot express: only the label counts.
    maps.patch(&name, &params, &Patch::Apply(mark("not by labels alone"))).await?;
    until(LIMIT, "the selector to stop counting", || async { Ok(!is_held(&taken_in(&jobs, &here).await?)) })
        .await?;
    let labelled = job("elsewhere", &label(SITE));
    ensure!(is_held(&taken_in(&jobs, &labelled).await?), "the label has stopped counting");

    maps.delete(&name, &DeleteParams::default()).await?;
    until(LIMIT, "the site to be free", || async { Ok(!is_held(&taken_in(&jobs, &labelled).await?)) }).await
}

/// The operator's own undo gives the Job back as its author wrote it.
fn gives_back(job: &Job, what: &str) -> Result<()> {
    let texts = job.annotations().iter().map(|(key, text)| (key.as_str(), text.as_str()));
    let records = loan::records(texts);
    let (key, record) = &records[0];
    ensure!(*key == loan::annotation("HoldBatch"), "{what}: {key}");
    ensure!(
        (record.owner.as_str(), record.at.as_str()) == ("datacenter.held-1", SINCE),
        "{what}: {record:?}"
    );
    let term = loan::Term {
        field: loan::Field { pointer: "/spec/suspend".to_owned(), set: json!(true), element_keys: vec![] },
        prior: loan::Prior::Bool,
    };
    let object = banyan::kernel::plan::ObjectRef {
        resource: kube::api::ApiResource::erase::<Job>(&()),
        namespace: Some(CITY.to_owned()),
        name: job.name_any(),
        uid: job.uid(),
    };
    let owner = banyan::kernel::plan::Owner { kind: "datacenter", name: SITE.to_owned() };
    let mut live = json!(job);
    let loan::Decision::Patch { patch, kept, .. } =
        loan::give_back(&live, &object, "HoldBatch", &[term], &owner)
    else {
        anyhow::bail!("{what}: the loan is not given back");
    };
    ensure!(kept.is_empty(), "{what}: kept {kept:?}");
    json_patch::patch(&mut live, &patch)?;
    ensure!(live["spec"]["suspend"] == json!(false), "{what}: {}", live["spec"]);
    ensure!(live["metadata"]["annotations"]["banyan.dev/loan-hold-batch"].is_null(), "{what}");
    Ok(())
}
