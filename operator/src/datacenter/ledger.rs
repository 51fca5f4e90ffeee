//! The daily ledger of a site: what each closed day has used.
//!
//! Twelve months of readings outlive what most Prometheus servers keep, so the operator keeps one row a day: about fifty
//! bytes, sixty kilobytes in all, in a `ConfigMap` that the `DataCenter` owns. Rows are written once. Readings that arrive
//! late may change a row for three days; after that it stands. What a person has put in ([`Flags::IMPORTED`]) stands until a
//! person changes it, also against readings that come after all: whoever imports a day has decided what it was, and
//! [`provenance`](super::provenance) has the name, the reason and the row of before.
//!
//! The text is described in [`text`].

use std::{num::NonZeroU32, ops::RangeInclusive};

use jiff::{ToSpan, civil::Date};

use super::energy::Reading;
use super::site::{Invalid, Side, SiteReading};

#[cfg(test)]
mod tests;
pub mod text;
mod totals;

pub use text::LedgerError;
pub use totals::{ExtraTotal, Totals, lower, thousandth};

/// Closed months that a ledger holds beside the present one: three years, so that last year can be reported on its last day
/// of grace, and two years of another system's records be taken in.
pub const MONTHS: i64 = 36;
/// Days that a ledger holds; the oldest fall out. [`MONTHS`] with a leap day, the present month and a few days.
pub const MAX_DAYS: usize = 1096 + 31 + 3;
/// Days for which a closed day may still change.
pub const REOPEN_DAYS: i64 = 3;

const ALL: u16 = 10_000;
/// The largest amount of a day: a million gigawatt-hours as Wh, far above any site, and small enough that no sum over a
/// ledger overflows.
pub const MOST: i64 = 1_000_000_000_000_000;

/// What happened on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Flags(pub u16);

impl Flags {
    /// A gap over midnight was split in proportion to time.
    pub const INTERPOLATED: Self = Self(1);
    /// A counter started again, or fell without a reason.
    pub const RESET: Self = Self(1 << 1);
    /// A counter rolled over.
    pub const ROLLOVER: Self = Self(1 << 2);
    /// Readings that no load explains were left out.
    pub const SPIKE: Self = Self(1 << 3);
    /// A meter stood still while it should not have.
    pub const STUCK: Self = Self(1 << 4);
    /// The day was closed with other figures before.
    pub const LATE: Self = Self(1 << 5);
    /// A meter that the day needs was absent: a side is unknown, and 0 in the row.
    pub const MISSING: Self = Self(1 << 6);
    /// The figures contradict each other or come from a suspect meter (PUE below 1 or above 10, negative facility energy,
    /// frequent restarts). The day counts for nothing, whatever its coverage.
    pub const SUSPECT: Self = Self(1 << 7);
    /// A person has put the row in, from a file.
    pub const IMPORTED: Self = Self(1 << 8);
    /// A person has put the row in place of another one.
    pub const CORRECTED: Self = Self(1 << 9);
    /// The row is a day's even share of a longer amount, such as a month's bill.
    pub const SPREAD: Self = Self(1 << 10);

    /// Whether all of `other`'s flags are set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags without `other`'s.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// Amounts beside the two sides; none where no meter tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Extras {
    /// Renewable energy, Wh.
    pub renewable_wh: Option<i64>,
    /// Energy given away for reuse, Wh.
    pub reuse_wh: Option<i64>,
    /// Water, mL.
    pub water_ml: Option<i64>,
    /// Carbon, g of `CO2e`.
    pub carbon_g: Option<i64>,
    /// Energy of the site's own generators, Wh: a part of the facility side.
    pub generator_wh: Option<i64>,
    /// Energy behind the feeds that is not the data centre's, Wh: taken off the facility side already.
    pub excluded_wh: Option<i64>,
}

impl Extras {
    /// As a [`Day`] keeps them: nothing where nothing is known.
    pub fn kept(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// A number of racks, or unknown: one more than the number, so that a day stays small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Racks(Option<NonZeroU32>);

impl Racks {
    /// The largest number; more than that is no count of racks.
    pub const MOST: i64 = 1_000_000;

    /// So many; unknown where that is no count of racks.
    pub fn of(count: i64) -> Self {
        let known = u32::try_from(count).ok().filter(|_| count <= Self::MOST);
        Self(known.and_then(|count| NonZeroU32::new(count + 1)))
    }

    /// How many, if it is known.
    pub fn count(self) -> Option<i64> {
        self.0.map(|more| i64::from(more.get()) - 1)
    }
}

/// One closed site-local day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// The day, in the site's time zone.
    pub date: Date,
    /// Energy of the facility side, Wh: feeds and generators less what is excluded.
    pub facility_wh: i64,
    /// Energy of the IT side, Wh.
    pub it_wh: i64,
    /// Coverage of the facility side in hundredths of a percent, rounded down.
    pub facility_coverage: u16,
    /// Coverage of the IT side, likewise.
    pub it_coverage: u16,
    /// What happened.
    pub flags: Flags,
    /// Category of the PUE that the meters had on that day, 1 to 3 (ISO/IEC 30134-2); 0 where it is not known.
    pub category: u8,
    /// Racks in use at its end.
    pub racks: Racks,
    /// Amounts beside the two sides. Boxed, because most sites have none, and a thousand of them keep a thousand days each.
    pub extras: Option<Box<Extras>>,
}

impl Day {
    /// A fully covered day of which nothing else is known.
    pub fn full(date: Date, facility_wh: i64, it_wh: i64) -> Self {
        Self {
            date,
            facility_wh,
            it_wh,
            facility_coverage: ALL,
            it_coverage: ALL,
            flags: Flags::default(),
            category: 0,
            racks: Racks::default(),
            extras: None,
        }
    }

    /// The row for `date` that `reading`, of that whole day, amounts to. Category and racks are told by others.
    pub fn from_reading(date: Date, reading: &SiteReading) -> Self {
        let required = || reading.meters.iter().filter(|meter| Side::of(meter.purpose).is_some());
        let any = |test: fn(&Reading) -> bool| required().any(|meter| test(&meter.reading));
        let missing = reading.facility_wh.is_none() || reading.it_wh.is_none();
        let below_perfect =
            reading.facility_wh.zip(reading.it_wh).is_some_and(|(facility, it)| facility < it);
        let suspect = below_perfect
            || matches!(
                reading.pue,
                Err(Invalid::MeterSuspect { .. }
                    | Invalid::BetterThanPerfect { .. }
                    | Invalid::AboveTen { .. }
                    | Invalid::NegativeFacility { .. })
            );
        let flags = [
            (any(|meter| meter.interpolated_ms > 0), Flags::INTERPOLATED),
            (any(|meter| meter.resets > 0), Flags::RESET),
            (any(|meter| meter.rollovers > 0), Flags::ROLLOVER),
            (any(|meter| meter.spikes > 0), Flags::SPIKE),
            (any(|meter| meter.stuck_ms > 0), Flags::STUCK),
            (missing, Flags::MISSING),
            (suspect, Flags::SUSPECT),
        ];
        Self {
            date,
            facility_wh: whole(reading.facility_wh.unwrap_or(0.0)),
            it_wh: whole(reading.it_wh.unwrap_or(0.0)),
            facility_coverage: basis_points(reading.facility_coverage),
            it_coverage: basis_points(reading.it_coverage),
            flags: flags
                .into_iter()
                .filter(|(set, _)| *set)
                .fold(Flags::default(), |flags, (_, flag)| flags.with(flag)),
            category: 0,
            racks: Racks::default(),
            extras: Extras {
                renewable_wh: reading.extras.renewable_wh.map(whole),
                reuse_wh: reading.extras.reuse_wh.map(whole),
                water_ml: reading.extras.water_ml.map(whole),
                carbon_g: reading.extras.carbon_g.map(whole),
                generator_wh: reading.extras.generator_wh.map(whole),
                excluded_wh: reading.extras.excluded_wh.map(whole),
            }
            .kept(),
        }
    }

    /// Coverage of the worse side.
    pub fn coverage(&self) -> u16 {
        self.facility_coverage.min(self.it_coverage)
    }

    /// Whether the day counts where both sides need `minimum_coverage` (hundredths of a percent). A day that does not is
    /// left out of both sums.
    pub fn counts(&self, minimum_coverage: u16) -> bool {
        self.coverage() >= minimum_coverage
            && !self.flags.contains(Flags::MISSING)
            && !self.flags.contains(Flags::SUSPECT)
    }

    /// Whether a person has put it in.
    pub fn is_by_hand(&self) -> bool {
        self.flags.contains(Flags::IMPORTED) || self.flags.contains(Flags::CORRECTED)
    }

    /// The amounts beside the two sides.
    pub fn extras(&self) -> Extras {
        self.extras.as_deref().copied().unwrap_or_default()
    }

    /// Energy of the feeds alone, Wh: the facility side without generators, and with what is excluded.
    pub fn feeds_wh(&self) -> i64 {
        let extras = self.extras();
        self.facility_wh - extras.generator_wh.unwrap_or(0) + extras.excluded_wh.unwrap_or(0)
    }

    /// Whether the meters tell the same in `old`. What is only noted beside the figures (category, racks, and the parts of
    /// the facility side where a row of before has none) is no reason to write a closed day anew.
    fn is_metered_as(&self, old: &Self) -> bool {
        let noted = |new: Option<i64>, old: Option<i64>| if old.is_none() { None } else { new };
        let (new, was) = (self.extras(), old.extras());
        let extras = Extras {
            generator_wh: noted(new.generator_wh, was.generator_wh),
            excluded_wh: noted(new.excluded_wh, was.excluded_wh),
            ..new
        };
        extras == was
            && Self { category: old.category, racks: old.racks, extras: None, ..self.clone() }
                == Self { extras: None, ..old.clone() }
    }
}

fn whole(amount: f64) -> i64 {
    (amount.round() as i64).clamp(-MOST, MOST)
}

/// Rounded down; the small addend keeps a share such as 0.9987 from losing its last digit.
fn basis_points(share: f64) -> u16 {
    (share * f64::from(ALL) + 1e-6).floor().clamp(0.0, f64::from(ALL)) as u16
}

/// What became of a day that was offered to a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was not there, and is now.
    Added,
    /// It has the figures that are there already.
    Unchanged,
    /// It has replaced others, and is marked [`Flags::LATE`].
    Replaced,
    /// Others stand: a person has put them in, or it closed more than three days ago, or the new figures cover less of it
    /// and accuse no meter. Readings that arrive late only ever cover more, so these come from a server that has lost some.
    Kept,
    /// It is not over yet.
    Open,
    /// It lies before the days that a full ledger holds.
    TooOld,
}

/// The days of a site, oldest first, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    days: Vec<Day>,
}

impl FromIterator<Day> for Ledger {
    /// A ledger of the last [`MAX_DAYS`] of these days, in any order; of two for one date the later one.
    fn from_iter<T: IntoIterator<Item = Day>>(days: T) -> Self {
        let mut ledger = Self::default();
        for day in days {
            ledger.upsert(day);
        }
        ledger
    }
}

impl Ledger {
    /// The days, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Day> + ExactSizeIterator {
        self.days.iter()
    }

    /// How many days there are.
    pub fn len(&self) -> usize {
        self.days.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// The first day.
    pub fn first_date(&self) -> Option<Date> {
        self.days.first().map(|day| day.date)
    }

    /// The last day.
    pub fn last_date(&self) -> Option<Date> {
        self.days.last().map(|day| day.date)
    }

    /// The day `date`.
    pub fn get(&self, date: Date) -> Option<&Day> {
        self.find(date).ok().map(|index| &self.days[index])
    }

    /// The days of `dates`, both ends included.
    pub fn range(&self, dates: RangeInclusive<Date>) -> &[Day] {
        let from = self.days.partition_point(|day| day.date < *dates.start());
        let to = self.days.partition_point(|day| day.date <= *dates.end());
        self.days.get(from..to).unwrap_or_default()
    }

    /// Puts `day` in, in place of the one that is there, whatever its age. [`Ledger::merge_day`] is what keeps a ledger.
    pub fn upsert(&mut self, day: Day) {
        match self.find(day.date) {
            Ok(index) => self.days[index] = day,
            Err(index) => self.days.insert(index, day),
        }
        let surplus = self.days.len().saturating_sub(MAX_DAYS);
        self.days.drain(..surplus);
    }

    /// Offers a metered `day` on the site-local day `today`. A closed day is written once; for [`REOPEN_DAYS`] days after it,
    /// other figures replace it if they cover no less, or if they show that a meter was stuck or suspect: then the figures
    /// that stand only seem to cover more. A day that a person has put in is never replaced.
    pub fn merge_day(&mut self, mut day: Day, today: Date) -> Change {
        if day.date >= today {
            return Change::Open;
        }
        let Some(old) = self.get(day.date) else {
            if self.days.len() >= MAX_DAYS && self.first_date().is_some_and(|first| day.date < first) {
                return Change::TooOld;
            }
            self.upsert(day);
            return Change::Added;
        };
        if old.is_by_hand() {
            return Change::Kept;
        }
        day.flags = day.flags.without(Flags::LATE).with(Flags(old.flags.0 & Flags::LATE.0));
        if day.is_metered_as(old) {
            return Change::Unchanged;
        }
        let reopened = today.checked_sub(REOPEN_DAYS.days()).is_ok_and(|oldest| day.date >= oldest);
        let found_out = [Flags::STUCK, Flags::SUSPECT]
            .into_iter()
            .any(|flag| day.flags.contains(flag) && !old.flags.contains(flag));
        if !reopened || (day.coverage() < old.coverage() && !found_out) {
            return Change::Kept;
        }
        self.replace_late(day);
        Change::Replaced
    }

    /// Puts a metered `day` in place of the one that is there. It is marked, and keeps what was counted at the time.
    pub fn replace_late(&mut self, mut day: Day) {
        day.flags = day.flags.with(Flags::LATE);
        if let Some(old) = self.get(day.date) {
            day.racks = old.racks;
        }
        self.upsert(day);
    }

    /// Notes how many racks were in use at the end of `date`, if that day is there.
    pub fn count_racks(&mut self, date: Date, racks: Racks) {
        if let Ok(index) = self.find(date) {
            self.days[index].racks = racks;
        }
    }

    fn find(&self, date: Date) -> Result<usize, usize> {
        self.days.binary_search_by_key(&date, |day| day.date)
    }
}
