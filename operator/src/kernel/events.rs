//! Events, through one recorder for the whole process, so that repeated ones are counted and not multiplied.

use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

use super::plan::Notice;

/// Tells events.
#[derive(Clone)]
pub struct Events(Recorder);

impl Events {
    /// A recorder in the name of replica `identity`.
    pub fn new(client: Client, identity: &str) -> Self {
        Self(Recorder::new(
            client,
            Reporter { controller: "banyan".into(), instance: Some(identity.to_owned()) },
        ))
    }

    /// Tells `notice` about `object`. An event that cannot be told is logged; no work waits for it.
    pub async fn tell(&self, object: &ObjectReference, notice: &Notice) {
        let event = Event {
            type_: if notice.warning { EventType::Warning } else { EventType::Normal },
            reason: notice.reason.to_owned(),
            note: Some(notice.message.chars().take(1000).collect()),
            action: action(&notice.message),
            secondary: None,
        };
        let told =
            tokio::time::timeout(std::time::Duration::from_secs(5), self.0.publish(&event, object)).await;
        match told {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, reason = notice.reason, "an event could not be told"),
            Err(_) => tracing::warn!(reason = notice.reason, "an event could not be told in time"),
        }
    }
}

/// The action of an event with this message. The recorder counts events of one reason and action as one, and shows the
/// first message of them only: other words are another event.
fn action(message: &str) -> String {
    let mut hasher = DefaultHasher::new();
    message.hash(&mut hasher);
    format!("Reconcile-{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_are_another_event_and_the_same_are_counted() {
        assert_eq!(action("HoldBatch: violated"), action("HoldBatch: violated"));
        assert_ne!(action("HoldBatch: violated"), action("PreferElsewhere: violated"));
    }
}
