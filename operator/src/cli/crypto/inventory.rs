//! `banyan crypto inventory`.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use banyan_policies::{
    crypto::{
        Inventory,
        inventory::{self, COLUMNS, Origin, Row, cells, csv, cyclonedx},
    },
    input::{self, Limits},
};
use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::Value as Json;
use tokio::sync::mpsc;

use crate::{
    cli::{
        audit::cluster,
        inputs, print_bytes, table,
        world::{self, connect},
    },
    lang::Lang,
    report::visible::visible,
    t,
};

/// Arguments of `banyan crypto inventory`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Manifests: files, folders, or `-` for standard input; YAML or JSON, several documents, Lists, gzip.
    #[arg(value_name = "FILE", required_unless_present = "cluster", conflicts_with = "cluster")]
    files: Vec<PathBuf>,
    /// Look at the cluster of the kubeconfig instead. What may not be read is said.
    #[arg(long)]
    cluster: bool,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Where the output goes, instead of standard output.
    #[arg(long, value_name = "FILE")]
    output_file: Option<PathBuf>,
    /// The instant that the bill of materials is dated with.
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
}

/// Form of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Table,
    /// Every column, as Excel opens it.
    Csv,
    /// A cryptography bill of materials (CBOM): `CycloneDX` 1.6 as JSON.
    #[value(name = "cyclonedx")]
    CycloneDx,
}

/// What was read, and what could not be.
#[derive(Default)]
struct Read {
    rows: Vec<Row>,
    objects: usize,
    faults: Vec<String>,
}

impl Read {
    fn look(&mut self, object: &Json) {
        self.objects += 1;
        inventory::look(object, &mut self.rows);
    }
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let subject = if args.cluster {
        "cluster".to_owned()
    } else {
        args.files
            .iter()
            .map(|file| {
                if file.as_os_str() == "-" { "standard input".to_owned() } else { file.display().to_string() }
            })
            .collect::<Vec<_>>()
            .join(", ")
    };
    let read = if args.cluster {
        of_cluster().await?
    } else {
        let files = args.files;
        tokio::task::spawn_blocking(move || of_files(&files)).await.context("reading ended abnormally")?
    };
    for fault in &read.faults {
        eprintln!("{}", visible(fault));
    }
    if read.rows.is_empty() {
        eprintln!("{}", t!(lang, "crypto-nothing", objects = read.objects));
    }
    let found = Inventory::of(read.rows);
    let bytes = match args.output {
        Format::Table => of_table(&found, lang).into_bytes(),
        Format::Csv => csv(&found, &titles(lang), &|word| said(word, lang))?,
        Format::CycloneDx => {
            let version = env!("CARGO_PKG_VERSION").to_owned();
            let now = world::now(args.now)?;
            let mut text = serde_json::to_vec_pretty(&cyclonedx(&found, &Origin { version, subject, now }))?;
            text.push(b'\n');
            text
        }
    };
    match &args.output_file {
        Some(path) => {
            fs::write(path, &bytes).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        None => print_bytes(&bytes)?,
    }
    Ok(if read.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(2) })
}

fn of_files(files: &[PathBuf]) -> Read {
    let mut read = Read::default();
    for document in inputs::Inputs::new(files, Limits::default(), inputs::Unpacking::default()) {
        match document {
            Ok(document) => {
                let parsed = input::parse(&document, &Limits::default());
                read.faults.extend(parsed.faults.iter().map(ToString::to_string));
                for object in &parsed.objects {
                    read.look(&object.value);
                }
            }
            Err(fault) => read.faults.push(fault.to_string()),
        }
    }
    read
}

async fn of_cluster() -> anyhow::Result<Read> {
    let client = connect().await?;
    let wanted = inventory::kinds().into_iter().map(str::to_owned).collect();
    let mut read = Read::default();
    for kind in cluster::served(&client, &wanted).await? {
        let (to_look_at, mut pages) = mpsc::channel(1);
        // The sender goes with the list: when it is at its end, so is the loop.
        let client = &client;
        let listing = async move { cluster::list(client, &kind, &to_look_at).await };
        let looking = async {
            while let Some(page) = pages.recv().await {
                for object in &page {
                    read.look(object);
                }
            }
        };
        let (listed, ()) = tokio::join!(listing, looking);
        if let Some(unread) = listed? {
            read.faults.push(format!("{}: {}", unread.key, unread.why));
        }
    }
    Ok(read)
}

/// The columns that fit a terminal.
fn of_table(found: &Inventory, lang: Lang) -> String {
    const SHOWN: [&str; 9] = [
        "Kind",
        "Namespace",
        "Name",
        "Field",
        "Asset",
        "Algorithm",
        "Key bits",
        "Not after",
        "National algorithms",
    ];
    let titles = titles(lang);
    let shown: Vec<usize> =
        SHOWN.iter().filter_map(|title| COLUMNS.iter().position(|column| column == title)).collect();
    let pick = |cells: &[String]| -> Vec<String> {
        shown.iter().filter_map(|place| cells.get(*place)).cloned().collect()
    };
    let rows: Vec<Vec<String>> =
        found.rows.iter().map(|row| pick(&cells(row, &|word| said(word, lang)))).collect();
    table::render(&pick(&titles), &rows)
}

/// The titles of the columns, in the order of [`COLUMNS`].
fn titles(lang: Lang) -> [String; COLUMNS.len()] {
    [
        t!(lang, "crypto-column-kind"),
        t!(lang, "crypto-column-namespace"),
        t!(lang, "crypto-column-name"),
        t!(lang, "crypto-column-field"),
        t!(lang, "crypto-column-number"),
        t!(lang, "crypto-column-asset"),
        t!(lang, "crypto-column-algorithm"),
        t!(lang, "crypto-column-bits"),
        t!(lang, "crypto-column-curve"),
        t!(lang, "crypto-column-signature"),
        t!(lang, "crypto-column-subject"),
        t!(lang, "crypto-column-issuer"),
        t!(lang, "crypto-column-serial"),
        t!(lang, "crypto-column-not-before"),
        t!(lang, "crypto-column-not-after"),
        t!(lang, "crypto-column-national"),
        t!(lang, "crypto-column-only-national"),
        t!(lang, "crypto-column-quantum"),
        t!(lang, "crypto-column-fingerprint"),
        t!(lang, "crypto-column-note"),
    ]
}

/// A word of the table in a language.
fn said(word: &'static str, lang: Lang) -> String {
    match word {
        "certificate" => t!(lang, "crypto-certificate"),
        "unreadable" => t!(lang, "crypto-unreadable"),
        "public key" => t!(lang, "crypto-public-key"),
        "private key" => t!(lang, "crypto-private-key"),
        "key store" => t!(lang, "crypto-key-store"),
        "certificate request" => t!(lang, "crypto-certificate-request"),
        "TLS setting" => t!(lang, "crypto-tls-setting"),
        "encryption at rest" => t!(lang, "crypto-encryption-at-rest"),
        "yes" => t!(lang, "crypto-yes"),
        "no" => t!(lang, "crypto-no"),
        "unknown" => t!(lang, "crypto-unknown"),
        "none" => t!(lang, "crypto-none"),
        "and others" => t!(lang, "crypto-and-others"),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use banyan_policies::crypto::inventory::WORDS;

    use super::*;

    #[test]
    fn in_english_it_is_what_the_library_says() {
        assert_eq!(titles(Lang::En).each_ref().map(String::as_str), COLUMNS);
        for word in WORDS {
            assert_eq!(said(word, Lang::En), word);
            assert_ne!(said(word, Lang::Zh), word);
        }
    }
}
