//! What cryptography is in use where, as Kubernetes objects show it: certificates, keys, TLS settings and encryption of storage.
//!
//! It is a list of what was seen. What only a connection would show (the suite that two peers agree on, TLCP) or only the host has (the keys of the
//! API server) is not in it.

mod csv;
mod cyclonedx;
mod keys;
mod settings;

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::{
    algorithm::{Answer, Hash, KeyAlgorithm},
    certificate::{Certificate, PublicKey},
};
use crate::engine::{ObjectRef, kind_key};

pub use csv::{COLUMNS, CsvError, Say, WORDS, cells, csv, english};
pub use cyclonedx::{Origin, cyclonedx};

/// Where something was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `group/Kind`, or `Kind` of the core group.
    pub kind: String,
    /// Empty for objects of the cluster.
    pub namespace: String,
    /// The name of the object.
    pub name: String,
    /// The field: `data['tls.crt']`.
    pub key: String,
    /// Which of several in one field, from 1.
    pub number: usize,
}

/// Something cryptographic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asset {
    /// A certificate.
    Certificate(Box<Certificate>),
    /// What should be a certificate or a key and cannot be read, and why.
    Unreadable(String),
    /// A public key on its own, such as one that image signatures are checked with.
    PublicKey(PublicKey),
    /// A private key: its label in PEM, if it has one. It was not read.
    PrivateKey(String),
    /// A file of keys and certificates under a password (PKCS #12, JKS). It was not opened.
    KeyStore,
    /// A certificate that somebody asks an issuer for.
    Request(Request),
    /// TLS as it is set.
    Protocol(Protocol),
    /// Encryption of what is stored.
    Encryption(Encryption),
}

/// A certificate that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The algorithm of the key, as it is asked for.
    pub algorithm: KeyAlgorithm,
    /// Its length.
    pub bits: Option<u32>,
    /// Who shall issue it.
    pub issuer: String,
    /// For whom.
    pub subject: String,
}

/// TLS as it is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Protocol {
    /// The lowest version, as it is set: `VersionTLS12`; `None`: the program's own.
    pub version: Option<String>,
    /// The suites that are set; empty: the program's own.
    pub suites: Vec<String>,
}

/// Encryption of what is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encryption {
    /// The algorithm, where it is told.
    pub algorithm: Option<String>,
    /// The key in a key management service, by its id.
    pub key: Option<String>,
}

/// One thing at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where.
    pub place: Place,
    /// What.
    pub asset: Asset,
    /// What else is known of it, in words.
    pub note: String,
}

/// Everything that was seen, by place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inventory {
    /// The rows.
    pub rows: Vec<Row>,
}

impl Inventory {
    /// Rows in whatever order they were found, as an inventory.
    pub fn of(mut rows: Vec<Row>) -> Self {
        // Two versions of one object differ in the rest.
        rows.sort_by(|a, b| a.place.cmp(&b.place).then_with(|| format!("{a:?}").cmp(&format!("{b:?}"))));
        rows.dedup();
        Self { rows }
    }
}

/// The inventory of objects. Their order does not matter; an object that comes twice counts once.
pub fn inventory(objects: &mut dyn Iterator<Item = &Json>) -> Inventory {
    let mut rows = Vec::new();
    for object in objects {
        look(object, &mut rows);
    }
    rows.sort_by(|a: &Row, b| a.place.cmp(&b.place).then_with(|| format!("{a:?}").cmp(&format!("{b:?}"))));
    rows.dedup();
    Inventory { rows }
}

/// The kinds that show something, `group/Kind`: whoever reads a cluster for an inventory reads these.
pub fn kinds() -> BTreeSet<&'static str> {
    keys::kinds().chain(settings::kinds()).collect()
}

/// Adds what one object shows.
pub fn look(object: &Json, rows: &mut Vec<Row>) {
    let reference = ObjectRef::of(object);
    let place = Place {
        kind: kind_key(&reference.api_version, &reference.kind),
        namespace: reference.namespace,
        name: reference.name,
        ..Place::default()
    };
    let mut sight = Sight { object, place, rows };
    keys::look(&mut sight);
    settings::look(&mut sight);
}

/// An object that is looked at, and where what it shows goes.
struct Sight<'a, 'r> {
    object: &'a Json,
    place: Place,
    rows: &'r mut Vec<Row>,
}

impl Sight<'_, '_> {
    fn add(&mut self, key: &str, number: usize, asset: Asset, note: impl Into<String>) {
        let place = Place { key: key.to_owned(), number, ..self.place.clone() };
        self.rows.push(Row { place, asset, note: note.into() });
    }
}

/// Which national algorithms something uses, and whether it uses nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct National {
    /// `SM2`, `SM3`, `SM4`.
    pub names: Vec<&'static str>,
    /// Whether it is these and nothing else.
    pub only: Answer,
}

impl Row {
    /// What it is, in a word or two.
    pub fn kind(&self) -> &'static str {
        match &self.asset {
            Asset::Certificate(_) => "certificate",
            Asset::Unreadable(_) => "unreadable",
            Asset::PublicKey(_) => "public key",
            Asset::PrivateKey(_) => "private key",
            Asset::KeyStore => "key store",
            Asset::Request(_) => "certificate request",
            Asset::Protocol(_) => "TLS setting",
            Asset::Encryption(_) => "encryption at rest",
        }
    }

    /// The national algorithms (商用密码) in it.
    pub fn national(&self) -> National {
        match &self.asset {
            Asset::Certificate(certificate) => {
                let (key, hash) = (certificate.key.algorithm, certificate.signature.hash);
                let names = [(key == KeyAlgorithm::Sm2, "SM2"), (hash == Hash::Sm3, "SM3")];
                let names: Vec<_> =
                    names.into_iter().filter(|(used, _)| *used).map(|(_, name)| name).collect();
                let only = if key == KeyAlgorithm::Unknown || hash == Hash::Unknown {
                    Answer::Unknown
                } else if names.len() == 2 {
                    Answer::Yes
                } else {
                    Answer::No
                };
                National { names, only }
            }
            Asset::PublicKey(PublicKey { algorithm, .. }) | Asset::Request(Request { algorithm, .. }) => {
                match algorithm {
                    KeyAlgorithm::Sm2 => National { names: vec!["SM2"], only: Answer::Yes },
                    KeyAlgorithm::Unknown => National::unknown(),
                    _ => National { names: Vec::new(), only: Answer::No },
                }
            }
            Asset::Protocol(Protocol { suites, .. }) if !suites.is_empty() => {
                National::in_words(suites.iter().map(String::as_str))
            }
            Asset::Encryption(Encryption { algorithm: Some(algorithm), .. }) => {
                National::in_words(std::iter::once(algorithm.as_str()))
            }
            _ => National::unknown(),
        }
    }

    /// Whether a large quantum computer breaks it.
    pub fn quantum_vulnerable(&self) -> Answer {
        match &self.asset {
            Asset::Certificate(certificate) => certificate.key.algorithm.quantum_vulnerable(),
            Asset::PublicKey(PublicKey { algorithm, .. }) | Asset::Request(Request { algorithm, .. }) => {
                algorithm.quantum_vulnerable()
            }
            // Suites up to TLS 1.2 name how keys are agreed on; those of 1.3 do not.
            Asset::Protocol(Protocol { suites, .. }) => {
                let agreed = |suite: &String| {
                    let suite = suite.to_ascii_uppercase().replace('_', "-");
                    ["ECDHE-", "DHE-", "ECC-", "TLS-RSA-"].iter().any(|agreement| suite.contains(agreement))
                };
                if suites.iter().any(agreed) { Answer::Yes } else { Answer::Unknown }
            }
            Asset::Encryption(Encryption { algorithm: Some(algorithm), .. }) => {
                let algorithm = algorithm.to_ascii_lowercase();
                if algorithm.contains("aes") || algorithm.contains("sm4") {
                    Answer::No
                } else {
                    Answer::Unknown
                }
            }
            _ => Answer::Unknown,
        }
    }
}

impl National {
    fn unknown() -> Self {
        Self { names: Vec::new(), only: Answer::Unknown }
    }

    /// What names of suites and ciphers say.
    fn in_words<'w>(words: impl Iterator<Item = &'w str>) -> Self {
        let (mut names, mut all) = (Vec::new(), true);
        for word in words {
            let word = word.to_ascii_uppercase();
            let before = names.len();
            names.extend(["SM2", "SM3", "SM4"].into_iter().filter(|name| word.contains(name)));
            all &= names.len() > before;
        }
        names.sort_unstable();
        names.dedup();
        Self { names, only: if all { Answer::Yes } else { Answer::No } }
    }

    /// `SM2, SM3`, `none`, or `unknown`.
    pub fn show(&self) -> String {
        self.say(&english)
    }

    fn say(&self, say: Say<'_>) -> String {
        match (self.names.as_slice(), self.only) {
            ([], Answer::Unknown) => say("unknown"),
            ([], _) => say("none"),
            (names, Answer::Yes) => names.join(", "),
            (names, _) => format!("{}, {}", names.join(", "), say("and others")),
        }
    }
}

#[cfg(test)]
mod tests;
