//! The days for the ledger: when they are looked at, and what is read for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::civil::Date;

use super::{ClosedDays, Observation, Observer, live_start, samples};
use crate::{
    datacenter::{
        energy::{Sample, Window},
        ledger::{Ledger, Racks},
        site::Side,
        spec::Site,
        windows,
    },
    prometheus::{Client as PrometheusClient, QueryError},
};

/// How long after a server failed the days are looked at again.
const RETRY_DAYS_AFTER: Duration = Duration::from_mins(5);
/// How often closed days are looked at again for late readings.
pub(super) const REOPEN_EVERY: Duration = Duration::from_hours(1);

/// The last look at the days for the ledger.
#[derive(Clone)]
pub(super) struct LookedAt {
    pub(super) at: Instant,
    pub(super) again_after: Duration,
    /// The last day that was closed then.
    pub(super) last: Date,
    /// What the days were metered with.
    pub(super) digest: String,
}

impl Observer {
    /// Looks at the days that the ledger lacks, run by run, when it is time to. Answers beside them the recent samples of
    /// the meters that the last run has read up to now: they need not be asked for again. `racks` are those in use, as last
    /// told.
    pub(super) async fn close_days(
        &self,
        name: &str,
        site: &Site,
        client: &PrometheusClient,
        observation: &Observation,
        racks: Racks,
    ) -> Option<(ClosedDays, BTreeMap<String, Vec<Sample>>)> {
        // What an earlier look brought was not written.
        self.remember(name, |memory| memory.looking = None);
        let now = observation.now;
        let found = observation.found.ledger.as_ref().ok()?;
        let last = windows::last_closed_day(site, now);
        let digest = site.meters_digest();
        let due = self.remembered(name).days.is_none_or(|looked| {
            looked.at.elapsed() >= looked.again_after || looked.last < last || looked.digest != digest
        });
        if !due {
            return None;
        }
        let wanted = windows::days_wanted(site, found, observation.found.metered_with.as_deref(), now)?;
        let mut ledger = Ledger::clone(found);
        let (mut changes, mut cut_short, mut passed_over) = (Vec::new(), false, false);
        let mut answered: BTreeSet<&str> = BTreeSet::new();
        let mut recent = BTreeMap::new();
        for run in windows::runs(site, wanted) {
            let (Some(first), Some(end)) =
                (windows::day_window(site, run.0), windows::day_window(site, run.1))
            else {
                continue;
            };
            let span = Window { from: first.from, to: end.to };
            let mut inputs = Vec::with_capacity(site.meters.len());
            let mut whole = true;
            for meter in &site.meters {
                let needed =
                    Side::of(meter.meter.purpose).is_some() && meter.rules.in_service(span).length_ms() > 0;
                let Window { from, to } = windows::fetch_span(meter, span, now);
                // Days that reach so far bring what is wanted to judge the windows along.
                let start = live_start(site, meter, observation);
                let joined = start <= to && run.1 == last;
                let to = if joined { now.as_millisecond() } else { to };
                let answer = samples(client, meter, from.min(if joined { start } else { from }), to).await;
                if joined && let Ok(samples) = &answer {
                    let samples = samples.iter().copied().filter(|sample| sample.at >= start).collect();
                    recent.insert(meter.meter.name.clone(), samples);
                }
                match &answer {
                    Ok(_) => {
                        answered.insert(&meter.meter.name);
                    }
                    Err(QueryError::Empty) => {}
                    Err(error) if needed => {
                        tracing::warn!(data_center = name, meter = meter.meter.name, %error, from = %run.0, to = %run.1, "days cannot be closed");
                        whole = false;
                        passed_over |= error.is_lasting();
                        cut_short |= !error.is_lasting();
                    }
                    // What is only reported never holds a day open.
                    Err(_) => {}
                }
                if !whole {
                    break;
                }
                inputs.push(windows::input(meter, answer.map_err(|error| error.to_string())));
            }
            if cut_short {
                break;
            }
            if whole {
                changes.extend(windows::close_days(site, &inputs, &mut ledger, run, now));
            }
        }
        windows::count_racks(found, &mut ledger, last, &changes, racks);
        let span = windows::day_window(site, wanted.0).zip(windows::day_window(site, wanted.1));
        let all = span.is_some_and(|(first, end)| {
            site.required(Window { from: first.from, to: end.to })
                .all(|meter| answered.contains(meter.meter.name.as_str()))
        });
        let again_after = if cut_short { RETRY_DAYS_AFTER } else { REOPEN_EVERY };
        let looked = LookedAt { at: Instant::now(), again_after, last, digest };
        self.remember(name, |memory| memory.looking = Some(looked));
        let complete = all && !cut_short && !passed_over;
        Some((ClosedDays { ledger: Arc::new(ledger), changes, complete }, recent))
    }

    /// What the last look at the days brought is in the ledger. Without this they are looked at again next time.
    pub fn days_written(&self, name: &str) {
        self.remember(name, |memory| {
            if let Some(looked) = memory.looking.take() {
                memory.days = Some(looked);
            }
        });
    }
}
