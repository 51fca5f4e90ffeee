//! The command line: one file per subcommand. Only the result goes to stdout, which is the trail for `banyan run`; logs and
//! remarks go to stderr.

mod audit;
mod baseline;
mod collect;
mod completion;
mod crds;
mod crypto;
mod doctor;
mod energy;
mod evidence;
mod explain;
mod gitops;
mod indexes;
mod inputs;
pub mod manifest;
mod plan;
mod policies;
mod rules;
mod run;
mod runbook;
mod status;
mod table;
mod uninstall;
mod validate;
mod waiver;
mod world;

use std::{io::IsTerminal, process::ExitCode};

use clap::{Parser, Subcommand, ValueEnum};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use crate::lang::Lang;

/// Keeps a city's computing estate as declared.
///
/// Works on custom resources of the API group banyan.dev. Installed as kubectl-banyan it also answers to
/// `kubectl banyan`.
#[derive(Debug, Parser)]
#[command(name = "banyan", version, propagate_version = true)]
pub struct Cli {
    /// How logs look on stderr.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, env = "BANYAN_LOG_FORMAT")]
    log_format: LogFormat,
    /// Language of tables, pages and explanations; that of the locale by default.
    #[arg(long, global = true, value_enum, env = "BANYAN_LANG")]
    lang: Option<Lang>,
    #[command(subcommand)]
    command: Command,
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator.
    Run(run::Args),
    /// Show what manifests would change. Exit code 0: nothing, 1: something, 2: an error, or not everything could be seen.
    Plan(plan::Args),
    /// Check manifests without a cluster: schema and rules. Exit code 0: valid, 2: not.
    Validate(validate::Args),
    /// Show the whole estate as tables: sites, security baselines, Waivers.
    Status(status::Args),
    /// Explain why a resource stands where it stands, and what would change it.
    Explain(explain::Args),
    /// Energy for the people who report it: reports of closed months, and past days brought into the ledgers.
    Energy(energy::Args),
    /// Check the installation. Exit code 0: sound, 1: something fails, 2: not everything could be looked at.
    Doctor(doctor::Args),
    /// Judge manifests or a cluster by policy packs. Exit code 0: nothing at or above the threshold, 1: findings, 2: an error, or not everything could be read.
    Audit(audit::Args),
    /// Write a redacted snapshot of a cluster, for an audit elsewhere. Exit code 0: written, what could not be read is said in it, 2: an error.
    Collect(collect::Args),
    /// Archives of evidence that verify offline: pack, verify.
    Evidence(evidence::Args),
    /// Security baselines: what the operator has told of one, as a page, a workbook and other forms.
    Baseline(baseline::Args),
    /// Packs of controls: list, explain, test.
    Policies(policies::Args),
    /// Waivers of a security baseline: list, approve.
    Waiver(waiver::Args),
    /// What cryptography is in use (密评).
    Crypto(crypto::Args),
    /// Print the custom resource definitions.
    Crds(crds::Args),
    /// Print the alert rules as a Prometheus rule file.
    Rules(rules::Args),
    /// Print what to do about an alert; without a name, the alerts that there are.
    Runbook(runbook::Args),
    /// Print what GitOps tools have to be told of Banyan.
    Gitops(gitops::Args),
    /// Give back everything that Banyan holds on this cluster, and stop it, before it is removed. Exit code 0: done, 1: something could not be undone, 2: an error.
    Uninstall(uninstall::Args),
    /// Print a completion script for a shell.
    Completion(completion::Args),
}

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    // Before anything that may open a connection: with two crypto providers in the tree rustls would not choose.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    log_to_stderr(cli.log_format, matches!(cli.command, Command::Run(_)));
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: the runtime cannot start: {error}");
            return ExitCode::from(2);
        }
    };
    let lang = cli.lang.unwrap_or_else(|| Lang::of_environment(|name| std::env::var(name).ok()));
    let result = runtime.block_on(async {
        match cli.command {
            Command::Run(args) => run::run(args).await,
            Command::Plan(args) => plan::run(args, lang).await,
            Command::Validate(args) => validate::run(&args, lang),
            Command::Status(args) => status::run(args, lang).await,
            Command::Explain(args) => explain::run(args, lang).await,
            Command::Energy(args) => energy::run(args, lang).await,
            Command::Doctor(args) => Box::pin(doctor::run(args, lang)).await,
            Command::Audit(args) => Box::pin(audit::run(args, lang)).await,
            Command::Collect(args) => Box::pin(collect::run(args, lang)).await,
            Command::Evidence(args) => Box::pin(evidence::run(args, lang)).await,
            Command::Baseline(args) => baseline::run(args, lang).await,
            Command::Policies(args) => policies::run(&args, lang),
            Command::Waiver(args) => waiver::run(args, lang).await,
            Command::Crypto(args) => crypto::run(args, lang).await,
            Command::Crds(args) => crds::run(&args),
            Command::Rules(args) => rules::run(&args),
            Command::Runbook(args) => runbook::run(&args, lang),
            Command::Gitops(args) => gitops::run(&args),
            Command::Uninstall(args) => Box::pin(uninstall::run(args, lang)).await,
            Command::Completion(args) => completion::run(&args),
        }
    });
    // Requests still under way are not waited for.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| {
        // It may quote what it could not read.
        eprintln!("error: {}", crate::report::visible::lines(&format!("{error:#}")));
        ExitCode::from(2)
    })
}

fn log_to_stderr(format: LogFormat, serving: bool) {
    let default = if serving { "info" } else { "warn" };
    let filter = EnvFilter::try_from_env("BANYAN_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        LogFormat::Json => registry
            .with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(std::io::stderr))
            .init(),
        LogFormat::Text => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_ansi(std::io::stderr().is_terminal())
                    .with_writer(std::io::stderr),
            )
            .init(),
    }
}

/// Writes a result to stdout. A closed pipe (`banyan status | head`) is no error.
fn print(text: &str) -> anyhow::Result<()> {
    print_bytes(text.as_bytes())
}

/// The same of a result that may be no text.
fn print_bytes(bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    Ok(Printed.write_all(bytes)?)
}

/// Standard output for what is written as it is made. Whoever reads it may have read enough and have closed it; that is no error.
struct Printed;

impl std::io::Write for Printed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match std::io::stdout().lock().write(bytes) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(bytes.len()),
            other => other,
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match std::io::stdout().lock().flush() {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other,
        }
    }
}
