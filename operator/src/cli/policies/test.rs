//! `banyan policies test`.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use banyan_policies::engine::{check_examples, surviving_mutants};

use super::Packs;
use crate::{cli::print, lang::Lang, t};

/// Arguments of `banyan policies test`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder with a pack, or with folders of packs; the packs of the program by default.
    dir: Option<PathBuf>,
    /// List the mutants that no example notices.
    #[arg(long)]
    mutants: bool,
}

pub fn run(args: &Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let packs = match &args.dir {
        Some(dir) => Packs::of_folder(dir)?,
        None => Packs::read(&[])?,
    };
    for fault in &packs.faults {
        eprintln!("{}", crate::report::visible::visible(&fault.to_string()));
    }
    let (mut text, mut sound) = (String::new(), true);
    for pack in &packs.all {
        let faults = check_examples(pack);
        for fault in &faults {
            writeln!(text, "{fault}")?;
        }
        let examples: usize = pack
            .controls
            .iter()
            .map(|control| &control.examples)
            .map(|examples| {
                examples.good.len() + examples.bad.len() + examples.unknown.len() + examples.skipped.len()
            })
            .sum();
        let (tried, survivors) = surviving_mutants(pack);
        if args.mutants {
            for survivor in &survivors {
                writeln!(
                    text,
                    "{}: {}",
                    survivor.control,
                    t!(lang, "policies-survivor", mutant = survivor.mutant.as_str())
                )?;
            }
        }
        sound &= faults.is_empty() && survivors.is_empty();
        let says = t!(
            lang,
            "policies-tested",
            pack = pack.about.name.as_str(),
            controls = pack.controls.len(),
            examples = examples,
            faults = faults.len(),
            mutants = tried,
            survivors = survivors.len()
        );
        writeln!(text, "{says}")?;
    }
    print(&text)?;
    Ok(match (packs.faults.is_empty(), sound) {
        (false, _) => ExitCode::from(2),
        (true, true) => ExitCode::SUCCESS,
        (true, false) => ExitCode::from(1),
    })
}
