//! Anything at all: nothing panics, everything ends, and what is good reads the same however it is written. `PROPTEST_CASES` makes it longer.

use proptest::{collection::vec, prelude::*};
use serde_json::{Map, Value};

use super::all_with;
use crate::input::{Limits, Reader, line_ends, locate, parse, values};

const SMALL: Limits = Limits { document: 600, list: 120, depth: 20, values: 300, copied: 2000 };

/// Reads everything of some bytes, asks for places, and checks what always holds.
fn read(bytes: &[u8], limits: &Limits) {
    // A lone carriage return ends a line of YAML too.
    let lone = bytes.windows(2).filter(|pair| pair[0] == b'\r' && pair[1] != b'\n').count();
    let lines = 1 + line_ends(bytes) + lone;
    let mut kept = 0;
    for document in Reader::new(bytes, "f", *limits) {
        let document = match document {
            Ok(document) => document,
            Err(fault) => {
                assert!(fault.line <= lines, "{fault} of {lines} lines");
                continue;
            }
        };
        kept += document.text.len();
        // A List without its items is put together anew.
        assert!(document.text.len() <= limits.document + 16);
        assert!(document.line <= lines);
        let (found, faults) = values(&document, limits);
        assert!(faults.iter().all(|fault| fault.line <= lines), "{faults:?} of {lines} lines");
        assert!(parse(&document, limits).objects.len() <= found.len());
        for object in &found {
            let at = object.line(&document, "spec.containers[1].a");
            assert!((document.line..=lines).contains(&at));
        }
        for path in ["", "a", "a[0].b", "/items/0/a", "items[1]"] {
            assert!(locate(&document, path).is_none_or(|line| (document.line..=lines).contains(&line)));
        }
    }
    assert!(kept <= 2 * bytes.len() + 64, "{kept} of {}", bytes.len());
}

/// Pieces of which YAML and JSON are made.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec![
            "a: ",
            "b:\n",
            "- ",
            "\n",
            "\n  ",
            "\n    ",
            "---\n",
            "--- ",
            "...\n",
            "{",
            "}",
            "[",
            "]",
            ", ",
            "\"",
            "'",
            "\\",
            "|\n",
            ">-\n",
            "&a ",
            "*a",
            "<<: ",
            "!x ",
            "!!str ",
            "%YAML 1.1\n",
            "# c\n",
            "\t",
            "\r\n",
            "? ",
            ": ",
            "~",
            "yes",
            "0x1f",
            ".inf",
            "1e9",
            "kind: List\n",
            "items:\n",
            "- kind: Pod\n",
            "{\"kind\": \"PodList\", \"items\": [",
            "{\"a\": 1}",
            "\"items\":",
            "\"a\":",
            "[[[[[",
            "apiVersion: v1\n",
            "metadata: {name: a}\n",
            "\u{feff}",
            "ü",
            "中",
            "\u{85}",
            "x: |\n  y\n",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ])
        .prop_map(str::to_owned),
        "[ -~\n]{0,8}",
    ]
}

fn text() -> impl Strategy<Value = String> {
    vec(piece(), 0..60).prop_map(|pieces| pieces.concat())
}

/// A value that YAML and JSON both hold.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000_000i32..1_000_000).prop_map(|number| Value::from(f64::from(number) / 64.0 + 0.007_812_5)),
        prop::sample::select(vec![
            "yes",
            "no",
            "~",
            "null",
            "1",
            "0x1f",
            "1e3",
            "",
            " a ",
            "- a",
            "a: b",
            "# c",
            "|",
            "---",
            "\n",
            "{",
            "2001-01-01",
            "'",
            "\"",
            "&a",
            "*a",
            "!t",
            "%",
            "@",
            "`"
        ])
        .prop_map(Value::from),
        "[ -~]{0,12}".prop_map(Value::from),
        "[a-z\n ü中\u{1F600}]{0,20}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec(("[a-z0-9./ -]{0,6}|yes|null", inner), 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    ("[a-z]{1,5}", json()).prop_map(|(name, spec)| {
        serde_json::json!({ "apiVersion": "v1", "kind": "Thing", "metadata": { "name": name }, "spec": spec })
    })
}

/// YAML in blocks. Texts are quoted: what writers leave plain, such as `yes`, is no text for everybody.
fn yaml(value: &Value, indent: usize, out: &mut String) {
    let line = |out: &mut String| {
        out.push('\n');
        out.push_str(&" ".repeat(indent));
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                line(out);
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push_str(": ");
                // Items may stand below their key without more indentation.
                yaml(value, indent + if value.is_array() { 0 } else { 2 }, out);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                line(out);
                out.push_str("- ");
                yaml(item, indent + 2, out);
            }
        }
        other => out.push_str(&other.to_string()),
    }
}

fn written(value: &Value) -> String {
    let mut out = String::new();
    yaml(value, 0, &mut out);
    out.push('\n');
    out
}

proptest! {
    #[test]
    fn any_bytes_are_read(bytes in vec(any::<u8>(), 0..400)) {
        read(&bytes, &SMALL);
        read(&[b"\xFF\xFE", &bytes[..]].concat(), &SMALL);
    }

    #[test]
    fn any_text_is_read(text in text()) {
        read(text.as_bytes(), &SMALL);
        read(text.as_bytes(), &Limits::default());
    }

    #[test]
    fn a_text_of_objects_is_read_wherever_it_is_cut_off(
        objects in vec(object(), 1..4),
        at in any::<prop::sample::Index>(),
        json in any::<bool>(),
    ) {
        let list = serde_json::json!({ "apiVersion": "v1", "kind": "List", "items": objects });
        let text = if json { serde_json::to_string_pretty(&list).unwrap() } else { serde_yaml::to_string(&list).unwrap() };
        let cut = &text.as_bytes()[..at.index(text.len() + 1)];
        read(cut, &Limits::default());
        read(cut, &SMALL);
    }

    #[test]
    fn objects_read_the_same_however_they_are_written(objects in vec(object(), 1..4)) {
        let list = serde_json::json!({ "apiVersion": "v1", "items": objects, "kind": "List", "metadata": {} });
        let written = [
            objects.iter().map(written).collect::<Vec<_>>().join("---\n"),
            objects.iter().map(|object| serde_json::to_string(object).unwrap()).collect::<Vec<_>>().join("\n"),
            objects.iter().map(|object| serde_json::to_string_pretty(object).unwrap()).collect::<String>(),
            format!("---\n{}", objects.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n")),
            written(&list),
            written(&list).replace('\n', "\r\n"),
            serde_json::to_string(&list).unwrap(),
            serde_json::to_string_pretty(&list).unwrap(),
        ];
        for text in written {
            for list in [100, 1 << 20] {
                let (found, faults) = all_with(text.as_bytes(), &Limits { list, ..Limits::default() });
                prop_assert_eq!(&faults, &Vec::<String>::new(), "{}", text);
                let found: Vec<_> = found.into_iter().map(|(_, object)| object.value).collect();
                prop_assert_eq!(&found, &objects, "{}", text);
            }
        }
    }
}
