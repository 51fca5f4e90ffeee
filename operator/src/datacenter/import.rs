//! Past days from other systems: a CSV file of days or monthly bills is read, checked and merged into ledgers.
//!
//! ```text
//! bytes ── text ──► rows ──► merge, bills ──► ledger and provenance of each site
//! ```
//!
//! Everything here is a pure function, and finds *every* problem of a file, not only the first: nothing is taken from a file
//! that has one. The columns are described in [`columns`], what becomes of a row in [`merge`] and of a bill in [`bills`].

use banyan_crds::v1alpha1::Position;
use jiff::civil::Date;

pub mod bills;
pub mod columns;
pub mod merge;
pub mod rows;
pub mod text;
pub mod words;

pub use columns::Column;
pub use merge::{Place, SiteImport, plan};

#[cfg(test)]
mod tests;

/// Longest note of a row and longest reason of an import, in characters.
pub const MAX_NOTE: usize = 200;

/// What a row speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Span {
    /// One day of the site.
    Day(Date),
    /// A calendar month, by its first day.
    Month(Date),
}

/// A row of a file, its amounts in the ledger's units.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Line of the file, from 1.
    pub line: u64,
    /// The site.
    pub site: String,
    /// What it speaks of.
    pub span: Span,
    /// Energy of the feeds, Wh.
    pub facility_wh: Option<i64>,
    /// Energy of the IT side, Wh.
    pub it_wh: Option<i64>,
    /// Energy of the site's own generators, Wh; it comes on top of the feeds.
    pub generator_wh: Option<i64>,
    /// Energy behind the feeds that is not the data centre's, Wh; it is taken off.
    pub excluded_wh: Option<i64>,
    /// Renewable energy, Wh.
    pub renewable_wh: Option<i64>,
    /// Energy given away for reuse, Wh.
    pub reuse_wh: Option<i64>,
    /// Water, mL.
    pub water_ml: Option<i64>,
    /// Carbon, g of `CO2e`.
    pub carbon_g: Option<i64>,
    /// Racks in use.
    pub racks: Option<i64>,
    /// Where the IT load was metered.
    pub position: Option<Position>,
    /// Metered share of the time, in hundredths of a percent.
    pub coverage: Option<u16>,
    /// What the row says about itself.
    pub note: Option<String>,
}

impl Row {
    /// Energy of the facility side, Wh: feeds and generators less what is excluded.
    pub fn net_wh(&self) -> Option<i64> {
        Some(self.facility_wh? + self.generator_wh.unwrap_or(0) - self.excluded_wh.unwrap_or(0))
    }
}

/// A problem of a file: where, and what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1; none if it is the whole file.
    pub line: Option<u64>,
    /// Column, as the file's header names it.
    pub column: Option<String>,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What is wrong with a file. Energies are in Wh. [`words`] says it in a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // The sentences say it.
pub enum Wrong {
    Workbook,
    Encoding,
    Empty,
    NoRows,
    TooLarge { most_mib: u64 },
    Syntax(String),
    UnknownColumn,
    NoUnit { units: &'static str },
    UnknownUnit { unit: String, units: &'static str },
    TwoColumns { first: String },
    NoColumn(Column),
    NoSpanColumn,
    Ragged { found: usize, wanted: usize },
    Unnamed,
    NoSite,
    OtherSite { site: String, wanted: String },
    NoSpan,
    TwoSpans,
    NotADay { text: String },
    NotAMonth { text: String },
    NotANumber { text: String },
    Exponent { text: String },
    CommaInNumber { text: String },
    Negative { text: String },
    TooBig { text: String },
    NotACount { text: String },
    NotAPosition { text: String },
    NotAShare { text: String },
    TooLong { most: usize },
    Needed(Column),
    UnknownSite { site: String },
    NotOver { today: Date },
    NotClosed { last: Date },
    BeforeCommissioned { first: Date },
    TooOld { oldest: Date },
    Duplicate { line: u64 },
    NoItEnergy,
    ItAboveFacility { facility_wh: i64, it_wh: i64 },
    AboveTen { facility_wh: i64, it_wh: i64 },
    AboveRating { column: Column, wh: i64, most_wh: i64, kilowatts: i64 },
    Differs { old: (i64, i64), new: (i64, i64), beside: bool },
    BillBelowMeters { column: Column, billed: i64, metered: i64, days: usize },
    RestImplausible { facility_wh: i64, it_wh: i64, days: usize },
    ProvenanceTooLarge { most_kib: usize },
}

impl Problem {
    /// Of the whole file.
    pub fn of_file(wrong: Wrong) -> Self {
        Self { line: None, column: None, wrong }
    }

    /// Of a line.
    pub fn of_line(line: u64, wrong: Wrong) -> Self {
        Self { line: Some(line), column: None, wrong }
    }

    /// Of a cell.
    pub fn of_cell(line: u64, column: impl Into<String>, wrong: Wrong) -> Self {
        Self { line: Some(line), column: Some(column.into()), wrong }
    }
}
