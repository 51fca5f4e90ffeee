//! What snapshots and archives of evidence say of where they come from.

use std::fmt;

use banyan_policies::{
    engine::Compiled,
    pack::{Pack, builtin},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::archive::sha256;

/// The version of this program.
pub const TOOL: &str = concat!("banyan ", env!("CARGO_PKG_VERSION"));

/// A cluster, as it is known again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterId {
    /// The UID of the Namespace `kube-system`; none where it could not be read.
    pub id: Option<String>,
    /// The version of the API server, `v1.37.0`; none where it did not say.
    pub version: Option<String>,
}

/// From when to when something was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The first instant.
    pub from: Timestamp,
    /// The last one.
    pub until: Timestamp,
}

/// A kind that could not be read, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denied {
    /// `group/Kind`, or `Kind` of the core group.
    pub kind: String,
    /// What the API server said.
    pub why: String,
}

/// A pack at a level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackUsed {
    /// Its name.
    pub name: String,
    /// Its level.
    pub level: String,
    /// Its version.
    pub version: String,
    /// Its [`digest`].
    pub digest: String,
}

impl PackUsed {
    /// The packs that were chosen.
    pub fn of(compiled: &Compiled) -> Vec<Self> {
        let of = |chosen: &banyan_policies::engine::Chosen| Self {
            name: chosen.pack.about.name.clone(),
            level: chosen.selection.level.0.clone(),
            version: chosen.pack.about.version.clone(),
            digest: digest(&chosen.pack),
        };
        compiled.packs.iter().map(of).collect()
    }
}

/// `sha256:` and the hash over what a pack says, as JSON: its description, requirements and controls with their examples. Neither comments nor the
/// order of files matter.
pub fn digest(pack: &Pack) -> String {
    let mut controls: Vec<_> = pack.controls.iter().collect();
    controls.sort_by(|a, b| a.id.cmp(&b.id));
    let said = json!({ "about": pack.about, "requirements": pack.requirements, "controls": controls });
    format!("sha256:{}", sha256(said.to_string().as_bytes()))
}

/// Whether each chosen pack is one that comes with the program, unchanged.
pub fn own_packs(compiled: &Compiled) -> Vec<bool> {
    let own: Vec<String> = builtin().0.iter().map(digest).collect();
    compiled.packs.iter().map(|chosen| own.contains(&digest(&chosen.pack))).collect()
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id.as_deref().unwrap_or("?"))?;
        match &self.version {
            Some(version) => write!(f, " (Kubernetes {version})"),
            None => Ok(()),
        }
    }
}

/// The name of the file with the objects of a kind: `objects/Deployment.apps.jsonl`.
pub fn file_of(kind: &str) -> String {
    let name = match kind.rsplit_once('/') {
        Some((group, kind)) => format!("{kind}.{group}"),
        None => kind.to_owned(),
    };
    let plain = name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte));
    // What a header of tar does not hold, or no name should have, is called by its hash.
    let name = if plain && name.len() <= 80 { name } else { sha256(kind.as_bytes()) };
    format!("objects/{name}.jsonl")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_tells_of_every_change_and_of_nothing_else() {
        let pack = || builtin().0.remove(0);
        let (one, mut other) = (pack(), pack());
        assert_eq!(digest(&one), digest(&other));
        other.controls.reverse();
        assert_eq!(digest(&one), digest(&other));
        other.controls[0].expression.push(' ');
        assert_ne!(digest(&one), digest(&other));
    }

    #[test]
    fn files_are_called_like_their_kinds() {
        assert_eq!(file_of("Pod"), "objects/Pod.jsonl");
        assert_eq!(file_of("rbac.authorization.k8s.io/Role"), "objects/Role.rbac.authorization.k8s.io.jsonl");
        assert!(file_of(&format!("{}/Thing", "x".repeat(100))).len() < 90);
        assert!(file_of("../..").len() > 64);
    }
}
