//! Archives (tar within gzip) that are the same bytes for the same content, and are read without trusting them.
//!
//! Reading takes regular files with plain names only: what an unpacking program would follow, such as a link or `..`, is refused, and so is a
//! name that comes twice. Names longer than a header holds would have to be put together in memory, so they are refused as well.

use std::{
    collections::BTreeSet,
    fmt::Write as _,
    fs::File,
    io::{self, BufReader, Read, Seek as _, SeekFrom, Write},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};
use sha2::{Digest as _, Sha256};
use tar::{Archive, Builder, EntryType, Header};

/// Files of an archive at most.
const FILES: usize = 10_000;

/// Why an archive could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Writing it.
    #[error("writing {name} into the archive: {reason}")]
    Write {
        /// The entry.
        name: String,
        /// Why.
        reason: io::Error,
    },
    /// Reading it: it is damaged, ends early, or is no archive.
    #[error("{at}: it cannot be read: {reason}")]
    Damaged {
        /// The entry, or what comes after one.
        at: String,
        /// Why.
        reason: io::Error,
    },
    /// An entry that no archive of this kind has.
    #[error("{0}")]
    Refused(String),
    /// An entry that would take too much memory.
    #[error("{name}: it has more than {most} bytes")]
    TooLarge {
        /// The entry.
        name: String,
        /// The limit.
        most: u64,
    },
}

/// What a stretch of a [`Spool`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stretch {
    /// Where it begins.
    pub at: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A file without a name that holds what is too much for memory, until its archive is written.
pub struct Spool {
    file: io::BufWriter<File>,
    end: u64,
}

impl Spool {
    /// An empty one, where the system keeps temporary files.
    pub fn new() -> io::Result<Self> {
        Ok(Self { file: io::BufWriter::with_capacity(256 * 1024, tempfile::tempfile()?), end: 0 })
    }

    /// Appends, and says where.
    pub fn put(&mut self, bytes: &[u8]) -> io::Result<Stretch> {
        let at = self.end;
        self.file.write_all(bytes)?;
        self.end += bytes.len() as u64;
        Ok(Stretch { at, bytes: bytes.len() as u64 })
    }

    /// Appends what is written bit by bit.
    pub fn writer(&mut self) -> SpoolWriter<'_> {
        SpoolWriter { at: self.end, spool: self, hash: Hashing::default() }
    }

    /// Hands what stands at some stretches to a writer, one after the other.
    pub fn copy(&mut self, stretches: &[Stretch], to: &mut impl Write) -> io::Result<()> {
        self.file.flush()?;
        let mut file = self.file.get_ref();
        let mut buffer = Vec::new();
        for stretch in stretches {
            file.seek(SeekFrom::Start(stretch.at))?;
            buffer.clear();
            if file.take(stretch.bytes).read_to_end(&mut buffer)? as u64 != stretch.bytes {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            to.write_all(&buffer)?;
        }
        file.seek(SeekFrom::End(0))?;
        Ok(())
    }
}

/// Appends to a [`Spool`] what is written.
pub struct SpoolWriter<'s> {
    spool: &'s mut Spool,
    at: u64,
    hash: Hashing,
}

impl SpoolWriter<'_> {
    /// Where it stands, and its hash.
    pub fn finish(self) -> (Stretch, String) {
        (Stretch { at: self.at, bytes: self.hash.bytes }, self.hash.hex())
    }
}

impl Write for SpoolWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.spool.put(bytes)?;
        self.hash.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A hash over what is written.
#[derive(Default)]
pub struct Hashing {
    hash: Sha256,
    /// Bytes so far.
    pub bytes: u64,
}

impl Hashing {
    /// The hash in hex.
    pub fn hex(self) -> String {
        hex(&self.hash.finalize())
    }
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of some bytes, in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Writes an archive.
pub struct Writer<W: Write>(Builder<GzEncoder<W>>);

impl<W: Write> Writer<W> {
    /// Begins one.
    pub fn new(to: W) -> Self {
        Self(Builder::new(GzEncoder::new(to, Compression::default())))
    }

    /// Adds a file. Neither owner nor time is noted, so that the same content gives the same bytes.
    pub fn add(&mut self, name: &str, bytes: u64, content: impl Read) -> Result<(), ArchiveError> {
        let failed = |reason| ArchiveError::Write { name: name.to_owned(), reason };
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_path(name).map_err(failed)?;
        header.set_size(bytes);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        let mut counted = content.take(bytes);
        self.0.append(&header, &mut counted).map_err(failed)?;
        if counted.limit() > 0 {
            return Err(failed(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(())
    }

    /// Adds what stands at some stretches of a spool.
    pub fn add_spooled(
        &mut self,
        name: &str,
        spool: &mut Spool,
        stretches: &[Stretch],
    ) -> Result<(), ArchiveError> {
        let failed = |reason| ArchiveError::Write { name: name.to_owned(), reason };
        spool.file.flush().map_err(failed)?;
        let mut file = spool.file.get_ref();
        let bytes = stretches.iter().map(|stretch| stretch.bytes).sum();
        let content = Stretches { file, rest: stretches.iter(), left: 0 };
        self.add(name, bytes, BufReader::with_capacity(64 * 1024, content))?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(())
    }

    /// Ends it.
    pub fn finish(self) -> Result<W, ArchiveError> {
        let failed = |reason| ArchiveError::Write { name: "the end".to_owned(), reason };
        self.0.into_inner().map_err(failed)?.finish().map_err(failed)
    }
}

/// Stretches of a file, read one after the other.
struct Stretches<'a> {
    file: &'a File,
    rest: std::slice::Iter<'a, Stretch>,
    left: u64,
}

impl Read for Stretches<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            let Some(next) = self.rest.next() else { return Ok(0) };
            self.file.seek(SeekFrom::Start(next.at))?;
            self.left = next.bytes;
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.file.read(buffer.get_mut(..most).unwrap_or_default())?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

/// A file of an archive that is being read.
pub struct Entry<'a> {
    /// Its name.
    pub name: String,
    /// Its size in bytes.
    pub bytes: u64,
    /// What is in it.
    pub content: &'a mut dyn Read,
}

impl Entry<'_> {
    /// All of it, when it is no larger than this.
    pub fn whole(&mut self, most: u64) -> Result<Vec<u8>, ArchiveError> {
        if self.bytes > most {
            return Err(ArchiveError::TooLarge { name: self.name.clone(), most });
        }
        let mut bytes = Vec::new();
        self.content
            .read_to_end(&mut bytes)
            .map_err(|reason| ArchiveError::Damaged { at: self.name.clone(), reason })?;
        if bytes.len() as u64 != self.bytes {
            let reason = io::ErrorKind::UnexpectedEof.into();
            return Err(ArchiveError::Damaged { at: self.name.clone(), reason });
        }
        Ok(bytes)
    }
}

/// Reads an archive that was unpacked already (`unpacked` is what comes out of gzip), a file after the other; `take` may leave a file unread.
/// Nothing but zeros may follow.
pub fn read<E: From<ArchiveError>>(
    unpacked: impl Read,
    mut take: impl FnMut(&mut Entry<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut archive = Archive::new(unpacked);
    let mut names = BTreeSet::new();
    let mut before = "the beginning".to_owned();
    let damaged = |at: &str, reason| ArchiveError::Damaged { at: at.to_owned(), reason };
    let entries = archive.entries().map_err(|error| damaged(&before, error))?;
    // Raw: long names and the like come as entries of their own, which are refused, instead of being put together.
    for entry in entries.raw(true) {
        let after = format!("after {before}");
        let mut entry = entry.map_err(|error| damaged(&after, error))?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| ArchiveError::Refused(format!("{after}: a name that is not UTF-8")))?;
        let kind = entry.header().entry_type();
        if kind != EntryType::Regular {
            return Err(ArchiveError::Refused(format!("{}: it is no regular file", quoted(&name))).into());
        }
        if !is_plain(&name) {
            return Err(ArchiveError::Refused(format!("{}: such a name is not taken", quoted(&name))).into());
        }
        if !names.insert(name.clone()) {
            return Err(ArchiveError::Refused(format!("{name}: it is there a second time")).into());
        }
        if names.len() > FILES {
            return Err(ArchiveError::Refused(format!("{name}: there are more than {FILES} files")).into());
        }
        let bytes = entry.header().entry_size().map_err(|error| damaged(&name, error))?;
        take(&mut Entry { name: name.clone(), bytes, content: &mut entry })?;
        // What was left unread has to be there as well.
        io::copy(&mut entry, &mut io::sink()).map_err(|error| damaged(&name, error))?;
        before = name;
    }
    let mut rest = archive.into_inner();
    let mut buffer = [0; 8192];
    loop {
        match rest.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(read) if buffer.get(..read).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)) => {}
            Ok(_) => {
                return Err(ArchiveError::Refused(
                    "after the last file: there is something behind the end".to_owned(),
                )
                .into());
            }
            Err(error) => return Err(damaged(&format!("after {before}"), error).into()),
        }
    }
}

/// Whether a name leads nowhere but below the folder that is unpacked into, and is one that a manifest of hashes can hold.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte))
        && name.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
}

fn quoted(name: &str) -> String {
    format!("{:?}", name.chars().take(200).collect::<String>())
}

/// Writes a file so that it is there whole or not at all: beside it first, then in its place.
pub fn write_whole<E>(path: &Path, write: impl FnOnce(&mut File) -> Result<(), E>) -> Result<(), E>
where
    E: From<io::Error>,
{
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    write(file.as_file_mut())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use flate2::read::MultiGzDecoder;

    use super::*;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new());
        for (name, content) in files {
            writer.add(name, content.len() as u64, content.as_bytes()).unwrap();
        }
        writer.finish().unwrap()
    }

    fn files(packed: &[u8]) -> Result<Vec<(String, String)>, ArchiveError> {
        let mut found = Vec::new();
        read(MultiGzDecoder::new(packed), |entry| {
            let bytes = entry.whole(1000)?;
            found.push((entry.name.clone(), String::from_utf8(bytes).unwrap()));
            Ok::<_, ArchiveError>(())
        })?;
        Ok(found)
    }

    /// A tar archive, packed, whose one entry has a name and a type of somebody's choice.
    fn crafted(name: &str, kind: EntryType, size: u64) -> Vec<u8> {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_cksum();
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(header.as_bytes()).unwrap();
        packed.write_all(&[0; 1024]).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn the_same_files_give_the_same_bytes_and_come_back() {
        let content = [("a.json", "1"), ("b/c.json", "22")];
        let packed = archive(&content);
        assert_eq!(packed, archive(&content));
        assert_eq!(files(&packed).unwrap(), content.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }

    #[test]
    fn what_an_unpacking_program_would_follow_is_refused() {
        for (name, kind) in [
            ("../a", EntryType::Regular),
            ("/a", EntryType::Regular),
            ("a/../b", EntryType::Regular),
            ("a\nb", EntryType::Regular),
            ("a", EntryType::Symlink),
            ("a", EntryType::Link),
            ("a", EntryType::Directory),
            ("a", EntryType::XHeader),
            ("././@LongLink", EntryType::GNULongName),
        ] {
            let error = files(&crafted(name, kind, 0)).unwrap_err();
            assert!(matches!(error, ArchiveError::Refused(_)), "{name} {kind:?}: {error}");
        }
        let twice = archive(&[("a", "1"), ("a", "2")]);
        assert_eq!(files(&twice).unwrap_err().to_string(), "a: it is there a second time");
    }

    #[test]
    fn a_long_name_is_no_way_to_take_memory() {
        let error = files(&crafted("././@LongLink", EntryType::GNULongName, 1 << 40)).unwrap_err();
        assert!(matches!(error, ArchiveError::Refused(_)), "{error}");
        let error = files(&crafted("a", EntryType::Regular, 1 << 40)).unwrap_err();
        assert_eq!(error.to_string(), "a: it has more than 1000 bytes");
    }

    #[test]
    fn every_truncation_is_noticed() {
        let packed = archive(&[("a.json", "1"), ("b.json", &"x".repeat(900))]);
        for end in 0..packed.len() {
            assert!(files(&packed[..end]).is_err(), "{end} of {} bytes", packed.len());
        }
        let followed = [packed.as_slice(), &archive(&[("c", "3")])].concat();
        assert!(files(&followed).unwrap_err().to_string().contains("behind the end"));
    }

    #[test]
    fn a_spool_gives_back_what_was_put() {
        let mut spool = Spool::new().unwrap();
        let all: Vec<Stretch> =
            ["one", "two", "three"].map(|text| spool.put(text.as_bytes()).unwrap()).into();
        let mut out = Vec::new();
        spool.copy(&[all[2], all[0]], &mut out).unwrap();
        assert_eq!(out, b"threeone");
        let more = spool.put(b"four").unwrap();
        let mut writer = Writer::new(Vec::new());
        writer.add_spooled("x", &mut spool, &[more, all[1]]).unwrap();
        assert_eq!(files(&writer.finish().unwrap()).unwrap(), [("x".to_owned(), "fourtwo".to_owned())]);
    }

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let failed: io::Result<()> = write_whole(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("no"))
        });
        assert!(failed.is_err() && std::fs::read_dir(folder.path()).unwrap().next().is_none());
        write_whole::<io::Error>(&path, |file| file.write_all(b"whole")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
    }
}
