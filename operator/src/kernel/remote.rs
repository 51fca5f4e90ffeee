//! Kubeconfigs of other sites: which are accepted, and which cluster answers.
//!
//! A kubeconfig comes from a Secret that a person wrote. What could make Banyan run a program, read a file of its own
//! container, or send credentials somewhere unseen, is refused by name.

use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// Why a kubeconfig, or the cluster that it leads to, is refused.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It is not a kubeconfig. What the parser says is not repeated: it quotes the text, and the text is a Secret.
    #[error("the Secret's value is not a kubeconfig with a current context, a cluster and a user")]
    Unreadable,
    /// It has something that is not accepted.
    #[error("the kubeconfig is refused: {field} is not accepted; {instead}")]
    Refused {
        /// The field.
        field: String,
        /// What to use instead.
        instead: &'static str,
    },
    /// No answer.
    #[error("the cluster does not answer: {0}")]
    Unreachable(String),
    /// Another cluster answers.
    #[error(
        "cluster {found} answers where {wanted} was expected: the kubeconfig belongs to another site, or cluster.id is wrong"
    )]
    OtherCluster {
        /// `spec.cluster.id`.
        wanted: String,
        /// The uid found.
        found: String,
    },
}

impl RemoteError {
    /// Constant word for a condition's reason.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Unreadable => "KubeconfigUnreadable",
            Self::Refused { .. } => "KubeconfigRefused",
            Self::Unreachable(_) => "ClusterUnreachable",
            Self::OtherCluster { .. } => "OtherCluster",
        }
    }
}

/// Reads a kubeconfig and refuses what is not accepted in it.
pub fn vet(text: &str) -> Result<Kubeconfig, RemoteError> {
    let config = Kubeconfig::from_yaml(text).map_err(|_| RemoteError::Unreadable)?;
    for named in &config.clusters {
        let Some(cluster) = &named.cluster else { continue };
        let field = |name: &str| format!("clusters[{}].{name}", named.name);
        if cluster.insecure_skip_tls_verify == Some(true) {
            return refuse(field("insecure-skip-tls-verify"), "give certificate-authority-data");
        }
        if cluster.proxy_url.is_some() {
            return refuse(field("proxy-url"), "reach the API server directly");
        }
        if cluster.certificate_authority.is_some() {
            return refuse(field("certificate-authority"), "give certificate-authority-data");
        }
        if !cluster.server.as_deref().unwrap_or_default().starts_with("https://") {
            return refuse(field("server"), "credentials travel over https only");
        }
    }
    for named in &config.auth_infos {
        let Some(user) = &named.auth_info else { continue };
        let field = |name: &str| format!("users[{}].{name}", named.name);
        if user.exec.is_some() {
            return refuse(field("exec"), "give a token or client certificate data");
        }
        if user.auth_provider.is_some() {
            return refuse(field("auth-provider"), "give a token or client certificate data");
        }
        for (name, path) in [
            ("tokenFile", &user.token_file),
            ("client-certificate", &user.client_certificate),
            ("client-key", &user.client_key),
        ] {
            if path.is_some() {
                return refuse(field(name), "give the data in the kubeconfig itself, not a file's path");
            }
        }
    }
    Ok(config)
}

fn refuse<T>(field: String, instead: &'static str) -> Result<T, RemoteError> {
    Err(RemoteError::Refused { field, instead })
}

/// A client for a vetted kubeconfig.
pub async fn connect(config: Kubeconfig) -> Result<Client, RemoteError> {
    let mut config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
        .await
        .map_err(|_| RemoteError::Unreadable)?;
    // Environment variables of Banyan's own container must not choose the way to another site.
    config.proxy_url = None;
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Client::try_from(config).map_err(|_| RemoteError::Unreadable)
}

/// The identity of a cluster: the uid of its `kube-system` Namespace.
pub async fn cluster_id(client: &Client) -> Result<String, RemoteError> {
    let api: Api<Namespace> = Api::all(client.clone());
    let asked = tokio::time::timeout(Duration::from_secs(10), api.get("kube-system")).await;
    let namespace = asked
        .map_err(|_| RemoteError::Unreachable("no answer within 10s".to_owned()))?
        .map_err(|error| RemoteError::Unreachable(innermost(&error)))?;
    namespace.metadata.uid.ok_or_else(|| RemoteError::Unreachable("kube-system has no uid".to_owned()))
}

/// The innermost cause of an error: the outer ones of a failed connection only say that it failed.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Checks that the cluster behind `client` is the one that is meant.
pub async fn identify(client: &Client, wanted: &str) -> Result<(), RemoteError> {
    let found = cluster_id(client).await?;
    if found == wanted { Ok(()) } else { Err(RemoteError::OtherCluster { wanted: wanted.to_owned(), found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
apiVersion: v1
kind: Config
current-context: a
clusters:
- name: a
  cluster: { server: 'https://changle-1:6443', certificate-authority-data: Y2E= }
contexts:
- name: a
  context: { cluster: a, user: a }
users:
- name: a
  user: { token: secret }
";

    fn refused(from: &str, to: &str) -> String {
        let text = GOOD.replace(from, to);
        assert_ne!(text, GOOD);
        let error = vet(&text).unwrap_err();
        assert_eq!(error.category(), "KubeconfigRefused", "{error}");
        let message = error.to_string();
        assert!(!message.contains("secret"), "{message}");
        message
    }

    #[test]
    fn tokens_and_certificate_data_are_accepted() {
        vet(GOOD).unwrap();
        vet(&GOOD.replace("token: secret", "client-certificate-data: Yw==, client-key-data: aw==")).unwrap();
    }

    #[test]
    fn exec_is_refused() {
        let message =
            refused("token: secret", "exec: { apiVersion: client.authentication.k8s.io/v1, command: sh }");
        assert!(message.contains("users[a].exec"), "{message}");
    }

    #[test]
    fn auth_provider_is_refused() {
        assert!(
            refused("token: secret", "auth-provider: { name: gcp, config: {} }")
                .contains("users[a].auth-provider")
        );
    }

    #[test]
    fn file_paths_are_refused() {
        for name in ["tokenFile", "client-certificate", "client-key"] {
            let message = refused("token: secret", &format!("{name}: /etc/passwd"));
            assert!(message.contains(&format!("users[a].{name}")), "{message}");
        }
        assert!(
            refused("certificate-authority-data: Y2E=", "certificate-authority: /ca")
                .contains("certificate-authority")
        );
    }

    #[test]
    fn proxy_url_is_refused() {
        assert!(
            refused("certificate-authority-data: Y2E=", "proxy-url: 'http://p'")
                .contains("clusters[a].proxy-url")
        );
    }

    #[test]
    fn insecure_skip_tls_verify_is_refused() {
        let message = refused("certificate-authority-data: Y2E=", "insecure-skip-tls-verify: true");
        assert!(message.contains("insecure-skip-tls-verify"), "{message}");
    }

    #[test]
    fn plain_http_is_refused() {
        assert!(refused("https://", "http://").contains("clusters[a].server"));
    }

    #[test]
    fn text_that_is_no_kubeconfig_is_said_to_be_unreadable_and_not_repeated() {
        for text in ["clusters: 7", "eyJhbGciOi.SECRET.xyz", "users:\n- name: a\n  user: {token: SECRET\n"] {
            let error = vet(text).unwrap_err();
            assert_eq!(error.category(), "KubeconfigUnreadable");
            assert!(!error.to_string().contains("SECRET"), "{error}");
        }
    }
}
