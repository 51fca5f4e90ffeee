//! Which readings of a meter can be believed, and how each joins the one before it.
//!
//! A meter's limit is 1.2 times its rated power. Without a rating it is 1.2 times the 99th percentile of the powers that
//! its own readings imply over an interval, if there are at least twenty; bursts that fill less than one percent of the time lie above
//! that, so a meter with bursts wants a rating. A reading is judged against the last one believed:
//!
//! - It has grown, within the limit: believed.
//! - It has grown beyond the limit. If a reading soon after is in line with the last one believed, the readings between are
//!   spikes and dropped. Otherwise the register was set to another value: the energy of the pair is unknown,
//!   counted as nothing and not covered, and reading goes on from the new value.
//! - It has fallen, and the register was near its end and is near its begin: a rollover.
//! - It has fallen to a value that can have been counted since, within the limit: a restart. What was counted before the
//!   restart is lost, so this is a lower bound. But if the register jumps back soon to where it was, nothing had started
//!   again: the exporter was dead and said zero. The readings between are dropped, and leave a gap.
//! - It has fallen otherwise, such as a register of 1,000,000 kWh that dips by 0.1 kWh. As a restart it would add the whole
//!   register. If a reading soon after is in line again, the dip is dropped; otherwise the energy of the pair is unknown, as
//!   above.
//!
//! Soon is within an hour, three intervals or three readings, whichever is longest: zeros of a dead exporter last as long
//! however often they are scraped. A fall that may still be taken back so is withheld: one at the last reading, and one
//! after which the register has not grown, or that nothing explains, until that time is over.
//!
//! Registers count in steps (often whole kWh) and are updated once an interval however often they are read. Hence one step
//! is always within the limit, and so is an interval's energy in less than an interval, once an interval: over any time T
//! a counter's energy stays below limit · (T + interval) and a step for each reading.

use super::{HOUR_MS, MeterRules, Sample};

/// Readings that are looked at, at least, before one is given up as the start of a new level.
const LOOKAHEAD: usize = 3;
/// Readings that are looked at, at most: an hour of them once a second, so that a meter whose every reading is odd does not
/// take a day of work.
const MOST_AHEAD: usize = 3600;
/// Powers that a meter without a rating must have shown before a limit is drawn from them.
const ENOUGH: usize = 20;
const MARGIN: f64 = 1.2;

/// How a reading joins the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    /// In line. Also the first reading, which joins nothing.
    Grown,
    /// A register that came to its end.
    Rollover,
    /// A device that started again at zero.
    Restart,
    /// A rise that no load explains: unknown energy.
    Up,
    /// A fall that neither a rollover nor a restart explains: unknown energy.
    Down,
    /// Two readings of a gauge that lie too far apart: unknown energy.
    Unbridged,
}

/// A reading that is believed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub at: i64,
    pub join: Join,
    /// Energy since the reading before it.
    pub energy: f64,
    /// The power that it shows: of a gauge only.
    pub watts: Option<f64>,
}

/// A meter's readings, judged.
#[derive(Clone, Debug, Default)]
pub(super) struct Cleaned {
    pub points: Vec<Point>,
    /// Times of the readings that were dropped.
    pub dropped: Vec<i64>,
    /// The step in which the register counts, 0 if none shows.
    pub step: f64,
}

/// What a meter's readings may imply.
struct Limits {
    /// Energy per millisecond above which a rise is refused; infinite if too little is known.
    hard: f64,
    /// The same for what needs an explanation: a restart, or a rise that is taken back. Never infinite.
    soft: f64,
    interval: f64,
    step: f64,
}

impl Limits {
    fn allowed(&self, limit: f64, spare: f64, time: f64) -> f64 {
        limit * time.max(self.interval.min(spare + time)) + self.step
    }
}

/// The last reading believed. `spare` is the time, at most an interval, whose energy at the limit has not been counted.
#[derive(Clone, Copy)]
struct Base {
    sample: Sample,
    spare: f64,
}

struct Counter<'a> {
    samples: &'a [Sample],
    factor: f64,
    max_value: Option<f64>,
    /// Time in which a register that has fallen or risen may come back.
    return_ms: i64,
    limits: Limits,
}

/// Judges the readings of a counter; sorted by time, no two of one instant.
pub(super) fn counter(rules: &MeterRules, max_value: Option<f64>, samples: &[Sample]) -> Cleaned {
    let Some(first) = samples.first() else { return Cleaned::default() };
    let step = register_step(samples) * rules.base_factor;
    let counter = Counter {
        samples,
        factor: rules.base_factor,
        max_value,
        return_ms: rules.return_ms(),
        limits: counter_limits(rules, samples, step),
    };
    let mut cleaned = Cleaned { points: Vec::with_capacity(samples.len()), dropped: Vec::new(), step };
    cleaned.points.push(Point { at: first.at, join: Join::Grown, energy: 0.0, watts: None });
    let mut base = Base { sample: *first, spare: counter.limits.interval };
    let mut next = 1;
    while next < samples.len() {
        let Some((index, join, energy)) = counter.step(base, next) else { break };
        cleaned.dropped.extend(samples[next..index].iter().map(|sample| sample.at));
        let Some(sample) = samples.get(index) else { break };
        cleaned.points.push(Point { at: sample.at, join, energy, watts: None });
        base = counter.moved(base, *sample, energy);
        next = index + 1;
    }
    cleaned
}

impl Counter<'_> {
    /// The next reading to believe after `base`, at or after `next` (past the end if none is left), and how it joins. None
    /// where the readings to come must say what those that are there mean.
    fn step(&self, base: Base, next: usize) -> Option<(usize, Join, f64)> {
        let sample = self.samples[next];
        let soon = base.sample.at.saturating_add(self.return_ms);
        let ahead = || {
            let within = self.samples.partition_point(|sample| sample.at <= soon).min(next + MOST_AHEAD);
            next + 1..within.max(next + 1 + LOOKAHEAD).min(self.samples.len())
        };
        let in_line = |index: &usize| self.grown(base, self.samples[*index], self.limits.hard).is_some();
        let take = |index: usize| {
            (index, Join::Grown, (self.samples[index].value - base.sample.value) * self.factor)
        };
        if sample.value >= base.sample.value {
            if self.grown(base, sample, self.limits.soft).is_some() {
                return Some(take(next));
            }
            let refused = !in_line(&next);
            let returned = |index: &usize| refused || self.samples[*index].value < sample.value;
            if let Some(index) = ahead().find(|index| in_line(index) && returned(index)) {
                return Some(take(index));
            }
            return Some(match (refused, next + 1 == self.samples.len()) {
                (false, _) => take(next),
                // Nothing after it says whether it is a spike or a new level.
                (true, true) => (next + 1, Join::Grown, 0.0),
                (true, false) => (next, Join::Up, 0.0),
            });
        }
        let fallen = self.fallen(base, sample);
        if let Some(index) = ahead().find(in_line) {
            // A counter that started again may well have passed its old level since; one that was misread jumps there.
            return Some(match fallen {
                Some((join, energy)) if self.goes_on(next, index) => (next, join, energy),
                _ => take(index),
            });
        }
        let after = &self.samples[next..];
        let grows = || after.windows(2).any(|pair| pair[1].value > pair[0].value);
        let may_come_back = after.last().is_some_and(|last| last.at < soon);
        if after.len() == 1 || (may_come_back && !(fallen.is_some() && grows())) {
            return None;
        }
        let (join, energy) = fallen.unwrap_or((Join::Down, 0.0));
        Some((next, join, energy))
    }

    /// Energy of a rise within `limit`.
    fn grown(&self, base: Base, to: Sample, limit: f64) -> Option<f64> {
        let energy = (to.value - base.sample.value) * self.factor;
        let allowed = self.limits.allowed(limit, base.spare, (to.at - base.sample.at) as f64);
        (energy >= 0.0 && energy <= allowed).then_some(energy)
    }

    /// Energy of a fall that a rollover or a restart explains.
    fn fallen(&self, base: Base, to: Sample) -> Option<(Join, f64)> {
        let allowed = self.limits.allowed(self.limits.soft, base.spare, (to.at - base.sample.at) as f64);
        let rolled_over = self.max_value.filter(|max| base.sample.value > 0.9 * max && to.value < 0.1 * max);
        if let Some(max) = rolled_over {
            let energy = (max - base.sample.value + to.value) * self.factor;
            if energy <= allowed {
                return Some((Join::Rollover, energy));
            }
        }
        let energy = to.value * self.factor;
        (energy <= allowed).then_some((Join::Restart, energy))
    }

    /// Whether a counter that has fallen at `from` goes on from there to `to` without a jump up.
    fn goes_on(&self, from: usize, to: usize) -> bool {
        self.samples[from..=to].windows(2).all(|pair| {
            let base = Base { sample: pair[0], spare: self.limits.interval };
            pair[1].value < pair[0].value || self.grown(base, pair[1], self.limits.soft).is_some()
        })
    }

    fn moved(&self, base: Base, to: Sample, energy: f64) -> Base {
        let limit = self.limits.hard.max(self.limits.soft);
        let used = if limit.is_finite() && limit > 0.0 { energy / limit } else { 0.0 };
        let spare = (base.spare + (to.at - base.sample.at) as f64 - used).clamp(0.0, self.limits.interval);
        Base { sample: to, spare }
    }
}

fn counter_limits(rules: &MeterRules, samples: &[Sample], step: f64) -> Limits {
    let interval = rules.interval_ms as f64;
    let limits = |hard: f64, soft: f64| Limits { hard, soft, interval, step };
    if let Some(rated) = rules.rated_watts {
        let limit = MARGIN * rated / HOUR_MS as f64;
        return limits(limit, limit);
    }
    let mut rates = usual_rates(rules, samples);
    match percentile(&mut rates, 0.99) {
        Some(high) => limits(MARGIN * high, MARGIN * high),
        // Too few to refuse a rise by. A restart must not imply more than twice the usual power; a meter that has shown
        // no power adds nothing by a restart.
        None => limits(f64::INFINITY, 2.0 * median(&mut rates)),
    }
}

/// The energy per millisecond over each interval in which the register grew: of readings that come more often than that,
/// over as many as make up an interval, for a register may be updated with each of them or once for all.
///
/// The last rise before a fall and the first one after it are left out: those of spikes and of dead exporters are as high as
/// the register, and must not set the limit that is to tell them.
fn usual_rates(rules: &MeterRules, samples: &[Sample]) -> Vec<f64> {
    let rise = |index: usize| samples[index].value - samples[index - 1].value;
    // By the later reading of each pair: whether it is next to a fall, with standstills between.
    let mut odd = vec![false; samples.len()];
    let (mut after_fall, mut last_rise) = (false, None);
    for index in 1..samples.len() {
        let rise = rise(index);
        if rise > 0.0 {
            odd[index] = after_fall;
            (after_fall, last_rise) = (false, Some(index));
        } else if rise < 0.0 {
            odd[index] = true;
            if let Some(last) = last_rise.take() {
                odd[last] = true;
            }
            after_fall = true;
        }
    }
    let interval = rules.interval_ms as f64;
    let mut rates = Vec::new();
    let (mut grown, mut start) = (0.0, samples.first().map_or(0, |first| first.at));
    for index in 1..samples.len() {
        if odd[index] {
            (grown, start) = (0.0, samples[index].at);
            continue;
        }
        grown += rise(index);
        let time = (samples[index].at - start) as f64;
        // A reading that comes a little early makes up its interval all the same.
        if time >= 0.9 * interval {
            if grown > 0.0 {
                rates.push(grown * rules.base_factor / time.max(interval));
            }
            (grown, start) = (0.0, samples[index].at);
        }
    }
    rates
}

/// The value that a share `rank` of `values` lies at or below, if there are enough of them.
fn percentile(values: &mut [f64], rank: f64) -> Option<f64> {
    if values.len() < ENOUGH {
        return None;
    }
    // Rounded down, so that among fewer than a hundred the highest does not set its own limit.
    let index = (rank * (values.len() - 1) as f64) as usize;
    Some(*values.select_nth_unstable_by(index, f64::total_cmp).1)
}

fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let index = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(index, f64::total_cmp).1
}

/// The step in which a register counts, in the meter's unit: the smallest rise, if nine in ten rises are multiples of it
/// and it does not just grow by the same every time. Zero if the readings show none.
fn register_step(samples: &[Sample]) -> f64 {
    let rises = || samples.windows(2).map(|pair| pair[1].value - pair[0].value).filter(|rise| *rise > 0.0);
    let step = rises().fold(f64::INFINITY, f64::min);
    let (mut all, mut single, mut multiple) = (0, 0, 0);
    for rise in rises() {
        let steps = rise / step;
        all += 1;
        if (steps - steps.round()).abs() < 1e-3 {
            if steps < 1.5 { single += 1 } else { multiple += 1 }
        }
    }
    let uneven = multiple > 0 || samples.windows(2).any(|pair| pair[1].value <= pair[0].value);
    if all >= 3 && uneven && (single + multiple) * 10 >= all * 9 { step } else { 0.0 }
}

/// Judges the readings of a gauge and integrates them by trapezoids; sorted by time, no two of one instant.
///
/// A power above the limit is dropped. What lies further apart than three intervals is not bridged.
pub(super) fn gauge(rules: &MeterRules, samples: &[Sample]) -> Cleaned {
    let limit = rules.rated_watts.map(|rated| MARGIN * rated).or_else(|| {
        // Idle time says nothing of the load: a generator stands still for all but a few hours.
        let mut powers: Vec<f64> = samples
            .iter()
            .map(|sample| sample.value * rules.base_factor)
            .filter(|power| *power > 0.0)
            .collect();
        percentile(&mut powers, 0.99).map(|high| MARGIN * high)
    });
    let limit = limit.unwrap_or(f64::INFINITY);
    let mut cleaned = Cleaned { points: Vec::with_capacity(samples.len()), ..Cleaned::default() };
    let mut last: Option<Sample> = None;
    for sample in samples {
        if sample.value * rules.base_factor > limit {
            cleaned.dropped.push(sample.at);
            continue;
        }
        let (join, energy) = match last {
            None => (Join::Grown, 0.0),
            Some(last) if sample.at - last.at > rules.bridge_ms() => (Join::Unbridged, 0.0),
            Some(last) => {
                let mean_watts = f64::midpoint(last.value, sample.value) * rules.base_factor;
                (Join::Grown, mean_watts * (sample.at - last.at) as f64 / HOUR_MS as f64)
            }
        };
        let watts = Some(sample.value * rules.base_factor);
        cleaned.points.push(Point { at: sample.at, join, energy, watts });
        last = Some(*sample);
    }
    cleaned
}
