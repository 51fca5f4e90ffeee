//! Any kind of object, as it comes, changes and goes: for who judges whole objects and keeps little of them.
//!
//! Kinds are named `group/Kind`, or `Kind` of the core group. Nothing is kept here: an object is handed on and dropped.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::StreamExt;
use kube::{Api, Client, ResourceExt, core::ApiResource, discovery::Discovery, runtime::watcher};
use serde_json::Value;
use tokio::{sync::mpsc, task::JoinSet};

use super::{patience::Patience, whole::Whole};

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
///
/// What the API server sends is read in a task of its own: the next page of a list comes while the objects of this one are judged.
pub async fn feed(client: Client, served: Served, sink: Sink) {
    let Served { key, resource } = served;
    let (to, mut from) = mpsc::channel(PAGE as usize);
    let mut reading = JoinSet::new();
    reading.spawn(read(client, resource.clone(), to));
    let mut seen = HashSet::new();
    while let Some(told) = from.recv().await {
        match told {
            Told::Event(event) => match *event {
                watcher::Event::Init => seen.clear(),
                watcher::Event::InitApply(object) => {
                    seen.extend(object.uid());
                    sink(Change::Applied(object.of(&resource)));
                }
                watcher::Event::InitDone => {
                    sink(Change::Listed { key: key.clone(), seen: std::mem::take(&mut seen) });
                }
                watcher::Event::Apply(object) => sink(Change::Applied(object.of(&resource))),
                watcher::Event::Delete(object) => {
                    if let Some(uid) = object.uid() {
                        sink(Change::Deleted(uid));
                    }
                }
            },
            // Its definition is gone, and with it every object.
            Told::NotServed => sink(Change::Listed { key: key.clone(), seen: HashSet::new() }),
            Told::Refused(why) => sink(Change::Refused { key: key.clone(), why }),
        }
    }
}

/// What is read of a kind.
enum Told {
    Event(Box<watcher::Event<Whole>>),
    NotServed,
    Refused(String),
}

/// Reads what happens to the objects of a kind until nobody listens.
async fn read(client: Client, resource: ApiResource, to: mpsc::Sender<Told>) {
    let api: Api<Whole> = Api::all_with(client, &resource);
    let mut events = std::pin::pin!(watcher(api, watcher::Config::default().page_size(PAGE)));
    let mut patience = Patience::new("estate");
    let mut failures = 0;
    while let Some(event) = events.next().await {
        let (told, pause) = match event {
            Ok(event) => {
                if !matches!(event, watcher::Event::Init | watcher::Event::InitApply(_)) {
                    failures = 0;
                    patience.restore();
                }
                (Some(Told::Event(Box::new(event))), None)
            }
            Err(error) => match refusal(&error) {
                Some((404, _)) => (Some(Told::NotServed), Some(LATER)),
                Some((_, why)) => (Some(Told::Refused(why)), Some(LATER)),
                None => {
                    failures += 1;
                    // A broken webhook of one kind must not keep everything waiting.
                    let told = (failures == GIVEN_UP).then(|| Told::Refused(error.to_string()));
                    (told, Some(patience.failed(&error)))
                }
            },
        };
        if let Some(told) = told
            && to.send(told).await.is_err()
        {
            return;
        }
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
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

#[cfg(test)]
mod tests {
    use super::*;

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
