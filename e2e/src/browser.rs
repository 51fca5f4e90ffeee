//! A real browser for pages: headless Chromium, driven by `ChromeDriver` over loopback. It reaches nothing else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde_json::json;
use thirtyfour::common::print::{PrintMargins, PrintPage, PrintParameters};
use thirtyfour::{ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver};

use crate::controlplane::free_port;
use crate::dirs;
use crate::process::{Child, Spec};
use crate::wait::eventually;

/// How long browser and driver may take to answer.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// What to do where they are not there.
const INSTALL: &str = "the tests of pages need Chromium, ChromeDriver and a font with Chinese characters: run `make browser`, \
                       or install what e2e/browser.sh installs on Debian, or say where they are in CHROME and CHROMEDRIVER";

/// Chromium with one page, and a profile of its own. Dropping it kills it.
pub struct Browser {
    driver: WebDriver,
    chromedriver: Child,
    chromium: Child,
}

impl Browser {
    /// Starts it.
    ///
    /// # Errors
    /// Where there is none, with what to install.
    pub async fn start() -> Result<Self> {
        let chromium =
            find("CHROME", &["google-chrome", "google-chrome-stable", "chromium", "chromium-browser"])?;
        let chromedriver = find("CHROMEDRIVER", &["chromedriver"])?;
        let dir = dirs::fresh("browser")?;
        chinese_font(&dir).await?;

        let profile = dir.join("profile");
        let chromium = Spec::new("chromium", chromium, dir.join("chromium.log"))
            .args([
                "--headless=new",
                // It is root in a container, and opens nothing but files of this run.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--disable-extensions",
                "--password-store=basic",
                // No name is looked up, whatever a page asks for.
                "--host-resolver-rules=MAP * ~NOTFOUND",
                "--remote-debugging-port=0",
            ])
            .flag("user-data-dir", &profile)
            .args(["about:blank"])
            .env("HOME", dir.as_os_str())
            .spawn()?;
        // Its first line is the port.
        let told = profile.join("DevToolsActivePort");
        let debugger = eventually(READY_LIMIT, "Chromium to say where it listens", || async {
            chromium.check_alive()?;
            let text = std::fs::read_to_string(&told)?;
            Ok(text.lines().next().map(|port| format!("127.0.0.1:{port}")))
        })
        .await?;

        let port = free_port()?;
        let chromedriver = Spec::new("chromedriver", chromedriver, dir.join("chromedriver.log"))
            .flag("port", port.to_string())
            .args(["--allowed-ips=127.0.0.1"])
            .spawn()?;
        let driver = eventually(READY_LIMIT, "ChromeDriver to attach to Chromium", || async {
            chromedriver.check_alive()?;
            let mut wanted = DesiredCapabilities::chrome();
            wanted.set_debugger_address(&debugger)?;
            wanted.set_browser_log_level(LoggingPrefsLogLevel::All)?;
            Ok(Some(WebDriver::new(format!("http://127.0.0.1:{port}"), wanted).await?))
        })
        .await?;
        Ok(Self { driver, chromedriver, chromium })
    }

    /// Opens a file.
    pub async fn open(&self, file: &Path) -> Result<()> {
        // What the page before has said is not this one's.
        self.driver.browser_log().await?;
        self.driver.goto(format!("file://{}", file.display())).await?;
        Ok(())
    }

    /// What the page has had to say since it was opened: errors of scripts and of loading, and what scripts have logged.
    pub async fn console(&self) -> Result<Vec<String>> {
        let entries = self.driver.browser_log().await?;
        Ok(entries.into_iter().map(|entry| entry.message).collect())
    }

    /// The value of a script's `return`.
    pub async fn eval<T: DeserializeOwned>(&self, script: &str) -> Result<T> {
        let answer = self.driver.execute(script, Vec::new()).await?;
        answer.convert().with_context(|| format!("the answer to {script}"))
    }

    /// Shows the page as it is on paper of this width, in px, or on a screen.
    pub async fn show(&self, media: &str, width: u32) -> Result<()> {
        let cdp = self.driver.cdp();
        cdp.send_raw("Emulation.setEmulatedMedia", json!({ "media": media })).await?;
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false });
        cdp.send_raw("Emulation.setDeviceMetricsOverride", size).await?;
        Ok(())
    }

    /// A picture of what is seen, as a file.
    pub async fn picture(&self, file: &Path) -> Result<()> {
        self.driver.screenshot(file).await?;
        Ok(())
    }

    /// The page as PDF, on the paper that it asks for.
    pub async fn print(&self) -> Result<Vec<u8>> {
        let parameters = PrintParameters {
            // Without shrinking, what the page itself says of its paper goes before this.
            shrink_to_fit: false,
            page: PrintPage { width: 21.59, height: 27.94 },
            margin: PrintMargins { top: 0.0, bottom: 0.0, left: 0.0, right: 0.0 },
            ..PrintParameters::default()
        };
        Ok(self.driver.print_page(parameters).await?)
    }

    /// Stops browser and driver.
    pub async fn stop(self) -> Result<()> {
        let Self { driver, chromedriver, chromium } = self;
        driver.quit().await?;
        for child in [chromedriver, chromium] {
            child.stop(Duration::from_secs(5)).await?;
        }
        Ok(())
    }
}

/// A program: where `variable` says, or the first of `names` in `PATH`.
fn find(variable: &str, names: &[&str]) -> Result<PathBuf> {
    if let Some(path) = std::env::var_os(variable) {
        let path = PathBuf::from(path);
        return if path.is_file() {
            Ok(path)
        } else {
            bail!("{variable} is {}, which is no file", path.display())
        };
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    names
        .iter()
        .flat_map(|name| std::env::split_paths(&folders).map(move |folder| folder.join(name)))
        .find(|path| path.is_file())
        .with_context(|| format!("there is no {}: {INSTALL}", names[names.len() - 1]))
}

/// Without one, boxes are shown where Chinese should be, and nothing else would tell.
async fn chinese_font(dir: &Path) -> Result<()> {
    let list = find("FC_LIST", &["fc-list"])?;
    let fonts = Spec::new("fc-list", list, dir.join("fonts.log")).args([":lang=zh-cn", "family"]);
    if fonts.output(READY_LIMIT).await?.trim().is_empty() {
        bail!("there is no font with Chinese characters: {INSTALL}");
    }
    Ok(())
}
