//! Version `v1alpha1`: one file per kind.

mod datacenter;
mod datacenter_status;
mod meter;
mod prometheus;

pub use datacenter::*;
pub use datacenter_status::*;
pub use meter::*;
pub use prometheus::*;
