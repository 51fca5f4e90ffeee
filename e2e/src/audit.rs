//! The API server's audit log: who wrote what.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use anyhow::{Context, Result};
use jiff::Timestamp;
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

/// One answered request for a resource or a list, also when it was refused. Reads are in the log for the operator alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The user, such as `system:serviceaccount:banyan-system:banyan`.
    pub user: String,
    /// The program, as it calls itself, such as `banyan/0.1.0`; empty for none.
    pub agent: String,
    /// The verb, as roles have it; of a write: create, update, patch, delete or deletecollection.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource in the plural, such as `configmaps`; empty for paths that are no resource.
    pub resource: String,
    /// The subresource, such as `status`; empty for none.
    pub subresource: String,
    /// The namespace; empty for cluster-wide requests.
    pub namespace: String,
    /// The object's name; empty for lists, for `deletecollection`, and for `create`, whose name stands in the body.
    pub name: String,
    /// The HTTP status of the answer.
    pub code: u16,
    /// Refused by authorization, and not by an admission policy.
    pub by_authorization: bool,
    /// When it was answered.
    pub at: Timestamp,
}

impl fmt::Display for Request {
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
    pub fn writes_by(&self, user: &str, since: Mark) -> Result<Vec<Request>> {
        let mut writes = self.writes(since)?;
        writes.retain(|write| write.user == user);
        Ok(writes)
    }

    /// As [`AuditLog::writes_by`], of all users.
    pub fn writes(&self, since: Mark) -> Result<Vec<Request>> {
        let mut writes = self.everything(since)?.0;
        writes.retain(|write| !UNCOUNTED.contains(&write.resource.as_str()));
        Ok(writes)
    }

    /// How often this user has written since the mark, by verb and resource, Events included and Leases not.
    pub fn tally_by(&self, user: &str, since: Mark) -> Result<BTreeMap<String, usize>> {
        let mut tally = BTreeMap::new();
        for write in self.everything(since)?.0 {
            let counted = write.resource == "events" || !UNCOUNTED.contains(&write.resource.as_str());
            if counted && write.user == user {
                let subresource = Some(write.subresource).filter(|name| !name.is_empty());
                let what = [Some(write.verb), Some(write.resource), subresource];
                *tally.entry(what.into_iter().flatten().collect::<Vec<_>>().join(" ")).or_default() += 1;
            }
        }
        Ok(tally)
    }

    /// Every request of the log.
    pub fn requests(&self) -> Result<Vec<Request>> {
        let (entries, _) = self.entries(Mark::default())?;
        Ok(entries.into_iter().filter_map(Entry::request).collect())
    }

    /// Every write since the mark, those on purpose included, and the place after the last of them, to go on from.
    pub fn everything(&self, since: Mark) -> Result<(Vec<Request>, Mark)> {
        let (entries, mark) = self.entries(since)?;
        Ok((entries.into_iter().filter(Entry::writes).filter_map(Entry::request).collect(), mark))
    }

    fn entries(&self, since: Mark) -> Result<(Vec<Entry>, Mark)> {
        let reading = || format!("reading {}", self.path.display());
        if !self.path.exists() {
            return Ok((Vec::new(), since));
        }
        let mut file = File::open(&self.path).with_context(reading)?;
        file.seek(SeekFrom::Start(since.0)).with_context(reading)?;
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(reading)?;
        let whole = whole_lines(&text);
        let entries = parse(whole).with_context(reading)?;
        Ok((entries, Mark(since.0 + whole.len() as u64)))
    }
}

/// The user name of a service account.
pub fn service_account(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

/// One line per write, for the message of a test that wanted fewer.
pub fn list(writes: &[Request]) -> String {
    writes.iter().map(Request::to_string).collect::<Vec<_>>().join("\n")
}

/// The lines that are written to their ends; the last one may be half written.
fn whole_lines(text: &str) -> &str {
    text.rfind('\n').map_or("", |end| &text[..=end])
}

fn parse(lines: &str) -> Result<Vec<Entry>> {
    let entry = |line| serde_json::from_str(line).with_context(|| format!("in the line {line}"));
    lines.lines().map(entry).collect()
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
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    stage_timestamp: Timestamp,
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
    /// The request, once it is answered.
    fn request(self) -> Option<Request> {
        let object = self.object_ref.unwrap_or_default();
        let forbidden =
            self.annotations.get("authorization.k8s.io/decision").is_some_and(|one| one == "forbid");
        (self.stage == "ResponseComplete").then(|| Request {
            user: self.user.username,
            agent: self.user_agent,
            verb: self.verb,
            group: object.api_group,
            resource: object.resource,
            subresource: object.subresource,
            namespace: object.namespace,
            name: object.name,
            code: self.response_status.and_then(|status| status.code).unwrap_or(0),
            by_authorization: forbidden,
            at: self.stage_timestamp,
        })
    }

    /// Whether it asks to change something.
    fn writes(&self) -> bool {
        let dry = self.request_uri.split(['?', '&']).any(|part| part.starts_with("dryRun="));
        WRITES.contains(&self.verb.as_str()) && !dry
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

    fn log(text: &str) -> (tempfile::NamedTempFile, AuditLog) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let log = AuditLog::new(file.path());
        (file, log)
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
        let (_file, log) = log(&text);
        assert_eq!(list(&log.writes(Mark::default()).unwrap()), "patch configmaps n/o by me: 409");
        let tally = log.tally_by("me", Mark::default()).unwrap();
        let expected = [("create events".to_owned(), 1), ("patch configmaps".to_owned(), 1)];
        assert_eq!(tally, BTreeMap::from(expected));
        assert!(log.tally_by("you", Mark::default()).unwrap().is_empty());
    }

    #[test]
    fn a_line_that_is_still_being_written_waits_for_the_next_reading() {
        let whole = line("delete", "pods", "");
        let (file, log) = log(&(whole.clone() + r#"{"stage":"Resp"#));
        let (first, mark) = log.everything(Mark::default()).unwrap();
        assert_eq!((first.len(), mark), (1, Mark(whole.len() as u64)));
        std::fs::write(file.path(), whole.clone() + whole.as_str()).unwrap();
        assert_eq!(log.everything(mark).unwrap().0.len(), 1);
        assert!(whole_lines("{\"sta").is_empty());
    }
}
