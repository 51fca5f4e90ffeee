//! Whether an archive of evidence is what was written: every hash, nothing missing, nothing added.

use std::{
    collections::BTreeMap,
    io::{self, Read},
};

use super::{
    archive::{self, ArchiveError, Hashing, sha256},
    pack::{ABOUT, Evidence, FORMAT, MANIFEST},
};

/// Longest manifest and `evidence.json`, in bytes.
const LONGEST: u64 = 16 << 20;

/// What an archive turned out to be.
#[derive(Debug)]
pub struct Verified {
    /// What it says of itself; none where that does not verify.
    pub evidence: Option<Evidence>,
    /// The SHA-256 of its manifest, in hex; empty without one.
    pub digest: String,
    /// Files whose hash is that of the manifest.
    pub files: usize,
    /// What is wrong, a line each; nothing when it verifies.
    pub wrong: Vec<String>,
}

/// Reads an archive that comes out of gzip to its end. `digest` is what the hash of its manifest should be, in hex, with or without `sha256:`.
///
/// # Errors
/// When it cannot be read to its end: nothing can be said of it then.
pub fn verify(unpacked: impl Read, digest: Option<&str>) -> Result<Verified, ArchiveError> {
    let (mut found, mut wrong) = (BTreeMap::new(), Vec::new());
    let (mut manifest, mut about) = (None, None);
    let read = archive::read::<ArchiveError>(unpacked, |entry| {
        let name = entry.name.clone();
        if [MANIFEST, ABOUT].contains(&name.as_str()) {
            let bytes = entry.whole(LONGEST)?;
            found.insert(name.clone(), sha256(&bytes));
            *(if name == MANIFEST { &mut manifest } else { &mut about }) = Some(bytes);
        } else {
            let mut hash = Hashing::default();
            io::copy(&mut *entry.content, &mut hash)
                .map_err(|reason| ArchiveError::Damaged { at: name.clone(), reason })?;
            found.insert(name, hash.hex());
        }
        Ok(())
    });
    match read {
        Ok(()) => {}
        Err(error @ (ArchiveError::Refused(_) | ArchiveError::TooLarge { .. })) => {
            // The rest was not read, so nothing is said of it.
            wrong.push(error.to_string());
            return Ok(Verified { evidence: None, digest: String::new(), files: 0, wrong });
        }
        Err(error) => return Err(error),
    }
    let Some(manifest) = manifest else {
        wrong.push(format!("{MANIFEST}: it is not there: this is no archive of evidence"));
        return Ok(Verified { evidence: None, digest: String::new(), files: 0, wrong });
    };
    let own = found.remove(MANIFEST).unwrap_or_default();
    if let Some(digest) = digest
        && !digest.strip_prefix("sha256:").unwrap_or(digest).eq_ignore_ascii_case(&own)
    {
        wrong.push(format!("{MANIFEST}: its hash is {own}, not the one that was given"));
    }
    let mut expected = BTreeMap::new();
    for (line, text) in String::from_utf8_lossy(&manifest).lines().enumerate() {
        match text.split_once("  ").filter(|(hash, name)| is_hash(hash) && *name != MANIFEST) {
            Some((hash, name)) => {
                if expected.insert(name.to_owned(), hash.to_owned()).is_some() {
                    wrong.push(format!("{MANIFEST}:{}: {name:?} is there a second time", line + 1));
                }
            }
            None => wrong.push(format!("{MANIFEST}:{}: it is no hash and name", line + 1)),
        }
    }
    let mut files = 0;
    for (name, hash) in &expected {
        match found.remove(name) {
            None => wrong.push(format!("{name:?}: the manifest names it, and it is not there")),
            Some(other) if other != *hash => {
                wrong.push(format!("{name}: it was changed, its hash is {other}"));
            }
            Some(_) => files += 1,
        }
    }
    wrong.extend(found.into_keys().map(|name| format!("{name}: the manifest does not name it")));
    let mut evidence = None;
    match about.map(|bytes| serde_json::from_slice::<Evidence>(&bytes)) {
        None => wrong.push(format!("{ABOUT}: it is not there")),
        Some(Err(error)) => wrong.push(format!("{ABOUT}: {error}")),
        Some(Ok(said)) if said.format != FORMAT => {
            wrong.push(format!("{ABOUT}: its format is {:?}, {FORMAT} is read", said.format));
        }
        Some(Ok(said)) => evidence = wrong.is_empty().then_some(said),
    }
    Ok(Verified { evidence, digest: own, files, wrong })
}

fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests;
