//! The value of a control's parameter: a text, a whole number, true or false, or a list of texts.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

/// The value that a baseline gives a parameter. Which of the four a parameter takes is said by the control that reads it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParameterValue {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A text.
    String(String),
    /// A list of texts.
    Strings(Vec<String>),
}

/// Parameters by name. The API server keeps a null in a map, and it is as good as left out.
pub(super) fn without_nulls<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, ParameterValue>, D::Error> {
    let given = BTreeMap::<String, Option<ParameterValue>>::deserialize(deserializer)?;
    Ok(given.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect())
}

/// A structural schema has one type at a place, or none: there is no union of types in it. So there is none here, and each keyword holds
/// the values of the type that it speaks of: texts and lists are bounded, a number is whole. No object can have at least one field and
/// at most none.
impl JsonSchema for ParameterValue {
    fn schema_name() -> Cow<'static, str> {
        "ParameterValue".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, a whole number, true or false, or a list of texts.",
            "x-kubernetes-preserve-unknown-fields": true,
            "maxLength": 512,
            "minimum": -1_000_000_000, "maximum": 1_000_000_000, "multipleOf": 1,
            "maxItems": 128, "items": {"type": "string", "maxLength": 512},
            "minProperties": 1, "maxProperties": 0
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_of_the_four_is_read_and_written_as_it_is() {
        for (value, read) in [
            (json!(true), ParameterValue::Boolean(true)),
            (json!(3), ParameterValue::Integer(3)),
            (json!("a"), ParameterValue::String("a".into())),
            (json!(["a", "b"]), ParameterValue::Strings(vec!["a".into(), "b".into()])),
            (json!([]), ParameterValue::Strings(Vec::new())),
        ] {
            assert_eq!(serde_json::from_value::<ParameterValue>(value.clone()).unwrap(), read);
            assert_eq!(serde_json::to_value(&read).unwrap(), value);
        }
        for value in [json!({}), json!(1.5), json!(["a", 1]), json!(null)] {
            assert!(serde_json::from_value::<ParameterValue>(value.clone()).is_err(), "{value}");
        }
    }
}
