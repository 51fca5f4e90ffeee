//! Kinds that cannot be: a misspelt one would be judged by nothing and look as good as one that passes.

/// The kinds of Kubernetes' own groups that controls judge, those included that earlier versions had. Of other groups nobody knows all kinds.
const KINDS: [(&str, &[&str]); 8] = [
    (
        "",
        &[
            "Binding",
            "ComponentStatus",
            "ConfigMap",
            "Endpoints",
            "Event",
            "LimitRange",
            "Namespace",
            "Node",
            "PersistentVolume",
            "PersistentVolumeClaim",
            "Pod",
            "PodTemplate",
            "ReplicationController",
            "ResourceQuota",
            "Secret",
            "Service",
            "ServiceAccount",
        ],
    ),
    ("apps", &["ControllerRevision", "DaemonSet", "Deployment", "ReplicaSet", "Scale", "StatefulSet"]),
    ("autoscaling", &["HorizontalPodAutoscaler", "Scale"]),
    ("batch", &["CronJob", "Job", "JobTemplate"]),
    (
        "networking.k8s.io",
        &["ClusterCIDR", "IPAddress", "Ingress", "IngressClass", "NetworkPolicy", "ServiceCIDR"],
    ),
    ("policy", &["Eviction", "PodDisruptionBudget", "PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io", &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"]),
    (
        "storage.k8s.io",
        &[
            "CSIDriver",
            "CSINode",
            "CSIStorageCapacity",
            "StorageClass",
            "VolumeAttachment",
            "VolumeAttributesClass",
        ],
    ),
];

/// What is wrong with a kind, `None` where it is known or where nobody can know.
pub(super) fn unknown(api_version: &str, kind: &str) -> Option<String> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let (_, kinds) = KINDS.iter().find(|(known, _)| *known == group)?;
    if kinds.contains(&kind) {
        return None;
    }
    let near = kinds
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&known.to_lowercase(), &kind.to_lowercase()), known))
        .min()
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, known)| format!("; {known} is meant, it seems"))
        .unwrap_or_default();
    Some(format!("kind: {api_version} of Kubernetes has no kind {kind}{near}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_kubernetes_are_known_and_those_of_others_are_not_asked_for() {
        for (api_version, kind) in [
            ("v1", "Pod"),
            ("apps/v1beta1", "StatefulSet"),
            ("policy/v1beta1", "PodSecurityPolicy"),
            ("example.com/v1", "Gizmo"),
            ("banyan.dev/v1alpha1", "Waiver"),
            ("autoscaling.k8s.io/v1", "VerticalPodAutoscaler"),
        ] {
            assert_eq!(unknown(api_version, kind), None);
        }
        assert_eq!(
            unknown("apps/v1", "deploymnet").unwrap(),
            "kind: apps/v1 of Kubernetes has no kind deploymnet; Deployment is meant, it seems"
        );
        assert_eq!(unknown("v1", "Gizmo").unwrap(), "kind: v1 of Kubernetes has no kind Gizmo");
    }

    #[test]
    fn every_kind_that_a_pack_judges_is_known() {
        for pack in banyan_policies::pack::builtin().0 {
            for key in pack.controls.iter().flat_map(|control| &control.matches.kinds) {
                let (group, kind) = key.split_once('/').unwrap_or(("", key));
                let api_version = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
                assert_eq!(unknown(&api_version, kind), None);
            }
        }
    }
}
