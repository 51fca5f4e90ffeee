//! What Banyan says of a `SecurityBaseline`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ActionRecord;
use crate::values::{ControlId, Decimal};

/// What Banyan says of a `SecurityBaseline`.
// As for a DataCenter: without an observed generation that is behind, kstatus takes what nobody has looked at for done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("default" = {"observedGeneration": -1}))]
pub struct SecurityBaselineStatus {
    /// Generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Results by what they say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<BaselineCounts>,
    /// Clause by clause, in the order of the standards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["pack".into(), "requirement".into()]))]
    pub clauses: Vec<ClauseStatus>,
    /// 0 to 100. What is due or unknown counts as not met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<Decimal>,
    /// Percent of the clauses that count which are `Compliant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compliance_rate: Option<Decimal>,
    /// What that comes to by the scoring model. A pre-check, not a certification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<BaselineConclusion>,
    /// What stands in the way of any conclusion but the worst, at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["control".into()]))]
    pub high_risks: Vec<HighRiskStatus>,
    /// Controls that are to warn or deny and cannot be decided at admission: they are only audited.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub not_decided_at_admission: Vec<NotDecided>,
    /// What could not be read, so that what it would say is `Unknown`, at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub unreadable: Vec<Unreadable>,
    /// The last actions that Banyan took for this baseline, newest last, at most 20.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub actions: Vec<ActionRecord>,
    /// Conditions, `Ready` first, each healthy when `True`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// How many results say what; a result is one control on one object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaselineCounts {
    /// Held.
    pub pass: i64,
    /// Not held.
    pub fail: i64,
    /// Not held, and of low weight.
    pub warn: i64,
    /// Could not be judged.
    pub error: i64,
    /// Waived, or not applicable.
    pub skip: i64,
    /// Clauses that somebody has to attest.
    pub manual: i64,
    /// Could not be seen.
    pub unknown: i64,
}

/// What is said of a clause.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum ClauseVerdict {
    /// 符合: held wherever it applies.
    Compliant,
    /// 部分符合: held in part, or seen in part.
    Partial,
    /// 不符合: held nowhere, or a high risk stands.
    NonCompliant,
    /// 不适用: declared so, or there is nothing that it asks of.
    NotApplicable,
    /// Somebody has to attest it, for the first time or again.
    ManualDue,
    /// Cannot be seen.
    #[default]
    Unknown,
}

/// Where a clause stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClauseStatus {
    /// The pack.
    #[schemars(length(max = 63))]
    pub pack: String,
    /// The requirement's id, the same at every level.
    #[schemars(length(max = 128))]
    pub requirement: String,
    /// Its clause at this level, as the standard numbers it.
    #[schemars(length(max = 64))]
    pub clause: String,
    /// The verdict.
    pub verdict: ClauseVerdict,
    /// Since when it is this verdict.
    pub since: Time,
    /// Objects that do not hold it.
    pub failing: i64,
    /// Objects that were judged.
    pub objects: i64,
}

/// What the figures come to. Never a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BaselineConclusion {
    /// 优 (2021).
    Excellent,
    /// 良 (2021).
    Good,
    /// 中 (2021).
    Fair,
    /// 差 (2021).
    Poor,
    /// 符合 (2025).
    Conforming,
    /// 基本符合 (2025).
    BasicallyConforming,
    /// 不符合 (2025).
    NonConforming,
    /// Too much is due or unknown to say.
    Undecided,
}

/// A failure that alone keeps a system from conforming.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HighRiskStatus {
    /// The control.
    pub control: ControlId,
    /// Objects that fail it.
    pub objects: i64,
    /// Since when any does.
    pub since: Time,
}

/// A control that is only audited, though it is to warn or deny.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotDecided {
    /// The control.
    pub id: ControlId,
    /// Why it cannot be decided at admission.
    #[schemars(length(max = 512))]
    pub reason: String,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Unreadable {
    /// A resource, such as `secrets` or `networkpolicies.networking.k8s.io`, or a pack.
    #[schemars(length(max = 317))]
    pub what: String,
    /// Why it could not.
    #[schemars(length(max = 512))]
    pub reason: String,
}
