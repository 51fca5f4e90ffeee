//! `banyan plan`: what manifests would change, before they do.

mod diff;
mod foresee;
mod foreseen;
mod markdown;
mod tell;
#[cfg(test)]
mod tests;
mod text;

use std::{path::PathBuf, process::ExitCode};

use banyan_crds::v1alpha1::DataCenter;
use clap::ValueEnum;
use jiff::Timestamp;
use kube::{Api, Client, ResourceExt};
use serde_json::Value;

use self::foreseen::{Change, Report, SCHEMA};
use super::{
    manifest::{self, Document, Problem},
    print,
    world::{Switches, World, connect, now},
};
use crate::lang::Lang;

/// Arguments of `banyan plan`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Manifests: files, folders, or `-` for standard input.
    #[arg(short = 'f', long = "filename", required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Banyan's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "banyan-system")]
    namespace: String,
    /// Decide as if it were this instant.
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
    /// Whether the operator may take actions; read from its Deployment by default.
    #[arg(long)]
    enforcement: Option<bool>,
    /// Whether the admission policy of `FreezeGrowth` is installed; read from the operator's Deployment by default.
    #[arg(long)]
    freeze_growth: Option<bool>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For a terminal.
    Text,
    /// A unified diff of every object, as it is and as it would be.
    Diff,
    /// On the schema docs/plan.schema.json.
    Json,
    /// For a comment in a merge request.
    Markdown,
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let mut documents = Vec::new();
    for file in &args.files {
        documents.extend(manifest::read(file)?);
    }
    let client = connect().await?;
    let switches = Switches { enforcement: args.enforcement, freeze_growth: args.freeze_growth };
    let world = World::read(client, &args.namespace, switches).await?;
    let now = now(args.now)?;
    let mut tried = Vec::new();
    for document in &documents {
        let (kind, name) = document.identity();
        let group =
            document.value["apiVersion"].as_str().unwrap_or_default().split('/').next().unwrap_or_default();
        if (group, kind) != (banyan_crds::GROUP, "DataCenter") {
            let whose = if group == banyan_crds::GROUP { "is no DataCenter" } else { "is not Banyan's" };
            eprintln!("{}: {kind} {name} {whose} and is left out", document.file.display());
            continue;
        }
        tried.push((document, dry_run(&world, document).await));
    }
    if tried.is_empty() {
        anyhow::bail!("none of the manifests is a DataCenter of {}", banyan_crds::GROUP);
    }
    // As they will be together: two of one file may be in each other's way.
    let wanted = || tried.iter().filter_map(|(_, tried)| tried.as_ref().ok());
    let named = |site: &DataCenter| wanted().any(|dc| dc.name_any() == site.name_any());
    let sites: Vec<DataCenter> =
        world.sites.iter().filter(|site| !named(site)).chain(wanted()).cloned().collect();
    let mut foreseen = Vec::new();
    for (document, tried) in &tried {
        foreseen.push(match tried {
            Ok(dc) => foresee::foresee(&world, document, dc, &sites, now).await,
            Err(problems) => foresee::refused(document, problems.clone()),
        });
    }
    let report = Report {
        schema: SCHEMA,
        changed: foreseen.iter().any(|one| matches!(one.change, Change::Create | Change::Update)),
        sound: foreseen.iter().all(|one| one.problems.is_empty()),
        documents: foreseen,
    };
    print(&match args.output {
        Output::Text => report.documents.iter().map(|one| text::render(one, lang)).collect(),
        Output::Diff => report.documents.iter().map(diff::render).collect(),
        Output::Json => format!("{}\n", serde_json::to_string_pretty(&report)?),
        Output::Markdown => markdown::render(&report, lang),
    })?;
    for problem in report.documents.iter().flat_map(|one| &one.problems) {
        eprintln!("error: {problem}");
    }
    Ok(ExitCode::from(if report.sound { u8::from(report.changed) } else { 2 }))
}

/// Sends the manifest as a dry run: the API server's own schema, rules and defaults.
async fn dry_run(world: &World, document: &Document) -> Result<DataCenter, Vec<Problem>> {
    let live = world.live(document.identity().1);
    let api: Api<DataCenter> = Api::all(world.client.clone());
    let mut manifest = document.value.clone();
    let sent = if let Some(live) = live {
        manifest["metadata"]["resourceVersion"] = live.resource_version().into();
        send(&world.client, &api, "PUT", Some(&live.name_any()), &manifest).await
    } else {
        send(&world.client, &api, "POST", None, &manifest).await
    };
    sent.map_err(|error| problems(document, &error))
}

/// With strict field validation, so that a misspelt field is an error and not dropped.
async fn send(
    client: &Client,
    api: &Api<DataCenter>,
    method: &str,
    name: Option<&str>,
    manifest: &Value,
) -> Result<DataCenter, kube::Error> {
    let path = match name {
        Some(name) => format!("{}/{name}", api.resource_url()),
        None => api.resource_url().to_owned(),
    };
    let request = http::Request::builder()
        .method(method)
        .uri(format!("{path}?dryRun=All&fieldValidation=Strict&fieldManager=banyan-plan"))
        .header("Content-Type", "application/json")
        .body(manifest.to_string().into_bytes())
        .map_err(kube::Error::HttpError)?;
    client.request(request).await
}

/// The server's causes, each at its place in the file.
fn problems(document: &Document, error: &kube::Error) -> Vec<Problem> {
    let kube::Error::Api(status) = error else { return vec![document.problem("", error.to_string())] };
    let causes = status.details.as_ref().map(|details| details.causes.as_slice()).unwrap_or_default();
    if causes.is_empty() {
        return vec![document.problem(&unknown_field(&status.message), status.message.clone())];
    }
    let mut found: Vec<Problem> = causes
        .iter()
        // Rules that could not be evaluated because of another error only repeat it.
        .filter(|cause| !cause.message.contains("some validation rules were not checked"))
        .map(|cause| document.problem(&cause.field, cause.message.clone()))
        .collect();
    found.dedup();
    found
}

/// The field in `strict decoding error: unknown field "spec.pue.target"`.
fn unknown_field(message: &str) -> String {
    message
        .split_once("unknown field \"")
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or_default()
        .to_owned()
}
