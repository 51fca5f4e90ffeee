//! `banyan validate`: what the API server and the operator would refuse of manifests, without a cluster.

use std::{path::PathBuf, process::ExitCode};

use banyan_crds::v1alpha1::{DataCenter, SecurityBaseline, Waiver};
use clap::ValueEnum;
use kube::ResourceExt;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    manifest::{self, Document, Problem},
    print,
};
use crate::{
    datacenter::{self, spec::Site},
    lang::Lang,
    t,
    validation::{Definition, Found, What, find},
};

/// Arguments of `banyan validate`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Manifests: files, folders, or `-` for standard input.
    #[arg(short = 'f', long = "filename", required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line for each problem, and for each resource that has none.
    Text,
    /// One object, as docs/gitops.md describes it.
    Json,
}

/// The result, as `-o json` prints it.
#[derive(Debug, Serialize)]
struct Report {
    /// Nothing is wrong.
    valid: bool,
    /// The resources of Banyan.
    documents: Vec<Looked>,
    /// Everything that is wrong, files that cannot be read among it.
    problems: Vec<Problem>,
}

/// One resource.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Looked {
    file: PathBuf,
    line: usize,
    api_version: String,
    kind: String,
    name: String,
    valid: bool,
}

pub fn run(args: &Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let (documents, unreadable) = manifest::read_all(&args.files);
    let definitions = Definition::all()?;
    let (report, left_out) = look(&definitions, &documents, unreadable, lang);
    for document in left_out {
        let (kind, name) = document.identity();
        eprintln!(
            "{}",
            t!(
                lang,
                "validate-left-out",
                file = document.file.display().to_string(),
                kind = kind,
                name = name
            )
        );
    }
    if report.documents.is_empty() && report.problems.is_empty() {
        anyhow::bail!("{}", t!(lang, "validate-none", group = banyan_crds::GROUP));
    }
    match args.output {
        Output::Json => print(&format!("{}\n", serde_json::to_string_pretty(&report)?))?,
        Output::Text => print(&text(&report, lang))?,
    }
    Ok(ExitCode::from(if report.valid { 0 } else { 2 }))
}

/// Looks at every document. Those that are not Banyan's come back.
fn look<'a>(
    definitions: &[Definition],
    documents: &'a [Document],
    unreadable: Vec<Problem>,
    lang: Lang,
) -> (Report, Vec<&'a Document>) {
    let (mut looked, mut left_out, mut problems) = (Vec::new(), Vec::new(), unreadable);
    let mut sites: Vec<(&Document, DataCenter)> = Vec::new();
    let mut names: Vec<(String, String)> = Vec::new();
    for document in documents {
        let mut found: Vec<Problem> = match find(definitions, &document.value) {
            Found::Foreign => {
                left_out.push(document);
                continue;
            }
            Found::Unheard(fault) => vec![document.problem(&fault.field, words(&fault.what, lang))],
            Found::Ours(definition) => match checked(definition, document, lang) {
                Ok(site) => {
                    sites.extend(site.map(|site| (document, site)));
                    Vec::new()
                }
                Err(problems) => problems,
            },
        };
        let (kind, name) = document.identity();
        let identity = (kind.to_owned(), name.to_owned());
        if names.contains(&identity) {
            found.push(
                document.problem("metadata.name", t!(lang, "validate-same-name", kind = kind, name = name)),
            );
        } else if !name.is_empty() {
            names.push(identity);
        }
        looked.push(Looked {
            file: document.file.clone(),
            line: document.problem("", "").line,
            api_version: document.value["apiVersion"].as_str().unwrap_or_default().to_owned(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            valid: found.is_empty(),
        });
        problems.extend(found);
    }
    // As they will be together: two of them may be in each other's way.
    for (document, site) in &sites {
        if let Some(other) = datacenter::twins(site, sites.iter().map(|(_, site)| site)).first() {
            problems.push(
                document.problem("spec.cluster.id", t!(lang, "validate-same-cluster", site = &**other)),
            );
            let name = site.name_any();
            looked.iter_mut().filter(|one| one.name == name).for_each(|one| one.valid = false);
        }
    }
    (Report { valid: problems.is_empty(), documents: looked, problems }, left_out)
}

/// Whether the API server would keep it and the operator can read it, or everything that is wrong. A site comes back, because sites are
/// looked at together as well.
fn checked(
    definition: &Definition,
    document: &Document,
    lang: Lang,
) -> Result<Option<DataCenter>, Vec<Problem>> {
    let kept: Value = definition.check(&document.value).map_err(|faults| {
        faults
            .iter()
            .map(|fault| document.problem(&fault.field, words(&fault.what, lang)))
            .collect::<Vec<_>>()
    })?;
    match definition.kind.as_str() {
        "SecurityBaseline" => read::<SecurityBaseline>(kept, document).map(|_| None),
        "Waiver" => {
            let waiver: Waiver = read(kept, document)?;
            // The admission policy refuses it, whoever sends it.
            match waiver.spec.approval {
                Some(_) => Err(vec![document.problem("spec.approval", t!(lang, "validate-approval"))]),
                None => Ok(None),
            }
        }
        _ => {
            let site: DataCenter = read(kept, document)?;
            match Site::read(&site.spec) {
                Ok(_) => Ok(Some(site)),
                Err(error) => Err(vec![document.problem(&error.path, error.message)]),
            }
        }
    }
}

fn read<K: DeserializeOwned>(kept: Value, document: &Document) -> Result<K, Vec<Problem>> {
    serde_json::from_value(kept).map_err(|error| vec![document.problem("", error.to_string())])
}

fn text(report: &Report, lang: Lang) -> String {
    let mut lines: Vec<String> = Vec::new();
    for one in report.documents.iter().filter(|one| one.valid) {
        let file = one.file.display().to_string();
        lines.push(t!(
            lang,
            "validate-valid",
            file = file,
            line = one.line,
            kind = &*one.kind,
            name = &*one.name
        ));
    }
    lines.extend(report.problems.iter().map(ToString::to_string));
    lines.into_iter().map(|line| line + "\n").collect()
}

/// What is wrong, in words. A rule's are those of the definition, as the API server says them.
pub(super) fn words(what: &What, lang: Lang) -> String {
    let meant = |near: &Option<String>| {
        near.as_ref().map_or_else(String::new, |near| t!(lang, "validate-meant", near = &**near))
    };
    match what {
        What::Unknown { near } => t!(lang, "validate-unknown") + &meant(near),
        What::NoSuch { given, known, near } => {
            t!(lang, "validate-no-such", given = &**given, known = known.join(", ")) + &meant(near)
        }
        What::Missing => t!(lang, "validate-missing"),
        What::Type(wanted) => t!(lang, "validate-type", wanted = &**wanted),
        What::NotOneOf(known) => t!(lang, "validate-not-one-of", known = known.join(", ")),
        What::Pattern(pattern) => t!(lang, "validate-pattern", pattern = &**pattern),
        What::Format(format) => t!(lang, "validate-format", format = &**format),
        What::TooShort(limit) => t!(lang, "validate-too-short", limit = *limit),
        What::TooLong(limit) => t!(lang, "validate-too-long", limit = *limit),
        What::TooFew(limit) => t!(lang, "validate-too-few", limit = *limit),
        What::TooMany(limit) => t!(lang, "validate-too-many", limit = *limit),
        What::TooSmall(limit) => t!(lang, "validate-too-small", limit = &**limit),
        What::TooLarge(limit) => t!(lang, "validate-too-large", limit = &**limit),
        What::Twice => t!(lang, "validate-twice"),
        What::Rule(message) | What::Other(message) => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    const SITE: &str = "apiVersion: banyan.dev/v1alpha1
kind: DataCenter
metadata: { name: a }
spec:
  location: { timeZone: Asia/Shanghai }
";

    fn told(text: &str) -> Vec<String> {
        let documents = manifest::parse(Path::new("a.yaml"), text.as_bytes()).unwrap();
        let (report, _) = look(&Definition::all().unwrap(), &documents, Vec::new(), Lang::En);
        assert_eq!(report.valid, report.problems.is_empty());
        report.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_problem_names_file_line_and_field() {
        assert_eq!(told(SITE), [""; 0]);
        assert_eq!(
            told(&SITE.replace("timeZone", "timezone")),
            [
                "a.yaml:5: spec.location.timezone: there is no such field; did you mean timeZone?",
                "a.yaml:5: spec.location.timeZone: is missing",
            ]
        );
        assert_eq!(told(&format!("{SITE}  class: D\n")), ["a.yaml:6: spec.class: has to be one of A, B, C"]);
    }

    #[test]
    fn what_only_the_operator_sees_is_told_as_well() {
        assert_eq!(
            told(&SITE.replace("Shanghai", "Fuzhou")),
            [
                "a.yaml:5: spec.location.timeZone: \"Asia/Fuzhou\" is not a time zone of the IANA database, such as Asia/Shanghai"
            ]
        );
    }

    #[test]
    fn documents_are_looked_at_together() {
        let cluster = format!("{SITE}  cluster: {{ id: 01234567-89ab-cdef-0123-456789abcdef }}\n");
        let twins = format!("{cluster}---\n{}", cluster.replace("name: a", "name: b"));
        assert_eq!(told(&twins), ["a.yaml:13: spec.cluster.id: site a has the same cluster id"]);
        assert_eq!(
            told(&format!("{SITE}---\n{SITE}")),
            ["a.yaml:9: metadata.name: DataCenter a is there a second time"]
        );
    }

    #[test]
    fn baselines_and_waivers_are_looked_at_by_their_own_rules() {
        let baseline = "apiVersion: banyan.dev/v1alpha1
kind: SecurityBaseline
metadata: { name: a }
spec:
  level: 3
  profile: S3A2G3
  packs: [mlps]
  parameters: { registries: [harbor.city.example/], days: 30, strict: true, zone: a }
";
        let waiver = "apiVersion: banyan.dev/v1alpha1
kind: Waiver
metadata: { name: a }
spec:
  baselineName: city
  controls: [pod-security-privileged]
  match: { namespaces: [video] }
  reason: the driver needs it
  expires: \"2027-01-31T00:00:00Z\"
";
        assert_eq!(told(&format!("{baseline}---\n{waiver}---\n{SITE}")), [""; 0]);
        assert_eq!(
            told(&baseline.replace("S3A2G3", "S2A2G3")),
            ["a.yaml:6: spec.profile: the higher one of S and A in a profile is the level"]
        );
        assert_eq!(
            told(&baseline.replace("zone: a", "zone: { a: b }")),
            ["a.yaml:8: spec.parameters.zone: has to be of the type string, integer, boolean or array"]
        );
        assert_eq!(
            told(&waiver.replace("namespaces: [video]", "")),
            [
                "a.yaml:7: spec.match: an empty match would waive the controls for everything: name namespaces, kinds or names"
            ]
        );
        let approved = format!("{waiver}  approval: {{ by: chen, at: \"2026-11-01T00:00:00Z\" }}\n");
        assert_eq!(
            told(&approved),
            [
                "a.yaml:10: spec.approval: is not part of a manifest: another person writes it with `banyan waiver approve`"
            ]
        );
    }

    #[test]
    fn what_is_not_ours_is_left_out() {
        let text = format!("apiVersion: v1\nkind: Namespace\nmetadata: {{ name: n }}\n---\n{SITE}");
        let documents = manifest::parse(Path::new("a.yaml"), text.as_bytes()).unwrap();
        let (report, left_out) = look(&Definition::all().unwrap(), &documents, Vec::new(), Lang::En);
        assert_eq!((report.documents.len(), left_out.len()), (1, 1));
        assert_eq!(text_of(&report), "a.yaml:5: DataCenter a: valid\n");
    }

    fn text_of(report: &Report) -> String {
        text(report, Lang::En)
    }
}
