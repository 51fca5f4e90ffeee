//! What is read is what `kubectl` reads. `kubectl.jsonl` has texts with what sigs.k8s.io/yaml 1.6.0 (go.yaml.in/yaml/v2 2.4.4), which
//! kubectl 1.37 is built with, makes of them: `reads` the JSON, or `refuses` its complaint. `otherwise` names the few that are taken
//! otherwise here, on purpose.

use serde_json::Value;

use super::value;

#[test]
fn yaml_is_read_as_kubectl_reads_it() {
    for line in include_str!("kubectl.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let yaml = case["yaml"].as_str().unwrap();
        let ours = value(yaml);
        let otherwise = case.get("otherwise").is_some();
        let agree = match (&ours, case.get("reads")) {
            (Ok(ours), Some(reads)) => same(ours, reads),
            // What is no mapping is no object.
            (Err(reason), Some(reads)) if !reads.is_object() && !otherwise => reason.contains("found a"),
            (Err(_), None) => true,
            (Ok(_), None) | (Err(_), Some(_)) => false,
        };
        assert_eq!(agree, !otherwise, "{yaml:?}\n  here: {ours:?}\n  kubectl: {case}");
    }
}

/// Kubernetes has whole floats as integers, and `-0` as `0`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter().all(|(key, value)| b.get(key).is_some_and(|other| same(value, other)))
        }
        _ => a == b,
    }
}

#[test]
fn whole_floats_of_yaml_are_integers_and_those_of_json_are_not() {
    let one = |text: &str| value(text).unwrap()["a"].clone();
    assert_eq!(one("a: 1.0"), Value::from(1));
    assert_eq!(one("a: 1e3"), Value::from(1000));
    assert!(one("{\"a\": 1.0}").is_f64());
    assert!(one("{\"a\": 18446744073709551615}").is_f64());
    assert!(one("a: 18446744073709551615").is_f64());
}
