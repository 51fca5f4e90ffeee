//! An audit against an earlier one: what is new.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Context as _;
use banyan_policies::{engine::Outcome, verdict::Audit};
use serde_json::Value;

/// A finding, as it is known again: the control and the object, not the line, nor the message, nor the UID, which a new object of the same
/// name has another of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    /// The control.
    pub control: String,
    kind: String,
    namespace: String,
    name: String,
}

impl Key {
    /// Everything that failed or could not be evaluated.
    pub(super) fn all(audit: &Audit) -> Vec<Self> {
        let mut all = Vec::new();
        for object in &audit.objects {
            for finding in object.findings.iter().filter(|finding| is_bad(finding.outcome)) {
                if let Some(control) = audit.controls.get(finding.control) {
                    all.push(Self {
                        control: control.id.clone(),
                        kind: object.object.kind.clone(),
                        namespace: object.object.namespace.clone(),
                        name: object.object.name.clone(),
                    });
                }
            }
        }
        // That there is none of something is a finding about no object.
        for risk in audit.high_risks.iter().filter(|risk| risk.objects == 0) {
            if let Some(control) = audit.controls.get(risk.control) {
                all.push(Self {
                    control: control.id.clone(),
                    kind: "Cluster".to_owned(),
                    namespace: String::new(),
                    name: "cluster".to_owned(),
                });
            }
        }
        all.sort();
        all.dedup();
        all
    }
}

/// Whether a finding is one that an audit may end with 1 for.
pub(super) fn is_bad(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Fail | Outcome::Error)
}

/// The findings of an earlier audit, from its JSON.
pub(super) fn read(path: &Path) -> anyhow::Result<BTreeSet<Key>> {
    let text = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let list: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{} is no JSON of an audit", path.display()))?;
    let reports = list["items"]
        .as_array()
        .with_context(|| format!("{} is no List of reports: items is missing", path.display()))?;
    let mut keys = BTreeSet::new();
    for report in reports {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let scope = &report["scope"];
        for result in report["results"].as_array().into_iter().flatten() {
            if !matches!(result["result"].as_str(), Some("fail" | "warn" | "error"))
                || result["properties"]["verdict"].is_string()
                || result["policy"] == "banyan"
            {
                continue;
            }
            keys.insert(Key {
                control: text(&result["rule"]),
                kind: text(&scope["kind"]),
                namespace: text(&scope["namespace"]),
                name: text(&scope["name"]),
            });
        }
    }
    Ok(keys)
}

/// The findings that an earlier audit does not have.
pub(super) fn not_in(findings: &[Key], old: &BTreeSet<Key>) -> Vec<Key> {
    findings.iter().filter(|key| !old.contains(key)).cloned().collect()
}
