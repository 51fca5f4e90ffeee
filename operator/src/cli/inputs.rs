//! `[FILE|DIR|-]…`: every document of files, folders and standard input, one after the other, so that no more than one is held however
//! many there are.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use banyan_policies::input::{Document, Fault, Limits, Reader, Reason};
use flate2::read::MultiGzDecoder;

/// What a packed file may unpack to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpacking {
    /// Bytes at most.
    pub most: u64,
    /// Bytes for each packed one at most, once there are more than `free`. Manifests that differ in names only reach about 50.
    pub ratio: u64,
    /// Bytes below which the ratio does not matter.
    pub free: u64,
}

impl Default for Unpacking {
    fn default() -> Self {
        Self { most: 8 << 30, ratio: 200, free: 64 << 20 }
    }
}

/// The documents of what was named on the command line. What cannot be read is a fault, and the rest is read.
pub struct Inputs {
    limits: Limits,
    unpacking: Unpacking,
    /// What is still to be read, the next last.
    pending: Vec<Pending>,
    /// Folders that were entered, as the file system knows them: a link does not lead into one again.
    entered: BTreeSet<PathBuf>,
    current: Option<Reader<Box<dyn Read + Send>>>,
    stdin: bool,
}

/// Something to read.
struct Pending {
    path: PathBuf,
    /// Whether it was named by the user and not found in a folder: then it is read whatever it is called.
    named: bool,
}

impl Inputs {
    /// Reads `paths` in their order; `-` is standard input, and folders are read with everything below them, by name.
    pub fn new(paths: &[PathBuf], limits: Limits, unpacking: Unpacking) -> Self {
        let pending = paths.iter().rev().map(|path| Pending { path: path.clone(), named: true }).collect();
        Self { limits, unpacking, pending, entered: BTreeSet::new(), current: None, stdin: false }
    }

    /// Opens a file, or puts what a folder has in its place.
    fn open(&mut self, next: &Pending) -> Result<(), Reason> {
        let path = next.path.as_path();
        if next.named && path == Path::new("-") {
            if std::mem::replace(&mut self.stdin, true) {
                return Err(Reason::Io("- is named a second time, but there is one standard input".into()));
            }
            return self.start(path, Box::new(io::stdin()));
        }
        // What a link leads to decides, as for whoever opens it.
        let metadata = fs::metadata(path).map_err(|error| io_reason(&error))?;
        if metadata.is_dir() {
            return self.enter(path);
        }
        // A pipe is read when it is named, as in `banyan audit <(helm template …)`, and would block when it merely lies there.
        if !next.named && !metadata.is_file() {
            return Ok(());
        }
        let file = File::open(path).map_err(|error| io_reason(&error))?;
        self.start(path, Box::new(file))
    }

    fn start(&mut self, path: &Path, mut inner: Box<dyn Read + Send>) -> Result<(), Reason> {
        let mut head = Vec::with_capacity(GZIP.len());
        inner.by_ref().take(GZIP.len() as u64).read_to_end(&mut head).map_err(|error| io_reason(&error))?;
        let packed = head == GZIP;
        let whole = io::Cursor::new(head).chain(inner);
        let inner: Box<dyn Read + Send> =
            if packed { Box::new(Unpacked::new(whole, self.unpacking)) } else { Box::new(whole) };
        self.current = Some(Reader::new(inner, name(path), self.limits));
        Ok(())
    }

    /// Puts what a folder has before everything else.
    fn enter(&mut self, path: &Path) -> Result<(), Reason> {
        if !self.entered.insert(fs::canonicalize(path).map_err(|error| io_reason(&error))?) {
            return Ok(());
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(path).map_err(|error| io_reason(&error))? {
            let entry = entry.map_err(|error| io_reason(&error))?;
            if !hidden(&entry.file_name()) {
                found.push(entry);
            }
        }
        found.sort_by_key(fs::DirEntry::file_name);
        for entry in found.into_iter().rev() {
            let path = entry.path();
            // A link that leads nowhere is left alone unless it is called like a manifest.
            let folder = fs::metadata(&path).is_ok_and(|metadata| metadata.is_dir());
            if folder || is_manifest(&path) {
                self.pending.push(Pending { path, named: false });
            }
        }
        Ok(())
    }
}

impl Iterator for Inputs {
    type Item = Result<Document, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(reader) = &mut self.current {
                if let Some(read) = reader.next() {
                    return Some(read);
                }
                self.current = None;
            }
            let next = self.pending.pop()?;
            if let Err(reason) = self.open(&next) {
                return Some(Err(Fault { file: name(&next.path), line: 1, column: 1, reason }));
            }
        }
    }
}

fn name(path: &Path) -> Arc<str> {
    path.display().to_string().into()
}

fn io_reason(error: &io::Error) -> Reason {
    Reason::Io(error.to_string())
}

fn hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Whether a file that was found in a folder is called like a manifest.
fn is_manifest(path: &Path) -> bool {
    let ends = |path: &Path, ends: &[&str]| {
        path.extension().is_some_and(|end| ends.iter().any(|known| end.eq_ignore_ascii_case(known)))
    };
    let unpacked = if ends(path, &["gz"]) { path.with_extension("") } else { path.to_owned() };
    ends(&unpacked, &["yaml", "yml", "json"])
}

/// The first bytes of a gzip file.
const GZIP: [u8; 2] = [0x1F, 0x8B];

/// What a gzip file unpacks to, within limits.
pub fn unpacked<R: Read>(packed: R, limits: Unpacking) -> impl Read {
    Unpacked::new(packed, limits)
}

/// A gzip file as it unpacks, until it is more than anybody has manifests.
struct Unpacked<R> {
    inner: MultiGzDecoder<Counted<R>>,
    limits: Unpacking,
    written: u64,
}

impl<R: Read> Unpacked<R> {
    fn new(inner: R, limits: Unpacking) -> Self {
        Self { inner: MultiGzDecoder::new(Counted { inner, read: 0 }), limits, written: 0 }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Unpacking { most, ratio, free } = self.limits;
        let read = self.inner.read(buffer)?;
        self.written += read as u64;
        let packed = self.inner.get_ref().read;
        if self.written > most {
            return Err(io::Error::other(format!("it unpacks to more than {most} bytes")));
        }
        if self.written > free && self.written / ratio > packed {
            return Err(io::Error::other(format!("it unpacks to more than {ratio} times its size")));
        }
        Ok(read)
    }
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.read += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write as _, os::unix::fs::symlink};

    use banyan_policies::input::parse;
    use flate2::{Compression, write::GzEncoder};
    use tempfile::TempDir;

    use super::*;

    fn pod(name: &str) -> String {
        format!("apiVersion: v1\nkind: Pod\nmetadata: {{ name: {name} }}\n")
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn folder(files: &[(&str, &[u8])]) -> TempDir {
        let folder = TempDir::new().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        folder
    }

    /// Names of the objects, and faults without the folder's own path.
    fn read(folder: &TempDir, paths: &[&str], unpacking: Unpacking) -> (Vec<String>, Vec<String>) {
        let paths: Vec<PathBuf> = paths.iter().map(|path| folder.path().join(path)).collect();
        let (mut names, mut faults) = (Vec::new(), Vec::new());
        let own = format!("{}/", folder.path().display());
        for document in Inputs::new(&paths, Limits::default(), unpacking) {
            let parsed = document.map(|document| parse(&document, &Limits::default()));
            match parsed {
                Ok(parsed) => {
                    let name =
                        |value: &serde_json::Value| value["metadata"]["name"].as_str().unwrap().to_owned();
                    names.extend(parsed.objects.iter().map(|object| name(&object.value)));
                    faults.extend(parsed.faults.iter().map(|fault| fault.to_string().replace(&own, "")));
                }
                Err(fault) => faults.push(fault.to_string().replace(&own, "")),
            }
        }
        (names, faults)
    }

    #[test]
    fn folders_are_read_by_name_with_what_is_below_them() {
        let folder = folder(&[
            ("d/b.yaml", pod("b").as_bytes()),
            ("d/a/z.yml", pod("a-z").as_bytes()),
            ("d/c.JSON", br#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"c"}}"#),
            ("d/e.yaml.gz", &packed(pod("e").as_bytes())),
            ("d/.hidden.yaml", pod("hidden").as_bytes()),
            ("d/.git/f.yaml", pod("git").as_bytes()),
            ("d/readme.txt", pod("text").as_bytes()),
            ("d/x.tar.gz", b"no"),
        ]);
        let usual = Unpacking::default();
        assert_eq!(read(&folder, &["d"], usual), (["a-z", "b", "c", "e"].map(str::to_owned).into(), vec![]));
        // What is named is read whatever it is called, and in the order in which it is named.
        let named = ["d/readme.txt", "d/.hidden.yaml", "d/b.yaml"];
        assert_eq!(read(&folder, &named, usual).0, ["text", "hidden", "b"]);
    }

    #[test]
    fn links_do_not_lead_in_circles() {
        let folder = folder(&[("d/a.yaml", pod("a").as_bytes()), ("e/b.yaml", pod("b").as_bytes())]);
        let path = folder.path();
        symlink(path.join("d"), path.join("d/again")).unwrap();
        symlink(path, path.join("d/up")).unwrap();
        symlink(path.join("d/gone"), path.join("d/gone.yaml")).unwrap();
        symlink(path.join("e/b.yaml"), path.join("d/link.yaml")).unwrap();
        let (names, faults) = read(&folder, &["d"], Unpacking::default());
        assert_eq!(names, ["a", "b", "b"], "the link to a file, and the folder above by its link");
        assert_eq!(faults, ["d/gone.yaml:1:1: reading the input: No such file or directory (os error 2)"]);
    }

    #[test]
    fn what_cannot_be_read_is_said_and_the_rest_is_read() {
        let folder =
            folder(&[("a.yaml", pod("a").as_bytes()), ("b.yaml", b"a: ["), ("c.yaml", pod("c").as_bytes())]);
        let (names, faults) =
            read(&folder, &["a.yaml", "none.yaml", "b.yaml", "c.yaml"], Unpacking::default());
        assert_eq!(names, ["a", "c"]);
        assert_eq!(faults[0], "none.yaml:1:1: reading the input: No such file or directory (os error 2)");
        assert!(faults[1].starts_with("b.yaml:1:4: parsing YAML: "), "{}", faults[1]);
    }

    #[test]
    fn a_packed_file_is_known_by_its_bytes_and_unpacks_to_a_limit() {
        let pods: String = ["a", "b"].map(pod).join("---\n");
        let whole = packed(pods.as_bytes());
        let bomb = packed("a: b\n---\n".repeat(100_000).as_bytes());
        let two = [packed(pod("a").as_bytes()), packed(b"---\n"), packed(pod("b").as_bytes())].concat();
        let folder = folder(&[
            ("plain", &whole),
            ("two", &two),
            ("short", &whole[..whole.len() / 2]),
            ("bomb", &bomb),
            ("empty", b""),
            ("byte", b"\x1F"),
        ]);
        let usual = Unpacking::default();
        assert_eq!(
            read(&folder, &["plain", "two", "empty"], usual),
            (["a", "b", "a", "b"].map(str::to_owned).into(), vec![])
        );
        let (_, faults) = read(&folder, &["short"], usual);
        assert!(faults.last().unwrap().contains("reading the input: "), "{faults:?}");
        assert!(read(&folder, &["byte"], usual).1[0].contains("U+001F"));
        let said = |unpacking| read(&folder, &["bomb"], unpacking).1.pop().unwrap();
        assert!(
            said(Unpacking { free: 1000, ..usual }).ends_with("it unpacks to more than 200 times its size")
        );
        assert!(said(Unpacking { most: 1000, ..usual }).ends_with("it unpacks to more than 1000 bytes"));
    }

    #[test]
    fn standard_input_is_there_once() {
        let inputs = Inputs::new(&["-".into(), "-".into()], Limits::default(), Unpacking::default());
        let mut inputs = Inputs { stdin: true, ..inputs };
        assert_eq!(
            inputs.next().unwrap().unwrap_err().to_string(),
            "-:1:1: reading the input: - is named a second time, but there is one standard input"
        );
    }

    #[test]
    fn documents_can_be_read_on_one_thread_and_parsed_on_others() {
        fn sent<T: Send>() {}
        sent::<Inputs>();
        sent::<Result<Document, Fault>>();
    }
}
