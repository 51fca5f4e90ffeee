//! The target seen as an allowance of overhead energy for the calendar year: what is used, how fast, and until when.
//!
//! A PUE target `T` allows `(T − 1) · IT` of overhead. Energies add up where ratios do not, so used and allowed can be
//! compared over any set of days. Days that do not count leave both out.

use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};

use super::{
    ledger::{Day, Ledger},
    model::Model,
    verdict::{GlidePath, Projection, Tally, counts},
};

/// Days that stand for the present.
const RECENT_DAYS: usize = 28;
/// Of the recent days, at least this many must also count a year before, or last year is no guide.
const MINIMUM_PAIRS: usize = 14;
/// A burn rate needs this share of its window metered, in percent.
const BURN_COVERAGE_PERCENT: i64 = 80;
/// Burn rates over closed windows: name and hours.
const WINDOW_BURNS: [(&str, i64); 2] = [("1h", 1), ("6h", 6)];
/// Burn rates over closed days: name and days.
const DAY_BURNS: [(&str, i64); 3] = [("24h", 1), ("168h", 7), ("720h", 30)];
/// How long after its end a window of an hour still speaks of the present: until the next one must have closed, with a
/// meter that is read once an hour.
const FRESH_FOR: SignedDuration = SignedDuration::from_hours(2);
/// Windows from which the trend of the IT load is read.
const TREND_WINDOWS: usize = 3;

/// Energy of a valid closed window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WindowEnergy {
    /// Begin.
    pub from: Timestamp,
    /// End.
    pub to: Timestamp,
    /// Energy of the facility, Wh.
    pub facility_wh: i64,
    /// Energy of the IT equipment, Wh.
    pub it_wh: i64,
    /// The target in force; none before the first step of the glide path.
    pub target: Option<f64>,
}

/// How fast the allowance is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Burn {
    /// Length of the window, `1h` to `720h`.
    pub window: &'static str,
    /// Overhead used over overhead allowed in it: 1 is exactly on target.
    pub rate: f64,
}

/// The allowance of a calendar year, and where it leads.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Overhead that the targets allow for the year's IT energy, in part expected, Wh.
    pub allowed_wh: i64,
    /// Overhead used on the days that count, Wh.
    pub used_wh: i64,
    /// Burn rates, shortest window first; those whose window is not metered well enough are absent.
    pub burn_rates: Vec<Burn>,
    /// The day on which the allowance runs out, or ran out; none if not within the year.
    pub exhausted_on: Option<Date>,
    /// Projected PUE of the year, with the year's target.
    pub projection: Option<Projection>,
    /// PUE that the rest of the year, from today on, must keep; none where none can: below 1.0.
    pub required_for_rest_of_year: Option<f64>,
    /// IT energy of the year so far, on the days that count, Wh.
    pub it_so_far_wh: i64,
    /// IT energy expected from today to the end of the year, Wh.
    pub it_expected_wh: i64,
}

/// The allowance of the calendar year of `today`: the first day that is not closed, in site time, so that it and all days
/// after it belong to the rest of the year. Mostly that is the present day; just after midnight, or with meters that are
/// read seldom, an earlier one.
///
/// What a remaining day will draw is what the same day drew last year, scaled by how the last 28 days compare with
/// theirs; where last year is not known, the mean of the last 28 days that count. IT and overhead are each expected
/// so, which carries the seasons of the cooling over.
///
/// `recent` are valid closed windows for the short burn rates, in any order, and [`fresh`]. None without a day that counts, or where
/// no day of the year has a target.
pub fn budget(
    ledger: &Ledger,
    glide: &GlidePath,
    today: Date,
    commissioned: Option<Date>,
    minimum_coverage: f64,
    recent: &[WindowEnergy],
) -> Option<Budget> {
    let expectation = Expectation::new(ledger, today, commissioned, minimum_coverage)?;
    let first = today.first_of_year();
    let first = commissioned.map_or(first, |commissioned| commissioned.max(first));

    let own = |day: &&Day| day.date >= first && day.date < today && counts(day, minimum_coverage);
    let mut past = Tally::default();
    for day in ledger.iter().filter(own) {
        past.add(glide, day.date, day.facility_wh, day.it_wh);
    }
    let rest: Vec<Expected> = today
        .series(1.day())
        .take_while(|date| date.year() == today.year())
        .filter_map(|date| Some(expectation.on(date, glide.target_on(date)?)))
        .collect();
    let allowed_rest: f64 = rest.iter().map(|day| day.allowed).sum();
    let it_rest: f64 = rest.iter().map(|day| day.it).sum();
    let overhead_rest: f64 = rest.iter().map(|day| day.overhead).sum();

    let allowed = past.allowed_overhead_wh() + allowed_rest;
    let used = past.overhead_wh();
    let it = past.it_wh as f64 + it_rest;
    if past.days == 0 && rest.is_empty() {
        return None;
    }

    let past_days = ledger
        .iter()
        .filter(own)
        .filter(|day| glide.target_on(day.date).is_some())
        .map(|day| (day.date, (day.facility_wh - day.it_wh) as f64));
    let rest_days = rest.iter().map(|day| (day.date, day.overhead));
    Some(Budget {
        allowed_wh: allowed.round() as i64,
        used_wh: used,
        burn_rates: burn_rates(ledger, glide, today, commissioned, minimum_coverage, recent),
        exhausted_on: exhausted(past_days.chain(rest_days), allowed),
        projection: (it > 0.0).then(|| Projection {
            year_end: 1.0 + (used as f64 + overhead_rest) / it,
            target: 1.0 + allowed / it,
        }),
        required_for_rest_of_year: (it_rest > 0.0)
            .then(|| 1.0 + (allowed - used as f64) / it_rest)
            .filter(|required| *required >= 1.0),
        it_so_far_wh: past.it_wh,
        it_expected_wh: it_rest.round() as i64,
    })
}

/// The first day with which the sum of the overheads passes `allowed`.
fn exhausted(days: impl Iterator<Item = (Date, f64)>, allowed: f64) -> Option<Date> {
    let mut used = 0.0;
    for (date, overhead) in days {
        used += overhead;
        if used > allowed {
            return Some(date);
        }
    }
    None
}

/// A remaining day, Wh.
struct Expected {
    date: Date,
    it: f64,
    overhead: f64,
    allowed: f64,
}

/// What days to come are expected to draw.
struct Expectation<'a> {
    ledger: &'a Ledger,
    commissioned: Option<Date>,
    minimum_coverage: f64,
    /// Mean IT and overhead of the recent days, Wh.
    mean: (f64, f64),
    /// Recent days over the same days last year, for IT and overhead; none where too few are known.
    growth: Option<(f64, f64)>,
}

impl<'a> Expectation<'a> {
    fn new(
        ledger: &'a Ledger,
        today: Date,
        commissioned: Option<Date>,
        minimum_coverage: f64,
    ) -> Option<Self> {
        let mut known = Self { ledger, commissioned, minimum_coverage, mean: (0.0, 0.0), growth: None };
        let mut closed: Vec<&Day> =
            ledger.iter().filter(|day| day.date < today && known.counted(day)).collect();
        let recent = closed.split_off(closed.len().saturating_sub(RECENT_DAYS));
        if recent.is_empty() {
            return None;
        }
        let energy = |days: &[&Day]| {
            days.iter().fold((0.0, 0.0), |(it, overhead), day| {
                (it + day.it_wh as f64, overhead + (day.facility_wh - day.it_wh) as f64)
            })
        };
        let (it, overhead) = energy(&recent);
        known.mean = (it / recent.len() as f64, overhead / recent.len() as f64);

        let (now, then): (Vec<&Day>, Vec<&Day>) =
            recent.iter().filter_map(|day| Some((*day, known.year_before(day.date)?))).unzip();
        let ((it_now, overhead_now), (it_then, overhead_then)) = (energy(&now), energy(&then));
        if now.len() >= MINIMUM_PAIRS && it_then > 0.0 && overhead_then > 0.0 {
            known.growth = Some((it_now / it_then, overhead_now / overhead_then));
        }
        Some(known)
    }

    fn counted(&self, day: &Day) -> bool {
        self.commissioned.is_none_or(|first| day.date >= first) && counts(day, self.minimum_coverage)
    }

    /// The same day last year, if it counts; for a 29 February the 28th.
    fn year_before(&self, date: Date) -> Option<&'a Day> {
        self.ledger.get(date.saturating_sub(1.year())).filter(|day| self.counted(day))
    }

    fn on(&self, date: Date, target: f64) -> Expected {
        let (it, overhead) = match (self.growth, self.year_before(date)) {
            (Some((it, overhead)), Some(then)) => {
                (then.it_wh as f64 * it, (then.facility_wh - then.it_wh) as f64 * overhead)
            }
            _ => self.mean,
        };
        Expected { date, it, overhead, allowed: (target - 1.0) * it }
    }
}

/// Burn rates over closed windows and closed days, shortest first.
fn burn_rates(
    ledger: &Ledger,
    glide: &GlidePath,
    today: Date,
    commissioned: Option<Date>,
    minimum_coverage: f64,
    recent: &[WindowEnergy],
) -> Vec<Burn> {
    let short = WINDOW_BURNS
        .iter()
        .filter_map(|&(window, hours)| Some(Burn { window, rate: burn_over_hours(recent, hours)? }));
    let long = DAY_BURNS.iter().filter_map(|&(window, days)| {
        let from = today.saturating_sub(days.days());
        let mut tally = Tally::default();
        for day in ledger.iter().filter(|day| day.date >= from && day.date < today) {
            if commissioned.is_none_or(|first| day.date >= first) && counts(day, minimum_coverage) {
                tally.add(glide, day.date, day.facility_wh, day.it_wh);
            }
        }
        let enough = tally.days * 100 >= days * BURN_COVERAGE_PERCENT;
        let rate = ratio(tally.overhead_wh() as f64, tally.allowed_overhead_wh())?;
        enough.then_some(Burn { window, rate })
    });
    short.chain(long).collect()
}

fn burn_over_hours(recent: &[WindowEnergy], hours: i64) -> Option<f64> {
    let end = recent.iter().map(|window| window.to).max()?;
    let begin = end.checked_sub(SignedDuration::from_hours(hours)).ok()?;
    let (mut used, mut allowed, mut seconds) = (0.0, 0.0, 0);
    for window in recent.iter().filter(|window| window.from >= begin) {
        let Some(target) = window.target else { continue };
        used += (window.facility_wh - window.it_wh) as f64;
        allowed += (target - 1.0) * window.it_wh as f64;
        seconds += window.to.duration_since(window.from).as_secs();
    }
    if seconds * 100 < hours * 3600 * BURN_COVERAGE_PERCENT { None } else { ratio(used, allowed) }
}

/// `recent`, if the last of them ended at most two hours before `now`; otherwise none. What was so earlier is neither the
/// burn rate of the last hour nor a guide to the next one.
pub fn fresh(recent: &[WindowEnergy], now: Timestamp) -> &[WindowEnergy] {
    let last = recent.iter().map(|window| window.to).max();
    if last.is_some_and(|last| now.duration_since(last) <= FRESH_FOR) { recent } else { &[] }
}

/// None where nothing is allowed: without IT energy, or with a target of 1.0.
fn ratio(used: f64, allowed: f64) -> Option<f64> {
    (allowed > 0.0).then(|| used / allowed)
}

/// The PUE projected for the window after the last one.
///
/// The IT power goes on by the trend of the last three windows, and the overhead follows it along the model's slope
/// from where it is now: the model's own level is a mean over all seasons and hours, the last window's is today's.
/// None without a model, or with fewer than two windows, which should be [`fresh`].
pub fn next_window(recent: &[WindowEnergy], model: Option<&Model>) -> Option<f64> {
    let model = model?;
    let mut ordered: Vec<&WindowEnergy> = recent.iter().collect();
    ordered.sort_by_key(|window| window.to);
    let ordered = &ordered[ordered.len().saturating_sub(TREND_WINDOWS)..];
    let (first, last) = (ordered.first()?, ordered.last()?);
    let middle =
        |window: &WindowEnergy| f64::midpoint(window.from.as_second() as f64, window.to.as_second() as f64);
    let kw = |window: &WindowEnergy, watt_hours: i64| {
        let hours = window.to.duration_since(window.from).as_secs_f64() / 3600.0;
        (hours > 0.0).then(|| watt_hours as f64 / 1000.0 / hours)
    };
    let (then, now) = (kw(first, first.it_wh)?, kw(last, last.it_wh)?);
    let apart = middle(last) - middle(first);
    if apart <= 0.0 {
        return None;
    }
    let ahead = last.to.duration_since(last.from).as_secs_f64();
    let it = now + (now - then) / apart * ahead;
    let overhead = kw(last, last.facility_wh - last.it_wh)? + model.slope * (it - now);
    (it > 0.0 && overhead >= 0.0).then(|| 1.0 + overhead / it)
}

#[cfg(test)]
mod tests;
