//! Why a site has the verdicts that it has, and what would change them: the judgement taken apart into plain data.
//!
//! Nothing here is a sentence. Words in whatever language are made from these figures and constant words, so that both
//! languages say the same, and a program reads what a person does.

use std::collections::BTreeMap;

use banyan_crds::v1alpha1::{
    Action, ContestedObject, DataCenter, DataCenterStatus, EnforcementState, Verdict,
};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    fights, holds,
    observe::Observation,
    plan::{Judgement, blinding},
    site::{MeterInput, Side, SiteReading},
    spec::{Site, SpecError},
};
use crate::kernel::plan::Owner;

mod annual;
mod meters;
mod operational;
mod shape;
mod ways;

pub use operational::WINDOWS;
pub use shape::*;

/// Everything that an explanation is made of.
pub struct Facts<'a> {
    /// The resource.
    pub dc: &'a DataCenter,
    /// Its spec, read.
    pub site: &'a Result<Site, SpecError>,
    /// What was seen of it.
    pub seen: &'a Observation,
    /// Its meters, with the readings that the last windows were judged by.
    pub meters: &'a [MeterInput],
    /// The same with readings of the last day and of the windows that are told; empty where they were not asked for.
    pub day: &'a [MeterInput],
    /// What was judged.
    pub judgement: Option<&'a Judgement>,
    /// The status that a plan of this moment shows.
    pub planned: &'a DataCenterStatus,
}

/// Explains a site.
pub fn explain(facts: &Facts<'_>) -> Explanation {
    let Facts { dc, site, seen, meters, judgement, planned, .. } = facts;
    let now = seen.now;
    let unseen = unseen(facts);
    // What the operator has put down is what is so: it may have seen what cannot be seen from here, and knows what its
    // writes came to. Before the first look there is only what a plan says.
    let live = seen.status.as_ref().filter(|status| !status.conditions.is_empty()).unwrap_or(planned);
    let mut told = Explanation {
        kind: "DataCenter",
        name: dc.name_any(),
        at: now,
        time_zone: dc.spec.location.time_zone.clone(),
        unseen: unseen.clone(),
        wrong: site.as_ref().err().map(|error| Unseen { reason: "InvalidSpec", message: error.to_string() }),
        annual: None,
        operational: None,
        enforcement: None,
        budget: None,
        advice: None,
        category: None,
        contested: live.contested.iter().map(contested).collect(),
        meters: Vec::new(),
        ways: Vec::new(),
        conditions: live
            .conditions
            .iter()
            .filter(|condition| condition.status != "True")
            .map(|condition| ConditionWhy {
                kind: condition.type_.clone(),
                status: condition.status.clone(),
                reason: condition.reason.clone(),
                message: condition.message.clone(),
                since: condition.last_transition_time.0,
            })
            .collect(),
    };
    let Ok(site) = site else { return told };
    told.enforcement = enforcement(facts, site, live);
    told.meters = meters::meters(facts, site);
    let Some(judgement) = judgement else { return told };
    told.annual = (!site.meters.is_empty()).then(|| annual::annual(judgement, site));
    let status = if unseen.is_some() { live.operational.as_ref() } else { planned.operational.as_ref() };
    told.operational = status.map(|status| operational::operational(facts, site, status));
    told.category = live
        .annual
        .as_ref()
        .filter(|_| unseen.is_some())
        .or(planned.annual.as_ref())
        .and_then(|annual| annual.category)
        .map(|category| meters::category(meters, now, category));
    told.budget = judgement.budget.as_ref().map(|budget| {
        let open = super::windows::last_closed_day(site, now).tomorrow().unwrap_or(site.today(now));
        annual::budget(budget, open, judgement.next_hour)
    });
    told.advice = advice(judgement, site, now);
    told.ways = ways::ways(&told, judgement, site, now);
    told
}

fn contested(known: &ContestedObject) -> ContestedWhy {
    let rule = fights::rule(known);
    ContestedWhy {
        object: fights::object(known),
        action: known.action,
        fields: known.fields.clone(),
        manager: known.manager.clone(),
        rounds: known.rounds,
        left_since: known.since.as_ref().map(|since| since.0),
        rule: rule.yaml(),
        advice: rule.advice,
    }
}

/// Why nothing at all could be read.
fn unseen(facts: &Facts<'_>) -> Option<Unseen> {
    let needed = || facts.meters.iter().filter(|meter| Side::of(meter.purpose).is_some());
    let answered = |meter: &MeterInput| match facts.seen.samples.get(&meter.name) {
        Some(Ok(_)) => true,
        Some(Err(blind)) => blind.empty,
        None => false,
    };
    let (_, blind) = blinding(facts.meters, facts.seen)?;
    (needed().next().is_some() && !needed().any(answered)).then(|| blind.into())
}

fn enforcement(facts: &Facts<'_>, site: &Site, live: &DataCenterStatus) -> Option<EnforcementWhy> {
    let spec = facts.dc.spec.enforcement.as_ref()?;
    let status = live.enforcement.as_ref()?;
    let now = facts.seen.now;
    let reason = live
        .conditions
        .iter()
        .find(|condition| condition.type_ == super::words::NOT_ENFORCING)
        .map(|condition| condition.reason.clone());
    let engaged: Vec<_> = status
        .engaged
        .iter()
        .map(|engaged| {
            let objects = held(facts, engaged.action);
            EngagedWhy {
                action: engaged.action,
                since: engaged.since.0,
                holds: objects.len(),
                objects: objects.into_iter().take(5).collect(),
            }
        })
        .collect();
    let violated = live.operational.as_ref().is_some_and(|status| status.verdict == Verdict::Violated);
    let waits = match status.state {
        // The next action to take, or the next to undo.
        EnforcementState::Enforcing if violated => engaged.len() < spec.actions.len(),
        EnforcementState::Enforcing => !engaged.is_empty(),
        _ => false,
    };
    let next_step = status
        .last_step
        .as_ref()
        .filter(|_| waits)
        .and_then(|at| at.0.checked_add(site.dwell).ok())
        .map(|at| at.max(now));
    Some(EnforcementWhy {
        mode: spec.mode,
        state: status.state,
        reason: reason.unwrap_or_default(),
        since: status.since.0,
        actions: spec.actions.clone(),
        engaged,
        next_step,
        maintenance: site.quiet(now).map(|quiet| (quiet.reason.clone(), quiet.to)),
    })
}

/// What is on loan for the site by an action.
fn held(facts: &Facts<'_>, action: Action) -> Vec<String> {
    let owner = Owner { kind: "datacenter", name: facts.dc.name_any() };
    let standing = holds::standing(&facts.seen.estate, &owner, action);
    let mut objects: Vec<_> = standing.map(|loan| loan.object.to_string()).collect();
    objects.sort_unstable();
    objects
}

/// The advice on taking load away, with the reason why there is none where the model does not settle it.
fn advice(judgement: &Judgement, site: &Site, now: Timestamp) -> Option<AdviceWhy> {
    use super::benefit::{self, Benefit, MINIMUM_DAYS, pue_after};
    let target = site.glide.as_ref()?.target_on(site.today(now))?;
    let model = judgement.model.as_ref();
    // Without readings: the mean of the last day in the ledger.
    let last = judgement.ledger.iter().next_back().filter(|day| day.it_wh > 0);
    let it = judgement.kilowatts.map(|(_, it)| it).or_else(|| Some(last?.it_wh as f64 / 24_000.0));
    let kind = match (benefit::judge(model, target, it?), model) {
        (Benefit::Helps { .. }, _) => AdviceKind::Helps,
        (Benefit::WouldRaisePue { .. }, _) => AdviceKind::WouldRaisePue,
        (Benefit::NotSure { .. }, None) => AdviceKind::NoModel,
        (Benefit::NotSure { .. }, Some(model)) if model.n < MINIMUM_DAYS => AdviceKind::FewDays,
        (Benefit::NotSure { .. }, Some(model)) if model.low <= target => AdviceKind::WideInterval,
        (Benefit::NotSure { .. }, Some(_)) => AdviceKind::LooseModel,
    };
    let ratio = model.zip(it).and_then(|(model, it)| {
        let facility = it + model.overhead_kw(it);
        Some((model.pue_at(it)?, pue_after(facility, it, model.marginal_ratio(), it * 0.1)?))
    });
    Some(AdviceWhy {
        kind,
        target,
        model: model.map(|model| ModelWhy {
            fixed_kilowatts: model.fixed_kw,
            marginal_ratio: model.marginal_ratio(),
            low: model.low,
            high: model.high,
            r_squared: model.r_squared,
            days: model.n,
        }),
        it_kilowatts: it,
        it_kilowatts_for_target: model.and_then(|model| model.it_kw_for_target(target)),
        ratio,
    })
}

/// Amounts of a reading's meters, by name.
fn amounts(reading: &SiteReading) -> BTreeMap<&str, Amount> {
    reading
        .meters
        .iter()
        .map(|meter| {
            let amount = Amount {
                amount: meter.reading.energy / 1000.0,
                coverage_percent: meter.coverage.max(0.0) * 100.0,
            };
            (meter.name.as_str(), amount)
        })
        .collect()
}
