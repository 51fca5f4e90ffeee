//! Explanations of sites that stand at each verdict: figures that add up and are those of the status, in both languages.

use banyan_crds::v1alpha1::{Action, DataCenter, DataCenterStatus, Verdict};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{page::text, words};
use crate::{
    datacenter::{
        explain::*,
        ledger::{Day, Flags, Ledger},
        observe::{Blind, ClosedDays, Observation},
        plan::{
            self, judged,
            tests::{after, dc, seen},
        },
        spec::Site,
    },
    lang::Lang,
};

/// Explained as the command does it; the readings at hand reach back for a year.
fn told(dc: &DataCenter, seen: &Observation) -> (Explanation, DataCenterStatus) {
    let site = Site::read(&dc.spec);
    let (plan, _) = plan::plan(dc, &site, seen);
    let (meters, judgement) = judged(dc, &site, seen);
    let facts = Facts {
        dc,
        site: &site,
        seen,
        meters: &meters,
        day: &meters,
        judgement: judgement.as_ref(),
        planned: &plan.status,
    };
    (explain(&facts), plan.status)
}

/// Two years under a target, so that there is an annual verdict.
fn long_under(max: &str) -> Value {
    json!({"spec": {"pue": {"targets": [{"from": "2024-01-01", "max": max}]}}})
}

fn texts(told: &Explanation) -> [String; 2] {
    Lang::ALL.map(|lang| text(told, lang))
}

/// Words that the Chinese text may have in Latin letters: of the API, units, and names.
fn foreign(text: &str) -> Vec<&str> {
    const ALLOWED: [&str; 32] = [
        "PUE",
        "IT",
        "kWh",
        "kW",
        "UPS",
        "PDU",
        "DataCenter",
        "Prometheus",
        "status",
        "spec",
        "Asia",
        "Shanghai",
        "m",
        "r",
        "h",
        "d",
        "Job",
        "Node",
        "Secret",
        "ConfigMap",
        "kubeconfig",
        "API",
        "Banyan",
        "gulou",
        "feed",
        "pdu",
        "CronJob",
        "health",
        "nightly",
        "n",
        "kg",
        "L",
    ];
    let conditions = [
        "Ready",
        "MetersHealthy",
        "PUEValid",
        "PUEWithinTarget",
        "NotEnforcing",
        "ThermalWithinClass",
        "OperationalViolated",
        "AnnualViolated",
        "OperationalUnknown",
        "AnnualUnknown",
        "Enforcing",
        "WouldRaisePUE",
        "Stale",
        "MeterAbsent",
        "PrometheusUnreachable",
        "VerdictUnknown",
        "Faulty",
        "NoData",
        "LowCoverage",
    ];
    text.split(|letter: char| !letter.is_ascii_alphabetic())
        .filter(|word| !word.is_empty() && !ALLOWED.contains(word) && !conditions.contains(word))
        .collect()
}

fn check(told: &Explanation, status: &DataCenterStatus) {
    let annual = told.annual.as_ref().unwrap();
    let shown = status.annual.as_ref().unwrap();
    // The figures are the status' own.
    let number =
        |text: &Option<banyan_crds::values::Decimal>| text.as_ref().map(|text| text.number().unwrap());
    let close = |told: Option<f64>, shown: Option<f64>| match (told, shown) {
        (Some(told), Some(shown)) => (told - shown).abs() < 6e-5,
        (told, shown) => told == shown,
    };
    assert!(close(annual.value, number(&shown.value)), "{:?} {:?}", annual.value, shown.value);
    assert!(close(annual.target, number(&shown.target)));
    assert_eq!((annual.verdict, annual.days), (shown.verdict, shown.days));
    // The division is one: its quotient is the value.
    if let Some(value) = annual.value {
        let quotient = annual.facility_kilowatt_hours as f64 / annual.it_kilowatt_hours as f64;
        assert!((quotient - value).abs() < 1e-6, "{quotient} {value}");
    }
    // Days that count and days that do not are all of the span.
    let left: i64 = annual.left_out.iter().map(|left| left.days).sum();
    assert_eq!(annual.days + left, annual.span_days);
    if !annual.steps.is_empty() {
        let weights: f64 = annual.steps.iter().map(|step| step.weight_percent).sum();
        assert!((weights - 100.0).abs() < 1e-9, "{weights}");
        let weighted: f64 = annual.steps.iter().map(|step| step.max * step.weight_percent / 100.0).sum();
        assert!(close(annual.target, Some(weighted)), "{weighted}");
    }
    if let Some((told, shown)) = told.budget.as_ref().zip(status.budget.as_ref()) {
        assert_eq!(told.allowed_kilowatt_hours, shown.allowed_overhead_kilowatt_hours);
        assert_eq!(told.used_kilowatt_hours, shown.used_overhead_kilowatt_hours);
        let forecast = status.forecast.as_ref().unwrap();
        assert!(close(told.year_end, number(&forecast.year_end)));
        assert!(close(told.required_for_rest_of_year, number(&forecast.required_for_rest_of_year)));
    }
    if told.unseen.is_none()
        && let Some(operational) = told.operational.as_ref().filter(|told| told.verdict != Verdict::Unknown)
    {
        let last = operational.windows.last().unwrap();
        assert!(close(last.value, operational.value), "{last:?}");
        assert_eq!(Some(last.to), operational.until);
        let of = |purpose| -> f64 {
            let meters = told.meters.iter().filter(|meter| meter.purpose == purpose);
            meters.filter_map(|meter| meter.window).map(|window| window.amount).sum()
        };
        let (facility, it) =
            (of(banyan_crds::v1alpha1::Purpose::Facility), of(banyan_crds::v1alpha1::Purpose::It));
        assert!((last.facility_kilowatt_hours.unwrap() - facility).abs() < 1e-6);
        assert!((last.it_kilowatt_hours.unwrap() - it).abs() < 1e-6);
    }
    let [english, chinese] = texts(told);
    assert_eq!(foreign(&chinese), [""; 0], "{chinese}");
    assert!(english.is_ascii() || english.chars().all(|letter| letter < '\u{3000}'), "{english}");
}

#[test]
fn a_compliant_site_has_nothing_to_clear_and_says_what_would_violate_it() {
    let (told, status) = told(&dc(&long_under("1.25")), &seen(1e5, 1.10));
    check(&told, &status);
    let annual = told.annual.as_ref().unwrap();
    assert_eq!((annual.verdict, annual.days, annual.left_out.len()), (Verdict::Compliant, 365, 0));
    assert!(annual.excess_kilowatt_hours.unwrap() < 0.0);
    assert_eq!(told.ways, []);
    let change = told.operational.as_ref().unwrap().change.unwrap();
    assert_eq!((change.to, change.windows), (Verdict::Violated, 3));
    assert!((change.level - 1.27).abs() < 1e-9);
    // 04:00 has closed; three windows of an hour later.
    assert_eq!(change.earliest.to_string(), "2026-06-17T07:00:00Z");
    assert_eq!(told.category.as_ref().unwrap().decided[0].meter, "pdu");
    let day = told.meters[0].day.unwrap();
    assert!(
        (day.coverage_percent - 100.0).abs() < 1e-9
            && day.amount > told.meters[0].window.unwrap().amount * 20.0
    );
}

#[test]
fn a_violated_site_says_by_how_much_and_what_would_clear_it() {
    let dc = dc(&long_under("1.25"));
    let first = seen(1e4, 1.40);
    let plan = plan::plan(&dc, &Site::read(&dc.spec), &first).0;
    // A little later: the CronJob is held, and one more window has closed.
    let mut then = after(plan, &first, first.now.checked_add(SignedDuration::from_mins(10)).unwrap());
    then.estate.batch[0].loans = vec![(
        crate::kernel::loan::annotation("HoldBatch"),
        crate::kernel::loan::Record {
            owner: "datacenter.gulou-1".into(),
            at: String::new(),
            fields: vec![],
            rounds: 0,
        },
    )];
    let (told, status) = told(&dc, &then);
    check(&told, &status);
    let annual = told.annual.as_ref().unwrap();
    let excess = annual.excess_kilowatt_hours.unwrap();
    let by_hand = annual.facility_kilowatt_hours as f64 - 1.25 * annual.it_kilowatt_hours as f64;
    assert!((excess - by_hand).abs() < 2.0, "{excess} {by_hand}");
    let change = told.operational.as_ref().unwrap().change.unwrap();
    assert_eq!((change.to, change.windows), (Verdict::Compliant, 6));
    assert!((change.level - 1.23).abs() < 1e-9);
    let enforcement = told.enforcement.as_ref().unwrap();
    let engaged = &enforcement.engaged[0];
    assert_eq!((engaged.action, engaged.holds), (Action::HoldBatch, 1));
    assert_eq!(engaged.objects, ["CronJob health/nightly"]);
    assert_eq!(enforcement.next_step, first.now.checked_add(SignedDuration::from_hours(1)).ok());
    assert_eq!(told.advice.unwrap().kind, AdviceKind::Helps);
    let [windows, on_target, rest @ ..] = &told.ways[..] else { panic!("{:?}", told.ways) };
    assert!(matches!(windows, Way::Windows { windows: 6, .. }), "{windows:?}");
    // All days of the year have missed it, so the last of them must fall out of the span.
    assert!(
        matches!(on_target, Way::OnTarget { on: Some(day) } if day.to_string() == "2027-06-16"),
        "{on_target:?}"
    );
    let Some(Way::Overhead { kilowatt_hours, kilowatt_hours_a_day, value, until }) = rest.last() else {
        panic!("{rest:?}")
    };
    let budget = told.budget.as_ref().unwrap();
    assert_eq!((value, until.to_string().as_str()), (&budget.required_for_rest_of_year, "2026-12-31"));
    assert_eq!(budget.days_left, 198);
    assert!((kilowatt_hours / 198.0 - kilowatt_hours_a_day).abs() < 1e-6);
    assert_eq!(foreign(&texts(&told)[1]), [""; 0]);
}

#[test]
fn a_pue_that_is_kept_as_told_brings_the_span_back_to_its_target() {
    // Every fourth day is dear, so that the year is a little above.
    let dc = dc(&long_under("1.25"));
    let mut first = seen(1e4, 1.24);
    let site = Site::read(&dc.spec);
    let (_, judgement) = judged(&dc, &site, &first);
    let ledger: Ledger = judgement
        .unwrap()
        .ledger
        .iter()
        .map(|day| {
            let dear = day.date.day() % 4 == 0;
            let facility_wh = if dear { day.it_wh * 14 / 10 } else { day.facility_wh };
            Day { facility_wh, ..day.clone() }
        })
        .collect();
    first.days = Some(ClosedDays { ledger: ledger.into(), changes: vec![], complete: true });
    let (told, status) = told(&dc, &first);
    check(&told, &status);
    let found = told.ways.iter().find_map(|way| match way {
        Way::KeepFor { days, value, until } => Some((*days, *value, *until)),
        _ => None,
    });
    let (days, value, until) = found.unwrap();
    // Judged as if it had been kept.
    let (_, judgement) = judged(&dc, &site, &first);
    let judgement = judgement.unwrap();
    let to = judgement.annual.to.unwrap();
    let recent: Vec<i64> = judgement.ledger.iter().rev().take(28).map(|day| day.it_wh).collect();
    let it_wh = recent.iter().sum::<i64>() / 28;
    let kept = |value: f64| -> Verdict {
        let mut ledger = judgement.ledger.clone();
        for date in to.tomorrow().unwrap().series(jiff::ToSpan::days(1)).take_while(|date| *date <= until) {
            let facility_wh = (it_wh as f64 * value) as i64;
            ledger.upsert(Day {
                date,
                facility_wh,
                it_wh,
                ..judgement.ledger.iter().next().unwrap().clone()
            });
        }
        let site = site.as_ref().unwrap();
        let validity = crate::datacenter::windows::validity(site);
        let glide = site.glide.as_ref().unwrap();
        crate::datacenter::verdict::annual(&ledger, glide, until, None, &validity, None).verdict
    };
    assert!(days == 90 && value < 1.25, "{days} {value}");
    assert_eq!((kept(value), kept(value + 0.001)), (Verdict::Compliant, Verdict::Violated));
}

#[test]
fn a_site_with_too_little_load_says_how_much_it_needs() {
    let (told, status) = told(&dc(&long_under("1.25")), &seen(4e5, 1.05));
    check(&told, &status);
    assert_eq!(told.advice.unwrap().kind, AdviceKind::WouldRaisePue);
    let load = told.ways.iter().find_map(|way| match way {
        Way::Load { kilowatts, now_kilowatts } => Some((*kilowatts, *now_kilowatts)),
        _ => None,
    });
    // F/(T − (1+m)) = 400 kW / (1.25 − 1.05).
    let (needed, now) = load.unwrap();
    assert!((needed - 2000.0).abs() < 1.0 && (1000.0..=1200.0).contains(&now), "{needed} {now}");
    assert!(texts(&told).iter().all(|text| text.contains("2,000 kW")));
}

#[test]
fn a_provisional_site_waits_and_an_at_risk_one_says_what_the_rest_of_the_year_must_keep() {
    let (new, status) = told(&dc(&json!({})), &seen(1e5, 1.10));
    check(&new, &status);
    assert_eq!(new.annual.as_ref().unwrap().verdict, Verdict::Provisional);
    assert!(new.ways.contains(&Way::Wait { until: "2026-12-31".parse().unwrap() }), "{:?}", new.ways);

    // The year before was good; since January it is above, and the year is heading above its target.
    let dc = dc(&long_under("1.25"));
    let site = Site::read(&dc.spec);
    let mut first = seen(1e4, 1.26);
    let (_, judgement) = judged(&dc, &site, &first);
    let ledger: Ledger = judgement
        .unwrap()
        .ledger
        .iter()
        .map(|day| {
            let good = day.date.year() == 2025;
            let facility_wh = if good { day.it_wh * 11 / 10 } else { day.facility_wh };
            Day { facility_wh, ..day.clone() }
        })
        .collect();
    first.days = Some(ClosedDays { ledger: ledger.into(), changes: vec![], complete: true });
    let (risky, status) = told(&dc, &first);
    check(&risky, &status);
    assert_eq!(risky.annual.as_ref().unwrap().verdict, Verdict::AtRisk);
    assert!(matches!(risky.ways.last(), Some(Way::Overhead { value: Some(value), .. }) if *value < 1.25));
}

#[test]
fn days_that_do_not_count_are_told_by_why_and_when() {
    let dc = dc(&long_under("1.25"));
    let site = Site::read(&dc.spec);
    let mut first = seen(1e5, 1.10);
    let (_, judgement) = judged(&dc, &site, &first);
    let ledger: Ledger = judgement
        .unwrap()
        .ledger
        .iter()
        .filter(|day| day.date.to_string() != "2026-02-10")
        .map(|day| {
            let mut day = day.clone();
            if (day.date.year(), day.date.month()) == (2026, 3) && day.date.day() <= 10 {
                day.it_coverage = 4_000;
            }
            if day.date.to_string() == "2026-05-01" {
                day.flags = Flags::SUSPECT;
            }
            day
        })
        .collect();
    first.days = Some(ClosedDays { ledger: ledger.into(), changes: vec![], complete: true });
    let (told, status) = told(&dc, &first);
    check(&told, &status);
    let annual = told.annual.as_ref().unwrap();
    let left: Vec<_> =
        annual.left_out.iter().map(|left| (left.because, left.days, left.spans[0].0.to_string())).collect();
    assert_eq!(
        left,
        [
            (Because::NoRow, 1, "2026-02-10".to_owned()),
            (Because::Suspect, 1, "2026-05-01".to_owned()),
            (Because::ItCoverage, 10, "2026-03-01".to_owned()),
        ]
    );
    assert_eq!(annual.verdict, Verdict::Unknown);
    assert_eq!(annual.thin_months.iter().map(|month| month.month.as_str()).collect::<Vec<_>>(), ["2026-03"]);
    assert!(
        told.ways.contains(&Way::Coverage { days: 0, months: vec!["2026-03".into()] }),
        "{:?}",
        told.ways
    );
}

#[test]
fn a_dead_meter_is_the_one_that_holds_the_coverage_down() {
    let dc = dc(&long_under("1.25"));
    let mut first = seen(1e5, 1.10);
    let dead_since = first.now.as_millisecond() - 9 * 3_600_000;
    if let Some(Ok(samples)) = first.samples.get_mut("pdu") {
        samples.retain(|sample| sample.at <= dead_since);
    }
    let (told, status) = told(&dc, &first);
    check(&told, &status);
    let operational = told.operational.as_ref().unwrap();
    assert_eq!(operational.verdict, Verdict::Unknown);
    assert_eq!(operational.invalid.as_ref().unwrap().meter.as_deref(), Some("pdu"));
    assert!(told.meters[1].holds_down && !told.meters[0].holds_down);
    assert_eq!(told.meters[1].faults[0], FaultWhy::Silent { minutes: 540 });
    assert_eq!(told.meters[0].faults, []);
    assert!(told.ways.contains(&Way::Readings { meter: Some("pdu".into()) }), "{:?}", told.ways);
}

#[test]
fn without_prometheus_the_status_and_the_ledger_speak() {
    let dc = dc(&long_under("1.25"));
    let first = seen(1e4, 1.40);
    let plan = plan::plan(&dc, &Site::read(&dc.spec), &first).0;
    let mut then = after(plan, &first, first.now.checked_add(SignedDuration::from_mins(5)).unwrap());
    let down = Blind { reason: "PrometheusUnreachable", message: "no answer".into(), empty: false };
    then.samples = ["feed", "pdu"].map(|name| (name.to_owned(), Err(down.clone()))).into();
    let site = Site::read(&dc.spec);
    let (plan, _) = plan::plan(&dc, &site, &then);
    let (meters, judgement) = judged(&dc, &site, &then);
    let facts = Facts {
        dc: &dc,
        site: &site,
        seen: &then,
        meters: &meters,
        day: &[],
        judgement: judgement.as_ref(),
        planned: &plan.status,
    };
    let told = explain(&facts);
    check(&told, &plan.status);
    assert_eq!(told.unseen.as_ref().unwrap().reason, "PrometheusUnreachable");
    // The operator sees what cannot be seen from here.
    let operational = told.operational.as_ref().unwrap();
    assert_eq!((operational.verdict, operational.windows.len()), (Verdict::Violated, 0));
    assert!(told.conditions.iter().all(|condition| condition.reason != "PrometheusUnreachable"));
    let [english, chinese] = texts(&told);
    assert!(english.lines().nth(1).unwrap().contains("from the status and the ledger alone"), "{english}");
    assert!(chinese.lines().nth(1).unwrap().contains("日台账"), "{chinese}");
}

#[test]
fn every_fault_has_words_in_both_languages() {
    for fault in [
        FaultWhy::Absent,
        FaultWhy::Silent { minutes: 61 },
        FaultWhy::Gaps { percent: 61 },
        FaultWhy::Stuck { minutes: 61 },
        FaultWhy::Resets { times: 61 },
        FaultWhy::Spikes { readings: 61 },
    ] {
        let [english, chinese] = Lang::ALL.map(|lang| words::fault(lang, fault));
        assert_ne!(english, chinese);
        assert!(fault == FaultWhy::Absent || (english.contains("61") && chinese.contains("61")), "{english}");
        assert_eq!(foreign(&chinese), [""; 0]);
    }
}

#[test]
fn days_that_a_person_has_put_in_are_counted_and_a_fight_has_the_rule_that_ends_it() {
    let dc = dc(&long_under("1.25"));
    let mut first = seen(1e5, 1.10);
    let mut ledger = Ledger::clone(&first.days.as_ref().unwrap().ledger);
    let days: Vec<Day> = ledger.iter().rev().skip(10).take(3).cloned().collect();
    for (mut day, flags) in days.into_iter().zip([Flags::default(), Flags::CORRECTED, Flags::CORRECTED]) {
        day.flags = day.flags.with(Flags::IMPORTED).with(flags);
        ledger.upsert(day);
    }
    first.days = Some(ClosedDays { ledger: ledger.into(), changes: vec![], complete: true });
    let plan = plan::plan(&dc, &Site::read(&dc.spec), &first).0;
    let mut then = after(plan, &first, first.now);
    let contested = json!([{
        "group": "batch", "kind": "CronJob", "namespace": "health", "name": "nightly", "action": "HoldBatch",
        "fields": ["/spec/suspend"], "manager": "argocd-controller", "rounds": 3,
        "at": "2026-06-17T03:00:00Z", "since": "2026-06-17T03:01:00Z"
    }]);
    then.status.as_mut().unwrap().contested = serde_json::from_value(contested).unwrap();
    let (told, _) = told(&dc, &then);
    let annual = told.annual.as_ref().unwrap();
    assert_eq!((annual.imported_days, annual.corrected_days), (3, 2));
    let fight = &told.contested[0];
    assert_eq!((fight.object.as_str(), fight.rounds), ("CronJob health/nightly", 3));
    for text in texts(&told) {
        for figure in ["CronJob health/nightly", "argocd-controller", "/spec/suspend", "ignoreDifferences:"] {
            assert!(text.contains(figure), "{figure} is not in\n{text}");
        }
    }
    let [english, chinese] = texts(&told);
    assert!(english.contains("put in 3 of these days, 2 of them in place of others"), "{english}");
    assert!(chinese.contains("其中 3 天由人工补录，2 天替换了原有数据"), "{chinese}");
}
