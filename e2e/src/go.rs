//! The Go modules under `controlplane/` that pin the components.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// A module that pins components by `tool` directives.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its folder.
    pub dir: PathBuf,
    pub(crate) go_mod: String,
    pub(crate) go_sum: String,
    /// Its own program, where it has one.
    main: String,
}

impl Module {
    /// Reads `controlplane/<name>`.
    pub fn read(name: &str) -> Result<Self> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("controlplane").join(name);
        let read = |file: &str| {
            let path = dir.join(file);
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
        };
        let (go_mod, go_sum) = (read("go.mod")?, read("go.sum")?);
        let main = if dir.join("main.go").is_file() { read("main.go")? } else { String::new() };
        Ok(Self { dir, go_mod, go_sum, main })
    }

    /// The version, such as `v1.37.2`, at which a module is required.
    pub fn version(&self, module: &str) -> Result<String> {
        match required_version(&self.go_mod, module) {
            Some(version) => Ok(version.to_owned()),
            None => bail!("{} does not require {module}", self.dir.join("go.mod").display()),
        }
    }

    /// A short fingerprint of everything that decides what a build of this module gives.
    pub fn fingerprint(&self, flags: &[String]) -> String {
        let flags = flags.join("\n");
        let mut parts = vec![self.go_mod.as_str(), &self.go_sum, &flags, std::env::consts::ARCH];
        // Without one nothing is added, so that what was built before stays good.
        parts.extend((!self.main.is_empty()).then_some(self.main.as_str()));
        fingerprint(&parts)
    }
}

/// Flags that stamp a version into Kubernetes' programs. Without them they call themselves v0.0.0-master, which
/// clients cannot work with. Commit and date are fixed: only the version is meant to be read.
pub fn kubernetes_stamp(version: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or("0"), numbers.next().unwrap_or("0"));
    let package = "k8s.io/component-base/version";
    let commit = "0".repeat(40);
    [
        ("gitVersion", version),
        ("gitMajor", major),
        ("gitMinor", minor),
        ("gitCommit", &commit),
        ("gitTreeState", "clean"),
        ("buildDate", "2026-01-01T00:00:00Z"),
    ]
    .iter()
    .fold("-s -w".to_owned(), |flags, (name, value)| format!("{flags} -X {package}.{name}={value}"))
}

/// Ten hexadecimal digits of the SHA-256 over the parts, each ended by a zero byte.
fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(5).fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// Looks a module up in the `require` lines of a go.mod.
fn required_version<'a>(go_mod: &'a str, module: &str) -> Option<&'a str> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word == "require");
        (words.next() == Some(module))
            .then(|| words.next())
            .flatten()
            .filter(|version| version.starts_with('v'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GO_MOD: &str = "module m\n\ngo 1.26\n\ntool example.org/a/v3/cmd\n\nrequire example.org/a/v3 v3.1.0\n\n\
        require (\n\texample.org/ab v0.9.9 // indirect\n\texample.org/b v0.2.0 // indirect\n)\n";

    #[test]
    fn versions_are_read_from_both_forms_of_require() {
        assert_eq!(required_version(GO_MOD, "example.org/a/v3"), Some("v3.1.0"));
        assert_eq!(required_version(GO_MOD, "example.org/b"), Some("v0.2.0"));
        assert_eq!(required_version(GO_MOD, "example.org/a"), None);
        assert_eq!(required_version(GO_MOD, "tool"), None);
    }

    #[test]
    fn the_fingerprint_tells_where_a_part_ends() {
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
        assert_eq!(fingerprint(&["a"]).len(), 10);
    }

    #[test]
    fn the_stamp_carries_the_version_and_its_first_two_numbers() {
        let flags = kubernetes_stamp("v1.37.2");
        for part in ["gitVersion=v1.37.2 ", "gitMajor=1 ", "gitMinor=37 "] {
            assert!(flags.contains(part), "{flags}");
        }
    }
}
