//! An audit as tables: the findings, and the field record (现场记录) of an assessor.

use banyan_policies::{
    engine::Outcome,
    pack::Kind,
    verdict::{Audit, ClauseLine, FindingLine, ObjectLine, Verdict},
};

use super::{
    super::{
        Cell, Column, Sheet, Shown,
        visible::{cut, visible},
    },
    View,
    history::Remembered,
    view::{named, position, text},
    words,
};
use crate::{lang::Lang, t};

/// Longest text of a cell, in bytes: a workbook takes 32,767 characters.
const LONGEST: usize = 30_000;
/// A sheet has 1,048,576 rows; the header is one.
pub(super) const ROWS: usize = 1_048_000;

fn cell(text: &str) -> Cell {
    Cell::text(visible(cut(text, LONGEST).as_ref()))
}

fn whole(number: usize) -> Cell {
    Cell::whole(i64::try_from(number).ok())
}

fn sheet(title: String, columns: Vec<String>) -> Sheet {
    Sheet {
        title,
        columns: columns.into_iter().map(|title| Column { title, shown: Shown::Always }).collect(),
        ..Sheet::default()
    }
}

/// A row a place of each finding.
pub(super) fn findings(audit: &Audit, lang: Lang, most: usize) -> Sheet {
    let view = View::new(audit);
    let mut sheet = sheet(
        t!(lang, "audit-sheet-findings"),
        vec![
            t!(lang, "audit-pack"),
            t!(lang, "audit-level"),
            t!(lang, "audit-control"),
            t!(lang, "audit-title"),
            t!(lang, "audit-severity"),
            t!(lang, "audit-result"),
            t!(lang, "audit-namespace"),
            t!(lang, "audit-kind"),
            t!(lang, "audit-name"),
            t!(lang, "audit-path"),
            t!(lang, "audit-message"),
            t!(lang, "audit-evidence"),
            t!(lang, "audit-clauses"),
            t!(lang, "audit-items"),
            t!(lang, "audit-waiver"),
            t!(lang, "audit-expires"),
            t!(lang, "audit-file"),
            t!(lang, "audit-line"),
            t!(lang, "audit-remediation"),
        ],
    );
    for (line, finding, control) in view.findings() {
        let places: Vec<_> =
            if finding.places.is_empty() { vec![None] } else { finding.places.iter().map(Some).collect() };
        for place in places {
            if sheet.rows.len() == most {
                sheet.notes.push(t!(lang, "audit-rows-left-out", rows = most.to_string()));
                return sheet;
            }
            let object = &line.object;
            let (file, at) = position(line, place).unzip();
            sheet.rows.push(vec![
                cell(view.pack(control.pack)),
                cell(view.pack_of(control).map_or("", |pack| &pack.level)),
                cell(&control.id),
                cell(text(&control.title, lang)),
                cell(&words::severity(lang, control.severity)),
                cell(&words::outcome(lang, finding.outcome, control.scored)),
                cell(&object.namespace),
                cell(&object.kind),
                cell(&object.name),
                cell(place.map_or("", |place| &place.path)),
                cell(place.map_or("", |place| &place.message)),
                cell(place.and_then(|place| place.evidence.as_deref()).unwrap_or_default()),
                cell(&control.clauses.join(", ")),
                cell(&control.items.join(", ")),
                cell(finding.waiver.as_deref().unwrap_or_default()),
                cell(&view.waiver(finding).map(|waiver| words::instant(waiver.expires)).unwrap_or_default()),
                cell(&file.unwrap_or_default()),
                at.map_or(Cell::Blank, whole),
                cell(text(&control.remediation, lang)),
            ]);
        }
    }
    sheet
}

/// The field record: for each requirement what was seen as a whole, then each object of which something was kept.
pub(super) fn record(view: &View<'_>, lang: Lang, most: usize) -> Sheet {
    let audit = view.audit;
    let found = view.by_control();
    let mut sheet = sheet(
        t!(lang, "audit-sheet-record"),
        vec![
            t!(lang, "audit-clause"),
            t!(lang, "audit-test-item"),
            t!(lang, "audit-point"),
            t!(lang, "audit-requirement"),
            t!(lang, "audit-object"),
            t!(lang, "audit-record"),
            t!(lang, "audit-conformity"),
            t!(lang, "audit-evidence"),
            t!(lang, "audit-type"),
        ],
    );
    for (at, clause) in audit.clauses.iter().enumerate() {
        let head = |object: String, record: String, verdict: Verdict, evidence: String| {
            vec![
                cell(&clause.clause),
                cell(clause.item.as_deref().unwrap_or_default()),
                cell(text(&clause.title, lang)),
                cell(text(&clause.summary, lang)),
                cell(&object),
                cell(&record),
                cell(&words::verdict(lang, verdict)),
                cell(&evidence),
                cell(&words::kind(lang, clause.kind)),
            ]
        };
        let attested: Vec<String> =
            clause.attested.iter().map(|word| format!("{}: {}", word.by, word.evidence)).collect();
        let mut rows = vec![head(
            t!(lang, "audit-all-objects"),
            summary(at, clause, view, lang),
            clause.verdict,
            attested.join("; "),
        )];
        for place in &clause.controls {
            let Some(control) = view.control(*place) else { continue };
            for (line, finding) in found.get(*place).into_iter().flatten() {
                let verdict = match finding.outcome {
                    Outcome::Pass if control.kind == Kind::Automatic => Verdict::Compliant,
                    Outcome::Pass => Verdict::Partial,
                    Outcome::Fail | Outcome::Skip => Verdict::NonCompliant,
                    Outcome::Error | Outcome::Unknown => Verdict::Unknown,
                };
                let record = recorded(text(&control.title, lang), finding, lang);
                rows.push(head(named(&line.object), record, verdict, evidence(line, finding)));
            }
        }
        for row in rows {
            if sheet.rows.len() == most {
                sheet.notes.push(t!(lang, "audit-rows-left-out", rows = most.to_string()));
                return sheet;
            }
            sheet.rows.push(row);
        }
    }
    sheet
}

/// What was seen of a requirement: why it is judged so, and what each control has counted.
fn summary(at: usize, clause: &ClauseLine, view: &View<'_>, lang: Lang) -> String {
    if let Some(told) = view.remembered(at) {
        return summary_told(clause, told, view, lang);
    }
    let counts = clause.controls.iter().filter_map(|place| view.control(*place)).map(|control| {
        let tally = &control.tally;
        t!(
            lang,
            "audit-counted",
            control = text(&control.title, lang).to_owned(),
            objects = tally.objects().to_string(),
            pass = tally.pass.to_string(),
            fail = tally.fail.to_string(),
            skip = tally.skip.to_string(),
            open = (tally.error + tally.unknown).to_string(),
        )
    });
    std::iter::once(words::why(lang, &clause.reason)).chain(counts).collect::<Vec<_>>().join("; ")
}

/// The same of what was told: passes are known of the clause as a whole only.
fn summary_told(clause: &ClauseLine, told: Remembered, view: &View<'_>, lang: Lang) -> String {
    let judged = (told.judged > 0).then(|| {
        t!(lang, "audit-clause-told", objects = told.judged.to_string(), fail = clause.failing.to_string())
    });
    let open = told
        .open(clause.verdict, view.audit.at)
        .map(|(since, days)| t!(lang, "audit-open-since", since = words::instant(since), days = days));
    std::iter::once(words::why(lang, &clause.reason)).chain(judged).chain(open).collect::<Vec<_>>().join("; ")
}

fn recorded(title: &str, finding: &FindingLine, lang: Lang) -> String {
    let mut record = title.to_owned();
    let mut messages: Vec<&str> = finding.places.iter().map(|place| place.message.as_str()).collect();
    messages.dedup();
    if !messages.is_empty() {
        record = format!("{record}: {}", messages.join("; "));
    }
    if finding.more > 0 {
        record = format!("{record}; {}", t!(lang, "audit-more", count = finding.more));
    }
    if let Some(waiver) = &finding.waiver {
        record = format!("{record} ({})", t!(lang, "audit-waived-by", waiver = waiver.clone()));
    }
    record
}

fn evidence(line: &ObjectLine, finding: &FindingLine) -> String {
    let places = finding.places.iter().map(|place| {
        let at = position(line, Some(place)).map(|(file, line)| format!("{file}:{line}"));
        let what = match &place.evidence {
            Some(evidence) => format!("{} = {evidence}", place.path),
            None => place.path.clone(),
        };
        at.into_iter().chain((!what.is_empty()).then_some(what)).collect::<Vec<_>>().join(" ")
    });
    places.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("; ")
}
