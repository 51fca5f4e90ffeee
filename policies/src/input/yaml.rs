//! YAML to JSON values in one pass over the parser's events: keys given twice, depth, the cost of aliases and the place of what is wrong are
//! seen on the way.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use granit_parser::{Event, Marker, Options, Parser, ScalarStyle, StructureStyle, Tag};
use serde_json::{Map, Value, map::Entry};

use super::{
    Document, Fault, Limits, Reason, Syntax,
    locate::Step,
    scalar::{self, Scalar},
};

/// Bytes that a value costs beside its text, for the limit on copies.
const COST: usize = 64;

/// Reads the one value of a YAML document; `null` when it has none.
pub(super) fn read(document: &Document, limits: &Limits) -> Result<Value, Fault> {
    let text = document.text.strip_prefix('\u{feff}').unwrap_or(&document.text);
    let mut builder = Builder {
        begun: false,
        text,
        limits,
        stack: Vec::new(),
        anchors: HashMap::new(),
        nodes: 0,
        copied: 0,
        root: None,
    };
    for event in events(text) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            let message = error.info();
            document.fault(marker.line(), marker.col(), Reason::Syntax { syntax: Syntax::Yaml, message })
        })?;
        let tag = span.tag_start();
        builder.take(event, span.start, span.end).map_err(|wrong| {
            let Wrong { at, reason } = wrong;
            let at = if matches!(reason, Reason::Tag(_)) { tag.unwrap_or(at) } else { at };
            let reason = match reason {
                Reason::Duplicate { path, .. } => {
                    Reason::Duplicate { before: super::locate(document, &path), path }
                }
                reason => reason,
            };
            document.fault(at.line(), at.col(), reason)
        })?;
    }
    Ok(builder.root.unwrap_or_default())
}

/// The events of a text. The parser takes what libyaml takes, such as closing brackets without indentation.
pub(super) fn events(text: &str) -> Parser<'_, granit_parser::StrInput<'_>> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    Parser::new_from_str_with_options(text, options)
}

/// What is wrong at a place of the text.
struct Wrong {
    at: Marker,
    reason: Reason,
}

struct Builder<'l> {
    /// Whether a document has begun.
    begun: bool,
    text: &'l str,
    limits: &'l Limits,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Anchored>,
    /// Values so far, and bytes copied for anchors and aliases.
    nodes: usize,
    copied: usize,
    root: Option<Value>,
}

/// A value that can be repeated.
struct Anchored {
    value: Value,
    weight: Weight,
    /// What the value is as a key.
    scalar: Option<Scalar>,
}

/// Size of a value with everything in it.
#[derive(Clone, Copy, Default)]
struct Weight {
    nodes: usize,
    bytes: usize,
}

impl Weight {
    fn add(&mut self, other: Self) {
        self.nodes += other.nodes;
        self.bytes += other.bytes;
    }
}

/// A collection that is being read.
struct Frame {
    collection: Collection,
    /// Whether it is written with brackets.
    flow: bool,
    anchor: usize,
    start: Marker,
    weight: Weight,
}

enum Collection {
    List(Vec<Value>),
    Mapping {
        map: Map<String, Value>,
        key: Option<Key>,
        /// Keys that came from `<<`: they may be given again.
        merged: Option<BTreeSet<String>>,
    },
}

enum Key {
    Name(String, Marker),
    Merge(Marker),
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, at: Marker, end: Marker) -> Result<(), Wrong> {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let plain = style == ScalarStyle::Plain;
                if plain
                    && text == "<<"
                    && tag.as_ref().is_none_or(|tag| is_merge(tag))
                    && let Some(key) = self.key_wanted()
                {
                    *key = Some(Key::Merge(at));
                    return Ok(());
                }
                let scalar = match &tag {
                    Some(tag) => tagged(tag, &text).map_err(|reason| Wrong { at, reason })?,
                    None if plain => scalar::resolve(&text),
                    None => Scalar::Text,
                };
                let weight = Weight { nodes: 1, bytes: COST + text.len() };
                self.count(1, at)?;
                if plain && self.stack.last().is_some_and(|frame| frame.flow) && self.unclear(&text, end) {
                    return Err(Wrong { at, reason: Reason::Unclear(text.into_owned()) });
                }
                if let Some(key) = self.key_wanted() {
                    let name = match scalar {
                        Scalar::Text => text.into_owned(),
                        other => scalar::key(other, &*text)
                            .map_err(|what| Wrong { at, reason: Reason::Key(what) })?,
                    };
                    let again = (anchor != 0).then(|| name.clone());
                    *key = Some(Key::Name(name, at));
                    if let Some(name) = again {
                        let value = value(scalar, name, at)?;
                        self.keep(anchor, value, weight, Some(scalar), at)?;
                    }
                    if let Some(frame) = self.stack.last_mut() {
                        frame.weight.bytes += weight.bytes;
                    }
                    return Ok(());
                }
                let value = value(scalar, text, at)?;
                if anchor != 0 {
                    self.keep(anchor, value.clone(), weight, Some(scalar), at)?;
                }
                self.put(value, weight, at)
            }
            Event::MappingStart(style, anchor, tag) => {
                self.open(anchor, tag.as_deref(), "map", at)?;
                let collection = Collection::Mapping { map: Map::new(), key: None, merged: None };
                self.stack.push(Frame {
                    collection,
                    flow: style == StructureStyle::Flow,
                    anchor,
                    start: at,
                    weight: Weight { nodes: 1, bytes: COST },
                });
                Ok(())
            }
            Event::SequenceStart(style, anchor, tag) => {
                self.open(anchor, tag.as_deref(), "seq", at)?;
                let collection = Collection::List(Vec::new());
                self.stack.push(Frame {
                    collection,
                    flow: style == StructureStyle::Flow,
                    anchor,
                    start: at,
                    weight: Weight { nodes: 1, bytes: COST },
                });
                Ok(())
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(frame) = self.stack.pop() else { return Ok(()) };
                let value = match frame.collection {
                    Collection::List(items) => Value::Array(items),
                    Collection::Mapping { map, .. } => Value::Object(map),
                };
                if frame.anchor != 0 {
                    self.keep(frame.anchor, value.clone(), frame.weight, None, frame.start)?;
                }
                self.put(value, frame.weight, frame.start)
            }
            Event::Alias(anchor) => self.alias(anchor, at),
            // Documents were cut at line feeds; a lone carriage return, which is a line end to YAML too, hides a marker.
            Event::DocumentStart(..) if std::mem::replace(&mut self.begun, true) => {
                Err(Wrong { at, reason: Reason::SecondDocument })
            }
            _ => Ok(()),
        }
    }

    /// Where the next value goes if it is a key.
    fn key_wanted(&mut self) -> Option<&mut Option<Key>> {
        match self.stack.last_mut() {
            Some(Frame { collection: Collection::Mapping { key: key @ None, .. }, .. }) => Some(key),
            _ => None,
        }
    }

    /// Whether libyaml, and so `kubectl`, reads a plain text within brackets otherwise: a colon that touches a bracket or a comma, as in
    /// `{a:}`, belongs to the text there, and a question mark before the text, as in `[?a]`, does not.
    fn unclear(&mut self, text: &str, end: Marker) -> bool {
        let after = end.byte_offset().and_then(|at| self.text.as_bytes().get(at..));
        let touches = matches!(after, Some([b':', b',' | b'[' | b']' | b'{' | b'}', ..]));
        text.starts_with('?') || (touches && self.key_wanted().is_some())
    }

    /// A collection begins.
    fn open(&mut self, anchor: usize, tag: Option<&Tag>, own: &str, at: Marker) -> Result<(), Wrong> {
        self.count(1, at)?;
        if anchor != 0 {
            // A name that is used again means the new value from here on, which is not whole yet.
            self.anchors.remove(&anchor);
        }
        if let Some(tag) = tag
            && core(tag).is_none_or(|name| name != own)
            && !is_plain(tag)
        {
            return Err(Wrong { at, reason: Reason::Tag(written(tag)) });
        }
        if self.stack.len() >= self.limits.depth {
            return Err(Wrong { at, reason: Reason::TooDeep { limit: self.limits.depth } });
        }
        if self.key_wanted().is_some() {
            let what = if own == "map" { "a mapping" } else { "a list" };
            return Err(Wrong { at, reason: Reason::Key(what) });
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, at: Marker) -> Result<(), Wrong> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > self.limits.values {
            return Err(Wrong { at, reason: Reason::TooMany { limit: self.limits.values } });
        }
        Ok(())
    }

    fn copy(&mut self, weight: Weight, at: Marker) -> Result<(), Wrong> {
        self.copied = self.copied.saturating_add(weight.bytes);
        if self.copied > self.limits.copied {
            return Err(Wrong { at, reason: Reason::Aliases { limit: self.limits.copied } });
        }
        Ok(())
    }

    /// Remembers a value that has an anchor.
    fn keep(
        &mut self,
        anchor: usize,
        value: Value,
        weight: Weight,
        scalar: Option<Scalar>,
        at: Marker,
    ) -> Result<(), Wrong> {
        self.copy(weight, at)?;
        self.anchors.insert(anchor, Anchored { value, weight, scalar });
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: Marker) -> Result<(), Wrong> {
        // The parser knows the names: one without a value is the value it stands in.
        let Some(known) = self.anchors.get(&anchor) else { return Err(Wrong { at, reason: Reason::Cycle }) };
        let (weight, scalar) = (known.weight, known.scalar);
        self.count(weight.nodes, at)?;
        self.copy(weight, at)?;
        let Some(value) = self.anchors.get(&anchor).map(|known| known.value.clone()) else { return Ok(()) };
        let depth = self.stack.len() + depth(&value);
        if depth > self.limits.depth {
            return Err(Wrong { at, reason: Reason::TooDeep { limit: self.limits.depth } });
        }
        if let Some(key) = self.key_wanted() {
            let text = value.as_str().unwrap_or_default();
            let Some(scalar) = scalar else {
                return Err(Wrong { at, reason: Reason::Key("a mapping or a list") });
            };
            let name = scalar::key(scalar, text).map_err(|what| Wrong { at, reason: Reason::Key(what) })?;
            *key = Some(Key::Name(name, at));
            return Ok(());
        }
        self.put(value, weight, at)
    }

    /// A value is whole and goes where it belongs.
    fn put(&mut self, value: Value, weight: Weight, at: Marker) -> Result<(), Wrong> {
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        frame.weight.add(weight);
        match &mut frame.collection {
            Collection::List(items) => items.push(value),
            Collection::Mapping { map, key, merged } => match key.take() {
                Some(Key::Name(name, place)) => match map.entry(name) {
                    Entry::Vacant(entry) => {
                        entry.insert(value);
                    }
                    Entry::Occupied(mut entry) => {
                        let again = merged.as_mut().is_some_and(|merged| merged.remove(entry.key()));
                        if !again {
                            let name = entry.key().clone();
                            let path = self.path(&name);
                            return Err(Wrong {
                                at: place,
                                reason: Reason::Duplicate { path, before: None },
                            });
                        }
                        entry.insert(value);
                    }
                },
                Some(Key::Merge(place)) => merge(map, merged, value, place)?,
                // The events of a mapping come in pairs.
                None => return Err(Wrong { at, reason: Reason::Key("nothing") }),
            },
        }
        Ok(())
    }

    /// Path of a key of the innermost mapping.
    fn path(&self, name: &str) -> String {
        let outer = self.stack.iter().take(self.stack.len().saturating_sub(1));
        let mut path = String::new();
        for frame in outer {
            match &frame.collection {
                Collection::List(items) => Step::Item(items.len()).append(&mut path),
                Collection::Mapping { key: Some(Key::Name(name, _)), .. } => {
                    Step::Field(name.as_str().into()).append(&mut path);
                }
                Collection::Mapping { .. } => Step::Field("<<".into()).append(&mut path),
            }
        }
        Step::Field(name.into()).append(&mut path);
        path
    }
}

/// `<<`, as goyaml.v2 has it: what is merged wins over what stands before it, and of several mappings the first.
fn merge(
    map: &mut Map<String, Value>,
    merged: &mut Option<BTreeSet<String>>,
    value: Value,
    at: Marker,
) -> Result<(), Wrong> {
    let wrong = || Wrong { at, reason: Reason::Merge };
    let parts = match value {
        Value::Object(part) => vec![part],
        Value::Array(items) => {
            let parts = items.into_iter().rev().map(|item| match item {
                Value::Object(part) => Ok(part),
                _ => Err(wrong()),
            });
            parts.collect::<Result<_, _>>()?
        }
        _ => return Err(wrong()),
    };
    let merged = merged.get_or_insert_default();
    for (key, value) in parts.into_iter().flatten() {
        merged.insert(key.clone());
        map.insert(key, value);
    }
    Ok(())
}

fn value(scalar: Scalar, text: impl Into<String> + AsRef<str>, at: Marker) -> Result<Value, Wrong> {
    if let Scalar::Float(number) = scalar
        && !number.is_finite()
    {
        return Err(Wrong { at, reason: Reason::Number(text.as_ref().to_owned()) });
    }
    Ok(scalar::value(scalar, text).unwrap_or_default())
}

/// Levels of a value that is known not to be deep.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// A scalar with a tag.
fn tagged(tag: &Tag, text: &str) -> Result<Scalar, Reason> {
    if is_plain(tag) {
        return Ok(Scalar::Text);
    }
    let Some(name) = core(tag) else { return Err(Reason::Tag(written(tag))) };
    let scalar = scalar::resolve(text);
    let fits = match &*name {
        // A date stays a text, as without the tag.
        "str" | "timestamp" => return Ok(Scalar::Text),
        "null" => scalar == Scalar::Null,
        "bool" => matches!(scalar, Scalar::Bool(_)),
        "int" => matches!(scalar, Scalar::Int(_) | Scalar::Big(_)),
        "float" => matches!(scalar, Scalar::Int(_) | Scalar::Big(_) | Scalar::Float(_)),
        _ => return Err(Reason::Tag(written(tag))),
    };
    if fits {
        Ok(scalar)
    } else {
        Err(Reason::Untrue { text: text.chars().take(40).collect(), tag: written(tag) })
    }
}

/// What follows `!!`, for the tags that YAML itself defines.
fn core(tag: &Tag) -> Option<Cow<'_, str>> {
    tag.suffix_in_namespace("tag:yaml.org,2002:")
}

fn is_merge(tag: &Tag) -> bool {
    core(tag).is_some_and(|name| name == "merge")
}

/// A lone `!`: a text, a list or a mapping whatever it looks like.
fn is_plain(tag: &Tag) -> bool {
    matches!(tag.parts(), ("!", "") | ("", "!"))
}

fn written(tag: &Tag) -> String {
    core(tag).map_or_else(|| tag.original(), |name| format!("!!{name}"))
}
