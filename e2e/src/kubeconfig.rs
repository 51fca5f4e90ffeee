//! Kubeconfig files, self-contained: every certificate is in the file.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::ByteString;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use crate::pki::{Pair, write_private};

/// How a kubeconfig's user shows who it is.
#[derive(Clone, Debug)]
pub enum Login {
    /// By a client certificate.
    Certificate(Pair),
    /// By a bearer token.
    Token(String),
}

/// Writes a kubeconfig with one cluster, one user and one context, all called `name`.
pub fn write(path: &Path, name: &str, server: &str, authority: &str, login: &Login) -> Result<()> {
    let user = match login {
        Login::Certificate(pair) => json!({
            "client-certificate-data": base64(&pair.cert),
            "client-key-data": base64(&pair.key),
        }),
        Login::Token(token) => json!({ "token": token }),
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{ "name": name, "cluster": { "server": server, "certificate-authority-data": base64(authority) } }],
        "users": [{ "name": name, "user": user }],
        "contexts": [{ "name": name, "context": { "cluster": name, "user": name } }],
    });
    write_private(path, &serde_yaml::to_string(&config)?)
}

/// A client by the kubeconfig file, whatever `KUBECONFIG` says.
pub async fn client(path: &Path) -> Result<kube::Client> {
    crate::install_crypto();
    let reading = || format!("reading {}", path.display());
    let file = Kubeconfig::read_from(path).with_context(reading)?;
    let config = kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .with_context(reading)?;
    kube::Client::try_from(config).with_context(reading)
}

fn base64(text: &str) -> serde_json::Value {
    // Kubernetes' own byte string is written as base64 with padding, the form that kubeconfig wants.
    serde_json::to_value(ByteString(text.as_bytes().to_vec())).unwrap_or_default()
}
