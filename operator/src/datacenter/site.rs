//! All meters of a site in one window: the energy of both sides, how well it is covered, and the PUE or why there is none.
//!
//! PUE = facility energy / IT energy over one span of time (ISO/IEC 30134-2), never a mean of ratios. The facility side is
//! the sum of feeds and generators less what does not belong to the data centre; redundant feeds are separate sources.
//! A side is covered as well as the worst of its meters is, for a mean would hide one dead feed. Where the energy of one
//! meter is not known, that of both sides is left out (see [`known`]).

use banyan_crds::v1alpha1::{Position, Purpose};
use jiff::{civil::Date, tz::TimeZone};

use super::energy::{Curve, Flat, MeterRules, Reading, Window};

mod known;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

const HOUR_MS: i64 = 3_600_000;
const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;

/// A meter and what was read from it.
#[derive(Clone, Debug)]
pub struct MeterInput {
    /// Name, unique in the site.
    pub name: String,
    /// What it counts as.
    pub purpose: Purpose,
    /// Where an IT load is metered.
    pub position: Option<Position>,
    /// How its readings are taken, and when it is in service.
    pub rules: MeterRules,
    /// Its readings; none if the query failed or answered no series.
    pub curve: Option<Curve>,
    /// Why there are no readings, in a few words, such as "the server answered 401".
    pub fault: Option<String>,
}

/// What makes a window valid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Validity {
    /// Least coverage of either side, 0 to 1.
    pub minimum_coverage: f64,
    /// Least mean IT power in W. A window below it has no IT load to judge by.
    pub minimum_it_watts: f64,
}

/// A side of the ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// What the data centre draws: Facility and Generator meters less Excluded ones.
    Facility,
    /// What its IT equipment draws.
    It,
}

impl Side {
    /// The side that needs meters of `purpose`; none for those that are only reported.
    pub const fn of(purpose: Purpose) -> Option<Self> {
        match purpose {
            Purpose::Facility | Purpose::Generator | Purpose::Excluded => Some(Self::Facility),
            Purpose::It => Some(Self::It),
            Purpose::Renewable | Purpose::Reuse | Purpose::Water | Purpose::Carbon => None,
        }
    }
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Facility => "facility",
            Self::It => "IT",
        })
    }
}

/// Why a window has no PUE. Each message names what to look at next.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Invalid {
    /// A meter that the window needs has no reading in it.
    #[error(
        "meter {name} has no reading in the window ({why}): check its query and its exporter, or give it a validTo if it is out of service"
    )]
    MeterAbsent {
        /// The meter.
        name: String,
        /// Why, as far as it is known.
        why: String,
    },
    /// A side is covered for too little of the window.
    #[error(
        "the {side} side is metered for {percent} % of the window, and {minimum_percent} % are needed; meter {meter} has the largest gap: look for missing or standing readings of it"
    )]
    LowCoverage {
        /// The side.
        side: Side,
        /// Coverage, whole percent, rounded down.
        percent: i64,
        /// Coverage that is needed.
        minimum_percent: i64,
        /// The meter that covers the least.
        meter: String,
    },
    /// A meter starts again more often than once a day, or falls for no reason.
    #[error(
        "meter {name} started again or fell {resets} times within a day, and {allowed} would be believed: check the device; if it was replaced, end it with validTo and add the new one with validFrom"
    )]
    MeterSuspect {
        /// The meter.
        name: String,
        /// Restarts and unexplained falls in the day up to the window's end, as far as readings are at hand.
        resets: u32,
        /// One a day; none if one of them is a fall that nothing explains.
        allowed: u32,
    },
    /// The excluded loads are larger than the supply.
    #[error(
        "the Excluded meters count {excess_wh:.0} Wh more than the feeds and generators supply: check the units and which loads lie behind the feeds"
    )]
    NegativeFacility {
        /// By how much.
        excess_wh: f64,
    },
    /// There is too little IT load to divide by.
    #[error(
        "the IT meters count {it_wh:.0} Wh, and {minimum_wh:.0} Wh (1 % of the rated IT power) are needed: check the IT meters, or ratedITKilowatts if the site is nearly empty"
    )]
    NoITLoad {
        /// IT energy of the window.
        it_wh: f64,
        /// IT energy that is needed.
        minimum_wh: f64,
    },
    /// IT draws more than the facility: a measurement error.
    #[error(
        "the PUE would be {pue:.3}, and IT equipment cannot draw more than its facility: look for a missing feed, an IT meter counted twice, or a wrong unit"
    )]
    BetterThanPerfect {
        /// The ratio.
        pue: f64,
    },
    /// No data centre is run like this: a measurement error, or hardly any IT load.
    #[error("the PUE would be {pue:.1}, above 10: look for a missing IT meter or a wrong unit")]
    AboveTen {
        /// The ratio.
        pue: f64,
    },
}

/// What is wrong with a meter, whether or not it makes the window invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Fault {
    /// No reading.
    #[error("no reading ({why})")]
    Absent {
        /// Why, as far as it is known.
        why: String,
    },
    /// Covers less of the window than needed.
    #[error("covers {percent} % of the window")]
    Gaps {
        /// Coverage, whole percent, rounded down.
        percent: i64,
    },
    /// Stood still while the other meters of its site say that it cannot have.
    #[error(
        "stood still for {minutes} minutes while the site's other meters show load; if nothing is behind it, take it out or give it a validTo"
    )]
    Stuck {
        /// For how long.
        minutes: i64,
    },
    /// Started again or fell too often.
    #[error("started again or fell {resets} times")]
    Resets {
        /// How often.
        resets: u32,
    },
    /// Had readings that no load explains.
    #[error("{spikes} readings imply more power than it can meter and were left out")]
    Spikes {
        /// How many.
        spikes: u32,
    },
}

/// A meter in a window.
#[derive(Clone, Debug, PartialEq)]
pub struct MeterReading {
    /// The meter.
    pub name: String,
    /// What it counts as.
    pub purpose: Purpose,
    /// What it says of the whole window. All zero where it is absent or out of service.
    pub reading: Reading,
    /// Share of the window that it does not miss, 0 to 1: time out of its service is not missed.
    pub coverage: f64,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

/// Amounts that are reported beside the PUE; each is known only if all meters of its purpose cover enough of the window, but
/// for the parts of the facility side.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ExtraAmounts {
    /// Renewable energy, Wh.
    pub renewable_wh: Option<f64>,
    /// Energy given away for reuse, Wh.
    pub reuse_wh: Option<f64>,
    /// Water, mL.
    pub water_ml: Option<f64>,
    /// Carbon, g of `CO2e`.
    pub carbon_g: Option<f64>,
    /// Energy of the generators, Wh: a part of the facility side, known where that is.
    pub generator_wh: Option<f64>,
    /// Energy of the excluded loads, Wh: taken off the facility side, known where that is.
    pub excluded_wh: Option<f64>,
}

/// A site in a window.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteReading {
    /// The window that was asked for.
    pub window: Window,
    /// Time of it in which the energy of every meter of both sides is known. The energies are of this time, so that both
    /// sides are of the same; the coverages are of the whole window.
    pub known_ms: i64,
    /// Energy of the facility side, Wh; unknown if a meter that it needs is absent. May be negative.
    pub facility_wh: Option<f64>,
    /// Energy of the IT side, Wh; unknown if a meter that it needs is absent.
    pub it_wh: Option<f64>,
    /// Coverage of the facility side, 0 to 1: that of its worst meter, where those that enter or leave service in the window
    /// count as one. 0 if one is absent.
    pub facility_coverage: f64,
    /// Coverage of the IT side, likewise.
    pub it_coverage: f64,
    /// Amounts beside the PUE.
    pub extras: ExtraAmounts,
    /// Each meter that is in service in the window, in the order given.
    pub meters: Vec<MeterReading>,
    /// The PUE, 1 to 10, or why there is none.
    pub pue: Result<f64, Invalid>,
}

/// A meter, its reading, and whether it is absent.
struct Seen<'a> {
    input: &'a MeterInput,
    reading: Reading,
    coverage: f64,
    absent: bool,
    /// Restarts and falls in the day up to the window's end, and how many of them are believed.
    resets: u32,
    resets_allowed: u32,
    /// Where it stood still and should not have.
    stuck: Vec<Flat>,
}

impl SiteReading {
    /// The time that the energies are of, in hours.
    pub fn known_hours(&self) -> f64 {
        self.known_ms as f64 / HOUR_MS as f64
    }
}

impl Seen<'_> {
    fn curve(&self) -> Option<&Curve> {
        self.input.curve.as_ref()
    }

    fn side(&self) -> Option<Side> {
        Side::of(self.input.purpose)
    }

    fn energy(&self, window: Window) -> f64 {
        self.curve().map_or(0.0, |curve| curve.energy(window))
    }
}

/// Energy in `spans` of the meters of `seen` that `pick` picks.
fn sum<'a>(seen: &'a [Seen<'a>], spans: &[Window], pick: impl Fn(&Seen<'a>) -> bool) -> f64 {
    let picked = seen.iter().filter(|meter| pick(meter));
    picked.map(|meter| spans.iter().map(|span| meter.energy(*span)).sum::<f64>()).sum()
}

/// What the meters of a site say of `window`.
///
/// Meters out of service in all of it play no part. A meter without any reading is absent and makes its side unknown,
/// unless the time that it would have to cover is so short that the coverage suffices without it.
pub fn evaluate(meters: &[MeterInput], window: Window, validity: &Validity) -> SiteReading {
    let mut seen: Vec<Seen<'_>> = meters
        .iter()
        .filter(|meter| meter.rules.in_service(window).length_ms() > 0)
        .map(|input| see(input, window, validity))
        .collect();
    let stuck: Vec<Vec<Flat>> = (0..seen.len()).map(|index| stuck(&seen, index, window)).collect();
    for (meter, stuck) in seen.iter_mut().zip(stuck) {
        let covered =
            |flat: &Flat| meter.curve().map_or(0, |curve| curve.covered_ms(flat.span.intersection(window)));
        let stuck_ms = stuck.iter().map(covered).sum::<i64>();
        meter.reading.stuck_ms = stuck_ms;
        meter.reading.covered_ms -= stuck_ms;
        meter.coverage = coverage(&meter.reading, window);
        meter.stuck = stuck;
    }

    let spans = known::spans(&seen, window);
    let known_ms = spans.iter().map(|span| span.length_ms()).sum();
    let energy = |purposes: &[Purpose]| sum(&seen, &spans, |meter| purposes.contains(&meter.input.purpose));
    let known = |side: Side| seen.iter().all(|meter| meter.side() != Some(side) || !meter.absent);
    let exists = |side: Side| seen.iter().any(|meter| meter.side() == Some(side));
    let supplied = energy(&[Purpose::Facility, Purpose::Generator]);
    let facility_wh =
        (known(Side::Facility) && exists(Side::Facility)).then(|| supplied - energy(&[Purpose::Excluded]));
    let it_wh = (known(Side::It) && exists(Side::It)).then(|| energy(&[Purpose::It]));
    let side_coverage = |side: Side| {
        known::coverage(&seen, side, window).map_or(0.0, |worst| if known(side) { worst.share } else { 0.0 })
    };
    let extra = |purpose: Purpose| {
        let mut of_purpose = seen.iter().filter(|meter| meter.input.purpose == purpose).peekable();
        let sound = of_purpose.peek().is_some()
            && of_purpose.all(|meter| !meter.absent && meter.coverage >= validity.minimum_coverage);
        sound.then(|| energy(&[purpose]))
    };

    // Of the same time as the side, so that what is reported adds up.
    let part = |purpose: Purpose| {
        let exists = seen.iter().any(|meter| meter.input.purpose == purpose);
        (exists && facility_wh.is_some()).then(|| energy(&[purpose]))
    };

    SiteReading {
        window,
        known_ms,
        facility_wh,
        it_wh,
        facility_coverage: side_coverage(Side::Facility),
        it_coverage: side_coverage(Side::It),
        extras: ExtraAmounts {
            renewable_wh: extra(Purpose::Renewable),
            reuse_wh: extra(Purpose::Reuse),
            water_ml: extra(Purpose::Water),
            carbon_g: extra(Purpose::Carbon),
            generator_wh: part(Purpose::Generator),
            excluded_wh: part(Purpose::Excluded),
        },
        pue: ratio(&seen, window, known_ms, validity, (facility_wh, it_wh)),
        meters: seen
            .iter()
            .map(|meter| MeterReading {
                name: meter.input.name.clone(),
                purpose: meter.input.purpose,
                reading: meter.reading,
                coverage: meter.coverage,
                faults: faults(meter, validity),
            })
            .collect(),
    }
}

fn see<'a>(input: &'a MeterInput, window: Window, validity: &Validity) -> Seen<'a> {
    let expected_ms = input.rules.in_service(window).length_ms();
    let reading = match &input.curve {
        Some(curve) if input.fault.is_none() => curve.reading(window),
        _ => Reading { expected_ms, gap_ms: expected_ms, ..Reading::default() },
    };
    let matters = expected_ms as f64 > (1.0 - validity.minimum_coverage) * window.length_ms() as f64;
    let (resets, resets_allowed) = resets(input, window);
    Seen {
        input,
        reading,
        coverage: coverage(&reading, window),
        absent: matters && reading.is_blind(),
        resets,
        resets_allowed,
        stuck: Vec::new(),
    }
}

/// Share of `window` that a meter does not miss. Its gaps are set against the whole window and not against its service,
/// so that the edges of a meter that was replaced count for what they are.
fn coverage(reading: &Reading, window: Window) -> f64 {
    1.0 - (reading.expected_ms - reading.covered_ms) as f64 / window.length_ms().max(1) as f64
}

/// Where in `window` the meter at `index` stood still and should not have.
///
/// An IT meter should count while the facility or another IT meter does. Offices behind the feeds may be dark for a night:
/// their meter has stood only if it makes up for it afterwards. A feed
/// may idle while the others carry the load, so it is stuck only if the rest of the supply would not do for the IT
/// equipment alone. A site that draws nothing at all is one whose readings have frozen. Each standstill is judged as a
/// whole, also where it reaches beyond the window, so that the parts of a window agree with it.
fn stuck(seen: &[Seen<'_>], index: usize, window: Window) -> Vec<Flat> {
    let meter = &seen[index];
    let (Some(curve), Purpose::It | Purpose::Facility | Purpose::Excluded) =
        (meter.curve(), meter.input.purpose)
    else {
        return Vec::new();
    };
    let of = |span: Window, purpose: Purpose| {
        let others = seen.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, other)| other);
        others.filter(|other| other.input.purpose == purpose).map(|other| other.energy(span)).sum::<f64>()
    };
    curve
        .flat_spans()
        .iter()
        .filter(|flat| flat.span.intersection(window).length_ms() > 0)
        .filter(|Flat { span, caught_up }| {
            let gross = of(*span, Purpose::Facility) + of(*span, Purpose::Generator);
            let supplied = gross - of(*span, Purpose::Excluded);
            match meter.input.purpose {
                Purpose::It => supplied > 0.0 || of(*span, Purpose::It) > 0.0,
                Purpose::Excluded => *caught_up && gross > 0.0,
                _ => supplied <= 0.0 || supplied < of(*span, Purpose::It),
            }
        })
        .copied()
        .collect()
}

/// How often a meter started again or fell in the day up to the end of `window`, as far as its readings reach, and how often
/// is believed. Over the window alone a meter that loses a quarter of every hour would never be found out.
///
/// A day of the site is judged by itself, also where it has 23 or 25 hours. One restart a day is believed, and no fall that
/// nothing explains.
fn resets(input: &MeterInput, window: Window) -> (u32, u32) {
    let Some(curve) = input.curve.as_ref().filter(|_| input.fault.is_none()) else { return (0, 1) };
    let is_day = window.length_ms() >= DAY_MS - HOUR_MS;
    let from = if is_day { window.from } else { window.to.saturating_sub(DAY_MS) };
    let reading = curve.reading(Window { from, to: window.to });
    let days = (window.length_ms() + DAY_MS / 2) / DAY_MS;
    let allowed = if reading.falls > 0 { 0 } else { u32::try_from(days).unwrap_or(u32::MAX).max(1) };
    (reading.resets, allowed)
}

/// The PUE of both sides' energies, or the first reason against it.
fn ratio(
    seen: &[Seen<'_>],
    window: Window,
    known_ms: i64,
    validity: &Validity,
    energies: (Option<f64>, Option<f64>),
) -> Result<f64, Invalid> {
    let required = || seen.iter().filter(|meter| meter.side().is_some());
    if let Some(meter) = required().find(|meter| meter.absent) {
        return Err(Invalid::MeterAbsent { name: meter.input.name.clone(), why: why_absent(meter.input) });
    }
    let (Some(facility_wh), Some(it_wh)) = energies else {
        let side = if energies.0.is_none() { Side::Facility } else { Side::It };
        let why = "no such meter is in service".to_owned();
        return Err(Invalid::MeterAbsent { name: format!("of the {side} side"), why });
    };
    for side in [Side::Facility, Side::It] {
        let worst = known::coverage(seen, side, window);
        if let Some(worst) = worst.filter(|worst| worst.share < validity.minimum_coverage) {
            return Err(Invalid::LowCoverage {
                side,
                percent: percent(worst.share),
                minimum_percent: percent(validity.minimum_coverage),
                meter: worst.meter.input.name.clone(),
            });
        }
    }
    if let Some(meter) = required().find(|meter| meter.resets > meter.resets_allowed) {
        return Err(Invalid::MeterSuspect {
            name: meter.input.name.clone(),
            resets: meter.resets,
            allowed: meter.resets_allowed,
        });
    }
    if facility_wh < 0.0 {
        return Err(Invalid::NegativeFacility { excess_wh: -facility_wh });
    }
    let minimum_wh = validity.minimum_it_watts * known_ms as f64 / HOUR_MS as f64;
    if it_wh <= 0.0 || it_wh < minimum_wh {
        return Err(Invalid::NoITLoad { it_wh, minimum_wh });
    }
    match facility_wh / it_wh {
        pue if pue < 1.0 => Err(Invalid::BetterThanPerfect { pue }),
        pue if pue > 10.0 => Err(Invalid::AboveTen { pue }),
        pue => Ok(pue),
    }
}

fn why_absent(input: &MeterInput) -> String {
    match (&input.fault, &input.curve) {
        (Some(fault), _) => fault.clone(),
        (None, Some(curve)) if !curve.is_empty() => "it has readings outside the window only".to_owned(),
        (None, Some(_)) => "none of its readings can be used".to_owned(),
        (None, None) => "its query answers no series".to_owned(),
    }
}

/// Whole percent, rounded down; the small addend keeps a share such as 0.29 from becoming 28 %.
fn percent(share: f64) -> i64 {
    (share * 100.0 + 1e-9).floor() as i64
}

fn faults(meter: &Seen<'_>, validity: &Validity) -> Vec<Fault> {
    let reading = &meter.reading;
    let found = [
        meter.absent.then(|| Fault::Absent { why: why_absent(meter.input) }),
        (!meter.absent && meter.coverage < validity.minimum_coverage)
            .then(|| Fault::Gaps { percent: percent(meter.coverage) }),
        (reading.stuck_ms > 0).then_some(Fault::Stuck { minutes: reading.stuck_ms / MINUTE_MS }),
        (meter.resets > meter.resets_allowed).then_some(Fault::Resets { resets: meter.resets }),
        (reading.spikes > 0).then_some(Fault::Spikes { spikes: reading.spikes }),
    ];
    found.into_iter().flatten().collect()
}

/// The category of the PUE, 1 to 3 (ISO/IEC 30134-2), by the IT meters in service in `window`: that of the meter that is
/// worst by its position (UPS output 1, PDU output 2, equipment input 3) or by its interval (15 minutes or less 3, a day or
/// less 2, else 1). None without such a meter, or if one has no position.
///
/// Nobody can claim an interval either: where readings come more seldom than declared, by more than a tenth, the time
/// between them counts.
pub fn category(meters: &[MeterInput], window: Window) -> Option<u8> {
    meters
        .iter()
        .filter(|meter| meter.purpose == Purpose::It && meter.rules.in_service(window).length_ms() > 0)
        .map(|meter| {
            let position = match meter.position? {
                Position::Ups => 1,
                Position::Pdu => 2,
                Position::Rack => 3,
            };
            let declared = meter.rules.interval_ms;
            let observed = meter.curve.as_ref().and_then(Curve::spacing_ms);
            let interval =
                match observed.filter(|observed| *observed > declared + declared / 10).unwrap_or(declared) {
                    ..=900_000 => 3,
                    900_001..=DAY_MS => 2,
                    _ => 1,
                };
            Some(position.min(interval))
        })
        .try_fold(None, |least: Option<u8>, level| {
            level.map(|level| Some(least.map_or(level, |least| least.min(level))))
        })
        .flatten()
}

/// The days `from_date` to `to_date`, both included, each with its window in `zone`. A day lasts from its first instant to
/// that of the next day: 23 or 25 hours where the clocks change. Fails at the ends of the calendar.
pub fn split_into_days(
    zone: &TimeZone,
    from_date: Date,
    to_date: Date,
) -> Result<Vec<(Date, Window)>, jiff::Error> {
    let first_instant =
        |date: Date| Ok::<_, jiff::Error>(date.to_zoned(zone.clone())?.timestamp().as_millisecond());
    let mut days = Vec::new();
    let mut date = from_date;
    while date <= to_date {
        let next = date.tomorrow()?;
        days.push((date, Window { from: first_instant(date)?, to: first_instant(next)? }));
        date = next;
    }
    Ok(days)
}
