//! The operator killed with -9 between any two of its writes: the next run ends in the same state.
//!
//! A whole life of a site (held, then given back, because it is clear or because it is deleted) is lived once without a
//! kill, through a proxy that counts the writes. Then it is lived again and again, and at the n-th write of the taking
//! and of the giving back the world stops, once before the write reaches the server and once before its answer reaches
//! the operator, which is killed there and started anew.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use banyan_crds::v1alpha1::{Action, ActionRecord, DataCenter, DataCenterStatus};
use banyan_e2e::proxy::{Proxy, Side, Trap};
use banyan_e2e::wait::until;
use kube::ResourceExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::stage::{CLEARED, FINALIZER, LIMIT, LOANS, Readings, Stage, VIOLATED, actions, differing, looks};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        killed_between_any_two_writes_the_next_run_ends_in_the_same_state,
        killed_between_any_two_writes_of_a_deletion_nothing_is_left_behind,
    ]
}

const SITE: &str = "gulou";

/// The taking and the giving back, each with the time of its first run and that of the run after a kill, in which no
/// further window has closed.
const TAKING: [&str; 2] = [VIOLATED, "2025-06-18T03:06:00Z"];
const GIVING_BACK: [&str; 2] = [CLEARED, "2025-06-18T13:06:00Z"];

async fn killed_between_any_two_writes_the_next_run_ends_in_the_same_state(_: World) -> Result<()> {
    let stage = Stage::start("crash").await?;
    let theatre = Theatre::open(&stage).await?;
    let undisturbed = theatre.life(None).await.context("without a kill")?;
    let [taking, giving_back] = undisturbed.writes;
    // The finalizer, the freeze, the ledger, two loans and the status; and back, without the ledger.
    ensure!(
        taking >= 6 && giving_back >= 5,
        "{taking} and {giving_back} writes are fewer than there are steps"
    );
    for write in 1..=taking.max(giving_back) {
        for side in [Side::Before, Side::After] {
            let trap = Trap { write, side };
            let life = theatre.life(Some((trap, undisturbed.writes))).await;
            let life = life.with_context(|| format!("killed at {trap:?} of {taking} and {giving_back}"))?;
            ensure!(
                (&life.held, &life.clear) == (&undisturbed.held, &undisturbed.clear),
                "killed at {trap:?}, it ended as\n{:#}\n{:#}\nand without a kill as\n{:#}\n{:#}",
                life.held,
                life.clear,
                undisturbed.held,
                undisturbed.clear
            );
        }
    }
    Ok(())
}

async fn killed_between_any_two_writes_of_a_deletion_nothing_is_left_behind(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let theatre = Theatre::open(&stage).await?;
    let writes = theatre.deletion(None).await.context("without a kill")?;
    // The freeze, two loans, and the finalizer.
    ensure!(writes >= 4, "{writes} writes are fewer than there are steps");
    for write in 1..=writes {
        for side in [Side::Before, Side::After] {
            let trap = Trap { write, side };
            let deletion = theatre.deletion(Some(trap)).await;
            deletion.with_context(|| format!("killed at {trap:?} of {writes}"))?;
        }
    }
    Ok(())
}

struct Theatre<'a> {
    stage: &'a Stage,
    proxy: Proxy,
    before: BTreeMap<String, String>,
}

/// What a life came to, without its times.
struct Life {
    /// While held.
    held: Value,
    /// After it was given back.
    clear: Value,
    /// How many writes the taking and the giving back have made, where they were not disturbed.
    writes: [usize; 2],
}

impl<'a> Theatre<'a> {
    /// A Node and a `CronJob`.
    async fn open(stage: &'a Stage) -> Result<Self> {
        stage.create_node("gulou-1", SITE, json!([])).await?;
        stage.create_cron_job("nightly", SITE, true, false).await?;
        Ok(Self { stage, proxy: Proxy::start(&stage.plane).await?, before: stage.world().await? })
    }

    /// A site from its creation to its deletion while it is held, with a kill in the deletion if there is a trap. Answers
    /// the number of writes that the deletion made.
    async fn deletion(&self, trap: Option<Trap>) -> Result<usize> {
        self.create().await?;
        self.run(TAKING, None, End::Held).await.context("taking")?;
        self.stage.sites().delete(SITE, &DeleteParams::default()).await?;
        let writes = self.run(TAKING, trap, End::Gone).await.context("deleting")?;
        self.nothing_is_left().await?;
        let ledger = self.stage.maps().delete("banyan-ledger-gulou", &DeleteParams::default()).await;
        ledger.context("the ledger is the garbage collector's, which is not here")?;
        Ok(writes)
    }

    async fn create(&self) -> Result<()> {
        let enforcement = json!({
            "mode": "Enforce",
            "actions": ["HoldBatch", "PreferElsewhere", "FreezeGrowth"],
            "hysteresis": { "dwell": "0s" },
        });
        self.stage.create_site(SITE, Readings::Hot, &enforcement).await
    }

    /// A site from its creation to its removal, with a kill in the taking and one in the giving back where these make so
    /// many writes.
    async fn life(&self, kill: Option<(Trap, [usize; 2])>) -> Result<Life> {
        self.create().await?;
        let trap =
            |part: usize| kill.filter(|(trap, writes)| trap.write <= writes[part]).map(|(trap, _)| trap);

        let taken = self.run(TAKING, trap(0), End::Held).await.context("taking")?;
        let held = self.held().await?;
        let given = self.run(GIVING_BACK, trap(1), End::Clear).await.context("giving back")?;
        let clear = self.clear().await?;
        self.stage.remove_site(SITE).await?;
        Ok(Life { held, clear, writes: [taken, given] })
    }

    /// Runs the operator until the site is as wanted and, if there is one, it has looked at it without a failure. If there
    /// is a trap, it is killed there and started again. Answers the number of writes.
    async fn run(&self, times: [&str; 2], trap: Option<Trap>, end: End) -> Result<usize> {
        self.proxy.reset();
        let mut now = times[0];
        if let Some(trap) = trap {
            self.proxy.arm(trap);
            let operator = self.stage.operator_through(&self.proxy, now, "banyan-0", "15s").await?;
            tokio::time::timeout(LIMIT, self.proxy.sprung())
                .await
                .with_context(|| format!("only {} writes came", self.proxy.writes().len()))?;
            operator.kill_9().await?;
            self.proxy.reset();
            now = times[1];
        }
        let operator = self.stage.operator_through(&self.proxy, now, "banyan-0", "15s").await?;
        operator.ready().await?;
        if end != End::Gone {
            looks(&operator, 1.0).await?;
        }
        until(LIMIT, format!("the site to be {end:?}"), || async {
            Ok(end.has_come(self.stage.sites().get_opt(SITE).await?.as_ref()))
        })
        .await?;
        operator.stop().await?;
        Ok(self.proxy.writes().len())
    }

    /// What is held, and how it is remembered.
    async fn held(&self) -> Result<Value> {
        let touched = differing(&self.before, &self.stage.world().await?);
        ensure!(touched == ["CronJob nightly", "Node gulou-1"], "touched: {touched:?}");
        let site = self.stage.sites().get(SITE).await?;
        ensure!(site.finalizers() == [FINALIZER], "{:?}", site.finalizers());
        let cron_job = self.stage.cron_jobs().get("nightly").await?;
        let node = self.stage.nodes().get("gulou-1").await?;
        let freeze = self.stage.maps().get("banyan-freeze-gulou").await?;
        let status = site.status.unwrap_or_default();
        Ok(json!({
            "actions": told(&status)?,
            "engaged": engaged(&status),
            "suspend": cron_job.spec.suspend,
            "cronJobLoans": loans(cron_job.annotations())?,
            "taints": node.spec.as_ref().and_then(|spec| spec.taints.as_ref()),
            "nodeLoans": loans(node.annotations())?,
            "frozen": freeze.data.as_ref().and_then(|data| data.get("site")),
        }))
    }

    /// What is left when everything was given back.
    async fn clear(&self) -> Result<Value> {
        self.nothing_is_left().await?;
        let status = self.stage.status(SITE).await?;
        Ok(json!({ "actions": told(&status)?, "engaged": engaged(&status) }))
    }

    async fn nothing_is_left(&self) -> Result<()> {
        let after = self.stage.world().await?;
        ensure!(after == self.before, "left behind: {:?}", differing(&self.before, &after));
        let freeze = self.stage.maps().get_opt("banyan-freeze-gulou").await?;
        ensure!(freeze.is_none(), "the freeze was left behind");
        Ok(())
    }
}

/// What a run has to come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Held,
    Clear,
    Gone,
}

impl End {
    fn has_come(self, site: Option<&DataCenter>) -> bool {
        let Some(site) = site else { return self == Self::Gone };
        let status = site.status.clone().unwrap_or_default();
        match self {
            Self::Held => {
                engaged(&status) == [Action::HoldBatch, Action::PreferElsewhere, Action::FreezeGrowth]
            }
            Self::Clear => {
                status.enforcement.is_some() && engaged(&status).is_empty() && site.finalizers().is_empty()
            }
            Self::Gone => false,
        }
    }
}

fn engaged(status: &DataCenterStatus) -> Vec<Action> {
    status.enforcement.iter().flat_map(|one| &one.engaged).map(|held| held.action).collect()
}

/// What the status says was done: each action once.
fn told(status: &DataCenterStatus) -> Result<Vec<Value>> {
    let mut names = actions(status);
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    ensure!(names.len() == all, "something is told twice: {:#}", json!(status.actions));
    let tell = |record: &ActionRecord| {
        // What a field had while it was on loan stands nowhere any more when the next run tells of its return.
        let prior = record.prior.clone().filter(|_| !record.action.starts_with("Undo"));
        json!({ "action": record.action, "object": record.object, "prior": prior })
    };
    // In the order of the names: what a run was cut off from telling, the next one tells beside what it did itself.
    let mut told: Vec<_> = status.actions.iter().map(tell).collect();
    told.sort_by_key(Value::to_string);
    Ok(told)
}

/// The loans on an object by annotation, without the time at which they were taken.
fn loans(annotations: &BTreeMap<String, String>) -> Result<BTreeMap<&str, Value>> {
    let ours = annotations.iter().filter(|(key, _)| key.starts_with(LOANS));
    ours.map(|(key, text)| {
        let mut record: Value = serde_json::from_str(text).with_context(|| format!("reading {key}"))?;
        record.as_object_mut().context("a loan is an object")?.remove("at");
        Ok((key.as_str(), record))
    })
    .collect()
}
