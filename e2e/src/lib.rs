//! The harness of Banyan's end-to-end tests, demo and measurements.
//!
//! Everything here is real: an etcd and a kube-apiserver with verified TLS, RBAC and an audit log, a Prometheus with
//! history, nodes by kwok, and the operator as a subprocess with the rights of its chart and no more. All of it runs
//! unprivileged on loopback ports of one machine, is found or built by [`components`], and is gone when the process
//! that started it is gone, however that ends ([`process`]).

pub mod alertmanager;
pub mod audit;
pub mod background;
pub mod bench;
pub mod browser;
pub mod bundle;
pub mod chart;
pub mod cluster;
pub mod components;
pub mod confine;
pub mod controlplane;
pub mod demo;
pub mod dirs;
pub mod estate;
pub mod exporter;
mod go;
pub mod kubeconfig;
pub mod kueue;
pub mod kwok;
pub mod operator;
pub mod pki;
pub mod process;
pub mod prometheus;
pub mod proxy;
pub mod rights;
pub mod wait;

/// Shows on standard error what `RUST_LOG` asks for; nothing by default.
pub fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

/// Chooses the cryptography of every TLS connection in this process, once.
///
/// Two providers may be linked in through different dependencies; rustls refuses to guess between them.
pub fn install_crypto() {
    // An error means that it was installed before, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
