//! What becomes of rows in a ledger.
//!
//! A row of a day is one of three things: *new*, the ledger has no such day; *unchanged*, the ledger says what the row says,
//! so that a file may be brought in again; or it *replaces* another row, which only happens on request. What a row says
//! nothing about is left as it is: metered water stays beside a corrected energy.
//!
//! The category of an imported day is at most 2, as it has one figure a day, and 1 where the file has no `position`.

use std::collections::BTreeMap;

use banyan_crds::v1alpha1::{DataCenterSpec, Position, Purpose};
use jiff::{Timestamp, ToSpan, civil::Date};

use super::{
    Column, Problem, Row, Span, Wrong,
    bills::{self, Bill},
};
use crate::datacenter::{
    energy::Window,
    ledger::{Day, Extras, Flags, Ledger, MONTHS, Racks},
    provenance::Step,
    spec::Site,
    windows,
};

/// Largest PUE that is believed.
const MOST_PUE: i64 = 10;

/// A site that rows are for.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its spec, read.
    pub site: &'a Site,
    /// As declared.
    pub spec: &'a DataCenterSpec,
    /// Its ledger.
    pub ledger: &'a Ledger,
    /// Now.
    pub now: Timestamp,
    /// Rows may take the place of others.
    pub replace: bool,
}

/// What happens to a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The row to come.
    pub day: Day,
    /// The one that stands there.
    pub old: Option<Day>,
    /// Line of the file.
    pub line: u64,
    /// What the line says about itself.
    pub note: Option<String>,
}

/// What an import does to a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteImport {
    /// The ledger with the rows in it.
    pub ledger: Ledger,
    /// Days that are new or replaced, oldest first.
    pub changed: Vec<Changed>,
    /// Rows of days that the ledger has as they are.
    pub unchanged: usize,
    /// Bills, in the order of the file.
    pub bills: Vec<Bill>,
}

impl SiteImport {
    /// For the provenance: each day with what was done to it.
    pub fn steps(&self) -> impl Iterator<Item = (Date, Step)> {
        self.changed.iter().map(|changed| {
            let Changed { day, old, line, note } = changed.clone();
            (day.date, Step { batch: 0, line, note, replaced: old })
        })
    }

    /// Days that are new.
    pub fn new_days(&self) -> usize {
        self.changed.iter().filter(|changed| changed.old.is_none()).count()
    }

    /// Days that take the place of others.
    pub fn replaced_days(&self) -> usize {
        self.changed.len() - self.new_days()
    }
}

/// Brings `rows`, all of one site, into its ledger: first the days, then the bills. `name` is how the file names a column.
pub fn plan(
    place: &Place<'_>,
    rows: &[&Row],
    name: &impl Fn(Column) -> String,
) -> (SiteImport, Vec<Problem>) {
    let mut merge = Merge { place, name, import: SiteImport::default(), problems: Vec::new() };
    merge.import.ledger = place.ledger.clone();
    let mut first: BTreeMap<Span, u64> = BTreeMap::new();
    for row in rows {
        // A line that is wrong otherwise says so as well.
        if let Some(line) = first.get(&row.span) {
            let column = if matches!(row.span, Span::Day(_)) { Column::Date } else { Column::Month };
            merge.wrong(row, column, Wrong::Duplicate { line: *line });
            continue;
        }
        first.insert(row.span, row.line);
        if let Span::Day(date) = row.span {
            merge.day(row, date);
        }
    }
    let billed = rows.iter().filter(|row| first.get(&row.span) == Some(&row.line));
    for row in billed {
        if let Span::Month(month) = row.span {
            bills::bring(&mut merge, row, month);
        }
    }
    merge.import.changed.sort_by_key(|changed| changed.day.date);
    (merge.import, merge.problems)
}

/// An import on its way.
pub(super) struct Merge<'a, N> {
    pub(super) place: &'a Place<'a>,
    name: &'a N,
    pub(super) import: SiteImport,
    problems: Vec<Problem>,
}

impl<N: Fn(Column) -> String> Merge<'_, N> {
    pub(super) fn wrong(&mut self, row: &Row, column: Column, wrong: Wrong) {
        self.problems.push(Problem::of_cell(row.line, (self.name)(column), wrong));
    }

    pub(super) fn problems(&self) -> usize {
        self.problems.len()
    }

    /// The first day that is kept.
    pub(super) fn oldest(&self) -> Date {
        let Place { site, now, .. } = self.place;
        site.today(*now).first_of_month().saturating_sub(MONTHS.months())
    }

    /// Checks that both sides make a PUE, and that no more is used in `hours` than there is power.
    pub(super) fn check_sides(&mut self, row: &Row, facility_wh: i64, it_wh: i64, hours: f64) {
        if it_wh == 0 {
            self.wrong(row, Column::It, Wrong::NoItEnergy);
        } else if it_wh > facility_wh {
            self.wrong(row, Column::It, Wrong::ItAboveFacility { facility_wh, it_wh });
        } else if facility_wh > it_wh.saturating_mul(MOST_PUE) {
            self.wrong(row, Column::Facility, Wrong::AboveTen { facility_wh, it_wh });
        }
        let Place { spec, .. } = self.place;
        let feeds = supply_kilowatts(spec);
        let sides = [(Column::It, it_wh, spec.rated_it_kilowatts), (Column::Facility, facility_wh, feeds)];
        for (column, wh, rating) in sides {
            let Some(kilowatts) = rating.filter(|kilowatts| *kilowatts > 0) else { continue };
            let most_wh = (kilowatts as f64 * 1e3 * hours) as i64;
            if wh > most_wh {
                self.wrong(row, column, Wrong::AboveRating { column, wh, most_wh, kilowatts });
            }
        }
    }

    /// The hours of the site's days `first` to `last`.
    pub(super) fn hours(&self, first: Date, last: Date) -> f64 {
        let site = self.place.site;
        let (from, to) =
            (windows::day_start(site, first), windows::day_start(site, last.saturating_add(1.day())));
        from.zip(to).map_or(24.0, |(from, to)| Window { from, to }.hours())
    }

    fn day(&mut self, row: &Row, date: Date) {
        let before = self.problems.len();
        let today = self.place.site.today(self.place.now);
        let oldest = self.oldest();
        if date >= today {
            self.wrong(row, Column::Date, Wrong::NotOver { today });
        } else if date < oldest {
            self.wrong(row, Column::Date, Wrong::TooOld { oldest });
        }
        if let Some(first) = self.place.site.commissioned.filter(|first| date < *first) {
            self.wrong(row, Column::Date, Wrong::BeforeCommissioned { first });
        }
        for (column, amount) in [(Column::Facility, row.facility_wh), (Column::It, row.it_wh)] {
            if amount.is_none() {
                self.wrong(row, column, Wrong::Needed(column));
            }
        }
        let Some((facility_wh, it_wh)) = row.net_wh().zip(row.it_wh) else { return };
        self.check_sides(row, facility_wh, it_wh, self.hours(date, date));
        if self.problems.len() > before {
            return;
        }
        let category = match row.position {
            None | Some(Position::Ups) => 1,
            Some(Position::Pdu | Position::Rack) => 2,
        };
        let told = Extras {
            renewable_wh: row.renewable_wh,
            reuse_wh: row.reuse_wh,
            water_ml: row.water_ml,
            carbon_g: row.carbon_g,
            generator_wh: row.generator_wh,
            excluded_wh: row.excluded_wh,
        };
        let racks = row.racks.map(Racks::of).unwrap_or_default();
        let day =
            covered(Day { category, racks, extras: told.kept(), ..Day::full(date, facility_wh, it_wh) }, row);
        let old = self.import.ledger.get(date).cloned();
        match old {
            Some(old) if says_nothing_new(&old, &day, row) => self.import.unchanged += 1,
            Some(old) if !self.place.replace => {
                let (was, is) = ((old.facility_wh, old.it_wh), (facility_wh, it_wh));
                self.wrong(row, Column::Date, Wrong::Differs { old: was, new: is, beside: was == is });
            }
            old => self.put(day, old, row),
        }
    }

    /// Puts a day in; `old` stands there.
    pub(super) fn put(&mut self, mut day: Day, old: Option<Day>, row: &Row) {
        day.flags = day.flags.with(Flags::IMPORTED);
        if let Some(old) = &old {
            day.flags = day.flags.with(Flags::CORRECTED);
            let (new, was) = (day.extras(), old.extras());
            day.extras = Extras {
                renewable_wh: new.renewable_wh.or(was.renewable_wh),
                reuse_wh: new.reuse_wh.or(was.reuse_wh),
                water_ml: new.water_ml.or(was.water_ml),
                carbon_g: new.carbon_g.or(was.carbon_g),
                // Parts of the side that the row tells anew.
                generator_wh: new.generator_wh,
                excluded_wh: new.excluded_wh,
            }
            .kept();
            if day.racks == Racks::default() {
                day.racks = old.racks;
            }
        }
        if old.as_ref().is_some_and(|old| is_the_same(old, &day)) {
            self.import.unchanged += 1;
            return;
        }
        self.import.ledger.upsert(day.clone());
        self.import.changed.push(Changed { day, old, line: row.line, note: row.note.clone() });
    }
}

/// The day with the coverage that the row tells; all of it where it tells none.
pub(super) fn covered(day: Day, row: &Row) -> Day {
    let Some(coverage) = row.coverage else { return day };
    Day { facility_coverage: coverage, it_coverage: coverage, ..day }
}

/// Whether two rows differ in nothing but that one of them is a correction.
fn is_the_same(old: &Day, new: &Day) -> bool {
    let plain = |day: &Day| Day { flags: day.flags.without(Flags::CORRECTED), ..day.clone() };
    plain(old) == plain(new)
}

/// Whether a ledger that has `old` says all that `row` says, which would be `new`.
fn says_nothing_new(old: &Day, new: &Day, row: &Row) -> bool {
    let (was, is) = (old.extras(), new.extras());
    let told = |is: Option<i64>, was: Option<i64>| is.is_none() || is == was;
    (old.facility_wh, old.it_wh) == (new.facility_wh, new.it_wh)
        && told(is.renewable_wh, was.renewable_wh)
        && told(is.reuse_wh, was.reuse_wh)
        && told(is.water_ml, was.water_ml)
        && told(is.carbon_g, was.carbon_g)
        && told(is.generator_wh, was.generator_wh)
        && told(is.excluded_wh, was.excluded_wh)
        && (row.racks.is_none() || old.racks == new.racks)
        && (row.coverage.is_none()
            || (old.facility_coverage, old.it_coverage) == (new.facility_coverage, new.it_coverage))
        && (row.position.is_none() || old.category == new.category)
}

/// What feeds and generators can supply, kW; none where one of them has no rating.
fn supply_kilowatts(spec: &DataCenterSpec) -> Option<i64> {
    let meters = spec.energy.iter().flat_map(|energy| &energy.meters);
    let supply = meters.filter(|meter| matches!(meter.purpose, Purpose::Facility | Purpose::Generator));
    supply.map(|meter| meter.rated_kilowatts).sum()
}
