//! Security baselines: MLPS 2.0 and other standards, judged by packs of controls.
//!
//! ```text
//! estate ── objects ──► scene (engine::Live) ──► audit ──► status, ledger, figures
//!                           │                      └─────► admission: policies and bindings
//!                           └── changed verdicts ────────► publish ──► reports
//! ```
//!
//! [`watch`] and [`reports`] read, the executor and [`reports`] write; what is decided in between is pure.

pub mod admission;
pub mod farewell;
pub mod figures;
pub mod ledger;
pub mod made;
pub mod packs;
pub mod publish;
pub mod reports;
pub mod room;
pub mod scene;
pub mod scope;
pub mod spec;
pub mod status;
pub mod told;
pub mod waivers;
pub mod watch;

#[cfg(test)]
mod sample;

pub use room::{CONCURRENCY, Room};
