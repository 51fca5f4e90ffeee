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
        fought: None,
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
        fought: None,
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

/// The object as it is when `manager` has set its fields: whoever managed them does not any more.
fn managed(mut live: Value, manager: &str, operation: &str, fields: &Value) -> Value {
    live["metadata"]["managedFields"] =
        json!([{"manager": manager, "operation": operation, "fieldsV1": fields}]);
    live
}

fn fought(loan: Loan, rounds: Option<u32>) -> Loan {
    Loan { fought: rounds, ..loan }
}

fn round(decision: &Decision) -> Against {
    let Decision::Patch { against: Some(against), .. } = decision else { panic!("no round: {decision:?}") };
    against.clone()
}

fn stored(live: &Value, action: &str) -> Record {
    record(live, &annotation(action)).unwrap()
}

/// The shapes that actions borrow: a plain field, an entry of a map, an element of a list, and one of another's kind.
/// Each with what a rival sets it back to, and the fields that it manages.
fn shapes() -> Vec<(Value, Loan, Value, Value)> {
    let queue = json!({"metadata": {"uid": "u1", "resourceVersion": "5"}, "spec": {"stopPolicy": "None"}});
    let hold = Loan {
        fields: vec![Field { pointer: "/spec/stopPolicy".into(), set: json!("Hold"), element_keys: vec![] }],
        guard: Guard::StillDefault("/spec/stopPolicy", "None"),
        ..suspend("ClusterQueue")
    };
    let fresh = json!({
        "metadata": {"uid": "u1", "resourceVersion": "5", "labels": {LABEL: "true"}},
        "spec": {"suspend": false}, "status": {}
    });
    let mut labelled = node();
    labelled["metadata"]["labels"]["banyan.dev/avoid"] = json!("heat");
    let one = |at: usize| {
        let loan = taint();
        Loan { fields: vec![loan.fields[at].clone()], ..loan }
    };
    vec![
        (
            cron_job(Some(false)),
            suspend("CronJob"),
            json!([{"path": "/spec/suspend", "value": false}]),
            json!({"f:spec": {"f:suspend": {}}}),
        ),
        (
            fresh,
            suspend("Job"),
            json!([{"path": "/spec/suspend", "value": false}]),
            json!({"f:spec": {"f:suspend": {}}}),
        ),
        (
            queue,
            hold,
            json!([{"path": "/spec/stopPolicy", "value": "None"}]),
            json!({"f:spec": {"f:stopPolicy": {}}}),
        ),
        (
            labelled,
            one(0),
            json!([{"path": "/metadata/labels/banyan.dev~1avoid", "value": "heat"}]),
            json!({"f:metadata": {"f:labels": {"f:banyan.dev/avoid": {}}}}),
        ),
        (
            node(),
            one(1),
            json!([{"path": "/spec/taints", "value": [{"key": "other", "effect": "NoSchedule"}]}]),
            json!({"f:spec": {"f:taints": {}}}),
        ),
    ]
}

/// The object after a rival has set back what it declares.
fn set_back(held: &Value, back: &Value, fields: &Value) -> Value {
    let mut next = managed(held.clone(), "platform", "Apply", fields);
    for one in back.as_array().unwrap() {
        *next.pointer_mut(one["path"].as_str().unwrap()).unwrap() = one["value"].clone();
    }
    next
}

#[test]
fn what_a_declarer_sets_back_is_set_again_and_given_back_as_it_declares() {
    for (live, loan, back, fields) in shapes() {
        let live = managed(live, "platform", "Apply", &fields);
        let held = send(&live, &take(&live, &loan, &gulou(), now()));
        let held = managed(held, "banyan", "Update", &fields);
        assert_eq!(stored(&held, &loan.action).fields[0].declarers, ["platform"]);
        let again = fought(loan.clone(), Some(1));
        assert_eq!(take(&held, &again, &gulou(), now()), Decision::Nothing(Nothing::Done), "it stands");

        let reverted = set_back(&held, &back, &fields);
        // Whoever does not ask for it gets what was before: nothing.
        assert_eq!(take(&reverted, &loan, &gulou(), now()), Decision::Nothing(Nothing::Done));
        let later = now().checked_add(jiff::SignedDuration::from_mins(1)).unwrap();
        let decision = take(&reverted, &again, &gulou(), later);
        let against = round(&decision);
        assert_eq!((against.managers.as_str(), against.rounds), ("platform", 2));
        assert_eq!(against.fields, [loan.fields[0].pointer.as_str()]);
        let set = send(&reverted, &decision);
        assert_eq!(current(&set, &loan.fields[0]), loan.fields[0].set);
        let record = stored(&set, &loan.action);
        assert_eq!((record.rounds, record.at.as_str()), (2, "2026-03-01T00:01:00Z"));

        // The undo gives back what the rival declares, and where it has set it back, leaves it and takes the record off.
        let terms: Vec<_> =
            loan.fields.iter().cloned().map(|field| Term { field, prior: prior_of(&loan) }).collect();
        for held in [set, reverted] {
            let decision = give_back(&held, &loan.object, &loan.action, &terms, &gulou());
            let mut given = managed(send(&held, &decision), "platform", "Apply", &fields);
            given["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"].clone();
            assert_eq!(essence(given), essence(live.clone()), "{}", loan.action);
        }
    }
}

fn prior_of(loan: &Loan) -> Prior {
    match loan.fields[0].pointer.as_str() {
        "/spec/suspend" => Prior::Bool,
        "/spec/stopPolicy" => Prior::OneOf(&["None"]),
        "/spec/taints" => Prior::Taint,
        _ => Prior::Label,
    }
}

#[test]
fn what_somebody_else_sets_back_is_a_wish_and_stays() {
    for (live, loan, back, fields) in shapes() {
        let live = managed(live, "platform", "Apply", &fields);
        let held = send(&live, &take(&live, &loan, &gulou(), now()));
        let again = fought(loan, Some(0));
        for (manager, operation) in
            [("kubectl-patch", "Update"), ("platform", "Update"), ("other", "Apply"), ("", "Update")]
        {
            let wish = managed(set_back(&held, &back, &fields), manager, operation, &fields);
            assert_eq!(take(&wish, &again, &gulou(), now()), Decision::Nothing(Nothing::Done), "{manager}");
        }
        // Nobody manages it: it was removed by hand.
        let mut nobody = set_back(&held, &back, &fields);
        nobody["metadata"]["managedFields"] = json!([]);
        assert_eq!(take(&nobody, &again, &gulou(), now()), Decision::Nothing(Nothing::Done));
    }
}

#[test]
fn a_job_that_has_started_since_is_not_stopped() {
    let (live, loan, back, fields) = shapes().remove(1);
    let live = managed(live, "platform", "Apply", &fields);
    let held = send(&live, &take(&live, &loan, &gulou(), now()));
    let mut started = set_back(&held, &back, &fields);
    started["status"]["startTime"] = json!("2026-03-01T00:00:01Z");
    assert_eq!(take(&started, &fought(loan, Some(0)), &gulou(), now()), Decision::Nothing(Nothing::Guarded));
}

#[test]
fn only_the_field_that_was_set_back_is_set_again() {
    let mut live = node();
    live["metadata"]["labels"]["banyan.dev/avoid"] = json!("heat");
    let fields = json!({"f:metadata": {"f:labels": {"f:banyan.dev/avoid": {}}}});
    let live = managed(live, "platform", "Apply", &fields);
    let held = send(&live, &take(&live, &taint(), &gulou(), now()));
    let mut reverted = managed(held, "platform", "Apply", &fields);
    reverted["metadata"]["labels"]["banyan.dev/avoid"] = json!("cold");
    let decision = take(&reverted, &fought(taint(), Some(0)), &gulou(), now());
    let Decision::Patch { prior, .. } = &decision else { panic!("{decision:?}") };
    assert_eq!(*prior, json!({"/metadata/labels/banyan.dev~1avoid": "cold"}));
    let record = stored(&send(&reverted, &decision), "PreferElsewhere");
    let priors: Vec<_> = record.fields.iter().map(|lent| lent.prior.clone()).collect();
    assert_eq!(priors, [json!("cold"), Value::Null]);
}

#[test]
fn a_loan_whose_record_was_dropped_is_a_round_unless_banyan_gave_it_back() {
    let fields = json!({"f:spec": {"f:suspend": {}}});
    let replaced = managed(cron_job(Some(false)), "platform", "Update", &fields);
    assert!(matches!(
        take(&replaced, &suspend("CronJob"), &gulou(), now()),
        Decision::Patch { against: None, .. }
    ));
    let again = fought(suspend("CronJob"), Some(2));
    let decision = take(&replaced, &again, &gulou(), now());
    assert_eq!((round(&decision).managers.as_str(), round(&decision).rounds), ("platform", 3));
    assert_eq!(stored(&send(&replaced, &decision), "HoldBatch").rounds, 3);
    // Nobody can be told.
    let decision = take(&cron_job(None), &again, &gulou(), now());
    assert_eq!(round(&decision).managers, "another client");
    // Its own value stands there.
    let returned = managed(cron_job(Some(false)), "banyan", "Update", &fields);
    let decision = take(&returned, &again, &gulou(), now());
    assert!(matches!(decision, Decision::Patch { against: None, .. }), "{decision:?}");
    assert_eq!(stored(&send(&returned, &decision), "HoldBatch").rounds, 0);
}

#[test]
fn a_record_of_before_the_rounds_were_counted_can_be_read_and_reads_the_same() {
    let text = r#"{"owner":"datacenter.a","at":"2026-03-01T00:00:00Z","fields":[{"pointer":"/spec/suspend","set":true,"prior":false}]}"#;
    let record = Record::read(text);
    assert_eq!((record.is_readable(), record.rounds), (true, 0));
    assert_eq!(serde_json::to_string(&record).unwrap(), text);
}
