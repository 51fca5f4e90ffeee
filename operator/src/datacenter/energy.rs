//! The energy curve of one meter.
//!
//! Readings become a curve: the energy that the meter has counted, as a function of time, straight between two
//! readings of a counter, a parabola between two of a gauge. A window's energy is the difference of the curve at its two
//! ends, so the energies of the parts of a window add up to that of the whole, and so do their covered times. Nothing here
//! is extrapolated: outside its first and last reading a meter has counted nothing and covers nothing.
//!
//! Time is covered between two readings no more than three intervals apart. A longer gap of a counter keeps its energy but
//! is not covered, not even if it lies wholly in the window, where its energy is exact: readings that are missing can
//! hide a restart, so they must never make a window look better, and the coverage of a whole must follow from its parts.
//! Such time is told apart as `coarse_ms`.
//!
//! Energies are in the base of the meter's quantity (Wh; mL of water; g of `CO2e`), times in milliseconds since the epoch.

use banyan_crds::v1alpha1::{Meter, MeterType, Purpose};
use banyan_crds::values::{Instant, ValueError};
use jiff::Timestamp;

mod clean;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

use clean::Join;

const HOUR_MS: i64 = 3_600_000;

/// A reading of a meter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When, in milliseconds since the epoch.
    pub at: i64,
    /// The reading, in the meter's own unit. What is not a finite number from zero up is dropped, which leaves a gap.
    pub value: f64,
}

/// A span of time `[from, to)` in milliseconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Window {
    /// First instant.
    pub from: i64,
    /// First instant after it.
    pub to: i64,
}

impl Window {
    /// Length in milliseconds; zero if it ends before it begins.
    pub fn length_ms(self) -> i64 {
        self.to.saturating_sub(self.from).max(0)
    }

    /// Length in hours.
    pub fn hours(self) -> f64 {
        self.length_ms() as f64 / HOUR_MS as f64
    }

    /// The part that both have; its length is zero if there is none.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        let from = self.from.max(other.from);
        Self { from, to: self.to.min(other.to).max(from) }
    }
}

/// How readings follow one another.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// A register that grows, may start again at zero, and rolls over at `max_value` (in the meter's own unit).
    Counter {
        /// The reading at which it starts again at zero, if that is known.
        max_value: Option<f64>,
    },
    /// A power that is integrated over time.
    Gauge,
}

/// How a meter's readings are to be taken.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MeterRules {
    /// Counter or gauge.
    pub kind: Kind,
    /// Factor from a reading to the base of its quantity: Wh, mL or g for a counter, W for a gauge.
    pub base_factor: f64,
    /// Time between two readings, at least 1.
    pub interval_ms: i64,
    /// Rated power. Readings that imply more than 1.2 times it are dropped.
    pub rated_watts: Option<f64>,
    /// First instant of the meter's service.
    pub valid_from: Option<i64>,
    /// First instant after the meter's service.
    pub valid_to: Option<i64>,
}

impl MeterRules {
    /// The rules that the API states for `meter`. Fails on a duration or an instant that cannot be read.
    ///
    /// A rated power says nothing about water or carbon, and is ignored there.
    pub fn from_meter(meter: &Meter) -> Result<Self, ValueError> {
        let instant = |at: &Option<Instant>| at.as_ref().map(Instant::timestamp).transpose();
        let energy = !matches!(meter.purpose, Purpose::Water | Purpose::Carbon);
        Ok(Self {
            kind: match meter.meter_type {
                MeterType::Counter => Kind::Counter { max_value: meter.max_value.map(|max| max as f64) },
                MeterType::Gauge => Kind::Gauge,
            },
            base_factor: meter.unit.base(),
            interval_ms: meter.interval.milliseconds()?.max(1),
            rated_watts: meter.rated_kilowatts.filter(|_| energy).map(|kilowatts| kilowatts as f64 * 1e3),
            valid_from: instant(&meter.valid_from)?.map(Timestamp::as_millisecond),
            valid_to: instant(&meter.valid_to)?.map(Timestamp::as_millisecond),
        })
    }

    /// How far before a window readings are fetched, so that there is one to start from.
    ///
    /// Three intervals, at most an hour; a meter that is read more seldom than that still needs one whole interval,
    /// and a quarter of one for lateness.
    pub fn lookback_ms(&self) -> i64 {
        (3 * self.interval_ms).min(HOUR_MS).max(self.interval_ms + self.interval_ms / 4)
    }

    /// How long after a window's end its last part can still be unmetered because the next reading is not due: fetch
    /// readings up to this long after the end, and do not judge a window before.
    pub fn settle_ms(&self) -> i64 {
        self.interval_ms + self.interval_ms / 4
    }

    /// The longest time between two readings that counts as covered: three intervals.
    pub fn bridge_ms(&self) -> i64 {
        3 * self.interval_ms
    }

    /// How long after a register fell or jumped it may come back to where it was and be taken at its word: an hour, or three
    /// intervals.
    pub fn return_ms(&self) -> i64 {
        self.bridge_ms().max(HOUR_MS)
    }

    /// The part of `window` in which the meter is in service.
    pub fn in_service(&self, window: Window) -> Window {
        window.intersection(Window {
            from: self.valid_from.unwrap_or(i64::MIN),
            to: self.valid_to.unwrap_or(i64::MAX),
        })
    }
}

/// What a meter says of a window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reading {
    /// Energy (Wh), water (mL) or carbon (g).
    pub energy: f64,
    /// Time in the window during which the meter is in service.
    pub expected_ms: i64,
    /// Time of it that lies between two readings no more than three intervals apart.
    pub covered_ms: i64,
    /// Time of it that does not.
    pub gap_ms: i64,
    /// Time of the gaps whose energy is an estimate, because a counter's gap reaches over an edge of the window and was
    /// split in proportion to time.
    pub interpolated_ms: i64,
    /// Time of the gaps whose energy is exact, because a counter's gap lies wholly in the window: only how the energy was
    /// spread over it is not known.
    pub coarse_ms: i64,
    /// Time that was covered by a meter that stood still while it should not have; taken off `covered_ms`. Only a site
    /// can tell, so this is zero in what a curve answers.
    pub stuck_ms: i64,
    /// Restarts at zero, and falls that nothing explains.
    pub resets: u32,
    /// Those of them that nothing explains.
    pub falls: u32,
    /// Rollovers at the register's end.
    pub rollovers: u32,
    /// Readings dropped, and rises left out, because no load of this meter explains them.
    pub spikes: u32,
    /// The last reading that was used, at or before the window's end and not before its begin.
    pub last_sample: Option<i64>,
}

impl Reading {
    /// Whether any of the window's energy is known.
    pub fn is_blind(&self) -> bool {
        self.covered_ms == 0 && self.coarse_ms == 0 && self.interpolated_ms == 0
    }
}

/// The curve at one reading.
#[derive(Clone, Copy, Debug)]
struct Knot {
    at: i64,
    /// Energy counted since the first reading.
    energy: f64,
    /// Time covered since the first reading.
    covered: i64,
    /// The power that the reading shows; 0 for a counter.
    watts: f64,
}

/// A time between two readings that is not covered.
#[derive(Clone, Copy, Debug)]
struct Gap {
    span: Window,
    energy: GapEnergy,
}

/// What is known of the energy of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum GapEnergy {
    /// A counter tells it.
    Exact,
    /// A counter started again in it: what it counted before that is lost.
    AtLeast,
    /// Nothing.
    Unknown,
}

/// A time in which a meter counted nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flat {
    /// From the first reading of its level to the last one.
    pub span: Window,
    /// The next reading makes up for it: the readings stood still and the meter did not.
    pub caught_up: bool,
}

/// Something that a window's reading counts, at the time of the reading that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Reset,
    Fall,
    Rollover,
    Spike,
}

/// The energy that a meter has counted, as a function of time.
#[derive(Clone, Debug)]
pub struct Curve {
    rules: MeterRules,
    knots: Vec<Knot>,
    gaps: Vec<Gap>,
    events: Vec<(i64, Event)>,
    flat: Vec<Flat>,
}

impl Curve {
    /// The curve through `samples`, which may be in any order, hold duplicates and bad readings, and reach beyond the
    /// meter's service (what lies outside belongs to another device and is not used). Of two readings of one instant the
    /// lower one is used.
    ///
    /// Which readings are bad is told by the power that they imply; the rules are at the head of `energy/clean.rs`.
    pub fn new(rules: MeterRules, mut samples: Vec<Sample>) -> Self {
        let max_value = match rules.kind {
            Kind::Counter { max_value } => max_value.unwrap_or(f64::INFINITY),
            Kind::Gauge => f64::INFINITY,
        };
        samples.retain(|sample| {
            sample.value.is_finite()
                && (0.0..=max_value).contains(&sample.value)
                && rules.valid_from.is_none_or(|from| sample.at >= from)
                && rules.valid_to.is_none_or(|to| sample.at < to)
        });
        samples.sort_unstable_by(|a, b| a.at.cmp(&b.at).then(a.value.total_cmp(&b.value)));
        samples.dedup_by_key(|sample| sample.at);
        let cleaned = match rules.kind {
            Kind::Counter { max_value } => clean::counter(&rules, max_value, &samples),
            Kind::Gauge => clean::gauge(&rules, &samples),
        };
        Self::from_points(rules, &cleaned)
    }

    fn from_points(rules: MeterRules, cleaned: &clean::Cleaned) -> Self {
        let mut knots: Vec<Knot> = Vec::with_capacity(cleaned.points.len());
        let mut gaps = Vec::new();
        let mut events: Vec<(i64, Event)> = cleaned.dropped.iter().map(|at| (*at, Event::Spike)).collect();
        let (mut energy, mut covered) = (0.0, 0);
        for point in &cleaned.points {
            if let Some(last) = knots.last() {
                let span = Window { from: last.at, to: point.at };
                let known = !matches!(point.join, Join::Up | Join::Down | Join::Unbridged);
                energy += point.energy;
                if known && span.length_ms() <= rules.bridge_ms() {
                    covered += span.length_ms();
                } else {
                    let energy = match point.join {
                        Join::Grown | Join::Rollover => GapEnergy::Exact,
                        Join::Restart => GapEnergy::AtLeast,
                        Join::Up | Join::Down | Join::Unbridged => GapEnergy::Unknown,
                    };
                    gaps.push(Gap { span, energy });
                }
                match point.join {
                    Join::Restart => events.push((point.at, Event::Reset)),
                    Join::Down => events.push((point.at, Event::Fall)),
                    Join::Rollover => events.push((point.at, Event::Rollover)),
                    Join::Up => events.push((point.at, Event::Spike)),
                    Join::Grown | Join::Unbridged => {}
                }
            }
            knots.push(Knot { at: point.at, energy, covered, watts: point.watts.unwrap_or(0.0) });
        }
        events.sort_unstable_by_key(|(at, _)| *at);
        let flat = flat_spans(&rules, &cleaned.points, cleaned.step);
        Self { rules, knots, gaps, events, flat }
    }

    /// Whether no reading was left to use.
    pub fn is_empty(&self) -> bool {
        self.knots.is_empty()
    }

    /// The first reading that was used.
    pub fn first_sample(&self) -> Option<i64> {
        self.knots.first().map(|knot| knot.at)
    }

    /// The last reading that was used.
    pub fn last_sample(&self) -> Option<i64> {
        self.knots.last().map(|knot| knot.at)
    }

    /// Spans of more than an hour and more than an interval in which the meter counted nothing, oldest first. Whether it was
    /// stuck or its load was off, only the other meters of its site can tell.
    pub fn flat_spans(&self) -> &[Flat] {
        &self.flat
    }

    /// The parts of the meter's service in `window` that are not covered, oldest first.
    pub fn uncovered(&self, window: Window) -> Vec<Window> {
        self.holes(window, |_| true)
    }

    /// The parts of the meter's service in `window` whose energy is not known, oldest first: before its first reading and
    /// after its last one, and where readings do not tell what lies between them. A gap over which a counter tells the
    /// energy is not among them.
    pub fn unknown(&self, window: Window) -> Vec<Window> {
        self.holes(window, |energy| energy != GapEnergy::Exact)
    }

    fn holes(&self, window: Window, pick: impl Fn(GapEnergy) -> bool) -> Vec<Window> {
        let served = self.rules.in_service(window);
        let (Some(first), Some(last)) = (self.first_sample(), self.last_sample()) else {
            return vec![served];
        };
        let before = Window { from: i64::MIN, to: first };
        let after = Window { from: last, to: i64::MAX };
        let start = self.gaps.partition_point(|gap| gap.span.to <= served.from);
        let gaps = self.gaps[start..].iter().take_while(|gap| gap.span.from < served.to);
        std::iter::once(before)
            .chain(gaps.filter(|gap| pick(gap.energy)).map(|gap| gap.span))
            .chain([after])
            .map(|span| span.intersection(served))
            .filter(|span| span.length_ms() > 0)
            .collect()
    }

    /// The median time between two readings that were used; none with fewer than three pairs.
    pub fn spacing_ms(&self) -> Option<i64> {
        let mut spacings: Vec<i64> = self.knots.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
        let middle = spacings.len() / 2;
        (spacings.len() >= 3).then(|| *spacings.select_nth_unstable(middle).1)
    }

    /// Energy in `window`, as far as the meter was in service.
    pub fn energy(&self, window: Window) -> f64 {
        let window = self.rules.in_service(window);
        self.at(window.to).0 - self.at(window.from).0
    }

    /// Covered time in `window`, in milliseconds.
    pub fn covered_ms(&self, window: Window) -> i64 {
        let window = self.rules.in_service(window);
        self.at(window.to).1 - self.at(window.from).1
    }

    /// What the meter says of `window`. Takes time in proportion to the logarithm of the number of readings, and to the
    /// number of gaps and events in the window.
    pub fn reading(&self, window: Window) -> Reading {
        let served = self.rules.in_service(window);
        let expected_ms = served.length_ms();
        if expected_ms == 0 {
            return Reading::default();
        }
        let covered_ms = self.covered_ms(served);
        let mut reading = Reading {
            energy: self.energy(served),
            expected_ms,
            covered_ms,
            gap_ms: expected_ms - covered_ms,
            last_sample: self.last_sample_in(served),
            ..Reading::default()
        };
        let first = self.gaps.partition_point(|gap| gap.span.to <= served.from);
        for gap in self.gaps[first..].iter().take_while(|gap| gap.span.from < served.to) {
            let inside = gap.span.intersection(served);
            match gap.energy {
                GapEnergy::Unknown => {}
                _ if inside != gap.span => reading.interpolated_ms += inside.length_ms(),
                GapEnergy::Exact => reading.coarse_ms += inside.length_ms(),
                GapEnergy::AtLeast => {}
            }
        }
        // An event belongs to the time that ends with the reading that shows it, hence (from, to].
        let first = self.events.partition_point(|(at, _)| *at <= served.from);
        for (_, event) in self.events[first..].iter().take_while(|(at, _)| *at <= served.to) {
            match event {
                Event::Reset => reading.resets += 1,
                Event::Fall => {
                    reading.resets += 1;
                    reading.falls += 1;
                }
                Event::Rollover => reading.rollovers += 1,
                Event::Spike => reading.spikes += 1,
            }
        }
        reading
    }

    fn last_sample_in(&self, window: Window) -> Option<i64> {
        let after = self.knots.partition_point(|knot| knot.at <= window.to);
        self.knots[..after].last().map(|knot| knot.at).filter(|at| *at >= window.from)
    }

    /// Energy and covered time from the first reading to `at`.
    fn at(&self, at: i64) -> (f64, i64) {
        let after = self.knots.partition_point(|knot| knot.at <= at);
        let (Some(a), next) = (after.checked_sub(1).map(|index| self.knots[index]), self.knots.get(after))
        else {
            return (0.0, 0);
        };
        let Some(b) = next else { return (a.energy, a.covered) };
        let part = (at - a.at) as f64 / (b.at - a.at) as f64;
        // The power of a gauge goes straight from one reading to the next, so its energy is a parabola.
        let share = if a.watts + b.watts > 0.0 {
            part * (2.0 * a.watts + (b.watts - a.watts) * part) / (a.watts + b.watts)
        } else {
            part
        };
        // Between two knots either all of the time is covered or none.
        let covered = if b.covered > a.covered { at - a.at } else { 0 };
        (a.energy + (b.energy - a.energy) * share, a.covered + covered)
    }
}

/// Runs of readings without energy, longer than an hour and an interval with its lateness.
///
/// A register that counts in coarse steps also stands still between two of them, by its mean power for
/// `step / power`; three times that is allowed for. One that has risen too seldom to show its steps must stand for more
/// than three intervals.
fn flat_spans(rules: &MeterRules, points: &[clean::Point], step: f64) -> Vec<Flat> {
    let total: f64 = points.iter().skip(1).map(|point| point.energy).sum();
    let length = match (points.first(), points.last()) {
        (Some(first), Some(last)) => last.at - first.at,
        _ => return Vec::new(),
    };
    let between_steps = if total > 0.0 { (3.0 * step / total * length as f64) as i64 } else { 0 };
    let rises = points.iter().skip(1).filter(|point| point.energy > 0.0).count();
    let steps_unknown = rules.kind != Kind::Gauge && rises < 3;
    let intervals = if steps_unknown { rules.bridge_ms() } else { rules.settle_ms() };
    let least = HOUR_MS.max(intervals).max(between_steps);
    let mut spans: Vec<Flat> = Vec::new();
    let mut start = points[0].at;
    for (index, point) in points.iter().enumerate().skip(1) {
        let broken = point.energy > 0.0 || matches!(point.join, Join::Up | Join::Down | Join::Unbridged);
        let end = if broken { points[index - 1].at } else { point.at };
        if (broken || index + 1 == points.len()) && end - start > least {
            // At least half of what the meter uses in that time, all at once.
            let usual = total * (point.at - start) as f64 / length as f64;
            let caught_up = point.energy > 0.0 && point.energy >= 0.5 * usual;
            spans.push(Flat { span: Window { from: start, to: end }, caught_up });
        }
        if broken {
            start = point.at;
        }
    }
    spans
}
