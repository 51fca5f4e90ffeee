//! What a plain scalar of YAML is, as `kubectl` has it: the rules of goyaml.v2 (YAML 1.1 with Go's numbers), which sigs.k8s.io/yaml uses.
//!
//! `yes`, `on` and `y` are booleans, `0o17`, `017`, `0x1f` and `1_000` integers; dates stay texts; base 60 is not known.

use serde_json::{Number, Value};

/// A resolved scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Above what an `i64` holds.
    Big(u64),
    Float(f64),
    Text,
}

/// Resolves an untagged plain scalar.
pub(super) fn resolve(text: &str) -> Scalar {
    let Some(first) = text.as_bytes().first() else { return Scalar::Null };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' => match text {
            ".nan" | ".NaN" | ".NAN" => Scalar::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" => Scalar::Float(f64::INFINITY),
            _ => point(text),
        },
        b'+' | b'-' => match text {
            "+.inf" | "+.Inf" | "+.INF" => Scalar::Float(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => Scalar::Float(f64::NEG_INFINITY),
            _ => number(text),
        },
        b'0'..=b'9' => number(text),
        _ => Scalar::Text,
    }
}

fn word(text: &str) -> Scalar {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Scalar::Bool(true)
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Scalar::Bool(false)
        }
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        _ => Scalar::Text,
    }
}

/// What begins with a point goes to Go as it is, which takes underscores between digits only.
fn point(text: &str) -> Scalar {
    if !text.contains('_') {
        return float(text);
    }
    let between = |window: &[u8]| match window {
        [before, b'_', after] => before.is_ascii_digit() && after.is_ascii_digit(),
        _ => true,
    };
    if text.ends_with('_') || !text.as_bytes().windows(3).all(between) {
        return Scalar::Text;
    }
    float(&text.replace('_', ""))
}

fn number(text: &str) -> Scalar {
    let without;
    let plain = if text.contains('_') {
        without = text.replace('_', "");
        &without
    } else {
        text
    };
    integer(plain).unwrap_or_else(|| float(plain))
}

/// Go's `ParseInt` and `ParseUint` with base 0: a prefix tells the base, and a leading zero means octal.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let signed = digits.len() != text.len();
    let (base, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // A second sign is none of the digits, but Rust would take it.
    if !digits.as_bytes().first()?.is_ascii_alphanumeric() {
        return None;
    }
    let size = u64::from_str_radix(digits, base).ok()?;
    match (i64::try_from(size), negative) {
        (Ok(size), false) => Some(Scalar::Int(size)),
        (Ok(size), true) => Some(Scalar::Int(-size)),
        (Err(_), true) if size == i64::MIN.unsigned_abs() => Some(Scalar::Int(i64::MIN)),
        (Err(_), false) if !signed => Some(Scalar::Big(size)),
        _ => None,
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn float(text: &str) -> Scalar {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut rest = text.as_bytes();
    if let [b'+' | b'-', after @ ..] = rest {
        rest = after;
    }
    let whole = digits(rest);
    rest = rest.get(whole..).unwrap_or_default();
    if let [b'.', after @ ..] = rest {
        let part = digits(after);
        if whole == 0 && part == 0 {
            return Scalar::Text;
        }
        rest = after.get(part..).unwrap_or_default();
    } else if whole == 0 {
        return Scalar::Text;
    }
    if let [b'e' | b'E', after @ ..] = rest {
        let after = match after {
            [b'+' | b'-', after @ ..] => after,
            _ => after,
        };
        let power = digits(after);
        if power == 0 {
            return Scalar::Text;
        }
        rest = after.get(power..).unwrap_or_default();
    }
    if !rest.is_empty() {
        return Scalar::Text;
    }
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() => Scalar::Float(value),
        _ => Scalar::Text,
    }
}

/// The value in JSON; `None` for what JSON cannot hold. A float that is whole is an integer there, because Go writes it without a point.
pub(super) fn value(scalar: Scalar, text: impl Into<String>) -> Option<Value> {
    Some(match scalar {
        Scalar::Null => Value::Null,
        Scalar::Bool(value) => Value::Bool(value),
        Scalar::Int(value) => Value::from(value),
        Scalar::Big(value) => Value::from(value as f64),
        Scalar::Float(value) if value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0 => {
            Value::from(value as i64)
        }
        Scalar::Float(value) => Value::Number(Number::from_f64(value)?),
        Scalar::Text => Value::String(text.into()),
    })
}

/// The text of a key that is a scalar; the reason when it has none.
pub(super) fn key(scalar: Scalar, text: impl Into<String>) -> Result<String, &'static str> {
    Ok(match scalar {
        Scalar::Null => return Err("null"),
        Scalar::Big(_) => return Err("an integer above 9223372036854775807"),
        Scalar::Bool(value) => value.to_string(),
        Scalar::Int(value) => value.to_string(),
        Scalar::Float(value) => float_key(value),
        Scalar::Text => text.into(),
    })
}

/// Go's format `g` with the shortest digits that a 32-bit float needs, which is how sigs.k8s.io/yaml writes keys.
fn float_key(value: f64) -> String {
    let short = value as f32;
    if short.is_nan() {
        return ".nan".into();
    }
    if short.is_infinite() {
        return if short > 0.0 { ".inf" } else { "-.inf" }.into();
    }
    let text = format!("{short:e}");
    let Some((digits, power)) = text.split_once('e') else { return text };
    let power: i32 = power.parse().unwrap_or_default();
    if !(-4..6).contains(&power) {
        let sign = if power < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", power.unsigned_abs());
    }
    format!("{short}")
}
