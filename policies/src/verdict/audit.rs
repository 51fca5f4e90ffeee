//! A whole audit as plain data: what renderers print, what the operator puts into status.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    clause::{self, Attestation, Attested, NotApplicable, Seen, Verdict},
    score::{self, Score, ScoringModel},
    tally::Tally,
    waiver::{WaiverState, Waivers},
};
use crate::{
    engine::{Compiled, Finding, Judged, Kept, Known, ObjectRef, Outcome, Place, Texts},
    pack::{Absent, Kind, Severity, Strength, Text},
};

/// What an audit is told beside the objects.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// Clauses that are declared not to apply.
    pub not_applicable: Vec<NotApplicable>,
    /// What people attest.
    pub attestations: Vec<Attestation>,
    /// The template of the score.
    pub scoring: ScoringModel,
    /// The outcomes whose findings are kept; the others are counted only.
    pub keep: Vec<Outcome>,
}

/// An audit while its objects come in.
#[derive(Debug)]
pub struct Work<'c> {
    compiled: &'c Compiled,
    waivers: Waivers,
    keep: Vec<Outcome>,
    tallies: Vec<Tally>,
    kept: BTreeMap<usize, (ObjectRef, Vec<Kept>)>,
    texts: Texts,
    /// What was said of each object, also of what is not kept.
    said: BTreeMap<usize, Tally>,
    objects: usize,
}

impl<'c> Work<'c> {
    /// Begins an audit.
    pub fn new(compiled: &'c Compiled, waivers: Waivers, keep: &[Outcome]) -> Self {
        Self {
            compiled,
            waivers,
            keep: keep.to_vec(),
            tallies: vec![Tally::default(); compiled.controls.len()],
            kept: BTreeMap::new(),
            texts: Texts::default(),
            said: BTreeMap::new(),
            objects: 0,
        }
    }

    /// Takes in what was found about an object, the first time and when its related objects were known.
    pub fn add(&mut self, mut judged: Judged) {
        self.waivers.apply(self.compiled, &judged.object, &mut judged.findings);
        let said = self.said.entry(judged.place).or_default();
        for finding in &judged.findings {
            said.add(finding);
            if let Some(tally) = self.tallies.get_mut(finding.control) {
                tally.add(finding);
            }
        }
        judged.findings.retain(|finding| self.keep.contains(&finding.outcome));
        if judged.findings.is_empty() {
            return;
        }
        let kept = &mut self.kept.entry(judged.place).or_insert_with(|| (judged.object, Vec::new())).1;
        // Exactly as much as they need: there are many of them, they stay, and collecting would keep the room of all that passed.
        kept.reserve_exact(judged.findings.len());
        for finding in judged.findings {
            kept.push(Kept::of(finding, &mut self.texts));
        }
    }

    /// Takes in what is known of an object of which nothing is to be kept.
    pub fn tell(&mut self, seen: Known<'_>) {
        for control in seen.passed {
            if let Some(tally) = self.tallies.get_mut(usize::from(*control)) {
                tally.pass += 1;
            }
        }
        for kept in seen.others {
            let covered = kept.outcome == Outcome::Fail
                && self.waivers.cover(self.compiled, seen.object, kept.control).is_some();
            let outcome = if covered { Outcome::Skip } else { kept.outcome };
            if let Some(tally) = self.tallies.get_mut(kept.control) {
                tally.count(outcome);
            }
        }
    }

    /// Counts an object that was looked at.
    pub fn count(&mut self) {
        self.objects += 1;
    }
}

impl FindingLine {
    fn of(finding: Finding) -> Self {
        let place = |place: Place| PlaceLine {
            path: place.path,
            message: place.message,
            evidence: place.evidence,
            line: place.line.map(|line| line as usize),
        };
        let Finding { control, outcome, places, more, waiver } = finding;
        Self { control, outcome, places: places.into_iter().map(place).collect(), more, waiver }
    }
}

/// The audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Audit {
    /// The instant for which it is valid.
    pub at: Timestamp,
    /// The packs.
    pub packs: Vec<PackLine>,
    /// The controls that applied, by pack and id.
    pub controls: Vec<ControlLine>,
    /// The requirements, in the order of their standards.
    pub clauses: Vec<ClauseLine>,
    /// The objects of which a finding was kept, in the order in which they were read.
    pub objects: Vec<ObjectLine>,
    /// How many objects were looked at.
    pub looked_at: usize,
    /// Findings by outcome.
    pub counts: Counts,
    /// What stands in the way of any conclusion.
    pub high_risks: Vec<HighRisk>,
    /// The waivers that were given.
    pub waivers: Vec<WaiverLine>,
    /// What could not be read, and what was wrong with packs and input: one line each.
    pub faults: Vec<String>,
    /// The kinds that could not be read.
    pub unread: Vec<String>,
}

/// A pack in an audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PackLine {
    /// Its name.
    pub name: String,
    /// Its title.
    pub title: Text,
    /// The standard.
    pub standard: String,
    /// Its version.
    pub version: String,
    /// The level.
    pub level: String,
    /// What a reader must know.
    pub note: Text,
    /// Requirements by verdict.
    pub verdicts: BTreeMap<Verdict, usize>,
    /// The figures; none when no item counts.
    pub score: Option<Score>,
}

/// A control in an audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ControlLine {
    /// Its id.
    pub id: String,
    /// Its pack, by place.
    pub pack: usize,
    /// Its title.
    pub title: Text,
    /// Its severity.
    pub severity: Severity,
    /// How it decides.
    pub kind: Kind,
    /// Whether a failure is a high risk.
    pub high_risk: bool,
    /// Whether it counts: some requirement of it is not optional (可). A failure of one that does not is a warning.
    pub scored: bool,
    /// Its clauses.
    pub clauses: Vec<String>,
    /// Its test items of GB/T 28448.
    pub items: Vec<String>,
    /// What to change.
    pub remediation: Text,
    /// The same in other catalogues.
    pub references: BTreeMap<String, Vec<String>>,
    /// What it said.
    pub tally: Tally,
}

/// A requirement in an audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClauseLine {
    /// Its pack, by place.
    pub pack: usize,
    /// The id of the requirement.
    pub requirement: String,
    /// The clause at this level.
    pub clause: String,
    /// The test item of GB/T 28448.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// The standard's heading.
    pub title: Text,
    /// What it asks.
    pub summary: Text,
    /// The part of the standard.
    pub part: String,
    /// The area of the standard.
    pub area: String,
    /// How it is decided.
    pub kind: Kind,
    /// 可: it does not count.
    pub optional: bool,
    /// What is said of it.
    pub verdict: Verdict,
    /// Why, in a few words.
    pub reason: String,
    /// 0 to 1, none where nothing was decided.
    pub score: Option<f64>,
    /// Its controls, by place.
    pub controls: Vec<usize>,
    /// How many objects fail.
    pub failing: usize,
    /// What people attest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attested: Vec<Attested>,
}

/// An object in an audit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLine {
    /// The object.
    pub object: ObjectRef,
    /// Its place in the order of reading; [`usize::MAX`] for the cluster as a whole.
    pub place: usize,
    /// Where it was read; none for objects of a cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// How many controls said what of it, those whose findings are not kept included.
    pub tally: Tally,
    /// What was found.
    pub findings: Vec<FindingLine>,
}

/// Where an object was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The file.
    pub file: String,
    /// The line on which it begins, from 1.
    pub line: usize,
}

/// A finding in an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingLine {
    /// The control, by place.
    pub control: usize,
    /// `pass`, `fail`, `error`, `unknown`, `skip`.
    pub outcome: Outcome,
    /// Where and what.
    pub places: Vec<PlaceLine>,
    /// How many places more there are.
    pub more: usize,
    /// The waiver that covers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiver: Option<String>,
}

/// A place in an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceLine {
    /// The path in the object, empty for the object as a whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What stands there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
    /// The line in the file, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

/// Findings by outcome, as a baseline's status has them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Counts {
    pub pass: usize,
    pub fail: usize,
    pub warn: usize,
    pub error: usize,
    pub skip: usize,
    pub manual: usize,
    pub unknown: usize,
}

/// A high risk that stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HighRisk {
    /// The control, by place.
    pub control: usize,
    /// How many objects fail.
    pub objects: usize,
    /// How many of its failures are waived; a waiver answers for a risk, it does not take it away.
    pub waived: usize,
}

/// A waiver in an audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WaiverLine {
    /// Its name.
    pub name: String,
    /// The controls that it covers.
    pub controls: Vec<String>,
    /// Why.
    pub reason: String,
    /// Where it was decided.
    pub ticket: String,
    /// The first instant at which it is no longer valid.
    pub expires: Timestamp,
    /// Who approved it.
    pub approved_by: String,
    /// What it is worth.
    pub state: WaiverState,
    /// How many findings it covers.
    pub uses: usize,
    /// How many it would cover if it were valid.
    pub missed: usize,
}

/// Ends an audit.
pub fn conclude(work: Work<'_>, input: &Input, now: Timestamp) -> Audit {
    let Work { compiled, waivers, tallies, kept, said, objects, .. } = work;
    let tally = |place: usize| tallies.get(place).copied().unwrap_or_default();
    let mut controls: Vec<ControlLine> = compiled
        .controls
        .iter()
        .enumerate()
        .map(|(place, active)| ControlLine {
            id: active.control.id.clone(),
            pack: active.pack,
            title: active.control.title.clone(),
            severity: active.control.severity,
            kind: active.control.kind,
            high_risk: active.control.high_risk,
            scored: true,
            clauses: active.clauses.iter().map(|(_, clause)| clause.clause.clone()).collect(),
            items: active.clauses.iter().filter_map(|(_, clause)| clause.item.clone()).collect(),
            remediation: active.control.remediation.clone(),
            references: active.control.references.clone(),
            tally: tally(place),
        })
        .collect();
    let mut clauses = Vec::new();
    for (pack, chosen) in compiled.packs.iter().enumerate() {
        for (place, clause) in &chosen.requirements {
            let Some(requirement) = chosen.pack.requirements.get(*place) else { continue };
            let mine: Vec<usize> = compiled
                .controls
                .iter()
                .enumerate()
                .filter(|(_, active)| {
                    active.pack == pack && active.clauses.iter().any(|(id, _)| *id == requirement.id)
                })
                .map(|(place, _)| place)
                .collect();
            let seen: Vec<Seen<'_>> = mine
                .iter()
                .filter_map(|place| {
                    Some(Seen { control: &compiled.controls.get(*place)?.control, tally: tally(*place) })
                })
                .collect();
            let attested: Vec<Attested> = input
                .attestations
                .iter()
                .filter(|attestation| attestation.clause == clause.clause)
                .map(|attestation| Attested {
                    by: attestation.by.clone(),
                    evidence: attestation.evidence.clone(),
                    valid_until: attestation.valid_until,
                    valid: attestation.valid(now),
                    applies_to: attestation.applies_to.clone(),
                })
                .collect();
            let declared = input.not_applicable.iter().find(|declared| declared.clause == clause.clause);
            let judgement = clause::judge(requirement, &seen, &attested, declared);
            let level = chosen.selection.level_of(requirement);
            clauses.push(ClauseLine {
                pack,
                requirement: requirement.id.clone(),
                clause: clause.clause.clone(),
                item: clause.item.clone(),
                title: requirement.title.clone(),
                summary: requirement.summary.clone(),
                part: requirement.part.clone(),
                area: requirement.area.clone(),
                kind: requirement.kind,
                optional: requirement.optional.contains(level) || clause.strength == Strength::May,
                verdict: judgement.verdict,
                reason: judgement.reason,
                score: judgement.score,
                failing: seen.iter().map(|seen| seen.tally.fail + seen.tally.error).sum(),
                controls: mine,
                attested,
            });
        }
    }
    for (place, control) in controls.iter_mut().enumerate() {
        control.scored =
            clauses.iter().any(|clause: &ClauseLine| !clause.optional && clause.controls.contains(&place));
    }
    let high_risks: Vec<HighRisk> = compiled
        .controls
        .iter()
        .enumerate()
        .filter(|(_, active)| active.control.high_risk)
        .filter_map(|(place, active)| {
            let tally = tally(place);
            let absent = tally.objects() == 0 && active.control.absent == Absent::Fail;
            (tally.fail > 0 || absent).then_some(HighRisk {
                control: place,
                objects: tally.fail,
                waived: tally.skip,
            })
        })
        .collect();
    let packs = compiled
        .packs
        .iter()
        .enumerate()
        .map(|(pack, chosen)| {
            let mut verdicts = BTreeMap::new();
            for clause in clauses.iter().filter(|clause| clause.pack == pack) {
                *verdicts.entry(clause.verdict).or_default() += 1;
            }
            let standing = high_risks
                .iter()
                .filter(|risk| controls.get(risk.control).is_some_and(|control| control.pack == pack))
                .count();
            let medium = controls.iter().any(|control| {
                control.pack == pack && control.tally.fail > 0 && control.severity >= Severity::Medium
            });
            let about = &chosen.pack.about;
            PackLine {
                name: about.name.clone(),
                title: about.title.clone(),
                standard: about.standard.clone(),
                version: about.version.clone(),
                level: chosen.selection.level.0.clone(),
                note: about.note.clone(),
                score: score::score(input.scoring, &clauses, pack, standing, medium),
                verdicts,
            }
        })
        .collect();
    let mut counts = Counts::default();
    for (tally, control) in tallies.iter().zip(&controls) {
        counts.pass += tally.pass;
        *(if control.scored { &mut counts.fail } else { &mut counts.warn }) += tally.fail;
        counts.error += tally.error;
        counts.unknown += tally.unknown;
        counts.skip += tally.skip;
    }
    counts.manual = clauses.iter().filter(|clause| clause.verdict == Verdict::ManualDue).count();
    Audit {
        at: now,
        packs,
        controls,
        objects: kept
            .into_iter()
            .map(|(place, (object, findings))| ObjectLine {
                object,
                place,
                origin: None,
                tally: said.get(&place).copied().unwrap_or_default(),
                findings: findings.iter().map(|kept| FindingLine::of(kept.finding())).collect(),
            })
            .collect(),
        clauses,
        looked_at: objects,
        counts,
        high_risks,
        waivers: waivers
            .lines()
            .map(|(waiver, state, uses, missed)| WaiverLine {
                name: waiver.name.clone(),
                controls: waiver.controls.clone(),
                reason: waiver.reason.clone(),
                ticket: waiver.ticket.clone(),
                expires: waiver.expires,
                approved_by: waiver.approved_by.clone(),
                state,
                uses,
                missed,
            })
            .collect(),
        faults: Vec::new(),
        unread: Vec::new(),
    }
}

/// What is told of one object: the findings with a kept outcome, as its waivers make them.
pub fn line_of(compiled: &Compiled, waivers: &mut Waivers, seen: Known<'_>, keep: &[Outcome]) -> ObjectLine {
    let mut tally = Tally { pass: seen.passed.len(), ..Tally::default() };
    let mut findings = Vec::new();
    if keep.contains(&Outcome::Pass) {
        findings.extend(seen.passed.iter().map(|control| Finding::passed(usize::from(*control))));
    }
    for kept in seen.others {
        let waiver = match kept.outcome {
            Outcome::Fail => waivers.cover(compiled, seen.object, kept.control),
            _ => None,
        };
        let outcome = if waiver.is_some() { Outcome::Skip } else { kept.outcome };
        tally.count(outcome);
        if keep.contains(&outcome) {
            let waiver = waiver.map(|waiver| waiver.name.clone());
            findings.push(Finding { outcome, waiver, ..kept.finding() });
        }
    }
    findings.sort_by_key(|finding| finding.control);
    ObjectLine {
        object: seen.object.clone(),
        place: if seen.whole { usize::MAX } else { 0 },
        origin: None,
        tally,
        findings: findings.into_iter().map(FindingLine::of).collect(),
    }
}
