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
            (_, true) => Judgement::new(Verdict::Compliant, Some(1.0), "attested"),
            (Kind::Platform, false) if !expired => {
                Judgement::new(Verdict::Unknown, None, "a matter of the platform that is not seen from here")
            }
            (Kind::Automatic, false) if !expired => {
                Judgement::new(Verdict::Unknown, None, "no control looks at it")
            }
            _ => Judgement::new(
                Verdict::ManualDue,
                None,
                if expired { "the attestation has expired" } else { "nobody has attested it" },
            ),
        };
    }
    let mut means = Vec::new();
    let (mut blind, mut waived, mut failed, mut high) = (false, false, false, false);
    for Seen { control, tally } in seen {
        waived |= tally.skip > 0;
        failed |= tally.fail + tally.error > 0;
        high |= control.high_risk && tally.fail > 0;
        blind |= tally.unknown > 0;
        match (tally.mean(), tally.objects(), control.absent) {
            (Some(mean), ..) => means.push(mean),
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
        _ if high => Judgement::new(Verdict::NonCompliant, Some(0.0), "a high risk stands"),
        None if blind => Judgement::new(Verdict::Unknown, None, "it could not be seen"),
        None if waived => Judgement::new(Verdict::Partial, Some(0.5), "everything that was seen is waived"),
        None if valid => Judgement::new(Verdict::Compliant, Some(1.0), "attested; there is nothing to judge"),
        None if requirement.kind == Kind::Partial => {
            Judgement::new(Verdict::Unknown, None, "there was nothing to judge")
        }
        None => Judgement::new(Verdict::NotApplicable, None, "there is nothing that it asks of"),
        Some(0.0) => Judgement::new(Verdict::NonCompliant, Some(0.0), "nothing that was seen holds it"),
        Some(score) if failed => Judgement::new(Verdict::Partial, Some(score), "not everything holds it"),
        Some(score) if blind => Judgement::new(
            Verdict::Partial,
            Some(score / 2.0),
            "what was seen holds it, the rest could not be seen",
        ),
        Some(score) if waived => {
            Judgement::new(Verdict::Partial, Some(score / 2.0), "held, but for what is waived")
        }
        Some(_) if requirement.kind == Kind::Automatic || valid => {
            Judgement::new(Verdict::Compliant, Some(1.0), if valid { "held, and attested" } else { "held" })
        }
        Some(_) => Judgement::new(
            Verdict::Partial,
            Some(0.5),
            if expired {
                "what is seen holds it, the attestation of the rest has expired"
            } else {
                "what is seen holds it, the rest is for a person to attest"
            },
        ),
    }
}
