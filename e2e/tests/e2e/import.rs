//! `banyan energy import`: days of other systems in the ledger of a running operator.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use banyan::datacenter::ledger::{Flags, Ledger};
use banyan::datacenter::observe::{LEDGER_KEY, PROVENANCE_KEY};
use banyan::datacenter::provenance::Provenance;
use banyan_crds::v1alpha1::Verdict;
use banyan_e2e::dirs;
use banyan_e2e::operator::cli;
use banyan_e2e::process::Finished;
use jiff::ToSpan;
use jiff::civil::{Date, date};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::stage::{Readings, Stage, VIOLATED, looks, looks_again};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        a_new_site_is_judged_by_the_running_operator_once_its_past_is_imported,
        an_import_and_the_operator_do_not_lose_what_the_other_writes,
    ]
}

/// The first day of the year that ends with the last closed day of [`VIOLATED`], and the last one before the readings.
const SPAN: (Date, Date) = (date(2024, 6, 18), date(2025, 4, 19));
/// 1.2 · 20 000 kWh: a PUE of 1.20.
const DAY: (i64, i64) = (24_000, 20_000);

fn days() -> Vec<Date> {
    SPAN.0.series(1.day()).take_while(|date| *date <= SPAN.1).collect()
}

/// A file as Excel in China saves it.
fn chinese(site: &str) -> Vec<u8> {
    let rows = days().into_iter().map(|date| {
        let day = format!("{}/{}/{}", date.year(), date.month(), date.day());
        format!("{site},{day},\"{},{:03}\",{},电表抄表\r\n", DAY.0 / 1000, DAY.0 % 1000, DAY.1)
    });
    let text =
        format!("数据中心,日期,总用电量（千瓦时）,IT设备用电量(kWh),备注\r\n{}", rows.collect::<String>());
    encoding_rs::GBK.encode(&text).0.into_owned()
}

fn write(name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let file = dirs::fresh("import")?.join(name);
    std::fs::write(&file, bytes)?;
    Ok(file)
}

async fn import(stage: &Stage, file: &Path, more: &[&str]) -> Result<Finished> {
    // A person of their own, so that it is seen who it was.
    let kubeconfig = stage.plane.kubeconfig_for_user("li.na", &["system:masters"])?;
    let file = file.to_str().context("the path is no text")?;
    let words =
        ["--lang", "en", "energy", "import", file, "--reason", "records of the DCIM", "--now", VIOLATED];
    cli(&kubeconfig, &[&words[..], more].concat()).await
}

/// Fails unless a command ended so.
fn ended(finished: &Finished, code: i32) -> Result<()> {
    let Finished { status, stdout, stderr } = finished;
    ensure!(status.code() == Some(code), "it ended with {status} instead of {code}:\n{stdout}\n{stderr}");
    Ok(())
}

async fn map(stage: &Stage, site: &str) -> Result<ConfigMap> {
    Ok(stage.maps().get(&format!("banyan-ledger-{site}")).await?)
}

fn text<'a>(map: &'a ConfigMap, key: &str) -> Result<&'a str> {
    let found = map.data.as_ref().and_then(|data| data.get(key));
    found.map(String::as_str).with_context(|| format!("{} has no key {key}", map.name_any()))
}

async fn a_new_site_is_judged_by_the_running_operator_once_its_past_is_imported(world: World) -> Result<()> {
    let stage = world.stage().await?;
    stage.create_site("young", Readings::Cool, &json!({})).await?;
    let operator = stage.operator(VIOLATED).await?;
    let before = stage
        .awaited("young", "an interim figure", |status| {
            status
                .annual
                .as_ref()
                .is_some_and(|annual| annual.verdict == Verdict::Provisional && annual.days > 50)
        })
        .await?;
    ensure!(before.annual.as_ref().is_some_and(|annual| annual.interim && annual.imported_days.is_none()));
    let kept = map(&stage, "young").await?;

    // One wrong line among three hundred: nothing is written.
    let good = String::from_utf8(chinese("young").into_iter().filter(u8::is_ascii).collect())?;
    let good =
        good.replacen(good.lines().next().unwrap_or_default(), "site,date,facility_kwh,it_kwh,note", 1);
    let wrong = good.replacen("2024/8/1,\"24,000\",20000", "2024/8/1,20000,24000", 1);
    ensure!(wrong != good, "the line to be spoilt was not found");
    let finished = import(&stage, &write("wrong.csv", wrong.as_bytes())?, &[]).await?;
    ended(&finished, 2)?;
    let told: Vec<&str> = finished.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    ensure!(
        told.len() == 1 && told[0].contains("wrong.csv:46: it_kwh: the IT equipment would use 24,000 kWh"),
        "{told:?}"
    );
    // A site that is not there, and a workbook.
    let finished = import(&stage, &write("other.csv", &chinese("old"))?, &[]).await?;
    ended(&finished, 2)?;
    ensure!(
        finished.stderr.contains("there is no DataCenter old")
            && finished.stderr.contains("256 more problems"),
        "{}",
        finished.stderr
    );
    ended(&import(&stage, &write("book.xlsx", b"PK\x03\x04")?, &[]).await?, 2)?;
    // A rehearsal.
    let file = write("dcim.csv", &chinese("young"))?;
    let rehearsed = import(&stage, &file, &["--dry-run"]).await?;
    ended(&rehearsed, 0)?;
    let row: Vec<&str> = rehearsed.stdout.lines().nth(1).unwrap_or_default().split_whitespace().collect();
    ensure!(row == ["young", "2024-06-18", "2025-04-19", "306", "0", "0"], "{}", rehearsed.stdout);
    let after = map(&stage, "young").await?;
    ensure!(after == kept, "the ledger was written:\n{after:?}");

    let finished = import(&stage, &file, &["--author", "李娜"]).await?;
    ended(&finished, 0)?;
    ensure!(finished.stdout == rehearsed.stdout, "{}", finished.stdout);
    // The operator goes on from it by itself.
    let status = stage
        .awaited("young", "a verdict", |status| {
            status.annual.as_ref().is_some_and(|annual| annual.verdict == Verdict::Compliant)
        })
        .await?;
    let annual = status.annual.context("an annual status")?;
    ensure!(annual.days == 365 && !annual.interim, "{annual:?}");
    // The site's meters have category 2; days without a position have the lowest.
    ensure!(annual.imported_days == Some(306) && annual.category == Some(1), "{annual:?}");
    operator.stop().await?;

    let imported = map(&stage, "young").await?;
    let provenance = Provenance::decode(text(&imported, PROVENANCE_KEY)?)?;
    for date in days() {
        let steps: Vec<_> = provenance.of(date).collect();
        ensure!(steps.len() == 1, "{date}: {steps:?}");
        let (step, batch) = steps[0];
        ensure!(step.replaced.is_none() && step.note.as_deref() == Some("电表抄表"), "{step:?}");
        ensure!((batch.author.as_str(), batch.person.as_deref()) == ("li.na", Some("李娜")), "{batch:?}");
        ensure!(batch.reason == "records of the DCIM" && batch.source == "dcim.csv", "{batch:?}");
    }
    // Another start, another look: it is kept as it is, and so it is by the same file once more.
    let operator = stage.operator(VIOLATED).await?;
    looks(&operator, 1.0).await?;
    operator.stop().await?;
    let again = import(&stage, &file, &[]).await?;
    ended(&again, 0)?;
    ensure!(again.stderr.contains("nothing to write"), "{}", again.stderr);
    ensure!(map(&stage, "young").await? == imported, "it was written again");

    // A metered day is replaced on request only, and its figures are remembered.
    let ledger = Ledger::decode(text(&imported, LEDGER_KEY)?)?;
    let day = date(2025, 6, 1);
    let metered = ledger.get(day).context("a metered day")?.clone();
    let one = write("one.csv", format!("date,facility_kwh,it_kwh\n{day},24000,20000\n").as_bytes())?;
    let refused = import(&stage, &one, &["--dc", "young"]).await?;
    ended(&refused, 2)?;
    ensure!(refused.stderr.contains("one.csv:2: date: the ledger has "), "{}", refused.stderr);
    ended(&import(&stage, &one, &["--dc", "young", "--replace"]).await?, 0)?;
    let corrected = map(&stage, "young").await?;
    let provenance = Provenance::decode(text(&corrected, PROVENANCE_KEY)?)?;
    let (step, _) = provenance.of(day).next_back().context("a step")?;
    ensure!(step.replaced.as_ref() == Some(&metered), "{step:?}");
    let ledger = Ledger::decode(text(&corrected, LEDGER_KEY)?)?;
    let flags = ledger.get(day).map(|day| day.flags);
    ensure!(flags == Some(Flags::IMPORTED.with(Flags::CORRECTED)), "{flags:?}");
    Ok(())
}

async fn an_import_and_the_operator_do_not_lose_what_the_other_writes(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let whole = |map: &ConfigMap| -> Result<bool> {
        let ledger = Ledger::decode(text(map, LEDGER_KEY)?)?;
        let by_hand = ledger.iter().filter(|day| day.is_by_hand()).map(|day| day.date).eq(days());
        ensure!(by_hand, "imported days were lost: {} of {} are there", ledger.len(), days().len());
        Ok(ledger.iter().filter(|day| !day.is_by_hand()).count() > 50)
    };
    let settled = |site: &'static str| {
        let (stage, whole) = (&stage, &whole);
        async move {
            stage
                .awaited(site, "both the imported and the metered days to be judged", |status| {
                    status.annual.as_ref().is_some_and(|annual| annual.days == 365)
                })
                .await?;
            ensure!(whole(&map(stage, site).await?)?, "the metered days of {site} are not there");
            anyhow::Ok(())
        }
    };
    // While no operator runs, for a site that has no ledger.
    stage.create_site("first", Readings::Cool, &json!({})).await?;
    ended(&import(&stage, &write("first.csv", &chinese("first"))?, &[]).await?, 0)?;
    let operator = stage.operator(VIOLATED).await?;
    settled("first").await?;

    // While the operator is fetching two months of readings for a ledger that, as it knows, does not exist.
    for site in ["race-1", "race-2", "race-3"] {
        let file = write("race.csv", &chinese(site))?;
        stage.create_site(site, Readings::Cool, &json!({})).await?;
        ended(&import(&stage, &file, &[]).await?, 0)?;
        settled(site).await?;
    }
    // Nothing is tried again and again: it has stopped writing.
    let versions = || async {
        let mut versions = Vec::new();
        for site in ["first", "race-1", "race-2", "race-3"] {
            versions.push(map(&stage, site).await?.resource_version());
        }
        anyhow::Ok(versions)
    };
    let before = versions().await?;
    let nudge = async {
        let nudge = Patch::Merge(json!({ "spec": { "location": { "city": "fuzhou" } } }));
        stage.sites().patch("race-3", &PatchParams::default(), &nudge).await.map(drop)
    };
    looks_again(&operator, nudge).await?;
    ensure!(versions().await? == before, "ledgers are written over and over");
    operator.stop().await
}
