//! Long Lists, such as `kubectl get -A -o yaml` prints: their items are cut out one by one, so that none but the one being read is held.
//!
//! YAML is cut by indentation, which is what printers keep to. An anchor in one item is not known in another then.

use std::sync::Arc;

use super::{Envelope, Part};

/// A List that is being taken apart.
pub(super) struct Long {
    /// Its text up to its items.
    head: Vec<u8>,
    start: (usize, usize),
    list: Arc<Envelope>,
    place: usize,
    state: State,
    /// Indentation of the dashes, once one was seen.
    indent: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before, between or after items.
    Between,
    /// In an item.
    Within,
    /// After the items.
    Tail,
}

/// What a line of a YAML List is.
pub(super) enum Turn {
    /// More of the same.
    Same,
    /// It begins an item.
    Item,
    /// It follows the items.
    Tail,
    /// It belongs to nothing.
    Drop,
}

impl Long {
    /// A YAML document that is a List, and where its items begin.
    pub(super) fn yaml(text: &[u8], start: (usize, usize)) -> Option<(Self, usize)> {
        let mut at = 0;
        let mut lines = text.split_inclusive(|byte| *byte == b'\n');
        let key = lines.by_ref().find_map(|line| {
            let start = at;
            at += line.len();
            let after = line.strip_prefix(b"items:")?.trim_ascii();
            (after.is_empty() || after.starts_with(b"#")).then_some(start)
        })?;
        let first = lines.find(|line| !blank(line))?;
        item_indent(first)?;
        let head = text.get(..key)?;
        let value = serde_yaml::from_slice(head).ok()?;
        let mut head = head.to_vec();
        head.extend_from_slice(b"items: []\n");
        Some((Self::new(head, start, &value), at))
    }

    /// A JSON document whose text up to the bracket of its items is `head`.
    pub(super) fn json(head: &[u8], start: (usize, usize)) -> Self {
        let closed: Vec<u8> = [head, b"]}"].concat();
        let value = serde_json::from_slice(&closed).unwrap_or_default();
        Self::new(head.to_vec(), start, &value)
    }

    fn new(head: Vec<u8>, start: (usize, usize), value: &serde_json::Value) -> Self {
        let text = |field: &str| value.get(field).and_then(|value| value.as_str()).map(str::to_owned);
        let list = Arc::new(Envelope { api_version: text("apiVersion"), kind: text("kind") });
        Self { head, start, list, place: 0, state: State::Between, indent: None }
    }

    pub(super) fn between(&self) -> bool {
        self.state == State::Between
    }

    pub(super) fn within(&self) -> bool {
        self.state == State::Within
    }

    /// An item begins.
    pub(super) fn enter(&mut self) {
        self.state = State::Within;
    }

    /// The items end; gives what stands before them, and where that begins.
    pub(super) fn leave(&mut self) -> (Vec<u8>, (usize, usize)) {
        self.state = State::Tail;
        (std::mem::take(&mut self.head), self.start)
    }

    /// What the item is that was read, if one was.
    pub(super) fn part(&mut self) -> Option<Part> {
        if self.state != State::Within {
            return None;
        }
        self.state = State::Between;
        self.place += 1;
        Some(Part::Item { place: self.place - 1, list: Arc::clone(&self.list) })
    }

    /// What a line of a YAML List is; `fresh` is false for what continues a very long one.
    pub(super) fn turn(&mut self, line: &[u8], fresh: bool) -> Turn {
        if self.state == State::Tail {
            return Turn::Same;
        }
        if !fresh || blank(line) {
            return if self.state == State::Within { Turn::Same } else { Turn::Drop };
        }
        let dash = item_indent(line);
        if dash.is_some() && (self.indent.is_none() || self.indent == dash) {
            self.indent = dash;
            return Turn::Item;
        }
        let indent = line.len() - line.trim_ascii_start().len();
        if self.state == State::Within && self.indent.is_some_and(|dash| indent > dash) {
            return Turn::Same;
        }
        Turn::Tail
    }
}

/// Whether a line is empty or a comment.
fn blank(line: &[u8]) -> bool {
    matches!(line.trim_ascii_start().first(), None | Some(b'#'))
}

/// Where the dash of an item stands.
fn item_indent(line: &[u8]) -> Option<usize> {
    let indent = line.iter().take_while(|byte| **byte == b' ').count();
    let after = line.get(indent..)?.strip_prefix(b"-")?;
    matches!(after.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n')).then_some(indent)
}
