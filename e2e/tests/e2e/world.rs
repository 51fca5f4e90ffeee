//! What the tests share.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use banyan_e2e::bundle::{self, Profile};
use banyan_e2e::chart;
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::dirs;
use banyan_e2e::operator::{Operator, OperatorOptions};
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::stage::Stage;

/// How long a test may take unless it says otherwise.
const LIMIT: Duration = Duration::from_mins(5);

type Body = Box<dyn FnOnce(World) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send>;

/// The tests of a file, named after the file and their functions.
macro_rules! tests {
    ($($function:ident),* $(,)?) => {
        vec![$($crate::world::Test::new(concat!(module_path!(), "::", stringify!($function)), $function)),*]
    };
}

/// One test.
pub struct Test {
    /// The path of its function, without the name of the program.
    pub name: &'static str,
    /// When it has failed by taking too long.
    pub limit: Duration,
    /// Its body.
    pub run: Body,
}

impl Test {
    /// A test with the usual limit. `path` is that of its function; see the macro `tests!`.
    pub fn new<F, Fut>(path: &'static str, run: F) -> Self
    where
        F: FnOnce(World) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let name = path.split_once("::").map_or(path, |(_, name)| name);
        Self { name, limit: LIMIT, run: Box::new(|world| Box::pin(run(world))) }
    }
}

/// Control planes that several tests use, started when the first one asks.
#[derive(Clone, Default)]
pub struct World(Arc<Shared>);

#[derive(Default)]
struct Shared {
    // Dropped in this order: who talks to an API server before it.
    operator: OnceCell<Operator>,
    api_server: OnceCell<ControlPlane>,
    installed: OnceCell<ControlPlane>,
    stage: OnceCell<Mutex<Stage>>,
    bundle: OnceCell<PathBuf>,
}

impl World {
    /// An API server with its store and an audit log, and nothing else: no controllers, so namespaces never finish
    /// ending and owner references collect nothing. Tests use namespaces and names of their own.
    pub async fn api_server(&self) -> Result<&ControlPlane> {
        let options = || Options { name: "shared".to_owned(), ..Options::default() };
        self.0.api_server.get_or_try_init(|| ControlPlane::start(options())).await
    }
    /// As [`World::api_server`], with the chart installed. An operator runs there as soon as a test has asked for
    /// [`World::operator`]. Tests use `DataCenter`s of their own, and no site that holds or freezes anything.
    pub async fn installed(&self) -> Result<&ControlPlane> {
        let start = || async {
            let options = Options { name: "installed".to_owned(), ..Options::default() };
            let plane = ControlPlane::start(options).await?;
            chart::install(&plane, &serde_json::json!({})).await?;
            anyhow::Ok(plane)
        };
        self.0.installed.get_or_try_init(start).await
    }

    /// A control plane with readings, on which the operator is run by one test at a time. It is empty at the beginning
    /// of each.
    pub async fn stage(&self) -> Result<MutexGuard<'_, Stage>> {
        let start = || async { anyhow::Ok(Mutex::new(Stage::start("stage").await?)) };
        let stage = self.0.stage.get_or_try_init(start).await?.lock().await;
        stage.clear().await?;
        Ok(stage)
    }
    /// The bundle for closed networks, for this machine, with a program that was built quickly.
    pub async fn bundle(&self) -> Result<&Path> {
        let make = || async {
            let target = bundle::host().await?;
            let output = dirs::fresh("bundles")?;
            bundle::make(&bundle::Options { profile: Profile::Dev, target, output }).await
        };
        Ok(self.0.bundle.get_or_try_init(make).await?)
    }

    /// The operator of [`World::installed`], with the clock of the machine.
    pub async fn operator(&self) -> Result<&Operator> {
        let start = || async { Operator::start(self.installed().await?, OperatorOptions::default()).await };
        self.0.operator.get_or_try_init(start).await
    }
}
