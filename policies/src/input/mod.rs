//! Manifests from bytes to plain JSON objects: streamed, bounded, with a file and a line for everything that is wrong.
//!
//! Three steps, so that the second can run on any number of threads:
//!
//! 1. [`Reader`] cuts a stream into [`Document`]s without parsing them and never holds more than one of them and a buffer;
//! 2. [`parse`] makes the objects of a document, as `kubectl` reads them: YAML 1.1 words such as `yes` are booleans, keys become strings,
//!    Lists are taken apart. [`values`] is the same for whoever has checks of their own;
//! 3. [`locate`] finds the line of a path, for the few that are asked for.
//!
//! Where Kubernetes' clients read something without complaint that can hardly be meant (a key given twice, an unknown tag), reading fails
//! here: a verdict about an object that its author did not write would be worse than none.

mod cut;
mod decode;
mod fault;
mod json;
mod locate;
mod long;
mod parse;
mod scalar;
#[cfg(test)]
mod tests;
mod yaml;

use std::{fmt, sync::Arc};

pub use cut::Reader;
pub use fault::{Fault, Reason};
pub use locate::locate;
pub use parse::{Object, Parsed, line, parse, values};

/// What one input may cost. The defaults are far above what an API server would take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one document, or of one item of a long List.
    pub document: usize,
    /// Bytes from which on the items of a List are cut out one by one instead of being read as one document.
    pub list: usize,
    /// Levels of mappings and lists.
    pub depth: usize,
    /// Values in a document, those that aliases repeat included.
    pub values: usize,
    /// Bytes that anchors and aliases may copy in a document.
    pub copied: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { document: 16 << 20, list: 1 << 20, depth: 100, values: 1_000_000, copied: 8 << 20 }
    }
}

/// The language of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syntax {
    /// YAML.
    Yaml,
    /// JSON, as far as its first bytes and its brackets tell.
    Json,
}

impl fmt::Display for Syntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
        })
    }
}

/// Line feeds in some bytes.
fn line_ends(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

/// One document of a stream, cut out and not yet parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The file, as it was named to the reader.
    pub file: Arc<str>,
    /// Place of the document in its stream, counted from 0, empty ones left out. Items of a long List share their List's.
    pub index: usize,
    /// Line of the file where `text` begins, counted from 1.
    pub line: usize,
    /// Characters before `text` on that line.
    pub column: usize,
    /// Its language.
    pub syntax: Syntax,
    /// Its text, without document markers and comments before it.
    pub text: String,
    part: Part,
}

/// What of a document a text is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// All of it.
    Whole,
    /// One item of a long List.
    Item {
        /// Place among the items.
        place: usize,
        /// The List's own fields before its items.
        list: Arc<Envelope>,
    },
    /// A long List without its items.
    Envelope,
}

/// What a List says of the kind of its items: those that an API server answers with do not say it themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Envelope {
    api_version: Option<String>,
    kind: Option<String>,
}

impl Document {
    /// A fault at a place of `text`: line counted from 1, column from 0.
    fn fault(&self, line: usize, column: usize, reason: Reason) -> Fault {
        // The text of a List without its items is put together: only where it begins is known.
        let (line, column) = if self.part == Part::Envelope { (1, 0) } else { (line, column) };
        let column = if line <= 1 { self.column + column } else { column };
        Fault {
            file: Arc::clone(&self.file),
            line: self.line + line.saturating_sub(1),
            column: column + 1,
            reason,
        }
    }
}
