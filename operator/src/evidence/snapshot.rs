//! A snapshot: what controls look at in a cluster, redacted, in one archive.
//!
//! `snapshot.json` comes first, and in it what could not be read; then a file a kind with one object a line, in the order in which the API server
//! gave them. Whoever audits a snapshot sees what `banyan audit --cluster` saw.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead, BufReader, Read, Write},
};

use banyan_policies::engine::kind_key;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    about::{ClusterId, Denied, PackUsed, Span, TOOL, file_of},
    archive::{self, ArchiveError, Hashing, Spool, Stretch, Writer},
    redact::redact,
};
use crate::report::visible::write_json;

/// The file that comes first.
pub const ABOUT: &str = "snapshot.json";
/// The form of a snapshot.
pub const FORMAT: &str = "banyan.dev/snapshot/v1";
/// Longest `snapshot.json`, in bytes.
const LONGEST_ABOUT: u64 = 4 << 20;
/// Longest object, in bytes of JSON. An API server takes far less.
const LONGEST_OBJECT: u64 = 16 << 20;
/// Bytes of objects that are handed on at once, about.
const BATCH: usize = 256 * 1024;

/// `snapshot.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Snapshot {
    /// What could not be read, or not to its end: what depends on it is unknown.
    pub denied: Vec<Denied>,
    /// [`FORMAT`].
    pub format: String,
    /// The program that wrote it.
    pub tool: String,
    /// The cluster.
    pub cluster: ClusterId,
    /// When it was read.
    pub read: Span,
    /// The packs whose kinds were read.
    pub packs: Vec<PackUsed>,
    /// The kinds that were read.
    pub kinds: Vec<KindRead>,
    /// The kinds that the cluster does not have.
    pub not_served: Vec<String>,
}

/// A kind that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KindRead {
    /// `group/Kind`, or `Kind` of the core group.
    pub kind: String,
    /// The version that was asked for.
    pub api_version: String,
    /// The file with its objects.
    pub file: String,
    /// How many there are.
    pub objects: usize,
    /// SHA-256 of the file, in hex.
    pub sha256: String,
    /// When they were listed.
    pub read: Span,
}

impl Snapshot {
    /// The kinds of which it is not known what the cluster has, of those that somebody wants to look at.
    pub fn unread<'a>(&self, wanted: impl Iterator<Item = &'a str>) -> Vec<Denied> {
        let known: BTreeSet<&str> = self
            .kinds
            .iter()
            .map(|read| read.kind.as_str())
            .chain(self.not_served.iter().map(String::as_str))
            .collect();
        let denied: BTreeMap<&str, &str> =
            self.denied.iter().map(|denied| (denied.kind.as_str(), denied.why.as_str())).collect();
        let unread = |kind: &str| {
            let why = match denied.get(kind) {
                Some(why) => (*why).to_owned(),
                None if known.contains(kind) => return None,
                None => "the snapshot was made for other packs".to_owned(),
            };
            Some(Denied { kind: kind.to_owned(), why })
        };
        wanted.collect::<BTreeSet<_>>().into_iter().filter_map(unread).collect()
    }
}

/// Why a snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The temporary file.
    #[error("keeping objects until the archive is written: {0}")]
    Spool(#[from] io::Error),
    /// JSON that could not be written.
    #[error("writing {ABOUT}: {0}")]
    Json(#[from] serde_json::Error),
    /// What an entry says is not what a snapshot says.
    #[error("{entry}: {reason}")]
    Wrong {
        /// The entry, with the line of the object.
        entry: String,
        /// What is wrong.
        reason: String,
    },
}

fn wrong(entry: impl Into<String>, reason: impl Into<String>) -> SnapshotError {
    SnapshotError::Wrong { entry: entry.into(), reason: reason.into() }
}

/// Takes in the objects of a cluster, redacted.
pub struct Collector {
    spool: Spool,
    kinds: Vec<(KindRead, Vec<Stretch>)>,
}

/// A kind that is being taken in.
pub struct Kind {
    key: String,
    api_version: String,
    objects: usize,
    from: Timestamp,
    hash: Hashing,
    stretches: Vec<Stretch>,
}

impl Kind {
    /// Whether nothing of it was taken in.
    pub fn is_empty(&self) -> bool {
        self.objects == 0
    }

    /// Begins with a kind at an instant.
    pub fn new(kind: &str, api_version: &str, from: Timestamp) -> Self {
        Self {
            key: kind.to_owned(),
            api_version: api_version.to_owned(),
            objects: 0,
            from,
            hash: Hashing::default(),
            stretches: Vec::new(),
        }
    }
}

impl Collector {
    /// An empty one.
    pub fn new() -> Result<Self, SnapshotError> {
        Ok(Self { spool: Spool::new()?, kinds: Vec::new() })
    }

    /// Takes in objects of a kind.
    pub fn take(&mut self, kind: &mut Kind, objects: Vec<Json>) -> Result<(), SnapshotError> {
        let mut lines = Vec::new();
        for mut object in objects {
            redact(&mut object);
            serde_json::to_writer(&mut lines, &object)?;
            lines.push(b'\n');
            kind.objects += 1;
        }
        kind.hash.write_all(&lines)?;
        kind.stretches.push(self.spool.put(&lines)?);
        Ok(())
    }

    /// Ends a kind at an instant.
    pub fn end(&mut self, kind: Kind, until: Timestamp) {
        let Kind { key, api_version, objects, from, hash, stretches } = kind;
        let read = KindRead {
            file: file_of(&key),
            kind: key,
            api_version,
            objects,
            sha256: hash.hex(),
            read: Span { from, until },
        };
        self.kinds.push((read, stretches));
    }

    /// Writes the archive and returns what its `snapshot.json` says.
    pub fn finish(
        mut self,
        cluster: ClusterId,
        packs: Vec<PackUsed>,
        mut denied: Vec<Denied>,
        mut not_served: Vec<String>,
        read: Span,
        out: impl Write,
    ) -> Result<Snapshot, SnapshotError> {
        denied.sort();
        not_served.sort();
        let about = Snapshot {
            denied,
            format: FORMAT.to_owned(),
            tool: TOOL.to_owned(),
            cluster,
            read,
            packs,
            kinds: self.kinds.iter().map(|(kind, _)| kind.clone()).collect(),
            not_served,
        };
        let mut text = Vec::new();
        write_json(&about, &mut text)?;
        let mut writer = Writer::new(out);
        writer.add(ABOUT, text.len() as u64, text.as_slice())?;
        for (kind, stretches) in &self.kinds {
            writer.add_spooled(&kind.file, &mut self.spool, stretches)?;
        }
        writer.finish()?;
        Ok(about)
    }
}

/// Says of a kind whether its objects are of interest.
pub type Wanted<'s> = Box<dyn Fn(&str) -> bool + 's>;

/// Reads a snapshot that comes out of gzip. `begin` is told what it is, and says which kinds are of interest; `take` is given their objects.
pub fn read<'s>(
    unpacked: impl Read,
    begin: impl FnOnce(&Snapshot) -> Wanted<'s>,
    mut take: impl FnMut(Vec<Json>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let mut begin = Some(begin);
    let mut known: Option<(BTreeMap<String, KindRead>, Wanted<'s>)> = None;
    archive::read(unpacked, |entry| {
        let Some((kinds, wanted)) = &mut known else {
            if entry.name != ABOUT {
                return Err(wrong(&entry.name, format!("{ABOUT} has to come first: this is no snapshot")));
            }
            let about: Snapshot = serde_json::from_slice(&entry.whole(LONGEST_ABOUT)?)
                .map_err(|error| wrong(ABOUT, error.to_string()))?;
            if about.format != FORMAT {
                return Err(wrong(ABOUT, format!("its format is {:?}, {FORMAT} is read", about.format)));
            }
            if let Some(begin) = begin.take() {
                let kinds = about.kinds.iter().map(|kind| (kind.file.clone(), kind.clone())).collect();
                known = Some((kinds, begin(&about)));
            }
            return Ok(());
        };
        let Some(kind) = kinds.remove(&entry.name) else {
            return Err(wrong(&entry.name, format!("{ABOUT} does not name it")));
        };
        objects(&entry.name, &mut *entry.content, &kind, wanted(&kind.kind), &mut take)
    })?;
    match known {
        None => Err(wrong(ABOUT, "it is not there: this is no snapshot")),
        Some((rest, _)) => match rest.into_keys().next() {
            Some(missing) => Err(wrong(missing, "it is not there")),
            None => Ok(()),
        },
    }
}

/// Reads the objects of one file.
fn objects(
    name: &str,
    content: impl Read,
    kind: &KindRead,
    wanted: bool,
    take: &mut impl FnMut(Vec<Json>) -> Result<(), SnapshotError>,
) -> Result<(), SnapshotError> {
    let mut content = BufReader::with_capacity(64 * 1024, content);
    let mut hash = Hashing::default();
    let (mut batch, mut bytes, mut lines) = (Vec::new(), 0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let damaged = |reason| ArchiveError::Damaged { at: name.to_owned(), reason };
        (&mut content).take(LONGEST_OBJECT).read_until(b'\n', &mut line).map_err(damaged)?;
        if line.is_empty() {
            break;
        }
        lines += 1;
        let at = || format!("{name}:{lines}");
        hash.write_all(&line)?;
        if line.last() != Some(&b'\n') {
            let reason = format!("the line does not end, or has more than {LONGEST_OBJECT} bytes");
            return Err(wrong(at(), reason));
        }
        if !wanted {
            continue;
        }
        let object: Json = serde_json::from_slice(&line).map_err(|error| wrong(at(), error.to_string()))?;
        let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
        let key = kind_key(&text(&object["apiVersion"]), &text(&object["kind"]));
        if key != kind.kind {
            return Err(wrong(at(), format!("it is a {key:?} among {}", kind.kind)));
        }
        bytes += line.len();
        batch.push(object);
        if bytes >= BATCH {
            take(std::mem::take(&mut batch))?;
            bytes = 0;
        }
    }
    if !batch.is_empty() {
        take(batch)?;
    }
    if lines != kind.objects || hash.hex() != kind.sha256 {
        return Err(wrong(name, format!("it is not what {ABOUT} says: {lines} objects, or another hash")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
