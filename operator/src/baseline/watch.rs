//! The watches of a baseline: a scene, and the tasks that feed it.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use banyan_crds::v1alpha1::{BaselineScope, ReportApi, ReportResult};
use banyan_policies::{
    engine::{Compiled, compile},
    verdict::{Audit, Waiver},
};
use jiff::Timestamp;
use kube::Client;
use tokio::task::JoinSet;

use super::{packs::Stock, scene::Scene, spec::Asked};
use crate::index::estate::{self, Sink};

/// How often it is looked for kinds that have come to be served.
const DISCOVER_EVERY: Duration = Duration::from_mins(2);
/// How soon after a failure.
const DISCOVER_AGAIN: Duration = Duration::from_secs(2);

/// A baseline that is watched for.
pub struct Watched {
    /// What the scene rests on: another one means another scene.
    pub key: String,
    /// The controls.
    pub compiled: Arc<Compiled>,
    /// What of its packs cannot be used.
    pub faults: Vec<(String, String)>,
    /// The verdicts.
    pub scene: Arc<Scene>,
    /// Since when.
    pub since: Timestamp,
    /// What was said of it last.
    pub said: Mutex<Said>,
    /// Ends with this.
    _tasks: JoinSet<()>,
}

/// What was said of a baseline last.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// What it came to, without the objects; none while the first lists are under way.
    pub audit: Option<Arc<Audit>>,
    /// Its waivers.
    pub waivers: Vec<Waiver>,
    /// What it is about.
    pub scope: Option<BaselineScope>,
    /// Where its reports go.
    pub apis: Vec<ReportApi>,
    /// Which results they keep.
    pub keep: Vec<ReportResult>,
    /// What every report rests on.
    pub basis: String,
    /// Why reports could not be written.
    pub trouble: Option<String>,
    /// When the status was last written with other figures.
    pub written: Option<Timestamp>,
    /// When what depends on the time was judged last.
    pub ticked: Option<Timestamp>,
    /// The generation of the spec that was looked at last and acted on in full.
    pub looked: Option<i64>,
}

/// What a scene rests on.
pub fn key(asked: &Asked, stock: &Stock) -> String {
    format!("{:?} {:?} {}", asked.selections, asked.parameters, stock.version)
}

impl Watched {
    /// Compiles the controls that are asked for and begins to watch what they look at. `sink` is made of the scene.
    pub fn begin(
        client: &Client,
        asked: &Asked,
        stock: &Stock,
        now: Timestamp,
        sink: impl FnOnce(Arc<Scene>) -> Sink,
        heard: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let (compiled, wrong) = compile(&stock.all, &asked.selections, &asked.parameters);
        let compiled = Arc::new(compiled);
        let mut kinds = compiled.kinds();
        // Their labels decide what is in scope.
        kinds.insert("Namespace".to_owned());
        let scene = Arc::new(Scene::new(Arc::clone(&compiled), kinds.clone()));
        let mut tasks = JoinSet::new();
        tasks.spawn(keep_fed(client.clone(), kinds, Arc::clone(&scene), sink(Arc::clone(&scene)), heard));
        Self {
            key: key(asked, stock),
            compiled,
            faults: wrong.iter().map(|fault| ("spec.packs".to_owned(), fault.to_string())).collect(),
            scene,
            since: now,
            said: Mutex::default(),
            _tasks: tasks,
        }
    }

    /// Whether a control is among them.
    pub fn knows(&self, control: &str) -> bool {
        self.compiled.controls.iter().any(|active| active.control.id == control)
    }
}

async fn keep_fed(
    client: Client,
    kinds: BTreeSet<String>,
    scene: Arc<Scene>,
    sink: Sink,
    heard: impl Fn() + Send + Sync,
) {
    let mut feeds = JoinSet::new();
    let mut fed = BTreeSet::new();
    loop {
        let again = match estate::served(&client, &kinds).await {
            Ok(served) => {
                for one in served {
                    if fed.insert(one.key.clone()) {
                        feeds.spawn(estate::feed(client.clone(), one, Arc::clone(&sink)));
                    }
                }
                scene.absent(kinds.iter().filter(|kind| !fed.contains(*kind)).cloned());
                heard();
                DISCOVER_EVERY
            }
            Err(error) => {
                tracing::warn!(%error, "it is not known which kinds the API server serves; it is asked again");
                DISCOVER_AGAIN
            }
        };
        tokio::time::sleep(again).await;
    }
}
