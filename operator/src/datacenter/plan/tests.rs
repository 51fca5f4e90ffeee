//! Plans from literals: samples in, verdicts, entries and conditions out. No client, no clock.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::*;
use crate::{
    datacenter::{
        energy::Sample,
        holds::Estate,
        observe::{Blind, ClosedDays, FoundLedger},
    },
    index::{
        batch::{BatchEntry, BatchKind},
        nodes::NodeEntry,
    },
    kernel::{executor::Outcome, loan::Loan},
};

mod contested;
mod kept;
mod maintenance;
mod reported;

/// Wednesday noon in Fuzhou; the target is 1.25.
const NOW: &str = "2026-06-17T04:00:00Z";
const QUARTER: i64 = 900_000;

pub(crate) fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub(crate) fn dc(extra: &Value) -> DataCenter {
    let mut object = json!({
        "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter",
        "metadata": {"name": "gulou-1", "uid": "d1", "generation": 3},
        "spec": {
            "location": {"timeZone": "Asia/Shanghai"},
            "nodeSelector": {"matchLabels": {"zone": "gulou-1"}},
            "energy": {
                "prometheus": {"url": "http://p:9090"},
                "meters": [
                    {"name": "feed", "purpose": "Facility", "query": "f", "type": "Counter", "unit": "Wh", "interval": "15m"},
                    {"name": "pdu", "purpose": "IT", "position": "PDU", "query": "i", "type": "Counter", "unit": "Wh", "interval": "15m"}
                ]
            },
            "pue": {"targets": [{"from": "2026-01-01", "max": "1.25"}]},
            "enforcement": {"mode": "Enforce", "actions": ["HoldBatch", "PreferElsewhere", "FreezeGrowth"]}
        }
    });
    json_patch::merge(&mut object, extra);
    serde_json::from_value(object).unwrap()
}

/// A counter that draws `watts` from `from` to `to`, read every quarter of an hour.
fn counter(from: i64, to: i64, watts: impl Fn(i64) -> f64) -> Vec<Sample> {
    let mut value = 1e6;
    let mut samples = Vec::new();
    let mut at = from.div_euclid(QUARTER) * QUARTER;
    while at <= to {
        samples.push(Sample { at, value });
        value += watts(at) / 4.0;
        at += QUARTER;
    }
    samples
}

/// IT load that varies by the weekday between 1000 and 1200 kW.
fn it(at: i64) -> f64 {
    1e6 + f64::from(u32::try_from(at.div_euclid(86_400_000) % 5).unwrap()) * 5e4
}

fn batch() -> BatchEntry {
    BatchEntry {
        kind: BatchKind::CronJob,
        object: ObjectRef {
            resource: kube::core::ApiResource::erase::<k8s_openapi::api::batch::v1::CronJob>(&()),
            namespace: Some("health".into()),
            name: "nightly".into(),
            uid: Some("c1".into()),
        },
        site: None,
        node_selector: [("zone".to_owned(), "gulou-1".to_owned())].into(),
        deferrable: true,
        holdable: true,
        loans: vec![],
        doubts: vec![],
    }
}

/// What is seen of a site whose facility draws `fixed` + `ratio` · IT, over a year.
pub(crate) fn seen(fixed: f64, ratio: f64) -> Observation {
    let to = now().as_millisecond();
    let from = to - 400 * 86_400_000;
    let samples = BTreeMap::from([
        ("feed".to_owned(), Ok(counter(from, to, |at| fixed + ratio * it(at)))),
        ("pdu".to_owned(), Ok(counter(from, to, it))),
    ]);
    let days = closed(&samples, "2025-06-01", Ledger::default());
    Observation {
        now: now(),
        namespace: "banyan-system".into(),
        status: None,
        found: FoundLedger::default(),
        days: Some(days),
        samples,
        air: None,
        racks_in_use: None,
        estate: Estate {
            nodes: vec![NodeEntry {
                name: "n1".into(),
                uid: "n1".into(),
                labels: Arc::new([("zone".to_owned(), "gulou-1".to_owned())].into()),
                loans: vec![],
                doubts: vec![],
            }],
            batch: vec![batch()],
            queues_known: true,
        },
        enforcement: true,
        freeze_growth: true,
        here: Ok(true),
        installation: vec![],
    }
}

/// The look at the days from `first` on that these samples give.
fn closed(samples: &BTreeMap<String, Result<Vec<Sample>, Blind>>, first: &str, ledger: Ledger) -> ClosedDays {
    closed_of(&Site::read(&dc(&json!({})).spec).unwrap(), samples, first, ledger)
}

/// The same for a site of another spec.
fn closed_of(
    site: &Site,
    samples: &BTreeMap<String, Result<Vec<Sample>, Blind>>,
    first: &str,
    mut ledger: Ledger,
) -> ClosedDays {
    let meters: Vec<MeterInput> = site
        .meters
        .iter()
        .map(|meter| windows::input(meter, Ok(samples[&meter.meter.name].clone().unwrap())))
        .collect();
    let days = (first.parse().unwrap(), windows::last_closed_day(site, now()));
    let changes = windows::close_days(site, &meters, &mut ledger, days, now());
    ClosedDays { ledger: Arc::new(ledger), changes, complete: true }
}

fn run(dc: &DataCenter, seen: &Observation) -> Plan<DataCenterStatus> {
    plan(dc, &Site::read(&dc.spec), seen).0
}

fn condition<'a>(plan: &'a Plan<DataCenterStatus>, kind: &str) -> (&'a str, &'a str, &'a str) {
    let found = plan.status.conditions.iter().find(|condition| condition.type_ == kind).unwrap();
    (&found.status, &found.reason, &found.message)
}

fn loans(plan: &Plan<DataCenterStatus>) -> Vec<&Loan> {
    plan.borrow.iter().flatten().collect()
}

/// What the next observation shows after the plan was carried out.
pub(crate) fn after(plan: Plan<DataCenterStatus>, before: &Observation, later: Timestamp) -> Observation {
    let ledger = plan.own.iter().find(|own| own.object.name == "banyan-ledger-gulou-1").unwrap();
    let data: BTreeMap<String, String> = serde_json::from_value(ledger.body["data"].clone()).unwrap();
    let map = k8s_openapi::api::core::v1::ConfigMap { data: Some(data), ..Default::default() };
    let status = crate::datacenter::settle::settle(plan.status, None, &Outcome::default(), before.now);
    Observation {
        now: later,
        status: Some(status),
        found: FoundLedger::read(&map).unwrap(),
        days: None,
        ..before.clone()
    }
}

#[test]
fn a_site_under_its_target_is_compliant_on_both_horizons_and_nothing_is_done() {
    // 100 kW fixed and 1.10 · IT of 1000 to 1200 kW: PUE 1.10 + 100/1100 ≈ 1.19.
    let plan = run(&dc(&json!({})), &seen(1e5, 1.10));
    assert_eq!(plan.status.operational.as_ref().unwrap().verdict, Verdict::Compliant);
    let annual = plan.status.annual.as_ref().unwrap();
    // The target began with the year, so the annual verdict waits for a year under it.
    assert_eq!((annual.verdict, annual.days, annual.interim), (Verdict::Provisional, 365, false));
    let value = annual.value.as_ref().unwrap().number().unwrap();
    assert!((1.19..1.195).contains(&value), "{value}");
    assert_eq!(annual.category, Some(2));
    assert_eq!((loans(&plan).len(), plan.undo.len(), plan.finalizer), (0, 0, false));
    assert_eq!(condition(&plan, "Ready").0, "True");
    assert_eq!(condition(&plan, "PUEWithinTarget").0, "True");
    assert_eq!(plan.status.months.len(), 12);
    assert_eq!(plan.status.current_month.as_ref().unwrap().month, "2026-06");
}

#[test]
fn a_violated_site_whose_load_is_dear_is_held_one_action_at_a_time() {
    // Every kWh of IT costs 1.40: above the target of 1.25 at any load.
    let plan = run(&dc(&json!({})), &seen(1e4, 1.40));
    let status = &plan.status;
    assert_eq!(status.operational.as_ref().unwrap().verdict, Verdict::Violated);
    let model = status.model.as_ref().unwrap();
    assert_eq!((model.marginal_ratio.value.as_str(), model.samples), ("1.400", 365));
    let enforcement = status.enforcement.as_ref().unwrap();
    assert_eq!(enforcement.state, EnforcementState::Enforcing);
    assert_eq!(
        enforcement.engaged.iter().map(|engaged| engaged.action).collect::<Vec<_>>(),
        [Action::HoldBatch]
    );
    assert_eq!(loans(&plan).iter().map(|loan| loan.object.name.as_str()).collect::<Vec<_>>(), ["nightly"]);
    assert!(plan.finalizer);
    // Ready speaks of Banyan's work, not of the weather.
    assert_eq!(condition(&plan, "Ready").0, "True");
    assert_eq!(condition(&plan, "PUEWithinTarget").0, "False");
    assert_eq!(condition(&plan, "NotEnforcing").0, "False");
}

#[test]
fn a_violated_site_with_little_load_is_refused() {
    // 400 kW fixed and 1.05 · IT: PUE about 1.41, but a kWh more costs only 1.05.
    let plan = run(
        &dc(&json!({"spec": {"enforcement": {"actions": ["HoldBatch", "PreferElsewhere"]}}})),
        &seen(4e5, 1.05),
    );
    assert_eq!(plan.status.operational.as_ref().unwrap().verdict, Verdict::Violated);
    assert_eq!(plan.status.enforcement.as_ref().unwrap().state, EnforcementState::Refused);
    let (status, reason, message) = condition(&plan, "NotEnforcing");
    assert_eq!((status, reason), ("True", "WouldRaisePUE"));
    // F/(T − (1+m)) = 400 kW / (1.25 − 1.05) = 2000 kW.
    assert!(message.contains("2000 kW"), "{message}");
    assert_eq!((loans(&plan).len(), plan.finalizer), (0, false));
}

#[test]
fn observe_says_what_it_would_do_and_touches_nothing() {
    let plan = run(&dc(&json!({"spec": {"enforcement": {"mode": "Observe"}}})), &seen(1e4, 1.40));
    assert_eq!(plan.status.enforcement.as_ref().unwrap().state, EnforcementState::WouldAct);
    assert!(condition(&plan, "NotEnforcing").2.contains("HoldBatch"));
    assert_eq!((loans(&plan).len(), plan.undo.len(), plan.finalizer), (0, 0, false));
}

#[test]
fn the_same_world_seen_again_gives_the_same_status() {
    let dc = dc(&json!({}));
    for (fixed, ratio) in [(1e5, 1.10), (1e4, 1.40), (4e5, 1.05)] {
        let first = seen(fixed, ratio);
        let plan = run(&dc, &first);
        let mut then = after(plan, &first, first.now);
        // The held CronJob carries its loan now.
        then.estate.batch.clear();
        for minute in 1..=10 {
            then.now = first.now.checked_add(SignedDuration::from_mins(minute)).unwrap();
            let again = run(&dc, &then);
            assert_eq!(Some(&again.status), then.status.as_ref(), "minute {minute}");
            assert_eq!((loans(&again).len(), again.notices.len()), (0, 0), "{:?}", again.notices);
        }
    }
}

#[test]
fn prometheus_down_is_unknown_keeps_what_is_in_force_and_says_what_was() {
    let dc = dc(&json!({}));
    let first = seen(1e4, 1.40);
    let mut then =
        after(run(&dc, &first), &first, first.now.checked_add(SignedDuration::from_mins(5)).unwrap());
    let down = Blind { reason: "PrometheusUnreachable", message: "no answer".into(), empty: false };
    then.samples = ["feed", "pdu"].map(|name| (name.to_owned(), Err(down.clone()))).into();
    let blind = run(&dc, &then);
    let operational = blind.status.operational.as_ref().unwrap();
    assert_eq!((operational.verdict, operational.last_known), (Verdict::Unknown, Some(Verdict::Violated)));
    assert_eq!(operational.blind_since.as_ref().unwrap().0, then.now);
    let (status, reason, message) = condition(&blind, "PUEValid");
    assert_eq!((status, reason), ("Unknown", "PrometheusUnreachable"));
    assert!(message.contains("feed"), "{message}");
    // Judging began 24 windows back, and the third in a row above the band made the verdict.
    assert!(
        condition(&blind, "PUEWithinTarget")
            .2
            .contains("the last verdict was Violated, since 2026-06-16T07:00:00Z")
    );
    let enforcement = blind.status.enforcement.as_ref().unwrap();
    assert_eq!((enforcement.state, enforcement.engaged.len()), (EnforcementState::Paused, 1));
    assert_eq!((loans(&blind).len(), blind.undo.len()), (0, 0));
    assert!(blind.finalizer);
    // The ledger stands.
    assert!(blind.own.iter().any(|own| own.object.name == "banyan-ledger-gulou-1"));

    // An hour later still: the same words, so nothing is written.
    let mut later = after(blind, &then, then.now.checked_add(SignedDuration::from_mins(60)).unwrap());
    let still = run(&dc, &later);
    assert_eq!(Some(&still.status), later.status.as_ref());

    // And when the meters come back the verdict stands again at once, and the windows missed are judged.
    let to = later.now.as_millisecond();
    let from = to - 30 * 3_600_000;
    later.samples = BTreeMap::from([
        ("feed".to_owned(), Ok(counter(from, to, |at| 1e4 + 1.40 * it(at)))),
        ("pdu".to_owned(), Ok(counter(from, to, it))),
    ]);
    let back = run(&dc, &later);
    let operational = back.status.operational.as_ref().unwrap();
    assert_eq!((operational.verdict, operational.blind_since.is_none()), (Verdict::Violated, true));
    assert_eq!(operational.until.as_ref().unwrap().0, "2026-06-17T05:00:00Z".parse().unwrap());
}

#[test]
fn a_dead_meter_is_unknown_and_named() {
    let dc = dc(&json!({}));
    let mut first = seen(1e5, 1.10);
    let dead_since = first.now.as_millisecond() - 9 * 3_600_000;
    if let Some(Ok(samples)) = first.samples.get_mut("pdu") {
        samples.retain(|sample| sample.at <= dead_since);
    }
    let plan = run(&dc, &first);
    assert_eq!(plan.status.operational.as_ref().unwrap().verdict, Verdict::Unknown);
    let (status, _, message) = condition(&plan, "MetersHealthy");
    assert_eq!(status, "False");
    assert!(message.contains("pdu: no reading since 2026-06-16T19:00:00Z"), "{message}");
    assert!(!message.contains("feed"), "{message}");
    assert_eq!(condition(&plan, "PUEValid").0, "False");
}

#[test]
fn a_site_being_deleted_gives_back_and_keeps_its_ledger_for_the_garbage_collector() {
    let mut deleted = dc(&json!({}));
    let first = seen(1e4, 1.40);
    let mut then = after(run(&deleted, &first), &first, first.now);
    deleted.metadata.deletion_timestamp = Some(Time(now()));
    then.estate.batch[0].loans = vec![(
        crate::kernel::loan::annotation("HoldBatch"),
        crate::kernel::loan::Record {
            owner: "datacenter.gulou-1".into(),
            at: NOW.into(),
            rounds: 0,
            fields: vec![],
        },
    )];
    // It is not read any more, which is no news about its meters.
    then.samples.clear();
    let plan = run(&deleted, &then);
    // The mark by which new Jobs are held, then what is held.
    assert_eq!(plan.undo.len(), 2);
    assert_eq!(plan.status.operational, then.status.as_ref().unwrap().operational);
    assert!(plan.notices.iter().all(|notice| notice.reason == "ActionUndone"), "{:?}", plan.notices);
    let kinds: Vec<_> = plan.status.conditions.iter().map(|condition| condition.type_.as_str()).collect();
    assert_eq!(kinds, ["Ready", "NotEnforcing"]);
    assert!(plan.own.is_empty());
    assert!(plan.keep.iter().any(|kept| kept.name == "banyan-ledger-gulou-1"));
    // A Job may have been held meanwhile: the finalizer goes with another look, soon.
    assert!(plan.finalizer && plan.next <= LOOK_AGAIN);
    then.status = Some(plan.status);
    then.estate.batch[0].loans.clear();
    let plan = run(&deleted, &then);
    assert_eq!((plan.undo.len(), plan.finalizer), (0, false));
}

#[test]
fn a_ledger_that_cannot_be_read_is_neither_written_nor_pruned() {
    let mut first = seen(1e5, 1.10);
    first.found.ledger = Err("line 3: not a number".into());
    first.days = None;
    let plan = run(&dc(&json!({})), &first);
    assert!(plan.own.is_empty());
    assert!(plan.keep.iter().any(|kept| kept.name == "banyan-ledger-gulou-1"));
    let (status, reason, message) = condition(&plan, "Ready");
    assert_eq!((status, reason), ("False", "LedgerUnreadable"));
    assert!(message.contains("line 3"), "{message}");
}

#[test]
fn a_spec_that_cannot_be_read_names_its_field_and_holds_what_is_in_force() {
    let wrong = dc(&json!({"spec": {"location": {"timeZone": "Asia/Fuzhou"}}}));
    let first = seen(1e4, 1.40);
    let then = after(run(&dc(&json!({})), &first), &first, first.now);
    let plan = run(&wrong, &then);
    let (status, reason, message) = condition(&plan, "Ready");
    assert_eq!((status, reason), ("False", "InvalidSpec"));
    assert!(message.contains("spec.location.timeZone"), "{message}");
    assert_eq!(plan.status.enforcement.as_ref().unwrap().engaged.len(), 1);
    assert_eq!(plan.undo.len(), 0);
    assert!(plan.keep.iter().any(|kept| kept.name == "banyan-ledger-gulou-1"));
}

#[test]
fn suspended_looks_and_reports_and_changes_nothing() {
    let suspended = dc(&json!({"spec": {"suspend": true}}));
    let plan = run(&suspended, &seen(1e4, 1.40));
    assert_eq!(plan.status.operational.as_ref().unwrap().verdict, Verdict::Violated);
    assert_eq!((loans(&plan).len(), plan.undo.len()), (0, 0));
    assert_eq!(condition(&plan, "Ready").1, "Suspended");
}

#[test]
fn a_freeze_that_a_killed_run_has_left_stays_while_nothing_is_taken_or_undone() {
    let keeps = |plan: &Plan<DataCenterStatus>| {
        plan.keep.iter().any(|kept| kept.name == "banyan-freeze-gulou-1")
            || plan.own.iter().any(|own| own.object.name == "banyan-freeze-gulou-1")
    };
    let mut blind = seen(1e4, 1.40);
    let down = Blind { reason: "PrometheusUnreachable", message: "down".into(), empty: false };
    blind.samples.insert("feed".into(), Err(down));
    let plan = run(&dc(&json!({})), &blind);
    assert_eq!(plan.status.enforcement.as_ref().unwrap().state, EnforcementState::Paused);
    assert!(keeps(&plan));
    assert!(keeps(&run(&dc(&json!({"spec": {"suspend": true}})), &blind)));
    // What is sure not to be due is not kept.
    assert!(!keeps(&run(&dc(&json!({})), &seen(1e5, 1.10))));
}

#[test]
fn another_sites_cluster_is_left_to_the_banyan_that_runs_there() {
    let mut first = seen(1e4, 1.40);
    first.here = Ok(false);
    let elsewhere = dc(&json!({"spec": {"cluster": {"id": "0b1f0b1f-0000-0000-0000-000000000000"}}}));
    let plan = run(&elsewhere, &first);
    assert_eq!(loans(&plan).len(), 0);
    assert_eq!(condition(&plan, "ClusterIdentified").1, "AnotherCluster");
}

#[test]
fn what_is_no_longer_asked_for_is_given_back_while_nothing_can_be_judged() {
    let first = seen(1e4, 1.40);
    let mut then = after(run(&dc(&json!({})), &first), &first, first.now);
    // The CronJob carries its loan now, and Prometheus is down.
    let key = crate::kernel::loan::annotation("HoldBatch");
    let record = r#"{"owner":"datacenter.gulou-1","at":"2026-06-17T04:00:00Z","fields":[]}"#;
    then.estate.batch[0].loans = crate::kernel::loan::records([(key.as_str(), record)].into_iter());
    let down = Blind { reason: "PrometheusUnreachable", message: "no answer".into(), empty: false };
    for answer in then.samples.values_mut() {
        *answer = Err(down.clone());
    }
    let same = run(&dc(&json!({})), &then);
    assert_eq!((same.undo.len(), same.finalizer), (0, true));
    let fewer = run(&dc(&json!({"spec": {"enforcement": {"actions": ["FreezeGrowth"]}}})), &then);
    // The mark by which new Jobs are held, then what is held.
    assert_eq!(fewer.undo.len(), 2, "{:?}", fewer.undo);
    assert!(fewer.status.enforcement.as_ref().unwrap().engaged.is_empty());
    // So is one whose owner has taken back the consent.
    then.estate.batch[0].deferrable = false;
    assert_eq!(run(&dc(&json!({})), &then).undo.len(), 1);
    assert_eq!(run(&dc(&json!({"spec": {"suspend": true}})), &then).undo.len(), 0);
}

#[test]
fn without_a_target_everything_is_given_back_and_the_next_one_is_judged_anew() {
    let first = seen(1e4, 1.40);
    let mut then = after(run(&dc(&json!({})), &first), &first, first.now);
    let aimless = dc(&json!({"spec": {"pue": null}}));
    let plan = run(&aimless, &then);
    assert_eq!(condition(&plan, "NotEnforcing").1, "NotRequested");
    assert!(plan.status.enforcement.as_ref().unwrap().engaged.is_empty());
    assert_eq!(plan.status.operational.as_ref().unwrap().verdict, Verdict::Unknown);
    then = after(plan, &then, first.now);
    assert_eq!(Some(&run(&aimless, &then).status), then.status.as_ref(), "no change without a change");
    let again = run(&dc(&json!({})), &then);
    assert_eq!((again.status.enforcement.unwrap().engaged, again.borrow.len()), (vec![], 0));
}

#[test]
fn late_readings_change_the_last_three_days_only() {
    let dc = dc(&json!({}));
    let first = seen(1e5, 1.10);
    let mut then = after(run(&dc, &first), &first, first.now);
    // Later readings say that the feed drew twice as much in the last ten days.
    let since = now().as_millisecond() - 10 * 86_400_000;
    let from = now().as_millisecond() - 20 * 86_400_000;
    let to = now().as_millisecond();
    let factor = |at: i64| if at >= since { 1.3 } else { 1.0 };
    then.samples.insert("feed".into(), Ok(counter(from, to, |at| factor(at) * (1e5 + 1.10 * it(at)))));
    let ledger = then.found.ledger.as_deref().unwrap().clone();
    then.days = Some(closed(&then.samples, "2026-06-08", ledger));
    let changed = run(&dc, &then);
    let text = changed.own[0].body["data"][LEDGER_KEY].as_str().unwrap();
    let (old, new) = (then.found.ledger.clone().unwrap(), Ledger::decode(text).unwrap());
    let differ: Vec<String> =
        new.iter().filter(|day| old.get(day.date) != Some(day)).map(|day| day.date.to_string()).collect();
    assert_eq!(differ, ["2026-06-14", "2026-06-15", "2026-06-16"]);
    assert!(changed.notices.iter().any(|notice| notice.reason == "LateReadings"));
}

#[test]
fn a_site_whose_place_cannot_be_told_is_neither_enforced_nor_released() {
    let here = dc(&json!({"spec": {"cluster": {"id": "0b1f0b1f-0000-0000-0000-000000000000"}}}));
    let first = seen(1e4, 1.40);
    let mut then = after(run(&here, &first), &first, first.now);
    then.here = Err(Blind { reason: "ClusterUnreachable", message: "no answer".into(), empty: false });
    let plan = run(&here, &then);
    let enforcement = plan.status.enforcement.as_ref().unwrap();
    assert_eq!((enforcement.state, enforcement.engaged.len()), (EnforcementState::Paused, 1));
    assert_eq!((plan.undo.len(), loans(&plan).len(), plan.finalizer), (0, 0, true));
    // Its being another's is another matter: then it is given back.
    then.here = Ok(false);
    assert!(run(&here, &then).status.enforcement.unwrap().engaged.is_empty());
}

#[test]
fn a_blip_of_prometheus_does_not_bring_back_a_verdict_that_invalid_windows_took_away() {
    let dc = dc(&json!({}));
    let first = seen(1e4, 1.40);
    let mut then =
        after(run(&dc, &first), &first, first.now.checked_add(SignedDuration::from_hours(3)).unwrap());
    // The IT meter stood still for three hours: the windows are Unknown by themselves.
    let unknown = run(&dc, &then);
    assert_eq!(unknown.status.operational.as_ref().unwrap().verdict, Verdict::Unknown);
    then = after(unknown, &then, then.now);
    let down = Blind { reason: "PrometheusUnreachable", message: "no answer".into(), empty: false };
    let samples = std::mem::replace(
        &mut then.samples,
        ["feed", "pdu"].map(|name| (name.to_owned(), Err(down.clone()))).into(),
    );
    let blind = run(&dc, &then);
    assert_eq!(blind.status.operational.as_ref().unwrap().verdict, Verdict::Unknown);
    assert_eq!(blind.status.operational.as_ref().unwrap().blind_since, None);
    then = after(blind, &then, then.now);
    then.samples = samples;
    let back = run(&dc, &then);
    assert_eq!(back.status.operational.as_ref().unwrap().verdict, Verdict::Unknown);
}

#[test]
fn a_fault_that_words_itself_anew_each_time_is_written_once() {
    let dc = dc(&json!({}));
    let first = seen(1e5, 1.10);
    let mut then = after(run(&dc, &first), &first, first.now);
    let blind = |message: &str| Blind { reason: "NotPrometheus", message: message.into(), empty: false };
    then.samples.insert("pdu".into(), Err(blind("request 4711 failed")));
    let once = run(&dc, &then);
    then = after(once, &then, then.now.checked_add(SignedDuration::from_mins(5)).unwrap());
    then.samples.insert("pdu".into(), Err(blind("request 4712 failed")));
    let twice = run(&dc, &then);
    assert_eq!(Some(&twice.status), then.status.as_ref());
}

#[test]
fn what_the_spec_no_longer_asks_for_leaves_the_status() {
    let first = seen(1e5, 1.10);
    let then = after(run(&dc(&json!({})), &first), &first, first.now);
    let plan = run(&dc(&json!({"spec": {"energy": null, "pue": null, "enforcement": null}})), &then);
    assert_eq!(
        (plan.status.annual.is_none(), plan.status.operational.is_none(), plan.status.months.len()),
        (true, true, 0)
    );
    assert!(plan.keep.iter().any(|kept| kept.name == "banyan-ledger-gulou-1"));
}

#[test]
fn a_clock_that_was_ahead_does_not_stop_the_judging() {
    let dc = dc(&json!({}));
    let first = seen(1e4, 1.40);
    let mut then = after(run(&dc, &first), &first, first.now);
    let ahead: Timestamp = "2027-01-01T00:00:00Z".parse().unwrap();
    if let Some(status) = &mut then.status {
        status.operational.as_mut().unwrap().until = Some(Time(ahead));
        status.enforcement.as_mut().unwrap().last_step = Some(Time(ahead));
    }
    let plan = run(&dc, &then);
    assert!(plan.status.operational.as_ref().unwrap().until.as_ref().unwrap().0 <= then.now);
    assert_eq!(plan.status.enforcement.as_ref().unwrap().engaged.len(), 2);
}

#[test]
fn racks_that_cannot_be_counted_are_told_with_their_field() {
    let asked = dc(&json!({ "spec": { "racks": { "standard": 2000, "inUseQuery": "racks" } } }));
    let site = Site::read(&asked.spec);
    let mut seen = seen(50_000.0, 1.15);
    seen.racks_in_use = Some(Ok(1450));
    let (counted, _) = plan(&asked, &site, &seen);
    let condition = |status: &DataCenterStatus| {
        status.conditions.iter().find(|one| one.type_ == "RacksCounted").cloned().unwrap()
    };
    assert_eq!(condition(&counted.status).status, "True");

    let blind =
        Blind { reason: "NotANumber", message: "the answer NaN is no count of racks".into(), empty: false };
    seen.racks_in_use = Some(Err(blind));
    seen.status = Some(counted.status);
    let (lost, _) = plan(&asked, &site, &seen);
    let told = condition(&lost.status);
    assert_eq!((told.status.as_str(), told.reason.as_str()), ("Unknown", "NotANumber"));
    assert!(told.message.starts_with("racks.inUseQuery: the answer NaN"), "{}", told.message);
    assert_eq!(lost.status.racks_in_use, Some(1450));
}
