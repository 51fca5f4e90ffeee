//! `banyan doctor`: whether the installation is sound, and what to do where it is not.

use std::process::ExitCode;

use clap::ValueEnum;
use kube::{Client, ResourceExt};

use super::{
    print, table,
    world::{Switches, World, connect, switch},
};
use crate::{
    datacenter::{ledger::REOPEN_DAYS, spec::Site},
    doctor::{
        Check, Found, Verdict,
        facts::{Facts, Server, needed_days},
        judge, look, say,
    },
    lang::Lang,
    t,
};

/// Arguments of `banyan doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Banyan's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "banyan-system")]
    namespace: String,
    /// Service account of the operator; read from its Deployment by default.
    #[arg(long, value_name = "NAME")]
    service_account: Option<String>,
    /// Checks to leave out, by their ids.
    #[arg(long, value_name = "ID", value_delimiter = ',', value_parser = clap::builder::PossibleValuesParser::new(Check::ALL.map(Check::id)))]
    skip: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line a check, and what to do below.
    Text,
    /// A list with an object for each thing found.
    Json,
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let client = connect().await?;
    let version = look::version(&client).await;
    if let Err(message) = &version {
        anyhow::bail!("the cluster cannot be looked at: {message}");
    }
    let wanted = |check: Check| !args.skip.iter().any(|id| id == check.id());
    let namespace = args.namespace.as_str();
    let clock = look::clock(&client).await;
    let skew = *clock.as_ref().unwrap_or(&0);
    let deployment = look::deployment(&client, namespace).await;
    let found = deployment.as_ref().ok().and_then(Option::as_ref);
    let told = found.map(look::arguments).unwrap_or_default();
    let account = args.service_account.clone().or_else(|| {
        let pod = found?.spec.as_ref()?.template.spec.as_ref()?;
        pod.service_account_name.clone()
    });
    let account = account.unwrap_or_else(|| "banyan".to_owned());
    let mut facts = Facts {
        own_version: env!("CARGO_PKG_VERSION").to_owned(),
        server: Some(version),
        freeze_growth: switch(&told, "--freeze-growth"),
        deployment: Some(deployment.map(|found| found.as_ref().map(look::shown))),
        clock: Some(clock),
        ..Facts::default()
    };
    if wanted(Check::Crds) {
        facts.schemas = look::definitions(&client).await;
    }
    if wanted(Check::OperatorRights) {
        facts.operator_rights = Some(look::rights_of(&client, namespace, &account).await);
    }
    if wanted(Check::CallerRights) {
        facts.caller_rights = Some(look::own_rights(&client, namespace).await);
    }
    if wanted(Check::Lease) {
        facts.lease = Some(look::lease(&client, namespace, skew).await);
    }
    if wanted(Check::Policies) {
        facts.policies = Some(look::policies(&client).await);
    }
    if wanted(Check::Monitoring) {
        facts.monitoring = Some(look::monitoring(&client, namespace).await);
    }
    if wanted(Check::Retention) || wanted(Check::PrometheusClock) {
        facts.servers = servers(client, namespace).await;
    }
    let mut found = judge::judge(&facts);
    found.retain(|found| wanted(found.check));
    match args.output {
        Output::Json => print(&format!("{}\n", serde_json::to_string_pretty(&found)?))?,
        Output::Text => print(&text(&found, lang))?,
    }
    let any = |verdict| found.iter().any(|found| found.verdict == verdict);
    Ok(ExitCode::from(if any(Verdict::Fail) { 1 } else { 2 * u8::from(any(Verdict::Unknown)) }))
}

/// The Prometheus servers of the sites.
async fn servers(client: Client, namespace: &str) -> Vec<Server> {
    // What the operator may do plays no part here, and its Deployment has been read already.
    let told = Switches { enforcement: Some(true), freeze_growth: Some(true) };
    let world = match World::read(client, namespace, told).await {
        Ok(world) => world,
        Err(error) => {
            let told = Err(format!("{error:#}"));
            return vec![Server { site: "*".to_owned(), told, ledger_days: 0, needed_days: 0 }];
        }
    };
    let mut servers = Vec::new();
    for dc in world.sites.iter().filter(|dc| dc.spec.energy.is_some()) {
        let Ok(site) = Site::read(&dc.spec) else { continue };
        let found = world.ledger(dc);
        servers.push(Server {
            site: dc.name_any(),
            told: world.observer.server(dc).await,
            ledger_days: found.and_then(|ledger| i64::try_from(ledger.len()).ok()).unwrap_or(0),
            needed_days: needed_days(REOPEN_DAYS, site.slowest_ms()),
        });
    }
    servers
}

/// The table, and below it what to do.
fn text(found: &[Found], lang: Lang) -> String {
    let header = [
        t!(lang, "doctor-head-verdict"),
        t!(lang, "doctor-head-check"),
        t!(lang, "doctor-head-what"),
        t!(lang, "doctor-head-subject"),
        t!(lang, "doctor-head-seen"),
    ];
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|found| {
            vec![
                say::verdict(lang, found.verdict),
                found.check.id().to_owned(),
                say::check(lang, found.check),
                found.subject.clone().unwrap_or_else(|| "-".to_owned()),
                say::seen(lang, found),
            ]
        })
        .collect();
    let mut text = table::render(&header, &rows);
    let mut remedies: Vec<String> = Vec::new();
    for found in found.iter().filter(|found| found.verdict != Verdict::Pass) {
        let Some(remedy) = say::remedy(lang, found) else { continue };
        let line = format!("  {}: {remedy}", found.check.id());
        if !remedies.contains(&line) {
            remedies.push(line);
        }
    }
    text.push('\n');
    if remedies.is_empty() {
        text.push_str(&t!(lang, "doctor-all-well"));
    } else {
        text.push_str(&t!(lang, "doctor-todo"));
        text.push('\n');
        text.push_str(&remedies.join("\n"));
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Finding;

    #[test]
    fn the_supported_versions_are_the_same_everywhere() {
        use crate::doctor::{NEWEST_MINOR, OLDEST_MINOR};
        let oldest = format!("1.{OLDEST_MINOR}");
        let chart = include_str!("../../../charts/banyan/Chart.yaml");
        assert!(chart.contains(&format!("kubeVersion: \">={oldest}.0-0\"")), "{chart}");
        for (page, text) in [
            ("README.md", include_str!("../../../README.md")),
            ("docs/quick-start.md", include_str!("../../../docs/quick-start.md")),
            ("docs/doctor.md", include_str!("../../../docs/doctor.md")),
            ("charts/banyan/README.md", include_str!("../../../charts/banyan/README.md")),
        ] {
            assert!(text.contains(&format!("Kubernetes {oldest} or newer")), "{page}");
        }
        let page = include_str!("../../../docs/doctor.md");
        assert!(page.contains(&format!("{oldest} and 1.{NEWEST_MINOR}")), "docs/doctor.md");
    }

    #[test]
    fn every_check_is_documented() {
        let page = include_str!("../../../docs/doctor.md");
        for check in Check::ALL {
            assert!(page.contains(&format!("| `{}` |", check.id())), "{}", check.id());
        }
    }

    #[test]
    fn what_to_do_is_told_below_the_table_in_both_languages() {
        let found = |verdict, finding| Found { check: Check::Lease, subject: None, verdict, finding };
        let fails = [found(Verdict::Fail, Finding::NobodyLeads { holder: None, seconds: None })];
        for (lang, todo) in [(Lang::En, "What to do:\n  lease: "), (Lang::Zh, "该做什么：\n  lease: ")] {
            assert!(text(&fails, lang).contains(todo), "{}", text(&fails, lang));
            let well = [found(Verdict::Pass, Finding::InStep)];
            assert!(text(&well, lang).ends_with(&format!("\n{}\n", t!(lang, "doctor-all-well"))));
        }
    }
}
