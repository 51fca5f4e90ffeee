//! Times and durations as CEL writes them.

use jiff::{SignedDuration, Timestamp};

/// RFC 3339, as `timestamp('2026-01-01T00:00:00Z')`.
pub(super) fn read_time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

/// Go's duration format, as `duration('720h')` or `duration('1h30m')`: a sign, then numbers with the units h, m, s, ms, us, ns.
pub(super) fn read_span(text: &str) -> Option<SignedDuration> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, text.get(1..)?),
        b'+' => (false, text.get(1..)?),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = SignedDuration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let seconds = match rest.get(..unit)? {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total = total.checked_add(SignedDuration::try_from_secs_f64(number * seconds).ok()?)?;
        rest = rest.get(unit..)?;
    }
    if negative { total.checked_neg() } else { Some(total) }
}

/// A duration as CEL's `string()` writes it: seconds.
pub(super) fn show_span(span: SignedDuration) -> String {
    format!("{}s", span.as_secs_f64())
}
