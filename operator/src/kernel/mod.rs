//! The loop itself: what a plan is, how it is carried out, and who may carry it out.
//!
//! ```text
//! observe ──► plan ──► apply ──► (the world changes) ──► observe
//!  reads      pure     writes
//! ```
//!
//! Rooms make a [`plan::Plan`]; [`executor::Executor`] is the only place that carries one out, and
//! [`writer::Writer`] the only place that writes to an API server.

pub mod admin;
pub mod clock;
pub mod digest;
pub mod driver;
pub mod events;
pub mod executor;
pub mod ignore_rule;
pub mod lease;
pub mod loan;
pub mod metrics;
pub mod overlay;
pub mod plan;
pub mod remote;
pub mod rivals;
pub mod takeover;
pub mod tally;
pub mod trail;
pub mod writer;
