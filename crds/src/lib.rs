//! The API of Banyan: custom resources of the group `banyan.dev`.
//!
//! Types and their rules only; nothing here talks to a cluster. Each kind has a file under [`v1alpha1`]; the
//! manifests in `crds/manifests/` are generated from them and checked for drift.
//!
//! Conventions of the whole group: a field left out manages or restricts nothing, an empty list allows nothing;
//! fields inside one selector narrow, separate ways to select add up; every list and string is bounded so that the
//! validation rules stay within the API server's cost limit; references to Secrets and `ConfigMaps` are names in
//! Banyan's own namespace.

pub mod conditions;
pub mod v1alpha1;
pub mod values;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

/// The API group of every kind.
pub const GROUP: &str = "banyan.dev";

/// Every custom resource definition of the group, in the order of their names.
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![v1alpha1::DataCenter::crd(), v1alpha1::SecurityBaseline::crd(), v1alpha1::Waiver::crd()]
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_definition_can_be_built_and_is_small_enough_for_client_side_apply() {
        for crd in super::all() {
            let json = serde_json::to_string(&crd).unwrap();
            // kubectl keeps a copy in an annotation, whose limit over all annotations is 256 KiB.
            assert!(json.len() < 200_000, "{:?} has {} bytes", crd.metadata.name, json.len());
        }
    }

    #[test]
    fn no_field_is_called_by_a_word_that_yaml_or_cel_reads_otherwise() {
        fn walk(path: &str, schema: &serde_json::Value) {
            const RESERVED: [&str; 12] = [
                "on",
                "off",
                "yes",
                "no",
                "true",
                "false",
                "null",
                "in",
                "as",
                "namespace",
                "package",
                "return",
            ];
            if let Some(properties) = schema["properties"].as_object() {
                for (name, inner) in properties {
                    assert!(!RESERVED.contains(&name.as_str()), "{path}.{name}");
                    walk(&format!("{path}.{name}"), inner);
                }
            }
            if schema["items"].is_object() {
                walk(&format!("{path}[]"), &schema["items"]);
            }
        }
        for crd in super::all() {
            let json = serde_json::to_value(&crd).unwrap();
            walk("spec", &json["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]);
        }
    }

    #[test]
    fn every_list_and_string_of_a_spec_is_bounded() {
        fn walk(path: &str, schema: &serde_json::Value) {
            match schema["type"].as_str() {
                Some("array") => {
                    assert!(schema["maxItems"].is_number(), "{path} has no maxItems");
                    walk(&format!("{path}[]"), &schema["items"]);
                }
                Some("string") => assert!(
                    schema["maxLength"].is_number()
                        || schema["enum"].is_array()
                        || schema["format"].is_string(),
                    "{path} has no maxLength"
                ),
                Some("object") => {
                    if let Some(properties) = schema["properties"].as_object() {
                        for (name, inner) in properties {
                            walk(&format!("{path}.{name}"), inner);
                        }
                    } else {
                        assert!(schema["maxProperties"].is_number(), "{path} has no maxProperties");
                    }
                }
                _ => {}
            }
        }
        for crd in super::all() {
            let json = serde_json::to_value(&crd).unwrap();
            walk("spec", &json["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]);
        }
    }
}
