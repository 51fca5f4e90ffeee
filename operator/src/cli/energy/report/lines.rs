//! The lines of a report: those of its sites, and the city's.

use crate::{
    datacenter::{
        indicators::Indicators,
        ledger::Totals,
        report::{City, CityRow, Report, Row, SiteReport, days_in},
    },
    lang::{Lang, words},
    t,
};

use super::notes;

/// What a line speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A month of a site.
    Month,
    /// A year of a site.
    Year,
    /// All sites.
    City,
    /// A site of which nothing can be read.
    Unreadable,
}

/// A line.
#[derive(Clone, Debug)]
pub struct Line {
    pub kind: Kind,
    pub name: String,
    pub district: Option<String>,
    /// `2026-03` or `2025`.
    pub period: String,
    pub totals: Option<Totals>,
    pub pue: Option<f64>,
    pub target: Option<f64>,
    pub verdict: String,
    /// `met`, `missed` or `open`; `count` where it is that of several.
    pub standing: &'static str,
    pub reason: String,
    pub category: Option<u8>,
    pub missing: i64,
    pub imported: i64,
    pub corrected: i64,
    pub spread: i64,
    pub late: i64,
    pub racks: Option<i64>,
    pub indicators: Indicators,
}

/// All lines: each site's, then the city's where there is more than one site.
pub fn all(report: &Report, every_site: bool, lang: Lang) -> Vec<Line> {
    let span = report.span.to_string();
    let mut lines: Vec<_> = report.sites.iter().flat_map(|site| of_site(site, &span, lang)).collect();
    if report.sites.len() > 1 {
        lines.extend(of_city(&report.city, &span, every_site, lang));
    }
    lines
}

/// The lines of a site in the span.
pub fn of_site(site: &SiteReport, span: &str, lang: Lang) -> Vec<Line> {
    if let Some(unreadable) = &site.unreadable {
        return vec![Line {
            reason: notes::unreadable(unreadable, lang),
            ..blank(Kind::Unreadable, site, span.to_owned(), lang)
        }];
    }
    let months = site.months.iter().map(|row| of_row(Kind::Month, site, month_of(row), row, lang));
    let year = site.year.iter().map(|row| of_row(Kind::Year, site, span.to_owned(), row, lang));
    months.chain(year).collect()
}

/// The line of a site's whole span, or of why there is none.
pub fn whole(site: &SiteReport, report: &Report, lang: Lang) -> Option<Line> {
    of_site(site, &report.span.to_string(), lang).pop()
}

/// The months of a site's curve.
pub fn of_curve(site: &SiteReport, lang: Lang) -> Vec<Line> {
    let rows = site.curve.iter().filter_map(|(month, row)| Some((month, row.as_ref()?)));
    rows.map(|(month, row)| of_row(Kind::Month, site, month.to_string(), row, lang)).collect()
}

/// The lines of all sites together.
pub fn of_city(city: &City, span: &str, every_site: bool, lang: Lang) -> Vec<Line> {
    let months =
        city.months.iter().map(|row| city_line(row, notes::month_name(row.totals.to), every_site, lang));
    let year = city.year.iter().map(|row| city_line(row, span.to_owned(), every_site, lang));
    months.chain(year).collect()
}

/// The line of all sites in the whole span.
pub fn city_whole(report: &Report, every_site: bool, lang: Lang) -> Option<Line> {
    let row = report.city.whole(report.span)?;
    Some(city_line(row, report.span.to_string(), every_site, lang))
}

fn month_of(row: &Row) -> String {
    notes::month_name(row.totals.to)
}

fn of_row(kind: Kind, site: &SiteReport, period: String, row: &Row, lang: Lang) -> Line {
    Line {
        totals: Some(row.totals.clone()),
        pue: row.pue,
        target: row.target,
        verdict: words::verdict(lang, row.verdict),
        standing: notes::standing(row.verdict),
        reason: notes::reason(row.reason, lang),
        category: row.category,
        missing: days_in(&row.missing),
        imported: days_in(&row.marks.imported),
        corrected: days_in(&row.marks.corrected),
        spread: days_in(&row.marks.spread),
        late: days_in(&row.marks.late),
        racks: row.racks,
        indicators: row.indicators,
        ..blank(kind, site, period, lang)
    }
}

fn blank(kind: Kind, site: &SiteReport, period: String, lang: Lang) -> Line {
    Line {
        kind,
        name: site.name.clone(),
        district: site.district.clone(),
        period,
        totals: None,
        pue: None,
        target: None,
        verdict: words::verdict(lang, banyan_crds::v1alpha1::Verdict::Unknown),
        standing: "open",
        reason: String::new(),
        category: None,
        missing: 0,
        imported: 0,
        corrected: 0,
        spread: 0,
        late: 0,
        racks: None,
        indicators: Indicators::default(),
    }
}

/// What the city's lines are called: the city's only where every site is in them.
pub fn city_name(every_site: bool, lang: Lang) -> String {
    if every_site { t!(lang, "report-city") } else { t!(lang, "report-total") }
}

fn city_line(row: &CityRow, period: String, every_site: bool, lang: Lang) -> Line {
    let sites = row.verdicts.all();
    let (compliant, marks) = (row.verdicts.compliant, row.marked);
    Line {
        kind: Kind::City,
        name: city_name(every_site, lang),
        district: None,
        period,
        totals: Some(row.totals.clone()),
        pue: row.pue,
        target: row.target,
        verdict: t!(lang, "report-of-sites", count = compliant.to_string(), sites = sites.to_string()),
        standing: "count",
        reason: t!(lang, "report-sums-of", count = row.included.to_string(), sites = sites.to_string()),
        category: row.category,
        missing: row.totals.span_days - row.totals.days,
        imported: marks.imported,
        corrected: marks.corrected,
        spread: marks.spread,
        late: marks.late,
        racks: row.racks,
        indicators: row.indicators,
    }
}
