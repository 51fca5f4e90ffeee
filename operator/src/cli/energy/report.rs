//! `banyan energy report`: closed months for those who have to report them.

mod columns;
mod lines;
mod notes;
mod page;

use std::{
    io::{IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use jiff::Timestamp;
use kube::ResourceExt as _;

use crate::{
    cli::{indexes, table, world},
    datacenter::{
        report::{self, Month, Report, Span, Subject, Unreadable, Year},
        spec::Site,
    },
    kernel::plan::Owner,
    lang::Lang,
    report::{Sheet, csv, xlsx},
    t,
};

/// Arguments of `banyan energy report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    span: SpanArgs,
    /// Names of sites; all of them by default.
    #[arg(long = "dc", value_name = "NAME", num_args = 1.., conflicts_with = "all")]
    names: Vec<String>,
    /// All sites.
    #[arg(long)]
    all: bool,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// Where to write it; `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    output_file: PathBuf,
    /// Banyan's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "banyan-system")]
    namespace: String,
    /// Report as if it were this instant.
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct SpanArgs {
    /// A closed month, such as 2026-03.
    #[arg(long, value_name = "YYYY-MM")]
    month: Option<Month>,
    /// The closed months of a year, such as 2025.
    #[arg(long, value_name = "YYYY")]
    year: Option<Year>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line a month, and notes.
    Table,
    /// For spreadsheets: UTF-8 with a byte order mark.
    Csv,
    /// A workbook.
    Xlsx,
    /// A page to print on A4 and sign.
    Html,
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let span = match (args.span.month, args.span.year) {
        (Some(month), _) => Span::Month(month),
        (_, Some(year)) => Span::Year(year),
        (None, None) => bail!("give --month or --year"),
    };
    let to_stdout = args.output_file.as_os_str() == "-";
    if args.output == Output::Xlsx && to_stdout && std::io::stdout().is_terminal() {
        bail!("a workbook is not for a terminal: give --output-file FILE, or send it into a pipe");
    }
    let now = args.now.unwrap_or_else(Timestamp::now);
    let sites = read(&args).await?;
    let Some(report) = report::report(&sites, span, now) else {
        bail!(
            "{span} has no month that is closed yet: its first one, {}, is closed from {} on",
            span.first(),
            report::closes_on(span.first())
        );
    };
    let every_site = args.names.is_empty();
    let bytes = render(&report, every_site, args.output, now, lang)?;
    if to_stdout {
        print(&bytes)?;
    } else {
        let file = args.output_file.display();
        std::fs::write(&args.output_file, &bytes).with_context(|| format!("writing {file}"))?;
    }
    let mut unreadable = false;
    for site in &report.sites {
        if let Some(why) = &site.unreadable {
            unreadable = true;
            eprintln!("error: {}: {}", site.name, notes::unreadable(why, lang));
        }
    }
    Ok(ExitCode::from(if unreadable { 2 } else { 0 }))
}

/// The sites that are asked for, by name, each with its ledger.
async fn read(args: &Args) -> anyhow::Result<Vec<Subject>> {
    let client = world::connect().await?;
    let mut sites = Vec::new();
    for guarded in world::data_centers(&client).await? {
        sites.push(match guarded.0 {
            Ok(site) => (site.name_any(), Ok(site)),
            // One that cannot be decoded is told of, and does not hide the others.
            Err(invalid) => (invalid.metadata.name.unwrap_or_default(), Err(invalid.error)),
        });
    }
    let sites = world::pick(sites, &args.names, |(name, _)| name.clone())?;
    if sites.is_empty() {
        bail!("there are no DataCenters to report on");
    }
    let (ledgers, _) = indexes::owned(&client, &args.namespace).await?;
    Ok(sites
        .into_iter()
        .map(|(name, site)| {
            let owner = Owner { kind: "datacenter", name: name.clone() };
            let found = ledgers.content(&owner).unwrap_or_default();
            let district = site.as_ref().ok().and_then(|site| site.spec.location.district.clone());
            // A ledger whose provenance cannot be read is not readable either.
            let provenance = found.provenance().unwrap_or_default();
            let read = site
                .and_then(|site| Site::read(&site.spec).map_err(|error| error.to_string()))
                .map_err(Unreadable::Spec)
                .and_then(|site| Ok((site, found.ledger.map_err(Unreadable::Ledger)?)));
            Subject { name, district, read, provenance }
        })
        .collect())
}

fn render(
    report: &Report,
    every_site: bool,
    output: Output,
    now: Timestamp,
    lang: Lang,
) -> anyhow::Result<Vec<u8>> {
    let sheet = || Sheet {
        title: match report.span {
            Span::Month(_) => format!("{} {}", t!(lang, "report-title-month"), report.span),
            Span::Year(_) => format!("{} {}", t!(lang, "report-title-year"), report.span),
        },
        notes_title: t!(lang, "report-notes"),
        notes: notes::all(report, lang),
        ..columns::sheet(&lines::all(report, every_site, lang), lang)
    };
    Ok(match output {
        Output::Table => text(sheet()).into_bytes(),
        Output::Csv => csv::write(&sheet()).context("writing CSV")?,
        Output::Xlsx => {
            let mut sheet = sheet();
            sheet.notes.extend([
                t!(lang, "report-method-pue"),
                t!(lang, "report-method-category"),
                t!(lang, "report-method-target"),
            ]);
            xlsx::write(&sheet, &t!(lang, "report-sheet"), now).context("writing a workbook")?
        }
        Output::Html => page::render(report, every_site, now, lang).context("filling the page")?.into_bytes(),
    })
}

/// The table, and below it a line for each thing that a reader must know.
fn text(sheet: Sheet) -> String {
    let sheet = sheet.dense();
    let header: Vec<&str> = sheet.columns.iter().map(|column| column.title.as_str()).collect();
    let rows: Vec<Vec<String>> =
        sheet.rows.iter().map(|row| row.iter().map(crate::report::Cell::shown).collect()).collect();
    let mut text = table::render(&header, &rows);
    if !sheet.notes.is_empty() {
        text.push('\n');
        for note in &sheet.notes {
            text.push_str(note);
            text.push('\n');
        }
    }
    text
}

/// Writes to stdout. A closed pipe is no error.
fn print(bytes: &[u8]) -> anyhow::Result<()> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Into::into),
    }
}

#[cfg(test)]
mod tests;
