//! The clock at the edge. Decisions get `now` as an argument; only the edges ask here.

use jiff::{SignedDuration, Timestamp};

/// Wall-clock time, possibly shifted so that a rehearsal can start at another instant and go on from there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    shift: SignedDuration,
}

impl Clock {
    /// The machine's own time.
    pub fn system() -> Self {
        Self::default()
    }

    /// A clock that reads `start` at this moment and runs on at its usual pace.
    pub fn starting_at(start: Timestamp) -> Self {
        Self { shift: start.duration_since(Timestamp::now()) }
    }

    /// The present instant.
    pub fn now(&self) -> Timestamp {
        Timestamp::now().checked_add(self.shift).unwrap_or(Timestamp::MAX)
    }
}
