//! `banyan gitops`: what GitOps tools have to be told of Banyan's kinds.

use std::{fmt::Write as _, process::ExitCode};

use clap::{Subcommand, ValueEnum};

use super::print;

/// The health of any of Banyan's kinds, as Argo CD asks for it.
pub const HEALTH: &str = include_str!("gitops/health.lua");

/// Arguments of `banyan gitops`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print the health checks for Argo CD: a patch of `argocd-cm`, or the Lua alone.
    ArgocdHealth {
        /// Form of the output.
        #[arg(short, long, value_enum, default_value_t = Form::Patch)]
        output: Form,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// For `kubectl patch configmap argocd-cm --type merge --patch-file`.
    Patch,
    /// The script.
    Lua,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let Command::ArgocdHealth { output } = &args.command;
    match output {
        Form::Lua => print(HEALTH)?,
        Form::Patch => print(&patch())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The kinds' health checks as data of `argocd-cm`. They all go by the same conventions, so that one script serves them.
fn patch() -> String {
    let mut text = "data:\n".to_owned();
    for crd in banyan_crds::all() {
        let kind = crd.spec.names.kind;
        let _ = writeln!(text, "  resource.customizations.health.{}_{kind}: |", banyan_crds::GROUP);
        for line in HEALTH.lines() {
            let _ = if line.is_empty() { writeln!(text) } else { writeln!(text, "    {line}") };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_patch_holds_the_script_as_it_is_for_every_kind() {
        let patch: serde_json::Value = serde_yaml::from_str(&patch()).unwrap();
        for kind in ["DataCenter", "SecurityBaseline", "Waiver"] {
            assert_eq!(
                patch["data"][format!("resource.customizations.health.banyan.dev_{kind}")],
                HEALTH,
                "{kind}"
            );
        }
        assert_eq!(patch["data"].as_object().unwrap().len(), banyan_crds::all().len());
    }
}
