//! Components that need no build: given by the environment, or fetched ready-made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::OnceCell;

use super::{Component, go_command};
use crate::dirs;
use crate::go::Module;
use crate::process::Spec;

/// The oldest minor version of Kubernetes 1 that Banyan supports.
const OLDEST_MINOR: u32 = 36;

/// How long the index of downloads may take to answer before a build is begun instead.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The program in the folder that `KUBEBUILDER_ASSETS` names, if it is there and not too old.
pub async fn given(component: Component) -> Option<PathBuf> {
    if !component.is_prebuilt() {
        return None;
    }
    let program = PathBuf::from(std::env::var_os("KUBEBUILDER_ASSETS")?).join(component.name());
    if !program.is_file() {
        return None;
    }
    if component == Component::KubeApiserver {
        let minor = minor_version(&program).await;
        if minor.is_none_or(|minor| minor < OLDEST_MINOR) {
            eprintln!("{} is not used: Banyan needs Kubernetes 1.{OLDEST_MINOR} or newer", program.display());
            return None;
        }
    }
    Some(program)
}

async fn minor_version(program: &Path) -> Option<u32> {
    let log = dirs::fresh("version").ok()?.join("version.log");
    let spec = Spec::new("kube-apiserver --version", program, log).args(["--version"]);
    parse_minor(&spec.output(Duration::from_secs(30)).await.ok()?)
}

/// Reads 37 from `Kubernetes v1.37.2`.
fn parse_minor(output: &str) -> Option<u32> {
    output.split_once("v1.")?.1.split(['.', '-', '+', '\n']).next()?.parse().ok()
}

/// The program fetched by setup-envtest; `None` when that is not possible here, which is found out once per process.
pub async fn fetched(component: Component, version: &str) -> Option<PathBuf> {
    static FOLDER: OnceCell<Option<PathBuf>> = OnceCell::const_new();
    let folder = FOLDER
        .get_or_init(|| async {
            match fetch(&Component::KubeApiserver.version().unwrap_or_else(|_| version.to_owned())).await {
                Ok(folder) => Some(folder),
                Err(error) => {
                    tracing::debug!("no ready-made components: {error:#}");
                    eprintln!("no ready-made etcd and kube-apiserver within reach; they are built instead");
                    None
                }
            }
        })
        .await;
    let program = folder.as_ref()?.join(component.name());
    program.is_file().then_some(program)
}

/// Has setup-envtest fetch the newest patch of the pinned minor version; returns the folder of its programs.
async fn fetch(version: &str) -> Result<PathBuf> {
    let minor = version.trim_start_matches('v').rsplit_once('.').map_or(version, |(minor, _)| minor);
    let wanted = format!("{}.x", minor.trim_start_matches('v'));
    let module = Module::read("envtest")?;
    let cache = dirs::cache()?.join("envtest");
    let program = dirs::fresh("setup-envtest")?.join("setup-envtest");
    // Built first, so that the short limit measures the download's answer and nothing else.
    go_command("build-setup-envtest", &module)?
        .args(["build", "-o"])
        .args([&program])
        .args(["sigs.k8s.io/controller-runtime/tools/setup-envtest"])
        .output(Duration::from_mins(2))
        .await?;
    let command = |name: &str, words: &[&str]| {
        let log = program.with_file_name(format!("{name}.log"));
        Spec::new(name, &program, log).args(words).args(["--bin-dir"]).args([&cache])
    };
    command("setup-envtest-list", &["list", &wanted]).output(ANSWER_LIMIT).await?;
    eprintln!("fetching etcd and kube-apiserver {wanted}");
    let folder =
        command("setup-envtest-use", &["use", &wanted, "-p", "path"]).output(Duration::from_mins(5)).await?;
    Ok(PathBuf::from(folder.trim()))
}

#[cfg(test)]
mod tests {
    use super::parse_minor;

    #[test]
    fn the_minor_version_is_read_from_the_usual_forms() {
        assert_eq!(parse_minor("Kubernetes v1.37.2\n"), Some(37));
        assert_eq!(parse_minor("Kubernetes v1.36+dirty\n"), Some(36));
        assert_eq!(parse_minor("v0.0.0-master"), None);
    }
}
