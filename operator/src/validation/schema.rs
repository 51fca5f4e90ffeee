//! Structural schemas in Kubernetes' dialect: what a JSON schema's engine does not know of them.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::faults::{Fault, What, below};

/// Most letters by which a field may differ from the one that was meant.
const FAR: usize = 3;

/// The schema as a JSON schema: null is a type of its own there.
pub fn for_engine(schema: &Value) -> Value {
    match schema {
        Value::Object(keywords) => {
            let nullable = keywords.get("nullable") == Some(&Value::Bool(true));
            let one = |(keyword, value): (&String, &Value)| {
                let value = match (keyword.as_str(), value) {
                    ("nullable" | "description" | "default" | "title", _) => return None,
                    (keyword, _) if keyword.starts_with("x-kubernetes-") => return None,
                    ("type", Value::String(name)) if nullable => json!([name, "null"]),
                    ("properties", Value::Object(properties)) => {
                        properties.iter().map(|(name, inner)| (name.clone(), for_engine(inner))).collect()
                    }
                    ("items" | "additionalProperties" | "propertyNames" | "not", inner) => for_engine(inner),
                    ("allOf" | "anyOf" | "oneOf", Value::Array(branches)) => {
                        branches.iter().map(for_engine).collect()
                    }
                    (_, value) => value.clone(),
                };
                Some((keyword.clone(), value))
            };
            let mut schema: Map<String, Value> = keywords.iter().filter_map(one).collect();
            if keywords.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
                schema.insert("type".to_owned(), json!(["integer", "string"]));
            }
            schema.into()
        }
        other => other.clone(),
    }
}

/// Leaves out fields that are not known, each with a fault, and nulls that mean nothing: those of properties that are not
/// nullable, in whose place a default may come.
pub fn prune(schema: &Value, value: &mut Value, path: &str, faults: &mut Vec<Fault>) {
    match value {
        Value::Object(fields) => {
            let properties = schema["properties"].as_object();
            let any = &schema["additionalProperties"];
            let open = any.is_object() || schema["x-kubernetes-preserve-unknown-fields"] == true;
            let names: Vec<String> = fields.keys().cloned().collect();
            for name in names {
                let at = below(path, &name);
                let known = properties.and_then(|properties| properties.get(&name));
                let Some(inner) = known.or_else(|| any.is_object().then_some(any)) else {
                    // Without properties the schema says nothing of what is inside.
                    if let (Some(properties), false) = (properties, open) {
                        let others = properties
                            .keys()
                            .map(String::as_str)
                            .filter(|other| !fields.contains_key(*other));
                        let near = near(&name, others).map(str::to_owned);
                        faults.push(Fault { field: at, what: What::Unknown { near } });
                        fields.remove(&name);
                    }
                    continue;
                };
                match fields.get_mut(&name) {
                    Some(Value::Null) if inner["nullable"] != true => drop(fields.remove(&name)),
                    Some(value) => prune(inner, value, &at, faults),
                    None => {}
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                prune(&schema["items"], item, &format!("{path}[{index}]"), faults);
            }
        }
        _ => {}
    }
}

/// Items of a list of type `map` with the same keys, and of a list of type `set` with the same value.
pub fn duplicates(schema: &Value, value: &Value, path: &str, faults: &mut Vec<Fault>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let known = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                duplicates(known, inner, &below(path, name), faults);
            }
        }
        Value::Array(items) => {
            let keys: Option<Vec<&str>> = match schema["x-kubernetes-list-type"].as_str() {
                Some("map") => schema["x-kubernetes-list-map-keys"]
                    .as_array()
                    .map(|keys| keys.iter().filter_map(Value::as_str).collect()),
                Some("set") => Some(Vec::new()),
                _ => None,
            };
            let mut seen = HashSet::new();
            for (index, item) in items.iter().enumerate() {
                let at = format!("{path}[{index}]");
                if let Some(keys) = &keys {
                    let identity = if keys.is_empty() {
                        item.to_string()
                    } else {
                        keys.iter().map(|key| item[*key].to_string()).collect::<Vec<_>>().join("\n")
                    };
                    if !seen.insert(identity) {
                        faults.push(Fault { field: at.clone(), what: What::Twice });
                    }
                }
                duplicates(&schema["items"], item, &at, faults);
            }
        }
        _ => {}
    }
}

/// The name that may have been meant: the nearest one, if it is near.
pub fn near<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let given = given.to_lowercase();
    let distance = |name: &str| {
        let name = name.to_lowercase();
        // A word that was left off or added at an end is near, however long.
        if given.len() >= FAR && name.len() >= FAR && (name.starts_with(&given) || given.starts_with(&name)) {
            return 1;
        }
        strsim::damerau_levenshtein(&given, &name)
    };
    let limit = FAR.min(given.chars().count().div_ceil(3));
    known.map(|name| (distance(name), name)).filter(|(far, _)| *far <= limit).min().map(|(_, name)| name)
}

/// The value as rules in CEL see it: a field that is null is one that is not there.
pub fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, inner)| !inner.is_null())
            .map(|(name, inner)| (name.clone(), without_nulls(inner)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

/// An instant as the API server reads the format `date-time`: RFC 3339 without leap seconds, with any number of digits
/// behind the point.
pub fn is_date_time(text: &str) -> bool {
    let seconds = text.get(17..19);
    let exact = match text.split_once('.') {
        None => text.to_owned(),
        Some((whole, rest)) => {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            // The library reads nanoseconds and no more.
            format!("{whole}.{}{}", &rest[..digits.min(9)], &rest[digits..])
        }
    };
    text.get(10..11) == Some("T")
        && seconds.is_some_and(|seconds| seconds < "60")
        && exact.parse::<jiff::Timestamp>().is_ok()
}
