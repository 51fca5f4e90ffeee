//! How fast `banyan audit` judges manifests, and with how much memory.
//!
//! Three runs of the same program over the same files: with a pack that judges nothing, which is the time of reading and parsing alone on the
//! same threads, and with the packs that are shipped. The parsing run is what the others are held against.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Figure, objects, progress};
use crate::dirs;
use crate::operator;
use crate::process::Spec;

/// Objects in the mixed files.
const OBJECTS: usize = 20_000;
/// Objects of the run whose memory counts.
const MANY: usize = 50_000;
/// Pods of the run that is compared with other tools.
const PODS: usize = 20_000;
/// Files that they are spread over.
const FILES: usize = 20;
/// Runs of each kind, taken in turns; the median counts.
const RUNS: usize = 5;
/// How long one run may take.
const LIMIT: Duration = Duration::from_mins(5);

/// A pack that judges nothing.
const NOTHING: [(&str, &str); 2] = [
    (
        "pack.yaml",
        "name: nothing\ntitle: {en: Nothing, zh: 无}\nstandard: none\nversion: '1'\nlevels: ['1']\nnote: {en: judges nothing, zh: 不作判断}\n",
    ),
    ("requirements.yaml", "[]\n"),
];

/// Measures.
pub async fn measure() -> Result<Vec<Figure>> {
    let folder = dirs::fresh("audit")?;
    let nothing = folder.join("nothing");
    std::fs::create_dir_all(&nothing)?;
    for (name, text) in NOTHING {
        std::fs::write(nothing.join(name), text)?;
    }
    let mixed = written(&folder.join("mixed"), OBJECTS, false)?;
    let many = written(&folder.join("many"), MANY, false)?;
    let pods = written(&folder.join("pods"), PODS, true)?;
    let parse: [&str; 4] = ["--packs", nothing.to_str().context("a folder's name")?, "--pack", "nothing"];
    let security = ["--pack", "pod-security", "--level", "restricted"];
    let mlps = ["--pack", "mlps", "--level", "3"];

    progress(format!("{OBJECTS} mixed objects and {PODS} Pods, {RUNS} runs each"));
    let mut seconds: [Vec<f64>; 5] = std::array::from_fn(|_| Vec::new());
    for _ in 0..RUNS {
        let runs: [(&Path, &[&str]); 5] =
            [(&mixed, &parse), (&mixed, &security), (&mixed, &mlps), (&pods, &parse), (&pods, &security)];
        for ((files, args), all) in runs.into_iter().zip(&mut seconds) {
            all.push(run(&folder, files, args).await?.seconds);
        }
    }
    let [parsing, security_time, mlps_time, pods_parsing, pods_time] = seconds.map(median);
    let memory = run(&folder, &many, &mlps).await?.peak / 1e6;
    let told = |name: &str, value, unit| Figure::told("policies", name, value, unit);
    let (security_ratio, mlps_ratio) = (security_time / parsing, mlps_time / parsing);
    let pods_each = PODS as f64 / pods_time;
    Ok(vec![
        told("parsing_objects_per_second", OBJECTS as f64 / parsing, "objects/s"),
        told("pod_security_objects_per_second", OBJECTS as f64 / security_time, "objects/s"),
        told("pod_security_over_parsing", security_ratio, "").at_most(security_ratio, 12.0),
        told("mlps_level_3_objects_per_second", OBJECTS as f64 / mlps_time, "objects/s"),
        told("mlps_level_3_over_parsing", mlps_ratio, "").at_most(mlps_ratio, 30.0),
        told("pods_parsing_per_second", PODS as f64 / pods_parsing, "Pods/s"),
        told("pods_restricted_per_second", pods_each, "Pods/s"),
        // A goal is what must not be exceeded: the time a Pod.
        told("pod_restricted", 1e6 / pods_each, "µs").at_most(1e6 / pods_each, 1e6 / 7000.0),
        told("memory_at_50000_objects", memory, "MB").at_most(memory, 150.0),
    ])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Files with so many objects, and their folder.
fn written(folder: &Path, count: usize, only_pods: bool) -> Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    for file in 0..FILES {
        let mut to = BufWriter::new(File::create(folder.join(format!("{file:02}.yaml")))?);
        if only_pods {
            objects::pods(count / FILES, &mut to)?;
        } else {
            objects::mixed(count / FILES, &mut to)?;
        }
    }
    Ok(folder.to_owned())
}

struct Run {
    seconds: f64,
    /// Most memory that was resident, bytes.
    peak: f64,
}

async fn run(folder: &Path, files: &Path, args: &[&str]) -> Result<Run> {
    let mut spec = Spec::new("banyan audit", operator::program()?, folder.join("audit.log"))
        .args(["audit", "--output", "json", "--now", "2026-06-01T00:00:00Z"])
        .args(args)
        .args([files]);
    spec.stdout = Some(folder.join("out.json"));
    let started = Instant::now();
    let child = spec.spawn()?;
    let mut peak = 0.0_f64;
    let mut look = tokio::time::interval(Duration::from_millis(20));
    let status = tokio::time::timeout(LIMIT, async {
        loop {
            tokio::select! {
                status = child.wait() => return status,
                _ = look.tick() => peak = peak.max(child.peak_memory().unwrap_or_default()),
            }
        }
    })
    .await
    .context("an audit does not end")?;
    let seconds = started.elapsed().as_secs_f64();
    ensure!(matches!(status.code(), Some(0 | 1)), "an audit ended with {status}: {}", child.log_tail(5));
    Ok(Run { seconds, peak })
}
