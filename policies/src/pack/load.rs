//! Reading a pack: every fault is told with its file and line, and one bad control does not hide the faults of the others.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use serde::de::DeserializeOwned;

use super::{About, Control, Kind, Level, Pack, Path, Requirement};

/// What is wrong with a pack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{file}{}: {reason}", .line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct PackFault {
    /// The file, or the key of the `ConfigMap`.
    pub file: String,
    /// The line, from 1, where it is known.
    pub line: Option<usize>,
    /// What is wrong, in words.
    pub reason: String,
}

impl PackFault {
    pub(crate) fn new(file: &str, line: Option<usize>, reason: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, reason: reason.into() }
    }
}

/// Reads a pack from its files: `pack.yaml`, `requirements.yaml`, and a file for each control, whose name (without folder and ending) is its id.
///
/// What can be read of a pack is returned along with what is wrong with the rest, so that one broken control takes no other with it; without a
/// readable `pack.yaml` there is no pack.
pub fn load<'t>(files: impl IntoIterator<Item = (&'t str, &'t str)>) -> (Option<Pack>, Vec<PackFault>) {
    let mut faults = Vec::new();
    let (mut about, mut requirements, mut controls) = (None, Vec::new(), Vec::new());
    for (file, text) in files {
        let name = file.rsplit('/').next().unwrap_or(file);
        match name {
            "pack.yaml" => about = read::<About>(file, text, &mut faults).map(|about| (about, file, text)),
            "requirements.yaml" => {
                requirements = read::<Vec<Requirement>>(file, text, &mut faults).unwrap_or_default();
                check_requirements(&requirements, file, text, &mut faults);
            }
            _ => {
                if let Some(mut control) = read::<Control>(file, text, &mut faults) {
                    control.source = Source::of(file, text);
                    if name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"))
                        != Some(control.id.as_str())
                    {
                        faults.push(PackFault::new(
                            file,
                            line_of(text, "id"),
                            format!("the control is called {}, its file is not", control.id),
                        ));
                    }
                    controls.push(control);
                }
            }
        }
    }
    let Some((mut about, file, text)) = about else {
        faults.push(PackFault::new("pack.yaml", None, "a pack needs a readable pack.yaml"));
        return (None, faults);
    };
    about.source = Source::of(file, text);
    check_about(&about, file, text, &mut faults);
    // Of two with one id the first counts, in the order of the files.
    controls.sort_by(|a: &Control, b| a.id.cmp(&b.id));
    let ids: HashSet<&str> = requirements.iter().map(|requirement| requirement.id.as_str()).collect();
    let mut seen: HashMap<String, Source> = HashMap::new();
    controls.retain(|control| {
        let mut wrong = wrong_with(control, &about, &ids);
        match seen.get(&control.id) {
            Some(first) => {
                wrong.push(("id", format!("{} has a control called {} too", first.file, control.id)));
            }
            None => {
                seen.insert(control.id.clone(), control.source.clone());
            }
        }
        let source = &control.source;
        faults.extend(
            wrong.iter().map(|(key, reason)| PackFault::new(&source.file, source.line(key), reason.clone())),
        );
        wrong.is_empty()
    });
    (Some(Pack { about, requirements, controls }), faults)
}

fn read<T: DeserializeOwned>(file: &str, text: &str, faults: &mut Vec<PackFault>) -> Option<T> {
    match serde_yaml::from_str(text) {
        Ok(value) => Some(value),
        Err(error) => {
            let line = error.location().map(|location| location.line());
            faults.push(PackFault::new(file, line, error.to_string()));
            None
        }
    }
}

/// Where a part of a pack was read, so that what turns out later to be wrong with it is told with its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// The file, or the key of the `ConfigMap`; empty for what was not read from one.
    pub file: Arc<str>,
    /// The keys at the left margin, with their lines.
    keys: Vec<(Box<str>, usize)>,
}

impl Source {
    fn of(file: &str, text: &str) -> Self {
        let key = |(place, line): (usize, &str)| {
            let (key, _) = line.split_once(':')?;
            key.starts_with(|first: char| first.is_ascii_alphabetic()).then(|| (key.into(), place + 1))
        };
        Self { file: file.into(), keys: text.lines().enumerate().filter_map(key).collect() }
    }

    /// The line of a key.
    pub fn line(&self, key: &str) -> Option<usize> {
        self.keys.iter().find(|(known, _)| **known == *key).map(|(_, line)| *line)
    }
}

/// The line of a key at the left margin, where the keys of a control stand.
pub(crate) fn line_of(text: &str, key: &str) -> Option<usize> {
    text.lines()
        .position(|line| line.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
        .map(|place| place + 1)
}

/// Words in lower case with hyphens between them, which names of Kubernetes objects can be made of.
fn is_id(id: &str) -> bool {
    !id.is_empty()
        && id.len() <= 48
        && id.split('-').all(|word| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

/// Words that CEL keeps for itself: the API server takes none of them as the name of a variable.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// A name that CEL takes after a dot.
fn is_name(name: &str) -> bool {
    name.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && name.len() <= 40
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && !RESERVED.contains(&name)
}

fn check_about(about: &About, file: &str, text: &str, faults: &mut Vec<PackFault>) {
    if !is_id(&about.name) {
        faults.push(PackFault::new(
            file,
            line_of(text, "name"),
            format!("`{}` is no name: words in lower case with hyphens, at most 48 characters", about.name),
        ));
    }
    if about.levels.is_empty() {
        faults.push(PackFault::new(file, line_of(text, "levels"), "a pack has at least one level"));
    }
    for variable in &about.variables {
        if !is_name(&variable.name) {
            faults.push(PackFault::new(
                file,
                line_of(text, "variables"),
                format!(
                    "`{}` is no name of a variable: letters and digits, at most 40, and no word of CEL",
                    variable.name
                ),
            ));
        }
    }
}

fn check_requirements(requirements: &[Requirement], file: &str, text: &str, faults: &mut Vec<PackFault>) {
    let mut seen = HashSet::new();
    for requirement in requirements {
        let line = text
            .lines()
            .position(|line| line.trim_start_matches(['-', ' ']) == format!("id: {}", requirement.id))
            .map(|place| place + 1);
        if !seen.insert(&requirement.id) {
            faults.push(PackFault::new(
                file,
                line,
                format!("there are two requirements called {}", requirement.id),
            ));
        }
        if requirement.levels.is_empty() {
            faults.push(PackFault::new(file, line, format!("{} applies at no level", requirement.id)));
        }
    }
}

/// What is wrong with a control, by the key that it is wrong at. Expressions are checked when they are compiled.
fn wrong_with(control: &Control, about: &About, requirements: &HashSet<&str>) -> Vec<(&'static str, String)> {
    let mut wrong = Vec::new();
    if !is_id(&control.id) {
        wrong.push((
            "id",
            format!("`{}` is no id: words in lower case with hyphens, at most 48 characters", control.id),
        ));
    }
    let ways = usize::from(control.matches.pods)
        + usize::from(!control.matches.kinds.is_empty())
        + usize::from(control.matches.cluster);
    if ways != 1 {
        wrong.push(("match", "exactly one of pods, kinds and cluster says what is judged".to_owned()));
    }
    if control.matches.cluster && (control.each.is_some() || control.condition.is_some()) {
        wrong.push(("match", "a control of the cluster has no object: no `where`, no `each`".to_owned()));
    }
    if control.requirements.is_empty() {
        wrong.push(("requirements", "a control is evidence for at least one requirement".to_owned()));
    }
    for requirement in &control.requirements {
        if !requirements.contains(requirement.as_str()) {
            wrong.push((
                "requirements",
                format!("there is no requirement `{requirement}` in requirements.yaml"),
            ));
        }
    }
    for Level(level) in &control.levels {
        if !about.levels.contains(level) {
            wrong.push(("levels", format!("the pack has no level `{level}`")));
        }
    }
    for path in control.paths() {
        match Path::parse(path) {
            Ok(parsed)
                if control.matches.pods && !path.starts_with("spec.") && !path.starts_with("metadata.") =>
            {
                wrong.push((
                    "each",
                    format!("`{parsed}` does not begin in the spec or the metadata of a Pod"),
                ));
            }
            Ok(_) => {}
            Err(error) => wrong.push(("each", error.to_string())),
        }
    }
    if let Some(field) = &control.field
        && let Err(error) = Path::parse(field)
    {
        wrong.push(("field", error.to_string()));
    }
    for (name, parameter) in &control.parameters {
        if !is_name(name) {
            wrong.push((
                "parameters",
                format!(
                    "`{name}` is no name of a parameter: letters and digits, at most 40, and no word of CEL"
                ),
            ));
        }
        if !parameter.kind.takes(&parameter.default) {
            wrong.push(("parameters", format!("the default of {name} is no {:?}", parameter.kind)));
        }
    }
    if matches!(control.kind, Kind::Attested | Kind::Platform) {
        wrong.push((
            "type",
            "what is attested or of the platform is a requirement without a control".to_owned(),
        ));
    }
    wrong
}

impl Control {
    /// The paths of `each`.
    pub fn paths(&self) -> Vec<&str> {
        match &self.each {
            None => Vec::new(),
            Some(super::Each::Word(word)) if word == "containers" => {
                vec!["spec.containers[*]", "spec.initContainers[*]", "spec.ephemeralContainers[*]"]
            }
            Some(super::Each::Word(path)) => vec![path],
            Some(super::Each::Paths(paths)) => paths.iter().map(String::as_str).collect(),
        }
    }
}
