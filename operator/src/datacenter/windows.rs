//! Which windows and days have closed, and what the meters say of each: pure functions from samples to figures.

use jiff::{Timestamp, ToSpan, civil::Date};

use super::{
    budget::WindowEnergy,
    energy::{Curve, Sample, Window},
    ledger::{Change, Day, Ledger, Racks},
    site::{self, MeterInput, SiteReading, Validity},
    spec::{Site, SiteMeter},
    verdict::ClosedWindow,
};

/// Closed windows that are judged at most after an absence; older ones say nothing about what to do now.
pub const MAX_WINDOWS: i64 = 48;
/// Windows that are judged at first sight, so that a verdict stands from the beginning.
pub const FIRST_WINDOWS: i64 = 24;
/// Length of the hourly windows that short burn rates and the next hour are taken from.
const HOUR_MS: i64 = 3_600_000;
/// Hours that are looked at each time.
pub const RECENT_HOURS: i64 = 6;
/// Length of a day that the number of samples is reckoned with.
const DAY_MS: i64 = 86_400_000;
/// Samples of all meters that a run of days may have, as far as can be told in advance: 8 MB.
const RUN_SAMPLES: i64 = 500_000;

/// A closed window and what the meters say of it.
#[derive(Clone, Debug)]
pub struct Judged {
    /// For the verdict.
    pub closed: ClosedWindow,
    /// In full.
    pub reading: SiteReading,
}

/// What makes a window of the site valid.
pub fn validity(site: &Site) -> Validity {
    Validity { minimum_coverage: site.minimum_coverage, minimum_it_watts: site.minimum_it_watts }
}

/// The end of the last window that may be closed at `now`.
fn last_end(now: Timestamp, window_ms: i64) -> i64 {
    now.as_millisecond().div_euclid(window_ms) * window_ms
}

/// Begin of the oldest window that is judged at all: the bound of an absence.
fn horizon(until: Option<Timestamp>, now: Timestamp, window_ms: i64) -> i64 {
    let windows = if judged_until(until, now).is_some() { MAX_WINDOWS } else { FIRST_WINDOWS };
    last_end(now, window_ms) - windows * window_ms
}

/// The end of the last judged window. One in the future was judged by a clock that has been put right since.
fn judged_until(until: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    until.filter(|until| *until <= now)
}

/// Where judging goes on: after `until`, within the bounds of an absence.
fn first_start(until: Option<Timestamp>, now: Timestamp, window_ms: i64) -> i64 {
    let horizon = horizon(until, now, window_ms);
    judged_until(until, now).map_or(horizon, |until| {
        // A window of another length may have been judged before: go on with the first whole one.
        let next = (until.as_millisecond() + window_ms - 1).div_euclid(window_ms) * window_ms;
        next.max(horizon)
    })
}

/// Where the live part begins: with the last judged window, whose coverage is shown until the next one closes, or with
/// the recent hours, whichever is earlier. Each meter is read from its own look back before that.
pub fn live_from(site: &Site, until: Option<Timestamp>, now: Timestamp) -> i64 {
    let windows = first_start(until, now, site.window_ms) - site.window_ms;
    let hours = last_end(now, HOUR_MS) - RECENT_HOURS * HOUR_MS;
    windows.min(hours)
}

/// The days whose readings are wanted for the ledger, both ends included; none if there is nothing to look at.
///
/// `metered_with` is the digest of the meters that the ledger was filled with: with others every day gets another look.
/// Else it is the days after the last one, and the last three again, for readings that came late.
pub fn days_wanted(
    site: &Site,
    ledger: &Ledger,
    metered_with: Option<&str>,
    now: Timestamp,
) -> Option<(Date, Date)> {
    let today = site.today(now);
    let last = last_closed_day(site, now);
    // The month in which the last thirteen began, so that no closed month is cut.
    let oldest = today.first_of_month().saturating_sub(13.months());
    let oldest = site.commissioned.map_or(oldest, |first| first.max(oldest));
    if site.meters.is_empty() {
        return None;
    }
    let first = if metered_with == Some(site.meters_digest().as_str()) {
        let reopened = today.saturating_sub(super::ledger::REOPEN_DAYS.days());
        next_metered(ledger).unwrap_or(reopened).min(reopened).max(oldest)
    } else {
        oldest
    };
    (first <= last).then_some((first, last))
}

/// The day after the last metered one; days that a person has put in behind it are there already.
fn next_metered(ledger: &Ledger) -> Option<Date> {
    let metered = ledger.iter().rev().find(|day| !day.is_by_hand()).map(|day| day.date);
    let mut next = metered.or(ledger.first_date())?;
    while ledger.get(next).is_some() {
        next = next.tomorrow().ok()?;
    }
    Some(next)
}

/// Notes in `ledger` how many racks were in use at the end of `last`, the last closed day, where that is known: the day has
/// just come into it, behind the one before it. Of days that are filled in later nobody counted them.
pub fn count_racks(
    found: &Ledger,
    ledger: &mut Ledger,
    last: Date,
    changes: &[(Date, Change)],
    racks: Racks,
) {
    let before = last.saturating_sub(1.day());
    if found.last_date() == Some(before) && changes.contains(&(last, Change::Added)) {
        ledger.count_racks(last, racks);
    }
}

/// `days` in runs that are fetched and worked on one after another, so that a year of fast meters never is in memory at
/// once. Meters are often scraped more often than they are read; a minute is taken for the least.
pub fn runs(site: &Site, (first, last): (Date, Date)) -> Vec<(Date, Date)> {
    let per_day: i64 =
        site.meters.iter().map(|meter| DAY_MS / meter.rules.interval_ms.clamp(1_000, 60_000)).sum();
    // A day more is fetched before each run.
    let length = (RUN_SAMPLES / per_day.max(1) - 1).clamp(1, 31);
    let mut runs = Vec::new();
    let mut from = first;
    while from <= last {
        let to = from.saturating_add((length - 1).days()).min(last);
        runs.push((from, to));
        from = to.saturating_add(1.day());
    }
    runs
}

/// What is fetched of a meter to work on the days of `span`.
///
/// At least a whole day before it: what a meter usually draws, and in which steps it counts, is learnt from its readings,
/// and a day that is looked at again must not be known worse than it was. After it, the reading that is due, and an hour in
/// which a register that shows zero may come back.
pub fn fetch_span(meter: &SiteMeter, span: Window, now: Timestamp) -> Window {
    Window {
        from: span.from - meter.rules.lookback_ms().max(DAY_MS),
        to: (span.to + meter.rules.settle_ms().max(HOUR_MS + 60_000)).min(now.as_millisecond()),
    }
}

/// The last day whose readings are in, or overdue.
pub fn last_closed_day(site: &Site, now: Timestamp) -> Date {
    let yesterday = site.today(now).saturating_sub(1.day());
    let mut day = yesterday;
    // Meters that are read once a week close a day a week later.
    for _ in 0..62 {
        if day_closed(site, day, now) {
            return day;
        }
        day = day.saturating_sub(1.day());
    }
    day
}

/// Whether the last readings of a day are in, or overdue.
fn day_closed(site: &Site, date: Date, now: Timestamp) -> bool {
    day_window(site, date).is_some_and(|day| day.to + site.settle_ms(day) <= now.as_millisecond())
}

/// A site's day.
pub fn day_window(site: &Site, date: Date) -> Option<Window> {
    Some(Window { from: day_start(site, date)?, to: day_start(site, date.saturating_add(1.day()))? })
}

/// The first instant of a site's day, ms.
pub fn day_start(site: &Site, date: Date) -> Option<i64> {
    date.to_zoned(site.zone.clone()).ok().map(|start| start.timestamp().as_millisecond())
}

/// Judges the windows that have closed since `until`, oldest first. A window is closed once every meter has reached its
/// end, or their next readings are overdue.
///
/// A meter that is read more seldom than the windows are kept for would hold them open until they are forgotten, so that
/// the verdict never changed again once it is dead. Hence the oldest window is closed as well when a meter that has not
/// reached it is itself overdue.
pub fn close_windows(
    site: &Site,
    meters: &[MeterInput],
    until: Option<Timestamp>,
    now: Timestamp,
) -> Vec<Judged> {
    let end = last_end(now, site.window_ms);
    let mut from = first_start(until, now, site.window_ms);
    let mut judged = Vec::new();
    while from < end {
        let window = Window { from, to: from + site.window_ms };
        let last_chance = from <= horizon(until, now, site.window_ms) && overdue(meters, window, now);
        if !settled(site, meters, window, now) && !last_chance {
            break;
        }
        judged.push(judge(site, meters, window));
        from = window.to;
    }
    judged
}

fn settled(site: &Site, meters: &[MeterInput], window: Window, now: Timestamp) -> bool {
    pending(meters, window).next().is_none() || window.to + site.settle_ms(window) <= now.as_millisecond()
}

/// Whether every meter that has not reached the end of `window` should have been read again by now.
fn overdue(meters: &[MeterInput], window: Window, now: Timestamp) -> bool {
    pending(meters, window).all(|meter| {
        let last = meter.curve.as_ref().and_then(Curve::last_sample);
        last.is_none_or(|last| last + meter.rules.settle_ms() <= now.as_millisecond())
    })
}

/// The meters that `window` needs and that have no reading at its end yet.
fn pending(meters: &[MeterInput], window: Window) -> impl Iterator<Item = &MeterInput> {
    meters.iter().filter(move |meter| {
        let served = meter.rules.in_service(window);
        let last = meter.curve.as_ref().and_then(Curve::last_sample);
        site::Side::of(meter.purpose).is_some()
            && served.length_ms() > 0
            && last.is_none_or(|last| last < served.to)
    })
}

/// One window.
pub fn judge(site: &Site, meters: &[MeterInput], window: Window) -> Judged {
    let reading = site::evaluate(meters, window, &validity(site));
    let begin = timestamp(window.from);
    let target = site.glide.as_ref().and_then(|glide| glide.target_on(site.today(begin)));
    let closed = ClosedWindow {
        from: begin,
        to: timestamp(window.to),
        pue: reading.pue.as_ref().copied().map_err(ToString::to_string),
        target,
    };
    Judged { closed, reading }
}

/// The valid ones of the recent closed hours.
pub fn recent_hours(site: &Site, meters: &[MeterInput], now: Timestamp) -> Vec<WindowEnergy> {
    let end = last_end(now, HOUR_MS);
    (0..RECENT_HOURS)
        .rev()
        .map(|back| Window { from: end - (back + 1) * HOUR_MS, to: end - back * HOUR_MS })
        .filter(|window| settled(site, meters, *window, now))
        .filter_map(|window| {
            let Judged { closed, reading } = judge(site, meters, window);
            closed.pue.ok()?;
            Some(WindowEnergy {
                from: timestamp(window.from),
                to: closed.to,
                facility_wh: reading.facility_wh? as i64,
                it_wh: reading.it_wh? as i64,
                target: closed.target,
            })
        })
        .collect()
}

/// The last quarter of an hour, or the last three readings of the slowest meter, that every meter in service has reached.
/// For display only.
pub fn instant(site: &Site, meters: &[MeterInput], now: Timestamp) -> Option<SiteReading> {
    let now = now.as_millisecond();
    let sides = || {
        meters.iter().filter(|meter| {
            site::Side::of(meter.purpose).is_some()
                && meter.rules.in_service(Window { from: now - 1, to: now }).length_ms() > 0
        })
    };
    let last = sides()
        .map(|meter| meter.curve.as_ref()?.last_sample())
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .min()?;
    let slowest = sides().map(|meter| meter.rules.interval_ms).max()?;
    let window = Window { from: last - (15 * 60_000).max(2 * slowest), to: last };
    Some(site::evaluate(meters, window, &validity(site)))
}

/// Puts the closed days of `first ..= last` into the ledger, and says what changed.
///
/// A day that stands and does not count is replaced by a better one whatever its age, one that counts or that is covered
/// better: meters were added or put right, or a server still had the readings. What a person has put in stands.
pub fn close_days(
    site: &Site,
    meters: &[MeterInput],
    ledger: &mut Ledger,
    (first, last): (Date, Date),
    now: Timestamp,
) -> Vec<(Date, Change)> {
    let today = site.today(now);
    let minimum = (site.minimum_coverage * 10_000.0).round() as u16;
    let mut changes = Vec::new();
    for (date, window) in site::split_into_days(&site.zone, first, last).unwrap_or_default() {
        if !day_closed(site, date, now) {
            continue;
        }
        let reading = site::evaluate(meters, window, &validity(site));
        // A day of which a side is not known at all is left open for the readings, or the meters, to come.
        if reading.facility_wh.is_none() || reading.it_wh.is_none() {
            continue;
        }
        let category = site::category(meters, window).unwrap_or(0);
        let day = Day { category, ..Day::from_reading(date, &reading) };
        let better = ledger.get(date).is_some_and(|old| {
            !old.is_by_hand()
                && !old.counts(minimum)
                && (day.counts(minimum) || day.coverage() > old.coverage())
        });
        let change = if better {
            ledger.replace_late(day);
            Change::Replaced
        } else {
            ledger.merge_day(day, today)
        };
        if matches!(change, Change::Added | Change::Replaced) {
            changes.push((date, change));
        }
    }
    changes
}

/// A meter with its readings, as the arithmetic takes it.
pub fn input(meter: &SiteMeter, answer: Result<Vec<Sample>, String>) -> MeterInput {
    let (curve, fault) = match answer {
        Ok(samples) => (Some(Curve::new(meter.rules, samples)), None),
        Err(fault) => (None, Some(fault)),
    };
    MeterInput {
        name: meter.meter.name.clone(),
        purpose: meter.meter.purpose,
        position: meter.meter.position,
        rules: meter.rules,
        curve,
        fault,
    }
}

/// An instant from milliseconds.
pub fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
