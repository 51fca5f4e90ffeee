//! `banyan rules`.

use std::process::ExitCode;

use super::print;
use crate::datacenter::ALERTS;

/// Where the runbooks are, as the rule file says.
const RUNBOOKS: &str = "https://github.com/banyan-dev/banyan/blob/main/docs/runbooks/";

/// Arguments of `banyan rules`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Base address of the runbook pages, for networks in which the public one cannot be reached.
    #[arg(long, value_name = "URL")]
    runbook_base: Option<String>,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    match &args.runbook_base {
        None => print(ALERTS)?,
        Some(base) => print(&ALERTS.replace(RUNBOOKS, &format!("{}/", base.trim_end_matches('/'))))?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_alert_has_a_runbook_under_the_base_that_is_replaced() {
        let file: serde_json::Value = serde_yaml::from_str(ALERTS).unwrap();
        let mut alerts = 0;
        for group in file["groups"].as_array().unwrap() {
            for rule in group["rules"].as_array().unwrap() {
                let Some(alert) = rule["alert"].as_str() else { continue };
                alerts += 1;
                assert_eq!(rule["annotations"]["runbook_url"], format!("{RUNBOOKS}{alert}.md"), "{alert}");
                let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
                    .join(format!("../docs/runbooks/{alert}.md"));
                assert!(page.exists(), "{alert} has no page {}", page.display());
            }
        }
        assert!(alerts >= 6);
    }
}
