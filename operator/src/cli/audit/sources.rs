//! Where the objects of an audit come from.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use banyan_policies::input::Limits;
use kube::Client;
use tokio::{runtime::Handle, sync::mpsc};

use super::{
    cluster::{self, Unread},
    scan::Batch,
};
use crate::{
    cli::inputs::{Inputs, Unpacking},
    evidence::about::Denied,
};

/// Bytes of documents in one batch, about.
const BATCH: usize = 256 * 1024;

/// The kinds that could not be read, as they become known.
pub(super) type Unreads = Arc<Mutex<Vec<Unread>>>;

/// The documents of files, folders and standard input.
pub(super) fn of_files(files: &[PathBuf]) -> impl Iterator<Item = Batch> + Send + use<> {
    let mut documents = Inputs::new(files, Limits::default(), Unpacking::default());
    std::iter::from_fn(move || {
        let (mut batch, mut bytes, mut faults) = (Vec::new(), 0, Vec::new());
        for next in documents.by_ref() {
            match next {
                Ok(document) => {
                    bytes += document.text.len();
                    batch.push(document);
                }
                Err(fault) => faults.push(fault.to_string()),
            }
            if bytes >= BATCH || !faults.is_empty() {
                break;
            }
        }
        match (batch.is_empty(), faults.is_empty()) {
            (true, true) => None,
            (_, true) => Some(vec![Batch::Documents(batch)]),
            _ => Some(vec![Batch::Documents(batch), Batch::Faults(faults)]),
        }
    })
    .flatten()
}

/// The objects of a cluster, read while they are judged.
pub(super) fn of_cluster(
    runtime: &Handle,
    client: Client,
    wanted: &BTreeSet<String>,
) -> anyhow::Result<(impl Iterator<Item = Batch> + Send + use<>, Unreads)> {
    let unread = Unreads::default();
    let kinds = runtime.block_on(cluster::served(&client, wanted))?;
    let (to_judge, mut pages) = mpsc::channel(4);
    let told = Arc::clone(&unread);
    runtime.spawn(async move {
        for kind in kinds {
            match cluster::list(&client, &kind, &to_judge).await {
                Ok(None) => {}
                Ok(Some(denied)) => told.lock().unwrap_or_else(PoisonError::into_inner).push(denied),
                // Nobody judges any more.
                Err(_) => return,
            }
        }
    });
    Ok((std::iter::from_fn(move || pages.blocking_recv().map(Batch::Objects)), unread))
}

/// The kinds alone.
pub(super) fn kinds(unread: &Unreads) -> BTreeSet<String> {
    unread.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|unread| unread.key.clone()).collect()
}

/// A line a kind.
pub(super) fn lines(unread: &Unreads) -> Vec<String> {
    let mut all = unread.lock().unwrap_or_else(PoisonError::into_inner).clone();
    all.sort();
    all.into_iter().map(|Unread { key, why }| format!("{key}: {why}")).collect()
}

/// The same with what the API server said of each, in the order of the kinds.
pub(super) fn denied(unread: &Unreads) -> Vec<Denied> {
    let all = unread.lock().unwrap_or_else(PoisonError::into_inner);
    let mut denied: Vec<Denied> =
        all.iter().map(|Unread { key, why }| Denied { kind: key.clone(), why: why.clone() }).collect();
    denied.sort();
    denied
}
