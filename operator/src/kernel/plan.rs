//! What a plan is: everything that is to be done for one resource, as plain data.

use std::{collections::BTreeMap, fmt};

use kube::core::ApiResource;
use serde_json::Value;

use super::{
    loan::{Loan, Term},
    trail::Deed,
};

/// Field manager of every server-side apply.
pub const FIELD_MANAGER: &str = "banyan";
/// Finalizer on a resource that has something to undo.
pub const FINALIZER: &str = "banyan.dev/undo";
/// Label on everything that Banyan makes.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label that names the resource an object was made for, `<kind>.<name>`.
pub const OWNER: &str = "banyan.dev/owner";
/// Label that says what an object is for.
pub const ROLE: &str = "banyan.dev/role";
/// Annotation with the digest of what Banyan intended.
pub const DIGEST: &str = "banyan.dev/digest";

/// The resource that a plan is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner {
    /// Kind in lower case, such as `datacenter`.
    pub kind: &'static str,
    /// Name of the resource; every kind is cluster-scoped.
    pub name: String,
}

impl fmt::Display for Owner {
    /// The form that labels and loans carry: `datacenter.changle-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.kind, self.name)
    }
}

/// A reference to one object, exact to its uid where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// Group, version, kind and plural.
    pub resource: ApiResource,
    /// Namespace; none for cluster-scoped kinds.
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Uid of the object that is meant, not of a later one by the same name.
    pub uid: Option<String>,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.resource.kind, self.name),
            None => write!(f, "{} {}", self.resource.kind, self.name),
        }
    }
}

/// How an owned object is defended against other field managers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Defence {
    /// A wall or a generated object: put back, and told.
    PutBack,
    /// Anything else: reported with the other manager's name, and left.
    Report,
}

/// What an own object must still be when it is written. Where it is not, nothing of the plan is carried out, and it is looked
/// again: the intent followed from what was there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Basis {
    /// Whatever it is: the intent does not follow from it.
    #[default]
    Any,
    /// It does not exist.
    Absent,
    /// It is this very object in this version.
    Seen {
        /// Its uid.
        uid: String,
        /// Its resource version.
        version: String,
    },
}

impl Basis {
    /// A resource version that no object has: versions are revisions of the store, and the first one is of the store itself.
    const NEVER: &str = "1";

    /// The uid and the resource version that are asked for. The API server refuses to write an object that has others, and
    /// with a uid also to make it anew; with a resource version alone it makes what does not exist.
    fn asked(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::Any => (None, None),
            Self::Absent => (None, Some(Self::NEVER)),
            Self::Seen { uid, version } => (Some(uid), Some(version)),
        }
    }
}

/// An object that Banyan makes, by server-side apply.
#[derive(Clone, Debug, PartialEq)]
pub struct Own {
    /// What it is.
    pub object: ObjectRef,
    /// The fields that Banyan manages, without `apiVersion`, `kind`, and the metadata that follows from `object`.
    pub body: Value,
    /// What it must still be.
    pub basis: Basis,
    /// What happens when somebody else changes them.
    pub defence: Defence,
    /// Labels beside those of every owned object.
    pub labels: BTreeMap<String, String>,
    /// Owner reference, only for objects that are worthless without their owner.
    pub owner_reference: Option<Value>,
    /// Fields of other people's objects are borrowed by what it brings about, so it needs the finalizer.
    pub lends: bool,
    /// The action that it carries out, where it does.
    pub action: Option<String>,
    /// Why it is made, for the trail.
    pub why: String,
    /// Until when it stands, as far as that is known.
    pub until: Option<String>,
}

impl Own {
    /// The whole object as it is applied for `owner`, with its digest in an annotation.
    pub fn manifest(&self, owner: &Owner) -> Value {
        let mut labels = self.labels.clone();
        labels.insert(MANAGED_BY.to_owned(), FIELD_MANAGER.to_owned());
        labels.insert(OWNER.to_owned(), owner.to_string());
        let mut object = self.body.clone();
        if !object.is_object() {
            object = serde_json::json!({});
        }
        object["apiVersion"] = self.object.resource.api_version.clone().into();
        object["kind"] = self.object.resource.kind.clone().into();
        object["metadata"] = serde_json::json!({ "name": self.object.name, "labels": labels });
        if let Some(namespace) = &self.object.namespace {
            object["metadata"]["namespace"] = namespace.clone().into();
        }
        if let Some(reference) = &self.owner_reference {
            object["metadata"]["ownerReferences"] = serde_json::json!([reference]);
        }
        let digest = super::digest::of_intent(&object);
        object["metadata"]["annotations"] = serde_json::json!({ DIGEST: digest });
        let (uid, version) = self.basis.asked();
        for (field, asked) in [("uid", uid), ("resourceVersion", version)] {
            if let Some(asked) = asked {
                object["metadata"][field] = asked.into();
            }
        }
        object
    }

    /// Order of dependency: what others refer to comes first.
    pub fn rank(&self) -> u8 {
        match self.object.resource.kind.as_str() {
            "Namespace" => 0,
            "ServiceAccount" | "Secret" | "ConfigMap" | "ResourceQuota" | "LimitRange" => 1,
            "Role" | "ClusterRole" | "NetworkPolicy" => 2,
            "RoleBinding" | "ClusterRoleBinding" => 3,
            "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy" => 4,
            "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => 5,
            _ => 6,
        }
    }
}

/// Something to take back.
#[derive(Clone, Debug, PartialEq)]
pub enum Undo {
    /// Delete an object that Banyan made, by uid.
    Remove {
        /// The object.
        object: ObjectRef,
        /// The action that it carried out, where it did.
        action: Option<String>,
        /// Why.
        why: String,
    },
    /// Give a borrowed field back.
    Return {
        /// The object that it was borrowed from.
        object: ObjectRef,
        /// The action that it was borrowed for.
        action: String,
        /// The fields that the action borrows on this kind; nothing else is written.
        terms: Vec<Term>,
        /// Why.
        why: String,
    },
}

/// Something to tell, as an Event on the resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// A warning, or the normal course of things.
    pub warning: bool,
    /// Constant `CamelCase` word.
    pub reason: &'static str,
    /// What happened, and what to do next.
    pub message: String,
    /// The action that it tells of, where it does: told only if the action was carried out.
    pub action: Option<String>,
}

impl Notice {
    /// The normal course of things.
    pub fn normal(reason: &'static str, message: impl Into<String>) -> Self {
        Self { warning: false, reason, message: message.into(), action: None }
    }

    /// A warning.
    pub fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self { warning: true, reason, message: message.into(), action: None }
    }

    /// The same of an action.
    #[must_use]
    pub fn of_action(self, action: impl Into<String>) -> Self {
        Self { action: Some(action.into()), ..self }
    }
}

/// Something that is found done and was never told: a process was ended before it could, or somebody else has done it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// What was done.
    pub what: Deed,
    /// On what.
    pub object: ObjectRef,
    /// For which action.
    pub action: String,
    /// Values before.
    pub prior: Value,
    /// Why.
    pub why: String,
    /// Until when it stands, as far as that is known.
    pub until: Option<String>,
}

/// Everything that is to be done for one resource. Made by a pure function, carried out by the executor.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<S> {
    /// The resource.
    pub owner: Owner,
    /// Whether the resource needs [`FINALIZER`], because something would have to be undone.
    pub finalizer: bool,
    /// What is taken back first: groups in order, the entries of one group in any order.
    pub undo: Vec<Vec<Undo>>,
    /// Objects to ensure. Objects of the same owner that are not named here are pruned.
    pub own: Vec<Own>,
    /// Objects of the same owner that are left as they are, neither ensured nor pruned.
    pub keep: Vec<ObjectRef>,
    /// Fields to borrow: groups in order.
    pub borrow: Vec<Vec<Loan>>,
    /// The status to show, before what the executor met is added to it.
    pub status: S,
    /// What to tell.
    pub notices: Vec<Notice>,
    /// What is put into the trail although nothing is written.
    pub found: Vec<Found>,
    /// When to look again.
    pub next: std::time::Duration,
}
