//! The static program.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::LIMIT;
use crate::dirs;
use crate::process::Spec;

/// How long the first build may take; a later one links only.
const BUILD_LIMIT: Duration = Duration::from_mins(45);

/// How the program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// Quickly, for tests.
    Dev,
    /// For use.
    Release,
}

impl Profile {
    const fn folder(self) -> &'static str {
        match self {
            Self::Dev => "debug",
            Self::Release => "release",
        }
    }
}

/// Cargo in the repository.
pub(super) fn cargo(name: &str) -> Result<Spec> {
    let log = dirs::fresh(name)?.join("cargo.log");
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    Ok(Spec::new(name, program, log).env("CARGO_TERM_COLOR", "never"))
}

/// The machine's own target triple.
pub async fn host() -> Result<String> {
    let log = dirs::fresh("rustc")?.join("rustc.log");
    let text = Spec::new("rustc", "rustc", log).args(["-vV"]).output(LIMIT).await?;
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` names no host")
}

/// Builds the program for `target`, static and without symbols, and returns its path.
///
/// An explicit target keeps the flags away from build scripts and procedural macros, which cannot be static, and gives
/// these builds a folder of their own. Paths of the machine are taken out, so that the same sources give the same bytes
/// on another.
///
/// # Errors
/// When it does not build, with the end of what cargo says.
pub async fn build(profile: Profile, target: &str) -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        // Its default.
        std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo"))
    });
    let mut flags = vec!["-Ctarget-feature=+crt-static".to_owned(), "-Cstrip=symbols".to_owned()];
    for (from, to) in [(home, "cargo"), (Some(dirs::repository().to_path_buf()), "banyan")] {
        flags.extend(from.map(|from| format!("--remap-path-prefix={}=/{to}", from.display())));
    }
    let mut spec = cargo("build-static")?
        .args(["build", "--locked", "--package", "banyan", "--bin", "banyan", "--target", target])
        .args(["--manifest-path"])
        .args([dirs::repository().join("Cargo.toml")])
        .args(["--target-dir"])
        .args([dirs::target()])
        // Separated so that a path may have a space.
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    if profile == Profile::Release {
        spec = spec.args(["--release"]);
    }
    eprintln!("building the static program for {target}");
    spec.output(BUILD_LIMIT).await.context("building the static program")?;
    let program = dirs::target().join(target).join(profile.folder()).join("banyan");
    ensure!(program.is_file(), "{} was not built", program.display());
    Ok(program)
}

/// Name and version of every package that the program for `target` is made of, its own among them.
pub async fn linked(target: &str) -> Result<BTreeSet<(String, String)>> {
    let tree = cargo("cargo-tree")?
        .args(["tree", "--locked", "--package", "banyan", "--edges", "normal", "--target", target])
        .args(["--prefix", "none", "--format", "{p}", "--manifest-path"])
        .args([dirs::repository().join("Cargo.toml")])
        .output(LIMIT)
        .await?;
    let package = |line: &str| {
        let mut words = line.split_whitespace();
        let (name, version) = (words.next()?, words.next()?);
        Some((name.to_owned(), version.trim_start_matches('v').to_owned()))
    };
    Ok(tree.lines().filter_map(package).collect())
}
