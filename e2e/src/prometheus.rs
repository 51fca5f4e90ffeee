//! A real Prometheus with a history made to measure.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use crate::components::{Component, Tools};
use crate::controlplane::{free_port, local_https};
use crate::dirs;
use crate::pki::Authority;
use crate::process::{Child, Spec};
use crate::wait::eventually;

/// How long Prometheus may take to load its blocks and be ready.
const READY_LIMIT: Duration = Duration::from_mins(1);

/// The user that a Prometheus with basic authentication asks for.
pub const USER: &str = "meters";
/// That user's password.
pub const PASSWORD: &str = "kilowatt-hours";
/// The password by bcrypt, at its lowest cost: it guards nothing but a test.
const PASSWORD_HASH: &str = "$2b$04$abcdefghijklmnopqrstuuXBbBJEiaDtfmXIJNRt2k8t2c41YdYyK";

/// What a Prometheus starts with. The default is an empty one over plain HTTP.
#[derive(Clone, Debug)]
pub struct PrometheusOptions {
    /// Names its folder in the run folder.
    pub name: String,
    /// Files in the `OpenMetrics` text format, each sample with its time in seconds and `# EOF` as the last line. No sample
    /// may lie in the future: what is scraped before it would be refused as too old.
    pub history: Vec<PathBuf>,
    /// Rule files.
    pub rules: Vec<PathBuf>,
    /// Addresses, `host:port`, whose `/metrics` is scraped over plain HTTP under the job `banyan`.
    pub targets: Vec<String>,
    /// Addresses, `host:port`, of meters that go on from a history: scraped every 15 s without the labels `job` and
    /// `instance`, so that their series are those of the history.
    pub meters: Vec<String>,
    /// How often targets are scraped and rules evaluated.
    pub interval: Duration,
    /// How long samples are kept, in Prometheus' form.
    pub retention: String,
    /// Serves HTTPS, with a certificate by an authority of its own, instead of plain HTTP.
    pub tls: bool,
    /// Asks for [`USER`] and [`PASSWORD`].
    pub basic_auth: bool,
}

impl Default for PrometheusOptions {
    fn default() -> Self {
        Self {
            name: "prometheus".to_owned(),
            history: Vec::new(),
            rules: Vec::new(),
            targets: Vec::new(),
            meters: Vec::new(),
            interval: Duration::from_secs(1),
            retention: "15y".to_owned(),
            tls: false,
            basic_auth: false,
        }
    }
}

/// One series of an instant query's answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Series {
    /// Its labels, as a JSON object of strings.
    pub metric: serde_json::Map<String, serde_json::Value>,
    /// The sample: the time in seconds, and the value as Prometheus writes it.
    pub value: (f64, String),
}

/// A running Prometheus.
pub struct Prometheus {
    child: Child,
    spec: Spec,
    dir: PathBuf,
    url: String,
    authority: Option<Authority>,
    login: bool,
    http: reqwest::Client,
}

impl Prometheus {
    /// Makes the history, starts Prometheus and waits until it is ready.
    ///
    /// # Errors
    /// When the history or the rules are malformed, as promtool and Prometheus put it.
    pub async fn start(options: PrometheusOptions) -> Result<Self> {
        let tools = Tools::ensure(&[Component::Prometheus, Component::Promtool]).await?;
        let dir = dirs::fresh(&options.name)?;
        for file in &options.history {
            make_blocks(&tools, file, &dir).await?;
        }

        let authority = if options.tls { Some(Authority::new("banyan-e2e-prometheus")?) } else { None };
        let web = dir.join("web.yaml");
        write_yaml(&web, &web_config(&dir, authority.as_ref(), options.basic_auth)?)?;
        let config = dir.join("prometheus.yaml");
        write_yaml(&config, &server_config(&options)?)?;

        let scheme = if options.tls { "https" } else { "http" };
        let port = free_port()?;
        let spec = Spec::new("prometheus", tools.path(Component::Prometheus)?, dir.join("prometheus.log"))
            .flag("config.file", &config)
            .flag("web.config.file", &web)
            .flag("web.listen-address", format!("127.0.0.1:{port}"))
            .flag("storage.tsdb.path", dir.join(DATA))
            .flag("storage.tsdb.retention.time", &options.retention);
        let http = match &authority {
            Some(authority) => local_https(&authority.cert())?,
            None => local_http()?,
        };
        let prometheus = Self {
            child: spec.spawn()?,
            spec,
            dir,
            url: format!("{scheme}://127.0.0.1:{port}"),
            authority,
            login: options.basic_auth,
            http,
        };
        prometheus.ready().await?;
        Ok(prometheus)
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The authority of its certificate, PEM; `None` over plain HTTP.
    pub fn authority_cert(&self) -> Option<String> {
        self.authority.as_ref().map(Authority::cert)
    }

    /// Its process.
    pub fn process(&self) -> &Child {
        &self.child
    }

    /// An instant query, now.
    pub async fn query(&self, expression: &str) -> Result<Vec<Series>> {
        self.query_at(expression, Timestamp::now()).await
    }

    /// An instant query at a time of one's choice.
    ///
    /// # Errors
    /// When Prometheus refuses the expression, with its reason, or does not answer with an instant vector.
    pub async fn query_at(&self, expression: &str, at: Timestamp) -> Result<Vec<Series>> {
        #[derive(Deserialize)]
        struct Data {
            result: Vec<Series>,
        }
        let seconds = at.as_second().to_string();
        let data = self.get("/api/v1/query", &[("query", expression), ("time", &seconds)]).await?;
        let data: Data =
            serde_json::from_value(data).with_context(|| format!("reading the answer to {expression}"))?;
        Ok(data.result)
    }

    /// The `data` of an answer of the HTTP API.
    pub async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<serde_json::Value> {
        let mut request = self.http.get(format!("{}{path}", self.url)).query(parameters);
        if self.login {
            request = request.basic_auth(USER, Some(PASSWORD));
        }
        let answer = request.send().await.with_context(|| format!("asking for {path}"))?;
        let status = answer.status();
        let body = answer.text().await.with_context(|| format!("reading {path}"))?;
        ensure!(status.is_success(), "{path} answered {status}: {body}");
        let mut body: serde_json::Value =
            serde_json::from_str(&body).with_context(|| format!("reading {path}"))?;
        Ok(body["data"].take())
    }

    /// The names of the alerts that are firing.
    pub async fn firing(&self) -> Result<Vec<String>> {
        let data = self.get("/api/v1/alerts", &[]).await?;
        let alerts = data["alerts"].as_array().context("no list of alerts")?;
        let firing = alerts.iter().filter(|alert| alert["state"] == "firing");
        Ok(firing.filter_map(|alert| Some(alert["labels"]["alertname"].as_str()?.to_owned())).collect())
    }

    /// Kills it; nothing listens on its port any more.
    pub async fn kill(&self) -> Result<()> {
        self.child.kill().await.map(drop)
    }

    /// Starts it again on its old port, after [`Prometheus::kill`].
    pub async fn restart(&mut self) -> Result<()> {
        self.child = self.spec.spawn()?;
        self.ready().await
    }

    /// Freezes it: connections are taken and never answered.
    pub fn pause(&self) {
        self.child.pause();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.child.resume();
    }

    async fn ready(&self) -> Result<()> {
        let url = format!("{}/-/ready", self.url);
        eventually(READY_LIMIT, "Prometheus' /-/ready", || async {
            // A dead process never gets ready: this inner error ends the wait at once.
            if let Err(error) = self.child.check_alive() {
                return Ok(Some(Err(error)));
            }
            let request = self.http.get(&url).basic_auth(USER, Some(PASSWORD));
            Ok(request.send().await?.status().is_success().then_some(Ok(())))
        })
        .await?
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It must be gone before its data; its field is dropped only after this.
        self.child.kill_now();
        let _ = fs::remove_dir_all(self.dir.join(DATA));
    }
}

/// The folder of its blocks in its own folder.
const DATA: &str = "data";

/// Turns an `OpenMetrics` file into blocks.
async fn make_blocks(tools: &Tools, file: &Path, dir: &Path) -> Result<()> {
    if !file.is_file() {
        bail!("the history {} does not exist", file.display());
    }
    let spec = Spec::new("promtool", tools.path(Component::Promtool)?, dir.join("promtool.log"))
        .args(["tsdb", "create-blocks-from", "--max-block-duration=1500h", "openmetrics"])
        .args([file, &dir.join(DATA)]);
    // The file is read once for each block; the usual blocks of two hours would read a year four thousand times.
    spec.output(Duration::from_mins(5))
        .await
        .map(drop)
        .with_context(|| format!("making blocks of {}", file.display()))
}

fn web_config(dir: &Path, authority: Option<&Authority>, basic_auth: bool) -> Result<serde_json::Value> {
    let mut web = json!({});
    if let Some(authority) = authority {
        let files = authority.server("prometheus")?.write(dir, "server")?;
        web["tls_server_config"] = json!({ "cert_file": files.cert, "key_file": files.key });
    }
    if basic_auth {
        web["basic_auth_users"] = json!({ USER: PASSWORD_HASH });
    }
    Ok(web)
}

fn server_config(options: &PrometheusOptions) -> Result<serde_json::Value> {
    // Rule files named in the configuration that do not exist are passed over in silence.
    if let Some(missing) = options.rules.iter().find(|file| !file.is_file()) {
        bail!("the rule file {} does not exist", missing.display());
    }
    let interval = format!("{}ms", options.interval.as_millis());
    let mut config = json!({
        "global": { "scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval },
        "rule_files": options.rules,
    });
    let mut scraped = Vec::new();
    if !options.targets.is_empty() {
        scraped.push(json!({ "job_name": "banyan", "static_configs": [{ "targets": options.targets }] }));
    }
    if !options.meters.is_empty() {
        scraped.push(json!({
            "job_name": "meters",
            "scrape_interval": "15s",
            "static_configs": [{ "targets": options.meters }],
            "metric_relabel_configs": [{ "action": "labeldrop", "regex": "job|instance" }],
        }));
    }
    config["scrape_configs"] = json!(scraped);
    Ok(config)
}

/// A client for plain HTTP on this machine that passes by any proxy.
pub fn local_http() -> Result<reqwest::Client> {
    crate::install_crypto();
    let builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(30));
    builder.build().context("making an HTTP client")
}

fn write_yaml(path: &Path, value: &serde_json::Value) -> Result<()> {
    let text = serde_yaml::to_string(value)?;
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
