//! The small words of an explanation.

use banyan_crds::v1alpha1::{Action, EnforcementMode, Position};

use super::numbers::{grouped, level, percent, pue, whole};
use crate::{
    datacenter::explain::{AdviceKind, AdviceWhy, Because, FaultWhy, InvalidWhy, WindowSide},
    lang::{Lang, words},
    t,
};

/// Why days do not count.
pub fn because(lang: Lang, because: Because) -> String {
    match because {
        Because::NoRow => t!(lang, "explain-because-no-row"),
        Because::Missing => t!(lang, "explain-because-missing"),
        Because::Suspect => t!(lang, "explain-because-suspect"),
        Because::FacilityCoverage => t!(lang, "explain-because-facility"),
        Because::ItCoverage => t!(lang, "explain-because-it"),
    }
}

/// What is wrong with a meter.
pub fn fault(lang: Lang, fault: FaultWhy) -> String {
    match fault {
        FaultWhy::Absent => t!(lang, "explain-fault-absent"),
        FaultWhy::Silent { minutes } => t!(lang, "explain-fault-silent", minutes = minutes),
        FaultWhy::Gaps { percent } => t!(lang, "explain-fault-gaps", percent = percent),
        FaultWhy::Stuck { minutes } => t!(lang, "explain-fault-stuck", minutes = minutes),
        FaultWhy::Resets { times } => t!(lang, "explain-fault-resets", times = times),
        FaultWhy::Spikes { readings } => t!(lang, "explain-fault-spikes", readings = readings),
    }
}

/// What a window counts as.
pub fn side(lang: Lang, side: WindowSide) -> String {
    match side {
        WindowSide::Over => t!(lang, "explain-side-over"),
        WindowSide::AboveTarget => t!(lang, "explain-side-above"),
        WindowSide::WithinTarget => t!(lang, "explain-side-within"),
        WindowSide::Under => t!(lang, "explain-side-under"),
        WindowSide::NoVerdict => t!(lang, "explain-side-none"),
    }
}

/// Where an IT load is metered.
pub fn position(lang: Lang, position: Position) -> String {
    match position {
        Position::Ups => t!(lang, "explain-position-ups"),
        Position::Pdu => t!(lang, "explain-position-pdu"),
        Position::Rack => t!(lang, "explain-position-rack"),
    }
}

/// Observe or Enforce.
pub fn mode(lang: Lang, mode: EnforcementMode) -> String {
    match mode {
        EnforcementMode::Observe => t!(lang, "explain-mode-observe"),
        EnforcementMode::Enforce => t!(lang, "explain-mode-enforce"),
    }
}

/// What an action holds: the objects that are on loan, and what admission holds without any.
pub fn holds(lang: Lang, action: Action, objects: usize) -> String {
    match action {
        Action::FreezeGrowth => t!(lang, "explain-holds-growth"),
        Action::HoldBatch => t!(lang, "explain-holds-batch", objects = objects),
        Action::PreferElsewhere => t!(lang, "explain-holds-nodes", objects = objects),
    }
}

/// Why a window has no PUE, with its figures.
pub fn invalid(lang: Lang, invalid: &InvalidWhy) -> String {
    let meter = invalid.meter.as_deref().unwrap_or("-");
    let side = invalid.side.map_or_else(String::new, |side| words::purpose(lang, side));
    let (value, needed) = (invalid.value.unwrap_or(0.0), invalid.needed.unwrap_or(0.0));
    match invalid.reason {
        "MeterAbsent" => t!(lang, "explain-invalid-absent", meter = meter),
        "LowCoverage" => t!(
            lang,
            "explain-invalid-coverage",
            side = side,
            percent = percent(value),
            needed = percent(needed),
            meter = meter
        ),
        "MeterSuspect" => t!(lang, "explain-invalid-suspect", meter = meter, times = value as i64),
        "NegativeFacility" => t!(lang, "explain-invalid-negative", excess = grouped(value, 1)),
        "NoITLoad" => {
            t!(lang, "explain-invalid-load", it = grouped(value, 1), needed = grouped(needed, 1))
        }
        "BetterThanPerfect" => t!(lang, "explain-invalid-below-one", pue = pue(value)),
        _ => t!(lang, "explain-invalid-above-ten", pue = pue(value)),
    }
}

/// Whether taking load away helps, with the figures that say so.
pub fn advice(lang: Lang, advice: &AdviceWhy) -> Vec<String> {
    let mut lines = Vec::new();
    let target = level(advice.target);
    if let Some(model) = advice.model {
        lines.push(t!(
            lang,
            "explain-model",
            fixed = grouped(model.fixed_kilowatts, 1),
            ratio = format!("{:.3}", model.marginal_ratio),
            low = format!("{:.3}", model.low),
            high = format!("{:.3}", model.high),
            squared = format!("{:.2}", model.r_squared),
            days = model.days
        ));
    }
    let apart = advice.model.map_or(0.0, |model| (model.marginal_ratio - advice.target).abs());
    let apart = format!("{apart:.3}");
    lines.push(match advice.kind {
        AdviceKind::Helps => t!(lang, "explain-advice-helps", target = target, saved = apart),
        AdviceKind::WouldRaisePue => t!(lang, "explain-advice-raises", target = target, lost = apart),
        AdviceKind::NoModel => t!(lang, "explain-advice-no-model"),
        AdviceKind::FewDays => t!(lang, "explain-advice-few-days"),
        AdviceKind::WideInterval => t!(lang, "explain-advice-wide", target = target),
        AdviceKind::LooseModel => t!(lang, "explain-advice-loose"),
    });
    if let Some((before, after)) = advice.ratio {
        let (before, after) = (format!("{before:.3}"), format!("{after:.3}"));
        lines.push(t!(lang, "explain-advice-meanwhile", before = before, after = after));
    }
    lines
}

/// Items of a list.
pub fn list(lang: Lang, items: &[String]) -> String {
    items.join(match lang {
        Lang::En => ", ",
        Lang::Zh => "、",
    })
}

/// A number of kW without digits behind the point.
pub fn kilowatts(value: f64) -> String {
    whole(value.round() as i64)
}
