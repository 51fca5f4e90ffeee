//! How streams are cut.

use std::io::Read;

use super::{all, all_with};
use crate::input::{Document, Limits, Reader, Syntax};

fn documents(bytes: &[u8]) -> Vec<Document> {
    Reader::new(bytes, "f", Limits::default()).map(Result::unwrap).collect()
}

/// Line and text of each document.
fn cut(text: &str) -> Vec<(usize, String)> {
    documents(text.as_bytes()).into_iter().map(|document| (document.line, document.text)).collect()
}

#[test]
fn markers_end_a_document_and_what_holds_nothing_is_none() {
    assert_eq!(cut(""), []);
    assert_eq!(cut("---\n---\n\n# c\n---\n...\n"), []);
    assert_eq!(cut("a: 1\n---\nb: 2\n"), [(1, "a: 1\n".into()), (3, "b: 2\n".into())]);
    assert_eq!(cut("--- # x\na: 1\n...\nb: 2"), [(2, "a: 1\n".into()), (4, "b: 2".into())]);
    assert_eq!(cut("--- {a: 1}\n--- |\n x\n"), [(1, "--- {a: 1}\n".into()), (2, "--- |\n x\n".into())]);
    assert_eq!(cut("---a: 1\n--- b\n"), [(1, "---a: 1\n".into()), (2, "--- b\n".into())]);
    // Also inside a block of text, unless it is indented.
    assert_eq!(cut("a: |\n  ---\n---\nb: 1\n").len(), 2);
    assert_eq!(cut("a: 1\r\n---\r\nb: 2\r\n"), [(1, "a: 1\r\n".into()), (3, "b: 2\r\n".into())]);
    assert_eq!(cut("---\n# Source: x/y.yaml\na: 1\n---\n# Source: z\n"), [(3, "a: 1\n".into())]);
}

#[test]
fn directives_belong_to_the_document_after_them() {
    let text = "%YAML 1.1\n# c\n---\na: yes\n---\nb: 2\n";
    assert_eq!(cut(text), [(1, "%YAML 1.1\n# c\n---\na: yes\n".into()), (6, "b: 2\n".into())]);
    let (_, faults) = all(text);
    assert_eq!(faults[0], "f.yaml:4:1: reading an object: apiVersion is missing");
}

#[test]
fn json_ends_where_its_brackets_do() {
    let text = "{\"a\": \"}\\\"\"} {\"b\": [1]}\n\n  {\"c\":\n 1}\n---\n{\"d\": 1}\n---\ne: 1\n";
    let found: Vec<_> =
        documents(text.as_bytes()).into_iter().map(|d| (d.line, d.column, d.syntax, d.text)).collect();
    assert_eq!(
        found,
        [
            (1, 0, Syntax::Json, "{\"a\": \"}\\\"\"}".into()),
            (1, 13, Syntax::Json, "{\"b\": [1]}".into()),
            (3, 2, Syntax::Json, "{\"c\":\n 1}".into()),
            (6, 0, Syntax::Json, "{\"d\": 1}".into()),
            (8, 0, Syntax::Yaml, "e: 1\n".into()),
        ]
    );
}

#[test]
fn what_begins_like_json_may_be_yaml() {
    assert_eq!(cut("{a: b,\n c: '}'}\n---\n{}\n").len(), 2);
    let (objects, faults) = all(
        "{apiVersion: v1, kind: Pod, metadata: {name: a}}\n---\n{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"b\",},}\n",
    );
    assert_eq!((objects.len(), faults), (2, vec![]));
}

#[test]
fn a_broken_line_of_json_lines_does_not_hide_the_others() {
    let line = "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"}}\n";
    let (objects, faults) = all(&format!("{line}{{\"a\": oops}}\n{line}{line}"));
    assert_eq!(objects.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!(faults, ["f.yaml:2:1: reading an object: apiVersion is missing"]);
}

#[test]
fn utf16_with_its_mark_is_decoded() {
    let text = "a: ü\n---\nb: 中\n";
    let le: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(text.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let be: Vec<u8> =
        [0xFE, 0xFF].into_iter().chain(text.encode_utf16().flat_map(u16::to_be_bytes)).collect();
    let utf8 = format!("\u{feff}{text}");
    for bytes in [&le, &be, utf8.as_bytes()] {
        let found: Vec<_> = documents(bytes).into_iter().map(|document| document.text).collect();
        assert_eq!(found, ["a: ü\n", "b: 中\n"]);
    }
    let (_, faults) = all_with(&[&le[..], &[0x00, 0xD8, 0x41, 0x00]].concat(), &Limits::default());
    assert!(
        faults.last().unwrap().contains("not the UTF-16 that their byte order mark announces"),
        "{faults:?}"
    );
    let (_, faults) = all_with(&le[2..], &Limits::default());
    assert!(faults[0].contains("a NUL byte"));
}

#[test]
fn files_put_one_after_the_other_keep_their_marks() {
    let found = cut("a: 1\n---\n\u{feff}b: 2\n\u{feff}---\n\u{feff}{\"c\": 1}");
    let texts: Vec<_> = found.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["a: 1\n", "b: 2\n", "{\"c\": 1}"]);
}

/// Gives its bytes in small parts, and then an error.
struct Slow<'a>(&'a [u8], usize, bool);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let take = self.1.min(self.0.len()).min(buffer.len());
        if take == 0 && self.2 {
            return Err(std::io::Error::other("the disk is on fire"));
        }
        buffer[..take].copy_from_slice(&self.0[..take]);
        self.0 = &self.0[take..];
        Ok(take)
    }
}

#[test]
fn how_much_is_read_at_once_changes_nothing() {
    let text = "%YAML 1.1\n---\na: ü\n---\n{\"b\": \"\\\"}\"}{\"c\": 1}\n...\nd: |\n  x\n";
    let whole = documents(text.as_bytes());
    assert_eq!(whole.len(), 4);
    for size in 1..20 {
        let parts: Vec<_> = Reader::new(Slow(text.as_bytes(), size, false), "f", Limits::default())
            .map(Result::unwrap)
            .collect();
        assert_eq!(parts, whole);
    }
}

#[test]
fn an_error_of_reading_is_named_where_it_happened() {
    let read: Vec<_> = Reader::new(Slow(b"a: 1\n---\nb: 2\n", 3, true), "f", Limits::default()).collect();
    assert_eq!(read.len(), 2);
    assert!(read[0].is_ok());
    assert_eq!(read[1].as_ref().unwrap_err().to_string(), "f:4:1: reading the input: the disk is on fire");
}

/// A List of 40 Pods, as `kubectl get -o yaml` and `-o json` print it.
fn lists() -> [String; 3] {
    let pod = |place: usize| {
        serde_json::json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": format!("p{place}"), "annotations": { "a": "x: [\n- y\n" } },
            "spec": { "containers": [{ "name": "a", "image": "b" }, { "name": "c" }] },
        })
    };
    let list = serde_json::json!({
        "apiVersion": "v1", "kind": "List", "metadata": { "resourceVersion": "" }, "items": (0..40).map(pod).collect::<Vec<_>>(),
    });
    [
        serde_yaml::to_string(&list).unwrap(),
        serde_json::to_string(&list).unwrap(),
        serde_json::to_string_pretty(&list).unwrap(),
    ]
}

#[test]
fn a_long_list_is_cut_into_its_items_and_reads_the_same() {
    for text in lists() {
        let text = format!("{text}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{ name: last }}\n");
        let whole = all(&text);
        assert_eq!((whole.0.len(), whole.1.len()), (41, 0), "{:?}", whole.1);
        for list in [1, 50, 500, 1500] {
            let limits = Limits { list, document: 4096, ..Limits::default() };
            assert_eq!(all_with(text.as_bytes(), &limits), whole, "{list}");
            let parts: Vec<_> =
                Reader::new(text.as_bytes(), "f.yaml", limits).collect::<Result<_, _>>().unwrap();
            assert_eq!(parts.len(), 42, "40 items, the rest of their list, and another");
        }
    }
}

#[test]
fn places_in_a_long_list_are_those_of_the_file() {
    for text in lists() {
        let limits = Limits { list: 100, ..Limits::default() };
        let (whole, _) = all(&text);
        let document = documents(text.as_bytes()).remove(0);
        let mut lines = Vec::new();
        for part in Reader::new(text.as_bytes(), "f.yaml", limits).map(Result::unwrap) {
            for object in crate::input::parse(&part, &limits).objects {
                lines.push(object.line(&part, "spec.containers[1].name"));
            }
        }
        let expected: Vec<_> =
            whole.iter().map(|(_, object)| object.line(&document, "spec.containers[1].name")).collect();
        assert_eq!(lines, expected);
        if text.lines().count() > 1 {
            assert!(lines.is_sorted() && lines[0] < lines[39]);
        }
    }
}

#[test]
fn what_is_wrong_in_a_long_list_is_said() {
    let limits = Limits { list: 100, document: 2000, ..Limits::default() };
    let item = |name: &str| format!("- apiVersion: v1\n  kind: Pod\n  metadata: {{ name: {name} }}\n");
    let text = format!(
        "apiVersion: v1\nitems:\n{}{}- a: [\n- kind: Pod\n- a: {}\n{}kind: Thing\n",
        item("a"),
        item("b"),
        "x".repeat(5000),
        item("c")
    );
    let (objects, faults) = all_with(text.as_bytes(), &limits);
    assert_eq!(objects.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 6, 12]);
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(faults[0].starts_with("f.yaml:9:6: parsing YAML: "), "{}", faults[0]);
    assert_eq!(faults[1], "f.yaml:10:1: reading an object: apiVersion is missing, in Pod");
    assert_eq!(
        faults[2],
        "f.yaml:11:1: reading a document: it is longer than 2000 bytes, the most for one document"
    );
    assert_eq!(
        faults[3],
        "f.yaml:1:1: reading a list: it has items, but its kind \"Thing\" does not end in List"
    );
    // A dash that was not seen hides no item.
    let hidden =
        format!("items:\n{}{}kind: List\n", item("a").repeat(3), item("b").replace('\n', "\r") + &item("c"));
    let (objects, faults) = all_with(hidden.as_bytes(), &limits);
    assert_eq!((objects.len(), faults.len()), (3, 1), "{faults:?}");
    assert!(faults[0].ends_with("one item of a List was expected between two dashes"), "{}", faults[0]);
    // Cut off in the middle.
    let [yaml, json, _] = lists();
    for text in [&json[..json.len() / 2], &yaml[..yaml.len() / 2]] {
        let (objects, _) = all_with(text.as_bytes(), &limits);
        assert!((15..25).contains(&objects.len()));
    }
    let (_, faults) = all_with(&json.as_bytes()[..json.len() / 2], &limits);
    assert!(faults[0].contains("EOF"), "{faults:?}");
}

#[test]
fn a_typed_list_that_is_long_says_what_its_items_are() {
    let items: Vec<String> =
        (0..20).map(|place| format!("{{\"metadata\":{{\"name\":\"a{place}\"}}}}")).collect();
    let text = format!(
        "{{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{{}},\"items\":[{}]}}",
        items.join(",")
    );
    let limits = Limits { list: 100, ..Limits::default() };
    assert_eq!(all_with(text.as_bytes(), &limits), all(&text));
    assert_eq!(all(&text).0.len(), 20);
}
