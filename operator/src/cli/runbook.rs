//! `banyan runbook`: what to do about an alert, also where no documentation can be reached.

use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use serde::Deserialize;

use super::{print, rules, table};
use crate::{lang::Lang, t};

/// A page in both languages, by the name of its alert.
struct Page {
    alert: &'static str,
    en: &'static str,
    zh: &'static str,
}

macro_rules! pages {
    ($($alert:literal),* $(,)?) => {
        /// Every page, in the order of the rule file.
        const PAGES: &[Page] = &[$(Page {
            alert: $alert,
            en: include_str!(concat!("../../../docs/runbooks/", $alert, ".md")),
            zh: include_str!(concat!("../../../docs/zh/runbooks/", $alert, ".md")),
        }),*];
        const NAMES: &[&str] = &[$($alert),*];
    };
}

pages![
    "BanyanPueAboveTarget",
    "BanyanPueLongAndShortViolated",
    "BanyanPueAnnualAtRisk",
    "BanyanPueDataGap",
    "BanyanMeterReset",
    "BanyanPueBelowOne",
    "BanyanInletTemperatureHigh",
    "BanyanEnforcementRefused",
    "BanyanNoLeader",
    "BanyanReconcileErrors",
    "BanyanBaselineNewHighRisk",
    "BanyanBaselineFalling",
    "BanyanWaiverExpiring",
    "BanyanAttestationExpiring",
    "BanyanBaselineEvaluationFailing",
];

/// Arguments of `banyan runbook`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Name of the alert; all alerts with their summaries by default.
    #[arg(value_parser = PossibleValuesParser::new(NAMES), ignore_case = true, hide_possible_values = true)]
    alert: Option<String>,
}

pub fn run(args: &Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let page =
        args.alert.as_ref().and_then(|name| PAGES.iter().find(|page| page.alert.eq_ignore_ascii_case(name)));
    match (page, lang) {
        (None, _) => print(&list(&rules()?, lang))?,
        (Some(page), Lang::En) => print(page.en)?,
        (Some(page), Lang::Zh) => print(page.zh)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What the list takes from the rule file.
#[derive(Debug, Deserialize)]
struct Rule {
    alert: String,
    labels: Labels,
    annotations: Annotations,
}

#[derive(Debug, Deserialize)]
struct Labels {
    severity: Severity,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    fn name(self, lang: Lang) -> String {
        match self {
            Self::Info => t!(lang, "severity-info"),
            Self::Warning => t!(lang, "severity-warning"),
            Self::Critical => t!(lang, "severity-critical"),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Annotations {
    summary: String,
    summary_zh: String,
}

/// The alerts of the rule file, in its order.
fn rules() -> anyhow::Result<Vec<Rule>> {
    #[derive(Deserialize)]
    struct File {
        groups: Vec<Group>,
    }
    #[derive(Deserialize)]
    struct Group {
        rules: Vec<Rule>,
    }
    let file: File = serde_yaml::from_str(&rules::all())?;
    Ok(file.groups.into_iter().flat_map(|group| group.rules).collect())
}

/// A line for each alert and severity.
fn list(rules: &[Rule], lang: Lang) -> String {
    let header = [t!(lang, "runbook-alert"), t!(lang, "runbook-severity"), t!(lang, "runbook-says")];
    let row = |rule: &Rule| {
        let Annotations { summary, summary_zh } = &rule.annotations;
        let says = match lang {
            Lang::En => summary,
            Lang::Zh => summary_zh,
        };
        vec![rule.alert.clone(), rule.labels.severity.name(lang), says.clone()]
    };
    table::render(&header, &rules.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_a_page_in_both_languages_and_no_page_is_of_none() {
        let mut alerts: Vec<String> = rules().unwrap().into_iter().map(|rule| rule.alert).collect();
        alerts.dedup();
        assert_eq!(alerts, NAMES);
        for Page { alert, en, zh } in PAGES {
            for text in [en, zh] {
                assert!(text.starts_with(&format!("# {alert}\n")), "{alert}: another page");
            }
            assert!(zh.contains("## 含义\n") && !en.contains("## 含义\n"), "{alert}: another language");
        }
        for folder in ["docs/runbooks", "docs/zh/runbooks"] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
            for entry in std::fs::read_dir(path).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                let alert = name.trim_end_matches(".md");
                assert!(alert == "README" || NAMES.contains(&alert), "{folder}/{name} is of no alert");
            }
        }
    }

    /// The page names the severities that the rules give, as the list does.
    #[test]
    fn a_page_names_the_severity_of_its_alert() {
        for rule in rules().unwrap() {
            let page = PAGES.iter().find(|page| page.alert == rule.alert).unwrap();
            for (lang, text) in [(Lang::En, page.en), (Lang::Zh, page.zh)] {
                let severity = format!("*{}*", rule.labels.severity.name(lang));
                let line = text.lines().nth(2).unwrap();
                assert!(line.contains(&severity), "{} ({lang}) does not say {severity}: {line}", rule.alert);
            }
        }
    }

    #[test]
    fn the_list_says_what_each_alert_says() {
        let rules = rules().unwrap();
        let english = list(&rules, Lang::En);
        assert!(english.starts_with("ALERT "), "{english}");
        assert!(english.contains("critical  No replica of Banyan leads, or none is scraped.\n"), "{english}");
        let chinese = list(&rules, Lang::Zh);
        assert!(chinese.contains("严重  Banyan 没有主实例，或未被采集。\n"), "{chinese}");
        assert_eq!(english.lines().count(), rules.len() + 1);
    }
}
