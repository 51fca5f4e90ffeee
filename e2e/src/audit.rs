//! The API server's audit log: who wrote what.

use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The verbs that the log holds.
const WRITES: [&str; 5] = ["create", "update", "patch", "delete", "deletecollection"];

/// Kinds that are written all the time on purpose, and questions that are asked by `create` and write nothing.
const UNCOUNTED: [&str; 8] = [
    "leases",
    "events",
    "selfsubjectaccessreviews",
    "selfsubjectrulesreviews",
    "selfsubjectreviews",
    "subjectaccessreviews",
    "localsubjectaccessreviews",
    "tokenreviews",
];

/// One attempt to write, also when it was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The user, such as `system:serviceaccount:banyan-system:banyan`.
    pub user: String,
    /// create, update, patch, delete or deletecollection.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource in the plural, such as `configmaps`.
    pub resource: String,
    /// The subresource, such as `status`; empty for none.
    pub subresource: String,
    /// The namespace; empty for cluster-wide resources.
    pub namespace: String,
    /// The object's name; empty for `deletecollection`, and for `create`, whose name stands in the body.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        for (mark, part) in [(".", &self.group), ("/", &self.subresource)] {
            if !part.is_empty() {
                write!(f, "{mark}{part}")?;
            }
        }
        write!(f, " {}/{} by {}: {}", self.namespace, self.name, self.user, self.code)
    }
}

/// A place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Mark(u64);

/// A control plane's audit log.
#[derive(Clone, Debug)]
pub struct AuditLog {
    path: PathBuf,
}

impl AuditLog {
    /// The log in this file, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The end of the log as it is now.
    pub fn mark(&self) -> Mark {
        Mark(std::fs::metadata(&self.path).map_or(0, |data| data.len()))
    }

    /// The writes of this user since the mark, in the order of their answers, without Leases and Events and without
    /// dry runs and access reviews, which change nothing.
    pub fn writes_by(&self, user: &str, since: Mark) -> Result<Vec<Write>> {
        let mut writes = self.writes(since)?;
        writes.retain(|write| write.user == user);
        Ok(writes)
    }

    /// As [`AuditLog::writes_by`], of all users.
    pub fn writes(&self, since: Mark) -> Result<Vec<Write>> {
        let reading = || format!("reading {}", self.path.display());
        if !self.path.exists() {
            return Ok(Vec::new());
        }
        let mut file = File::open(&self.path).with_context(reading)?;
        file.seek(SeekFrom::Start(since.0)).with_context(reading)?;
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(reading)?;
        parse(&text).with_context(reading)
    }
}

/// The user name of a service account.
pub fn service_account(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// One line per write, for the message of a test that wanted fewer.
pub fn list(writes: &[Write]) -> String {
    writes.iter().map(Write::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads whole lines; the last one may be half written.
fn parse(text: &str) -> Result<Vec<Write>> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut writes = Vec::new();
    for line in whole.lines() {
        let entry: Entry = serde_json::from_str(line).with_context(|| format!("in the line {line}"))?;
        writes.extend(entry.counted());
    }
    Ok(writes)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    verb: String,
    stage: String,
    #[serde(rename = "requestURI")]
    request_uri: String,
    user: User,
    object_ref: Option<ObjectRef>,
    response_status: Option<ResponseStatus>,
}

#[derive(Deserialize)]
struct User {
    #[serde(default)]
    username: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ObjectRef {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct ResponseStatus {
    code: Option<u16>,
}

impl Entry {
    fn counted(self) -> Option<Write> {
        let object = self.object_ref.unwrap_or_default();
        let dry = self.request_uri.split(['?', '&']).any(|part| part.starts_with("dryRun="));
        let counted = self.stage == "ResponseComplete"
            && WRITES.contains(&self.verb.as_str())
            && !dry
            && !UNCOUNTED.contains(&object.resource.as_str());
        counted.then(|| Write {
            user: self.user.username,
            verb: self.verb,
            group: object.api_group,
            resource: object.resource,
            subresource: object.subresource,
            namespace: object.namespace,
            name: object.name,
            code: self.response_status.and_then(|status| status.code).unwrap_or(0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(verb: &str, resource: &str, query: &str) -> String {
        format!(
            r#"{{"stage":"ResponseComplete","verb":"{verb}","requestURI":"/api/v1/x{query}","user":{{"username":"me"}},"objectRef":{{"resource":"{resource}","namespace":"n","name":"o"}},"responseStatus":{{"code":409}}}}"#
        ) + "\n"
    }

    #[test]
    fn writes_are_counted_and_leases_dry_runs_and_questions_are_not() {
        let text = [
            line("patch", "configmaps", "?fieldManager=banyan"),
            line("update", "leases", ""),
            line("create", "events", ""),
            line("patch", "configmaps", "?fieldManager=banyan&dryRun=All"),
            line("create", "subjectaccessreviews", ""),
        ]
        .concat();
        let writes = parse(&text).unwrap();
        assert_eq!(list(&writes), "patch configmaps n/o by me: 409");
    }

    #[test]
    fn a_line_that_is_still_being_written_waits_for_the_next_reading() {
        let half = line("delete", "pods", "") + r#"{"stage":"Resp"#;
        assert_eq!(parse(&half).unwrap().len(), 1);
        assert!(parse("{\"sta").unwrap().is_empty());
    }
}
