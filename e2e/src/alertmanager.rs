//! A real Alertmanager, alone, on a configuration of one's choice.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::components::{Component, Tools};
use crate::controlplane::free_port;
use crate::dirs;
use crate::process::{Child, Spec};
use crate::prometheus::local_http;
use crate::wait::eventually;

/// How long it may take to be ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// A running Alertmanager. Dropping it kills it.
pub struct Alertmanager {
    child: Child,
    url: String,
    http: reqwest::Client,
}

impl Alertmanager {
    /// Starts it and waits until it is ready. `templates` are copied beside the configuration, which names them without a folder.
    ///
    /// # Errors
    /// When the configuration is wrong, with the end of Alertmanager's log.
    pub async fn start(config: &str, templates: &[PathBuf]) -> Result<Self> {
        let tools = Tools::ensure(&[Component::Alertmanager]).await?;
        let dir = dirs::fresh("alertmanager")?;
        let file = dir.join("alertmanager.yaml");
        fs::write(&file, config).with_context(|| format!("writing {}", file.display()))?;
        for template in templates {
            let name = template.file_name().context("a template without a name")?;
            fs::copy(template, dir.join(name)).with_context(|| format!("copying {}", template.display()))?;
        }
        let address = format!("127.0.0.1:{}", free_port()?);
        let program = tools.path(Component::Alertmanager)?;
        let child = Spec::new("alertmanager", program, dir.join("alertmanager.log"))
            .flag("config.file", &file)
            .flag("storage.path", dir.join("data"))
            .flag("web.listen-address", &address)
            // No peers.
            .flag("cluster.listen-address", "")
            .spawn()?;
        let alertmanager = Self { child, url: format!("http://{address}"), http: local_http()? };
        alertmanager.ready().await?;
        Ok(alertmanager)
    }

    /// Takes alerts in, as Prometheus sends them.
    pub async fn post(&self, alerts: &Value) -> Result<()> {
        let answer = self.http.post(format!("{}/api/v2/alerts", self.url)).json(alerts).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "the alerts were refused: {status} {}", answer.text().await?);
        Ok(())
    }

    /// The alerts that are not over, each with its labels and its status.
    pub async fn alerts(&self) -> Result<Vec<Value>> {
        let answer = self.http.get(format!("{}/api/v2/alerts", self.url)).send().await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    async fn ready(&self) -> Result<()> {
        let url = format!("{}/-/ready", self.url);
        eventually(READY_LIMIT, "Alertmanager's /-/ready", || async {
            // A dead process never gets ready: this inner error ends the wait at once.
            if let Err(error) = self.child.check_alive() {
                return Ok(Some(Err(error)));
            }
            Ok(self.http.get(&url).send().await?.status().is_success().then_some(Ok(())))
        })
        .await?
    }
}
