//! How long a city takes to converge, against a client that only writes.
//!
//! The operator starts in a world in which the sites exist and have nothing: no ledger, no status. It lists, becomes the
//! leader, asks Prometheus for the whole history of both meters of each site, makes the ledger of it, judges, and writes
//! ledger, Events and status. Then the operator is stopped, as many sites are created anew, and a bare client makes for
//! them the writes that the operator has made for the first ones: the same bodies, in the same order, for as many sites at
//! once. Both spans are taken from the audit log, from the start to the answer to the last write.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::Timestamp;

use super::scene::{self, Scene};
use super::{Figure, Scale, bare, progress};
use crate::audit::{AuditLog, Mark};
use crate::estate::{City, GRID_SECONDS};
use crate::operator::{self, find_metric};
use crate::wait::eventually;

/// How long a city may take to converge at all.
const LIMIT: Duration = Duration::from_mins(10);

/// Measures.
pub async fn measure(scale: Scale) -> Result<Vec<Figure>> {
    let city = City::new(scale.many);
    progress(format!(
        "a city of {} sites, and {} days of readings every quarter of an hour",
        scale.many, scale.days
    ));
    let scene = Scene::start(city, scale.days, "15m").await?;
    let prometheus = scene::readings(city, GRID_SECONDS, scene.commissioned).await?;
    scene.create_sites(&prometheus, |site| city.name(site)).await?;

    progress("the operator converges");
    let (log, user) = (scene.plane.audit(), operator::user());
    let mark = log.mark();
    let cpu = async || (scene.plane.cpu_seconds().await, prometheus.process().cpu_seconds());
    let before = cpu().await;
    let started = Timestamp::now();
    let running = scene.operator().await?;
    let ended = statuses(&log, &user, mark, scale.many).await?;
    let operator_seconds = ended.duration_since(started).as_secs_f64();
    let by_operator_cpu = since(before, cpu().await);
    let operator_cpu = running.process().cpu_seconds();
    let metrics = running.metrics().await?;
    running.stop().await?;
    scene.check_converged().await?;
    let by_operator = log.tally_by(&user, mark)?;

    progress("a bare client makes the same writes");
    let writes = bare::prepare(&scene, &prometheus).await?;
    let mark = log.mark();
    let before = cpu().await;
    let started = Timestamp::now();
    bare::write(&scene, writes).await?;
    let ended = statuses(&log, &user, mark, scale.many).await?;
    let by_client_cpu = since(before, cpu().await);
    let bare_seconds = ended.duration_since(started).as_secs_f64();
    let by_client = log.tally_by(&user, mark)?;
    ensure!(
        by_operator == by_client,
        "these are not the same writes: {by_operator:?} by the operator, {by_client:?} by the bare client"
    );

    let ratio = operator_seconds / bare_seconds;
    let told = |name: &str, value, unit| {
        Figure::told(
            "datacenter",
            format!("convergence_{}_sites_{}_days_{name}", scale.many, scale.days),
            value,
            unit,
        )
    };
    let metric = |series| find_metric(&metrics, series).unwrap_or(f64::NAN);
    Ok(vec![
        told("over_bare_client", ratio, "ratio").at_most(ratio, 1.3),
        told("operator", operator_seconds, "s"),
        told("bare_client", bare_seconds, "s"),
        told("writes", by_operator.values().sum::<usize>() as f64, "requests"),
        told("operator_cpu", operator_cpu, "s"),
        told("operator_prometheus_cpu", by_operator_cpu.1, "s"),
        told("operator_api_server_cpu", by_operator_cpu.0, "s"),
        told("bare_client_api_server_cpu", by_client_cpu.0, "s"),
        told(
            "reconcile_mean",
            metric("banyan_kernel_reconcile_duration_seconds_sum{kind=\"DataCenter\"}")
                / metric("banyan_kernel_reconcile_duration_seconds_count{kind=\"DataCenter\"}"),
            "s",
        ),
    ])
}

/// What was used between two readings.
fn since(before: (f64, f64), after: (f64, f64)) -> (f64, f64) {
    (after.0 - before.0, after.1 - before.1)
}

/// Waits until so many sites have been given a status by this user, and answers when the last one was.
async fn statuses(log: &AuditLog, user: &str, mark: Mark, wanted: usize) -> Result<Timestamp> {
    let found = RefCell::new((mark, BTreeMap::new()));
    eventually(LIMIT, format!("{wanted} sites to have a status"), || async {
        let mut found = found.borrow_mut();
        let (mark, answered) = &mut *found;
        let (writes, next) = log.everything(*mark)?;
        *mark = next;
        for write in writes {
            if write.user == user && write.subresource == "status" && write.code == 200 {
                answered.entry(write.name).or_insert(write.at);
            }
        }
        Ok(if answered.len() < wanted { None } else { answered.values().max().copied() })
    })
    .await
}
