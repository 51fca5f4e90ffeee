//! What was found, in the languages of people: what was seen, and what to do about it.

use super::{Check, Finding, Found, NEWEST_MINOR, OLDEST_MINOR, SKEW_FAIL_MS, Verdict};
use crate::{lang::Lang, t};

/// A verdict.
pub fn verdict(lang: Lang, verdict: Verdict) -> String {
    match verdict {
        Verdict::Pass => t!(lang, "doctor-pass"),
        Verdict::Warn => t!(lang, "doctor-warn"),
        Verdict::Fail => t!(lang, "doctor-fail"),
        Verdict::Unknown => t!(lang, "doctor-unknown"),
    }
}

/// What is checked.
pub fn check(lang: Lang, check: Check) -> String {
    match check {
        Check::Server => t!(lang, "doctor-check-server"),
        Check::Crds => t!(lang, "doctor-check-crds"),
        Check::Deployment => t!(lang, "doctor-check-deployment"),
        Check::OperatorRights => t!(lang, "doctor-check-operator-rights"),
        Check::CallerRights => t!(lang, "doctor-check-caller-rights"),
        Check::Clock => t!(lang, "doctor-check-clock"),
        Check::Lease => t!(lang, "doctor-check-lease"),
        Check::Policies => t!(lang, "doctor-check-policies"),
        Check::Monitoring => t!(lang, "doctor-check-monitoring"),
        Check::PrometheusClock => t!(lang, "doctor-check-prometheus-clock"),
        Check::Retention => t!(lang, "doctor-check-retention"),
    }
}

/// What was seen, without figures that move from look to look.
pub fn steady(lang: Lang, found: &Found) -> String {
    match &found.finding {
        Finding::Skewed { .. } => {
            let what = check(lang, found.check);
            t!(lang, "doctor-skewed-steady", what = what, limit = SKEW_FAIL_MS / 1000)
        }
        _ => seen(lang, found),
    }
}

/// What was seen.
pub fn seen(lang: Lang, found: &Found) -> String {
    let text = |words: &[String]| {
        words.join(match lang {
            Lang::En => ", ",
            Lang::Zh => "、",
        })
    };
    match &found.finding {
        Finding::Unread { message } => t!(lang, "doctor-unread", message = message.as_str()),
        Finding::Version { version } => t!(lang, "doctor-version", version = version.as_str()),
        Finding::TooOld { version } => {
            t!(lang, "doctor-too-old", version = version.as_str(), oldest = format!("1.{OLDEST_MINOR}"))
        }
        Finding::Untested { version } => t!(
            lang,
            "doctor-untested",
            version = version.as_str(),
            oldest = format!("1.{OLDEST_MINOR}"),
            newest = format!("1.{NEWEST_MINOR}")
        ),
        Finding::SchemaEqual => t!(lang, "doctor-schema-equal"),
        Finding::SchemaAbsent => t!(lang, "doctor-schema-absent"),
        Finding::SchemaNotServed => t!(lang, "doctor-schema-not-served"),
        Finding::SchemaOlder { fields, count } => {
            t!(lang, "doctor-schema-older", fields = text(fields), count = *count)
        }
        Finding::SchemaNewer { fields, count } => {
            t!(lang, "doctor-schema-newer", fields = text(fields), count = *count)
        }
        Finding::RightsHeld { count } => t!(lang, "doctor-rights-held", count = *count),
        Finding::RightsMissing { rights } => t!(lang, "doctor-rights-missing", rights = text(rights)),
        Finding::InStep => t!(lang, "doctor-in-step"),
        Finding::Skewed { seconds } => t!(lang, "doctor-skewed", seconds = seconds.to_string()),
        Finding::Held { holder, seconds } => {
            t!(lang, "doctor-held", holder = holder.as_str(), seconds = *seconds)
        }
        Finding::NobodyLeads { seconds: Some(seconds), .. } => {
            t!(lang, "doctor-nobody-since", seconds = *seconds)
        }
        Finding::NobodyLeads { seconds: None, .. } => t!(lang, "doctor-nobody"),
        Finding::PoliciesInPlace => t!(lang, "doctor-policies"),
        Finding::PolicyMissing { objects, action } => {
            t!(lang, "doctor-policy-missing", objects = text(objects), action = *action)
        }
        Finding::PolicyLeftOut { action } => t!(lang, "doctor-policy-left-out", action = *action),
        Finding::PolicyUnused { action } => t!(lang, "doctor-policy-unused", action = *action),
        Finding::WaiversUnguarded { objects } => {
            t!(lang, "doctor-waivers-unguarded", objects = text(objects))
        }
        Finding::ParametersUnkept { objects } => {
            t!(lang, "doctor-parameters-unkept", objects = text(objects))
        }
        Finding::Monitored => t!(lang, "doctor-monitored"),
        Finding::NotServed => t!(lang, "doctor-not-served"),
        Finding::MonitoringMissing { kinds } => {
            let kinds: Vec<_> = kinds.iter().map(|&kind| kind.to_owned()).collect();
            t!(lang, "doctor-monitoring-missing", kinds = text(&kinds))
        }
        Finding::Ready { ready, version } => {
            t!(lang, "doctor-ready", ready = *ready, version = version.as_str())
        }
        Finding::NoDeployment => t!(lang, "doctor-no-deployment"),
        Finding::NotReady { ready, wanted } => t!(lang, "doctor-not-ready", ready = *ready, wanted = *wanted),
        Finding::OtherVersion { theirs, own } => {
            t!(lang, "doctor-other-version", theirs = theirs.as_str(), own = own.as_str())
        }
        Finding::Kept { days, ledger_days } => {
            t!(lang, "doctor-kept", days = *days, ledger = *ledger_days)
        }
        Finding::KeptBriefly { days, needed } | Finding::TooBrief { days, needed } => {
            t!(lang, "doctor-brief", days = *days, needed = *needed)
        }
        Finding::NotTold => t!(lang, "doctor-not-told"),
    }
}

/// What to do; none where there is nothing to do.
pub fn remedy(lang: Lang, found: &Found) -> Option<String> {
    Some(match &found.finding {
        Finding::Unread { .. } => match found.check {
            Check::Retention | Check::PrometheusClock => t!(lang, "doctor-do-reach-prometheus"),
            _ => t!(lang, "doctor-do-look"),
        },
        Finding::TooOld { .. } => t!(lang, "doctor-do-upgrade-server"),
        Finding::Untested { .. } => t!(lang, "doctor-do-try"),
        Finding::SchemaAbsent | Finding::SchemaOlder { .. } => t!(lang, "doctor-do-apply-crds"),
        Finding::SchemaNotServed => t!(lang, "doctor-do-describe-crd"),
        Finding::SchemaNewer { .. } => t!(lang, "doctor-do-upgrade-cli"),
        Finding::RightsMissing { .. } => match found.check {
            Check::OperatorRights => t!(lang, "doctor-do-upgrade-chart"),
            _ => t!(lang, "doctor-do-ask-rights"),
        },
        Finding::Skewed { .. } => t!(lang, "doctor-do-clock"),
        Finding::NobodyLeads { .. } | Finding::NotReady { .. } => t!(lang, "doctor-do-pods"),
        Finding::NoDeployment => t!(lang, "doctor-do-install"),
        Finding::PolicyMissing { .. }
        | Finding::WaiversUnguarded { .. }
        | Finding::ParametersUnkept { .. } => {
            t!(lang, "doctor-do-upgrade-chart")
        }
        Finding::PolicyLeftOut { action: "HoldBatch" } => t!(lang, "doctor-do-hold-batch"),
        Finding::PolicyUnused { .. } => t!(lang, "doctor-do-freeze-growth"),
        Finding::NotServed => t!(lang, "doctor-do-rules"),
        Finding::MonitoringMissing { .. } => t!(lang, "doctor-do-monitoring"),
        Finding::OtherVersion { .. } => t!(lang, "doctor-do-same-version"),
        Finding::KeptBriefly { .. } | Finding::TooBrief { .. } => t!(lang, "doctor-do-retention"),
        Finding::NotTold => t!(lang, "doctor-do-not-told"),
        Finding::Version { .. }
        | Finding::SchemaEqual
        | Finding::RightsHeld { .. }
        | Finding::InStep
        | Finding::Held { .. }
        | Finding::PoliciesInPlace
        | Finding::PolicyLeftOut { .. }
        | Finding::Monitored
        | Finding::Ready { .. }
        | Finding::Kept { .. } => return None,
    })
}
