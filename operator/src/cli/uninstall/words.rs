//! What `banyan uninstall` says.

use std::time::Duration;

use super::found::Found;
use crate::kernel::{
    executor::Deed,
    plan::{ObjectRef, Undo},
};

pub const HEADER: [&str; 3] = ["STEP", "OBJECT", "RESULT"];

pub const LEASE: &str = "lease";
pub const EXPORT: &str = "export";
pub const REMOVE: &str = "remove";
pub const GIVE_BACK: &str = "give back";
pub const POLICY: &str = "policy";
pub const FINALIZER: &str = "finalizer";
pub const STOP: &str = "stop";
pub const DATA: &str = "data";

pub const TAKEN_OVER: &str = "taken over: no operator writes any more";
pub const DELETED: &str = "deleted";
pub const TAKEN_OFF: &str = "taken off";
pub const STOPPED: &str = "stopped";
pub const STOPPING: &str = "scaled to 0; its Pods are still ending, and write nothing";
pub const KEPT: &str = "kept";

pub const WOULD_TAKE_OVER: &str = "would be taken over";
pub const WOULD_EXPORT: &str = "would be written";
pub const WOULD_DELETE: &str = "would be deleted";
pub const WOULD_TAKE_OFF: &str = "would be taken off";
pub const WOULD_STOP: &str = "would be scaled to 0";

pub const NOTHING_DONE: &str = "nothing was done";
pub const NO_TERMINAL: &str =
    "there is no terminal to ask on: `--yes` goes on without asking, `--dry-run` shows what would be done";
pub const NOT_WHOLE: &str = "Not everything could be undone. What was undone stays so, and no operator takes it anew; mend what is said \
     above and run this again.";

/// Columns STEP and OBJECT of something that is taken back.
pub fn of_undo(undo: &Undo) -> (&'static str, String) {
    match undo {
        Undo::Remove { object, .. } => (REMOVE, object.to_string()),
        Undo::Return { object, action, .. } => (GIVE_BACK, format!("{object} ({action})")),
    }
}

/// What a dry run says of it.
pub fn would(undo: &Undo) -> &'static str {
    match undo {
        Undo::Remove { .. } => WOULD_DELETE,
        Undo::Return { .. } => "would be given back",
    }
}

/// Column STEP of something that was done.
pub fn step_of(deed: Deed) -> &'static str {
    match deed {
        Deed::Returned | Deed::Borrowed | Deed::SetAgain => GIVE_BACK,
        Deed::Removed | Deed::Ensured | Deed::PutBack => REMOVE,
        Deed::FinalizerSet | Deed::FinalizerCleared => FINALIZER,
    }
}

/// What came of it; `kept` names fields that somebody else had set meanwhile.
pub fn result_of(deed: Deed, kept: &[String]) -> String {
    let result = if deed == Deed::Returned { "given back" } else { DELETED };
    if kept.is_empty() {
        result.to_owned()
    } else {
        format!("{result}; left as somebody else has set it: {}", kept.join(", "))
    }
}

pub fn exported(files: usize) -> String {
    format!("{files} sites written")
}

pub fn keeps_coming(site: &str) -> String {
    format!("something is taken anew for {site} again and again; does an operator run that holds no Lease?")
}

pub fn still_there(object: &ObjectRef) -> String {
    format!("{object} is deleted and still there: something else holds it by a finalizer")
}

pub fn waiting(wait: Duration) -> String {
    format!("waiting {} s until the operator's permission to write has run out …", wait.as_secs())
}

pub fn question(delete_data: bool) -> String {
    let data = if delete_data {
        "Sites, ledgers and definitions are DELETED; what Prometheus does not keep any more is lost.\n"
    } else {
        ""
    };
    format!("\n{data}Go on? Only `yes` does: ")
}

/// What is to be done next.
pub fn next(found: &Found, namespace: &str, deleted_data: bool) -> String {
    let deployment = match found.deployment_name() {
        Some(name) => {
            let release = found.release().unwrap_or(name);
            format!(
                "Everything was given back. Next: helm uninstall {release} --namespace {namespace}\n\
                 To run Banyan again instead: kubectl --namespace {namespace} delete lease banyan, and\n\
                 kubectl --namespace {namespace} scale deployment {name} --replicas 2\n"
            )
        }
        None => format!(
            "Everything was given back. Namespace {namespace} has no Deployment of Banyan; an operator that somebody runs by\n\
             hand is to be stopped by hand.\n"
        ),
    };
    if deleted_data || found.data().is_empty() {
        return deployment;
    }
    format!(
        "{deployment}Kept: the definitions, the sites and their energy ledgers. The ledgers are ConfigMaps in namespace \
         {namespace}:\nwhoever deletes that namespace deletes them.\n"
    )
}
