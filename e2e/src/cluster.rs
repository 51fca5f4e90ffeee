//! A cluster as its administrator sees it, by a kubeconfig: one of the harness' own control planes, or somebody's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};

use crate::components::{Component, Tools};
use crate::dirs;
use crate::kubeconfig;
use crate::process::Spec;

/// How long one run of kubectl may take.
const KUBECTL_LIMIT: Duration = Duration::from_mins(2);

/// A cluster that is talked to with the administrator's rights.
#[derive(Clone)]
pub struct Cluster {
    folder: PathBuf,
    url: String,
    tools: Tools,
    client: kube::Client,
}

impl Cluster {
    /// The cluster of the kubeconfig file `kubeconfig` in `folder`, where kubeconfigs of others are put too. `tools` has
    /// kubectl.
    pub async fn new(folder: PathBuf, tools: Tools) -> Result<Self> {
        let client = kubeconfig::client(&folder.join("kubeconfig")).await?;
        let url = kubeconfig::server(&folder.join("kubeconfig"))?;
        Ok(Self { folder, url, tools, client })
    }

    /// A client with all rights, shared.
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// The API server's address, such as `https://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The folder of its kubeconfig files.
    pub fn dir(&self) -> &Path {
        &self.folder
    }

    /// The components that it was made with.
    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// The kubeconfig of the administrator.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// A bearer token of a service account, good for a day.
    pub async fn token_for(&self, namespace: &str, account: &str) -> Result<String> {
        let request = TokenRequest {
            spec: Some(TokenRequestSpec { expiration_seconds: Some(86_400), ..TokenRequestSpec::default() }),
            ..TokenRequest::default()
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), namespace);
        let answer = accounts.create_token_request(account, &PostParams::default(), &request).await;
        let answer = answer.with_context(|| format!("asking for a token of {namespace}/{account}"))?;
        answer.status.and_then(|status| status.token).context("the token request came back without a token")
    }

    /// Writes a kubeconfig that logs in as the service account, and returns its path. It has exactly the rights that
    /// RBAC gives the account.
    pub async fn kubeconfig_for(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let token = self.token_for(namespace, account).await?;
        let path = self.folder.join(format!("kubeconfig-{namespace}-{account}"));
        kubeconfig::with_token(&self.admin_kubeconfig(), &token, &path)?;
        Ok(path)
    }

    /// A client that is logged in as the service account.
    pub async fn client_for(&self, namespace: &str, account: &str) -> Result<kube::Client> {
        kubeconfig::client(&self.kubeconfig_for(namespace, account).await?).await
    }

    /// Runs kubectl as the administrator and returns what it prints.
    ///
    /// # Errors
    /// When it fails, with what it says.
    pub async fn kubectl<I: IntoIterator<Item = A>, A: Into<std::ffi::OsString>>(
        &self,
        args: I,
    ) -> Result<String> {
        let log = dirs::fresh("kubectl")?.join("kubectl.log");
        let spec = Spec::new("kubectl", self.tools.path(Component::Kubectl)?, log)
            .flag("kubeconfig", self.admin_kubeconfig())
            .args(args);
        spec.output(KUBECTL_LIMIT).await
    }

    /// Applies manifests (YAML or JSON, any number of documents) by server-side apply as the administrator.
    pub async fn apply(&self, manifests: &str) -> Result<String> {
        let file = dirs::fresh("manifests")?.join("manifests.yaml");
        fs::write(&file, manifests).with_context(|| format!("writing {}", file.display()))?;
        let words = ["apply", "--server-side", "--force-conflicts", "--field-manager=banyan-e2e", "-f"];
        self.kubectl(words.iter().map(Into::into).chain([file.into_os_string()])).await
    }
}
