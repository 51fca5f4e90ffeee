//! Lines of paths.

use crate::input::{Limits, Reader, locate};

fn line(text: &str, path: &str) -> Option<usize> {
    let document = Reader::new(text.as_bytes(), "f", Limits::default()).next().unwrap().unwrap();
    locate(&document, path)
}

const YAML: &str = "# a comment
apiVersion: v1
kind: Pod
metadata:
  name: a
  labels: { x: y,
    app.kubernetes.io/name: b }
spec:
  1: one
  containers:
  - name: a
    image: |
      spec: x
  -
    name: b
    securityContext: *x
";

#[test]
fn the_line_of_a_path_is_that_of_its_key() {
    for (path, expected) in [
        ("", 2),
        ("kind", 3),
        ("metadata.name", 5),
        (".metadata.labels['app.kubernetes.io/name']", 7),
        ("metadata.labels[\"app.kubernetes.io/name\"]", 7),
        ("/metadata/labels/app.kubernetes.io~1name", 7),
        ("spec.1", 9),
        ("spec.containers", 10),
        ("spec.containers[0]", 11),
        ("/spec/containers/0/image", 12),
        ("spec.containers[1].name", 15),
    ] {
        let text = YAML.replace("*x", "x");
        assert_eq!(line(&text, path), Some(expected), "{path}");
    }
}

#[test]
fn as_much_of_a_path_as_there_is() {
    let text = YAML.replace("*x", "x");
    for (path, expected) in [
        ("spec.template.spec", 8),
        ("spec.containers[0].securityContext.privileged", 11),
        ("spec.containers[7].name", 10),
        ("spec.containers[1].name.x.y", 15),
        ("nothing", 2),
        ("spec.containers[", 10),
        ("spec..x", 8),
        ("spec[x]", 8),
    ] {
        assert_eq!(line(&text, path), Some(expected), "{path}");
    }
    // As far as it can be parsed.
    assert_eq!(line(YAML, "spec.containers[1].securityContext"), Some(16));
    assert_eq!(line("a: [b\nc: d\n", "c"), Some(1));
}

#[test]
fn json_has_lines_too() {
    let text = "{\n\t\"a\": {\n\t\t\"b\\u002f\": [\n1,\n{ \"c\": \"\\ud83d\\ude00\",\n \"d\":\n 2}]}}";
    for (path, expected) in
        [("", 1), ("a", 2), ("/a/b~1", 3), ("a['b/'][0]", 4), ("a['b/'][1].d", 7), ("a.x.y", 2)]
    {
        assert_eq!(line(text, path), Some(expected), "{path}");
    }
}
