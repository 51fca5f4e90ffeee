//! The bundle for a closed network: one archive with everything that an installation needs, made without a daemon.
//!
//! A static program, the same in an image from scratch, the chart, definitions, alert rules, documentation, a bill of
//! materials, the licences of what is linked in, and checksums. The same sources give the same bytes: times are those of
//! the commit, owners are 0, orders are those of the names, and no path of the machine is in it.

pub mod archive;
mod image;
mod licences;
mod program;
mod sbom;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::components::{Component, Tools};
use crate::dirs;
use crate::process::Spec;

pub use archive::{Entry, entries, gunzip, gzip, tar, unpack};
pub use image::{REPOSITORY, image};
pub use licences::licences;
pub use program::{Profile, build, host, linked};
pub use sbom::{SPEC, sbom};

/// Version of what is bundled: the workspace's.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// A file of the bundle that lists the SHA-256 of every other, as `sha256sum -c` takes it.
pub const CHECKSUMS: &str = "SHA256SUMS";

/// How long a small tool may take.
const LIMIT: Duration = Duration::from_mins(2);

/// What to bundle, and for what.
#[derive(Clone, Debug)]
pub struct Options {
    /// Of the program.
    pub profile: Profile,
    /// The Rust target triple; its first part names the architecture.
    pub target: String,
    /// Where the archive goes.
    pub output: PathBuf,
}

/// The architecture of a target as container images call it.
///
/// # Errors
/// When Banyan is not bundled for it.
pub fn architecture(target: &str) -> Result<&'static str> {
    match target.split('-').next() {
        Some("x86_64") => Ok("amd64"),
        Some("aarch64") => Ok("arm64"),
        _ => anyhow::bail!("there is no bundle for {target}: x86_64 and aarch64 with Linux are known"),
    }
}

/// Seconds since 1970 that every file of the bundle is dated: `SOURCE_DATE_EPOCH`, else the time of the last commit.
pub async fn epoch() -> Result<u64> {
    if let Ok(text) = std::env::var("SOURCE_DATE_EPOCH") {
        return text.parse().with_context(|| format!("reading SOURCE_DATE_EPOCH={text}"));
    }
    let log = dirs::fresh("git")?.join("git.log");
    let spec = Spec::new("git", "git", log).args(["-C"]).args([dirs::repository()]);
    let text = spec.args(["log", "-1", "--format=%ct"]).output(LIMIT).await;
    let text = text.context("without git, SOURCE_DATE_EPOCH says which time the files are to bear")?;
    text.trim().parse().with_context(|| format!("reading the time of the last commit, {text}"))
}

/// Makes the bundle, and returns its path.
///
/// # Errors
/// When a part cannot be built, with the end of what its tool says.
pub async fn make(options: &Options) -> Result<PathBuf> {
    let architecture = architecture(&options.target)?;
    let epoch = epoch().await?;
    let program = build(options.profile, &options.target).await?;
    let stage = dirs::fresh("bundle")?;
    let name = format!("banyan-{VERSION}-linux-{architecture}");
    let mut entries = parts(&program, &options.target, epoch, &stage).await?;
    entries.push(checksums(&entries));
    for entry in &mut entries {
        entry.path = format!("{name}/{}", entry.path);
    }
    fs::create_dir_all(&options.output).with_context(|| format!("creating {}", options.output.display()))?;
    let path = options.output.join(format!("{name}.tar.gz"));
    fs::write(&path, gzip(&tar(entries, epoch)?)?).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

/// Every file of the bundle but the checksums.
async fn parts(program: &Path, target: &str, epoch: u64, stage: &Path) -> Result<Vec<Entry>> {
    let architecture = architecture(target)?;
    let repository = dirs::repository();
    let licence = read(&repository.join("LICENSE"))?;
    let image = image(program, &licence, architecture, epoch, stage).await?;
    let mut entries = vec![
        Entry::program("bin/banyan", read(program)?),
        Entry::file(format!("image/banyan-{VERSION}.tar"), image),
        Entry::file(format!("chart/banyan-{VERSION}.tgz"), chart(epoch, stage).await?),
        Entry::file("alerts/banyan-alerts.yaml", read(&repository.join("charts/banyan/files/alerts.yaml"))?),
        Entry::file("sbom/banyan.cdx.json", sbom(target, epoch, stage).await?),
        Entry::file("LICENSE", licence),
        Entry::file("THIRD-PARTY-LICENSES.txt", licences(target).await?),
        Entry::file("README.md", readme(include_str!("bundle/README.md"), architecture)),
        Entry::file("README.zh.md", readme(include_str!("bundle/README.zh.md"), architecture)),
    ];
    for (folder, inside) in [("crds/manifests", "crds"), ("docs", "docs")] {
        for (path, bytes) in archive::read_tree(&repository.join(folder))? {
            entries.push(Entry::file(format!("{inside}/{path}"), bytes));
        }
    }
    Ok(entries)
}

/// The chart as Helm packages it, with the times and the order of every other part.
async fn chart(epoch: u64, stage: &Path) -> Result<Vec<u8>> {
    let tools = Tools::ensure(&[Component::Helm]).await?;
    let folder = stage.join("chart");
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let spec = Spec::new("helm", tools.path(Component::Helm)?, stage.join("helm.log"))
        .args(["package"])
        .args([dirs::repository().join("charts/banyan")])
        .args(["--destination"])
        .args([&folder])
        .env("HELM_CONFIG_HOME", stage.join("helm"))
        .env("HELM_CACHE_HOME", stage.join("helm"))
        .env("HELM_DATA_HOME", stage.join("helm"));
    spec.output(LIMIT).await?;
    let packaged = folder.join(format!("banyan-{VERSION}.tgz"));
    ensure!(packaged.is_file(), "the chart's version is not {VERSION}");
    let entries = archive::entries(&gunzip(&read(&packaged)?)?)?;
    gzip(&tar(entries, epoch)?)
}

/// The list of checksums of these files.
fn checksums(entries: &[Entry]) -> Entry {
    let mut lines: Vec<String> =
        entries.iter().map(|entry| format!("{}  {}\n", sha256(&entry.bytes), entry.path)).collect();
    // By the path, which stands after 64 digits and two spaces.
    lines.sort_by(|a, b| a[66..].cmp(&b[66..]));
    Entry::file(CHECKSUMS, lines.concat().into_bytes())
}

fn readme(template: &str, architecture: &str) -> Vec<u8> {
    let text = template.replace("{version}", VERSION).replace("{arch}", architecture);
    text.replace("{repository}", REPOSITORY).into_bytes()
}

/// The SHA-256 of bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("reading {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_architectures_are_called_as_images_call_them() {
        assert_eq!(architecture("x86_64-unknown-linux-gnu").unwrap(), "amd64");
        assert_eq!(architecture("aarch64-unknown-linux-gnu").unwrap(), "arm64");
        assert!(architecture("riscv64gc-unknown-linux-gnu").is_err());
    }

    #[test]
    fn checksums_are_in_the_order_of_the_paths_and_in_the_form_of_sha256sum() {
        let files = [Entry::file("b", b"x".to_vec()), Entry::file("a/c", b"".to_vec())];
        let text = String::from_utf8(checksums(&files).bytes).unwrap();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert!(text.starts_with(&format!("{empty}  a/c\n")), "{text}");
        assert!(text.ends_with("  b\n"), "{text}");
    }
}
