//! Counts what is done over and over, so that it is told once in a while, with a count, and not each time.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

/// The same thing is told no sooner than this after the last time.
const PAUSE: SignedDuration = SignedDuration::from_hours(1);

/// What was told when, and how often it has been since. It is lost with the process: then it is told once more.
#[derive(Debug, Default)]
pub struct Tally(Mutex<HashMap<String, (Timestamp, u64)>>);

impl Tally {
    /// Counts `what` once more. If it is to be told now, answers how often it has been since it was last told.
    pub fn count(&self, what: &str, now: Timestamp) -> Option<u64> {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // What has not been told for long is forgotten, but for what has just happened again.
        let rested = |at: Timestamp| now.duration_since(at) >= PAUSE;
        told.retain(|key, (at, _)| key == what || !rested(*at));
        match told.get_mut(what) {
            Some((at, times)) if !rested(*at) => {
                *times += 1;
                None
            }
            Some((at, times)) => {
                *at = now;
                Some(std::mem::take(times) + 1)
            }
            None => {
                told.insert(what.to_owned(), (now, 0));
                Some(1)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    #[test]
    fn it_is_told_at_first_and_then_once_an_hour_with_its_count() {
        let tally = Tally::default();
        assert_eq!(tally.count("a", at(0)), Some(1));
        assert_eq!((tally.count("a", at(1)), tally.count("a", at(59))), (None, None));
        assert_eq!(tally.count("b", at(59)), Some(1));
        assert_eq!(tally.count("a", at(60)), Some(3));
        assert_eq!((tally.count("a", at(61)), tally.count("b", at(62))), (None, None));
        assert_eq!(tally.count("a", at(300)), Some(2));
        // What did not go on was forgotten meanwhile.
        assert_eq!(tally.count("b", at(301)), Some(1));
    }
}
