//! Version `v1alpha1`: one file per kind.

mod baseline;
mod baseline_status;
mod datacenter;
mod datacenter_status;
mod meter;
mod parameter;
mod prometheus;
mod selector;
mod waiver;

pub use baseline::*;
pub use baseline_status::*;
pub use datacenter::*;
pub use datacenter_status::*;
pub use meter::*;
pub use parameter::*;
pub use prometheus::*;
pub use waiver::*;
