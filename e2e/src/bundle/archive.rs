//! Archives whose bytes follow from their content alone.

use std::fs;
use std::io::{Read, Write};
use std::path::{Component, Path};

use anyhow::{Context, Result, bail, ensure};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

/// A file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where, with slashes and without one at the beginning.
    pub path: String,
    /// Permissions.
    pub mode: u32,
    /// Content.
    pub bytes: Vec<u8>,
}

impl Entry {
    /// A file that everybody may read.
    pub fn file(path: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { path: path.into(), mode: 0o644, bytes }
    }

    /// As [`Entry::file`], one that everybody may run as well.
    pub fn program(path: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { mode: 0o755, ..Self::file(path, bytes) }
    }
}

/// A tar archive of files in the order of their paths, owned by 0, all of the time `epoch`. No folders: whoever unpacks it
/// makes them.
pub fn tar(mut entries: Vec<Entry>, epoch: u64) -> Result<Vec<u8>> {
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let mut builder = tar::Builder::new(Vec::new());
    for entry in &entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(entry.mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(epoch);
        header.set_size(entry.bytes.len() as u64);
        let added = builder.append_data(&mut header, &entry.path, entry.bytes.as_slice());
        added.with_context(|| format!("adding {}", entry.path))?;
    }
    builder.into_inner().context("ending the archive")
}

/// The files of a tar archive, whatever else is in it left out.
pub fn entries(tar: &[u8]) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in tar::Archive::new(tar).entries()? {
        let mut entry = entry?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path()?.to_str().context("a path is not UTF-8")?.to_owned();
        let mode = entry.header().mode()? & 0o777;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).with_context(|| format!("reading {path}"))?;
        found.push(Entry { path, mode, bytes });
    }
    Ok(found)
}

/// Writes the files of a tar archive below a folder. Paths that lead out of it are refused.
pub fn unpack(tar: &[u8], folder: &Path) -> Result<()> {
    for entry in entries(tar)? {
        let below = Path::new(&entry.path);
        let plain = below.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        ensure!(plain, "{} leads out of the archive", entry.path);
        let path = folder.join(below);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
        fs::write(&path, &entry.bytes).with_context(|| format!("writing {}", path.display()))?;
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(entry.mode);
        fs::set_permissions(&path, permissions)
            .with_context(|| format!("setting the mode of {}", path.display()))?;
    }
    Ok(())
}

/// Compresses, without a name or a time.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(6));
    encoder.write_all(bytes)?;
    encoder.finish().context("compressing")
}

/// The reverse of [`gzip`].
pub fn gunzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).context("decompressing")?;
    Ok(plain)
}

/// Every file below a folder, by its path in it; hidden files are left out.
pub fn read_tree(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).with_context(|| format!("reading {}", at.display()))? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                bail!("the name of {} is not UTF-8", path.display())
            };
            if name.starts_with('.') {
                continue;
            }
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let below = path.strip_prefix(folder)?.to_str().context("a path is not UTF-8")?.to_owned();
            found.push((below, fs::read(&path).with_context(|| format!("reading {}", path.display()))?));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_in_any_order_give_the_same_bytes_and_come_back() {
        let (a, b) = (Entry::file("x/a", b"1".to_vec()), Entry::program("b", vec![0; 2000]));
        let one = gzip(&tar(vec![a.clone(), b.clone()], 1_700_000_000).unwrap()).unwrap();
        let two = gzip(&tar(vec![b.clone(), a.clone()], 1_700_000_000).unwrap()).unwrap();
        assert_eq!(one, two);
        assert_eq!(entries(&gunzip(&one).unwrap()).unwrap(), [b, a]);
        // Neither name nor time in the header of gzip.
        assert_eq!(one[3..8], [0; 5]);
    }

    #[test]
    fn what_leads_out_of_the_folder_is_not_unpacked() {
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o644);
        header.as_gnu_mut().unwrap().name[..9].copy_from_slice(b"../escape");
        header.set_cksum();
        let mut builder = tar::Builder::new(Vec::new());
        builder.append(&header, &[][..]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let error = unpack(&builder.into_inner().unwrap(), folder.path()).unwrap_err();
        assert!(error.to_string().contains("leads out"), "{error}");
    }
}
