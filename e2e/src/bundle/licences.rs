//! The licences of what is linked in, as their authors wrote them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::LIMIT;
use super::program::{cargo, linked};
use crate::dirs;

/// How the files that matter begin.
const NAMES: [&str; 5] = ["license", "licence", "copying", "notice", "copyright"];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    repository: Option<String>,
    source: Option<String>,
    manifest_path: String,
}

/// One text: each package with its licence, then each licence text once with the packages that carry it.
pub async fn licences(target: &str) -> Result<Vec<u8>> {
    let text = cargo("cargo-metadata")?
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", target])
        .args(["--manifest-path"])
        .args([dirs::repository().join("Cargo.toml")])
        .output(LIMIT)
        .await?;
    let metadata: Metadata = serde_json::from_str(&text).context("reading `cargo metadata`")?;
    let linked = linked(target).await?;
    let mut list = String::from("Banyan is linked with the packages below.\n\n");
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut packages = metadata.packages;
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    for package in &packages {
        // Without a source it is of this repository.
        if package.source.is_none() || !linked.contains(&(package.name.clone(), package.version.clone())) {
            continue;
        }
        let Package { name, version, license, repository, .. } = package;
        let licence = license.as_deref().unwrap_or("see its text");
        let _ = writeln!(list, "{name} {version}: {licence}; {}", repository.as_deref().unwrap_or("-"));
        for text in texts_of(Path::new(&package.manifest_path))? {
            texts.entry(text).or_default().push(format!("{name} {version}"));
        }
    }
    let line = "-".repeat(100);
    for (text, packages) in texts {
        let _ = write!(list, "\n{line}\n{}\n{line}\n\n{}\n", packages.join(", "), text.trim_end());
    }
    Ok(list.into_bytes())
}

/// The licence files beside a manifest.
fn texts_of(manifest: &Path) -> Result<Vec<String>> {
    let folder = manifest.parent().unwrap_or(manifest);
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        if path.is_file() && NAMES.iter().any(|begin| name.starts_with(begin)) {
            let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            texts.push(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"));
        }
    }
    Ok(texts)
}
