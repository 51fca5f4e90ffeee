//! Words of the API for people: verdicts, states, actions, purposes.
//!
//! In English they are the API's own, so that a table and `kubectl` say the same.

use banyan_crds::v1alpha1::{Action, EnforcementState, Purpose, Verdict};

use super::Lang;
use crate::t;

/// A verdict.
pub fn verdict(lang: Lang, verdict: Verdict) -> String {
    match verdict {
        Verdict::Compliant => t!(lang, "verdict-compliant"),
        Verdict::AtRisk => t!(lang, "verdict-at-risk"),
        Verdict::Violated => t!(lang, "verdict-violated"),
        Verdict::Provisional => t!(lang, "verdict-provisional"),
        Verdict::Unknown => t!(lang, "verdict-unknown"),
    }
}

/// Where enforcement stands.
pub fn enforcement(lang: Lang, state: EnforcementState) -> String {
    match state {
        EnforcementState::Clear => t!(lang, "enforcement-clear"),
        EnforcementState::WouldAct => t!(lang, "enforcement-would-act"),
        EnforcementState::Enforcing => t!(lang, "enforcement-enforcing"),
        EnforcementState::Refused => t!(lang, "enforcement-refused"),
        EnforcementState::Paused => t!(lang, "enforcement-paused"),
    }
}

/// An action.
pub fn action(lang: Lang, action: Action) -> String {
    match action {
        Action::HoldBatch => t!(lang, "action-hold-batch"),
        Action::PreferElsewhere => t!(lang, "action-prefer-elsewhere"),
        Action::FreezeGrowth => t!(lang, "action-freeze-growth"),
    }
}

/// What a meter counts as.
pub fn purpose(lang: Lang, purpose: Purpose) -> String {
    match purpose {
        Purpose::Facility => t!(lang, "purpose-facility"),
        Purpose::It => t!(lang, "purpose-it"),
        Purpose::Generator => t!(lang, "purpose-generator"),
        Purpose::Excluded => t!(lang, "purpose-excluded"),
        Purpose::Renewable => t!(lang, "purpose-renewable"),
        Purpose::Reuse => t!(lang, "purpose-reuse"),
        Purpose::Water => t!(lang, "purpose-water"),
        Purpose::Carbon => t!(lang, "purpose-carbon"),
    }
}

/// The status of a condition: `True`, `False` or `Unknown`.
pub fn truth(lang: Lang, status: &str) -> String {
    match status {
        "True" => t!(lang, "truth-true"),
        "False" => t!(lang, "truth-false"),
        _ => t!(lang, "truth-unknown"),
    }
}
