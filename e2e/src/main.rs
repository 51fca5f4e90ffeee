//! The harness from the command line: gets the components ready, before tests or a demo need them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use banyan_e2e::bundle::Profile;
use banyan_e2e::components::{Component, Tools};
use banyan_e2e::controlplane::{ControlPlane, Options};
use banyan_e2e::demo::{Demo, Visit};
use banyan_e2e::{background, bench, bundle, confine, dirs, process};
use clap::{Parser, Subcommand};

/// Test bed of Banyan.
#[derive(Parser)]
#[command(name = "banyan-e2e", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find, fetch or build components, and print where each is.
    Tools {
        /// Their names, such as `helm`; all of them without one.
        names: Vec<String>,
    },
    /// Start the demo's estate, show its verdicts, and keep it running until Ctrl-C.
    Demo {
        /// Check the verdicts, print the table, and end.
        #[arg(long)]
        once: bool,
        /// Where to run it: `own` starts a control plane, `current` uses the current kubeconfig context.
        #[arg(long, default_value = "own", value_parser = ["own", "current"])]
        cluster: String,
        /// Do not ask before touching the current cluster.
        #[arg(long)]
        yes: bool,
    },
    /// Measure, and print one JSON object a figure.
    Bench {
        /// Only the figures of this domain, such as `datacenter`, or of this part of it, such as `convergence`.
        only: Option<String>,
    },
    /// Make the bundle for closed networks, and print its path.
    Bundle {
        /// How the program is built.
        #[arg(long, default_value = "release", value_parser = ["dev", "release"])]
        profile: String,
        /// The Rust target triple; this machine's own by default.
        #[arg(long)]
        target: Option<String>,
        /// The folder that the archive goes to; `target/bundle` by default.
        #[arg(long)]
        output: Option<PathBuf>,
    },
    /// Run a program in a network namespace that has nothing but loopback, and write down where it wants to go. For the
    /// test of what Banyan connects to.
    #[command(hide = true)]
    Confine(confine::Args),
    /// Start the demo's estate in the background.
    Up,
    /// Stop the demo's estate that runs in the background.
    Down,
    /// Start a control plane, print its folder and the ids of its processes, and wait for ever. For the harness' own
    /// tests of what an end leaves behind.
    #[command(hide = true)]
    Hold,
}

#[tokio::main]
async fn main() -> ExitCode {
    banyan_e2e::log_to_stderr();
    let result = match process::stop_on_signals() {
        Ok(()) => Box::pin(run(Cli::parse().command)).await,
        Err(error) => Err(error),
    };
    process::leave_to_signal();
    // After an error the logs are worth keeping.
    if let Some(logs) = banyan_e2e::dirs::finish(result.is_err()) {
        eprintln!("logs: {}", logs.display());
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Tools { names } => {
            let wanted = Component::named(&names)?;
            let tools = Tools::ensure(&wanted).await?;
            for component in wanted {
                println!("{component} {} {}", component.version()?, tools.path(component)?.display());
            }
        }
        Command::Demo { once, cluster, yes } => match cluster.as_str() {
            "current" => Box::pin(on_current_cluster(once, yes)).await?,
            _ => Box::pin(on_own_cluster(once)).await?,
        },
        Command::Bench { only } => {
            let print = |figure| match serde_json::to_string(&figure) {
                Ok(line) => println!("{line}"),
                Err(error) => eprintln!("{figure:?} cannot be printed: {error}"),
            };
            Box::pin(bench::run(only.as_deref(), bench::Scale::FULL, print)).await?;
        }
        Command::Bundle { profile, target, output } => {
            let profile = if profile == "dev" { Profile::Dev } else { Profile::Release };
            let target = match target {
                Some(target) => target,
                None => bundle::host().await?,
            };
            let output = output.unwrap_or_else(|| dirs::target().join("bundle"));
            println!("{}", bundle::make(&bundle::Options { profile, target, output }).await?.display());
        }
        Command::Confine(args) => confine::inside(args).await?,
        Command::Up => background::up().await?,
        Command::Down => background::down().await?,
        Command::Hold => {
            let options = Options { name: "hold".to_owned(), audit: false, ..Options::default() };
            let plane = ControlPlane::start(options).await?;
            let pids: Vec<String> = plane.pids().await.iter().map(u32::to_string).collect();
            println!("{} {}", plane.dir().display(), pids.join(" "));
            std::future::pending::<()>().await;
        }
    }
    Ok(())
}

async fn on_own_cluster(once: bool) -> Result<()> {
    if !once {
        background::ensure_free()?;
    }
    let demo = Demo::start().await?;
    println!("{}", demo.table().await?);
    if !once {
        background::announce(&demo)?;
        println!("{}", demo.addresses());
        println!(
            "Running until Ctrl-C. Look around with: kubectl --kubeconfig {} get dc",
            background::kubeconfig().display()
        );
        process::first_signal().await;
        background::withdraw();
    }
    Ok(())
}

async fn on_current_cluster(once: bool, assume_yes: bool) -> Result<()> {
    let visit = Visit::ask(assume_yes).await?;
    let mut started = None;
    let stay = async {
        let demo = started.insert(visit.start().await?);
        println!("{}", demo.table().await?);
        if !once {
            println!("Running until Ctrl-C. Look around with: kubectl get dc");
            std::future::pending::<()>().await;
        }
        anyhow::Ok(())
    };
    let stayed = tokio::select! {
        stayed = stay => stayed,
        () = process::first_signal() => Ok(()),
    };
    // Whatever happened, nothing stays behind on somebody's cluster.
    visit.leave(started).await?;
    stayed
}
