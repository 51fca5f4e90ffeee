//! The forms of one audit, which comes of really judging hostile objects by a small pack; then of arbitrary ones.

use std::sync::Arc;

use banyan_policies::{
    engine::{Outcome, Parameters, Selection, Session, Sight, compile},
    pack::load,
    verdict::{
        Attestation, Audit, Input, NotApplicable, Origin, ScoringModel, Waiver, Waivers, Work, conclude,
    },
};
use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::super::visible::hidden;
use crate::lang::Lang;

mod forms;
mod fuzz;
mod page;
mod reports;
mod schemas;

/// What each kind of reader would take for something else than a text.
const HOSTILE: [&str; 8] = [
    "<script>document.title='taken'</script>",
    "=cmd|' /C calc'!A0",
    "\u{1b}[2J\u{1b}]0;taken\u{7}",
    "\u{202e}desrever\u{2066}",
    "two\nlines\r\n\tand ]]> <!-- -->",
    "\" onmouseover=\"taken() ' {{ 7*7 }} {% raw %}",
    "＝1+1 ${jndi:x} `x` $(x)",
    "\u{0}\u{9b}31m\u{7f}\u{feff}\u{e0041}\u{ffff}",
];

const ABOUT: &str = r#"
name: walls
title: { en: "Walls <b>&</b> gates", zh: "墙与门" }
standard: GB/T 0-2019
version: "1.0.0"
levels: ["3"]
note: { en: "pre-check ]]>", zh: "预检" }
"#;

const REQUIREMENTS: &str = r#"
- { id: least-privilege, title: { en: Access control, zh: 访问控制 }, summary: { en: "Least <i>privilege</i>.", zh: 最小权限。 }, area: computing,
    type: Automatic, levels: { 3: { clause: "8.1.4.2 d", item: L3-CES1-08 } } }
- { id: walls, title: { en: Boundary, zh: 边界防护 }, summary: { en: "=walls", zh: 隔离。 }, area: boundary, type: Automatic, levels: { 3: { clause: "8.1.3.1 a" } } }
- { id: owners, title: { en: Owners, zh: 责任人 }, summary: { en: Owners., zh: 责任人。 }, area: operations, type: Partial, levels: { 3: { clause: "8.1.10.2 a" } } }
- { id: probes, title: { en: Probes, zh: 探针 }, summary: { en: Probes., zh: 探针。 }, area: computing, type: Automatic, optional: [3],
    levels: { 3: { clause: "8.1.4.9 z" } } }
- { id: clocks, title: { en: Clocks, zh: 时钟 }, summary: { en: Clocks., zh: 时钟。 }, area: computing, type: Automatic, levels: { 3: { clause: "8.1.4.3 e" } } }
- { id: training, title: { en: Training, zh: 培训 }, summary: { en: Training., zh: 培训。 }, area: staff, type: Attested, levels: { 3: { clause: "8.1.8.3 a" } } }
- { id: drills, title: { en: Drills, zh: 演练 }, summary: { en: Drills., zh: 演练。 }, area: operations, type: Attested, levels: { 3: { clause: "8.1.10.9 c" } } }
- { id: doors, title: { en: Doors, zh: 门禁 }, summary: { en: Doors., zh: 门禁。 }, area: physical, type: Platform, levels: { 3: { clause: "8.1.1.2 a" } } }
- { id: radio, title: { en: Radio, zh: 无线 }, summary: { en: Radio., zh: 无线。 }, area: network, type: Platform, part: IoT, levels: { 3: { clause: "8.4.1.1 a" } } }
"#;

const CONTROLS: [(&str, &str); 7] = [
    (
        "no-privilege.yaml",
        r#"
id: no-privilege
title: { en: "Containers are not <privileged>", zh: 容器不以特权模式运行 }
severity: high
highRisk: true
type: Automatic
requirements: [least-privilege]
match: { pods: true }
each: containers
expression: "!(has(item.securityContext) && has(item.securityContext.privileged) && item.securityContext.privileged)"
message: "'container ' + item.name + ' is privileged'"
field: securityContext.privileged
remediation: { en: "Set `securityContext.privileged: false` <here>.", zh: 将 privileged 设为 false。 }
references: { cis: ["5.2.1"], podSecurity: [privileged] }
"#,
    ),
    (
        "owner-label.yaml",
        r#"
id: owner-label
title: { en: Objects name an owner, zh: 对象有责任人 }
severity: medium
type: Partial
requirements: [owners, least-privilege]
match: { kinds: [Service, Namespace] }
expression: "has(object.metadata.labels) && has(object.metadata.labels.owner) && object.metadata.labels.owner.startsWith('team-')"
message: "has(object.metadata.labels) && has(object.metadata.labels.owner) ? 'owner is ' + object.metadata.labels.owner : 'there is no owner'"
field: metadata.labels.owner
remediation: { en: "=label it", zh: 添加标签。 }
"#,
    ),
    (
        "closed.yaml",
        r#"
id: closed
title: { en: Namespaces are closed, zh: 命名空间默认拒绝 }
severity: critical
type: Automatic
requirements: [walls]
match: { kinds: [Namespace] }
related: [{ name: policies, kind: networking.k8s.io/NetworkPolicy, in: Namespace }]
expression: "related.policies.size() > 0"
message: "'no NetworkPolicy in ' + object.metadata.name"
remediation: { en: Add a NetworkPolicy., zh: 添加网络策略。 }
"#,
    ),
    (
        "probed.yaml",
        r#"
id: probed
title: { en: Containers are probed, zh: 容器有探针 }
severity: low
type: Automatic
requirements: [probes]
match: { pods: true }
each: containers
expression: "has(item.readinessProbe)"
message: "item.name + ' has no probe'"
remediation: { en: Add a probe., zh: 添加探针。 }
"#,
    ),
    (
        "broken.yaml",
        r#"
id: broken
title: { en: Numbers, zh: 数字 }
severity: info
type: Automatic
requirements: [walls]
match: { kinds: [ConfigMap] }
expression: "int(object.data.number) > 0"
message: "'no'"
remediation: { en: Fix., zh: 修复。 }
"#,
    ),
    (
        "clocked.yaml",
        r#"
id: clocked
title: { en: Clocks agree, zh: 时钟同步 }
severity: medium
type: Automatic
requirements: [clocks]
match: { kinds: [ConfigMap] }
known: "has(object.data.clock)"
expression: "object.data.clock == 'ntp'"
message: "'no'"
remediation: { en: Fix., zh: 修复。 }
"#,
    ),
    (
        "logged.yaml",
        r#"
id: logged
title: { en: Something is logged, zh: 有审计日志 }
severity: high
type: Automatic
requirements: [walls]
match: { cluster: true }
related: [{ name: policies, kind: networking.k8s.io/NetworkPolicy, in: Cluster }]
expression: "related.policies.size() > 1"
message: "'only ' + string(related.policies.size())"
remediation: { en: Fix., zh: 修复。 }
"#,
    ),
];

fn at() -> Timestamp {
    "2026-11-25T03:04:05.678Z".parse().unwrap()
}

fn objects() -> Vec<(Json, Option<Origin>)> {
    let container = |name: &str, privileged: bool| json!({ "name": name, "securityContext": { "privileged": privileged } });
    let origin = |file: &str, line| Some(Origin { file: file.to_owned(), line });
    let mut objects = vec![
        (
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "shop", "uid": "6f3c1c1e-0f6a-4a5e-9a55-0d3f7a1b2c3d" } }),
            None,
        ),
        (
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "closed", "labels": { "owner": "team-a" } } }),
            origin("a.yaml", 1),
        ),
        (
            json!({ "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": { "name": "all", "namespace": "closed" } }),
            origin("a.yaml", 9),
        ),
        (
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "c", "namespace": "shop" }, "data": { "number": "x" } }),
            origin("-", 2),
        ),
        (
            json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": "web", "namespace": "shop", "uid": "../../x" },
                "spec": { "template": { "spec": { "containers": [container("a", true), container("b", true), container("c", false)] } } } }),
            origin("/srv/with space/web#1.yaml", 4),
        ),
        (
            json!({ "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": "quiet" },
                "spec": { "jobTemplate": { "spec": { "template": { "spec": { "containers": [
                    { "name": "ok", "readinessProbe": {} }
                ] } } } } } }),
            origin("b.yaml", 40),
        ),
        // More places than are kept.
        (
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "many", "namespace": "waived" },
                "spec": { "containers": (0..25).map(|at| container(&format!("c{at}"), true)).collect::<Vec<_>>() } }),
            origin("b.yaml", 80),
        ),
    ];
    for hostile in HOSTILE {
        objects.push((
            json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": hostile, "namespace": hostile, "uid": hostile },
                "spec": { "containers": [container(hostile, true)] } }),
            origin(hostile, 7),
        ));
        objects.push((
            json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": "s", "labels": { "owner": hostile } } }),
            origin(&format!("{hostile}.yaml"), 3),
        ));
    }
    objects
}

fn waiver(name: &str, controls: &[&str], namespaces: &[&str], expires: &str, approved_by: &str) -> Waiver {
    let list = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
    Waiver {
        name: name.to_owned(),
        controls: list(controls),
        namespaces: list(namespaces),
        kinds: Vec::new(),
        names: Vec::new(),
        reason: format!("because {}", HOSTILE[0]),
        ticket: HOSTILE[1].to_owned(),
        expires: expires.parse().unwrap(),
        approved_by: approved_by.to_owned(),
        suspended: false,
    }
}

/// The audit of it all, with every outcome kept.
fn audit() -> Audit {
    let files = [("pack.yaml", ABOUT), ("requirements.yaml", REQUIREMENTS)].into_iter().chain(CONTROLS);
    let (pack, faults) = load(files);
    assert!(faults.is_empty(), "{faults:?}");
    let (compiled, faults) =
        compile(&[Arc::new(pack.unwrap())], &[Selection::new("walls", "3")], &Parameters::new());
    assert!(faults.is_empty(), "{faults:?}");
    let keep = [Outcome::Pass, Outcome::Fail, Outcome::Error, Outcome::Unknown, Outcome::Skip];
    let later = "2027-01-01T00:00:00Z";
    let waivers = vec![
        waiver("many", &["no-privilege"], &["waived"], later, "li.na"),
        waiver(HOSTILE[2], &["owner-label"], &["none"], later, HOSTILE[0]),
        waiver("over", &["no-privilege"], &["shop"], "2026-11-25T03:04:05Z", "li.na"),
        waiver("new", &["no-privilege"], &["shop"], later, ""),
    ];
    let mut work = Work::new(&compiled, Waivers::new(waivers, at()), &keep);
    let mut session = Session::new(&compiled, at());
    let objects = objects();
    for (place, (object, _)) in objects.iter().enumerate() {
        work.count();
        work.add(session.take(place, compiled.examine(object, at())));
    }
    session.finish(Sight::Manifests).for_each(|judged| work.add(judged));
    let attest = |clause: &str, until: &str| Attestation {
        clause: clause.to_owned(),
        applies_to: Vec::new(),
        by: HOSTILE[0].to_owned(),
        evidence: HOSTILE[1].to_owned(),
        valid_until: until.parse().unwrap(),
    };
    let input = Input {
        not_applicable: vec![NotApplicable { clause: "8.4.1.1 a".into(), reason: HOSTILE[5].into() }],
        attestations: vec![attest("8.1.8.3 a", "2027-03-31"), attest("8.1.10.9 c", "2026-01-31")],
        scoring: ScoringModel::Of2025,
        keep: keep.to_vec(),
    };
    let mut audit = conclude(work, &input, at());
    for line in &mut audit.objects {
        line.origin = objects.get(line.place).and_then(|(_, origin)| origin.clone());
        if let Some(origin) = &line.origin {
            for (finding, more) in line.findings.iter_mut().zip(1..) {
                for place in &mut finding.places {
                    place.line = Some(origin.line + more);
                }
            }
        }
    }
    audit.faults = HOSTILE.map(|text| format!("x.yaml:3: {text}")).to_vec();
    audit.unread = vec!["Node".to_owned(), HOSTILE[0].to_owned()];
    audit
}

/// The forms that are read line by line show what is hidden, and nothing begins another line.
fn nothing_hidden(text: &str) {
    let found = text.char_indices().find(|(_, letter)| *letter != '\n' && hidden(*letter));
    assert!(found.is_none(), "{found:?} in {}", text.escape_debug());
}

#[test]
fn the_audit_has_a_bit_of_everything() {
    let audit = audit();
    let counts = audit.counts;
    assert!(
        [counts.pass, counts.fail, counts.warn, counts.error, counts.skip, counts.unknown]
            .iter()
            .all(|count| *count > 0),
        "{counts:?}"
    );
    let mut verdicts: Vec<_> = audit.clauses.iter().map(|clause| clause.verdict).collect();
    verdicts.sort_unstable();
    verdicts.dedup();
    assert_eq!(verdicts, banyan_policies::verdict::Verdict::ALL, "{:#?}", audit.clauses);
    assert_eq!(audit.high_risks.len(), 1);
    let read: Audit = serde_json::from_str(&serde_json::to_string(&audit).unwrap()).unwrap();
    assert_eq!(read, audit);
}

/// What is written of it in each form, the same each time.
#[test]
fn the_same_audit_gives_the_same_bytes() {
    use clap::ValueEnum as _;
    let bytes = |format, lang| {
        let mut out = Vec::new();
        super::write(format, &audit(), lang, &mut out).unwrap();
        out
    };
    for format in super::Format::value_variants() {
        for lang in Lang::ALL {
            assert!(bytes(*format, lang) == bytes(*format, lang), "{format:?}");
        }
    }
}
