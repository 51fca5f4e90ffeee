//! Two replicas, one of which leads: a hand-over, a death, and a leader that is cut off from the API server.
//!
//! Both replicas talk to the API server through proxies, which write down what they send and when. The proxies, the
//! replicas and the API server share a machine and its clock, so that times can be compared.

use anyhow::{Context, Result, ensure};
use banyan_crds::v1alpha1::Action;
use banyan_e2e::chart::NAMESPACE;
use banyan_e2e::operator::Operator;
use banyan_e2e::proxy::{Proxy, Sent, Side, Trap};
use banyan_e2e::wait::{eventually, until};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::ResourceExt;
use kube::api::Api;
use serde_json::json;

use crate::stage::{LIMIT, LOANS, Readings, Stage, VIOLATED, actions, differing};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        one_of_two_leads_and_hands_over_when_it_stops,
        a_leader_that_dies_is_followed_when_its_lease_has_run_out_and_not_before,
        a_leader_that_is_cut_off_has_stopped_writing_before_another_begins,
    ]
}

/// Shorter than usual, so that the tests are short.
const DURATION: &str = "6s";
const LEASE: SignedDuration = SignedDuration::from_secs(6);
/// How long a hand-over may take: a look every second, and some more for a busy machine.
const HAND_OVER: SignedDuration = SignedDuration::from_secs(4);
/// A replica looks at the lease every sixth of its duration; the rest is for a busy machine.
const LATE: SignedDuration = SignedDuration::from_secs(5);

/// A replica and its proxy.
struct Replica {
    name: &'static str,
    // Ends before its proxy.
    operator: Operator,
    proxy: Proxy,
}

impl Replica {
    async fn start(stage: &Stage, name: &'static str) -> Result<Self> {
        let proxy = Proxy::start(&stage.plane).await?;
        let operator = stage.operator_through(&proxy, VIOLATED, name, DURATION).await?;
        operator.ready().await?;
        Ok(Self { name, operator, proxy })
    }

    /// Whether it takes itself for the leader.
    async fn says_it_leads(&self) -> Result<bool> {
        Ok(self.operator.metric("banyan_kernel_leader").await? == Some(1.0))
    }
}

async fn lease(stage: &Stage) -> Result<LeaseSpec> {
    let leases: Api<Lease> = Api::namespaced(stage.plane.client(), NAMESPACE);
    leases.get("banyan").await?.spec.context("a lease without a spec")
}

/// Waits until the lease is held in this replica's name, and it knows.
async fn leads(stage: &Stage, replica: &Replica) -> Result<LeaseSpec> {
    eventually(LIMIT, format!("{} to lead", replica.name), || async {
        let lease = lease(stage).await?;
        let held = lease.holder_identity.as_deref() == Some(replica.name);
        Ok((held && replica.says_it_leads().await?).then_some(lease))
    })
    .await
}

fn acquired(lease: &LeaseSpec) -> Result<Timestamp> {
    lease.acquire_time.as_ref().map(|time| time.0).context("a lease without its time of acquisition")
}

fn renewed(lease: &LeaseSpec) -> Result<Timestamp> {
    lease.renew_time.as_ref().map(|time| time.0).context("a lease without its time of renewal")
}

async fn one_of_two_leads_and_hands_over_when_it_stops(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let first = Replica::start(&stage, "replica-a").await?;
    leads(&stage, &first).await?;
    let second = Replica::start(&stage, "replica-b").await?;
    // The second has looked at the lease, more than once, and left it alone.
    until(LIMIT, "the second replica to look at the lease", || async {
        let sent = second.proxy.sent();
        Ok(sent.iter().filter(|one| one.method == "GET" && one.target.contains("/leases/")).count() >= 3)
    })
    .await?;
    ensure!(!second.says_it_leads().await? && first.says_it_leads().await?);
    ensure!(second.proxy.sent().iter().all(|one| !one.is_renewal()), "the second has written the lease");

    // What there is to do is done by the first alone.
    stage.create_site("gulou", Readings::Hot, &enforcement()).await?;
    stage.engaged("gulou", &[Action::HoldBatch]).await?;
    ensure!(!first.proxy.writes().is_empty() && second.proxy.writes().is_empty());

    let before = lease(&stage).await?;
    let stopped = Timestamp::now();
    first.operator.stop().await?;
    let after = leads(&stage, &second).await?;
    let took = acquired(&after)?.duration_since(stopped);
    // After a death it would be at least five seconds: the duration less the second since the last renewal.
    ensure!(took < HAND_OVER, "handing over took {took:#}, as long as a death");
    ensure!(after.lease_transitions > before.lease_transitions);
    second.operator.stop().await
}

async fn a_leader_that_dies_is_followed_when_its_lease_has_run_out_and_not_before(
    world: World,
) -> Result<()> {
    let stage = world.stage().await?;
    let first = Replica::start(&stage, "replica-a").await?;
    leads(&stage, &first).await?;
    let second = Replica::start(&stage, "replica-b").await?;
    first.operator.kill_9().await?;
    let last = renewed(&lease(&stage).await?)?;
    let after = leads(&stage, &second).await?;
    let took = acquired(&after)?.duration_since(last);
    ensure!(took >= LEASE, "it took over {took:#} after the last renewal");
    ensure!(took < LEASE + LATE, "it took over only {took:#} after the last renewal");
    second.operator.stop().await
}

async fn a_leader_that_is_cut_off_has_stopped_writing_before_another_begins(world: World) -> Result<()> {
    let stage = world.stage().await?;
    stage.create_node("gulou-1", "gulou", json!([])).await?;
    stage.create_cron_job("nightly", "gulou", true, false).await?;
    let before = stage.world().await?;
    let first = Replica::start(&stage, "replica-a").await?;
    leads(&stage, &first).await?;
    let second = Replica::start(&stage, "replica-b").await?;

    // The network of the first breaks while it is at work: after the finalizer, the ledger and the mark by which new Jobs
    // are held, with the CronJob's patch on its way.
    first.proxy.arm(Trap { write: 4, side: Side::Before });
    stage.create_site("gulou", Readings::Hot, &enforcement()).await?;
    tokio::time::timeout(LIMIT, first.proxy.sprung()).await.context("the first replica did not begin")?;
    let cut = Timestamp::now();
    let held = first.proxy.writes().pop().context("nothing is on its way")?;
    ensure!(held.target.contains("/cronjobs/nightly"), "on its way is {} {}", held.method, held.target);

    let lease = leads(&stage, &second).await?;
    let taken = acquired(&lease)?;
    // At once: whatever the first may still have on its way could pass now.
    first.proxy.heal();
    let healed = Timestamp::now();
    let last = renewal(&first.proxy.sent()).context("the first replica never renewed the lease")?;
    let took = taken.duration_since(last);
    ensure!(took >= LEASE, "the second took over {took:#} after the first's last renewal");

    let status = stage.engaged("gulou", &[Action::HoldBatch]).await?;
    until(LIMIT, "the first replica to see the lease again", || async {
        let sent = first.proxy.sent();
        let looked =
            |one: &&Sent| one.target.contains("/leases/") && one.forwarded.is_some() && one.at > healed;
        Ok(sent.iter().filter(looked).count() >= 2)
    })
    .await?;
    ensure!(!first.says_it_leads().await? && second.says_it_leads().await?);

    let writes = first.proxy.writes();
    for one in &writes {
        let what = format!("{} {} ({one:?})", one.method, one.target);
        ensure!(one.at < taken, "sent after the second took over at {taken}: {what}");
        ensure!(one.forwarded.is_none_or(|at| at < cut), "passed on after the cut at {cut}: {what}");
        if one.forwarded.is_none() {
            let abandoned = one.abandoned.with_context(|| format!("still on its way: {what}"))?;
            ensure!(abandoned < taken, "given up after the second took over at {taken}: {what}");
        }
    }
    ensure!(
        writes.iter().any(|one| one.forwarded.is_none()),
        "nothing was on its way: the test shows nothing"
    );

    // And what the first had begun the second has brought to its end, once.
    ensure!(differing(&before, &stage.world().await?) == ["CronJob nightly"]);
    let cron_job = stage.cron_jobs().get("nightly").await?;
    ensure!(cron_job.annotations().keys().filter(|key| key.starts_with(LOANS)).count() == 1);
    ensure!(actions(&status) == ["HoldBatch"], "{:?}", actions(&status));
    first.operator.stop().await?;
    second.operator.stop().await
}

fn enforcement() -> serde_json::Value {
    json!({ "mode": "Enforce", "actions": ["HoldBatch"], "hysteresis": { "dwell": "0s" } })
}

/// When the last renewal of the lease that was passed on had been sent.
fn renewal(sent: &[Sent]) -> Option<Timestamp> {
    sent.iter().filter(|one| one.is_renewal() && one.forwarded.is_some()).map(|one| one.at).max()
}
