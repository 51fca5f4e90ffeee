//! Where a `Waiver` stands: its status, and nothing else. What it covers is decided where objects are judged.

use std::time::Duration;

use banyan_crds::{
    conditions::{self, READY, Stated, Truth},
    v1alpha1::{Waiver, WaiverState, WaiverStatus},
};
use banyan_policies::verdict::{self, WaiverFault, WaiverLine};
use jiff::{SignedDuration, Timestamp};
use kube::ResourceExt as _;

use super::status::whole_seconds;
use crate::kernel::plan::{Notice, Owner, Plan};

/// A second person has approved what stands there.
pub const APPROVED: &str = "Approved";
/// It counts, and covers something.
pub const IN_FORCE: &str = "InForce";

/// The longest time until it is looked again.
const LOOK_AGAIN: Duration = Duration::from_hours(1);

/// A Waiver in the terms of the engine.
pub fn read(waiver: &Waiver) -> Result<verdict::Waiver, WaiverFault> {
    let manifest = serde_json::to_value(waiver)
        .map_err(|error| WaiverFault { path: "spec".to_owned(), reason: error.to_string() })?;
    verdict::Waiver::read(&manifest)
}

/// Decides the status of a Waiver. `line` is what the last audit says of it, none before there is any; `unknown_controls` are those of its
/// controls that no pack of the baseline has.
pub fn plan(
    waiver: &Waiver,
    line: Option<&WaiverLine>,
    baseline_exists: bool,
    unknown_controls: &[String],
    now: Timestamp,
) -> Plan<WaiverStatus> {
    let before = waiver.status.as_ref();
    let read = read(waiver);
    let told = Told { waiver, read: &read, line, baseline_exists, unknown_controls, now };
    let state = told.state();
    let stated = [told.ready(), told.approved(), told.in_force(state)];
    let status = WaiverStatus {
        observed_generation: waiver.metadata.generation,
        state,
        conditions: conditions::merge(
            before.map(|before| before.conditions.as_slice()).unwrap_or_default(),
            &stated,
            waiver.metadata.generation,
            whole_seconds(now),
        ),
    };
    let left = read.as_ref().ok().map(|read| read.expires.duration_since(now));
    let next = left
        .filter(|left| *left > SignedDuration::ZERO)
        .map_or(LOOK_AGAIN, |left| left.max(SignedDuration::from_secs(1)).unsigned_abs().min(LOOK_AGAIN));
    Plan {
        owner: Owner { kind: "waiver", name: waiver.name_any() },
        finalizer: false,
        undo: Vec::new(),
        own: Vec::new(),
        keep: Vec::new(),
        borrow: Vec::new(),
        notices: notices(before, &status, waiver),
        status,
        found: Vec::new(),
        next,
    }
}

/// Everything that the words are made of.
struct Told<'a> {
    waiver: &'a Waiver,
    read: &'a Result<verdict::Waiver, WaiverFault>,
    line: Option<&'a WaiverLine>,
    baseline_exists: bool,
    unknown_controls: &'a [String],
    now: Timestamp,
}

impl Told<'_> {
    fn expired(&self) -> bool {
        self.read.as_ref().is_ok_and(|read| self.now >= read.expires)
    }

    /// Whether any of its controls is one that the baseline has.
    fn applies(&self) -> bool {
        self.waiver.spec.controls.iter().any(|control| !self.unknown_controls.contains(&control.0))
    }

    /// Where it stands; none where it counts, and no audit has told yet whether for anything.
    fn state(&self) -> Option<WaiverState> {
        // One that is suspended covers as little as one that nobody has approved.
        let approved = self.read.as_ref().is_ok_and(|read| !read.approved_by.is_empty() && !read.suspended);
        if self.expired() {
            return Some(WaiverState::Expired);
        }
        if !approved {
            return Some(WaiverState::Pending);
        }
        if !self.baseline_exists || !self.applies() {
            return Some(WaiverState::Unused);
        }
        match self.line.map(|line| line.state) {
            Some(verdict::WaiverState::Active) => Some(WaiverState::Active),
            Some(verdict::WaiverState::Unused) => Some(WaiverState::Unused),
            // The audit is older than the approval, or there is none since Banyan started: what was told stands until there is.
            _ => self
                .waiver
                .status
                .as_ref()
                .and_then(|before| before.state)
                .filter(|before| matches!(before, WaiverState::Active | WaiverState::Unused)),
        }
    }

    fn ready(&self) -> Stated {
        match self.read {
            Err(fault) => Stated::new(READY, false, "InvalidSpec", format!("{fault}; it covers nothing")),
            Ok(_) if !self.baseline_exists => Stated::new(READY, false, "NoBaseline", self.no_baseline()),
            Ok(_) if !self.unknown_controls.is_empty() => {
                Stated::new(READY, false, "UnknownControls", self.unknown())
            }
            Ok(_) => Stated::new(READY, true, "Reconciled", "its status is told"),
        }
    }

    fn approved(&self) -> Stated {
        match &self.waiver.spec.approval {
            Some(approval) => Stated::new(APPROVED, true, "Approved", format!("by {}", approval.by)),
            None => Stated::new(APPROVED, false, "NotApproved", self.not_approved()),
        }
    }

    fn in_force(&self, state: Option<WaiverState>) -> Stated {
        let no = |reason, message: String| Stated::new(IN_FORCE, false, reason, message);
        match (self.read, state) {
            (Err(fault), _) => no("InvalidSpec", fault.to_string()),
            (_, Some(WaiverState::Expired)) => no(
                "Expired",
                format!(
                    "it ended at {}; what it covered counts again. Extend it, or delete it",
                    self.waiver.spec.expires
                ),
            ),
            _ if self.waiver.spec.suspend => {
                no("Suspended", "spec.suspend is set: it covers nothing".to_owned())
            }
            (_, Some(WaiverState::Pending)) => no("NotApproved", self.not_approved()),
            _ if !self.baseline_exists => no("NoBaseline", self.no_baseline()),
            _ if !self.applies() => no("UnknownControls", self.unknown()),
            (_, Some(WaiverState::Unused)) => no(
                "Unused",
                "no object that it matches fails its controls; delete it if it stays so".to_owned(),
            ),
            (_, Some(WaiverState::Active)) => Stated::new(IN_FORCE, true, "InForce", "it covers something"),
            (_, None) => Stated::new(
                IN_FORCE,
                Truth::Unknown,
                "NotLookedYet",
                "the baseline was not judged with it yet",
            ),
        }
    }

    fn not_approved(&self) -> String {
        format!(
            "it covers nothing until somebody else than its author runs: banyan waiver approve {}",
            self.waiver.name_any()
        )
    }

    fn no_baseline(&self) -> String {
        format!("there is no SecurityBaseline {}", self.waiver.spec.baseline_name)
    }

    fn unknown(&self) -> String {
        format!(
            "no pack of the baseline has {}; banyan policies list has those that there are",
            super::status::named(&self.unknown_controls.iter().map(String::as_str).collect::<Vec<_>>())
        )
    }
}

/// What to tell of a change; nothing of a first look.
fn notices(before: Option<&WaiverStatus>, after: &WaiverStatus, waiver: &Waiver) -> Vec<Notice> {
    let Some(before) = before.filter(|before| !before.conditions.is_empty()) else { return Vec::new() };
    let approved = |status: &WaiverStatus| {
        status.conditions.iter().any(|condition| condition.type_ == APPROVED && condition.status == "True")
    };
    let turned = |state: WaiverState| after.state == Some(state) && before.state != Some(state);
    let mut notices = Vec::new();
    match (&waiver.spec.approval, approved(before), approved(after)) {
        (Some(approval), false, true) => {
            notices.push(Notice::normal("WaiverApproved", format!("by {}", approval.by)));
        }
        (_, true, false) => notices.push(Notice::warning(
            "WaiverApprovalGone",
            "its approval was withdrawn, or went with a change of the spec; it covers nothing",
        )),
        _ => {}
    }
    if turned(WaiverState::Expired) {
        notices.push(Notice::warning("WaiverExpired", "it has ended; what it covered counts again"));
    }
    if turned(WaiverState::Unused) && before.state == Some(WaiverState::Active) {
        notices.push(Notice::normal("WaiverUnused", "there is nothing for it to cover any more"));
    }
    notices
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::baseline::sample::{at, audit, number, pod};

    const NOW: &str = "2026-11-25T10:00:00.5Z";

    fn waiver(change: &Value) -> Waiver {
        let mut spec = json!({
            "baselineName": "city", "controls": ["no-privilege"], "match": {"namespaces": ["shop"]}, "reason": "r",
            "expires": "2027-01-31T00:00:00+08:00",
            "approval": {"by": "li.na", "at": "2026-11-24T00:00:00Z"}
        });
        for (key, value) in change.as_object().unwrap() {
            spec[key] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "banyan.dev/v1alpha1", "kind": "Waiver", "metadata": {"name": "w", "generation": 2}, "spec": spec
        }))
        .unwrap()
    }

    /// The plan after really judging `objects`.
    fn judged(waiver: &Waiver, objects: &[Value], now: &str) -> Plan<WaiverStatus> {
        let audit = audit(objects, read(waiver).into_iter().collect(), at(now));
        plan(waiver, audit.waivers.first(), true, &[], at(now))
    }

    fn told(plan: &Plan<WaiverStatus>) -> (Option<WaiverState>, Vec<(&str, &str, &str)>) {
        let told = |condition: &'static str| {
            let found = plan.status.conditions.iter().find(|other| other.type_ == condition).unwrap();
            (condition, found.status.as_str(), found.reason.as_str())
        };
        (plan.status.state, [READY, APPROVED, IN_FORCE].map(told).to_vec())
    }

    fn then(mut waiver: Waiver, status: &WaiverStatus) -> Waiver {
        waiver.status = Some(status.clone());
        waiver
    }

    fn reasons(plan: &Plan<WaiverStatus>) -> Vec<&'static str> {
        plan.notices.iter().map(|notice| notice.reason).collect()
    }

    const READY_: (&str, &str, &str) = (READY, "True", "Reconciled");
    const APPROVED_: (&str, &str, &str) = (APPROVED, "True", "Approved");

    #[test]
    fn one_that_covers_something_is_active() {
        let plan = judged(&waiver(&json!({})), &[pod("bad", true)], NOW);
        assert_eq!(
            told(&plan),
            (Some(WaiverState::Active), vec![READY_, APPROVED_, (IN_FORCE, "True", "InForce")])
        );
        assert_eq!(plan.status.observed_generation, Some(2));
        assert_eq!(plan.next, LOOK_AGAIN);
        assert!(plan.own.is_empty() && plan.notices.is_empty() && !plan.finalizer);
    }

    #[test]
    fn one_with_nothing_to_cover_is_unused() {
        let plan = judged(&waiver(&json!({})), &[pod("good", false), number("1")], NOW);
        assert_eq!(
            told(&plan),
            (Some(WaiverState::Unused), vec![READY_, APPROVED_, (IN_FORCE, "False", "Unused")])
        );
    }

    #[test]
    fn one_that_nobody_approved_or_that_is_suspended_covers_nothing() {
        let plan = judged(&waiver(&json!({"approval": null})), &[pod("bad", true)], NOW);
        let not = (IN_FORCE, "False", "NotApproved");
        assert_eq!(
            told(&plan),
            (Some(WaiverState::Pending), vec![READY_, (APPROVED, "False", "NotApproved"), not])
        );
        assert!(plan.status.conditions[1].message.contains("banyan waiver approve w"));
        let suspended = waiver(&json!({"suspend": true}));
        assert!(read(&suspended).unwrap().suspended);
        let plan = judged(&suspended, &[pod("bad", true)], NOW);
        assert_eq!(
            told(&plan),
            (Some(WaiverState::Pending), vec![READY_, APPROVED_, (IN_FORCE, "False", "Suspended")])
        );
    }

    #[test]
    fn it_ends_at_its_first_instant_and_not_before_and_is_looked_at_then() {
        let given = waiver(&json!({"expires": "2026-11-25T10:00:10Z"}));
        let before = judged(&given, &[pod("bad", true)], "2026-11-25T10:00:00Z");
        assert_eq!(before.status.state, Some(WaiverState::Active));
        assert_eq!(before.next, Duration::from_secs(10));
        let given = then(given, &before.status);
        let close = judged(&given, &[pod("bad", true)], "2026-11-25T10:00:09.9Z");
        assert_eq!((close.status.state, close.next), (Some(WaiverState::Active), Duration::from_secs(1)));
        // The audit may be older than the end: the clock decides.
        let line = audit(&[pod("bad", true)], vec![read(&given).unwrap()], at("2026-11-25T10:00:00Z"))
            .waivers
            .remove(0);
        let after = plan(&given, Some(&line), true, &[], at("2026-11-25T10:00:10Z"));
        assert_eq!(
            told(&after),
            (Some(WaiverState::Expired), vec![READY_, APPROVED_, (IN_FORCE, "False", "Expired")])
        );
        assert_eq!(reasons(&after), ["WaiverExpired"]);
        assert_eq!(after.next, LOOK_AGAIN);
        let again = judged(&then(given, &after.status), &[pod("bad", true)], "2026-11-25T12:00:00Z");
        assert_eq!(again.status, after.status, "nothing is written anew");
        assert!(again.notices.is_empty());
    }

    #[test]
    fn a_baseline_or_controls_that_are_not_there_are_named() {
        let given = waiver(&json!({"controls": ["no-privilege", "nothing-such"]}));
        let none = plan(&given, None, false, &[], at(NOW));
        assert_eq!(
            told(&none),
            (
                Some(WaiverState::Unused),
                vec![(READY, "False", "NoBaseline"), APPROVED_, (IN_FORCE, "False", "NoBaseline")]
            )
        );
        assert!(none.status.conditions[0].message.contains("city"));
        let line = audit(&[pod("bad", true)], vec![read(&given).unwrap()], at(NOW)).waivers.remove(0);
        let some = plan(&given, Some(&line), true, &["nothing-such".to_owned()], at(NOW));
        assert_eq!(
            told(&some),
            (
                Some(WaiverState::Active),
                vec![(READY, "False", "UnknownControls"), APPROVED_, (IN_FORCE, "True", "InForce")]
            )
        );
        assert!(some.status.conditions[0].message.contains("nothing-such"));
        let unknown = ["no-privilege".to_owned(), "nothing-such".to_owned()];
        let all = plan(&given, Some(&line), true, &unknown, at(NOW));
        assert_eq!(told(&all).1[2], (IN_FORCE, "False", "UnknownControls"));
    }

    #[test]
    fn before_an_audit_knows_it_what_was_told_stands() {
        let first = plan(&waiver(&json!({})), None, true, &[], at(NOW));
        assert_eq!(told(&first), (None, vec![READY_, APPROVED_, (IN_FORCE, "Unknown", "NotLookedYet")]));
        let active = judged(&waiver(&json!({})), &[pod("bad", true)], NOW).status;
        let started = plan(&then(waiver(&json!({})), &active), None, true, &[], at("2026-11-26T00:00:00Z"));
        assert_eq!(started.status, active);
        // An audit of before the approval knows it as pending.
        let pending = waiver(&json!({"approval": null}));
        let line = audit(&[pod("bad", true)], vec![read(&pending).unwrap()], at(NOW)).waivers.remove(0);
        assert_eq!(plan(&waiver(&json!({})), Some(&line), true, &[], at(NOW)).status.state, None);
    }

    #[test]
    fn approval_and_its_end_are_told_once() {
        let pending = judged(&waiver(&json!({"approval": null})), &[pod("bad", true)], NOW);
        assert!(pending.notices.is_empty());
        let approved = judged(&then(waiver(&json!({})), &pending.status), &[pod("bad", true)], NOW);
        assert_eq!(reasons(&approved), ["WaiverApproved"]);
        let again = judged(&then(waiver(&json!({})), &approved.status), &[pod("bad", true)], NOW);
        assert!(again.notices.is_empty());
        let unused = judged(&then(waiver(&json!({})), &approved.status), &[], NOW);
        assert_eq!(reasons(&unused), ["WaiverUnused"]);
        let gone =
            judged(&then(waiver(&json!({"approval": null})), &approved.status), &[pod("bad", true)], NOW);
        assert_eq!(reasons(&gone), ["WaiverApprovalGone"]);
    }

    #[test]
    fn one_that_cannot_be_read_says_which_field() {
        let given = waiver(&json!({"expires": "soon"}));
        let plan = plan(&given, None, true, &[], at(NOW));
        assert_eq!(
            told(&plan),
            (
                Some(WaiverState::Pending),
                vec![(READY, "False", "InvalidSpec"), APPROVED_, (IN_FORCE, "False", "InvalidSpec")]
            )
        );
        assert!(plan.status.conditions[0].message.starts_with("spec.expires:"));
    }
}
