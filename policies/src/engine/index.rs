//! The related objects: the parts of them that some control reads, by kind and namespace.

use std::collections::HashMap;

use serde_json::{Value as Json, json};

/// What is known of objects that controls look at beside the one that they judge. Lists are JSON arrays, so that an expression borrows them.
#[derive(Debug, Default)]
pub struct Index {
    by_namespace: HashMap<String, HashMap<String, Json>>,
    all: HashMap<String, Json>,
    namespaces: HashMap<String, Json>,
}

static NONE: Json = Json::Array(Vec::new());

/// What of a kind is kept, and for whom.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Reaches {
    pub namespace: bool,
    pub cluster: bool,
    /// For `namespaceObject`.
    pub own: bool,
}

impl Index {
    /// Takes in the kept part of an object; one of the same kind, namespace and name is replaced.
    pub(super) fn insert(&mut self, key: &str, reaches: Reaches, object: Json) {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        if reaches.own {
            self.namespaces.insert(name, object.clone());
        }
        if reaches.namespace {
            put(
                self.by_namespace
                    .entry(key.to_owned())
                    .or_default()
                    .entry(namespace)
                    .or_insert_with(|| json!([])),
                object.clone(),
            );
        }
        if reaches.cluster {
            put(self.all.entry(key.to_owned()).or_insert_with(|| json!([])), object);
        }
    }

    /// Forgets an object.
    pub fn remove(&mut self, key: &str, namespace: &str, name: &str) {
        let same = |object: &Json| {
            object["metadata"]["name"] == name
                && object["metadata"]["namespace"].as_str().unwrap_or_default() == namespace
        };
        let lists = self
            .by_namespace
            .get_mut(key)
            .and_then(|lists| lists.get_mut(namespace))
            .into_iter()
            .chain(self.all.get_mut(key));
        for list in lists.filter_map(Json::as_array_mut) {
            list.retain(|object| !same(object));
        }
        if key == "Namespace" {
            self.namespaces.remove(name);
        }
    }

    pub(super) fn in_namespace(&self, key: &str, namespace: &str) -> &Json {
        self.by_namespace.get(key).and_then(|lists| lists.get(namespace)).unwrap_or(&NONE)
    }

    pub(super) fn everywhere(&self, key: &str) -> &Json {
        self.all.get(key).unwrap_or(&NONE)
    }

    pub(super) fn namespace(&self, name: &str) -> Option<&Json> {
        self.namespaces.get(name)
    }
}

fn put(list: &mut Json, object: Json) {
    // Objects of one read never repeat; those of a watch do, and its lists are short or rarely change.
    if let Some(list) = list.as_array_mut() {
        list.push(object);
    }
}
