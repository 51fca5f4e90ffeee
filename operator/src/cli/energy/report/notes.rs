//! What there is to say of the rows of a report, in words.

use banyan_crds::v1alpha1::Verdict;
use jiff::{civil::Date, tz::TimeZone};

use crate::{
    datacenter::{
        ledger::thousandth,
        provenance::Batch,
        report::{CityRow, Import, Marks, Month, Report, Row, Run, SiteReport, Unreadable, days_in},
        verdict::reasons,
    },
    lang::{Lang, numbers::whole},
    t,
};

use super::columns::Col;

/// The month that holds `date`, such as `2026-03`.
pub fn month_name(date: Date) -> String {
    Month::of(date).to_string()
}

/// How a verdict stands to its target: `met`, `missed` or `open`.
pub fn standing(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Compliant => "met",
        Verdict::Violated => "missed",
        Verdict::AtRisk | Verdict::Provisional | Verdict::Unknown => "open",
    }
}

/// Why a verdict is what it is, in few words.
pub fn reason(reason: &str, lang: Lang) -> String {
    match reason {
        reasons::WITHIN_TARGET => t!(lang, "report-reason-within-target"),
        reasons::ABOVE_TARGET => t!(lang, "report-reason-above-target"),
        reasons::INTERIM => t!(lang, "report-reason-interim"),
        reasons::TARGET_IS_NEW => t!(lang, "report-reason-target-is-new"),
        reasons::NO_TARGET => t!(lang, "report-reason-no-target"),
        reasons::NO_DATA => t!(lang, "report-reason-no-data"),
        reasons::LOW_COVERAGE => t!(lang, "report-reason-low-coverage"),
        reasons::MONTH_UNDER_COVERED => t!(lang, "report-reason-month-under-covered"),
        reasons::NO_IT_LOAD => t!(lang, "report-reason-no-it-load"),
        reasons::BETTER_THAN_PERFECT => t!(lang, "report-reason-better-than-perfect"),
        reasons::METER_SUSPECT => t!(lang, "report-reason-meter-suspect"),
        other => other.to_owned(),
    }
}

/// Why nothing can be reported of a site.
pub fn unreadable(unreadable: &Unreadable, lang: Lang) -> String {
    match unreadable {
        Unreadable::Spec(message) => t!(lang, "report-spec-unreadable", message = message.as_str()),
        Unreadable::Ledger(message) => t!(lang, "report-ledger-unreadable", message = message.as_str()),
    }
}

/// Days, such as `2026-03-04, 2026-03-09 to 2026-03-11`.
pub fn runs(runs: &[Run], lang: Lang) -> String {
    let one = |(from, to): &Run| {
        if from == to {
            from.to_string()
        } else {
            t!(lang, "report-run", from = from.to_string(), to = to.to_string())
        }
    };
    runs.iter().map(one).collect::<Vec<_>>().join(&t!(lang, "report-comma"))
}

/// What there is to say of a month of a site.
fn of_row(row: &Row, lang: Lang) -> Option<String> {
    let mut notes = Vec::new();
    match row.verdict {
        Verdict::Compliant => {}
        Verdict::Violated => {
            // At least one: a site that has missed its target by less than that has missed it.
            let excess = (row.tally.excess_wh() / 1000.0).ceil().max(1.0) as i64;
            notes.push(t!(lang, "report-note-excess", energy = whole(excess)));
        }
        _ => notes.push(t!(lang, "report-note-open", reason = reason(row.reason, lang))),
    }
    let Marks { imported, corrected, spread, late } = &row.marks;
    let run = |days: &[Run]| runs(days, lang);
    // That nothing is known at all has been said.
    if !row.missing.is_empty() && row.totals.days > 0 {
        let (count, days) = (days_in(&row.missing), run(&row.missing));
        notes.push(t!(lang, "report-note-missing", count = count, days = days));
    }
    if !imported.is_empty() {
        notes.push(t!(lang, "report-note-imported", count = days_in(imported), days = run(imported)));
    }
    if !corrected.is_empty() {
        notes.push(t!(lang, "report-note-corrected", count = days_in(corrected), days = run(corrected)));
    }
    if !spread.is_empty() {
        notes.push(t!(lang, "report-note-spread", count = days_in(spread), days = run(spread)));
    }
    if !late.is_empty() {
        notes.push(t!(lang, "report-note-late", count = days_in(late), days = run(late)));
    }
    let totals = &row.totals;
    for (total, col) in [
        (totals.generator_wh, Col::Generator),
        (totals.excluded_wh, Col::Excluded),
        (totals.renewable_wh, Col::Renewable),
        (totals.reuse_wh, Col::Reuse),
        (totals.water_ml, Col::Water),
        (totals.carbon_g, Col::Carbon),
    ] {
        if (1..totals.days).contains(&total.days) {
            let (column, told, days) = (col.title(lang), total.days.to_string(), totals.days.to_string());
            notes.push(t!(lang, "report-note-partly", column = column, told = told, days = days));
        }
    }
    about(&month_name(row.totals.to), &notes, lang)
}

/// Notes about a period, in one.
fn about(period: &str, notes: &[String], lang: Lang) -> Option<String> {
    let notes_joined = notes.join(&t!(lang, "report-semicolon"));
    (!notes.is_empty()).then(|| t!(lang, "report-note-about", what = period, note = notes_joined))
}

/// What there is to say of a site.
pub fn of_site(site: &SiteReport, lang: Lang) -> Vec<String> {
    let mut notes: Vec<_> = site.unreadable.iter().map(|why| unreadable(why, lang)).collect();
    if let Some(row) = &site.year {
        let (from, to) = (row.totals.from, row.totals.to);
        let mut of_year = Vec::new();
        if row.interim {
            let span = t!(lang, "report-run", from = from.to_string(), to = to.to_string());
            of_year.push(t!(lang, "report-note-interim", span = span, days = row.totals.days));
        }
        if row.verdict == Verdict::Violated {
            let excess = (row.tally.excess_wh() / 1000.0).ceil().max(1.0) as i64;
            of_year.push(t!(lang, "report-note-excess", energy = whole(excess)));
        } else if row.verdict == Verdict::Unknown {
            of_year.push(t!(lang, "report-note-open", reason = reason(row.reason, lang)));
        }
        notes.extend(about(&to.year().to_string(), &of_year, lang));
    }
    if let [first, .., last] = site.open.as_slice() {
        let (first, last) = (first.to_string(), last.to_string());
        notes.push(t!(
            lang,
            "report-note-not-closed",
            months = t!(lang, "report-run", from = first, to = last)
        ));
    } else if let [only] = site.open.as_slice() {
        notes.push(t!(lang, "report-note-not-closed", months = only.to_string()));
    }
    if site.unreadable.is_none() && site.months.is_empty() && site.open.is_empty() {
        notes.push(t!(lang, "report-note-not-in-operation"));
    }
    notes.extend(site.months.iter().filter_map(|row| of_row(row, lang)));
    notes.extend(site.imports.iter().map(|import| of_import(import, site.zone.as_deref(), lang)));
    notes
}

/// Days whose replaced figures are told one by one; of more, their sums.
const REPLACED: usize = 8;

/// Who has put in what, why, and in place of what.
fn of_import(import: &Import, zone: Option<&str>, lang: Lang) -> String {
    let Batch { author, person, at, reason, source, .. } = &import.batch;
    let who = person.as_ref().map_or_else(
        || author.clone(),
        |person| t!(lang, "report-import-person", person = person.as_str(), author = author.as_str()),
    );
    let zone = zone.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let at = at.to_zoned(zone).strftime("%Y-%m-%d %H:%M").to_string();
    let mut note = t!(
        lang,
        "report-note-import",
        days = runs(&import.days, lang),
        count = days_in(&import.days),
        who = who,
        at = at,
        reason = reason.as_str(),
        source = source.as_str()
    );
    let kwh = |wh: i64| whole(thousandth(wh));
    if import.replaced.len() > REPLACED {
        let sum = |of: fn(&(Date, i64, i64)) -> i64| kwh(import.replaced.iter().map(of).sum());
        let (facility, it) = (sum(|day| day.1), sum(|day| day.2));
        let count = import.replaced.len();
        note += &t!(lang, "report-import-replaced", count = count, facility = facility, it = it);
    } else {
        for (date, facility, it) in &import.replaced {
            let (date, facility, it) = (date.to_string(), kwh(*facility), kwh(*it));
            note += &t!(lang, "report-import-before", date = date, facility = facility, it = it);
        }
    }
    note
}

/// What there is to say of all sites together: which are not in their sums, or not with all of their days.
pub fn of_city(row: &CityRow, period: &str, lang: Lang) -> Option<String> {
    let mut notes = Vec::new();
    let names = |names: &[String]| names.join(&t!(lang, "report-comma"));
    if !row.left_out.is_empty() {
        notes.push(t!(lang, "report-note-left-out", sites = names(&row.left_out)));
    }
    if !row.partly.is_empty() {
        notes.push(t!(lang, "report-note-in-part", sites = names(&row.partly)));
    }
    about(period, &notes, lang)
}

/// Every note, each with what it is about.
pub fn all(report: &Report, lang: Lang) -> Vec<String> {
    let mut notes = Vec::new();
    if report.sites.len() > 1 {
        let months = report.city.months.iter().map(|row| (month_name(row.totals.to), row));
        let year = report.city.year.iter().map(|row| (report.span.to_string(), row));
        notes.extend(months.chain(year).filter_map(|(period, row)| of_city(row, &period, lang)));
    }
    for site in &report.sites {
        let of_site = of_site(site, lang).into_iter();
        notes.extend(
            of_site.map(|note| t!(lang, "report-note-about", what = site.name.as_str(), note = note)),
        );
    }
    notes
}
