//! Renderers: they put what they are given into a form, and know nothing of what it says.
//!
//! [`Sheet`] is a table of typed cells in one language; [`csv`] and [`xlsx`] write it as a file, [`plain`] for a terminal. [`page`] fills an
//! HTML template, and [`curve`] is the geometry of a curve in it. [`audit`] has the forms of an audit. [`visible`] is for texts of strangers.

pub mod audit;
pub mod csv;
pub mod curve;
pub mod page;
pub mod plain;
mod sheet;
pub mod visible;
pub mod xlsx;

pub use sheet::{Cell, Column, Sheet, Shown, width};
