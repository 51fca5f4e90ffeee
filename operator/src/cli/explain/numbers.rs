//! Figures, instants and lengths of time as an explanation writes them, in both languages alike.

use banyan_crds::values::Decimal;
use jiff::{Timestamp, tz::TimeZone};

pub use crate::lang::numbers::{grouped, whole};

/// A PUE as the status writes it, with four digits.
pub fn pue(value: f64) -> String {
    Decimal::rounded(value, 4).to_string()
}

/// A target or a bound, with as many digits as it has, two at least.
pub fn level(value: f64) -> String {
    let text = format!("{value:.6}");
    let short = text.trim_end_matches('0');
    let digits = short.split_once('.').map_or(0, |(_, digits)| digits.len());
    if digits < 2 { format!("{value:.2}") } else { short.to_owned() }
}

/// A percentage rounded down, so that 99.97 is not shown as all of it.
pub fn percent(value: f64) -> String {
    let tenths = (value * 10.0 + 1e-6).floor() as i64;
    if tenths % 10 == 0 { (tenths / 10).to_string() } else { format!("{}.{}", tenths / 10, tenths % 10) }
}

/// A length of time in its largest whole unit, as the API writes it.
pub fn length(ms: i64) -> String {
    [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")]
        .into_iter()
        .find(|(unit, _)| ms >= *unit && ms % unit == 0)
        .map_or_else(|| format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms / unit))
}

/// An instant in a zone, to the minute.
pub fn instant(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The time of the day of an instant in a zone.
pub fn clock(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_never_rounded_up_to_the_whole() {
        assert_eq!(percent(99.97), "99.9");
        assert_eq!(percent(100.0), "100");
        assert_eq!(percent(95.0), "95");
        assert_eq!(
            (pue(1.25), level(1.25), level(1.2), level(1.235)),
            ("1.2500".into(), "1.25".into(), "1.20".into(), "1.235".into())
        );
        assert_eq!(
            (length(900_000), length(5_400_000), length(86_400_000)),
            ("15m".into(), "90m".into(), "1d".into())
        );
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        assert_eq!(instant("2026-03-01T16:00:00Z".parse().unwrap(), &zone), "2026-03-02 00:00");
    }
}
