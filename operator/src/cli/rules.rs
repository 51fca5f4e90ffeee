//! `banyan rules`.

use std::process::ExitCode;

use super::print;
use crate::datacenter;

/// The alert rules of security baselines.
const BASELINE: &str = include_str!("../baseline/alerts.yaml");

/// Where the runbooks are, as the rule file says.
const RUNBOOKS: &str = "https://github.com/banyan-dev/banyan/blob/main/docs/runbooks/";

/// Arguments of `banyan rules`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Base address of the runbook pages, for networks in which the public one cannot be reached.
    #[arg(long, value_name = "URL")]
    runbook_base: Option<String>,
}

/// The rules of all rooms in one file: each room's is a whole one, of which the groups go behind those of the others.
pub(super) fn all() -> String {
    let groups = BASELINE.split_once("\ngroups:\n").map_or(BASELINE, |(_, groups)| groups);
    format!("{}\n{groups}", datacenter::ALERTS)
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let all = all();
    match &args.runbook_base {
        None => print(&all)?,
        Some(base) => print(&all.replace(RUNBOOKS, &format!("{}/", base.trim_end_matches('/'))))?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    /// The rules that are alerts.
    fn alerts() -> Vec<Value> {
        let file: Value = serde_yaml::from_str(&all()).unwrap();
        let groups = file["groups"].as_array().unwrap();
        let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
        let alerts: Vec<_> = rules.filter(|rule| rule["alert"].is_string()).cloned().collect();
        assert!(alerts.len() >= 17);
        alerts
    }

    /// What a template takes from the alert: `$value`, `$labels.…`.
    fn variables(template: &str) -> BTreeSet<&str> {
        let words =
            template.split(|letter: char| !(letter.is_ascii_alphanumeric() || "$._".contains(letter)));
        words.filter(|word| word.starts_with('$')).collect()
    }

    #[test]
    fn every_alert_has_a_runbook_under_the_base_that_is_replaced() {
        for rule in alerts() {
            let alert = rule["alert"].as_str().unwrap();
            assert_eq!(rule["annotations"]["runbook_url"], format!("{RUNBOOKS}{alert}.md"), "{alert}");
        }
    }

    #[test]
    fn every_alert_speaks_english_and_chinese_of_the_same_things() {
        let expected =
            BTreeSet::from(["summary", "description", "summary_zh", "description_zh", "runbook_url"]);
        let chinese =
            |text: &str| text.chars().filter(|letter| ('\u{4e00}'..='\u{9fff}').contains(letter)).count();
        for rule in alerts() {
            let alert = rule["alert"].as_str().unwrap();
            let annotations = rule["annotations"].as_object().unwrap();
            assert_eq!(annotations.keys().map(String::as_str).collect::<BTreeSet<_>>(), expected, "{alert}");
            let text = |key: &str| annotations[key].as_str().unwrap();
            for summary in ["summary", "summary_zh"] {
                assert!(
                    !text(summary).contains("{{"),
                    "{alert}: {summary} is not the same for all its alerts"
                );
            }
            assert_eq!(variables(text("description")), variables(text("description_zh")), "{alert}");
            for (english, translation) in [("summary", "summary_zh"), ("description", "description_zh")] {
                assert_eq!(chinese(text(english)), 0, "{alert}: {english}");
                assert!(chinese(text(translation)) >= 5, "{alert}: {translation} is not Chinese");
                assert!(
                    text(translation).ends_with('。'),
                    "{alert}: {translation} does not end as a sentence"
                );
                assert!(!text(translation).contains("。 "), "{alert}: {translation} has a line break in it");
            }
        }
    }

    #[test]
    fn every_metric_of_a_rule_is_documented() {
        let page = include_str!("../../../docs/metrics.md");
        for rule in alerts() {
            let expr = rule["expr"].as_str().unwrap();
            let words = expr.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
            for metric in words.filter(|word| word.starts_with("banyan_")) {
                assert!(page.contains(&format!("`{metric}`")), "{} uses {metric}", rule["alert"]);
            }
        }
    }

    /// What routes an alert is on it: the site and the district, or neither.
    #[test]
    fn every_alert_about_a_site_takes_the_district_along_and_is_never_lost_for_it() {
        for rule in alerts() {
            let (alert, expr) = (rule["alert"].as_str().unwrap(), rule["expr"].as_str().unwrap());
            if expr.contains("data_center") {
                let join = ") * on (data_center) group_left (district) (\n";
                let (_, join) = expr.split_once(join).unwrap_or_else(|| panic!("{alert} has no district"));
                let without = "or on (data_center) group by (data_center) (banyan_datacenter_";
                assert!(join.contains(without), "{alert} is lost where the district is not known");
            }
        }
    }
}
