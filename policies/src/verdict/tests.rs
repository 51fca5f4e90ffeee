use super::clause::{Judgement, Seen, judge};
use super::*;
use crate::pack::{Absent, Control, Kind, Requirement};

fn requirement(kind: &str) -> Requirement {
    serde_json::from_value(serde_json::json!({
        "id": "a", "title": {"en": "", "zh": ""}, "summary": {"en": "", "zh": ""}, "type": kind, "levels": {"3": {"clause": "8.1.4.2 d"}}
    }))
    .unwrap()
}

fn control(high: bool, absent: Absent) -> Control {
    let mut control: Control = serde_json::from_value(serde_json::json!({
        "id": "c", "title": {"en": "", "zh": ""}, "severity": "high", "type": "Automatic", "requirements": ["a"], "match": {"pods": true},
        "expression": "true", "message": "''", "remediation": {"en": "", "zh": ""}
    }))
    .unwrap();
    control.high_risk = high;
    control.absent = absent;
    control
}

fn verdict(kind: &str, tallies: &[(bool, Absent, [usize; 5])], attested: &[Attested]) -> Judgement {
    let controls: Vec<_> = tallies.iter().map(|(high, absent, _)| control(*high, *absent)).collect();
    let seen: Vec<_> = controls
        .iter()
        .zip(tallies)
        .map(|(control, (_, _, [pass, fail, error, unknown, skip]))| Seen {
            control,
            tally: Tally { pass: *pass, fail: *fail, error: *error, unknown: *unknown, skip: *skip },
        })
        .collect();
    judge(&requirement(kind), &seen, attested, None)
}

fn attested(valid: bool) -> Attested {
    Attested {
        by: "a".into(),
        evidence: "b".into(),
        valid_until: jiff::civil::date(2027, 3, 31),
        valid,
        applies_to: Vec::new(),
    }
}

#[test]
fn a_clause_is_no_better_than_what_was_seen_of_it() {
    use Absent::{Fail, NotApplicable as Nothing, Unknown};
    for (kind, tallies, word, expected, score) in [
        ("Automatic", vec![(false, Nothing, [3, 0, 0, 0, 0])], vec![], Verdict::Compliant, Some(1.0)),
        ("Automatic", vec![(false, Nothing, [3, 1, 0, 0, 0])], vec![], Verdict::Partial, Some(0.75)),
        ("Automatic", vec![(false, Nothing, [0, 2, 0, 0, 0])], vec![], Verdict::NonCompliant, Some(0.0)),
        ("Automatic", vec![(true, Nothing, [99, 1, 0, 0, 0])], vec![], Verdict::NonCompliant, Some(0.0)),
        // An error is never a pass.
        ("Automatic", vec![(false, Nothing, [1, 0, 1, 0, 0])], vec![], Verdict::Partial, Some(0.5)),
        ("Automatic", vec![(false, Nothing, [0, 0, 0, 2, 0])], vec![], Verdict::Unknown, None),
        ("Automatic", vec![(false, Nothing, [1, 0, 0, 1, 0])], vec![], Verdict::Partial, Some(0.5)),
        // What is waived is answered for, not held.
        ("Automatic", vec![(false, Nothing, [3, 0, 0, 0, 1])], vec![], Verdict::Partial, Some(0.5)),
        ("Automatic", vec![(false, Nothing, [0, 0, 0, 0, 1])], vec![], Verdict::Partial, Some(0.5)),
        ("Automatic", vec![(false, Nothing, [0; 5])], vec![], Verdict::NotApplicable, None),
        // That there is nothing to see attests nothing.
        ("Attested", vec![(false, Nothing, [0; 5])], vec![], Verdict::ManualDue, None),
        ("Automatic", vec![(false, Unknown, [0; 5])], vec![], Verdict::Unknown, None),
        ("Automatic", vec![(false, Fail, [0; 5])], vec![], Verdict::NonCompliant, Some(0.0)),
        (
            "Automatic",
            vec![(false, Nothing, [2, 0, 0, 0, 0]), (false, Unknown, [0; 5])],
            vec![],
            Verdict::Partial,
            Some(0.5),
        ),
        (
            "Automatic",
            vec![(false, Nothing, [2, 0, 0, 0, 0]), (false, Nothing, [0, 1, 0, 0, 0])],
            vec![],
            Verdict::Partial,
            Some(0.5),
        ),
        // Evidence alone is never the whole.
        ("Partial", vec![(false, Nothing, [3, 0, 0, 0, 0])], vec![], Verdict::Partial, Some(0.5)),
        (
            "Partial",
            vec![(false, Nothing, [3, 0, 0, 0, 0])],
            vec![attested(true)],
            Verdict::Compliant,
            Some(1.0),
        ),
        (
            "Partial",
            vec![(false, Nothing, [3, 0, 0, 0, 0])],
            vec![attested(true), attested(false)],
            Verdict::Partial,
            Some(0.5),
        ),
        (
            "Partial",
            vec![(false, Nothing, [1, 1, 0, 0, 0])],
            vec![attested(true)],
            Verdict::Partial,
            Some(0.5),
        ),
        ("Attested", vec![], vec![], Verdict::ManualDue, None),
        ("Attested", vec![], vec![attested(true)], Verdict::Compliant, Some(1.0)),
        ("Attested", vec![], vec![attested(false)], Verdict::ManualDue, None),
        ("Platform", vec![], vec![], Verdict::Unknown, None),
        ("Automatic", vec![], vec![], Verdict::Unknown, None),
    ] {
        let said = verdict(kind, &tallies, &word);
        assert_eq!(
            (said.verdict, said.score),
            (expected, score),
            "{kind} {tallies:?} {word:?}: {}",
            said.reason
        );
    }
}

#[test]
fn what_is_declared_not_to_apply_does_not() {
    let declared = NotApplicable { clause: "8.1.4.2 d".into(), reason: "no wireless network".into() };
    let said = judge(&requirement("Attested"), &[], &[], Some(&declared));
    assert_eq!((said.verdict, said.reason.as_str()), (Verdict::NotApplicable, "no wireless network"));
    assert_eq!(requirement("Attested").kind, Kind::Attested);
}

#[test]
fn an_attestation_is_valid_to_the_end_of_its_day_in_china() {
    let attestation = Attestation {
        clause: "x".into(),
        applies_to: Vec::new(),
        by: "a".into(),
        evidence: "b".into(),
        valid_until: jiff::civil::date(2027, 3, 31),
    };
    assert!(attestation.valid("2027-03-31T15:59:59Z".parse().unwrap()));
    assert!(!attestation.valid("2027-03-31T16:00:00Z".parse().unwrap()));
}

#[test]
fn a_waiver_without_an_end_or_for_everything_is_none() {
    let good = serde_json::json!({"apiVersion": "banyan.dev/v1alpha1", "kind": "Waiver", "metadata": {"name": "w"}, "spec": {
        "baselineName": "city", "controls": ["c"], "match": {"names": ["x-*"]}, "reason": "r", "ticket": "t", "expires": "2027-01-31T00:00:00Z", "suspend": true, "approval": {"by": "b"}}});
    let read = Waiver::read(&good).unwrap();
    assert_eq!((read.approved_by.as_str(), read.suspended), ("b", true));
    for (pointer, value, says) in [
        ("/spec/expires", serde_json::Value::Null, "spec.expires: is missing"),
        ("/spec/expires", "tomorrow".into(), "spec.expires: is no instant"),
        ("/spec/match/names", serde_json::json!([]), "spec.match: is empty"),
        ("/spec/controls", serde_json::json!([]), "spec.controls: names no control"),
        ("/spec/controls", serde_json::json!([3]), "spec.controls: is no list of texts"),
        ("/spec/reason", " ".into(), "spec.reason: is empty"),
        ("/spec/ticket", 7.into(), "spec.ticket: is no text"),
        ("/spec/suspend", "yes".into(), "spec.suspend: is neither true nor false"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let said = Waiver::read(&bad).unwrap_err().to_string();
        assert!(said.starts_with(says), "{said} is not {says}");
    }
}

/// A waiver covers until its instant and not from it on; one that nobody approved, or that is suspended, covers nothing.
#[test]
fn a_waiver_covers_while_it_is_valid() {
    use crate::engine::{Finding, ObjectRef, Outcome, Place};
    let compiled =
        crate::engine::fixtures::compiled(&[("c", "match: {kinds: [ConfigMap]}\nexpression: 'false'\n")]);
    let waiver = |approved: &str| Waiver {
        name: "w".into(),
        controls: vec!["c".into()],
        namespaces: vec!["a".into()],
        kinds: Vec::new(),
        names: vec!["x-*".into()],
        reason: "r".into(),
        ticket: "t".into(),
        expires: "2027-01-31T00:00:00Z".parse().unwrap(),
        // Suspended, it keeps its approval.
        approved_by: approved.trim_start_matches("suspended ").into(),
        suspended: approved.starts_with("suspended"),
    };
    let object = |namespace: &str, name: &str| ObjectRef {
        namespace: namespace.into(),
        name: name.into(),
        kind: "ConfigMap".into(),
        ..ObjectRef::default()
    };
    for (approved, now, object, outcome, state, uses, missed) in [
        ("b", "2027-01-30T23:59:59Z", object("a", "x-1"), Outcome::Skip, WaiverState::Active, 1, 0),
        ("b", "2027-01-31T00:00:00Z", object("a", "x-1"), Outcome::Fail, WaiverState::Expired, 0, 1),
        ("", "2027-01-30T00:00:00Z", object("a", "x-1"), Outcome::Fail, WaiverState::Pending, 0, 1),
        (
            "suspended b",
            "2027-01-30T00:00:00Z",
            object("a", "x-1"),
            Outcome::Fail,
            WaiverState::Suspended,
            0,
            1,
        ),
        (
            "suspended b",
            "2027-01-31T00:00:00Z",
            object("a", "x-1"),
            Outcome::Fail,
            WaiverState::Expired,
            0,
            1,
        ),
        ("b", "2027-01-30T00:00:00Z", object("b", "x-1"), Outcome::Fail, WaiverState::Unused, 0, 0),
        ("b", "2027-01-30T00:00:00Z", object("a", "y"), Outcome::Fail, WaiverState::Unused, 0, 0),
    ] {
        let place = Place { path: String::new(), message: "m".into(), evidence: None, line: None };
        let mut findings = [
            Finding { control: 0, outcome: Outcome::Fail, places: vec![place], more: 0, waiver: None },
            Finding { control: 0, outcome: Outcome::Error, places: Vec::new(), more: 0, waiver: None },
        ];
        let mut waivers = Waivers::new(vec![waiver(approved)], now.parse().unwrap());
        waivers.apply(&compiled, &object, &mut findings);
        assert_eq!(findings[0].outcome, outcome, "{now} {object:?}");
        assert_eq!(findings[1].outcome, Outcome::Error, "nobody knows what an error hides");
        let (_, said, used, would) = waivers.lines().next().unwrap();
        assert_eq!((said, used, would), (state, uses, missed), "{now} {object:?}");
    }
}

#[test]
fn controls_that_are_evidence_alone_do_not_decide_an_automatic_requirement() {
    let mut evidence = control(false, Absent::NotApplicable);
    evidence.kind = Kind::Partial;
    let tally = Tally { pass: 3, ..Tally::default() };
    let said = judge(&requirement("Automatic"), &[Seen { control: &evidence, tally }], &[], None);
    assert_eq!((said.verdict, said.score), (Verdict::Partial, Some(0.5)));
    let deciding = control(false, Absent::NotApplicable);
    let both = [Seen { control: &evidence, tally }, Seen { control: &deciding, tally }];
    assert_eq!(judge(&requirement("Automatic"), &both, &[], None).verdict, Verdict::Compliant);
}
