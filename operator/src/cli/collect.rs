//! `banyan collect`: a redacted snapshot of a cluster, for an audit elsewhere.

use std::{collections::BTreeSet, io::BufWriter, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use jiff::Timestamp;
use kube::Client;
use tokio::sync::mpsc;

use crate::{
    cli::{
        audit::{cluster, select},
        policies::Packs,
        world::connect,
    },
    evidence::{
        about::{Denied, PackUsed, Span},
        archive::write_whole,
        snapshot::{Collector, Kind, Snapshot, SnapshotError},
    },
    lang::Lang,
    report::{audit::words::instant, visible::visible},
    t,
};

/// Arguments of `banyan collect`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A pack whose kinds are read; several. Without one and without a baseline: every pack.
    #[arg(long, value_name = "NAME", conflicts_with = "baseline")]
    pack: Vec<String>,
    /// The level; the highest by default. The first level belongs to the first pack, and so on.
    #[arg(long, value_name = "LEVEL", requires = "pack")]
    level: Vec<String>,
    /// A `SecurityBaseline` whose packs' kinds are read.
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Folders with packs of your own.
    #[arg(long, value_name = "DIR")]
    packs: Vec<PathBuf>,
    /// Where the snapshot goes.
    #[arg(long, value_name = "FILE", default_value = "snapshot.tar.gz")]
    output_file: PathBuf,
}

/// Why an archive was not written.
#[derive(Debug, thiserror::Error)]
enum CollectError {
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error(transparent)]
    File(#[from] std::io::Error),
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let Args { mut pack, level, baseline, packs, output_file } = args;
    if pack.is_empty() && baseline.is_none() {
        pack = Packs::read(&packs)?.all.iter().map(|pack| pack.about.name.clone()).collect();
    }
    let choice = select::Choice { pack, level, baseline, packs, waivers: Vec::new(), parameters: None };
    let select::Chosen { compiled, faults, .. } = select::select(&choice, Timestamp::now())?;
    let client = connect().await?;
    let read = read(&client, &compiled.kinds()).await?;
    let Read { collector, denied, not_served, from } = read;
    let cluster = cluster::identity(&client).await;
    let (used, span) = (PackUsed::of(&compiled), Span { from, until: Timestamp::now() });
    let mut about = None;
    write_whole::<CollectError>(&output_file, |file| {
        about = Some(collector.finish(cluster, used, denied, not_served, span, BufWriter::new(file))?);
        Ok(())
    })
    .with_context(|| format!("{} cannot be written", output_file.display()))?;
    if let Some(about) = about {
        tell(&about, &output_file, lang)?;
    }
    for fault in &faults {
        eprintln!("{fault}");
    }
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// What was read of a cluster.
struct Read {
    collector: Collector,
    denied: Vec<Denied>,
    not_served: Vec<String>,
    from: Timestamp,
}

/// Reads the kinds one after the other, page by page; no more than a few pages are held.
async fn read(client: &Client, wanted: &BTreeSet<String>) -> anyhow::Result<Read> {
    let from = Timestamp::now();
    let served = cluster::served(client, wanted).await?;
    let there: BTreeSet<&str> = served.iter().map(|served| served.key.as_str()).collect();
    let not_served = wanted.iter().filter(|kind| !there.contains(kind.as_str())).cloned().collect();
    let (mut collector, mut denied) = (Collector::new()?, Vec::new());
    for served in &served {
        let mut kind = Kind::new(&served.key, &served.resource.api_version, Timestamp::now());
        let (to_take, mut pages) = mpsc::channel(1);
        // The sender goes with the list: when it is at its end, so is the loop.
        let listing = async move { cluster::list(client, served, &to_take).await };
        let taking = async {
            while let Some(page) = pages.recv().await {
                collector.take(&mut kind, page)?;
            }
            Ok::<_, SnapshotError>(())
        };
        let (listed, taken) = tokio::join!(listing, taking);
        taken?;
        if let Some(cluster::Unread { key, why }) = listed? {
            denied.push(Denied { kind: key, why });
            // Of a kind that was not read at all there is nothing to keep.
            if kind.is_empty() {
                continue;
            }
        }
        collector.end(kind, Timestamp::now());
    }
    Ok(Read { collector, denied, not_served, from })
}

/// What was not read first, then what was.
fn tell(about: &Snapshot, file: &std::path::Path, lang: Lang) -> anyhow::Result<()> {
    let mut text = String::new();
    let mut say = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    for Denied { kind, why } in &about.denied {
        let kind = visible(&format!("{kind}: {why}")).into_owned();
        say(t!(lang, "audit-run-unread", kind = kind));
    }
    let (from, until) = (instant(about.read.from), instant(about.read.until));
    let cluster = visible(&about.cluster.to_string()).into_owned();
    say(t!(lang, "evidence-cluster", cluster = cluster, from = from, until = until));
    let objects: usize = about.kinds.iter().map(|kind| kind.objects).sum();
    let file = visible(&file.display().to_string()).into_owned();
    say(t!(lang, "evidence-collected", objects = objects, kinds = about.kinds.len(), file = file));
    super::print(&text)
}
