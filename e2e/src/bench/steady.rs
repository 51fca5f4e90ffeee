//! What the operator costs while nothing changes.
//!
//! Every site has thirteen months in its ledger, as after a year of being looked after, and two meters that are read every
//! minute, which has the operator look at each site once a minute. Readings go on arriving; no window and no day closes.
//! A large and a small city run side by side, each with a control plane of its own. `/metrics` is scraped every 15 s, as a
//! Prometheus would, for that costs memory as well.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::scene::{self, Scene};
use super::{Figure, Scale, progress};
use crate::audit;
use crate::estate::City;
use crate::operator::{self, Operator, find_metric};
use crate::prometheus::Prometheus;

/// Days in a ledger: as many as the operator keeps up.
const DAYS: i64 = 396;
/// Seconds between two readings.
const STEP: i64 = 60;
/// Meters of a site, and the requests to Prometheus that one evaluation may take.
const METERS: f64 = 2.0;
/// Time between two scrapes.
const SCRAPE: Duration = Duration::from_secs(15);
/// How long the first look at every site, and each later one, may take.
const LIMIT: Duration = Duration::from_mins(5);

/// Measures.
pub async fn measure(scale: Scale) -> Result<Vec<Figure>> {
    let city = City::new(scale.many);
    progress(format!(
        "cities of {} and {} sites with thirteen months in their ledgers",
        scale.many, scale.few
    ));
    // The last day that is over, and today.
    let from = scene::yesterday()?;
    let prometheus = scene::readings(city, STEP, from).await?;
    let (many, few) = tokio::try_join!(
        watch(city, &prometheus, scale.looks),
        watch(City::new(scale.few), &prometheus, scale.looks)
    )?;
    let told = |name: String, value, unit| Figure::told("datacenter", name, value, unit);
    let mut figures = Vec::new();
    for (sites, seen, goal) in [(scale.few, &few, 40.0), (scale.many, &many, 120.0)] {
        figures.extend([
            told(format!("memory_at_{sites}_sites"), seen.resident, "MB").at_most(seen.resident, goal),
            told(format!("memory_peak_at_{sites}_sites"), seen.peak, "MB"),
        ]);
    }
    figures.extend([
        told("prometheus_requests_per_evaluation".to_owned(), many.requests, "requests")
            .at_most(many.requests, METERS),
        told("steady_writes".to_owned(), many.writes, "requests").at_most(many.writes, 0.0),
        told("steady_evaluations".to_owned(), many.evaluations, "evaluations"),
        told("steady_reconcile_mean".to_owned(), many.seconds, "s"),
        told("steady_cpu".to_owned(), many.cpu, "cores"),
    ]);
    Ok(figures)
}

/// What was seen of one city.
struct Seen {
    /// Resident memory at the end, MB of 10⁶ bytes.
    resident: f64,
    /// The most that was ever resident, likewise.
    peak: f64,
    /// Requests to Prometheus for one evaluation.
    requests: f64,
    writes: f64,
    evaluations: f64,
    /// Mean time of one evaluation, s.
    seconds: f64,
    /// CPU seconds a second.
    cpu: f64,
}

async fn watch(city: City, prometheus: &Prometheus, looks: usize) -> Result<Seen> {
    let scene = Scene::start(city, DAYS, "1m").await?;
    let sites = scene.create_sites(prometheus, |site| city.name(site)).await?;
    scene.create_ledgers(&sites).await?;
    let operator = scene.operator().await?;
    operator.ready().await?;
    let each = city.sites() as f64;
    counted(&operator, each).await?;
    scene.check_converged().await?;

    // Whatever else the first look leads to has happened by the second.
    let (_, first) = counted(&operator, 2.0 * each).await?;
    let log = scene.plane.audit();
    let mark = log.mark();
    progress(format!("{} sites stand still", city.sites()));
    let (text, last) = counted(&operator, first.evaluations + looks as f64 * each).await?;
    let writes = log.writes_by(&operator::user(), mark)?;
    if !writes.is_empty() {
        progress(format!("written while nothing changed:\n{}", audit::list(&writes)));
    }
    let peak = operator.process().peak_memory();
    operator.stop().await?;
    let evaluations = last.evaluations - first.evaluations;
    Ok(Seen {
        resident: find_metric(&text, "process_resident_memory_bytes").context("no resident memory")? / 1e6,
        peak: peak.unwrap_or(f64::NAN) / 1e6,
        requests: (last.requests - first.requests) / evaluations,
        writes: writes.len() as f64,
        evaluations,
        seconds: (last.seconds - first.seconds) / evaluations,
        cpu: (last.cpu - first.cpu) / (last.at - first.at).as_secs_f64(),
    })
}

/// Counters of the operator at one scrape.
struct Scrape {
    at: Instant,
    evaluations: f64,
    requests: f64,
    seconds: f64,
    cpu: f64,
}

impl Scrape {
    fn read(text: &str) -> Self {
        // A series that has counted nothing yet is not there.
        let read = |series| find_metric(text, series).unwrap_or(0.0);
        Self {
            at: Instant::now(),
            evaluations: read("banyan_kernel_reconcile_duration_seconds_count{kind=\"DataCenter\"}"),
            requests: sum(text, "banyan_prometheus_requests_total{"),
            seconds: read("banyan_kernel_reconcile_duration_seconds_sum{kind=\"DataCenter\"}"),
            cpu: read("process_cpu_seconds_total"),
        }
    }
}

/// The sum of all series that begin like this.
fn sum(text: &str, prefix: &str) -> f64 {
    let values =
        text.lines().filter(|line| line.starts_with(prefix)).filter_map(|line| line.rsplit(' ').next());
    values.filter_map(|value| value.parse::<f64>().ok()).sum()
}

/// Scrapes until the operator has made so many evaluations.
async fn counted(operator: &Operator, wanted: f64) -> Result<(String, Scrape)> {
    let mut ticks = interval(SCRAPE);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let scraping = async {
        loop {
            ticks.tick().await;
            let text = operator.metrics().await?;
            let scrape = Scrape::read(&text);
            if scrape.evaluations >= wanted {
                return anyhow::Ok((text, scrape));
            }
        }
    };
    timeout(LIMIT, scraping)
        .await
        .with_context(|| format!("the operator did not make {wanted} evaluations"))?
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // These figures are exact.
mod tests {
    use super::*;

    #[test]
    fn requests_of_every_outcome_count() {
        let text = "a_total{outcome=\"Success\"} 3\na_total{outcome=\"Timeout\"} 2\na_total_more{} 7\n";
        assert_eq!(sum(text, "a_total{"), 5.0);
    }
}
