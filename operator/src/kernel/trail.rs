//! The trail (操作留痕): one line of JSON for each write that Banyan decides, on a schema of its own.
//!
//! Every use has a ground, every step leaves a trace. [`super::writer::Writer`] writes a line as soon as the API server
//! has answered, before anything else is done, so a process that is killed has left the lines of all that was answered.
//! Status writes, renewals of the Lease and Events are not decisions about the world and have no line.
//!
//! The schema is published as `docs/trail.schema.json`; `docs/trail.md` says how the lines are collected.

use std::{
    fmt,
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::plan::ObjectRef;

/// Names the schema in each line. Fields may be added to it; none is removed, or changes its meaning.
pub const SCHEMA: &str = "banyan.dev/trail/v1";

/// What was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Deed {
    /// Made or changed an own object.
    Ensured,
    /// Put an own object back that another manager had changed.
    PutBack,
    /// Deleted an own object.
    Removed,
    /// Borrowed a field.
    Borrowed,
    /// Set a borrowed field again that another manager had set back.
    SetAgain,
    /// Gave a field back.
    Returned,
    /// Put the finalizer on the resource, so that it does not go before what is on loan for it is back.
    FinalizerSet,
    /// Took it off again.
    FinalizerCleared,
}

/// Whether it is known to have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Outcome {
    /// The API server has taken it.
    Written,
    /// It was sent and no answer came: it may have happened.
    Unanswered,
    /// No write: it was found done. A process that was ended before it could tell has done it, or somebody else.
    Found,
}

/// The resource for which something is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    /// Such as `banyan.dev/v1alpha1`.
    pub api_version: String,
    /// Such as `DataCenter`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid; unknown of one that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The generation of its spec that asks for it; none of one that is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

impl Principal {
    /// The resource `object` at `generation`.
    pub fn new(object: &ObjectRef, generation: Option<i64>) -> Self {
        Self {
            api_version: object.resource.api_version.clone(),
            kind: object.resource.kind.clone(),
            name: object.name.clone(),
            uid: object.uid.clone(),
            generation,
        }
    }
}

/// On what ground an object is written.
#[derive(Clone, Debug)]
pub struct Ground<'a> {
    /// What is done.
    pub what: Deed,
    /// For which action, where it is for one.
    pub action: Option<&'a str>,
    /// Values before, by JSON pointer; of an own object that is put back, who had changed it.
    pub prior: &'a Value,
    /// Fields that are left as somebody else has set them.
    pub kept: &'a [String],
    /// Why.
    pub why: &'a str,
    /// Until when it is to stand, as far as that is known.
    pub until: Option<&'a str>,
    /// For which resource.
    pub principal: &'a Principal,
}

/// One line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    schema: &'static str,
    time: String,
    replica: &'a str,
    what: Deed,
    outcome: Outcome,
    object: Object<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    prior: &'a Value,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    kept: &'a [String],
    why: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<&'a str>,
    r#for: &'a Principal,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    api_version: &'a str,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
}

/// Where the lines go.
#[derive(Clone)]
pub struct Trail {
    replica: Arc<str>,
    out: Arc<Mutex<dyn Write + Send>>,
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").field("replica", &self.replica).finish_non_exhaustive()
    }
}

impl Trail {
    /// To `out`, in the name of this replica.
    pub fn new(replica: &str, out: impl Write + Send + 'static) -> Self {
        Self { replica: replica.into(), out: Arc::new(Mutex::new(out)) }
    }

    /// To standard output, which `banyan run` needs for nothing else: its log goes to standard error.
    pub fn to_stdout(replica: &str) -> Self {
        Self::new(replica, io::stdout())
    }

    /// Tells of one deed. `uid` is that of the object as the server answered it, where the plan did not know it.
    ///
    /// Returns when the line has left the process. Where it cannot, since nobody reads any more, it goes to the log.
    pub fn tell(&self, object: &ObjectRef, uid: Option<&str>, ground: &Ground<'_>, outcome: Outcome) {
        let line = self.line(object, uid, ground, outcome, Timestamp::now());
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        let written = out.write_all(line.as_bytes()).and_then(|()| out.flush());
        drop(out);
        if let Err(error) = written {
            tracing::error!(%error, line = line.trim_end(), "the trail cannot be written; this line of it stands here");
        }
    }

    fn line(
        &self,
        object: &ObjectRef,
        uid: Option<&str>,
        ground: &Ground<'_>,
        outcome: Outcome,
        now: Timestamp,
    ) -> String {
        let Ground { what, action, prior, kept, why, until, principal } = *ground;
        // What was in a Secret is nobody's to read here.
        let withheld = object.resource.kind == "Secret";
        let line = Line {
            schema: SCHEMA,
            // Milliseconds always, so that lines sort as text.
            time: format!("{now:.3}"),
            replica: &self.replica,
            what,
            outcome,
            object: Object {
                api_version: &object.resource.api_version,
                kind: &object.resource.kind,
                namespace: object.namespace.as_deref(),
                name: &object.name,
                uid: object.uid.as_deref().or(uid),
            },
            action,
            prior: if withheld { &Value::Null } else { prior },
            kept,
            why,
            until,
            r#for: principal,
        };
        // Nothing in it can fail to be written as JSON.
        let mut text = serde_json::to_string(&line).unwrap_or_default();
        text.push('\n');
        text
    }
}

#[cfg(test)]
mod tests;
