//! A world that stands still is not written to.

use anyhow::{Result, ensure};
use banyan_crds::v1alpha1::Action;
use banyan_e2e::audit;
use banyan_e2e::operator;
use serde_json::json;

use crate::stage::{Readings, VIOLATED, looks};
use crate::world::{Test, World};

/// How often the world is taken in anew.
const RESYNCS: usize = 10;

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![ten_resyncs_of_an_unchanged_world_write_nothing]
}

async fn ten_resyncs_of_an_unchanged_world_write_nothing(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let enforce = json!({
        "mode": "Enforce",
        "actions": ["HoldBatch", "PreferElsewhere", "FreezeGrowth"],
        "hysteresis": { "dwell": "0s" },
    });
    let mut observe = enforce.clone();
    observe["mode"] = json!("Observe");
    let mut refuse = enforce.clone();
    refuse["actions"] = json!(["HoldBatch", "PreferElsewhere"]);
    // Held, compliant, refused, and violated without anything done about it.
    let sites = [
        ("held", Readings::Hot, &enforce),
        ("clear", Readings::Cool, &enforce),
        ("refused", Readings::Empty, &refuse),
        ("observed", Readings::Hot, &observe),
    ];
    for (name, readings, enforcement) in sites {
        stage.create_site(name, readings, enforcement).await?;
        stage.create_node(&format!("{name}-1"), name, json!([])).await?;
        stage.create_cron_job(name, name, true, false).await?;
    }
    // One look at every site.
    let all = sites.len() as f64;
    let operator = stage.operator(VIOLATED).await?;
    stage.engaged("held", &[Action::HoldBatch, Action::PreferElsewhere, Action::FreezeGrowth]).await?;
    looks(&operator, all).await?;
    operator.stop().await?;

    // Each start lists everything anew and decides on it anew; the clock begins at the same instant, so that no window
    // closes and no figure moves.
    let user = operator::user();
    let mark = stage.plane.audit().mark();
    for _ in 0..RESYNCS {
        let operator = stage.operator(VIOLATED).await?;
        looks(&operator, all).await?;
        operator.stop().await?;
    }
    let writes = stage.plane.audit().writes_by(&user, mark)?;
    ensure!(writes.is_empty(), "written in {RESYNCS} resyncs:\n{}", audit::list(&writes));

    // What is counted would have been seen: a change of the world is followed by writes of that user.
    stage.change_site("held", json!({ "enforcement": { "mode": "Observe" } })).await?;
    let operator = stage.operator(VIOLATED).await?;
    stage.engaged("held", &[]).await?;
    ensure!(!stage.plane.audit().writes_by(&user, mark)?.is_empty(), "the count sees nothing at all");
    operator.stop().await
}
