//! What the reasons of conditions mean, in the languages of people.

use super::Lang;
use crate::t;

/// The meaning of a condition's reason; none for a word that is not one of this version's.
pub fn meaning(lang: Lang, reason: &str) -> Option<String> {
    Some(match reason {
        "Reconciled" => t!(lang, "reason-reconciled"),
        "Suspended" => t!(lang, "reason-suspended"),
        "InvalidSpec" => t!(lang, "reason-invalid-spec"),
        "LedgerUnreadable" => t!(lang, "reason-ledger-unreadable"),
        "DuplicateCluster" => t!(lang, "reason-duplicate-cluster"),
        "OtherCluster" => t!(lang, "reason-other-cluster"),
        "KubeconfigRefused" => t!(lang, "reason-kubeconfig-refused"),
        "KubeconfigUnreadable" => t!(lang, "reason-kubeconfig-unreadable"),
        "ClusterUnreachable" => t!(lang, "reason-cluster-unreachable"),
        "ThisCluster" => t!(lang, "reason-this-cluster"),
        "AnotherCluster" => t!(lang, "reason-another-cluster"),
        "Forbidden" => t!(lang, "reason-forbidden"),
        "Conflict" => t!(lang, "reason-conflict"),
        "Invalid" => t!(lang, "reason-invalid"),
        "HeldByAnother" => t!(lang, "reason-held-by-another"),
        "LoanUnreadable" => t!(lang, "reason-loan-unreadable"),
        "ApiServerTimeout" => t!(lang, "reason-api-server-timeout"),
        "ApiServerUnreachable" => t!(lang, "reason-api-server-unreachable"),
        "ApiServerRefused" => t!(lang, "reason-api-server-refused"),
        "NotLeading" => t!(lang, "reason-not-leading"),
        "Uncontested" => t!(lang, "reason-uncontested"),
        "FieldManagerFight" => t!(lang, "reason-field-manager-fight"),
        "Healthy" => t!(lang, "reason-healthy"),
        "Stale" => t!(lang, "reason-stale"),
        "Faulty" => t!(lang, "reason-faulty"),
        "NoSeries" => t!(lang, "reason-no-series"),
        "PrometheusUnreachable" => t!(lang, "reason-prometheus-unreachable"),
        "PrometheusUntrusted" => t!(lang, "reason-prometheus-untrusted"),
        "PrometheusTimeout" => t!(lang, "reason-prometheus-timeout"),
        "PrometheusUnauthorized" => t!(lang, "reason-prometheus-unauthorized"),
        "PrometheusRedirected" => t!(lang, "reason-prometheus-redirected"),
        "PrometheusFailed" => t!(lang, "reason-prometheus-failed"),
        "PrometheusMisconfigured" => t!(lang, "reason-prometheus-misconfigured"),
        "NotPrometheus" => t!(lang, "reason-not-prometheus"),
        "AnswerTooLarge" => t!(lang, "reason-answer-too-large"),
        "PartialAnswer" => t!(lang, "reason-partial-answer"),
        "BadQuery" => t!(lang, "reason-bad-query"),
        "MultipleSeries" => t!(lang, "reason-multiple-series"),
        "ReferenceNotFound" => t!(lang, "reason-reference-not-found"),
        "SecretIncomplete" => t!(lang, "reason-secret-incomplete"),
        "SecretRefused" => t!(lang, "reason-secret-refused"),
        "ConfigMapIncomplete" => t!(lang, "reason-config-map-incomplete"),
        "Valid" => t!(lang, "reason-valid"),
        "MeterAbsent" => t!(lang, "reason-meter-absent"),
        "LowCoverage" => t!(lang, "reason-low-coverage"),
        "MeterSuspect" => t!(lang, "reason-meter-suspect"),
        "NegativeFacility" => t!(lang, "reason-negative-facility"),
        "NoITLoad" => t!(lang, "reason-no-it-load"),
        "BetterThanPerfect" => t!(lang, "reason-better-than-perfect"),
        "AboveTen" => t!(lang, "reason-above-ten"),
        "NoData" => t!(lang, "reason-no-data"),
        "WithinTarget" => t!(lang, "reason-within-target"),
        "AtRisk" => t!(lang, "reason-at-risk"),
        "OperationalViolated" => t!(lang, "reason-operational-violated"),
        "AnnualViolated" => t!(lang, "reason-annual-violated"),
        "OperationalUnknown" => t!(lang, "reason-operational-unknown"),
        "AnnualUnknown" => t!(lang, "reason-annual-unknown"),
        "Clear" => t!(lang, "reason-clear"),
        "Observing" => t!(lang, "reason-observing"),
        "NothingToDo" => t!(lang, "reason-nothing-to-do"),
        "NotRequested" => t!(lang, "reason-not-requested"),
        "Disabled" => t!(lang, "reason-disabled"),
        "Deleting" => t!(lang, "reason-deleting"),
        "WouldRaisePUE" => t!(lang, "reason-would-raise-pue"),
        "NotSure" => t!(lang, "reason-not-sure"),
        "PolicyMissing" => t!(lang, "reason-policy-missing"),
        "NotCarriedOut" => t!(lang, "reason-not-carried-out"),
        "Maintenance" => t!(lang, "reason-maintenance"),
        "VerdictUnknown" => t!(lang, "reason-verdict-unknown"),
        "Enforcing" => t!(lang, "reason-enforcing"),
        "Undoing" => t!(lang, "reason-undoing"),
        "WithinRecommended" => t!(lang, "reason-within-recommended"),
        "AboveRecommended" => t!(lang, "reason-above-recommended"),
        "BelowRecommended" => t!(lang, "reason-below-recommended"),
        "TooHot" => t!(lang, "reason-too-hot"),
        "TooCold" => t!(lang, "reason-too-cold"),
        "HumidityOutsideClass" => t!(lang, "reason-humidity-outside-class"),
        "NoReading" => t!(lang, "reason-no-reading"),
        "Counted" => t!(lang, "reason-counted"),
        "Sound" => t!(lang, "reason-sound"),
        "ServerTooOld" => t!(lang, "reason-server-too-old"),
        "SchemaOutdated" => t!(lang, "reason-schema-outdated"),
        "RightMissing" => t!(lang, "reason-right-missing"),
        "ClockSkewed" => t!(lang, "reason-clock-skewed"),
        "RetentionTooShort" => t!(lang, "reason-retention-too-short"),
        "NotSound" => t!(lang, "reason-not-sound"),
        "NotLookedAt" => t!(lang, "reason-not-looked-at"),
        "NotANumber" => t!(lang, "reason-not-a-number"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::*;

    /// A constant word such as a reason is.
    fn is_word(text: &str) -> bool {
        text.starts_with(|first: char| first.is_ascii_uppercase())
            && text.chars().all(|letter| letter.is_ascii_alphanumeric())
    }

    #[test]
    fn every_reason_of_the_documented_table_has_a_meaning_in_both_languages() {
        let page = include_str!("../../../docs/datacenter.md");
        let section = page.split("## Conditions and reasons").nth(1).unwrap();
        let rows = section.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
        let mut words = BTreeSet::new();
        for row in rows.take_while(|line| line.starts_with('|')) {
            let (_, reasons) = row.trim_start_matches('|').split_once('|').unwrap();
            words.extend(reasons.split('`').skip(1).step_by(2).filter(|word| is_word(word)));
        }
        // A reason of these would be a cross-reference to a condition.
        words.remove("MetersHealthy");
        assert!(words.len() > 60, "{words:?}");
        for word in words {
            for lang in Lang::ALL {
                assert!(meaning(lang, word).is_some(), "{word} has no meaning");
            }
        }
    }

    #[test]
    fn every_reason_that_the_code_states_has_a_meaning() {
        // Where reasons are made: what states conditions, and the categories of errors that become reasons.
        const MADE: [&str; 9] = [
            "doctor/desk.rs",
            "datacenter/words.rs",
            "datacenter/enforce.rs",
            "datacenter/observe.rs",
            "datacenter/settle.rs",
            "datacenter/thermal.rs",
            "kernel/remote.rs",
            "kernel/writer.rs",
            "prometheus/error.rs",
        ];
        // Words of the API in the same files that are no reasons.
        const OTHER: [&str; 14] = [
            "True",
            "False",
            "Unknown",
            "InstallationSound",
            "Ready",
            "MetersHealthy",
            "PUEValid",
            "PUEWithinTarget",
            "NotEnforcing",
            "ThermalWithinClass",
            "RacksCounted",
            "ClusterIdentified",
            "IT",
            "Success",
        ];
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        for file in MADE {
            let text = fs::read_to_string(source.join(file)).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            for word in code.split('"').skip(1).step_by(2).filter(|word| is_word(word)) {
                assert!(OTHER.contains(&word) || meaning(Lang::En, word).is_some(), "{file}: {word}");
            }
        }
    }
}
