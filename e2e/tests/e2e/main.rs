//! End-to-end tests: real control planes, a real Prometheus, the operator as a subprocess.
//!
//! One file per behaviour, each with `pub fn tests() -> Vec<Test>`, written `tests![…]`; add it to [`all`]. Filters and
//! options are those of any Rust test: `cargo test -p banyan-e2e --test e2e -- <part of a name>`.

#[macro_use]
mod world;

mod admission;
mod alertmanager;
mod audit_page;
mod baseline;
mod baseline_rights;
mod bundle;
mod chart;
mod cli;
mod crash;
mod crd_rules;
mod crypto;
mod dashboards;
mod demo;
mod doctor;
mod enforcement;
mod evidence;
mod executor;
mod explain;
mod faults;
mod fight;
mod first_hour;
mod freeze;
mod gitops;
mod harness;
mod health;
mod hold;
mod import;
mod kueue;
mod leader;
mod offline;
mod outbound;
mod page;
mod parameters;
mod plans;
mod quiet;
mod references;
mod report;
mod rights;
mod rights_used;
mod roles;
mod sites;
mod stage;
mod switches;
mod trail;
mod transcript;
mod trap;
mod uninstall;
mod upgrade;
mod waivers;

use std::process::ExitCode;
use std::time::Duration;

use banyan_e2e::components::{Component, Tools};
use banyan_e2e::{dirs, process};
use libtest_mimic::{Arguments, Failed, Trial};

use world::{Test, World};

/// Tests that run at the same time: control planes are heavy, and the machines small.
const THREADS: usize = 2;

/// Every test there is.
fn all() -> Vec<Test> {
    [
        admission::tests(),
        alertmanager::tests(),
        audit_page::tests(),
        baseline::tests(),
        baseline_rights::tests(),
        bundle::tests(),
        chart::tests(),
        cli::tests(),
        crash::tests(),
        crd_rules::tests(),
        crypto::tests(),
        dashboards::tests(),
        demo::tests(),
        doctor::tests(),
        freeze::tests(),
        hold::tests(),
        explain::tests(),
        import::tests(),
        faults::tests(),
        fight::tests(),
        first_hour::tests(),
        references::tests(),
        report::tests(),
        rights::tests(),
        harness::tests(),
        kueue::tests(),
        enforcement::tests(),
        evidence::tests(),
        executor::tests(),
        offline::tests(),
        gitops::tests(),
        health::tests(),
        parameters::tests(),
        plans::tests(),
        quiet::tests(),
        leader::tests(),
        roles::tests(),
        switches::tests(),
        trail::tests(),
        outbound::tests(),
        uninstall::tests(),
        upgrade::tests(),
        waivers::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(THREADS);
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("the end-to-end tests could not run: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    process::stop_on_signals()?;
    banyan_e2e::log_to_stderr();
    banyan_e2e::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if !arguments.list {
        // Before the first test, so that no test's time limit has a build in it.
        runtime.block_on(Tools::ensure(&Component::ALL))?;
    }

    let world = World::default();
    let trials = all().into_iter().map(|test| {
        let (world, handle) = (world.clone(), runtime.handle().clone());
        Trial::test(test.name, move || {
            let body = async { tokio::time::timeout(test.limit, (test.run)(world)).await };
            match handle.block_on(body) {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => Err(Failed::from(format!("{error:#}"))),
                Err(_) => Err(Failed::from(format!("not done within {} s", test.limit.as_secs()))),
            }
        })
    });
    let conclusion = libtest_mimic::run(arguments, trials.collect());

    process::leave_to_signal();
    // Helm can be asked only before everything is stopped, and the logs are whole only afterwards.
    let asked = (!conclusion.has_failed() && !arguments.list).then(|| rights_used::granted(arguments));
    let granted = asked.map(|asked| runtime.block_on(asked));
    drop(world);
    process::stop_all(Duration::from_secs(3));
    let exact = granted.is_none_or(|granted| {
        granted.and_then(|granted| rights_used::check(granted.as_ref())).unwrap_or_else(|error| {
            eprintln!("the rights could not be compared with the audit logs: {error:#}");
            false
        })
    });
    if let Some(folder) = dirs::finish(conclusion.has_failed() || !exact) {
        eprintln!("logs of the failed run: {}", folder.display());
    }
    Ok(if exact { conclusion.exit_code() } else { ExitCode::FAILURE })
}
