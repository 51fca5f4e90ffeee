//! Which namespaces a baseline is about.

use std::collections::BTreeMap;

use banyan_crds::v1alpha1::BaselineScope;
use serde_json::{Value, json};

use crate::index::selector;

/// Label that says whose a Namespace is.
const TENANT: &str = "banyan.dev/tenant";
/// Label with the name of a Namespace, which the API server keeps.
const NAME: &str = "kubernetes.io/metadata.name";

/// Whether objects in a Namespace with `labels` are judged. Objects of the cluster always are.
pub fn covers(scope: Option<&BaselineScope>, labels: Option<&BTreeMap<String, String>>) -> bool {
    let Some(scope) = scope else { return true };
    let none = BTreeMap::new();
    let labels = labels.unwrap_or(&none);
    let selected =
        scope.namespace_selector.as_ref().is_some_and(|selector| selector::matches(selector, labels));
    let owned = labels.get(TENANT).is_some_and(|tenant| scope.tenants.iter().any(|name| name.0 == *tenant));
    selected || owned
}

/// The label selectors of Namespaces that together select what is held at admission: ways to select add up. The namespaces in `except` are never
/// held: what runs the cluster and Banyan itself must be able to start.
pub fn selectors(scope: Option<&BaselineScope>, except: &[&str]) -> Vec<(&'static str, Value)> {
    let without = json!({ "key": NAME, "operator": "NotIn", "values": except });
    let Some(scope) = scope else { return vec![("", json!({ "matchExpressions": [without] }))] };
    let mut all = Vec::new();
    if let Some(selector) = &scope.namespace_selector {
        let mut selector = serde_json::to_value(selector).unwrap_or_default();
        let mut expressions = selector["matchExpressions"].as_array().cloned().unwrap_or_default();
        expressions.push(without.clone());
        selector["matchExpressions"] = expressions.into();
        all.push(("", selector));
    }
    if !scope.tenants.is_empty() {
        let tenants: Vec<String> = scope.tenants.iter().map(ToString::to_string).collect();
        let theirs = json!({ "key": TENANT, "operator": "In", "values": tenants });
        all.push(("tenants", json!({ "matchExpressions": [theirs, without] })));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(value: Value) -> BaselineScope {
        serde_json::from_value(value).unwrap()
    }

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn ways_to_select_add_up() {
        let both =
            scope(json!({"namespaceSelector": {"matchLabels": {"grade": "3"}}, "tenants": ["health"]}));
        assert!(covers(Some(&both), Some(&labels(&[("grade", "3")]))));
        assert!(covers(Some(&both), Some(&labels(&[(TENANT, "health")]))));
        assert!(!covers(Some(&both), Some(&labels(&[(TENANT, "other")]))));
        assert!(!covers(Some(&both), None));
        assert!(covers(None, None));
        let selectors = selectors(Some(&both), &["kube-system"]);
        assert_eq!(selectors.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["", "tenants"]);
        assert_eq!(selectors[0].1["matchLabels"], json!({"grade": "3"}));
        assert_eq!(selectors[0].1["matchExpressions"][0]["values"], json!(["kube-system"]));
    }

    #[test]
    fn an_empty_selector_selects_everything_but_what_is_excepted() {
        let all = scope(json!({"namespaceSelector": {}}));
        assert!(covers(Some(&all), None));
        assert_eq!(selectors(Some(&all), &["kube-system"]), selectors(None, &["kube-system"]));
    }
}
