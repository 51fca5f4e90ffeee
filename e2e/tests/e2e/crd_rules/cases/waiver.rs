//! The rules of `Waiver`.

use serde_json::{Value, json};

use super::{
    Case, at, case, control_id, instant, letters, many, object_name, required, sentence, set_of, text,
};

/// A resource in which every field of the spec is set.
pub fn whole() -> Value {
    json!({
        "apiVersion": "banyan.dev/v1alpha1",
        "kind": "Waiver",
        "metadata": { "name": "rules" },
        "spec": {
            "suspend": false,
            "baselineName": "city",
            "controls": ["pod-privileged-container"],
            "match": { "namespaces": ["video"], "kinds": ["DaemonSet"], "names": ["camera-driver"] },
            "reason": "the driver of the cameras needs the device",
            "ticket": "CR-1042",
            "expires": "2027-01-31T00:00:00+08:00",
            "approval": { "by": "chen", "at": "2026-11-01T00:00:00Z", "ticket": "CAB-7" },
        },
    })
}

/// All cases.
pub fn cases() -> Vec<Case> {
    [covered(), stated(), approval()].into_iter().flatten().map(|case| case.on(whole)).collect()
}

fn covered() -> Vec<Case> {
    const EMPTY: &str =
        "an empty match would waive the controls for everything: name namespaces, kinds or names";
    let ids = |count: usize| many(count, |number| json!(format!("c{number}")));
    let mut cases = vec![
        required("spec.controls"),
        case("spec.controls", "minItems", ids(1), ids(0)),
        required("spec.match"),
        case("spec.match", EMPTY, json!({ "namespaces": ["a"] }), json!({})),
        case("spec.match", EMPTY, json!({ "kinds": ["Pod"] }), json!({ "kinds": [], "names": [] })),
        case(
            "spec.match",
            EMPTY,
            json!({ "names": ["a"] }),
            json!({ "namespaces": [], "kinds": [], "names": [] }),
        ),
        case("spec.match.namespaces[0]", "pattern", json!("video-1"), json!("video/camera")),
        case("spec.match.kinds[0]", "pattern", json!("CronJob"), json!("cronjobs.batch")),
        // Any ending, and not any name.
        case("spec.match.names[0]", "pattern", json!("system:camera*"), json!("*")),
        case("spec.match.names[0]", "pattern", json!("camera-*"), json!("*-camera")),
        case("spec.match.kinds", "maxItems", kinds(64), kinds(65)),
        at(
            "spec.match.kinds[1]",
            "x-kubernetes-list-type",
            "/spec/match/kinds/1",
            json!("Pod"),
            json!("DaemonSet"),
        ),
        case("spec.match.kinds[0]", "minLength", json!("A"), json!("")),
        case("spec.match.kinds[0]", "maxLength", json!("A".repeat(63)), json!("A".repeat(64))),
    ];
    cases.extend(set_of("spec.controls", 64, "a"));
    cases.extend(control_id("spec.controls[0]"));
    cases.extend(set_of("spec.match.namespaces", 64, "a"));
    cases.extend(text("spec.match.namespaces[0]", 63));
    cases.extend(set_of("spec.match.names", 64, "a"));
    cases.extend(text("spec.match.names[0]", 253));
    cases
}

fn kinds(count: usize) -> Value {
    many(count, |number| json!(format!("K{number}")))
}

fn stated() -> Vec<Case> {
    let mut cases = vec![
        at(
            "metadata.name",
            "the name of a Waiver has at most 56 characters, because it is part of labels",
            "/metadata/name",
            letters(56),
            letters(57),
        ),
        required("spec"),
        required("spec.expires"),
        case("spec.expires", "format", json!("2028-02-29T00:00:00Z"), json!("2027-02-29T00:00:00Z")),
        case("spec.expires", "maxLength", instant(2027, 40), instant(2027, 41)),
    ];
    cases.extend(object_name("spec.baselineName"));
    cases.extend(sentence("spec.reason"));
    cases.extend(text("spec.ticket", 128));
    cases
}

fn approval() -> Vec<Case> {
    let mut cases = vec![
        required("spec.approval.by"),
        required("spec.approval.at"),
        case("spec.approval.at", "format", json!("2026-11-01T08:00:00+08:00"), json!("2026-11-01")),
        case("spec.approval.at", "maxLength", instant(2026, 40), instant(2026, 41)),
    ];
    cases.extend(text("spec.approval.by", 256));
    cases.extend(text("spec.approval.ticket", 128));
    cases
}
