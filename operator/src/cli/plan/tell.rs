//! What a plan says beside the objects that it touches: what could not be read, what is decided, and why.

use std::collections::BTreeMap;

use banyan_crds::{
    conditions::READY,
    v1alpha1::{DataCenter, DataCenterStatus},
};
use serde_json::Value;

use super::foreseen::{Decided, Field, Unwell};
use crate::{
    datacenter::{
        observe::{Blind, Observation},
        words::NOT_ENFORCING,
    },
    kernel::loan,
};

/// What could not be read, a line for each cause. An answer with nothing in it was read. What keeps a site from being
/// `ready` is told by that, and not here again.
pub fn unread(seen: &Observation, ready: bool) -> Vec<String> {
    let mut causes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut add = |what: String, blind: &Blind| {
        if !blind.empty {
            causes.entry(format!("{}: {}", blind.reason, blind.message)).or_default().push(what);
        }
    };
    for (meter, answer) in &seen.samples {
        if let Err(blind) = answer {
            add(format!("meter {meter}"), blind);
        }
    }
    if let Some(Err(blind)) = &seen.air {
        add("inlets".to_owned(), blind);
    }
    if let Some(Err(blind)) = &seen.racks_in_use {
        add("racks in use".to_owned(), blind);
    }
    if let Err(blind) = &seen.here
        && ready
    {
        add("the site's cluster".to_owned(), blind);
    }
    let mut lines: Vec<String> =
        causes.into_iter().map(|(cause, what)| format!("{}: {cause}", what.join(", "))).collect();
    if let Err(wrong) = &seen.found.ledger
        && ready
    {
        lines.push(format!("the energy ledger: {wrong}"));
    }
    lines
}

/// Where enforcement would stand, and why; none where the spec does not ask for it.
pub fn decision(dc: &DataCenter, planned: &DataCenterStatus) -> Option<Decided> {
    dc.spec.enforcement.as_ref()?;
    let condition = planned.conditions.iter().find(|condition| condition.type_ == NOT_ENFORCING)?;
    Some(Decided {
        state: planned.enforcement.as_ref().map(|status| status.state),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    })
}

/// Conditions that would not be well, and are not so already.
pub fn conditions(live: Option<&DataCenterStatus>, planned: &DataCenterStatus) -> Vec<Unwell> {
    let stands = |kind: &str| live?.conditions.iter().find(|condition| condition.type_ == kind);
    planned
        .conditions
        .iter()
        // The decision is told by itself.
        .filter(|new| new.status != "True" && new.type_ != NOT_ENFORCING)
        .filter(|new| {
            stands(&new.type_).is_none_or(|old| (&old.status, &old.reason) != (&new.status, &new.reason))
        })
        .map(|new| Unwell {
            kind: new.type_.clone(),
            status: new.status.clone(),
            reason: new.reason.clone(),
            message: new.message.clone(),
        })
        .collect()
}

/// What keeps the site from being taken in: field, if the message begins with one, and message.
pub fn not_ready(planned: &DataCenterStatus) -> Option<(&str, &str)> {
    let ready = planned.conditions.iter().find(|condition| condition.type_ == READY)?;
    if ready.status != "False" {
        return None;
    }
    let message = ready.message.as_str();
    Some(match message.split_once(": ") {
        Some((field, rest)) if field.starts_with("spec.") && !field.contains(' ') => (field, rest),
        _ => ("", message),
    })
}

/// Fields that are taken, each with its value before and after.
pub fn taken(loan: &loan::Loan, prior: &Value) -> Vec<Field> {
    let fields = loan.fields.iter().filter_map(|field| {
        let before = prior.get(&field.pointer)?.clone();
        Some(Field { pointer: field.pointer.clone(), before, after: field.set.clone() })
    });
    fields.collect()
}

/// Fields that are given back, each with its value now and after. `returned` has those that really are.
pub fn returned(live: &Value, action: &str, returned: &Value) -> Vec<Field> {
    let annotations = live["metadata"]["annotations"].as_object();
    let texts =
        annotations.into_iter().flatten().filter_map(|(key, text)| Some((key.as_str(), text.as_str()?)));
    let key = loan::annotation(action);
    let fields = loan::records(texts).into_iter().filter(|(at, _)| *at == key).flat_map(|(_, record)| {
        record.fields.into_iter().filter_map(|lent| {
            let before = returned.get(&lent.field.pointer)?.clone();
            Some(Field { pointer: lent.field.pointer, before, after: lent.prior })
        })
    });
    fields.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        datacenter::{holds::Estate, observe::FoundLedger},
        kernel::plan::ObjectRef,
    };

    fn seen() -> Observation {
        Observation {
            now: jiff::Timestamp::UNIX_EPOCH,
            namespace: "banyan-system".into(),
            status: None,
            found: FoundLedger::default(),
            days: None,
            samples: BTreeMap::new(),
            air: None,
            racks_in_use: None,
            estate: Estate::default(),
            enforcement: true,
            freeze_growth: true,
            here: Ok(true),
            installation: vec![],
        }
    }

    fn blind(empty: bool) -> Blind {
        Blind { reason: "PrometheusUnreachable", message: "no answer".into(), empty }
    }

    #[test]
    fn what_could_not_be_read_is_told_once_for_each_cause() {
        let mut seen = seen();
        assert_eq!(unread(&seen, true), [""; 0]);
        seen.samples = BTreeMap::from([
            ("feed".to_owned(), Err(blind(false))),
            ("pdu".to_owned(), Err(blind(false))),
            // Asked and answered: there is nothing.
            ("ups".to_owned(), Err(blind(true))),
        ]);
        seen.found.ledger = Err("not a ledger".into());
        assert_eq!(
            unread(&seen, true),
            ["meter feed, meter pdu: PrometheusUnreachable: no answer", "the energy ledger: not a ledger"]
        );
    }

    fn status(conditions: &Value) -> DataCenterStatus {
        let conditions: Vec<Value> = conditions
            .as_array()
            .unwrap()
            .iter()
            .map(|told| {
                json!({"type": told[0], "status": told[1], "reason": told[2], "message": told[3],
                       "lastTransitionTime": "2026-03-01T00:00:00Z"})
            })
            .collect();
        serde_json::from_value(json!({ "conditions": conditions })).unwrap()
    }

    #[test]
    fn only_news_that_are_not_well_are_told() {
        let live = status(&json!([["A", "False", "Old", "a"], ["B", "True", "Well", "b"]]));
        let planned = json!([
            ["A", "False", "Old", "other words"],
            ["B", "Unknown", "Blind", "no answer"],
            ["C", "True", "Well", "c"],
            ["NotEnforcing", "False", "Enforcing", "d"]
        ]);
        let told: Vec<String> =
            conditions(Some(&live), &status(&planned)).iter().map(super::super::text::unwell).collect();
        assert_eq!(told, ["B Unknown (Blind): no answer"]);
    }

    #[test]
    fn what_is_not_ready_names_its_field() {
        let told = |message| status(&json!([["Ready", "False", "DuplicateCluster", message]]));
        let twin = told("spec.cluster.id: site a has the same");
        assert_eq!(not_ready(&twin), Some(("spec.cluster.id", "site a has the same")));
        assert_eq!(not_ready(&told("the ledger: gone")), Some(("", "the ledger: gone")));
        assert_eq!(not_ready(&status(&json!([["Ready", "True", "Reconciled", ""]]))), None);
    }

    #[test]
    fn values_are_told_before_and_after() {
        let field = loan::Field { pointer: "/spec/suspend".into(), set: json!(true), element_keys: vec![] };
        let loan = loan::Loan {
            object: ObjectRef {
                resource: kube::core::ApiResource::erase::<k8s_openapi::api::batch::v1::CronJob>(&()),
                namespace: None,
                name: "nightly".into(),
                uid: None,
            },
            action: "HoldBatch".into(),
            fields: vec![field],
            guard: loan::Guard::None,
            fought: None,
            why: String::new(),
            until: None,
        };
        let told = |fields: &[Field]| super::super::text::changes(fields, crate::lang::Lang::En);
        assert_eq!(told(&taken(&loan, &json!({"/spec/suspend": null}))), "/spec/suspend absent → true");
        let record = json!({"owner": "datacenter.a", "at": "", "fields": [
            {"pointer": "/spec/suspend", "set": true, "prior": false}]});
        let live = json!({"metadata": {"annotations": {"banyan.dev/loan-hold-batch": record.to_string()}}});
        let back = returned(&live, "HoldBatch", &json!({"/spec/suspend": true}));
        assert_eq!(told(&back), "/spec/suspend true → false");
        assert_eq!(returned(&live, "HoldBatch", &json!({})), []);
    }
}
