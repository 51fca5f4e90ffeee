//! Bad input: a file, a line and a reason, and the rest is read.

use std::fmt::Write as _;

use serde_json::json;

use super::{all, all_with};
use crate::input::Limits;

const GOOD: &str = "apiVersion: v1\nkind: Pod\nmetadata: { name: good }\n";

/// The one fault of a document between two good ones, which are read all the same. The bad one begins on line 5.
fn fault(bad: &str) -> String {
    let text = format!("{GOOD}---\n{bad}\n---\n{GOOD}");
    let (objects, mut faults) = all(&text);
    assert_eq!(objects.len(), 2, "{faults:?}");
    assert_eq!(faults.len(), 1, "{faults:?}");
    faults.remove(0)
}

#[test]
fn an_alias_bomb_is_refused_before_it_is_made() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let before = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", vec![before; 9].join(", ")).unwrap();
    }
    let said = fault(&bomb);
    assert!(said.contains("aliases repeat more than") || said.contains("more than 1000000 values"), "{said}");
    let line: usize = said.split(':').nth(1).unwrap().parse().unwrap();
    assert!((8..15).contains(&line), "{said}");
}

#[test]
fn a_long_text_that_is_repeated_is_a_bomb_too() {
    let bomb = format!("a: &a {}\nb: [{}]\n", "x".repeat(100_000), vec!["*a"; 1000].join(", "));
    assert!(fault(&bomb).starts_with("f.yaml:6:"), "the aliases stand on the second line");
    assert!(fault(&bomb).ends_with("its aliases repeat more than 8388608 bytes of values"));
}

#[test]
fn deep_nesting_is_refused_in_every_form() {
    let block = (0..200).map(|level| " ".repeat(level) + "a:\n").collect::<String>();
    assert_eq!(fault(&block), "f.yaml:105:101: parsing a document: it is nested deeper than 100 levels");
    let flow = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
    assert_eq!(fault(&flow), "f.yaml:5:103: parsing a document: it is nested deeper than 100 levels");
    let json = format!("{{\"a\": {}{}}}", "[".repeat(200), "]".repeat(200));
    assert!(fault(&json).ends_with("it is nested deeper than 100 levels"));
    let open = "[".repeat(100_000);
    assert!(fault(&open).starts_with("f.yaml:5:"));
}

#[test]
fn a_long_document_is_refused_and_not_held() {
    let limits = Limits { document: 4000, ..Limits::default() };
    for filler in [
        format!("a: {}", "x".repeat(9000)),
        "a: b\n".repeat(3000),
        format!("{{\"a\": \"{}\"}}", "x".repeat(9000)),
    ] {
        let text = format!("{GOOD}---\n{filler}\n---\n{GOOD}");
        let (objects, faults) = all_with(text.as_bytes(), &limits);
        assert_eq!(objects.len(), 2);
        assert_eq!(
            faults,
            ["f.yaml:5:1: reading a document: it is longer than 4000 bytes, the most for one document"]
        );
    }
}

#[test]
fn a_binary_is_refused_once() {
    let (objects, faults) =
        all_with(&[GOOD.as_bytes(), b"---\n\x7fELF\x02\0\0\0\n---\n\0\n"].concat(), &Limits::default());
    assert_eq!(objects.len(), 1);
    assert_eq!(
        faults,
        ["f.yaml:5:6: reading the input: a NUL byte; this is no text, and the rest of it is left alone"]
    );
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let text = [GOOD.as_bytes(), b"---\na: b\nc: \xE4\xF6\n---\n", GOOD.as_bytes()].concat();
    let (objects, faults) = all_with(&text, &Limits::default());
    assert_eq!(objects.len(), 2);
    assert_eq!(faults, ["f.yaml:6:4: reading a document: the bytes are not UTF-8"]);
    assert_eq!(
        fault("a: \"\u{1b}[2J\""),
        "f.yaml:5:5: reading a document: the control character U+001B is not allowed"
    );
}

#[test]
fn a_truncated_file_is_refused() {
    for (bad, reason) in [
        ("a: \"b", "f.yaml:5:4: parsing YAML: "),
        ("a: [b,", "f.yaml:5:4: parsing YAML: "),
        ("{\"a\": {\"b\": 1}", "parsing JSON: EOF while parsing an object"),
        ("{\"a\": \"b", "parsing "),
    ] {
        let (objects, faults) = all(&format!("{GOOD}---\n{bad}"));
        assert_eq!((objects.len(), faults.len()), (1, 1), "{faults:?}");
        assert!(faults[0].contains(reason), "{bad}: {}", faults[0]);
    }
}

#[test]
fn a_marker_that_was_not_seen_hides_no_document() {
    assert_eq!(
        fault("a: 1\r---\rb: 2\r"),
        "f.yaml:6:1: parsing YAML: another document begins here; end lines with a line feed so that it can be read"
    );
}

#[test]
fn a_key_given_twice_is_named_with_both_its_lines() {
    assert_eq!(
        fault("a:\n  b:\n  - c: 1\n    d: 2\n    c: 3"),
        "f.yaml:9:5: a.b[0].c: is there a second time: it stands on line 7 already"
    );
    assert_eq!(
        fault("{\n \"a\": {\"b.c\": [1, {\"d\": 1,\n  \"d\": 2}]}}"),
        "f.yaml:7:5: a['b.c'][1].d: is there a second time: it stands on line 6 already"
    );
    // The same key in JSON, whatever it was in YAML.
    assert!(fault("1: a\n\"1\": b").ends_with("1: is there a second time: it stands on line 5 already"));
    assert!(fault("yes: a\ntrue: b").ends_with("true: is there a second time: it stands on line 5 already"));
}

#[test]
fn what_is_merged_may_be_given_again() {
    let text = "a: &a { x: 1, z: 2 }\nb: { <<: *a, x: 3 }\n";
    assert_eq!(super::value(text).unwrap()["b"], json!({ "x": 3, "z": 2 }));
    assert!(
        super::value("a: &a { x: 1 }\nb: { <<: *a, x: 3, x: 4 }\n").unwrap_err().contains("b.x: is there")
    );
    assert_eq!(fault("a: { <<: 3 }"), "f.yaml:5:6: parsing YAML: << wants a mapping or a list of mappings");
}

#[test]
fn what_json_cannot_hold_is_refused() {
    assert_eq!(fault("a: !vault x"), "f.yaml:5:4: parsing YAML: the tag !vault is unknown to Kubernetes");
    assert_eq!(fault("a: !!int x"), "f.yaml:5:10: parsing YAML: \"x\" is no !!int");
    assert_eq!(fault("a: {~: b}"), "f.yaml:5:5: parsing YAML: null cannot be a key");
    assert_eq!(fault("? [a]\n: b"), "f.yaml:5:3: parsing YAML: a list cannot be a key");
    assert!(fault("a: .inf").starts_with("f.yaml:5:4: parsing YAML: .inf is a number that JSON cannot hold"));
    assert!(fault("a: &a [*a]").starts_with("f.yaml:5:8: parsing a document: an alias repeats the value"));
    assert!(fault("a: *b").starts_with("f.yaml:5:4: parsing YAML: "));
}

#[test]
fn an_object_without_what_every_object_has_is_named() {
    let lacks = |text: &str, said: &str| assert_eq!(fault(text), said);
    lacks("kind: A", "f.yaml:5:1: reading an object: apiVersion is missing, in A");
    lacks("apiVersion: v1\nkind: ''", "f.yaml:5:1: reading an object: kind is empty");
    lacks(
        "apiVersion: 1\nkind: A",
        "f.yaml:5:1: reading an object: apiVersion is no text; put it in quotes, in A",
    );
    lacks("apiVersion: v1\nkind: A", "f.yaml:5:1: reading an object: metadata is missing, in A");
    lacks(
        "apiVersion: v1\nkind: A\nmetadata: []",
        "f.yaml:5:1: reading an object: metadata is no mapping, in A",
    );
    lacks(
        "apiVersion: v1\nkind: A\nmetadata: {}",
        "f.yaml:5:1: reading an object: metadata.name is missing, in A",
    );
    lacks(
        "apiVersion: v1\nkind: A\nmetadata: { name: 5 }",
        "f.yaml:5:1: reading an object: metadata.name is no text; put it in quotes, in A",
    );
    lacks("- a", "f.yaml:5:1: reading an object: expected a mapping with apiVersion and kind, found a list");
    let (objects, faults) = all("apiVersion: v1\nkind: Pod\nmetadata: { generateName: a- }\n");
    assert_eq!((objects.len(), faults.len()), (1, 0));
}

#[test]
fn an_item_that_is_no_object_does_not_hide_the_others() {
    let list = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: { name: a }\n- kind: Pod\n- 5\n\
                - apiVersion: v1\n  kind: List\n  items:\n  - apiVersion: v1\n    kind: Pod\n    metadata: { name: b }\n";
    let (objects, faults) = all(list);
    let found: Vec<_> = objects.iter().map(|(line, object)| (*line, object.path.as_str())).collect();
    assert_eq!(found, [(4, "items[0]"), (12, "items[3].items[0]")]);
    assert_eq!(
        faults,
        [
            "f.yaml:7:1: reading an object: apiVersion is missing, in Pod",
            "f.yaml:8:1: reading an object: expected a mapping with apiVersion and kind, found a number"
        ]
    );
}

#[test]
fn items_of_a_typed_list_are_what_the_list_says() {
    let (objects, faults) =
        all("{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"items\":[{\"metadata\":{\"name\":\"a\"}}]}");
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(objects[0].1.value, json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a" } }));
    // A kind of somebody's own that is called a list.
    let (objects, _) = all("apiVersion: a/v1\nkind: AllowList\nmetadata: { name: a }\nspec: {}\n");
    assert_eq!(objects.len(), 1);
}
