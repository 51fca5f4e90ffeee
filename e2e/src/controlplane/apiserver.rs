//! The API server and its store, and the files that they are configured by.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Options, free_port};
use crate::components::{Component, Tools};
use crate::pki::{Authority, bare_key};
use crate::process::{Child, Spec};

/// The audit log's name in the control plane's folder.
pub const AUDIT_LOG: &str = "audit.log";
/// The store's folder in the control plane's folder.
pub const ETCD_DATA: &str = "etcd";

/// Every write, and whatever the operator asks, when it is answered, without the objects themselves. Rules are tried in
/// order.
const AUDIT_POLICY: &str = "\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: Metadata
    verbs: [create, update, patch, delete, deletecollection]
  - level: Metadata
    users: [\"system:serviceaccount:banyan-system:banyan\"]
  - level: None
";

/// Strangers may ask for the server's health and for nothing else.
const AUTHENTICATION: &str = "\
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
anonymous:
  enabled: true
  conditions:
    - path: /livez
    - path: /readyz
    - path: /healthz
";

/// A running etcd and kube-apiserver.
pub struct Servers {
    api_server: Child,
    etcd: Child,
    api_server_spec: Spec,
    port: u16,
}

impl Servers {
    /// Starts both without waiting for either: the API server waits for its store by itself.
    pub fn start(options: &Options, tools: &Tools, dir: &Path, authority: &Authority) -> Result<Self> {
        let certs = dir.join("pki");
        fs::create_dir_all(&certs).with_context(|| format!("creating {}", certs.display()))?;
        authority.pair().write(&certs, "authority")?;
        authority.server("kube-apiserver")?.write(&certs, "server")?;
        authority.client("kube-apiserver-etcd-client", &[])?.write(&certs, "etcd-client")?;
        bare_key()?.write(&certs, "service-accounts")?;
        write(&dir.join("audit-policy.yaml"), AUDIT_POLICY)?;
        write(&dir.join("authentication.yaml"), AUTHENTICATION)?;

        let (store, peers, port) = (free_port()?, free_port()?, free_port()?);
        let etcd = etcd(tools, dir, store, peers)?.spawn()?;
        let api_server_spec = api_server(options, tools, dir, store, port)?;
        let api_server = api_server_spec.spawn()?;
        Ok(Self { api_server, etcd, api_server_spec, port })
    }

    /// The API server's address.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Fails when one of the two has ended.
    pub fn check_alive(&self) -> Result<()> {
        self.etcd.check_alive()?;
        self.api_server.check_alive()
    }

    /// Kills the API server and waits until it is gone.
    pub async fn kill_api_server(&self) -> Result<()> {
        self.api_server.kill().await.map(drop)
    }

    /// Starts the API server once more, with the same arguments.
    pub fn restart_api_server(&mut self) -> Result<()> {
        self.api_server = self.api_server_spec.spawn()?;
        Ok(())
    }

    /// The CPU time that both have used, in seconds.
    pub fn cpu_seconds(&self) -> f64 {
        self.api_server.cpu_seconds() + self.etcd.cpu_seconds()
    }

    /// Both process ids.
    pub fn pids(&self) -> Vec<u32> {
        vec![self.api_server.pid(), self.etcd.pid()]
    }
}

fn etcd(tools: &Tools, dir: &Path, store: u16, peers: u16) -> Result<Spec> {
    let certs = dir.join("pki");
    let (store, peers) = (format!("https://127.0.0.1:{store}"), format!("https://127.0.0.1:{peers}"));
    let mut spec = Spec::new("etcd", tools.path(Component::Etcd)?, dir.join("etcd.log"))
        .flag("data-dir", dir.join(ETCD_DATA))
        .flag("listen-client-urls", &store)
        .flag("advertise-client-urls", &store)
        .flag("listen-peer-urls", &peers)
        .flag("initial-advertise-peer-urls", &peers)
        .flag("initial-cluster", format!("default={peers}"))
        // The data need not survive the machine, only the processes.
        .flag("unsafe-no-fsync", "true")
        .flag("log-level", "warn");
    // Without client certificates anybody on the machine could write past the API server and its RBAC.
    for prefix in ["", "peer-"] {
        spec = spec
            .flag(&format!("{prefix}cert-file"), certs.join("server.crt"))
            .flag(&format!("{prefix}key-file"), certs.join("server.key"))
            .flag(&format!("{prefix}trusted-ca-file"), certs.join("authority.crt"))
            .flag(&format!("{prefix}client-cert-auth"), "true");
    }
    Ok(spec)
}

fn api_server(options: &Options, tools: &Tools, dir: &Path, store: u16, port: u16) -> Result<Spec> {
    let certs = dir.join("pki");
    let file = |name: &str| certs.join(name);
    let mut spec =
        Spec::new("kube-apiserver", tools.path(Component::KubeApiserver)?, dir.join("kube-apiserver.log"))
            .flag("etcd-servers", format!("https://127.0.0.1:{store}"))
            .flag("etcd-cafile", file("authority.crt"))
            .flag("etcd-certfile", file("etcd-client.crt"))
            .flag("etcd-keyfile", file("etcd-client.key"))
            .flag("bind-address", "127.0.0.1")
            .flag("advertise-address", "127.0.0.1")
            // The Service `kubernetes` cannot point to a loopback address, and nothing runs inside that would use it.
            .flag("endpoint-reconciler-type", "none")
            .flag("secure-port", port.to_string())
            .flag("tls-cert-file", file("server.crt"))
            .flag("tls-private-key-file", file("server.key"))
            .flag("client-ca-file", file("authority.crt"))
            .flag("authentication-config", dir.join("authentication.yaml"))
            .flag("authorization-mode", "RBAC")
            .flag("service-account-issuer", "https://kubernetes.default.svc")
            .flag("service-account-key-file", file("service-accounts.crt"))
            .flag("service-account-signing-key-file", file("service-accounts.key"))
            .flag("service-cluster-ip-range", "10.96.0.0/16")
            .flag("allow-privileged", "true")
            .flag("profiling", "false");
    if options.audit {
        spec = spec
            .flag("audit-policy-file", dir.join("audit-policy.yaml"))
            .flag("audit-log-path", dir.join(AUDIT_LOG))
            // A line stands in the log before or shortly after the answer, never seconds later in a batch.
            .flag("audit-log-mode", "blocking");
    }
    if !options.controller_manager {
        // Nobody makes the default service accounts that this plug-in asks for.
        spec = spec.flag("disable-admission-plugins", "ServiceAccount");
    }
    Ok(spec.args(&options.apiserver_args))
}

fn write(path: &Path, content: &str) -> Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}
