//! `banyan evidence verify`.

use std::{fmt::Write as _, fs::File, io::BufReader, path::PathBuf, process::ExitCode};

use anyhow::Context as _;

use crate::{
    cli::inputs::{Unpacking, unpacked},
    evidence::{
        pack::{Evidence, Subject},
        verify::{Verified, verify},
    },
    lang::Lang,
    report::{audit::words, visible::visible},
    t,
};

/// Arguments of `banyan evidence verify`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The archive.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What `banyan evidence pack` printed: only then it is known that nobody made the archive anew.
    #[arg(long, value_name = "HEX")]
    digest: Option<String>,
}

pub fn run(args: &Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let name = args.file.display();
    let file = File::open(&args.file).with_context(|| format!("{name} cannot be read"))?;
    let packed = BufReader::with_capacity(64 * 1024, file);
    let found = verify(unpacked(packed, Unpacking::default()), args.digest.as_deref())
        .with_context(|| name.to_string())?;
    let Verified { evidence, digest, files, wrong } = found;
    for line in &wrong {
        eprintln!("{}", visible(line));
    }
    if let Some(evidence) = &evidence {
        let mut text = said(evidence, lang);
        let _ = writeln!(text, "{}", t!(lang, "evidence-verifies", files = files));
        let _ = writeln!(text, "sha256:{digest}");
        crate::cli::print(&text)?;
    }
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        eprintln!("{}", t!(lang, "evidence-does-not-verify", file = visible(&name.to_string()).into_owned()));
        ExitCode::from(1)
    })
}

/// What an archive is about, a line each.
fn said(evidence: &Evidence, lang: Lang) -> String {
    let mut text = String::new();
    let mut say = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    for denied in &evidence.denied {
        let kind = visible(&format!("{}: {}", denied.kind, denied.why)).into_owned();
        say(t!(lang, "audit-run-unread", kind = kind));
    }
    for fault in &evidence.faults {
        say(t!(lang, "audit-fault", fault = visible(fault).into_owned()));
    }
    let cluster = evidence.cluster.as_ref().map(|cluster| visible(&cluster.to_string()).into_owned());
    match (evidence.subject, cluster, evidence.read) {
        (Subject::Manifests, ..) => say(t!(lang, "evidence-manifests")),
        (_, cluster, read) => say(t!(
            lang,
            "evidence-cluster",
            cluster = cluster.unwrap_or_else(|| "?".to_owned()),
            from = read.map(|read| words::instant(read.from)).unwrap_or_default(),
            until = read.map(|read| words::instant(read.until)).unwrap_or_default()
        )),
    }
    say(t!(
        lang,
        "evidence-judged",
        at = words::instant(evidence.at),
        tool = visible(&evidence.tool).into_owned(),
        objects = evidence.looked_at
    ));
    for line in &evidence.packs {
        let verdicts: Vec<String> = line
            .verdicts
            .iter()
            .map(|(verdict, count)| format!("{} {count}", words::verdict(lang, *verdict)))
            .collect();
        let pack = &line.pack;
        let name = format!("{} {} ({}, {})", pack.name, pack.level, pack.version, pack.digest);
        say(format!("{}: {}", visible(&name), verdicts.join(", ")));
    }
    text
}
