//! Kubeconfig files, self-contained: every certificate is in the file.

use std::path::Path;

use anyhow::{Context, Result};
use k8s_openapi::ByteString;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
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

/// Writes the current context of the user's kubeconfig (`KUBECONFIG`, else `~/.kube/config`), and nothing else of it, to
/// `path`, and returns the context's name.
///
/// # Errors
/// When there is no kubeconfig, or it has no current context.
pub fn write_current(path: &Path) -> Result<String> {
    let mut file = Kubeconfig::read().context("reading the kubeconfig")?;
    let name = file.current_context.clone().filter(|name| !name.is_empty());
    let name =
        name.context("the kubeconfig has no current context; `kubectl config use-context` sets one")?;
    let context = file.contexts.iter().find(|one| one.name == name).and_then(|one| one.context.clone());
    let context =
        context.with_context(|| format!("the kubeconfig does not have its current context {name}"))?;
    file.contexts.retain(|one| one.name == name);
    file.clusters.retain(|one| one.name == context.cluster);
    file.auth_infos.retain(|one| Some(&one.name) == context.user.as_ref());
    write_private(path, &serde_yaml::to_string(&file)?)?;
    Ok(name)
}

/// Writes to `path` the one context of the kubeconfig `of`, with a bearer token instead of its login.
pub fn with_token(of: &Path, token: &str, path: &Path) -> Result<()> {
    let mut file = Kubeconfig::read_from(of).with_context(|| format!("reading {}", of.display()))?;
    for user in &mut file.auth_infos {
        user.auth_info = Some(AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() });
    }
    write_private(path, &serde_yaml::to_string(&file)?)
}

/// The address of the API server of a kubeconfig with one cluster.
pub fn server(path: &Path) -> Result<String> {
    let file = Kubeconfig::read_from(path).with_context(|| format!("reading {}", path.display()))?;
    let server = file.clusters.into_iter().find_map(|one| one.cluster?.server);
    server.with_context(|| format!("{} names no server", path.display()))
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
