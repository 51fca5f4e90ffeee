//! The bill of materials: `CycloneDX`, by its own tool for Cargo.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::archive::read_tree;
use super::program::{cargo, linked};
use super::{LIMIT, read};
use crate::dirs;

/// The tool's version.
const VERSION: &str = "0.5.9";
/// The version of the format.
pub const SPEC: &str = "1.5";
/// How long the tool's own build may take.
const INSTALL_LIMIT: Duration = Duration::from_mins(30);
/// What the tool puts before the path of a package of this repository.
const LOCAL: &str = "path+file://";

/// The bill of materials of the program for `target`: what is linked into it, with checksums and licences.
///
/// # Errors
/// When the tool cannot be built, or does not name everything that cargo links.
pub async fn sbom(target: &str, epoch: u64, stage: &Path) -> Result<Vec<u8>> {
    // The tool writes beside each manifest, so it gets a copy.
    let copy = stage.join("sources");
    copy_sources(&copy)?;
    let tool = tool().await?;
    cargo("cargo-cyclonedx")?
        .args(["cyclonedx", "--format", "json", "--spec-version", SPEC, "--no-build-deps", "--quiet"])
        .args(["--target", target, "--override-filename", "sbom", "--manifest-path"])
        .args([copy.join("operator/Cargo.toml")])
        .env("PATH", with_path(&tool)?)
        .env("SOURCE_DATE_EPOCH", epoch.to_string())
        .output(LIMIT)
        .await?;
    let text = String::from_utf8(read(&copy.join("operator/sbom.json"))?)?;
    let mut sbom: Value = serde_json::from_str(&text.replace(&format!("{LOCAL}{}/", copy.display()), ""))?;
    keep_linked(&mut sbom, &linked(target).await?)?;
    let mut text = serde_json::to_string_pretty(&sbom)?;
    text.push('\n');
    ensure!(
        !text.contains(&copy.display().to_string()),
        "a path of this machine is in the bill of materials"
    );
    Ok(text.into_bytes())
}

/// Leaves out what is resolved and not linked: a dependency for no target at all, by which some crates pin a version.
fn keep_linked(sbom: &mut Value, linked: &BTreeSet<(String, String)>) -> Result<()> {
    let components = sbom["components"].as_array_mut().context("there are no components")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut dropped = BTreeSet::new();
    components.retain(|component| {
        let kept = linked.contains(&(text(&component["name"]), text(&component["version"])));
        if !kept {
            dropped.insert(text(&component["bom-ref"]));
        }
        kept
    });
    // The program itself is not a component but what they are components of.
    ensure!(components.len() + 1 == linked.len(), "{} components, {} linked", components.len(), linked.len());
    let dependencies = sbom["dependencies"].as_array_mut().context("there are no dependencies")?;
    dependencies.retain(|one| !dropped.contains(&text(&one["ref"])));
    for one in dependencies {
        if let Some(on) = one["dependsOn"].as_array_mut() {
            on.retain(|reference| !dropped.contains(&text(reference)));
        }
    }
    Ok(())
}

/// The folder of the tool, which is built once and kept with the components.
async fn tool() -> Result<PathBuf> {
    let root = dirs::cache()?.join(format!("cargo-cyclonedx-{VERSION}"));
    let bin = root.join("bin");
    if !bin.join("cargo-cyclonedx").is_file() {
        eprintln!("building cargo-cyclonedx {VERSION} (about 2 min the first time)");
        cargo("install-cyclonedx")?
            .args(["install", "--locked", &format!("cargo-cyclonedx@{VERSION}"), "--root"])
            .args([&root])
            .output(INSTALL_LIMIT)
            .await?;
    }
    Ok(bin)
}

fn with_path(first: &Path) -> Result<std::ffi::OsString> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let all = std::iter::once(first.to_path_buf()).chain(std::env::split_paths(&rest));
    std::env::join_paths(all).context("joining PATH")
}

/// The manifests and sources that cargo needs to tell the packages.
fn copy_sources(to: &Path) -> Result<()> {
    let repository = dirs::repository();
    for file in ["Cargo.toml", "Cargo.lock"] {
        write(&to.join(file), &read(&repository.join(file))?)?;
    }
    for member in ["crds", "policies", "operator", "e2e"] {
        for (path, bytes) in read_tree(&repository.join(member))? {
            let below = Path::new(&path);
            if below.extension().is_some_and(|kind| kind == "rs") || below.ends_with("Cargo.toml") {
                write(&to.join(member).join(below), &bytes)?;
            }
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(path);
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    fs::write(path, bytes).with_context(|| format!("writing {}", path.display()))
}
