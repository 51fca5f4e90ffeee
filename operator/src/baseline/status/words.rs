//! The conditions of a baseline in words: what is so, and what to do next. No figure in them moves while the verdicts stand.

use banyan_crds::{
    conditions::{READY, Stated, Truth},
    v1alpha1::ReportApi,
};
use banyan_policies::verdict::ControlLine;

use super::{Look, most};

/// Every pack that is asked for, and every pack in a `ConfigMap`, can be used.
pub const PACKS_LOADED: &str = "PacksLoaded";
/// Every kind that a control looks at could be read.
pub const OBJECTS_READ: &str = "ObjectsRead";
/// Every control could be evaluated on every object.
pub const EVALUATED: &str = "Evaluated";
/// The reports that are asked for are written.
pub const REPORTS_WRITTEN: &str = "ReportsWritten";
/// No high risk stands, and none is out of sight.
pub const HIGH_RISKS_CLEAR: &str = "HighRisksClear";

/// How many names a message has until it counts the rest.
const NAMED: usize = 5;
const LOOKING: &str = "the first look at the cluster is under way";
pub(super) const INVALID_SPEC: &str = "InvalidSpec";
const PACK_UNUSABLE: &str = "PackUnusable";
const NOT_LOOKED_YET: &str = "NotLookedYet";

/// The conditions in their order.
pub(super) fn conditions(look: &Look) -> Vec<Stated> {
    let told = [objects_read, evaluated, reports_written, high_risks_clear];
    let kinds = [OBJECTS_READ, EVALUATED, REPORTS_WRITTEN, HIGH_RISKS_CLEAR];
    let rest = told.into_iter().zip(kinds).map(|(tell, kind)| {
        if look.complete { tell(look) } else { Stated::new(kind, Truth::Unknown, NOT_LOOKED_YET, LOOKING) }
    });
    [ready(look), packs_loaded(look)].into_iter().chain(rest).collect()
}

fn ready(look: &Look) -> Stated {
    let faults: Vec<_> = look.spec_faults().collect();
    if let Some((at, wrong)) = faults.first() {
        let more = match faults.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let message = format!("{at}: {wrong}{more}; the rest counts");
        // The spec names it rightly, and a control of it cannot be used.
        let reason = if at == "spec.packs" { PACK_UNUSABLE } else { INVALID_SPEC };
        return Stated::new(READY, false, reason, message);
    }
    if !look.complete {
        return Stated::new(READY, false, NOT_LOOKED_YET, LOOKING);
    }
    if let Some(why) = &look.reports_failed {
        return Stated::new(READY, false, "ReportsFailed", format!("{why}; it is tried again"));
    }
    if look.suspended {
        let message =
            "spec.suspend is set: it is judged and reported, and admission policies stay as they are";
        return Stated::new(READY, true, "Suspended", message);
    }
    let mut message = format!(
        "{} clauses are judged; {} controls are held at admission",
        look.audit.clauses.len(),
        look.held
    );
    if !look.not_decided.is_empty() {
        message += "; status.notDecidedAtAdmission has those that are only audited";
    }
    message += &shown("clauses", look.audit.clauses.len(), most::CLAUSES);
    message += &shown("controls that are only audited", look.not_decided.len(), most::NOT_DECIDED);
    Stated::new(READY, true, "Reconciled", message)
}

fn packs_loaded(look: &Look) -> Stated {
    let mut faults =
        look.faults.iter().filter(|(at, _)| !at.starts_with("spec") || at.starts_with("spec.packs"));
    let Some((at, wrong)) = faults.next() else {
        return Stated::new(PACKS_LOADED, true, "Loaded", "every pack can be used");
    };
    let more = match faults.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    let message = format!("{at}: {wrong}{more}; the other packs count");
    Stated::new(PACKS_LOADED, false, PACK_UNUSABLE, message)
}

fn objects_read(look: &Look) -> Stated {
    if look.unread.is_empty() {
        return Stated::new(OBJECTS_READ, true, "Read", "everything that the controls look at was read");
    }
    let mut kinds: Vec<&str> = look.unread.iter().map(|(kind, _)| kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let message = format!(
        "{}: what depends on it is Unknown; status.unreadable has the reason{}",
        named(&kinds),
        shown("entries", look.unread.len() + look.pack_faults().count(), most::UNREADABLE)
    );
    Stated::new(OBJECTS_READ, false, "Unreadable", message)
}

fn evaluated(look: &Look) -> Stated {
    let failing = ids(look, |control| control.tally.error > 0);
    if failing.is_empty() && look.audit.counts.error == 0 {
        return Stated::new(EVALUATED, true, "Evaluated", "every control could be evaluated");
    }
    let message = format!(
        "{}: could not be evaluated on some objects, which counts as not held; reports, and banyan audit --cluster, say where and why",
        named(&failing)
    );
    Stated::new(EVALUATED, false, "EvaluationFailed", message)
}

fn reports_written(look: &Look) -> Stated {
    if let Some(why) = &look.reports_failed {
        return Stated::new(REPORTS_WRITTEN, false, "ReportsFailed", format!("{why}; it is tried again"));
    }
    let mut missing: Vec<&str> = look.reports_missing.iter().copied().map(version).collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Stated::new(REPORTS_WRITTEN, true, "Written", "what is asked for is written");
    }
    let message = format!(
        "{} is not served: install its CustomResourceDefinitions (the chart does with reports.installCRDs=true), or take it out of spec.reports.apis",
        missing.join(", ")
    );
    Stated::new(REPORTS_WRITTEN, false, "ReportsNotServed", message)
}

fn high_risks_clear(look: &Look) -> Stated {
    let audit = &look.audit;
    let standing: Vec<&str> = audit
        .high_risks
        .iter()
        .filter_map(|risk| audit.controls.get(risk.control))
        .map(|control| control.id.as_str())
        .collect();
    if !standing.is_empty() {
        let message = format!(
            "{}: fails, and a high risk (高风险) alone keeps the system from conforming; see status.highRisks{}",
            named(&standing),
            shown("high risks", standing.len(), most::HIGH_RISKS)
        );
        return Stated::new(HIGH_RISKS_CLEAR, false, "HighRisk", message);
    }
    // What nothing was seen of may be because there is nothing, or because it could not be read.
    let blind = !look.unread.is_empty();
    let unseen = ids(look, |control| {
        control.high_risk
            && (control.tally.unknown + control.tally.error > 0 || (blind && control.tally.objects() == 0))
    });
    if !unseen.is_empty() {
        let message =
            format!("{}: not everything could be judged, and a high risk may stand", named(&unseen));
        return Stated::new(HIGH_RISKS_CLEAR, Truth::Unknown, "NotSeen", message);
    }
    if look.faults.iter().any(|(at, _)| at.starts_with("spec.packs")) {
        let message =
            "a pack that is asked for, or a control of it, cannot be used: its high risks are not seen";
        return Stated::new(HIGH_RISKS_CLEAR, Truth::Unknown, "NotSeen", message);
    }
    Stated::new(HIGH_RISKS_CLEAR, true, "Clear", "no high risk stands")
}

/// Group and version of an API of reports.
fn version(api: ReportApi) -> &'static str {
    match api {
        ReportApi::OpenReports => "openreports.io/v1alpha1",
        ReportApi::WgPolicy => "wgpolicyk8s.io/v1alpha2",
    }
}

fn ids(look: &Look, test: impl Fn(&ControlLine) -> bool) -> Vec<&str> {
    let mut ids: Vec<&str> = look
        .audit
        .controls
        .iter()
        .filter(|control| test(control))
        .map(|control| control.id.as_str())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// The first few of `names`, and how many more there are.
pub(in super::super) fn named(names: &[&str]) -> String {
    let first = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// That a list of the status is cut, where it is.
fn shown(what: &str, all: usize, most: usize) -> String {
    if all > most { format!("; status shows {most} of {all} {what}") } else { String::new() }
}
