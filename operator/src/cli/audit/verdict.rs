//! How an audit ends, and what is said of it beside its form.

use std::process::ExitCode;

use banyan_policies::{pack::Severity, verdict::Audit};

use super::compare::Key;
use crate::{lang::Lang, report::visible::visible, t};

/// 2 when something could not be read, 1 when a finding is at or above the threshold, 0 otherwise.
pub(super) fn exit_code(audit: &Audit, findings: &[Key], threshold: Severity) -> ExitCode {
    let severity =
        |id: &str| audit.controls.iter().find(|control| control.id == id).map(|control| control.severity);
    if !audit.faults.is_empty() {
        return ExitCode::from(2);
    }
    let found =
        findings.iter().any(|key| severity(&key.control).is_some_and(|severity| severity >= threshold));
    ExitCode::from(u8::from(found))
}

/// What standard error is told: kinds that could not be read, faults, findings that are new, and that nothing matched.
pub(super) fn tell(audit: &Audit, new: Option<&[Key]>, lang: Lang) {
    for unread in &audit.unread {
        eprintln!("{}", t!(lang, "audit-run-unread", kind = visible(unread).into_owned()));
    }
    for fault in &audit.faults {
        eprintln!("{fault}");
    }
    if let Some(new) = new {
        eprintln!("{}", t!(lang, "audit-run-new", findings = new.len()));
    }
    if audit.controls.iter().all(|control| control.tally.objects() == 0) {
        eprintln!("{}", t!(lang, "audit-run-nothing-matched", objects = audit.looked_at));
    }
}
