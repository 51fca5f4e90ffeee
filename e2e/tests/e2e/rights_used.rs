//! After all tests: the rights that the chart gives the operator against what it did, by the audit logs of every control
//! plane that was started. Nothing that it needs is missing, and nothing that it has is too much.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use banyan::doctor::reads;
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
    to_use().await.map(Some)
}

/// The operator's rights that requests can show to be used.
pub async fn to_use() -> Result<BTreeSet<Grant>> {
    let all = rights::of_account(&chart::manifests().await?, RELEASE)?;
    // To get what may be listed gives nothing more, and who writes an admission policy with parameters must hold it, which shows in no request.
    let listed = |grant: &Grant| all.contains(&Grant { verb: "list".to_owned(), ..grant.clone() });
    let shows = |grant: &&Grant| !(grant.verb == "get" && listed(grant) || of_packs(grant) && !served(grant));
    Ok(all.iter().filter(shows).cloned().collect())
}

/// Groups of kinds that every API server has, among those that packs read.
const BUILT_IN: [&str; 10] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apps",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Whether a right is one to read what packs judge.
pub fn of_packs(grant: &Grant) -> bool {
    reads::OF_PACKS.iter().any(|right| {
        right.group == grant.group
            && right.resources.contains(&grant.resource.as_str())
            && right.verbs.contains(&grant.verb.as_str())
            && grant.namespace.is_empty()
            && grant.name.is_empty()
    })
}

/// Whether the kind of such a right is served in the tests. Those of other projects are not, nor are Banyan's own that are to come.
fn served(grant: &Grant) -> bool {
    BUILT_IN.contains(&grant.group.as_str())
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
                .filter(|one| one.user == operator::user() && one.agent.starts_with("banyan/"))
                // Whether it may read Secrets is the administrator's to say: without the right it does without.
                .filter(|one| !(one.code == 403 && one.resource == "secrets" && one.namespace.is_empty())),
        );
    }
    Ok(all)
}
