//! SARIF 2.1.0: a rule a control, a result a place, for code scanning of repositories.

use banyan_policies::{
    engine::Outcome,
    pack::{Kind, Severity, Text},
    verdict::{Audit, ControlLine, FindingLine, ObjectLine, PlaceLine},
};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value as Json, json};
use sha2::{Digest as _, Sha256};

use super::{
    super::visible::visible,
    TOOL, View,
    view::{message, text},
};
use crate::lang::Lang;

/// Characters that a path in a URI does not have.
const PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}')
    .add(b':');

/// The log. Texts are in `lang`; each rule has those of the other language among its properties.
pub fn render(audit: &Audit, lang: Lang) -> Json {
    let view = View::new(audit);
    let rules: Vec<Json> = audit.controls.iter().map(|control| rule(control, &view, lang)).collect();
    let results: Vec<Json> =
        view.findings().flat_map(|(line, finding, control)| results(line, finding, control, &view)).collect();
    let notes: Vec<Json> = audit
        .faults
        .iter()
        .map(|fault| json!({ "level": "error", "message": { "text": said(fault) } }))
        .chain(audit.unread.iter().map(|kind| {
            let text = format!("not read, and what depends on it is unknown: {}", visible(kind));
            json!({ "level": "warning", "message": { "text": text } })
        }))
        .collect();
    let packs: Vec<Json> = audit
        .packs
        .iter()
        .map(|pack| {
            json!({
                "name": pack.name, "standard": pack.standard, "level": pack.level, "version": pack.version,
                "verdicts": pack.verdicts, "note": text(&pack.note, lang),
            })
        })
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": TOOL,
                "version": env!("CARGO_PKG_VERSION"),
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "language": lang.tag(),
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": audit.faults.is_empty(),
                "endTimeUtc": audit.at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
                "toolExecutionNotifications": notes,
            }],
            "results": results,
            "properties": {
                "objects": audit.looked_at, "counts": audit.counts, "packs": packs, "note": "pre-check, not certification",
            },
        }],
    })
}

fn rule(control: &ControlLine, view: &View<'_>, lang: Lang) -> Json {
    let other = if lang == Lang::Zh { Lang::En } else { Lang::Zh };
    let level = level(control.severity);
    let pack = view.pack_of(control);
    let standard = pack.map(|pack| format!("{} {}", pack.standard, pack.level)).unwrap_or_default();
    let clauses = control.clauses.join(", ");
    let mut tags = vec!["security".to_owned(), "kubernetes".to_owned()];
    tags.extend(pack.map(|pack| pack.name.clone()).filter(|name| !name.is_empty()));
    if control.high_risk {
        tags.push("high-risk".to_owned());
    }
    tags.dedup();
    let both = |text: &Text, lang: Lang| said(self::text(text, lang));
    json!({
        "id": control.id,
        "shortDescription": { "text": both(&control.title, lang) },
        "fullDescription": { "text": format!("{} ({})", both(&control.title, lang), said(&format!("{standard}: {clauses}"))) },
        "help": { "text": both(&control.remediation, lang) },
        "defaultConfiguration": { "level": level },
        "properties": {
            "tags": tags,
            "security-severity": match control.severity {
                Severity::Critical => "9.5",
                Severity::High => "8.0",
                Severity::Medium => "5.5",
                Severity::Low => "3.0",
                Severity::Info => "0.5",
            },
            "problem.severity": if level == "note" { "recommendation" } else { level },
            // Evidence alone may be wrong about the requirement, never about the object.
            "precision": if control.kind == Kind::Automatic { "very-high" } else { "high" },
            "clauses": control.clauses,
            "items": control.items,
            "references": control.references,
            other.to_string(): { "title": both(&control.title, other), "help": both(&control.remediation, other) },
        },
    })
}

fn results(line: &ObjectLine, finding: &FindingLine, control: &ControlLine, view: &View<'_>) -> Vec<Json> {
    let (kind, level) = match finding.outcome {
        // An evaluation that failed is looked at like a failure, never like a pass.
        Outcome::Fail | Outcome::Skip => ("fail", level(control.severity)),
        Outcome::Error => ("fail", "error"),
        Outcome::Unknown => ("open", "none"),
        Outcome::Pass => ("pass", "none"),
    };
    let waiver = finding.waiver.as_ref().map(|name| {
        let text = view.waiver(finding).map_or_else(String::new, |waiver| {
            format!(" until {}: {} ({})", waiver.expires, waiver.reason, waiver.ticket)
        });
        json!([{ "kind": "external", "status": "accepted", "justification": said(&format!("waiver {name}{text}")) }])
    });
    let last = finding.places.len().saturating_sub(1);
    let places: Vec<Option<&PlaceLine>> =
        if finding.places.is_empty() { vec![None] } else { finding.places.iter().map(Some).collect() };
    places
        .into_iter()
        .enumerate()
        .map(|(at, place)| {
            let text = match place {
                Some(place) if !place.message.is_empty() => {
                    let more = if at == last && finding.more > 0 {
                        format!(" (and {} places more)", finding.more)
                    } else {
                        String::new()
                    };
                    format!("{}{more}", place.message)
                }
                _ => message(control, finding),
            };
            let path = place.map(|place| place.path.as_str()).unwrap_or_default();
            let mut result = json!({
                "ruleId": control.id,
                "ruleIndex": finding.control,
                "kind": kind,
                "level": level,
                "message": { "text": said(&format!("{}: {text}", line.object)) },
                "locations": [location(line, place, path)],
                "partialFingerprints": { "banyan/v1": fingerprint(line, control, path) },
                "properties": { "outcome": finding.outcome.as_str(), "scored": control.scored },
            });
            if let Some(evidence) = place.and_then(|place| place.evidence.as_ref()) {
                result["properties"]["evidence"] = json!(visible(evidence));
            }
            if let Some(waiver) = &waiver {
                result["suppressions"] = waiver.clone();
            }
            result
        })
        .collect()
}

fn location(line: &ObjectLine, place: Option<&PlaceLine>, path: &str) -> Json {
    let object = &line.object;
    let qualified = [&object.api_version, &object.kind, &object.namespace, &object.name]
        .into_iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .chain((!path.is_empty()).then_some(path))
        .collect::<Vec<_>>()
        .join("/");
    let mut location = json!({
        "logicalLocations": [{ "name": object.name, "fullyQualifiedName": qualified, "kind": "resource" }],
    });
    if let Some(origin) = &line.origin {
        let at = place.and_then(|place| place.line).unwrap_or(origin.line).max(1);
        let name = utf8_percent_encode(&origin.file, PATH).to_string();
        let artifact = if origin.file == "-" || origin.file.is_empty() {
            json!({ "uri": "stdin" })
        } else if origin.file.starts_with('/') {
            json!({ "uri": format!("file://{name}") })
        } else {
            json!({ "uri": name, "uriBaseId": "%SRCROOT%" })
        };
        location["physicalLocation"] = json!({ "artifactLocation": artifact, "region": { "startLine": at } });
    }
    location
}

/// The same finding in the next run, wherever in the file it has moved.
fn fingerprint(line: &ObjectLine, control: &ControlLine, path: &str) -> String {
    let object = &line.object;
    let file = line.origin.as_ref().map_or("", |origin| &origin.file);
    let text =
        json!([control.id, object.api_version, object.kind, object.namespace, object.name, file, path]);
    Sha256::digest(text.to_string().as_bytes())
        .iter()
        .take(16)
        .fold(String::new(), |digest, byte| format!("{digest}{byte:02x}"))
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// A text that is not empty, as SARIF wants it.
fn said(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { visible(text).into_owned() }
}
