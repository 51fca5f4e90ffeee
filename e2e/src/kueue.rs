//! Kueue's own controller and its definitions, for what Banyan does to a `ClusterQueue`.
//!
//! Kueue is made to run inside a cluster: its API server calls it back, for conversions and admission, under the DNS
//! name of a Service, with a certificate that Kueue puts into a Secret and finds again in its own files, where a
//! kubelet has mounted the Secret. Outside, the Service is one of type `ExternalName` that points to this machine, and
//! [`Kueue::start`] does the mounting. Everything else is as in a cluster, verified TLS included.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::Api;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::chart::wait_established;
use crate::components::{Component, Tools};
use crate::controlplane::{ControlPlane, free_port};
use crate::dirs;
use crate::process::{Child, Spec};
use crate::prometheus::local_http;
use crate::wait::eventually;

/// Kueue's namespace.
const NAMESPACE: &str = "kueue-system";
/// The Service under which the API server calls Kueue. Kueue derives its webhook configurations' names from it.
const SERVICE: &str = "kueue-webhook-service";
/// The Secret that Kueue puts its certificate into.
const SECRET: &str = "kueue-webhook-server-cert";

/// How long Kueue may take to make its certificates and be ready; it looks for them in steps of 1, 2, 4 … seconds.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// The definitions whose older version Kueue converts.
const CONVERTED: [&str; 5] = ["localqueues", "clusterqueues", "cohorts", "workloads", "multikueueclusters"];

/// A running Kueue that manages `batch/v1` Jobs. Dropping it kills it; its webhooks then refuse every Job.
pub struct Kueue {
    child: Child,
}

impl Kueue {
    /// Installs Kueue into a control plane, which needs the controller manager, starts it and waits until it is ready.
    pub async fn start(plane: &ControlPlane) -> Result<Self> {
        let tools = Tools::ensure(&[Component::Kueue]).await?;
        let program = tools.path(Component::Kueue)?;
        let dir = dirs::fresh("kueue")?;
        let certs = dir.join("certs");
        fs::create_dir_all(&certs).with_context(|| format!("creating {}", certs.display()))?;
        let (webhooks, health) = (free_port()?, free_port()?);

        plane.apply(&serde_yaml::to_string(&namespace())?).await?;
        plane.apply(&documents_to_yaml(&access())?).await?;
        apply_crds(plane, program, Some(webhooks)).await?;
        plane.apply(&documents_to_yaml(&webhook_configurations(program, webhooks)?)?).await?;

        let config = dir.join("config.yaml");
        fs::write(&config, serde_yaml::to_string(&configuration(&certs, webhooks, health))?)
            .with_context(|| format!("writing {}", config.display()))?;
        let child = Spec::new("kueue", program, dir.join("kueue.log"))
            .flag("config", &config)
            .env("KUBECONFIG", plane.kubeconfig_for_user("kueue", &["system:masters"])?)
            .spawn()?;
        let kueue = Self { child };
        kueue.mount_secret(plane, &certs).await?;
        kueue.ready(health).await?;
        Ok(kueue)
    }

    /// Kueue's definitions alone: objects can be written, and nothing acts on them.
    pub async fn install_crds(plane: &ControlPlane) -> Result<()> {
        let tools = Tools::ensure(&[Component::Kueue]).await?;
        apply_crds(plane, tools.path(Component::Kueue)?, None).await
    }

    /// Its process.
    pub fn process(&self) -> &Child {
        &self.child
    }

    /// Copies the certificate from the Secret to where Kueue waits for it, as a kubelet would.
    async fn mount_secret(&self, plane: &ControlPlane, certs: &Path) -> Result<()> {
        let secrets: Api<Secret> = Api::namespaced(plane.client(), NAMESPACE);
        let files = ["tls.key", "tls.crt"];
        let contents = eventually(READY_LIMIT, "Kueue's certificate", || async {
            if let Err(error) = self.child.check_alive() {
                return Ok(Some(Err(error)));
            }
            let data = secrets.get(SECRET).await?.data.unwrap_or_default();
            let contents: Option<Vec<_>> = files.iter().map(|file| data.get(*file).cloned()).collect();
            Ok(contents.map(Ok))
        })
        .await??;
        // The certificate last: Kueue takes its presence for the presence of both.
        for (file, content) in files.iter().zip(contents) {
            let path = certs.join(file);
            fs::write(&path, content.0).with_context(|| format!("writing {}", path.display()))?;
        }
        Ok(())
    }

    async fn ready(&self, port: u16) -> Result<()> {
        let http = local_http()?;
        let url = format!("http://127.0.0.1:{port}/readyz");
        eventually(READY_LIMIT, "Kueue's /readyz", || async {
            if let Err(error) = self.child.check_alive() {
                return Ok(Some(Err(error)));
            }
            Ok(http.get(&url).send().await?.status().is_success().then_some(Ok(())))
        })
        .await?
        .with_context(|| {
            format!("its log {} ends with\n{}", self.child.log().display(), self.child.log_tail(10))
        })
    }
}

async fn apply_crds(plane: &ControlPlane, program: &Path, conversion: Option<u16>) -> Result<()> {
    let mut crds = read_documents(&program.with_file_name("crds.yaml"))?;
    for crd in &mut crds {
        let converted = crd["spec"]["names"]["plural"].as_str().is_some_and(|name| CONVERTED.contains(&name));
        if let Some(port) = conversion.filter(|_| converted) {
            let client = json!({ "service": service(port, "/convert") });
            let webhook = json!({ "clientConfig": client, "conversionReviewVersions": ["v1"] });
            crd["spec"]["conversion"] = json!({ "strategy": "Webhook", "webhook": webhook });
        }
    }
    plane.apply(&documents_to_yaml(&crds)?).await?;
    let api: Api<CustomResourceDefinition> = Api::all(plane.client());
    for crd in &crds {
        wait_established(&api, crd["metadata"]["name"].as_str().unwrap_or_default()).await?;
    }
    Ok(())
}

fn namespace() -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } })
}

/// The Secret for the certificate, empty, and the way from the API server to Kueue.
fn access() -> Vec<Value> {
    vec![
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": SECRET, "namespace": NAMESPACE } }),
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": { "name": SERVICE, "namespace": NAMESPACE },
            "spec": { "type": "ExternalName", "externalName": "localhost" },
        }),
    ]
}

fn service(port: u16, path: &str) -> Value {
    json!({ "namespace": NAMESPACE, "name": SERVICE, "port": port, "path": path })
}

/// Kueue's webhook configurations, for its own kinds and for Jobs, the only framework that is switched on.
fn webhook_configurations(program: &Path, port: u16) -> Result<Vec<Value>> {
    let mut configurations = read_documents(&program.with_file_name("webhooks.yaml"))?;
    for configuration in &mut configurations {
        let name = format!("kueue-{}", configuration["metadata"]["name"].as_str().unwrap_or_default());
        configuration["metadata"]["name"] = json!(name);
        let webhooks =
            configuration["webhooks"].as_array_mut().context("a webhook configuration without webhooks")?;
        webhooks.retain(concerns_jobs_or_kueue);
        for webhook in webhooks {
            let path = webhook["clientConfig"]["service"]["path"].as_str().unwrap_or_default().to_owned();
            webhook["clientConfig"] = json!({ "service": service(port, &path) });
        }
    }
    Ok(configurations)
}

fn concerns_jobs_or_kueue(webhook: &Value) -> bool {
    let rules = webhook["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    let groups = rules.iter().flat_map(|rule| rule["apiGroups"].as_array().into_iter().flatten());
    groups.into_iter().all(|group| group == "batch" || group == "kueue.x-k8s.io")
}

fn configuration(certs: &Path, webhooks: u16, health: u16) -> Value {
    json!({
        "apiVersion": "config.kueue.x-k8s.io/v1beta2",
        "kind": "Configuration",
        "namespace": NAMESPACE,
        "health": { "healthProbeBindAddress": format!("127.0.0.1:{health}") },
        "metrics": { "bindAddress": "0" },
        "webhook": { "host": "127.0.0.1", "port": webhooks, "certDir": certs },
        "leaderElection": { "leaderElect": false },
        "internalCertManagement": { "enable": true, "webhookServiceName": SERVICE, "webhookSecretName": SECRET },
        "clientConnection": { "qps": 300, "burst": 500 },
        // An API of its own on a fixed port, which nothing here asks.
        "featureGates": { "VisibilityOnDemand": false },
        "integrations": { "frameworks": ["batch/job"] },
    })
}

fn read_documents(path: &PathBuf) -> Result<Vec<Value>> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let documents = serde_yaml::Deserializer::from_str(&text).map(Value::deserialize);
    let mut documents: Vec<Value> =
        documents.collect::<Result<_, _>>().with_context(|| format!("reading {}", path.display()))?;
    // A separator at the beginning or the end makes an empty document.
    documents.retain(|document| !document.is_null());
    Ok(documents)
}

fn documents_to_yaml(documents: &[Value]) -> Result<String> {
    let texts: Vec<String> = documents.iter().map(serde_yaml::to_string).collect::<Result<_, _>>()?;
    Ok(texts.join("---\n"))
}
