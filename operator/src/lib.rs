//! Banyan: a Kubernetes operator that keeps a city's computing estate as declared.
//!
//! Rooms: [`kernel`] is the loop, [`index`] what is known of the cluster, [`prometheus`] how meters are asked,
//! [`report`] puts results into files and pages, [`validation`] says what the API server would say of a manifest, and each
//! domain has a room of its own, such as [`datacenter`] and [`baseline`]. Rooms of domains import the others and never each
//! other.

pub mod baseline;
pub mod cli;
pub mod datacenter;
pub mod doctor;
pub mod evidence;
pub mod index;
pub mod kernel;
pub mod lang;
pub mod prometheus;
pub mod report;
pub mod validation;
