//! Where things are: the repository, the build's output, the cache of components, and this process' run folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Context, Result};
use jiff::Timestamp;

/// How many folders of earlier, failed runs stay.
const KEPT_RUNS: usize = 3;

/// The root of the repository.
pub fn repository() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// The folder of the profile that this program was built with, such as `target/debug`.
pub fn profile() -> PathBuf {
    // A test binary lies in target/<profile>/deps/, a program in target/<profile>/.
    let program = std::env::current_exe().unwrap_or_default();
    let folder = program.parent().unwrap_or(Path::new(".")).to_path_buf();
    match folder.file_name() {
        Some(name) if name == "deps" => folder.parent().map_or(folder.clone(), Path::to_path_buf),
        _ => folder,
    }
}

/// Cargo's target folder.
pub fn target() -> PathBuf {
    profile().parent().map_or_else(|| repository().join("target"), Path::to_path_buf)
}

/// The cache of components, `${XDG_CACHE_HOME:-~/.cache}/banyan`, created when missing.
pub fn cache() -> Result<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base =
        absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache"))).context(
            "neither XDG_CACHE_HOME nor HOME is set; one of them says where built components are kept",
        )?;
    let cache = base.join("banyan");
    fs::create_dir_all(&cache).with_context(|| format!("creating {}", cache.display()))?;
    Ok(cache)
}

static RUN: OnceLock<PathBuf> = OnceLock::new();
static CREATING: Mutex<()> = Mutex::new(());
static COUNT: AtomicU32 = AtomicU32::new(0);

/// The folder of this process under `target/e2e/`, created at the first call.
pub fn run() -> Result<&'static Path> {
    let _one_at_a_time = CREATING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(folder) = RUN.get() {
        return Ok(folder);
    }
    let base = target().join("e2e");
    sweep(&base);
    let started = Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
    let folder = base.join(format!("run-{started}-{}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(RUN.get_or_init(|| folder))
}

/// A new, empty folder of this run, called `<name>-<number>`.
pub fn fresh(name: &str) -> Result<PathBuf> {
    let folder = run()?.join(format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}

/// Ends the run: removes its folder, or leaves it, and returns where it is, when `keep` is set.
pub fn finish(keep: bool) -> Option<&'static Path> {
    let folder = RUN.get()?;
    if keep {
        return Some(folder);
    }
    // Nothing depends on it any more; the next run sweeps what could not be removed.
    let _ = fs::remove_dir_all(folder);
    None
}

/// Removes the folders of earlier runs except the newest few, which hold the logs of a failure; a run that is still
/// going on keeps its folder.
fn sweep(base: &Path) {
    let Ok(entries) = fs::read_dir(base) else { return };
    let mut ended: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let pid = name.strip_prefix("run-").and_then(|rest| rest.rsplit('-').next()?.parse().ok());
            pid.is_some_and(|pid| !crate::process::alive(pid))
        })
        .collect();
    // The names begin with the time, so that their order is that of the runs.
    ended.sort();
    for path in ended.iter().rev().skip(KEPT_RUNS) {
        let _ = fs::remove_dir_all(path);
    }
}
