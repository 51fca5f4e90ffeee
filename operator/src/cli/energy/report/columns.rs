//! The columns of a report: what they are called, and what a line has in them.

use super::lines::Line;
use crate::{
    datacenter::ledger::{ExtraTotal, Totals, thousandth},
    lang::Lang,
    report::{Cell, Column, Sheet, Shown},
    t,
};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Col {
    Site,
    District,
    Period,
    From,
    To,
    Facility,
    It,
    Generator,
    Excluded,
    Renewable,
    Reuse,
    Water,
    Carbon,
    Pue,
    Target,
    Verdict,
    Reason,
    Category,
    Coverage,
    Days,
    Missing,
    Imported,
    Corrected,
    Spread,
    Late,
    Racks,
    Wue,
    Cue,
    Ref,
    Erf,
    Marks,
}

/// The columns of files and of the table.
pub const ALL: [Col; 30] = [
    Col::Site,
    Col::District,
    Col::Period,
    Col::From,
    Col::To,
    Col::Facility,
    Col::It,
    Col::Generator,
    Col::Excluded,
    Col::Renewable,
    Col::Reuse,
    Col::Water,
    Col::Carbon,
    Col::Pue,
    Col::Target,
    Col::Verdict,
    Col::Reason,
    Col::Category,
    Col::Coverage,
    Col::Days,
    Col::Missing,
    Col::Imported,
    Col::Corrected,
    Col::Spread,
    Col::Late,
    Col::Racks,
    Col::Wue,
    Col::Cue,
    Col::Ref,
    Col::Erf,
];

impl Col {
    /// Its title, with the unit.
    pub fn title(self, lang: Lang) -> String {
        match self {
            Self::Site => t!(lang, "report-site"),
            Self::District => t!(lang, "report-district"),
            Self::Period => t!(lang, "report-period"),
            Self::From => t!(lang, "report-from"),
            Self::To => t!(lang, "report-to"),
            Self::Facility => t!(lang, "report-facility"),
            Self::It => t!(lang, "report-it"),
            Self::Generator => t!(lang, "report-generator"),
            Self::Excluded => t!(lang, "report-excluded"),
            Self::Renewable => t!(lang, "report-renewable"),
            Self::Reuse => t!(lang, "report-reuse"),
            Self::Water => t!(lang, "report-water"),
            Self::Carbon => t!(lang, "report-carbon"),
            Self::Pue => t!(lang, "report-pue"),
            Self::Target => t!(lang, "report-target"),
            Self::Verdict => t!(lang, "report-verdict"),
            Self::Reason => t!(lang, "report-reason"),
            Self::Category => t!(lang, "report-category"),
            Self::Coverage => t!(lang, "report-coverage"),
            Self::Days => t!(lang, "report-days"),
            Self::Missing => t!(lang, "report-missing"),
            Self::Imported => t!(lang, "report-imported"),
            Self::Corrected => t!(lang, "report-corrected"),
            Self::Spread => t!(lang, "report-spread"),
            Self::Late => t!(lang, "report-late"),
            Self::Racks => t!(lang, "report-racks"),
            Self::Wue => t!(lang, "report-wue"),
            Self::Cue => t!(lang, "report-cue"),
            Self::Ref => t!(lang, "report-ref"),
            Self::Erf => t!(lang, "report-erf"),
            Self::Marks => t!(lang, "report-marks"),
        }
    }

    fn shown(self) -> Shown {
        match self {
            Self::District | Self::From | Self::To | Self::Reason | Self::Days => Shown::InFiles,
            Self::Generator
            | Self::Excluded
            | Self::Renewable
            | Self::Reuse
            | Self::Water
            | Self::Carbon
            | Self::Imported
            | Self::Corrected
            | Self::Spread
            | Self::Late
            | Self::Racks
            | Self::Wue
            | Self::Cue
            | Self::Ref
            | Self::Erf => Shown::WhereKnown,
            _ => Shown::Always,
        }
    }

    /// What `line` has in it.
    pub fn cell(self, line: &Line, lang: Lang) -> Cell {
        let totals = line.totals.as_ref();
        // Rounded once, from the sum: the figures of lines may add up to a kWh less or more than those of their sum.
        let sum = |of: fn(&Totals) -> i64| {
            Cell::whole(totals.filter(|totals| totals.days > 0).map(|totals| thousandth(of(totals))))
        };
        let extra = |of: fn(&Totals) -> &ExtraTotal| {
            let total = totals.map(of).filter(|total| total.days > 0);
            Cell::whole(total.map(|total| thousandth(total.amount)))
        };
        // A day that is marked is worth a figure; none is not.
        let marked = |days: i64| Cell::whole((days > 0).then_some(days));
        match self {
            Self::Site => Cell::text(&line.name),
            Self::District => Cell::text(line.district.clone().unwrap_or_default()),
            Self::Period => Cell::text(&line.period),
            Self::From => Cell::text(totals.map(|totals| totals.from.to_string()).unwrap_or_default()),
            Self::To => Cell::text(totals.map(|totals| totals.to.to_string()).unwrap_or_default()),
            Self::Facility => sum(|totals| totals.facility_wh),
            Self::It => sum(|totals| totals.it_wh),
            Self::Generator => extra(|totals| &totals.generator_wh),
            Self::Excluded => extra(|totals| &totals.excluded_wh),
            Self::Renewable => extra(|totals| &totals.renewable_wh),
            Self::Reuse => extra(|totals| &totals.reuse_wh),
            Self::Water => extra(|totals| &totals.water_ml),
            Self::Carbon => extra(|totals| &totals.carbon_g),
            Self::Pue => Cell::decimal(line.pue, 4),
            Self::Target => Cell::decimal(line.target, 4),
            Self::Verdict => Cell::text(&line.verdict),
            Self::Reason => Cell::text(&line.reason),
            Self::Category => Cell::whole(line.category.map(i64::from)),
            Self::Coverage => Cell::decimal(totals.map(|totals| f64::from(totals.coverage) / 100.0), 2),
            Self::Days => Cell::whole(totals.map(|totals| totals.days)),
            Self::Missing => Cell::whole(totals.map(|_| line.missing)),
            Self::Imported => marked(line.imported),
            Self::Corrected => marked(line.corrected),
            Self::Spread => marked(line.spread),
            Self::Late => marked(line.late),
            Self::Racks => Cell::whole(line.racks),
            Self::Wue => Cell::decimal(line.indicators.wue, 4),
            Self::Cue => Cell::decimal(line.indicators.cue, 4),
            Self::Ref => Cell::decimal(line.indicators.renewable, 4),
            Self::Erf => Cell::decimal(line.indicators.erf, 4),
            Self::Marks => Cell::text(marks(line, lang)),
        }
    }
}

/// What is to be known of the days of a line, in few words.
fn marks(line: &Line, lang: Lang) -> String {
    let mut marks = Vec::new();
    if line.standing == "open" {
        marks.push(line.reason.clone());
    }
    if line.imported > 0 {
        marks.push(t!(lang, "report-mark-imported", days = line.imported));
    }
    if line.corrected > 0 {
        marks.push(t!(lang, "report-mark-corrected", days = line.corrected));
    }
    if line.spread > 0 {
        marks.push(t!(lang, "report-mark-spread", days = line.spread));
    }
    if line.late > 0 {
        marks.push(t!(lang, "report-mark-late", days = line.late));
    }
    marks.join(&t!(lang, "report-comma"))
}

/// These lines as a table, with every column.
pub fn sheet(lines: &[Line], lang: Lang) -> Sheet {
    Sheet {
        columns: ALL.iter().map(|col| Column { title: col.title(lang), shown: col.shown() }).collect(),
        rows: lines.iter().map(|line| ALL.iter().map(|col| col.cell(line, lang)).collect()).collect(),
        ..Sheet::default()
    }
}
