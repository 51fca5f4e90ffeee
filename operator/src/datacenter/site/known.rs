//! The time in which every meter of both sides is known, and how well a side is covered.
//!
//! A ratio needs both sides of the same time. Where the energy of one meter is not known (a gap of a gauge, a register that
//! was set to another value, the hole between a replaced meter's last reading and its successor's first), counting it as
//! nothing would lower one side and leave the other. So that time is left out of both. A gap over which a counter tells the
//! energy is known.

use super::{Seen, Side};
use crate::datacenter::energy::Window;

/// The parts of `window` in which the energy of every meter of both sides is known, oldest first.
///
/// An absent meter takes nothing away: its side is unknown as a whole.
pub(super) fn spans(seen: &[Seen<'_>], window: Window) -> Vec<Window> {
    let required = seen.iter().filter(|meter| meter.side().is_some() && !meter.absent);
    let unknown = merged(required.flat_map(|meter| holes(meter, window, false)).collect());
    let mut known = Vec::with_capacity(unknown.len() + 1);
    let mut from = window.from;
    for hole in unknown {
        if hole.from > from {
            known.push(Window { from, to: hole.from });
        }
        from = hole.to;
    }
    if from < window.to {
        known.push(Window { from, to: window.to });
    }
    known
}

/// The worst coverage of a side.
pub(super) struct Worst<'a> {
    /// Share of the window, 0 to 1.
    pub share: f64,
    /// The meter that misses the most.
    pub meter: &'a Seen<'a>,
}

/// How well `side` is covered; none without a meter.
///
/// The worst of its meters decides, but those that enter or leave service in the window count as one, whose holes add up:
/// between a replaced meter and its successor lie the end of the one and the beginning of the other.
pub(super) fn coverage<'a>(seen: &'a [Seen<'a>], side: Side, window: Window) -> Option<Worst<'a>> {
    let of_side = || seen.iter().filter(move |meter| meter.side() == Some(side));
    let worst = |meters: &mut dyn Iterator<Item = &'a Seen<'a>>| {
        meters
            .min_by(|a, b| a.coverage.total_cmp(&b.coverage))
            .map(|meter| Worst { share: meter.coverage, meter })
    };
    let partly = |meter: &&Seen<'_>| meter.input.rules.in_service(window) != window;
    let whole = worst(&mut of_side().filter(|meter| !partly(meter)));
    let replaced = worst(&mut of_side().filter(partly)).map(|worst| {
        let missed = merged(of_side().filter(partly).flat_map(|meter| holes(meter, window, true)).collect());
        let missed: i64 = missed.iter().map(|hole| hole.length_ms()).sum();
        Worst { share: 1.0 - missed as f64 / window.length_ms().max(1) as f64, ..worst }
    });
    match (whole, replaced) {
        (Some(whole), Some(replaced)) if replaced.share < whole.share => Some(replaced),
        (whole, replaced) => whole.or(replaced),
    }
}

/// Where `meter` is not covered in its service, or, if `covered` is false, where its energy is not known. Readings that
/// stood still and then made up for it do tell the energy.
fn holes(meter: &Seen<'_>, window: Window, covered: bool) -> Vec<Window> {
    let Some(curve) = meter.curve().filter(|_| meter.input.fault.is_none()) else {
        return vec![meter.input.rules.in_service(window)];
    };
    let mut holes = if covered { curve.uncovered(window) } else { curve.unknown(window) };
    let served = meter.input.rules.in_service(window);
    let stuck = meter.stuck.iter().filter(|flat| covered || !flat.caught_up);
    holes.extend(stuck.map(|flat| flat.span.intersection(served)).filter(|span| span.length_ms() > 0));
    holes
}

/// `spans` in order, those that touch or overlap made one.
fn merged(mut spans: Vec<Window>) -> Vec<Window> {
    spans.sort_unstable_by_key(|span| span.from);
    let mut merged: Vec<Window> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.from <= last.to => last.to = last.to.max(span.to),
            _ => merged.push(span),
        }
    }
    merged
}
