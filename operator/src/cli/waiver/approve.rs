//! `banyan waiver approve`: writes `spec.approval`, and nothing else, in the name of who asks.
//!
//! It is server-side apply with a field manager of its own, so that a tool that applies the Waiver's manifest from Git again, without an
//! approval in it, leaves the approval alone. Whether it is allowed is decided by admission policy, here as for everybody who writes the
//! field by other means.

use std::{io::IsTerminal as _, process::ExitCode};

use anyhow::{Context as _, bail};
use banyan_crds::v1alpha1::{AUTHOR, Waiver};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use kube::{
    Api, Client, ResourceExt,
    api::{Patch, PatchParams, PostParams},
};
use serde_json::json;

use super::{controls, objects, plain};
use crate::{cli::print, lang::Lang, t};

/// The field manager of approvals.
const MANAGER: &str = "banyan-approve";

/// Arguments of `banyan waiver approve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The Waiver.
    name: String,
    /// Where the approval was decided, such as the number of a change request; kept with it.
    #[arg(long)]
    ticket: Option<String>,
    /// Do not ask, where there is a terminal to ask on.
    #[arg(short, long)]
    yes: bool,
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let client = Client::try_default()
        .await
        .context("no cluster: neither a kubeconfig nor a service account was found")?;
    let api: Api<Waiver> = Api::all(client.clone());
    let waiver = match api.get(&args.name).await {
        Ok(waiver) => waiver,
        Err(kube::Error::Api(status)) if status.code == 404 => bail!("there is no Waiver {}", args.name),
        Err(error) => return Err(error).with_context(|| format!("Waiver {} cannot be read", args.name)),
    };
    let now = Timestamp::from_second(Timestamp::now().as_second())?;
    if waiver.spec.expires.timestamp()? <= now {
        bail!("Waiver {} expired at {}: there is nothing to approve", args.name, waiver.spec.expires);
    }
    let by = whoami(&client).await?;
    if let Some(approval) = waiver.spec.approval.as_ref().filter(|approval| approval.by == by) {
        print(&(t!(lang, "waiver-already", name = &*args.name, at = approval.at.to_string()) + "\n"))?;
        return Ok(ExitCode::SUCCESS);
    }
    // Who approves has seen what.
    eprint!("{}", shown(&waiver, lang));
    if !args.yes && std::io::stdin().is_terminal() {
        eprint!("{} ", t!(lang, "waiver-question", by = plain(&by)));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).context("reading the answer")?;
        if answer.trim() != "yes" {
            eprintln!("{}", t!(lang, "waiver-nothing-done"));
            return Ok(ExitCode::from(2));
        }
    }
    let mut approval = json!({ "by": by, "at": now.to_string() });
    if let Some(ticket) = &args.ticket {
        approval["ticket"] = json!(ticket);
    }
    // Of what was shown: a Waiver that was changed meanwhile is a conflict, and one of which only the operator has written the status is none.
    let mut version = waiver.metadata.resource_version.clone();
    let mut tries = 0;
    let approved = loop {
        let patch = json!({
            "apiVersion": "banyan.dev/v1alpha1", "kind": "Waiver",
            "metadata": { "name": args.name, "uid": waiver.metadata.uid, "resourceVersion": version },
            "spec": { "approval": approval },
        });
        let answer = api.patch(&args.name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&patch)).await;
        let stale = matches!(&answer, Err(kube::Error::Api(status)) if status.code == 409);
        tries += 1;
        if !stale || tries == TRIES {
            break answer;
        }
        match api.get(&args.name).await {
            Ok(now) if now.spec == waiver.spec && now.annotations() == waiver.annotations() => {
                version = now.metadata.resource_version;
            }
            _ => break answer,
        }
    };
    match approved {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.code == 409 => {
            bail!("Waiver {} was changed meanwhile: look at it again", args.name)
        }
        Err(kube::Error::Api(status)) => {
            bail!("Waiver {} was not approved: {}", args.name, plain(&status.message))
        }
        Err(error) => return Err(error).with_context(|| format!("Waiver {} was not approved", args.name)),
    }
    print(
        &(t!(
            lang,
            "waiver-approved",
            name = &*args.name,
            by = plain(&by),
            expires = plain(&waiver.spec.expires.0)
        ) + "\n"),
    )?;
    Ok(ExitCode::SUCCESS)
}

/// How often it is tried while the operator writes the status.
const TRIES: u32 = 5;

/// The name that the API server knows the caller by.
async fn whoami(client: &Client) -> anyhow::Result<String> {
    let api: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = api
        .create(&PostParams::default(), &SelfSubjectReview::default())
        .await
        .context("the API server does not say who you are")?;
    let user = review.status.and_then(|status| status.user_info).and_then(|user| user.username);
    user.filter(|name| !name.is_empty()).context("the API server does not say who you are")
}

/// A Waiver as the approver sees it.
fn shown(waiver: &Waiver, lang: Lang) -> String {
    let spec = &waiver.spec;
    let author = waiver.annotations().get(AUTHOR).map_or_else(|| "-".to_owned(), |author| plain(author));
    let mut lines = vec![
        t!(
            lang,
            "waiver-shown",
            name = waiver.name_any(),
            baseline = &*spec.baseline_name.0,
            author = author
        ),
        format!("  {}: {}", t!(lang, "waiver-shown-controls"), controls(spec)),
        format!("  {}: {}", t!(lang, "waiver-shown-objects"), objects(&spec.objects, lang)),
        format!("  {}: {}", t!(lang, "waiver-shown-reason"), plain(&spec.reason.0)),
    ];
    if let Some(ticket) = &spec.ticket {
        lines.push(format!("  {}: {}", t!(lang, "waiver-shown-ticket"), plain(ticket)));
    }
    lines.push(format!("  {}: {}", t!(lang, "waiver-shown-expires"), plain(&spec.expires.0)));
    lines.into_iter().map(|line| line + "\n").collect()
}
