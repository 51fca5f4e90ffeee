//! A value while an expression is evaluated: borrowed from the object wherever that is possible.

use std::{borrow::Cow, cmp::Ordering, collections::BTreeMap, rc::Rc};

use jiff::{SignedDuration, Timestamp};
use kube_cel::cel;
use serde_json::Value as Json;

/// One CEL value. Cloning copies no object and no list, only a pointer.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed integer; JSON integers are these.
    Int(i64),
    /// An unsigned integer, from literals such as `1u` and numbers beyond [`i64::MAX`].
    Uint(u64),
    /// A double.
    Double(f64),
    /// A string of the object or of the expression.
    Str(&'a str),
    /// A string that was computed.
    Text(Rc<str>),
    /// Bytes.
    Bytes(Rc<[u8]>),
    /// An array or an object of the JSON, as it lies there. Members that are `null` count as absent, as they do once the API server has
    /// decoded them.
    Json(&'a Json),
    /// A list that was computed.
    List(Rc<[Value<'a>]>),
    /// A map that was computed; keys are strings.
    Map(Rc<BTreeMap<String, Value<'a>>>),
    /// An instant.
    Time(Timestamp),
    /// A duration.
    Span(SignedDuration),
    /// A value of a type that only kube-cel knows: a quantity, an address, a URL, a version.
    Foreign(Rc<cel::Value>),
}

/// What a computed list and a JSON array have in common.
pub(super) enum Items<'v, 'a> {
    Json(std::slice::Iter<'a, Json>),
    List(std::slice::Iter<'v, Value<'a>>),
    Keys(serde_json::map::Keys<'a>),
    MapKeys(std::collections::btree_map::Keys<'v, String, Value<'a>>),
}

impl<'a> Iterator for Items<'_, 'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        match self {
            Self::Json(items) => items.next().map(Value::from_json),
            Self::List(items) => items.next().cloned(),
            Self::Keys(keys) => keys.next().map(|key| Value::Str(key)),
            Self::MapKeys(keys) => keys.next().map(|key| Value::Text(Rc::from(key.as_str()))),
        }
    }
}

impl<'a> Value<'a> {
    /// The value of a piece of JSON; arrays and objects stay where they are.
    pub fn from_json(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => number
                .as_i64()
                .map(Self::Int)
                .or_else(|| number.as_u64().map(Self::Uint))
                .unwrap_or_else(|| Self::Double(number.as_f64().unwrap_or(f64::NAN))),
            Json::String(text) => Self::Str(text),
            Json::Array(_) | Json::Object(_) => Self::Json(json),
        }
    }

    /// A string that was computed.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(Rc::from(text.as_ref()))
    }

    /// A list that was computed.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Rc::from(items))
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list, or the keys of a map.
    pub(super) fn items(&self) -> Option<Items<'_, 'a>> {
        match self {
            Self::Json(Json::Array(items)) => Some(Items::Json(items.iter())),
            Self::Json(Json::Object(map)) => Some(Items::Keys(map.keys())),
            Self::List(items) => Some(Items::List(items.iter())),
            Self::Map(map) => Some(Items::MapKeys(map.keys())),
            _ => None,
        }
    }

    /// Whether it is a list, computed or not.
    pub(super) fn is_list(&self) -> bool {
        matches!(self, Self::List(_) | Self::Json(Json::Array(_)))
    }

    /// Whether it is a map, computed or not.
    pub(super) fn is_map(&self) -> bool {
        matches!(self, Self::Map(_) | Self::Json(Json::Object(_)))
    }

    /// The member of a map, `None` where there is none or where it is `null`; an error when this is no map.
    pub(super) fn member(&self, key: &str) -> Result<Option<Value<'a>>, ()> {
        match self {
            Self::Json(Json::Object(map)) => {
                Ok(map.get(key).filter(|value| !value.is_null()).map(Value::from_json))
            }
            Self::Map(map) => Ok(map.get(key).cloned()),
            _ => Err(()),
        }
    }

    /// The number of elements of a list, members of a map, or Unicode characters of a string.
    pub(super) fn size(&self) -> Option<usize> {
        match self {
            Self::Json(Json::Array(items)) => Some(items.len()),
            Self::Json(Json::Object(map)) => Some(map.len()),
            Self::List(items) => Some(items.len()),
            Self::Map(map) => Some(map.len()),
            Self::Str(_) | Self::Text(_) => self.as_str().map(|text| text.chars().count()),
            Self::Bytes(bytes) => Some(bytes.len()),
            _ => None,
        }
    }

    /// What the value's type is called, for error messages.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::Str(_) | Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Json(Json::Object(_)) | Self::Map(_) => "map",
            Self::Json(_) | Self::List(_) => "list",
            Self::Time(_) => "timestamp",
            Self::Span(_) => "duration",
            Self::Foreign(_) => "opaque",
        }
    }

    /// The value as JSON, for evidence; times and durations as their text, foreign values as what they print.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(value) => (*value).into(),
            Self::Int(value) => (*value).into(),
            Self::Uint(value) => (*value).into(),
            Self::Double(value) => serde_json::Number::from_f64(*value).map_or(Json::Null, Json::Number),
            Self::Str(text) => (*text).into(),
            Self::Text(text) => text.as_ref().into(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into(),
            Self::Json(json) => (*json).clone(),
            Self::List(items) => items.iter().map(Self::to_json).collect(),
            Self::Map(map) => {
                Json::Object(map.iter().map(|(key, value)| (key.clone(), value.to_json())).collect())
            }
            Self::Time(time) => time.to_string().into(),
            Self::Span(span) => super::time::show_span(*span).into(),
            Self::Foreign(value) => format!("{value:?}").into(),
        }
    }

    fn number(&self) -> Option<Number> {
        match self {
            Self::Int(value) => Some(Number::Whole(i128::from(*value))),
            Self::Uint(value) => Some(Number::Whole(i128::from(*value))),
            Self::Double(value) => Some(Number::Double(*value)),
            _ => None,
        }
    }

    /// Equality as CEL has it: numbers compare by value across their types, unlike types are unequal.
    pub fn equals(&self, other: &Self) -> bool {
        if let (Some(left), Some(right)) = (self.as_str(), other.as_str()) {
            return left == right;
        }
        if let (Some(left), Some(right)) = (self.number(), other.number()) {
            return left.compare(right) == Some(Ordering::Equal);
        }
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(left), Self::Bool(right)) => left == right,
            (Self::Bytes(left), Self::Bytes(right)) => left == right,
            (Self::Time(left), Self::Time(right)) => left == right,
            (Self::Span(left), Self::Span(right)) => left == right,
            (Self::Foreign(left), Self::Foreign(right)) => left == right,
            _ if self.is_list() && other.is_list() => {
                let (Some(left), Some(right)) = (self.items(), other.items()) else { return false };
                self.size() == other.size() && left.zip(right).all(|(left, right)| left.equals(&right))
            }
            _ if self.is_map() && other.is_map() => {
                self.size() == other.size()
                    && self.items().is_some_and(|mut keys| {
                        keys.all(|key| {
                            let key = key.as_str().unwrap_or_default();
                            matches!((self.member(key), other.member(key)), (Ok(Some(left)), Ok(Some(right))) if left.equals(&right))
                        })
                    })
            }
            _ => false,
        }
    }

    /// Order as CEL has it; `None` where two values have none.
    pub(super) fn compare(&self, other: &Self) -> Option<Ordering> {
        if let (Some(left), Some(right)) = (self.as_str(), other.as_str()) {
            return Some(left.cmp(right));
        }
        if let (Some(left), Some(right)) = (self.number(), other.number()) {
            return left.compare(right);
        }
        match (self, other) {
            (Self::Bool(left), Self::Bool(right)) => Some(left.cmp(right)),
            (Self::Bytes(left), Self::Bytes(right)) => Some(left.cmp(right)),
            (Self::Time(left), Self::Time(right)) => Some(left.cmp(right)),
            (Self::Span(left), Self::Span(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }

    /// The string of a string; the text of anything else, for messages.
    pub fn show(&self) -> Cow<'_, str> {
        match self.as_str() {
            Some(text) => Cow::Borrowed(text),
            None => Cow::Owned(self.to_json().to_string()),
        }
    }
}

enum Number {
    Whole(i128),
    Double(f64),
}

impl Number {
    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => Some(left.cmp(&right)),
            (Self::Double(left), Self::Double(right)) => left.partial_cmp(&right),
            // i128 holds every i64 and u64; a double beyond that order is told apart by its own comparison.
            (Self::Whole(left), Self::Double(right)) => (left as f64).partial_cmp(&right),
            (Self::Double(left), Self::Whole(right)) => left.partial_cmp(&(right as f64)),
        }
    }
}
