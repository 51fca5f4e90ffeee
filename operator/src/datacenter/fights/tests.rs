use kube::core::ApiResource;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::kernel::loan::Against;

fn at(minute: i64) -> Timestamp {
    "2026-03-01T00:00:00Z"
        .parse::<Timestamp>()
        .unwrap()
        .checked_add(SignedDuration::from_mins(minute))
        .unwrap()
}

fn cron_job(name: &str) -> ObjectRef {
    ObjectRef {
        resource: ApiResource::erase::<k8s_openapi::api::batch::v1::CronJob>(&()),
        namespace: Some("work".into()),
        name: name.into(),
        uid: Some(format!("uid-{name}")),
    }
}

fn record(rounds: u32, last: Timestamp) -> Record {
    Record { owner: "datacenter.a".into(), at: last.to_string(), rounds, fields: vec![] }
}

fn claim<'a>(object: &'a ObjectRef, standing: Option<&'a Record>, doubt: Option<&'a Doubt>) -> Claim<'a> {
    Claim { object, action: (Action::HoldBatch, at(0)), standing, doubt, open: true }
}

fn memory(contested: &[ContestedObject], minute: i64) -> Memory<'_> {
    Memory { contested, afresh: false, now: at(minute) }
}

fn round(name: &str, rounds: u32) -> Round {
    let against = Against { managers: "platform".into(), fields: vec!["/spec/suspend".into()], rounds };
    Round { object: cron_job(name), action: "HoldBatch".into(), against }
}

/// A rival against Banyan, minute by minute: at each minute of `reverts` it sets the field back, and replaces the object
/// if `replaces` says so; Banyan looks right after it. Answers the minutes at which Banyan set it again and the list at
/// the end. `forgets` says whether the index is lost each time, as with a process that is restarted.
fn fight(reverts: &[i64], replaces: bool, forgets: bool, until: i64) -> (Vec<i64>, Vec<ContestedObject>) {
    let object = cron_job("nightly");
    let mut standing = Some(record(0, at(0)));
    let mut doubt = None;
    let mut contested = Vec::new();
    let mut set = Vec::new();
    for minute in 0..=until {
        // What is set back already is set back no further.
        if let Some(record) = standing.take_if(|_| reverts.contains(&minute) && doubt.is_none()) {
            let by = "platform".to_owned();
            doubt = Some(if replaces {
                Doubt::Dropped { record: record.clone(), by }
            } else {
                Doubt::Overwritten { by }
            });
            standing = Some(record).filter(|_| !replaces);
        }
        if forgets && !contested.is_empty() {
            doubt = doubt.filter(|doubt| !matches!(doubt, Doubt::Dropped { .. }));
        }
        let list = std::mem::take(&mut contested);
        let memory = memory(&list, minute);
        let claim = claim(&object, standing.as_ref(), doubt.as_ref());
        let bid = memory.bid(&claim);
        contested.extend(memory.keep(&claim, &bid));
        bound(&mut contested);
        assert_ne!(bid, Bid::First, "it was taken once, and is remembered");
        if let Bid::Again(fought) = bid {
            set.push(minute);
            standing = Some(record(fought + 1, at(minute)));
            doubt = None;
            count(&mut contested, &[round("nightly", fought + 1)], at(minute));
        }
    }
    (set, contested)
}

#[test]
fn after_three_rounds_it_is_left_and_tried_once_an_hour_whether_or_not_the_record_survives() {
    let always: Vec<_> = (1..=200).collect();
    for (replaces, forgets) in [(false, false), (true, false), (true, true)] {
        let (set, contested) = fight(&always, replaces, forgets, 200);
        assert_eq!(set, [1, 2, 3, 63, 123, 183], "{replaces} {forgets}");
        let [one] = &contested[..] else { panic!("{contested:?}") };
        assert_eq!((one.rounds, one.since.as_ref().unwrap().0), (6, at(4)));
        assert_eq!((one.manager.as_str(), one.fields[0].as_str()), ("platform", "/spec/suspend"));
    }
}

#[test]
fn when_it_is_set_back_no_more_it_holds_with_the_next_try_and_is_forgotten_an_hour_later() {
    let (set, contested) = fight(&[1, 2, 3, 4], false, false, 63 + 59);
    assert_eq!((set, contested.len()), (vec![1, 2, 3, 63], 1));
    assert!(fight(&[1, 2, 3, 4], false, false, 63 + 60).1.is_empty());
}

#[test]
fn a_manifest_that_is_applied_now_and_then_is_no_fight() {
    let nightly: Vec<_> = (1..=9).map(|night| night * 24 * 60).collect();
    let (set, contested) = fight(&nightly, false, false, 10 * 24 * 60);
    assert_eq!((set, contested.len()), (nightly, 0));
    // Every ten minutes is one, as slow as it is.
    let often: Vec<_> = (1..=12).map(|time| time * 10).collect();
    assert_eq!(fight(&often, false, false, 120).0, [10, 20, 30, 90]);
}

#[test]
fn a_change_of_the_spec_tries_everything_anew_at_once() {
    let object = cron_job("nightly");
    let (record, doubt) = (record(3, at(0)), Doubt::Overwritten { by: "platform".into() });
    let claim = claim(&object, Some(&record), Some(&doubt));
    let left = memory(&[], 1);
    assert!(matches!(left.bid(&claim), Bid::Left { rounds: 3, .. }));
    let contested: Vec<_> = left.keep(&claim, &left.bid(&claim)).into_iter().collect();
    let afresh = Memory { afresh: true, ..memory(&contested, 2) };
    assert_eq!((afresh.bid(&claim), afresh.keep(&claim, &afresh.bid(&claim))), (Bid::Again(0), None));
}

#[test]
fn what_stands_or_has_the_value_is_not_tried() {
    let object = cron_job("nightly");
    let (record, doubt) = (record(1, at(0)), Doubt::Overwritten { by: "platform".into() });
    assert_eq!(memory(&[], 1).bid(&claim(&object, Some(&record), None)), Bid::Stands);
    let closed = Claim { open: false, ..claim(&object, Some(&record), Some(&doubt)) };
    assert_eq!(memory(&[], 1).bid(&closed), Bid::Stands);
    assert_eq!(memory(&[], 1).bid(&claim(&object, None, None)), Bid::First);
    // It was lent for the action as it was in force before.
    let old =
        Doubt::Dropped { record: super::Record { at: at(-1).to_string(), ..record }, by: String::new() };
    assert_eq!(memory(&[], 1).bid(&claim(&object, None, Some(&old))), Bid::First);
}

#[test]
fn sixteen_are_named_those_that_are_left_first_and_the_rest_is_counted() {
    let mut contested = Vec::new();
    let rounds: Vec<_> = (0..20).map(|n| round(&format!("c{n:02}"), 1)).collect();
    count(&mut contested, &rounds, at(1));
    assert_eq!(contested.len(), 16);
    // The order is its own: the same list gives the same bytes.
    let mut again = contested.clone();
    again.reverse();
    bound(&mut again);
    assert_eq!(again, contested);
    for one in &mut contested {
        one.since = Some(Time(at(2)));
    }
    count(&mut contested, &[round("a", 1)], at(3));
    assert!(contested.len() == 16 && contested.iter().all(|one| one.since.is_some()));
    let one = ContestedObject { name: "z".into(), ..contested[0].clone() };
    contested.push(one);
    assert_eq!((bound(&mut contested), contested.len()), (1, 16));
}

#[test]
fn the_message_names_object_field_manager_and_the_rule_and_fits_a_condition() {
    let mut contested = Vec::new();
    count(&mut contested, &[round("nightly", 3), round("weekly", 3)], at(1));
    assert_eq!(message(contested.iter(), 0), None);
    for one in &mut contested {
        one.since = Some(Time(at(2)));
        one.manager = "argocd-controller".into();
    }
    let text = message(contested.iter(), 4).unwrap();
    for word in [
        "CronJob work/nightly: argocd-controller sets /spec/suspend back",
        "5 more",
        "ignoreDifferences",
        "RespectIgnoreDifferences=true",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(text.len() < 1000, "{}", text.len());
    assert!(is_left(&contested[0], &contested[0]) && !is_left(&contested[0], &contested[1]));
}

#[test]
fn an_entry_fits_the_schema_whatever_it_is_made_of() {
    let mut contested = Vec::new();
    let mut long = round("nightly", u32::MAX);
    long.against.managers = "榕".repeat(2000);
    count(&mut contested, &[long], at(1));
    assert_eq!((contested[0].manager.chars().count(), contested[0].rounds), (512, i64::from(u32::MAX)));
    assert_eq!(json!(contested[0])["at"], "2026-03-01T00:01:00Z");
}

proptest! {
    /// However a rival goes about it, Banyan sets a field again at most three times within an hour and once an hour
    /// after that, and while nobody sets anything back it sets nothing.
    #[test]
    fn whatever_a_rival_does_the_writes_are_few(
        reverts in proptest::collection::vec(1_i64..600, 0..80),
        replaces: bool,
        forgets: bool,
    ) {
        let (set, _) = fight(&reverts, replaces, forgets, 700);
        for (place, minute) in set.iter().enumerate() {
            let within = set[place..].iter().filter(|later| **later - *minute < 60).count();
            prop_assert!(within <= 3, "{set:?}");
        }
        prop_assert!(set.len() <= reverts.len());
        let last = reverts.iter().max().copied().unwrap_or(0);
        prop_assert!(set.iter().all(|minute| *minute <= last + 60), "{set:?}");
    }
}
