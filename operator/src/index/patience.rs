//! How long to wait before a watch that failed is tried again.
//!
//! The waits grow until something has really arrived. A list that has only begun proves nothing: one that fails at its
//! first page each time would otherwise be asked for every second, for ever.

use std::{fmt::Display, time::Duration};

/// Shortest and longest wait.
const WAITS: (Duration, Duration) = (Duration::from_millis(800), Duration::from_secs(30));
/// Of the failures in a row, the first is logged, and then every so many.
const LOG_EVERY: u32 = 10;

/// The patience with one watch.
#[derive(Debug)]
pub struct Patience {
    index: &'static str,
    failures: u32,
}

impl Patience {
    /// Full patience with the watch that feeds `index`.
    pub fn new(index: &'static str) -> Self {
        Self { index, failures: 0 }
    }

    /// Something has arrived: a complete list, or a change.
    pub fn restore(&mut self) {
        self.failures = 0;
    }

    /// It failed again. Answers how long to wait.
    pub fn failed(&mut self, error: &impl Display) -> Duration {
        if self.failures.is_multiple_of(LOG_EVERY) {
            tracing::warn!(
                index = self.index,
                %error,
                failures = self.failures + 1,
                "a watch was interrupted; it is tried again"
            );
        }
        let wait = WAITS.0.saturating_mul(2_u32.saturating_pow(self.failures.min(16)));
        self.failures = self.failures.saturating_add(1);
        wait.min(WAITS.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_until_something_arrives() {
        let mut patience = Patience::new("nodes");
        let waits: Vec<_> = (0..8).map(|_| patience.failed(&"refused")).collect();
        assert_eq!(waits[0], WAITS.0);
        assert!(waits.windows(2).all(|pair| pair[1] == (pair[0] * 2).min(WAITS.1)), "{waits:?}");
        assert_eq!(waits[7], WAITS.1);
        patience.restore();
        assert_eq!(patience.failed(&"refused"), WAITS.0);
    }
}
