//! `banyan status`: the whole estate as a table.

use std::process::ExitCode;

use banyan_crds::{
    conditions::READY,
    v1alpha1::{DataCenter, DataCenterStatus, EnforcementState, Verdict},
};
use clap::ValueEnum;
use kube::ResourceExt;

use super::{print, table, world};
use crate::{
    datacenter::words::{
        METERS_HEALTHY, NOT_ENFORCING, PUE_VALID, PUE_WITHIN_TARGET, THERMAL_WITHIN_CLASS, UNCONTESTED,
    },
    lang::{Lang, words},
    t,
};

/// Arguments of `banyan status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of sites; all of them by default.
    names: Vec<String>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line a site.
    Table,
    /// The resources as JSON.
    Json,
}

fn header(lang: Lang) -> [String; 11] {
    [
        t!(lang, "status-site"),
        t!(lang, "status-district"),
        t!(lang, "status-pue"),
        t!(lang, "status-target"),
        t!(lang, "status-annual"),
        t!(lang, "status-now"),
        t!(lang, "status-operational"),
        t!(lang, "status-category"),
        t!(lang, "status-coverage"),
        t!(lang, "status-enforcement"),
        t!(lang, "status-ready"),
    ]
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let client = world::connect().await?;
    let mut sites = Vec::new();
    for guarded in world::data_centers(&client).await? {
        match guarded.0 {
            Ok(site) => sites.push(site),
            Err(invalid) => {
                let name = invalid.metadata.name.unwrap_or_default();
                eprintln!("{name} cannot be decoded and is left out: {}", invalid.error);
            }
        }
    }
    let sites = world::pick(sites, &args.names, ResourceExt::name_any)?;
    match args.output {
        Output::Json => print(&format!("{}\n", serde_json::to_string_pretty(&sites)?))?,
        Output::Table if sites.is_empty() => eprintln!("{}", t!(lang, "status-none")),
        Output::Table => print(&text(&sites, lang))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The table, and below it a line for each thing that wants attention.
pub fn text(sites: &[DataCenter], lang: Lang) -> String {
    let rows: Vec<Vec<String>> = sites.iter().map(|site| row(site, lang)).collect();
    let mut text = table::render(&header(lang), &rows);
    let remarks: Vec<String> = sites.iter().filter_map(|site| remark(site, lang)).collect();
    if !remarks.is_empty() {
        text.push('\n');
        text.push_str(&remarks.join("\n"));
        text.push('\n');
    }
    text
}

fn row(dc: &DataCenter, lang: Lang) -> Vec<String> {
    let none = DataCenterStatus::default();
    let status = dc.status.as_ref().unwrap_or(&none);
    let annual = status.annual.as_ref();
    let operational = status.operational.as_ref();
    let dash = || "-".to_owned();
    let pue = annual.and_then(|annual| {
        let value = annual.value.as_ref()?;
        Some(if annual.interim { t!(lang, "status-interim", pue = &*value.0) } else { value.to_string() })
    });
    let enforcement = status.enforcement.as_ref().map(|enforcement| {
        let engaged: Vec<_> =
            enforcement.engaged.iter().map(|engaged| words::action(lang, engaged.action)).collect();
        match enforcement.state {
            // In force or not, nobody looks after it for now.
            EnforcementState::Paused if !engaged.is_empty() => {
                t!(lang, "status-paused", actions = engaged.join("+"))
            }
            state if engaged.is_empty() => words::enforcement(lang, state),
            _ => engaged.join("+"),
        }
    });
    let ready = status.conditions.iter().find(|condition| condition.type_ == READY);
    vec![
        dc.name_any(),
        dc.spec.location.district.clone().unwrap_or_else(dash),
        pue.unwrap_or_else(dash),
        annual.and_then(|annual| annual.target.as_ref()).map_or_else(dash, ToString::to_string),
        annual.map_or_else(dash, |annual| words::verdict(lang, annual.verdict)),
        // The last valid figure says nothing about now while the verdict is Unknown.
        operational
            .filter(|operational| operational.verdict != Verdict::Unknown)
            .and_then(|operational| operational.value.as_ref())
            .map_or_else(dash, ToString::to_string),
        operational.map_or_else(dash, |operational| words::verdict(lang, operational.verdict)),
        annual.and_then(|annual| annual.category).map_or_else(dash, |category| category.to_string()),
        annual.map_or_else(dash, |annual| format!("{}%", annual.coverage_percent)),
        enforcement.unwrap_or_else(dash),
        ready.map_or_else(dash, |ready| words::truth(lang, &ready.status)),
    ]
}

/// The first thing that is not well, by what a reader must know first.
fn remark(dc: &DataCenter, lang: Lang) -> Option<String> {
    let conditions = &dc.status.as_ref()?.conditions;
    let unwell = |kind: &str| {
        conditions
            .iter()
            .find(|condition| condition.type_ == kind && condition.status != "True")
            .map(|condition| &condition.message)
    };
    let refused = || {
        conditions
            .iter()
            .find(|condition| {
                condition.type_ == NOT_ENFORCING
                    && matches!(condition.reason.as_str(), "WouldRaisePUE" | "NotSure")
            })
            .map(|condition| &condition.message)
    };
    let message = unwell(READY)
        .or_else(|| unwell(METERS_HEALTHY))
        .or_else(|| unwell(PUE_VALID))
        .or_else(|| unwell(UNCONTESTED))
        .or_else(refused)
        .or_else(|| unwell(NOT_ENFORCING))
        .or_else(|| unwell(THERMAL_WITHIN_CLASS))
        .or_else(|| unwell(PUE_WITHIN_TARGET))?;
    Some(t!(lang, "status-remark", site = dc.name_any(), message = message.as_str()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_paused_says_so_and_what_stays_in_force() {
        let shown = |state: &str, engaged: &[&str]| {
            let engaged: Vec<_> = engaged
                .iter()
                .map(|action| json!({"action": action, "since": "2026-03-01T00:00:00Z"}))
                .collect();
            let dc: DataCenter = serde_json::from_value(json!({
                "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter", "metadata": {"name": "a"},
                "spec": {"location": {"timeZone": "Asia/Shanghai"}},
                "status": {"enforcement": {"state": state, "since": "2026-03-01T00:00:00Z", "engaged": engaged}}
            }))
            .unwrap();
            row(&dc, Lang::En)[9].clone()
        };
        assert_eq!(shown("Paused", &["HoldBatch"]), "Paused:HoldBatch");
        assert_eq!(shown("Paused", &[]), "Paused");
        assert_eq!(shown("Enforcing", &["HoldBatch", "FreezeGrowth"]), "HoldBatch+FreezeGrowth");
    }
}
