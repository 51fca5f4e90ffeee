//! `banyan evidence pack`.

use std::{
    io::BufWriter,
    path::PathBuf,
    process::ExitCode,
    sync::{Arc, atomic::AtomicUsize},
};

use anyhow::Context as _;
use banyan_policies::{engine::Outcome, verdict::Audit};
use jiff::Timestamp;

use crate::{
    cli::audit::{Progress, judge, lens::Lens, select},
    evidence::{
        about::PackUsed,
        archive::write_whole,
        pack::{Material, Objects, PackError, Subject, write},
    },
    lang::Lang,
    report::visible::visible,
    t,
};

/// Arguments of `banyan evidence pack`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Manifests: files, folders, or `-` for standard input; YAML or JSON, several documents, Lists, gzip. Or a snapshot of `banyan collect`, alone.
    #[arg(value_name = "FILE", required_unless_present = "cluster", conflicts_with = "cluster")]
    files: Vec<PathBuf>,
    /// Judge the cluster of the kubeconfig instead. What may not be read is unknown, and said.
    #[arg(long)]
    cluster: bool,
    #[command(flatten)]
    select: select::Choice,
    /// Judge as if it were this instant.
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
    /// Which objects go into the archive.
    #[arg(long, value_enum, default_value_t = Objects::Findings)]
    objects: Objects,
    /// Where the archive goes.
    #[arg(long, value_name = "FILE", default_value = "evidence.tar.gz")]
    output_file: PathBuf,
}

/// What was found out, and the archive's digest.
struct Packed {
    audit: Audit,
    digest: String,
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let Args { files, cluster, select, now, objects, output_file } = args;
    let now = now.unwrap_or_else(Timestamp::now);
    let mut chosen = select::select(&select, now)?;
    // What holds is counted. Everything else is evidence.
    chosen.input.keep = vec![Outcome::Fail, Outcome::Error, Outcome::Unknown, Outcome::Skip];
    let source = judge::Source::of(files, cluster).await?;
    let judged = Arc::new(AtomicUsize::new(0));
    let progress = Progress::start(&judged);
    let runtime = tokio::runtime::Handle::current();
    let file = output_file.clone();
    let packed =
        tokio::task::spawn_blocking(move || pack(source, chosen, now, objects, &file, &judged, &runtime))
            .await
            .context("packing ended abnormally")??;
    drop(progress);
    for unread in &packed.audit.unread {
        eprintln!("{}", t!(lang, "audit-run-unread", kind = visible(unread).into_owned()));
    }
    for fault in &packed.audit.faults {
        eprintln!("{fault}");
    }
    let file = visible(&output_file.display().to_string()).into_owned();
    let text = t!(lang, "evidence-packed", file = file);
    crate::cli::print(&format!("{text}\nsha256:{}\n", packed.digest))?;
    Ok(if packed.audit.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn pack(
    source: judge::Source,
    chosen: select::Chosen,
    now: Timestamp,
    objects: Objects,
    file: &std::path::Path,
    judged: &AtomicUsize,
    runtime: &tokio::runtime::Handle,
) -> anyhow::Result<Packed> {
    let select::Chosen { compiled, waivers, input, parameters, faults } = chosen;
    let subject = match source {
        judge::Source::Files(_) => Subject::Manifests,
        judge::Source::Cluster(_) => Subject::Cluster,
        judge::Source::Snapshot(_) => Subject::Snapshot,
    };
    let lens = Lens::redacting(&compiled).context("there can be no temporary file")?;
    let plan = judge::Plan { compiled: &compiled, waivers, input: &input, now, judged, lens: Some(&lens) };
    let (mut audit, judge::Seen { cluster, read, denied }) = source.judge(runtime, plan)?;
    audit.faults.splice(0..0, faults);
    let (spool, kept) = lens.into_kept().context("objects could not be kept")?;
    let material = Material {
        audit: &audit,
        input: &input,
        packs: PackUsed::of(&compiled),
        parameters,
        subject,
        cluster,
        read,
        denied,
        objects,
        lines: kept.into_iter().map(|kept| (kept.place, kept.kind, kept.stretch)).collect(),
        spool: spool.context("nothing was kept")?,
    };
    let mut digest = String::new();
    write_whole::<PackError>(file, |out| {
        digest = write(material, BufWriter::new(out))?;
        Ok(())
    })
    .with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(Packed { audit, digest })
}
