//! The slim in-memory index of the cluster, fed by watches.
//!
//! Objects are projected into small structs as they arrive and then dropped; nothing keeps a typed object. Each index
//! announces itself to the admin server's readiness and is filled once its first list is through.

pub mod batch;
pub mod estate;
pub mod feed;
pub mod kueue;
pub mod nodes;
pub mod owned;
pub mod patience;
pub mod resources;
pub mod selector;
pub mod union;
pub mod whole;
