//! The rule by which a tool that applies manifests stops setting a borrowed field back: from object, field and manager
//! to what is to be pasted where. A pure function; what it knows of the tools is theirs:
//! <https://argo-cd.readthedocs.io/en/stable/user-guide/diffing/>,
//! <https://fluxcd.io/flux/components/kustomize/kustomizations/#patches>,
//! <https://fluxcd.io/flux/components/helm/helmreleases/#drift-detection>.

use serde_json::{Value, json};

use super::loan;

/// The fields of an object that are set back.
#[derive(Clone, Copy, Debug)]
pub struct Contest<'a> {
    /// API group; empty for the core group.
    pub group: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Namespace; none for cluster-scoped kinds.
    pub namespace: Option<&'a str>,
    /// Name.
    pub name: &'a str,
    /// The action that they are borrowed for.
    pub action: &'a str,
    /// JSON pointers (RFC 6901) of the fields.
    pub fields: &'a [String],
    /// Who sets them back, by the name of the field manager; several with commas between.
    pub manager: &'a str,
}

/// What ends a fight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What to do, and where.
    pub advice: String,
    /// What to merge there; none where nobody can know how the tool is told.
    pub snippet: Option<Value>,
}

impl Rule {
    /// The snippet as YAML.
    pub fn yaml(&self) -> Option<String> {
        serde_yaml::to_string(self.snippet.as_ref()?).ok()
    }
}

impl std::fmt::Display for Rule {
    /// In one line, which is JSON and therefore YAML as well.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.snippet {
            Some(snippet) => write!(f, "{}: {snippet}", self.advice),
            None => f.write_str(&self.advice),
        }
    }
}

/// The rule that ends this fight.
pub fn rule(contest: &Contest<'_>) -> Rule {
    let Contest { group, kind, namespace, name, action, fields, manager } = *contest;
    let by = |names: &[&str]| manager.split(", ").any(|manager| names.contains(&manager));
    let mut target = json!({});
    for (key, value) in
        [("group", Some(group)), ("kind", Some(kind)), ("namespace", namespace), ("name", Some(name))]
    {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            target[key] = value.into();
        }
    }
    let of = |advice: &str, snippet| Rule { advice: advice.to_owned(), snippet: Some(snippet) };
    if by(&["argocd-controller", "argocd-application-controller"]) {
        // With Replace=true the record of what was before would go as well, and nothing could be given back.
        let record = format!("/metadata/annotations/{}", loan::escape(&loan::annotation(action)));
        target["jsonPointers"] = fields.iter().cloned().chain([record]).collect();
        return of(
            "add to the spec of the Argo CD Application",
            json!({
                "ignoreDifferences": [target],
                "syncPolicy": { "syncOptions": ["RespectIgnoreDifferences=true"] },
            }),
        );
    }
    if by(&["helm-controller"]) {
        return of(
            "add to the spec of the Flux HelmRelease",
            json!({ "driftDetection": { "ignore": [{ "paths": fields, "target": target }] } }),
        );
    }
    if by(&["kustomize-controller"]) {
        // Kustomize takes what begins with a bracket for JSON, all else for YAML.
        let remove: Vec<_> = fields.iter().map(|field| format!("- {{op: remove, path: {field}}}")).collect();
        return of(
            "add to the spec of the Flux Kustomization",
            json!({ "patches": [{ "patch": remove.join("\n"), "target": target }] }),
        );
    }
    let advice = format!(
        "take {} out of the manifest that {manager} applies, or have it ignore it",
        fields.join(" and ")
    );
    Rule { advice, snippet: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contest<'a>(manager: &'a str, fields: &'a [String]) -> Contest<'a> {
        Contest {
            group: "batch",
            kind: "CronJob",
            namespace: Some("work"),
            name: "nightly",
            action: "HoldBatch",
            fields,
            manager,
        }
    }

    fn parsed(rule: &Rule) -> Value {
        serde_yaml::from_str(&rule.yaml().unwrap()).unwrap()
    }

    #[test]
    fn argo_cd_is_told_to_ignore_the_field_and_the_record_and_to_respect_it_when_it_syncs() {
        let fields = ["/spec/suspend".to_owned()];
        let rule = rule(&contest("argocd-controller", &fields));
        assert_eq!(
            parsed(&rule),
            json!({
                "ignoreDifferences": [{
                    "group": "batch", "kind": "CronJob", "namespace": "work", "name": "nightly",
                    "jsonPointers": ["/spec/suspend", "/metadata/annotations/banyan.dev~1loan-hold-batch"],
                }],
                "syncPolicy": {"syncOptions": ["RespectIgnoreDifferences=true"]},
            })
        );
        assert!(rule.to_string().starts_with("add to the spec of the Argo CD Application: {"), "{rule}");
    }

    #[test]
    fn flux_is_told_by_its_own_means() {
        let fields = ["/metadata/labels/banyan.dev~1avoid".to_owned(), "/spec/taints".to_owned()];
        let node = |manager| Contest {
            group: "",
            kind: "Node",
            namespace: None,
            name: "n-1",
            action: "PreferElsewhere",
            ..contest(manager, &fields)
        };
        let helm = parsed(&rule(&node("helm-controller")));
        let ignored = &helm["driftDetection"]["ignore"][0];
        assert_eq!(ignored["paths"], json!(fields));
        assert_eq!(ignored["target"], json!({"kind": "Node", "name": "n-1"}));
        let patches = parsed(&rule(&node("kustomize-controller, somebody")));
        let patch: Value = serde_yaml::from_str(patches["patches"][0]["patch"].as_str().unwrap()).unwrap();
        assert_eq!(patch[1], json!({"op": "remove", "path": "/spec/taints"}));
    }

    #[test]
    fn whoever_is_not_known_is_named() {
        let fields = ["/spec/suspend".to_owned()];
        let rule = rule(&contest("platform", &fields));
        assert_eq!(rule.snippet, None);
        assert!(
            rule.to_string().contains("/spec/suspend out of the manifest that platform applies"),
            "{rule}"
        );
    }
}
