//! Figures as people read them: a comma between groups of three digits, in both languages alike.

/// A whole number.
pub fn whole(value: i64) -> String {
    signed(value < 0, &value.unsigned_abs().to_string(), "")
}

/// A number with `decimals` digits behind the point.
pub fn grouped(value: f64, decimals: usize) -> String {
    let plain = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    // No sign before what has been rounded to nothing.
    let negative = value < 0.0 && plain.bytes().any(|digit| (b'1'..=b'9').contains(&digit));
    signed(negative, whole, fraction)
}

/// An energy in kWh, with as many decimals as it has.
pub fn kwh(wh: i64) -> String {
    let amount = wh.unsigned_abs();
    let fraction = format!("{:03}", amount % 1000);
    signed(wh < 0, &(amount / 1000).to_string(), fraction.trim_end_matches('0'))
}

fn signed(negative: bool, whole: &str, fraction: &str) -> String {
    let mut text = String::with_capacity(whole.len() * 4 / 3 + fraction.len() + 2);
    if negative {
        text.push('-');
    }
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_grouped_by_thousands() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (-1_234_567, "-1,234,567")] {
            assert_eq!(whole(number), text);
        }
        assert_eq!(whole(i64::MIN), "-9,223,372,036,854,775,808");
        assert_eq!(grouped(1_234_567.891, 1), "1,234,567.9");
        assert_eq!((grouped(-999.6, 0), grouped(0.5, 3)), ("-1,000".to_owned(), "0.500".to_owned()));
        assert_eq!(grouped(-0.04, 1), "0.0");
        assert_eq!(kwh(-1_234_567_800), "-1,234,567.8");
        assert_eq!((kwh(0), kwh(999_000)), ("0".to_owned(), "999".to_owned()));
        assert_eq!((kwh(-5), kwh(1_050)), ("-0.005".to_owned(), "1.05".to_owned()));
    }
}
