//! What of a cluster leaves the house: a redacted snapshot for an audit elsewhere, and an archive of evidence that verifies offline.

pub mod about;
pub mod archive;
pub mod pack;
pub mod redact;
pub mod snapshot;
pub mod verify;
