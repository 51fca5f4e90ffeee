//! From findings to what an assessor asks: clause by clause, met or not, attested or due, seen or not; then counts, high risks, a score.
//!
//! Nothing here is a certificate: only licensed bodies conclude an assessment (测评). What is computed is a pre-check.

mod audit;
mod clause;
mod score;
mod tally;
mod waiver;

pub use audit::{
    Audit, ClauseLine, ControlLine, Counts, FindingLine, HighRisk, Input, ObjectLine, Origin, PackLine,
    PlaceLine, WaiverLine, Work, conclude, line_of,
};
pub use clause::{Attestation, Attested, NotApplicable, Verdict, reason};
pub use score::{Conclusion, Score, ScoringModel};
pub use tally::Tally;
pub use waiver::{Waiver, WaiverFault, WaiverState, Waivers};

#[cfg(test)]
mod tests;
