//! The operator as a subprocess, with its own service account's rights and no more.

use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;

use crate::audit;
use crate::chart::{NAMESPACE, RELEASE};
use crate::cluster::Cluster;
use crate::controlplane::free_port;
use crate::dirs;
use crate::process::{Child, Finished, Spec};
use crate::prometheus::local_http;
use crate::wait::eventually;

/// How long the operator may take to fill its indexes.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// How long it may take to end when asked: it finishes the write in hand and gives its lease back.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// How to run the operator.
#[derive(Clone, Debug)]
pub struct OperatorOptions {
    /// The replica's name, which holds the lease.
    pub identity: String,
    /// Starts the clock at this time; it runs on from there.
    pub now: Option<Timestamp>,
    /// The lease's duration, in the operator's form.
    pub lease_duration: String,
    /// Arguments added to `banyan run`.
    pub args: Vec<String>,
    /// Variables added to its environment.
    pub env: Vec<(String, String)>,
    /// Logs in to the API server by this kubeconfig instead of the chart's service account.
    pub kubeconfig: Option<PathBuf>,
    /// Runs this program instead of the one built with the same profile as this.
    pub program: Option<PathBuf>,
    /// Returns only when `/readyz` says yes.
    pub await_ready: bool,
}

impl Default for OperatorOptions {
    fn default() -> Self {
        Self {
            identity: "banyan-0".to_owned(),
            now: None,
            lease_duration: "15s".to_owned(),
            args: Vec::new(),
            env: Vec::new(),
            kubeconfig: None,
            program: None,
            await_ready: true,
        }
    }
}

/// A running operator. Dropping it kills it.
pub struct Operator {
    child: Child,
    trail: PathBuf,
    address: String,
    http: reqwest::Client,
}

impl Operator {
    /// Starts `banyan run` against a cluster on which the chart was installed ([`crate::chart::install`]).
    ///
    /// # Errors
    /// When the program was not built, ends at once (with the end of its log) or is not ready within a minute.
    pub async fn start(cluster: &Cluster, options: OperatorOptions) -> Result<Self> {
        let port = free_port()?;
        let mut spec = command(cluster, &options, port).await?;
        let trail = dirs::fresh(&options.identity)?.join("trail.jsonl");
        spec.stdout = Some(trail.clone());
        let address = format!("127.0.0.1:{port}");
        let operator = Self { child: spec.spawn()?, trail, address, http: local_http()? };
        if options.await_ready {
            operator.ready().await?;
        }
        Ok(operator)
    }

    /// Waits until `/readyz` says yes.
    pub async fn ready(&self) -> Result<()> {
        eventually(READY_LIMIT, "the operator's /readyz", || async {
            // A dead process never gets ready: this inner error ends the wait at once.
            if let Err(error) = self.child.check_alive() {
                return Ok(Some(Err(error)));
            }
            let answer = self.http.get(format!("http://{}/readyz", self.address)).send().await?;
            if answer.status().is_success() {
                return Ok(Some(Ok(())));
            }
            bail!("{}: {}", answer.status(), answer.text().await?)
        })
        .await?
        .with_context(|| format!("its log {} ends with\n{}", self.log().display(), self.child.log_tail(20)))
    }

    /// The address, `127.0.0.1:<port>`, of its `/metrics`, `/healthz` and `/readyz`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its process.
    pub fn process(&self) -> &Child {
        &self.child
    }

    /// Its log file.
    pub fn log(&self) -> &Path {
        self.child.log()
    }

    /// The file of its trail, which outlives it.
    pub fn trail(&self) -> &Path {
        &self.trail
    }

    /// The text of `/metrics`.
    pub async fn metrics(&self) -> Result<String> {
        let answer = self.http.get(format!("http://{}/metrics", self.address)).send().await?;
        ensure!(answer.status().is_success(), "/metrics answered {}", answer.status());
        Ok(answer.text().await?)
    }

    /// One series of `/metrics`, written as there with its labels, such as `banyan_writes_total{verb="patch"}`; `None`
    /// when it is not there.
    pub async fn metric(&self, series: &str) -> Result<Option<f64>> {
        Ok(find_metric(&self.metrics().await?, series))
    }

    /// Kills it with SIGKILL.
    pub async fn kill_9(&self) -> Result<()> {
        self.child.kill().await.map(drop)
    }

    /// Asks it to end (SIGTERM).
    ///
    /// # Errors
    /// When it does not end in time or ends with another status than 0.
    pub async fn stop(&self) -> Result<()> {
        let status = self.child.stop(STOP_LIMIT).await?;
        ensure!(status.success(), "the operator ended with {status}:\n{}", self.child.log_tail(20));
        Ok(())
    }

    /// Waits for its end by itself.
    pub async fn wait(&self) -> ExitStatus {
        self.child.wait().await
    }
}

/// What [`Operator::start`] runs, listening on this loopback port: for whoever runs it elsewhere.
pub async fn command(cluster: &Cluster, options: &OperatorOptions, port: u16) -> Result<Spec> {
    let kubeconfig = match &options.kubeconfig {
        Some(path) => path.clone(),
        None => cluster.kubeconfig_for(NAMESPACE, RELEASE).await.context("is the chart installed?")?,
    };
    let program = match &options.program {
        Some(program) => program.clone(),
        None => program()?,
    };
    let log = dirs::fresh(&options.identity)?.join("banyan.log");
    let mut spec = Spec::new(&options.identity, program, log)
        .args(["run", "--namespace", NAMESPACE, "--listen", &format!("127.0.0.1:{port}")])
        .args(["--identity", &options.identity, "--lease-duration", &options.lease_duration])
        .args(options.now.iter().flat_map(|now| ["--now".to_owned(), now.to_string()]))
        .args(&options.args)
        .env("KUBECONFIG", kubeconfig);
    for (name, value) in &options.env {
        spec = spec.env(name, value);
    }
    Ok(spec)
}

/// The operator's user name in the audit log.
pub fn user() -> String {
    audit::service_account(NAMESPACE, RELEASE)
}

/// Runs one of the command line's other subcommands, such as `status`, with this kubeconfig.
///
/// # Errors
/// When it cannot be started or takes longer than a minute; not when it ends with another status than 0.
pub async fn cli(kubeconfig: &Path, args: &[&str]) -> Result<Finished> {
    let log = dirs::fresh("cli")?.join("banyan.log");
    let spec = Spec::new("banyan", program()?, log).args(args).env("KUBECONFIG", kubeconfig);
    spec.run(Duration::from_mins(1)).await
}

/// The operator's program: `BANYAN_BIN`, or the one built with the same profile as this.
pub fn program() -> Result<PathBuf> {
    let program =
        std::env::var_os("BANYAN_BIN").map_or_else(|| dirs::profile().join("banyan"), PathBuf::from);
    if !program.is_file() {
        bail!("{} does not exist: run `cargo build -p banyan` first, or set BANYAN_BIN", program.display());
    }
    Ok(program)
}

/// One series of a text of metrics, written as there with its labels.
pub fn find_metric(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::find_metric;

    #[test]
    fn a_series_is_found_by_its_whole_name() {
        let text = "# HELP a_total x\na_total{verb=\"patch\"} 3\na_total_more 5\na 7.5\n";
        assert_eq!(find_metric(text, "a_total{verb=\"patch\"}"), Some(3.0));
        assert_eq!(find_metric(text, "a"), Some(7.5));
        assert_eq!(find_metric(text, "a_total"), None);
    }
}
