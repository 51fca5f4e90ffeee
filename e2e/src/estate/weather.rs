//! Outdoor air in Fuzhou, and the deterministic noise that everything here is roughened with.

use std::f64::consts::TAU;

use super::DAY_SECONDS;

/// Mean of the year and half the distance between the means of July (29 °C) and January (11 °C).
const YEAR_MEAN_CELSIUS: f64 = 20.0;
const SEASON_CELSIUS: f64 = 9.0;
/// The coldest day is about 21 January.
const COLDEST_DAY: f64 = 20.0;
const YEAR_SECONDS: f64 = 365.2425 * 86_400.0;
/// Half the daily swing of the dry bulb; the wet bulb swings by half as much.
const DAILY_CELSIUS: f64 = 3.4;
const WARMEST_HOUR: f64 = 14.5;
/// Warm and cold spells: how far they go, and how long one takes to give way to the next.
const SPELL_CELSIUS: f64 = 3.0;
const SPELL_SECONDS: i64 = 3 * DAY_SECONDS;
/// Humid air: the wet bulb stands this far below the dry bulb, on average over the day.
const DEPRESSION_CELSIUS: f64 = 3.5;

/// Weather is the same for all sites of a city.
const WEATHER_SEED: u64 = 0x0000_7A68_6F75;

/// Outdoor air.
#[derive(Clone, Copy, Debug)]
pub(super) struct Air {
    /// Dry-bulb temperature, °C.
    pub dry: f64,
    /// Wet-bulb temperature, °C.
    pub wet: f64,
}

/// Air at an instant given in local seconds (Unix seconds plus the offset of the time zone).
pub(super) fn air(local: i64) -> Air {
    let year = local as f64 / YEAR_SECONDS - COLDEST_DAY / 365.2425;
    let hour = hour_of_day(local);
    let swing = (TAU * (hour - WARMEST_HOUR) / 24.0).cos() * DAILY_CELSIUS;
    let spell = smooth_noise(WEATHER_SEED, local, SPELL_SECONDS) * SPELL_CELSIUS;
    let mean = YEAR_MEAN_CELSIUS - SEASON_CELSIUS * (TAU * year).cos() + spell;
    Air { dry: mean + swing, wet: mean - DEPRESSION_CELSIUS + swing / 2.0 }
}

/// Hour of the local day, 0 to 24.
pub(super) fn hour_of_day(local: i64) -> f64 {
    local.rem_euclid(DAY_SECONDS) as f64 / 3600.0
}

/// A figure in −1 to 1 that depends on `seed` and `index` alone (the mixer of `SplitMix64`).
pub(super) fn noise(seed: u64, index: i64) -> f64 {
    let mut z = seed.wrapping_mul(0xD134_2543_DE82_EF95).wrapping_add(index.cast_unsigned());
    z = z.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    // The upper 53 bits are a fraction that f64 holds exactly.
    (z >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
}

/// Noise that moves smoothly from one value to the next over `period` seconds.
pub(super) fn smooth_noise(seed: u64, local: i64, period: i64) -> f64 {
    let knot = local.div_euclid(period);
    let at = local.rem_euclid(period) as f64 / period as f64;
    let ease = at * at * (3.0 - 2.0 * at);
    let (before, after) = (noise(seed, knot), noise(seed, knot + 1));
    before + (after - before) * ease
}
