//! An audit for a terminal: what it comes to by pack, high risks, waivers, then the findings by control, the most severe first.

use std::fmt::Write as _;

use banyan_policies::verdict::{Audit, PackLine, Score, Verdict, WaiverState};

use super::{
    super::{plain, visible::visible},
    View,
    view::{conclusion, named, position, text},
    words,
};
use crate::{lang::Lang, t};

/// Every finding.
pub const ALL: usize = usize::MAX;

/// The text. Of each control at most so many findings are shown, and how many more there are.
pub fn render(audit: &Audit, lang: Lang, most: usize) -> String {
    render_view(&View::new(audit), lang, most)
}

/// The same of a view.
pub fn render_view(view: &View<'_>, lang: Lang, most: usize) -> String {
    let audit = view.audit;
    let mut out = String::new();
    let mut say = |line: &str| {
        out.push_str(line);
        out.push('\n');
    };
    say(&t!(lang, "audit-pre-check"));
    say(&looked_at(view, lang));
    for fault in &audit.faults {
        say(&t!(lang, "audit-fault", fault = visible(fault).into_owned()));
    }
    if !audit.unread.is_empty() {
        let kinds: Vec<_> = audit.unread.iter().map(|kind| visible(kind)).collect();
        say(&t!(lang, "audit-unread", kinds = kinds.join("; ")));
    }
    if view.nothing_matched() {
        say(&t!(lang, "audit-nothing-matched"));
    }
    if !audit.packs.is_empty() {
        say("");
        say(packs(audit, lang).trim_end());
        say(&counts(audit, lang));
        let scores = audit.packs.iter().filter(|pack| pack.score.is_some());
        for pack in scores {
            say(&headline(pack, view, lang));
        }
    }
    if !audit.high_risks.is_empty() {
        say("");
        say(&t!(lang, "audit-high-risks"));
        for risk in &audit.high_risks {
            let Some(control) = view.control(risk.control) else { continue };
            say(&format!(
                "  {}  {}",
                visible(&control.id),
                t!(
                    lang,
                    "audit-high-risk",
                    title = visible(text(&control.title, lang)).into_owned(),
                    objects = risk.objects,
                    waived = risk.waived.to_string(),
                )
            ));
        }
    }
    if !audit.waivers.is_empty() {
        say("");
        say(&t!(lang, "audit-waivers"));
        say(waivers(audit, lang).trim_end());
    }
    for paragraph in findings(view, lang, most) {
        say("");
        say(paragraph.trim_end());
    }
    out
}

/// What the audit rests on, and when.
pub(super) fn looked_at(view: &View<'_>, lang: Lang) -> String {
    let (objects, at) = (view.audit.looked_at, words::instant(view.audit.at));
    match view.history {
        None => t!(lang, "audit-looked-at", objects = objects, at = at),
        Some(_) => t!(lang, "audit-told-at", at = at),
    }
}

/// What a pack comes to, in a line.
pub(super) fn headline(pack: &PackLine, view: &View<'_>, lang: Lang) -> String {
    let name = visible(text(&pack.title, lang)).into_owned();
    let standard = visible(&pack.standard).into_owned();
    let level = visible(&pack.level).into_owned();
    let figures = |score: &Score| {
        t!(
            lang,
            "audit-figures",
            points = format!("{:.2}", score.points),
            rate = format!("{:.2}", score.compliance_rate),
            counted = score.counted.to_string(),
            undecided = score.undecided.to_string(),
        )
    };
    match &pack.score {
        Some(score) => {
            let figures = match conclusion(pack) {
                Some(conclusion) => {
                    let conclusion = words::conclusion(lang, conclusion);
                    t!(lang, "audit-concluded", conclusion = conclusion, figures = figures(score))
                }
                None => figures(score),
            };
            t!(lang, "audit-score", name = name, standard = standard, level = level, figures = figures)
        }
        // The status has the figures of one.
        None if view.history.is_some() => {
            t!(lang, "audit-score-not-told", name = name, standard = standard, level = level)
        }
        None => t!(lang, "audit-no-score", name = name, standard = standard, level = level),
    }
}

/// Findings by outcome, in a line.
pub(super) fn counts(audit: &Audit, lang: Lang) -> String {
    let counts = &audit.counts;
    t!(
        lang,
        "audit-counts",
        pass = counts.pass.to_string(),
        fail = counts.fail.to_string(),
        warn = counts.warn.to_string(),
        error = counts.error.to_string(),
        skip = counts.skip.to_string(),
        unknown = counts.unknown.to_string(),
    )
}

fn packs(audit: &Audit, lang: Lang) -> String {
    let mut header = vec![t!(lang, "audit-pack"), t!(lang, "audit-level")];
    header.extend(Verdict::ALL.map(|verdict| words::verdict(lang, verdict)));
    let rows: Vec<Vec<String>> = audit
        .packs
        .iter()
        .map(|pack| {
            let counts =
                Verdict::ALL.map(|verdict| pack.verdicts.get(&verdict).copied().unwrap_or(0).to_string());
            [visible(&pack.name).into_owned(), visible(&pack.level).into_owned()]
                .into_iter()
                .chain(counts)
                .collect()
        })
        .collect();
    plain::render(&header, &rows)
}

fn waivers(audit: &Audit, lang: Lang) -> String {
    let header = [
        t!(lang, "audit-waiver"),
        t!(lang, "audit-state"),
        t!(lang, "audit-expires"),
        t!(lang, "audit-uses"),
        t!(lang, "audit-approved-by"),
        t!(lang, "audit-reason"),
    ];
    let rows: Vec<Vec<String>> = audit
        .waivers
        .iter()
        .map(|waiver| {
            let uses = if waiver.state == WaiverState::Active { waiver.uses } else { waiver.missed };
            vec![
                visible(&waiver.name).into_owned(),
                words::waiver(lang, waiver.state),
                words::instant(waiver.expires),
                uses.to_string(),
                visible(&waiver.approved_by).into_owned(),
                visible(&waiver.reason).into_owned(),
            ]
        })
        .collect();
    plain::render(&header, &rows)
}

/// A paragraph for each control of which something is kept.
fn findings(view: &View<'_>, lang: Lang, most: usize) -> Vec<String> {
    let mut order: Vec<_> =
        view.audit.controls.iter().zip(view.by_control()).filter(|(_, found)| !found.is_empty()).collect();
    order.sort_by_key(|(control, _)| std::cmp::Reverse((control.tally.fail > 0, control.severity)));
    order
        .into_iter()
        .map(|(control, found)| {
            let tally = &control.tally;
            let severity = words::severity(lang, control.severity);
            let id = visible(&control.id).into_owned();
            let title = visible(text(&control.title, lang)).into_owned();
            let clauses = visible(&control.clauses.join(", ")).into_owned();
            let fail = (tally.fail + tally.error).to_string();
            let mut paragraph = match view.history {
                None => t!(
                    lang,
                    "audit-control-head",
                    severity = severity,
                    control = id,
                    title = title,
                    clauses = clauses,
                    fail = fail,
                    objects = tally.objects().to_string(),
                ),
                Some(_) => t!(
                    lang,
                    "audit-control-head-told",
                    severity = severity,
                    control = id,
                    title = title,
                    clauses = clauses,
                    fail = fail,
                ),
            };
            paragraph.push('\n');
            for (line, finding) in found.iter().take(most) {
                let outcome = words::outcome(lang, finding.outcome, control.scored);
                let waived = finding
                    .waiver
                    .as_ref()
                    .map(|name| {
                        format!(" ({})", t!(lang, "audit-waived-by", waiver = visible(name).into_owned()))
                    })
                    .unwrap_or_default();
                let _ = writeln!(paragraph, "  {outcome}  {}{waived}", named(&line.object));
                for place in &finding.places {
                    let at = position(line, Some(place)).map(|(file, line)| format!("{file}:{line}"));
                    let path = (!place.path.is_empty()).then(|| visible(&place.path).into_owned());
                    let message = (!place.message.is_empty()).then(|| visible(&place.message).into_owned());
                    let parts: Vec<String> = at.into_iter().chain(path).chain(message).collect();
                    let _ = writeln!(paragraph, "      {}", parts.join("  "));
                }
                if finding.places.is_empty()
                    && let Some((file, line)) = position(line, None)
                {
                    let _ = writeln!(paragraph, "      {file}:{line}");
                }
                if finding.more > 0 {
                    let _ = writeln!(paragraph, "      {}", t!(lang, "audit-more", count = finding.more));
                }
            }
            if found.len() > most {
                let _ = writeln!(paragraph, "  {}", t!(lang, "audit-more", count = found.len() - most));
            }
            if tally.fail > 0 {
                let fix = visible(text(&control.remediation, lang)).into_owned();
                let _ = writeln!(paragraph, "  {}", t!(lang, "audit-fix", fix = fix));
            }
            paragraph
        })
        .collect()
}
