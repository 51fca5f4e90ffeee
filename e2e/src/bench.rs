//! What `make bench` measures: one figure a line, with its goal and whether it is met.
//!
//! Ratios are of two things measured in one run on one machine, so that they hold on another one. Everything is real: the
//! operator is the program that is shipped, a subprocess with the rights of its chart, between a kube-apiserver and a
//! Prometheus that share the machine with it. Writes are counted in the API server's audit log.
//!
//! - `convergence`: how long the operator takes from its start until every site of a city has its ledger and its status,
//!   against a client that makes the same writes and nothing else.
//! - `steady`: what the operator costs once nothing changes any more: memory, requests to Prometheus, writes.
//! - `arithmetic`: how fast readings become energy.
//! - `reports`: how fast ten thousand Pods get their reports, against a client that writes the same reports and nothing else, and what the operator
//!   needs after that.
//! - `audit`: how fast manifests are judged, against only parsing them, and with how much memory.

mod arithmetic;
mod audit;
mod bare;
mod convergence;
mod objects;
mod reports;
mod scene;
mod steady;

use std::fmt;

use anyhow::{Result, bail};
use serde::Serialize;

/// What is measured, with the domain that its figures belong to: `make bench ONLY=<either>` takes both.
pub const PARTS: [(&str, &str); 5] = [
    ("energy", "arithmetic"),
    ("datacenter", "convergence"),
    ("datacenter", "steady"),
    ("policies", "audit"),
    ("baseline", "reports"),
];

/// A figure, as it is printed: one JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What it is a figure of.
    pub domain: &'static str,
    /// Its name, the same in every run.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// The value's unit.
    pub unit: &'static str,
    /// The value that it must not exceed; none for what is only told.
    pub goal: Option<f64>,
    /// Whether it does not.
    pub met: Option<bool>,
}

impl Figure {
    /// A figure that is told and has no goal. The value is rounded to four significant digits.
    fn told(domain: &'static str, name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { domain, name: name.into(), value: rounded(value), unit, goal: None, met: None }
    }

    /// With the value that it must not exceed, which the value as measured is held against.
    fn at_most(self, measured: f64, goal: f64) -> Self {
        Self { goal: Some(goal), met: Some(measured <= goal), ..self }
    }
}

/// Four significant digits: more would only be noise.
fn rounded(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let scale = 10_f64.powi(3 - value.abs().log10().floor() as i32);
    (value * scale).round() / scale
}

/// How large the city is.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Sites.
    pub many: usize,
    /// Sites of the small city, whose memory is the least that the operator needs.
    pub few: usize,
    /// Days of history that are taken into the ledgers, at 96 readings a day and meter.
    pub days: i64,
    /// Evaluations of every site while nothing changes, one a minute.
    pub looks: usize,
}

impl Scale {
    /// As the goals are stated: 1,000 and 11 sites.
    pub const FULL: Self = Self { many: 1000, few: 11, days: 30, looks: 3 };
}

/// Measures, and hands each figure to `tell` as soon as it is known. `only` names a domain or a part.
///
/// # Errors
/// When there is nothing of that name, and when something does not happen at all or not as it must: a measurement of the wrong
/// thing has no figure.
pub async fn run(only: Option<&str>, scale: Scale, mut tell: impl FnMut(Figure)) -> Result<()> {
    let wanted = PARTS.map(|(domain, part)| only.is_none_or(|only| only == domain || only == part));
    let [arithmetic, convergence, steady, audit, reports] = wanted;
    if !wanted.contains(&true) {
        bail!("there is nothing called {} to measure: {PARTS:?}", only.unwrap_or_default());
    }
    if arithmetic {
        arithmetic::measure().into_iter().for_each(&mut tell);
    }
    if audit {
        audit::measure().await?.into_iter().for_each(&mut tell);
    }
    if reports {
        Box::pin(reports::measure()).await?.into_iter().for_each(&mut tell);
    }
    if convergence {
        convergence::measure(scale).await?.into_iter().for_each(&mut tell);
    }
    if steady {
        Box::pin(steady::measure(scale)).await?.into_iter().for_each(&mut tell);
    }
    Ok(())
}

/// What is going on, on standard error: figures alone go to standard output.
fn progress(what: impl fmt::Display) {
    eprintln!("{what}");
}

#[cfg(test)]
#[allow(clippy::float_cmp)] // These figures are exact.
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_held_against_what_was_measured_and_not_against_what_is_shown() {
        // 1.30004 is shown as 1.3, and is above a goal of 1.3.
        let figure = Figure::told("datacenter", "ratio", 1.300_04, "").at_most(1.300_04, 1.3);
        assert_eq!((figure.value, figure.met), (1.3, Some(false)));
        assert_eq!(Figure::told("datacenter", "ratio", 0.0, "").at_most(0.0, 0.0).met, Some(true));
    }

    #[test]
    fn four_digits_are_shown() {
        assert_eq!(rounded(12_345_678.0), 12_350_000.0);
        assert_eq!(rounded(0.001_234_56), 0.001_235);
        assert_eq!(rounded(-1.234_56), -1.235);
    }
}
