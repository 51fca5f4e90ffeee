use serde_json::json;

use super::*;

fn definition() -> Definition {
    Definition::all().unwrap().remove(0)
}

fn site(spec: &Value) -> Value {
    let mut site = json!({
        "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter", "metadata": { "name": "a" },
        "spec": { "location": { "timeZone": "Asia/Shanghai" } },
    });
    for (name, value) in spec.as_object().unwrap() {
        site["spec"][name] = value.clone();
    }
    site
}

fn faults(object: &Value) -> Vec<(String, What)> {
    let found = definition().check(object).unwrap_err();
    found.into_iter().map(|fault| (fault.field, fault.what)).collect()
}

#[test]
fn every_rule_of_every_definition_can_be_compiled() {
    fn rules(schema: &Value, found: &mut Vec<Value>) {
        match schema {
            Value::Object(keywords) => {
                found.extend(
                    keywords
                        .get("x-kubernetes-validations")
                        .and_then(Value::as_array)
                        .into_iter()
                        .flatten()
                        .cloned(),
                );
                keywords.values().for_each(|inner| rules(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| rules(inner, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for definition in Definition::all().unwrap() {
        rules(&definition.schema, &mut found);
    }
    assert!(found.len() >= 20, "{}", found.len());
    for rule in found {
        let compiled =
            kube_cel::compile_schema(&json!({ "type": "object", "x-kubernetes-validations": [rule] }));
        assert!(!compiled.has_errors(), "{rule}: {:?}", compiled.compilation_errors());
    }
}

#[test]
fn what_is_kept_has_its_defaults() {
    let given = site(&json!({
        "pue": {"targets": [{"from": "2026-01-01", "max": "1.25"}]},
        // Null is as good as left out, for rules too.
        "cooling": null, "racks": {"standard": 5, "inUse": null, "inUseQuery": "racks"},
    }));
    let kept = definition().check(&given).unwrap();
    assert_eq!(kept["spec"]["pue"]["minimumCoveragePercent"], 95);
    assert_eq!(kept["spec"]["cooling"], "ElectricAir");
}

#[test]
fn a_misspelt_field_is_told_with_the_one_that_was_meant() {
    let found = faults(&site(&json!({"pue": {"target": []}})));
    let near = |name: &str| What::Unknown { near: Some(name.to_owned()) };
    assert_eq!(
        found,
        [("spec.pue.target".to_owned(), near("targets")), ("spec.pue.targets".to_owned(), What::Missing)]
    );
    let other = site(
        &json!({"ratedItKilowatts": 5, "nodeSelectr": {}, "colour": 1, "enforcement": {"Mode": "Observe"}}),
    );
    let found = faults(&other);
    for (field, what) in [
        ("spec.ratedItKilowatts", near("ratedITKilowatts")),
        ("spec.nodeSelectr", near("nodeSelector")),
        ("spec.colour", What::Unknown { near: None }),
        ("spec.enforcement.Mode", near("mode")),
    ] {
        assert!(found.contains(&(field.to_owned(), what)), "{field}: {found:?}");
    }
}

#[test]
fn rules_are_asked_only_of_what_they_can_rely_on() {
    let meter = |name: &str, purpose: &str, interval: Value| json!({"name": name, "purpose": purpose, "query": "q", "type": "Counter", "unit": "kWh", "interval": interval});
    let of = |meters: Value| site(&json!({"energy": {"prometheus": {"url": "https://p"}, "meters": meters}}));
    // Of the right form: the rules about the list and the item both speak.
    let rule =
        faults(&of(json!([meter("a", "Facility", json!("1s")), meter("b", "Facility", json!("1ms"))])));
    let fields: Vec<_> = rule.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["spec.energy.meters", "spec.energy.meters[1].interval"]);
    // Of the wrong form: the duration is told once.
    let form = faults(&of(json!([meter("a", "Facility", json!("1d")), meter("b", "IT", json!("1s"))])));
    assert_eq!(form.iter().filter(|(field, _)| field.ends_with("interval")).count(), 1, "{form:?}");
    assert!(form.iter().any(|(field, _)| field == "spec.energy.meters[1].position"), "{form:?}");
    // Of the wrong type: no rule is asked.
    let kind = faults(&of(json!([meter("a", "Facility", json!(1)), meter("b", "Facility", json!("1ms"))])));
    assert_eq!(kind, [("spec.energy.meters[0].interval".to_owned(), What::Type("string".into()))]);
}

#[test]
fn metadata_is_looked_at_as_well() {
    let mut given = site(&json!({}));
    given["metadata"] = json!({"name": "Fuzhou_1", "label": {"a": "b"}, "labels": {"a b": "c", "d": "e f"}});
    let fields: Vec<_> = faults(&given).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields[0], "metadata.label");
    for field in ["metadata.name", "metadata.labels", "metadata.labels.d"] {
        assert!(fields.iter().any(|one| one == field), "{field}: {fields:?}");
    }
    given["metadata"] = json!({"labels": {}});
    assert_eq!(faults(&given), [("metadata.name".to_owned(), What::Missing)]);
}

#[test]
fn a_kind_that_does_not_exist_is_told_with_the_one_that_was_meant() {
    let all = Definition::all().unwrap();
    let unheard =
        |api_version: &str, kind: &str| match find(&all, &json!({"apiVersion": api_version, "kind": kind})) {
            Found::Unheard(fault) => fault,
            Found::Ours(_) | Found::Foreign => panic!("{api_version} {kind} was found"),
        };
    let kind = unheard("banyan.dev/v1alpha1", "Datacentre");
    assert_eq!(kind.field, "kind");
    assert!(matches!(kind.what, What::NoSuch { near: Some(near), .. } if near == "DataCenter"));
    let version = unheard("banyan.dev/v1", "DataCenter");
    assert_eq!(version.field, "apiVersion");
    assert!(matches!(find(&all, &json!({"apiVersion": "apps/v1", "kind": "Deployment"})), Found::Foreign));
    assert!(matches!(
        find(&all, &json!({"apiVersion": "banyan.dev.example/v1", "kind": "DataCenter"})),
        Found::Foreign
    ));
}

#[test]
fn instants_are_read_as_the_api_server_reads_them() {
    for (text, good) in [
        ("2024-02-29T00:00:00Z", true),
        ("2024-02-29T00:00:00.0000000000000000001+08:00", true),
        ("2025-02-29T00:00:00Z", false),
        ("2016-12-31T23:59:60Z", false),
        ("2024-02-29t00:00:00z", false),
        ("2024-02-29 00:00:00Z", false),
        ("2024-02-29", false),
        ("榕榕榕榕榕榕榕榕", false),
    ] {
        assert_eq!(schema::is_date_time(text), good, "{text}");
    }
}
