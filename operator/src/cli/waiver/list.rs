//! `banyan waiver list`.

use std::process::ExitCode;

use anyhow::Context as _;
use banyan_crds::v1alpha1::{AUTHOR, Waiver, WaiverState};
use clap::ValueEnum;
use jiff::Timestamp;
use kube::{Client, ResourceExt};

use super::{controls, objects, plain};
use crate::{
    cli::{print, table, world},
    lang::Lang,
    t,
};

/// Arguments of `banyan waiver list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only those of this baseline.
    #[arg(long, value_name = "NAME")]
    baseline: Option<String>,
    /// Only those that wait for an approval.
    #[arg(long)]
    pending: bool,
    /// As if it were this instant.
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A line a Waiver.
    Table,
    /// The resources as JSON.
    Json,
}

/// Where a Waiver stands, by its own word and the clock; whether it is used is the operator's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// It covers nothing while `spec.suspend` is set.
    Suspended,
    /// As the status would say.
    State(WaiverState),
}

fn standing(waiver: &Waiver, now: Timestamp) -> Standing {
    let told = waiver.status.as_ref().and_then(|status| status.state);
    // An instant that cannot be read is none at which it would count.
    let expired = waiver.spec.expires.timestamp().map_or(true, |expires| now >= expires);
    match told {
        _ if expired => Standing::State(WaiverState::Expired),
        _ if waiver.spec.suspend => Standing::Suspended,
        _ if waiver.spec.approval.is_none() => Standing::State(WaiverState::Pending),
        Some(WaiverState::Unused) => Standing::State(WaiverState::Unused),
        _ => Standing::State(WaiverState::Active),
    }
}

/// The same as a word.
pub fn state(waiver: &Waiver, now: Timestamp, lang: Lang) -> String {
    match standing(waiver, now) {
        Standing::Suspended => t!(lang, "waiver-suspended"),
        Standing::State(WaiverState::Pending) => t!(lang, "waiver-pending"),
        Standing::State(WaiverState::Active) => t!(lang, "waiver-active"),
        Standing::State(WaiverState::Expired) => t!(lang, "waiver-expired"),
        Standing::State(WaiverState::Unused) => t!(lang, "waiver-unused"),
    }
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let client = Client::try_default()
        .await
        .context("no cluster: neither a kubeconfig nor a service account was found")?;
    let now = args.now.unwrap_or_else(Timestamp::now);
    let mut waivers = Vec::new();
    for guarded in world::every::<Waiver>(&client).await? {
        match guarded.0 {
            Ok(waiver) => waivers.push(waiver),
            Err(invalid) => {
                let name = invalid.metadata.name.unwrap_or_default();
                eprintln!("{name} cannot be decoded and is left out: {}", plain(&invalid.error));
            }
        }
    }
    waivers.retain(|waiver| {
        args.baseline.as_ref().is_none_or(|name| waiver.spec.baseline_name.0 == *name)
            && (!args.pending || standing(waiver, now) == Standing::State(WaiverState::Pending))
    });
    waivers.sort_by_key(ResourceExt::name_any);
    match args.output {
        Output::Json => print(&format!("{}\n", serde_json::to_string_pretty(&waivers)?))?,
        Output::Table if waivers.is_empty() => eprintln!("{}", t!(lang, "waiver-none")),
        Output::Table => print(&text(&waivers, now, lang))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The table, and below it what waits for an approval.
fn text(waivers: &[Waiver], now: Timestamp, lang: Lang) -> String {
    let header = [
        t!(lang, "waiver-name"),
        t!(lang, "waiver-baseline"),
        t!(lang, "waiver-state"),
        t!(lang, "waiver-expires"),
        t!(lang, "waiver-author"),
        t!(lang, "waiver-approved-by"),
        t!(lang, "waiver-controls"),
        t!(lang, "waiver-objects"),
    ];
    let rows: Vec<Vec<String>> = waivers.iter().map(|waiver| row(waiver, now, lang)).collect();
    let mut text = table::render(&header, &rows);
    let pending: Vec<String> = waivers
        .iter()
        .filter(|waiver| standing(waiver, now) == Standing::State(WaiverState::Pending))
        .map(|waiver| format!("  banyan waiver approve {}\n", waiver.name_any()))
        .collect();
    if !pending.is_empty() {
        text.push('\n');
        text.push_str(&t!(lang, "waiver-waiting"));
        text.push('\n');
        text.push_str(&pending.concat());
    }
    text
}

fn row(waiver: &Waiver, now: Timestamp, lang: Lang) -> Vec<String> {
    let dash = || "-".to_owned();
    vec![
        waiver.name_any(),
        waiver.spec.baseline_name.to_string(),
        state(waiver, now, lang),
        plain(&waiver.spec.expires.0),
        waiver.annotations().get(AUTHOR).map_or_else(dash, |author| plain(author)),
        waiver.spec.approval.as_ref().map_or_else(dash, |approval| plain(&approval.by)),
        controls(&waiver.spec),
        objects(&waiver.spec.objects, lang),
    ]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn waiver(change: &Value, status: &Value) -> Waiver {
        let mut object = json!({
            "apiVersion": "banyan.dev/v1alpha1", "kind": "Waiver",
            "metadata": {"name": "camera", "annotations": {"banyan.dev/author": "lin"}},
            "spec": {
                "baselineName": "city", "controls": ["pod-security-privileged"], "match": {"namespaces": ["video"]},
                "reason": "the driver needs it", "expires": "2027-01-31T08:00:00+08:00",
            },
            "status": status,
        });
        for (name, value) in change.as_object().unwrap() {
            object["spec"][name] = value.clone();
        }
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn a_waiver_stands_by_its_approval_its_suspension_and_the_clock() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let approval = json!({"approval": {"by": "chen", "at": "2026-11-01T00:00:00Z"}});
        let (before, on) = (at("2027-01-30T23:59:59Z"), at("2027-01-31T00:00:00Z"));
        let state = Standing::State;
        for (change, status, now, expected) in [
            (json!({}), json!(null), before, state(WaiverState::Pending)),
            (approval.clone(), json!(null), before, state(WaiverState::Active)),
            (approval.clone(), json!({"state": "Unused"}), before, state(WaiverState::Unused)),
            // What the status said before is no word about now.
            (approval.clone(), json!({"state": "Expired"}), before, state(WaiverState::Active)),
            (approval.clone(), json!({"state": "Active"}), on, state(WaiverState::Expired)),
            (json!({}), json!({"state": "Active"}), before, state(WaiverState::Pending)),
            (json!({"suspend": true}), json!(null), before, Standing::Suspended),
        ] {
            assert_eq!(standing(&waiver(&change, &status), now), expected, "{change} {status}");
        }
    }

    #[test]
    fn the_table_ends_with_what_waits() {
        let now = "2026-11-02T00:00:00Z".parse().unwrap();
        let told = text(&[waiver(&json!({}), &json!(null))], now, Lang::En);
        assert_eq!(
            told,
            "NAME    BASELINE  STATE    EXPIRES                    AUTHOR  APPROVED BY  CONTROLS                 OBJECTS\n\
             camera  city      Pending  2027-01-31T08:00:00+08:00  lin     -            pod-security-privileged  namespaces video\n\
             \nWaiting for somebody else than their author:\n  banyan waiver approve camera\n"
        );
        let approved =
            waiver(&json!({"approval": {"by": "chen", "at": "2026-11-01T00:00:00Z"}}), &json!(null));
        assert!(text(&[approved], now, Lang::Zh).ends_with("命名空间 video\n"));
    }
}
