//! The rules that a definition's schema holds.

use serde_json::{Map, Value};

/// A rule of the schema.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The kind.
    pub kind: String,
    /// The field that a refusal names, with `[]` for any item of a list and `any` for any key of a map.
    pub field: String,
    /// The keyword, or the message of a validation rule.
    pub what: String,
    /// The keyword's value, as it stands in refusals.
    pub limit: String,
}

/// Every rule about what a user writes of any kind. The status is the operator's.
pub fn rules() -> Vec<Rule> {
    let mut all = Vec::new();
    for crd in banyan_crds::all() {
        let kind = crd.spec.names.kind.clone();
        let mut rules = Vec::new();
        let versions = crd.spec.versions.into_iter().filter_map(|version| version.schema?.open_api_v3_schema);
        for schema in versions.filter_map(|schema| serde_json::to_value(schema).ok()) {
            // A rule about the whole object is refused without a field; this one speaks of the name.
            rules.extend(messages("metadata.name", &schema));
            walk("spec", &schema["properties"]["spec"], &mut rules);
            rules.extend(required("", &schema));
        }
        for rule in &mut rules {
            rule.kind.clone_from(&kind);
        }
        all.extend(rules);
    }
    all
}

const KEYWORDS: [&str; 12] = [
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "multipleOf",
    "enum",
    "format",
];

/// What describes a field, or holds rules that are looked into below.
const NO_RULES: [&str; 12] = [
    "type",
    "description",
    "nullable",
    "default",
    "properties",
    "items",
    "additionalProperties",
    "required",
    "x-kubernetes-validations",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-preserve-unknown-fields",
];

fn walk(path: &str, schema: &Value, rules: &mut Vec<Rule>) {
    // A keyword that is not known here may be a rule: it has no case, and fails until it is looked after.
    let known = |keyword: &str| KEYWORDS.contains(&keyword) || NO_RULES.contains(&keyword);
    for keyword in
        schema.as_object().into_iter().flatten().map(|(keyword, _)| keyword).filter(|word| !known(word))
    {
        rules.push(Rule {
            kind: String::new(),
            field: path.to_owned(),
            what: keyword.clone(),
            limit: String::new(),
        });
    }
    for keyword in KEYWORDS {
        let limit = match &schema[keyword] {
            Value::Null => continue,
            // How an integer is held in memory is no rule.
            Value::String(format) if keyword == "format" && format.starts_with("int") => continue,
            Value::String(text) => text.clone(),
            Value::Number(number) => number.as_f64().map_or_else(String::new, |number| number.to_string()),
            other => other.to_string(),
        };
        rules.push(Rule { kind: String::new(), field: path.to_owned(), what: keyword.to_owned(), limit });
    }
    if schema["x-kubernetes-list-type"].is_string() {
        let what = "x-kubernetes-list-type".to_owned();
        rules.push(Rule { kind: String::new(), field: format!("{path}[]"), what, limit: String::new() });
    }
    rules.extend(messages(path, schema));
    rules.extend(required(&format!("{path}."), schema));
    for (name, property) in schema["properties"].as_object().unwrap_or(&Map::new()) {
        walk(&format!("{path}.{name}"), property, rules);
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], rules);
    }
    if schema["additionalProperties"].is_object() {
        walk(&format!("{path}.any"), &schema["additionalProperties"], rules);
    }
}

fn messages(path: &str, schema: &Value) -> Vec<Rule> {
    let validations = schema["x-kubernetes-validations"].as_array().cloned().unwrap_or_default();
    validations
        .iter()
        .map(|validation| Rule {
            kind: String::new(),
            field: format!("{path}{}", validation["fieldPath"].as_str().unwrap_or_default()),
            what: validation["message"].as_str().unwrap_or_default().to_owned(),
            limit: String::new(),
        })
        .collect()
}

fn required(prefix: &str, schema: &Value) -> Vec<Rule> {
    let names = schema["required"].as_array().cloned().unwrap_or_default();
    let rule = |name: &Value| Rule {
        kind: String::new(),
        field: format!("{prefix}{}", name.as_str().unwrap_or_default()),
        what: "required".to_owned(),
        limit: String::new(),
    };
    names.iter().map(rule).collect()
}
