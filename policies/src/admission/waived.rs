//! Waivers in a policy: they carry their expiry, so that they close while nobody is there to take them out.

use super::text::quoted;
use crate::verdict::Waiver;

/// Whether a request is covered by a waiver; `None` when no waiver is for the control.
///
/// On CREATE the object's creationTimestamp is the API server's own clock. On UPDATE a policy knows no time; there a waiver that was taken in covers
/// until Banyan takes it out.
pub(super) fn expression(control: &str, waivers: &[Waiver]) -> Option<String> {
    let each: Vec<String> = waivers
        .iter()
        .filter(|waiver| waiver.controls.iter().any(|id| id == control) && !waiver.approved_by.is_empty() && !waiver.suspended)
        .map(|waiver| {
            let mut terms = vec![format!(
                "(request.operation != 'CREATE' || (has(object.metadata.creationTimestamp) && timestamp(object.metadata.creationTimestamp) < timestamp({})))",
                quoted(&waiver.expires.to_string())
            )];
            let list = |values: &[String]| values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(", ");
            if !waiver.namespaces.is_empty() {
                terms.push(format!("request.namespace in [{}]", list(&waiver.namespaces)));
            }
            if !waiver.kinds.is_empty() {
                terms.push(format!("object.kind in [{}]", list(&waiver.kinds)));
            }
            if !waiver.names.is_empty() {
                let names: Vec<String> = waiver
                    .names
                    .iter()
                    .map(|name| match name.strip_suffix('*') {
                        Some(start) => format!("object.metadata.name.startsWith({})", quoted(start)),
                        None => format!("object.metadata.name == {}", quoted(name)),
                    })
                    .collect();
                terms.push(format!("(has(object.metadata.name) && ({}))", names.join(" || ")));
            }
            format!("({})", terms.join(" && "))
        })
        .collect();
    (!each.is_empty()).then(|| each.join(" || "))
}
