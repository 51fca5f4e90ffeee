//! Digests that tell whether an object is still as intended, without keeping the object.
//!
//! Two figures are compared. The digest of the *intent* is an annotation on the object. The digest of the *live*
//! fields is taken over exactly the fields that the server says Banyan manages (`managedFields`, manager `banyan`,
//! operation Apply). When nobody has touched the object both are equal, also after a restart of Banyan.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::plan::{DIGEST, FIELD_MANAGER};

/// Digest of an intended object: all of it but its identity and the digest annotation itself.
pub fn of_intent(object: &Value) -> String {
    let mut kept = object.clone();
    strip(&mut kept);
    hash(&kept)
}

/// Digest of a value, whatever the order of its keys and of the items of its lists.
pub fn of_value(value: &Value) -> String {
    hash(value)
}

/// Digest of the live fields that Banyan manages in `object`; `None` if it manages none.
pub fn of_live(object: &Value) -> Option<String> {
    let fields = object["metadata"]["managedFields"].as_array()?.iter().find(|entry| {
        entry["manager"] == FIELD_MANAGER && entry["operation"] == "Apply" && entry["subresource"].is_null()
    })?;
    let mut kept = select(object, &fields["fieldsV1"]);
    strip(&mut kept);
    Some(hash(&kept))
}

/// Removes what identifies an object rather than describes it, and what the digest itself adds.
fn strip(object: &mut Value) {
    let Some(root) = object.as_object_mut() else { return };
    root.remove("apiVersion");
    root.remove("kind");
    if let Some(metadata) = root.get_mut("metadata").and_then(Value::as_object_mut) {
        for identity in ["name", "namespace", "uid", "resourceVersion"] {
            metadata.remove(identity);
        }
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(DIGEST);
        }
        metadata.retain(|_, value| !value.as_object().is_some_and(Map::is_empty));
        if metadata.is_empty() {
            root.remove("metadata");
        }
    }
}

/// The part of `live` that `fields` (`FieldsV1`) names.
fn select(live: &Value, fields: &Value) -> Value {
    let Some(fields) = fields.as_object() else { return live.clone() };
    // A leaf, or an atomic value: `{}` or only the marker of the value itself.
    if fields.keys().all(|key| key == ".") {
        return live.clone();
    }
    match live {
        Value::Object(map) => {
            let mut kept = Map::new();
            for (key, inner) in fields {
                if let Some(name) = key.strip_prefix("f:")
                    && let Some(value) = map.get(name)
                {
                    kept.insert(name.to_owned(), select(value, inner));
                }
            }
            Value::Object(kept)
        }
        Value::Array(items) => Value::Array(
            fields
                .iter()
                .filter_map(|(key, inner)| {
                    let item = if let Some(keys) = key.strip_prefix("k:") {
                        let keys: Map<String, Value> = serde_json::from_str(keys).ok()?;
                        items.iter().find(|item| keys.iter().all(|(name, value)| &item[name] == value))?
                    } else if let Some(value) = key.strip_prefix("v:") {
                        let value: Value = serde_json::from_str(value).ok()?;
                        items.iter().find(|item| **item == value)?
                    } else {
                        return None;
                    };
                    Some(select(item, inner))
                })
                .collect(),
        ),
        other => other.clone(),
    }
}

/// SHA-256 over the value with its keys in order, first 16 bytes in hexadecimal.
fn hash(value: &Value) -> String {
    use std::fmt::Write as _;
    let mut hasher = Sha256::new();
    feed(&mut hasher, value);
    hasher.finalize().iter().take(16).fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Feeds a value so that neither the order of keys nor that of list items, which server-side apply may change,
/// counts: a list is the multiset of its items' digests.
fn feed(hasher: &mut Sha256, value: &Value) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.keys().collect();
            keys.sort_unstable();
            hasher.update(b"{");
            for key in keys {
                hasher.update((key.len() as u64).to_be_bytes());
                hasher.update(key.as_bytes());
                feed(hasher, &map[key]);
            }
            hasher.update(b"}");
        }
        Value::Array(items) => {
            let mut inner: Vec<_> = items
                .iter()
                .map(|item| {
                    let mut hasher = Sha256::new();
                    feed(&mut hasher, item);
                    hasher.finalize()
                })
                .collect();
            inner.sort_unstable();
            hasher.update(b"[");
            for item in inner {
                hasher.update(item);
            }
            hasher.update(b"]");
        }
        scalar => {
            let text = scalar.to_string();
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn intent() -> Value {
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "a", "namespace": "b", "labels": {"x": "1"}},
            "data": {"k": "v", "l": "w"}
        })
    }

    /// What the API server answers after the apply, as read from a real one.
    fn live() -> Value {
        let mut live = intent();
        live["metadata"]["uid"] = json!("u");
        live["metadata"]["resourceVersion"] = json!("7");
        live["metadata"]["annotations"] = json!({DIGEST: of_intent(&intent()), "other": "y"});
        live["metadata"]["managedFields"] = json!([
            {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:data": {"f:foreign": {}}}},
            {"manager": "banyan", "operation": "Apply", "fieldsV1": {
                "f:metadata": {"f:labels": {"f:x": {}}, "f:annotations": {format!("f:{DIGEST}"): {}}},
                "f:data": {"f:k": {}, "f:l": {}}
            }}
        ]);
        live
    }

    #[test]
    fn an_untouched_object_has_the_digest_of_its_intent() {
        assert_eq!(of_live(&live()).unwrap(), of_intent(&intent()));
    }

    #[test]
    fn a_field_of_another_manager_does_not_count() {
        let mut live = live();
        live["data"]["foreign"] = json!("z");
        assert_eq!(of_live(&live).unwrap(), of_intent(&intent()));
    }

    #[test]
    fn a_changed_value_and_a_lost_field_are_seen() {
        let mut changed = live();
        changed["data"]["k"] = json!("w");
        assert_ne!(of_live(&changed).unwrap(), of_intent(&intent()));
        let mut lost = live();
        lost["metadata"]["managedFields"][1]["fieldsV1"]["f:data"] = json!({"f:k": {}});
        assert_ne!(of_live(&lost).unwrap(), of_intent(&intent()));
    }

    #[test]
    fn keyed_and_set_lists_are_followed() {
        let object = json!({
            "spec": {"ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}], "finalizers": ["x", "y"]},
            "metadata": {"managedFields": [{"manager": "banyan", "operation": "Apply", "fieldsV1": {
                "f:spec": {
                    "f:ports": {"k:{\"port\":80}": {".": {}, "f:port": {}, "f:name": {}}},
                    "f:finalizers": {"v:\"y\"": {}}
                }
            }}]}
        });
        let intent =
            json!({"spec": {"ports": [{"port": 80, "name": "a"}], "finalizers": ["y"]}, "metadata": {}});
        assert_eq!(of_live(&object).unwrap(), of_intent(&intent));
    }

    #[test]
    fn nothing_managed_is_nothing() {
        assert_eq!(of_live(&json!({"metadata": {}})), None);
    }
}
