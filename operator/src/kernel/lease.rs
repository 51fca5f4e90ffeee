//! Leadership by a Lease that fences itself.
//!
//! Who leads is decided by [`decide`], a pure function of the Lease as read and of how long it has stood unchanged on
//! *this* machine's monotonic clock, so that clocks that disagree do no harm. Whoever leads may write only until
//! [`Fence::remaining`] runs out: that deadline is counted from before the last successful renewal was *sent*, and
//! lies a third of the lease's duration ahead of the moment at which another may take over. Every write takes the
//! remaining time as its own limit, so that a replica cut off from the API server has stopped before the next starts.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta},
};
use kube::{Api, Client, api::PostParams};
use tokio::sync::watch;

/// Permission to write, which runs out by itself.
#[derive(Clone, Debug)]
pub struct Fence(Arc<Mutex<Option<Instant>>>);

impl Fence {
    /// A fence that is closed until a lease is held.
    pub fn closed() -> Self {
        Self(Arc::new(Mutex::new(None)))
    }

    /// A fence for a short-lived process that competes with nobody: open for `span`.
    pub fn open_for(span: Duration) -> Self {
        Self(Arc::new(Mutex::new(Instant::now().checked_add(span))))
    }

    /// How long writing is still permitted; `None` when it is not.
    pub fn remaining(&self) -> Option<Duration> {
        let deadline = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        deadline.and_then(|at| at.checked_duration_since(Instant::now())).filter(|left| !left.is_zero())
    }

    fn set(&self, deadline: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = deadline;
    }
}

/// What a candidate knows of the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Present holder; none when it was given up.
    pub holder: Option<String>,
    /// Changes with every write.
    pub version: String,
    /// For how long this version has been known here without changing.
    pub unchanged: Duration,
    /// The duration that the holder promised to renew within.
    pub duration: Duration,
}

/// What a candidate does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write one's own name into it.
    Take,
    /// Look again later.
    Wait,
}

/// Whether `me` may write itself into the Lease: it is free, one's own, or has not been renewed within its duration.
pub fn decide(me: &str, seen: Option<&Seen>) -> Step {
    match seen {
        None => Step::Take,
        Some(seen) => match seen.holder.as_deref() {
            None | Some("") => Step::Take,
            Some(holder) if holder == me => Step::Take,
            Some(_) if seen.unchanged >= seen.duration => Step::Take,
            Some(_) => Step::Wait,
        },
    }
}

/// How a lease is held.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Namespace of the Lease.
    pub namespace: String,
    /// Name of the Lease.
    pub name: String,
    /// This replica.
    pub identity: String,
    /// After this long without a renewal another may take over.
    pub duration: Duration,
}

impl Terms {
    /// Time between two attempts.
    fn interval(&self) -> Duration {
        self.duration / 6
    }

    /// For how long after a renewal was sent one may write.
    fn writing(&self) -> Duration {
        self.duration * 2 / 3
    }
}

/// Keeps trying to hold the lease, opens and closes `fence`, and tells `leading`, until `stop` says true; then gives
/// it up if it is held.
pub async fn hold(
    client: Client,
    terms: Terms,
    fence: Fence,
    leading: watch::Sender<bool>,
    mut stop: watch::Receiver<bool>,
) {
    let api: Api<Lease> = Api::namespaced(client, &terms.namespace);
    let mut known: Option<(String, Instant)> = None;
    loop {
        let sent = Instant::now();
        // A request that hangs must not outlive the permission that it is about.
        let renewed = tokio::time::timeout(terms.interval() * 2, attempt(&api, &terms, &mut known)).await;
        match renewed {
            Ok(Ok(true)) => {
                fence.set(sent.checked_add(terms.writing()));
                if !*leading.borrow() {
                    tracing::info!(identity = terms.identity, "leading");
                    leading.send_replace(true);
                }
            }
            Ok(Ok(false)) => {
                fence.set(None);
                stop_leading(&leading, "another replica leads");
            }
            Ok(Err(error)) => tracing::warn!(%error, "the lease could not be renewed"),
            Err(_) => tracing::warn!("the lease could not be renewed: the API server did not answer in time"),
        }
        if fence.remaining().is_none() {
            stop_leading(&leading, "the lease was not renewed in time");
        }
        tokio::select! {
            () = tokio::time::sleep(terms.interval()) => {}
            _ = stop.wait_for(|stop| *stop) => break,
        }
    }
    if fence.remaining().is_some() {
        fence.set(None);
        leading.send_replace(false);
        match tokio::time::timeout(terms.interval() * 2, give_up(&api, &terms)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, "the lease could not be given up; another replica takes over when it runs out");
            }
            Err(_) => tracing::warn!(
                "the lease could not be given up in time; another replica takes over when it runs out"
            ),
        }
    }
}

fn stop_leading(leading: &watch::Sender<bool>, why: &str) {
    if *leading.borrow() {
        tracing::warn!(why, "no longer leading");
        leading.send_replace(false);
    }
}

/// One look at the Lease and, where [`decide`] says so, one write that checks its version. True if it is ours now.
async fn attempt(
    api: &Api<Lease>,
    terms: &Terms,
    known: &mut Option<(String, Instant)>,
) -> Result<bool, kube::Error> {
    let live = api.get_opt(&terms.name).await?;
    let seen = live.as_ref().map(|lease| {
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        let since = match known {
            Some((old, since)) if *old == version => *since,
            _ => Instant::now(),
        };
        *known = Some((version.clone(), since));
        let spec = lease.spec.clone().unwrap_or_default();
        let seconds = spec.lease_duration_seconds.unwrap_or(0).max(0).unsigned_abs();
        Seen {
            holder: spec.holder_identity,
            version,
            unchanged: since.elapsed(),
            duration: Duration::from_secs(u64::from(seconds)),
        }
    });
    if decide(&terms.identity, seen.as_ref()) == Step::Wait {
        return Ok(false);
    }
    let now = MicroTime(jiff::Timestamp::now());
    let mut lease = live.unwrap_or_else(|| Lease {
        metadata: ObjectMeta { name: Some(terms.name.clone()), ..ObjectMeta::default() },
        spec: None,
    });
    let before = lease.spec.take().unwrap_or_default();
    let ours = before.holder_identity.as_deref() == Some(&terms.identity);
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(terms.identity.clone()),
        lease_duration_seconds: Some(i32::try_from(terms.duration.as_secs()).unwrap_or(i32::MAX)),
        acquire_time: if ours { before.acquire_time } else { Some(now.clone()) },
        lease_transitions: Some(before.lease_transitions.unwrap_or(0) + i32::from(!ours)),
        renew_time: Some(now),
        ..before
    });
    let written = if lease.metadata.resource_version.is_some() {
        // The version goes along: if anybody wrote in between, this fails and changes nothing.
        api.replace(&terms.name, &PostParams::default(), &lease).await
    } else {
        api.create(&PostParams::default(), &lease).await
    };
    match written {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(false),
        Err(error) => Err(error),
    }
}

async fn give_up(api: &Api<Lease>, terms: &Terms) -> Result<(), kube::Error> {
    let Some(mut lease) = api.get_opt(&terms.name).await? else { return Ok(()) };
    match &mut lease.spec {
        Some(spec) if spec.holder_identity.as_deref() == Some(&terms.identity) => spec.holder_identity = None,
        _ => return Ok(()),
    }
    api.replace(&terms.name, &PostParams::default(), &lease).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(holder: &str, unchanged: u64) -> Seen {
        Seen {
            holder: Some(holder.into()),
            version: "1".into(),
            unchanged: Duration::from_secs(unchanged),
            duration: Duration::from_secs(15),
        }
    }

    #[test]
    fn a_lease_is_taken_when_free_ones_own_or_run_out() {
        assert_eq!(decide("a", None), Step::Take);
        assert_eq!(decide("a", Some(&seen("a", 0))), Step::Take);
        assert_eq!(decide("a", Some(&seen("", 0))), Step::Take);
        assert_eq!(decide("a", Some(&seen("b", 15))), Step::Take);
        assert_eq!(decide("a", Some(&seen("b", 14))), Step::Wait);
    }

    #[test]
    fn writing_ends_before_another_may_start() {
        let terms = Terms {
            namespace: String::new(),
            name: String::new(),
            identity: String::new(),
            duration: Duration::from_secs(15),
        };
        // The last renewal reaches the server after it was sent, so the other's clock starts later than ours.
        assert!(terms.writing() < terms.duration);
        // A renewal is tried several times before writing ends.
        assert!(terms.interval() * 3 < terms.writing());
    }

    #[test]
    fn a_fence_closes_by_itself() {
        let fence = Fence::closed();
        assert_eq!(fence.remaining(), None);
        fence.set(Some(Instant::now() + Duration::from_mins(1)));
        assert!(fence.remaining().is_some());
        fence.set(Instant::now().checked_sub(Duration::from_millis(1)));
        assert_eq!(fence.remaining(), None);
    }
}
