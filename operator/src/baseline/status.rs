//! The status of a `SecurityBaseline`: what a look came to, and since when.
//!
//! It follows from the look and from the status before, and nothing in it moves with the clock: an unchanged world gives the same bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use banyan_crds::{
    conditions::{self, READY, Stated},
    v1alpha1::{
        BaselineConclusion, BaselineCounts, ClauseStatus, ClauseVerdict, HighRiskStatus, NotDecided,
        ReportApi, SecurityBaselineStatus, Unreadable,
    },
    values::{ControlId, Decimal},
};
use banyan_policies::verdict::{Audit, Conclusion, Counts, Score, Verdict};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::kernel::plan::Notice;

#[cfg(test)]
mod tests;
mod words;

pub(super) use words::named;
pub use words::{EVALUATED, HIGH_RISKS_CLEAR, OBJECTS_READ, PACKS_LOADED, REPORTS_WRITTEN};

/// The pack whose figures are the baseline's where it is asked for.
pub(super) const LEADING_PACK: &str = "mlps";
/// How the entries of packs in `unreadable` begin, where the other entries are kinds of objects.
pub(super) const PACK_OF: &str = "ConfigMap ";

/// Bounds of the status, as its schema has them.
mod most {
    pub const CLAUSES: usize = 1024;
    pub const HIGH_RISKS: usize = 64;
    pub const NOT_DECIDED: usize = 512;
    pub const UNREADABLE: usize = 64;
    pub const PACK: usize = 63;
    pub const REQUIREMENT: usize = 128;
    pub const CLAUSE: usize = 64;
    pub const WHAT: usize = 317;
    pub const REASON: usize = 512;
}

/// What a look at the cluster came to, as far as the status needs it.
#[derive(Clone, Debug)]
pub struct Look {
    /// The verdicts. Its `objects` are empty.
    pub audit: Arc<Audit>,
    /// Kinds that could not be read, and why.
    pub unread: Vec<(String, String)>,
    /// The path of a field of the spec, or a pack's `ConfigMap` as `ConfigMap NAME`, and what is wrong with it.
    pub faults: Vec<(String, String)>,
    /// Controls that are to be held at admission, and why they are not decided there.
    pub not_decided: Vec<(String, String)>,
    /// How many controls are held at admission.
    pub held: usize,
    /// Report APIs that are asked for and not served.
    pub reports_missing: Vec<ReportApi>,
    /// Why a report could not be written.
    pub reports_failed: Option<String>,
    /// False while the first lists are under way: nothing can be told then.
    pub complete: bool,
    /// Generation of the spec.
    pub generation: Option<i64>,
    /// Whether nothing is changed.
    pub suspended: bool,
    /// The present.
    pub now: Timestamp,
}

impl Look {
    /// What is wrong with the spec: a fault is one of the spec by the path that it begins with.
    fn spec_faults(&self) -> impl Iterator<Item = &(String, String)> {
        self.faults.iter().filter(|(at, _)| at.starts_with("spec"))
    }

    /// What is wrong with `ConfigMaps` of packs.
    fn pack_faults(&self) -> impl Iterator<Item = &(String, String)> {
        self.faults.iter().filter(|(at, _)| !at.starts_with("spec"))
    }
}

/// The status after a look.
///
/// While the first lists are under way, what the status before has found stands as it is and speaks of the generation that it spoke of: a new
/// start of Banyan must not forget since when a clause is not met. What is so *now* is told by the conditions, which are `Unknown` then.
pub fn status(look: &Look, before: Option<&SecurityBaselineStatus>) -> SecurityBaselineStatus {
    let now = whole_seconds(look.now);
    let mut status = match before.filter(|before| !look.complete && has_looked(before)) {
        Some(before) => before.clone(),
        None => found(look, before, now),
    };
    status.actions = before.map(|before| before.actions.clone()).unwrap_or_default();
    let stated = words::conditions(look);
    let previous = before.map(|before| before.conditions.as_slice()).unwrap_or_default();
    status.conditions = conditions::merge(previous, &stated, look.generation, now);
    status
}

/// What a look found; of one that is not complete, that nothing is known.
fn found(look: &Look, before: Option<&SecurityBaselineStatus>, now: Timestamp) -> SecurityBaselineStatus {
    let audit = &look.audit;
    let score = look.complete.then(|| score(audit)).flatten();
    SecurityBaselineStatus {
        observed_generation: if look.complete { look.generation } else { Some(-1) },
        counts: look.complete.then(|| counts(&audit.counts)),
        clauses: clauses(look, before, now),
        score: score.map(|score| Decimal::rounded(score.points, 2)),
        compliance_rate: score.map(|score| Decimal::rounded(score.compliance_rate, 2)),
        conclusion: score.map(|score| conclusion(score.conclusion)),
        high_risks: if look.complete { high_risks(audit, before, now) } else { Vec::new() },
        not_decided_at_admission: not_decided(look),
        unreadable: unreadable(look),
        ..SecurityBaselineStatus::default()
    }
}

/// Whether one status tells the same as another but for figures that move with every object: counts, score, and how many objects fail. Those are
/// metrics; a status that told each of their steps would be written with every Pod that comes or goes.
#[must_use]
pub fn differs_in_figures_only(before: &SecurityBaselineStatus, after: &SecurityBaselineStatus) -> bool {
    let bare = |status: &SecurityBaselineStatus| {
        let mut bare = status.clone();
        bare.counts = bare.counts.map(|_| BaselineCounts::default());
        (bare.score, bare.compliance_rate) = (None, None);
        for clause in &mut bare.clauses {
            (clause.failing, clause.objects) = (0, 0);
        }
        bare.high_risks.iter_mut().for_each(|risk| risk.objects = 0);
        for condition in &mut bare.conditions {
            condition.message.clear();
        }
        bare
    };
    before != after && bare(before) == bare(after)
}

/// The status after a write of the plan has failed, of an admission policy for instance: `Ready` is false, since it was so before the look if it
/// was. `reason` is the category of the error; what is wrong with the spec goes before.
#[must_use]
pub fn write_failed(
    mut status: SecurityBaselineStatus,
    before: Option<&SecurityBaselineStatus>,
    reason: &'static str,
    why: &str,
    now: Timestamp,
) -> SecurityBaselineStatus {
    let ready = status
        .conditions
        .iter_mut()
        .find(|condition| condition.type_ == READY && condition.reason != words::INVALID_SPEC);
    if let Some(ready) = ready {
        let previous = before.map(|before| before.conditions.as_slice()).unwrap_or_default();
        let stated = [Stated::new(READY, false, reason, format!("{why}; it is tried again"))];
        let merged = conditions::merge(previous, &stated, ready.observed_generation, whole_seconds(now));
        if let Some(failed) = merged.into_iter().next() {
            *ready = failed;
        }
    }
    status
}

/// Whether a status tells of a whole look.
fn has_looked(status: &SecurityBaselineStatus) -> bool {
    status.observed_generation.is_some_and(|generation| generation >= 0)
}

/// The figures of the pack that leads, else of the first one that has any.
fn score(audit: &Audit) -> Option<&Score> {
    let leading = audit.packs.iter().filter(|pack| pack.name == LEADING_PACK);
    leading.chain(&audit.packs).find_map(|pack| pack.score.as_ref())
}

fn clauses(look: &Look, before: Option<&SecurityBaselineStatus>, now: Timestamp) -> Vec<ClauseStatus> {
    let audit = &look.audit;
    let known: BTreeMap<(&str, &str), &ClauseStatus> = before
        .iter()
        .flat_map(|before| &before.clauses)
        .map(|clause| ((clause.pack.as_str(), clause.requirement.as_str()), clause))
        .collect();
    let mut told = BTreeSet::new();
    let mut clauses = Vec::new();
    for line in &audit.clauses {
        let pack = audit.packs.get(line.pack).map_or("", |pack| pack.name.as_str());
        let (pack, requirement) = (cut(pack, most::PACK), cut(&line.requirement, most::REQUIREMENT));
        // The API server takes each key once.
        if clauses.len() == most::CLAUSES || !told.insert((pack.clone(), requirement.clone())) {
            continue;
        }
        let verdict = if look.complete { verdict(line.verdict) } else { ClauseVerdict::Unknown };
        let since = known
            .get(&(pack.as_str(), requirement.as_str()))
            .filter(|before| before.verdict == verdict)
            .map_or(Time(now), |before| before.since.clone());
        let judged = |place: &usize| {
            audit.controls.get(*place).map_or(0, |control| control.tally.objects() - control.tally.unknown)
        };
        let (failing, objects) =
            if look.complete { (line.failing, line.controls.iter().map(judged).sum()) } else { (0, 0) };
        clauses.push(ClauseStatus {
            pack,
            requirement,
            clause: cut(&line.clause, most::CLAUSE),
            verdict,
            since,
            failing: whole(failing),
            objects: whole(objects),
        });
    }
    clauses
}

fn high_risks(audit: &Audit, before: Option<&SecurityBaselineStatus>, now: Timestamp) -> Vec<HighRiskStatus> {
    let mut risks: Vec<HighRiskStatus> = Vec::new();
    for risk in &audit.high_risks {
        let Some(control) = audit.controls.get(risk.control) else { continue };
        // Two packs may have a control by the same name; the status has it once.
        if let Some(told) = risks.iter_mut().find(|told| told.control.0 == control.id) {
            told.objects += whole(risk.objects);
            continue;
        }
        let since = before
            .iter()
            .flat_map(|before| &before.high_risks)
            .find(|before| before.control.0 == control.id)
            .map_or(Time(now), |before| before.since.clone());
        risks.push(HighRiskStatus {
            control: ControlId(control.id.clone()),
            objects: whole(risk.objects),
            since,
        });
    }
    risks.truncate(most::HIGH_RISKS);
    risks
}

fn not_decided(look: &Look) -> Vec<NotDecided> {
    let by_id: BTreeMap<&str, &str> =
        look.not_decided.iter().map(|(id, why)| (id.as_str(), why.as_str())).collect();
    by_id
        .into_iter()
        .take(most::NOT_DECIDED)
        .map(|(id, why)| NotDecided { id: ControlId(id.to_owned()), reason: cut(why, most::REASON) })
        .collect()
}

fn unreadable(look: &Look) -> Vec<Unreadable> {
    let packs = look.pack_faults().map(|(map, why)| (map.clone(), why));
    let all: BTreeSet<_> = look.unread.iter().map(|(kind, why)| (kind.clone(), why)).chain(packs).collect();
    all.into_iter()
        .take(most::UNREADABLE)
        .map(|(what, why)| Unreadable { what: cut(&what, most::WHAT), reason: cut(why, most::REASON) })
        .collect()
}

/// What to tell of the change from one status to the next. Of a first look only the high risks are news.
pub fn notices(
    look: &Look,
    before: Option<&SecurityBaselineStatus>,
    after: &SecurityBaselineStatus,
) -> Vec<Notice> {
    if !look.complete {
        return Vec::new();
    }
    let before = before.filter(|before| has_looked(before));
    let controls = |status: &SecurityBaselineStatus| -> BTreeSet<String> {
        status.high_risks.iter().map(|risk| risk.control.0.clone()).collect()
    };
    let (was, is) = (before.map(controls).unwrap_or_default(), controls(after));
    let mut notices = Vec::new();
    let new: Vec<&str> = is.difference(&was).map(String::as_str).collect();
    if !new.is_empty() {
        let message = format!(
            "{}: a failure of it alone keeps the system from conforming (高风险); status.highRisks counts the objects",
            words::named(&new)
        );
        notices.push(Notice::warning("NewHighRisk", message));
    }
    let cleared: Vec<&str> =
        was.difference(&is).map(String::as_str).filter(|id| is_clear(&look.audit, id)).collect();
    if !cleared.is_empty() {
        notices.push(Notice::normal(
            "HighRiskCleared",
            format!("{}: nothing that is seen fails it any more", words::named(&cleared)),
        ));
    }
    let fallen: Vec<String> = before.map(|before| fallen(before, after)).unwrap_or_default();
    if !fallen.is_empty() {
        let fallen: Vec<&str> = fallen.iter().map(String::as_str).collect();
        notices
            .push(Notice::warning("ClauseFell", format!("no longer Compliant: {}", words::named(&fallen))));
    }
    notices
}

/// Whether a control is seen to fail nowhere: it is still asked for, and everything that it was to judge was judged.
fn is_clear(audit: &Audit, id: &str) -> bool {
    let mut controls = audit.controls.iter().filter(|control| control.id == id).peekable();
    controls.peek().is_some()
        && controls.all(|control| control.tally.fail + control.tally.error + control.tally.unknown == 0)
}

/// Clauses that were met and are seen not to be, or are due to be attested again.
fn fallen(before: &SecurityBaselineStatus, after: &SecurityBaselineStatus) -> Vec<String> {
    let met: BTreeSet<(&str, &str)> = before
        .clauses
        .iter()
        .filter(|clause| clause.verdict == ClauseVerdict::Compliant)
        .map(|clause| (clause.pack.as_str(), clause.requirement.as_str()))
        .collect();
    after
        .clauses
        .iter()
        .filter(|clause| {
            matches!(
                clause.verdict,
                ClauseVerdict::Partial | ClauseVerdict::NonCompliant | ClauseVerdict::ManualDue
            ) && met.contains(&(clause.pack.as_str(), clause.requirement.as_str()))
        })
        .map(|clause| format!("{} {} ({:?})", clause.pack, clause.clause, clause.verdict))
        .collect()
}

fn counts(counts: &Counts) -> BaselineCounts {
    BaselineCounts {
        pass: whole(counts.pass),
        fail: whole(counts.fail),
        warn: whole(counts.warn),
        error: whole(counts.error),
        skip: whole(counts.skip),
        manual: whole(counts.manual),
        unknown: whole(counts.unknown),
    }
}

fn verdict(verdict: Verdict) -> ClauseVerdict {
    match verdict {
        Verdict::NonCompliant => ClauseVerdict::NonCompliant,
        Verdict::Partial => ClauseVerdict::Partial,
        Verdict::ManualDue => ClauseVerdict::ManualDue,
        Verdict::Unknown => ClauseVerdict::Unknown,
        Verdict::Compliant => ClauseVerdict::Compliant,
        Verdict::NotApplicable => ClauseVerdict::NotApplicable,
    }
}

fn conclusion(conclusion: Conclusion) -> BaselineConclusion {
    match conclusion {
        Conclusion::Excellent => BaselineConclusion::Excellent,
        Conclusion::Good => BaselineConclusion::Good,
        Conclusion::Fair => BaselineConclusion::Fair,
        Conclusion::Poor => BaselineConclusion::Poor,
        Conclusion::Conforming => BaselineConclusion::Conforming,
        Conclusion::BasicallyConforming => BaselineConclusion::BasicallyConforming,
        Conclusion::NonConforming => BaselineConclusion::NonConforming,
        Conclusion::Undecided => BaselineConclusion::Undecided,
    }
}

fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The API server keeps whole seconds; a status that is read back must be the one that was written.
pub(super) fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// At most `limit` characters, which is how the schema counts.
fn cut(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}
