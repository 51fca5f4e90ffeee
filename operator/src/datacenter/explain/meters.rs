//! The meters: what each counted, how well it is covered, what is wrong with it, and which decide the category.

use std::collections::BTreeSet;

use banyan_crds::v1alpha1::Purpose;
use jiff::Timestamp;

use super::{CategoryWhy, Decided, Facts, FaultWhy, MeterWhy, amounts};
use crate::datacenter::{
    energy::{Curve, Window},
    site::{self, Fault, MeterInput, MeterReading, Side, SiteReading},
    spec::Site,
    windows,
};

const DAY_MS: i64 = 86_400_000;

/// The meters of a site, as in its spec.
pub(super) fn meters(facts: &Facts<'_>, site: &Site) -> Vec<MeterWhy> {
    let now = facts.seen.now.as_millisecond();
    let last = facts.judgement.and_then(|judgement| judgement.last.as_ref()).map(|judged| &judged.reading);
    let day = day(facts, site, last);
    let (in_window, in_day) =
        (last.map(amounts).unwrap_or_default(), day.as_ref().map(amounts).unwrap_or_default());
    let holding = last.map(holding_down).unwrap_or_default();
    facts
        .meters
        .iter()
        .map(|meter| {
            let blind = facts.seen.samples.get(&meter.name).and_then(|answer| answer.as_ref().err());
            let last_at = meter.curve.as_ref().and_then(Curve::last_sample);
            let served = meter.rules.in_service(Window { from: now - 1, to: now }).length_ms() > 0;
            let reading = last.and_then(|reading| of(reading, &meter.name));
            let mut faults: Vec<_> =
                reading.into_iter().flat_map(|reading| &reading.faults).map(told).collect();
            // A meter that fell silent after the last window had closed is not at fault in it yet.
            if let Some(at) = last_at.filter(|at| served && at + 2 * meter.rules.settle_ms() < now) {
                faults.insert(0, FaultWhy::Silent { minutes: (now - at) / 60_000 });
            }
            let known = |amount: &&super::Amount| blind.is_none() && amount.coverage_percent > 0.0;
            MeterWhy {
                name: meter.name.clone(),
                purpose: meter.purpose,
                position: meter.position,
                in_service: served,
                last: last_at.map(windows::timestamp),
                unread: blind.map(Into::into),
                window: in_window.get(meter.name.as_str()).filter(known).copied(),
                day: in_day.get(meter.name.as_str()).filter(known).copied(),
                holds_down: holding.contains(meter.name.as_str()),
                faults,
            }
        })
        .collect()
}

fn of<'a>(reading: &'a SiteReading, name: &str) -> Option<&'a MeterReading> {
    reading.meters.iter().find(|meter| meter.name == name)
}

/// The 24 hours up to the end of the last window, where their readings were asked for.
fn day(facts: &Facts<'_>, site: &Site, last: Option<&SiteReading>) -> Option<SiteReading> {
    let to = last?.window.to;
    let window = Window { from: to - DAY_MS, to };
    (!facts.day.is_empty()).then(|| site::evaluate(facts.day, window, &windows::validity(site)))
}

/// On each side the meter that misses the most, if it misses anything.
fn holding_down(reading: &SiteReading) -> BTreeSet<&str> {
    [Side::Facility, Side::It]
        .into_iter()
        .filter_map(|side| {
            let of_side = reading.meters.iter().filter(|meter| Side::of(meter.purpose) == Some(side));
            let worst = of_side.min_by(|a, b| a.coverage.total_cmp(&b.coverage))?;
            (worst.coverage < 1.0 - 1e-9).then_some(worst.name.as_str())
        })
        .collect()
}

fn told(fault: &Fault) -> FaultWhy {
    match fault {
        Fault::Absent { .. } => FaultWhy::Absent,
        Fault::Gaps { percent } => FaultWhy::Gaps { percent: *percent },
        Fault::Stuck { minutes } => FaultWhy::Stuck { minutes: *minutes },
        Fault::Resets { resets } => FaultWhy::Resets { times: *resets },
        Fault::Spikes { spikes } => FaultWhy::Spikes { readings: *spikes },
    }
}

/// Which IT meters keep the category where it is.
pub(super) fn category(meters: &[MeterInput], now: Timestamp, category: i64) -> CategoryWhy {
    let now = now.as_millisecond();
    let at = Window { from: now - 1, to: now };
    let decided = meters
        .iter()
        .filter(|meter| meter.purpose == Purpose::It)
        .filter(|meter| {
            site::category(std::slice::from_ref(*meter), at).map(i64::from).is_some_and(|own| own <= category)
        })
        .map(|meter| {
            let declared = meter.rules.interval_ms;
            let observed = meter.curve.as_ref().and_then(Curve::spacing_ms);
            Decided {
                meter: meter.name.clone(),
                position: meter.position,
                interval_milliseconds: observed.unwrap_or(declared).max(declared),
            }
        })
        .collect();
    CategoryWhy { category, decided }
}
