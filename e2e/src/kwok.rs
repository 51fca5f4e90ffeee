//! Nodes played by kwok: they are Ready, renew their leases, and their Pods run at once.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::components::{Component, Tools};
use crate::controlplane::ControlPlane;
use crate::process::{Child, Spec};
use crate::wait::until;

/// Only nodes with this annotation, of value `fake`, are played.
const ANNOTATION: &str = "kwok.x-k8s.io/node";

/// How long a new node may take to be Ready.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// A running kwok.
pub struct Kwok {
    child: Child,
    client: kube::Client,
}

impl Kwok {
    /// Starts kwok against a control plane.
    pub async fn start(plane: &ControlPlane) -> Result<Self> {
        let tools = Tools::ensure(&[Component::Kwok]).await?;
        let program = tools.path(Component::Kwok)?;
        let kubeconfig = plane.kubeconfig_for_user("kwok", &["system:masters"])?;
        let child = Spec::new("kwok", program, plane.dir().join("kwok.log"))
            .flag("kubeconfig", kubeconfig)
            .flag("config", program.with_file_name("stages.yaml"))
            .flag("manage-nodes-with-annotation-selector", format!("{ANNOTATION}=fake"))
            .flag("node-lease-duration-seconds", "40")
            .spawn()?;
        Ok(Self { child, client: plane.client() })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Adds a node of 32 CPUs and 256 GiB with these labels, and waits until it is Ready.
    pub async fn add_node(&self, name: &str, labels: &[(&str, &str)]) -> Result<Node> {
        let resources = json!({ "cpu": "32", "memory": "256Gi", "pods": "110" });
        let mut all: BTreeMap<&str, &str> = BTreeMap::from([
            ("kubernetes.io/hostname", name),
            ("kubernetes.io/os", "linux"),
            ("kubernetes.io/arch", "amd64"),
        ]);
        all.extend(labels.iter().copied());
        let node: Node = serde_json::from_value(json!({
            "metadata": { "name": name, "labels": all, "annotations": { ANNOTATION: "fake" } },
            "status": { "capacity": resources, "allocatable": resources },
        }))?;
        let nodes: Api<Node> = Api::all(self.client.clone());
        nodes
            .create(&PostParams::default(), &node)
            .await
            .with_context(|| format!("creating the node {name}"))?;
        until(READY_LIMIT, format!("the node {name} to be Ready"), || async {
            self.child.check_alive()?;
            Ok(is_ready(&nodes.get(name).await?))
        })
        .await?;
        nodes.get(name).await.with_context(|| format!("reading the node {name}"))
    }
}

/// Whether the node's condition Ready is True.
pub fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}
