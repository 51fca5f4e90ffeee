//! `Waiver`: failures that somebody answers for, until an instant.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::values::{ControlId, Instant, ObjectName, Sentence};

/// Annotation with the author of a Waiver: who created it, or last changed more of its spec than the approval. Admission policy writes it,
/// and nobody else can.
pub const AUTHOR: &str = "banyan.dev/author";

/// A waiver: controls that named objects need not hold, until it expires. It counts from its approval on, which is written separately, by
/// somebody who may `approve` Waivers and is not the author.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "banyan.dev",
    version = "v1alpha1",
    kind = "Waiver",
    plural = "waivers",
    shortname = "wv",
    category = "banyan",
    status = "WaiverStatus",
    doc = "Controls of a security baseline that named objects need not hold, until an instant, once a second person has approved it.",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 56").message("the name of a Waiver has at most 56 characters, because it is part of labels"),
    printcolumn(name = "Baseline", type_ = "string", json_path = ".spec.baselineName"),
    printcolumn(name = "State", type_ = "string", json_path = ".status.state"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".spec.expires"),
    printcolumn(name = "Approved by", type_ = "string", json_path = ".spec.approval.by"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Author", type_ = "string", json_path = r".metadata.annotations.banyan\.dev/author", priority = 1),
    printcolumn(name = "Ticket", type_ = "string", json_path = ".spec.ticket", priority = 1),
    printcolumn(name = "Reason", type_ = "string", json_path = ".spec.reason", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct WaiverSpec {
    /// It covers nothing while this is set. Taking it off is a change like any other, which has to be approved.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// The `SecurityBaseline` whose controls are waived.
    pub baseline_name: ObjectName,
    /// The controls by id.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub controls: Vec<ControlId>,
    /// The objects.
    #[serde(rename = "match")]
    pub objects: WaiverMatch,
    /// Why they need not hold the controls, and what is done instead.
    pub reason: Sentence,
    /// Where it was asked for or decided, such as the number of a change request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub ticket: Option<String>,
    /// The first instant at which it counts no more.
    pub expires: Instant,
    /// The approval. Whoever creates a Waiver leaves it out; `banyan waiver approve` writes it. Any other change of the spec drops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// Which objects a waiver covers. The fields narrow; an empty one restricts nothing, and not all of them may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.namespaces) && size(self.namespaces) > 0) || (has(self.kinds) && size(self.kinds) > 0) || (has(self.names) && size(self.names) > 0)")
    .message("an empty match would waive the controls for everything: name namespaces, kinds or names"))]
pub struct WaiverMatch {
    /// Namespaces by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub namespaces: Vec<String>,
    /// Kinds, such as `Deployment`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63), regex(pattern = r"^[A-Z][A-Za-z0-9]*$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub kinds: Vec<String>,
    /// Names of objects; a `*` at the end stands for any ending.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 253), regex(pattern = r"^[^\s/%*]+\*?$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub names: Vec<String>,
}

/// Who approved a waiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The approver's name, as the API server knows it. Admission policy compares it.
    #[schemars(length(min = 1, max = 256))]
    pub by: String,
    /// When, by the approver's own clock.
    pub at: Instant,
    /// Where the approval was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub ticket: Option<String>,
}

/// What Banyan says of a `Waiver`. How often it was used is a metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct WaiverStatus {
    /// Generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<WaiverState>,
    /// Conditions, `Ready` first, each healthy when `True`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// Where a waiver stands.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum WaiverState {
    /// Nobody has approved it; it covers nothing.
    #[default]
    Pending,
    /// It covers something.
    Active,
    /// Its time is over; it covers nothing.
    Expired,
    /// It counts, and there is nothing for it to cover.
    Unused,
}
