//! Arbitrary texts wherever an audit has one: each form is made, parses back and is after its schema. `PROPTEST_CASES` makes it longer.

use proptest::prelude::*;

use super::{
    super::{Format, openreports, oscal, sarif},
    schemas::{OSCAL, SARIF, valid, valid_junit, valid_report},
    *,
};

/// Members of an audit whose texts are not free.
const FIXED: [&str; 12] = [
    "at",
    "severity",
    "kind",
    "outcome",
    "verdict",
    "state",
    "model",
    "conclusion",
    "expires",
    "validUntil",
    "verdicts",
    "tally",
];

/// The audit with other texts, one after the other, and without some of its parts.
fn scramble(texts: &[String], drop: &[usize]) -> Audit {
    fn walk(value: &mut Json, key: &str, next: &mut impl Iterator<Item = String>) {
        match value {
            Json::String(text) if !FIXED.contains(&key) => {
                if let Some(other) = next.next() {
                    *text = other;
                }
            }
            Json::Array(list) => list.iter_mut().for_each(|value| walk(value, key, next)),
            Json::Object(map) if !FIXED.contains(&key) || key == "kind" => {
                map.iter_mut().for_each(|(key, value)| walk(value, key, next));
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(audit()).unwrap();
    for at in drop {
        for key in ["objects", "packs", "controls", "clauses", "waivers", "faults", "unread", "highRisks"] {
            if at % 8 == key.len() % 8 {
                let list = value[key].as_array_mut().unwrap();
                list.truncate(list.len().saturating_sub(at / 8));
            }
        }
    }
    // `kind` is a word of its own in controls and clauses, and free in objects.
    let mut next = texts.iter().cycle().cloned();
    for (key, value) in value.as_object_mut().unwrap() {
        if key != "at" && key != "counts" {
            walk(value, key, &mut next);
        }
    }
    for line in value["objects"].as_array_mut().unwrap() {
        if let Some(text) = next.next() {
            line["object"]["kind"] = json!(text);
        }
    }
    serde_json::from_value(value).unwrap()
}

/// Letters of every kind, and pieces that readers take for something.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(HOSTILE.to_vec()).prop_map(str::to_owned),
        2 => proptest::sample::select(vec!["]]>", "&", "<", ">", "\"", "'", "=", "%", "--", "'", "\n", "\u{2028}", " ", "\t", "---", "- a: b", "榕"])
            .prop_map(str::to_owned),
        3 => any::<char>().prop_map(String::from),
        2 => "\\PC{0,12}",
        1 => ".{0,40}",
    ];
    proptest::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn texts() -> impl Strategy<Value = (Vec<String>, Vec<usize>)> {
    (proptest::collection::vec(text(), 1..40), proptest::collection::vec(0..80_usize, 0..3))
}

/// Seconds of it, unless more is asked for.
fn config() -> ProptestConfig {
    let asked = std::env::var_os("PROPTEST_CASES").is_some();
    // The seeds of such long texts say little to anybody; the smallest audit that fails is printed.
    let usual = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if asked { usual } else { ProptestConfig { cases: 24, ..usual } }
}

/// Every tag of the template, and what packs of the test write into their texts.
const KNOWN: [&str; 43] = [
    "!doctype", "html", "head", "meta", "title", "style", "body", "a", "header", "h1", "h2", "h3", "p",
    "main", "section", "div", "span", "ul", "li", "b", "br", "code", "form", "label", "input", "select",
    "option", "button", "output", "table", "caption", "thead", "tbody", "tr", "th", "td", "script", "", "x",
    "i", "em", "small", "strong",
];

fn made(format: Format, audit: &Audit, lang: Lang) -> Vec<u8> {
    let mut bytes = Vec::new();
    super::super::write(format, audit, lang, &mut bytes).unwrap();
    bytes
}

fn made_text(format: Format, audit: &Audit, lang: Lang) -> String {
    let text = String::from_utf8(made(format, audit, lang)).unwrap();
    nothing_hidden(text.trim_start_matches('\u{feff}').replace("\r\n", "\n").as_str());
    text
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn reports((texts, drop) in texts()) {
        let audit = scramble(&texts, &drop);
        for api in [openreports::Api::OpenReports, openreports::Api::PolicyReport] {
            let mut bytes = Vec::new();
            openreports::write_json(&audit, api, &mut bytes).unwrap();
            let list: Json = serde_json::from_slice(&bytes).unwrap();
            for report in list["items"].as_array().unwrap() {
                valid_report(report);
            }
            for line in &audit.objects {
                let report = openreports::report_for(line, &audit, api);
                prop_assert!(report.to_string().len() <= openreports::MOST);
            }
        }
    }

    #[test]
    fn yaml((texts, drop) in texts()) {
        let audit = scramble(&texts, &drop);
        let list: Json = serde_yaml::from_str(&made_text(Format::Yaml, &audit, Lang::En)).unwrap();
        list["items"].as_array().unwrap().iter().for_each(valid_report);
    }

    #[test]
    fn sarif_logs((texts, drop) in texts()) {
        let audit = scramble(&texts, &drop);
        let log: Json = serde_json::from_str(&made_text(Format::Sarif, &audit, Lang::Zh)).unwrap();
        valid(&SARIF, &log);
        prop_assert_eq!(log, sarif::render(&audit, Lang::Zh));
    }

    #[test]
    fn junit((texts, drop) in texts()) {
        valid_junit(&made_text(Format::Junit, &scramble(&texts, &drop), Lang::En));
    }

    #[test]
    fn oscal_documents((texts, drop) in texts()) {
        let audit = scramble(&texts, &drop);
        let document: Json = serde_json::from_str(&made_text(Format::Oscal, &audit, Lang::En)).unwrap();
        valid(&OSCAL, &document);
        prop_assert_eq!(document, oscal::render(&audit));
    }

    #[test]
    fn csv((texts, drop) in texts()) {
        let text = made_text(Format::Csv, &scramble(&texts, &drop), Lang::En);
        let mut reader = ::csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        for row in reader.records() {
            for cell in &row.unwrap() {
                prop_assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']), "{}", cell);
            }
        }
    }

    #[test]
    fn xlsx((texts, drop) in texts()) {
        use calamine::{Reader as _, Xlsx};
        let bytes = made(Format::Xlsx, &scramble(&texts, &drop), Lang::Zh);
        let mut book = Xlsx::new(std::io::Cursor::new(bytes)).unwrap();
        for name in book.sheet_names() {
            book.worksheet_range(&name).unwrap();
            prop_assert!(book.worksheet_formula(&name).unwrap().used_cells().next().is_none());
        }
    }

    #[test]
    fn html((texts, drop) in texts()) {
        let page = made_text(Format::Html, &scramble(&texts, &drop), Lang::Zh);
        // Exactly the tags of the template: what was given adds none.
        prop_assert_eq!(page.matches("<script").count(), 1);
        prop_assert_eq!(page.matches("<style").count(), 1);
        let tags: std::collections::BTreeSet<_> = page
            .split('<')
            .skip(1)
            .map(|rest| rest.trim_start_matches('/').split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '!').next().unwrap())
            .collect();
        for tag in tags {
            prop_assert!(KNOWN.contains(&tag), "{}", tag);
        }
    }

    #[test]
    fn table((texts, drop) in texts()) {
        made_text(Format::Table, &scramble(&texts, &drop), Lang::Zh);
    }
}
