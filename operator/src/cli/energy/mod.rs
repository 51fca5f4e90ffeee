//! `banyan energy`: for the people who report energy.

mod import;
mod report;

use std::process::ExitCode;

use clap::Subcommand;

use crate::lang::Lang;

/// Arguments of `banyan energy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring past days or monthly bills from a CSV file into the ledgers. Exit code 0: done, 2: nothing, or not all, was written.
    Import(import::Args),
    /// Report closed months: a table, a CSV file, a workbook, or a page to print and sign.
    Report(report::Args),
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Import(args) => import::run(args, lang).await,
        Command::Report(args) => report::run(args, lang).await,
    }
}
