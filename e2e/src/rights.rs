//! What a user may do, by the rules of its roles, against what it did, by the API server's audit log.

use std::collections::BTreeSet;
use std::fmt;

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::Value;

use crate::audit::Request;

/// One right: nothing in it stands for several.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The namespace that it holds in; empty for the whole cluster.
    pub namespace: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource, with its subresource after a slash.
    pub resource: String,
    /// The one object; empty for all.
    pub name: String,
    /// The verb.
    pub verb: String,
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.{}", self.verb, self.resource, self.group)?;
        for (of, part) in [("", &self.name), ("in ", &self.namespace)] {
            if !part.is_empty() {
                write!(f, " {of}{part}")?;
            }
        }
        Ok(())
    }
}

impl Grant {
    /// Whether a request was made by this right. Server-side apply that creates an object asks for both verbs.
    fn covers(&self, request: &Request) -> bool {
        let verb = request.verb == self.verb
            || (self.verb == "create" && request.verb == "patch" && request.code == 201);
        let resource = match self.resource.split_once('/') {
            Some((kind, part)) => request.resource == kind && request.subresource == part,
            None => request.resource == self.resource && request.subresource.is_empty(),
        };
        verb && resource
            && request.group == self.group
            && (self.namespace.is_empty() || request.namespace == self.namespace)
            && (self.name.is_empty() || request.name == self.name)
    }
}

/// The rights in a rule, one by one.
pub fn each(namespace: &str, rule: &PolicyRule) -> Vec<Grant> {
    let names = rule.resource_names.clone().unwrap_or_else(|| vec![String::new()]);
    let mut grants = Vec::new();
    for group in rule.api_groups.iter().flatten() {
        for resource in rule.resources.iter().flatten() {
            for name in &names {
                grants.extend(rule.verbs.iter().map(|verb| Grant {
                    namespace: namespace.to_owned(),
                    group: group.clone(),
                    resource: resource.clone(),
                    name: name.clone(),
                    verb: verb.clone(),
                }));
            }
        }
    }
    grants
}

/// The rights that these manifests give a service account, by their bindings.
///
/// # Errors
/// When a role's rules are none.
pub fn of_account(manifests: &[Value], account: &str) -> anyhow::Result<BTreeSet<Grant>> {
    let mut grants = BTreeSet::new();
    let bindings = manifests.iter().filter(|one| {
        let kind = one["kind"].as_str().unwrap_or_default();
        let subjects = one["subjects"].as_array().map(Vec::as_slice).unwrap_or_default();
        kind.ends_with("RoleBinding")
            && subjects.iter().any(|one| one["kind"] == "ServiceAccount" && one["name"] == account)
    });
    for binding in bindings {
        let namespace = binding["metadata"]["namespace"].as_str().unwrap_or_default();
        let of = &binding["roleRef"];
        let roles = manifests.iter().filter(|role| {
            role["kind"] == of["kind"]
                && role["metadata"]["name"] == of["name"]
                && (of["kind"] == "ClusterRole" || role["metadata"]["namespace"] == namespace)
        });
        for role in roles {
            let granted: Vec<PolicyRule> = serde_json::from_value(role["rules"].clone())?;
            grants.extend(granted.iter().flat_map(|rule| each(namespace, rule)));
        }
    }
    Ok(grants)
}

/// What the two come to.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Requests that were refused for want of a right, each once.
    pub refused: BTreeSet<String>,
    /// Rights that nothing has used.
    pub unused: BTreeSet<Grant>,
    /// How many requests there were.
    pub requests: usize,
}

impl Comparison {
    /// Compares rights with the requests of those who hold them.
    pub fn new(grants: &BTreeSet<Grant>, requests: &[Request]) -> Self {
        let of_resources: Vec<_> = requests.iter().filter(|request| !request.resource.is_empty()).collect();
        let refused = of_resources.iter().filter(|request| request.code == 403 && request.by_authorization);
        let unused = grants
            .iter()
            .filter(|grant| !of_resources.iter().any(|request| request.code != 403 && grant.covers(request)));
        Self {
            refused: refused.map(ToString::to_string).collect(),
            unused: unused.cloned().collect(),
            requests: of_resources.len(),
        }
    }

    /// Whether there is nothing too much and nothing missing.
    pub fn is_exact(&self) -> bool {
        self.requests > 0 && self.refused.is_empty() && self.unused.is_empty()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} requests of the operator", self.requests)?;
        for request in &self.refused {
            writeln!(f, "  refused, so a right is missing: {request}")?;
        }
        for grant in &self.unused {
            writeln!(f, "  granted and never used by any test: {grant}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(verb: &str, resource: &str, namespace: &str, name: &str, code: u16) -> Request {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        Request {
            user: "me".into(),
            agent: "banyan/1".into(),
            verb: verb.into(),
            group: String::new(),
            resource: resource.into(),
            subresource: subresource.into(),
            namespace: namespace.into(),
            name: name.into(),
            code,
            by_authorization: code == 403,
            at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    fn grants() -> BTreeSet<Grant> {
        let role = |kind: &str, name: &str, namespace: Value, rules: Value| json!({ "kind": kind, "metadata": { "name": name, "namespace": namespace }, "rules": rules });
        let binding = |kind: &str, role: &str, namespace: Value, account: &str| {
            json!({
                "kind": format!("{kind}Binding"), "metadata": { "name": role, "namespace": namespace },
                "roleRef": { "kind": kind, "name": role },
                "subjects": [{ "kind": "ServiceAccount", "name": account }],
            })
        };
        let one = |resource: &str, verbs: Value| json!([{ "apiGroups": [""], "resources": [resource], "verbs": verbs }]);
        let manifests = [
            role("ClusterRole", "all", Value::Null, one("nodes", json!(["patch"]))),
            role("Role", "here", json!("n"), one("configmaps", json!(["create", "patch"]))),
            role("Role", "here", json!("other"), one("secrets", json!(["get"]))),
            role("ClusterRole", "people", Value::Null, one("nodes", json!(["delete"]))),
            binding("ClusterRole", "all", Value::Null, "me"),
            binding("Role", "here", json!("n"), "me"),
            binding("ClusterRole", "people", Value::Null, "you"),
        ];
        of_account(&manifests, "me").unwrap()
    }

    #[test]
    fn rights_are_those_of_the_roles_that_are_bound_to_the_account() {
        let all: Vec<_> = grants().iter().map(ToString::to_string).collect();
        assert_eq!(all, ["patch nodes.", "create configmaps. in n", "patch configmaps. in n"]);
    }

    #[test]
    fn what_creates_by_apply_has_used_both_rights() {
        let requests =
            [request("patch", "nodes", "", "a", 200), request("patch", "configmaps", "n", "a", 201)];
        assert!(Comparison::new(&grants(), &requests).is_exact());
        let requests =
            [request("patch", "nodes", "", "a", 200), request("patch", "configmaps", "n", "a", 200)];
        let unused = Comparison::new(&grants(), &requests).unused;
        assert_eq!(unused.iter().map(ToString::to_string).collect::<Vec<_>>(), ["create configmaps. in n"]);
    }

    #[test]
    fn what_was_refused_and_what_was_used_elsewhere_do_not_count() {
        let elsewhere = request("patch", "configmaps", "other", "a", 201);
        let status = request("patch", "nodes/status", "", "a", 200);
        let compared =
            Comparison::new(&grants(), &[elsewhere, status, request("patch", "nodes", "", "a", 403)]);
        assert_eq!((compared.unused.len(), compared.refused.len()), (3, 1));
        assert!(!compared.is_exact() && compared.to_string().contains("a right is missing: patch nodes"));
        assert!(!Comparison::new(&BTreeSet::new(), &[]).is_exact());
    }
}
