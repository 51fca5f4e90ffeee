//! The one place that writes to an API server: fenced, bounded in time, counted, and trailed.

use std::time::Duration;

use json_patch::Patch as JsonPatch;
use kube::{
    Api, Client, Resource,
    api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions, Request},
    core::{ApiResource, PartialObjectMeta},
};
use serde_json::Value;

use super::{
    lease::Fence,
    metrics::KernelMetrics,
    plan::{FIELD_MANAGER, ObjectRef},
    trail::{Ground, Outcome, Trail},
};

/// No single write takes longer.
const WRITE_LIMIT: Duration = Duration::from_secs(10);

/// Why a write did not happen, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// This replica may not write (any more).
    #[error("{what} was not written: this replica does not lead")]
    Fenced {
        /// The object.
        what: String,
    },
    /// No answer in time. The write may have happened.
    ///
    /// The limit is what was left of the permission to write, so it is not told: a message that differs each time would
    /// be written into a status each time.
    #[error("{what}: the API server did not answer in time")]
    Timeout {
        /// The object.
        what: String,
    },
    /// What stands on the object cannot be read, so it is not known what was before.
    #[error(
        "{what}: the annotation {annotation} cannot be read, so what was borrowed cannot be given back; set the fields as they are to be and remove the annotation"
    )]
    LoanUnreadable {
        /// The object.
        what: String,
        /// The annotation.
        annotation: String,
    },
    /// The server refused it.
    #[error("{what}: {source}")]
    Api {
        /// The object.
        what: String,
        /// The server's answer.
        #[source]
        source: Box<kube::Error>,
    },
}

impl WriteError {
    /// Constant word for a condition's reason and a metric's label.
    pub fn category(&self) -> &'static str {
        match self {
            Self::Fenced { .. } => "NotLeading",
            Self::Timeout { .. } => "ApiServerTimeout",
            Self::LoanUnreadable { .. } => "LoanUnreadable",
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.is_forbidden() => "Forbidden",
                kube::Error::Api(status) if status.is_conflict() => "Conflict",
                kube::Error::Api(status) if status.is_invalid() => "Invalid",
                kube::Error::Api(_) => "ApiServerRefused",
                _ => "ApiServerUnreachable",
            },
        }
    }

    /// The object that was to be written.
    pub fn what(&self) -> &str {
        match self {
            Self::Fenced { what }
            | Self::Timeout { what }
            | Self::LoanUnreadable { what, .. }
            | Self::Api { what, .. } => what,
        }
    }

    /// The server's answer, if it gave one.
    pub fn status(&self) -> Option<&kube::core::Status> {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            _ => None,
        }
    }

    /// It was sent, as far as is known, and nobody has said what became of it.
    fn is_unanswered(&self) -> bool {
        match self {
            Self::Timeout { .. } => true,
            Self::Api { source, .. } => !matches!(source.as_ref(), kube::Error::Api(_)),
            Self::Fenced { .. } | Self::LoanUnreadable { .. } => false,
        }
    }

    /// The object is gone.
    pub fn is_not_found(&self) -> bool {
        self.status().is_some_and(kube::core::Status::is_not_found)
    }

    /// Somebody wrote in between: look again and decide anew.
    ///
    /// A failed `test` of a JSON Patch answers 422 without details: no kind and no causes, which an object that is
    /// refused by validation always has.
    pub fn is_stale(&self) -> bool {
        self.status().is_some_and(|status| {
            let details = status.details.as_ref();
            let validation =
                details.is_some_and(|details| !details.kind.is_empty() || !details.causes.is_empty());
            status.is_conflict() || (status.code == 422 && !validation)
        })
    }
}

/// Writes to one cluster.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    fence: Fence,
    metrics: KernelMetrics,
    trail: Trail,
}

impl Writer {
    /// A writer that is bound by `fence` and leaves its traces in `trail`.
    pub fn new(client: Client, fence: Fence, metrics: KernelMetrics, trail: Trail) -> Self {
        Self { client, fence, metrics, trail }
    }

    /// The trail, for what is told and not written.
    pub fn trail(&self) -> &Trail {
        &self.trail
    }

    /// Whether this replica may write.
    pub fn may_write(&self) -> bool {
        self.fence.remaining().is_some()
    }

    /// The API of a kind, in a namespace or cluster-wide.
    pub fn api(&self, resource: &ApiResource, namespace: Option<&str>) -> Api<DynamicObject> {
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, resource),
            None => Api::all_with(self.client.clone(), resource),
        }
    }

    /// The object as it is now; `None` when it does not exist.
    pub async fn read(&self, object: &ObjectRef) -> Result<Option<DynamicObject>, WriteError> {
        let api = self.api(&object.resource, object.namespace.as_deref());
        bounded(&object.to_string(), WRITE_LIMIT, api.get_opt(&object.name)).await
    }

    /// Server-side apply.
    pub async fn apply(
        &self,
        object: &ObjectRef,
        manifest: &Value,
        force: bool,
        ground: &Ground<'_>,
    ) -> Result<DynamicObject, WriteError> {
        let api = self.api(&object.resource, object.namespace.as_deref());
        let params = PatchParams { force, ..PatchParams::apply(FIELD_MANAGER) };
        let patch = Patch::Apply(manifest);
        let written = self.write(object, "apply", api.patch(&object.name, &params, &patch)).await;
        self.trailed(object, ground, written)
    }

    /// Server-side apply of the status, with force: a status has one author. Answers the metadata: what was written is
    /// known.
    pub async fn apply_status(
        &self,
        object: &ObjectRef,
        manifest: &Value,
    ) -> Result<PartialObjectMeta<DynamicObject>, WriteError> {
        let client = self.client.clone();
        let api: Api<PartialObjectMeta<DynamicObject>> = match object.namespace.as_deref() {
            Some(namespace) => Api::namespaced_with(client, namespace, &object.resource),
            None => Api::all_with(client, &object.resource),
        };
        let params = PatchParams::apply(FIELD_MANAGER).force();
        self.write(object, "status", api.patch_status(&object.name, &params, &Patch::Apply(manifest))).await
    }

    /// Makes a generated object that nobody else writes, or with `version` replaces the one that it has. Unlike [`Writer::apply`] it leaves no
    /// line in the trail: a report decides nothing. Answers the metadata: what was written is known.
    pub async fn put(
        &self,
        object: &ObjectRef,
        version: Option<&str>,
        body: &Value,
    ) -> Result<PartialObjectMeta<DynamicObject>, WriteError> {
        let refused = |error: kube::core::request::Error| WriteError::Api {
            what: object.to_string(),
            source: Box::new(kube::Error::BuildRequest(error)),
        };
        let url = DynamicObject::url_path(&object.resource, object.namespace.as_deref());
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let requests = Request::new(url);
        let bytes = serde_json::to_vec(body)
            .map_err(|error| refused(kube::core::request::Error::SerializeBody(error)))?;
        let (verb, request) = match version {
            None => ("create", requests.create(&params, bytes)),
            Some(_) => ("update", requests.replace(&object.name, &params, bytes)),
        };
        let request = request.map_err(refused)?;
        self.write(object, verb, self.client.request(request)).await
    }

    /// Deletes a generated object that nobody else writes, by uid, without a line in the trail. One that is gone already counts as deleted.
    pub async fn discard(&self, object: &ObjectRef) -> Result<(), WriteError> {
        let api = self.api(&object.resource, object.namespace.as_deref());
        let uid = object.uid.clone();
        let preconditions = uid.map(|uid| Preconditions { uid: Some(uid), resource_version: None });
        let params = DeleteParams { preconditions, ..DeleteParams::background() };
        match self.write(object, "delete", api.delete(&object.name, &params)).await {
            Err(error)
                if !error.is_not_found() && !error.status().is_some_and(kube::core::Status::is_conflict) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// JSON Patch.
    pub async fn patch(
        &self,
        object: &ObjectRef,
        patch: JsonPatch,
        ground: &Ground<'_>,
    ) -> Result<DynamicObject, WriteError> {
        let api = self.api(&object.resource, object.namespace.as_deref());
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        let patch = Patch::Json::<()>(patch);
        let written = self.write(object, "patch", api.patch(&object.name, &params, &patch)).await;
        self.trailed(object, ground, written)
    }

    /// Delete exactly the object that is meant, by uid. One that is gone already counts as deleted.
    pub async fn delete(&self, object: &ObjectRef, ground: &Ground<'_>) -> Result<(), WriteError> {
        let api = self.api(&object.resource, object.namespace.as_deref());
        let params = DeleteParams {
            preconditions: object
                .uid
                .clone()
                .map(|uid| Preconditions { uid: Some(uid), resource_version: None }),
            ..DeleteParams::background()
        };
        match self.write(object, "delete", api.delete(&object.name, &params)).await {
            Ok(_) => {
                self.trail.tell(object, None, ground, Outcome::Written);
                Ok(())
            }
            // Gone, or another object by that name, which is not ours to delete.
            Err(error)
                if error.is_not_found() || error.status().is_some_and(kube::core::Status::is_conflict) =>
            {
                self.trail.tell(object, None, ground, Outcome::Found);
                Ok(())
            }
            Err(error) => {
                if error.is_unanswered() {
                    self.trail.tell(object, None, ground, Outcome::Unanswered);
                }
                Err(error)
            }
        }
    }

    /// Leaves the trace of a write before its answer is handed on.
    fn trailed(
        &self,
        object: &ObjectRef,
        ground: &Ground<'_>,
        written: Result<DynamicObject, WriteError>,
    ) -> Result<DynamicObject, WriteError> {
        match &written {
            Ok(live) => self.trail.tell(object, live.metadata.uid.as_deref(), ground, Outcome::Written),
            Err(error) if error.is_unanswered() => {
                self.trail.tell(object, None, ground, Outcome::Unanswered);
            }
            // Refused: nothing has happened.
            Err(_) => {}
        }
        written
    }

    async fn write<T>(
        &self,
        object: &ObjectRef,
        verb: &'static str,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, WriteError> {
        let written = fenced(&self.fence, &object.to_string(), request).await;
        if written.is_ok() {
            self.metrics.writes.with_label_values(&[object.resource.plural.as_str(), verb]).inc();
        }
        written
    }
}

/// Sends `request` if the fence is open, and gives it up when the fence closes.
async fn fenced<T>(
    fence: &Fence,
    what: &str,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, WriteError> {
    let closed = || WriteError::Fenced { what: what.to_owned() };
    let left = fence.remaining().ok_or_else(closed)?;
    // Looked at again at the last moment: a process that stood still in between finds its limit past only after it has
    // sent the request.
    let request = async { if fence.remaining().is_some() { Some(request.await) } else { None } };
    match tokio::time::timeout(left.min(WRITE_LIMIT), request).await {
        Err(_) => Err(WriteError::Timeout { what: what.to_owned() }),
        Ok(None) => Err(closed()),
        Ok(Some(answer)) => answer.map_err(|source| refused(what, source)),
    }
}

async fn bounded<T>(
    what: &str,
    limit: Duration,
    request: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, WriteError> {
    match tokio::time::timeout(limit, request).await {
        Err(_) => Err(WriteError::Timeout { what: what.to_owned() }),
        Ok(answer) => answer.map_err(|source| refused(what, source)),
    }
}

fn refused(what: &str, source: kube::Error) -> WriteError {
    WriteError::Api { what: what.to_owned(), source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_is_sent_behind_a_closed_fence() {
        let mut sent = false;
        let request = async {
            sent = true;
            Ok(())
        };
        let error = fenced(&Fence::closed(), "ConfigMap a/b", request).await.unwrap_err();
        assert_eq!((error.category(), error.what()), ("NotLeading", "ConfigMap a/b"));
        assert!(!sent);
    }

    #[tokio::test]
    async fn the_words_of_a_timeout_do_not_change_with_what_was_left_of_the_time() {
        let mut messages = Vec::new();
        for left in [20, 30] {
            let fence = Fence::open_for(Duration::from_millis(left));
            let never = std::future::pending::<Result<(), kube::Error>>();
            messages.push(fenced(&fence, "ConfigMap a/b", never).await.unwrap_err().to_string());
        }
        assert_eq!(messages[0], messages[1]);
        assert_eq!(messages[0], "ConfigMap a/b: the API server did not answer in time");
    }
}
