//! `banyan uninstall`: gives back everything that Banyan holds on a cluster, so that nothing of it stays when the release
//! is deleted.
//!
//! In this order, each step safe to repeat by another run when this one is killed:
//!
//! 1. The Lease is taken over, whether the operator runs or not: from then on nobody else writes ([`takeover`]).
//! 2. For every site the marks go, then loans are given back, by the operator's own executor; for every security baseline
//!    what is held at admission goes, bindings first.
//! 3. The chart's admission policies go, bindings first. What slipped in meanwhile is found by another look. Then the reports go.
//! 4. Each site's status says that nothing is in force, and its finalizer goes; those of baselines and Waivers say that nobody keeps them up to date.
//! 5. The Deployment is scaled to none. What Helm made is Helm's to delete.
//! 6. Only with `--delete-data`: sites, baselines, waivers, ledgers and definitions.

mod baselines;
mod export;
mod found;
mod steps;
mod words;

use std::{fmt::Display, io::IsTerminal as _, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::{Api, Client};

use super::{print, table, world::connect};
use crate::{
    kernel::{takeover, trail::Trail},
    lang::Lang,
    t,
};
use found::Found;
use steps::Uninstaller;

/// The operator's Lease.
const LEASE: &str = "banyan";
/// Looks for what slipped in while the policies were still known to some server.
const LOOKS: usize = 5;

/// Arguments of `banyan uninstall`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Banyan's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "banyan-system")]
    namespace: String,
    /// List what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(short, long)]
    yes: bool,
    /// Delete the sites, security baselines and waivers, their ledgers and the definitions as well. What a ledger knows and
    /// Prometheus does not keep any more is lost.
    #[arg(long)]
    delete_data: bool,
    /// Write every site and its energy ledger into this folder first, a file a site, and every security baseline with its
    /// ledger and waivers; `kubectl apply -f` takes them back. Waivers have to be approved anew.
    #[arg(long, value_name = "DIR")]
    export_ledgers: Option<PathBuf>,
    /// Append the trail, a line of JSON for each write, to this file.
    #[arg(long, value_name = "FILE")]
    trail: Option<PathBuf>,
}

/// What was done, or would be: a line each.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Vec<String>>,
    failures: Vec<String>,
}

impl Report {
    fn row(&mut self, step: &str, object: &dyn Display, result: impl Into<String>) {
        self.rows.push(vec![step.to_owned(), object.to_string(), result.into()]);
    }

    fn failed(&mut self, message: impl Into<String>) {
        let message = message.into();
        if !self.failures.contains(&message) {
            self.failures.push(message);
        }
    }
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let client = connect().await?;
    let found = Found::read(&client, &args.namespace).await?;
    if args.dry_run {
        let mut report = foreseen(&found, &args, lang);
        report.failures = found.unreadable();
        return conclude(&report, "", lang);
    }
    // Before anything is changed: a folder that cannot be written to is found out now.
    if let Some(folder) = &args.export_ledgers {
        export::write(folder, &found)?;
    }
    if !args.yes && !confirmed(&found, &args, lang)? {
        eprintln!("{}", t!(lang, "uninstall-nothing-done"));
        return Ok(ExitCode::from(2));
    }
    let trail = match &args.trail {
        None => Trail::new(takeover::HOLDER, std::io::sink()),
        Some(path) => {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            let file = file.with_context(|| format!("the trail cannot be written to {}", path.display()))?;
            Trail::new(takeover::HOLDER, file)
        }
    };
    let mut report = Report::default();
    take_over(&client, &found, &args.namespace, &mut report, lang).await?;
    // The operator may have gone on until then.
    let found = Found::read(&client, &args.namespace).await?;
    if let Some(folder) = &args.export_ledgers {
        let files = export::write(folder, &found)?;
        report.row(&t!(lang, "uninstall-step-export"), &folder.display(), words::exported(lang, files));
    }
    let uninstaller = Uninstaller::new(client.clone(), &args.namespace, trail, lang)?;
    let undone = uninstaller.undo(found, &mut report).await?;
    uninstaller.stop_operator(&undone, &mut report).await;
    let whole = report.failures.is_empty();
    if args.delete_data && whole {
        uninstaller.delete_data(&undone, &mut report).await;
    } else {
        keep(&undone, &mut report, lang);
    }
    // With the Deployment it would go by itself.
    if undone.deployment.is_none() && whole {
        takeover::remove(&leases(&client, &args.namespace), LEASE).await.context("removing the Lease")?;
    }
    conclude(&report, &words::next(lang, &undone, &args.namespace, args.delete_data), lang)
}

fn leases(client: &Client, namespace: &str) -> Api<Lease> {
    Api::namespaced(client.clone(), namespace)
}

async fn take_over(
    client: &Client,
    found: &Found,
    namespace: &str,
    report: &mut Report,
    lang: Lang,
) -> anyhow::Result<()> {
    let owner = found.deployment_reference();
    let waiting = |wait: std::time::Duration| eprintln!("{}", words::waiting(lang, wait));
    takeover::take_over(&leases(client, namespace), LEASE, owner.as_ref(), waiting)
        .await
        .with_context(|| format!("the Lease {namespace}/{LEASE} cannot be taken over"))?;
    report.row(
        &t!(lang, "uninstall-step-lease"),
        &format!("Lease {namespace}/{LEASE}"),
        t!(lang, "uninstall-taken-over"),
    );
    Ok(())
}

/// What would be done.
fn foreseen(found: &Found, args: &Args, lang: Lang) -> Report {
    let mut report = Report::default();
    report.row(
        &t!(lang, "uninstall-step-lease"),
        &format!("Lease {}/{LEASE}", args.namespace),
        t!(lang, "uninstall-would-take-over"),
    );
    if let Some(folder) = &args.export_ledgers {
        report.row(&t!(lang, "uninstall-step-export"), &folder.display(), t!(lang, "uninstall-would-export"));
    }
    for standing in found.standing() {
        for undo in standing.groups.iter().flatten() {
            let (step, object) = words::of_undo(lang, undo);
            report.row(&step, &object, words::would(lang, undo));
        }
    }
    for policy in &found.policies {
        report.row(&t!(lang, "uninstall-step-policy"), policy, t!(lang, "uninstall-would-delete"));
    }
    for reports in &found.made.reports {
        report.row(&t!(lang, "uninstall-step-reports"), &reports.named(), t!(lang, "uninstall-would-delete"));
    }
    for site in found.sites.iter().filter(|site| site.finalizer) {
        report.row(&t!(lang, "uninstall-step-finalizer"), &site.object, t!(lang, "uninstall-would-take-off"));
    }
    if let Some(name) = found.deployment_name() {
        report.row(
            &t!(lang, "uninstall-step-stop"),
            &format!("Deployment {}/{name}", args.namespace),
            t!(lang, "uninstall-would-stop"),
        );
    }
    if args.delete_data {
        for object in found.data() {
            report.row(&t!(lang, "uninstall-step-data"), &object, t!(lang, "uninstall-would-delete"));
        }
    } else {
        keep(found, &mut report, lang);
    }
    report
}

fn keep(found: &Found, report: &mut Report, lang: Lang) {
    for object in found.data() {
        report.row(&t!(lang, "uninstall-step-data"), &object, t!(lang, "uninstall-kept"));
    }
}

/// Asks on the terminal.
fn confirmed(found: &Found, args: &Args, lang: Lang) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        anyhow::bail!("{}", t!(lang, "uninstall-no-terminal"));
    }
    eprint!("{}", table::render(&words::header(lang), &foreseen(found, args, lang).rows));
    eprint!("{}", words::question(lang, args.delete_data));
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).context("reading the answer")?;
    Ok(answer.trim() == "yes")
}

/// Prints the table, what failed, and what comes next.
fn conclude(report: &Report, next: &str, lang: Lang) -> anyhow::Result<ExitCode> {
    print(&table::render(&words::header(lang), &report.rows))?;
    for failure in &report.failures {
        eprintln!("error: {failure}");
    }
    if !report.failures.is_empty() {
        eprintln!("{}", t!(lang, "uninstall-not-whole"));
        return Ok(ExitCode::from(1));
    }
    if !next.is_empty() {
        print(&format!("\n{next}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
