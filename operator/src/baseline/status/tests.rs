use banyan_crds::v1alpha1::SecurityBaseline;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResourceExt as _;
use serde_json::{Value, json};

use super::super::sample::{at, audit, number, pod, waiver};
use super::*;

const FIRST: &str = "2026-11-25T10:00:00.25Z";
const LATER: &str = "2026-11-26T10:00:00Z";

fn look(objects: &[Value], now: &str) -> Look {
    Look {
        audit: Arc::new(audit(objects, Vec::new(), at(now))),
        unread: Vec::new(),
        faults: Vec::new(),
        not_decided: Vec::new(),
        held: 2,
        reports_missing: Vec::new(),
        reports_failed: None,
        complete: true,
        generation: Some(3),
        suspended: false,
        now: at(now),
    }
}

fn condition<'s>(status: &'s SecurityBaselineStatus, kind: &str) -> &'s Condition {
    status.conditions.iter().find(|condition| condition.type_ == kind).unwrap()
}

/// Status and reason of a condition.
fn told(look: &Look, kind: &str) -> (String, String) {
    let status = status(look, None);
    let condition = condition(&status, kind);
    (condition.status.clone(), condition.reason.clone())
}

fn is(look: &Look, kind: &str, truth: &str, reason: &str) {
    assert_eq!(told(look, kind), (truth.to_owned(), reason.to_owned()), "{kind}");
}

fn reasons(notices: &[Notice]) -> Vec<&'static str> {
    notices.iter().map(|notice| notice.reason).collect()
}

/// The status as the API server takes it.
fn valid(status: &SecurityBaselineStatus) {
    let crd = serde_json::to_value(SecurityBaseline::crd()).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
    let errors: Vec<String> = jsonschema::validator_for(schema)
        .unwrap()
        .iter_errors(&serde_json::to_value(status).unwrap())
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn a_look_is_told_clause_by_clause_with_figures_and_high_risks() {
    let look = look(&[pod("good", false), pod("bad", true), number("1")], FIRST);
    let status = status(&look, None);
    valid(&status);
    assert_eq!(status.observed_generation, Some(3));
    let counts = status.counts.unwrap();
    assert_eq!((counts.pass, counts.fail, counts.error, counts.manual), (2, 1, 0, 0));
    let clauses: Vec<_> = status
        .clauses
        .iter()
        .map(|clause| (clause.clause.as_str(), clause.verdict, clause.failing, clause.objects))
        .collect();
    assert_eq!(
        clauses,
        [
            ("8.1.4.2 d", ClauseVerdict::NonCompliant, 1, 2),
            ("8.1.3.1 a", ClauseVerdict::Compliant, 0, 1),
            ("8.1.8.3 a", ClauseVerdict::Compliant, 0, 0),
        ]
    );
    assert_eq!(status.high_risks[0].control.0, "no-privilege");
    assert_eq!(status.high_risks[0].objects, 1);
    assert_eq!(status.high_risks[0].since.0, at("2026-11-25T10:00:00Z"));
    assert_eq!(status.conclusion, Some(BaselineConclusion::NonConforming));
    assert_eq!(status.score.unwrap().0, "66.67");
    assert_eq!(status.compliance_rate.unwrap().0, "66.67");
    is(&look, READY, "True", "Reconciled");
    is(&look, EVALUATED, "True", "Evaluated");
    is(&look, HIGH_RISKS_CLEAR, "False", "HighRisk");
}

#[test]
fn an_unchanged_world_gives_the_same_bytes_a_day_later_and_after_the_api_server_kept_them() {
    let objects = [pod("bad", true), number("none")];
    let first = status(&look(&objects, FIRST), None);
    let kept = serde_json::from_value(serde_json::to_value(&first).unwrap()).unwrap();
    assert_eq!(first, kept);
    assert_eq!(status(&look(&objects, LATER), Some(&kept)), first);
}

#[test]
fn since_when_moves_with_the_verdict_only() {
    let first = status(&look(&[pod("bad", true), number("1")], FIRST), None);
    let second = status(&look(&[pod("bad", true), pod("worse", true), number("0")], LATER), Some(&first));
    assert_eq!(second.clauses[0].since, first.clauses[0].since);
    assert_eq!(second.clauses[0].failing, 2);
    assert_eq!(second.clauses[1].since.0, at(LATER));
    assert_eq!(second.high_risks[0].since, first.high_risks[0].since);
}

#[test]
fn before_the_first_lists_everything_is_unknown() {
    let first = Look { complete: false, ..look(&[pod("good", false)], FIRST) };
    let status = status(&first, None);
    valid(&status);
    assert_eq!(status.observed_generation, Some(-1));
    assert_eq!((status.counts, status.score, status.conclusion), (None, None, None));
    assert!(status.clauses.iter().all(|clause| clause.verdict == ClauseVerdict::Unknown));
    is(&first, READY, "False", "NotLookedYet");
    for kind in [OBJECTS_READ, EVALUATED, REPORTS_WRITTEN, HIGH_RISKS_CLEAR] {
        is(&first, kind, "Unknown", "NotLookedYet");
    }
}

#[test]
fn a_new_start_forgets_neither_since_when_nor_what_was_found() {
    let objects = [pod("bad", true)];
    let before = status(&look(&objects, FIRST), None);
    let starting = Look { complete: false, generation: Some(4), ..look(&[], LATER) };
    let between = status(&starting, Some(&before));
    assert_eq!(between.clauses, before.clauses);
    assert_eq!(between.high_risks, before.high_risks);
    assert_eq!(between.observed_generation, Some(3));
    assert_eq!(condition(&between, HIGH_RISKS_CLEAR).status, "Unknown");
    assert!(notices(&starting, Some(&before), &between).is_empty());
    let after = status(&look(&objects, LATER), Some(&between));
    assert_eq!(after.high_risks, before.high_risks);
    assert!(notices(&look(&objects, LATER), Some(&between), &after).is_empty());
}

#[test]
fn an_evaluation_that_fails_names_its_control_and_is_no_pass() {
    let look = look(&[number("none")], FIRST);
    let status = status(&look, None);
    is(&look, EVALUATED, "False", "EvaluationFailed");
    assert!(condition(&status, EVALUATED).message.contains("numbered"));
    assert_eq!(status.counts.unwrap().error, 1);
}

#[test]
fn what_could_not_be_read_is_named_and_clears_no_high_risk() {
    let mut look = look(&[], FIRST);
    is(&look, HIGH_RISKS_CLEAR, "True", "Clear");
    look.unread = vec![("Secret".to_owned(), "forbidden".to_owned()), ("Node".to_owned(), "gone".to_owned())];
    let status = status(&look, None);
    valid(&status);
    is(&look, OBJECTS_READ, "False", "Unreadable");
    assert!(condition(&status, OBJECTS_READ).message.starts_with("Node, Secret:"));
    assert_eq!(status.unreadable[1].what, "Secret");
    is(&look, HIGH_RISKS_CLEAR, "Unknown", "NotSeen");
    is(&look, READY, "True", "Reconciled");
}

#[test]
fn a_pack_that_cannot_be_used_is_named_and_the_rest_goes_on() {
    let mut look = look(&[pod("good", false)], FIRST);
    look.faults = vec![("ConfigMap house-rules".to_owned(), "a.yaml:3: no such field".to_owned())];
    let status = status(&look, None);
    is(&look, PACKS_LOADED, "False", "PackUnusable");
    assert!(condition(&status, PACKS_LOADED).message.contains("house-rules: a.yaml:3"));
    assert_eq!(status.unreadable[0].what, "ConfigMap house-rules");
    is(&look, READY, "True", "Reconciled");
    look.faults.push(("spec.packs[1]".to_owned(), "there is no pack `house-rules`".to_owned()));
    is(&look, READY, "False", "InvalidSpec");
    is(&look, HIGH_RISKS_CLEAR, "Unknown", "NotSeen");
    look.faults = vec![("spec.packs".to_owned(), "house/a.yaml:7: expression: no".to_owned())];
    is(&look, READY, "False", "PackUnusable");
    is(&look, PACKS_LOADED, "False", "PackUnusable");
    is(&look, HIGH_RISKS_CLEAR, "Unknown", "NotSeen");
}

#[test]
fn reports_that_are_not_served_say_how_to_install_them_and_the_rest_works() {
    let mut look = look(&[pod("good", false)], FIRST);
    look.reports_missing = vec![ReportApi::OpenReports];
    let status = status(&look, None);
    let message = &condition(&status, REPORTS_WRITTEN).message;
    assert!(message.starts_with("openreports.io/v1alpha1 is not served"), "{message}");
    is(&look, REPORTS_WRITTEN, "False", "ReportsNotServed");
    is(&look, READY, "True", "Reconciled");
    look.reports_failed = Some("Report shop/x: Forbidden".to_owned());
    is(&look, REPORTS_WRITTEN, "False", "ReportsFailed");
    is(&look, READY, "False", "ReportsFailed");
}

#[test]
fn suspended_is_ready_and_says_so() {
    is(&Look { suspended: true, ..look(&[], FIRST) }, READY, "True", "Suspended");
}

#[test]
fn what_is_too_much_is_cut_and_told() {
    let mut look = look(&[pod("bad", true)], FIRST);
    let clause = look.audit.clauses[0].clone();
    let audit = Arc::make_mut(&mut look.audit);
    audit.clauses = (0..1100)
        .map(|n| banyan_policies::verdict::ClauseLine { requirement: format!("r{n}"), ..clause.clone() })
        .collect();
    audit.clauses.push(clause.clone());
    audit.clauses.push(clause);
    look.unread = (0..70).map(|n| (format!("Kind{n:03}"), "因".repeat(600))).collect();
    look.not_decided = (0..600).map(|n| (format!("control-{n}"), "why ".repeat(200))).collect();
    look.not_decided.push(("control-1".to_owned(), "twice".to_owned()));
    let status = status(&look, None);
    valid(&status);
    assert_eq!(
        (status.clauses.len(), status.unreadable.len(), status.not_decided_at_admission.len()),
        (1024, 64, 512)
    );
    assert!(condition(&status, READY).message.contains("status shows 1024 of 1102 clauses"));
    assert!(condition(&status, OBJECTS_READ).message.contains("status shows 64 of 70"));
}

#[test]
fn only_changes_are_news_and_on_the_first_look_only_high_risks() {
    let bad = look(&[pod("bad", true), number("0")], FIRST);
    let first = status(&bad, None);
    let told = notices(&bad, None, &first);
    assert_eq!(reasons(&told), ["NewHighRisk"]);
    assert!(told[0].warning && told[0].message.starts_with("no-privilege:"));
    assert!(notices(&bad, Some(&first), &status(&bad, Some(&first))).is_empty());

    let good = look(&[pod("good", false), number("1")], LATER);
    let second = status(&good, Some(&first));
    assert_eq!(reasons(&notices(&good, Some(&first), &second)), ["HighRiskCleared"]);

    let third = status(&bad, Some(&second));
    let told = notices(&bad, Some(&second), &third);
    assert_eq!(reasons(&told), ["NewHighRisk", "ClauseFell"]);
    assert!(told[1].message.contains("mlps 8.1.4.2 d (NonCompliant)"), "{}", told[1].message);
}

#[test]
fn a_high_risk_that_is_out_of_sight_is_not_told_as_cleared() {
    let first = status(&look(&[pod("bad", true)], FIRST), None);
    let mut blind = look(&[pod("good", false)], LATER);
    Arc::make_mut(&mut blind.audit).controls[0].tally.unknown = 1;
    assert!(notices(&blind, Some(&first), &status(&blind, Some(&first))).is_empty());
    // Nor is one whose pack is not asked for any more.
    let mut other = look(&[], LATER);
    Arc::make_mut(&mut other.audit).controls.clear();
    assert!(notices(&other, Some(&first), &status(&other, Some(&first))).is_empty());
}

#[test]
fn a_waived_high_risk_does_not_stand_and_its_clause_is_at_most_partial() {
    let mut waived = look(&[pod("bad", true)], FIRST);
    let given = vec![waiver("w", "2027-01-01T00:00:00Z", "li.na")];
    waived.audit = Arc::new(audit(&[pod("bad", true)], given, at(FIRST)));
    let status = status(&waived, None);
    assert_eq!(status.clauses[0].verdict, ClauseVerdict::Partial);
    assert!(status.high_risks.is_empty());
    assert_eq!(status.counts.unwrap().skip, 1);
}

#[test]
fn actions_are_carried_along() {
    let action = json!({"at": "2026-11-24T00:00:00Z", "action": "A", "object": "o", "why": "w"});
    let before = SecurityBaselineStatus {
        actions: vec![serde_json::from_value(action).unwrap()],
        ..SecurityBaselineStatus::default()
    };
    assert_eq!(status(&look(&[], FIRST), Some(&before)).actions, before.actions);
}

#[test]
fn a_write_that_failed_makes_ready_false_since_it_first_did() {
    let good = look(&[pod("good", false)], FIRST);
    let planned = status(&good, None);
    let failed =
        write_failed(planned.clone(), None, "Forbidden", "ValidatingAdmissionPolicy x: no", at(FIRST));
    let ready = condition(&failed, READY);
    assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("False", "Forbidden"));
    assert_eq!(ready.observed_generation, Some(3));
    valid(&failed);
    let again = look(&[pod("good", false)], LATER);
    let again = status(&again, Some(&failed));
    let again = write_failed(again, Some(&failed), "Forbidden", "ValidatingAdmissionPolicy x: no", at(LATER));
    assert_eq!(again, failed, "nothing is written anew");
    let mut wrong = good;
    wrong.faults = vec![("spec.packs[0]".to_owned(), "there is no such pack".to_owned())];
    let wrong = write_failed(status(&wrong, None), None, "Forbidden", "no", at(FIRST));
    assert_eq!(condition(&wrong, READY).reason, "InvalidSpec");
}

#[test]
fn the_status_holds_everything_that_the_built_in_packs_say() {
    use std::{collections::BTreeSet, sync::Arc};

    use banyan_policies::{
        engine::{Parameters, Selection, Session, Sight, compile},
        pack::builtin,
        verdict::{Input, Waivers, Work, conclude},
    };

    let packs: Vec<_> = builtin().0.into_iter().map(Arc::new).collect();
    let selections: Vec<_> = packs
        .iter()
        .map(|pack| Selection::new(&pack.about.name, pack.about.levels.last().unwrap()))
        .collect();
    let (compiled, faults) = compile(&packs, &selections, &Parameters::new());
    assert!(faults.is_empty(), "{faults:?}");
    let mut work = Work::new(&compiled, Waivers::default(), &[]);
    let session = Session::new(&compiled, at(FIRST));
    session.finish(Sight::Cluster { unread: BTreeSet::new() }).for_each(|judged| work.add(judged));
    let mut all = look(&[], FIRST);
    all.audit = Arc::new(conclude(work, &Input::default(), at(FIRST)));
    let status = status(&all, None);
    valid(&status);
    assert_eq!(status.clauses.len(), all.audit.clauses.len());
    assert!(status.clauses.len() > 200 && status.score.is_some());
    for (line, told) in all.audit.clauses.iter().zip(&status.clauses) {
        assert_eq!((&told.clause, &told.requirement), (&line.clause, &line.requirement));
    }
}

#[test]
fn counts_are_figures_and_verdicts_are_not() {
    let clause = |verdict: &str, failing: i64| serde_json::json!({"pack": "mlps", "requirement": "a", "clause": "8.1.1", "verdict": verdict, "since": "2026-06-01T00:00:00Z", "failing": failing, "objects": 9});
    let status = |verdict: &str, failing: i64, fail: i64| -> SecurityBaselineStatus {
        serde_json::from_value(serde_json::json!({
            "counts": {"pass": 5, "fail": fail, "warn": 0, "error": 0, "skip": 0, "manual": 0, "unknown": 0},
            "clauses": [clause(verdict, failing)],
        }))
        .unwrap()
    };
    let before = status("Partial", 1, 1);
    assert!(differs_in_figures_only(&before, &status("Partial", 2, 2)));
    assert!(!differs_in_figures_only(&before, &status("Compliant", 0, 0)));
    assert!(!differs_in_figures_only(&before, &before));
    assert!(!differs_in_figures_only(&before, &SecurityBaselineStatus::default()));
}
