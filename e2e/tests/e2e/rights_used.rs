//! After all tests: the rights that the chart gives the operator against what it did, by the audit logs of every control
//! plane that was started. Nothing that it needs is missing, and nothing that it has is too much.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use banyan_e2e::audit::{AuditLog, Request};
use banyan_e2e::chart::{self, RELEASE};
use banyan_e2e::rights::{self, Comparison, Grant};
use banyan_e2e::{dirs, operator};
use libtest_mimic::Arguments;

/// The operator's rights by the chart; none if not all tests have run, so that there is nothing to compare them with.
pub async fn granted(arguments: &Arguments) -> Result<Option<BTreeSet<Grant>>> {
    if arguments.filter.is_some() || !arguments.skip.is_empty() || arguments.ignored {
        return Ok(None);
    }
    Ok(Some(rights::of_account(&chart::manifests().await?, RELEASE)?))
}

/// Compares, and says how it came out. True if it came out well, or there is nothing to compare.
pub fn check(grants: Option<&BTreeSet<Grant>>) -> Result<bool> {
    let Some(grants) = grants else {
        println!("rights: not compared with the audit logs, for not all tests have run");
        return Ok(true);
    };
    let compared = Comparison::new(grants, &requests()?);
    if compared.is_exact() {
        println!("rights: {} rights, all used by {} requests, none missing", grants.len(), compared.requests);
    } else {
        println!("rights: the operator's roles and its requests differ: {compared}");
    }
    Ok(compared.is_exact())
}

/// The requests of the operator's process, in all logs of this run. Tests ask in the operator's name as well, to be
/// refused; they have another agent.
fn requests() -> Result<Vec<Request>> {
    let run = dirs::run()?;
    let mut all = Vec::new();
    for folder in std::fs::read_dir(run).with_context(|| format!("reading {}", run.display()))? {
        let log = folder?.path().join("audit.log");
        let requests = AuditLog::new(log).requests()?;
        all.extend(
            requests
                .into_iter()
                .filter(|one| one.user == operator::user() && one.agent.starts_with("banyan/")),
        );
    }
    Ok(all)
}
