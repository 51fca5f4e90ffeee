//! The admin server: `/metrics`, `/healthz`, `/readyz`.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use prometheus::Registry;
use tokio::{net::TcpListener, sync::watch};

/// What must be filled before the process is ready: each index by name.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<BTreeMap<&'static str, bool>>>);

impl Readiness {
    /// Announces something that must be filled first.
    pub fn expect(&self, name: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_insert(false);
    }

    /// It is filled.
    pub fn filled(&self, name: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name, true);
    }

    /// What is still missing.
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().filter(|(_, filled)| !**filled).map(|(name, _)| *name).collect()
    }
}

#[derive(Clone)]
struct Shared {
    readiness: Readiness,
    registry: Registry,
}

/// Serves until `stop` says true. The listener is bound by the caller, so that its port is known.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    registry: Registry,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let app = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Shared { readiness, registry });
    axum::serve(listener, app)
        .with_graceful_shutdown(async move {
            let _ = stop.wait_for(|stop| *stop).await;
        })
        .await
}

/// Binds the admin server's address.
pub async fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    if bound.is_err() && address.ip() == std::net::Ipv6Addr::UNSPECIFIED {
        // `[::]` means every address; a kernel without IPv6 has only these.
        return TcpListener::bind((std::net::Ipv4Addr::UNSPECIFIED, address.port())).await;
    }
    bound
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    let missing = shared.readiness.missing();
    if missing.is_empty() {
        (StatusCode::OK, "ok\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for: {}\n", missing.join(", ")))
    }
}

async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    match super::metrics::render(&shared.registry) {
        Ok(text) => (StatusCode::OK, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}
