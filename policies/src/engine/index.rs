//! The related objects: the parts of them that some control reads, by kind and namespace.
//!
//! They are kept as text: as trees they take ten times as much, and a look over a large cluster has tens of thousands of them. A list is read
//! when an expression asks for it, and stays read until [`Index::rest`].

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

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

/// What is kept of an object for the verdicts of others.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// `group/Kind`.
    pub key: String,
    /// Its namespace, empty for an object of the cluster.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What those controls read that look into its namespace.
    pub near: Option<Text>,
    /// What those controls read that look everywhere.
    pub far: Option<Text>,
    /// What is read of it as `namespaceObject`.
    pub own: Option<Json>,
}

/// JSON that this process has written, so that it can be read.
pub(super) type Text = Box<str>;

/// Namespace and name.
type At = Arc<(String, String)>;

/// Objects of one kind.
#[derive(Debug, Default)]
struct List {
    texts: Vec<Text>,
    /// The same as a JSON array, once somebody has asked for it.
    read: OnceLock<Json>,
    /// Where an object lies, and which one lies where; only known of objects that come again.
    places: HashMap<At, usize>,
    order: Vec<At>,
}

static NONE: Json = Json::Array(Vec::new());

impl Index {
    /// An index of objects that change: one that comes again takes the place of what it was. [`Index::default`] takes every object for another
    /// one, which costs less and is right for what is read once.
    pub fn changing() -> Self {
        Self { changing: true, ..Self::default() }
    }

    /// Takes in what is kept of an object. Says whether that changed anything.
    pub(super) fn insert(&mut self, kept: Kept) -> bool {
        let Kept { key, namespace, name, near, far, own } = kept;
        let mut changed = false;
        if let Some(own) = own
            && self.namespaces.get(&name) != Some(&own)
        {
            self.namespaces.insert(name.clone(), own);
            changed = true;
        }
        let at = self.changing.then(|| At::new((namespace.clone(), name)));
        if let Some(text) = near {
            let list = self.by_namespace.entry(key.clone()).or_default().entry(namespace).or_default();
            changed |= list.put(text, at.clone());
        }
        if let Some(text) = far {
            changed |= self.all.entry(key).or_default().put(text, at);
        }
        changed
    }

    /// Forgets an object of a changing index. Says whether it was there.
    pub fn remove(&mut self, key: &str, namespace: &str, name: &str) -> bool {
        let at = At::new((namespace.to_owned(), name.to_owned()));
        let mut removed = false;
        if let Some(lists) = self.by_namespace.get_mut(key)
            && let Some(list) = lists.get_mut(namespace)
        {
            removed |= list.take(&at);
            if list.texts.is_empty() {
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

    /// Lets go of what was only made to look at a namespace, or at everything with `None`; it is made again when it is asked for.
    pub fn rest(&mut self, namespace: Option<&str>) {
        match namespace {
            Some(namespace) => {
                for list in self.by_namespace.values_mut().filter_map(|lists| lists.get_mut(namespace)) {
                    list.read.take();
                }
            }
            None => {
                for list in
                    self.by_namespace.values_mut().flat_map(HashMap::values_mut).chain(self.all.values_mut())
                {
                    list.read.take();
                }
            }
        }
    }

    pub(super) fn in_namespace(&self, key: &str, namespace: &str) -> &Json {
        self.by_namespace.get(key).and_then(|lists| lists.get(namespace)).map_or(&NONE, List::items)
    }

    pub(super) fn everywhere(&self, key: &str) -> &Json {
        self.all.get(key).map_or(&NONE, List::items)
    }

    pub(super) fn namespace(&self, name: &str) -> Option<&Json> {
        self.namespaces.get(name)
    }
}

fn parse(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_default()
}

impl List {
    fn items(&self) -> &Json {
        self.read.get_or_init(|| self.texts.iter().map(|text| parse(text)).collect())
    }

    /// What was read already; it changes along, so that a change of one object does not cost reading all of them again.
    fn read(&mut self) -> Option<&mut Vec<Json>> {
        self.read.get_mut().and_then(Json::as_array_mut)
    }

    fn put(&mut self, text: Text, at: Option<At>) -> bool {
        if let Some(at) = at {
            if let Some(place) = self.places.get(&at).copied()
                && let Some(old) = self.texts.get_mut(place)
            {
                if *old == text {
                    return false;
                }
                let object = parse(&text);
                *old = text;
                if let Some(old) = self.read().and_then(|items| items.get_mut(place)) {
                    *old = object;
                }
                return true;
            }
            self.places.insert(Arc::clone(&at), self.texts.len());
            self.order.push(at);
        }
        if let Some(items) = self.read() {
            items.push(parse(&text));
        }
        self.texts.push(text);
        true
    }

    fn take(&mut self, at: &At) -> bool {
        let Some(place) = self.places.remove(at) else { return false };
        // The last one lies where the removed one was.
        if place < self.texts.len() {
            self.texts.swap_remove(place);
        }
        if place < self.order.len() {
            self.order.swap_remove(place);
        }
        if let Some(items) = self.read()
            && place < items.len()
        {
            items.swap_remove(place);
        }
        if let Some(moved) = self.order.get(place) {
            self.places.insert(Arc::clone(moved), place);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn object(namespace: u8, name: u8, value: u8) -> Json {
        json!({"metadata": {"namespace": format!("n{namespace}"), "name": format!("o{name}")}, "value": value})
    }

    fn kept(object: &Json) -> Kept {
        let text = |field: &str| object["metadata"][field].as_str().unwrap().to_owned();
        let json: Text = object.to_string().into();
        Kept {
            key: "K".into(),
            namespace: text("namespace"),
            name: text("name"),
            near: Some(json.clone()),
            far: Some(json),
            own: None,
        }
    }

    proptest! {
        /// Whatever comes and goes, an index has what a plain map would have.
        #[test]
        fn an_index_of_changing_objects_is_a_map(steps in prop::collection::vec((0..3_u8, 0..4_u8, 0..3_u8, 0..3_u8), 0..60)) {
            let mut index = Index::changing();
            let mut model = std::collections::BTreeMap::new();
            for (namespace, name, value, what) in steps {
                let at = (format!("n{namespace}"), format!("o{name}"));
                if what == 2 {
                    index.rest((value > 0).then_some(&at.0));
                } else if what == 1 {
                    let made = object(namespace, name, value);
                    let changed = model.get(&at) != Some(&made);
                    prop_assert_eq!(index.insert(kept(&made)), changed);
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
