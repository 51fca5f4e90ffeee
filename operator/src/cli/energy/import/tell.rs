//! What an import would do or has done, as tables, and what is wrong with its file.

use super::Target;
use crate::{
    cli::table,
    datacenter::import::{
        Column, Problem,
        bills::{Bill, Fate},
        words,
    },
    lang::{Lang, numbers::kwh},
    t,
};

/// Problems that are told in full.
const MOST_PROBLEMS: usize = 50;
/// Replaced days that are shown with both their figures.
const MOST_REPLACED: usize = 20;

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What is wrong, by line, a line each.
pub(super) fn problems(lang: Lang, file: &str, mut problems: Vec<Problem>) -> String {
    problems.sort_by_key(|problem| problem.line);
    let all = problems.len();
    let mut lines: Vec<String> = problems
        .iter()
        .take(MOST_PROBLEMS)
        .map(|problem| format!("error: {}", words::problem(lang, file, problem)))
        .collect();
    if all > MOST_PROBLEMS {
        lines.push(t!(lang, "import-more-problems", count = count(all - MOST_PROBLEMS)));
    }
    lines.push(t!(lang, "import-refused", file = file, count = count(all)));
    lines.join("\n") + "\n"
}

/// A table of the sites, one of the days that take the place of others, and one of the bills.
pub(super) fn summary(lang: Lang, sites: &[Target]) -> String {
    let mut tables = Vec::new();
    if !sites.is_empty() {
        let header = [
            t!(lang, "import-head-site"),
            t!(lang, "import-head-from"),
            t!(lang, "import-head-to"),
            t!(lang, "import-head-new"),
            t!(lang, "import-head-replaced"),
            t!(lang, "import-head-unchanged"),
        ];
        tables.push(table::render(&header, &sites.iter().map(site).collect::<Vec<_>>()));
    }
    tables.extend(replaced(lang, sites));
    let bills: Vec<_> = sites
        .iter()
        .flat_map(|target| target.import.bills.iter().flat_map(|one| bill(lang, &target.name(), one)))
        .collect();
    if !bills.is_empty() {
        let header = [
            t!(lang, "import-head-site"),
            t!(lang, "import-head-month"),
            t!(lang, "import-head-side"),
            t!(lang, "import-head-billed"),
            t!(lang, "import-head-metered"),
            t!(lang, "import-head-difference"),
            t!(lang, "import-head-percent"),
            t!(lang, "import-head-days"),
            t!(lang, "import-head-bill"),
        ];
        tables.push(table::render(&header, &bills));
    }
    tables.join("\n")
}

fn site(target: &Target) -> Vec<String> {
    let import = &target.import;
    let dates = || import.changed.iter().map(|changed| changed.day.date);
    let date = |date: Option<jiff::civil::Date>| date.map_or_else(|| "-".to_owned(), |date| date.to_string());
    vec![
        target.name(),
        date(dates().min()),
        date(dates().max()),
        import.new_days().to_string(),
        import.replaced_days().to_string(),
        import.unchanged.to_string(),
    ]
}

fn replaced(lang: Lang, sites: &[Target]) -> Option<String> {
    let all: Vec<Vec<String>> = sites
        .iter()
        .flat_map(|target| target.import.changed.iter().map(|changed| (target.name(), changed)))
        .filter_map(|(site, changed)| {
            let figures = |day: &crate::datacenter::ledger::Day| {
                format!("{} / {}", kwh(day.facility_wh), kwh(day.it_wh))
            };
            let old = changed.old.as_ref()?;
            Some(vec![site, changed.day.date.to_string(), figures(old), figures(&changed.day)])
        })
        .collect();
    if all.is_empty() {
        return None;
    }
    let header = [
        t!(lang, "import-head-site"),
        t!(lang, "import-head-date"),
        t!(lang, "import-head-old"),
        t!(lang, "import-head-now"),
    ];
    let mut text = table::render(&header, &all[..all.len().min(MOST_REPLACED)]);
    if all.len() > MOST_REPLACED {
        text.push_str(&t!(lang, "import-more", count = count(all.len() - MOST_REPLACED)));
        text.push('\n');
    }
    Some(text)
}

/// A line for each side that is billed.
fn bill(lang: Lang, site: &str, bill: &Bill) -> Vec<Vec<String>> {
    let fate = match bill.fate {
        Fate::Compared => t!(lang, "import-compared"),
        Fate::OneSided { missing } => t!(lang, "import-one-sided", missing = count(missing)),
        Fate::InTheWay { idle, .. } => t!(lang, "import-in-the-way", idle = count(idle)),
        Fate::Spread { days } => t!(lang, "import-spread", days = count(days)),
    };
    let sides = [(t!(lang, "import-facility"), bill.facility), (t!(lang, "import-it"), bill.it)];
    sides
        .into_iter()
        .filter_map(|(side, amounts)| Some((side, amounts?)))
        .map(|(side, (billed, metered))| {
            let difference = billed - metered;
            let percent = if metered > 0 {
                format!("{:+.2}", difference as f64 * 100.0 / metered as f64)
            } else {
                "-".to_owned()
            };
            vec![
                site.to_owned(),
                bill.month.strftime("%Y-%m").to_string(),
                side,
                kwh(billed),
                kwh(metered),
                kwh(difference),
                percent,
                format!("{}/{}", bill.days, bill.of),
                fate.clone(),
            ]
        })
        .collect()
}

/// An example of a file, with every column. It begins with the mark by which Excel knows UTF-8.
pub(super) fn template(lang: Lang) -> String {
    let header: Vec<&str> = Column::all().map(|column| words::column(lang, column)).collect();
    let rack = match lang {
        Lang::En => "Rack",
        Lang::Zh => "机柜",
    };
    let mut lines: Vec<String> = [
        t!(lang, "import-template-1"),
        t!(lang, "import-template-2"),
        t!(lang, "import-template-3"),
        t!(lang, "import-template-4"),
    ]
    .iter()
    .map(|line| format!("# {line}"))
    .collect();
    lines.push(header.join(","));
    lines.push(format!("gulou-1,2025-03-01,,24300,18600,120,300,6000,0,41.5,13800,1450,{rack},99.9,"));
    lines.push("gulou-1,,2025-02,680400,520800,,,,,,,,,,".to_owned());
    format!("\u{feff}{}\n", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datacenter::import::{rows, text};

    #[test]
    fn a_template_is_a_file_that_can_be_read() {
        for lang in Lang::ALL {
            let template = template(lang);
            let read = rows::read(&text::read(template.as_bytes()).unwrap(), None);
            assert_eq!(read.problems, [], "{template}");
            assert_eq!(read.rows.len(), 2);
            assert_eq!((read.rows[0].it_wh, read.rows[0].coverage), (Some(18_600_000), Some(9990)));
        }
    }

    #[test]
    fn of_many_problems_fifty_are_told_and_the_others_counted() {
        use crate::datacenter::import::Wrong;
        let all: Vec<Problem> = (1..=60).rev().map(|line| Problem::of_line(line, Wrong::NoSite)).collect();
        let told = problems(Lang::En, "f.csv", all);
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 52);
        assert_eq!(lines[0], "error: f.csv:1: the site is missing");
        assert_eq!(lines[50..], ["… and 10 more problems", "nothing was written: f.csv has 60 problems"]);
        assert_eq!(
            problems(Lang::Zh, "f.csv", vec![Problem::of_line(1, Wrong::NoSite)]),
            "error: f.csv:1: 缺少数据中心名称\n未写入任何数据：f.csv 有 1 个问题\n"
        );
    }
}
