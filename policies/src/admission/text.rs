//! Pieces of CEL text.

use serde_json::Value as Json;

use super::{paren, variable_pattern};
use crate::pack::{Control, ParameterKind, Path, Segment};

/// The identifiers of an expression that are no members and not inside strings.
pub(super) fn names(text: &str) -> impl Iterator<Item = &str> {
    let bytes = text.as_bytes();
    let (mut found, mut place, mut quote) = (Vec::new(), 0, None);
    while let Some(&byte) = bytes.get(place) {
        match quote {
            Some(_) if byte == b'\\' => place += 1,
            Some(open) if byte == open => quote = None,
            None if byte == b'\'' || byte == b'"' => quote = Some(byte),
            None if byte.is_ascii_alphabetic() || byte == b'_' => {
                let end = (place..bytes.len())
                    .find(|end| {
                        !bytes.get(*end).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
                    })
                    .unwrap_or(bytes.len());
                if place == 0 || bytes.get(place - 1) != Some(&b'.') {
                    found.extend(text.get(place..end));
                }
                place = end - 1;
            }
            _ => {}
        }
        place += 1;
    }
    found.into_iter()
}

/// Adds the variables that a text reads.
pub(super) fn variables(text: &str, into: &mut Vec<String>) {
    let Some(pattern) = variable_pattern() else { return };
    for name in pattern.captures_iter(text).filter_map(|found| found.get(1)) {
        if !into.iter().any(|known| known == name.as_str()) {
            into.push(name.as_str().to_owned());
        }
    }
}

/// `{metadata, spec}` of the Pod in an object of any kind that has one.
pub(super) fn of_pod_root(object: &str) -> String {
    format!(
        "{object}.kind == 'Pod' ? {object} : {object}.kind == 'CronJob' ? {object}.spec.jobTemplate.spec.template : {object}.kind == 'PodTemplate' ? {object}.template : {object}.spec.template"
    )
}

/// A field of it.
pub(super) fn of_pod(object: &str, field: &str) -> String {
    format!(
        "{object}.kind == 'Pod' ? {object}.{field} : {object}.kind == 'CronJob' ? {object}.spec.jobTemplate.spec.template.{field} : {object}.kind == 'PodTemplate' ? {object}.template.{field} : {object}.spec.template.{field}"
    )
}

/// A string literal.
pub(super) fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

/// A parameter out of the `ConfigMap`, its default when the key is not there.
pub(super) fn parameter(name: &str, kind: ParameterKind, default: &Json) -> String {
    let value = format!("params.data.{name}");
    let default = default.to_string();
    let read = match kind {
        ParameterKind::String => value.clone(),
        ParameterKind::Strings => format!("({value} == '' ? [] : {value}.split('\\n'))"),
        ParameterKind::Integer => format!("int({value})"),
        ParameterKind::Boolean => format!("{value} == 'true'"),
    };
    format!("has(params.data) && has({value}) ? {read} : {default}")
}

/// The root of a path: a Pod's part, or the object.
fn rooted(control: &Control, path: &Path) -> (String, Vec<Segment>) {
    match path.0.as_slice() {
        [Segment::Field(first), rest @ ..] if control.matches.pods && first == "spec" => {
            ("variables.podSpec".to_owned(), rest.to_vec())
        }
        [Segment::Field(first), rest @ ..] if control.matches.pods && first == "metadata" => {
            ("variables.podMetadata".to_owned(), rest.to_vec())
        }
        segments => ("object".to_owned(), segments.to_vec()),
    }
}

/// A list at a place, empty where some step to it is missing. A field that is stored as `null` is there for `has()`; `dyn`, because no list is compared
/// with `null` otherwise.
fn list(root: &str, fields: &[Segment]) -> String {
    let (mut at, mut guards) = (root.to_owned(), Vec::new());
    for segment in fields {
        if let Segment::Field(name) = segment {
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if plain {
                at = format!("{at}.{name}");
                guards.push(format!("has({at})"));
            } else {
                guards.push(format!("{} in {at}", quoted(name)));
                at = format!("{at}[{}]", quoted(name));
            }
        }
    }
    if guards.is_empty() { at } else { format!("({} && dyn({at}) != null ? {at} : [])", guards.join(" && ")) }
}

/// The steps between the `[*]`s of a path.
fn legs(segments: &[Segment]) -> Vec<&[Segment]> {
    let mut legs: Vec<&[Segment]> = segments.split(|segment| *segment == Segment::Every).collect();
    legs.pop();
    legs
}

/// `expression` for every item at every path.
pub(super) fn all(control: &Control, expression: &str) -> String {
    let each = |path: &Path| {
        let (root, segments) = rooted(control, path);
        let legs = legs(&segments);
        let mut text = paren(expression);
        for (depth, leg) in legs.iter().enumerate().rev() {
            let (from, name) = (
                if depth == 0 { root.clone() } else { format!("outer{}", depth - 1) },
                if depth + 1 == legs.len() { "item".to_owned() } else { format!("outer{depth}") },
            );
            text = format!("{}.all({name}, {text})", list(&from, leg));
        }
        text
    };
    let paths: Vec<Path> = control.paths().into_iter().filter_map(|path| Path::parse(path).ok()).collect();
    paren(&paths.iter().map(each).collect::<Vec<_>>().join(" && "))
}

/// What is wrong, in CEL; none where items lie in lists of lists, which CEL cannot join.
pub(super) fn message(control: &Control) -> Option<String> {
    if !control.is_each() {
        return Some(paren(&control.message));
    }
    let mut lists = Vec::new();
    for path in control.paths().into_iter().filter_map(|path| Path::parse(path).ok()) {
        let (root, segments) = rooted(control, &path);
        match legs(&segments).as_slice() {
            [leg] => lists.push(list(&root, leg)),
            _ => return None,
        }
    }
    Some(format!(
        "({}).filter(item, !{}).map(item, {}).join('; ')",
        lists.join(" + "),
        paren(&control.expression),
        paren(&control.message)
    ))
}
