//! What is wrong with an input, and where.

use std::sync::Arc;

use super::Syntax;

/// Something that could not be read, with its place. Everything else of the input is read all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {reason}")]
pub struct Fault {
    /// The file, as it was named to the reader.
    pub file: Arc<str>,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What was attempted and why it failed.
    pub reason: Reason,
}

/// Why something could not be read. Texts begin with what was attempted; lengths are bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The file could not be opened, read or unpacked.
    #[error("reading the input: {0}")]
    Io(String),
    /// A byte that no text has. What follows in the file is not read: it is hardly a manifest.
    #[error("reading the input: a NUL byte; this is no text, and the rest of it is left alone")]
    Binary,
    /// A control character, which YAML and JSON forbid.
    #[error("reading a document: the control character U+{0:04X} is not allowed")]
    Control(u8),
    /// Bytes that are no UTF-8.
    #[error("reading a document: the bytes are not UTF-8")]
    NotUtf8,
    /// Bytes that are no UTF-16, although a byte order mark says so. What follows in the file is not read.
    #[error(
        "reading the input: the bytes are not the UTF-16 that their byte order mark announces; the rest is left alone"
    )]
    NotUtf16,
    /// A document above the limit.
    #[error("reading a document: it is longer than {limit} bytes, the most for one document")]
    TooLong {
        /// The limit.
        limit: usize,
    },
    /// The parser's own complaint; a truncated text is one of them.
    #[error("parsing {syntax}: {message}")]
    Syntax {
        /// The language that was tried.
        syntax: Syntax,
        /// What the parser says.
        message: String,
    },
    /// A key that a mapping has already. Kubernetes' clients would let the last win in silence.
    #[error("{path}: is there a second time{}", .before.map(|line| format!(": it stands on line {line} already")).unwrap_or_default())]
    Duplicate {
        /// Path of the key.
        path: String,
        /// Line of the first one, where it could be found.
        before: Option<usize>,
    },
    /// More levels than the limit.
    #[error("parsing a document: it is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// More values than the limit, those counted that aliases repeat.
    #[error("parsing a document: it has more than {limit} values, with those that its aliases repeat")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Aliases repeat more than the limit.
    #[error("parsing a document: its aliases repeat more than {limit} bytes of values")]
    Aliases {
        /// The limit.
        limit: usize,
    },
    /// An alias inside the value that its own anchor names.
    #[error("parsing a document: an alias repeats the value that it is part of")]
    Cycle,
    /// A document marker within a document.
    #[error("parsing YAML: another document begins here; end lines with a line feed so that it can be read")]
    SecondDocument,
    /// A tag that says nothing about plain data.
    #[error("parsing YAML: the tag {0} is unknown to Kubernetes")]
    Tag(String),
    /// A tag that its value contradicts.
    #[error("parsing YAML: {text:?} is no {tag}")]
    Untrue {
        /// The value.
        text: String,
        /// The tag.
        tag: String,
    },
    /// A key that has no form in JSON.
    #[error("parsing YAML: {0} cannot be a key")]
    Key(&'static str),
    /// A plain text within brackets, such as `{a:}` or `[?a]`, that YAML 1.2 and `kubectl` read differently.
    #[error(
        "parsing YAML: kubectl reads {0:?} here otherwise than YAML 1.2; put quotes around it, and a space after a colon"
    )]
    Unclear(String),
    /// `<<` with something else than a mapping or a list of mappings.
    #[error("parsing YAML: << wants a mapping or a list of mappings")]
    Merge,
    /// A number that JSON has no form for.
    #[error("parsing YAML: {0} is a number that JSON cannot hold; put it in quotes if a text is meant")]
    Number(String),
    /// The document, or the item of a list, is no object.
    #[error("reading an object: expected a mapping with apiVersion and kind, found {0}")]
    NotObject(&'static str),
    /// An object lacks what every object has.
    #[error("reading an object: {field} {problem}{}", .of.as_ref().map(|of| format!(", in {of}")).unwrap_or_default())]
    Lacks {
        /// The field: `apiVersion`, `kind`, `metadata` or `metadata.name`.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
        /// Kind and name, as far as they are known.
        of: Option<String>,
    },
    /// A long document with `items` whose kind is no list.
    #[error("reading a list: it has items, but its kind {0:?} does not end in List")]
    NotList(String),
}
