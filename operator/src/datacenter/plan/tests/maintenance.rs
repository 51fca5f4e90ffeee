//! Announced work holds actions and mutes alerts, and changes no figure: neither does it stand in for readings that are missing, nor
//! does it take bad hours out of the sums.

use super::*;

/// Work from midnight to noon of yesterday in Fuzhou, and again since nine this morning.
fn announced() -> Value {
    json!({"spec": {"maintenance": [
        {"from": "2026-06-15T16:00:00Z", "to": "2026-06-16T04:00:00Z", "reason": "UPS test"},
        {"from": "2026-06-17T01:00:00Z", "to": "2026-06-17T08:00:00Z", "reason": "UPS test"}
    ]}})
}

/// What is seen of the site with these readings, its days closed by its own spec.
fn with(dc: &DataCenter, samples: BTreeMap<String, Result<Vec<Sample>, Blind>>) -> Observation {
    let site = Site::read(&dc.spec).unwrap();
    let days = closed_of(&site, &samples, "2025-06-01", Ledger::default());
    Observation { samples, days: Some(days), ..seen(1e4, 1.40) }
}

/// Everything about energy in a status, and the ledger.
fn figures(plan: &Plan<DataCenterStatus>) -> Value {
    let DataCenterStatus { annual, operational, months, current_month, budget, model, .. } = &plan.status;
    json!([annual, operational, months, current_month, budget, model, plan.own[0].body["data"]])
}

#[test]
fn maintenance_holds_actions() {
    let plan = run(&dc(&announced()), &seen(1e4, 1.40));
    assert_eq!(plan.status.operational.as_ref().unwrap().verdict, Verdict::Violated);
    assert_eq!(plan.status.enforcement.as_ref().unwrap().state, EnforcementState::Paused);
    assert_eq!(loans(&plan).len(), 0);
    assert!(condition(&plan, "NotEnforcing").2.contains("UPS test"));
}

#[test]
fn readings_that_are_missing_in_maintenance_stay_missing() {
    let (unannounced, quiet) = (dc(&json!({})), dc(&announced()));
    let mut samples = seen(1e4, 1.40).samples;
    let site = Site::read(&quiet.spec).unwrap();
    for meter in samples.values_mut() {
        // Nothing is read while the work goes on.
        meter.as_mut().unwrap().retain(|sample| {
            let at = Timestamp::from_millisecond(sample.at).unwrap();
            site.quiet(at).is_none()
        });
    }
    let plan = run(&quiet, &with(&quiet, samples.clone()));
    // Half of yesterday is not metered, so the day does not count; nor is the last window judged.
    assert_eq!(plan.status.annual.as_ref().unwrap().days, 364);
    assert_eq!(plan.status.operational.as_ref().unwrap().verdict, Verdict::Unknown);
    let text = plan.own[0].body["data"][LEDGER_KEY].as_str().unwrap();
    let ledger = Ledger::decode(text).unwrap();
    let yesterday = ledger.get("2026-06-16".parse().unwrap()).unwrap();
    assert!((4_900..=5_100).contains(&yesterday.coverage()), "{yesterday:?}");
    assert_eq!(figures(&plan), figures(&run(&unannounced, &with(&unannounced, samples))), "announced or not");
}

#[test]
fn what_is_read_in_maintenance_counts_as_ever() {
    let (unannounced, quiet) = (dc(&json!({})), dc(&announced()));
    let samples = seen(1e4, 1.40).samples;
    let plan = run(&quiet, &with(&quiet, samples.clone()));
    assert_eq!(plan.status.annual.as_ref().unwrap().days, 365);
    assert_eq!(figures(&plan), figures(&run(&unannounced, &with(&unannounced, samples))));
}
