//! A report as a page to print: what the template is given.

use jiff::{Timestamp, tz::TimeZone};
use serde::Serialize;
use tera::TeraResult;

use super::{
    columns::Col,
    lines::{self, Kind, Line},
    notes,
};
use crate::{
    datacenter::report::{CityRow, Report, Row, SiteReport, Span, Verdicts},
    lang::{Lang, words},
    report::{
        Cell,
        curve::{self, Curve, Standing},
        page,
    },
    t,
};

/// What a page is made of.
#[derive(Debug, Serialize)]
struct Page {
    lang: &'static str,
    title: String,
    span: String,
    made: String,
    version: &'static str,
    headline: Headline,
    tables: Vec<Table>,
    remarks: Vec<String>,
    city: Option<Section>,
    sections: Vec<Section>,
}

/// The figure that is read first.
#[derive(Debug, Serialize)]
struct Headline {
    label: String,
    figure: String,
    target: String,
    verdict: String,
    standing: &'static str,
    counts: Vec<String>,
}

/// A table.
#[derive(Debug, Serialize)]
struct Table {
    caption: String,
    /// It goes on one page.
    short: bool,
    heads: Vec<Head>,
    rows: Vec<PageRow>,
}

#[derive(Debug, Serialize)]
struct Head {
    title: String,
    number: bool,
}

#[derive(Debug, Serialize)]
struct PageRow {
    /// `sum` for what sums the others up, or is what the report is about.
    kind: &'static str,
    cells: Vec<PageCell>,
}

#[derive(Debug, Serialize)]
struct PageCell {
    text: String,
    number: bool,
    /// `met`, `missed`, `open` or `count` in the cell of a verdict.
    standing: &'static str,
}

/// A site, or all of them.
#[derive(Debug, Serialize)]
struct Section {
    name: String,
    facts: Vec<String>,
    /// What the curve shows, in words.
    words: String,
    curve: Option<Curve>,
    verdict: String,
    standing: &'static str,
    tables: Vec<Table>,
    notes: Vec<String>,
}

/// Energy and PUE of lines that each begin with the first column.
const ENERGY: [Col; 11] = [
    Col::Facility,
    Col::It,
    Col::Pue,
    Col::Target,
    Col::Verdict,
    Col::Category,
    Col::Coverage,
    Col::Days,
    Col::Missing,
    Col::Racks,
    Col::Marks,
];
/// Energy by purpose and the indicators beside the PUE.
const RESOURCES: [Col; 10] = [
    Col::Generator,
    Col::Excluded,
    Col::Renewable,
    Col::Ref,
    Col::Reuse,
    Col::Erf,
    Col::Water,
    Col::Wue,
    Col::Carbon,
    Col::Cue,
];

/// Rows that go on one page.
const SHORT: usize = 20;

/// The page.
pub fn render(report: &Report, every_site: bool, made: Timestamp, lang: Lang) -> TeraResult<String> {
    let span = report.span;
    let several = report.sites.len() > 1;
    let mut summary: Vec<Line> =
        report.sites.iter().filter_map(|site| lines::whole(site, report, lang)).collect();
    let sections: Vec<Section> = report.sites.iter().map(|site| of_site(site, report, lang)).collect();
    if several {
        summary.extend(lines::city_whole(report, every_site, lang));
    }
    let is_sum = |line: &Line| line.kind == Kind::City;
    let page = Page {
        lang: lang.tag(),
        title: match span {
            Span::Month(_) => t!(lang, "report-title-month"),
            Span::Year(_) => t!(lang, "report-title-year"),
        },
        span: span.to_string(),
        made: made_at(report, made),
        version: env!("CARGO_PKG_VERSION"),
        headline: headline(report, every_site, lang),
        tables: tables(Col::Site, &summary, is_sum, lang),
        remarks: report
            .city
            .whole(span)
            .filter(|_| several)
            .and_then(|row| notes::of_city(row, &span.to_string(), lang))
            .into_iter()
            .collect(),
        city: if several { of_city(report, every_site, lang) } else { None },
        sections,
    };
    page::render(page::ENERGY, lang, &page)
}

/// When it was made, in the sites' own time zone if they share one.
fn made_at(report: &Report, made: Timestamp) -> String {
    let mut zones = report.sites.iter().filter_map(|site| site.zone.as_deref());
    let first = zones.next();
    let shared = first.filter(|first| zones.all(|zone| zone == *first));
    let zone = shared.and_then(|name| TimeZone::get(name).ok()).unwrap_or(TimeZone::UTC);
    let name = shared.unwrap_or("UTC");
    format!("{} ({name})", made.to_zoned(zone).strftime("%Y-%m-%d %H:%M"))
}

fn figure(pue: Option<f64>) -> String {
    Cell::decimal(pue, 4).shown()
}

fn headline(report: &Report, every_site: bool, lang: Lang) -> Headline {
    let span = report.span;
    if let [site] = report.sites.as_slice() {
        let row = site.whole(span);
        let verdict = row.map(|row| row.verdict).unwrap_or_default();
        return Headline {
            label: site.name.clone(),
            figure: figure(row.and_then(|row| row.pue)),
            target: figure(row.and_then(|row| row.target)),
            verdict: words::verdict(lang, verdict),
            standing: notes::standing(verdict),
            counts: row.map(|row| notes::reason(row.reason, lang)).into_iter().collect(),
        };
    }
    let row = report.city.whole(span);
    let verdicts = row.map(|row| row.verdicts).unwrap_or_default();
    let incomplete = row.filter(|row| !row.is_complete()).map(|row| {
        let (count, sites) = (row.included - row.partly.len(), verdicts.all());
        t!(lang, "report-incomplete", count = count.to_string(), sites = sites.to_string())
    });
    Headline {
        label: lines::city_name(every_site, lang),
        figure: figure(row.and_then(|row| row.pue)),
        target: figure(row.and_then(|row| row.target)),
        standing: if incomplete.is_some() { "open" } else { "" },
        verdict: incomplete.unwrap_or_else(|| t!(lang, "report-sites", sites = verdicts.all())),
        counts: counts(verdicts, lang),
    }
}

fn counts(verdicts: Verdicts, lang: Lang) -> Vec<String> {
    use banyan_crds::v1alpha1::Verdict;
    let Verdicts { compliant, at_risk, violated, provisional, unknown } = verdicts;
    [
        (Verdict::Compliant, compliant),
        (Verdict::AtRisk, at_risk),
        (Verdict::Violated, violated),
        (Verdict::Provisional, provisional),
        (Verdict::Unknown, unknown),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(|(verdict, count)| {
        t!(lang, "report-count", verdict = words::verdict(lang, verdict), count = count.to_string())
    })
    .collect()
}

/// The tables of these lines: energy, and what else is known.
fn tables(first: Col, lines: &[Line], is_sum: impl Fn(&Line) -> bool, lang: Lang) -> Vec<Table> {
    let known = |col: Col| lines.iter().any(|line| col.cell(line, lang) != Cell::Blank);
    let with = |cols: &[Col]| {
        let mut with = vec![first];
        with.extend(
            cols.iter().copied().filter(|col| known(*col) || ![Col::Racks, Col::Marks].contains(col)),
        );
        with
    };
    let mut tables = vec![table(t!(lang, "report-table-energy"), &with(&ENERGY), lines, &is_sum, lang)];
    let resources: Vec<Col> = RESOURCES.into_iter().filter(|col| known(*col)).collect();
    if !resources.is_empty() {
        tables.push(table(t!(lang, "report-table-resources"), &with(&resources), lines, &is_sum, lang));
    }
    tables
}

fn table(
    caption: String,
    cols: &[Col],
    lines: &[Line],
    is_sum: &impl Fn(&Line) -> bool,
    lang: Lang,
) -> Table {
    let number = |col: Col| lines.iter().any(|line| col.cell(line, lang).is_number());
    let numbers: Vec<bool> = cols.iter().map(|col| number(*col)).collect();
    let cell = |line: &Line, col: Col, number: bool| {
        let cell = col.cell(line, lang);
        PageCell {
            text: if cell == Cell::Blank && !number { String::new() } else { cell.shown() },
            number,
            standing: if col == Col::Verdict { line.standing } else { "" },
        }
    };
    let heads = cols.iter().zip(&numbers);
    Table {
        caption,
        short: lines.len() <= SHORT,
        heads: heads.map(|(col, number)| Head { title: col.title(lang), number: *number }).collect(),
        rows: lines
            .iter()
            .map(|line| PageRow {
                kind: if is_sum(line) { "sum" } else { "" },
                cells: cols.iter().zip(&numbers).map(|(col, number)| cell(line, *col, *number)).collect(),
            })
            .collect(),
    }
}

fn of_site(site: &SiteReport, report: &Report, lang: Lang) -> Section {
    let whole = site.whole(report.span);
    let verdict = whole.map(|row| row.verdict).unwrap_or_default();
    // A month is seen among the twelve that end with it, a year with its months.
    let lines = match report.span {
        Span::Month(_) => lines::of_curve(site, lang),
        Span::Year(_) => lines::of_site(site, &report.span.to_string(), lang),
    };
    let lines: Vec<Line> = lines.into_iter().filter(|line| line.kind != Kind::Unreadable).collect();
    let span = report.span.to_string();
    let months = site.curve.iter().map(|(month, row)| {
        let row = row.as_ref();
        point(
            month.first(),
            row.and_then(|row| row.pue),
            row.and_then(|row| row.target),
            row.map(|row| row.verdict),
        )
    });
    let months: Vec<curve::Month> = months.collect();
    Section {
        name: site.name.clone(),
        facts: facts(site, whole, lang),
        words: in_words(&months, lang),
        curve: (!lines.is_empty()).then(|| curve::draw(&months)),
        verdict: words::verdict(lang, verdict),
        standing: notes::standing(verdict),
        tables: if lines.is_empty() {
            Vec::new()
        } else {
            tables(Col::Period, &lines, |line| line.period == span, lang)
        },
        notes: notes::of_site(site, lang),
    }
}

/// What a reader must know of a site, in few words each.
fn facts(site: &SiteReport, whole: Option<&Row>, lang: Lang) -> Vec<String> {
    let mut facts = Vec::new();
    if let Some(district) = &site.district {
        facts.push(t!(lang, "report-fact", name = t!(lang, "report-district"), value = district.as_str()));
    }
    if let Some(row) = whole {
        facts.push(t!(lang, "report-fact", name = t!(lang, "report-pue"), value = figure(row.pue)));
        facts.push(t!(lang, "report-fact", name = t!(lang, "report-target"), value = figure(row.target)));
    }
    if let Some(first) = site.commissioned {
        facts.push(t!(
            lang,
            "report-fact",
            name = t!(lang, "report-commissioned"),
            value = first.to_string()
        ));
    }
    if let Some(percent) = site.minimum_coverage_percent {
        let value = format!("{percent} %");
        facts.push(t!(lang, "report-fact", name = t!(lang, "report-minimum-coverage"), value = value));
    }
    if let Some(zone) = &site.zone {
        facts.push(t!(lang, "report-fact", name = t!(lang, "report-zone"), value = zone.as_str()));
    }
    facts
}

fn of_city(report: &Report, every_site: bool, lang: Lang) -> Option<Section> {
    let months: Vec<curve::Month> = report
        .city
        .curve
        .iter()
        .map(|(month, row)| {
            let row = row.as_ref().filter(|row| row.pue.is_some());
            let met = |row: &CityRow| {
                let judged = row.target.filter(|_| row.is_complete());
                judged.map(|_| if row.tally.met() { "met" } else { "missed" })
            };
            let mut point =
                point(month.first(), row.and_then(|row| row.pue), row.and_then(|row| row.target), None);
            point.standing = standing(row.and_then(met).unwrap_or("open"));
            point
        })
        .collect();
    let row = report.city.whole(report.span)?;
    Some(Section {
        name: lines::city_name(every_site, lang),
        facts: vec![
            t!(lang, "report-fact", name = t!(lang, "report-pue"), value = figure(row.pue)),
            t!(lang, "report-fact", name = t!(lang, "report-target"), value = figure(row.target)),
        ],
        words: in_words(&months, lang),
        curve: Some(curve::draw(&months)),
        verdict: t!(
            lang,
            "report-of-sites",
            count = row.verdicts.compliant.to_string(),
            sites = row.verdicts.all().to_string()
        ),
        standing: "",
        tables: match report.span {
            Span::Month(_) => Vec::new(),
            Span::Year(_) => {
                let span = report.span.to_string();
                let lines = lines::of_city(&report.city, &span, every_site, lang);
                tables(Col::Period, &lines, |line| line.period == span, lang)
            }
        },
        notes: match report.span {
            // It is said under the table already.
            Span::Month(_) => Vec::new(),
            Span::Year(_) => report
                .city
                .months
                .iter()
                .filter_map(|row| notes::of_city(row, &notes::month_name(row.totals.to), lang))
                .collect(),
        },
    })
}

fn standing(name: &str) -> Standing {
    match name {
        "met" => Standing::Met,
        "missed" => Standing::Missed,
        _ => Standing::Open,
    }
}

fn point(
    first: jiff::civil::Date,
    value: Option<f64>,
    target: Option<f64>,
    verdict: Option<banyan_crds::v1alpha1::Verdict>,
) -> curve::Month {
    curve::Month {
        year: first.year(),
        month: first.month(),
        value,
        target,
        standing: standing(verdict.map_or("open", notes::standing)),
    }
}

/// What a curve shows, for who does not see it.
fn in_words(months: &[curve::Month], lang: Lang) -> String {
    let one = |month: &curve::Month| {
        let name = format!("{:04}-{:02}", month.year, month.month);
        match month.value {
            None => t!(lang, "report-curve-none", month = name),
            Some(value) => {
                let value = format!("{value:.4}");
                let standing = match month.standing {
                    Standing::Met => t!(lang, "report-legend-met"),
                    Standing::Missed => t!(lang, "report-legend-missed"),
                    Standing::Open => t!(lang, "report-legend-open"),
                };
                t!(lang, "report-curve-month", month = name, pue = value, standing = standing)
            }
        }
    };
    months.iter().map(one).collect::<Vec<_>>().join(&t!(lang, "report-semicolon"))
}
