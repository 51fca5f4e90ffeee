//! OSCAL assessment results 1.2: an observation a finding, a finding a clause, a risk for each high risk and each waiver.
//!
//! Identifiers are UUIDs of version 5, told by what they name: the same audit gives the same document, and the same object has the same
//! identifier in the next one.

use std::collections::{BTreeMap, BTreeSet};

use banyan_policies::{
    engine::{ObjectRef, Outcome},
    verdict::{Audit, ClauseLine, ControlLine, FindingLine, ObjectLine, Verdict, WaiverState},
};
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{
    super::visible::{cut, visible},
    View,
    view::{conclusion, message, named, position},
};

/// The namespace of Banyan's identifiers.
const NAMESPACE: Uuid = Uuid::from_u128(0x8a2b_63d5_2c2f_4f0e_9d53_6b61_6e79_616e);
/// The namespace of Banyan's properties.
const NS: &str = "https://banyan.dev/ns/oscal";
/// Longest text, in bytes.
const LONGEST: usize = 4_000;

/// The document.
pub fn render(audit: &Audit) -> Json {
    let view = View::new(audit);
    let digest = serde_json::to_string(audit).unwrap_or_default();
    let mut seen: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut observations = Vec::new();
    let mut items: BTreeMap<String, Json> = BTreeMap::new();
    for (line, finding, control) in view.findings() {
        let subject = subject_id(line);
        items.entry(subject.clone()).or_insert_with(|| item(line, &subject));
        let id = id(&["observation", &control.id, &subject, &line.place.to_string()]);
        seen.entry(finding.control).or_default().push(id.clone());
        observations.push(observation(&view, line, finding, control, &id, &subject));
    }
    let risks = risks(&view);
    let findings: Vec<Json> = audit.clauses.iter().map(|clause| of_clause(clause, &view, &seen)).collect();
    let mut result = json!({
        "uuid": id(&["result", &digest]),
        "title": "banyan audit",
        "description": "What Banyan has seen of a cluster or its manifests. A pre-check, not certification.",
        "start": instant(audit.at),
        "end": instant(audit.at),
        "reviewed-controls": { "control-selections": selections(audit) },
    });
    let props: Vec<Json> =
        audit.packs.iter().enumerate().flat_map(|(place, pack)| of_pack(place, pack)).collect();
    if !items.is_empty() {
        result["local-definitions"] = json!({ "inventory-items": items.into_values().collect::<Vec<_>>() });
    }
    for (key, list) in
        [("props", props), ("observations", observations), ("risks", risks), ("findings", findings)]
    {
        if !list.is_empty() {
            result[key] = Json::Array(list);
        }
    }
    let unread =
        audit.unread.iter().map(|kind| format!("not read, and what depends on it is unknown: {kind}"));
    let remarks: Vec<String> =
        audit.faults.iter().cloned().chain(unread).map(|text| visible(&text).into_owned()).collect();
    if !remarks.is_empty() {
        result["remarks"] = json!(remarks.join("\n"));
    }
    json!({ "assessment-results": {
        "uuid": id(&["document", &digest]),
        "metadata": {
            "title": "Results of banyan audit: pre-check, not certification",
            "last-modified": instant(audit.at),
            "version": instant(audit.at),
            "oscal-version": "1.2.3",
        },
        // There is no plan in OSCAL; the packs are one.
        "import-ap": { "href": "#", "remarks": "The packs of Banyan, at the levels that the properties of the result name." },
        "results": [result],
    }})
}

fn id(of: &[&str]) -> String {
    Uuid::new_v5(&NAMESPACE, json!(of).to_string().as_bytes()).to_string()
}

fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A text on one line that does not begin or end with a space, and is not empty.
fn line(text: &str) -> String {
    let shown = visible(cut(text, LONGEST).as_ref()).into_owned();
    let trimmed = shown.trim_matches(char::is_whitespace);
    if trimmed.is_empty() { "-".to_owned() } else { trimmed.to_owned() }
}

/// A token: a letter or `_`, then letters, digits, `.`, `-`, `_`.
fn token(text: &str) -> String {
    let mut token: String =
        text.chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_') { letter } else { '_' }
            })
            .collect();
    if !token.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_') {
        token.insert(0, '_');
    }
    token
}

fn prop(name: &str, value: &str) -> Json {
    json!({ "name": name, "ns": NS, "value": line(value) })
}

/// Those that say something.
fn props<const N: usize>(all: [(&str, String); N]) -> Vec<Json> {
    all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| prop(name, &value)).collect()
}

fn with(mut object: Json, key: &str, list: Vec<Json>) -> Json {
    if !list.is_empty() {
        object[key] = Json::Array(list);
    }
    object
}

fn subject_id(line: &ObjectLine) -> String {
    let ObjectRef { api_version, kind, namespace, name, uid } = &line.object;
    let file = line.origin.as_ref().map_or("", |origin| &origin.file);
    id(&["object", api_version, kind, namespace, name, uid, file])
}

fn item(line: &ObjectLine, subject: &str) -> Json {
    let object = &line.object;
    let props = props([
        ("api-version", object.api_version.clone()),
        ("kind", object.kind.clone()),
        ("namespace", object.namespace.clone()),
        ("name", object.name.clone()),
        ("uid", object.uid.clone()),
        ("file", line.origin.as_ref().map(|origin| origin.file.clone()).unwrap_or_default()),
    ]);
    with(json!({ "uuid": subject, "description": self::line(&object.to_string()) }), "props", props)
}

fn observation(
    view: &View<'_>,
    line: &ObjectLine,
    finding: &FindingLine,
    control: &ControlLine,
    id: &str,
    subject: &str,
) -> Json {
    let evidence: Vec<Json> = finding
        .places
        .iter()
        .map(|place| {
            let at =
                position(line, Some(place)).map(|(file, line)| format!("{file}:{line}")).unwrap_or_default();
            let props = props([
                ("path", place.path.clone()),
                ("value", place.evidence.clone().unwrap_or_default()),
                ("position", at),
            ]);
            with(json!({ "description": self::line(&place.message) }), "props", props)
        })
        .collect();
    let waiver = view.waiver(finding);
    let props = props([
        ("outcome", finding.outcome.as_str().to_owned()),
        ("pack", view.pack(control.pack).to_owned()),
        ("control", control.id.clone()),
        ("severity", control.severity.as_str().to_owned()),
        ("waiver", finding.waiver.clone().unwrap_or_default()),
        ("waiver-expires", waiver.map(|waiver| instant(waiver.expires)).unwrap_or_default()),
    ]);
    let mut observation = json!({
        "uuid": id,
        "title": self::line(&format!("{}: {}", control.id, line.object)),
        "description": self::line(&message(control, finding)),
        "methods": ["TEST"],
        "types": [if finding.outcome == Outcome::Pass { "control-objective" } else { "finding" }],
        "subjects": [{ "subject-uuid": subject, "type": "inventory-item", "title": self::line(&named(&line.object)) }],
        "collected": instant(view.audit.at),
    });
    if matches!(finding.outcome, Outcome::Fail | Outcome::Skip) {
        observation["remarks"] = json!(self::line(&control.remediation.en));
    }
    with(with(observation, "props", props), "relevant-evidence", evidence)
}

fn of_clause(clause: &ClauseLine, view: &View<'_>, seen: &BTreeMap<usize, Vec<String>>) -> Json {
    let (state, reason) = match clause.verdict {
        Verdict::Compliant => ("satisfied", "pass"),
        Verdict::NotApplicable => ("satisfied", "other"),
        Verdict::Partial | Verdict::NonCompliant => ("not-satisfied", "fail"),
        Verdict::ManualDue | Verdict::Unknown => ("not-satisfied", "other"),
    };
    let pack = view.pack(clause.pack);
    let props = props([
        ("verdict", clause.verdict.as_str().to_owned()),
        ("pack", pack.to_owned()),
        ("clause", clause.clause.clone()),
        ("item", clause.item.clone().unwrap_or_default()),
        ("title-zh", clause.title.zh.clone()),
        ("area", clause.area.clone()),
        ("optional", clause.optional.to_string()),
        ("failing", clause.failing.to_string()),
        ("score", clause.score.map(|score| format!("{score:.2}")).unwrap_or_default()),
    ]);
    let attested = clause.attested.iter().map(|word| {
        let until = if word.valid { "valid until" } else { "no longer valid, it was until" };
        prop("attestation", &format!("{}: {}, {until} {}", word.by, word.evidence, word.valid_until))
    });
    let related: Vec<Json> = clause
        .controls
        .iter()
        .filter_map(|place| seen.get(place))
        .flatten()
        .map(|id| json!({ "observation-uuid": id }))
        .collect();
    let risks: Vec<Json> = view
        .audit
        .high_risks
        .iter()
        .filter(|risk| clause.controls.contains(&risk.control))
        .filter_map(|risk| Some(json!({ "risk-uuid": risk_id(view.control(risk.control)?) })))
        .collect();
    let finding = json!({
        "uuid": id(&["finding", pack, &clause.requirement, &clause.clause]),
        "title": line(&format!("{} {}", clause.clause, clause.title.en)),
        "description": line(&clause.summary.en),
        "target": {
            "type": "objective-id",
            "target-id": token(&clause.requirement),
            "title": line(&clause.title.en),
            "status": { "state": state, "reason": reason, "remarks": line(&clause.reason) },
        },
    });
    let finding = with(finding, "props", props.into_iter().chain(attested).collect());
    with(with(finding, "related-observations", related), "related-risks", risks)
}

fn risk_id(control: &ControlLine) -> String {
    id(&["risk", &control.id])
}

fn risks(view: &View<'_>) -> Vec<Json> {
    let mut taken = BTreeSet::new();
    let high = view.audit.high_risks.iter().filter_map(|risk| {
        let control = view.control(risk.control)?;
        let id = risk_id(control);
        taken.insert(id.clone()).then(|| {
            json!({
                "uuid": id,
                "title": line(&control.title.en),
                "description": format!("{} objects fail, {} are waived.", risk.objects, risk.waived),
                "statement": line(&control.remediation.en),
                "status": "open",
                "props": props([("control", control.id.clone()), ("severity", control.severity.as_str().to_owned())]),
            })
        })
    });
    let mut risks: Vec<Json> = high.collect();
    risks.extend(view.audit.waivers.iter().map(|waiver| {
        let status = match waiver.state {
            WaiverState::Pending => "deviation-requested",
            WaiverState::Active | WaiverState::Unused => "deviation-approved",
            WaiverState::Suspended | WaiverState::Expired => "open",
        };
        json!({
            "uuid": id(&["waiver", &waiver.name]),
            "title": line(&format!("Waiver {}", waiver.name)),
            "description": line(&format!("{} findings are covered, {} would be.", waiver.uses, waiver.missed)),
            "statement": line(&waiver.reason),
            "status": status,
            "deadline": instant(waiver.expires),
            "props": props([
                ("state", format!("{:?}", waiver.state)),
                ("controls", waiver.controls.join(", ")),
                ("ticket", waiver.ticket.clone()),
                ("approved-by", waiver.approved_by.clone()),
            ]),
        })
    }));
    risks
}

/// The requirements that were looked at, a selection a pack.
fn selections(audit: &Audit) -> Vec<Json> {
    let of_pack = |place: usize| {
        let ids: BTreeSet<String> = audit
            .clauses
            .iter()
            .filter(|clause| clause.pack == place)
            .map(|clause| token(&clause.requirement))
            .collect();
        ids.into_iter().map(|id| json!({ "control-id": id })).collect::<Vec<_>>()
    };
    let mut selections: Vec<Json> = audit
        .packs
        .iter()
        .enumerate()
        .map(|(place, pack)| (pack, of_pack(place)))
        .filter(|(_, ids)| !ids.is_empty())
        .map(|(pack, ids)| {
            let description = line(&format!("{}, {}, level {}", pack.title.en, pack.standard, pack.level));
            json!({ "description": description, "include-controls": ids })
        })
        .collect();
    if selections.is_empty() {
        selections.push(json!({ "description": "No pack asks for anything.", "include-all": Map::new() }));
    }
    selections
}

fn of_pack(place: usize, pack: &banyan_policies::verdict::PackLine) -> Vec<Json> {
    let group = token(&format!("pack-{place}-{}", pack.name));
    let score = pack.score.as_ref();
    let mut props = props([
        ("pack", pack.name.clone()),
        ("standard", pack.standard.clone()),
        ("level", pack.level.clone()),
        ("pack-version", pack.version.clone()),
        ("note", pack.note.en.clone()),
        ("points", score.map(|score| format!("{:.2}", score.points)).unwrap_or_default()),
        ("compliance-rate", score.map(|score| format!("{:.2}", score.compliance_rate)).unwrap_or_default()),
        ("counted", score.map(|score| score.counted.to_string()).unwrap_or_default()),
        ("undecided", score.map(|score| score.undecided.to_string()).unwrap_or_default()),
        ("conclusion", conclusion(pack).map(|conclusion| format!("{conclusion:?}")).unwrap_or_default()),
    ]);
    for (verdict, count) in &pack.verdicts {
        props.push(prop(&format!("verdict-{}", verdict.as_str()), &count.to_string()));
    }
    for prop in &mut props {
        prop["group"] = json!(group);
    }
    props
}
