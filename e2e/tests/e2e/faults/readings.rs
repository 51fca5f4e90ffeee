//! Readings of sites that hold a verdict until something goes wrong with their meters, and get well again.
//!
//! Every site has a feed and an IT meter, read every 15 minutes, and draws 1.4 kWh for each kWh of its IT equipment: its
//! target of 1.25 is missed, and as nothing of the overhead is fixed, a kWh of IT less takes 0.15 kWh off the excess, so
//! that holding batch work helps.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context, Result};
use banyan_e2e::dirs;
use jiff::Timestamp;

/// The readings begin here, a midnight in Fuzhou; the model of the overhead needs 30 days.
pub const BEGIN: &str = "2025-05-05T16:00:00Z";
/// Some meters go wrong with the first reading after this …
pub const WRONG_FROM: &str = "2025-06-18T03:00:00Z";
/// … until the first one after this.
pub const RIGHT_FROM: &str = "2025-06-18T06:00:00Z";
/// The readings end here.
pub const END: &str = "2025-06-18T15:00:00Z";

/// Seconds between two readings.
const GRID: i64 = 900;

/// What happens to the readings of a site's feed between [`WRONG_FROM`] and [`RIGHT_FROM`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Nothing.
    Nothing,
    /// There are none.
    Missing,
    /// They are not numbers.
    NotANumber,
    /// One in five is there.
    Rare,
    /// It counts half of what the IT equipment draws.
    Half,
    /// From the first one on it counts half of what the IT equipment draws.
    AlwaysHalf,
    /// From the first one on one in five is there.
    AlwaysRare,
}

/// An instant of the readings, Unix seconds.
pub fn second(text: &str) -> Result<i64> {
    let instant: Timestamp = text.parse().with_context(|| format!("reading the instant {text}"))?;
    Ok(instant.as_second())
}

/// Writes the readings of these sites as `OpenMetrics`: `kwh_total` with the labels `site` and `meter` (`feed`, `it`).
pub fn write(sites: &[(&str, Wrong)]) -> Result<PathBuf> {
    let file = dirs::fresh("readings")?.join("history.om");
    let (begin, end) = (second(BEGIN)?, second(END)?);
    let (wrong_from, right_from) = (second(WRONG_FROM)?, second(RIGHT_FROM)?);
    let mut text = "# TYPE kwh counter\n".to_owned();
    for (site, fault) in sites {
        let (mut feed, mut it) = (String::new(), String::new());
        let (mut feed_kwh, mut it_kwh) = (5_000.0, 4_000.0);
        for (number, at) in (begin..=end).step_by(GRID as usize).enumerate() {
            // The energy of an interval shows in the reading at its end.
            let (now, from_now) = (wrong_from < at && at <= right_from, wrong_from <= at && at < right_from);
            let reading = match fault {
                Wrong::Missing if now => None,
                Wrong::NotANumber if now => Some("NaN".to_owned()),
                Wrong::Rare if now && number % 5 != 0 => None,
                Wrong::AlwaysRare if number % 5 != 0 => None,
                _ => Some(format!("{feed_kwh:.3}")),
            };
            if let Some(reading) = reading {
                let _ = writeln!(feed, "kwh_total{{site=\"{site}\",meter=\"feed\"}} {reading} {at}");
            }
            let _ = writeln!(it, "kwh_total{{site=\"{site}\",meter=\"it\"}} {it_kwh:.3} {at}");
            // 100 kW on even days and 200 kW on odd ones, so that the model has something to fit.
            let kilowatts = if (at - begin) / 86_400 % 2 == 0 { 100.0 } else { 200.0 };
            let half = *fault == Wrong::AlwaysHalf || (*fault == Wrong::Half && from_now);
            it_kwh += kilowatts / 4.0;
            feed_kwh += kilowatts / 4.0 * if half { 0.5 } else { 1.4 };
        }
        text.push_str(&feed);
        text.push_str(&it);
    }
    text.push_str("# EOF\n");
    std::fs::write(&file, text)?;
    Ok(file)
}
