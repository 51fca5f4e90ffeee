//! From what was read to what it comes to: a pure function.

use super::{
    Check, Finding, Found, NEWEST_MINOR, OLDEST_MINOR, SKEW_FAIL_MS, SKEW_WARN_MS, Verdict,
    facts::{Answer, Deployment, Drift, Facts, Lease, Policies, Server},
};

/// Fields that are named of a definition that differs.
const NAMED: usize = 3;
/// Days beyond the least for which an outage of the operator should leave time.
const SPARE_DAYS: i64 = 7;

/// Everything that is found, in the order of [`Check::ALL`].
pub fn judge(facts: &Facts) -> Vec<Found> {
    let mut all = Vec::new();
    let mut add = |check: Check, subject: Option<&str>, (verdict, finding): (Verdict, Finding)| {
        all.push(Found { check, subject: subject.map(str::to_owned), verdict, finding });
    };
    if let Some(server) = &facts.server {
        add(Check::Server, None, of(server, |(major, minor, text)| version(*major, *minor, text)));
    }
    for (name, drift) in &facts.schemas {
        add(Check::Crds, Some(name), of(drift, |drift| schema(drift.as_ref())));
    }
    if let Some(deployment) = &facts.deployment {
        match deployment {
            Ok(Some(found)) => {
                add(Check::Deployment, None, ready(found));
                if let Some(other) = other_version(found, &facts.own_version) {
                    add(Check::Deployment, None, other);
                }
            }
            Ok(None) => add(Check::Deployment, None, (Verdict::Fail, Finding::NoDeployment)),
            Err(message) => add(Check::Deployment, None, unread(message)),
        }
    }
    for (check, rights) in
        [(Check::OperatorRights, &facts.operator_rights), (Check::CallerRights, &facts.caller_rights)]
    {
        if let Some(answer) = rights {
            // Who asks may do without; the operator may not.
            let missing = if check == Check::OperatorRights { Verdict::Fail } else { Verdict::Warn };
            add(check, None, of(answer, |(lacking, asked)| held(lacking, *asked, missing)));
        }
    }
    if let Some(clock) = &facts.clock {
        add(Check::Clock, None, of(clock, |skew| skewed(*skew)));
    }
    if let Some(found) = &facts.lease {
        add(Check::Lease, None, of(found, |found| lease(found.as_ref())));
    }
    match &facts.policies {
        Some(Ok(found)) => {
            for found in policies(*found, facts.freeze_growth) {
                add(Check::Policies, None, found);
            }
        }
        Some(Err(message)) => add(Check::Policies, None, unread(message)),
        None => {}
    }
    if let Some(found) = &facts.monitoring {
        add(Check::Monitoring, None, of(found, |missing| monitoring(missing.as_deref())));
    }
    for server in &facts.servers {
        if let Some(found) = clock_of(server) {
            add(Check::PrometheusClock, Some(&server.site), found);
        }
    }
    for server in &facts.servers {
        add(Check::Retention, Some(&server.site), retention(server));
    }
    all
}

fn of<T>(answer: &Answer<T>, judge: impl FnOnce(&T) -> (Verdict, Finding)) -> (Verdict, Finding) {
    match answer {
        Ok(found) => judge(found),
        Err(message) => unread(message),
    }
}

fn unread(message: &str) -> (Verdict, Finding) {
    (Verdict::Unknown, Finding::Unread { message: message.to_owned() })
}

fn version(major: u32, minor: u32, text: &str) -> (Verdict, Finding) {
    let version = text.to_owned();
    match (major, minor) {
        (1, minor) if minor < OLDEST_MINOR => (Verdict::Fail, Finding::TooOld { version }),
        (1, minor) if minor <= NEWEST_MINOR => (Verdict::Pass, Finding::Version { version }),
        (0, _) => (Verdict::Fail, Finding::TooOld { version }),
        _ => (Verdict::Warn, Finding::Untested { version }),
    }
}

fn schema(drift: Option<&Drift>) -> (Verdict, Finding) {
    let Some(drift) = drift else { return (Verdict::Fail, Finding::SchemaAbsent) };
    let first = |fields: &[String]| fields.iter().take(NAMED).cloned().collect::<Vec<_>>();
    if !drift.established {
        (Verdict::Fail, Finding::SchemaNotServed)
    } else if !drift.missing.is_empty() {
        let (fields, count) = (first(&drift.missing), drift.missing.len());
        (Verdict::Fail, Finding::SchemaOlder { fields, count })
    } else if !drift.extra.is_empty() {
        (Verdict::Warn, Finding::SchemaNewer { fields: first(&drift.extra), count: drift.extra.len() })
    } else {
        (Verdict::Pass, Finding::SchemaEqual)
    }
}

fn ready(found: &Deployment) -> (Verdict, Finding) {
    let Deployment { ready, wanted, version } = found;
    if *ready >= *wanted && *ready > 0 {
        let version = version.clone().unwrap_or_default();
        return (Verdict::Pass, Finding::Ready { ready: *ready, version });
    }
    // One that is ready does the work; none does not.
    let verdict = if *ready > 0 { Verdict::Warn } else { Verdict::Fail };
    (verdict, Finding::NotReady { ready: *ready, wanted: *wanted })
}

fn other_version(found: &Deployment, own: &str) -> Option<(Verdict, Finding)> {
    let theirs = found.version.as_deref().filter(|theirs| *theirs != own)?;
    Some((Verdict::Warn, Finding::OtherVersion { theirs: theirs.to_owned(), own: own.to_owned() }))
}

fn held(lacking: &[String], asked: usize, missing: Verdict) -> (Verdict, Finding) {
    if lacking.is_empty() {
        return (Verdict::Pass, Finding::RightsHeld { count: asked });
    }
    (missing, Finding::RightsMissing { rights: lacking.to_vec() })
}

fn skewed(skew_ms: i64) -> (Verdict, Finding) {
    let finding = || Finding::Skewed { seconds: skew_ms / 1000 };
    match skew_ms.abs() {
        off if off <= SKEW_WARN_MS => (Verdict::Pass, Finding::InStep),
        off if off <= SKEW_FAIL_MS => (Verdict::Warn, finding()),
        _ => (Verdict::Fail, finding()),
    }
}

fn lease(found: Option<&Lease>) -> (Verdict, Finding) {
    let nobody = |holder, seconds| (Verdict::Fail, Finding::NobodyLeads { holder, seconds });
    let Some(lease) = found else { return nobody(None, None) };
    match (&lease.holder, lease.age_seconds) {
        (Some(holder), Some(seconds)) if seconds <= lease.duration_seconds => {
            (Verdict::Pass, Finding::Held { holder: holder.clone(), seconds: seconds.max(0) })
        }
        (holder, seconds) => nobody(holder.clone(), seconds),
    }
}

fn policies(found: Policies, freeze_growth: Option<bool>) -> Vec<(Verdict, Finding)> {
    const VALIDATING: [&str; 2] = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
    const MUTATING: [&str; 2] = ["MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"];
    let missing = |(policy, binding): (bool, bool), kinds: [&str; 2], name: &str| -> Vec<String> {
        let lacking = [(policy, kinds[0]), (binding, kinds[1])];
        lacking.into_iter().filter(|(there, _)| !there).map(|(_, kind)| format!("{kind} {name}")).collect()
    };
    let mut all = Vec::new();
    let freeze = missing(found.freeze, VALIDATING, super::look::FREEZE_POLICY);
    let action = "FreezeGrowth";
    match (freeze_growth, freeze.len()) {
        (Some(false), 2) => all.push((Verdict::Pass, Finding::PolicyLeftOut { action })),
        (Some(false), _) => all.push((Verdict::Warn, Finding::PolicyUnused { action })),
        // The operator takes the action for one that can be carried out.
        (_, 1..) => all.push((Verdict::Fail, Finding::PolicyMissing { objects: freeze, action })),
        _ => {}
    }
    let hold = missing(found.hold, MUTATING, super::look::HOLD_POLICY);
    let action = "HoldBatch";
    match hold.len() {
        0 => {}
        // Nobody was told whether it is wanted; without it only new Jobs slip through.
        2 => all.push((Verdict::Warn, Finding::PolicyLeftOut { action })),
        _ => all.push((Verdict::Fail, Finding::PolicyMissing { objects: hold, action })),
    }
    let mut waivers = missing(found.author, MUTATING, super::look::AUTHOR_POLICY);
    waivers.extend(missing(found.approval, VALIDATING, super::look::APPROVAL_POLICY));
    if !waivers.is_empty() {
        // Whatever else there is: an approval is then anybody's who may change Waivers.
        all.push((Verdict::Fail, Finding::WaiversUnguarded { objects: waivers }));
    }
    let mut parameters = missing(found.validating_parameters, VALIDATING, super::look::PARAMETERS_POLICY);
    parameters.extend(missing(found.mutating_parameters, MUTATING, super::look::PARAMETERS_POLICY));
    if !parameters.is_empty() {
        // Nothing is lost as long as another policy with parameters stays bound.
        all.push((Verdict::Warn, Finding::ParametersUnkept { objects: parameters }));
    }
    if all.is_empty() {
        all.push((Verdict::Pass, Finding::PoliciesInPlace));
    }
    all
}

fn monitoring(missing: Option<&[&'static str]>) -> (Verdict, Finding) {
    match missing {
        None => (Verdict::Pass, Finding::NotServed),
        Some([]) => (Verdict::Pass, Finding::Monitored),
        Some(kinds) => (Verdict::Warn, Finding::MonitoringMissing { kinds: kinds.to_vec() }),
    }
}

fn clock_of(server: &Server) -> Option<(Verdict, Finding)> {
    server.told.as_ref().ok()?.skew_ms.map(skewed)
}

fn retention(server: &Server) -> (Verdict, Finding) {
    let Server { told, ledger_days, needed_days: needed, .. } = server;
    let (ledger_days, needed) = (*ledger_days, *needed);
    match told {
        Err(message) => unread(message),
        Ok(told) => match told.retention_days {
            None => (Verdict::Unknown, Finding::NotTold),
            Some(days) if days < needed => (Verdict::Fail, Finding::TooBrief { days, needed }),
            Some(days) if days < needed + SPARE_DAYS => {
                (Verdict::Warn, Finding::KeptBriefly { days, needed })
            }
            Some(days) => (Verdict::Pass, Finding::Kept { days, ledger_days }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::facts::{Told, needed_days};

    fn verdicts(facts: &Facts) -> Vec<(Check, Verdict)> {
        judge(facts).into_iter().map(|found| (found.check, found.verdict)).collect()
    }

    #[test]
    fn versions_below_the_oldest_fail_and_those_that_were_not_tested_warn() {
        let of = |major, minor| version(major, minor, "v").0;
        assert_eq!(of(1, 35), Verdict::Fail);
        assert_eq!(of(1, 36), Verdict::Pass);
        assert_eq!(of(1, 37), Verdict::Pass);
        assert_eq!(of(1, 38), Verdict::Warn);
        assert_eq!(of(2, 0), Verdict::Warn);
    }

    #[test]
    fn a_definition_that_lacks_a_field_fails_and_one_that_has_more_warns() {
        let drift = |missing: &[&str], extra: &[&str]| Drift {
            established: true,
            missing: missing.iter().map(|&field| field.to_owned()).collect(),
            extra: extra.iter().map(|&field| field.to_owned()).collect(),
        };
        assert_eq!(schema(None).0, Verdict::Fail);
        assert_eq!(schema(Some(&Drift::default())), (Verdict::Fail, Finding::SchemaNotServed));
        assert_eq!(schema(Some(&drift(&[], &[]))).0, Verdict::Pass);
        assert_eq!(schema(Some(&drift(&[], &["spec.x"]))).0, Verdict::Warn);
        let (verdict, finding) = schema(Some(&drift(&["a", "b", "c", "d"], &["x"])));
        assert_eq!(verdict, Verdict::Fail);
        assert_eq!(
            finding,
            Finding::SchemaOlder { fields: vec!["a".into(), "b".into(), "c".into()], count: 4 }
        );
    }

    #[test]
    fn a_right_that_the_operator_lacks_fails_and_one_that_the_caller_lacks_warns() {
        let lacking = Some(Ok((vec!["list nodes".to_owned()], 9)));
        let facts = Facts { operator_rights: lacking.clone(), caller_rights: lacking, ..Facts::default() };
        assert_eq!(
            verdicts(&facts),
            [(Check::OperatorRights, Verdict::Fail), (Check::CallerRights, Verdict::Warn)]
        );
        let unasked = Facts { operator_rights: Some(Err("may not ask".into())), ..Facts::default() };
        assert_eq!(verdicts(&unasked), [(Check::OperatorRights, Verdict::Unknown)]);
    }

    #[test]
    fn clocks_are_in_step_within_what_a_date_can_tell() {
        for (skew, verdict) in
            [(0, Verdict::Pass), (-5_000, Verdict::Pass), (5_001, Verdict::Warn), (-61_000, Verdict::Fail)]
        {
            assert_eq!(skewed(skew).0, verdict, "{skew}");
        }
    }

    #[test]
    fn a_lease_that_ran_out_was_given_up_or_never_taken_means_that_nobody_leads() {
        let held = |holder: Option<&str>, age_seconds| {
            let holder = holder.map(str::to_owned);
            lease(Some(&Lease { holder, age_seconds, duration_seconds: 15 })).0
        };
        assert_eq!(held(Some("a"), Some(15)), Verdict::Pass);
        assert_eq!(held(Some("a"), Some(16)), Verdict::Fail);
        assert_eq!(held(None, Some(1)), Verdict::Fail);
        assert_eq!(held(Some("a"), None), Verdict::Fail);
        assert_eq!(lease(None).0, Verdict::Fail);
    }

    const IN_PLACE: Policies = Policies {
        freeze: (true, true),
        hold: (true, true),
        author: (true, true),
        approval: (true, true),
        validating_parameters: (true, true),
        mutating_parameters: (true, true),
    };

    #[test]
    fn a_policy_without_its_binding_fails_and_one_that_was_left_out_is_known() {
        let all = |freeze, hold, flag| {
            policies(Policies { freeze, hold, ..IN_PLACE }, flag)
                .into_iter()
                .map(|(verdict, _)| verdict)
                .collect::<Vec<_>>()
        };
        let (both, none) = ((true, true), (false, false));
        assert_eq!(all(both, both, Some(true)), [Verdict::Pass]);
        assert_eq!(all((true, false), both, Some(true)), [Verdict::Fail]);
        assert_eq!(all(none, both, Some(true)), [Verdict::Fail]);
        assert_eq!(all(none, both, None), [Verdict::Fail]);
        assert_eq!(all(none, both, Some(false)), [Verdict::Pass]);
        assert_eq!(all(both, both, Some(false)), [Verdict::Warn]);
        assert_eq!(all(both, none, Some(true)), [Verdict::Warn]);
        assert_eq!(all(both, (true, false), Some(true)), [Verdict::Fail]);
    }

    #[test]
    fn waivers_are_guarded_by_both_policies_with_their_bindings() {
        let both = (true, true);
        for (author, approval, lacking) in [
            (both, both, 0),
            ((true, false), both, 1),
            (both, (false, true), 1),
            ((false, false), (false, false), 4),
        ] {
            let found = policies(Policies { author, approval, ..IN_PLACE }, Some(true));
            match (&found[0], lacking) {
                ((Verdict::Pass, Finding::PoliciesInPlace), 0) => {}
                ((Verdict::Fail, Finding::WaiversUnguarded { objects }), lacking) => {
                    assert_eq!(objects.len(), lacking, "{objects:?}");
                }
                (other, _) => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_keeps_parameters_read_warns_as_long_as_nothing_is_lost() {
        let unkept = Policies { mutating_parameters: (true, false), ..IN_PLACE };
        let objects = vec!["MutatingAdmissionPolicyBinding banyan-parameters-in-use".to_owned()];
        assert_eq!(policies(unkept, Some(true)), [(Verdict::Warn, Finding::ParametersUnkept { objects })]);
        let absent = Policies { validating_parameters: (false, false), ..unkept };
        let found = policies(absent, Some(true));
        assert!(
            matches!(&found[..], [(Verdict::Warn, Finding::ParametersUnkept { objects })] if objects.len() == 3),
            "{found:?}"
        );
    }

    #[test]
    fn a_deployment_is_ready_with_all_its_replicas_and_in_this_version() {
        let of = |ready_replicas, version: &str| {
            let found = Deployment { ready: ready_replicas, wanted: 2, version: Some(version.to_owned()) };
            (ready(&found).0, other_version(&found, "1").map(|(verdict, _)| verdict))
        };
        assert_eq!(of(2, "1"), (Verdict::Pass, None));
        assert_eq!(of(1, "1"), (Verdict::Warn, None));
        assert_eq!(of(0, "1"), (Verdict::Fail, None));
        assert_eq!(of(2, "2"), (Verdict::Pass, Some(Verdict::Warn)));
    }

    #[test]
    fn monitoring_that_is_not_served_is_no_fault() {
        assert_eq!(monitoring(None).0, Verdict::Pass);
        assert_eq!(monitoring(Some(&[])).0, Verdict::Pass);
        assert_eq!(monitoring(Some(&["PrometheusRule"])).0, Verdict::Warn);
    }

    #[test]
    fn a_retention_must_outlast_the_days_that_are_still_open() {
        // Quarters of an hour: the day, one before it, three in which it is open, and a part of one.
        assert_eq!(needed_days(3, 1_125_000), 6);
        // A meter that is read once a week closes a day 8.75 days later.
        assert_eq!(needed_days(3, 756_000_000), 14);
        let of = |told| {
            let server = Server { site: "a".into(), told, ledger_days: 100, needed_days: 6 };
            retention(&server).0
        };
        let kept = |days| Ok(Told { retention_days: Some(days), skew_ms: None });
        assert_eq!(of(kept(5)), Verdict::Fail);
        assert_eq!(of(kept(6)), Verdict::Warn);
        assert_eq!(of(kept(12)), Verdict::Warn);
        assert_eq!(of(kept(13)), Verdict::Pass);
        assert_eq!(of(Ok(Told::default())), Verdict::Unknown);
        assert_eq!(of(Err("no answer".into())), Verdict::Unknown);
    }
}
