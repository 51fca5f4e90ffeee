//! What is told of what the executor did, beside what the plan tells.

use super::{Deed, Outcome};
use crate::kernel::{plan::Notice, tally::Tally};

/// A wall is put back each time somebody changes it, and each time is in the trail; but who does it over and over is told
/// of once in a while, with how often it was.
pub fn fold(outcome: &mut Outcome, repeats: &Tally, now: jiff::Timestamp) {
    outcome.done.retain_mut(|done| {
        if done.deed != Deed::PutBack {
            return true;
        }
        let times = repeats.count(&format!("{} {}", done.object, done.prior), now);
        if let Some(times) = times.filter(|times| *times > 1) {
            done.prior["times"] = times.into();
        }
        times.is_some()
    });
}

/// What is told of an outcome.
pub fn notices(outcome: &Outcome) -> Vec<Notice> {
    let mut notices = Vec::new();
    for done in &outcome.done {
        if done.deed == Deed::PutBack {
            let by = done.prior["changedBy"].as_str().unwrap_or("another client");
            let times = done.prior["times"]
                .as_u64()
                .map_or_else(String::new, |times| format!("; it was {times} times since this was last told"));
            notices.push(Notice::warning(
                "PutBack",
                format!("{} was changed by {by} and has been put back{times}", done.object),
            ));
        }
        if !done.kept.is_empty() {
            notices.push(Notice::normal(
                "KeptUsersChange",
                format!(
                    "{}: {} was changed by somebody else meanwhile and is left as it is",
                    done.object,
                    done.kept.join(", ")
                ),
            ));
        }
    }
    for (object, manager) in &outcome.conflicts {
        notices.push(Notice::warning(
            "Conflict",
            format!("{object} is also managed by {manager}; it is left as it is"),
        ));
    }
    notices
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kernel::executor::Done;

    #[test]
    fn who_changes_a_wall_over_and_over_is_told_of_once_an_hour_with_a_count() {
        let repeats = Tally::default();
        let told = |minute: i64, by: &str| {
            let done = Done {
                deed: Deed::PutBack,
                object: "ConfigMap a/wall".into(),
                action: Some("FreezeGrowth".into()),
                prior: json!({"changedBy": by}),
                kept: vec![],
                why: "test".into(),
                until: None,
            };
            let mut outcome = Outcome { done: vec![done], ..Outcome::default() };
            fold(&mut outcome, &repeats, jiff::Timestamp::from_second(minute * 60).unwrap());
            notices(&outcome).into_iter().map(|notice| notice.message).collect::<Vec<_>>()
        };
        assert_eq!(told(0, "kubectl"), ["ConfigMap a/wall was changed by kubectl and has been put back"]);
        assert_eq!((1..60).map(|minute| told(minute, "kubectl").len()).sum::<usize>(), 0);
        assert_eq!(told(59, "helm").len(), 1);
        let [message] = &told(60, "kubectl")[..] else { panic!("not told") };
        assert!(message.contains("put back; it was 60 times since"), "{message}");
    }
}
