use serde_json::json;

use super::*;

fn suspend() -> Field {
    Field { pointer: "/spec/suspend".into(), set: json!(true), element_keys: vec![] }
}

fn label() -> Field {
    Field { pointer: "/metadata/labels/banyan.dev~1avoid".into(), set: json!("pue"), element_keys: vec![] }
}

fn taint() -> Field {
    Field {
        pointer: "/spec/taints".into(),
        set: json!({"key": "banyan.dev/pue-violated", "value": "gulou-1", "effect": "PreferNoSchedule"}),
        element_keys: vec!["key".into(), "effect".into()],
    }
}

/// An object whose fields are managed by these: name, operation, fields.
fn object(managers: &[(&str, &str, Value)]) -> Value {
    let entries: Vec<_> = managers
        .iter()
        .map(|(name, operation, fields)| json!({"manager": name, "operation": operation, "fieldsV1": fields}))
        .collect();
    json!({"metadata": {"name": "a", "managedFields": entries}})
}

fn names(live: &Value, field: &Field) -> Vec<String> {
    Managers::of_object(live).of(field).into_iter().map(|manager| manager.name).collect()
}

fn lent(field: Field, declarers: &[&str]) -> Lent {
    let declarers = declarers.iter().map(|name| (*name).to_owned()).collect();
    Lent { field, prior: Value::Null, declarers }
}

#[test]
fn a_plain_field_a_label_and_an_element_have_the_managers_that_the_server_names() {
    let spec = |inner: Value| json!({"f:spec": inner});
    let live = object(&[
        ("a", "Apply", spec(json!({"f:suspend": {}, "f:schedule": {}}))),
        ("b", "Update", spec(json!({"f:schedule": {}}))),
    ]);
    assert_eq!(names(&live, &suspend()), ["a"]);

    let labels = |inner: Value| json!({"f:metadata": {"f:labels": inner}});
    let live = object(&[
        ("a", "Update", labels(json!({".": {}, "f:zone": {}}))),
        ("b", "Update", labels(json!({"f:banyan.dev/avoid": {}}))),
        ("c", "Update", labels(json!({".": {}}))),
    ]);
    assert_eq!(names(&live, &label()), ["b"]);

    // As a keyed list and, as taints are, one that is owned as a whole.
    let key = r#"k:{"effect":"PreferNoSchedule","key":"banyan.dev/pue-violated"}"#;
    let other = r#"k:{"effect":"NoSchedule","key":"banyan.dev/pue-violated"}"#;
    let live = object(&[
        ("a", "Update", spec(json!({"f:taints": {key: {".": {}}}}))),
        ("b", "Update", spec(json!({"f:taints": {other: {".": {}}}}))),
        ("c", "Update", spec(json!({"f:taints": {}}))),
        ("d", "Update", spec(json!({"f:taints": {".": {}}}))),
        ("e", "Update", spec(json!({}))),
        ("f", "Update", json!({})),
    ]);
    assert_eq!(names(&live, &taint()), ["a", "c", "e"]);
}

#[test]
fn whoever_applies_declares_and_whoever_updates_does_not() {
    let fields = json!({"f:spec": {"f:suspend": {}}});
    let live = object(&[
        ("platform", "Apply", fields.clone()),
        ("kubectl-client-side-apply", "Update", fields.clone()),
        ("dashboard", "Update", fields.clone()),
        ("banyan", "Apply", fields.clone()),
        ("", "Apply", fields),
    ]);
    let declarers = Managers::of_object(&live).declarers(&suspend());
    assert_eq!(declarers, ["kubectl-client-side-apply", "platform"]);
}

#[test]
fn a_rival_has_declared_the_field_before_or_reconciles_and_is_alone() {
    let by = |managers: &[(&str, &str)], declarers: &[&str]| {
        let fields = json!({"f:spec": {"f:suspend": {}}});
        let managers: Vec<_> =
            managers.iter().map(|(name, operation)| (*name, *operation, fields.clone())).collect();
        Managers::of_object(&object(&managers)).rivals(&lent(suspend(), declarers))
    };
    assert_eq!(by(&[("platform", "Apply")], &["platform"]), ["platform"]);
    assert_eq!(by(&[("kubectl-client-side-apply", "Update")], &["kubectl-client-side-apply"]).len(), 1);
    // Argo CD that has just taken the object over.
    assert_eq!(by(&[("argocd-controller", "Update")], &[]), ["argocd-controller"]);
    for (managers, declarers) in [
        // A person who applies something new, one who edits, and one who edits with a tool that has made the object.
        (&[("kubectl", "Apply")][..], &["platform"][..]),
        (&[("kubectl-edit", "Update")], &["platform"]),
        (&[("dashboard", "Update")], &["dashboard"]),
        // A person's wish with which a tool has come to agree.
        (&[("kubectl-patch", "Update"), ("platform", "Apply")], &["platform"]),
        // Nobody can be told.
        (&[], &["platform"]),
        (&[("", "Update")], &[""]),
        (&[("banyan", "Update")], &["banyan"]),
    ] {
        assert_eq!(by(managers, declarers), [""; 0], "{managers:?}");
    }
}

fn meta(managers: &[(&str, &str, Value)]) -> ObjectMeta {
    serde_json::from_value(object(managers)["metadata"].clone()).unwrap()
}

fn record(fields: Vec<Lent>) -> Record {
    Record { owner: "datacenter.a".into(), at: "2026-03-01T00:00:00Z".into(), rounds: 1, fields }
}

#[test]
fn metadata_alone_raises_the_doubts_and_forgets_them_with_the_next_loan() {
    let key = || "banyan.dev/loan-hold-batch".to_owned();
    let fields = json!({"f:spec": {"f:suspend": {}}});
    let loans = vec![(key(), record(vec![lent(suspend(), &["platform"])]))];
    let ours = meta(&[("banyan", "Update", fields.clone())]);
    assert_eq!(doubts(&ours, &loans, &[], &[]), vec![]);
    let theirs = meta(&[("platform", "Apply", fields.clone())]);
    let overwritten = vec![(key(), Doubt::Overwritten { by: "platform".into() })];
    assert_eq!(doubts(&theirs, &loans, &loans, &[]), overwritten);

    // The whole object was replaced, and is seen again and again.
    let replaced = meta(&[("platform", "Update", fields)]);
    let dropped = doubts(&replaced, &[], &loans, &overwritten);
    let wanted = Doubt::Dropped { record: loans[0].1.clone(), by: "platform".into() };
    assert_eq!(dropped, vec![(key(), wanted)]);
    assert_eq!(doubts(&replaced, &[], &[], &dropped), dropped);
    assert_eq!(doubts(&ours, &loans, &[], &dropped), vec![]);
    // Nothing was dropped where Banyan has given it back.
    assert_eq!(doubts(&ours, &[], &loans, &[]), vec![]);
}
