//! The Waivers in `banyan status`.

use banyan_crds::{conditions::READY, v1alpha1::Waiver};
use jiff::Timestamp;
use kube::ResourceExt;

use super::{
    super::{table, waiver},
    unwell, with_remarks,
};
use crate::{baseline::waivers::IN_FORCE, lang::Lang, report::visible::visible, t};

/// The table, and below it why a Waiver covers nothing.
pub(super) fn text(waivers: &[Waiver], now: Timestamp, lang: Lang) -> String {
    let header = [
        t!(lang, "status-waiver"),
        t!(lang, "waiver-baseline"),
        t!(lang, "waiver-state"),
        t!(lang, "waiver-expires"),
    ];
    let rows: Vec<Vec<String>> = waivers.iter().map(|waiver| row(waiver, now, lang)).collect();
    let remarks = waivers.iter().filter_map(|waiver| Some((waiver.name_any(), remark(waiver)?)));
    with_remarks(table::render(&header, &rows), remarks, lang)
}

fn row(waiver: &Waiver, now: Timestamp, lang: Lang) -> Vec<String> {
    vec![
        waiver.name_any(),
        waiver.spec.baseline_name.to_string(),
        waiver::state(waiver, now, lang),
        visible(&waiver.spec.expires.0).into_owned(),
    ]
}

fn remark(waiver: &Waiver) -> Option<&str> {
    let conditions = &waiver.status.as_ref()?.conditions;
    unwell(conditions, READY).or_else(|| unwell(conditions, IN_FORCE))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_waiver_has_its_state_and_why_it_covers_nothing() {
        let waiver = |name: &str, approval: serde_json::Value, conditions: serde_json::Value| -> Waiver {
            let mut object = json!({
                "apiVersion": "banyan.dev/v1alpha1", "kind": "Waiver", "metadata": {"name": name},
                "spec": {"baselineName": "city", "controls": ["a"], "match": {"names": ["b"]}, "reason": "c", "expires": "2027-01-31T00:00:00Z"},
                "status": {"conditions": conditions},
            });
            object["spec"]["approval"] = approval;
            serde_json::from_value(object).unwrap()
        };
        let condition = |kind: &str, status: &str, message: &str| json!({"type": kind, "status": status, "reason": "A", "message": message, "lastTransitionTime": "2026-11-25T00:00:00Z"});
        let waits = waiver(
            "camera",
            json!(null),
            json!([condition("Ready", "True", "told"), condition("InForce", "False", "approve it")]),
        );
        let lost = waiver(
            "driver",
            json!({"by": "chen", "at": "2026-11-25T00:00:00Z"}),
            json!([condition("Ready", "False", "no baseline"), condition("InForce", "True", "")]),
        );
        let shown = |now: &str| text(&[waits.clone(), lost.clone()], now.parse().unwrap(), Lang::En);
        assert_eq!(
            shown("2026-11-25T00:00:00Z"),
            "WAIVER  BASELINE  STATE    EXPIRES\n\
             camera  city      Pending  2027-01-31T00:00:00Z\n\
             driver  city      Active   2027-01-31T00:00:00Z\n\
             \ncamera: approve it\ndriver: no baseline\n"
        );
        assert!(shown("2027-01-31T00:00:00Z").contains("driver  city      Expired"));
    }
}
