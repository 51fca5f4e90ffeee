//! The related objects: the parts of them that some control reads, by kind and namespace.

use std::collections::HashMap;

use serde_json::Value as Json;

/// What is known of objects that controls look at beside the one that they judge. Lists are JSON arrays, so that an expression borrows them.
#[derive(Debug, Default)]
pub struct Index {
    by_namespace: HashMap<String, HashMap<String, List>>,
    all: HashMap<String, List>,
    namespaces: HashMap<String, Json>,
    /// Whether objects come again and go, as those of a watch do.
    changing: bool,
}

/// Objects of one kind.
#[derive(Debug)]
struct List {
    items: Json,
    /// Where an object lies, by namespace and name; only kept for objects that come again.
    places: HashMap<(String, String), usize>,
}

impl Default for List {
    fn default() -> Self {
        Self { items: Json::Array(Vec::new()), places: HashMap::new() }
    }
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
    /// An index of objects that change: one that comes again takes the place of what it was. [`Index::default`] takes every object for another
    /// one, which costs less and is right for what is read once.
    pub fn changing() -> Self {
        Self { changing: true, ..Self::default() }
    }

    /// Takes in the kept part of an object. Says whether that changed anything.
    pub(super) fn insert(&mut self, key: &str, reaches: Reaches, object: Json) -> bool {
        let (namespace, name) = identity(&object);
        let mut changed = false;
        if reaches.own && self.namespaces.get(&name) != Some(&object) {
            self.namespaces.insert(name, object.clone());
            changed = true;
        }
        if reaches.namespace {
            let list = self.by_namespace.entry(key.to_owned()).or_default().entry(namespace).or_default();
            changed |= list.put(object.clone(), self.changing);
        }
        if reaches.cluster {
            changed |= self.all.entry(key.to_owned()).or_default().put(object, self.changing);
        }
        changed
    }

    /// Forgets an object of a changing index. Says whether it was there.
    pub fn remove(&mut self, key: &str, namespace: &str, name: &str) -> bool {
        let at = (namespace.to_owned(), name.to_owned());
        let mut removed = false;
        if let Some(lists) = self.by_namespace.get_mut(key)
            && let Some(list) = lists.get_mut(namespace)
        {
            removed |= list.take(&at);
            if list.places.is_empty() {
                lists.remove(namespace);
            }
        }
        if let Some(list) = self.all.get_mut(key) {
            removed |= list.take(&at);
        }
        if key == "Namespace" {
            removed |= self.namespaces.remove(name).is_some();
        }
        removed
    }

    pub(super) fn in_namespace(&self, key: &str, namespace: &str) -> &Json {
        self.by_namespace.get(key).and_then(|lists| lists.get(namespace)).map_or(&NONE, |list| &list.items)
    }

    pub(super) fn everywhere(&self, key: &str) -> &Json {
        self.all.get(key).map_or(&NONE, |list| &list.items)
    }

    pub(super) fn namespace(&self, name: &str) -> Option<&Json> {
        self.namespaces.get(name)
    }
}

fn identity(object: &Json) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

impl List {
    fn put(&mut self, object: Json, changing: bool) -> bool {
        let Json::Array(items) = &mut self.items else { return false };
        if changing {
            let at = identity(&object);
            if let Some(old) = self.places.get(&at).and_then(|place| items.get_mut(*place)) {
                let changed = *old != object;
                *old = object;
                return changed;
            }
            self.places.insert(at, items.len());
        }
        items.push(object);
        true
    }

    fn take(&mut self, at: &(String, String)) -> bool {
        let (Json::Array(items), Some(place)) = (&mut self.items, self.places.remove(at)) else {
            return false;
        };
        if place < items.len() {
            items.swap_remove(place);
        }
        // The last one lies where the removed one was.
        if let Some(moved) = items.get(place) {
            self.places.insert(identity(moved), place);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const REACHES: Reaches = Reaches { namespace: true, cluster: true, own: false };

    fn object(namespace: u8, name: u8, value: u8) -> Json {
        json!({"metadata": {"namespace": format!("n{namespace}"), "name": format!("o{name}")}, "value": value})
    }

    proptest! {
        /// Whatever comes and goes, an index has what a plain map would have.
        #[test]
        fn an_index_of_changing_objects_is_a_map(steps in prop::collection::vec((0..3_u8, 0..4_u8, 0..3_u8, any::<bool>()), 0..60)) {
            let mut index = Index::changing();
            let mut model = std::collections::BTreeMap::new();
            for (namespace, name, value, comes) in steps {
                let at = (format!("n{namespace}"), format!("o{name}"));
                if comes {
                    let made = object(namespace, name, value);
                    let changed = model.get(&at) != Some(&made);
                    prop_assert_eq!(index.insert("K", REACHES, made.clone()), changed);
                    model.insert(at, made);
                } else {
                    prop_assert_eq!(index.remove("K", &at.0, &at.1), model.remove(&at).is_some());
                }
                let sorted = |list: &Json| {
                    let mut list = list.as_array().unwrap().clone();
                    list.sort_by_key(ToString::to_string);
                    list
                };
                let of = |namespace: Option<&str>| {
                    let mut list: Vec<Json> =
                        model.iter().filter(|(at, _)| namespace.is_none_or(|namespace| at.0 == namespace)).map(|(_, object)| object.clone()).collect();
                    list.sort_by_key(ToString::to_string);
                    list
                };
                prop_assert_eq!(sorted(index.everywhere("K")), of(None));
                for namespace in ["n0", "n1", "n2"] {
                    prop_assert_eq!(sorted(index.in_namespace("K", namespace)), of(Some(namespace)));
                }
            }
        }
    }
}
