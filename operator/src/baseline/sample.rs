//! Audits for the tests of this room: objects that are really judged, by a small pack.

use std::{collections::BTreeSet, sync::Arc};

use banyan_policies::{
    engine::{Parameters, Selection, Session, Sight, compile},
    pack::load,
    verdict::{Attestation, Audit, Input, ScoringModel, Waiver, Waivers, Work, conclude},
};
use jiff::Timestamp;
use serde_json::{Value, json};

const ABOUT: &str = r#"
name: mlps
title: { en: Small, zh: 小 }
standard: GB/T 0-2019
version: "1.0.0"
levels: ["3"]
note: { en: pre-check, zh: 预检 }
"#;

const REQUIREMENTS: &str = r#"
- { id: least-privilege, title: { en: Access control, zh: 访问控制 }, summary: { en: Least., zh: 最小。 }, area: computing,
    type: Automatic, levels: { 3: { clause: "8.1.4.2 d" } } }
- { id: numbers, title: { en: Numbers, zh: 数字 }, summary: { en: Numbers., zh: 数字。 }, area: boundary, type: Automatic, levels: { 3: { clause: "8.1.3.1 a" } } }
- { id: training, title: { en: Training, zh: 培训 }, summary: { en: Training., zh: 培训。 }, area: staff, type: Attested, levels: { 3: { clause: "8.1.8.3 a" } } }
"#;

const CONTROLS: [(&str, &str); 2] = [
    (
        "no-privilege.yaml",
        r#"
id: no-privilege
title: { en: Containers are not privileged, zh: 容器不以特权模式运行 }
severity: high
highRisk: true
type: Automatic
requirements: [least-privilege]
match: { pods: true }
each: containers
expression: "!(has(item.securityContext) && has(item.securityContext.privileged) && item.securityContext.privileged)"
message: "item.name + ' is privileged'"
remediation: { en: Take it off., zh: 去掉。 }
"#,
    ),
    (
        "numbered.yaml",
        r#"
id: numbered
title: { en: Numbers, zh: 数字 }
severity: info
type: Automatic
requirements: [numbers]
match: { kinds: [ConfigMap] }
expression: "int(object.data.number) > 0"
message: "'no'"
remediation: { en: Fix., zh: 修复。 }
"#,
    ),
];

pub(super) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A Pod.
pub(super) fn pod(name: &str, privileged: bool) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "shop" },
        "spec": { "containers": [{ "name": "a", "image": "b", "securityContext": { "privileged": privileged } }] }
    })
}

/// A `ConfigMap` whose number may be none.
pub(super) fn number(text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "n", "namespace": "shop" },
        "data": { "number": text }
    })
}

/// A waiver of `no-privilege` in the namespace `shop`.
pub(super) fn waiver(name: &str, expires: &str, approved_by: &str) -> Waiver {
    Waiver {
        name: name.to_owned(),
        controls: vec!["no-privilege".to_owned()],
        namespaces: vec!["shop".to_owned()],
        kinds: Vec::new(),
        names: Vec::new(),
        reason: "r".to_owned(),
        ticket: String::new(),
        expires: at(expires),
        approved_by: approved_by.to_owned(),
        suspended: false,
    }
}

/// What `objects` come to. Training is attested to the end of 2026.
pub(super) fn audit(objects: &[Value], waivers: Vec<Waiver>, now: Timestamp) -> Audit {
    let files = [("pack.yaml", ABOUT), ("requirements.yaml", REQUIREMENTS)].into_iter().chain(CONTROLS);
    let (pack, faults) = load(files);
    assert!(faults.is_empty(), "{faults:?}");
    let (compiled, faults) =
        compile(&[Arc::new(pack.unwrap())], &[Selection::new("mlps", "3")], &Parameters::new());
    assert!(faults.is_empty(), "{faults:?}");
    let mut work = Work::new(&compiled, Waivers::new(waivers, now), &[]);
    let mut session = Session::new(&compiled, now);
    for (place, object) in objects.iter().enumerate() {
        work.count();
        work.add(session.take(place, compiled.examine(object, now)));
    }
    session.finish(Sight::Cluster { unread: BTreeSet::new() }).for_each(|judged| work.add(judged));
    let trained = Attestation {
        clause: "8.1.8.3 a".to_owned(),
        applies_to: Vec::new(),
        by: "hr".to_owned(),
        evidence: "records".to_owned(),
        valid_until: jiff::civil::date(2026, 12, 31),
    };
    let input = Input { attestations: vec![trained], scoring: ScoringModel::Of2025, ..Input::default() };
    conclude(work, &input, now)
}
