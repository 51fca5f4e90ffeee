use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use fluent_syntax::{
    ast::{Entry, Expression, InlineExpression, Pattern, PatternElement},
    parser,
};

use super::*;

/// Every variable that a pattern names, in selectors as well.
fn variables<'a>(pattern: &Pattern<&'a str>, found: &mut BTreeSet<&'a str>) {
    fn inline<'a>(expression: &InlineExpression<&'a str>, found: &mut BTreeSet<&'a str>) {
        match expression {
            InlineExpression::VariableReference { id } => drop(found.insert(id.name)),
            InlineExpression::Placeable { expression } => walk(expression, found),
            _ => {}
        }
    }
    fn walk<'a>(expression: &Expression<&'a str>, found: &mut BTreeSet<&'a str>) {
        match expression {
            Expression::Inline(expression) => inline(expression, found),
            Expression::Select { selector, variants } => {
                inline(selector, found);
                for variant in variants {
                    variables(&variant.value, found);
                }
            }
        }
    }
    for element in &pattern.elements {
        if let PatternElement::Placeable { expression } = element {
            walk(expression, found);
        }
    }
}

/// Keys of a language with the variables of their texts.
fn keys(lang: Lang) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut keys = BTreeMap::new();
    for (file, text) in lang.files() {
        let resource =
            parser::parse(*text).unwrap_or_else(|(_, errors)| panic!("{lang}/{file}.ftl: {errors:?}"));
        for entry in resource.body {
            let Entry::Message(message) = entry else { continue };
            let key = message.id.name;
            let mut found = BTreeSet::new();
            variables(
                message.value.as_ref().unwrap_or_else(|| panic!("{lang}/{file}: {key} is empty")),
                &mut found,
            );
            assert!(keys.insert(key, found).is_none(), "{lang}/{file}.ftl has {key} a second time");
        }
    }
    keys
}

/// Every key that the sources and templates ask for, by the macro or by the function `t` of templates. Only literals can be asked for,
/// because the macro takes nothing else.
fn asked() -> BTreeSet<String> {
    fn key(call: &str) -> Option<String> {
        let key = match call.strip_prefix("!(") {
            Some(call) => call.split_once(',')?.1.trim_start().strip_prefix('"')?,
            None => call.strip_prefix("(key=\"")?,
        };
        let key = key.split('"').next()?;
        key.bytes().all(|letter| letter == b'-' || letter.is_ascii_alphanumeric()).then(|| key.to_owned())
    }
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "html") {
                let text = fs::read_to_string(&path).unwrap();
                let calls = text.match_indices('t').filter(|(at, _)| {
                    !text[..*at].ends_with(|before: char| before == '_' || before.is_alphanumeric())
                });
                found.extend(calls.filter_map(|(at, _)| key(&text[at + 1..])));
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

#[test]
fn both_languages_have_the_same_keys_with_the_same_variables() {
    assert_eq!(keys(Lang::En), keys(Lang::Zh));
}

#[test]
fn every_key_that_is_asked_for_exists_and_none_is_left_over() {
    let known: BTreeSet<String> = keys(Lang::En).into_keys().map(str::to_owned).collect();
    assert_eq!(asked(), known);
}

#[test]
fn chinese_texts_are_chinese() {
    // What is written with the same signs in both languages.
    const SAME: [&str; 13] = [
        "status-pue",
        "explain-window-pue",
        "explain-amount-energy",
        "explain-amount-water",
        "explain-amount-carbon",
        "explain-position-ups",
        "explain-position-pdu",
        "report-cue",
        "report-erf",
        "report-headline",
        "report-pue",
        "report-ref",
        "report-wue",
    ];
    let chinese = |text: &str| text.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter));
    for (file, text) in ZH {
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((key, value)) = line.split_once(" = ") else { continue };
            // Without variables and what chooses between forms.
            let value: String =
                value.split('{').map(|part| part.split_once('}').map_or(part, |(_, rest)| rest)).collect();
            let words = value.chars().any(|letter| letter.is_ascii_alphabetic());
            assert!(!words || chinese(&value) || SAME.contains(&key), "zh/{file}.ftl: {line}");
        }
    }
}

#[test]
fn variables_are_put_in_as_they_are() {
    assert_eq!(
        t!(Lang::En, "status-remark", site = "gulou-1", message = "榕 \u{202e}x"),
        "gulou-1: 榕 \u{202e}x"
    );
    assert_eq!(t!(Lang::Zh, "status-interim", pue = "1.2712"), "1.2712（阶段性）");
}

#[test]
fn the_environment_chooses_the_language() {
    let of = |set: &[(&str, &str)]| {
        Lang::of_environment(|name| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    };
    assert_eq!(of(&[]), Lang::En);
    assert_eq!(of(&[("LANG", "zh_CN.UTF-8")]), Lang::Zh);
    assert_eq!(of(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "C")]), Lang::En);
    assert_eq!(of(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", ""), ("LC_MESSAGES", "zh_TW")]), Lang::Zh);
}
