//! Puts what baselines say of objects into reports.

use std::collections::{BTreeSet, HashSet};

use banyan_crds::v1alpha1::{ReportApi, ReportResult};
use banyan_policies::{
    engine::Outcome,
    verdict::{Audit, Waivers},
};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    reports::{form, together},
    room::{Room, contributors},
    scene::Stale,
    watch::{Said, Watched},
};
use crate::{
    kernel::writer::WriteError,
    report::audit::{View, openreports},
};

/// The property of a result with the name of its baseline.
pub const BASELINE: &str = "baseline";
/// Writes in flight.
const CONCURRENCY: usize = 16;
/// Both APIs: what is no longer asked for goes.
pub(super) const APIS: [ReportApi; 2] = [ReportApi::OpenReports, ReportApi::WgPolicy];

/// The outcomes of findings that can become one of these results.
fn outcomes(keep: &[ReportResult]) -> Vec<Outcome> {
    let mut all: Vec<Outcome> = keep
        .iter()
        .flat_map(|result| match result {
            ReportResult::Pass => vec![Outcome::Pass],
            ReportResult::Fail | ReportResult::Warn => vec![Outcome::Fail],
            ReportResult::Error => vec![Outcome::Error],
            ReportResult::Skip => vec![Outcome::Skip, Outcome::Unknown],
        })
        .collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// One baseline, ready to say what belongs into a report.
struct Voice<'a> {
    name: &'a str,
    watched: &'a Watched,
    said: &'a Said,
    view: View<'a>,
    waivers: Waivers,
    keep: Vec<Outcome>,
}

impl<'a> Voice<'a> {
    fn new(name: &'a str, watched: &'a Watched, said: &'a Said, audit: &'a Audit, now: Timestamp) -> Self {
        Self {
            name,
            watched,
            said,
            view: View::new(audit),
            waivers: Waivers::new(said.waivers.clone(), now),
            keep: outcomes(&said.keep),
        }
    }

    fn of_object(&mut self, uid: &str, api: ReportApi) -> Option<Value> {
        if !self.said.apis.contains(&api) {
            return None;
        }
        let line = self.watched.scene.line(uid, self.said.scope.as_ref(), &mut self.waivers, &self.keep)?;
        Some(signed(openreports::report_within(&line, &self.view, form(api), openreports::MOST), self.name))
    }

    /// The reports that are about no object: on the cluster, and clause by clause.
    fn of_itself(&mut self, api: ReportApi, owner: &Value) -> [(String, Option<Value>); 2] {
        let (cluster, clauses) = own_names(self.name);
        let adopted = |mut report: Value, name: &str| {
            report["metadata"]["name"] = name.into();
            report["metadata"]["ownerReferences"] = json!([owner]);
            report
        };
        let of_cluster = self.of_object("", api).map(|report| {
            let report = together(vec![(report, self.said.keep.clone())]).unwrap_or_default();
            adopted(report, &cluster)
        });
        let of_clauses =
            self.said.apis.contains(&api).then(|| {
                adopted(openreports::clauses_report(self.view.audit, form(api), &clauses), &clauses)
            });
        [(cluster, of_cluster), (clauses, of_clauses)]
    }
}

/// Says of each result whose it is: several baselines may have theirs in one report.
fn signed(mut report: Value, baseline: &str) -> Value {
    for result in report["results"].as_array_mut().into_iter().flatten() {
        result["properties"][BASELINE] = baseline.into();
    }
    report
}

/// Names of the reports of a baseline on the cluster and on its clauses.
pub fn own_names(baseline: &str) -> (String, String) {
    (format!("banyan-{baseline}-cluster"), format!("banyan-{baseline}-clauses"))
}

/// Brings the reports that may have changed for the baseline called `name` to what they should be. Answers what went wrong; it is tried again.
pub async fn publish(room: &Room, name: &str, watched: &Watched, now: Timestamp) -> Option<String> {
    let stale = watched.scene.take_stale();
    let Some(all) = contributors(room) else {
        // Another baseline has not seen everything yet; without it a report would lack its part.
        watched.scene.doubt(stale);
        room.queue.at(name, tokio::time::Instant::now() + std::time::Duration::from_secs(1));
        return None;
    };
    let apis: Vec<ReportApi> = APIS.into_iter().filter(|api| room.reports.is_served(*api)).collect();
    let own = room.baselines.get(name).and_then(|arrived| {
        Some(json!({
            "apiVersion": "banyan.dev/v1alpha1", "kind": "SecurityBaseline", "name": name, "uid": arrived.meta().uid.clone()?,
        }))
    });
    let mut voices: Vec<Voice<'_>> = all
        .iter()
        .filter_map(|(name, watched, said)| {
            Some(Voice::new(name, watched, said, said.audit.as_deref()?, now))
        })
        .collect();
    let uids: BTreeSet<String> = match &stale {
        Stale::Some(uids) => uids.clone(),
        Stale::All => {
            all.iter().flat_map(|(_, watched, _)| watched.scene.uids()).chain(watched.scene.uids()).collect()
        }
    };
    // What is about no object is said by its baseline alone, below.
    let owned: BTreeSet<String> =
        room.baselines.names().iter().flat_map(|name| <[String; 2]>::from(own_names(name))).collect();
    let mut jobs: Vec<(ReportApi, String)> = Vec::new();
    for api in &apis {
        let surplus = if stale == Stale::All { room.reports.names(*api) } else { HashSet::new() };
        let surplus: Vec<String> = surplus.into_iter().filter(|name| !uids.contains(name)).collect();
        let wanted = uids.iter().cloned().chain(surplus);
        jobs.extend(wanted.filter(|uid| !uid.is_empty() && !owned.contains(uid)).map(|uid| (*api, uid)));
    }
    let mut bodies = Vec::new();
    if let (Some(owner), Some(voice)) = (&own, voices.iter_mut().find(|voice| voice.name == name)) {
        for api in &apis {
            bodies.extend(voice.of_itself(*api, owner).map(|(name, body)| (*api, name, body)));
        }
    } else {
        let (cluster, clauses) = own_names(name);
        for api in &apis {
            bodies.extend([(*api, cluster.clone(), None), (*api, clauses.clone(), None)]);
        }
    }
    let rest = jobs.into_iter().map(|(api, uid)| {
        let parts = voices
            .iter_mut()
            .filter_map(|voice| Some((voice.of_object(&uid, api)?, voice.said.keep.clone())))
            .collect();
        (api, uid, together(parts))
    });
    let failed = write(room, Box::new(bodies.into_iter().chain(rest))).await;
    let first = failed.first().map(|(_, error)| error.to_string());
    watched.scene.doubt(Stale::Some(failed.into_iter().map(|(name, _)| name).collect()));
    first
}

/// Takes away what a baseline that is gone has said. Answers what went wrong.
pub async fn withdraw(room: &Room, name: &str, gone: Option<&Watched>, now: Timestamp) -> Option<String> {
    let (cluster, clauses) = own_names(name);
    let apis: Vec<ReportApi> = APIS.into_iter().filter(|api| room.reports.is_served(*api)).collect();
    let none: Vec<_> =
        apis.iter().flat_map(|api| [(*api, cluster.clone(), None), (*api, clauses.clone(), None)]).collect();
    let failed = write(room, Box::new(none.into_iter())).await;
    let Some(all) = contributors(room) else {
        return Some("another baseline has not seen everything yet".to_owned());
    };
    if let Some((other, watched, _)) = all.first() {
        // Those that are left say what remains.
        watched.scene.doubt(Stale::All);
        room.queue.now(other);
    } else if let Some(gone) = gone {
        gone.scene.doubt(Stale::All);
        let more = Box::pin(publish(room, name, gone, now)).await;
        if more.is_some() {
            return more;
        }
    } else {
        let names: Vec<_> = apis
            .iter()
            .flat_map(|api| room.reports.names(*api).into_iter().map(|name| (*api, name, None)))
            .collect();
        let failed = write(room, Box::new(names.into_iter())).await;
        if let Some((_, error)) = failed.first() {
            return Some(error.to_string());
        }
    }
    failed.first().map(|(_, error)| error.to_string())
}

/// Writes reports, a bounded number at once. Answers those that could not be written; once the permission to write has ended, nothing more is tried.
async fn write(
    room: &Room,
    reports: Box<dyn Iterator<Item = (ReportApi, String, Option<Value>)> + Send + '_>,
) -> Vec<(String, WriteError)> {
    let writer = &room.executor.writer;
    stream::iter(reports)
        .map(|(api, name, body)| async move {
            room.reports.bring(writer, api, &name, body).await.err().map(|error| (name, error))
        })
        .buffer_unordered(CONCURRENCY)
        .filter_map(|failed| async move { failed })
        .collect()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_says_whose_it_is() {
        let report = |rule: &str, properties: Value| json!({"results": [{"rule": rule, "result": "fail", "properties": properties}]});
        let keep = vec![ReportResult::Fail];
        let one = together(vec![
            (signed(report("a", json!({"level": "3"})), "city"), keep.clone()),
            (signed(report("a", json!(null)), "port"), keep),
        ])
        .unwrap();
        let said: Vec<&Value> =
            one["results"].as_array().unwrap().iter().map(|result| &result["properties"]).collect();
        assert_eq!(json!(said), json!([{"level": "3", "baseline": "city"}, {"baseline": "port"}]));
        // What has no result to tell has not a byte more.
        assert_eq!(
            signed(json!({"summary": {"pass": 9}, "results": []}), "city"),
            json!({"summary": {"pass": 9}, "results": []})
        );
    }

    #[test]
    fn a_warning_is_a_failure_that_does_not_count() {
        assert_eq!(outcomes(&[ReportResult::Warn, ReportResult::Fail]), [Outcome::Fail]);
        assert_eq!(outcomes(&[ReportResult::Skip]), [Outcome::Unknown, Outcome::Skip]);
        assert_eq!(outcomes(&[]), []);
    }
}
