//! What is wrong with a file, in a sentence that says what to do.

use super::{Column, Problem, Wrong};
use crate::{
    lang::{Lang, numbers::kwh},
    t,
};

/// A column as a template of the language names it.
pub fn column(lang: Lang, column: Column) -> &'static str {
    match lang {
        Lang::En => column.english(),
        Lang::Zh => column.chinese(),
    }
}

/// The known columns of a language, in the order of a template.
pub fn columns(lang: Lang) -> String {
    Column::all().map(|known| column(lang, known)).collect::<Vec<_>>().join(", ")
}

/// A problem of `file`: file, line, column and what is wrong.
pub fn problem(lang: Lang, file: &str, problem: &Problem) -> String {
    let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
    let column = problem.column.as_ref().map(|column| format!("{column}: ")).unwrap_or_default();
    format!("{file}{line}: {column}{}", wrong(lang, &problem.wrong))
}

fn wrong(lang: Lang, wrong: &Wrong) -> String {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    match wrong {
        Wrong::Workbook => t!(lang, "import-workbook"),
        Wrong::Encoding => t!(lang, "import-encoding"),
        Wrong::Empty => t!(lang, "import-empty"),
        Wrong::NoRows => t!(lang, "import-no-rows"),
        Wrong::TooLarge { most_mib } => t!(lang, "import-too-large", most = *most_mib),
        Wrong::Syntax(error) => t!(lang, "import-syntax", error = error.as_str()),
        Wrong::UnknownColumn => t!(lang, "import-unknown-column", known = columns(lang)),
        Wrong::NoUnit { units } => t!(lang, "import-no-unit", units = *units),
        Wrong::UnknownUnit { unit, units } => {
            t!(lang, "import-unknown-unit", unit = unit.as_str(), units = *units)
        }
        Wrong::TwoColumns { first } => t!(lang, "import-two-columns", first = first.as_str()),
        Wrong::NoColumn(needed) => t!(lang, "import-no-column", column = column(lang, *needed)),
        Wrong::NoSpanColumn => t!(
            lang,
            "import-no-span-column",
            date = column(lang, Column::Date),
            month = column(lang, Column::Month)
        ),
        Wrong::Ragged { found, wanted } => {
            t!(lang, "import-ragged", found = count(*found), wanted = count(*wanted))
        }
        Wrong::Unnamed => t!(lang, "import-unnamed"),
        Wrong::NoSite => t!(lang, "import-no-site"),
        Wrong::OtherSite { site, wanted } => {
            t!(lang, "import-other-site", site = site.as_str(), wanted = wanted.as_str())
        }
        Wrong::NoSpan => t!(lang, "import-no-span"),
        Wrong::TwoSpans => t!(lang, "import-two-spans"),
        Wrong::NotADay { text } => t!(lang, "import-not-a-day", text = text.as_str()),
        Wrong::NotAMonth { text } => t!(lang, "import-not-a-month", text = text.as_str()),
        Wrong::NotANumber { text } => t!(lang, "import-not-a-number", text = text.as_str()),
        Wrong::Exponent { text } => t!(lang, "import-exponent", text = text.as_str()),
        Wrong::CommaInNumber { text } => t!(lang, "import-comma", text = text.as_str()),
        Wrong::Negative { text } => t!(lang, "import-negative", text = text.as_str()),
        Wrong::TooBig { text } => t!(lang, "import-too-big", text = text.as_str()),
        Wrong::NotACount { text } => t!(lang, "import-not-a-count", text = text.as_str()),
        Wrong::NotAPosition { text } => t!(lang, "import-not-a-position", text = text.as_str()),
        Wrong::NotAShare { text } => t!(lang, "import-not-a-share", text = text.as_str()),
        Wrong::TooLong { most } => t!(lang, "import-too-long", most = count(*most)),
        Wrong::Needed(needed) => t!(lang, "import-needed", column = column(lang, *needed)),
        Wrong::UnknownSite { site } => t!(lang, "import-unknown-site", site = site.as_str()),
        Wrong::NotOver { today } => t!(lang, "import-not-over", today = today.to_string()),
        Wrong::NotClosed { last } => t!(lang, "import-not-closed", last = last.to_string()),
        Wrong::BeforeCommissioned { first } => {
            t!(lang, "import-before-commissioned", first = first.to_string())
        }
        Wrong::TooOld { oldest } => t!(lang, "import-too-old", oldest = oldest.to_string()),
        Wrong::Duplicate { line } => t!(lang, "import-duplicate", line = *line),
        Wrong::NoItEnergy => t!(lang, "import-no-it-energy"),
        Wrong::ItAboveFacility { facility_wh, it_wh } => {
            t!(lang, "import-it-above-facility", facility = kwh(*facility_wh), it = kwh(*it_wh))
        }
        Wrong::AboveTen { facility_wh, it_wh } => {
            t!(lang, "import-above-ten", facility = kwh(*facility_wh), it = kwh(*it_wh))
        }
        Wrong::AboveRating { wh, most_wh, kilowatts, .. } => {
            t!(lang, "import-above-rating", used = kwh(*wh), most = kwh(*most_wh), rating = *kilowatts)
        }
        Wrong::Differs { old, new, beside: false } => t!(
            lang,
            "import-differs",
            oldfacility = kwh(old.0),
            oldit = kwh(old.1),
            newfacility = kwh(new.0),
            newit = kwh(new.1)
        ),
        Wrong::Differs { beside: true, .. } => t!(lang, "import-differs-beside"),
        Wrong::BillBelowMeters { billed, metered, days, .. } => t!(
            lang,
            "import-bill-below-meters",
            billed = kwh(*billed),
            metered = kwh(*metered),
            days = count(*days)
        ),
        Wrong::RestImplausible { facility_wh, it_wh, days } => t!(
            lang,
            "import-rest-implausible",
            facility = kwh(*facility_wh),
            it = kwh(*it_wh),
            days = count(*days)
        ),
        Wrong::ProvenanceTooLarge { most_kib } => {
            t!(lang, "import-provenance-too-large", most = count(*most_kib))
        }
    }
}
