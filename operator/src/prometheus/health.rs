//! What is known of a server's health, so that nobody waits in vain for one that does not answer.
//!
//! A server that refuses connections says so at once. One that takes them and never answers costs the whole time limit for
//! each query; but so does a query that is merely too much for it. Two time-outs in a row raise a doubt, and a query that
//! costs nothing settles it: if that is answered, the queries are slow and others are asked as ever; if not, the server is
//! left alone for a while that grows each time.

use std::time::{Duration, Instant};

use super::error::QueryError;

/// How long a server that could not be connected to is left alone: requests queued behind the failed one get its error at
/// once, instead of a connect timeout each.
const PAUSE: Duration = Duration::from_secs(2);
/// Longest time that a server which does not answer is left alone.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Time-outs in a row that raise a doubt.
const DOUBT: u32 = 2;

/// What to do with the next request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Send it.
    Send,
    /// Ask something cheap first; whoever else wants to send waits for the outcome.
    Probe,
    /// Ask something cheap first, alone: all others get this error meanwhile.
    ProbeAlone(QueryError),
    /// It would only fail again, like this.
    Refuse(QueryError),
}

/// The health of one server.
#[derive(Debug, Default)]
pub(super) struct Health {
    timeouts: u32,
    outage: Option<Outage>,
}

/// A time in which the server is not asked.
#[derive(Debug)]
struct Outage {
    since: Instant,
    pause: Duration,
    error: QueryError,
    /// It took connections and did not answer.
    mute: bool,
}

impl Health {
    /// What to do with a request at `now`.
    pub(super) fn advice(&self, now: Instant) -> Advice {
        match &self.outage {
            Some(outage) if now.saturating_duration_since(outage.since) < outage.pause => {
                Advice::Refuse(outage.error.clone())
            }
            Some(outage) if outage.mute => Advice::ProbeAlone(outage.error.clone()),
            _ if self.timeouts >= DOUBT => Advice::Probe,
            _ => Advice::Send,
        }
    }

    /// It answered, whatever it was.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// A query was not answered in time.
    pub(super) fn timed_out(&mut self) {
        self.timeouts = self.timeouts.saturating_add(1);
    }

    /// There was no connection.
    pub(super) fn not_connected(&mut self, error: QueryError, now: Instant) {
        self.outage = Some(Outage { since: now, pause: PAUSE, error, mute: false });
    }

    /// Not even the cheap query was answered.
    pub(super) fn mute(&mut self, error: QueryError, now: Instant) {
        let before = self.outage.as_ref().filter(|outage| outage.mute);
        let pause = before.map_or(PAUSE, |outage| (outage.pause * 2).min(LONGEST_PAUSE));
        self.outage = Some(Outage { since: now, pause, error, mute: true });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_connection_is_remembered_for_two_seconds() {
        let since = Instant::now();
        let mut health = Health::default();
        assert_eq!(health.advice(since), Advice::Send);
        health.not_connected(QueryError::Empty, since);
        let refuse = Advice::Refuse(QueryError::Empty);
        assert_eq!(health.advice(since), refuse);
        assert_eq!(health.advice(since + Duration::from_millis(1_999)), refuse);
        assert_eq!(health.advice(since + Duration::from_secs(2)), Advice::Send);
    }

    #[test]
    fn two_time_outs_in_a_row_raise_a_doubt() {
        let (mut health, now) = (Health::default(), Instant::now());
        health.timed_out();
        health.answered();
        health.timed_out();
        assert_eq!(health.advice(now), Advice::Send);
        health.timed_out();
        assert_eq!(health.advice(now), Advice::Probe);
        health.answered();
        assert_eq!(health.advice(now), Advice::Send);
    }

    #[test]
    fn a_mute_server_is_left_alone_longer_each_time_and_not_for_ever() {
        let (mut health, mut now) = (Health::default(), Instant::now());
        for pause in [2, 4, 8, 16, 32, 60, 60] {
            health.mute(QueryError::Empty, now);
            let end = now + Duration::from_secs(pause);
            let almost = end.checked_sub(Duration::from_millis(1)).unwrap();
            assert_eq!(health.advice(almost), Advice::Refuse(QueryError::Empty), "{pause}");
            assert_eq!(health.advice(end), Advice::ProbeAlone(QueryError::Empty), "{pause}");
            now = end;
        }
        health.answered();
        assert_eq!(health.advice(now), Advice::Send);
    }
}
