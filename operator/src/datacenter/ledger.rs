//! The daily ledger of a site: what each closed day has used.
//!
//! Twelve months of readings outlive what most Prometheus servers keep, so the operator keeps one row a day: about fifty
//! bytes, twenty kilobytes in all, in a `ConfigMap` that the `DataCenter` owns. Rows are written once. Readings that arrive
//! late may change a row for three days; after that it stands.
//!
//! The text is a line with the version, then a row for each day, oldest first:
//!
//! ```text
//! banyan-ledger 1
//! 2026-03-01,121600000,95000000,9987,10000,0
//! 2026-03-02,121700000,95100000,9987,10000,2,,,5000000,
//! ```
//!
//! A row holds the date, the energy of facility and IT in Wh, the coverage of both in hundredths of a percent, and the
//! flags; then, if any of them is known, renewable and reused energy in Wh, water in mL and carbon in g.

use std::fmt::Write as _;
use std::ops::RangeInclusive;

use jiff::{ToSpan, civil::Date};

use super::energy::Reading;
use super::site::{Invalid, Side, SiteReading};

#[cfg(test)]
mod tests;

/// Days that a ledger holds; the oldest fall out. Thirteen closed months, the present one and a few days.
pub const MAX_DAYS: usize = 440;
/// Days for which a closed day may still change.
pub const REOPEN_DAYS: i64 = 3;
/// Version of the text.
pub const VERSION: u32 = 1;

const MAGIC: &str = "banyan-ledger";
const ALL: u16 = 10_000;
/// The largest amount of a day: a million gigawatt-hours as Wh, far above any site, and small enough that no sum over a
/// ledger overflows.
const MOST: i64 = 1_000_000_000_000_000;

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

/// Amounts beside the PUE; none where no meter tells.
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
}

impl Extras {
    /// As a [`Day`] keeps them: nothing where nothing is known.
    pub fn kept(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// One closed site-local day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// The day, in the site's time zone.
    pub date: Date,
    /// Energy of the facility side, Wh.
    pub facility_wh: i64,
    /// Energy of the IT side, Wh.
    pub it_wh: i64,
    /// Coverage of the facility side in hundredths of a percent, rounded down.
    pub facility_coverage: u16,
    /// Coverage of the IT side, likewise.
    pub it_coverage: u16,
    /// What happened.
    pub flags: Flags,
    /// Amounts beside the PUE. Boxed, because most sites have none, and a thousand of them keep four hundred days each.
    pub extras: Option<Box<Extras>>,
}

impl Day {
    /// The row for `date` that `reading`, of that whole day, amounts to.
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
            extras: Extras {
                renewable_wh: reading.extras.renewable_wh.map(whole),
                reuse_wh: reading.extras.reuse_wh.map(whole),
                water_ml: reading.extras.water_ml.map(whole),
                carbon_g: reading.extras.carbon_g.map(whole),
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
}

fn whole(amount: f64) -> i64 {
    (amount.round() as i64).clamp(-MOST, MOST)
}

/// Rounded down; the small addend keeps a share such as 0.9987 from losing its last digit.
fn basis_points(share: f64) -> u16 {
    (share * f64::from(ALL) + 1e-6).floor().clamp(0.0, f64::from(ALL)) as u16
}

/// Why a text is not a ledger. Lines count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// The first line does not name a ledger.
    #[error("line 1 is not \"banyan-ledger {VERSION}\": this is no ledger")]
    NotALedger,
    /// Written by a newer Banyan.
    #[error(
        "the ledger has version {found}, and this Banyan reads up to {VERSION}: run the newer version that wrote it"
    )]
    TooNew {
        /// The version found.
        found: u32,
    },
    /// A row cannot be read.
    #[error("line {line} of the ledger: {wrong}")]
    Row {
        /// The line.
        line: usize,
        /// What is wrong with it.
        wrong: &'static str,
    },
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
    /// Others stand: it closed more than three days ago, or the new figures cover less of it and accuse no meter. Readings
    /// that arrive late only ever cover more, so these come from a server that has lost some.
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

    /// Offers `day` on the site-local day `today`. A closed day is written once; for [`REOPEN_DAYS`] days after it, other
    /// figures replace it if they cover no less, or if they show that a meter was stuck or suspect: then the figures that
    /// stand only seem to cover more.
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
        day.flags = day.flags.without(Flags::LATE).with(Flags(old.flags.0 & Flags::LATE.0));
        if day == *old {
            return Change::Unchanged;
        }
        let reopened = today.checked_sub(REOPEN_DAYS.days()).is_ok_and(|oldest| day.date >= oldest);
        let found_out = [Flags::STUCK, Flags::SUSPECT]
            .into_iter()
            .any(|flag| day.flags.contains(flag) && !old.flags.contains(flag));
        if !reopened || (day.coverage() < old.coverage() && !found_out) {
            return Change::Kept;
        }
        day.flags = day.flags.with(Flags::LATE);
        self.upsert(day);
        Change::Replaced
    }

    fn find(&self, date: Date) -> Result<usize, usize> {
        self.days.binary_search_by_key(&date, |day| day.date)
    }

    /// The sums over `dates`, both ends included, of the days on which both sides reach `minimum_coverage` (hundredths of a
    /// percent).
    pub fn totals(&self, dates: RangeInclusive<Date>, minimum_coverage: u16) -> Totals {
        let mut totals = Totals::empty(dates.clone());
        let mut covered = 0_i64;
        for day in self.range(dates).iter().filter(|day| day.counts(minimum_coverage)) {
            totals.facility_wh += day.facility_wh;
            totals.it_wh += day.it_wh;
            totals.days += 1;
            covered += i64::from(day.coverage());
            if let Some(extras) = &day.extras {
                totals.renewable_wh.add(extras.renewable_wh, day);
                totals.reuse_wh.add(extras.reuse_wh, day);
                totals.water_ml.add(extras.water_ml, day);
                totals.carbon_g.add(extras.carbon_g, day);
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

    /// The ledger as text.
    pub fn encode(&self) -> String {
        let mut text = format!("{MAGIC} {VERSION}\n");
        for day in &self.days {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "{},{},{},{},{},{}",
                day.date, day.facility_wh, day.it_wh, day.facility_coverage, day.it_coverage, day.flags.0
            );
            if let Some(extras) = &day.extras {
                let Extras { renewable_wh, reuse_wh, water_ml, carbon_g } = **extras;
                for amount in [renewable_wh, reuse_wh, water_ml, carbon_g] {
                    text.push(',');
                    if let Some(amount) = amount {
                        let _ = write!(text, "{amount}");
                    }
                }
            }
            text.push('\n');
        }
        text
    }

    /// The ledger that `text` holds. Of more than [`MAX_DAYS`] rows the last ones are kept.
    pub fn decode(text: &str) -> Result<Self, LedgerError> {
        let mut lines = text.lines().zip(1..);
        let version = lines
            .next()
            .and_then(|(line, _)| line.strip_prefix(MAGIC))
            .and_then(|version| version.trim().parse::<u32>().ok())
            .ok_or(LedgerError::NotALedger)?;
        if version > VERSION {
            return Err(LedgerError::TooNew { found: version });
        }
        let mut days: Vec<Day> = Vec::new();
        for (text, line) in lines.filter(|(text, _)| !text.trim().is_empty()) {
            let day = row(text).map_err(|wrong| LedgerError::Row { line, wrong })?;
            if days.last().is_some_and(|last| last.date >= day.date) {
                return Err(LedgerError::Row {
                    line,
                    wrong: "its day does not come after the one before it",
                });
            }
            days.push(day);
        }
        let surplus = days.len().saturating_sub(MAX_DAYS);
        days.drain(..surplus);
        days.shrink_to_fit();
        Ok(Self { days })
    }
}

fn row(text: &str) -> Result<Day, &'static str> {
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let (plain, extras) = match fields.len() {
        6 => (&fields[..], None),
        10 => (&fields[..6], Some(&fields[6..])),
        _ => return Err("it has neither 6 nor 10 fields"),
    };
    let number = |text: &str| {
        text.parse::<i64>()
            .ok()
            .filter(|amount| (-MOST..=MOST).contains(amount))
            .ok_or("an amount is not a whole number up to 10^15")
    };
    let coverage = |text: &str| {
        text.parse::<u16>()
            .ok()
            .filter(|share| *share <= ALL)
            .ok_or("a coverage is not a whole number from 0 to 10000")
    };
    let amount = |index: usize| match extras.map(|extras| extras[index]) {
        None | Some("") => Ok(None),
        Some(text) => number(text).map(Some),
    };
    Ok(Day {
        date: plain[0].parse().map_err(|_| "its first field is not a day like 2026-01-31")?,
        facility_wh: number(plain[1])?,
        it_wh: number(plain[2])?,
        facility_coverage: coverage(plain[3])?,
        it_coverage: coverage(plain[4])?,
        flags: Flags(plain[5].parse().map_err(|_| "its flags are not a number from 0 to 65535")?),
        extras: Extras {
            renewable_wh: amount(0)?,
            reuse_wh: amount(1)?,
            water_ml: amount(2)?,
            carbon_g: amount(3)?,
        }
        .kept(),
    })
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
        }
    }

    /// The ratio of the sums; none without IT energy.
    pub fn pue(&self) -> Option<f64> {
        (self.it_wh > 0).then(|| self.facility_wh as f64 / self.it_wh as f64)
    }
}
