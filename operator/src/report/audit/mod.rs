//! The forms of an audit: pure functions from [`Audit`] to text or bytes, a file a form.
//!
//! [`openreports`] and [`sarif`], [`junit`], [`oscal`] are for programs, each after its published schema; [`table`], [`html`], [`csv`] and [`xlsx`]
//! for people, in Chinese or English. No form decides anything: what they say is what the audit says.
//!
//! Names and messages are those of strangers. Where people read them they are written out ([`visible`](super::visible)), never taken for a formula,
//! and escaped as the form asks; forms for programs keep names as they are and escape them in JSON.

use std::io;

use banyan_policies::verdict::Audit;

use crate::lang::Lang;

pub mod csv;
pub mod history;
pub mod html;
pub mod junit;
pub mod openreports;
pub mod oscal;
pub mod sarif;
mod sheets;
pub mod table;
mod trend;
mod view;
pub mod words;
pub mod xlsx;

pub use history::History;
pub use view::View;

/// The name under which everything is reported.
pub const TOOL: &str = "banyan";

/// The forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Format {
    /// For a terminal.
    Table,
    /// A List of reports of openreports.io/v1alpha1.
    Json,
    /// The same in YAML.
    Yaml,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for pipelines.
    Junit,
    /// OSCAL assessment results.
    Oscal,
    /// A row a finding.
    Csv,
    /// The field record of an assessor, and the findings.
    Xlsx,
    /// One page that needs nothing else.
    Html,
}

/// Why a form could not be made.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The output.
    #[error("the report cannot be written: {0}")]
    Output(#[from] io::Error),
    /// JSON.
    #[error("the report cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// YAML.
    #[error("the report cannot be written as YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
    /// JUnit XML.
    #[error("the report cannot be written as JUnit XML: {0}")]
    Junit(#[from] quick_junit::SerializeError),
    /// CSV.
    #[error("the report cannot be written as CSV: {0}")]
    Csv(#[from] ::csv::Error),
    /// A workbook.
    #[error("the report cannot be written as a workbook: {0}")]
    Xlsx(#[from] rust_xlsxwriter::XlsxError),
    /// A page.
    #[error("the report cannot be written as a page: {0}")]
    Html(#[from] tera::Error),
}

/// Writes an audit in a form. `lang` is the language of the forms for people; SARIF has both, the others English.
pub fn write(format: Format, audit: &Audit, lang: Lang, out: &mut impl io::Write) -> Result<(), RenderError> {
    write_view(format, &View::new(audit), lang, out)
}

/// The same of an audit that the operator has told, with what is remembered beyond it.
pub fn write_told(
    format: Format,
    audit: &Audit,
    history: &History,
    lang: Lang,
    out: &mut impl io::Write,
) -> Result<(), RenderError> {
    write_view(format, &View::told(audit, history), lang, out)
}

fn write_view(
    format: Format,
    view: &View<'_>,
    lang: Lang,
    out: &mut impl io::Write,
) -> Result<(), RenderError> {
    let audit = view.audit;
    match format {
        Format::Table => out.write_all(table::render_view(view, lang, table::ALL).as_bytes())?,
        Format::Json => openreports::write_json(audit, openreports::Api::OpenReports, out)?,
        Format::Yaml => openreports::write_yaml(audit, openreports::Api::OpenReports, out)?,
        Format::Sarif => super::visible::write_json(&sarif::render(audit, lang), out)?,
        Format::Junit => out.write_all(junit::render(audit)?.as_bytes())?,
        Format::Oscal => super::visible::write_json(&oscal::render(audit), out)?,
        Format::Csv => out.write_all(&csv::render(audit, lang)?)?,
        Format::Xlsx => out.write_all(&xlsx::render_view(view, lang)?)?,
        Format::Html => out.write_all(html::render_view(view, lang)?.as_bytes())?,
    }
    Ok(())
}

#[cfg(test)]
mod tests;
