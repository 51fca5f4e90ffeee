//! What the operator has told of a baseline, put together as an audit again: from its status, its Waivers, the reports and the ledger. Nothing is judged
//! anew here; titles and what to do come from the packs.
//!
//! Of each control only what the reports keep is known: how many objects pass it is not.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use banyan_crds::v1alpha1::{
    BaselineConclusion, BaselineCounts, ClauseStatus, ClauseVerdict, SecurityBaseline,
    SecurityBaselineStatus, Waiver, WaiverState as Told,
};
use banyan_policies::{
    engine::{ObjectRef, Outcome, compile},
    pack::Pack,
    verdict::{
        Audit, ClauseLine, Conclusion, Counts, FindingLine, HighRisk, ObjectLine, PlaceLine, Score,
        ScoringModel, Tally, Verdict, WaiverState, Waivers, Work, conclude, reason,
    },
};
use jiff::Timestamp;
use kube::ResourceExt as _;
use serde_json::Value as Json;

use super::{ledger::Ledger, publish, spec, status::LEADING_PACK, waivers};
use crate::report::audit::history::{Day, History, Remembered};

/// Days of the trend.
pub const TREND: usize = 30;

/// Everything that the operator has told of a baseline.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// The baseline, with its status.
    pub baseline: &'a SecurityBaseline,
    /// The packs that there are.
    pub packs: &'a [Arc<Pack>],
    /// Waivers; those of other baselines are left out.
    pub waivers: &'a [Waiver],
    /// The reports that Banyan wrote, of one API.
    pub reports: &'a [Json],
    /// The baseline's ledger, where it has one that can be read.
    pub ledger: Option<&'a Ledger>,
    /// The present.
    pub now: Timestamp,
}

/// Puts an audit together, with what is remembered beyond it; none while the status tells of no whole look.
pub fn audit(words: Words<'_>) -> Option<(Audit, History)> {
    let Words { baseline, packs, reports, now, .. } = words;
    let status = baseline.status.as_ref()?;
    let counted = status.counts?;
    let asked = spec::asked(&baseline.spec, packs);
    let (compiled, wrong) = compile(packs, &asked.selections, &asked.parameters);
    let (mut given, mut standing) = (Vec::new(), HashMap::new());
    for waiver in words.waivers.iter().filter(|one| one.spec.baseline_name.0 == baseline.name_any()) {
        standing.insert(waiver.name_any(), waiver.status.as_ref().and_then(|status| status.state));
        given.extend(waivers::read(waiver).ok());
    }
    // Everything that does not depend on an object.
    let empty = Work::new(&compiled, Waivers::new(given, now), &[]);
    let mut audit = conclude(empty, &asked.input, now);
    let (cluster, clauses) = publish::own_names(&baseline.name_any());
    let named = |name: &str| reports.iter().find(|report| report["metadata"]["name"] == *name);
    let said = named(&clauses).map(Said::read).unwrap_or_default();

    let mut truncated = 0;
    audit.objects = reports
        .iter()
        .filter(|report| {
            let name = report["metadata"]["name"].as_str().unwrap_or_default();
            // Those on the cluster and on clauses are a baseline's own.
            report["scope"].is_object() && (name == cluster || !name.starts_with("banyan-"))
        })
        .filter_map(|report| object(report, &audit, &baseline.name_any(), &mut truncated))
        .collect();
    let mut tallies = vec![Tally::default(); audit.controls.len()];
    for finding in audit.objects.iter().flat_map(|line| &line.findings) {
        if let Some(tally) = tallies.get_mut(finding.control) {
            count(tally, finding.outcome);
        }
    }
    for (control, tally) in audit.controls.iter_mut().zip(tallies) {
        control.tally = tally;
    }

    audit.counts = counts(counted);
    audit.high_risks = high_risks(status, &audit);
    let remembered = remember(status, &said, &mut audit);
    verdicts(status, &mut audit, asked.input.scoring);
    for line in &mut audit.waivers {
        (line.uses, line.missed) = said.uses.get(&line.name).copied().unwrap_or_default();
        // The clock counts at once, the operator's word on use when it was given.
        if matches!(line.state, WaiverState::Active | WaiverState::Unused)
            && let Some(Some(told)) = standing.get(&line.name)
        {
            line.state = match told {
                Told::Pending => WaiverState::Pending,
                Told::Active => WaiverState::Active,
                Told::Expired => WaiverState::Expired,
                Told::Unused => WaiverState::Unused,
            };
        }
    }
    audit.faults = asked.faults.iter().map(|(at, what)| format!("{at}: {what}")).collect();
    audit.faults.extend(wrong.iter().map(ToString::to_string));
    if truncated > 0 {
        audit.faults.push(format!("{truncated} results did not fit into the reports and are left out here"));
    }
    audit.unread = status.unreadable.iter().map(|one| format!("{}: {}", one.what, one.reason)).collect();
    let days = words.ledger.map(|ledger| ledger.trend(TREND)).unwrap_or_default();
    let days = days.into_iter().map(|(date, day)| Day {
        date,
        fail: day.fail,
        warn: day.warn,
        compliant: day.compliant,
        clauses: day.clauses,
        score: day.score.and_then(|score| score.parse().ok()),
    });
    Some((audit, History { clauses: remembered, days: days.collect() }))
}

/// What the report on clauses says beyond the status.
#[derive(Debug, Default)]
struct Said {
    /// Verdict, reason and score by pack and requirement.
    clauses: HashMap<(String, String), (String, String, Option<f64>)>,
    /// Uses, and what would be covered, by waiver.
    uses: HashMap<String, (usize, usize)>,
}

impl Said {
    fn read(report: &Json) -> Self {
        let mut said = Self::default();
        for result in report["results"].as_array().into_iter().flatten() {
            let text = |key: &str| result[key].as_str().unwrap_or_default().to_owned();
            let property = |key: &str| result["properties"][key].as_str().unwrap_or_default().to_owned();
            if text("rule") == "waiver" {
                let number = |key: &str| property(key).parse().unwrap_or_default();
                said.uses.insert(property("waiver"), (number("waiver.uses"), number("waiver.missed")));
            } else if !property("verdict").is_empty() {
                let head = format!("{} {}: ", property("clause"), property("title"));
                let why = text("message").strip_prefix(&head).unwrap_or_default().to_owned();
                let told = (property("verdict"), why, property("score").parse().ok());
                said.clauses.insert((text("policy"), text("rule")), told);
            }
        }
        said
    }
}

/// The line of an object. `truncated` grows by what its report leaves out.
fn object(report: &Json, audit: &Audit, baseline: &str, truncated: &mut usize) -> Option<ObjectLine> {
    let scope = &report["scope"];
    let text = |key: &str| scope[key].as_str().unwrap_or_default().to_owned();
    let object = ObjectRef {
        api_version: text("apiVersion"),
        kind: text("kind"),
        namespace: text("namespace"),
        name: text("name"),
        uid: text("uid"),
    };
    let mut findings: BTreeMap<usize, FindingLine> = BTreeMap::new();
    for result in report["results"].as_array().into_iter().flatten() {
        let property = |key: &str| result["properties"][key].as_str().unwrap_or_default();
        // Reports of before have nobody's name in them.
        if !["", baseline].contains(&property(publish::BASELINE)) {
            continue;
        }
        *truncated += property("truncated").parse::<usize>().unwrap_or_default();
        let known = audit.controls.iter().position(|control| {
            result["rule"] == control.id
                && audit
                    .packs
                    .get(control.pack)
                    .is_some_and(|pack| result["policy"] == pack.name && property("level") == pack.level)
        });
        let Some((control, outcome)) = known.zip(outcome(result)) else { continue };
        // Where it has no name in it, and two baselines have the same packs, both have said it.
        findings.entry(control).or_insert_with(|| FindingLine {
            control,
            outcome,
            places: place(result, outcome).into_iter().collect(),
            more: property("morePaths").parse().unwrap_or_default(),
            waiver: Some(property("waiver").to_owned()).filter(|waiver| !waiver.is_empty()),
        });
    }
    let findings: Vec<FindingLine> = findings.into_values().collect();
    let mut tally = Tally::default();
    for finding in &findings {
        count(&mut tally, finding.outcome);
    }
    (!findings.is_empty()).then_some(ObjectLine { object, place: 0, origin: None, tally, findings })
}

fn outcome(result: &Json) -> Option<Outcome> {
    Some(match result["result"].as_str()? {
        "pass" => Outcome::Pass,
        "fail" | "warn" => Outcome::Fail,
        "error" => Outcome::Error,
        "skip" if result["properties"]["unknown"] == "true" => Outcome::Unknown,
        "skip" => Outcome::Skip,
        _ => return None,
    })
}

/// What a result says of where; several places are in one text, as reports have them.
fn place(result: &Json, outcome: Outcome) -> Option<PlaceLine> {
    let text = |value: &Json| value.as_str().unwrap_or_default().to_owned();
    let properties = &result["properties"];
    let path = [text(&properties["path"]), text(&properties["paths"])].concat();
    let message = if outcome == Outcome::Pass { String::new() } else { text(&result["message"]) };
    let evidence = Some(text(&properties["evidence"])).filter(|evidence| !evidence.is_empty());
    let something = !path.is_empty() || !message.is_empty() || evidence.is_some();
    something.then_some(PlaceLine { path, message, evidence, line: None })
}

fn count(tally: &mut Tally, outcome: Outcome) {
    match outcome {
        Outcome::Pass => tally.pass += 1,
        Outcome::Fail => tally.fail += 1,
        Outcome::Error => tally.error += 1,
        Outcome::Unknown => tally.unknown += 1,
        Outcome::Skip => tally.skip += 1,
    }
}

fn high_risks(status: &SecurityBaselineStatus, audit: &Audit) -> Vec<HighRisk> {
    let found = status.high_risks.iter().filter_map(|risk| {
        let place = audit.controls.iter().position(|control| control.id == risk.control.0)?;
        let waived = audit.controls.get(place).map_or(0, |control| control.tally.skip);
        Some(HighRisk { control: place, objects: whole(risk.objects), waived })
    });
    found.collect()
}

/// Puts the operator's verdicts into the clauses, and says what is remembered of each.
fn remember(status: &SecurityBaselineStatus, said: &Said, audit: &mut Audit) -> Vec<Remembered> {
    let told: HashMap<(&str, &str), &ClauseStatus> = status
        .clauses
        .iter()
        .map(|clause| ((clause.pack.as_str(), clause.requirement.as_str()), clause))
        .collect();
    let risky: Vec<usize> = audit.high_risks.iter().map(|risk| risk.control).collect();
    let packs: Vec<String> = audit.packs.iter().map(|pack| pack.name.clone()).collect();
    let clauses = audit.clauses.iter_mut().map(|clause| {
        let pack = packs.get(clause.pack).map(String::as_str).unwrap_or_default();
        let told = told.get(&(pack, clause.requirement.as_str()));
        let was = clause.verdict;
        clause.verdict = told.map_or(Verdict::Unknown, |told| verdict(told.verdict));
        clause.failing = told.map_or(0, |told| whole(told.failing));
        let key = (pack.to_owned(), clause.requirement.clone());
        let report = said.clauses.get(&key).filter(|(word, ..)| word == clause.verdict.as_str());
        clause.score = report.and_then(|(_, _, score)| *score);
        clause.reason = match report {
            Some((_, why, _)) if !why.is_empty() => why.clone(),
            // Nothing about an object is part of it.
            _ if clause.controls.is_empty() && was == clause.verdict => clause.reason.clone(),
            _ if clause.verdict == Verdict::NotApplicable && was == clause.verdict => clause.reason.clone(),
            _ => why(clause, &risky).to_owned(),
        };
        let since = told.map(|told| told.since.0);
        Remembered { since, judged: told.map_or(0, |told| whole(told.objects)) }
    });
    clauses.collect()
}

/// Why a verdict may be what it is, where no report says it.
fn why(clause: &ClauseLine, risky: &[usize]) -> &'static str {
    match clause.verdict {
        Verdict::Compliant => reason::HELD,
        Verdict::Partial if clause.failing > 0 => reason::NOT_EVERYTHING,
        Verdict::Partial => reason::REST_UNSEEN,
        Verdict::NonCompliant if clause.controls.iter().any(|control| risky.contains(control)) => {
            reason::HIGH_RISK
        }
        Verdict::NonCompliant => reason::NOTHING_HOLDS,
        Verdict::ManualDue if clause.attested.is_empty() => reason::REST_TO_ATTEST,
        Verdict::ManualDue => reason::REST_EXPIRED,
        Verdict::Unknown => reason::UNSEEN,
        Verdict::NotApplicable => reason::NOTHING_ASKED,
    }
}

/// Counts the verdicts of each pack, and gives the figures to the one that leads.
fn verdicts(status: &SecurityBaselineStatus, audit: &mut Audit, model: ScoringModel) {
    let leading = audit.packs.iter().position(|pack| pack.name == LEADING_PACK);
    let leading = leading.or_else(|| audit.packs.iter().position(|pack| pack.score.is_some()));
    let figure = |figure: &Option<banyan_crds::values::Decimal>| figure.as_ref()?.0.parse::<f64>().ok();
    for (place, pack) in audit.packs.iter_mut().enumerate() {
        let mine = || audit.clauses.iter().filter(|clause| clause.pack == place);
        pack.verdicts.clear();
        for clause in mine() {
            *pack.verdicts.entry(clause.verdict).or_default() += 1;
        }
        let counted = mine().filter(|one| !one.optional && one.verdict != Verdict::NotApplicable);
        let undecided = counted
            .clone()
            .filter(|clause| matches!(clause.verdict, Verdict::ManualDue | Verdict::Unknown))
            .count();
        let figures = figure(&status.score).zip(figure(&status.compliance_rate)).zip(status.conclusion);
        pack.score =
            figures.filter(|_| leading == Some(place)).map(|((points, compliance_rate), told)| Score {
                model,
                points,
                compliance_rate,
                counted: counted.count(),
                undecided,
                conclusion: conclusion(told),
            });
    }
}

fn verdict(told: ClauseVerdict) -> Verdict {
    match told {
        ClauseVerdict::Compliant => Verdict::Compliant,
        ClauseVerdict::Partial => Verdict::Partial,
        ClauseVerdict::NonCompliant => Verdict::NonCompliant,
        ClauseVerdict::NotApplicable => Verdict::NotApplicable,
        ClauseVerdict::ManualDue => Verdict::ManualDue,
        ClauseVerdict::Unknown => Verdict::Unknown,
    }
}

fn conclusion(told: BaselineConclusion) -> Conclusion {
    match told {
        BaselineConclusion::Excellent => Conclusion::Excellent,
        BaselineConclusion::Good => Conclusion::Good,
        BaselineConclusion::Fair => Conclusion::Fair,
        BaselineConclusion::Poor => Conclusion::Poor,
        BaselineConclusion::Conforming => Conclusion::Conforming,
        BaselineConclusion::BasicallyConforming => Conclusion::BasicallyConforming,
        BaselineConclusion::NonConforming => Conclusion::NonConforming,
        BaselineConclusion::Undecided => Conclusion::Undecided,
    }
}

fn counts(counts: BaselineCounts) -> Counts {
    Counts {
        pass: whole(counts.pass),
        fail: whole(counts.fail),
        warn: whole(counts.warn),
        error: whole(counts.error),
        skip: whole(counts.skip),
        manual: whole(counts.manual),
        unknown: whole(counts.unknown),
    }
}

fn whole(count: i64) -> usize {
    usize::try_from(count).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use banyan_policies::{
        engine::{Session, Sight},
        pack::builtin,
    };
    use serde_json::json;

    use super::{
        super::status::{Look, status},
        *,
    };
    use crate::report::audit::{View, openreports};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn pod(name: &str, privileged: bool) -> Json {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "uid": format!("00000000-0000-0000-0000-{name:0>12}")},
            "spec": {"containers": [{"name": "a", "image": "b", "securityContext": {"privileged": privileged}}]}
        })
    }

    /// A baseline, the audit that the operator made of two Pods, and what it wrote.
    fn told(reported: bool) -> (Audit, Option<(Audit, History)>) {
        let spec = json!({
            "level": 3, "packs": ["mlps", "pod-security"],
            "reports": {"apis": ["openreports.io"]},
            "notApplicable": [{"clause": "8.1.3.1 d", "reason": "there is no wireless network"}],
        });
        let mut baseline = SecurityBaseline::new("city", serde_json::from_value(spec).unwrap());
        let waiver: Waiver = serde_json::from_value(json!({
            "apiVersion": "banyan.dev/v1alpha1", "kind": "Waiver", "metadata": {"name": "cameras"},
            "spec": {
                "baselineName": "city", "controls": ["pod-security-privileged"], "match": {"names": ["b"]},
                "reason": "the driver", "expires": "2027-01-01T00:00:00Z",
                "approval": {"by": "chen", "at": "2026-11-01T00:00:00Z"},
            },
            "status": {"state": "Active"},
        }))
        .unwrap();
        let packs: Vec<_> = builtin().0.into_iter().map(Arc::new).collect();
        let asked = spec::asked(&baseline.spec, &packs);
        let (compiled, _) = compile(&packs, &asked.selections, &asked.parameters);
        let looked = at("2026-11-20T00:00:00Z");
        let keep = [Outcome::Fail, Outcome::Error, Outcome::Skip, Outcome::Unknown];
        let mut work =
            Work::new(&compiled, Waivers::new(vec![waivers::read(&waiver).unwrap()], looked), &keep);
        let mut session = Session::new(&compiled, looked);
        for (place, object) in [pod("a", true), pod("b", true), pod("c", false)].iter().enumerate() {
            work.count();
            work.add(session.take(place, compiled.examine(object, looked)));
        }
        session.finish(Sight::Cluster { unread: BTreeSet::new() }).for_each(|judged| work.add(judged));
        let audit = conclude(work, &asked.input, looked);
        let look = Look {
            audit: Arc::new(audit.clone()),
            unread: vec![("Secret".to_owned(), "forbidden".to_owned())],
            faults: Vec::new(),
            not_decided: Vec::new(),
            held: 0,
            reports_missing: Vec::new(),
            reports_failed: None,
            complete: true,
            generation: Some(1),
            suspended: false,
            now: looked,
        };
        baseline.status = Some(status(&look, None));
        let view = View::new(&audit);
        let api = openreports::Api::OpenReports;
        let mut reports: Vec<Json> = audit
            .objects
            .iter()
            .map(|line| openreports::report_within(line, &view, api, openreports::MOST))
            .collect();
        for report in &mut reports {
            if report["metadata"]["name"] == "banyan-cluster" {
                report["metadata"]["name"] = "banyan-city-cluster".into();
            }
        }
        reports.push(openreports::clauses_report(&audit, api, "banyan-city-clauses"));
        // Another baseline's own.
        reports.push(openreports::clauses_report(&audit, api, "banyan-other-clauses"));
        let mut ledger = Ledger::default();
        let day = super::super::ledger::Day::of(baseline.status.as_ref().unwrap()).unwrap();
        ledger.record(looked, day);
        let words = Words {
            baseline: &baseline,
            packs: &packs,
            waivers: &[waiver],
            reports: if reported { &reports } else { &[] },
            ledger: Some(&ledger),
            now: at("2026-11-25T12:00:00Z"),
        };
        (audit, super::audit(words))
    }

    #[test]
    fn what_was_told_is_what_was_found() {
        let (found, again) = told(true);
        let (again, history) = again.unwrap();
        let clauses = |audit: &Audit| -> Vec<_> {
            let of = |one: &ClauseLine| {
                (one.requirement.clone(), one.verdict, one.reason.clone(), one.failing, one.controls.clone())
            };
            audit.clauses.iter().map(of).collect()
        };
        assert_eq!(clauses(&again), clauses(&found));
        assert_eq!(again.counts, found.counts);
        assert_eq!(again.high_risks, found.high_risks);
        assert_eq!(again.waivers, found.waivers);
        assert!(again.waivers[0].uses > 0);
        for (told, real) in again.packs.iter().zip(&found.packs) {
            assert_eq!(told.verdicts, real.verdicts);
        }
        let (told, real) = (again.packs[0].score.as_ref().unwrap(), found.packs[0].score.as_ref().unwrap());
        assert_eq!(
            (told.counted, told.undecided, told.conclusion),
            (real.counted, real.undecided, real.conclusion)
        );
        assert!((told.points - real.points).abs() < 0.01);
        let findings = |audit: &Audit| -> BTreeSet<_> {
            let of = |line: &ObjectLine| -> Vec<_> {
                let found = line.findings.iter();
                found
                    .map(|one| (line.object.to_string(), one.control, one.outcome, one.waiver.clone()))
                    .collect()
            };
            audit.objects.iter().flat_map(of).collect()
        };
        assert_eq!(findings(&again), findings(&found));
        assert!(findings(&again).len() > 10);
        // Of a single place everything is known.
        let single = |audit: &Audit| -> BTreeSet<String> {
            let all = audit.objects.iter().flat_map(|line| &line.findings);
            let all =
                all.filter(|one| one.places.len() == 1 && one.more == 0 && !one.places[0].path.is_empty());
            all.map(|one| format!("{} {:?}", one.control, one.places[0].path)).collect()
        };
        assert!(single(&found).is_subset(&single(&again)));
        assert_eq!(again.unread, ["Secret: forbidden"]);
        assert_eq!(history.days.len(), 1);
        assert_eq!(history.clauses.len(), again.clauses.len());
        let open = again
            .clauses
            .iter()
            .zip(&history.clauses)
            .find_map(|(one, told)| told.open(one.verdict, again.at));
        assert_eq!(open, Some((at("2026-11-20T00:00:00Z"), 5)));
    }

    #[test]
    fn what_another_baseline_says_of_an_object_is_not_this_ones() {
        let (audit, _) = told(false);
        let line = audit.objects.iter().find(|line| line.object.name == "a").unwrap();
        let mut report = openreports::report_within(
            line,
            &View::new(&audit),
            openreports::Api::OpenReports,
            openreports::MOST,
        );
        let findings =
            |report: &Json| object(report, &audit, "city", &mut 0).map_or(0, |line| line.findings.len());
        let all = findings(&report);
        assert!(all > 1, "reports of before have no name in them");
        report["results"][0]["properties"]["baseline"] = "port".into();
        report["results"][1]["properties"]["baseline"] = "city".into();
        assert_eq!(findings(&report), all - 1);
    }

    #[test]
    fn without_reports_the_status_still_tells_the_verdicts() {
        let (found, again) = told(false);
        let (again, _) = again.unwrap();
        let verdicts = |audit: &Audit| audit.clauses.iter().map(|one| one.verdict).collect::<Vec<_>>();
        assert_eq!(verdicts(&again), verdicts(&found));
        assert!(again.objects.is_empty());
        let declared = again.clauses.iter().find(|one| one.clause == "8.1.3.1 d").unwrap();
        assert_eq!(declared.reason, "there is no wireless network");
    }

    #[test]
    fn a_baseline_that_nobody_has_looked_at_tells_nothing() {
        fn words(baseline: &SecurityBaseline) -> Words<'_> {
            Words {
                baseline,
                packs: &[],
                waivers: &[],
                reports: &[],
                ledger: None,
                now: Timestamp::UNIX_EPOCH,
            }
        }
        let spec = serde_json::from_value(json!({"level": 3, "packs": ["mlps"]})).unwrap();
        let mut baseline = SecurityBaseline::new("city", spec);
        assert!(audit(words(&baseline)).is_none());
        baseline.status = Some(SecurityBaselineStatus::default());
        assert!(audit(words(&baseline)).is_none());
    }

    #[test]
    fn every_form_can_be_made_of_what_was_told() {
        use clap::ValueEnum as _;

        use crate::{
            lang::Lang,
            report::audit::{Format, write_told},
        };
        let (audit, mut history) = told(true).1.unwrap();
        let first = history.days[0].clone();
        history.days.push(Day { date: first.date.tomorrow().unwrap(), fail: 1, ..first });
        for lang in Lang::ALL {
            for format in Format::value_variants() {
                let mut out = Vec::new();
                write_told(*format, &audit, &history, lang, &mut out).unwrap();
                assert!(!out.is_empty());
            }
        }
        let mut page = Vec::new();
        write_told(Format::Html, &audit, &history, Lang::En, &mut page).unwrap();
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("<svg viewBox=\"0 0 960 130\" aria-hidden=\"true\""), "no drawing");
        assert!(page.contains("<th scope=\"row\">2026-11-21</th>"), "no table");
        assert!(page.contains("5 days<br><span class=\"small\">2026-11-20 00:00:00Z"), "no days");
        assert!(!page.contains("judged:"), "it tells of passes that nobody knows");
    }
}
