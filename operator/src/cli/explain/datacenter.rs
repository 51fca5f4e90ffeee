//! The explanation of a `DataCenter`, looked up as the operator would.

use anyhow::Context as _;
use jiff::Timestamp;
use kube::ResourceExt;

use super::{Told, page};
use crate::{
    cli::world::World,
    datacenter::{
        energy::Window,
        explain::{self, Facts},
        plan,
        spec::Site,
    },
    lang::Lang,
    t,
};

const HOUR_MS: i64 = 3_600_000;

/// Looks at the site called `name` and explains it.
pub async fn explain(world: &World, name: &str, now: Timestamp, lang: Lang) -> anyhow::Result<Told> {
    let dc = world.live(name).with_context(|| format!("there is no DataCenter {name}"))?;
    let site = Site::read(&dc.spec);
    let seen = world.look(dc, &site, &world.sites, now).await;
    let (plan, _) = plan::plan(dc, &site, &seen);
    let (meters, judgement) = plan::judged(dc, &site, &seen);
    let blind = plan::blinding(&meters, &seen).is_some();
    let day = match &site {
        Ok(site) if !blind && !site.meters.is_empty() => {
            // A day before the end of the last window, and the windows that are told.
            let back = (26 * HOUR_MS).max((explain::WINDOWS + 2) * site.window_ms);
            let to = now.as_millisecond();
            world.observer.meters_in(dc, site, Window { from: to - back, to }).await
        }
        _ => None,
    };
    let told = explain::explain(&Facts {
        dc,
        site: &site,
        seen: &seen,
        meters: &meters,
        day: &day.unwrap_or_default(),
        judgement: judgement.as_ref(),
        planned: &plan.status,
    });
    let known = told.unseen.is_none()
        || dc.status.as_ref().is_some_and(|status| status.operational.is_some() || status.annual.is_some())
        || seen.found.ledger.as_ref().is_ok_and(|ledger| !ledger.is_empty());
    if !known {
        eprintln!("{}", t!(lang, "explain-unseen-nothing", name = dc.name_any()));
    }
    Ok(Told { text: page::text(&told, lang), json: serde_json::to_value(&told)?, known })
}
