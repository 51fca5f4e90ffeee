//! Conditions: a map list keyed by `type`, every one healthy when `True`, with `Ready` first.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

/// Banyan has done its work for this generation. Says nothing about whether the world is well.
pub const READY: &str = "Ready";

/// The reason of what is `Unknown` because Banyan was taken off the cluster.
pub const UNINSTALLED: &str = "Uninstalled";

/// The three values of a condition's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Healthy.
    True,
    /// Not healthy.
    False,
    /// Cannot be told, for want of data. Never counted as healthy.
    Unknown,
}

impl Truth {
    /// The word that the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// A condition as a plan states it; when it last changed follows from the condition that it replaces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// The condition's type, such as [`READY`].
    pub kind: &'static str,
    /// Healthy, not healthy, or not to be told.
    pub truth: Truth,
    /// A constant `CamelCase` word.
    pub reason: &'static str,
    /// What is so, and what to do next.
    pub message: String,
}

impl Stated {
    /// A condition of type `kind`.
    pub fn new(
        kind: &'static str,
        truth: impl Into<Truth>,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self { kind, truth: truth.into(), reason, message: message.into() }
    }
}

/// The list of conditions that follows `previous` when `stated` holds at `now` for `generation`.
///
/// `lastTransitionTime` moves only when a condition's status does, so that the same facts give the same bytes.
pub fn merge(
    previous: &[Condition],
    stated: &[Stated],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    stated
        .iter()
        .map(|new| {
            let since = previous
                .iter()
                .find(|old| old.type_ == new.kind && old.status == new.truth.as_str())
                .map_or(Time(now), |old| old.last_transition_time.clone());
            Condition {
                type_: new.kind.to_owned(),
                status: new.truth.as_str().to_owned(),
                reason: new.reason.to_owned(),
                message: bounded(&new.message),
                observed_generation: generation,
                last_transition_time: since,
            }
        })
        .collect()
}

/// The API server refuses messages above 32 KiB; nobody reads above a few hundred bytes.
fn bounded(message: &str) -> String {
    const LIMIT: usize = 1024;
    if message.len() <= LIMIT {
        return message.to_owned();
    }
    let end = (0..=LIMIT).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &message[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_time_of_a_transition_moves_with_the_status_only() {
        let first = merge(&[], &[Stated::new(READY, true, "Done", "a")], Some(1), at(100));
        let second = merge(&first, &[Stated::new(READY, true, "Done", "b")], Some(2), at(200));
        assert_eq!(second[0].last_transition_time, Time(at(100)));
        assert_eq!(second[0].message, "b");
        let third = merge(&second, &[Stated::new(READY, Truth::Unknown, "Blind", "c")], Some(2), at(300));
        assert_eq!(third[0].last_transition_time, Time(at(300)));
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let cut = bounded(&"榕".repeat(1000));
        assert!(cut.len() <= 1024 + '…'.len_utf8());
        assert!(cut.ends_with('…'));
    }
}
