//! Decides everything about a site: a pure function of the resource and the observation.

use banyan_crds::{
    conditions::{self, READY},
    v1alpha1::{
        Action, DataCenter, DataCenterStatus, EnforcementState, EnforcementStatus, EngagedAction,
        OperationalStatus, Verdict,
    },
    values::{Decimal, Duration as DurationText},
};
use jiff::{SignedDuration, Timestamp, ToSpan, civil::Date};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::{
    benefit::{self, Benefit},
    budget::{self, Budget},
    energy::Window,
    enforce::{self, Advice, Situation},
    fights::{self, Memory},
    figures::Figures,
    holds,
    ledger::{Change, Ledger},
    marks::Mark,
    model::{self, Model},
    observe::{FoundLedger, LEDGER_KEY, METERS_KEY, Observation, PROVENANCE_KEY},
    site::{self, MeterInput},
    spec::{Site, SpecError},
    unrecorded,
    verdict::{self, Annual, GlidePath, Operational, Standing},
    windows::{self, Judged},
    words::{self, Facts},
};
use crate::kernel::plan::{Defence, Notice, ObjectRef, Own, Owner, Plan, ROLE};

mod show;

/// Value of [`ROLE`] on a ledger.
pub const LEDGER_ROLE: &str = "ledger";
/// How long after a mark is removed no API server goes by it any more.
const LOOK_AGAIN: std::time::Duration = std::time::Duration::from_secs(3);
/// Days that the model is fitted to.
const MODEL_DAYS: i64 = 365;

/// What is judged of a site, between the samples and the words.
pub struct Judgement {
    /// Whether a window has closed since the last look.
    pub closed: bool,
    /// The last closed window, new or judged before; none while the meters cannot be read.
    pub last: Option<Judged>,
    /// The operational verdict.
    pub operational: OperationalStatus,
    /// What is so about it, in a sentence.
    pub operational_message: String,
    /// The annual verdict.
    pub annual: Annual,
    /// The allowance.
    pub budget: Option<Budget>,
    /// The model of the overhead.
    pub model: Option<Model>,
    /// Whether deferring work helps; none without a target or a load.
    pub benefit: Option<Benefit>,
    /// The ledger after this look.
    pub ledger: Ledger,
    /// Days that were put into it.
    pub days: Vec<(Date, Change)>,
    /// Power in the last valid closed window, kW: facility and IT.
    pub kilowatts: Option<(f64, f64)>,
    /// Projected PUE of the next hour.
    pub next_hour: Option<f64>,
}

/// Decides what to do for `dc`. Also gives the figures that are metrics and not status.
pub fn plan(
    dc: &DataCenter,
    site: &Result<Site, SpecError>,
    seen: &Observation,
) -> (Plan<DataCenterStatus>, Figures) {
    let owner = Owner { kind: "datacenter", name: dc.name_any() };
    let previous = seen.status.clone().unwrap_or_default();
    let mut status = previous.clone();
    status.observed_generation = dc.metadata.generation;
    let mut figures = Figures::default();
    let mut notices = Vec::new();
    let mut own = Vec::new();
    let mut keep = Vec::new();
    let mut next = std::time::Duration::from_mins(5);
    let deleting = dc.metadata.deletion_timestamp.is_some();

    let (meters, judgement) = judged(dc, site, seen);
    let quiet = site.as_ref().ok().and_then(|site| site.quiet(seen.now));

    forget(&mut status, dc, site, seen.now);
    if let (Ok(site), Some(judged)) = (site, &judgement) {
        show::show(&mut status, dc, site, judged, &meters, seen);
        let was = previous.operational.as_ref().map(|status| status.verdict);
        notices.extend(verdict_notice(was, judged));
        notices.extend(ledger_notice(&judged.days));
        next = next_look(site, seen.now);
    }
    // The ledger is kept whatever else is wrong: it is the one thing that cannot be fetched again.
    match (&judgement, &seen.found.ledger) {
        (Some(judged), Ok(found)) if !deleting && (seen.days.is_some() || !found.is_empty()) => {
            let metered_with = match (&seen.days, site) {
                (Some(days), Ok(site)) if days.complete => Some(site.meters_digest()),
                _ => seen.found.metered_with.clone(),
            };
            let provenance = seen.found.provenance_since(judged.ledger.first_date());
            own.push(ledger_object(
                dc,
                &seen.namespace,
                &judged.ledger,
                &FoundLedger { metered_with, provenance, ..seen.found.clone() },
            ));
        }
        _ => keep.push(ledger_ref(dc, &seen.namespace)),
    }

    let decision = {
        let enforcement = dc.spec.enforcement.as_ref();
        let engaged: Vec<_> = previous
            .enforcement
            .iter()
            .flat_map(|enforcement| &enforcement.engaged)
            .map(|engaged| (engaged.action, engaged.since.0))
            .collect();
        let verdict = judgement.as_ref().map_or(Verdict::Unknown, |judged| judged.operational.verdict);
        let advice = judgement.as_ref().and_then(|judged| judged.benefit.as_ref()).map_or_else(
            || Advice::NotSure("no target or no IT load to judge by".to_owned()),
            |benefit| match benefit {
                Benefit::Helps { message, .. } => Advice::Helps(message.clone()),
                Benefit::WouldRaisePue { message, .. } => Advice::WouldRaisePue(message.clone()),
                Benefit::NotSure { message } => Advice::NotSure(message.clone()),
            },
        );
        enforce::decide(&Situation {
            deleting,
            suspended: dc.spec.suspend,
            enabled: seen.enforcement && seen.here != Ok(false),
            maintenance: quiet.map(|quiet| quiet.reason.as_str()),
            // Without meters or a target there is no verdict to act on, and nothing in force may outlive the other.
            mode: enforcement
                .filter(|_| dc.spec.energy.is_some() && dc.spec.pue.is_some())
                .map(|enforcement| enforcement.mode),
            freezes: seen.freeze_growth,
            wanted: enforcement.map_or(&[][..], |enforcement| &enforcement.actions),
            // A site whose place cannot be told is neither enforced nor released.
            verdict: if seen.here.is_err() && !deleting { Verdict::Unknown } else { verdict },
            advice,
            dwell: site.as_ref().map_or(SignedDuration::from_hours(1), |site| site.dwell),
            engaged: &engaged,
            last_step: previous
                .enforcement
                .as_ref()
                .and_then(|enforcement| enforcement.last_step.as_ref().map(|at| at.0)),
            now: seen.now,
        })
    };
    let mut entries = holds::entries(
        dc,
        &owner,
        &seen.namespace,
        &holds::Course {
            engaged: &decision.engaged,
            undone: &decision.undone,
            why: &decision.message,
            memory: Memory {
                contested: &previous.contested,
                afresh: previous.observed_generation != dc.metadata.generation,
                now: seen.now,
            },
        },
        &seen.estate,
    );
    let suspended = dc.spec.suspend && !deleting;
    let held = suspended || decision.state == EnforcementState::Paused;
    if held {
        // Nothing is taken, and whatever is on loan stays so, and a mark that a killed run has left …
        entries.lending |= !entries.undo.is_empty();
        entries.borrow.clear();
        // … nobody fights …
        let in_force = |action: Action| decision.engaged.iter().any(|(engaged, _)| *engaged == action);
        entries.contested = fights::carried(&previous.contested, |known| in_force(known.action));
        entries.undo.retain_mut(|group| {
            // … but what is no longer asked for, and what is no longer the site's or no longer consents.
            let due = |action: Action| {
                decision.undone.contains(&action) || decision.engaged.iter().any(|(held, _)| *held == action)
            };
            // A mark that tells of no action goes with what does.
            group.retain(|undo| !suspended && holds::action_of(undo).is_none_or(due));
            !group.is_empty()
        });
        let site = dc.name_any();
        keep.extend([Mark::Freeze, Mark::Hold].map(|mark| mark.object(&site, &seen.namespace)));
    } else if !seen.estate.queues_known {
        // Whether the site has queues is not known: the mark by which new Jobs are held stays as it is.
        keep.push(Mark::Hold.object(&dc.name_any(), &seen.namespace));
    }
    if suspended {
        entries.own.clear();
    }
    let (records, found) =
        unrecorded::records(dc, &owner, &decision, &seen.estate, &entries, &previous.actions, seen.now);
    status.actions.extend(records);
    for action in &decision.taken {
        let message = format!("{action:?}: {}", decision.message);
        notices.push(Notice::warning("ActionTaken", message).of_action(holds::name(*action)));
    }
    for action in &decision.undone {
        let message = format!("{action:?}: {}", decision.message);
        notices.push(Notice::normal("ActionUndone", message).of_action(holds::name(*action)));
    }
    let more = i64::try_from(fights::bound(&mut entries.contested)).ok().filter(|more| *more > 0);
    // What is carried along is what it was.
    status.contested_more = if held { previous.contested_more } else { more };
    let fresh = entries
        .contested
        .iter()
        .filter(|known| !previous.contested.iter().any(|old| fights::is_left(old, known)));
    if let Some(message) = fights::message(fresh, 0) {
        notices.push(Notice::warning("Contested", message));
    }
    status.contested = entries.contested;
    if entries.look_again {
        next = next.min(LOOK_AGAIN);
    }
    if let Some(at) = decision.next_step {
        let wait = at.duration_since(seen.now).max(SignedDuration::from_secs(1));
        next = next.min(wait.unsigned_abs());
    }

    status.enforcement = dc.spec.enforcement.as_ref().map(|_| {
        let before = previous.enforcement.as_ref();
        EnforcementStatus {
            state: decision.state,
            since: before
                .filter(|before| before.state == decision.state)
                .map_or(Time(seen.now), |before| before.since.clone()),
            engaged: decision
                .engaged
                .iter()
                .map(|(action, since)| EngagedAction { action: *action, since: Time(*since) })
                .collect(),
            last_step: decision.last_step.map(Time),
        }
    });
    let facts = Facts {
        dc,
        site: site.as_ref().map_err(Clone::clone),
        seen,
        meters: &meters,
        judgement: judgement.as_ref(),
        decision: &decision,
        status: &status,
        previous: &previous.conditions,
    };
    let mut stated = words::conditions(&facts);
    stated.retain(|stated| !deleting || [READY, words::NOT_ENFORCING].contains(&stated.kind));
    status.conditions = conditions::merge(&previous.conditions, &stated, dc.metadata.generation, seen.now);
    figures.fill(dc, site.as_ref().ok(), &meters, judgement.as_ref(), seen, &status, quiet.is_some());

    own.extend(entries.own);
    let plan = Plan {
        owner,
        finalizer: entries.lending,
        undo: entries.undo,
        own,
        keep,
        borrow: entries.borrow,
        status,
        notices,
        found,
        next,
    };
    (plan, figures)
}

/// The meters with their curves, and what is judged of them; nothing of a spec that cannot be read.
pub fn judged(
    dc: &DataCenter,
    site: &Result<Site, SpecError>,
    seen: &Observation,
) -> (Vec<MeterInput>, Option<Judgement>) {
    // A site on its way out is not read any more, nor judged; what was judged of it stays in its status.
    let Some(site) = site.as_ref().ok().filter(|_| dc.metadata.deletion_timestamp.is_none()) else {
        return (Vec::new(), None);
    };
    let meters = inputs(site, seen);
    let previous = seen.status.clone().unwrap_or_default();
    let judgement =
        (site.glide.is_some() || !site.meters.is_empty()).then(|| judge(site, &meters, seen, &previous));
    (meters, judgement)
}

/// The meters with their curves.
fn inputs(site: &Site, seen: &Observation) -> Vec<MeterInput> {
    site.meters
        .iter()
        .map(|meter| {
            let answer = match seen.samples.get(&meter.meter.name) {
                Some(Ok(samples)) => Ok(samples.clone()),
                Some(Err(blind)) => Err(blind.message.clone()),
                None => Err("it has not been asked".to_owned()),
            };
            windows::input(meter, answer)
        })
        .collect()
}

/// Takes out of the status what the spec no longer asks for, and marks as unknown what can no longer be judged.
fn forget(status: &mut DataCenterStatus, dc: &DataCenter, site: &Result<Site, SpecError>, now: Timestamp) {
    if dc.spec.energy.is_none() {
        *status = DataCenterStatus {
            observed_generation: status.observed_generation,
            racks_in_use: dc.spec.racks.as_ref().and_then(|racks| racks.in_use),
            actions: std::mem::take(&mut status.actions),
            conditions: std::mem::take(&mut status.conditions),
            ..DataCenterStatus::default()
        };
    }
    if site.is_err() {
        if let Some(annual) = &mut status.annual {
            annual.verdict = Verdict::Unknown;
        }
        if let Some(operational) = &mut status.operational
            && operational.verdict != Verdict::Unknown
        {
            operational.last_known = Some(operational.verdict);
            operational.verdict = Verdict::Unknown;
            operational.blind_since = Some(Time(now));
        }
    }
}

/// The fault that keeps every window from being judged: a meter that a side needs could not be asked.
pub fn blinding<'a>(
    meters: &'a [MeterInput],
    seen: &'a Observation,
) -> Option<(&'a str, &'a super::observe::Blind)> {
    meters
        .iter()
        .filter(|meter| site::Side::of(meter.purpose).is_some())
        .filter(|meter| {
            let now = seen.now.as_millisecond();
            meter.rules.in_service(Window { from: now - 1, to: now }).length_ms() > 0
        })
        .find_map(|meter| match seen.samples.get(&meter.name) {
            Some(Err(blind)) if !blind.empty => Some((meter.name.as_str(), blind)),
            _ => None,
        })
}

/// From samples to verdicts.
fn judge(site: &Site, meters: &[MeterInput], seen: &Observation, previous: &DataCenterStatus) -> Judgement {
    let now = seen.now;
    let today = site.today(now);
    let last_closed = windows::last_closed_day(site, now);
    let empty = Ledger::default();
    let found = seen.found.ledger.as_deref().unwrap_or(&empty);
    let (ledger, days) = match &seen.days {
        Some(days) => (days.ledger.as_ref().clone(), days.changes.clone()),
        None => (found.clone(), Vec::new()),
    };
    // What was judged in the future was judged by a clock that has been put right since.
    let before = previous
        .operational
        .as_ref()
        .filter(|status| status.until.as_ref().is_none_or(|until| until.0 <= now));
    let standing = before.map(|status| {
        let standing = Standing::from(status);
        match (&status.blind_since, status.last_known) {
            // What stood before the meters went out of sight stands again, and is judged from there.
            (Some(_), Some(known)) => Standing { verdict: known, ..standing },
            _ => standing,
        }
    });
    // Without a target nothing stands, and a later target is not violated by what an earlier one was.
    let standing = standing.map(|standing| match (&site.glide, standing.verdict) {
        (Some(_), _) => standing,
        (None, Verdict::Unknown) => Standing { last_known: None, streak: 0, ..standing },
        (None, _) => {
            Standing { verdict: Verdict::Unknown, since: now, last_known: None, streak: 0, ..standing }
        }
    });
    let blind = blinding(meters, seen);
    let until = standing.as_ref().and_then(Standing::judged_until);
    let closed = if blind.is_some() || site.meters.is_empty() {
        Vec::new()
    } else {
        windows::close_windows(site, meters, until, now)
    };
    // The window that was judged last, seen again: what is said of it stays said until the next one closes.
    let before_last = until.filter(|_| blind.is_none() && !site.meters.is_empty()).and_then(|until| {
        let window = Window { from: until.as_millisecond() - site.window_ms, to: until.as_millisecond() };
        (window.from >= windows::live_from(site, Some(until), now))
            .then(|| windows::judge(site, meters, window))
    });
    let list: Vec<_> = before_last.iter().chain(&closed).map(|judged| judged.closed.clone()).collect();
    let Operational { standing, message } = verdict::operational(standing.as_ref(), &list, &site.bands, now);
    let mut operational = operational_status(site, &standing);
    let mut operational_message = message;
    if let Some((meter, blind)) = blind {
        let reason = blind.reason;
        if standing.verdict == Verdict::Unknown {
            // Unknown by its windows already: it must not come back as what it was before those.
            operational_message =
                format!("meter {meter} cannot be read ({reason}); the verdict was Unknown before");
        } else {
            let was_blind = before.and_then(|status| status.blind_since.clone());
            operational_message = format!(
                "meter {meter} cannot be read ({reason}); the last verdict was {:?}, since {}",
                standing.verdict, standing.since
            );
            operational = OperationalStatus {
                verdict: Verdict::Unknown,
                last_known: Some(standing.verdict),
                blind_since: Some(was_blind.unwrap_or(Time(now))),
                ..operational
            };
        }
    }

    let recent = if blind.is_some() { Vec::new() } else { windows::recent_hours(site, meters, now) };
    let glide = site.glide.as_ref();
    let fresh = budget::fresh(&recent, now);
    let budget = glide.and_then(|glide| {
        let open = last_closed.saturating_add(1.day());
        budget::budget(&ledger, glide, open, site.commissioned, site.minimum_coverage, fresh)
    });
    let projection = budget.as_ref().and_then(|budget| budget.projection);
    let no_target = GlidePath::none();
    let annual = verdict::annual(
        &ledger,
        glide.unwrap_or(&no_target),
        last_closed,
        site.commissioned,
        &windows::validity(site),
        projection,
    );
    let first = last_closed.saturating_sub((MODEL_DAYS - 1).days());
    // What was metered before the site was commissioned is not its load.
    let first = site.commissioned.map_or(first, |commissioned| commissioned.max(first));
    let hours = |date: Date| {
        let (from, to) =
            (windows::day_start(site, date), windows::day_start(site, date.saturating_add(1.day())));
        from.zip(to).map_or(24.0, |(from, to)| Window { from, to }.hours())
    };
    let model = model::fit(&model::points(ledger.range(first..=last_closed), site.minimum_coverage, hours));
    let last_valid = before_last.iter().chain(&closed).rev().find(|judged| judged.closed.pue.is_ok());
    let kilowatts = last_valid
        .and_then(|judged| {
            let hours = judged.reading.known_hours();
            let kw = |wh: Option<f64>| wh.filter(|_| hours > 0.0).map(|wh| wh / 1000.0 / hours);
            Some((kw(judged.reading.facility_wh)?, kw(judged.reading.it_wh)?))
        })
        .or_else(|| {
            let hour = recent.last()?;
            let hours = hour.to.duration_since(hour.from).as_secs_f64() / 3600.0;
            Some((hour.facility_wh as f64 / 1000.0 / hours, hour.it_wh as f64 / 1000.0 / hours))
        });
    let target = glide.and_then(|glide| glide.target_on(today));
    let benefit = target.zip(kilowatts).map(|(target, (_, it))| benefit::judge(model.as_ref(), target, it));
    let next_hour = budget::next_window(fresh, model.as_ref());
    Judgement {
        closed: !closed.is_empty(),
        last: closed.into_iter().next_back().or(before_last),
        operational,
        operational_message,
        annual,
        budget,
        model,
        benefit,
        ledger,
        days,
        kilowatts,
        next_hour,
    }
}

fn operational_status(site: &Site, standing: &Standing) -> OperationalStatus {
    OperationalStatus {
        verdict: standing.verdict,
        value: standing.value.map(|value| Decimal::rounded(value, 4)),
        window: DurationText(short(site.window_ms)),
        until: standing.until.map(Time),
        since: Time(standing.since),
        streak: standing.streak,
        last_known: standing.last_known,
        blind_since: None,
    }
}

/// A duration in the API's format, in its largest whole unit.
fn short(ms: i64) -> String {
    [(3_600_000, "h"), (60_000, "m"), (1_000, "s")].into_iter().find(|(unit, _)| ms % unit == 0).map_or_else(
        // The API's pattern has five digits for each unit.
        || format!("{}s{}ms", ms / 1000, ms % 1000),
        |(unit, name)| format!("{}{name}", ms / unit),
    )
}

fn verdict_notice(was: Option<Verdict>, judged: &Judgement) -> Option<Notice> {
    let is = judged.operational.verdict;
    if was == Some(is) {
        return None;
    }
    let message = judged.operational_message.clone();
    Some(match is {
        Verdict::Violated => Notice::warning("PUEViolated", message),
        Verdict::Unknown => Notice::warning("PUEUnknown", message),
        Verdict::AtRisk => Notice::normal("PUEAtRisk", message),
        Verdict::Compliant | Verdict::Provisional => Notice::normal("PUECompliant", message),
    })
}

fn ledger_notice(days: &[(Date, Change)]) -> Option<Notice> {
    let late: Vec<String> = days
        .iter()
        .filter(|(_, change)| *change == Change::Replaced)
        .map(|(date, _)| date.to_string())
        .collect();
    if !late.is_empty() {
        return Some(Notice::normal(
            "LateReadings",
            format!("readings that came late changed {}", late.join(", ")),
        ));
    }
    let (first, last) = (days.first()?, days.last()?);
    (days.len() > 1).then(|| {
        Notice::normal(
            "BackFilled",
            format!("{} days from {} to {} were taken into the ledger", days.len(), first.0, last.0),
        )
    })
}

/// With the next tick, or as soon as the present window's readings are due.
fn next_look(site: &Site, now: Timestamp) -> std::time::Duration {
    let now = now.as_millisecond();
    let end = (now.div_euclid(site.window_ms) + 1) * site.window_ms;
    // A little after the end, so that a reading taken at the end itself has been scraped.
    let close = std::time::Duration::from_millis((end - now + 2_000).unsigned_abs());
    site.tick().min(close)
}

/// The object that holds the ledger of a site.
pub fn ledger_ref(dc: &DataCenter, namespace: &str) -> ObjectRef {
    ObjectRef { name: format!("banyan-ledger-{}", dc.name_any()), ..Mark::Freeze.object("", namespace) }
}

/// A ledger to be kept, with the digest and the provenance of `beside`, whose version it follows from.
pub fn ledger_object(dc: &DataCenter, namespace: &str, ledger: &Ledger, beside: &FoundLedger) -> Own {
    let mut data = serde_json::Map::new();
    data.insert(LEDGER_KEY.to_owned(), ledger.encode().into());
    if let Some(digest) = &beside.metered_with {
        data.insert(METERS_KEY.to_owned(), digest.clone().into());
    }
    if let Some(provenance) = &beside.provenance {
        data.insert(PROVENANCE_KEY.to_owned(), provenance.to_string().into());
    }
    Own {
        object: ledger_ref(dc, namespace),
        body: serde_json::json!({ "data": data }),
        basis: beside.basis.clone(),
        defence: Defence::PutBack,
        labels: [(ROLE.to_owned(), LEDGER_ROLE.to_owned())].into(),
        owner_reference: holds::owner_reference(dc),
        lends: false,
        action: None,
        why: "closed days of the energy ledger".to_owned(),
        until: None,
    }
}

#[cfg(test)]
pub(crate) mod tests;
