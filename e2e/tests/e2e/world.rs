//! What the tests share.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use banyan_e2e::controlplane::{ControlPlane, Options};
use tokio::sync::OnceCell;

/// How long a test may take unless it says otherwise.
const LIMIT: Duration = Duration::from_mins(5);

type Body = Box<dyn FnOnce(World) -> Pin<Box<dyn Future<Output = Result<()>> + Send>> + Send>;

/// One test.
pub struct Test {
    /// Its name, a sentence in snake case, after the name of its file and `::`.
    pub name: &'static str,
    /// When it has failed by taking too long.
    pub limit: Duration,
    /// Its body.
    pub run: Body,
}

impl Test {
    /// A test with the usual limit.
    pub fn new<F, Fut>(name: &'static str, run: F) -> Self
    where
        F: FnOnce(World) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        Self { name, limit: LIMIT, run: Box::new(|world| Box::pin(run(world))) }
    }
}

/// Control planes that several tests use, started when the first one asks.
#[derive(Clone, Default)]
pub struct World(Arc<Shared>);

#[derive(Default)]
struct Shared {
    api_server: OnceCell<ControlPlane>,
}

impl World {
    /// An API server with its store and an audit log, and nothing else: no controllers, so namespaces never finish
    /// ending and owner references collect nothing. Tests use namespaces and names of their own.
    pub async fn api_server(&self) -> Result<&ControlPlane> {
        let options = || Options { name: "shared".to_owned(), ..Options::default() };
        self.0.api_server.get_or_try_init(|| ControlPlane::start(options())).await
    }
}
