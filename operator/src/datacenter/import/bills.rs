//! Bills: what a month has used, held against what was metered, and spread over days that nobody metered.
//!
//! A bill with both sides fills the days of its month that the ledger lacks: the rest, what is billed less what the days
//! that are there have used, in equal shares, exact to the watt-hour. Days that are there keep their figures; on request
//! those that do not count, and those that an earlier bill has filled, are filled again. A month that is metered in full is
//! only compared. A bill with one side imports nothing: a PUE needs both.
//!
//! Where the bill says nothing about generators and excluded loads, it is held against the feeds alone.

use jiff::{ToSpan, civil::Date};

use super::{
    Column, Row, Wrong,
    merge::{Merge, Place, covered},
};
use crate::datacenter::{
    ledger::{Day, Extras, Flags, Racks},
    windows,
};

/// What became of a bill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its month is there: it was only compared.
    Compared,
    /// It has one side, and days are missing.
    OneSided {
        /// So many.
        missing: usize,
    },
    /// Days of its month are there and do not count, so that it cannot be told what the missing ones used.
    InTheWay {
        /// Days that do not count.
        idle: usize,
        /// Days that are missing.
        missing: usize,
    },
    /// Its rest was spread over days.
    Spread {
        /// So many.
        days: usize,
    },
}

/// A bill, held against the ledger as it was before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bill {
    /// First day of the month.
    pub month: Date,
    /// Facility side: billed and metered, Wh.
    pub facility: Option<(i64, i64)>,
    /// IT side: billed and metered, Wh.
    pub it: Option<(i64, i64)>,
    /// Days that count, of which the metered energies are.
    pub days: usize,
    /// Days of the month that are the site's.
    pub of: usize,
    /// What became of it.
    pub fate: Fate,
}

/// `total` in `days` whole shares that add up to it; they differ by one at most.
pub fn shares(total: i64, days: usize) -> impl Iterator<Item = i64> {
    let count = i64::try_from(days).unwrap_or(i64::MAX).max(1);
    let (share, rest) = (total.div_euclid(count), total.rem_euclid(count));
    (0..count).take(days).map(move |index| share + i64::from(index < rest))
}

/// What of an amount the days that stand have used; none if one of them does not tell.
fn standing_amount(standing: &[&Day], pick: impl Fn(&Extras) -> Option<i64>) -> Option<i64> {
    standing.iter().map(|day| pick(&day.extras())).sum()
}

/// Brings in a bill of the month that begins with `month`.
pub(super) fn bring<N: Fn(Column) -> String>(merge: &mut Merge<'_, N>, row: &Row, month: Date) {
    let before = merge.problems();
    let Place { site, now, replace, .. } = *merge.place;
    let (last, oldest) = (month.last_of_month(), merge.oldest());
    let today = site.today(now);
    if last >= today {
        merge.wrong(row, Column::Month, Wrong::NotOver { today });
    } else if !site.meters.is_empty() && windows::last_closed_day(site, now) < last {
        // What is not metered yet is not missing.
        merge.wrong(row, Column::Month, Wrong::NotClosed { last });
    } else if month < oldest {
        merge.wrong(row, Column::Month, Wrong::TooOld { oldest });
    }
    let first = site.commissioned.map_or(month, |commissioned| commissioned.max(month));
    if first > last {
        merge.wrong(row, Column::Month, Wrong::BeforeCommissioned { first });
    }
    if row.facility_wh.is_none() && row.it_wh.is_none() {
        merge.wrong(row, Column::Facility, Wrong::Needed(Column::Facility));
    }
    if let Some((facility_wh, it_wh)) = row.net_wh().zip(row.it_wh) {
        merge.check_sides(row, facility_wh, it_wh, merge.hours(first, last));
    }
    if merge.problems() > before {
        return;
    }

    let minimum = (site.minimum_coverage * 10_000.0).round() as u16;
    let ledger = merge.import.ledger.clone();
    let here = ledger.range(first..=last);
    let standing: Vec<&Day> = here
        .iter()
        .filter(|day| day.counts(minimum) && !(replace && day.flags.contains(Flags::SPREAD)))
        .collect();
    let counted: Vec<&Day> = here.iter().filter(|day| day.counts(minimum)).collect();
    let dates: Vec<Date> = first.series(1.day()).take_while(|date| *date <= last).collect();
    let missing = dates.len() - here.len();
    let idle = here.len() - counted.len();
    let targets: Vec<Date> = dates
        .iter()
        .copied()
        .filter(|date| match ledger.get(*date) {
            None => true,
            Some(day) => replace && (!day.counts(minimum) || day.flags.contains(Flags::SPREAD)),
        })
        .collect();
    // With neither of the parts told, the bill is that of the feeds.
    let of_feeds = row.generator_wh.is_none() && row.excluded_wh.is_none();
    let facility_of = |day: &Day| if of_feeds { day.feeds_wh() } else { day.facility_wh };
    let mut bill = Bill {
        month,
        facility: row.net_wh().map(|billed| (billed, counted.iter().map(|day| facility_of(day)).sum())),
        it: row.it_wh.map(|billed| (billed, counted.iter().map(|day| day.it_wh).sum())),
        days: counted.len(),
        of: dates.len(),
        fate: Fate::Compared,
    };
    let Some((facility_wh, it_wh)) = row.net_wh().zip(row.it_wh) else {
        if missing > 0 {
            bill.fate = Fate::OneSided { missing };
        }
        merge.import.bills.push(bill);
        return;
    };
    if targets.is_empty() || (idle > 0 && !replace) {
        if missing > 0 || idle > 0 {
            bill.fate = Fate::InTheWay { idle, missing };
        }
        merge.import.bills.push(bill);
        return;
    }
    bill.fate = Fate::Spread { days: targets.len() };

    let used = |side: &dyn Fn(&Day) -> i64| standing.iter().map(|day| side(day)).sum::<i64>();
    let (facility_used, it_used) = (used(&facility_of), used(&|day| day.it_wh));
    let days = standing.len();
    for (column, billed, metered) in
        [(Column::Facility, facility_wh, facility_used), (Column::It, it_wh, it_used)]
    {
        if billed < metered {
            merge.wrong(row, column, Wrong::BillBelowMeters { column, billed, metered, days });
        }
    }
    let rest = (facility_wh - facility_used, it_wh - it_used);
    let pue_is_plausible = rest.1 > 0 && rest.1 <= rest.0 && rest.0 <= rest.1.saturating_mul(10);
    if merge.problems() == before && !pue_is_plausible {
        let wrong = Wrong::RestImplausible { facility_wh: rest.0, it_wh: rest.1, days: targets.len() };
        merge.wrong(row, Column::Facility, wrong);
    }
    // An amount beside the sides, of which the days that are there may have used a part.
    let mut beside = |column: Column, billed: Option<i64>, pick: fn(&Extras) -> Option<i64>| {
        let billed = billed?;
        let metered = standing_amount(&standing, pick)?;
        if billed < metered {
            merge.wrong(row, column, Wrong::BillBelowMeters { column, billed, metered, days });
        }
        Some(billed - metered)
    };
    let amounts = [
        beside(Column::Renewable, row.renewable_wh, |extras| extras.renewable_wh),
        beside(Column::Reuse, row.reuse_wh, |extras| extras.reuse_wh),
        beside(Column::Water, row.water_ml, |extras| extras.water_ml),
        beside(Column::Carbon, row.carbon_g, |extras| extras.carbon_g),
        beside(Column::Generator, row.generator_wh, |extras| extras.generator_wh),
        beside(Column::Excluded, row.excluded_wh, |extras| extras.excluded_wh),
    ];
    if merge.problems() > before {
        return;
    }
    let spread = |total: i64| shares(total, targets.len()).collect::<Vec<_>>();
    let (facility, it) = (spread(rest.0), spread(rest.1));
    let amounts = amounts.map(|amount| amount.map(spread));
    for (index, date) in targets.iter().enumerate() {
        let [renewable_wh, reuse_wh, water_ml, carbon_g, generator_wh, excluded_wh] =
            amounts.each_ref().map(|amount| amount.as_ref().map(|shares| shares[index]));
        let day = Day {
            flags: Flags::SPREAD,
            // A figure a month.
            category: 1,
            racks: row.racks.map(Racks::of).unwrap_or_default(),
            extras: Extras { renewable_wh, reuse_wh, water_ml, carbon_g, generator_wh, excluded_wh }.kept(),
            ..Day::full(*date, facility[index], it[index])
        };
        let day = covered(day, row);
        merge.put(day, ledger.get(*date).cloned(), row);
    }
    merge.import.bills.push(bill);
}
