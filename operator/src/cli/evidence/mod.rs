//! `banyan evidence`: an archive for whoever has to prove what was found, and its verification.

mod pack;
mod verify;

use std::process::ExitCode;

use clap::Subcommand;

use crate::lang::Lang;

/// Arguments of `banyan evidence`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Judge manifests, a snapshot or a cluster, and write verdicts and redacted objects into one archive with a hash of each file. Exit code 0: written, 2: an error, or not everything could be read.
    Pack(pack::Args),
    /// Check an archive without a cluster: every hash, nothing missing, nothing added. Exit code 0: it verifies, 1: it does not, 2: it cannot be read.
    Verify(verify::Args),
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Pack(args) => Box::pin(pack::run(args, lang)).await,
        Command::Verify(args) => verify::run(&args, lang),
    }
}
