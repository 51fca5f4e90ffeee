//! The line of a path, looked up when somebody asks: findings are rare, and places of every value would cost more than the values.

use std::{borrow::Cow, fmt};

use granit_parser::{Event, ScalarStyle};
use serde::{
    Deserializer as _,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{Document, Part, Syntax, line_ends, scalar, yaml};

/// Line of the file for a path such as `spec.containers[1].securityContext`, `metadata.labels['a.b/c']` or `/spec/containers/1`, or for as
/// much of it as the document has; for the empty path the first line of the document. `None` when not even that can be parsed.
///
/// A path into a List begins with `items[3]`, also when its items were cut out one by one.
pub fn locate(document: &Document, path: &str) -> Option<usize> {
    let mut steps = steps(path);
    match &document.part {
        Part::Whole => {}
        Part::Envelope => return Some(document.line),
        Part::Item { place, .. } => {
            let own = matches!(steps.as_slice(), [Step::Field(items), at, ..]
                if items == "items" && at.is_item(*place));
            let rest = if own { steps.split_off(2) } else { Vec::new() };
            // In YAML the text of an item begins with its dash: a list of one.
            steps = match document.syntax {
                Syntax::Yaml => std::iter::once(Step::Item(0)).chain(rest).collect(),
                Syntax::Json => rest,
            };
        }
    }
    let line = match document.syntax {
        Syntax::Json => in_json(&document.text, &steps).or_else(|| in_yaml(&document.text, &steps)),
        Syntax::Yaml => in_yaml(&document.text, &steps),
    };
    line.map(|line| document.line + line.saturating_sub(1))
}

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step<'p> {
    /// A member.
    Field(Cow<'p, str>),
    /// An item.
    Item(usize),
}

impl Step<'_> {
    /// A step of a JSON pointer, which does not tell items from members.
    pub(super) fn of_pointer(text: &str) -> Self {
        Self::Field(Cow::Owned(text.replace("~1", "/").replace("~0", "~")))
    }

    /// Appends the step to a path.
    pub(super) fn append(&self, path: &mut String) {
        use fmt::Write as _;
        let written = match self {
            Self::Item(place) => write!(path, "[{place}]"),
            Self::Field(name) if name.is_empty() || name.contains(['.', '[', ']', '/', '\'']) => {
                write!(path, "['{name}']")
            }
            Self::Field(name) if path.is_empty() => path.write_str(name),
            Self::Field(name) => write!(path, ".{name}"),
        };
        // Writing into a string does not fail.
        written.unwrap_or_default();
    }

    /// Whether it leads to an item: a pointer does not tell items from members.
    fn is_item(&self, place: usize) -> bool {
        match self {
            Self::Item(at) => *at == place,
            Self::Field(name) => name.parse() == Ok(place),
        }
    }

    fn is_field(&self, key: &str) -> bool {
        match self {
            Self::Field(name) => name == key,
            Self::Item(at) => key.parse() == Ok(*at),
        }
    }
}

/// The steps of a path. What cannot be read as a step ends it: the nearest place that is known is asked for anyway.
fn steps(path: &str) -> Vec<Step<'_>> {
    if let Some(pointer) = path.strip_prefix('/') {
        return pointer.split('/').map(Step::of_pointer).collect();
    }
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let quote = after.chars().next().filter(|quote| matches!(quote, '\'' | '"'));
            let Some((inside, after)) = (match quote {
                Some('\'') => after.get(1..).and_then(|inside| inside.split_once("']")),
                Some(_) => after.get(1..).and_then(|inside| inside.split_once("\"]")),
                None => after.split_once(']'),
            }) else {
                break;
            };
            match (quote, inside.parse()) {
                (None, Ok(place)) => steps.push(Step::Item(place)),
                (None, Err(_)) => break,
                (Some(_), _) => steps.push(Step::Field(inside.into())),
            }
            rest = after;
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let (name, after) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
            if name.is_empty() && after.starts_with('.') {
                break;
            }
            if !name.is_empty() {
                steps.push(Step::Field(name.into()));
            }
            rest = after;
        }
    }
    steps
}

/// A collection around the current event.
struct Level {
    /// In a mapping: whether a key comes next. `None` in a list.
    key: Option<bool>,
    /// In a list: the next item.
    next: usize,
    /// Whether the path leads through it.
    on: bool,
    /// In a mapping: whether the path goes on at the key that was read.
    here: bool,
}

fn in_yaml(text: &str, steps: &[Step<'_>]) -> Option<usize> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut best = None;
    let mut levels: Vec<Level> = Vec::new();
    for event in yaml::events(text) {
        let Ok((event, span)) = event else { break };
        let line = span.start.line();
        let scalar = match &event {
            Event::Scalar(text, style, ..) => Some((text, *style == ScalarStyle::Plain)),
            Event::MappingEnd | Event::SequenceEnd => {
                if levels.pop().is_none_or(|level| level.on) {
                    break;
                }
                continue;
            }
            Event::Alias(_) | Event::MappingStart(..) | Event::SequenceStart(..) => None,
            _ => continue,
        };
        // The level's depth is the number of steps that led to it.
        let step = steps.get(levels.len().saturating_sub(1));
        let on = match levels.last_mut() {
            None => {
                best = Some(line);
                true
            }
            Some(Level { key: Some(key @ true), on, here, .. }) => {
                *key = false;
                *here = *on
                    && scalar.zip(step).is_some_and(|((text, plain), step)| {
                        let read = || scalar::key(scalar::resolve(text), text.as_ref());
                        step.is_field(text) || (plain && read().is_ok_and(|name| step.is_field(&name)))
                    });
                if *here {
                    best = Some(line);
                    if steps.len() == levels.len() {
                        break;
                    }
                }
                false
            }
            Some(Level { key: Some(key), here, .. }) => {
                *key = true;
                *here
            }
            Some(level) => {
                level.next += 1;
                let on = level.on && step.is_some_and(|step| step.is_item(level.next - 1));
                if on {
                    best = Some(line);
                }
                on
            }
        };
        if on && (levels.len() >= steps.len() || !opens(&event)) {
            break;
        }
        match event {
            Event::MappingStart(..) => levels.push(Level { key: Some(true), next: 0, on, here: false }),
            Event::SequenceStart(..) => levels.push(Level { key: None, next: 0, on, here: false }),
            _ => {}
        }
    }
    best
}

fn opens(event: &Event<'_>) -> bool {
    matches!(event, Event::MappingStart(..) | Event::SequenceStart(..))
}

fn in_json(text: &str, steps: &[Step<'_>]) -> Option<usize> {
    let mut inner: &str = serde_json::from_str::<&RawValue>(text).ok()?.get();
    let base = text.as_ptr().addr();
    for step in steps {
        let mut found = None;
        // An error only means that the value ends before the step is found.
        let _ = serde_json::Deserializer::from_str(inner).deserialize_any(Find { step, found: &mut found });
        match found {
            Some(value) => inner = value,
            None => break,
        }
    }
    let before = text.get(..inner.as_ptr().addr().checked_sub(base)?)?;
    Some(1 + line_ends(before.as_bytes()))
}

/// Looks for the value of a step and lets the rest be.
struct Find<'s, 'v> {
    step: &'s Step<'s>,
    found: &'s mut Option<&'v str>,
}

impl<'v> Visitor<'v> for Find<'_, 'v> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a collection")
    }

    fn visit_map<A: MapAccess<'v>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'v, str>>()? {
            if self.step.is_field(&key) {
                *self.found = Some(map.next_value::<&'v RawValue>()?.get());
                return Ok(());
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'v>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut place = 0;
        while !self.step.is_item(place) {
            if seq.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
            place += 1;
        }
        if let Some(value) = seq.next_element::<&'v RawValue>()? {
            *self.found = Some(value.get());
        }
        Ok(())
    }
}
