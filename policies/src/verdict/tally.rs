//! Counts of what a control said.

use serde::{Deserialize, Serialize};

use crate::engine::{Finding, Outcome};

/// How many objects a control said what about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Tally {
    pub pass: usize,
    pub fail: usize,
    pub error: usize,
    pub unknown: usize,
    pub skip: usize,
}

impl Tally {
    /// Counts a finding.
    pub fn add(&mut self, finding: &Finding) {
        self.count(finding.outcome);
    }

    /// Counts an outcome.
    pub fn count(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Pass => self.pass += 1,
            Outcome::Fail => self.fail += 1,
            Outcome::Error => self.error += 1,
            Outcome::Unknown => self.unknown += 1,
            Outcome::Skip => self.skip += 1,
        }
    }

    /// The number of objects.
    pub fn objects(&self) -> usize {
        self.pass + self.fail + self.error + self.unknown + self.skip
    }

    /// The mean of the objects' scores, a pass being 1, a failure or an error 0; what is unknown or waived has none. `None` when no object has.
    pub fn mean(&self) -> Option<f64> {
        let decided = self.pass + self.fail + self.error;
        (decided > 0).then(|| self.pass as f64 / decided as f64)
    }
}
