//! How a definition in the cluster differs from this binary's own.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use super::facts::Drift;

/// How `live` differs from `own`, in what decides which objects are accepted and what is kept of them. Descriptions are not
/// looked at.
pub fn drift(own: &CustomResourceDefinition, live: &CustomResourceDefinition) -> Drift {
    let conditions = live.status.as_ref().and_then(|status| status.conditions.as_ref());
    let established = conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Established" && condition.status == "True");
    let mut drift = Drift { established, ..Drift::default() };
    for version in &own.spec.versions {
        match live.spec.versions.iter().find(|other| other.name == version.name && other.served) {
            Some(other) => {
                compare(&json!(version.schema), &json!(other.schema), "", &mut drift);
                compare(&json!(version.subresources), &json!(other.subresources), "", &mut drift);
            }
            None => drift.missing.push(format!("version {}", version.name)),
        }
    }
    drift
}

/// How the schema that the API server publishes for the kind differs: by its fields alone.
pub fn published(own: &CustomResourceDefinition, openapi: &Value) -> Option<Drift> {
    let schemas = openapi["components"]["schemas"].as_object()?;
    let kind = &own.spec.names.kind;
    let live = schemas.values().find(|schema| {
        let kinds = schema["x-kubernetes-group-version-kind"].as_array();
        kinds.is_some_and(|kinds| kinds.iter().any(|one| one["kind"] == **kind))
    })?;
    let mut drift = Drift { established: true, ..Drift::default() };
    let version = own.spec.versions.first()?;
    let own = json!(version.schema)["openAPIV3Schema"].take();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for part in ["spec", "status"] {
        fields(&own["properties"][part], part, &mut ours);
        fields(&live["properties"][part], part, &mut theirs);
    }
    drift.missing = ours.iter().filter(|field| !theirs.contains(field)).cloned().collect();
    drift.extra = theirs.into_iter().filter(|field| !ours.contains(field)).collect();
    Some(drift)
}

/// The paths of all fields of a schema.
fn fields(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        fields(field, &path, found);
        found.push(path);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            fields(&schema[inner], &format!("{path}[]"), found);
        }
    }
}

fn compare(own: &Value, live: &Value, path: &str, drift: &mut Drift) {
    match (own, live) {
        (Value::Object(ours), Value::Object(theirs)) => {
            let known = |key: &&String| key.as_str() != "description";
            for key in ours.keys().filter(known) {
                let path = join(path, key);
                match theirs.get(key) {
                    Some(live) => compare(&ours[key], live, &path, drift),
                    None => drift.missing.push(path),
                }
            }
            drift.extra.extend(
                theirs.keys().filter(known).filter(|key| !ours.contains_key(*key)).map(|key| join(path, key)),
            );
        }
        (Value::Array(ours), Value::Array(theirs)) if ours != theirs => {
            // Words and rules that only this binary has, else those that only the cluster has.
            if ours.iter().all(|one| theirs.contains(one)) {
                drift.extra.push(path.to_owned());
            } else {
                drift.missing.push(path.to_owned());
            }
        }
        (ours, theirs) if ours != theirs => drift.missing.push(path.to_owned()),
        _ => {}
    }
}

/// The path of a field as people write it; what is said about a field stands behind it.
fn join(path: &str, key: &str) -> String {
    match key {
        "openAPIV3Schema" | "properties" => path.to_owned(),
        "items" | "additionalProperties" => format!("{path}[]"),
        _ if path.is_empty() => key.to_owned(),
        _ => format!("{path}.{key}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> CustomResourceDefinition {
        banyan_crds::all().remove(0)
    }

    /// The own definition as it would be in a cluster, changed.
    fn changed(change: impl FnOnce(&mut Value)) -> CustomResourceDefinition {
        let mut live = json!(own());
        live["status"] = json!({
            "acceptedNames": live["spec"]["names"], "storedVersions": ["v1alpha1"],
            "conditions": [{"type": "Established", "status": "True", "lastTransitionTime": null, "reason": "", "message": ""}]
        });
        change(&mut live["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]);
        serde_json::from_value(live).unwrap()
    }

    #[test]
    fn the_same_definition_does_not_differ_and_words_in_descriptions_do_not_matter() {
        let live = changed(|fields| fields["spec"]["description"] = "older words".into());
        assert_eq!(drift(&own(), &live), Drift { established: true, ..Drift::default() });
    }

    #[test]
    fn a_field_that_is_missing_another_rule_and_a_new_field_are_told_by_their_paths() {
        let of = |change: fn(&mut Value)| {
            let found = drift(&own(), &changed(change));
            (found.missing, found.extra)
        };
        let spec = |name: &str| format!("spec.{name}");
        assert_eq!(
            of(|fields| drop(fields["spec"]["properties"].as_object_mut().unwrap().remove("cooling"))),
            (vec![spec("cooling")], vec![])
        );
        assert_eq!(
            of(|fields| fields["spec"]["properties"]["future"] = json!({"type": "string"})),
            (vec![], vec![spec("future")])
        );
        let (missing, _) = of(|fields| fields["spec"]["properties"]["suspend"]["type"] = "string".into());
        assert_eq!(missing, [spec("suspend.type")]);
    }

    #[test]
    fn what_is_published_is_compared_by_its_fields() {
        let openapi = |change: fn(&mut Value)| {
            let mut schema = json!(own().spec.versions[0].schema)["openAPIV3Schema"].take();
            schema["x-kubernetes-group-version-kind"] =
                json!([{"group": "banyan.dev", "kind": "DataCenter"}]);
            change(&mut schema["properties"]);
            json!({"components": {"schemas": {"dev.banyan.v1alpha1.DataCenter": schema}}})
        };
        let same = published(&own(), &openapi(|_| {})).unwrap();
        assert_eq!(same, Drift { established: true, ..Drift::default() });
        let older = openapi(|fields| {
            fields["spec"]["properties"]["energy"]["properties"]["meters"]["items"]["properties"]
                .as_object_mut()
                .unwrap()
                .remove("maxValue");
        });
        assert_eq!(published(&own(), &older).unwrap().missing, ["spec.energy.meters[].maxValue"]);
        assert_eq!(published(&own(), &json!({})), None);
    }
}
