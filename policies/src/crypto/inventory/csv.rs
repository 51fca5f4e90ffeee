//! The inventory as CSV after RFC 4180, as Excel opens it: UTF-8 with a byte order mark; lines end with CR LF.
//!
//! No text is taken for a formula: one that begins with a sign that a spreadsheet may calculate gets an apostrophe before it.

use csv::{Terminator, WriterBuilder};

use super::{Asset, Inventory, Request, Row};

/// Why no CSV can be made.
pub type CsvError = csv::Error;

/// The columns, in English.
pub const COLUMNS: [&str; 20] = [
    "Kind",
    "Namespace",
    "Name",
    "Field",
    "Number",
    "Asset",
    "Algorithm",
    "Key bits",
    "Curve",
    "Signature",
    "Subject",
    "Issuer",
    "Serial",
    "Not before",
    "Not after",
    "National algorithms",
    "Only national algorithms",
    "Quantum-vulnerable",
    "SHA-256 fingerprint",
    "Note",
];

/// The byte order mark, without which Excel takes Chinese for another encoding.
const BOM: &str = "\u{feff}";

/// How the words of the table are said: those of [`WORDS`], in whatever language.
pub type Say<'a> = &'a dyn Fn(&'static str) -> String;

/// The words that stand in cells beside what was read, in English.
pub const WORDS: [&str; 13] = [
    "certificate",
    "unreadable",
    "public key",
    "private key",
    "key store",
    "certificate request",
    "TLS setting",
    "encryption at rest",
    "yes",
    "no",
    "unknown",
    "none",
    "and others",
];

/// The words as they are.
pub fn english(word: &'static str) -> String {
    word.to_owned()
}

/// The inventory under titles: [`COLUMNS`], or the same in another language.
pub fn csv(
    inventory: &Inventory,
    titles: &[impl AsRef<str>; COLUMNS.len()],
    say: Say<'_>,
) -> Result<Vec<u8>, CsvError> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(BOM.as_bytes().to_vec());
    writer.write_record(titles.iter().map(|title| harmless(title.as_ref())))?;
    for row in &inventory.rows {
        writer.write_record(cells(row, say).iter().map(|cell| harmless(cell)))?;
    }
    writer.into_inner().map_err(|error| error.into_error().into())
}

/// A row's cells, in the order of [`COLUMNS`].
pub fn cells(row: &Row, say: Say<'_>) -> [String; COLUMNS.len()] {
    let national = row.national();
    let mut cells: [String; COLUMNS.len()] = Default::default();
    let mut put = |title: &str, text: String| {
        if let Some(cell) =
            COLUMNS.iter().position(|column| *column == title).and_then(|at| cells.get_mut(at))
        {
            *cell = text;
        }
    };
    let place = &row.place;
    put("Kind", place.kind.clone());
    put("Namespace", place.namespace.clone());
    put("Name", place.name.clone());
    put("Field", place.key.clone());
    put("Number", place.number.to_string());
    put("Asset", say(row.kind()));
    put("National algorithms", national.say(say));
    put("Only national algorithms", say(national.only.as_str()));
    put("Quantum-vulnerable", say(row.quantum_vulnerable().as_str()));
    put("Note", row.note.clone());
    let bits = |bits: Option<u32>| bits.map(|bits| bits.to_string()).unwrap_or_default();
    match &row.asset {
        Asset::Certificate(certificate) => {
            put("Algorithm", certificate.key.algorithm.to_string());
            put("Key bits", bits(certificate.key.bits));
            put("Curve", certificate.key.curve.clone().unwrap_or_default());
            put("Signature", certificate.signature.name.clone());
            put("Subject", certificate.subject.clone());
            put("Issuer", certificate.issuer.clone());
            put("Serial", certificate.serial.clone());
            put("Not before", certificate.not_before.to_string());
            put("Not after", certificate.not_after.to_string());
            put("SHA-256 fingerprint", certificate.fingerprint.clone());
        }
        Asset::PublicKey(key) => {
            put("Algorithm", key.algorithm.to_string());
            put("Key bits", bits(key.bits));
            put("Curve", key.curve.clone().unwrap_or_default());
            put("SHA-256 fingerprint", key.fingerprint.clone());
        }
        Asset::Request(Request { algorithm, bits: length, issuer, subject }) => {
            put("Algorithm", algorithm.to_string());
            put("Key bits", bits(*length));
            put("Subject", subject.clone());
            put("Issuer", issuer.clone());
        }
        Asset::Protocol(protocol) => {
            put(
                "Algorithm",
                protocol.version.as_deref().map_or("TLS".to_owned(), |version| format!("TLS from {version}")),
            );
            if !protocol.suites.is_empty() {
                put(
                    "Note",
                    [row.note.as_str(), &format!("suites {}", protocol.suites.join(", "))].join("; "),
                );
            }
        }
        Asset::Encryption(encryption) => {
            put("Algorithm", encryption.algorithm.clone().unwrap_or_default());
            if let Some(key) = &encryption.key {
                put("Note", [row.note.as_str(), &format!("key {key}")].join("; "));
            }
        }
        Asset::Unreadable(reason) => put("Note", reason.clone()),
        Asset::PrivateKey(label) => put("Note", label.clone()),
        Asset::KeyStore => {}
    }
    // What several parts of a note are joined from may be empty.
    if let Some(note) = cells.last_mut() {
        *note = note.trim_start_matches("; ").to_owned();
    }
    cells
}

/// A text that no spreadsheet calculates. Full-width signs count as well: Chinese and Japanese editions take them for the narrow ones.
fn harmless(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    if formula { format!("'{text}") } else { text.to_owned() }
}
