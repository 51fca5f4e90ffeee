//! `banyan policies list`.

use std::{path::PathBuf, process::ExitCode};

use banyan_policies::{
    admission,
    pack::{Control, Level, Pack},
};

use super::{Packs, say};
use crate::{
    cli::{print, table},
    lang::Lang,
    report::visible::visible,
    t,
};

/// Arguments of `banyan policies list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this pack.
    #[arg(long)]
    pack: Option<String>,
    /// Only what applies at this level, with its clauses there.
    #[arg(long)]
    level: Option<String>,
    /// Folders with packs of your own.
    #[arg(long, value_name = "DIR")]
    packs: Vec<PathBuf>,
}

pub fn run(args: &Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let packs = Packs::read(&args.packs)?;
    for fault in &packs.faults {
        eprintln!("{}", visible(&fault.to_string()));
    }
    let chosen: Vec<&Pack> = packs
        .all
        .iter()
        .map(AsRef::as_ref)
        .filter(|pack| args.pack.as_ref().is_none_or(|name| *name == pack.about.name))
        .collect();
    anyhow::ensure!(
        !chosen.is_empty(),
        "there is no pack {}; there are {}",
        args.pack.as_deref().unwrap_or_default(),
        packs.all.iter().map(|pack| pack.about.name.as_str()).collect::<Vec<_>>().join(", ")
    );
    let level = args.level.as_ref().map(|level| Level(level.clone()));
    if let Some(Level(level)) = &level {
        anyhow::ensure!(
            chosen.iter().any(|pack| pack.about.levels.contains(level)),
            "no pack has a level `{level}`"
        );
    }
    print(&render(&chosen, level.as_ref(), lang))?;
    Ok(if packs.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

/// The clauses of a control: at a level, or at its highest.
pub(super) fn clauses<'p>(pack: &'p Pack, control: &Control, level: &Level) -> Vec<&'p str> {
    let applies = control.levels.is_empty() || control.levels.contains(level);
    control
        .requirements
        .iter()
        .filter(|_| applies)
        .filter_map(|id| pack.requirement(id)?.levels.get(level))
        .map(|clause| clause.clause.as_str())
        .collect()
}

fn render(packs: &[&Pack], level: Option<&Level>, lang: Lang) -> String {
    let header = [
        t!(lang, "policies-control"),
        t!(lang, "policies-pack"),
        t!(lang, "policies-severity"),
        t!(lang, "policies-clauses"),
        t!(lang, "policies-admission"),
        t!(lang, "policies-title"),
    ];
    let mut rows = Vec::new();
    for pack in packs {
        for control in &pack.controls {
            let levels = pack.about.levels.iter().rev().map(|level| Level(level.clone()));
            let at = match level {
                Some(level) => Some(clauses(pack, control, level)),
                None => {
                    levels.map(|level| clauses(pack, control, &level)).find(|clauses| !clauses.is_empty())
                }
            };
            let Some(at) = at.filter(|clauses| !clauses.is_empty()) else { continue };
            let held = if admission::undecided(control, &pack.about).is_none() {
                t!(lang, "policies-yes")
            } else {
                t!(lang, "policies-no")
            };
            rows.push(vec![
                control.id.clone(),
                pack.about.name.clone(),
                control.severity.as_str().to_owned(),
                at.join(", "),
                held,
                say(&control.title, lang).to_owned(),
            ]);
        }
    }
    table::render(&header, &rows)
}
