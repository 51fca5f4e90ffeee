//! A whole object of any kind, without what only the API server needs of it.

use std::{borrow::Cow, fmt};

use kube::{
    Resource,
    core::{ApiResource, ObjectMeta},
};
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// An object as the API server has it but for `metadata.managedFields`, which is often half of it: that is left out while it is read, so that
/// no page of a list holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Whole {
    /// What a watch goes by: name, namespace, UID and version, and nothing else.
    meta: ObjectMeta,
    value: Value,
}

impl Whole {
    /// The object, [`typed`].
    pub fn of(self, resource: &ApiResource) -> Value {
        typed(self.value, resource)
    }
}

/// An object that says of what kind it is. The items of a built-in kind's list do not.
pub fn typed(mut object: Value, resource: &ApiResource) -> Value {
    if let Value::Object(map) = &mut object {
        map.insert("apiVersion".to_owned(), resource.api_version.clone().into());
        map.insert("kind".to_owned(), resource.kind.clone().into());
    }
    object
}

impl Resource for Whole {
    type DynamicType = ApiResource;
    type Scope = kube::core::DynamicResourceScope;

    fn kind(resource: &ApiResource) -> Cow<'_, str> {
        resource.kind.as_str().into()
    }

    fn group(resource: &ApiResource) -> Cow<'_, str> {
        resource.group.as_str().into()
    }

    fn version(resource: &ApiResource) -> Cow<'_, str> {
        resource.version.as_str().into()
    }

    fn api_version(resource: &ApiResource) -> Cow<'_, str> {
        resource.api_version.as_str().into()
    }

    fn plural(resource: &ApiResource) -> Cow<'_, str> {
        resource.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_map(Fields { without: None, inner: Some("metadata") })?;
        let text = |field: &str| value["metadata"][field].as_str().map(str::to_owned);
        let meta = ObjectMeta {
            name: text("name"),
            namespace: text("namespace"),
            uid: text("uid"),
            resource_version: text("resourceVersion"),
            ..ObjectMeta::default()
        };
        Ok(Self { meta, value })
    }
}

/// Reads a map: without a field, and another field without its managed fields.
struct Fields {
    without: Option<&'static str>,
    inner: Option<&'static str>,
}

impl<'de> DeserializeSeed<'de> for Fields {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            if self.without == Some(key.as_str()) {
                from.next_value::<IgnoredAny>()?;
            } else if self.inner == Some(key.as_str()) {
                let inner = Self { without: Some("managedFields"), inner: None };
                map.insert(key, from.next_value_seed(inner)?);
            } else {
                map.insert(key, from.next_value()?);
            }
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::ResourceExt as _;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_of_a_list_is_whole_again_and_has_no_managed_fields() {
        let text = r#"{"metadata": {"name": "a", "uid": "u", "managedFields": [{"x": 1}], "labels": {"managedFields": "y"}, "resourceVersion": "7"}, "data": {"metadata": "y"}}"#;
        let whole: Whole = serde_json::from_str(text).unwrap();
        assert_eq!(
            (whole.name_any().as_str(), whole.uid().as_deref(), whole.resource_version().as_deref()),
            ("a", Some("u"), Some("7"))
        );
        assert_eq!(
            whole.of(&ApiResource::erase::<ConfigMap>(&())),
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "data": {"metadata": "y"},
                "metadata": {"name": "a", "uid": "u", "labels": {"managedFields": "y"}, "resourceVersion": "7"},
            })
        );
        assert!(serde_json::from_str::<Whole>(r#"{"metadata": 1}"#).is_err());
    }
}
