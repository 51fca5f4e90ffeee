//! The five sites of the demo. docs/demo.md says what verdict each should get and why; `tests` holds it to that.

use super::{
    physics::{Bulb, Fault, Load, Overhead, Site},
    text::{Part, Quantity, Series},
};

const HOUR: i64 = 3600;

/// Days before the end of the history at which mawei-1 lost a chiller.
const MAWEI_FAULT_DAYS: i64 = 12;
/// What mawei-1 runs at since: half-way between its target, 1.25, and where it would be violated, 1.27.
const MAWEI_PUE: f64 = 1.26;
/// Hours before the end of the history at which a meter of jinan-1 died.
const JINAN_DEAD_HOURS: i64 = 9;

/// The sites, given the end of the history in Unix seconds.
pub(super) fn demo(end: i64) -> Vec<Site> {
    vec![changle(end), mawei(end), gulou(end), binhai(end), jinan(end)]
}

/// A large new site with cooling towers: compliant.
fn changle(end: i64) -> Site {
    let mut series = feeds(507);
    series.extend(halves("pdu", 530));
    series.push(whole(Quantity::Renewable, "meter=\"solar\""));
    series.extend([Quantity::Water, Quantity::Carbon].map(|quantity| whole(quantity, "")));
    series.extend(inlets());
    Site {
        name: "changle-1".into(),
        seed: 0x1000,
        load: Load { growth_per_year: 0.06, daily_swing: 0.06, weekend_dip: 0.08, ..Load::new(3600.0, end) },
        overhead: Overhead {
            fixed_kilowatts: 120.0,
            proportional: 0.165,
            per_kelvin: 0.0016,
            free_below_celsius: 4.0,
            bulb: Bulb::Wet,
        },
        fault: None,
        solar_kilowatts: 900.0,
        inlet_celsius: 23.5,
        series,
    }
}

/// A site without much room under its target, which has lost a chiller: at risk.
fn mawei(end: i64) -> Site {
    let mut series = feeds(520);
    series.extend(halves("pdu", 490));
    series.push(whole(Quantity::Water, ""));
    let mut site = Site {
        name: "mawei-1".into(),
        seed: 0x2000,
        load: Load { growth_per_year: 0.05, daily_swing: 0.04, weekend_dip: 0.05, ..Load::new(2200.0, end) },
        overhead: Overhead {
            fixed_kilowatts: 80.0,
            proportional: 0.19,
            per_kelvin: 0.001,
            free_below_celsius: 0.0,
            bulb: Bulb::Wet,
        },
        fault: None,
        solar_kilowatts: 0.0,
        inlet_celsius: 25.5,
        series,
    };
    // The loss is sized by the season, so that the demo shows the same in January and in July.
    let sound = mean_overhead_ratio(&site, end - 24 * HOUR, end);
    site.fault = Some(Fault {
        from: end - MAWEI_FAULT_DAYS * 24 * HOUR,
        until: None,
        ratio: (MAWEI_PUE - 1.0 - sound).max(0.0),
    });
    site
}

/// An old site whose cooling works hard for every kWh: violated, and less load helps.
fn gulou(end: i64) -> Site {
    let mut series = feeds(560);
    series.extend(halves("ups", 512));
    series.extend(inlets());
    Site {
        name: "gulou-1".into(),
        seed: 0x3000,
        load: Load { growth_per_year: 0.06, daily_swing: 0.08, weekend_dip: 0.22, ..Load::new(1400.0, end) },
        overhead: Overhead {
            fixed_kilowatts: 40.0,
            proportional: 0.34,
            per_kelvin: 0.0025,
            free_below_celsius: 8.0,
            bulb: Bulb::Dry,
        },
        fault: None,
        solar_kilowatts: 0.0,
        inlet_celsius: 25.0,
        series,
    }
}

/// A new site that is mostly empty, its plant running for a load that has not come: violated, and less load harms.
fn binhai(end: i64) -> Site {
    let mut series = feeds(494);
    series.extend(halves("pdu", 600));
    series.push(whole(Quantity::RacksInUse, ""));
    Site {
        name: "binhai-1".into(),
        seed: 0x4000,
        load: Load { growth_per_year: 0.35, daily_swing: 0.10, weekend_dip: 0.25, ..Load::new(600.0, end) },
        overhead: Overhead {
            fixed_kilowatts: 330.0,
            proportional: 0.085,
            per_kelvin: 0.0006,
            free_below_celsius: 4.0,
            bulb: Bulb::Wet,
        },
        fault: None,
        solar_kilowatts: 0.0,
        inlet_celsius: 22.5,
        series,
    }
}

/// A sound site of which one meter has died: unknown.
fn jinan(end: i64) -> Site {
    let mut series = feeds(510);
    series.extend(halves("pdu", 550));
    if let Some(last) = series.last_mut() {
        last.stops = Some(end - JINAN_DEAD_HOURS * HOUR);
    }
    Site {
        name: "jinan-1".into(),
        seed: 0x5000,
        load: Load { growth_per_year: 0.04, daily_swing: 0.06, weekend_dip: 0.10, ..Load::new(1000.0, end) },
        overhead: Overhead {
            fixed_kilowatts: 40.0,
            proportional: 0.165,
            per_kelvin: 0.0012,
            free_below_celsius: 4.0,
            bulb: Bulb::Wet,
        },
        fault: None,
        solar_kilowatts: 0.0,
        inlet_celsius: 24.0,
        series,
    }
}

impl Load {
    /// A level load, to be given its rhythm.
    const fn new(base_kilowatts: f64, anchor: i64) -> Self {
        Self { base_kilowatts, anchor, growth_per_year: 0.0, daily_swing: 0.0, weekend_dip: 0.0 }
    }
}

/// Overhead energy over IT energy from one Unix second to another.
fn mean_overhead_ratio(site: &Site, from: i64, to: i64) -> f64 {
    let (mut overhead, mut load) = (0.0, 0.0);
    for at in (from..to).step_by(HOUR as usize) {
        let it = site.it_kilowatts(at);
        load += it;
        overhead += site.overhead_kilowatts(at, it);
    }
    overhead / load
}

fn feeds(permille: i64) -> Vec<Series> {
    let feed = |part, label: &str| Series {
        quantity: Quantity::Facility,
        part,
        label: format!("feed=\"{label}\""),
        stops: None,
    };
    vec![feed(Part::First(permille), "a"), feed(Part::Rest(permille), "b")]
}

fn halves(kind: &str, permille: i64) -> [Series; 2] {
    [("a", Part::First(permille)), ("b", Part::Rest(permille))].map(|(side, part)| Series {
        quantity: Quantity::It,
        part,
        label: format!("meter=\"{kind}-{side}\""),
        stops: None,
    })
}

fn whole(quantity: Quantity, label: &str) -> Series {
    Series { quantity, part: Part::Whole, label: label.to_owned(), stops: None }
}

fn inlets() -> [Series; 2] {
    [Quantity::InletTemperature, Quantity::RelativeHumidity].map(|quantity| whole(quantity, ""))
}
