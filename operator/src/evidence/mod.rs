//! What of a cluster leaves the house: a redacted snapshot for an audit elsewhere, and an archive of evidence that verifies offline.

pub mod archive;
pub mod redact;
