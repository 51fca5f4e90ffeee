//! `banyan energy report`: each form says the sums of the ledgers, and the page is one that can be handed in.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use banyan::datacenter::ledger::{Day, Extras, Flags, Ledger, Racks, Totals};
use banyan::datacenter::observe::{LEDGER_KEY, PROVENANCE_KEY};
use banyan::datacenter::provenance::{Batch, Provenance, Step};
use banyan::kernel::plan::{FIELD_MANAGER, MANAGED_BY, OWNER};
use banyan_e2e::browser::Browser;
use banyan_e2e::dirs;
use banyan_e2e::operator::cli;
use banyan_e2e::process::Finished;
use calamine::{Data, Reader as _, Xlsx};
use jiff::ToSpan as _;
use jiff::civil::{Date, date};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::PostParams;
use serde_json::json;

use crate::stage::{Stage, at};
use crate::world::{Test, World};

/// The tests of this file.
pub fn tests() -> Vec<Test> {
    tests![
        table_csv_and_workbook_say_the_sums_of_the_ledgers,
        what_cannot_be_reported_is_said_and_ends_with_2,
        the_page_prints_on_a4_and_needs_nothing_else,
    ]
}

/// When the reports are made: March is closed.
const NOW: &str = "2026-04-02T01:30:00Z";
/// A text that a page or a spreadsheet might take for something else.
const HOSTILE: &str = "=1+1<script>document.title='taken'</script>";

/// A year of days, of which `it_wh` are the IT's; one kind of each amount, and the PUE falls.
fn days(it_wh: i64, pue: f64) -> Vec<Day> {
    let first = date(2025, 4, 1);
    first
        .series(1.day())
        .take_while(|date| *date <= date_last())
        .zip(0..)
        .map(|(date, at)| {
            let it_wh = it_wh + 137 * i64::from(at % 11);
            let facility_wh = (it_wh as f64 * (pue - f64::from(at) / 10_000.0)) as i64;
            let extras = Extras {
                renewable_wh: Some(facility_wh / 3),
                water_ml: Some(it_wh * 17 / 10),
                generator_wh: Some(40_123),
                ..Extras::default()
            };
            Day {
                category: 2,
                racks: Racks::of(640),
                extras: Some(Box::new(extras)),
                ..Day::full(date, facility_wh, it_wh)
            }
        })
        .collect()
}

fn date_last() -> Date {
    date(2026, 3, 31)
}

/// Two sites with ledgers, and one whose ledger is of a later version: `east` meets its target and has a district that
/// means harm, `west` misses its own, has a gap in August, and days that a person has put in.
async fn estate(stage: &Stage) -> Result<BTreeMap<&'static str, Ledger>> {
    let east: Ledger = days(48_000_123, 1.24).into_iter().collect();
    let mut west = days(21_000_456, 1.41);
    west.retain(|day| day.date.month() != 8);
    let mut steps = Vec::new();
    for day in west.iter_mut().filter(|day| day.date.month() == 11 && day.date.day() <= 3) {
        day.flags = Flags::IMPORTED.with(Flags::CORRECTED);
        let replaced = Some(Day::full(day.date, 31_000_000, 20_000_000));
        steps.push((day.date, Step { batch: 0, line: 2, note: None, replaced }));
    }
    let mut provenance = Provenance::default();
    let batch = Batch {
        id: 0,
        author: "li.na@city".to_owned(),
        person: Some("李娜".to_owned()),
        at: at("2026-03-05T02:11:09Z")?,
        reason: HOSTILE.to_owned(),
        source: "fix.csv".to_owned(),
    };
    provenance.add(batch, steps);
    let west: Ledger = west.into_iter().collect();

    create(stage, "east", HOSTILE, &east.encode(), None).await?;
    create(stage, "west", "鼓楼区", &west.encode(), Some(provenance.encode())).await?;
    create(stage, "lost", "马尾区", "banyan-ledger 99\n", None).await?;
    Ok(BTreeMap::from([("east", east), ("west", west)]))
}

/// Creates a site and its ledger. No operator runs.
async fn create(
    stage: &Stage,
    name: &str,
    district: &str,
    ledger: &str,
    provenance: Option<String>,
) -> Result<()> {
    let site = json!({
        "apiVersion": "banyan.dev/v1alpha1", "kind": "DataCenter", "metadata": { "name": name },
        "spec": {
            "location": { "timeZone": "Asia/Shanghai", "district": district },
            "commissioned": "2025-04-01",
            "pue": { "targets": [{ "from": "2024-06-01", "max": "1.30" }, { "from": "2026-01-01", "max": "1.25" }] },
        },
    });
    stage.sites().create(&PostParams::default(), &serde_json::from_value(site)?).await?;
    let mut data = BTreeMap::from([(LEDGER_KEY, ledger.to_owned())]);
    data.extend(provenance.map(|text| (PROVENANCE_KEY, text)));
    let map: ConfigMap = serde_json::from_value(json!({
        "metadata": {
            "name": format!("banyan-ledger-{name}"),
            "labels": { MANAGED_BY: FIELD_MANAGER, OWNER: format!("datacenter.{name}") },
        },
        "data": data,
    }))?;
    stage.maps().create(&PostParams::default(), &map).await?;
    Ok(())
}

async fn report(stage: &Stage, args: &[&str]) -> Result<Finished> {
    let mut all = vec!["energy", "report", "--now", NOW];
    all.extend(args);
    cli(&stage.plane.admin_kubeconfig(), &all).await
}

/// Fails unless a command ended so.
fn ended(finished: Finished, code: i32) -> Result<Finished> {
    let Finished { status, stdout, stderr } = &finished;
    ensure!(status.code() == Some(code), "it ended with {status} instead of {code}:\n{stdout}\n{stderr}");
    Ok(finished)
}

/// Whole kWh, rounded once.
fn kwh(wh: i64) -> i64 {
    (wh as f64 / 1000.0).round() as i64
}

async fn table_csv_and_workbook_say_the_sums_of_the_ledgers(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let ledgers = estate(&stage).await?;
    let sum = |ledger: &Ledger| ledger.totals(date(2026, 3, 1)..=date_last(), 9_500);
    let totals: Vec<Totals> = ledgers.values().map(sum).collect();
    let (facility, it) = (
        totals.iter().map(|totals| totals.facility_wh).sum::<i64>(),
        totals.iter().map(|totals| totals.it_wh).sum::<i64>(),
    );
    let city_pue = format!("{:.4}", facility as f64 / it as f64);

    // CSV: as Excel opens it, and each number is that of the ledger.
    let month = ["--month", "2026-03", "--dc", "east", "west", "-o", "csv"];
    let csv = ended(report(&stage, &month).await?, 0)?.stdout;
    let text = csv.strip_prefix('\u{feff}').context("there is no byte order mark")?;
    ensure!(text.ends_with("\r\n") && text.matches('\n').count() == text.matches("\r\n").count(), "{text:?}");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers()?.clone();
    let column = |name: &str| header.iter().position(|title| title == name).with_context(|| name.to_owned());
    let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>()?;
    ensure!(rows.len() == 3, "{text}");
    for (row, (name, totals)) in rows.iter().zip(ledgers.keys().zip(&totals)) {
        let number = |title: &str| anyhow::Ok(row[column(title)?].parse::<i64>()?);
        ensure!(row[0] == **name && row[column("Period")?] == *"2026-03", "{row:?}");
        ensure!(number("Facility (kWh)")? == kwh(totals.facility_wh), "{row:?}");
        ensure!(number("IT (kWh)")? == kwh(totals.it_wh), "{row:?}");
        ensure!(number("Renewable (kWh)")? == kwh(totals.renewable_wh.amount), "{row:?}");
        ensure!(number("Own generators, in it (kWh)")? == kwh(totals.generator_wh.amount), "{row:?}");
        ensure!(number("Water (L)")? == kwh(totals.water_ml.amount), "{row:?}");
        ensure!(number("Racks in use")? == 640 && number("Days missing")? == 0, "{row:?}");
        let pue = totals.pue().context("a ledger without energy")?;
        ensure!(row[column("PUE")?] == *format!("{pue:.4}"), "{row:?}");
    }
    let city = &rows[2];
    // Some of the sites, and not the city.
    ensure!(city[0] == *"Total" && city[column("PUE")?] == *city_pue, "{city:?}");
    ensure!(city[column("Facility (kWh)")?] == *kwh(facility).to_string(), "{city:?}");
    ensure!(rows[0][column("District")?] == *format!("'{HOSTILE}"), "{:?}", rows[0]);
    ensure!(
        rows[0][column("Verdict")?] == *"Compliant" && rows[1][column("Verdict")?] == *"Violated",
        "{text}"
    );

    // The workbook: the same numbers, as numbers.
    let file = dirs::fresh("report")?.join("report.xlsx");
    let path = file.to_str().context("a path that is no text")?.to_owned();
    let year = ["--year", "2025", "--dc", "west", "-o", "xlsx", "--lang", "zh", "--output-file", &path];
    let first = ended(report(&stage, &year).await?, 0)?;
    ensure!(first.stdout.is_empty(), "{}", first.stdout);
    let bytes = std::fs::read(&file)?;
    ended(report(&stage, &year).await?, 0)?;
    ensure!(std::fs::read(&file)? == bytes, "the same report is another file");
    let mut workbook: Xlsx<_> = calamine::open_workbook(&file)?;
    ensure!(workbook.sheet_names() == ["能效报表", "说明"], "{:?}", workbook.sheet_names());
    let range = workbook.worksheet_range("能效报表")?;
    let titles: Vec<String> =
        range.rows().next().context("an empty sheet")?.iter().map(ToString::to_string).collect();
    let at = |title: &str| {
        titles.iter().position(|one| one == title).with_context(|| format!("{title}: {titles:?}"))
    };
    let (period, energy) = (at("统计期")?, at("总耗电量（kWh）")?);
    let months: Vec<_> = range.rows().skip(1).collect();
    // April to December, and the year.
    ensure!(months.len() == 10, "{} rows", months.len());
    for row in &months {
        let Data::String(name) = &row[period] else { anyhow::bail!("{row:?}") };
        let (from, to) = if name == "2025" {
            (date(2025, 4, 1), date(2025, 12, 31))
        } else {
            let first: Date = format!("{name}-01").parse()?;
            (first, first.last_of_month())
        };
        let totals = ledgers["west"].totals(from..=to, 9_500);
        match &row[energy] {
            Data::Float(shown) => ensure!((*shown - kwh(totals.facility_wh) as f64).abs() < 1e-6, "{row:?}"),
            Data::Empty => ensure!(totals.days == 0, "{row:?}"),
            other => anyhow::bail!("{other:?} is no number"),
        }
    }
    let notes = workbook.worksheet_range("说明")?;
    let notes: Vec<String> = notes.rows().flatten().map(ToString::to_string).collect();
    ensure!(
        notes.iter().any(|note| note.contains("李娜（li.na@city）") && note.contains(HOSTILE)),
        "{notes:#?}"
    );

    // The table: the same figures, in both languages.
    for (lang, total) in [("en", "Total"), ("zh", "合计")] {
        let shown = ended(
            report(&stage, &["--month", "2026-03", "--dc", "east", "--dc", "west", "--lang", lang]).await?,
            0,
        )?;
        let line = shown.stdout.lines().find(|line| line.starts_with(total)).context(shown.stdout.clone())?;
        ensure!(line.contains(&city_pue), "{line}");
    }
    Ok(())
}

async fn what_cannot_be_reported_is_said_and_ends_with_2(world: World) -> Result<()> {
    let stage = world.stage().await?;
    estate(&stage).await?;
    for (args, words) in [
        (&["--month", "2026-03", "--dc", "nowhere"][..], "there is no DataCenter nowhere"),
        (&["--month", "2026-04"], "2026-04 has no month that is closed yet"),
        (&["--month", "2026-4"], "is not a month like 2026-03"),
        (&["--month", "2026-03", "--year", "2026"], "cannot be used with"),
        (&["--all"], "required"),
        (&["--month", "2026-03", "-o", "xlsx", "--output-file", "/nowhere/x"], "writing /nowhere/x"),
    ] {
        let refused = ended(report(&stage, args).await?, 2).with_context(|| format!("{args:?}"))?;
        ensure!(refused.stderr.contains(words), "{args:?}: {}", refused.stderr);
        ensure!(refused.stdout.is_empty(), "{args:?} prints {}", refused.stdout);
    }
    // A ledger that cannot be read has its line, is told of, and hides no other.
    let all = ended(report(&stage, &["--month", "2026-03", "--all", "-o", "csv"]).await?, 2)?;
    ensure!(
        all.stderr.contains("error: lost: the ledger cannot be read: the ledger has version 99"),
        "{}",
        all.stderr
    );
    let lines: Vec<&str> = all.stdout.lines().collect();
    ensure!(
        lines.len() == 5 && lines[2].starts_with("lost,") && lines[2].contains("Unknown"),
        "{}",
        all.stdout
    );
    ensure!(lines[4].starts_with("City,") && lines[4].contains("sums of 2 of 3 sites"), "{}", all.stdout);
    Ok(())
}

/// What the page says of itself, in px.
const OVERFLOW: &str = "const width = document.documentElement.clientWidth; \
     return [...document.querySelectorAll('body *')] \
     .filter(one => one.getBoundingClientRect().right > width + 1) \
     .map(one => one.outerHTML.slice(0, 120));";
/// Width of A4 across, without its margins of 14 mm, in px of 1/96 inch.
const PAPER: u32 = 1_016;

async fn the_page_prints_on_a4_and_needs_nothing_else(world: World) -> Result<()> {
    let stage = world.stage().await?;
    let ledgers = estate(&stage).await?;
    let dir = dirs::fresh("page")?;
    let browser = Browser::start().await?;
    for (lang, tag, words) in [
        (
            "en",
            "en",
            ["Data centre energy: monthly report", "Approved by", "李娜 (li.na@city)", "above the target"],
        ),
        ("zh", "zh-CN", ["数据中心能效月报", "批准", "李娜（li.na@city）", "高于目标值"]),
    ] {
        let file: PathBuf = dir.join(format!("{lang}.html"));
        let path = file.to_str().context("a path that is no text")?;
        // November, in which days were corrected.
        let args = ["--month", "2025-11", "--all", "-o", "html", "--lang", lang, "--output-file", path];
        ended(report(&stage, &args).await?, 2)?;

        browser.show("screen", 1_280).await?;
        browser.open(&file).await?;
        // For whoever looks at a failed run.
        browser.picture(&dir.join(format!("{lang}.png"))).await?;
        let console = browser.console().await?;
        ensure!(console.is_empty(), "{lang}: {console:?}");
        let requests: Vec<String> =
            browser.eval("return performance.getEntriesByType('resource').map(one => one.name)").await?;
        ensure!(requests.is_empty(), "{lang}: the page asks for {requests:?}");
        let (title, language, scripts): (String, String, usize) = browser
            .eval("return [document.title, document.documentElement.lang, document.scripts.length]")
            .await?;
        ensure!(
            title == format!("{} 2025-11", words[0]) && language == tag && scripts == 0,
            "{title} {language}"
        );
        let text: String = browser.eval("return document.body.innerText").await?;
        for word in words.into_iter().chain([HOSTILE, "2025-11"]) {
            ensure!(text.contains(word), "{lang}: {word} is not in\n{text}");
        }
        // Every text is there, not its key.
        ensure!(!text.contains("report-"), "{text}");

        // A city of which a site is missing has no verdict: every point is hollow, whatever the others amount to.
        let hollow: bool = browser
            .eval("return [...document.querySelectorAll('section.city svg .point')].every(one => one.classList.contains('open'))")
            .await?;
        // The one that cannot be read is not known to have been in operation in earlier months, but is in none of the sums.
        ensure!(hollow, "{lang}: a figure without a site is shown as a verdict");

        // A point for each month that has a figure: of the eight until November, west has none for August.
        for (name, points) in [("east", 8), ("west", 7)] {
            ensure!(ledgers.contains_key(name), "{name}");
            let count: usize = browser
                .eval(&format!(
                    "return [...document.querySelectorAll('section.site')] \
                     .find(one => one.querySelector('h2').textContent.startsWith('{name}')) \
                     .querySelectorAll('svg .point').length"
                ))
                .await?;
            ensure!(count == points, "{lang}: {name} has {count} points");
        }
        let described: usize = browser
            .eval("return [...document.querySelectorAll('svg[role=img]')].filter(one => one.querySelector('title') && one.querySelector('desc')?.textContent).length")
            .await?;
        ensure!(described == 3, "{described} curves say what they show");
        let heads: bool = browser
            .eval("return [...document.querySelectorAll('th')].every(one => one.scope) && [...document.querySelectorAll('tbody tr')].every(one => one.querySelector('th[scope=row]'))")
            .await?;
        ensure!(heads, "a heading of a table does not say of what");

        browser.show("print", PAPER).await?;
        let cut: Vec<String> = browser.eval(OVERFLOW).await?;
        ensure!(cut.is_empty(), "{lang}: cut off on paper: {cut:#?}");
        let repeated: bool = browser
            .eval("return [...document.querySelectorAll('thead')].every(one => getComputedStyle(one).display == 'table-header-group')")
            .await?;
        ensure!(repeated, "the heads of tables are not repeated on each page");
        let pdf = browser.print().await?;
        std::fs::write(dir.join(format!("{lang}.pdf")), &pdf)?;
        let pages = media_boxes(&pdf);
        ensure!(pages.len() >= 3, "{} pages", pages.len());
        for (width, height) in pages {
            // A4 across: 297 by 210 mm in points.
            ensure!(
                (width - 841.9).abs() < 1.0 && (height - 595.3).abs() < 1.0,
                "a page of {width} by {height}"
            );
        }
    }
    browser.stop().await
}

/// Width and height of each page of a PDF, in points.
fn media_boxes(pdf: &[u8]) -> Vec<(f64, f64)> {
    let text = String::from_utf8_lossy(pdf);
    text.split("/MediaBox")
        .skip(1)
        .filter_map(|rest| {
            let numbers = rest.trim_start().strip_prefix('[')?.split(']').next()?;
            let numbers: Vec<f64> =
                numbers.split_whitespace().filter_map(|number| number.parse().ok()).collect();
            Some((*numbers.get(2)?, *numbers.get(3)?))
        })
        .collect()
}
