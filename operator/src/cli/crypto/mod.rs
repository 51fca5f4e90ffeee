//! `banyan crypto`: what cryptography is in use (密评).

mod inventory;

use std::process::ExitCode;

use clap::Subcommand;

use crate::lang::Lang;

/// Arguments of `banyan crypto`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List certificates, keys, TLS settings and encryption of storage, by algorithm. Exit code 0: listed, 2: an error, or not everything could be read.
    Inventory(inventory::Args),
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Inventory(args) => inventory::run(args, lang).await,
    }
}
