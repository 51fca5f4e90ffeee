//! What the API server holds `apiVersion`, `kind` and `metadata` to: no definition says it, because it is the same for all.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// Names of cluster-scoped objects: a DNS subdomain (RFC 1123).
const NAME: &str = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$";
/// Values of labels.
const LABEL_VALUE: &str = "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$";
/// Keys of labels and annotations: a name, behind a DNS subdomain and a slash where there is one.
const QUALIFIED: &str = r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]$";

/// Puts it into the schema of a definition.
pub fn complete(schema: &mut Value) {
    let inline = SchemaSettings::openapi3().with(|settings| settings.inline_subschemas = true);
    let mut metadata = inline.into_generator().into_root_schema_for::<ObjectMeta>().to_value();
    metadata["properties"]["name"]["maxLength"] = 253.into();
    metadata["properties"]["name"]["pattern"] = NAME.into();
    metadata["properties"]["labels"]["additionalProperties"] =
        json!({ "type": "string", "maxLength": 63, "pattern": LABEL_VALUE });
    for keyed in ["labels", "annotations"] {
        metadata["properties"][keyed]["propertyNames"] = json!({ "pattern": QUALIFIED });
    }
    // A manifest that is applied names its object.
    metadata["required"] = json!(["name"]);
    schema["properties"]["apiVersion"] = json!({ "type": "string" });
    schema["properties"]["kind"] = json!({ "type": "string" });
    schema["properties"]["metadata"] = metadata;
    let mut required = schema["required"].as_array().cloned().unwrap_or_default();
    required.extend(["apiVersion", "kind", "metadata"].map(Value::from));
    schema["required"] = required.into();
}
