//! An archive of evidence: what was judged, by what, with what verdict, and a hash of every file.
//!
//! - `MANIFEST.sha256`, in the form of `sha256sum`: the hash of every other file. Its own hash stands for the whole archive;
//! - `evidence.json`: [`Evidence`];
//! - `verdict/audit.json`: the audit, clause by clause; `verdict/reports.json`: the same as reports of openreports.io; `verdict/audit.LANG.xlsx` and
//!   `.html`: the field record and the page;
//! - `objects/…`: the redacted objects, a file a kind, one object a line.
//!
//! Nothing in it depends on when or where it was written: the same input at the same instant gives the same bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use banyan_policies::verdict::{Attested, Audit, Counts, Input, Score, Verdict, WaiverLine};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::{
    about::{ClusterId, Denied, PackUsed, Span, TOOL, file_of},
    archive::{ArchiveError, Hashing, Spool, SpoolWriter, Stretch, Writer, sha256},
};
use crate::{
    lang::Lang,
    report::{
        audit::{self, Format, RenderError},
        visible::write_json,
    },
};

/// The file with the hashes.
pub const MANIFEST: &str = "MANIFEST.sha256";
/// The file that says what the archive is.
pub const ABOUT: &str = "evidence.json";
/// The form of an archive of evidence.
pub const FORMAT: &str = "banyan.dev/evidence/v1";

/// `evidence.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// The kinds that could not be read: what depends on them is unknown.
    pub denied: Vec<Denied>,
    /// What else could not be read, and what was wrong with packs and waivers.
    pub faults: Vec<String>,
    /// [`FORMAT`].
    pub format: String,
    /// The program that wrote it.
    pub tool: String,
    /// The instant for which the verdicts are valid.
    pub at: Timestamp,
    /// What was looked at.
    pub subject: Subject,
    /// The cluster, unless it was manifests.
    pub cluster: Option<ClusterId>,
    /// When the cluster was read.
    pub read: Option<Span>,
    /// The packs.
    pub packs: Vec<PackVerdict>,
    /// Parameters that were set.
    pub parameters: BTreeMap<String, Json>,
    /// Findings by outcome.
    pub counts: Counts,
    /// The controls whose failure is a high risk and that fail.
    pub high_risks: Vec<String>,
    /// How many objects were looked at.
    pub looked_at: usize,
    /// Which of them are in the archive.
    pub objects: Objects,
    /// How many are.
    pub objects_kept: usize,
    /// The waivers that were given, and what they are worth.
    pub waivers: Vec<WaiverLine>,
    /// What people attest, by clause.
    pub attestations: Vec<Attestation>,
    /// Clauses that are declared not to apply.
    pub not_applicable: Vec<Declared>,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Subject {
    /// Manifests.
    Manifests,
    /// A cluster.
    Cluster,
    /// A snapshot of a cluster.
    Snapshot,
}

/// Which objects are in an archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Objects {
    /// Those of which something is said beside that they hold.
    #[default]
    Findings,
    /// All that were looked at.
    All,
}

/// What comes of a pack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PackVerdict {
    /// The pack.
    pub pack: PackUsed,
    /// The standard.
    pub standard: String,
    /// Requirements by verdict.
    pub verdicts: BTreeMap<Verdict, usize>,
    /// The figures.
    pub score: Option<Score>,
}

/// What people attest of a clause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attestation {
    /// The pack.
    pub pack: String,
    /// The clause.
    pub clause: String,
    /// Who attests what.
    pub attested: Vec<Attested>,
}

/// A clause that is declared not to apply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// The clause.
    pub clause: String,
    /// Why.
    pub reason: String,
}

/// Why an archive of evidence could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The archive.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A form of the audit.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// JSON that could not be written.
    #[error("writing {ABOUT}: {0}")]
    Json(#[from] serde_json::Error),
    /// The temporary file, or the output.
    #[error("keeping what goes into the archive: {0}")]
    Spool(#[from] io::Error),
}

/// What an archive is made of.
pub struct Material<'a> {
    /// What was said.
    pub audit: &'a Audit,
    /// What was told beside the objects.
    pub input: &'a Input,
    /// The packs that were used, in the audit's order.
    pub packs: Vec<PackUsed>,
    /// Parameters that were set.
    pub parameters: BTreeMap<String, Json>,
    /// What was looked at.
    pub subject: Subject,
    /// The cluster.
    pub cluster: Option<ClusterId>,
    /// When it was read.
    pub read: Option<Span>,
    /// What could not be.
    pub denied: Vec<Denied>,
    /// Which objects are kept.
    pub objects: Objects,
    /// The redacted objects in the order of reading: place, kind, and where they stand in the spool, each with a line end.
    pub lines: Vec<(usize, String, Stretch)>,
    /// Where they stand.
    pub spool: Spool,
}

impl Material<'_> {
    fn about(&self, kept: usize) -> Evidence {
        let audit = self.audit;
        let packs = self.packs.iter().zip(&audit.packs).map(|(used, line)| PackVerdict {
            pack: used.clone(),
            standard: line.standard.clone(),
            verdicts: line.verdicts.clone(),
            score: line.score.clone(),
        });
        let control = |place: usize| audit.controls.get(place).map(|control| control.id.clone());
        let pack = |place: usize| audit.packs.get(place).map(|pack| pack.name.clone()).unwrap_or_default();
        let attested = audit.clauses.iter().filter(|clause| !clause.attested.is_empty());
        Evidence {
            denied: self.denied.clone(),
            faults: audit.faults.clone(),
            format: FORMAT.to_owned(),
            tool: TOOL.to_owned(),
            at: audit.at,
            subject: self.subject,
            cluster: self.cluster.clone(),
            read: self.read,
            packs: packs.collect(),
            parameters: self.parameters.clone(),
            counts: audit.counts,
            high_risks: audit.high_risks.iter().filter_map(|risk| control(risk.control)).collect(),
            looked_at: audit.looked_at,
            objects: self.objects,
            objects_kept: kept,
            waivers: audit.waivers.clone(),
            attestations: attested
                .map(|clause| Attestation {
                    pack: pack(clause.pack),
                    clause: clause.clause.clone(),
                    attested: clause.attested.clone(),
                })
                .collect(),
            not_applicable: self
                .input
                .not_applicable
                .iter()
                .map(|declared| Declared { clause: declared.clause.clone(), reason: declared.reason.clone() })
                .collect(),
        }
    }
}

/// A file that goes into the archive.
struct Part {
    name: String,
    sha256: String,
    stretches: Vec<Stretch>,
}

/// Writes the archive. Returns the SHA-256 of its manifest, in hex.
pub fn write(mut material: Material<'_>, out: impl Write) -> Result<String, PackError> {
    let told: BTreeSet<usize> = material.audit.objects.iter().map(|line| line.place).collect();
    let mut by_kind: BTreeMap<String, Vec<Stretch>> = BTreeMap::new();
    let mut kept = 0;
    for (place, kind, stretch) in std::mem::take(&mut material.lines) {
        if material.objects == Objects::All || told.contains(&place) {
            by_kind.entry(file_of(&kind)).or_default().push(stretch);
            kept += 1;
        }
    }
    let about = material.about(kept);
    let Material { audit, mut spool, .. } = material;
    let mut parts = Vec::new();
    // Every file goes through the spool: its size and hash have to be known before it is written.
    let put = |name: &str, writer: SpoolWriter<'_>| {
        let (stretch, sha256) = writer.finish();
        Part { name: name.to_owned(), sha256, stretches: vec![stretch] }
    };
    let mut writer = spool.writer();
    write_json(&about, &mut writer)?;
    parts.push(put(ABOUT, writer));
    let mut writer = spool.writer();
    write_json(audit, &mut writer)?;
    parts.push(put("verdict/audit.json", writer));
    let forms = [
        (Format::Json, "verdict/reports.json", Lang::En),
        (Format::Html, "verdict/audit.en.html", Lang::En),
        (Format::Html, "verdict/audit.zh.html", Lang::Zh),
        (Format::Xlsx, "verdict/audit.en.xlsx", Lang::En),
        (Format::Xlsx, "verdict/audit.zh.xlsx", Lang::Zh),
    ];
    for (format, name, lang) in forms {
        let mut writer = spool.writer();
        audit::write(format, audit, lang, &mut writer)?;
        parts.push(put(name, writer));
    }
    for (name, stretches) in by_kind {
        let mut hash = Hashing::default();
        spool.copy(&stretches, &mut hash)?;
        parts.push(Part { name, sha256: hash.hex(), stretches });
    }
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    let manifest: String = parts.iter().map(|part| [&part.sha256, "  ", &part.name, "\n"].concat()).collect();
    let mut writer = Writer::new(out);
    writer.add(MANIFEST, manifest.len() as u64, manifest.as_bytes())?;
    for part in &parts {
        writer.add_spooled(&part.name, &mut spool, &part.stretches)?;
    }
    writer.finish()?.flush()?;
    Ok(sha256(manifest.as_bytes()))
}
