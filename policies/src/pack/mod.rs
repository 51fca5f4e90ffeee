//! Packs: the requirements of a standard, and the controls that judge objects against them.
//!
//! A pack is three kinds of YAML files, in the program (`packs/`), in a folder or in a `ConfigMap` labelled `banyan.dev/policy-pack`:
//!
//! - `pack.yaml`: name, standard, levels, shared sub-expressions;
//! - `requirements.yaml`: what the standard asks, with the clause of each level. Clause numbers stand here and nowhere else, and none is derived;
//! - one file a control, named by its id, with its examples.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

mod builtin;
mod load;
mod path;

pub use builtin::builtin;
pub use load::{PackFault, Source, load};
pub use path::{Path, PathError, Segment, join};

/// A text in both languages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

/// How much a failure matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 5] = [Self::Info, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// As reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// How a requirement or a control comes to its verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Decided from what the Kubernetes API shows.
    Automatic,
    /// Evidence that is seen, which alone is never the whole requirement.
    Partial,
    /// Attested by a person, until a day.
    Attested,
    /// A matter of the platform or of the building, which nothing here sees.
    Platform,
}

/// A pack as it was read, before a level is chosen.
#[derive(Debug, Clone)]
pub struct Pack {
    /// What `pack.yaml` says.
    pub about: About,
    /// The requirements, in the order of the standard.
    pub requirements: Vec<Requirement>,
    /// The controls, by id.
    pub controls: Vec<Control>,
}

/// `pack.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct About {
    /// The name by which a baseline asks for it.
    pub name: String,
    /// Its title.
    pub title: Text,
    /// The standard, with its number and year.
    pub standard: String,
    /// The version of the pack.
    pub version: String,
    /// The levels that can be chosen, the lowest first.
    pub levels: Vec<String>,
    /// Sub-expressions that controls share.
    #[serde(default)]
    pub variables: Vec<Variable>,
    /// What a reader must know of its verdicts.
    pub note: Text,
    /// Where it was read.
    #[serde(skip)]
    pub source: Source,
}

/// A shared sub-expression, read as `variables.<name>`. It may use the ones before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// CEL.
    pub expression: String,
}

/// One item of a standard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirement {
    /// Words, the same at every level.
    pub id: String,
    /// The standard's heading.
    pub title: Text,
    /// What it asks, in our words.
    pub summary: Text,
    /// The part of the standard: `General`, `Cloud`, `IoT`.
    #[serde(default = "general_part")]
    pub part: String,
    /// The area of the standard, such as `computing`.
    #[serde(default)]
    pub area: String,
    /// S: security of business information, A: assurance of service, G: general. MLPS marks each requirement so; a profile such as S3A2G3 chooses
    /// the level of each.
    #[serde(default)]
    pub aspect: Aspect,
    /// How it is decided.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The levels where the standard says 可 (may): not counted.
    #[serde(default)]
    pub optional: Vec<Level>,
    /// Its clause at each level where it applies.
    pub levels: BTreeMap<Level, Clause>,
    /// The facts of this entry that no source was found for.
    #[serde(default)]
    pub from_memory: Vec<String>,
}

fn general_part() -> String {
    "General".to_owned()
}

/// The marks of GB/T 22239.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Aspect {
    /// Security of business information (业务信息安全).
    S,
    /// Assurance of system service (系统服务保证).
    A,
    /// General (通用).
    #[default]
    G,
}

/// A level: `"3"` of MLPS, `restricted` of the Pod Security Standards. YAML writes the numbers bare as keys.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Level(pub String);

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl serde::de::Visitor<'_> for Visit {
            type Value = Level;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a level")
            }
            fn visit_str<E>(self, text: &str) -> Result<Level, E> {
                Ok(Level(text.to_owned()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Level, E> {
                Ok(Level(number.to_string()))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Level, E> {
                Ok(Level(number.to_string()))
            }
        }
        deserializer.deserialize_any(Visit)
    }
}

/// Where a requirement stands at a level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Clause {
    /// The clause, such as `8.1.4.2 d`.
    pub clause: String,
    /// The test item of GB/T 28448, such as `L3-CES1-08`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// How strongly it is asked for.
    #[serde(default)]
    pub strength: Strength,
}

/// 应, 宜, 可.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strength {
    /// 应.
    #[default]
    Shall,
    /// 宜.
    Should,
    /// 可.
    May,
}

/// One control: what it judges, how, and examples that show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Control {
    /// Words, the same at every level, unique over all packs.
    pub id: String,
    /// What holds when it passes.
    pub title: Text,
    /// How much a failure matters.
    pub severity: Severity,
    /// A failure alone means that the system cannot conform.
    #[serde(default)]
    pub high_risk: bool,
    /// How it comes to its verdict.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The requirements that it is evidence for.
    pub requirements: Vec<String>,
    /// The levels where it applies; left out: those of its requirements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub levels: Vec<Level>,
    /// Controls that it takes the place of, where both would apply.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<String>,
    /// What it judges.
    #[serde(rename = "match")]
    pub matches: Match,
    /// CEL: whether the object is the control's business.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The items that it judges one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub each: Option<Each>,
    /// CEL: whether it holds.
    pub expression: String,
    /// CEL: what is wrong where it does not hold.
    pub message: String,
    /// The field that the report points to, below the item, the Pod or the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Other objects that the verdict depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<Related>,
    /// CEL: whether the verdict can be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// Its verdict when no object matched.
    #[serde(default)]
    pub absent: Absent,
    /// What a baseline can set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Parameter>,
    /// Why it is not decided at admission although it could be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<Undecided>,
    /// What to change.
    pub remediation: Text,
    /// The same in other catalogues: `cis`, `nsa`, `podSecurity`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub references: BTreeMap<String, Vec<String>>,
    /// Objects and what the control says of them.
    #[serde(default)]
    pub examples: Examples,
    /// Where it was read.
    #[serde(skip)]
    pub source: Source,
}

/// What a control judges; exactly one is given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Pods and every kind with a Pod template.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pods: bool,
    /// `group/Kind`, or `Kind` of the core group; every version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<String>,
    /// The cluster as a whole, once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cluster: bool,
}

/// The items that are judged one by one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Each {
    /// `containers`: containers, initContainers and ephemeralContainers of a Pod; or one path.
    Word(String),
    /// Paths with `[*]`.
    Paths(Vec<String>),
}

/// A list of related objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Related {
    /// Read as `related.<name>`.
    pub name: String,
    /// `group/Kind`.
    pub kind: String,
    /// Which of them.
    #[serde(rename = "in")]
    pub reach: Reach,
}

/// Which objects of a kind are related.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reach {
    /// Those of the object's namespace; of a Namespace those that are in it.
    Namespace,
    /// All of them.
    Cluster,
}

/// What a control says when there was nothing to judge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Absent {
    /// Nothing of the kind, nothing to hold.
    #[default]
    NotApplicable,
    /// It cannot be seen from here.
    Unknown,
    /// That there is none is the failure.
    Fail,
}

/// A parameter of a control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ParameterKind,
    /// Its value unless a baseline says otherwise.
    pub default: Json,
    /// Whether the level at which the pack is chosen takes the place of the default, where that level is a number.
    #[serde(default, rename = "fromLevel", skip_serializing_if = "std::ops::Not::not")]
    pub from_level: bool,
    /// What it means.
    pub description: Text,
}

impl Parameter {
    /// Its value at a level unless a baseline says otherwise.
    pub fn default_at(&self, level: &Level) -> Json {
        match level.0.parse::<u8>() {
            Ok(level) if self.from_level && self.kind == ParameterKind::Integer => level.into(),
            _ => self.default.clone(),
        }
    }
}

/// The types of parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ParameterKind {
    String,
    Strings,
    Integer,
    Boolean,
}

impl ParameterKind {
    /// Whether a value is of the type.
    pub fn takes(self, value: &Json) -> bool {
        match self {
            Self::String => value.is_string(),
            Self::Strings => value.as_array().is_some_and(|items| items.iter().all(Json::is_string)),
            Self::Integer => value.is_i64(),
            Self::Boolean => value.is_boolean(),
        }
    }
}

/// Why a control is left out of admission on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undecided {
    /// Always false.
    pub decided: bool,
    /// Why.
    pub reason: Text,
}

/// The examples of a control.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Examples {
    /// It passes.
    pub good: Vec<Example>,
    /// It fails.
    pub bad: Vec<Example>,
    /// It cannot be known.
    pub unknown: Vec<Example>,
    /// It is not the control's business.
    pub skipped: Vec<Example>,
}

/// One example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// What it shows.
    pub name: String,
    /// The object; none for a control of the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Json>,
    /// Related objects, and the object's Namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub with: Vec<Json>,
    /// Parameters that differ from their defaults.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, Json>,
    /// The instant of the evaluation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<jiff::Timestamp>,
    /// The path that is reported, in the object as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}

impl Pack {
    /// The requirement of an id.
    pub fn requirement(&self, id: &str) -> Option<&Requirement> {
        self.requirements.iter().find(|requirement| requirement.id == id)
    }

    /// The control of an id.
    pub fn control(&self, id: &str) -> Option<&Control> {
        self.controls.iter().find(|control| control.id == id)
    }
}

#[cfg(test)]
mod tests;
