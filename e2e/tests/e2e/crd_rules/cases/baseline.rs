//! The rules of `SecurityBaseline`.

use serde_json::{Value, json};

use super::{
    Case, at, case, control_id, letters, many, object_name, object_names, required, selector, sentence,
    set_of, text,
};

/// A resource in which every field of the spec is set.
pub fn whole() -> Value {
    json!({
        "apiVersion": "banyan.dev/v1alpha1",
        "kind": "SecurityBaseline",
        "metadata": { "name": "rules" },
        "spec": {
            "suspend": false,
            "level": 3,
            "profile": "S3A2G3",
            "filing": { "number": "35010000000-00001", "date": "2025-11-02" },
            "extensions": ["Cloud"],
            "packs": ["mlps"],
            "scope": {
                "namespaceSelector": {
                    "matchLabels": { "any": "a" },
                    "matchExpressions": [{ "key": "zone", "operator": "In", "values": ["a"] }],
                },
                "tenants": ["health"],
            },
            "enforcement": {
                "default": "Audit",
                "controls": [{ "id": "pod-privileged-container", "action": "Deny" }],
            },
            "parameters": { "any": "a" },
            "notApplicable": [{ "clause": "8.1.3.1 d", "reason": "no wireless network" }],
            "attestations": [{
                "clause": "8.1.1.2", "appliesTo": { "dataCenters": ["changle-1"], "tenants": ["health"] },
                "by": "facility-team", "evidence": "inspection of March 2026", "validUntil": "2027-03-31",
            }],
            "reports": { "apis": ["openreports.io"], "keep": ["fail", "warn"] },
            "scoringModel": "2025",
        },
    })
}

/// All cases.
pub fn cases() -> Vec<Case> {
    let each = [level(), scope(), enforcement(), parameters(), clauses(), reports()];
    each.into_iter().flatten().map(|case| case.on(whole)).collect()
}

fn level() -> Vec<Case> {
    const PROFILE: &str = "/spec/profile";
    const HIGHER: &str = "the higher one of S and A in a profile is the level";
    let packs = |count: usize| many(count, |number| json!(format!("pack-{number}")));
    let mut cases = vec![
        at(
            "metadata.name",
            "the name of a SecurityBaseline has at most 46 characters, because it is part of labels",
            "/metadata/name",
            letters(46),
            letters(47),
        ),
        required("spec"),
        required("spec.level"),
        case("spec.level", "minimum", json!(1), json!(0)).with(PROFILE, Value::Null),
        case("spec.level", "maximum", json!(4), json!(5)).with(PROFILE, Value::Null),
        case("spec.profile", "maxLength", json!("S3A3G3"), json!("S3A3G33")),
        case("spec.profile", "pattern", json!("S1A3G3"), json!("s1a3G3")),
        case(
            "spec.profile",
            "the general requirements (G) of a profile are those of the level",
            json!("S3A2G3"),
            json!("S3A2G2"),
        ),
        case("spec.profile", HIGHER, json!("S2A3G3"), json!("S2A2G3")),
        case("spec.profile", HIGHER, json!("S3A3G3"), json!("S4A3G3")),
        required("spec.filing.number"),
        case("spec.filing.date", "format", json!("2024-02-29"), json!("2026-02-30")),
        case("spec.filing.date", "maxLength", json!("2024-02-29"), json!("2024-02-29T")),
        case("spec.extensions", "maxItems", json!(["IoT", "Cloud"]), json!(["IoT", "Cloud", "IoT"])),
        case("spec.extensions[0]", "enum", json!("IoT"), json!("Mobile")),
        at(
            "spec.extensions[1]",
            "x-kubernetes-list-type",
            "/spec/extensions/1",
            json!("IoT"),
            json!("Cloud"),
        ),
        required("spec.packs"),
        case("spec.packs", "minItems", packs(1), packs(0)),
        case("spec.packs[0]", "pattern", json!("pod-security"), json!("Pod Security")),
        case("spec.scoringModel", "enum", json!("2021"), json!("2019")),
    ];
    cases.extend(set_of("spec.packs", 16, "mlps"));
    cases.extend(text("spec.packs[0]", 63));
    cases.extend(text("spec.filing.number", 64));
    cases
}

fn scope() -> Vec<Case> {
    const EMPTY: &str = "a scope without namespaceSelector and tenants has nothing in it: leave scope out to judge everything";
    let mut cases = vec![
        case("spec.scope", EMPTY, json!({ "namespaceSelector": {} }), json!({})),
        case("spec.scope", EMPTY, json!({ "tenants": ["a"] }), json!({ "tenants": [] })),
    ];
    cases.extend(selector("spec.scope.namespaceSelector"));
    cases.extend(object_names("spec.scope.tenants", 256));
    cases
}

fn enforcement() -> Vec<Case> {
    const CONTROLS: &str = "spec.enforcement.controls";
    let of = |count: usize| many(count, |number| json!({ "id": format!("c{number}"), "action": "Warn" }));
    let field = |name: &str| format!("{CONTROLS}[0].{name}");
    let mut cases = vec![
        case("spec.enforcement.default", "enum", json!("Warn"), json!("Enforce")),
        case(CONTROLS, "maxItems", of(512), of(513)),
        at(
            &format!("{CONTROLS}[1]"),
            "x-kubernetes-list-type",
            "/spec/enforcement/controls/1",
            json!({ "id": "pod-privileged", "action": "Deny" }),
            json!({ "id": "pod-privileged-container", "action": "Warn" }),
        ),
        required(&field("id")),
        required(&field("action")),
        case(&field("action"), "enum", json!("Audit"), json!("deny")),
    ];
    cases.extend(control_id(&field("id")));
    cases
}

fn parameters() -> Vec<Case> {
    const ANY: &str = "spec.parameters.any";
    let of = |count: usize| {
        Value::Object((0..count).map(|number| (format!("p{number}"), json!(number))).collect())
    };
    let texts = |count: usize| many(count, |_| json!("a"));
    vec![
        case("spec.parameters", "maxProperties", of(64), of(65)),
        case(ANY, "maxLength", letters(512), letters(513)),
        case(ANY, "minimum", json!(-1_000_000_000), json!(-1_000_000_001)),
        case(ANY, "maximum", json!(1_000_000_000), json!(1_000_000_001)),
        case(ANY, "multipleOf", json!(1), json!(1.5)),
        case(ANY, "maxItems", texts(128), texts(129)),
        // An object: empty, and with something in it.
        case(ANY, "minProperties", json!(true), json!({})),
        case(ANY, "maxProperties", json!([]), json!({ "a": "b" })),
        case(&format!("{ANY}[0]"), "maxLength", letters(512), letters(513))
            .with("/spec/parameters/any", json!(["a"])),
    ]
}

fn clauses() -> Vec<Case> {
    const OUT: &str = "spec.notApplicable";
    const SAID: &str = "spec.attestations";
    const OF: &str = "name a data centre or a tenant, or leave appliesTo out to attest for everything";
    let out = |count: usize| {
        many(count, |number| json!({ "clause": format!("8.{number}"), "reason": "none here" }))
    };
    let said = |count: usize| {
        many(
            count,
            |number| json!({ "clause": format!("8.{number}"), "by": "a", "evidence": "b", "validUntil": "2027-03-31" }),
        )
    };
    let first = |name: &str| format!("{SAID}[0].{name}");
    let mut cases = vec![
        case(OUT, "maxItems", out(512), out(513)),
        at(
            &format!("{OUT}[1]"),
            "x-kubernetes-list-type",
            "/spec/notApplicable/1",
            json!({ "clause": "8.1.3.1 e", "reason": "no wireless network" }),
            json!({ "clause": "8.1.3.1 d", "reason": "another" }),
        ),
        required(&format!("{OUT}[0].clause")),
        case(SAID, "maxItems", said(512), said(513)),
        required(&first("clause")),
        required(&first("by")),
        case(&first("by"), "maxLength", letters(128), letters(129)),
        case(&first("by"), "pattern", json!("机房运维组"), json!(" ")),
        case(&first("appliesTo"), OF, json!({ "tenants": ["health"] }), json!({})),
        case(
            &first("appliesTo"),
            OF,
            json!({ "dataCenters": ["changle-1"] }),
            json!({ "dataCenters": [], "tenants": [] }),
        ),
        required(&first("validUntil")),
        case(&first("validUntil"), "format", json!("2028-02-29"), json!("2027-02-29")),
        case(&first("validUntil"), "maxLength", json!("2027-03-31"), json!("2027-03-31T")),
    ];
    cases.extend(text(&format!("{OUT}[0].clause"), 64));
    cases.extend(sentence(&format!("{OUT}[0].reason")));
    cases.extend(text(&first("clause"), 64));
    cases.extend(sentence(&first("evidence")));
    for (list, most) in [("dataCenters", 64), ("tenants", 256)] {
        let field = first(&format!("appliesTo.{list}"));
        let names = |count: usize| many(count, |number| json!(format!("a{number}")));
        cases.push(case(&field, "maxItems", names(most), names(most + 1)));
        cases.push(case(&format!("{field}[1]"), "x-kubernetes-list-type", json!("b"), json!("a")).with(
            if list == "tenants" {
                "/spec/attestations/0/appliesTo/tenants"
            } else {
                "/spec/attestations/0/appliesTo/dataCenters"
            },
            json!(["a"]),
        ));
        cases.extend(object_name(&format!("{field}[0]")).into_iter().filter(|case| case.rule != "required"));
    }
    cases
}

fn reports() -> Vec<Case> {
    let all = ["pass", "fail", "warn", "error", "skip"];
    vec![
        case(
            "spec.reports.apis",
            "maxItems",
            json!(["openreports.io", "wgpolicyk8s.io"]),
            json!(["openreports.io", "wgpolicyk8s.io", "openreports.io"]),
        ),
        case("spec.reports.apis[0]", "enum", json!("wgpolicyk8s.io"), json!("kyverno.io")),
        at(
            "spec.reports.apis[1]",
            "x-kubernetes-list-type",
            "/spec/reports/apis/1",
            json!("wgpolicyk8s.io"),
            json!("openreports.io"),
        ),
        case("spec.reports.keep", "maxItems", json!(all), json!([&all[..], &["pass"]].concat())),
        case("spec.reports.keep[0]", "enum", json!("skip"), json!("Fail")),
        at(
            "spec.reports.keep[2]",
            "x-kubernetes-list-type",
            "/spec/reports/keep/2",
            json!("error"),
            json!("fail"),
        ),
    ]
}
