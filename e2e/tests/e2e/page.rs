//! Pages of the documentation, whose shell blocks are run as they stand there.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use banyan_e2e::components::Component;
use banyan_e2e::controlplane::ControlPlane;
use banyan_e2e::dirs;
use banyan_e2e::process::Spec;

/// How long one block may take.
const LIMIT: Duration = Duration::from_mins(2);

/// The blocks of a page in `docs/` that are marked as shell, in order.
pub fn blocks(page: &str) -> Result<Vec<String>> {
    let path = dirs::repository().join("docs").join(page);
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
    let mut blocks = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once("\n```sh\n") {
        let (block, next) = after.split_once("\n```").context("a block without an end")?;
        blocks.push(block.to_owned());
        rest = next;
    }
    ensure!(!blocks.is_empty(), "{page} has no shell blocks");
    Ok(blocks)
}

/// Runs a script by the shell, with kubectl and a kubeconfig, as somebody would who copies it. Answers what it prints.
///
/// # Errors
/// When a command in it fails, with what it says.
pub async fn run(plane: &ControlPlane, kubeconfig: &Path, script: &str) -> Result<String> {
    let dir = dirs::fresh("page")?;
    let kubectl = plane.tools().path(Component::Kubectl)?;
    let bin = dir.join("bin");
    std::fs::create_dir_all(&bin)?;
    std::os::unix::fs::symlink(kubectl, bin.join("kubectl"))?;
    let path = std::env::var("PATH").unwrap_or_default();
    // sh and not bash: a rescue system has nothing more.
    let spec = Spec::new("sh", "sh", dir.join("sh.log"))
        .args(["-e", "-u", "-c", script])
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("HOME", dir.clone())
        .env("KUBECONFIG", kubeconfig);
    spec.output(LIMIT).await.with_context(|| format!("running\n{script}"))
}
