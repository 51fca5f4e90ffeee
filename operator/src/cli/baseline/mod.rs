//! `banyan baseline`: security baselines for the people who answer for them.

mod report;

use std::process::ExitCode;

use clap::Subcommand;

use crate::lang::Lang;

/// Arguments of `banyan baseline`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What the operator has told of a baseline: verdict by clause and since when, findings, waivers, and the trend.
    Report(report::Args),
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Report(args) => report::run(args, lang).await,
    }
}
