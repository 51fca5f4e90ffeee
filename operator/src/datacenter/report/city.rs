//! All sites of a report together: their sums, divided.

use banyan_crds::v1alpha1::Verdict;

use super::{CURVE, Month, Row, SiteReport, Span, days_in};
use crate::datacenter::{
    indicators::Indicators,
    ledger::{ExtraTotal, Totals},
    verdict::Tally,
};

/// All sites together.
#[derive(Clone, Debug, PartialEq)]
pub struct City {
    /// The months of the span in which a site was in operation.
    pub months: Vec<CityRow>,
    /// The span as a whole, where it is a year.
    pub year: Option<CityRow>,
    /// The twelve months of the curve.
    pub curve: Vec<(Month, Option<CityRow>)>,
}

impl City {
    /// The row that speaks of the whole span.
    pub fn whole(&self, span: Span) -> Option<&CityRow> {
        match span {
            Span::Month(_) => self.months.first(),
            Span::Year(_) => self.year.as_ref(),
        }
    }
}

/// The sums of all days that count, of all sites. So the sums of its months are those of its year. Days, those that are
/// missing among them, are days of a site: two sites have sixty-two of them in March.
#[derive(Clone, Debug, PartialEq)]
pub struct CityRow {
    /// The sums.
    pub totals: Totals,
    /// The division of the sums; none without IT energy.
    pub pue: Option<f64>,
    /// Target, weighted by IT energy; none unless each of the sites has one for each of its days.
    pub target: Option<f64>,
    /// What the sites are allowed.
    pub tally: Tally,
    /// The lowest category; none unless each of the sites has one.
    pub category: Option<u8>,
    /// Standard racks in use; none unless each of the sites tells.
    pub racks: Option<i64>,
    /// Indicators; each none unless each of the sites has it.
    pub indicators: Indicators,
    /// Sites in the sums.
    pub included: usize,
    /// Those of them whose own figure is not valid, by name: too few of their days count, for instance.
    pub partly: Vec<String>,
    /// Sites that are not in the sums, by name: none of their days counts, or nothing can be read of them.
    pub left_out: Vec<String>,
    /// How many sites have which verdict.
    pub verdicts: Verdicts,
    /// How many of the days are marked.
    pub marked: Marked,
}

impl CityRow {
    /// Whether every site's own figure is in the sums. Where one is missing, the ratio of the others says nothing about all:
    /// it may be the better for what is not known.
    pub fn is_complete(&self) -> bool {
        self.left_out.is_empty() && self.partly.is_empty()
    }
}

/// How many days have which mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // As in `Marks`.
pub struct Marked {
    pub imported: i64,
    pub corrected: i64,
    pub spread: i64,
    pub late: i64,
}

/// How many sites have which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)] // The names are the verdicts'.
pub struct Verdicts {
    pub compliant: usize,
    pub at_risk: usize,
    pub violated: usize,
    pub provisional: usize,
    pub unknown: usize,
}

impl Verdicts {
    fn add(&mut self, verdict: Verdict) {
        *match verdict {
            Verdict::Compliant => &mut self.compliant,
            Verdict::AtRisk => &mut self.at_risk,
            Verdict::Violated => &mut self.violated,
            Verdict::Provisional => &mut self.provisional,
            Verdict::Unknown => &mut self.unknown,
        } += 1;
    }

    /// All of them.
    pub fn all(&self) -> usize {
        self.compliant + self.at_risk + self.violated + self.provisional + self.unknown
    }
}

pub(super) fn of(sites: &[SiteReport], span: Span, last: Month) -> City {
    let mut curve = Vec::new();
    for (at, month) in last.back(CURVE).into_iter().enumerate() {
        curve.push((month, together(sites, |site| site.curve.get(at)?.1.as_ref())));
    }
    let in_span = |month: Month| (span.first()..=span.last()).contains(&month);
    City {
        months: curve
            .iter()
            .filter(|(month, _)| in_span(*month))
            .filter_map(|(_, row)| row.clone())
            .collect(),
        year: match span {
            Span::Month(_) => None,
            Span::Year(_) => together(sites, |site| site.year.as_ref()),
        },
        curve,
    }
}

/// The row of these sites; none if no site has one of its own.
fn together<'a>(sites: &'a [SiteReport], row: impl Fn(&'a SiteReport) -> Option<&'a Row>) -> Option<CityRow> {
    let rows: Vec<_> = sites.iter().filter_map(|site| Some((site, row(site)?))).collect();
    let mut verdicts = Verdicts::default();
    let (mut partly, mut left_out) = (Vec::new(), Vec::new());
    for site in sites {
        let row = row(site);
        match row {
            Some(row) => verdicts.add(row.verdict),
            None if site.unreadable.is_some() => verdicts.add(Verdict::Unknown),
            // It was not in operation, or its span is not closed.
            None => continue,
        }
        match row {
            Some(row) if row.totals.days > 0 && row.pue.is_some() => {}
            Some(row) if row.totals.days > 0 => partly.push(site.name.clone()),
            _ => left_out.push(site.name.clone()),
        }
    }
    let (_, first) = rows.first()?;
    let mut totals = Totals {
        from: rows.iter().map(|(_, row)| row.totals.from).min()?,
        to: rows.iter().map(|(_, row)| row.totals.to).max()?,
        ..nothing(&first.totals)
    };
    let (mut tally, mut covered, mut marked) = (Tally::default(), 0, Marked::default());
    for (_, row) in &rows {
        add(&mut totals, &row.totals);
        covered += i64::from(row.totals.coverage) * row.totals.span_days;
        tally = tally + row.tally;
        marked.imported += days_in(&row.marks.imported);
        marked.corrected += days_in(&row.marks.corrected);
        marked.spread += days_in(&row.marks.spread);
        marked.late += days_in(&row.marks.late);
    }
    let included: Vec<&Row> = rows.iter().map(|(_, row)| *row).filter(|row| row.totals.days > 0).collect();
    if totals.span_days > 0 {
        totals.coverage = (covered / totals.span_days) as u16;
    }
    // What is known of all of them, from what is known of each.
    let every = |known: fn(&Row) -> bool| !included.is_empty() && included.iter().all(|row| known(row));
    let over = |told: bool, total: ExtraTotal, energy: i64| {
        (told && energy > 0).then(|| total.amount as f64 / energy as f64)
    };
    let Totals { water_ml, carbon_g, renewable_wh, reuse_wh, .. } = totals;
    let indicators = Indicators {
        wue: over(every(|row| row.indicators.wue.is_some()), water_ml, water_ml.it_wh),
        cue: over(every(|row| row.indicators.cue.is_some()), carbon_g, carbon_g.it_wh),
        renewable: over(
            every(|row| row.indicators.renewable.is_some()),
            renewable_wh,
            renewable_wh.facility_wh,
        ),
        erf: over(every(|row| row.indicators.erf.is_some()), reuse_wh, reuse_wh.facility_wh),
    };
    Some(CityRow {
        pue: totals.pue(),
        target: tally.target().filter(|_| tally.days == totals.days),
        category: every(|row| row.category.is_some())
            .then(|| included.iter().filter_map(|row| row.category).min())
            .flatten(),
        racks: every(|row| row.racks.is_some()).then(|| included.iter().filter_map(|row| row.racks).sum()),
        indicators,
        included: included.len(),
        partly,
        left_out,
        verdicts,
        marked,
        tally,
        totals,
    })
}

/// The span of `totals` with nothing in it.
fn nothing(totals: &Totals) -> Totals {
    Totals { span_days: 0, ..crate::datacenter::ledger::Ledger::default().totals(totals.from..=totals.to, 0) }
}

fn add(sum: &mut Totals, totals: &Totals) {
    let extra = |sum: &mut ExtraTotal, more: &ExtraTotal| {
        sum.amount += more.amount;
        sum.facility_wh += more.facility_wh;
        sum.it_wh += more.it_wh;
        sum.days += more.days;
    };
    sum.span_days += totals.span_days;
    sum.days += totals.days;
    sum.facility_wh += totals.facility_wh;
    sum.it_wh += totals.it_wh;
    extra(&mut sum.renewable_wh, &totals.renewable_wh);
    extra(&mut sum.reuse_wh, &totals.reuse_wh);
    extra(&mut sum.water_ml, &totals.water_ml);
    extra(&mut sum.carbon_g, &totals.carbon_g);
    extra(&mut sum.generator_wh, &totals.generator_wh);
    extra(&mut sum.excluded_wh, &totals.excluded_wh);
    sum.imported_days += totals.imported_days;
    sum.corrected_days += totals.corrected_days;
}
