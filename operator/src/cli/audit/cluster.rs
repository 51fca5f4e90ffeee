//! Reading a cluster for an audit: the kinds that its controls need, page by page, and what could not be read.

use std::collections::BTreeSet;

use anyhow::Context as _;
use http::Request;
use kube::{Client, api::ListParams, core::ApiResource};
use serde_json::Value;
use tokio::sync::mpsc::Sender;

use crate::{
    evidence::about::ClusterId,
    index::{
        estate::{self, Served},
        whole::typed,
    },
};

/// Objects asked for at once.
const PAGE: u32 = 500;

/// A kind that could not be read, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unread {
    /// `group/Kind`.
    pub key: String,
    /// What the API server said.
    pub why: String,
}

/// The wanted kinds that the API server serves.
///
/// # Errors
/// When the API server cannot be asked.
pub async fn served(client: &Client, wanted: &BTreeSet<String>) -> anyhow::Result<Vec<Served>> {
    estate::served(client, wanted).await.context("the API server does not say what it serves")
}

/// The cluster itself: the UID of the Namespace `kube-system`, and the version of the API server. What it does not tell is left out.
pub async fn identity(client: &Client) -> ClusterId {
    let get = async |path: &str| -> Value {
        let Ok(request) = Request::get(path).body(Vec::new()) else { return Value::Null };
        client.request(request).await.unwrap_or_default()
    };
    let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let namespace = get("/api/v1/namespaces/kube-system").await;
    let version = get("/version").await;
    ClusterId { id: text(&namespace["metadata"]["uid"]), version: text(&version["gitVersion"]) }
}

/// Lists the objects of a kind and hands them on page by page. A kind that may not be listed is told, and the rest goes on.
///
/// # Errors
/// When nobody takes the objects any more.
pub async fn list(
    client: &Client,
    served: &Served,
    to: &Sender<Vec<Value>>,
) -> anyhow::Result<Option<Unread>> {
    let url = path(&served.resource);
    let mut next: Option<String> = None;
    loop {
        let mut parameters = ListParams::default().limit(PAGE);
        parameters.continue_token = next.take();
        let request: Request<Vec<u8>> = match kube::api::Request::new(url.as_str()).list(&parameters) {
            Ok(request) => request,
            Err(error) => return Ok(Some(Unread { key: served.key.clone(), why: error.to_string() })),
        };
        let mut page: Value = match client.request(request).await {
            Ok(page) => page,
            Err(error) => {
                let why = match error {
                    kube::Error::Api(status) => status.message.clone(),
                    other => other.to_string(),
                };
                return Ok(Some(Unread { key: served.key.clone(), why }));
            }
        };
        next = page["metadata"]["continue"].as_str().filter(|token| !token.is_empty()).map(str::to_owned);
        let Some(items) = page["items"].as_array_mut().map(std::mem::take) else {
            return Ok(Some(Unread { key: served.key.clone(), why: "the answer is no list".to_owned() }));
        };
        to.send(items.into_iter().map(|item| typed(item, &served.resource)).collect()).await?;
        if next.is_none() {
            return Ok(None);
        }
    }
}

/// Where a kind's objects of all namespaces are listed.
fn path(resource: &ApiResource) -> String {
    if resource.group.is_empty() {
        format!("/api/{}/{}", resource.version, resource.plural)
    } else {
        format!("/apis/{}/{}/{}", resource.group, resource.version, resource.plural)
    }
}
