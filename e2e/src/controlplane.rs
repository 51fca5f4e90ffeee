//! A Kubernetes control plane of real components on loopback ports.

mod apiserver;
mod ports;

use std::fs;
use std::ops::Deref;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, ObjectMeta, PostParams};
use tokio::sync::Mutex;

use crate::audit::AuditLog;
use crate::cluster::Cluster;
use crate::components::{Component, Tools};
use crate::dirs;
use crate::kubeconfig::{self, Login};
use crate::kwok::Kwok;
use crate::pki::Authority;
use crate::process::{Child, Spec};
use crate::wait::eventually;
use apiserver::Servers;
pub use ports::free_port;

/// How long the API server may take to be ready; it takes about 10 s on two idle cores.
const READY_LIMIT: Duration = Duration::from_mins(2);

/// How often a start is tried when another process took one of the ports in between.
const ATTEMPTS: usize = 3;

/// The group that may do everything, whatever RBAC says.
const MASTERS: &str = "system:masters";

/// What a control plane consists of. The default is the API server and its store, with an audit log.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // Each says whether one more process is there.
pub struct Options {
    /// Names its folder in the run folder, and its log files in messages.
    pub name: String,
    /// Runs kube-controller-manager: garbage collection, namespaces that end, quota, Jobs, service accounts' defaults.
    pub controller_manager: bool,
    /// Arguments added to kube-controller-manager's, such as `--node-monitor-grace-period=10s`.
    pub controller_manager_args: Vec<String>,
    /// Runs kube-scheduler.
    pub scheduler: bool,
    /// Runs kwok; nodes are added by [`ControlPlane::kwok`].
    pub kwok: bool,
    /// Writes the audit log of all writes, which costs a little time per write.
    pub audit: bool,
    /// Arguments added to kube-apiserver's.
    pub apiserver_args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "control-plane".to_owned(),
            controller_manager: false,
            controller_manager_args: Vec::new(),
            scheduler: false,
            kwok: false,
            audit: true,
            apiserver_args: Vec::new(),
        }
    }
}

impl Options {
    /// A control plane that behaves like a whole cluster: all controllers, the scheduler and kwok's nodes.
    pub fn whole(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            controller_manager: true,
            scheduler: true,
            kwok: true,
            ..Self::default()
        }
    }
}

/// A running control plane. Dropping it ends its processes and removes its data; its logs stay until the run's end.
pub struct ControlPlane {
    // Dropped in this order: those who talk to the API server before it, and the data last.
    kwok: Option<Kwok>,
    scheduler: Option<Child>,
    controller_manager: Option<Child>,
    servers: Mutex<Servers>,
    data: Data,
    authority: Authority,
    cluster: Cluster,
}

/// What its administrator can do.
impl Deref for ControlPlane {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl ControlPlane {
    /// Starts a control plane and waits until it is ready for use.
    ///
    /// # Errors
    /// When a component cannot be got, dies (with the end of its log) or is not ready within two minutes.
    pub async fn start(options: Options) -> Result<Self> {
        crate::install_crypto();
        let mut wanted = vec![Component::Etcd, Component::KubeApiserver, Component::Kubectl];
        wanted.extend(options.controller_manager.then_some(Component::KubeControllerManager));
        wanted.extend(options.scheduler.then_some(Component::KubeScheduler));
        wanted.extend(options.kwok.then_some(Component::Kwok));
        let tools = Tools::ensure(&wanted).await?;

        for attempt in 1.. {
            match Self::try_start(&options, &tools).await {
                Err(error)
                    if attempt < ATTEMPTS && format!("{error:#}").contains("address already in use") => {}
                result => return result,
            }
        }
        bail!("no attempt was made")
    }

    async fn try_start(options: &Options, tools: &Tools) -> Result<Self> {
        let data = Data(dirs::fresh(&options.name)?);
        let authority = Authority::new("banyan-e2e")?;
        let servers = Servers::start(options, tools, &data.0, &authority)?;
        let url = servers.url();
        let admin = data.0.join("kubeconfig");
        let login = Login::Certificate(authority.client("admin", &[MASTERS])?);
        kubeconfig::write(&admin, &options.name, &url, &authority.cert(), &login)?;
        let cluster = Cluster::new(data.0.clone(), tools.clone()).await?;
        let mut plane = Self {
            kwok: None,
            scheduler: None,
            controller_manager: None,
            servers: Mutex::new(servers),
            data,
            authority,
            cluster,
        };
        plane.ready().await?;
        if options.controller_manager {
            plane.controller_manager =
                Some(plane.start_controller_manager(&options.controller_manager_args)?);
        }
        if options.scheduler {
            plane.scheduler = Some(plane.start_scheduler()?);
        }
        if options.kwok {
            plane.kwok = Some(Kwok::start(&plane).await?);
        }
        if options.controller_manager {
            plane.default_service_account().await?;
        }
        Ok(plane)
    }

    /// The certificate of the authority that signed the API server's, PEM.
    pub fn authority_cert(&self) -> String {
        self.authority.cert()
    }

    /// The audit log of all writes; empty when the options left it out.
    pub fn audit(&self) -> AuditLog {
        AuditLog::new(self.data.0.join(apiserver::AUDIT_LOG))
    }

    /// Nodes played by kwok.
    ///
    /// # Errors
    /// When the options left kwok out.
    pub fn kwok(&self) -> Result<&Kwok> {
        self.kwok.as_ref().context("this control plane was started without kwok")
    }

    /// Creates a namespace.
    pub async fn create_namespace(&self, name: &str) -> Result<()> {
        let namespace = Namespace {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let created = Api::<Namespace>::all(self.client()).create(&PostParams::default(), &namespace).await;
        created.map(drop).with_context(|| format!("creating the namespace {name}"))
    }

    /// Writes a kubeconfig with a client certificate of this user and these groups, and returns its path.
    pub fn kubeconfig_for_user(&self, user: &str, groups: &[&str]) -> Result<PathBuf> {
        let path = self.data.0.join(format!("kubeconfig-{}", user.replace([':', '/'], "-")));
        let login = Login::Certificate(self.authority.client(user, groups)?);
        kubeconfig::write(&path, user, self.url(), &self.authority.cert(), &login)?;
        Ok(path)
    }

    /// Kills the API server with SIGKILL; etcd keeps the data.
    pub async fn kill_api_server(&self) -> Result<()> {
        self.servers.lock().await.kill_api_server().await
    }

    /// Starts the API server again on its old port, and waits until it is ready.
    pub async fn restart_api_server(&self) -> Result<()> {
        self.servers.lock().await.restart_api_server()?;
        self.ready().await
    }

    /// The process ids of everything that runs for this control plane.
    pub async fn pids(&self) -> Vec<u32> {
        let mut pids = self.servers.lock().await.pids();
        pids.extend([&self.controller_manager, &self.scheduler].into_iter().flatten().map(Child::pid));
        pids.extend(self.kwok.iter().map(Kwok::pid));
        pids
    }

    /// The CPU time that the API server and its store have used, in seconds.
    pub async fn cpu_seconds(&self) -> f64 {
        self.servers.lock().await.cpu_seconds()
    }

    /// Ends every process and removes the data. Nothing is asked to end gently: nobody reads the data again.
    pub fn stop(self) {
        drop(self);
    }

    async fn ready(&self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.client());
        let http = local_https(&self.authority.cert())?;
        let url = format!("{}/readyz", self.url());
        let servers = self.servers.lock().await;
        let ready = eventually(READY_LIMIT, "the API server's /readyz", || async {
            // A dead process never gets ready: this inner error ends the wait at once.
            if let Err(error) = servers.check_alive() {
                return Ok(Some(Err(error)));
            }
            let ready = http.get(&url).send().await?.status().is_success();
            // /readyz may say ok shortly before the first namespaces exist.
            if ready && namespaces.get_opt("default").await?.is_some() { Ok(Some(Ok(()))) } else { Ok(None) }
        });
        ready.await?
    }

    fn component(&self, component: Component, user: &str) -> Result<Spec> {
        let kubeconfig = self.kubeconfig_for_user(user, &[])?;
        let log = self.data.0.join(format!("{component}.log"));
        let port = free_port()?.to_string();
        let certs = self.data.0.join("pki");
        Ok(Spec::new(component.name(), self.tools().path(component)?, log)
            .flag("kubeconfig", &kubeconfig)
            .flag("authentication-kubeconfig", &kubeconfig)
            .flag("authorization-kubeconfig", &kubeconfig)
            .flag("bind-address", "127.0.0.1")
            .flag("secure-port", port)
            .flag("tls-cert-file", certs.join("server.crt"))
            .flag("tls-private-key-file", certs.join("server.key"))
            // There is one of each, and an election would only delay its start.
            .flag("leader-elect", "false"))
    }

    fn start_controller_manager(&self, args: &[String]) -> Result<Child> {
        let certs = self.data.0.join("pki");
        self.component(Component::KubeControllerManager, "system:kube-controller-manager")?
            .flag("use-service-account-credentials", "true")
            .flag("service-account-private-key-file", certs.join("service-accounts.key"))
            .flag("root-ca-file", certs.join("authority.crt"))
            .flag("kube-api-qps", "200")
            .flag("kube-api-burst", "400")
            .args(args)
            .spawn()
    }

    fn start_scheduler(&self) -> Result<Child> {
        self.component(Component::KubeScheduler, "system:kube-scheduler")?
            .flag("kube-api-qps", "200")
            .flag("kube-api-burst", "400")
            .spawn()
    }

    /// The controllers work when they have made the first namespace's default service account.
    async fn default_service_account(&self) -> Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), "default");
        eventually(READY_LIMIT, "kube-controller-manager's first service account", || async {
            if let Some(Err(error)) = self.controller_manager.as_ref().map(Child::check_alive) {
                return Ok(Some(Err(error)));
            }
            Ok(accounts.get_opt("default").await?.map(|_| Ok(())))
        })
        .await?
    }
}

/// A client for HTTPS on this machine that trusts one authority only and passes by any proxy.
pub fn local_https(authority: &str) -> Result<reqwest::Client> {
    crate::install_crypto();
    let authority = reqwest::Certificate::from_pem(authority.as_bytes()).context("reading the authority")?;
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5));
    builder.tls_certs_only([authority]).build().context("making an HTTPS client")
}

/// The folder of a control plane; when dropped, the store's data goes and the logs stay.
struct Data(PathBuf);

impl Drop for Data {
    fn drop(&mut self) {
        // The run folder is removed at the end in any case.
        let _ = fs::remove_dir_all(self.0.join(apiserver::ETCD_DATA));
    }
}
