//! The demo in the background: `up` starts it and waits until it stands, `down` ends it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::demo::Demo;
use crate::dirs;
use crate::process::{alive, terminate};
use crate::wait::until;

/// The first start builds every component.
const UP_LIMIT: Duration = Duration::from_mins(45);
/// How long everything may take to stop.
const DOWN_LIMIT: Duration = Duration::from_mins(1);

fn file(name: &str) -> PathBuf {
    dirs::target().join("demo").join(name)
}

/// `target/demo/kubeconfig`: the administrator's, while a demo stands.
pub fn kubeconfig() -> PathBuf {
    file("kubeconfig")
}

/// Fails when another process' demo stands where [`announce`] would say that this one does.
pub fn ensure_free() -> Result<()> {
    match running().filter(|id| *id != std::process::id()) {
        Some(other) => bail!("a demo runs in the background, as process {other}; `make down` ends it"),
        None => Ok(()),
    }
}

/// Says that this process' demo stands, and puts its kubeconfig where the documentation says it is.
pub fn announce(demo: &Demo) -> Result<()> {
    ensure_free()?;
    fs::create_dir_all(file(""))?;
    fs::copy(demo.kubeconfig(), kubeconfig())
        .with_context(|| format!("writing {}", kubeconfig().display()))?;
    fs::write(file("ready"), std::process::id().to_string()).context("saying that the demo is ready")
}

/// Takes back what [`announce`] has said.
pub fn withdraw() {
    for name in ["ready", "kubeconfig"] {
        // What is gone already need not be removed.
        fs::remove_file(file(name)).ok();
    }
}

/// The process id of the demo that runs. After a reboot the number may be another program's: that is not it.
fn running() -> Option<u32> {
    let id = fs::read_to_string(file("pid")).ok()?.trim().parse().ok()?;
    let own = std::env::current_exe().ok()?;
    let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().replace(" (deleted)", ""));
    let theirs = fs::read_link(format!("/proc/{id}/exe")).ok()?;
    (alive(id) && name(theirs) == name(own)).then_some(id)
}

/// Starts the demo in the background and waits until it stands.
pub async fn up() -> Result<()> {
    ensure_free()?;
    fs::create_dir_all(file(""))?;
    fs::remove_file(file("ready")).ok();
    let log = file("log");
    let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
    let mut child = Command::new(std::env::current_exe()?)
        .arg("demo")
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        // Its own group: a Ctrl-C meant for this command does not end it.
        .process_group(0)
        .spawn()
        .context("starting the demo")?;
    fs::write(file("pid"), child.id().to_string())?;
    eprintln!("starting the demo in the background; its log is {}", log.display());
    until(UP_LIMIT, "the demo to stand", || {
        let ended = child.try_wait();
        async {
            if let Some(status) = ended? {
                // Nothing more will come: end the wait with what the log says.
                eprintln!("{}", fs::read_to_string(&log).unwrap_or_default());
                eprintln!("the demo ended with {status}");
                std::process::exit(1);
            }
            Ok(file("ready").exists())
        }
    })
    .await?;
    print!("{}", fs::read_to_string(&log)?);
    println!("`make down` ends it; the admin's kubeconfig is {}", kubeconfig().display());
    Ok(())
}

/// Ends the demo that runs in the background.
pub async fn down() -> Result<()> {
    let Some(id) = running() else {
        eprintln!("the demo does not run");
        return Ok(());
    };
    terminate(id);
    until(DOWN_LIMIT, format!("process {id} to end"), || async { Ok(!alive(id)) }).await?;
    withdraw();
    fs::remove_file(file("pid")).ok();
    eprintln!("stopped");
    Ok(())
}
