//! The words of an audit in both languages: verdicts, outcomes, severities, areas.

use banyan_policies::{
    engine::Outcome,
    pack::{Kind, Severity},
    verdict::{Conclusion, Verdict, WaiverState, reason},
};

use super::super::visible::visible;
use crate::{lang::Lang, t};

/// A verdict: 符合 部分符合 不符合 不适用 待人工确认 无法判定.
pub fn verdict(lang: Lang, verdict: Verdict) -> String {
    match verdict {
        Verdict::Compliant => t!(lang, "audit-verdict-compliant"),
        Verdict::Partial => t!(lang, "audit-verdict-partial"),
        Verdict::NonCompliant => t!(lang, "audit-verdict-non-compliant"),
        Verdict::NotApplicable => t!(lang, "audit-verdict-not-applicable"),
        Verdict::ManualDue => t!(lang, "audit-verdict-manual-due"),
        Verdict::Unknown => t!(lang, "audit-verdict-unknown"),
    }
}

/// What a control says of an object. A failure that does not count is a warning.
pub fn outcome(lang: Lang, outcome: Outcome, scored: bool) -> String {
    match outcome {
        Outcome::Pass => t!(lang, "audit-outcome-pass"),
        Outcome::Fail if !scored => t!(lang, "audit-outcome-warn"),
        Outcome::Fail => t!(lang, "audit-outcome-fail"),
        Outcome::Error => t!(lang, "audit-outcome-error"),
        Outcome::Unknown => t!(lang, "audit-outcome-unknown"),
        Outcome::Skip => t!(lang, "audit-outcome-skip"),
    }
}

/// A severity.
pub fn severity(lang: Lang, severity: Severity) -> String {
    match severity {
        Severity::Critical => t!(lang, "audit-severity-critical"),
        Severity::High => t!(lang, "audit-severity-high"),
        Severity::Medium => t!(lang, "audit-severity-medium"),
        Severity::Low => t!(lang, "audit-severity-low"),
        Severity::Info => t!(lang, "audit-severity-info"),
    }
}

/// How a requirement comes to its verdict.
pub fn kind(lang: Lang, kind: Kind) -> String {
    match kind {
        Kind::Automatic => t!(lang, "audit-kind-automatic"),
        Kind::Partial => t!(lang, "audit-kind-partial"),
        Kind::Attested => t!(lang, "audit-kind-attested"),
        Kind::Platform => t!(lang, "audit-kind-platform"),
    }
}

/// What a waiver is worth.
pub fn waiver(lang: Lang, state: WaiverState) -> String {
    match state {
        WaiverState::Pending => t!(lang, "audit-waiver-pending"),
        WaiverState::Active => t!(lang, "audit-waiver-active"),
        WaiverState::Expired => t!(lang, "audit-waiver-expired"),
        WaiverState::Suspended => t!(lang, "waiver-suspended"),
        WaiverState::Unused => t!(lang, "audit-waiver-unused"),
    }
}

/// What the figures come to, in the words of its template.
pub fn conclusion(lang: Lang, conclusion: Conclusion) -> String {
    match conclusion {
        Conclusion::Excellent => t!(lang, "audit-conclusion-excellent"),
        Conclusion::Good => t!(lang, "audit-conclusion-good"),
        Conclusion::Fair => t!(lang, "audit-conclusion-fair"),
        Conclusion::Poor => t!(lang, "audit-conclusion-poor"),
        Conclusion::Conforming => t!(lang, "audit-conclusion-conforming"),
        Conclusion::BasicallyConforming => t!(lang, "audit-conclusion-basically-conforming"),
        Conclusion::NonConforming => t!(lang, "audit-conclusion-non-conforming"),
        Conclusion::Undecided => t!(lang, "audit-conclusion-undecided"),
    }
}

/// The area of a standard; as the pack calls it where it has a name of its own.
pub fn area(lang: Lang, area: &str) -> String {
    match area {
        "physical" => t!(lang, "audit-area-physical"),
        "network" => t!(lang, "audit-area-network"),
        "boundary" => t!(lang, "audit-area-boundary"),
        "computing" => t!(lang, "audit-area-computing"),
        "management-centre" => t!(lang, "audit-area-management-centre"),
        "policy" => t!(lang, "audit-area-policy"),
        "organisation" => t!(lang, "audit-area-organisation"),
        "staff" => t!(lang, "audit-area-staff"),
        "construction" => t!(lang, "audit-area-construction"),
        "operations" => t!(lang, "audit-area-operations"),
        other => visible(other).into_owned(),
    }
}

/// Why a verdict is what it is. What a person declared is said as it was written.
pub fn why(lang: Lang, why: &str) -> String {
    match why {
        reason::ATTESTED => t!(lang, "audit-why-attested"),
        reason::PLATFORM => t!(lang, "audit-why-platform"),
        reason::NO_CONTROL => t!(lang, "audit-why-no-control"),
        reason::EXPIRED => t!(lang, "audit-why-expired"),
        reason::NOT_ATTESTED => t!(lang, "audit-why-not-attested"),
        reason::HIGH_RISK => t!(lang, "audit-why-high-risk"),
        reason::UNSEEN => t!(lang, "audit-why-unseen"),
        reason::ALL_WAIVED => t!(lang, "audit-why-all-waived"),
        reason::ATTESTED_ONLY => t!(lang, "audit-why-attested-only"),
        reason::NOTHING_TO_JUDGE => t!(lang, "audit-why-nothing-to-judge"),
        reason::NOTHING_ASKED => t!(lang, "audit-why-nothing-asked"),
        reason::NOTHING_HOLDS => t!(lang, "audit-why-nothing-holds"),
        reason::NOT_EVERYTHING => t!(lang, "audit-why-not-everything"),
        reason::REST_UNSEEN => t!(lang, "audit-why-rest-unseen"),
        reason::BUT_WAIVED => t!(lang, "audit-why-but-waived"),
        reason::HELD_AND_ATTESTED => t!(lang, "audit-why-held-and-attested"),
        reason::HELD => t!(lang, "audit-why-held"),
        reason::REST_EXPIRED => t!(lang, "audit-why-rest-expired"),
        reason::REST_TO_ATTEST => t!(lang, "audit-why-rest-to-attest"),
        declared => visible(declared).into_owned(),
    }
}

/// What a verdict is drawn as, and the name of its style.
pub fn standing(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Compliant => "met",
        Verdict::Partial => "partial",
        Verdict::NonCompliant => "missed",
        Verdict::ManualDue => "due",
        Verdict::Unknown => "unknown",
        Verdict::NotApplicable => "none",
    }
}

/// An instant to the second, UTC.
pub fn instant(at: jiff::Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_said_in_both_languages() {
        for text in reason::ALL {
            assert_eq!(why(Lang::En, text), text);
            assert!(why(Lang::Zh, text).chars().any(|letter| letter > '\u{4e00}'), "{text}");
        }
    }
}
