//! Where the operator connects to: the API server and the Prometheus servers that sites name, and nowhere else.
//!
//! It runs in a network namespace of its own, in which those two are within reach and every attempt at anything else is
//! seen, a question to a name server among them.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use banyan_crds::v1alpha1::Verdict;
use banyan_e2e::confine::{Confined, seen_going};
use banyan_e2e::controlplane::free_port;
use banyan_e2e::operator::{self, OperatorOptions};
use banyan_e2e::prometheus::local_http;
use banyan_e2e::wait::until;
use serde_json::json;

use crate::stage::{LIMIT, Readings, VIOLATED, at, condition};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![nothing_is_connected_to_but_the_api_server_and_the_prometheus_servers_that_sites_name]
}

async fn nothing_is_connected_to_but_the_api_server_and_the_prometheus_servers_that_sites_name(
    world: World,
) -> Result<()> {
    let stage = world.stage().await?;
    let reach = [port(stage.plane.url())?, port(stage.prometheus_url())?];
    let listening = free_port()?;
    let options = OperatorOptions { now: Some(at(VIOLATED)?), ..OperatorOptions::default() };
    let spec = operator::command(&stage.plane, &options, listening).await?;
    let confined = Confined::start(spec, &reach, listening).await?;

    // It works as ever.
    let enforcement = json!({ "mode": "Enforce", "actions": ["HoldBatch"], "hysteresis": { "dwell": "0s" } });
    stage.create_cron_job("nightly", "hot-1", true, false).await?;
    stage.create_site("hot-1", Readings::Hot, &enforcement).await?;
    stage.create_site("cool-1", Readings::Cool, &json!({ "mode": "Observe" })).await?;
    let url = format!("http://{}/readyz", confined.offered());
    let http = local_http()?;
    until(LIMIT, "the operator's /readyz", || async {
        confined.process().check_alive()?;
        Ok(http.get(&url).send().await?.status().is_success())
    })
    .await?;
    for (site, verdict) in [("hot-1", Verdict::Violated), ("cool-1", Verdict::Compliant)] {
        let judged = format!("{site} to be {verdict:?}");
        stage
            .awaited(site, &judged, |status| {
                status.operational.as_ref().is_some_and(|one| one.verdict == verdict)
                    && condition(status, "Ready").0 == "True"
            })
            .await?;
    }
    until(LIMIT, "the work to be held", || async {
        let held = stage.cron_jobs().get("nightly").await?;
        Ok(held.spec.suspend == Some(true))
    })
    .await?;
    let mut expected: BTreeSet<String> = reach.iter().map(|port| format!("tcp 127.0.0.1:{port}")).collect();
    // This test's own question.
    expected.insert(format!("tcp 127.0.0.1:{listening}"));
    let seen = confined.seen()?;
    ensure!(seen == expected, "it has gone to {seen:?}, and not just to {expected:?}");

    // The same eyes see what goes elsewhere: an address, and a name that has to be asked for.
    for (site, url) in [("far-1", "http://192.0.2.7:9090"), ("named-1", "http://prometheus.example:9090")] {
        stage.create_site(site, Readings::Cool, &json!({ "mode": "Observe" })).await?;
        stage.change_site(site, json!({ "energy": { "prometheus": { "url": url } } })).await?;
    }
    seen_going(&confined, LIMIT, "tcp 192.0.2.7:9090").await.context("an address elsewhere")?;
    until(LIMIT, "a question for a name", || async {
        // To the name server of this machine, or to glibc's default where it has none.
        Ok(confined.seen()?.iter().any(|to| to.starts_with("udp ") && to.ends_with(":53")))
    })
    .await
}

fn port(url: &str) -> Result<u16> {
    let port = url.trim_end_matches('/').rsplit(':').next().context("an address without a port")?;
    port.parse().with_context(|| format!("reading the port of {url}"))
}
