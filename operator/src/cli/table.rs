//! Plain text tables for terminals.

pub use crate::report::plain::{pad, render};
