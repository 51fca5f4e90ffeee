//! Taking the Lease away from whoever leads, for good: what is undone for an installation that goes must not be taken
//! anew by an operator that still runs.
//!
//! The operator is not asked. Its permission to write runs out by itself within the duration that its Lease names
//! ([`super::lease`]), counted from its last renewal, and it cannot renew a Lease that names another holder. So the new
//! holder's name is written, that duration is waited out, and from then on nobody else writes. The Lease then names a
//! duration that nobody outlives, so that no replica takes it back.

use std::{collections::BTreeMap, time::Duration};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference},
};
use kube::{
    Api,
    api::{DeleteParams, PostParams, Preconditions},
};

/// The Lease's holder from then on.
pub const HOLDER: &str = "banyan-uninstall";
/// How long a replica would have to wait: ten years, in seconds.
const FOR_GOOD: i32 = 10 * 365 * 86_400;
/// Annotation: seconds after which the holder of before writes no more; gone when they have been waited out. A run that
/// was killed while it waited is followed by one that waits as long.
const WAITS: &str = "banyan.dev/takeover-waits";
/// What is waited for where the Lease does not say.
const DEFAULT_WAIT: u32 = 15;

/// What is to be done about the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write the name into it, and wait so long if it had a holder.
    Take(Duration),
    /// It is taken; wait so long.
    Wait(Duration),
    /// Nobody else writes.
    Quiet,
}

/// What is to be done about the Lease as it is.
pub fn step(lease: Option<&Lease>) -> Step {
    let Some(lease) = lease else { return Step::Take(Duration::ZERO) };
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    match spec.holder_identity.as_deref() {
        None | Some("") => Step::Take(Duration::ZERO),
        Some(HOLDER) => match lease.metadata.annotations.as_ref().and_then(|all| all.get(WAITS)) {
            None => Step::Quiet,
            Some(text) => Step::Wait(seconds(text.parse().unwrap_or(DEFAULT_WAIT))),
        },
        Some(_) => {
            let named = spec.lease_duration_seconds.and_then(|named| u32::try_from(named).ok());
            Step::Take(seconds(named.unwrap_or(DEFAULT_WAIT)))
        }
    }
}

/// The Lease as it is written: taken, with what is still to be waited for.
fn taken(lease: Option<Lease>, name: &str, wait: Duration, owner: Option<&OwnerReference>) -> Lease {
    let mut lease = lease.unwrap_or_else(|| Lease {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        spec: None,
    });
    let before = lease.spec.take().unwrap_or_default();
    let ours = before.holder_identity.as_deref() == Some(HOLDER);
    let now = MicroTime(jiff::Timestamp::now());
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(HOLDER.to_owned()),
        lease_duration_seconds: Some(FOR_GOOD),
        acquire_time: if ours { before.acquire_time } else { Some(now.clone()) },
        lease_transitions: Some(before.lease_transitions.unwrap_or(0) + i32::from(!ours)),
        renew_time: Some(now),
        ..before
    });
    let annotations = lease.metadata.annotations.get_or_insert_with(BTreeMap::new);
    if wait.is_zero() {
        annotations.remove(WAITS);
    } else {
        annotations.insert(WAITS.to_owned(), wait.as_secs().to_string());
    }
    if let Some(owner) = owner {
        let owners = lease.metadata.owner_references.get_or_insert_with(Vec::new);
        owners.retain(|other| other.uid == owner.uid || other.kind != owner.kind);
        if !owners.iter().any(|other| other.uid == owner.uid) {
            owners.push(owner.clone());
        }
    }
    lease
}

/// Takes the Lease `name` over; when this is done nobody else writes. `owner` is the operator's Deployment: the garbage
/// collector removes the Lease with it, so that an installation that comes later finds none. `waiting` hears how long it
/// takes.
///
/// # Errors
/// What the API server answers. Where the namespace does not exist nobody can hold a Lease in it, which is no error.
pub async fn take_over(
    api: &Api<Lease>,
    name: &str,
    owner: Option<&OwnerReference>,
    waiting: impl Fn(Duration),
) -> Result<(), kube::Error> {
    loop {
        let live = api.get_opt(name).await?;
        let (wait, lease) = match step(live.as_ref()) {
            Step::Quiet => return Ok(()),
            Step::Take(wait) => (Duration::ZERO, taken(live, name, wait, owner)),
            Step::Wait(wait) => (wait, taken(live, name, Duration::ZERO, owner)),
        };
        if !wait.is_zero() {
            waiting(wait);
            tokio::time::sleep(wait).await;
        }
        // The version goes along: whoever wrote in between is seen by another look.
        let written = if lease.metadata.resource_version.is_some() {
            api.replace(name, &PostParams::default(), &lease).await
        } else {
            api.create(&PostParams::default(), &lease).await
        };
        match written {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {}
            Err(kube::Error::Api(status))
                if status.is_not_found() && lease.metadata.resource_version.is_none() =>
            {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
    }
}

/// Removes a Lease that was taken over, where nothing else will.
pub async fn remove(api: &Api<Lease>, name: &str) -> Result<(), kube::Error> {
    let Some(lease) = api.get_opt(name).await? else { return Ok(()) };
    if step(Some(&lease)) != Step::Quiet {
        return Ok(());
    }
    let exactly =
        Preconditions { uid: lease.metadata.uid, resource_version: lease.metadata.resource_version };
    let params = DeleteParams { preconditions: Some(exactly), ..DeleteParams::default() };
    match api.delete(name, &params).await {
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        deleted => deleted.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: Option<&str>, seconds: Option<i32>) -> Lease {
        Lease {
            metadata: ObjectMeta { resource_version: Some("1".into()), ..ObjectMeta::default() },
            spec: Some(LeaseSpec {
                holder_identity: holder.map(str::to_owned),
                lease_duration_seconds: seconds,
                ..LeaseSpec::default()
            }),
        }
    }

    #[test]
    fn whoever_leads_is_waited_out_also_by_the_run_after_one_that_was_killed() {
        let held = lease(Some("banyan-0"), Some(15));
        assert_eq!(step(Some(&held)), Step::Take(Duration::from_secs(15)));
        let waiting = taken(Some(held), "banyan", Duration::from_secs(15), None);
        assert_eq!(step(Some(&waiting)), Step::Wait(Duration::from_secs(15)));
        let quiet = taken(Some(waiting), "banyan", Duration::ZERO, None);
        assert_eq!(step(Some(&quiet)), Step::Quiet);
        // No replica outlives it.
        assert!(quiet.spec.unwrap().lease_duration_seconds.unwrap() > 300_000_000);
    }

    #[test]
    fn nobody_is_waited_for_where_nobody_leads() {
        assert_eq!(step(None), Step::Take(Duration::ZERO));
        assert_eq!(step(Some(&lease(None, Some(15)))), Step::Take(Duration::ZERO));
        assert_eq!(step(Some(&lease(Some(""), None))), Step::Take(Duration::ZERO));
        assert_eq!(step(Some(&taken(None, "banyan", Duration::ZERO, None))), Step::Quiet);
        assert_eq!(step(Some(&lease(Some("x"), None))), Step::Take(Duration::from_secs(15)));
    }

    #[test]
    fn the_lease_goes_with_the_deployment_of_now() {
        let owner = |uid: &str| OwnerReference {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            name: "banyan".into(),
            uid: uid.into(),
            ..OwnerReference::default()
        };
        let first = taken(None, "banyan", Duration::ZERO, Some(&owner("a")));
        let again = taken(Some(first), "banyan", Duration::ZERO, Some(&owner("b")));
        let uids: Vec<_> =
            again.metadata.owner_references.unwrap().into_iter().map(|owner| owner.uid).collect();
        assert_eq!(uids, ["b"]);
    }
}
