//! Files, folders and standard input as a stream of documents: walked in order, unpacked where they are gzip, opened one at a time.

use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use banyan_policies::input::{Document, Fault, Limits, Reader, Reason};
use flate2::read::MultiGzDecoder;

/// Bytes that a packed file may unpack to: a gzip bomb ends here.
const UNPACKED: u64 = 4 << 30;
/// Levels of folders.
const DEEPEST: usize = 64;

/// The documents of files, folders and standard input (`-`), in the order in which they are named; of a folder in the order of names. Files in
/// folders count when they end in `.yaml`, `.yml` or `.json`, also with `.gz`; hidden ones and links to folders do not. A file that is named
/// counts whatever its name is.
pub fn documents(paths: Vec<PathBuf>) -> Documents {
    Documents { waiting: paths.into_iter().map(|path| Entry { path, depth: 0 }).collect(), open: None }
}

/// See [`documents`]. What cannot be read is an error in its place, and the rest follows.
pub struct Documents {
    waiting: VecDeque<Entry>,
    open: Option<Reader<Box<dyn Read + Send>>>,
}

struct Entry {
    path: PathBuf,
    /// 0 for what was named.
    depth: usize,
}

impl Iterator for Documents {
    type Item = Result<Document, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(reader) = &mut self.open {
                if let Some(next) = reader.next() {
                    return Some(next);
                }
                self.open = None;
            }
            let entry = self.waiting.pop_front()?;
            if let Err(error) = self.open(&entry) {
                return Some(Err(fault(&entry.path, &error)));
            }
        }
    }
}

impl Documents {
    fn open(&mut self, entry: &Entry) -> io::Result<()> {
        let Entry { path, depth } = entry;
        if path.as_os_str() == "-" && *depth == 0 {
            self.open = Some(reader("-", Box::new(io::stdin()))?);
            return Ok(());
        }
        // What was named may be a link; what lies in a folder may lead in circles.
        let about = if *depth == 0 { fs::metadata(path)? } else { fs::symlink_metadata(path)? };
        if about.is_dir() {
            if *depth >= DEEPEST {
                return Err(io::Error::other(format!("folders are nested deeper than {DEEPEST}")));
            }
            let mut inner: Vec<PathBuf> =
                fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
            inner.retain(|path| !hidden(path));
            inner.sort();
            for path in inner.into_iter().rev() {
                self.waiting.push_front(Entry { path, depth: depth + 1 });
            }
            return Ok(());
        }
        let link_to_file = about.is_symlink() && fs::metadata(path).is_ok_and(|about| about.is_file());
        if *depth > 0 && !((about.is_file() || link_to_file) && is_manifest(path)) {
            return Ok(());
        }
        self.open = Some(reader(&path.display().to_string(), Box::new(File::open(path)?))?);
        Ok(())
    }
}

fn hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

fn is_manifest(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let name = name.strip_suffix(".gz").unwrap_or(&name);
    [".yaml", ".yml", ".json"].iter().any(|ending| name.ends_with(ending))
}

/// A reader that unpacks what begins as gzip does.
fn reader(name: &str, mut from: Box<dyn Read + Send>) -> io::Result<Reader<Box<dyn Read + Send>>> {
    let mut head = [0; 2];
    let mut read = 0;
    while let Some(rest) = head.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(more) => read += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let packed = head == [0x1f, 0x8b];
    let whole = io::Cursor::new(head.get(..read).unwrap_or_default().to_vec()).chain(from);
    let from: Box<dyn Read + Send> = if packed {
        Box::new(Bounded { inner: MultiGzDecoder::new(BufReader::new(whole)), left: UNPACKED })
    } else {
        Box::new(whole)
    };
    Ok(Reader::new(from, name, Limits::default()))
}

/// Fails instead of going on for ever.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other(format!("it unpacks to more than {UNPACKED} bytes")))?;
        Ok(read)
    }
}

fn fault(path: &Path, error: &io::Error) -> Fault {
    Fault {
        file: Arc::from(path.display().to_string()),
        line: 1,
        column: 1,
        reason: Reason::Io(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn read(folder: &Path, names: &[&str]) -> (Vec<String>, Vec<String>) {
        let paths = names.iter().map(|name| folder.join(name)).collect();
        let (mut texts, mut faults) = (Vec::new(), Vec::new());
        for next in documents(paths) {
            match next {
                Ok(document) => texts.push(document.text.trim().to_owned()),
                Err(fault) => faults.push(fault.to_string().replace(&format!("{}/", folder.display()), "")),
            }
        }
        (texts, faults)
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut to = GzEncoder::new(Vec::new(), Compression::default());
        to.write_all(text).unwrap();
        to.finish().unwrap()
    }

    #[test]
    fn folders_are_walked_in_order_and_what_is_named_counts_whatever_it_is_called() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("b/.hidden")).unwrap();
        for (name, text) in [
            ("a.yaml", "a: 1\n---\na: 2\n".as_bytes().to_vec()),
            ("b/c.yml", b"c: 1\n".to_vec()),
            ("b/d.json.gz", packed(b"{\"d\": 1}")),
            ("b/e.txt", b"e: 1\n".to_vec()),
            ("b/.f.yaml", b"f: 1\n".to_vec()),
            ("b/.hidden/g.yaml", b"g: 1\n".to_vec()),
        ] {
            fs::write(root.join(name), text).unwrap();
        }
        std::os::unix::fs::symlink(root, root.join("b/loop")).unwrap();
        let (texts, faults) = read(root, &["."]);
        assert_eq!(
            (texts, faults),
            (vec!["a: 1".to_owned(), "a: 2".into(), "c: 1".into(), "{\"d\": 1}".into()], vec![])
        );
        let (texts, faults) = read(root, &["b/e.txt", "missing.yaml", "a.yaml"]);
        assert_eq!(texts, ["e: 1", "a: 1", "a: 2"]);
        assert!(faults[0].starts_with("missing.yaml:1:1: reading the input: "), "{faults:?}");
    }

    #[test]
    fn a_truncated_archive_gives_what_it_has_and_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let whole = packed(b"a: 1\n---\nb: 2\n");
        fs::write(folder.path().join("t.gz"), whole.get(..whole.len() - 6).unwrap()).unwrap();
        let (_, faults) = read(folder.path(), &["t.gz"]);
        assert_eq!(faults.len(), 1, "{faults:?}");
    }
}
