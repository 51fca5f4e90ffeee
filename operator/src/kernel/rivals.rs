//! Who declares a field, as the API server keeps it in `managedFields`, and who has set a borrowed one back.
//!
//! A borrowed field that has another value was changed by a person, whose wish it is, or set back by a tool that applies
//! what is declared elsewhere, such as a repository. Only the second is a rival: it will do so again. A manager counts as
//! one if it *applies* (server-side apply, or a tool that is known to do the same by updates), and if it had declared
//! the field before it was borrowed, or is a controller that reconciles from a repository. Whoever only updates, such as
//! `kubectl edit` or a dashboard, is taken for a person.

use kube::core::ObjectMeta;
use serde_json::{Map, Value};

use super::{
    loan::{Field, Lent, Record},
    plan::FIELD_MANAGER,
};

/// Controllers that keep applying what a repository declares, by the name of their field manager.
const RECONCILERS: [&str; 6] = [
    "argocd-controller",
    "argocd-application-controller",
    "kustomize-controller",
    "helm-controller",
    "flux-operator",
    "fleetagent",
];
/// Tools that apply a manifest by updates.
const APPLIERS: [&str; 7] =
    ["kubectl-client-side-apply", "helm", "HashiCorp", "Terraform", "pulumi-kubernetes", "kapp", "tanka"];
/// Declarers that a record names; a field has one or two.
const NAMED: usize = 8;

/// A manager of a field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Manager {
    /// Its name; empty if the client has given none.
    pub name: String,
    /// It applies on the server, and does not just update.
    pub applies: bool,
}

impl Manager {
    /// Whether it sets what is declared somewhere, rather than what somebody wishes now.
    fn declares(&self) -> bool {
        let name = self.name.as_str();
        let known = RECONCILERS.contains(&name) || APPLIERS.contains(&name);
        (self.applies || known) && !name.is_empty() && name != FIELD_MANAGER
    }

    fn reconciles(&self) -> bool {
        RECONCILERS.contains(&self.name.as_str())
    }
}

/// The managers of an object's fields.
pub struct Managers<'a>(Vec<(Manager, &'a Value)>);

impl<'a> Managers<'a> {
    /// Those of an object as it was read.
    pub fn of_object(live: &'a Value) -> Self {
        let entries = live["metadata"]["managedFields"].as_array().into_iter().flatten();
        Self(
            entries
                .map(|entry| {
                    let text = |key: &str| entry[key].as_str().unwrap_or_default();
                    let manager =
                        Manager { name: text("manager").to_owned(), applies: text("operation") == "Apply" };
                    (manager, &entry["fieldsV1"])
                })
                .collect(),
        )
    }

    /// Those of an object of which only the metadata is at hand.
    pub fn of_meta(meta: &'a ObjectMeta) -> Self {
        let entries = meta.managed_fields.iter().flatten();
        Self(
            entries
                .filter_map(|entry| {
                    let manager = Manager {
                        name: entry.manager.clone().unwrap_or_default(),
                        applies: entry.operation.as_deref() == Some("Apply"),
                    };
                    Some((manager, &entry.fields_v1.as_ref()?.0))
                })
                .collect(),
        )
    }

    /// The present managers of `field`, in order.
    pub fn of(&self, field: &Field) -> Vec<Manager> {
        let mut found: Vec<_> = self
            .0
            .iter()
            .filter(|(_, fields)| has(fields, field))
            .map(|(manager, _)| manager.clone())
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// The names of those that declare `field` now, before it is borrowed.
    pub fn declarers(&self, field: &Field) -> Vec<String> {
        let mut names: Vec<_> =
            self.of(field).into_iter().filter(Manager::declares).map(|manager| manager.name).collect();
        names.dedup();
        names.truncate(NAMED);
        names
    }

    /// The rivals that have set a field on loan to what it is now, by name; empty if it was somebody else, or cannot be
    /// told. One manager that is no rival is enough: what a person wishes stands, also when a tool agrees with it.
    pub fn rivals(&self, lent: &Lent) -> Vec<String> {
        let managers = self.of(&lent.field);
        let rival = |manager: &Manager| {
            manager.declares() && (manager.reconciles() || lent.declarers.contains(&manager.name))
        };
        if !managers.iter().all(rival) {
            return Vec::new();
        }
        let mut names: Vec<_> = managers.into_iter().map(|manager| manager.name).collect();
        names.dedup();
        names
    }
}

/// What speaks against a loan, as far as metadata shows it. The live object decides.
#[derive(Clone, Debug, PartialEq)]
pub enum Doubt {
    /// Rivals manage a field of a loan that stands.
    Overwritten {
        /// Their names.
        by: String,
    },
    /// The record of a loan is gone from the object, and it was not Banyan that took it off.
    Dropped {
        /// The record.
        record: Record,
        /// The managers of its fields at that moment; empty if there was none.
        by: String,
    },
}

/// The doubts about an object that has `loans` now, and had those of `before` and the doubts `doubted`.
pub fn doubts(
    meta: &ObjectMeta,
    loans: &[(String, Record)],
    before: &[(String, Record)],
    doubted: &[(String, Doubt)],
) -> Vec<(String, Doubt)> {
    if loans.is_empty() && before.is_empty() && doubted.is_empty() {
        return Vec::new();
    }
    let managers = Managers::of_meta(meta);
    let overwritten = loans.iter().filter_map(|(key, record)| {
        let by = joined(record.fields.iter().flat_map(|lent| managers.rivals(lent)))?;
        Some((key.clone(), Doubt::Overwritten { by }))
    });
    let gone = |key: &String| loans.iter().all(|(at, _)| at != key);
    let lost = before.iter().filter(|(key, record)| record.is_readable() && gone(key));
    let dropped = lost.filter_map(|(key, record)| {
        let present: Vec<_> = record.fields.iter().flat_map(|lent| managers.of(&lent.field)).collect();
        // Another replica of Banyan has given it back.
        if present.iter().any(|manager| manager.name == FIELD_MANAGER) {
            return None;
        }
        let names = present.into_iter().map(|manager| manager.name).filter(|name| !name.is_empty());
        let by = joined(names).unwrap_or_default();
        Some((key.clone(), Doubt::Dropped { record: record.clone(), by }))
    });
    let still = doubted
        .iter()
        .filter(|(key, doubt)| matches!(doubt, Doubt::Dropped { .. }) && gone(key))
        .filter(|(key, _)| before.iter().all(|(at, _)| at != key))
        .cloned();
    overwritten.chain(dropped).chain(still).collect()
}

/// Names in order, each once; none if there is none.
pub fn joined(names: impl Iterator<Item = String>) -> Option<String> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    (!names.is_empty()).then(|| names.join(", "))
}

/// Whether a set of fields (`FieldsV1`) has `field`, or the whole that it is a part of.
fn has(fields: &Value, field: &Field) -> bool {
    let mut at = fields;
    for token in field.pointer.split('/').skip(1) {
        let Some(inner) = at.as_object() else { return false };
        let name = format!("f:{}", token.replace("~1", "/").replace("~0", "~"));
        match inner.get(&name) {
            Some(next) => at = next,
            // `{}` stands for a value that is owned as a whole; `{".": {}}` for a map without what is in it.
            None => return inner.is_empty() && !std::ptr::eq(at, fields),
        }
    }
    let Some(inner) = at.as_object() else { return false };
    if field.element_keys.is_empty() || inner.is_empty() {
        return true;
    }
    inner.keys().filter_map(|key| key.strip_prefix("k:")).any(|keys| {
        let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
        !keys.is_empty() && keys.iter().all(|(key, value)| field.set[key] == *value)
    })
}

#[cfg(test)]
mod tests;
