//! What the operator reads because a pack judges it, or looks it up for what it judges.

use super::rights::{Place, Right, right};

const READ: &[&str] = &["get", "list", "watch"];

const fn read(group: &'static str, resources: &'static [&'static str]) -> Right {
    right(Place::Cluster, group, resources, "", READ)
}

/// The kinds that the built-in packs read at any of their levels, but for Secrets and for what the operator reads for reasons of its own.
/// Kinds that other projects bring are among them: they are read where they are served.
pub const OF_PACKS: [Right; 24] = [
    read(
        "",
        &[
            "configmaps",
            "limitranges",
            "namespaces",
            "persistentvolumes",
            "pods",
            "podtemplates",
            "replicationcontrollers",
            "resourcequotas",
            "serviceaccounts",
            "services",
        ],
    ),
    read(
        "admissionregistration.k8s.io",
        &["mutatingwebhookconfigurations", "validatingwebhookconfigurations"],
    ),
    read("apiextensions.k8s.io", &["customresourcedefinitions"]),
    read("apps", &["daemonsets", "deployments", "replicasets", "statefulsets"]),
    read(
        "aquasecurity.github.io",
        &["clustervulnerabilityreports", "exposedsecretreports", "vulnerabilityreports"],
    ),
    read("banyan.dev", &["cloudtenants", "edgenodes", "recoveryplans"]),
    read("cert-manager.io", &["certificates"]),
    read("certificates.k8s.io", &["certificatesigningrequests"]),
    read("cilium.io", &["ciliumclusterwidenetworkpolicies", "ciliumnetworkpolicies"]),
    read("crd.projectcalico.org", &["globalnetworkpolicies", "networkpolicies"]),
    read("gateway.networking.k8s.io", &["gateways"]),
    read("kyverno.io", &["clusterpolicies"]),
    read("monitoring.coreos.com", &["alertmanagerconfigs"]),
    read("networking.k8s.io", &["ingresses", "networkpolicies"]),
    read("policies.kyverno.io", &["imagevalidatingpolicies"]),
    read("policy", &["poddisruptionbudgets"]),
    read("policy.networking.k8s.io", &["adminnetworkpolicies", "clusternetworkpolicies"]),
    read("policy.sigstore.dev", &["clusterimagepolicies"]),
    read("rbac.authorization.k8s.io", &["clusterroles", "clusterrolebindings", "roles", "rolebindings"]),
    read("scheduling.k8s.io", &["priorityclasses"]),
    read("security.istio.io", &["authorizationpolicies", "peerauthentications"]),
    read("snapshot.storage.k8s.io", &["volumesnapshotclasses"]),
    read("storage.k8s.io", &["storageclasses"]),
    read("velero.io", &["backups", "backupstoragelocations", "restores", "schedules"]),
];

/// Secrets of all namespaces. The packs read them too, and the operator does without, unless the chart's `baseline.readSecrets` grants it.
pub const SECRETS: Right = read("", &["secrets"]);

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use banyan_policies::{
        engine::{Parameters, Selection, compile},
        pack::builtin,
    };
    use kube::core::{ApiResource, GroupVersionKind};

    use super::*;
    use crate::doctor::rights;

    /// Resources with their groups that a pack reads at one of its levels.
    fn read_by_packs() -> BTreeSet<(String, String)> {
        let (packs, faults) = builtin();
        assert!(faults.is_empty(), "{faults:?}");
        let packs: Vec<_> = packs.into_iter().map(Arc::new).collect();
        let mut all = BTreeSet::new();
        for pack in &packs {
            for level in &pack.about.levels {
                let selection = Selection::new(&pack.about.name, level);
                let (compiled, faults) = compile(&packs, &[selection], &Parameters::default());
                assert!(faults.is_empty(), "{} {level}: {faults:?}", pack.about.name);
                for key in compiled.kinds() {
                    let (group, kind) = key.split_once('/').unwrap_or(("", &key));
                    let plural = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind)).plural;
                    all.insert((group.to_owned(), plural));
                }
            }
        }
        assert!(all.len() > 50, "{all:?}");
        all
    }

    fn resources<'a>(rights: impl IntoIterator<Item = &'a Right>) -> BTreeSet<(String, String)> {
        let each = rights.into_iter().flat_map(|right| right.resources.iter().map(|one| (right.group, one)));
        each.map(|(group, one)| (group.to_owned(), (*one).to_owned())).collect()
    }

    #[test]
    fn every_kind_that_a_pack_reads_may_be_read_and_nothing_is_read_for_packs_that_no_pack_reads() {
        let (packs, needed) = (read_by_packs(), rights::needed());
        let readable = needed.iter().chain([&SECRETS]).filter(|right| {
            right.place == Place::Cluster
                && right.name.is_empty()
                && READ.iter().all(|verb| right.verbs.contains(verb))
        });
        let readable = resources(readable);
        let denied: Vec<_> = packs.difference(&readable).collect();
        assert!(denied.is_empty(), "packs read what the operator may not: {denied:?}");
        let more: Vec<_> = resources(OF_PACKS.iter().chain([&SECRETS])).difference(&packs).cloned().collect();
        assert!(more.is_empty(), "no pack reads {more:?}");
    }

    #[test]
    fn no_right_is_listed_twice() {
        let all = rights::needed();
        let mut seen = BTreeSet::new();
        for single in rights::singles(&all) {
            assert!(seen.insert((single.to_string(), format!("{:?}", single.right.place))), "{single} twice");
        }
    }
}
