//! `banyan status`: the whole estate as tables: sites, security baselines, Waivers.

mod baselines;
mod waivers;

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::bail;
use banyan_crds::{
    conditions::READY,
    v1alpha1::{DataCenter, DataCenterStatus, EnforcementState, SecurityBaseline, Verdict, Waiver},
};
use clap::ValueEnum;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Client, Resource, ResourceExt,
    core::{ClusterResourceScope, DeserializeGuard},
};
use serde::{Serialize, de::DeserializeOwned};

use super::{print, table, world};
use crate::{
    datacenter::words::{
        METERS_HEALTHY, NOT_ENFORCING, PUE_VALID, PUE_WITHIN_TARGET, THERMAL_WITHIN_CLASS, UNCONTESTED,
    },
    lang::{Lang, words},
    report::visible::visible,
    t,
};

/// Arguments of `banyan status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of sites, security baselines and Waivers; all of them by default.
    names: Vec<String>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line an object, kind by kind.
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

/// One of them as it is in the API.
#[derive(Serialize)]
#[serde(untagged)]
enum Resourced<'a> {
    Site(&'a DataCenter),
    Baseline(&'a SecurityBaseline),
    Waiver(&'a Waiver),
}

/// Everything of Banyan's kinds that can be decoded, each kind in the order of names.
#[derive(Debug, Default)]
struct Estate {
    sites: Vec<DataCenter>,
    baselines: Vec<SecurityBaseline>,
    waivers: Vec<Waiver>,
}

impl Estate {
    /// Whoever may view a cluster reads its sites, and not where it is weak: without the right to baselines and Waivers the sites are shown.
    async fn read(client: &Client) -> anyhow::Result<Self> {
        Ok(Self {
            sites: decoded(world::every(client).await?),
            baselines: permitted(client).await?,
            waivers: permitted(client).await?,
        })
    }

    /// What is called by one of `names`, or everything where there is none.
    fn pick(mut self, names: &[String]) -> anyhow::Result<Self> {
        let known: BTreeSet<String> = (self.sites.iter().map(ResourceExt::name_any))
            .chain(self.baselines.iter().map(ResourceExt::name_any))
            .chain(self.waivers.iter().map(ResourceExt::name_any))
            .collect();
        if let Some(missing) = names.iter().find(|name| !known.contains(*name)) {
            bail!("there is no DataCenter {missing}, and no SecurityBaseline or Waiver of that name");
        }
        let asked = |name: String| names.is_empty() || names.contains(&name);
        self.sites.retain(|site| asked(site.name_any()));
        self.baselines.retain(|baseline| asked(baseline.name_any()));
        self.waivers.retain(|waiver| asked(waiver.name_any()));
        Ok(self)
    }

    /// One list of all; each says its kind.
    fn json(&self) -> anyhow::Result<String> {
        let sites = self.sites.iter().map(Resourced::Site);
        let baselines = self.baselines.iter().map(Resourced::Baseline);
        let all: Vec<_> = sites.chain(baselines).chain(self.waivers.iter().map(Resourced::Waiver)).collect();
        Ok(serde_json::to_string_pretty(&all)?)
    }

    /// A table a kind of which there is anything.
    fn text(&self, now: Timestamp, lang: Lang) -> String {
        let mut tables = Vec::new();
        if !self.sites.is_empty() {
            tables.push(text(&self.sites, lang));
        }
        if !self.baselines.is_empty() {
            tables.push(baselines::text(&self.baselines, now, lang));
        }
        if !self.waivers.is_empty() {
            tables.push(waivers::text(&self.waivers, now, lang));
        }
        tables.join("\n")
    }
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let client = world::connect().await?;
    let estate = Estate::read(&client).await?.pick(&args.names)?;
    match args.output {
        Output::Json => print(&format!("{}\n", estate.json()?))?,
        Output::Table => {
            if estate.sites.is_empty() && args.names.is_empty() {
                eprintln!("{}", t!(lang, "status-none"));
            }
            print(&estate.text(world::now(None)?, lang))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Those that can be decoded, in the order of their names; of each other one it is told.
fn decoded<K: Resource<DynamicType = ()>>(all: Vec<DeserializeGuard<K>>) -> Vec<K> {
    let mut good = Vec::new();
    for guarded in all {
        match guarded.0 {
            Ok(one) => good.push(one),
            Err(invalid) => {
                let (kind, name) = (K::kind(&()), invalid.metadata.name.unwrap_or_default());
                eprintln!("{kind} {name} cannot be decoded and is left out: {}", visible(&invalid.error));
            }
        }
    }
    good.sort_by_key(ResourceExt::name_any);
    good
}

/// As [`decoded`]; of a kind that one may not read it is told, and one that is not served has none.
async fn permitted<K>(client: &Client) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + std::fmt::Debug + DeserializeOwned,
{
    match world::every_if_known::<K>(client).await {
        Ok(all) => Ok(decoded(all.unwrap_or_default())),
        Err(error) if is_forbidden(&error) => {
            eprintln!("{error:#}; they are left out");
            Ok(Vec::new())
        }
        Err(error) => Err(error),
    }
}

fn is_forbidden(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref::<kube::Error>(), Some(kube::Error::Api(status)) if status.is_forbidden())
}

/// The sites, and below them a line for each thing that wants attention.
fn text(sites: &[DataCenter], lang: Lang) -> String {
    let rows: Vec<Vec<String>> = sites.iter().map(|site| row(site, lang)).collect();
    with_remarks(
        table::render(&header(lang), &rows),
        sites.iter().filter_map(|site| Some((site.name_any(), remark(site)?))),
        lang,
    )
}

/// A table, and below it a line for each object of which there is something to say.
fn with_remarks<'a>(
    mut text: String,
    remarks: impl Iterator<Item = (String, &'a str)>,
    lang: Lang,
) -> String {
    let mut remarks = remarks.peekable();
    if remarks.peek().is_some() {
        text.push('\n');
    }
    for (name, message) in remarks {
        text.push_str(&t!(lang, "status-remark", site = name, message = &*visible(message)));
        text.push('\n');
    }
    text
}

/// The message of a condition that is not healthy.
fn unwell<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a str> {
    let found = conditions.iter().find(|condition| condition.type_ == kind && condition.status != "True");
    found.map(|condition| condition.message.as_str())
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
fn remark(dc: &DataCenter) -> Option<&str> {
    let conditions = &dc.status.as_ref()?.conditions;
    let unwell = |kind: &str| unwell(conditions, kind);
    let refused = || {
        conditions
            .iter()
            .find(|condition| {
                condition.type_ == NOT_ENFORCING
                    && matches!(condition.reason.as_str(), "WouldRaisePUE" | "NotSure")
            })
            .map(|condition| condition.message.as_str())
    };
    unwell(READY)
        .or_else(|| unwell(METERS_HEALTHY))
        .or_else(|| unwell(PUE_VALID))
        .or_else(|| unwell(UNCONTESTED))
        .or_else(refused)
        .or_else(|| unwell(NOT_ENFORCING))
        .or_else(|| unwell(THERMAL_WITHIN_CLASS))
        .or_else(|| unwell(PUE_WITHIN_TARGET))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_those_of_any_kind_and_a_kind_of_which_there_is_nothing_has_no_table() {
        let object = |kind: &str, name: &str, spec: serde_json::Value| json!({"apiVersion": "banyan.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        let estate = || {
            Estate {
            sites: vec![serde_json::from_value(object("DataCenter", "gulou", json!({"location": {"timeZone": "Asia/Shanghai"}}))).unwrap()],
            baselines: vec![serde_json::from_value(object("SecurityBaseline", "city", json!({"level": 3, "packs": ["mlps"]}))).unwrap()],
            waivers: vec![serde_json::from_value(object("Waiver", "camera", json!({
                "baselineName": "city", "controls": ["a"], "match": {"names": ["b"]}, "reason": "c", "expires": "2027-01-31T00:00:00Z"
            }))).unwrap()],
        }
        };
        let now = "2026-11-25T00:00:00Z".parse().unwrap();
        let shown = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            estate().pick(&names).map(|estate| {
                let kinds: Vec<serde_json::Value> = serde_json::from_str(&estate.json().unwrap()).unwrap();
                let text = estate.text(now, Lang::En);
                let first: Vec<String> =
                    text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
                (first, kinds.iter().map(|one| one["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>())
            })
        };
        let (lines, kinds) = shown(&[]).unwrap();
        assert_eq!(lines, ["SITE", "gulou", "", "BASELINE", "city", "", "WAIVER", "camera"]);
        assert_eq!(kinds, ["DataCenter", "SecurityBaseline", "Waiver"]);
        let (lines, kinds) = shown(&["city"]).unwrap();
        assert_eq!(
            (lines, kinds),
            (vec!["BASELINE".to_owned(), "city".to_owned()], vec!["SecurityBaseline".to_owned()])
        );
        let missing = shown(&["city", "nobody"]).unwrap_err().to_string();
        assert!(missing.starts_with("there is no DataCenter nobody"), "{missing}");
    }

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
