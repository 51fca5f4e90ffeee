//! What is reported of sites: their closed months, and the city's.
//!
//! Everything is sums of the ledger, in whole Wh, mL and g; a ratio is a division of two of them, and no ratio is averaged.
//! A month is one of the site's own time zone. Of a month only the days count that are known on both sides, for both sides.

mod calendar;
mod city;

use banyan_crds::v1alpha1::Verdict;
use jiff::{Timestamp, ToSpan, civil::Date};

pub use calendar::{Month, NotASpan, Span, Year};
pub use city::{City, CityRow, Marked, Verdicts};

use super::{
    energy::Window,
    indicators::{self, Indicators},
    ledger::{Day, Flags, Ledger, Totals},
    provenance::{Batch, Provenance},
    site,
    spec::Site,
    verdict::{self, GlidePath, PLAUSIBLE, Tally, reasons},
    windows,
};

/// Months of the curve.
pub const CURVE: i32 = 12;

/// A site, as far as a report needs it.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its district or county.
    pub district: Option<String>,
    /// Its spec, read, and its ledger; what is wrong with them where they cannot be read.
    pub read: Result<(Site, std::sync::Arc<Ledger>), Unreadable>,
    /// Where those of its days come from that a person has put in.
    pub provenance: Provenance,
}

/// Why nothing can be reported of a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// The resource or its spec.
    Spec(String),
    /// The ledger.
    Ledger(String),
}

/// A report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// What it speaks of.
    pub span: Span,
    /// The month with which the curves end: the last of the span that is closed anywhere.
    pub last: Month,
    /// The sites, in the given order.
    pub sites: Vec<SiteReport>,
    /// All of them together.
    pub city: City,
}

/// What is reported of a site.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteReport {
    /// Its name.
    pub name: String,
    /// Its district or county.
    pub district: Option<String>,
    /// Name of its time zone.
    pub zone: Option<String>,
    /// First day of operation.
    pub commissioned: Option<Date>,
    /// Coverage that a day and a month need.
    pub minimum_coverage_percent: Option<i64>,
    /// The closed months of the span in which the site was in operation.
    pub months: Vec<Row>,
    /// The span as a whole, where it is a year and a month of it is closed.
    pub year: Option<Row>,
    /// Months of the span that are not closed.
    pub open: Vec<Month>,
    /// The [`CURVE`] months that end with [`Report::last`]. One that is not closed, or in which the site was not in operation,
    /// has no row.
    pub curve: Vec<(Month, Option<Row>)>,
    /// What persons have put in for days of the span, oldest first.
    pub imports: Vec<Import>,
    /// Why there is nothing else.
    pub unreadable: Option<Unreadable>,
}

impl SiteReport {
    /// The row that speaks of the whole span.
    pub fn whole(&self, span: Span) -> Option<&Row> {
        match span {
            Span::Month(_) => self.months.first(),
            Span::Year(_) => self.year.as_ref(),
        }
    }
}

/// Days from the first to the last, both included.
pub type Run = (Date, Date);

/// What is reported of a span of days.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The sums over the days that count.
    pub totals: Totals,
    /// PUE; none where it is not valid.
    pub pue: Option<f64>,
    /// Target over the days that count, weighted by IT energy; of a month without any, that of its last day.
    pub target: Option<f64>,
    /// What the days that count are allowed.
    pub tally: Tally,
    /// The verdict.
    pub verdict: Verdict,
    /// One of [`reasons`].
    pub reason: &'static str,
    /// The figure is an interim PUE.
    pub interim: bool,
    /// Category of the PUE, 1 to 3: the lowest of the days' own, else that of the present meters; none where neither is known.
    pub category: Option<u8>,
    /// Days of the span that do not count.
    pub missing: Vec<Run>,
    /// Days whose figures did not come from the meters in time.
    pub marks: Marks,
    /// Standard racks in use, as last known in the span.
    pub racks: Option<i64>,
    /// Indicators beside the PUE.
    pub indicators: Indicators,
}

/// Days that count and whose figures did not come, or not at first, from the meters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Imported from bills or another system.
    pub imported: Vec<Run>,
    /// Imported in place of figures that were there.
    pub corrected: Vec<Run>,
    /// Their part of a longer bill.
    pub spread: Vec<Run>,
    /// Closed with other figures at first, because readings came late.
    pub late: Vec<Run>,
}

/// What a person has put in at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Who, when and why.
    pub batch: Batch,
    /// The days.
    pub days: Vec<Run>,
    /// Those of them that had other figures before: the day, and its energy of facility and IT in Wh.
    pub replaced: Vec<(Date, i64, i64)>,
}

/// What persons have put in for the days from `from` to `to`.
fn imports(provenance: &Provenance, from: Date, to: Date) -> Vec<Import> {
    let mut imports: Vec<Import> = provenance
        .batches()
        .iter()
        .map(|batch| Import { batch: batch.clone(), days: Vec::new(), replaced: Vec::new() })
        .collect();
    for date in from.series(1.day()).take_while(|date| *date <= to) {
        for (step, batch) in provenance.of(date) {
            let Some(import) = imports.iter_mut().find(|import| import.batch.id == batch.id) else {
                continue;
            };
            push(&mut import.days, date);
            import.replaced.extend(step.replaced.as_ref().map(|day| (date, day.facility_wh, day.it_wh)));
        }
    }
    imports.retain(|import| !import.days.is_empty());
    imports
}

/// Days in runs.
pub fn days_in(runs: &[Run]) -> i64 {
    runs.iter().map(|(from, to)| i64::from((*to - *from).get_days()) + 1).sum()
}

/// The report of `sites` over `span`, as it is at `now`; none if no month of the span is closed anywhere.
pub fn report(sites: &[Subject], span: Span, now: Timestamp) -> Option<Report> {
    let closed = |site: &Site| closed_month(site, now);
    // A site that cannot be read says nothing about what is closed; without any other, the calendar does.
    let last = sites
        .iter()
        .filter_map(|subject| Some(closed(&subject.read.as_ref().ok()?.0)))
        .max()
        .unwrap_or_else(|| Month::of(now.to_zoned(jiff::tz::TimeZone::UTC).date()).before(1))
        .min(span.last());
    if last < span.first() {
        return None;
    }
    let sites: Vec<_> = sites.iter().map(|subject| of_site(subject, span, last, now)).collect();
    let city = city::of(&sites, span, last);
    Some(Report { span, last, sites, city })
}

/// The last month of which every day is closed.
fn closed_month(site: &Site, now: Timestamp) -> Month {
    // The month before that of the day after the last closed one.
    Month::of(windows::last_closed_day(site, now).saturating_add(1.day())).before(1)
}

/// The first day from which a closed month of `month` may be expected at `site`.
pub fn closes_on(month: Month) -> Date {
    month.last().saturating_add(1.day())
}

fn of_site(subject: &Subject, span: Span, last: Month, now: Timestamp) -> SiteReport {
    let mut report = SiteReport {
        name: subject.name.clone(),
        district: subject.district.clone(),
        zone: None,
        commissioned: None,
        minimum_coverage_percent: None,
        months: Vec::new(),
        year: None,
        open: Vec::new(),
        curve: last.back(CURVE).into_iter().map(|month| (month, None)).collect(),
        imports: Vec::new(),
        unreadable: None,
    };
    let (site, ledger) = match &subject.read {
        Ok((site, ledger)) => (site, ledger.as_ref()),
        Err(unreadable) => {
            report.unreadable = Some(unreadable.clone());
            return report;
        }
    };
    report.zone = site.zone.iana_name().map(str::to_owned);
    report.commissioned = site.commissioned;
    report.minimum_coverage_percent = Some((site.minimum_coverage * 100.0).round() as i64);
    let closed = closed_month(site, now);
    for (month, row) in &mut report.curve {
        let in_operation = site.commissioned.is_none_or(|first| first <= month.last());
        if *month <= closed && in_operation {
            *row = Some(of_month(site, ledger, *month));
        }
    }
    let mut month = closed.max(span.first().before(1)).before(-1);
    while month <= span.last() {
        report.open.push(month);
        month = month.before(-1);
    }
    // The months of a span end with the curve's, and there are no more of them than it has.
    let in_span = |month: Month| (span.first()..=span.last()).contains(&month);
    report.months =
        report.curve.iter().filter(|(month, _)| in_span(*month)).filter_map(|(_, row)| row.clone()).collect();
    if let (Some(first), Some(last)) = (report.months.first(), report.months.last()) {
        report.imports = imports(&subject.provenance, first.totals.from, last.totals.to);
    }
    if matches!(span, Span::Year(_)) && !report.months.is_empty() {
        report.year = Some(of_year(site, ledger, &report.months, span.first().first()));
    }
    report
}

/// Least coverage in hundredths of a percent.
fn minimum(site: &Site) -> u16 {
    (site.minimum_coverage * 10_000.0).round() as u16
}

fn of_month(site: &Site, ledger: &Ledger, month: Month) -> Row {
    let from = site.commissioned.map_or(month.first(), |first| first.max(month.first()));
    let mut row = sums(site, ledger, from, month.last());
    (row.verdict, row.reason) = judge(site, ledger, &row);
    // Only a figure that can be relied on is one.
    let valid = row.verdict != Verdict::Unknown || row.reason == reasons::NO_TARGET;
    row.pue = row.totals.pue().filter(|_| valid);
    row.target = row.target.or_else(|| site.glide.as_ref()?.target_on(month.last()));
    row
}

/// The verdict of a month, without tolerance, as the annual one; it has no share of a longer span to wait for.
fn judge(site: &Site, ledger: &Ledger, row: &Row) -> (Verdict, &'static str) {
    let totals = &row.totals;
    let unknown = |reason| (Verdict::Unknown, reason);
    if totals.days == 0 {
        let impossible = |day: &Day| day.coverage() > 0 && day.facility_wh < day.it_wh;
        let any = ledger.range(totals.from..=totals.to).iter().any(impossible);
        return unknown(if any { reasons::BETTER_THAN_PERFECT } else { reasons::NO_DATA });
    }
    if totals.coverage < minimum(site) {
        return unknown(reasons::LOW_COVERAGE);
    }
    let Some(pue) = totals.pue() else { return unknown(reasons::NO_IT_LOAD) };
    if (totals.it_wh as f64) < site.minimum_it_watts * totals.days as f64 * 24.0 {
        return unknown(reasons::NO_IT_LOAD);
    }
    if !PLAUSIBLE.contains(&pue) {
        return unknown(if pue < 1.0 { reasons::BETTER_THAN_PERFECT } else { reasons::METER_SUSPECT });
    }
    match row.tally.days {
        0 => unknown(reasons::NO_TARGET),
        days if days < totals.days => (Verdict::Provisional, reasons::TARGET_IS_NEW),
        _ if row.tally.met() => (Verdict::Compliant, reasons::WITHIN_TARGET),
        _ => (Verdict::Violated, reasons::ABOVE_TARGET),
    }
}

/// The calendar year as far as its months are closed, judged as the annual verdict is: metering that began late makes the
/// figure an interim one.
fn of_year(site: &Site, ledger: &Ledger, months: &[Row], january: Date) -> Row {
    let begin = site.commissioned.map_or(january, |first| first.max(january));
    let end = months.last().map_or(begin, |row| row.totals.to);
    let none = GlidePath::none();
    let glide = site.glide.as_ref().unwrap_or(&none);
    let annual = verdict::annual(ledger, glide, end, Some(begin), &windows::validity(site), None);
    let row = sums(site, ledger, annual.from.unwrap_or(begin), end);
    Row {
        pue: annual.pue,
        target: annual.target,
        verdict: annual.verdict,
        reason: annual.reason,
        interim: annual.interim,
        // One month without a category leaves the year without one.
        category: months
            .iter()
            .filter(|row| row.totals.days > 0)
            .map(|row| row.category)
            .reduce(|least, next| Some(least?.min(next?)))
            .flatten(),
        ..row
    }
}

/// What the days from `from` to `to` amount to, not judged yet.
fn sums(site: &Site, ledger: &Ledger, from: Date, to: Date) -> Row {
    let minimum = minimum(site);
    let none = GlidePath::none();
    let glide = site.glide.as_ref().unwrap_or(&none);
    let mut tally = Tally::default();
    let (mut missing, mut marks) = (Vec::new(), Marks::default());
    for date in from.series(1.day()).take_while(|date| *date <= to) {
        let Some(day) = ledger.get(date).filter(|day| day.counts(minimum)) else {
            push(&mut missing, date);
            continue;
        };
        tally.add(glide, date, day.facility_wh, day.it_wh);
        for (flag, runs) in [
            (Flags::LATE, &mut marks.late),
            (Flags::IMPORTED, &mut marks.imported),
            (Flags::CORRECTED, &mut marks.corrected),
            (Flags::SPREAD, &mut marks.spread),
        ] {
            if day.flags.contains(flag) {
                push(runs, date);
            }
        }
    }
    let totals = ledger.totals(from..=to, minimum);
    let indicators = indicators::of(&totals, site.minimum_coverage);
    Row {
        pue: None,
        target: tally.target(),
        tally,
        verdict: Verdict::Unknown,
        reason: reasons::NO_DATA,
        interim: false,
        category: category(site, &totals),
        missing,
        marks,
        racks: totals.racks.count(),
        indicators,
        totals,
    }
}

/// The category of the days that count: the lowest that one of them tells, else that of the meters of the spec, as
/// declared. Those say nothing about days that no meter of theirs has metered.
fn category(site: &Site, totals: &Totals) -> Option<u8> {
    if totals.category != 0 {
        return Some(totals.category);
    }
    if totals.imported_days == totals.days {
        return None;
    }
    let span =
        Window { from: windows::day_start(site, totals.from)?, to: windows::day_start(site, totals.to)? + 1 };
    let meters: Vec<_> = site.meters.iter().map(|meter| windows::input(meter, Err(String::new()))).collect();
    site::category(&meters, span)
}

/// Adds a day that comes after those that are there.
fn push(runs: &mut Vec<Run>, date: Date) {
    match runs.last_mut() {
        Some((_, to)) if to.tomorrow().is_ok_and(|next| next == date) => *to = date,
        _ => runs.push((date, date)),
    }
}

#[cfg(test)]
mod tests;
