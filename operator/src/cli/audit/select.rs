//! What an audit is made by: packs and levels, or a baseline; waivers and parameters.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use banyan_crds::v1alpha1::SecurityBaselineSpec;
use banyan_policies::{
    engine::{Compiled, Parameters, Selection, compile},
    input::{self, Limits},
    verdict::{Input, Waiver, Waivers},
};
use jiff::Timestamp;

use crate::{
    baseline::{self, spec::Asked},
    cli::{
        inputs::{Inputs, Unpacking},
        policies::Packs,
        validate::words,
    },
    lang::Lang,
    validation::{Definition, Found, find},
};

/// What chooses the controls.
#[derive(Debug, clap::Args)]
pub struct Choice {
    /// A pack, such as mlps or pod-security; several with a level each.
    #[arg(long, value_name = "NAME", required_unless_present = "baseline", conflicts_with = "baseline")]
    pub pack: Vec<String>,
    /// The level: 1 to 4 of mlps, baseline or restricted of pod-security; the highest by default. The first level belongs to the first pack, and so on.
    #[arg(long, value_name = "LEVEL")]
    pub level: Vec<String>,
    /// A `SecurityBaseline`: its packs, level, parameters, attestations and clauses that do not apply.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Folders with packs of your own.
    #[arg(long, value_name = "DIR")]
    pub packs: Vec<PathBuf>,
    /// Waivers.
    #[arg(long, value_name = "FILE")]
    pub waivers: Vec<PathBuf>,
    /// Values of parameters: a YAML mapping from name to value.
    #[arg(long, value_name = "FILE")]
    pub parameters: Option<PathBuf>,
}

/// What was chosen.
pub(in crate::cli) struct Chosen {
    /// The controls.
    pub compiled: Compiled,
    /// The waivers.
    pub waivers: Waivers,
    /// What is told beside the objects.
    pub input: Input,
    /// The parameters that were set.
    pub parameters: Parameters,
    /// What is wrong with packs, waivers and baseline: the rest is judged all the same.
    pub faults: Vec<String>,
}

/// Reads it.
///
/// # Errors
/// When no control could be chosen at all.
pub(in crate::cli) fn select(args: &Choice, now: Timestamp) -> anyhow::Result<Chosen> {
    let packs = Packs::read(&args.packs)?;
    let mut faults: Vec<String> = packs.faults.iter().map(ToString::to_string).collect();
    let mut parameters: Parameters = match &args.parameters {
        None => Parameters::new(),
        Some(path) => {
            let text =
                fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
            serde_yaml::from_str(&text)
                .with_context(|| format!("{} is no mapping from parameters to values", path.display()))?
        }
    };
    let (selections, input) = match &args.baseline {
        None => (selections(args, &packs)?, Input::default()),
        Some(path) => {
            let asked = read_baseline(path, &packs, &mut faults)?;
            for (name, value) in asked.parameters {
                parameters.entry(name).or_insert(value);
            }
            (asked.selections, asked.input)
        }
    };
    let mut waivers = Vec::new();
    for path in &args.waivers {
        read_waivers(path, &mut waivers, &mut faults);
    }
    let (compiled, wrong) = compile(&packs.all, &selections, &parameters);
    if compiled.packs.is_empty() {
        bail!("{}", wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
    faults.extend(wrong.iter().map(ToString::to_string));
    Ok(Chosen { compiled, waivers: Waivers::new(waivers, now), input, parameters, faults })
}

/// The packs with their levels: one level for all, or one for each.
fn selections(args: &Choice, packs: &Packs) -> anyhow::Result<Vec<Selection>> {
    if args.level.len() > args.pack.len() {
        bail!("{} levels for {} packs", args.level.len(), args.pack.len());
    }
    args.pack
        .iter()
        .enumerate()
        .map(|(place, name)| {
            let pack = packs.all.iter().find(|pack| pack.about.name == *name);
            let level = args.level.get(place).or_else(|| pack?.about.levels.last());
            let Some(level) = level else {
                let names =
                    packs.all.iter().map(|pack| pack.about.name.as_str()).collect::<Vec<_>>().join(", ");
                bail!("there is no pack `{name}`; there are {names}");
            };
            Ok(Selection::new(name, level))
        })
        .collect()
}

/// Reads waivers; one that is none is told, and the others count.
fn read_waivers(path: &Path, waivers: &mut Vec<Waiver>, faults: &mut Vec<String>) {
    for document in Inputs::new(&[path.to_owned()], Limits::default(), Unpacking::default()) {
        let document = match document {
            Ok(document) => document,
            Err(fault) => {
                faults.push(fault.to_string());
                continue;
            }
        };
        let parsed = input::parse(&document, &Limits::default());
        faults.extend(parsed.faults.iter().map(ToString::to_string));
        for object in parsed.objects {
            match Waiver::read(&object.value) {
                Ok(_) if object.value["kind"] != "Waiver" => {
                    faults.push(format!(
                        "{}:{}: {} is no Waiver",
                        document.file,
                        object.line(&document, "kind"),
                        object.value["kind"]
                    ));
                }
                Ok(waiver) => waivers.push(waiver),
                Err(fault) => {
                    let line = object.line(&document, &fault.path);
                    faults.push(format!("{}:{line}: {fault}", document.file));
                }
            }
        }
    }
}

/// Reads a baseline, and holds it against its schema and rules as the API server would.
fn read_baseline(path: &Path, packs: &Packs, faults: &mut Vec<String>) -> anyhow::Result<Asked> {
    let definitions = Definition::all()?;
    let mut found = None;
    for document in Inputs::new(&[path.to_owned()], Limits::default(), Unpacking::default()) {
        let document = document?;
        let parsed = input::parse(&document, &Limits::default());
        if let Some(fault) = parsed.faults.into_iter().next() {
            return Err(fault.into());
        }
        for object in parsed.objects {
            if object.value["kind"] != "SecurityBaseline" {
                continue;
            }
            let place = |field: &str| format!("{}:{}: {field}", document.file, object.line(&document, field));
            if found.is_some() {
                bail!("{}: a second SecurityBaseline; an audit is made by one", place("metadata.name"));
            }
            let Found::Ours(definition) = find(&definitions, &object.value) else {
                bail!("{}: this version of SecurityBaseline is unknown", place("apiVersion"));
            };
            if let Err(wrong) = definition.check(&object.value) {
                let lines: Vec<String> = wrong
                    .iter()
                    .map(|fault| format!("{}: {}", place(&fault.field), words(&fault.what, Lang::En)))
                    .collect();
                bail!("{}", lines.join("\n"));
            }
            let spec: SecurityBaselineSpec =
                serde_json::from_value(object.value["spec"].clone()).with_context(|| place("spec"))?;
            let asked = baseline::spec::asked(&spec, &packs.all);
            faults.extend(asked.faults.iter().map(|(field, wrong)| format!("{}: {wrong}", place(field))));
            found = Some(asked);
        }
    }
    found.with_context(|| format!("{} has no SecurityBaseline", path.display()))
}
