//! The query client: the one module through which Banyan asks a server that speaks the Prometheus HTTP API
//! (Prometheus, Thanos, Mimir, `VictoriaMetrics`).
//!
//! Only `/api/v1/query` is used, which every one of them has: a range selector evaluated there answers the raw samples,
//! where `query_range` would give values at steps. Samples are not worked on here; energy is the domain's own
//! arithmetic.
//!
//! - [`Clients`] keeps one [`Client`] per [`Settings`], under one limit of requests at a time.
//! - [`fetch_meter`] and [`fetch_value`] ask for one series, [`Client::instant`] for any number of them.
//! - [`Client::runtime`] asks the server about itself: what it keeps, and what time it has.
//! - [`QueryError::category`] is the reason of a condition and the label of a metric.

mod answer;
mod client;
mod clients;
mod error;
mod health;
mod meter;
mod query;
mod runtime;
mod selector;
mod settings;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod faults;

pub use answer::{Answer, Labels, Series};
pub use client::{Asked, Client, Hook};
pub use clients::Clients;
pub use error::QueryError;
pub use meter::{fetch_meter, fetch_value};
pub use query::Request;
pub use runtime::{Retention, Runtime};
pub use settings::{Auth, Secret, Settings};
