//! The lines against their published schema, and what becomes of them when nobody reads.

use std::collections::BTreeSet;

use k8s_openapi::api::{
    batch::v1::CronJob,
    core::v1::{ConfigMap, Secret},
};
use kube::core::ApiResource;
use serde_json::json;

use super::*;

fn object<K: kube::Resource<DynamicType = ()>>(uid: Option<&str>) -> ObjectRef {
    ObjectRef {
        resource: ApiResource::erase::<K>(&()),
        namespace: Some("work".into()),
        name: "nightly".into(),
        uid: uid.map(Into::into),
    }
}

fn principal(known: bool) -> Principal {
    Principal {
        api_version: "banyan.dev/v1alpha1".into(),
        kind: "DataCenter".into(),
        name: "gulou-1".into(),
        uid: known.then(|| "d1".into()),
        generation: known.then_some(3),
    }
}

fn ground<'a>(what: Deed, prior: &'a Value, principal: &'a Principal) -> Ground<'a> {
    Ground { what, action: None, prior, kept: &[], why: "a test", until: None, principal }
}

fn line(object: &ObjectRef, ground: &Ground<'_>, outcome: Outcome) -> Value {
    let trail = Trail::new("banyan-0", io::sink());
    let now = "2026-03-01T00:00:00Z".parse().unwrap();
    let text = trail.line(object, Some("u1"), ground, outcome, now);
    assert!(text.ends_with('\n') && text.trim_end().lines().count() == 1, "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Every deed and outcome, with all that may be there and with as little as there can be.
fn lines() -> Vec<Value> {
    let (known, gone) = (principal(true), principal(false));
    let prior = json!({ "/spec/suspend": false, "/metadata/labels/x": null });
    let kept = ["/spec/suspend".to_owned()];
    let full = Ground {
        what: Deed::Borrowed,
        action: Some("HoldBatch"),
        prior: &prior,
        kept: &kept,
        why: "a reason\nof two lines",
        until: Some("it is clear again"),
        principal: &known,
    };
    let bare = Ground {
        what: Deed::Removed,
        action: None,
        prior: &Value::Null,
        kept: &[],
        why: "no longer planned",
        until: None,
        principal: &gone,
    };
    let deeds = [
        Deed::Ensured,
        Deed::PutBack,
        Deed::Removed,
        Deed::Borrowed,
        Deed::SetAgain,
        Deed::Returned,
        Deed::FinalizerSet,
        Deed::FinalizerCleared,
    ];
    let outcomes = [Outcome::Written, Outcome::Unanswered, Outcome::Found];
    deeds
        .into_iter()
        .flat_map(|what| outcomes.map(|outcome| (what, outcome)))
        .flat_map(|(what, outcome)| {
            let mut node = object::<CronJob>(None);
            node.namespace = None;
            [
                line(&object::<CronJob>(Some("u1")), &Ground { what, ..full.clone() }, outcome),
                line(&node, &Ground { what, ..bare.clone() }, outcome),
            ]
        })
        .collect()
}

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../docs/trail.schema.json")).unwrap()
}

#[test]
fn every_line_fits_the_published_schema() {
    let validator = jsonschema::options().should_validate_formats(true).build(&schema()).unwrap();
    for line in lines() {
        let errors: Vec<_> = validator.iter_errors(&line).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
    }
    // It is a schema that refuses something.
    let good = &lines()[0];
    for (pointer, wrong) in [
        ("/schema", json!("banyan.dev/trail/v2")),
        ("/time", json!("yesterday")),
        ("/what", json!("Forgotten")),
        ("/outcome", json!(true)),
        ("/object/name", json!("")),
        ("/for/generation", json!("3")),
        ("/prior", json!("false")),
    ] {
        let mut line = good.clone();
        *line.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&line), "{pointer} may be anything");
    }
}

#[test]
fn the_schema_names_every_field_and_no_other() {
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let schema = schema();
    for part in ["", "/object", "/for"] {
        let written: BTreeSet<_> =
            lines().iter().flat_map(|line| keys(line.pointer(part).unwrap())).collect();
        let within = if part.is_empty() { String::new() } else { format!("/properties{part}") };
        let named = keys(schema.pointer(&format!("{within}/properties")).unwrap());
        assert_eq!(written, named, "{part}");
    }
}

#[test]
fn what_was_in_a_secret_is_not_told() {
    let (principal, prior) = (principal(true), json!({ "/data/password": "aHVudGVyMg==" }));
    let ground = ground(Deed::Borrowed, &prior, &principal);
    assert!(line(&object::<Secret>(None), &ground, Outcome::Written).get("prior").is_none());
    assert_eq!(line(&object::<ConfigMap>(None), &ground, Outcome::Written)["prior"], prior);
}

#[test]
fn a_uid_that_only_the_server_knows_is_told_and_a_known_one_stays() {
    let (principal, prior) = (principal(true), Value::Null);
    let ground = ground(Deed::Ensured, &prior, &principal);
    for (known, told) in [(None, "u1"), (Some("u0"), "u0")] {
        assert_eq!(line(&object::<ConfigMap>(known), &ground, Outcome::Written)["object"]["uid"], told);
    }
}

#[test]
fn nobody_reading_any_more_stops_nothing() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let (principal, prior) = (principal(true), Value::Null);
    let ground = ground(Deed::Ensured, &prior, &principal);
    Trail::new("banyan-0", Closed).tell(&object::<ConfigMap>(None), None, &ground, Outcome::Written);
}
