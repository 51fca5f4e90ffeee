//! Which windows and days have closed, and what the meters say of each: pure functions from samples to figures.

use jiff::{Timestamp, ToSpan, civil::Date};

use super::{
    budget::WindowEnergy,
    energy::Window,
    ledger::{Change, Day, Ledger},
    site::{self, MeterInput, SiteReading, Validity},
    spec::Site,
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
/// Days that the ledger is back-filled with.
const BACKFILL_DAYS: i64 = 396;

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

/// Where judging goes on: after `until`, within the bounds of an absence.
fn first_start(until: Option<Timestamp>, now: Timestamp, window_ms: i64) -> i64 {
    let end = last_end(now, window_ms);
    match until {
        None => end - FIRST_WINDOWS * window_ms,
        // A window of another length may have been judged before: go on with the first whole one.
        Some(until) => {
            let next = (until.as_millisecond() + window_ms - 1).div_euclid(window_ms) * window_ms;
            next.max(end - MAX_WINDOWS * window_ms)
        }
    }
}

/// What must be fetched for the live part: from the first window that is not judged yet, or the recent hours, whichever
/// is earlier, with the meters' look back.
pub fn live_from(site: &Site, until: Option<Timestamp>, now: Timestamp) -> i64 {
    // The last judged window as well: its coverage is shown until the next one closes.
    let windows = first_start(until, now, site.window_ms) - site.window_ms;
    let hours = last_end(now, HOUR_MS) - RECENT_HOURS * HOUR_MS;
    windows.min(hours) - site.lookback_ms()
}

/// The first day whose readings are wanted for the ledger; none if it is complete.
///
/// `metered_with` is the digest of the meters that the ledger was filled with: with other meters the days that are
/// missing get another look. `reopen` asks for the days after the last one and for the last three days again, for
/// readings that came late.
pub fn ledger_from(
    site: &Site,
    ledger: &Ledger,
    metered_with: Option<&str>,
    now: Timestamp,
    reopen: bool,
) -> Option<Date> {
    let today = site.today(now);
    let yesterday = today.saturating_sub(1.day());
    let oldest = today.saturating_sub(BACKFILL_DAYS.days());
    let oldest = site.commissioned.map_or(oldest, |first| first.max(oldest));
    if oldest > yesterday || site.meters.is_empty() {
        return None;
    }
    if metered_with != Some(site.meters_digest().as_str()) {
        return Some(oldest);
    }
    if !reopen {
        return None;
    }
    let reopened = today.saturating_sub(super::ledger::REOPEN_DAYS.days());
    let next = ledger.last_date().map_or(reopened, |last| last.saturating_add(1.day()));
    Some(next.min(reopened).max(oldest))
}

/// The last day whose readings are in, or overdue.
pub fn last_closed_day(site: &Site, now: Timestamp) -> Date {
    let yesterday = site.today(now).saturating_sub(1.day());
    if day_closed(site, yesterday, now) { yesterday } else { yesterday.saturating_sub(1.day()) }
}

/// Whether the last readings of a day are in, or overdue.
fn day_closed(site: &Site, date: Date, now: Timestamp) -> bool {
    date.saturating_add(1.day())
        .to_zoned(site.zone.clone())
        .is_ok_and(|end| end.timestamp().as_millisecond() + site.settle_ms() <= now.as_millisecond())
}

/// The first instant of a site's day, ms.
pub fn day_start(site: &Site, date: Date) -> Option<i64> {
    date.to_zoned(site.zone.clone()).ok().map(|start| start.timestamp().as_millisecond())
}

/// Judges the windows that have closed since `until`, oldest first. A window is closed once every meter has reached its
/// end, or their next readings are overdue.
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
        if !settled(site, meters, window, now) {
            break;
        }
        judged.push(judge(site, meters, window));
        from = window.to;
    }
    judged
}

fn settled(site: &Site, meters: &[MeterInput], window: Window, now: Timestamp) -> bool {
    let reached = meters.iter().filter(|meter| site::Side::of(meter.purpose).is_some()).all(|meter| {
        let served = meter.rules.in_service(window);
        let last = meter.curve.as_ref().and_then(super::energy::Curve::last_sample);
        served.length_ms() == 0 || last.is_some_and(|last| last >= served.to)
    });
    reached || window.to + site.settle_ms() <= now.as_millisecond()
}

/// One window.
pub fn judge(site: &Site, meters: &[MeterInput], window: Window) -> Judged {
    let reading = site::evaluate(meters, window, &validity(site));
    let begin = timestamp(window.from);
    let target = site.glide.as_ref().and_then(|glide| glide.target_on(site.today(begin)));
    let closed = ClosedWindow {
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

/// The last quarter of an hour, or the last three readings of the slowest meter, that every meter has reached. For
/// display only.
pub fn instant(site: &Site, meters: &[MeterInput]) -> Option<SiteReading> {
    let sides = || meters.iter().filter(|meter| site::Side::of(meter.purpose).is_some());
    let last = sides()
        .map(|meter| meter.curve.as_ref()?.last_sample())
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .min()?;
    let slowest = sides().map(|meter| meter.rules.interval_ms).max()?;
    let window = Window { from: last - (15 * 60_000).max(2 * slowest), to: last };
    Some(site::evaluate(meters, window, &validity(site)))
}

/// The ledger with the closed days from `first` on put in, and what changed.
pub fn close_days(
    site: &Site,
    meters: &[MeterInput],
    ledger: &Ledger,
    first: Date,
    now: Timestamp,
) -> (Ledger, Vec<(Date, Change)>) {
    let mut ledger = ledger.clone();
    let today = site.today(now);
    let mut changes = Vec::new();
    let days = site::split_into_days(&site.zone, first, today.saturating_sub(1.day())).unwrap_or_default();
    for (date, window) in days {
        if !day_closed(site, date, now) {
            continue;
        }
        let reading = site::evaluate(meters, window, &validity(site));
        // A day of which a side is not known at all is left open for the readings, or the meters, to come.
        if reading.facility_wh.is_none() || reading.it_wh.is_none() {
            continue;
        }
        let change = ledger.merge_day(Day::from_reading(date, &reading), today);
        if matches!(change, Change::Added | Change::Replaced) {
            changes.push((date, change));
        }
    }
    (ledger, changes)
}

/// An instant from milliseconds.
pub fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}
