//! Any kind of object, as it comes, changes and goes: for who judges whole objects and keeps little of them.
//!
//! Kinds are named `group/Kind`, or `Kind` of the core group. Nothing is kept here: an object is handed on and dropped.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use kube::{
    Api, Client, ResourceExt, api::DynamicObject, core::ApiResource, discovery::Discovery, runtime::watcher,
};
use serde_json::{Map, Value};

use super::patience::Patience;

/// Objects that a list brings at once.
const PAGE: u32 = 250;
/// Failures in a row after which a kind counts as one that cannot be read.
const GIVEN_UP: u32 = 4;
/// How long a kind is left alone that may not be read or is not served.
const LATER: Duration = Duration::from_secs(30);

/// What happens to the objects of a kind.
#[derive(Debug)]
pub enum Change {
    /// An object is there, or is another than it was.
    Applied(Value),
    /// The object with this UID is gone.
    Deleted(String),
    /// A list is complete: what it does not name is gone.
    Listed {
        /// The kind.
        key: String,
        /// The UIDs.
        seen: HashSet<String>,
    },
    /// The kind cannot be read.
    Refused {
        /// The kind.
        key: String,
        /// What the API server said.
        why: String,
    },
}

/// Who is told of changes, in their order.
pub type Sink = Arc<dyn Fn(Change) + Send + Sync>;

/// How the objects of a kind are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// `group/Kind`.
    pub key: String,
    /// Where.
    pub resource: ApiResource,
}

/// The wanted kinds that the API server serves, in its preferred version. What it does not serve does not exist, which is known.
///
/// # Errors
/// When the API server cannot be asked.
pub async fn served(client: &Client, wanted: &BTreeSet<String>) -> Result<Vec<Served>, kube::Error> {
    let discovery = Discovery::new(client.clone()).run_aggregated().await?;
    let mut found = BTreeMap::new();
    for group in discovery.groups() {
        for (resource, _) in group.recommended_resources() {
            let key = if resource.group.is_empty() {
                resource.kind.clone()
            } else {
                format!("{}/{}", resource.group, resource.kind)
            };
            if wanted.contains(&key) {
                found.entry(key.clone()).or_insert(Served { key, resource });
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Tells `sink` of every object of a kind until the task is dropped.
pub async fn feed(client: Client, served: Served, sink: Sink) {
    let Served { key, resource } = served;
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default().page_size(PAGE)));
    let mut patience = Patience::new("estate");
    let mut seen = HashSet::new();
    let mut failures = 0;
    while let Some(event) = events.next().await {
        if matches!(
            event,
            Ok(watcher::Event::InitDone | watcher::Event::Apply(_) | watcher::Event::Delete(_))
        ) {
            failures = 0;
        }
        match event {
            Ok(watcher::Event::Init) => seen.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                seen.extend(object.uid());
                sink(Change::Applied(whole(object, &resource)));
            }
            Ok(watcher::Event::InitDone) => {
                patience.restore();
                sink(Change::Listed { key: key.clone(), seen: std::mem::take(&mut seen) });
            }
            Ok(watcher::Event::Apply(object)) => {
                patience.restore();
                sink(Change::Applied(whole(object, &resource)));
            }
            Ok(watcher::Event::Delete(object)) => {
                patience.restore();
                if let Some(uid) = object.uid() {
                    sink(Change::Deleted(uid));
                }
            }
            Err(error) => match refusal(&error) {
                // Its definition is gone, and with it every object.
                Some((404, _)) => {
                    sink(Change::Listed { key: key.clone(), seen: HashSet::new() });
                    tokio::time::sleep(LATER).await;
                }
                Some((_, why)) => {
                    sink(Change::Refused { key: key.clone(), why });
                    tokio::time::sleep(LATER).await;
                }
                None => {
                    failures += 1;
                    // A broken webhook of one kind must not keep everything waiting.
                    if failures == GIVEN_UP {
                        sink(Change::Refused { key: key.clone(), why: error.to_string() });
                    }
                    tokio::time::sleep(patience.failed(&error)).await;
                }
            },
        }
    }
}

/// The code and the words of an answer that says that a kind cannot be read, now or at all.
pub(crate) fn refusal(error: &watcher::Error) -> Option<(u16, String)> {
    let (watcher::Error::InitialListFailed(kube::Error::Api(status))
    | watcher::Error::WatchStartFailed(kube::Error::Api(status))
    | watcher::Error::WatchFailed(kube::Error::Api(status))
    | watcher::Error::WatchError(status)) = error
    else {
        return None;
    };
    matches!(status.code, 401 | 403 | 404 | 405 | 406 | 503).then(|| (status.code, status.message.clone()))
}

/// An object as the API server has it, without what only the API server needs of it.
fn whole(object: DynamicObject, resource: &ApiResource) -> Value {
    let DynamicObject { types: _, mut metadata, data } = object;
    metadata.managed_fields = None;
    let mut map = match data {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    map.insert("apiVersion".to_owned(), resource.api_version.clone().into());
    map.insert("kind".to_owned(), resource.kind.clone().into());
    map.insert("metadata".to_owned(), serde_json::to_value(metadata).unwrap_or_default());
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_object_of_a_list_is_whole_again() {
        let mut object = DynamicObject::new("a", &ApiResource::erase::<ConfigMap>(&()));
        object.types = None;
        object.metadata.managed_fields = Some(Vec::new());
        object.data = json!({"data": {"x": "y"}});
        let whole = whole(object, &ApiResource::erase::<ConfigMap>(&()));
        assert_eq!(
            whole,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "y"}})
        );
    }

    #[test]
    fn what_is_forbidden_or_not_served_is_told_from_what_is_only_down() {
        let status = |code| {
            watcher::Error::InitialListFailed(kube::Error::Api(Box::new(kube::core::Status {
                code,
                message: "no".to_owned(),
                ..Default::default()
            })))
        };
        assert_eq!(refusal(&status(403)), Some((403, "no".to_owned())));
        assert_eq!(refusal(&status(404)).map(|(code, _)| code), Some(404));
        assert_eq!(refusal(&status(500)), None);
        assert_eq!(refusal(&watcher::Error::NoResourceVersion), None);
    }
}
