//! Modules that lack a file which their releases have: it is generated there, by tools that are not for here.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::go_command;
use crate::go::Module;

/// A file that a module lacks: its path within the module, and its text.
pub type Addition = (&'static str, &'static str);

/// Copies the module at `path`, as the pin has it, into `folder`, adds the files, and returns the go.mod with which the copy is
/// built in its place. Everything else stays pinned.
pub async fn complete(module: &Module, path: &str, additions: &[Addition], folder: &Path) -> Result<PathBuf> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Download {
        dir: PathBuf,
    }
    // Checks the module against go.sum too.
    let spec = go_command("module-download", module)?.args(["mod", "download", "-json", path]);
    let answer = spec.output(Duration::from_mins(10)).await?;
    let download: Download = serde_json::from_str(&answer).with_context(|| format!("downloading {path}"))?;

    let source = folder.join("source");
    copy(&download.dir, &source)?;
    for (name, text) in additions {
        let file = source.join(name);
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        }
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
    }

    let write = |name: &str, text: &str| {
        let file = folder.join(name);
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))?;
        anyhow::Ok(file)
    };
    write("go.sum", &module.go_sum)?;
    write("go.mod", &format!("{}\nreplace {path} => {}\n", module.go_mod, source.display()))
}

/// Removes what [`complete`] has made.
pub fn tidy(folder: &Path) -> Result<()> {
    fs::remove_dir_all(folder.join("source")).context("removing the copy of a module")?;
    for name in ["go.mod", "go.sum"] {
        fs::remove_file(folder.join(name)).with_context(|| format!("removing {name}"))?;
    }
    Ok(())
}

/// Copies a folder. Go keeps its own read-only; the copies' folders can be written.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("creating {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("copying {}", entry.path().display()))?;
        }
    }
    Ok(())
}
