//! An audit as one page that needs nothing else: for auditors, on a screen and on paper.
//!
//! Its script only hides and shows what is there: without it the page is whole. The page allows that script and that style by their hashes and
//! nothing else, so that nothing that it was given can run.

use banyan_policies::{
    engine::Outcome,
    verdict::{Audit, Verdict, WaiverState},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{
    super::{page, visible::visible},
    RenderError, View, table,
    trend::{self, Trend},
    view::{named, position, text},
    words,
};
use crate::{lang::Lang, t};

const STYLE: &str = include_str!("audit.css");
const SCRIPT: &str = include_str!("audit.js");
const TEMPLATE: page::Template = page::Template { name: "audit.html", text: include_str!("audit.html") };

/// At most so many places are on a page, the most severe first: a browser has to open it. The other forms have them all.
const MOST: usize = 5_000;

#[derive(Serialize)]
struct Page {
    lang: &'static str,
    version: &'static str,
    policy: String,
    style: &'static str,
    script: &'static str,
    looked_at: String,
    /// None where nothing is remembered.
    trend: Option<Trend>,
    counts: String,
    packs: Vec<Pack>,
    high_risks: Vec<Risk>,
    clauses: Vec<ClauseGroup>,
    waivers: Vec<Waiver>,
    faults: Vec<String>,
    unread: Vec<String>,
    nothing_matched: bool,
    verdicts: Vec<Choice>,
    severities: Vec<Choice>,
    outcomes: Vec<Choice>,
    controls: Vec<Control>,
    shown: usize,
    left_out: usize,
}

/// A choice of a filter: its value and what it is called.
#[derive(Serialize)]
struct Choice {
    value: &'static str,
    word: String,
    count: usize,
}

#[derive(Serialize)]
struct Pack {
    title: String,
    standard: String,
    level: String,
    version: String,
    note: String,
    verdicts: Vec<Choice>,
    score: String,
}

#[derive(Serialize)]
struct Risk {
    anchor: usize,
    title: String,
    says: String,
}

#[derive(Serialize)]
struct ClauseGroup {
    caption: String,
    rows: Vec<Clause>,
}

#[derive(Serialize)]
struct Clause {
    number: String,
    item: String,
    title: String,
    summary: String,
    verdict: String,
    standing: &'static str,
    why: String,
    kind: String,
    optional: bool,
    failing: usize,
    /// Since when it is open; empty where it is not, or nobody remembers.
    since: String,
    days: i64,
    controls: Vec<Link>,
    attested: Vec<String>,
}

#[derive(Serialize)]
struct Link {
    anchor: usize,
    id: String,
}

#[derive(Serialize)]
struct Waiver {
    name: String,
    state: String,
    standing: &'static str,
    expires: String,
    controls: String,
    uses: usize,
    approved_by: String,
    reason: String,
    ticket: String,
}

#[derive(Serialize)]
struct Control {
    anchor: usize,
    id: String,
    title: String,
    severity: String,
    severity_key: &'static str,
    high_risk: bool,
    clauses: String,
    items: String,
    references: String,
    says: String,
    fix: String,
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    object: String,
    result: String,
    outcome: &'static str,
    places: Vec<Place>,
    more: usize,
    waiver: String,
}

#[derive(Serialize)]
struct Place {
    position: String,
    path: String,
    message: String,
    evidence: String,
}

fn shown(text: &str) -> String {
    visible(text).into_owned()
}

fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())))
}

/// The page.
pub fn render(audit: &Audit, lang: Lang) -> Result<String, RenderError> {
    render_view(&View::new(audit), lang)
}

/// The same of a view. Where it remembers, the page also has since when clauses are open, and the trend.
pub fn render_view(view: &View<'_>, lang: Lang) -> Result<String, RenderError> {
    let audit = view.audit;
    let (controls, shown_places, left_out) = controls(view, lang);
    let linked: Vec<usize> = controls.iter().map(|control| control.anchor).collect();
    let count = |verdict: Verdict| audit.clauses.iter().filter(|clause| clause.verdict == verdict).count();
    let page = Page {
        lang: lang.tag(),
        version: env!("CARGO_PKG_VERSION"),
        policy: format!(
            "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
            hash(STYLE),
            hash(SCRIPT)
        ),
        style: STYLE,
        script: SCRIPT,
        looked_at: table::looked_at(view, lang),
        trend: view.history.map(trend::trend),
        counts: table::counts(audit, lang),
        packs: packs(view, lang),
        high_risks: audit
            .high_risks
            .iter()
            .filter_map(|risk| {
                let control = view.control(risk.control)?;
                Some(Risk {
                    anchor: risk.control,
                    title: shown(&control.id),
                    says: t!(
                        lang,
                        "audit-high-risk",
                        title = shown(text(&control.title, lang)),
                        objects = risk.objects,
                        waived = risk.waived.to_string(),
                    ),
                })
            })
            .collect(),
        clauses: clauses(view, &linked, lang),
        waivers: waivers(audit, lang),
        faults: audit.faults.iter().map(|fault| shown(fault)).collect(),
        unread: audit.unread.iter().map(|kind| shown(kind)).collect(),
        nothing_matched: view.nothing_matched(),
        verdicts: Verdict::ALL
            .into_iter()
            .map(|verdict| Choice {
                value: words::standing(verdict),
                word: words::verdict(lang, verdict),
                count: count(verdict),
            })
            .filter(|choice| choice.count > 0)
            .collect(),
        severities: banyan_policies::pack::Severity::ALL
            .into_iter()
            .rev()
            .map(|severity| Choice {
                value: severity.as_str(),
                word: words::severity(lang, severity),
                count: controls.iter().filter(|control| control.severity_key == severity.as_str()).count(),
            })
            .filter(|choice| choice.count > 0)
            .collect(),
        outcomes: outcomes(&controls, lang),
        controls,
        shown: shown_places,
        left_out,
    };
    Ok(page::render(TEMPLATE, lang, &page)?)
}

fn outcomes(controls: &[Control], lang: Lang) -> Vec<Choice> {
    let count = |word: &str| {
        let rows = controls.iter().flat_map(|control| &control.rows);
        rows.filter(|row| row.outcome == word).count()
    };
    let all = [
        (Outcome::Fail, true),
        (Outcome::Fail, false),
        (Outcome::Error, true),
        (Outcome::Unknown, true),
        (Outcome::Skip, true),
        (Outcome::Pass, true),
    ];
    all.into_iter()
        .map(|(outcome, scored)| {
            let value = outcome_key(outcome, scored);
            Choice { value, word: words::outcome(lang, outcome, scored), count: count(value) }
        })
        .filter(|choice| choice.count > 0)
        .collect()
}

/// The value of an outcome in the filter: what is waived and what is unknown are told apart here.
fn outcome_key(outcome: Outcome, scored: bool) -> &'static str {
    if outcome == Outcome::Fail && !scored { "warn" } else { outcome.as_str() }
}

fn packs(view: &View<'_>, lang: Lang) -> Vec<Pack> {
    view.audit
        .packs
        .iter()
        .map(|pack| Pack {
            title: shown(text(&pack.title, lang)),
            standard: shown(&pack.standard),
            level: shown(&pack.level),
            version: shown(&pack.version),
            note: shown(text(&pack.note, lang)),
            verdicts: Verdict::ALL
                .into_iter()
                .map(|verdict| Choice {
                    value: words::standing(verdict),
                    word: words::verdict(lang, verdict),
                    count: pack.verdicts.get(&verdict).copied().unwrap_or(0),
                })
                .collect(),
            score: table::headline(pack, view, lang),
        })
        .collect()
}

/// The clauses by part and area of their standard, in its order.
fn clauses(view: &View<'_>, linked: &[usize], lang: Lang) -> Vec<ClauseGroup> {
    let mut groups: Vec<(_, ClauseGroup)> = Vec::new();
    for (at, clause) in view.audit.clauses.iter().enumerate() {
        let open = view.remembered(at).and_then(|told| told.open(clause.verdict, view.audit.at));
        let key = (clause.pack, clause.part.as_str(), clause.area.as_str());
        let controls = clause
            .controls
            .iter()
            .filter(|place| linked.contains(place))
            .filter_map(|place| Some(Link { anchor: *place, id: shown(&view.control(*place)?.id) }))
            .collect();
        let row = Clause {
            number: shown(&clause.clause),
            item: shown(clause.item.as_deref().unwrap_or_default()),
            title: shown(text(&clause.title, lang)),
            summary: shown(text(&clause.summary, lang)),
            verdict: words::verdict(lang, clause.verdict),
            standing: words::standing(clause.verdict),
            why: words::why(lang, &clause.reason),
            kind: words::kind(lang, clause.kind),
            optional: clause.optional,
            failing: clause.failing,
            since: open.map(|(since, _)| words::instant(since)).unwrap_or_default(),
            days: open.map_or(0, |(_, days)| days),
            controls,
            attested: clause
                .attested
                .iter()
                .map(|word| {
                    t!(
                        lang,
                        "audit-attested",
                        by = shown(&word.by),
                        evidence = shown(&word.evidence),
                        until = word.valid_until.to_string(),
                    )
                })
                .collect(),
        };
        if let Some((_, group)) = groups.iter_mut().find(|(known, _)| *known == key) {
            group.rows.push(row);
            continue;
        }
        let part = match clause.part.as_str() {
            "General" => t!(lang, "audit-part-general"),
            "Cloud" => t!(lang, "audit-part-cloud"),
            "IoT" => t!(lang, "audit-part-iot"),
            other => shown(other),
        };
        let pack = view.audit.packs.get(clause.pack).map_or("", |pack| text(&pack.title, lang));
        let area = words::area(lang, &clause.area);
        let caption: Vec<String> =
            [shown(pack), part, area].into_iter().filter(|part| !part.is_empty()).collect();
        groups.push((key, ClauseGroup { caption: caption.join(" · "), rows: vec![row] }));
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

fn waivers(audit: &Audit, lang: Lang) -> Vec<Waiver> {
    audit
        .waivers
        .iter()
        .map(|waiver| Waiver {
            name: shown(&waiver.name),
            state: words::waiver(lang, waiver.state),
            standing: match waiver.state {
                WaiverState::Active => "met",
                WaiverState::Pending => "due",
                WaiverState::Expired => "missed",
                WaiverState::Suspended | WaiverState::Unused => "unknown",
            },
            expires: words::instant(waiver.expires),
            controls: shown(&waiver.controls.join(", ")),
            uses: if waiver.state == WaiverState::Active { waiver.uses } else { waiver.missed },
            approved_by: shown(&waiver.approved_by),
            reason: shown(&waiver.reason),
            ticket: shown(&waiver.ticket),
        })
        .collect()
}

/// The controls of which something is kept, the most severe failures first, and how many places are shown and left out.
fn controls(view: &View<'_>, lang: Lang) -> (Vec<Control>, usize, usize) {
    let found = view.by_control();
    let mut order: Vec<_> = view
        .audit
        .controls
        .iter()
        .zip(found)
        .enumerate()
        .filter(|(_, (_, found))| !found.is_empty())
        .collect();
    order.sort_by_key(|(_, (control, _))| {
        std::cmp::Reverse((control.tally.fail > 0, control.high_risk, control.severity))
    });
    let (mut taken, mut left_out) = (0, 0);
    let controls = order
        .into_iter()
        .map(|(anchor, (control, found))| {
            let mut rows = Vec::new();
            for (line, finding) in found {
                let size = finding.places.len().max(1);
                if taken + size > MOST {
                    left_out += size;
                    continue;
                }
                taken += size;
                let places = finding.places.iter().map(|place| Place {
                    position: position(line, Some(place))
                        .map(|(file, line)| format!("{file}:{line}"))
                        .unwrap_or_default(),
                    path: shown(&place.path),
                    message: shown(&place.message),
                    evidence: shown(place.evidence.as_deref().unwrap_or_default()),
                });
                let waiver = finding.waiver.as_ref().map(|name| match view.waiver(finding) {
                    Some(waiver) => t!(
                        lang,
                        "audit-waived-until",
                        waiver = shown(name),
                        until = words::instant(waiver.expires),
                    ),
                    None => t!(lang, "audit-waived-by", waiver = shown(name)),
                });
                rows.push(Row {
                    object: named(&line.object),
                    result: words::outcome(lang, finding.outcome, control.scored),
                    outcome: outcome_key(finding.outcome, control.scored),
                    places: places.collect(),
                    more: finding.more,
                    waiver: waiver.unwrap_or_default(),
                });
            }
            let tally = &control.tally;
            Control {
                anchor,
                id: shown(&control.id),
                title: shown(text(&control.title, lang)),
                severity: words::severity(lang, control.severity),
                severity_key: control.severity.as_str(),
                high_risk: control.high_risk,
                clauses: shown(&control.clauses.join(", ")),
                items: shown(&control.items.join(", ")),
                references: control
                    .references
                    .iter()
                    .map(|(name, ids)| shown(&format!("{name} {}", ids.join(", "))))
                    .collect::<Vec<_>>()
                    .join("; "),
                says: match view.history {
                    None => t!(
                        lang,
                        "audit-control-says",
                        objects = tally.objects().to_string(),
                        pass = tally.pass.to_string(),
                        fail = tally.fail.to_string(),
                        skip = tally.skip.to_string(),
                        open = (tally.error + tally.unknown).to_string(),
                    ),
                    Some(_) => t!(
                        lang,
                        "audit-control-told",
                        fail = tally.fail.to_string(),
                        skip = tally.skip.to_string(),
                        open = (tally.error + tally.unknown).to_string(),
                    ),
                },
                fix: shown(text(&control.remediation, lang)),
                rows,
            }
        })
        .collect();
    (controls, taken, left_out)
}
