//! `banyan plan`: what manifests would change, before they do.

mod tell;

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use banyan_crds::v1alpha1::DataCenter;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use kube::{Api, Client, ResourceExt, api::DynamicObject};
use serde_json::{Value, json};
use similar::{ChangeTag, TextDiff};

use super::{
    manifest::{self, Document, Problem},
    print,
    world::{Switches, World},
};
use crate::{
    datacenter::{plan as decide, spec::Site},
    kernel::{
        digest,
        executor::Inventory,
        loan::{self, Decision, Nothing},
        plan::{ObjectRef, Owner, Plan, Undo},
    },
};

/// Objects that are read at once.
const READS: usize = 8;

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
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut documents = Vec::new();
    for file in &args.files {
        documents.extend(manifest::read(file)?);
    }
    let client = Client::try_default()
        .await
        .context("no cluster: neither a kubeconfig nor a service account was found")?;
    let switches = Switches { enforcement: args.enforcement, freeze_growth: args.freeze_growth };
    let world = World::read(client, &args.namespace, switches).await?;
    // Whole seconds, as the API keeps them.
    let now = Timestamp::from_second(args.now.unwrap_or_else(Timestamp::now).as_second())?;
    let (mut changed, mut wrong, mut looked_at) = (false, false, 0);
    let mut complain = |problems: Vec<Problem>| {
        wrong = true;
        for problem in problems {
            eprintln!("error: {problem}");
        }
    };
    let mut wanted = Vec::new();
    for document in &documents {
        let (kind, name) = document.identity();
        let group =
            document.value["apiVersion"].as_str().unwrap_or_default().split('/').next().unwrap_or_default();
        if (group, kind) != (banyan_crds::GROUP, "DataCenter") {
            eprintln!("{}: {kind} {name} is not Banyan's and is left out", document.file.display());
            continue;
        }
        looked_at += 1;
        match world.dry_run(document).await {
            Ok(dc) => wanted.push((document, dc)),
            Err(problems) => complain(problems),
        }
    }
    if looked_at == 0 {
        anyhow::bail!("none of the manifests is a resource of {}", banyan_crds::GROUP);
    }
    // As they will be together: two of one file may be in each other's way.
    let named = |site: &DataCenter| wanted.iter().any(|(_, dc)| dc.name_any() == site.name_any());
    let sites: Vec<DataCenter> = world
        .sites
        .iter()
        .filter(|site| !named(site))
        .chain(wanted.iter().map(|(_, dc)| dc))
        .cloned()
        .collect();
    for (document, dc) in &wanted {
        match world.plan(document, dc, &sites, now).await {
            Ok(foreseen) => {
                changed |= foreseen.changed;
                print(&foreseen.text)?;
                complain_if(&mut complain, foreseen.problems);
            }
            Err(problems) => complain(problems),
        }
    }
    Ok(ExitCode::from(if wrong { 2 } else { u8::from(changed) }))
}

fn complain_if(complain: &mut impl FnMut(Vec<Problem>), problems: Vec<Problem>) {
    if !problems.is_empty() {
        complain(problems);
    }
}

/// What is foreseen for one document.
struct Foreseen {
    /// For stdout.
    text: String,
    /// Something would change.
    changed: bool,
    /// What could not be read, and what would keep the site from being taken in.
    problems: Vec<Problem>,
}

impl World {
    /// What is foreseen for one document, whose resource the API server would keep as `wanted`.
    async fn plan(
        &self,
        document: &Document,
        wanted: &DataCenter,
        sites: &[DataCenter],
        now: Timestamp,
    ) -> Result<Foreseen, Vec<Problem>> {
        let (_, name) = document.identity();
        let live = self.live(name);
        let site = Site::read(&wanted.spec);
        if let Err(error) = &site {
            return Err(vec![document.problem(&error.path, error.message.clone())]);
        }
        let status = live.and_then(|live| live.status.clone());
        let seen = self.look(wanted, &site, sites, now).await;
        let (plan, _) = decide::plan(wanted, &site, &seen);

        let mut text = spec_diff(live, wanted);
        let not_ready = tell::not_ready(&plan.status);
        let mut unread = tell::unread(&seen, not_ready.is_none());
        self.describe(&plan, now, &mut text, &mut unread).await;
        let changed = !text.is_empty();
        let conditions = tell::conditions(status.as_ref(), &plan.status);
        let mut problems: Vec<Problem> = Vec::new();
        if let Some((field, message)) = not_ready {
            problems.push(document.problem(field, message));
        }
        if !unread.is_empty() {
            let message = format!(
                "not everything could be looked at, so this plan may not be what happens: {}",
                unread.join("; ")
            );
            problems.push(document.problem("", message));
        }
        if !changed && conditions.is_empty() && unread.is_empty() {
            return Ok(Foreseen { text: format!("  DataCenter {name}: no change\n"), changed, problems });
        }
        for line in &unread {
            let _ = writeln!(text, "  unread     {line}");
        }
        for line in &conditions {
            let _ = writeln!(text, "  condition  {line}");
        }
        if let Some(decision) = tell::decision(wanted, &plan.status) {
            let _ = writeln!(text, "  enforce    {decision}");
        }
        let sign = match (live, changed) {
            (None, _) => '+',
            (Some(_), true) => '~',
            (Some(_), false) => '?',
        };
        let text = format!("{sign} DataCenter {name}\n{text}{}", verdicts(&plan));
        Ok(Foreseen { text, changed, problems })
    }

    /// Sends the manifest as a dry run: the API server's own schema, rules and defaults.
    async fn dry_run(&self, document: &Document) -> Result<DataCenter, Vec<Problem>> {
        let live = self.live(document.identity().1);
        let api: Api<DataCenter> = Api::all(self.client.clone());
        let mut manifest = document.value.clone();
        let sent = if let Some(live) = live {
            manifest["metadata"]["resourceVersion"] = live.resource_version().into();
            self.send(&api, "PUT", Some(&live.name_any()), &manifest).await
        } else {
            self.send(&api, "POST", None, &manifest).await
        };
        sent.map_err(|error| problems(document, &error))
    }

    /// With strict field validation, so that a misspelt field is an error and not dropped.
    async fn send(
        &self,
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
        self.client.request(request).await
    }

    /// An object as it is now.
    async fn object(&self, object: &ObjectRef) -> Result<Option<Value>, String> {
        let api: Api<DynamicObject> = match &object.namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &object.resource),
            None => Api::all_with(self.client.clone(), &object.resource),
        };
        let found = api.get_opt(&object.name).await.map_err(|error| format!("{object}: {error}"))?;
        Ok(found.map(|object| json!(object)))
    }

    /// What an undo does, as a line; none if it does nothing.
    async fn undone(&self, undo: &Undo, owner: &Owner) -> Result<Option<String>, String> {
        let Undo::Return { object, action, terms: fields, why } = undo else { return Ok(None) };
        let Some(live) = self.object(object).await? else { return Ok(None) };
        Ok(match loan::give_back(&live, object, action, fields, owner) {
            Decision::Patch { prior, kept, .. } => {
                let mut text =
                    format!("{object} ({action}): {}; {why}", tell::returned(&live, action, &prior));
                if !kept.is_empty() {
                    text = format!("{text}; left as somebody else has set it: {}", kept.join(", "));
                }
                Some(text)
            }
            Decision::Nothing(Nothing::Unreadable(annotation)) => {
                return Err(format!("{object}: the annotation {annotation}"));
            }
            Decision::Nothing(_) => None,
        })
    }

    /// What a loan does, as a line; none if it does nothing.
    async fn borrowed(
        &self,
        asked: &loan::Loan,
        owner: &Owner,
        now: Timestamp,
    ) -> Result<Option<String>, String> {
        let object = &asked.object;
        let Some(live) = self.object(object).await? else { return Ok(None) };
        Ok(match loan::take(&live, asked, owner, now) {
            Decision::Patch { prior, .. } => {
                Some(format!("{object} ({}): {}; {}", asked.action, tell::taken(asked, &prior), asked.why))
            }
            Decision::Nothing(Nothing::HeldBy(other)) => {
                Some(format!("{object} ({}): not taken, it is held for {other}", asked.action))
            }
            Decision::Nothing(Nothing::Unreadable(annotation)) => {
                return Err(format!("{object}: the annotation {annotation}"));
            }
            Decision::Nothing(_) => None,
        })
    }

    /// What the executor would do, a line each. `unread` gets the objects that could not be read.
    async fn describe<S>(&self, plan: &Plan<S>, now: Timestamp, text: &mut String, unread: &mut Vec<String>) {
        let known = self.owned.of(&plan.owner);
        let owner = &plan.owner;
        let undone = stream::iter(plan.undo.iter().flatten()).map(|undo| self.undone(undo, owner));
        let undone: Vec<_> = undone.buffered(READS).collect().await;
        for (undo, line) in plan.undo.iter().flatten().zip(undone) {
            match (undo, line) {
                (Undo::Return { .. }, Ok(Some(line))) => drop(writeln!(text, "  give back  {line}")),
                (Undo::Return { .. }, Ok(None)) => {}
                (Undo::Return { .. }, Err(wrong)) => unread.push(wrong),
                (Undo::Remove { object, why, .. }, _) => {
                    if known.iter().any(|entry| entry.object.name == object.name) {
                        let _ = writeln!(text, "  remove     {object}: {why}");
                    }
                }
            }
        }
        for own in &plan.own {
            let intent = digest::of_intent(&own.manifest(&plan.owner));
            let entry = known.iter().find(|entry| entry.object.name == own.object.name);
            let same = entry.is_some_and(|entry| {
                entry.intent.as_deref() == Some(&intent) && entry.live.as_deref() == Some(&intent)
            });
            if !same {
                let verb = if entry.is_some() { "change" } else { "make" };
                let _ = writeln!(text, "  {verb:<10} {}: {}", own.object, own.why);
            }
        }
        let borrowed = stream::iter(plan.borrow.iter().flatten()).map(|loan| self.borrowed(loan, owner, now));
        let borrowed: Vec<_> = borrowed.buffered(READS).collect().await;
        for line in borrowed {
            match line {
                Ok(Some(line)) => drop(writeln!(text, "  borrow     {line}")),
                Ok(None) => {}
                Err(wrong) => unread.push(wrong),
            }
        }
        for entry in known {
            let planned = plan.own.iter().any(|own| own.object.name == entry.object.name)
                || plan.keep.iter().any(|kept| kept.name == entry.object.name);
            let undone =
                plan.undo.iter().flatten().any(
                    |undo| matches!(undo, Undo::Remove { object, .. } if object.name == entry.object.name),
                );
            if !planned && !undone {
                let _ = writeln!(text, "  remove     {}: no longer planned", entry.object);
            }
        }
    }
}

/// The spec as a unified diff.
fn spec_diff(live: Option<&DataCenter>, wanted: &DataCenter) -> String {
    let yaml = |dc: &DataCenter| serde_yaml::to_string(&dc.spec).unwrap_or_default();
    let (old, new) = (live.map(yaml).unwrap_or_default(), yaml(wanted));
    let mut text = String::new();
    if old == new {
        return text;
    }
    for group in TextDiff::from_lines(&old, &new).grouped_ops(2) {
        let _ = writeln!(text, "  @@");
        for op in group {
            for change in TextDiff::from_lines(&old, &new).iter_changes(&op) {
                let sign = match change.tag() {
                    ChangeTag::Delete => '-',
                    ChangeTag::Insert => '+',
                    ChangeTag::Equal => ' ',
                };
                let _ = write!(text, "  {sign} {change}");
            }
        }
    }
    text
}

/// What would be shown of the site.
fn verdicts(plan: &Plan<banyan_crds::v1alpha1::DataCenterStatus>) -> String {
    let status = &plan.status;
    let annual = status.annual.as_ref().map(|annual| (annual.verdict, annual.value.clone()));
    let operational =
        status.operational.as_ref().map(|operational| (operational.verdict, operational.value.clone()));
    let shown =
        |judged: Option<(banyan_crds::v1alpha1::Verdict, Option<banyan_crds::values::Decimal>)>| match judged
        {
            Some((verdict, Some(value))) => format!("{verdict:?} ({value})"),
            Some((verdict, None)) => format!("{verdict:?}"),
            None => "-".to_owned(),
        };
    format!("  verdicts   annual {}, operational {}\n", shown(annual), shown(operational))
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
