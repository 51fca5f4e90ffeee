//! The conditions of a site in words: what is so, and what to do next.
//!
//! A message changes only when a verdict, a reason or a closed window does; figures that move from minute to minute
//! are metrics.

use banyan_crds::{
    conditions::{READY, Stated, Truth},
    v1alpha1::{DataCenter, DataCenterStatus, EnforcementState, Verdict},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::doctor::desk;

use super::{
    energy::Window,
    enforce::Decision,
    fights,
    observe::Observation,
    plan::{Judgement, blinding},
    site::{self, MeterInput},
    spec::{Site, SpecError},
    thermal, windows,
};

/// Every meter gives readings that can be true.
pub const METERS_HEALTHY: &str = "MetersHealthy";
/// The last closed window has a PUE that can be judged.
pub const PUE_VALID: &str = "PUEValid";
/// Neither the annual nor the operational verdict is `Violated`.
pub const PUE_WITHIN_TARGET: &str = "PUEWithinTarget";
/// No action is in force.
pub const NOT_ENFORCING: &str = "NotEnforcing";
/// No other field manager sets back what an action borrows.
pub const UNCONTESTED: &str = "Uncontested";
/// Air at the inlets is within the class of the equipment.
pub const THERMAL_WITHIN_CLASS: &str = "ThermalWithinClass";
/// The query of the racks in use gives a count.
pub const RACKS_COUNTED: &str = "RacksCounted";
/// The site's cluster is the one that is meant.
pub const CLUSTER_IDENTIFIED: &str = "ClusterIdentified";

/// Everything the words are made of.
pub struct Facts<'a> {
    /// The resource.
    pub dc: &'a DataCenter,
    /// Its spec, read.
    pub site: Result<&'a Site, SpecError>,
    /// The observation.
    pub seen: &'a Observation,
    /// Meters with their curves.
    pub meters: &'a [MeterInput],
    /// What was judged.
    pub judgement: Option<&'a Judgement>,
    /// What is done.
    pub decision: &'a Decision,
    /// The status so far.
    pub status: &'a DataCenterStatus,
    /// The conditions before.
    pub previous: &'a [Condition],
}

/// The conditions, `Ready` first.
pub fn conditions(facts: &Facts<'_>) -> Vec<Stated> {
    let mut stated = vec![ready(facts)];
    if facts.dc.spec.energy.is_some() && facts.site.is_ok() {
        stated.push(meters_healthy(facts));
        stated.push(pue_valid(facts));
        if facts.dc.spec.pue.is_some() {
            stated.push(within_target(facts));
        }
    }
    if facts.dc.spec.enforcement.is_some() {
        stated.push(not_enforcing(facts));
        stated.push(uncontested(facts));
    }
    if let Some(thermal) = &facts.dc.spec.thermal
        && facts.site.is_ok()
    {
        stated.push(steady(facts.previous, thermal_condition(facts, thermal.ashrae_class)));
    }
    if let Some(counted) = &facts.seen.racks_in_use {
        stated.push(match counted {
            Ok(_) => Stated::new(RACKS_COUNTED, true, "Counted", "the query gives a count"),
            Err(blind) => {
                let message =
                    format!("racks.inUseQuery: {}; status.racksInUse is the last count", blind.message);
                steady(facts.previous, Stated::new(RACKS_COUNTED, Truth::Unknown, blind.reason, message))
            }
        });
    }
    if facts.dc.spec.cluster.is_some() {
        stated.push(match &facts.seen.here {
            Ok(true) => Stated::new(
                CLUSTER_IDENTIFIED,
                true,
                "ThisCluster",
                "the site's cluster is the one that Banyan runs in",
            ),
            Ok(false) => Stated::new(
                CLUSTER_IDENTIFIED,
                true,
                "AnotherCluster",
                "the site's cluster is another one; the Banyan that runs there takes its actions",
            ),
            Err(blind) => {
                steady(facts.previous, Stated::new(CLUSTER_IDENTIFIED, false, blind.reason, &blind.message))
            }
        });
    }
    stated.extend(desk::stated(&facts.seen.installation));
    stated
}

/// With the same status and reason as before, the message of before: for what wavers.
fn steady(previous: &[Condition], new: Stated) -> Stated {
    let same = previous
        .iter()
        .find(|old| old.type_ == new.kind && old.status == new.truth.as_str() && old.reason == new.reason);
    match same {
        Some(old) => Stated { message: old.message.clone(), ..new },
        None => new,
    }
}

fn ready(facts: &Facts<'_>) -> Stated {
    if let Err(error) = &facts.site {
        return Stated::new(READY, false, "InvalidSpec", error.to_string());
    }
    if let Err(wrong) = &facts.seen.found.ledger {
        return Stated::new(
            READY,
            false,
            "LedgerUnreadable",
            format!(
                "the energy ledger is left as it is, because it cannot be read: {wrong}; restore the ConfigMap, or delete it to fill a new one from Prometheus"
            ),
        );
    }
    if let Err(blind) = &facts.seen.here
        && matches!(
            blind.reason,
            "DuplicateCluster" | "KubeconfigRefused" | "KubeconfigUnreadable" | "OtherCluster"
        )
    {
        return Stated::new(READY, false, blind.reason, &blind.message);
    }
    if facts.dc.spec.suspend {
        return Stated::new(
            READY,
            true,
            "Suspended",
            "suspended: Banyan looks and reports, and changes nothing",
        );
    }
    Stated::new(READY, true, "Reconciled", "this generation has been taken in")
}

fn meters_healthy(facts: &Facts<'_>) -> Stated {
    let now = facts.seen.now.as_millisecond();
    let mut wrong: Vec<String> = Vec::new();
    let mut reason = "Healthy";
    let mut unseen = false;
    for meter in facts.meters {
        let served = meter.rules.in_service(Window { from: now - 1, to: now }).length_ms() > 0;
        if !served {
            continue;
        }
        if let Some(Err(blind)) = facts.seen.samples.get(&meter.name) {
            // All meters of a server that is down have one fault: the first names it.
            if reason == "Healthy" || !unseen {
                reason = blind.reason;
            }
            unseen |= !blind.empty;
            wrong.push(format!("{}: {}", meter.name, blind.message));
        } else {
            let last = meter.curve.as_ref().and_then(super::energy::Curve::last_sample);
            let overdue = last.is_none_or(|last| last + 2 * meter.rules.settle_ms() < now);
            if overdue {
                reason = if reason == "Healthy" { "Stale" } else { reason };
                wrong.push(match last {
                    Some(last) => {
                        format!("{}: no reading since {}", meter.name, windows::timestamp(last))
                    }
                    None => format!("{}: no usable reading", meter.name),
                });
            }
        }
    }
    // Faults that only show over a window, from the last closed one.
    for meter in facts
        .judgement
        .and_then(|judgement| judgement.last.as_ref())
        .iter()
        .flat_map(|last| &last.reading.meters)
    {
        let told = wrong.iter().any(|text| text.starts_with(&format!("{}: ", meter.name)));
        for fault in meter.faults.iter().filter(|fault| !told && !matches!(fault, site::Fault::Absent { .. }))
        {
            reason = if reason == "Healthy" { "Faulty" } else { reason };
            wrong.push(format!("{}: {fault}", meter.name));
        }
    }
    if wrong.is_empty() {
        return Stated::new(
            METERS_HEALTHY,
            true,
            "Healthy",
            format!("{} meters give readings", facts.meters.len()),
        );
    }
    let truth = if unseen { Truth::Unknown } else { Truth::False };
    let stated = Stated::new(METERS_HEALTHY, truth, reason, wrong.join("; "));
    // While the same meters are wrong for the same reason, wavering details of an answer are no news.
    let named = |message: &str| {
        facts.meters.iter().map(|meter| message.contains(&format!("{}: ", meter.name))).collect::<Vec<_>>()
    };
    match facts.previous.iter().find(|old| old.type_ == METERS_HEALTHY) {
        Some(old) if named(&old.message) == named(&stated.message) => steady(facts.previous, stated),
        _ => stated,
    }
}

fn pue_valid(facts: &Facts<'_>) -> Stated {
    if let Some((meter, blind)) = blinding(facts.meters, facts.seen) {
        let message = format!("meter {meter} cannot be read, so no window is judged: {}", blind.message);
        return steady(facts.previous, Stated::new(PUE_VALID, Truth::Unknown, blind.reason, message));
    }
    let Some(judgement) = facts.judgement else {
        return Stated::new(PUE_VALID, Truth::Unknown, "NoData", "no window has been judged yet");
    };
    match judgement.last.as_ref().map(|judged| &judged.reading.pue) {
        Some(Ok(_)) => Stated::new(PUE_VALID, true, "Valid", "the last closed window has a valid PUE"),
        Some(Err(invalid)) => Stated::new(PUE_VALID, false, invalid_reason(invalid), invalid.to_string()),
        None => Stated::new(PUE_VALID, Truth::Unknown, "NoData", "no window has been judged yet"),
    }
}

const INVALID_REASONS: [&str; 7] = [
    "MeterAbsent",
    "LowCoverage",
    "MeterSuspect",
    "NegativeFacility",
    "NoITLoad",
    "BetterThanPerfect",
    "AboveTen",
];

/// The reason of an invalid window.
pub fn invalid_reason(invalid: &site::Invalid) -> &'static str {
    match invalid {
        site::Invalid::MeterAbsent { .. } => INVALID_REASONS[0],
        site::Invalid::LowCoverage { .. } => INVALID_REASONS[1],
        site::Invalid::MeterSuspect { .. } => INVALID_REASONS[2],
        site::Invalid::NegativeFacility { .. } => INVALID_REASONS[3],
        site::Invalid::NoITLoad { .. } => INVALID_REASONS[4],
        site::Invalid::BetterThanPerfect { .. } => INVALID_REASONS[5],
        site::Invalid::AboveTen { .. } => INVALID_REASONS[6],
    }
}

fn within_target(facts: &Facts<'_>) -> Stated {
    let Some(judgement) = facts.judgement else {
        return Stated::new(PUE_WITHIN_TARGET, Truth::Unknown, "NoData", "nothing has been judged yet");
    };
    let Judgement { annual, operational, operational_message, .. } = judgement;
    let message = format!(
        "annual {:?}: {}; operational {:?}: {operational_message}",
        annual.verdict, annual.message, operational.verdict
    );
    let (truth, reason) = match (annual.verdict, operational.verdict) {
        (_, Verdict::Violated) => (Truth::False, "OperationalViolated"),
        (Verdict::Violated, _) => (Truth::False, "AnnualViolated"),
        (_, Verdict::Unknown) => (Truth::Unknown, "OperationalUnknown"),
        (Verdict::Unknown, _) => (Truth::Unknown, "AnnualUnknown"),
        (Verdict::AtRisk, _) | (_, Verdict::AtRisk) => (Truth::True, "AtRisk"),
        _ => (Truth::True, "WithinTarget"),
    };
    // The operational sentence speaks of the last window, which a look without a new one does not see again.
    let stated = Stated::new(PUE_WITHIN_TARGET, truth, reason, message);
    if judgement.closed { stated } else { steady(facts.previous, stated) }
}

fn not_enforcing(facts: &Facts<'_>) -> Stated {
    let Decision { state, engaged, reason, message, .. } = facts.decision;
    let truth = Truth::from(engaged.is_empty());
    let stated = Stated::new(NOT_ENFORCING, truth, reason, message);
    match state {
        // The advice speaks of the present load, which only a new window changes.
        EnforcementState::Refused | EnforcementState::Enforcing | EnforcementState::WouldAct
            if facts.judgement.is_some_and(|judgement| !judgement.closed)
                && facts.decision.taken.is_empty()
                && facts.decision.undone.is_empty() =>
        {
            steady(facts.previous, stated)
        }
        _ => stated,
    }
}

fn uncontested(facts: &Facts<'_>) -> Stated {
    let DataCenterStatus { contested, contested_more, .. } = facts.status;
    let more = contested_more.and_then(|more| usize::try_from(more).ok()).unwrap_or(0);
    match fights::message(contested.iter(), more) {
        Some(message) => Stated::new(UNCONTESTED, false, "FieldManagerFight", message),
        None => Stated::new(UNCONTESTED, true, "Uncontested", "nobody sets back what is borrowed"),
    }
}

fn thermal_condition(facts: &Facts<'_>, class: banyan_crds::v1alpha1::AshraeClass) -> Stated {
    match &facts.seen.air {
        Some(Ok(air)) => {
            let judged = thermal::judge(class, air.hottest, air.humidity);
            let truth = judged.within.map_or(Truth::Unknown, Truth::from);
            Stated::new(THERMAL_WITHIN_CLASS, truth, judged.reason, judged.message)
        }
        Some(Err(blind)) => Stated::new(THERMAL_WITHIN_CLASS, Truth::Unknown, blind.reason, &blind.message),
        None => {
            Stated::new(THERMAL_WITHIN_CLASS, Truth::Unknown, "NoReading", "inlets have not been read yet")
        }
    }
}
