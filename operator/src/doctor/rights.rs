//! The rights that Banyan needs, one by one, and which of them a set of rules lacks.

use k8s_openapi::api::authorization::v1::ResourceRule;

/// Where a right is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the whole cluster.
    Cluster,
    /// In Banyan's namespace.
    Own,
    /// In the namespace `default`.
    Default,
}

/// Rights of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Right {
    /// Where.
    pub place: Place,
    /// API group; empty for the core.
    pub group: &'static str,
    /// Resources, a subresource behind a slash.
    pub resources: &'static [&'static str],
    /// Of one object; empty for all.
    pub name: &'static str,
    /// Verbs.
    pub verbs: &'static [&'static str],
}

pub(super) const fn right(
    place: Place,
    group: &'static str,
    resources: &'static [&'static str],
    name: &'static str,
    verbs: &'static [&'static str],
) -> Right {
    Right { place, group, resources, name, verbs }
}

/// Everything that the operator needs, as the chart grants it.
pub fn needed() -> Vec<Right> {
    [&NEEDED[..], &super::reads::OF_PACKS].concat()
}

/// What it needs beside what the packs read.
const NEEDED: [Right; 22] = [
    right(Place::Cluster, "banyan.dev", &["datacenters"], "", &["get", "list", "watch", "patch"]),
    right(Place::Cluster, "banyan.dev", &["datacenters/status"], "", &["patch"]),
    right(Place::Cluster, "", &["nodes"], "", &["get", "list", "watch", "patch"]),
    right(Place::Cluster, "batch", &["jobs", "cronjobs"], "", &["get", "list", "watch", "patch"]),
    right(Place::Cluster, "kueue.x-k8s.io", &["clusterqueues"], "", &["get", "list", "watch", "patch"]),
    right(Place::Cluster, "banyan.dev", &["securitybaselines", "waivers"], "", &["get", "list", "watch"]),
    right(Place::Cluster, "banyan.dev", &["securitybaselines/status", "waivers/status"], "", &["patch"]),
    right(
        Place::Cluster,
        "admissionregistration.k8s.io",
        &["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
        "",
        &["get", "list", "watch", "create", "patch", "delete"],
    ),
    right(Place::Cluster, "openreports.io", &["reports", "clusterreports"], "", REPORTS),
    right(Place::Cluster, "wgpolicyk8s.io", &["policyreports", "clusterpolicyreports"], "", REPORTS),
    right(Place::Cluster, "", &["namespaces"], "kube-system", &["get"]),
    right(
        Place::Cluster,
        "admissionregistration.k8s.io",
        &["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
        super::look::FREEZE_POLICY,
        &["get"],
    ),
    right(
        Place::Cluster,
        "admissionregistration.k8s.io",
        &["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"],
        super::look::HOLD_POLICY,
        &["get"],
    ),
    right(
        Place::Cluster,
        "admissionregistration.k8s.io",
        &["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"],
        super::look::AUTHOR_POLICY,
        &["get"],
    ),
    right(
        Place::Cluster,
        "admissionregistration.k8s.io",
        &["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
        super::look::APPROVAL_POLICY,
        &["get"],
    ),
    right(
        Place::Cluster,
        "admissionregistration.k8s.io",
        &["validatingadmissionpolicies", "validatingadmissionpolicybindings"],
        super::look::PARAMETERS_POLICY,
        &["get"],
    ),
    right(
        Place::Cluster,
        "admissionregistration.k8s.io",
        &["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"],
        super::look::PARAMETERS_POLICY,
        &["get"],
    ),
    right(Place::Own, "", &["configmaps"], "", &["get", "list", "watch", "create", "patch", "delete"]),
    right(Place::Own, "", &["secrets"], "", &["get"]),
    right(Place::Own, "coordination.k8s.io", &["leases"], "", &["create"]),
    right(Place::Own, "coordination.k8s.io", &["leases"], "banyan", &["get", "update"]),
    right(Place::Default, "events.k8s.io", &["events"], "", &["create", "patch"]),
];

/// What is done with reports.
const REPORTS: &[&str] = &["get", "list", "watch", "create", "update", "delete"];

/// What the command line reads for who asks.
pub const READ_BY_CALLER: [Right; 6] = [
    right(Place::Cluster, "banyan.dev", &["datacenters", "waivers"], "", &["list"]),
    right(Place::Cluster, "", &["nodes"], "", &["list"]),
    right(Place::Cluster, "batch", &["jobs", "cronjobs"], "", &["list"]),
    right(Place::Cluster, "", &["namespaces"], "kube-system", &["get"]),
    right(Place::Own, "", &["configmaps"], "", &["list"]),
    right(Place::Own, "apps", &["deployments"], "", &["list"]),
];

/// One verb on one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Single {
    /// The right that it is of.
    pub right: Right,
    /// The resource without its subresource.
    pub resource: &'static str,
    /// The subresource; empty for none.
    pub subresource: &'static str,
    /// The verb.
    pub verb: &'static str,
}

impl std::fmt::Display for Single {
    /// `patch datacenters.banyan.dev/status`, `get leases.coordination.k8s.io banyan`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { right, resource, subresource, verb } = self;
        write!(f, "{verb} {resource}")?;
        for (mark, part) in [(".", right.group), ("/", *subresource), (" ", right.name)] {
            if !part.is_empty() {
                write!(f, "{mark}{part}")?;
            }
        }
        Ok(())
    }
}

/// Rights one by one.
pub fn singles(rights: &[Right]) -> impl Iterator<Item = Single> {
    rights.iter().flat_map(|right| {
        right.resources.iter().flat_map(move |resource| {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            right.verbs.iter().map(move |verb| Single { right: *right, resource, subresource, verb })
        })
    })
}

/// Which of `rights` at `place` are in none of `rules`, which hold there.
pub fn lacking(rights: &[Right], place: Place, rules: &[ResourceRule]) -> Vec<Single> {
    let held = |single: &Single| {
        let whole = if single.subresource.is_empty() {
            single.resource.to_owned()
        } else {
            format!("{}/{}", single.resource, single.subresource)
        };
        let has = |list: Option<&Vec<String>>, wanted: &str| {
            list.is_some_and(|list| list.iter().any(|one| one == "*" || one == wanted))
        };
        rules.iter().any(|rule| {
            let named = rule.resource_names.as_ref().filter(|names| !names.is_empty());
            rule.verbs.iter().any(|verb| verb == "*" || verb == single.verb)
                && has(rule.api_groups.as_ref(), single.right.group)
                && has(rule.resources.as_ref(), &whole)
                && named.is_none_or(|names| {
                    !single.right.name.is_empty() && names.iter().any(|name| name == single.right.name)
                })
        })
    };
    let here: Vec<_> = rights.iter().copied().filter(|right| right.place == place).collect();
    singles(&here).filter(|single| !held(single)).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::reads;

    fn rules(value: serde_json::Value) -> Vec<ResourceRule> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn rules_hold_a_right_by_group_resource_verb_and_name() {
        let leases: Vec<_> = needed().into_iter().filter(|right| right.resources == ["leases"]).collect();
        let told = |value| {
            lacking(&leases, Place::Own, &rules(value)).iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let full = json!([
            {"verbs": ["create"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"]},
            {"verbs": ["get", "update"], "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
             "resourceNames": ["banyan"]}
        ]);
        assert_eq!(told(full.clone()), [""; 0]);
        assert_eq!(told(json!([{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}])), [""; 0]);
        let mut other = full.clone();
        other[1]["resourceNames"] = json!(["other"]);
        assert_eq!(
            told(other),
            ["get leases.coordination.k8s.io banyan", "update leases.coordination.k8s.io banyan"]
        );
        // A right for one object is none for all.
        let mut named = full;
        named[0]["resourceNames"] = json!(["banyan"]);
        assert_eq!(told(named), ["create leases.coordination.k8s.io"]);
        let status = lacking(&NEEDED[1..2], Place::Cluster, &[]);
        assert_eq!(status[0].to_string(), "patch datacenters.banyan.dev/status");
    }

    #[test]
    fn the_chart_grants_what_is_needed_and_nothing_else() {
        let template = include_str!("../../../charts/banyan/templates/rbac.yaml");
        // The rules have no template in them; each begins with its groups.
        let list = |line: &str, key: &str| -> Option<Vec<String>> {
            let inner = line.trim().trim_start_matches("- ").strip_prefix(key)?.trim();
            let inner = inner.strip_prefix('[')?.strip_suffix(']')?;
            Some(inner.split(',').map(|word| word.trim().trim_matches('"').to_owned()).collect())
        };
        // Groups, resources, names and verbs.
        let mut granted: Vec<[Vec<String>; 4]> = Vec::new();
        for line in template.lines() {
            if let Some(groups) = list(line, "apiGroups:") {
                granted.push([groups, vec![], vec![], vec![]]);
            } else if let Some(rule) = granted.last_mut() {
                if let Some(found) = list(line, "resources:") {
                    rule[1] = found;
                } else if let Some(found) = list(line, "resourceNames:") {
                    rule[2] = found;
                } else if let Some(found) = list(line, "verbs:") {
                    rule[3] = found;
                }
            }
        }
        let text = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        let needed: Vec<_> = needed()
            .iter()
            .chain(&[reads::SECRETS])
            .map(|right| {
                let names = if right.name.is_empty() { vec![] } else { text(&[right.name]) };
                [text(&[right.group]), text(right.resources), names, text(right.verbs)]
            })
            .collect();
        for rule in &needed {
            assert!(granted.contains(rule), "the chart does not grant {rule:?}");
        }
        assert_eq!(granted.len(), needed.len());
    }
}
