//! How an audit ends, and what is said of it beside its form.

use std::process::ExitCode;

use banyan_policies::{
    pack::Severity,
    verdict::{Audit, ControlLine},
};

use super::compare::{self, Key};
use crate::{lang::Lang, report::visible::visible, t};

/// 2 when something could not be read, 1 when a finding is at or above the threshold, 0 otherwise. `new` are the findings that decide alone, where
/// only those that are new do.
pub(super) fn exit_code(audit: &Audit, new: Option<&[Key]>, threshold: Severity) -> ExitCode {
    let serious =
        |control: Option<&ControlLine>| control.is_some_and(|control| control.severity >= threshold);
    let of = |place: usize| audit.controls.get(place);
    if !audit.faults.is_empty() {
        return ExitCode::from(2);
    }
    let found = if let Some(new) = new {
        new.iter().any(|key| serious(audit.controls.iter().find(|control| control.id == key.control)))
    } else {
        let mut findings = audit.objects.iter().flat_map(|object| &object.findings);
        findings.any(|finding| compare::is_bad(finding.outcome) && serious(of(finding.control)))
            || audit.high_risks.iter().any(|risk| risk.objects == 0 && serious(of(risk.control)))
    };
    ExitCode::from(u8::from(found))
}

/// What standard error is told: kinds that could not be read, faults, findings that are new, and that nothing matched.
pub(super) fn tell(audit: &Audit, new: Option<&[Key]>, lang: Lang) {
    for unread in &audit.unread {
        eprintln!("{}", t!(lang, "audit-run-unread", kind = visible(unread).into_owned()));
    }
    for fault in &audit.faults {
        eprintln!("{}", visible(fault));
    }
    if let Some(new) = new {
        eprintln!("{}", t!(lang, "audit-run-new", findings = new.len()));
    }
    if audit.controls.iter().all(|control| control.tally.objects() == 0) {
        eprintln!("{}", t!(lang, "audit-run-nothing-matched", objects = audit.looked_at));
    }
}
