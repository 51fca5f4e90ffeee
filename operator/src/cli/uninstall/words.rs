//! What `banyan uninstall` says.

use std::time::Duration;

use super::found::Found;
use crate::{
    kernel::{
        executor::Deed,
        plan::{ObjectRef, Undo},
    },
    lang::Lang,
    t,
};

/// The columns of the table.
pub fn header(lang: Lang) -> [String; 3] {
    [
        t!(lang, "uninstall-column-step"),
        t!(lang, "uninstall-column-object"),
        t!(lang, "uninstall-column-result"),
    ]
}

/// Columns STEP and OBJECT of something that is taken back.
pub fn of_undo(lang: Lang, undo: &Undo) -> (String, String) {
    match undo {
        Undo::Remove { object, .. } => (t!(lang, "uninstall-step-remove"), object.to_string()),
        Undo::Return { object, action, .. } => {
            (t!(lang, "uninstall-step-give-back"), format!("{object} ({action})"))
        }
    }
}

/// What a dry run says of it.
pub fn would(lang: Lang, undo: &Undo) -> String {
    match undo {
        Undo::Remove { .. } => t!(lang, "uninstall-would-delete"),
        Undo::Return { .. } => t!(lang, "uninstall-would-give-back"),
    }
}

/// Column STEP of something that was done.
pub fn step_of(lang: Lang, deed: Deed) -> String {
    match deed {
        Deed::Returned | Deed::Borrowed | Deed::SetAgain => t!(lang, "uninstall-step-give-back"),
        Deed::Removed | Deed::Ensured | Deed::PutBack => t!(lang, "uninstall-step-remove"),
        Deed::FinalizerSet | Deed::FinalizerCleared => t!(lang, "uninstall-step-finalizer"),
    }
}

/// What came of it; `kept` names fields that somebody else had set meanwhile.
pub fn result_of(lang: Lang, deed: Deed, kept: &[String]) -> String {
    let result =
        if deed == Deed::Returned { t!(lang, "uninstall-given-back") } else { t!(lang, "uninstall-deleted") };
    if kept.is_empty() {
        result
    } else {
        t!(lang, "uninstall-kept-fields", result = result, fields = kept.join(", "))
    }
}

/// So many sites were exported.
pub fn exported(lang: Lang, files: usize) -> String {
    t!(lang, "uninstall-exported", sites = files)
}

/// Something is still taken for a site.
pub fn keeps_coming(lang: Lang, site: &str) -> String {
    t!(lang, "uninstall-keeps-coming", site = site)
}

/// Somebody else's finalizer holds an object.
pub fn still_there(lang: Lang, object: &ObjectRef) -> String {
    t!(lang, "uninstall-still-there", object = object.to_string())
}

/// The old holder's permission is waited out.
pub fn waiting(lang: Lang, wait: Duration) -> String {
    t!(lang, "uninstall-waiting", seconds = wait.as_secs())
}

/// What is asked on a terminal.
pub fn question(lang: Lang, delete_data: bool) -> String {
    let data = if delete_data { t!(lang, "uninstall-deletes-data") + "\n" } else { String::new() };
    format!("\n{data}{} ", t!(lang, "uninstall-question"))
}

/// What is to be done next.
pub fn next(lang: Lang, found: &Found, namespace: &str, deleted_data: bool) -> String {
    let mut next = match found.deployment_name() {
        Some(name) => {
            let release = found.release().unwrap_or(name);
            let helm = format!("helm uninstall {release} --namespace {namespace}");
            let lease = format!("kubectl --namespace {namespace} delete lease banyan");
            format!(
                "{}\n{}\nkubectl --namespace {namespace} scale deployment {name} --replicas 2\n",
                t!(lang, "uninstall-next-helm", command = helm),
                t!(lang, "uninstall-next-again", lease = lease),
            )
        }
        None => t!(lang, "uninstall-next-by-hand", namespace = namespace) + "\n",
    };
    if !deleted_data && !found.data().is_empty() {
        next += &t!(lang, "uninstall-next-kept", namespace = namespace);
        next.push('\n');
    }
    next
}
