//! The published schemas of the forms.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value as Json;
use uppsala::XsdValidator;

/// A validator of a JSON schema.
fn json(text: &str) -> Validator {
    jsonschema::options().build(&serde_json::from_str(text).unwrap()).unwrap()
}

/// The schema of a CRD's only version, closed: an API server would drop a field that it does not know.
fn crd(text: &str) -> Validator {
    fn close(schema: &mut Json) {
        match schema {
            Json::Object(map) => {
                if map.contains_key("properties") && !map.contains_key("additionalProperties") {
                    map.insert("additionalProperties".to_owned(), false.into());
                }
                map.values_mut().for_each(close);
            }
            Json::Array(list) => list.iter_mut().for_each(close),
            _ => {}
        }
    }
    let crd: Json = serde_yaml::from_str(text).unwrap();
    let mut schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone();
    close(&mut schema);
    jsonschema::options().build(&schema).unwrap()
}

/// As it is published, one of its patterns has a bracket that only lenient readers of regular expressions take for a letter.
pub static SARIF: LazyLock<Validator> = LazyLock::new(|| {
    let text = include_str!("../schemas/sarif-2.1.0.json");
    assert_eq!(text.matches("{2}]?$").count(), 2);
    json(&text.replace("{2}]?$", "{2}\\\\]?$"))
});
pub static OSCAL: LazyLock<Validator> =
    LazyLock::new(|| json(include_str!("../schemas/oscal_assessment-results_schema.json")));
/// The definition of a kind of reports, as the chart installs it.
macro_rules! report {
    ($name:literal) => {
        crd(include_str!(concat!("../../../../../charts/banyan/files/report-crds/", $name, ".yaml")))
    };
}

static REPORTS: LazyLock<[(&str, Validator); 4]> = LazyLock::new(|| {
    [
        ("openreports.io/v1alpha1 Report", report!("openreports.io_reports")),
        ("openreports.io/v1alpha1 ClusterReport", report!("openreports.io_clusterreports")),
        ("wgpolicyk8s.io/v1alpha2 PolicyReport", report!("wgpolicyk8s.io_policyreports")),
        ("wgpolicyk8s.io/v1alpha2 ClusterPolicyReport", report!("wgpolicyk8s.io_clusterpolicyreports")),
    ]
});

/// Fails with what is wrong.
pub fn valid(validator: &Validator, value: &Json) {
    let faults: Vec<_> = validator
        .iter_errors(value)
        .take(5)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Fails unless a report is one of its kind.
pub fn valid_report(report: &Json) {
    let kind = format!("{} {}", report["apiVersion"].as_str().unwrap(), report["kind"].as_str().unwrap());
    let (_, validator) =
        REPORTS.iter().find(|(known, _)| *known == kind).unwrap_or_else(|| panic!("no kind {kind}"));
    valid(validator, report);
}

/// Fails unless it is JUnit XML.
pub fn valid_junit(text: &str) {
    let schema = uppsala::parse(include_str!("../schemas/junit-10.xsd")).unwrap();
    let validator = XsdValidator::from_schema(&schema).unwrap();
    let document = uppsala::parse(text).unwrap_or_else(|error| panic!("{error} in {text}"));
    let faults: Vec<_> = validator.validate(&document).iter().map(ToString::to_string).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

/// The validators see what is wrong.
#[test]
fn wrong_documents_are_refused() {
    assert!(!SARIF.is_valid(&serde_json::json!({ "version": "2.1.0", "runs": [{}] })));
    assert!(!OSCAL.is_valid(&serde_json::json!({ "assessment-results": { "uuid": "x" } })));
    let report = |results: Json| serde_json::json!({ "apiVersion": "openreports.io/v1alpha1", "kind": "Report", "results": results });
    let refused = |value: Json| std::panic::catch_unwind(|| valid_report(&value)).is_err();
    assert!(!refused(report(serde_json::json!([{ "policy": "p", "result": "pass" }]))));
    assert!(refused(report(serde_json::json!([{ "policy": "p", "result": "Fail" }]))));
    assert!(refused(report(serde_json::json!([{ "policy": "p", "more": 1 }]))));
    for text in ["<testsuites><testsuite/></testsuites>", "<testsuites><case/></testsuites>", "<testsuites>"]
    {
        assert!(std::panic::catch_unwind(|| valid_junit(text)).is_err(), "{text}");
    }
    valid_junit("<testsuites><testsuite tests='1'><testcase name='x'/></testsuite></testsuites>");
}
