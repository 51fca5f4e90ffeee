//! `banyan audit`: manifests or a cluster, judged by packs.

pub(super) mod cluster;
mod compare;
pub(super) mod judge;
mod kinds;
pub(super) mod lens;
mod scan;
pub(super) mod select;
mod sources;
mod verdict;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{BufWriter, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, bail};
use banyan_policies::{engine::Outcome, verdict::Audit};
use clap::ValueEnum;
use jiff::Timestamp;

use crate::{
    lang::Lang,
    report::audit::{self as forms, Format},
};

/// Arguments of `banyan audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Manifests: files, folders, or `-` for standard input; YAML or JSON, several documents, Lists, gzip. Or a snapshot of `banyan collect`, alone.
    #[arg(value_name = "FILE", required_unless_present = "cluster", conflicts_with = "cluster")]
    files: Vec<PathBuf>,
    /// Audit the cluster of the kubeconfig instead. What may not be read is unknown, and said.
    #[arg(long)]
    cluster: bool,
    #[command(flatten)]
    select: select::Choice,
    /// Judge as if it were this instant.
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
    /// Findings of at least this severity end with 1.
    #[arg(long, value_name = "SEVERITY", value_enum, default_value_t = Threshold::Info)]
    fail_on: Threshold,
    /// The JSON of an earlier audit; what is new is told.
    #[arg(long, value_name = "FILE")]
    compare: Option<PathBuf>,
    /// Only findings that are not in the earlier audit end with 1.
    #[arg(long, requires = "compare")]
    fail_on_new: bool,
    /// Outcomes that are shown. What is not shown counts all the same.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Keep::Fail, Keep::Error, Keep::Skip])]
    keep: Vec<Keep>,
    /// Form of the output; several with a file each.
    #[arg(short, long, value_enum, default_values_t = [Format::Table])]
    output: Vec<Format>,
    /// Where the output goes; the first file belongs to the first form, and so on. A form without a file goes to standard output.
    #[arg(long, value_name = "FILE")]
    output_file: Vec<PathBuf>,
}

/// A severity to end with 1 at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Threshold {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// An outcome to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Keep {
    Pass,
    Fail,
    Error,
    Unknown,
    /// What a waiver covers.
    Skip,
}

impl Keep {
    fn outcome(self) -> Outcome {
        match self {
            Self::Pass => Outcome::Pass,
            Self::Fail => Outcome::Fail,
            Self::Error => Outcome::Error,
            Self::Unknown => Outcome::Unknown,
            Self::Skip => Outcome::Skip,
        }
    }
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    if args.output_file.len() > args.output.len() {
        bail!(
            "{} files for {} forms: give each --output-file a form with -o",
            args.output_file.len(),
            args.output.len()
        );
    }
    if args.output.len() > args.output_file.len() + 1 {
        bail!(
            "{} forms would go to standard output: give all but one an --output-file",
            args.output.len() - args.output_file.len()
        );
    }
    let now = args.now.unwrap_or_else(Timestamp::now);
    let old = args.compare.as_deref().map(compare::read).transpose()?;
    let mut chosen = select::select(&args.select, now)?;
    let shown: BTreeSet<Outcome> = args.keep.iter().map(|keep| keep.outcome()).collect();
    // A comparison is over all failures, whatever is shown.
    chosen.input.keep = shown
        .iter()
        .copied()
        .chain([Outcome::Fail, Outcome::Error])
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    let judged = Arc::new(AtomicUsize::new(0));
    let progress = Progress::start(&judged);
    let source = judge::Source::of(args.files, args.cluster).await?;
    let of_snapshot = matches!(source, judge::Source::Snapshot(_));
    let counter = Arc::clone(&judged);
    let runtime = tokio::runtime::Handle::current();
    let (mut audit, seen) = tokio::task::spawn_blocking(move || -> anyhow::Result<(Audit, judge::Seen)> {
        let select::Chosen { compiled, waivers, input, faults, parameters: _ } = chosen;
        let plan =
            judge::Plan { compiled: &compiled, waivers, input: &input, now, judged: &counter, lens: None };
        let (mut audit, seen) = source.judge(&runtime, plan)?;
        audit.faults.splice(0..0, faults);
        Ok((audit, seen))
    })
    .await
    .context("the audit ended abnormally")??;
    drop(progress);

    let new = old.map(|old| compare::not_in(&compare::Key::all(&audit), &old));
    let code =
        verdict::exit_code(&audit, new.as_deref().filter(|_| args.fail_on_new), args.fail_on.severity());
    for object in &mut audit.objects {
        object.findings.retain(|finding| shown.contains(&finding.outcome));
    }
    audit.objects.retain(|object| !object.findings.is_empty());
    if of_snapshot {
        eprintln!("{}", seen.line(lang));
    }
    write(&audit, &args.output, &args.output_file, lang)?;
    verdict::tell(&audit, new.as_deref(), lang);
    Ok(code)
}

/// Writes every form, one without a file last to standard output.
fn write(audit: &Audit, formats: &[Format], files: &[PathBuf], lang: Lang) -> anyhow::Result<()> {
    for (place, format) in formats.iter().enumerate() {
        if let Some(path) = files.get(place) {
            let file = File::create(path).with_context(|| format!("{} cannot be written", path.display()))?;
            let mut out = BufWriter::new(file);
            forms::write(*format, audit, lang, &mut out)?;
            out.flush().with_context(|| format!("{} cannot be written", path.display()))?;
        } else {
            // Written as it is made: an audit may have more to say than fits into memory twice.
            let mut out = BufWriter::new(super::Printed);
            forms::write(*format, audit, lang, &mut out)?;
            out.flush()?;
        }
    }
    Ok(())
}

/// Counts on a terminal while an audit goes on.
pub(super) struct Progress(Arc<AtomicBool>, Option<std::thread::JoinHandle<()>>);

impl Progress {
    pub(super) fn start(judged: &Arc<AtomicUsize>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let thread = std::io::stderr().is_terminal().then(|| {
            let (judged, ended) = (Arc::clone(judged), Arc::clone(&ended));
            std::thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    eprint!("\r{} objects", judged.load(Ordering::Relaxed));
                    std::thread::park_timeout(Duration::from_millis(200));
                }
                // The line is the terminal's again.
                eprint!("\r\x1b[K");
            })
        });
        Self(ended, thread)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        if let Some(thread) = self.1.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl Threshold {
    fn severity(self) -> banyan_policies::pack::Severity {
        use banyan_policies::pack::Severity;
        match self {
            Self::Info => Severity::Info,
            Self::Low => Severity::Low,
            Self::Medium => Severity::Medium,
            Self::High => Severity::High,
            Self::Critical => Severity::Critical,
        }
    }
}
