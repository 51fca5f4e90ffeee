//! The verdict of one requirement.

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::tally::Tally;
use crate::pack::{Absent, Control, Kind, Requirement};

/// What is said of a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Verdict {
    /// 不符合: no object holds it, or a high risk stands.
    NonCompliant,
    /// 部分符合: held in part, or seen in part.
    Partial,
    /// Somebody has to attest it, again or for the first time.
    ManualDue,
    /// It cannot be seen.
    Unknown,
    /// 符合.
    Compliant,
    /// 不适用: declared so with a reason, or there is nothing that it asks of.
    NotApplicable,
}

impl Verdict {
    /// All of them, the worst first.
    pub const ALL: [Self; 6] = [
        Self::NonCompliant,
        Self::Partial,
        Self::ManualDue,
        Self::Unknown,
        Self::Compliant,
        Self::NotApplicable,
    ];

    /// As status and reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NonCompliant => "NonCompliant",
            Self::Partial => "Partial",
            Self::ManualDue => "ManualDue",
            Self::Unknown => "Unknown",
            Self::Compliant => "Compliant",
            Self::NotApplicable => "NotApplicable",
        }
    }
}

/// A person's word that a clause is met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attestation {
    /// The clause, as the standard numbers it at the baseline's level.
    pub clause: String,
    /// What it is about: sites and tenants by name; empty: everything.
    pub applies_to: Vec<String>,
    /// Who says so.
    pub by: String,
    /// On what grounds.
    pub evidence: String,
    /// The last day on which it is valid.
    pub valid_until: Date,
}

impl Attestation {
    /// Whether it is valid at an instant: to the end of its last day in China's time, where the assessed systems stand.
    pub fn valid(&self, now: Timestamp) -> bool {
        let zone = TimeZone::fixed(jiff::tz::offset(8));
        now.to_zoned(zone).date() <= self.valid_until
    }
}

/// A clause that is declared not to apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotApplicable {
    /// The clause.
    pub clause: String,
    /// Why.
    pub reason: String,
}

/// What attestations say of a clause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attested {
    /// Who.
    pub by: String,
    /// On what grounds.
    pub evidence: String,
    /// The last day on which it is valid.
    pub valid_until: Date,
    /// Whether it is valid.
    pub valid: bool,
    /// The sites and tenants that it is about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub applies_to: Vec<String>,
}

/// What a control has seen, for the verdict of its requirements.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen<'c> {
    pub control: &'c Control,
    pub tally: Tally,
}

/// A verdict with its score, 0 to 1; `None` where nothing was decided.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judgement {
    pub verdict: Verdict,
    pub score: Option<f64>,
    pub reason: String,
}

impl Judgement {
    fn new(verdict: Verdict, score: Option<f64>, reason: impl Into<String>) -> Self {
        Self { verdict, score, reason: reason.into() }
    }
}

/// Why a verdict is what it is, as [`ClauseLine::reason`](super::ClauseLine::reason) says it. A clause that is declared not to apply gives the
/// reason of its declaration instead. They are constants so that pages can say the same in other languages.
#[allow(missing_docs)]
pub mod reason {
    pub const ATTESTED: &str = "attested";
    pub const PLATFORM: &str = "a matter of the platform that is not seen from here";
    pub const NO_CONTROL: &str = "no control looks at it";
    pub const EXPIRED: &str = "the attestation has expired";
    pub const NOT_ATTESTED: &str = "nobody has attested it";
    pub const HIGH_RISK: &str = "a high risk stands";
    pub const UNSEEN: &str = "it could not be seen";
    pub const ALL_WAIVED: &str = "everything that was seen is waived";
    pub const ATTESTED_ONLY: &str = "attested; there is nothing to judge";
    pub const NOTHING_TO_JUDGE: &str = "there was nothing to judge";
    pub const NOTHING_ASKED: &str = "there is nothing that it asks of";
    pub const NOTHING_HOLDS: &str = "nothing that was seen holds it";
    pub const NOT_EVERYTHING: &str = "not everything holds it";
    pub const REST_UNSEEN: &str = "what was seen holds it, the rest could not be seen";
    pub const BUT_WAIVED: &str = "held, but for what is waived";
    pub const HELD_AND_ATTESTED: &str = "held, and attested";
    pub const HELD: &str = "held";
    pub const REST_EXPIRED: &str = "what is seen holds it, the attestation of the rest has expired";
    pub const REST_TO_ATTEST: &str = "what is seen holds it, the rest is for a person to attest";

    /// All of them.
    pub const ALL: [&str; 19] = [
        ATTESTED,
        PLATFORM,
        NO_CONTROL,
        EXPIRED,
        NOT_ATTESTED,
        HIGH_RISK,
        UNSEEN,
        ALL_WAIVED,
        ATTESTED_ONLY,
        NOTHING_TO_JUDGE,
        NOTHING_ASKED,
        NOTHING_HOLDS,
        NOT_EVERYTHING,
        REST_UNSEEN,
        BUT_WAIVED,
        HELD_AND_ATTESTED,
        HELD,
        REST_EXPIRED,
        REST_TO_ATTEST,
    ];
}

/// Judges a requirement: the mean of the objects' scores a control, then of its controls (the practice of GB/T 28448), held down by what was not
/// seen. A high risk outweighs every mean.
pub(super) fn judge(
    requirement: &Requirement,
    seen: &[Seen<'_>],
    attested: &[Attested],
    declared: Option<&NotApplicable>,
) -> Judgement {
    if let Some(declared) = declared {
        return Judgement::new(Verdict::NotApplicable, None, declared.reason.clone());
    }
    let valid = !attested.is_empty() && attested.iter().all(|attested| attested.valid);
    let expired = attested.iter().any(|attested| !attested.valid);
    if seen.is_empty() {
        return match (requirement.kind, valid) {
            (_, true) => Judgement::new(Verdict::Compliant, Some(1.0), reason::ATTESTED),
            (Kind::Platform, false) if !expired => Judgement::new(Verdict::Unknown, None, reason::PLATFORM),
            (Kind::Automatic, false) if !expired => {
                Judgement::new(Verdict::Unknown, None, reason::NO_CONTROL)
            }
            _ => Judgement::new(
                Verdict::ManualDue,
                None,
                if expired { reason::EXPIRED } else { reason::NOT_ATTESTED },
            ),
        };
    }
    let mut means = Vec::new();
    let (mut blind, mut waived, mut failed, mut high) = (false, false, false, false);
    // Evidence alone decides nothing, whatever the requirement is.
    let mut decided = false;
    for Seen { control, tally } in seen {
        waived |= tally.skip > 0;
        failed |= tally.fail + tally.error > 0;
        high |= control.high_risk && tally.fail > 0;
        blind |= tally.unknown > 0;
        match (tally.mean(), tally.objects(), control.absent) {
            (Some(mean), ..) => {
                decided |= control.kind == Kind::Automatic;
                means.push(mean);
            }
            (None, 0, Absent::Fail) => {
                failed = true;
                high |= control.high_risk;
                means.push(0.0);
            }
            (None, 0, Absent::Unknown) => blind = true,
            (None, ..) => {}
        }
    }
    let score = (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64);
    match score {
        _ if high => Judgement::new(Verdict::NonCompliant, Some(0.0), reason::HIGH_RISK),
        None if blind => Judgement::new(Verdict::Unknown, None, reason::UNSEEN),
        None if waived => Judgement::new(Verdict::Partial, Some(0.5), reason::ALL_WAIVED),
        None if valid => Judgement::new(Verdict::Compliant, Some(1.0), reason::ATTESTED_ONLY),
        None if requirement.kind == Kind::Partial => {
            Judgement::new(Verdict::Unknown, None, reason::NOTHING_TO_JUDGE)
        }
        None if requirement.kind == Kind::Attested => {
            let why = if expired { reason::EXPIRED } else { reason::NOT_ATTESTED };
            Judgement::new(Verdict::ManualDue, None, why)
        }
        None => Judgement::new(Verdict::NotApplicable, None, reason::NOTHING_ASKED),
        Some(0.0) => Judgement::new(Verdict::NonCompliant, Some(0.0), reason::NOTHING_HOLDS),
        Some(score) if failed => Judgement::new(Verdict::Partial, Some(score), reason::NOT_EVERYTHING),
        Some(score) if blind => Judgement::new(Verdict::Partial, Some(score / 2.0), reason::REST_UNSEEN),
        Some(score) if waived => Judgement::new(Verdict::Partial, Some(score / 2.0), reason::BUT_WAIVED),
        Some(_) if (requirement.kind == Kind::Automatic && decided) || valid => Judgement::new(
            Verdict::Compliant,
            Some(1.0),
            if valid { reason::HELD_AND_ATTESTED } else { reason::HELD },
        ),
        Some(_) => Judgement::new(
            Verdict::Partial,
            Some(0.5),
            if expired { reason::REST_EXPIRED } else { reason::REST_TO_ATTEST },
        ),
    }
}
