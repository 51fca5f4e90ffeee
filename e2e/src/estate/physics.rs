//! From the clock and the air to IT load and overhead, one quarter of an hour at a time.
//!
//! Energies are whole watt-hours per interval, so that sums are exact in any order and counters never fall.

use std::f64::consts::TAU;

use super::{
    DAY_SECONDS, GRID_DAY, GRID_SECONDS, LOCAL_OFFSET_SECONDS,
    text::Series,
    weather::{Air, air, hour_of_day, noise},
};

const YEAR_SECONDS: f64 = 365.0 * 86_400.0;
/// The working day's busiest hour.
const BUSIEST_HOUR: f64 = 15.0;
/// A day's load takes over from the day before within its first hours, not at a stroke.
const HANDOVER_HOURS: f64 = 2.0;
/// How much single days and single intervals differ from the rhythm.
const DAY_NOISE: f64 = 0.02;
const INTERVAL_NOISE: f64 = 0.01;
const OVERHEAD_NOISE: f64 = 0.004;
/// Carbon of a kWh from the grid in gCO2e, an assumed round figure.
const GRID_CARBON_GRAMS: i64 = 410;
/// Meters were fitted this long before the first reading, so that counters do not begin at zero.
const FITTED_HOURS: f64 = 200.0 * 24.0;

/// IT load: a base that grows, a rhythm of the day, and quieter weekends.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Mean of a weekday at `anchor`, kW.
    pub base_kilowatts: f64,
    /// Where the growth is counted from, Unix seconds.
    pub anchor: i64,
    /// Linear growth, as a share of the base a year.
    pub growth_per_year: f64,
    /// Half the swing between night and afternoon, as a share.
    pub daily_swing: f64,
    /// By how much Saturdays and Sundays are below weekdays, as a share.
    pub weekend_dip: f64,
}

/// Which outdoor temperature the cooling works against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bulb {
    /// Air-cooled condensers.
    Dry,
    /// Cooling towers.
    Wet,
}

/// Everything that is drawn beside the IT load.
#[derive(Clone, Copy, Debug)]
pub struct Overhead {
    /// Drawn at any load: no-load losses of UPS and transformers, lights, pumps and fans at their lowest step, kW.
    pub fixed_kilowatts: f64,
    /// Drawn per kW of IT at any temperature: UPS and distribution losses, fans and pumps, the chillers' least work.
    pub proportional: f64,
    /// What chillers add per kW of IT and K above `free_below_celsius`.
    pub per_kelvin: f64,
    /// At or below this outdoor temperature the economiser cools alone, °C.
    pub free_below_celsius: f64,
    /// The temperature that counts.
    pub bulb: Bulb,
}

/// A failure in the cooling plant.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Begin, Unix seconds.
    pub from: i64,
    /// End, Unix seconds; `None` while it lasts.
    pub until: Option<i64>,
    /// Overhead that it adds per kW of IT.
    pub ratio: f64,
}

/// A site: how it behaves and what is metered.
#[derive(Clone, Debug)]
pub struct Site {
    /// Name, and value of the label `site`.
    pub name: String,
    /// What makes its noise differ from other sites'.
    pub seed: u64,
    /// IT load.
    pub load: Load,
    /// Overhead.
    pub overhead: Overhead,
    /// What is broken.
    pub fault: Option<Fault>,
    /// Peak of the solar panels behind the feeds, kW.
    pub solar_kilowatts: f64,
    /// Air at the inlets of the equipment on an ordinary day, °C.
    pub inlet_celsius: f64,
    /// What is metered.
    pub series: Vec<Series>,
}

/// What a site's meters have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// IT equipment, Wh.
    pub it_wh: i64,
    /// The whole facility, IT included, Wh.
    pub facility_wh: i64,
    /// Solar energy used, Wh.
    pub renewable_wh: i64,
    /// Water evaporated in cooling towers, mL.
    pub water_ml: i64,
}

impl Totals {
    /// Carbon of what came from the grid, gCO2e.
    pub const fn carbon_g(&self) -> i64 {
        (self.facility_wh - self.renewable_wh) * GRID_CARBON_GRAMS / 1000
    }

    /// The straight way from here to `next`, after `past` of `whole`.
    pub(super) fn towards(self, next: Self, past: i64, whole: i64) -> Self {
        let between = |a: i64, b: i64| a + (b - a) * past / whole;
        Self {
            it_wh: between(self.it_wh, next.it_wh),
            facility_wh: between(self.facility_wh, next.facility_wh),
            renewable_wh: between(self.renewable_wh, next.renewable_wh),
            water_ml: between(self.water_ml, next.water_ml),
        }
    }
}

impl std::ops::Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            it_wh: self.it_wh + other.it_wh,
            facility_wh: self.facility_wh + other.facility_wh,
            renewable_wh: self.renewable_wh + other.renewable_wh,
            water_ml: self.water_ml + other.water_ml,
        }
    }
}

impl Site {
    /// IT power in kW at a Unix second, before the noise of single intervals.
    pub fn it_kilowatts(&self, at: i64) -> f64 {
        let load = &self.load;
        let local = at + LOCAL_OFFSET_SECONDS;
        let (day, hour) = (local.div_euclid(DAY_SECONDS), hour_of_day(local));
        let handed_over = (hour / HANDOVER_HOURS).min(1.0);
        let today = self.day_factor(day - 1) * (1.0 - handed_over) + self.day_factor(day) * handed_over;
        let rhythm = 1.0 + load.daily_swing * (TAU * (hour - BUSIEST_HOUR) / 24.0).cos();
        self.grown_kilowatts(at) * today * rhythm
    }

    /// The base load in kW that has been installed by a Unix second. Never less than a tenth of the base.
    pub fn grown_kilowatts(&self, at: i64) -> f64 {
        let years = (at - self.load.anchor) as f64 / YEAR_SECONDS;
        self.load.base_kilowatts * (1.0 + self.load.growth_per_year * years).max(0.1)
    }

    fn day_factor(&self, day: i64) -> f64 {
        // Day 0 of Unix time was a Thursday; 0 is Monday here.
        let weekend = (day + 3).rem_euclid(7) >= 5;
        (1.0 - if weekend { self.load.weekend_dip } else { 0.0 }) * (1.0 + DAY_NOISE * noise(self.seed, day))
    }

    /// Overhead in kW at a Unix second beside `it` kW of IT load.
    pub fn overhead_kilowatts(&self, at: i64, it: f64) -> f64 {
        self.sound_overhead(air(at + LOCAL_OFFSET_SECONDS), it) + it * self.fault_ratio(at)
    }

    fn sound_overhead(&self, air: Air, it: f64) -> f64 {
        let plant = &self.overhead;
        let outside = match plant.bulb {
            Bulb::Dry => air.dry,
            Bulb::Wet => air.wet,
        };
        let lift = (outside - plant.free_below_celsius).max(0.0);
        plant.fixed_kilowatts + it * (plant.proportional + plant.per_kelvin * lift)
    }

    fn fault_ratio(&self, at: i64) -> f64 {
        self.fault
            .filter(|fault| at >= fault.from && fault.until.is_none_or(|until| at < until))
            .map_or(0.0, |fault| fault.ratio)
    }

    /// Energy of the grid interval that begins at `index`, by the power in its middle.
    pub(super) fn interval(&self, index: i64) -> Totals {
        let at = index * GRID_SECONDS + GRID_SECONDS / 2;
        let local = at + LOCAL_OFFSET_SECONDS;
        let air = air(local);
        let it = self.it_kilowatts(at) * (1.0 + INTERVAL_NOISE * noise(self.seed ^ 1, index));
        let overhead = (self.sound_overhead(air, it) + it * self.fault_ratio(at))
            * (1.0 + OVERHEAD_NOISE * noise(self.seed ^ 2, index));
        let it_wh = watt_hours(it);
        Totals {
            it_wh,
            facility_wh: it_wh + watt_hours(overhead),
            renewable_wh: watt_hours(self.solar(local)),
            // Towers evaporate more as the air outside is warmer: 0.8 L/kWh and 0.04 more per K above 5 °C wet bulb.
            water_ml: (it_wh as f64 * (0.8 + 0.04 * (air.wet - 5.0).max(0.0))) as i64,
        }
    }

    /// Solar power in kW: a bell from 6 to 18 o'clock under clouds that differ from day to day.
    fn solar(&self, local: i64) -> f64 {
        let height = (TAU * (hour_of_day(local) - 6.0) / 24.0).sin().max(0.0);
        let clear = 0.6 + 0.4 * noise(self.seed ^ 3, local.div_euclid(DAY_SECONDS));
        self.solar_kilowatts * height * clear
    }

    /// What the meters show at the first reading.
    fn initial(&self) -> Totals {
        let it_wh = (self.load.base_kilowatts * FITTED_HOURS * 1000.0) as i64;
        Totals { it_wh, facility_wh: it_wh * 5 / 4, renewable_wh: 0, water_ml: it_wh }
    }

    /// Totals at grid index `to`, given those at `from`; `from` itself if `to` lies before it.
    pub(super) fn totals(&self, at_from: Totals, from: i64, to: i64) -> Totals {
        (from..to).fold(at_from, |sum, index| sum + self.interval(index))
    }

    /// Inlet air at a Unix second, °C: it follows the load a little.
    pub(super) fn inlet(&self, at: i64) -> f64 {
        let hour = hour_of_day(at + LOCAL_OFFSET_SECONDS);
        let daily = 0.4 * (TAU * (hour - BUSIEST_HOUR) / 24.0).cos();
        self.inlet_celsius + daily + 0.2 * noise(self.seed ^ 4, at.div_euclid(GRID_SECONDS))
    }

    /// Relative humidity at the inlets at a Unix second, percent.
    pub(super) fn humidity(&self, at: i64) -> f64 {
        45.0 + 3.0 * noise(self.seed ^ 5, at.div_euclid(GRID_SECONDS))
    }
}

/// Totals at every midnight from grid index `begin`, itself a midnight, to `end`. Never empty.
pub(super) fn midnights(site: &Site, begin: i64, end: i64) -> Vec<Totals> {
    let days = ((end - begin) / GRID_DAY).max(0);
    let first = site.initial();
    let later = (0..days).scan(first, |totals, day| {
        *totals = site.totals(*totals, begin + day * GRID_DAY, begin + (day + 1) * GRID_DAY);
        Some(*totals)
    });
    std::iter::once(first).chain(later).collect()
}

/// Energy of one grid interval in whole Wh.
fn watt_hours(kilowatts: f64) -> i64 {
    (kilowatts * 1000.0 * GRID_SECONDS as f64 / 3600.0).round() as i64
}
