//! Objects as a cluster of a city's tenants has them, as many as wanted, the same every time.

use std::fmt::Write as _;
use std::io::{self, Write};

/// Writes the object of a number.
type Kind = fn(usize) -> String;

/// Of a hundred objects, so many are of each kind.
const MIX: [(Kind, usize); 9] = [
    (pod, 40),
    (deployment, 18),
    (cron_job, 4),
    (service, 12),
    (ingress, 5),
    (config_map, 8),
    (network_policy, 5),
    (role, 4),
    (role_binding, 4),
];

/// Writes a stream of `count` objects of all kinds.
///
/// # Errors
/// When they cannot be written.
pub fn mixed(count: usize, to: &mut dyn Write) -> io::Result<()> {
    for number in 0..count {
        let mut share = number % 100;
        let kind = MIX.iter().find(|(_, weight)| {
            let here = share < *weight;
            share = share.saturating_sub(*weight);
            here
        });
        // Spread evenly: neighbours in the file are not of one kind.
        let text = kind.map_or_else(|| pod(number), |(kind, _)| kind(number));
        writeln!(to, "---\n{text}")?;
    }
    Ok(())
}

/// Writes a stream of `count` Pods.
///
/// # Errors
/// When they cannot be written.
pub fn pods(count: usize, to: &mut dyn Write) -> io::Result<()> {
    (0..count).try_for_each(|number| writeln!(to, "---\n{}", pod(number)))
}

fn head(api: &str, kind: &str, number: usize) -> String {
    format!(
        "apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: {}-{number}\n  namespace: tenant-{}\n  labels:\n    app.kubernetes.io/name: app-{}\n    banyan.dev/tenant: tenant-{}\n",
        kind.to_lowercase(),
        number % 800,
        number % 97,
        number % 400,
    )
}

/// A Pod's spec; one in four is careless in some way, and one in four has nothing to be found fault with.
fn spec(number: usize, indent: usize) -> String {
    let careless = number.is_multiple_of(4);
    let exemplary = number % 4 == 1;
    let mut text = String::new();
    let mut line = |depth: usize, words: &str| {
        let _ = writeln!(text, "{}{words}", " ".repeat(indent + depth));
    };
    line(0, &format!("serviceAccountName: app-{}", number % 97));
    line(0, "automountServiceAccountToken: false");
    if number.is_multiple_of(40) {
        line(0, "hostNetwork: true");
    }
    line(0, "securityContext:");
    line(2, "runAsNonRoot: true");
    line(2, "seccompProfile:");
    line(4, "type: RuntimeDefault");
    line(0, "containers:");
    for container in 0..2 {
        line(0, &format!("- name: c{container}"));
        line(2, &format!("image: registry.example/team/app-{}@sha256:{:064x}", number % 97, number));
        line(2, "ports:");
        line(2, "- containerPort: 8080");
        line(4, "name: http");
        line(2, "env:");
        for variable in 0..4 {
            line(2, &format!("- name: SETTING_{variable}"));
            line(4, &format!("value: value-{variable}"));
        }
        line(2, "resources:");
        line(4, "requests:");
        line(6, "cpu: 100m");
        line(6, "memory: 128Mi");
        line(4, "limits:");
        line(6, "memory: 256Mi");
        line(2, "readinessProbe:");
        line(4, "httpGet:");
        line(6, "path: /ready");
        line(6, "port: 8080");
        if exemplary {
            line(2, "livenessProbe:");
            line(4, "httpGet:");
            line(6, "path: /live");
            line(6, "port: 8080");
        }
        line(2, "securityContext:");
        line(4, if careless { "allowPrivilegeEscalation: true" } else { "allowPrivilegeEscalation: false" });
        line(4, "readOnlyRootFilesystem: true");
        line(4, "capabilities:");
        line(6, "drop:");
        line(6, "- ALL");
        line(2, "volumeMounts:");
        line(2, "- name: tmp");
        line(4, "mountPath: /tmp");
    }
    line(0, "volumes:");
    line(0, "- name: tmp");
    line(2, if exemplary { "emptyDir: {sizeLimit: 64Mi}" } else { "emptyDir: {}" });
    text
}

fn pod(number: usize) -> String {
    format!("{}spec:\n{}", head("v1", "Pod", number), spec(number, 2))
}

fn deployment(number: usize) -> String {
    format!(
        "{}spec:\n  replicas: 2\n  selector:\n    matchLabels:\n      app: a{number}\n  template:\n    metadata:\n      labels:\n        app: a{number}\n    spec:\n{}",
        head("apps/v1", "Deployment", number),
        spec(number, 6)
    )
}

fn cron_job(number: usize) -> String {
    format!(
        "{}spec:\n  schedule: '0 3 * * *'\n  jobTemplate:\n    spec:\n      template:\n        spec:\n          restartPolicy: Never\n{}",
        head("batch/v1", "CronJob", number),
        spec(number, 10)
    )
}

fn service(number: usize) -> String {
    let kind = if number.is_multiple_of(50) { "NodePort" } else { "ClusterIP" };
    format!(
        "{}spec:\n  type: {kind}\n  selector:\n    app: a{number}\n  ports:\n  - port: 80\n    targetPort: 8080\n",
        head("v1", "Service", number)
    )
}

fn ingress(number: usize) -> String {
    let tls = if number.is_multiple_of(3) {
        ""
    } else {
        "  tls:\n  - hosts:\n    - app.example\n    secretName: app-tls\n"
    };
    format!(
        "{}spec:\n{tls}  rules:\n  - host: app.example\n    http:\n      paths:\n      - path: /\n        pathType: Prefix\n        backend:\n          service:\n            name: service-{number}\n            port:\n              number: 80\n",
        head("networking.k8s.io/v1", "Ingress", number)
    )
}

fn config_map(number: usize) -> String {
    format!(
        "{}data:\n  settings.yaml: |\n    level: info\n    workers: 4\n  feature: \"on\"\n",
        head("v1", "ConfigMap", number)
    )
}

fn network_policy(number: usize) -> String {
    format!(
        "{}spec:\n  podSelector: {{}}\n  policyTypes: [Ingress, Egress]\n  ingress:\n  - from:\n    - podSelector: {{}}\n",
        head("networking.k8s.io/v1", "NetworkPolicy", number)
    )
}

fn role(number: usize) -> String {
    format!(
        "{}rules:\n- apiGroups: [\"\"]\n  resources: [pods, services]\n  verbs: [get, list, watch]\n- apiGroups: [apps]\n  resources: [deployments]\n  verbs: [get, list, patch]\n",
        head("rbac.authorization.k8s.io/v1", "Role", number)
    )
}

fn role_binding(number: usize) -> String {
    format!(
        "{}roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n  name: role-{number}\nsubjects:\n- kind: Group\n  name: tenant-{}-ops\n  apiGroup: rbac.authorization.k8s.io\n",
        head("rbac.authorization.k8s.io/v1", "RoleBinding", number),
        number % 400
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_hundred_objects_are_of_every_kind() {
        let mut text = Vec::new();
        mixed(100, &mut text).unwrap();
        let mut kinds = BTreeMap::new();
        for document in serde_yaml::Deserializer::from_slice(&text) {
            let object = Value::deserialize(document).unwrap();
            if object.is_null() {
                continue;
            }
            assert!(object["metadata"]["name"].is_string(), "{object}");
            *kinds.entry(object["kind"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
        assert_eq!(kinds["Pod"], 40);
        assert_eq!((kinds.len(), kinds.values().sum::<i32>()), (9, 100));
    }
}
