//! `SecurityBaseline`: the level that a cluster is held to, and how.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ParameterValue, SecurityBaselineStatus, parameter, selector::label_selector};
use crate::values::{ControlId, Day, ObjectName, Sentence};

/// A security baseline: what is asked for, where, what is held at admission, and what people say of what no machine sees.
#[derive(Clone, Debug, PartialEq, CustomResource, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "banyan.dev",
    version = "v1alpha1",
    kind = "SecurityBaseline",
    plural = "securitybaselines",
    shortname = "sb",
    category = "banyan",
    status = "SecurityBaselineStatus",
    doc = "A security baseline: the MLPS level that a cluster is held to, clause by clause.",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 46").message("the name of a SecurityBaseline has at most 46 characters, because it is part of labels"),
    printcolumn(name = "Level", type_ = "integer", json_path = ".spec.level"),
    printcolumn(name = "Pass", type_ = "integer", json_path = ".status.counts.pass"),
    printcolumn(name = "Fail", type_ = "integer", json_path = ".status.counts.fail"),
    printcolumn(name = "Unknown", type_ = "integer", json_path = ".status.counts.unknown"),
    printcolumn(name = "Score", type_ = "string", json_path = ".status.score"),
    printcolumn(name = "Conclusion", type_ = "string", json_path = ".status.conclusion", description = "A pre-check, not a certification"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Profile", type_ = "string", json_path = ".spec.profile", priority = 1),
    printcolumn(name = "Error", type_ = "integer", json_path = ".status.counts.error", priority = 1),
    printcolumn(name = "Manual", type_ = "integer", json_path = ".status.counts.manual", priority = 1),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.profile) || int(self.profile.substring(5, 6)) == self.level")
    .message("the general requirements (G) of a profile are those of the level").field_path(".profile"))]
#[x_kube(validation = Rule::new("!has(self.profile) || [self.profile.substring(1, 2), self.profile.substring(3, 4)].all(one, int(one) <= self.level) && [self.profile.substring(1, 2), self.profile.substring(3, 4)].exists(one, int(one) == self.level)")
    .message("the higher one of S and A in a profile is the level").field_path(".profile"))]
pub struct SecurityBaselineSpec {
    /// Look and report, but change nothing: no admission policy is made or changed. Those that are there stay as they are.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// Level of MLPS (GB/T 22239-2019), 1 to 4.
    #[schemars(range(min = 1, max = 4))]
    pub level: i64,
    /// Business-information security, service assurance and general requirements, each with its level, such as S3A2G3 (GB/T 22240-2020).
    /// Left out: all three are the level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 6), regex(pattern = r"^S[1-4]A[1-4]G[1-4]$"))]
    pub profile: Option<String>,
    /// The filing with the public security organ (备案). Reports show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filing: Option<Filing>,
    /// Extended requirements that apply beside the general ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub extensions: Vec<Extension>,
    /// Packs of controls by name: Banyan's own, or those of `ConfigMaps` in its namespace that are labelled `banyan.dev/policy-pack`.
    #[schemars(
        length(min = 1, max = 16),
        inner(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))
    )]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub packs: Vec<String>,
    /// Whose objects are judged and held at admission. Left out: those of every namespace. What has no namespace is judged always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<BaselineScope>,
    /// What happens at admission.
    #[serde(default)]
    pub enforcement: BaselineEnforcement,
    /// Values of the controls' parameters by name; a parameter left out has its control's default.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "parameter::without_nulls"
    )]
    #[schemars(extend("maxProperties" = 64))]
    pub parameters: BTreeMap<String, ParameterValue>,
    /// Clauses that do not apply here, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["clause".into()]))]
    pub not_applicable: Vec<NotApplicableClause>,
    /// What people attest of clauses that no machine sees.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    pub attestations: Vec<ClauseAttestation>,
    /// Reports about objects. Left out: none are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reports: Option<BaselineReports>,
    /// The template of assessment reports by which the score and the conclusion are made.
    #[serde(default)]
    pub scoring_model: BaselineScoring,
}

/// A filing with the public security organ (备案).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Filing {
    /// Its number (备案编号).
    #[schemars(length(min = 1, max = 64))]
    pub number: String,
    /// Its day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Day>,
}

/// An extended part of GB/T 22239.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Extension {
    /// 云计算安全扩展要求.
    Cloud,
    /// 物联网安全扩展要求.
    #[serde(rename = "IoT")]
    Iot,
}

/// Whose objects are judged: namespaces that are selected, and those of tenants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.namespaceSelector) || (has(self.tenants) && size(self.tenants) > 0)")
    .message("a scope without namespaceSelector and tenants has nothing in it: leave scope out to judge everything"))]
pub struct BaselineScope {
    /// Namespaces by their labels. `{}` selects all of them, left out none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "label_selector")]
    pub namespace_selector: Option<LabelSelector>,
    /// Namespaces of these `CloudTenants`, beside those that the selector has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub tenants: Vec<ObjectName>,
}

/// What happens at admission to what a control would fail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaselineEnforcement {
    /// For each control that is not named below.
    #[serde(default, rename = "default")]
    pub default_action: AdmissionAction,
    /// For single controls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub controls: Vec<ControlEnforcement>,
}

/// What happens at admission to what one control would fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ControlEnforcement {
    /// The control.
    pub id: ControlId,
    /// What happens.
    pub action: AdmissionAction,
}

/// What happens at admission.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub enum AdmissionAction {
    /// Nothing: it is reported afterwards.
    #[default]
    Audit,
    /// The request goes through, and who sent it is warned.
    Warn,
    /// The request is refused.
    Deny,
}

/// A clause that does not apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotApplicableClause {
    /// The clause as the standard numbers it at this level, such as `8.1.3.1 d`.
    #[schemars(length(min = 1, max = 64))]
    pub clause: String,
    /// Why it does not.
    pub reason: Sentence,
}

/// A person's word that a clause is met.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClauseAttestation {
    /// The clause as the standard numbers it at this level, such as `8.1.1.2`, which stands for its items too.
    #[schemars(length(min = 1, max = 64))]
    pub clause: String,
    /// What it is said of. Left out: of everything that the baseline is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies_to: Option<AttestedScope>,
    /// Who says so: a person or a team.
    #[schemars(length(max = 128), regex(pattern = r"\S"))]
    pub by: String,
    /// On what grounds: an inspection, a document.
    pub evidence: Sentence,
    /// The last day on which it counts.
    pub valid_until: Day,
}

/// What an attestation is said of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.dataCenters) && size(self.dataCenters) > 0) || (has(self.tenants) && size(self.tenants) > 0)")
    .message("name a data centre or a tenant, or leave appliesTo out to attest for everything"))]
pub struct AttestedScope {
    /// `DataCenters` by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub data_centers: Vec<ObjectName>,
    /// `CloudTenants` by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub tenants: Vec<ObjectName>,
}

/// Reports about objects: one for each, owned by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BaselineReports {
    /// API groups in which they are written. Left out or empty: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 2))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub apis: Vec<ReportApi>,
    /// Results that are kept in them. Empty: none, and so no report.
    #[serde(default = "kept")]
    #[schemars(length(max = 5))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub keep: Vec<ReportResult>,
}

fn kept() -> Vec<ReportResult> {
    vec![ReportResult::Fail, ReportResult::Warn, ReportResult::Error]
}

/// An API of policy reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum ReportApi {
    /// `openreports.io/v1alpha1`.
    #[serde(rename = "openreports.io")]
    OpenReports,
    /// `wgpolicyk8s.io/v1alpha2`.
    #[serde(rename = "wgpolicyk8s.io")]
    WgPolicy,
}

/// A result in a report, in the words of the reports' APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReportResult {
    /// Held.
    Pass,
    /// Not held.
    Fail,
    /// Not held, of a control that is of low weight or cannot be seen.
    Warn,
    /// Could not be judged.
    Error,
    /// Waived, or not applicable.
    Skip,
}

/// The template of assessment reports (测评报告模板) that is followed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BaselineScoring {
    /// That of 2021: a number, and 优, 良, 中 or 差.
    #[serde(rename = "2021")]
    Of2021,
    /// That of 2025: 符合, 基本符合 or 不符合, with the rate of compliance.
    #[default]
    #[serde(rename = "2025")]
    Of2025,
}
