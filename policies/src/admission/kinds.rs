//! Kinds as the API server's rules name them: by group and resource.

use serde_json::{Value as Json, json};

use crate::{engine::POD_KINDS, pack::Control};

/// The rules that match what a control judges, one a group.
pub(super) fn rules(control: &Control) -> Vec<Json> {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    let kinds: Vec<&str> = if control.matches.pods {
        POD_KINDS.iter().map(|(kind, _)| *kind).collect()
    } else {
        control.matches.kinds.iter().map(String::as_str).collect()
    };
    for kind in kinds {
        let (group, kind) = kind.split_once('/').unwrap_or(("", kind));
        let mut resources = vec![resource(kind)];
        if group.is_empty() && kind == "Pod" {
            // An ephemeral container comes by a subresource, whose object is the Pod.
            resources.push("pods/ephemeralcontainers".to_owned());
        }
        match groups.iter_mut().find(|(known, _)| known == group) {
            Some((_, list)) => list.extend(resources),
            None => groups.push((group.to_owned(), resources)),
        }
    }
    groups
        .into_iter()
        .map(|(group, resources)| json!({ "apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": resources, "scope": "*" }))
        .collect()
}

/// The resource of a kind: the plural that Kubernetes' own API machinery would guess, and the kinds where it guesses wrong.
pub fn resource(kind: &str) -> String {
    let lower = kind.to_ascii_lowercase();
    match lower.as_str() {
        "endpoints" => lower,
        _ if lower.ends_with('s') || lower.ends_with('x') || lower.ends_with("ch") => format!("{lower}es"),
        _ => match lower.strip_suffix('y') {
            Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
            _ => format!("{lower}s"),
        },
    }
}
