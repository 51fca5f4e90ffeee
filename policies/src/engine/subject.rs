//! What a control looks at: an object, and the Pod in it.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// The kinds that are a Pod or have a template of one, and where it lies in them.
pub const POD_KINDS: [(&str, &str); 9] = [
    ("Pod", ""),
    ("apps/Deployment", "spec.template"),
    ("apps/ReplicaSet", "spec.template"),
    ("apps/StatefulSet", "spec.template"),
    ("apps/DaemonSet", "spec.template"),
    ("ReplicationController", "spec.template"),
    ("batch/Job", "spec.template"),
    ("batch/CronJob", "spec.jobTemplate.spec.template"),
    ("PodTemplate", "template"),
];

/// Which object a finding is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// `group/version`, or `version` of the core group.
    pub api_version: String,
    /// The kind.
    pub kind: String,
    /// The namespace, empty for objects of the cluster and for manifests that leave it to their reader.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The name, or `generateName` followed by `*`.
    pub name: String,
    /// The UID, of objects of a cluster.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

impl ObjectRef {
    /// The reference to an object.
    pub fn of(object: &Json) -> Self {
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let metadata = &object["metadata"];
        let name = match metadata["name"].as_str() {
            Some(name) => name.to_owned(),
            None => metadata["generateName"].as_str().map(|prefix| format!("{prefix}*")).unwrap_or_default(),
        };
        Self {
            api_version: text(&object["apiVersion"]),
            kind: text(&object["kind"]),
            namespace: text(&metadata["namespace"]),
            name,
            uid: text(&metadata["uid"]),
        }
    }

    /// The cluster as a whole.
    pub fn cluster() -> Self {
        Self { kind: "Cluster".to_owned(), name: "cluster".to_owned(), ..Self::default() }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind)?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// `group/Kind`, or `Kind` of the core group.
pub fn kind_key(api_version: &str, kind: &str) -> String {
    match api_version.split_once('/') {
        Some((group, _)) => format!("{group}/{kind}"),
        None => kind.to_owned(),
    }
}

/// An object and the Pod in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subject<'a> {
    pub object: &'a Json,
    pub pod: Option<PodView<'a>>,
}

/// The Pod in an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct PodView<'a> {
    /// `{metadata, spec}` of the Pod.
    pub root: &'a Json,
    /// The path that leads there.
    pub prefix: &'static str,
}

impl<'a> Subject<'a> {
    pub(super) fn of(object: &'a Json, key: &str) -> Self {
        let pod = POD_KINDS.iter().find(|(kind, _)| *kind == key).map(|(_, prefix)| PodView {
            root: prefix.split('.').filter(|step| !step.is_empty()).fold(object, |value, step| &value[step]),
            prefix,
        });
        Self { object, pod }
    }

    /// The namespace that its related objects are in: its own, and of a Namespace that Namespace.
    pub(super) fn namespace(&self) -> &'a str {
        let metadata = &self.object["metadata"];
        let field = if self.object["kind"] == "Namespace" { "name" } else { "namespace" };
        metadata[field].as_str().unwrap_or_default()
    }
}
