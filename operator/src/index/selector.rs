//! Label selectors over plain maps.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

/// Whether `selector` selects an object with `labels`. An empty selector selects everything; an operator that is not
/// known selects nothing.
pub fn matches(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    equal
        && selector.match_expressions.iter().flatten().all(|expression| {
            let value = labels.get(&expression.key);
            let listed = || {
                value.is_some_and(|value| expression.values.iter().flatten().any(|wanted| wanted == value))
            };
            match expression.operator.as_str() {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                _ => false,
            }
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_narrow() {
        let labels: BTreeMap<String, String> = [("zone".to_owned(), "a".to_owned())].into();
        let select = |json: serde_json::Value| matches(&serde_json::from_value(json).unwrap(), &labels);
        assert!(select(serde_json::json!({})));
        assert!(select(serde_json::json!({"matchLabels": {"zone": "a"}})));
        assert!(!select(serde_json::json!({"matchLabels": {"zone": "b"}})));
        assert!(select(
            serde_json::json!({"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a", "b"]}]})
        ));
        assert!(!select(
            serde_json::json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]})
        ));
        assert!(select(
            serde_json::json!({"matchExpressions": [{"key": "other", "operator": "DoesNotExist"}]})
        ));
        assert!(!select(
            serde_json::json!({"matchLabels": {"zone": "a"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]})
        ));
        assert!(!select(
            serde_json::json!({"matchExpressions": [{"key": "zone", "operator": "Gt", "values": ["1"]}]})
        ));
    }
}
