//! `banyan policies`: the packs and their controls, for those who choose, read and write them.

mod explain;
mod list;
mod packs;
mod test;

use std::process::ExitCode;

use clap::Subcommand;

use crate::lang::Lang;

pub use packs::Packs;

/// Arguments of `banyan policies`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the controls.
    List(list::Args),
    /// Explain a control: what it judges, against which clauses, what to change, and whether it is held at admission.
    Explain(explain::Args),
    /// Judge every example of packs, and hold them against mutants of their controls. Exit code 0: as claimed, 1: not, 2: unreadable.
    Test(test::Args),
}

pub fn run(args: &Args, lang: Lang) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::List(args) => list::run(args, lang),
        Command::Explain(args) => explain::run(args, lang),
        Command::Test(args) => test::run(args, lang),
    }
}

/// A text in the language that was asked for.
fn say(text: &banyan_policies::pack::Text, lang: Lang) -> &str {
    match lang {
        Lang::En => &text.en,
        Lang::Zh => &text.zh,
    }
}
