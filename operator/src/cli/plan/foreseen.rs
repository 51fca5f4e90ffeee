//! What a plan foresees, as plain data: what `-o json` prints (docs/plan.schema.json), and what the other forms are made of.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::super::manifest::Problem;

/// The name and version of the shape.
pub const SCHEMA: &str = "banyan.dev/plan/v1";

/// Everything that is foreseen.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Something would change.
    pub changed: bool,
    /// Everything could be looked at, and nothing is wrong.
    pub sound: bool,
    /// The resources of Banyan, in the order of the manifests.
    pub documents: Vec<Foreseen>,
}

/// What becomes of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Change {
    /// It is made.
    Create,
    /// It, or what Banyan does for it, changes.
    Update,
    /// Nothing.
    None,
    /// It is refused: see its problems.
    Refused,
}

/// What is foreseen for one document.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Foreseen {
    /// The file.
    pub file: PathBuf,
    /// The line that the document begins on.
    pub line: usize,
    /// `group/version`.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// What becomes of it.
    pub change: Change,
    /// Fields of the spec that change, as the API server would keep them.
    pub fields: Vec<Field>,
    /// What Banyan would do to other objects.
    pub actions: Vec<Act>,
    /// Conditions that would not be well, and are not so already.
    pub conditions: Vec<Unwell>,
    /// Where enforcement would stand; none where the spec does not ask for it.
    pub enforcement: Option<Decided>,
    /// What would be judged.
    pub verdicts: Verdicts,
    /// What could not be read.
    pub unread: Vec<String>,
    /// What is wrong with it, and what keeps the plan from being sure.
    pub problems: Vec<Problem>,
    /// The resource before and after, for diffs.
    #[serde(skip)]
    pub object: Pair,
}

/// An object before and after; none where it is not there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pair {
    /// As it is.
    pub before: Option<Value>,
    /// As it would be.
    pub after: Option<Value>,
}

/// A field with its values; null for absent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Field {
    /// JSON pointer.
    pub pointer: String,
    /// Before.
    pub before: Value,
    /// After.
    pub after: Value,
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Step {
    /// An object of Banyan's own is made.
    Make,
    /// An object of Banyan's own is changed.
    Change,
    /// An object of Banyan's own is deleted.
    Remove,
    /// Fields of somebody else's object are borrowed.
    Borrow,
    /// Borrowed fields are given back.
    GiveBack,
    /// Fields would be borrowed, but another resource has borrowed them.
    NotTaken,
}

/// Something that Banyan would do to an object.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Act {
    /// What.
    pub step: Step,
    /// `group/version` of the object.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace, where it has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
    /// The action that it belongs to, where it does.
    pub action: Option<String>,
    /// Fields that are borrowed or given back.
    pub fields: Vec<Field>,
    /// Fields that are left as somebody else has set them.
    pub kept: Vec<String>,
    /// The resource that has borrowed it already.
    pub held_by: Option<String>,
    /// Why.
    pub why: String,
    /// The object before and after, for diffs.
    #[serde(skip)]
    pub object: Pair,
}

impl Act {
    /// `CronJob work/nightly`.
    pub fn on(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {namespace}/{}", self.kind, self.name),
            None => format!("{} {}", self.kind, self.name),
        }
    }
}

/// A condition that would not be well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unwell {
    /// Its type.
    #[serde(rename = "type")]
    pub kind: String,
    /// `False` or `Unknown`.
    pub status: String,
    /// Reason.
    pub reason: String,
    /// Message.
    pub message: String,
}

/// Where enforcement would stand, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// State.
    pub state: Option<banyan_crds::v1alpha1::EnforcementState>,
    /// Reason.
    pub reason: String,
    /// Message.
    pub message: String,
}

/// What would be judged.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Verdicts {
    /// Over the year.
    pub annual: Option<Judged>,
    /// By the last window.
    pub operational: Option<Judged>,
}

/// A verdict with its PUE.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The verdict.
    pub verdict: banyan_crds::v1alpha1::Verdict,
    /// The PUE.
    pub value: Option<String>,
}

impl Foreseen {
    /// Nothing changes, and there is nothing to tell.
    pub fn is_still(&self) -> bool {
        self.change == Change::None
            && self.actions.is_empty()
            && self.conditions.is_empty()
            && self.unread.is_empty()
    }
}

/// The fields in which two values differ, deepest first told: a list item by item, an object field by field.
pub fn fields(before: &Value, after: &Value, pointer: &str) -> Vec<Field> {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
            names.sort_unstable();
            names.dedup();
            let of = |name: &String| {
                let at = format!("{pointer}/{}", crate::kernel::loan::escape(name));
                fields(old.get(name).unwrap_or(&Value::Null), new.get(name).unwrap_or(&Value::Null), &at)
            };
            names.into_iter().flat_map(of).collect()
        }
        (Value::Array(old), Value::Array(new)) => {
            let item = |list: &[Value], at: usize| list.get(at).cloned().unwrap_or_default();
            (0..old.len().max(new.len()))
                .flat_map(|at| fields(&item(old, at), &item(new, at), &format!("{pointer}/{at}")))
                .collect()
        }
        (before, after) if before == after => Vec::new(),
        (before, after) => {
            vec![Field { pointer: pointer.to_owned(), before: before.clone(), after: after.clone() }]
        }
    }
}

/// An object without what the API server adds to it.
pub fn plain(mut object: Value) -> Value {
    if let Some(root) = object.as_object_mut() {
        root.remove("status");
        if let Some(metadata) = root.get_mut("metadata").and_then(Value::as_object_mut) {
            for added in ["managedFields", "uid", "resourceVersion", "generation", "creationTimestamp"] {
                metadata.remove(added);
            }
        }
    }
    object
}
