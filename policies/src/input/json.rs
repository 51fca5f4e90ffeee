//! JSON to values in one pass of `serde_json`, with what it leaves to its users: keys given twice, depth, and how many values there are.

use std::{cell::RefCell, fmt};

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value, map::Entry};

use super::{Document, Fault, Limits, Reason, Syntax, locate::Step};

/// Reads the one value of a JSON document.
pub(super) fn read(document: &Document, limits: &Limits) -> Result<Value, Fault> {
    let state = State { limits, inner: RefCell::default() };
    let mut deserializer = serde_json::Deserializer::from_str(&document.text);
    let read = (Seed { state: &state, depth: 0 }).deserialize(&mut deserializer);
    read.and_then(|value| deserializer.end().map(|()| value)).map_err(|error| {
        let inner = state.inner.into_inner();
        let reason = match inner.reason {
            Some(Reason::Duplicate { .. }) => {
                let mut path = String::new();
                inner.path.iter().rev().for_each(|step| step.append(&mut path));
                Reason::Duplicate { before: super::locate(document, &path), path }
            }
            Some(reason) => reason,
            None => {
                let said = error.to_string();
                let at = format!(" at line {} column {}", error.line(), error.column());
                let message = said.strip_suffix(&at).unwrap_or(&said).to_owned();
                Reason::Syntax { syntax: Syntax::Json, message }
            }
        };
        document.fault(error.line(), error.column().saturating_sub(1), reason)
    })
}

struct State<'l> {
    limits: &'l Limits,
    inner: RefCell<Inner>,
}

#[derive(Default)]
struct Inner {
    nodes: usize,
    reason: Option<Reason>,
    /// Steps to what is wrong, the last first.
    path: Vec<Step<'static>>,
}

impl State<'_> {
    fn stop<E: de::Error>(&self, reason: Reason) -> E {
        self.inner.borrow_mut().reason = Some(reason);
        E::custom("")
    }

    fn passed(&self, step: Step<'static>) {
        self.inner.borrow_mut().path.push(step);
    }
}

#[derive(Clone, Copy)]
struct Seed<'s> {
    state: &'s State<'s>,
    depth: usize,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Seed<'_> {
    fn count<E: de::Error>(&self) -> Result<(), E> {
        let mut inner = self.state.inner.borrow_mut();
        inner.nodes += 1;
        if inner.nodes > self.state.limits.values {
            drop(inner);
            return Err(self.state.stop(Reason::TooMany { limit: self.state.limits.values }));
        }
        Ok(())
    }

    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= self.state.limits.depth {
            return Err(self.state.stop(Reason::TooDeep { limit: self.state.limits.depth }));
        }
        self.count()?;
        Ok(Self { depth: self.depth + 1, ..self })
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        self.count()?;
        Ok(Value::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        self.count()?;
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        self.count()?;
        Ok(Value::from(value))
    }

    /// An integer is 64 bits with a sign in Kubernetes, and a float above that.
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        self.count()?;
        Ok(i64::try_from(value).map_or_else(|_| Value::from(value as f64), Value::from))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        self.count()?;
        Ok(Value::from(value))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Value, E> {
        self.count()?;
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E: de::Error>(self, value: String) -> Result<Value, E> {
        self.count()?;
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        loop {
            match seq.next_element_seed(inner) {
                Ok(Some(item)) => items.push(item),
                Ok(None) => return Ok(Value::Array(items)),
                Err(error) => {
                    self.state.passed(Step::Item(items.len()));
                    return Err(error);
                }
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            match map.entry(key) {
                Entry::Vacant(entry) => match access.next_value_seed(inner) {
                    Ok(value) => {
                        entry.insert(value);
                    }
                    Err(error) => {
                        self.state.passed(Step::Field(entry.key().clone().into()));
                        return Err(error);
                    }
                },
                Entry::Occupied(entry) => {
                    self.state.passed(Step::Field(entry.key().clone().into()));
                    return Err(self.state.stop(Reason::Duplicate { path: String::new(), before: None }));
                }
            }
        }
        Ok(Value::Object(map))
    }
}
