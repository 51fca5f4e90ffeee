//! What the statuses of baselines and Waivers say when Banyan is taken off a cluster. What is undone for a baseline is the executor's to find.

use banyan_crds::{
    conditions::{READY, Stated, Truth, UNINSTALLED, merge},
    v1alpha1::{SecurityBaselineStatus, WaiverState, WaiverStatus},
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::{
    status::{REPORTS_WRITTEN, whole_seconds},
    waivers::IN_FORCE,
};

const LEFT: &str = "Banyan was uninstalled: nothing here is kept up to date; install it again to go on";
const NO_REPORTS: &str = "Banyan was uninstalled: its reports were removed";
const IDLE: &str = "Banyan was uninstalled: nothing is judged or refused that it would cover";

/// The status that a baseline is left with: what was found stands, so that `since` outlives the absence, and nobody takes it for the present.
pub fn baseline(
    mut status: SecurityBaselineStatus,
    generation: Option<i64>,
    now: Timestamp,
) -> SecurityBaselineStatus {
    let mut left = vec![Stated::new(READY, Truth::Unknown, UNINSTALLED, LEFT)];
    if status.conditions.iter().any(|condition| condition.type_ == REPORTS_WRITTEN) {
        left.push(Stated::new(REPORTS_WRITTEN, Truth::Unknown, UNINSTALLED, NO_REPORTS));
    }
    status.conditions = stated(status.conditions, &left, generation, now);
    status
}

/// The status that a Waiver is left with: whether it is used was an audit's to say.
pub fn waiver(mut status: WaiverStatus, generation: Option<i64>, now: Timestamp) -> WaiverStatus {
    status.state = status.state.filter(|state| matches!(state, WaiverState::Pending | WaiverState::Expired));
    let left = [
        Stated::new(READY, Truth::Unknown, UNINSTALLED, LEFT),
        Stated::new(IN_FORCE, Truth::Unknown, UNINSTALLED, IDLE),
    ];
    status.conditions = stated(status.conditions, &left, generation, now);
    status
}

/// The conditions with these in the place of those of their kinds.
fn stated(
    before: Vec<Condition>,
    left: &[Stated],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    let merged = merge(&before, left, generation, whole_seconds(now));
    let known = |kind: &str| merged.iter().find(|condition| condition.type_ == kind).cloned();
    let mut all: Vec<Condition> =
        before.into_iter().map(|condition| known(&condition.type_).unwrap_or(condition)).collect();
    for condition in merged {
        if all.iter().all(|other| other.type_ != condition.type_) {
            all.push(condition);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn conditions(kinds: &[&str]) -> Value {
        let condition = |kind: &&str| json!({"type": kind, "status": "True", "reason": "Was", "message": "", "lastTransitionTime": "2026-03-01T00:00:00Z"});
        kinds.iter().map(condition).collect()
    }

    fn shown(conditions: &[Condition]) -> Vec<(&str, &str, &str)> {
        conditions.iter().map(|one| (&*one.type_, &*one.status, &*one.reason)).collect()
    }

    #[test]
    fn a_baseline_keeps_what_was_found_and_is_not_taken_for_the_present() {
        let before: SecurityBaselineStatus = serde_json::from_value(json!({
            "observedGeneration": 2, "score": "61.25",
            "highRisks": [{"control": "a", "objects": 1, "since": "2026-03-01T00:00:00Z"}],
            "conditions": conditions(&["Ready", "PacksLoaded", "ReportsWritten"]),
        }))
        .unwrap();
        let after = baseline(before.clone(), Some(2), at("2026-03-02T00:00:00.5Z"));
        assert_eq!(
            shown(&after.conditions),
            [
                ("Ready", "Unknown", "Uninstalled"),
                ("PacksLoaded", "True", "Was"),
                ("ReportsWritten", "Unknown", "Uninstalled")
            ]
        );
        assert_eq!((&after.high_risks, &after.score), (&before.high_risks, &before.score));
        // Told once: another run writes nothing.
        assert_eq!(baseline(after.clone(), Some(2), at("2026-03-03T00:00:00Z")), after);
        let none = baseline(SecurityBaselineStatus::default(), Some(1), at("2026-03-02T00:00:00Z"));
        assert_eq!(shown(&none.conditions), [("Ready", "Unknown", "Uninstalled")]);
    }

    #[test]
    fn a_waiver_covers_nothing_and_keeps_what_needs_no_audit() {
        for (state, left) in [
            ("Active", json!(null)),
            ("Unused", json!(null)),
            ("Pending", json!("Pending")),
            ("Expired", json!("Expired")),
        ] {
            let before: WaiverStatus = serde_json::from_value(
                json!({"state": state, "conditions": conditions(&["Ready", "Approved", "InForce"])}),
            )
            .unwrap();
            let after = waiver(before, Some(1), at("2026-03-02T00:00:00Z"));
            assert_eq!(json!(after.state), left);
            assert_eq!(
                shown(&after.conditions),
                [
                    ("Ready", "Unknown", "Uninstalled"),
                    ("Approved", "True", "Was"),
                    ("InForce", "Unknown", "Uninstalled")
                ]
            );
        }
    }
}
