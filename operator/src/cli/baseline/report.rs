//! `banyan baseline report`: what the operator has told of a baseline, as a page, a workbook and other forms.

use std::{
    io::IsTerminal as _,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use banyan_crds::v1alpha1::{SecurityBaseline, Waiver};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
    core::ApiResource,
};
use serde_json::Value;

use crate::{
    baseline::{
        ledger::{self, Ledger},
        packs::{self, Packs, Stock},
        reports,
        told::{self, Words},
    },
    cli::{print_bytes, world},
    index::feed::Index as _,
    kernel::plan::{FIELD_MANAGER, MANAGED_BY},
    lang::Lang,
    report::audit::{self, Format},
    t,
};

/// Reports that a list brings at once.
const PAGE: u32 = 500;

/// Arguments of `banyan baseline report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The `SecurityBaseline`.
    name: String,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Where to write it; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    output_file: PathBuf,
    /// Banyan's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "banyan-system")]
    namespace: String,
    /// Report as if it were this instant.
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let to_stdout = args.output_file == Path::new("-");
    if args.output == Format::Xlsx && to_stdout && std::io::stdout().is_terminal() {
        bail!("{}", t!(lang, "baseline-no-terminal"));
    }
    let now = world::now(args.now)?;
    let client = world::connect().await?;
    let baseline = named(&client, &args.name).await?;
    let mut waivers = Vec::new();
    for guarded in world::every_if_known::<Waiver>(&client).await?.unwrap_or_default() {
        match guarded.0 {
            Ok(waiver) => waivers.push(waiver),
            Err(invalid) => {
                let name = invalid.metadata.name.unwrap_or_default();
                eprintln!("Waiver {name} cannot be decoded and is left out: {}", invalid.error);
            }
        }
    }
    let stock = stock(&client, &args.namespace).await?;
    let found = found(&client, &baseline).await?;
    let ledger = ledger(&client, &args.namespace, &args.name).await?;
    let words = Words {
        baseline: &baseline,
        packs: &stock.all,
        waivers: &waivers,
        reports: &found,
        ledger: ledger.as_ref(),
        now,
    };
    let Some((mut told, history)) = told::audit(words) else {
        bail!("{}", t!(lang, "baseline-not-looked", name = args.name));
    };
    told.faults.extend(stock.faults.iter().map(|(map, what)| format!("{map}: {what}")));
    let mut bytes = Vec::new();
    audit::write_told(args.output, &told, &history, lang, &mut bytes)?;
    if to_stdout {
        print_bytes(&bytes)?;
    } else {
        let file = args.output_file.display();
        std::fs::write(&args.output_file, &bytes).with_context(|| format!("writing {file}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn named(client: &Client, name: &str) -> anyhow::Result<SecurityBaseline> {
    for guarded in world::every::<SecurityBaseline>(client).await? {
        match guarded.0 {
            Ok(baseline) if baseline.metadata.name.as_deref() == Some(name) => return Ok(baseline),
            Err(invalid) if invalid.metadata.name.as_deref() == Some(name) => {
                bail!("SecurityBaseline {name} cannot be decoded: {}", invalid.error)
            }
            _ => {}
        }
    }
    bail!("there is no SecurityBaseline {name}")
}

/// Packs, those of `ConfigMap`s in Banyan's namespace among them.
async fn stock(client: &Client, namespace: &str) -> anyhow::Result<Stock> {
    let packs = Packs::new(Box::new(|| {}));
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let listed = maps.list(&ListParams::default().labels(packs::LABEL)).await;
    for map in listed.with_context(|| format!("packs in namespace {namespace} cannot be listed"))? {
        let _ = packs.apply(map);
    }
    Ok(packs.stock())
}

/// What Banyan wrote, of the first API that the baseline asks for and that is served; both say the same.
async fn found(client: &Client, baseline: &SecurityBaseline) -> anyhow::Result<Vec<Value>> {
    for api in baseline.spec.reports.iter().flat_map(|reports| &reports.apis) {
        let mut all = Vec::new();
        let mut served = true;
        for namespaced in [true, false] {
            match list(client, &reports::resource(*api, namespaced)).await? {
                Some(mut found) => all.append(&mut found),
                None => served = false,
            }
        }
        if served {
            return Ok(all);
        }
    }
    Ok(Vec::new())
}

/// None where the kind is not served.
async fn list(client: &Client, resource: &ApiResource) -> anyhow::Result<Option<Vec<Value>>> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let mut page = ListParams::default().labels(&format!("{MANAGED_BY}={FIELD_MANAGER}")).limit(PAGE);
    let mut all = Vec::new();
    loop {
        let list = match api.list(&page).await {
            Ok(list) => list,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be listed", resource.plural)),
        };
        for report in list.items {
            all.push(serde_json::to_value(report)?);
        }
        match list.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => page = page.continue_token(&next),
            None => return Ok(Some(all)),
        }
    }
}

/// The ledger; one that cannot be read is told of, and the rest is reported.
async fn ledger(client: &Client, namespace: &str, baseline: &str) -> anyhow::Result<Option<Ledger>> {
    let object = ledger::object_ref(baseline, namespace);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    let found = maps.get_opt(&object.name).await.with_context(|| format!("{object} cannot be read"))?;
    Ok(found.and_then(|map| match Ledger::decode(&map) {
        Ok(ledger) => Some(ledger),
        Err(error) => {
            eprintln!("{object}: {error}");
            None
        }
    }))
}
