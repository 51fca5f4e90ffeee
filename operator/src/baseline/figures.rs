//! The figures of baselines as metrics.
//!
//! They are kept as plain numbers and turned into metric families only when they are scraped. What cannot be told is absent, never zero.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use banyan_crds::v1alpha1::{ClauseVerdict, ReportApi, SecurityBaselineSpec, SecurityBaselineStatus};
use banyan_policies::verdict::{Audit, WaiverState};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use prometheus::{
    core::{Collector, Desc},
    proto::{Metric, MetricFamily},
};

use super::status::{EVALUATED, PACK_OF};
use crate::kernel::metrics::{Definition, gauge, pair};

macro_rules! metrics {
    ($($id:ident = $name:literal, $help:literal, $label:expr;)*) => {
        /// A metric of this room.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        enum Id { $($id),* }
        const DEFINITIONS: &[Definition] = &[$(Definition($name, $help, $label)),*];
    };
}

metrics! {
    Results = "banyan_baseline_results", "Results by what they say; of manual, the clauses that somebody has to attest", Some("result");
    Clauses = "banyan_baseline_clauses", "Clauses by verdict", Some("verdict");
    Score = "banyan_baseline_score_points", "Score, 0 to 100", None;
    HighRisk = "banyan_baseline_high_risk_objects", "Objects that fail a control, while it is a high risk that stands", Some("control");
    Objects = "banyan_baseline_objects", "Objects that were looked at", None;
    Unread = "banyan_baseline_unread_kinds", "Kinds of objects that could not be read", None;
    Evaluated = "banyan_baseline_last_evaluation_timestamp_seconds", "When the verdicts were last known to hold", None;
    Oldest = "banyan_baseline_failing_clause_oldest_timestamp_seconds", "Since when the clause that has failed the longest does", None;
    Reports = "banyan_baseline_reports", "Reports about objects that are written", Some("api");
    WaiverExpires = "banyan_waiver_expires_timestamp_seconds", "When an approved waiver ends", Some("waiver");
    WaiverUses = "banyan_waiver_uses", "Failures that a waiver covers", Some("waiver");
    AttestationExpires = "banyan_attestation_expires_timestamp_seconds", "When the first attestation of a clause ends", Some("clause");
}

/// The figures of one baseline.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures(Vec<(Id, String, f64)>);

impl Figures {
    /// Takes the figures from a status, the audit that it tells of, the spec, and how many reports of which API stand. `now` is the instant for which
    /// the verdicts are known to hold: that of the look, which may be later than the last change of anything.
    ///
    /// While the first lists are under way the status tells what was found before, and the audit nothing: then only the former is shown.
    pub fn of(
        status: &SecurityBaselineStatus,
        audit: &Audit,
        spec: &SecurityBaselineSpec,
        reports: &[(ReportApi, usize)],
        now: Timestamp,
    ) -> Self {
        let mut figures = Self::default();
        figures.told(status);
        for attested in &spec.attestations {
            // Of several for one clause, the first that ends makes it due.
            if let Some(ends) = attested.valid_until.date().ok().and_then(end_of) {
                figures.least(Id::AttestationExpires, &attested.clause, ends.as_second() as f64);
            }
        }
        let looked = status
            .conditions
            .iter()
            .any(|condition| condition.type_ == EVALUATED && condition.status != "Unknown");
        if looked {
            figures.looked(status, audit, reports, now);
        }
        figures
    }

    /// What the status tells.
    fn told(&mut self, status: &SecurityBaselineStatus) {
        if let Some(counts) = status.counts {
            for (result, count) in [
                ("pass", counts.pass),
                ("fail", counts.fail),
                ("warn", counts.warn),
                ("error", counts.error),
                ("skip", counts.skip),
                ("manual", counts.manual),
                ("unknown", counts.unknown),
            ] {
                self.set(Id::Results, result, count as f64);
            }
        }
        if !status.clauses.is_empty() {
            use ClauseVerdict::{Compliant, ManualDue, NonCompliant, NotApplicable, Partial, Unknown};
            for verdict in [Compliant, Partial, NonCompliant, NotApplicable, ManualDue, Unknown] {
                let count = status.clauses.iter().filter(|clause| clause.verdict == verdict).count();
                self.set(Id::Clauses, format!("{verdict:?}"), count as f64);
            }
        }
        if let Some(score) = status.score.as_ref().and_then(|score| score.number().ok()) {
            self.set(Id::Score, "", score);
        }
        for risk in &status.high_risks {
            self.set(Id::HighRisk, risk.control.0.clone(), risk.objects as f64);
        }
        // In part is also what waits for a person, which no object fails.
        let failing = status.clauses.iter().filter(|clause| {
            clause.verdict == ClauseVerdict::NonCompliant
                || (clause.verdict == ClauseVerdict::Partial && clause.failing > 0)
        });
        if let Some(oldest) = failing.map(|clause| clause.since.0).min() {
            self.set(Id::Oldest, "", oldest.as_second() as f64);
        }
    }

    /// What the last look tells.
    fn looked(
        &mut self,
        status: &SecurityBaselineStatus,
        audit: &Audit,
        reports: &[(ReportApi, usize)],
        now: Timestamp,
    ) {
        self.set(Id::Objects, "", audit.looked_at as f64);
        let kinds = status.unreadable.iter().filter(|entry| !entry.what.starts_with(PACK_OF)).count();
        self.set(Id::Unread, "", kinds.max(audit.unread.len()) as f64);
        self.set(Id::Evaluated, "", now.as_second() as f64);
        for (api, count) in reports {
            let api = match api {
                ReportApi::OpenReports => "openreports.io",
                ReportApi::WgPolicy => "wgpolicyk8s.io",
            };
            self.set(Id::Reports, api, *count as f64);
        }
        for waiver in &audit.waivers {
            // One that nobody has approved, or that is set aside, ends nothing.
            let idle = matches!(waiver.state, WaiverState::Pending | WaiverState::Suspended);
            if !idle && !waiver.approved_by.is_empty() {
                self.set(Id::WaiverExpires, waiver.name.clone(), waiver.expires.as_second() as f64);
            }
            let uses = if now < waiver.expires { waiver.uses } else { 0 };
            self.set(Id::WaiverUses, waiver.name.clone(), uses as f64);
        }
    }

    fn set(&mut self, id: Id, label: impl Into<String>, value: f64) {
        self.0.push((id, label.into(), value));
    }

    /// Sets a value, unless a smaller one is there by the same label.
    fn least(&mut self, id: Id, label: &str, value: f64) {
        match self.0.iter_mut().find(|(other, of, _)| *other == id && of == label) {
            Some((_, _, known)) => *known = known.min(value),
            None => self.set(id, label, value),
        }
    }
}

/// The first instant after a day in China's time, as attestations count it.
pub(super) fn end_of(day: Date) -> Option<Timestamp> {
    let next = day.checked_add(1.day()).ok()?;
    TimeZone::fixed(jiff::tz::offset(8)).to_timestamp(next.at(0, 0, 0, 0)).ok()
}

/// The figures of all baselines, collected when they are scraped.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<BTreeMap<String, Figures>>>);

impl Board {
    /// The present figures of a baseline.
    pub fn show(&self, baseline: &str, figures: Figures) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(baseline.to_owned(), figures);
    }

    /// The baseline is gone.
    pub fn forget(&self, baseline: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(baseline);
    }

    /// No baseline is shown: another replica leads, and shows them.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

static FIRST: LazyLock<Option<Desc>> = LazyLock::new(|| {
    let Definition(name, help, _) = DEFINITIONS.first()?;
    Desc::new((*name).to_owned(), (*help).to_owned(), vec!["baseline".to_owned()], HashMap::new()).ok()
});

impl Collector for Board {
    fn desc(&self) -> Vec<&Desc> {
        // Families come and go with the baselines; the registry tells collectors apart by what they describe, so one stands for all.
        FIRST.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let baselines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut families: BTreeMap<Id, Vec<Metric>> = BTreeMap::new();
        for (name, Figures(figures)) in baselines.iter() {
            for (id, value_of_label, value) in figures {
                let mut labels = vec![pair("baseline", name)];
                if let Some(label) = DEFINITIONS[*id as usize].2 {
                    labels.push(pair(label, value_of_label));
                }
                families.entry(*id).or_default().push(gauge(labels, *value));
            }
        }
        families.into_iter().map(|(id, gauges)| DEFINITIONS[id as usize].family(gauges)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use banyan_policies::verdict::Waiver;

    use super::{
        super::{
            sample::{at, audit, number, pod, waiver},
            status::{Look, status},
        },
        *,
    };

    const NOW: &str = "2026-11-25T10:00:00Z";

    fn spec() -> SecurityBaselineSpec {
        serde_yaml::from_str(
            "{level: 3, packs: [mlps], attestations: [
              {clause: 8.1.1.2, by: a, evidence: e, validUntil: '2027-03-31', appliesTo: {tenants: [t]}},
              {clause: 8.1.1.2, by: b, evidence: e, validUntil: '2026-12-31'}]}",
        )
        .unwrap()
    }

    fn look(audit: Audit) -> Look {
        Look {
            audit: Arc::new(audit),
            unread: vec![("Secret".to_owned(), "forbidden".to_owned())],
            faults: vec![("ConfigMap house-rules".to_owned(), "broken".to_owned())],
            not_decided: Vec::new(),
            held: 0,
            reports_missing: Vec::new(),
            reports_failed: None,
            complete: true,
            generation: Some(1),
            suspended: false,
            now: at(NOW),
        }
    }

    fn text(board: &Board) -> String {
        let registry = prometheus::Registry::new();
        registry.register(Box::new(board.clone())).unwrap();
        crate::kernel::metrics::render(&registry).unwrap()
    }

    fn names(text: &str) -> BTreeSet<&str> {
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
    }

    #[test]
    fn every_metric_is_shown_and_vanishes_with_its_baseline() {
        let waivers = vec![
            waiver("over", "2026-11-01T00:00:00Z", "li.na"),
            waiver("new", "2027-01-01T00:00:00Z", ""),
            Waiver { names: vec!["waived".to_owned()], ..waiver("used", "2027-01-01T00:00:00Z", "li.na") },
        ];
        let audit = audit(&[pod("bad", true), pod("waived", true), number("none")], waivers, at(NOW));
        let look = look(audit);
        let status = status(&look, None);
        let figures = Figures::of(
            &status,
            &look.audit,
            &spec(),
            &[(ReportApi::OpenReports, 7)],
            at("2026-11-25T11:00:00Z"),
        );
        let board = Board::default();
        board.show("city", figures.clone());
        let shown = text(&board);
        for line in [
            r#"banyan_baseline_results{baseline="city",result="fail"} 1"#,
            r#"banyan_baseline_results{baseline="city",result="error"} 1"#,
            r#"banyan_baseline_results{baseline="city",result="skip"} 1"#,
            r#"banyan_baseline_results{baseline="city",result="manual"} 0"#,
            r#"banyan_baseline_clauses{baseline="city",verdict="NonCompliant"} 2"#,
            r#"banyan_baseline_clauses{baseline="city",verdict="Unknown"} 0"#,
            r#"banyan_baseline_score_points{baseline="city"} 33.33"#,
            r#"banyan_baseline_high_risk_objects{baseline="city",control="no-privilege"} 1"#,
            r#"banyan_baseline_objects{baseline="city"} 3"#,
            // The pack that cannot be used is no kind.
            r#"banyan_baseline_unread_kinds{baseline="city"} 1"#,
            r#"banyan_baseline_last_evaluation_timestamp_seconds{baseline="city"} 1795604400"#,
            r#"banyan_baseline_failing_clause_oldest_timestamp_seconds{baseline="city"} 1795600800"#,
            r#"banyan_baseline_reports{baseline="city",api="openreports.io"} 7"#,
            r#"banyan_waiver_expires_timestamp_seconds{baseline="city",waiver="used"} 1798761600"#,
            r#"banyan_waiver_uses{baseline="city",waiver="used"} 1"#,
            r#"banyan_waiver_uses{baseline="city",waiver="over"} 0"#,
            // The end of 2026 in China, not the spring after it.
            r#"banyan_attestation_expires_timestamp_seconds{baseline="city",clause="8.1.1.2"} 1798732800"#,
        ] {
            assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
        }
        assert!(!shown.contains(r#"expires_timestamp_seconds{baseline="city",waiver="new"}"#), "{shown}");
        assert_eq!(names(&shown), DEFINITIONS.iter().map(|Definition(name, ..)| *name).collect());
        board.forget("city");
        assert!(!text(&board).contains("city"));
        board.show("city", figures);
        board.clear();
        assert!(!text(&board).contains("city"));
    }

    #[test]
    fn what_cannot_be_told_is_absent() {
        let look = Look { complete: false, ..look(audit(&[], Vec::new(), at(NOW))) };
        let status = status(&look, None);
        let board = Board::default();
        board.show("city", Figures::of(&status, &look.audit, &spec(), &[], at(NOW)));
        let shown = text(&board);
        let shown: BTreeSet<&str> = names(&shown);
        assert_eq!(
            shown,
            BTreeSet::from(["banyan_attestation_expires_timestamp_seconds", "banyan_baseline_clauses"])
        );
    }

    #[test]
    fn a_clause_that_only_waits_for_a_person_does_not_fail() {
        let good = look(audit(&[pod("good", false), number("1")], Vec::new(), at(NOW)));
        let mut status = status(&good, None);
        status.clauses[0].verdict = ClauseVerdict::Partial;
        let figures = Figures::of(&status, &good.audit, &spec(), &[], at(NOW));
        assert!(figures.0.iter().all(|(id, ..)| *id != Id::Oldest));
    }

    #[test]
    fn a_waiver_that_ended_since_the_audit_is_not_used_any_more() {
        let given = vec![waiver("w", "2026-11-25T10:30:00Z", "li.na")];
        let look = look(audit(&[pod("bad", true)], given, at(NOW)));
        let status = status(&look, None);
        let uses = |now: &str| {
            let figures = Figures::of(&status, &look.audit, &spec(), &[], at(now));
            figures.0.into_iter().find(|(id, ..)| *id == Id::WaiverUses).unwrap().2
        };
        assert!((uses("2026-11-25T10:29:59Z") - 1.0).abs() < f64::EPSILON);
        assert!(uses("2026-11-25T10:30:00Z").abs() < f64::EPSILON);
    }
}
