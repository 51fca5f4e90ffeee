//! The objects of a document.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Document, Fault, Limits, Part, Reason, Syntax, json, locate::Step, yaml};

/// A Kubernetes object and where it stands in its document.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// The object, with apiVersion, kind, metadata and a name or generateName.
    pub value: Value,
    /// Its path in the document: empty for the document itself, `items[3]` for an item of a List.
    pub path: String,
}

impl Object {
    /// Line of the file for a path within this object, or for as much of it as there is.
    pub fn line(&self, document: &Document, path: &str) -> usize {
        line(document, &self.path, path)
    }
}

/// Line of the file for a path within the object at the path `own`, or for as much of it as there is.
pub fn line(document: &Document, own: &str, path: &str) -> usize {
    let path = path.strip_prefix('/').map_or_else(
        || Cow::Borrowed(path.trim_start_matches('.')),
        |pointer| {
            let mut dotted = String::new();
            pointer.split('/').for_each(|step| Step::of_pointer(step).append(&mut dotted));
            Cow::Owned(dotted)
        },
    );
    let full = match (own, path.as_ref()) {
        ("", path) => path.to_owned(),
        (own, "") => own.to_owned(),
        (own, path) if path.starts_with('[') => format!("{own}{path}"),
        (own, path) => format!("{own}.{path}"),
    };
    super::locate(document, &full).unwrap_or(document.line)
}

/// What a document gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The objects, in order.
    pub objects: Vec<Object>,
    /// What is wrong with it; an item of a List that is no object does not keep the others from being read.
    pub faults: Vec<Fault>,
}

/// Parses a document and takes Lists apart. Everything that is returned as an object has apiVersion, kind and a name.
pub fn parse(document: &Document, limits: &Limits) -> Parsed {
    let (found, mut faults) = values(document, limits);
    let mut objects = Vec::with_capacity(found.len());
    for object in found {
        match lack(&object.value) {
            None => objects.push(object),
            Some(reason) => faults.push(document.fault_at(&object.path, reason)),
        }
    }
    faults.sort_by_key(|fault| (fault.line, fault.column));
    Parsed { objects, faults }
}

/// As [`parse`], for whoever checks what the objects have: mappings of any content, and what could not be read.
pub fn values(document: &Document, limits: &Limits) -> (Vec<Object>, Vec<Fault>) {
    let mut taken = Taken { document, objects: Vec::new(), faults: Vec::new() };
    match read(document, limits) {
        Err(fault) => taken.faults.push(fault),
        Ok(Value::Null) if document.part == Part::Whole => {}
        Ok(value) => match &document.part {
            Part::Whole => taken.take(value, String::new()),
            Part::Item { place, list } => {
                let mut path = String::new();
                Step::Field("items".into()).append(&mut path);
                Step::Item(*place).append(&mut path);
                let value = inherit(value, list.kind.as_deref(), list.api_version.as_deref());
                taken.take(value, path);
            }
            Part::Envelope => match value.get("kind").and_then(Value::as_str) {
                Some(kind) if kind.ends_with("List") => {}
                kind => {
                    let reason = Reason::NotList(kind.unwrap_or_default().to_owned());
                    taken.faults.push(document.fault(1, 0, reason));
                }
            },
        },
    }
    (taken.objects, taken.faults)
}

/// The value of a document.
fn read(document: &Document, limits: &Limits) -> Result<Value, Fault> {
    match document.syntax {
        Syntax::Json => match json::read(document, limits) {
            // All JSON is YAML, and some YAML looks like JSON with a comma too many.
            Err(fault) if matches!(fault.reason, Reason::Syntax { .. }) => yaml::read(document, limits)
                .map_err(|other| {
                    let broken = matches!(other.reason, Reason::Syntax { .. });
                    if broken { fault } else { other }
                }),
            read => read,
        },
        // The text of an item begins with its dash.
        Syntax::Yaml => match (yaml::read(document, limits)?, &document.part) {
            (Value::Array(mut items), Part::Item { .. }) if items.len() == 1 => Ok(items.remove(0)),
            (_, Part::Item { .. }) => {
                let message = "one item of a List was expected between two dashes".into();
                Err(document.fault(1, 0, Reason::Syntax { syntax: Syntax::Yaml, message }))
            }
            (value, _) => Ok(value),
        },
    }
}

struct Taken<'d> {
    document: &'d Document,
    objects: Vec<Object>,
    faults: Vec<Fault>,
}

impl Taken<'_> {
    fn take(&mut self, value: Value, path: String) {
        let Value::Object(mut map) = value else {
            let found = match value {
                Value::Null => "nothing",
                Value::Bool(_) => "a boolean",
                Value::Number(_) => "a number",
                Value::String(_) => "a text",
                _ => "a list",
            };
            self.faults.push(self.document.fault_at(&path, Reason::NotObject(found)));
            return;
        };
        let Some(items) = items(&mut map) else {
            self.objects.push(Object { value: Value::Object(map), path });
            return;
        };
        let text = |field| map.get(field).and_then(Value::as_str);
        for (place, item) in items.into_iter().enumerate() {
            let mut path = path.clone();
            Step::Field("items".into()).append(&mut path);
            Step::Item(place).append(&mut path);
            self.take(inherit(item, text("kind"), text("apiVersion")), path);
        }
    }
}

/// The items of a List; `None` for anything else.
fn items(map: &mut Map<String, Value>) -> Option<Vec<Value>> {
    let kind = map.get("kind")?.as_str()?;
    let plain = kind == "List";
    if !kind.ends_with("List") {
        return None;
    }
    // A kind of somebody's own that is called so has a name.
    let named = map.get("metadata").is_some_and(|metadata| metadata.get("name").is_some());
    match map.get_mut("items") {
        Some(Value::Array(items)) => Some(std::mem::take(items)),
        None if plain => Some(Vec::new()),
        // An empty list, as an API server writes it.
        Some(Value::Null) if plain || !named => Some(Vec::new()),
        _ => None,
    }
}

/// An item of a typed list, such as a `PodList`, says neither its kind nor its version.
fn inherit(mut item: Value, kind: Option<&str>, version: Option<&str>) -> Value {
    let of = kind.and_then(|kind| kind.strip_suffix("List")).filter(|kind| !kind.is_empty());
    if let (Some(kind), Some(version), Value::Object(map)) = (of, version, &mut item)
        && !map.contains_key("kind")
        && !map.contains_key("apiVersion")
    {
        map.insert("kind".into(), kind.into());
        map.insert("apiVersion".into(), version.into());
    }
    item
}

/// What an object lacks.
fn lack(object: &Value) -> Option<Reason> {
    let named = |at: &Value| at.as_str().is_some_and(|text| !text.is_empty());
    let metadata = &object["metadata"];
    let (field, value) = if !named(&object["apiVersion"]) {
        ("apiVersion", &object["apiVersion"])
    } else if !named(&object["kind"]) {
        ("kind", &object["kind"])
    } else if !metadata.is_object() {
        ("metadata", metadata)
    } else if named(&metadata["name"]) || (metadata["name"].is_null() && named(&metadata["generateName"])) {
        return None;
    } else {
        ("metadata.name", &metadata["name"])
    };
    let problem = match value {
        Value::Null => "is missing",
        Value::String(_) => "is empty",
        _ if field == "metadata" => "is no mapping",
        _ => "is no text; put it in quotes",
    };
    let known = [object["kind"].as_str(), metadata["name"].as_str()];
    let known: Vec<&str> = known.into_iter().flatten().filter(|text| !text.is_empty()).collect();
    Some(Reason::Lacks { field, problem, of: (!known.is_empty()).then(|| known.join(" ")) })
}

impl Document {
    /// A fault at the line of a path, which is looked up.
    pub(super) fn fault_at(&self, path: &str, reason: Reason) -> Fault {
        let line = super::locate(self, path).unwrap_or(self.line);
        Fault { file: self.file.clone(), line, column: 1, reason }
    }
}
