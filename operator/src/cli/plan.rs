//! `banyan plan`: what manifests would change, before they do.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::Context as _;
use banyan_crds::v1alpha1::DataCenter;
use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::{CronJob, Job},
    core::v1::{ConfigMap, Node},
};
use kube::{Api, Client, ResourceExt, api::ListParams, core::DeserializeGuard};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::{
    manifest::{self, Document, Problem},
    print,
};
use crate::{
    datacenter::{
        self,
        observe::{FoundLedger, Observer},
        plan as decide,
        spec::Site,
    },
    index::{batch::Batch, feed::Index, kueue, nodes::Nodes, owned::OwnedConfigMaps},
    kernel::{
        digest,
        executor::Inventory,
        plan::{FIELD_MANAGER, MANAGED_BY, Owner, Plan, Undo},
        remote,
    },
    prometheus::Clients,
};

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
}

pub async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let mut documents = Vec::new();
    for file in &args.files {
        documents.extend(manifest::read(file)?);
    }
    let client = Client::try_default()
        .await
        .context("no cluster: neither a kubeconfig nor a service account was found")?;
    let world = World::read(client, &args.namespace).await?;
    // Whole seconds, as the API keeps them.
    let now = Timestamp::from_second(args.now.unwrap_or_else(Timestamp::now).as_second())?;
    let (mut changed, mut wrong, mut looked_at) = (false, false, 0);
    for document in &documents {
        let (kind, name) = document.identity();
        let group =
            document.value["apiVersion"].as_str().unwrap_or_default().split('/').next().unwrap_or_default();
        if (group, kind) != (banyan_crds::GROUP, "DataCenter") {
            eprintln!("{}: {kind} {name} is not Banyan's and is left out", document.file.display());
            continue;
        }
        looked_at += 1;
        match world.plan(document, now).await {
            Ok(text) => {
                changed |= text.is_some();
                print(&text.unwrap_or_else(|| format!("  DataCenter {name}: no change\n")))?;
            }
            Err(problems) => {
                wrong = true;
                for problem in problems {
                    eprintln!("error: {problem}");
                }
            }
        }
    }
    if looked_at == 0 {
        anyhow::bail!("none of the manifests is a resource of {}", banyan_crds::GROUP);
    }
    Ok(ExitCode::from(if wrong { 2 } else { u8::from(changed) }))
}

/// The cluster, read once.
struct World {
    client: Client,
    owned: OwnedConfigMaps<FoundLedger>,
    observer: Observer,
    sites: Vec<DataCenter>,
}

impl World {
    async fn read(client: Client, namespace: &str) -> anyhow::Result<Self> {
        let cluster_id =
            remote::cluster_id(&client).await.context("the cluster's identity cannot be read")?;
        let (nodes, batch) = (Nodes::default(), Batch::default());
        for node in Api::<Node>::all(client.clone())
            .list_metadata(&ListParams::default())
            .await
            .context("Nodes cannot be listed")?
        {
            let _ = nodes.observe(&node.metadata);
        }
        for object in Api::<CronJob>::all(client.clone())
            .list(&ListParams::default())
            .await
            .context("CronJobs cannot be listed")?
        {
            let _ = Index::<CronJob>::apply(&batch, object);
        }
        for object in Api::<Job>::all(client.clone())
            .list(&ListParams::default())
            .await
            .context("Jobs cannot be listed")?
        {
            let _ = Index::<Job>::apply(&batch, object);
        }
        kueue::fill(&client, &batch).await.context("ClusterQueues cannot be listed")?;
        let owned = OwnedConfigMaps::new(FoundLedger::read);
        let ours = ListParams::default().labels(&format!("{MANAGED_BY}={FIELD_MANAGER}"));
        let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace).list(&ours).await;
        for object in maps.with_context(|| format!("ledgers in namespace {namespace} cannot be listed"))? {
            let _ = owned.apply(object);
        }
        let guarded: Api<DeserializeGuard<DataCenter>> = Api::all(client.clone());
        let sites = guarded.list(&ListParams::default()).await.context("DataCenters cannot be listed")?;
        let sites = sites.into_iter().filter_map(|guarded| guarded.0.ok()).collect();
        let observer = Observer {
            client: client.clone(),
            namespace: namespace.to_owned(),
            cluster_id,
            enforcement: true,
            freeze_growth: true,
            prometheus: Clients::new(4, Arc::new(|_| {})),
            nodes: Arc::new(nodes),
            batch: Arc::new(batch),
            memory: std::sync::Mutex::default(),
        };
        Ok(Self { client, owned, observer, sites })
    }

    /// The diff for one document; none if nothing would change.
    async fn plan(&self, document: &Document, now: Timestamp) -> Result<Option<String>, Vec<Problem>> {
        let (_, name) = document.identity();
        let live = self.sites.iter().find(|site| site.name_any() == name);
        let wanted = self.dry_run(document, live).await?;
        let site = Site::read(&wanted.spec);
        if let Err(error) = &site {
            return Err(vec![document.problem(&error.path, error.message.clone())]);
        }
        let owner = Owner { kind: "datacenter", name: name.to_owned() };
        let found = self.owned.content(&owner).unwrap_or_default();
        let twins = datacenter::twins(&wanted, self.sites.iter());
        let status = live.and_then(|live| live.status.clone());
        let seen = self.observer.observe(&wanted, site.as_ref().ok(), status, found, &twins, now).await;
        let (plan, _) = decide::plan(&wanted, &site, &seen);
        let mut text = spec_diff(live, &wanted);
        self.describe(&plan, &mut text);
        if text.is_empty() {
            return Ok(None);
        }
        let sign = if live.is_some() { '~' } else { '+' };
        Ok(Some(format!("{sign} DataCenter {name}\n{text}{}", verdicts(&plan))))
    }

    /// Sends the manifest as a dry run: the API server's own schema, rules and defaults.
    async fn dry_run(
        &self,
        document: &Document,
        live: Option<&DataCenter>,
    ) -> Result<DataCenter, Vec<Problem>> {
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

    /// What the executor would do, a line each.
    fn describe<S>(&self, plan: &Plan<S>, text: &mut String) {
        let known = self.owned.of(&plan.owner);
        for undo in plan.undo.iter().flatten() {
            let _ = match undo {
                Undo::Return { object, action, why, .. } => {
                    writeln!(text, "  give back  {object} ({action}): {why}")
                }
                Undo::Remove { object, .. } if known.iter().all(|entry| entry.object.name != object.name) => {
                    Ok(())
                }
                Undo::Remove { object, why, .. } => writeln!(text, "  remove     {object}: {why}"),
            };
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
        for loan in plan.borrow.iter().flatten() {
            let fields: Vec<_> =
                loan.fields.iter().map(|field| format!("{} = {}", field.pointer, field.set)).collect();
            let _ = writeln!(
                text,
                "  borrow     {} ({}): {}; {}",
                loan.object,
                loan.action,
                fields.join(", "),
                loan.why
            );
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
