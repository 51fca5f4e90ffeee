//! The security baselines in `banyan status`.

use banyan_crds::{
    conditions::READY,
    v1alpha1::{SecurityBaseline, SecurityBaselineStatus},
};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{super::table, unwell, with_remarks};
use crate::{
    baseline::status::{EVALUATED, HIGH_RISKS_CLEAR, OBJECTS_READ, PACKS_LOADED, REPORTS_WRITTEN},
    lang::{Lang, words},
    t,
};

fn header(lang: Lang) -> [String; 13] {
    [
        t!(lang, "status-baseline"),
        t!(lang, "status-level"),
        t!(lang, "status-packs"),
        t!(lang, "status-fail"),
        t!(lang, "status-warn"),
        t!(lang, "status-error"),
        t!(lang, "status-unknown"),
        t!(lang, "status-manual"),
        t!(lang, "status-high-risks"),
        t!(lang, "status-score"),
        t!(lang, "status-reports"),
        t!(lang, "status-age"),
        t!(lang, "status-ready"),
    ]
}

/// The table, and below it a line for each baseline that wants attention.
pub(super) fn text(baselines: &[SecurityBaseline], now: Timestamp, lang: Lang) -> String {
    let rows: Vec<Vec<String>> = baselines.iter().map(|baseline| row(baseline, now, lang)).collect();
    let remarks = baselines.iter().filter_map(|baseline| Some((baseline.name_any(), remark(baseline)?)));
    with_remarks(table::render(&header(lang), &rows), remarks, lang)
}

fn row(baseline: &SecurityBaseline, now: Timestamp, lang: Lang) -> Vec<String> {
    let none = SecurityBaselineStatus::default();
    let status = baseline.status.as_ref().unwrap_or(&none);
    let spec = &baseline.spec;
    let dash = || "-".to_owned();
    let condition = |kind: &str| {
        let found = status.conditions.iter().find(|condition| condition.type_ == kind);
        found.map_or_else(dash, |found| words::truth(lang, &found.status))
    };
    let counts = status.counts.as_ref();
    let count = |of: fn(&banyan_crds::v1alpha1::BaselineCounts) -> i64| {
        counts.map_or_else(dash, |counts| of(counts).to_string())
    };
    let asks_for_reports = spec.reports.as_ref().is_some_and(|reports| !reports.apis.is_empty());
    vec![
        baseline.name_any(),
        spec.profile
            .as_ref()
            .map_or_else(|| spec.level.to_string(), |profile| format!("{} {profile}", spec.level)),
        spec.packs.join("+"),
        count(|counts| counts.fail),
        count(|counts| counts.warn),
        count(|counts| counts.error),
        count(|counts| counts.unknown),
        count(|counts| counts.manual),
        counts.map_or_else(dash, |_| status.high_risks.len().to_string()),
        status.score.as_ref().map_or_else(dash, ToString::to_string),
        if asks_for_reports { condition(REPORTS_WRITTEN) } else { dash() },
        baseline.metadata.creation_timestamp.as_ref().map_or_else(dash, |since| age(now, since.0, lang)),
        condition(READY),
    ]
}

/// As `kubectl` tells ages, in one unit.
fn age(now: Timestamp, since: Timestamp, lang: Lang) -> String {
    let seconds = now.duration_since(since).as_secs().max(0);
    match seconds {
        ..120 => t!(lang, "status-seconds", number = seconds.to_string()),
        120..10_800 => t!(lang, "status-minutes", number = (seconds / 60).to_string()),
        10_800..172_800 => t!(lang, "status-hours", number = (seconds / 3600).to_string()),
        _ => t!(lang, "status-days", number = (seconds / 86_400).to_string()),
    }
}

/// The first thing that is not well, or that nothing is changed at admission.
fn remark(baseline: &SecurityBaseline) -> Option<&str> {
    let conditions = &baseline.status.as_ref()?.conditions;
    let suspended = || {
        let ready = conditions.iter().find(|condition| condition.type_ == READY)?;
        (ready.reason == "Suspended").then_some(ready.message.as_str())
    };
    [READY, PACKS_LOADED, OBJECTS_READ, EVALUATED, REPORTS_WRITTEN, HIGH_RISKS_CLEAR]
        .into_iter()
        .find_map(|kind| unwell(conditions, kind))
        .or_else(suspended)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NOW: &str = "2026-11-25T12:00:00Z";

    fn baseline(spec: &Value, status: &Value) -> SecurityBaseline {
        let mut object = json!({
            "apiVersion": "banyan.dev/v1alpha1", "kind": "SecurityBaseline",
            "metadata": {"name": "city", "creationTimestamp": "2026-11-20T11:00:00Z"},
            "spec": {"level": 3, "packs": ["mlps", "crypto"]}, "status": status,
        });
        for (name, value) in spec.as_object().unwrap() {
            object["spec"][name] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    fn told(spec: &Value, status: &Value, lang: Lang) -> String {
        text(&[baseline(spec, status)], NOW.parse().unwrap(), lang)
    }

    fn condition(kind: &str, status: &str, reason: &str, message: &str) -> Value {
        json!({"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": NOW})
    }

    #[test]
    fn a_baseline_has_its_counts_and_the_first_thing_that_is_not_well() {
        let status = json!({
            "counts": {"pass": 100, "fail": 12, "warn": 3, "error": 1, "skip": 9, "manual": 40, "unknown": 7}, "score": "61.25",
            "highRisks": [{"control": "a", "objects": 4, "since": NOW}],
            "conditions": [
                condition("Ready", "True", "Reconciled", "97 clauses"),
                condition("HighRisksClear", "False", "HighRisk", "a: fails"),
                condition("ReportsWritten", "True", "Written", ""),
                condition("Evaluated", "False", "EvaluationFailed", "b: could not be\nevaluated"),
            ],
        });
        assert_eq!(
            told(&json!({"profile": "S2A3G3", "reports": {"apis": ["openreports.io"]}}), &status, Lang::En),
            "BASELINE  LEVEL     PACKS        FAIL  WARN  ERROR  UNKNOWN  MANUAL  HIGH RISKS  SCORE  REPORTS  AGE  READY\n\
             city      3 S2A3G3  mlps+crypto  12    3     1      7        40      1           61.25  True     5d   True\n\
             \ncity: b: could not be\\nevaluated\n"
        );
        let zh = told(&json!({}), &status, Lang::Zh);
        assert!(zh.contains("高风险") && zh.contains("5 天") && zh.contains("\ncity：b"), "{zh}");
    }

    #[test]
    fn nothing_is_made_up_before_the_first_look_and_a_suspension_is_told() {
        let rows = told(&json!({}), &json!(null), Lang::En);
        let row: Vec<&str> = rows.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["city", "3", "mlps+crypto", "-", "-", "-", "-", "-", "-", "-", "-", "5d", "-"]);
        assert_eq!(rows.lines().count(), 2);
        let suspended =
            json!({"conditions": [condition("Ready", "True", "Suspended", "spec.suspend is set")]});
        assert!(told(&json!({}), &suspended, Lang::En).ends_with("\n\ncity: spec.suspend is set\n"));
    }

    #[test]
    fn an_age_is_in_one_unit() {
        let age = |since: &str| age(NOW.parse().unwrap(), since.parse().unwrap(), Lang::En);
        assert_eq!(
            [
                "2026-11-25T12:00:01Z",
                "2026-11-25T11:58:01Z",
                "2026-11-25T11:58:00Z",
                "2026-11-25T09:00:00Z",
                "2026-11-23T12:00:00Z"
            ]
            .map(age),
            ["0s", "119s", "2m", "3h", "2d"]
        );
    }
}
