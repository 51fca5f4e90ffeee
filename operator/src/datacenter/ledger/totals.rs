//! Sums of a ledger over spans of days.

use std::ops::RangeInclusive;

use jiff::civil::Date;

use super::{ALL, Day, Flags, Ledger, Racks};

impl Ledger {
    /// The sums over `dates`, both ends included, of the days on which both sides reach `minimum_coverage` (hundredths of a
    /// percent).
    pub fn totals(&self, dates: RangeInclusive<Date>, minimum_coverage: u16) -> Totals {
        let mut totals = Totals::empty(dates.clone());
        let mut told = self.range(dates.clone()).iter().rev().map(|day| day.racks);
        totals.racks = told.find(|racks| racks.count().is_some()).unwrap_or_default();
        let mut covered = 0_i64;
        for day in self.range(dates).iter().filter(|day| day.counts(minimum_coverage)) {
            totals.facility_wh += day.facility_wh;
            totals.it_wh += day.it_wh;
            totals.days += 1;
            covered += i64::from(day.coverage());
            totals.imported_days += i64::from(day.flags.contains(Flags::IMPORTED));
            totals.corrected_days += i64::from(day.flags.contains(Flags::CORRECTED));
            totals.category = lower(totals.category, day.category);
            if let Some(extras) = &day.extras {
                totals.renewable_wh.add(extras.renewable_wh, day);
                totals.reuse_wh.add(extras.reuse_wh, day);
                totals.water_ml.add(extras.water_ml, day);
                totals.carbon_g.add(extras.carbon_g, day);
                totals.generator_wh.add(extras.generator_wh, day);
                totals.excluded_wh.add(extras.excluded_wh, day);
            }
        }
        if totals.span_days > 0 {
            totals.coverage = u16::try_from(covered / totals.span_days).unwrap_or(ALL);
        }
        totals
    }

    /// The sums of each calendar month that `dates` touches, oldest first, cut to `dates`. Months without a row are there
    /// too, with nothing in them.
    pub fn months(&self, dates: RangeInclusive<Date>, minimum_coverage: u16) -> Vec<Totals> {
        let mut months = Vec::new();
        let mut from = *dates.start();
        while from <= *dates.end() {
            let to = from.last_of_month().min(*dates.end());
            months.push(self.totals(from..=to, minimum_coverage));
            let Ok(next) = to.tomorrow() else { break };
            from = next;
        }
        months
    }
}

/// The lower one of two categories; 0 is unknown.
pub fn lower(a: u8, b: u8) -> u8 {
    if a == 0 || (b != 0 && b < a) { b } else { a }
}

/// A sum as it is shown: whole kWh from Wh, L from mL, kg from g; halves away from zero.
pub fn thousandth(amount: i64) -> i64 {
    amount / 1000 + amount % 1000 / 500
}

/// An amount beside the PUE over the days that tell it, with the energy of the same days to set it against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtraTotal {
    /// The amount: Wh, mL or g.
    pub amount: i64,
    /// Facility energy of the same days, Wh.
    pub facility_wh: i64,
    /// IT energy of the same days, Wh.
    pub it_wh: i64,
    /// Days that tell it; 0 if no meter does.
    pub days: i64,
}

impl ExtraTotal {
    fn add(&mut self, amount: Option<i64>, day: &Day) {
        if let Some(amount) = amount {
            self.amount += amount;
            self.facility_wh += day.facility_wh;
            self.it_wh += day.it_wh;
            self.days += 1;
        }
    }
}

/// Sums over a span of days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Totals {
    /// First day of the span.
    pub from: Date,
    /// Last day of the span.
    pub to: Date,
    /// Days of the span.
    pub span_days: i64,
    /// Days that count. Only their energies are summed, on both sides.
    pub days: i64,
    /// Energy of the facility side, Wh.
    pub facility_wh: i64,
    /// Energy of the IT side, Wh.
    pub it_wh: i64,
    /// Coverage of the span in hundredths of a percent, rounded down: the sum of the counted days' coverages over the days
    /// of the span.
    pub coverage: u16,
    /// Renewable energy, Wh.
    pub renewable_wh: ExtraTotal,
    /// Energy given away for reuse, Wh.
    pub reuse_wh: ExtraTotal,
    /// Water, mL.
    pub water_ml: ExtraTotal,
    /// Carbon, g of `CO2e`.
    pub carbon_g: ExtraTotal,
    /// Energy of the site's own generators, Wh: a part of the facility side.
    pub generator_wh: ExtraTotal,
    /// Energy behind the feeds that is not the data centre's, Wh: taken off the facility side already.
    pub excluded_wh: ExtraTotal,
    /// Days that count and that a person has put in.
    pub imported_days: i64,
    /// Days that count and that a person has put in place of other figures.
    pub corrected_days: i64,
    /// The lowest category that a day that counts tells, 1 to 3; 0 if none does.
    pub category: u8,
    /// Racks in use on the last day that tells them, whether it counts or not.
    pub racks: Racks,
}

impl Totals {
    fn empty(dates: RangeInclusive<Date>) -> Self {
        let (from, to) = dates.into_inner();
        let none = ExtraTotal::default();
        Self {
            from,
            to,
            span_days: i64::from((to - from).get_days() + 1).max(0),
            days: 0,
            facility_wh: 0,
            it_wh: 0,
            coverage: 0,
            renewable_wh: none,
            reuse_wh: none,
            water_ml: none,
            carbon_g: none,
            generator_wh: none,
            excluded_wh: none,
            imported_days: 0,
            corrected_days: 0,
            category: 0,
            racks: Racks::default(),
        }
    }

    /// The ratio of the sums; none without IT energy.
    pub fn pue(&self) -> Option<f64> {
        (self.it_wh > 0).then(|| self.facility_wh as f64 / self.it_wh as f64)
    }
}
