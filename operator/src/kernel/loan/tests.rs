use kube::core::ApiResource;
use serde_json::{Value, json};

use super::*;

fn now() -> jiff::Timestamp {
    "2026-03-01T00:00:00Z".parse().unwrap()
}

const LABEL: &str = "banyan.dev/deferrable";

/// What the two actions of these tests borrow.
fn terms(action: &str) -> Vec<Term> {
    let (loan, priors) = match action {
        "HoldBatch" => (suspend("CronJob"), vec![Prior::Bool]),
        _ => (taint(), vec![Prior::Label, Prior::Taint]),
    };
    loan.fields.into_iter().zip(priors).map(|(field, prior)| Term { field, prior }).collect()
}

fn returned(live: &Value, object: &ObjectRef, action: &str, owner: &Owner) -> Decision {
    give_back(live, object, action, &terms(action), owner)
}

fn gulou() -> Owner {
    Owner { kind: "datacenter", name: "gulou-1".into() }
}

fn mawei() -> Owner {
    Owner { kind: "datacenter", name: "mawei-1".into() }
}

fn object(kind: &str) -> ObjectRef {
    ObjectRef {
        resource: ApiResource::from_gvk(&kube::core::GroupVersionKind::gvk("batch", "v1", kind)),
        namespace: Some("health".into()),
        name: "nightly".into(),
        uid: Some("u1".into()),
    }
}

fn suspend(kind: &str) -> Loan {
    Loan {
        object: object(kind),
        action: "HoldBatch".into(),
        fields: vec![Field { pointer: "/spec/suspend".into(), set: json!(true), element_keys: vec![] }],
        guard: if kind == "Job" { Guard::NeverStarted(LABEL) } else { Guard::None },
        why: "test".into(),
        until: None,
    }
}

fn taint() -> Loan {
    Loan {
        object: object("Node"),
        action: "PreferElsewhere".into(),
        fields: vec![
            Field {
                pointer: "/metadata/labels/banyan.dev~1avoid".into(),
                set: json!("pue"),
                element_keys: vec![],
            },
            Field {
                pointer: "/spec/taints".into(),
                set: json!({"key": "banyan.dev/pue", "effect": "PreferNoSchedule", "value": "gulou-1"}),
                element_keys: vec!["key".into(), "effect".into()],
            },
        ],
        guard: Guard::None,
        why: "test".into(),
        until: None,
    }
}

fn cron_job(suspended: Option<bool>) -> Value {
    let mut object = json!({"metadata": {"uid": "u1", "resourceVersion": "5", "name": "nightly"}, "spec": {"schedule": "0 2 * * *"}});
    if let Some(suspended) = suspended {
        object["spec"]["suspend"] = json!(suspended);
    }
    object
}

fn node() -> Value {
    json!({
        "metadata": {"uid": "u1", "resourceVersion": "9", "labels": {"zone": "gulou-1"}, "annotations": {"a": "b"}},
        "spec": {"taints": [{"key": "other", "effect": "NoSchedule"}]}
    })
}

/// Applies a decision as the API server does and raises the version.
fn send(live: &Value, decision: &Decision) -> Value {
    let Decision::Patch { patch, .. } = decision else { panic!("no patch: {decision:?}") };
    let mut next = live.clone();
    json_patch::patch(&mut next, patch).unwrap();
    let version: u64 = live["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    next["metadata"]["resourceVersion"] = json!((version + 1).to_string());
    next
}

/// The object without what every write changes.
fn essence(mut object: Value) -> Value {
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    if object["metadata"]["annotations"] == json!({}) {
        object["metadata"].as_object_mut().unwrap().remove("annotations");
    }
    object
}

#[test]
fn a_loan_given_back_leaves_the_object_as_it_was() {
    for (live, loan) in
        [(cron_job(Some(false)), suspend("CronJob")), (cron_job(None), suspend("CronJob")), (node(), taint())]
    {
        let held = send(&live, &take(&live, &loan, &gulou(), now()));
        assert_ne!(essence(held.clone()), essence(live.clone()));
        let back = send(&held, &returned(&held, &loan.object, &loan.action, &gulou()));
        assert_eq!(essence(back), essence(live));
    }
}

#[test]
fn other_peoples_taints_survive_both_ways() {
    let live = node();
    let held = send(&live, &take(&live, &taint(), &gulou(), now()));
    assert_eq!(held["spec"]["taints"].as_array().unwrap().len(), 2);
    // Somebody adds one while ours stands.
    let mut other = held.clone();
    other["spec"]["taints"].as_array_mut().unwrap().insert(0, json!({"key": "late", "effect": "NoExecute"}));
    let back = send(&other, &returned(&other, &taint().object, "PreferElsewhere", &gulou()));
    assert_eq!(
        back["spec"]["taints"],
        json!([{"key": "late", "effect": "NoExecute"}, {"key": "other", "effect": "NoSchedule"}])
    );
}

#[test]
fn taking_twice_does_nothing_the_second_time() {
    let live = cron_job(Some(false));
    let held = send(&live, &take(&live, &suspend("CronJob"), &gulou(), now()));
    assert_eq!(take(&held, &suspend("CronJob"), &gulou(), now()), Decision::Nothing(Nothing::Done));
    let back = send(&held, &returned(&held, &object("CronJob"), "HoldBatch", &gulou()));
    assert_eq!(returned(&back, &object("CronJob"), "HoldBatch", &gulou()), Decision::Nothing(Nothing::Done));
}

#[test]
fn a_stale_observation_is_refused_by_the_version_test() {
    let stale = cron_job(Some(false));
    let Decision::Patch { patch, .. } = take(&stale, &suspend("CronJob"), &gulou(), now()) else { panic!() };
    let mut live = stale.clone();
    live["metadata"]["resourceVersion"] = json!("6");
    assert!(json_patch::patch(&mut live, &patch).is_err());
}

#[test]
fn what_was_suspended_by_its_owner_is_never_ours_to_resume() {
    let live = cron_job(Some(true));
    assert_eq!(take(&live, &suspend("CronJob"), &gulou(), now()), Decision::Nothing(Nothing::AlreadySo));
    assert_eq!(returned(&live, &object("CronJob"), "HoldBatch", &gulou()), Decision::Nothing(Nothing::Done));
}

#[test]
fn a_users_change_to_a_held_object_is_kept_and_told() {
    let live = cron_job(Some(false));
    let mut held = send(&live, &take(&live, &suspend("CronJob"), &gulou(), now()));
    held["spec"]["suspend"] = json!(false);
    // Not taken again …
    assert_eq!(take(&held, &suspend("CronJob"), &gulou(), now()), Decision::Nothing(Nothing::Done));
    // … and the undo removes the memory alone.
    let decision = returned(&held, &object("CronJob"), "HoldBatch", &gulou());
    let Decision::Patch { kept, .. } = &decision else { panic!() };
    assert_eq!(kept, &["/spec/suspend"]);
    let back = send(&held, &decision);
    assert_eq!(back["spec"]["suspend"], json!(false));
    assert!(back["metadata"]["annotations"].get(annotation("HoldBatch")).is_none());
}

#[test]
fn one_resource_does_not_give_back_what_another_borrowed() {
    let live = cron_job(Some(false));
    let held = send(&live, &take(&live, &suspend("CronJob"), &gulou(), now()));
    let by = Nothing::HeldBy("datacenter.gulou-1".into());
    assert_eq!(take(&held, &suspend("CronJob"), &mawei(), now()), Decision::Nothing(by.clone()));
    assert_eq!(returned(&held, &object("CronJob"), "HoldBatch", &mawei()), Decision::Nothing(by));
}

#[test]
fn a_later_object_by_the_same_name_is_not_touched() {
    let mut live = cron_job(Some(false));
    live["metadata"]["uid"] = json!("u2");
    assert_eq!(take(&live, &suspend("CronJob"), &gulou(), now()), Decision::Nothing(Nothing::OtherObject));
}

#[test]
fn a_job_that_has_started_or_belongs_to_another_manager_is_left() {
    let fresh = json!({
        "metadata": {"uid": "u1", "resourceVersion": "5", "labels": {LABEL: "true"}},
        "spec": {"suspend": false}, "status": {}
    });
    assert!(matches!(take(&fresh, &suspend("Job"), &gulou(), now()), Decision::Patch { .. }));
    let with = |path: &str, value: Value| {
        let mut job = fresh.clone();
        *job.pointer_mut(path.rsplit_once('/').unwrap().0).unwrap() =
            json!({path.rsplit_once('/').unwrap().1: value, "suspend": false});
        job
    };
    for job in [
        with("/status/active", json!(1)),
        with("/status/startTime", json!("2026-01-01T00:00:00Z")),
        with("/status/failed", json!(2)),
        with("/spec/managedBy", json!("kueue.x-k8s.io/multikueue")),
    ] {
        assert_eq!(
            take(&job, &suspend("Job"), &gulou(), now()),
            Decision::Nothing(Nothing::Guarded),
            "{job}"
        );
    }
    let mut queued = fresh.clone();
    queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] = json!("q");
    assert_eq!(take(&queued, &suspend("Job"), &gulou(), now()), Decision::Nothing(Nothing::Guarded));
}

#[test]
fn what_the_index_said_is_asked_of_the_live_object_again() {
    let consent = Loan { guard: Guard::Consent(LABEL), ..suspend("CronJob") };
    let mut live = cron_job(Some(false));
    assert_eq!(take(&live, &consent, &gulou(), now()), Decision::Nothing(Nothing::Guarded));
    live["metadata"]["labels"] = json!({LABEL: "false"});
    assert_eq!(take(&live, &consent, &gulou(), now()), Decision::Nothing(Nothing::Guarded));
    live["metadata"]["labels"] = json!({LABEL: "true"});
    assert!(matches!(take(&live, &consent, &gulou(), now()), Decision::Patch { .. }));

    let queue = |policy: Value| json!({"metadata": {"uid": "u1", "resourceVersion": "5"}, "spec": {"stopPolicy": policy}});
    let hold = Loan {
        fields: vec![Field { pointer: "/spec/stopPolicy".into(), set: json!("Hold"), element_keys: vec![] }],
        guard: Guard::StillDefault("/spec/stopPolicy", "None"),
        ..suspend("ClusterQueue")
    };
    let drained = take(&queue(json!("HoldAndDrain")), &hold, &gulou(), now());
    assert_eq!(drained, Decision::Nothing(Nothing::Guarded));
    for policy in [json!("None"), Value::Null] {
        assert!(matches!(take(&queue(policy), &hold, &gulou(), now()), Decision::Patch { .. }));
    }
}

/// The Node with a record on it that somebody else has written.
fn forged(fields: &Value) -> Value {
    let record = json!({"owner": "datacenter.gulou-1", "at": "2026-03-01T00:00:00Z", "fields": fields});
    let mut live = node();
    live["metadata"]["labels"]["banyan.dev/avoid"] = json!("pue");
    live["metadata"]["annotations"][annotation("PreferElsewhere")] = json!(record.to_string());
    live
}

#[test]
fn a_record_names_no_field_and_no_value_of_its_own() {
    let label =
        |prior: Value| json!({"pointer": "/metadata/labels/banyan.dev~1avoid", "set": "pue", "prior": prior});
    let taint = |prior: Value| {
        json!({
            "pointer": "/spec/taints", "elementKeys": ["key", "effect"], "prior": prior,
            "set": {"key": "banyan.dev/pue", "effect": "PreferNoSchedule", "value": "gulou-1"}
        })
    };
    let worse = [
        // A label that a kubelet may not set, another's taint taken away, a taint for all.
        json!([{"pointer": "/metadata/labels/node-restriction.kubernetes.io~1trusted", "set": null, "prior": "yes"}]),
        json!([{"pointer": "/spec/taints", "set": {"key": "other", "effect": "NoSchedule"}, "elementKeys": ["key", "effect"], "prior": null}]),
        json!([{"pointer": "/spec/taints", "set": [{"key": "other", "effect": "NoSchedule"}], "prior": []}]),
        json!([label(json!({"a": "b"}))]),
        json!([label(json!("not a label"))]),
        json!([taint(json!({"key": "mine", "effect": "NoExecute"}))]),
        json!([taint(json!({"key": "banyan.dev/pue", "effect": "PreferNoSchedule", "value": {}}))]),
    ];
    for fields in worse {
        let mut live = forged(&fields);
        let ours = json!({"key": "banyan.dev/pue", "effect": "PreferNoSchedule", "value": "gulou-1"});
        live["spec"]["taints"].as_array_mut().unwrap().push(ours);
        let decision = returned(&live, &object("Node"), "PreferElsewhere", &gulou());
        let Decision::Patch { kept, .. } = &decision else { panic!("{decision:?}") };
        assert_eq!(kept.len(), 1, "{fields}: {kept:?}");
        let mut wanted = live.clone();
        wanted["metadata"]["annotations"].as_object_mut().unwrap().remove(&annotation("PreferElsewhere"));
        assert_eq!(essence(send(&live, &decision)), essence(wanted), "{fields}");
    }
    // What the action itself could have written is believed.
    let live = forged(&json!([label(json!("heat"))]));
    let given = send(&live, &returned(&live, &object("Node"), "PreferElsewhere", &gulou()));
    assert_eq!(given["metadata"]["labels"]["banyan.dev/avoid"], "heat");
}

#[test]
fn a_record_that_cannot_be_read_is_neither_none_nor_overwritten() {
    for text in ["", "{", "[]", r#"{"owner": "datacenter.gulou-1"}"#] {
        let key = annotation("HoldBatch");
        let mut live = cron_job(Some(true));
        live["metadata"]["annotations"] = json!({&key: text});
        let unreadable = Decision::Nothing(Nothing::Unreadable(key.clone()));
        assert_eq!(take(&live, &suspend("CronJob"), &gulou(), now()), unreadable, "{text}");
        assert_eq!(returned(&live, &object("CronJob"), "HoldBatch", &gulou()), unreadable, "{text}");
        assert!(!records([(key.as_str(), text)].into_iter())[0].1.is_readable());
    }
}

#[test]
fn annotations_are_named_after_the_action() {
    assert_eq!(annotation("HoldBatch"), "banyan.dev/loan-hold-batch");
    assert_eq!(escape("a/b~c"), "a~1b~0c");
}
