//! The operational verdict: the windows that made it, and how many more of which kind would change it.

use banyan_crds::v1alpha1::{OperationalStatus, Purpose, Verdict};
use jiff::{SignedDuration, Timestamp};

use super::{BlindWhy, Change, Facts, InvalidWhy, OperationalWhy, WindowSide, WindowWhy};
use crate::datacenter::{
    energy::Window,
    site::{Invalid, Side},
    spec::Site,
    windows,
    words::invalid_reason,
};

/// Windows that are told: as many as clear a site by default.
pub const WINDOWS: i64 = 6;

/// The operational verdict that `status` shows.
pub(super) fn operational(facts: &Facts<'_>, site: &Site, status: &OperationalStatus) -> OperationalWhy {
    let until = status.until.as_ref().map(|until| until.0);
    let glide = site.glide.as_ref();
    let target_at = |at: Timestamp| glide.and_then(|glide| glide.target_on(site.today(at)));
    let target = target_at(facts.seen.now);
    let over = target.map(|target| site.bands.over(target));
    let under = target.map(|target| site.bands.under(target));
    let curves = if facts.day.is_empty() { facts.meters } else { facts.day };
    let first = curves.iter().filter_map(|meter| meter.curve.as_ref()?.first_sample()).max();
    let told = until.filter(|_| !curves.is_empty()).map_or(0, |_| WINDOWS);
    let windows: Vec<WindowWhy> = (0..told)
        .rev()
        .filter_map(|back| {
            let to = until?.as_millisecond() - back * site.window_ms;
            let window = Window { from: to - site.window_ms, to };
            // What lies before the readings at hand would look as if it had not been metered.
            first.is_some_and(|first| first <= window.from).then_some(window)
        })
        .map(|window| {
            let judged = windows::judge(site, curves, window);
            let counted = judged
                .closed
                .pue
                .as_ref()
                .ok()
                .copied()
                .zip(judged.closed.target)
                .map_or(WindowSide::NoVerdict, |(pue, target)| side_of(site, pue, target));
            WindowWhy {
                from: judged.closed.from,
                to: judged.closed.to,
                facility_kilowatt_hours: judged.reading.facility_wh.map(|wh| wh / 1000.0),
                it_kilowatt_hours: judged.reading.it_wh.map(|wh| wh / 1000.0),
                value: judged.reading.pue.as_ref().ok().copied(),
                invalid: judged.reading.pue.as_ref().err().map(invalid_reason),
                target: judged.closed.target,
                side: counted,
            }
        })
        .collect();
    let last = facts.judgement.and_then(|judgement| judgement.last.as_ref());
    let invalid = last
        .filter(|_| status.verdict == Verdict::Unknown && status.blind_since.is_none())
        .and_then(|last| last.reading.pue.as_ref().err())
        .map(invalid);
    OperationalWhy {
        verdict: status.verdict,
        since: status.since.0,
        value: status.value.as_ref().and_then(|value| value.number().ok()),
        until,
        window_milliseconds: site.window_ms,
        target,
        over,
        under,
        streak: status.streak,
        change: change(site, status, target),
        windows,
        invalid,
        blind: status
            .blind_since
            .as_ref()
            .map(|since| BlindWhy { since: since.0, last_known: status.last_known }),
    }
}

fn side_of(site: &Site, pue: f64, target: f64) -> WindowSide {
    if pue > site.bands.over(target) {
        WindowSide::Over
    } else if pue > target {
        WindowSide::AboveTarget
    } else if pue <= site.bands.under(target) {
        WindowSide::Under
    } else {
        WindowSide::WithinTarget
    }
}

/// What would change the verdict to or from `Violated`; none where no window can, for want of a target or of readings.
fn change(site: &Site, status: &OperationalStatus, target: Option<f64>) -> Option<Change> {
    let (target, until) = (target?, status.until.as_ref()?.0);
    let (to, needed, level) = match status.verdict {
        Verdict::Violated => (Verdict::Compliant, site.bands.clear_windows, site.bands.under(target)),
        Verdict::AtRisk | Verdict::Compliant => {
            (Verdict::Violated, site.bands.violate_windows, site.bands.over(target))
        }
        Verdict::Unknown | Verdict::Provisional => return None,
    };
    let window = SignedDuration::from_millis(site.window_ms);
    // The dwell ends within a window: the first that ends at or after it is the one that counts.
    let rested = status.since.0.checked_add(site.bands.dwell).ok()?.duration_since(until);
    let for_dwell = div_ceil(rested.as_millis(), window.as_millis());
    let windows = (needed - status.streak).max(for_dwell).max(1);
    let earliest = until.checked_add(window.checked_mul(i32::try_from(windows).ok()?)?).ok()?;
    Some(Change { to, windows, level, earliest })
}

fn div_ceil(number: i128, by: i128) -> i64 {
    i64::try_from((number + by - 1).div_euclid(by.max(1))).unwrap_or(i64::MAX)
}

fn invalid(invalid: &Invalid) -> InvalidWhy {
    let told =
        InvalidWhy { reason: invalid_reason(invalid), meter: None, side: None, value: None, needed: None };
    match invalid {
        Invalid::MeterAbsent { name, .. } => InvalidWhy { meter: Some(name.clone()), ..told },
        Invalid::LowCoverage { side, percent, minimum_percent, meter } => InvalidWhy {
            meter: Some(meter.clone()),
            side: Some(match side {
                Side::Facility => Purpose::Facility,
                Side::It => Purpose::It,
            }),
            value: Some(*percent as f64),
            needed: Some(*minimum_percent as f64),
            ..told
        },
        Invalid::MeterSuspect { name, resets, allowed } => InvalidWhy {
            meter: Some(name.clone()),
            value: Some(f64::from(*resets)),
            needed: Some(f64::from(*allowed)),
            ..told
        },
        Invalid::NegativeFacility { excess_wh } => InvalidWhy { value: Some(excess_wh / 1000.0), ..told },
        Invalid::NoITLoad { it_wh, minimum_wh } => {
            InvalidWhy { value: Some(it_wh / 1000.0), needed: Some(minimum_wh / 1000.0), ..told }
        }
        Invalid::BetterThanPerfect { pue } | Invalid::AboveTen { pue } => {
            InvalidWhy { value: Some(*pue), ..told }
        }
    }
}
