//! Scalars that the kinds share: decimals, durations, days and references, each with the pattern that the API server
//! holds them to and the one way to read them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What a scalar could not be read as.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct ValueError {
    /// The text as given.
    pub text: String,
    /// What it should have been, with an example.
    pub wanted: &'static str,
}

macro_rules! text_scalar {
    ($(#[$doc:meta])* $name:ident, $schema:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_scalar! {
    /// A decimal number as text, such as `"1.25"`: compared figures are never floats in the API.
    Decimal, json_schema!({"type": "string", "maxLength": 16, "pattern": r"^[0-9]{1,9}(\.[0-9]{1,6})?$"})
}

text_scalar! {
    /// A length of time in Gateway API's duration format: `30s`, `15m`, `1h30m`.
    Duration, json_schema!({"type": "string", "maxLength": 24, "pattern": r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"})
}

text_scalar! {
    /// A day of the calendar, `YYYY-MM-DD`, in the time zone of the site that it is said of.
    Day, json_schema!({"type": "string", "format": "date", "maxLength": 10})
}

text_scalar! {
    /// An instant in RFC 3339, such as `2026-03-01T00:00:00+08:00`.
    Instant, json_schema!({"type": "string", "format": "date-time", "maxLength": 40})
}

text_scalar! {
    /// The name of a Secret, `ConfigMap` or other object: a DNS subdomain, without any namespace in it.
    ObjectName, json_schema!({
        "type": "string", "minLength": 1, "maxLength": 253,
        "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
    })
}

text_scalar! {
    /// The id of a control: words, the same at every level.
    ControlId, json_schema!({
        "type": "string", "minLength": 1, "maxLength": 48, "pattern": "^[a-z0-9]+(-[a-z0-9]+)*$"
    })
}

text_scalar! {
    /// A sentence by a person for others to read. It has something in it.
    Sentence, json_schema!({"type": "string", "maxLength": 1024, "pattern": r"\S"})
}

text_scalar! {
    /// A key inside a Secret or `ConfigMap`.
    DataKey, json_schema!({"type": "string", "minLength": 1, "maxLength": 253, "pattern": r"^[-._a-zA-Z0-9]+$"})
}

impl Decimal {
    /// The number.
    pub fn number(&self) -> Result<f64, ValueError> {
        self.0
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite() && *number >= 0.0)
            .ok_or_else(|| ValueError { text: self.0.clone(), wanted: "a decimal number like 1.25" })
    }

    /// `number` with `digits` digits behind the point, within what the pattern allows: a figure that cannot be true must
    /// not keep the rest of a status from being written.
    pub fn rounded(number: f64, digits: usize) -> Self {
        let number = if number.is_nan() { 0.0 } else { number.clamp(0.0, 999_999_999.0) };
        Self(format!("{number:.digits$}"))
    }
}

impl Duration {
    /// The length in milliseconds.
    pub fn milliseconds(&self) -> Result<i64, ValueError> {
        let wrong = || ValueError { text: self.0.clone(), wanted: "a duration like 15m or 1h30m" };
        let mut total = 0_i64;
        let mut rest = self.0.as_str();
        if rest.is_empty() {
            return Err(wrong());
        }
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let count: i64 = rest[..digits].parse().map_err(|_| wrong())?;
            rest = &rest[digits..];
            // "ms" before "m": the longer unit is the one that is meant.
            let (unit, factor) = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]
                .into_iter()
                .find(|(unit, _)| rest.starts_with(unit))
                .ok_or_else(wrong)?;
            rest = &rest[unit.len()..];
            total = count.checked_mul(factor).and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        }
        Ok(total)
    }

    /// The length as the standard library's type.
    pub fn to_std(&self) -> Result<std::time::Duration, ValueError> {
        self.milliseconds().map(|ms| std::time::Duration::from_millis(ms.unsigned_abs()))
    }
}

impl Day {
    /// The day.
    pub fn date(&self) -> Result<jiff::civil::Date, ValueError> {
        self.0.parse().map_err(|_| ValueError { text: self.0.clone(), wanted: "a day like 2026-01-31" })
    }
}

impl Instant {
    /// The instant.
    pub fn timestamp(&self) -> Result<jiff::Timestamp, ValueError> {
        self.0
            .parse()
            .map_err(|_| ValueError { text: self.0.clone(), wanted: "an instant like 2026-01-31T00:00:00Z" })
    }
}

/// A key of a Secret in Banyan's own namespace. There is no namespace to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretKeyRef {
    /// The Secret's name.
    pub name: ObjectName,
    /// The key inside it.
    pub key: DataKey,
}

/// A Secret in Banyan's own namespace. There is no namespace to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// The Secret's name.
    pub name: ObjectName,
}

/// A key of a `ConfigMap` in Banyan's own namespace. There is no namespace to choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKeyRef {
    /// The `ConfigMap`'s name.
    pub name: ObjectName,
    /// The key inside it.
    pub key: DataKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_gateway_api_format() {
        for (text, ms) in
            [("30s", 30_000), ("15m", 900_000), ("1h30m", 5_400_000), ("250ms", 250), ("72h", 259_200_000)]
        {
            assert_eq!(Duration::from(text).milliseconds().unwrap(), ms, "{text}");
        }
        for text in ["", "15", "m", "1d", "-1h", "1.5h", "1h 30m"] {
            assert!(Duration::from(text).milliseconds().is_err(), "{text}");
        }
    }

    #[test]
    fn decimals_days_and_instants_that_cannot_be_read_say_what_was_wanted() {
        assert!((Decimal::from("1.25").number().unwrap() - 1.25).abs() < f64::EPSILON);
        assert!(Decimal::from("NaN").number().is_err());
        assert!(Decimal::from("-1").number().is_err());
        assert_eq!(
            Day::from("2026-02-30").date().unwrap_err().to_string(),
            r#""2026-02-30" is not a day like 2026-01-31"#
        );
        assert!(Instant::from("2026-03-01T00:00:00+08:00").timestamp().is_ok());
    }
}
