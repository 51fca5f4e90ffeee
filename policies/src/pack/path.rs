//! Paths into an object: `spec.rules[*].http.paths[*]`, `metadata.labels['app.kubernetes.io/name']`.

use std::fmt;

use serde_json::Value as Json;

/// A path with places for any element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(pub Vec<Segment>);

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// A member.
    Field(String),
    /// Every element of a list.
    Every,
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no path such as spec.rules[*].host")]
pub struct PathError(String);

impl Path {
    /// Reads a path: names with dots between them, `[*]` for every element, `['name']` for a name with dots.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let wrong = || PathError(text.to_owned());
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("[*]") {
                segments.push(Segment::Every);
                rest = after;
            } else if let Some(after) = rest.strip_prefix("['") {
                let (name, after) = after.split_once("']").ok_or_else(wrong)?;
                segments.push(Segment::Field(name.to_owned()));
                rest = after;
            } else {
                let after =
                    if segments.is_empty() { rest } else { rest.strip_prefix('.').ok_or_else(wrong)? };
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let (name, after) = after.split_at_checked(end).ok_or_else(wrong)?;
                if name.is_empty()
                    || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
                {
                    return Err(wrong());
                }
                segments.push(Segment::Field(name.to_owned()));
                rest = after;
            }
        }
        if segments.is_empty() { Err(wrong()) } else { Ok(Self(segments)) }
    }

    /// Every value at the path, with the path that leads to it.
    pub fn find<'a>(&self, root: &'a Json, prefix: &str) -> Vec<(String, &'a Json)> {
        let mut found = vec![(prefix.to_owned(), root)];
        for segment in &self.0 {
            let mut next = Vec::new();
            for (path, value) in found {
                match (segment, value) {
                    (Segment::Field(name), Json::Object(map)) => {
                        if let Some(value) = map.get(name).filter(|value| !value.is_null()) {
                            next.push((join(&path, name), value));
                        }
                    }
                    (Segment::Every, Json::Array(items)) => next.extend(
                        items.iter().enumerate().map(|(place, item)| (format!("{path}[{place}]"), item)),
                    ),
                    _ => {}
                }
            }
            found = next;
        }
        found
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        for segment in &self.0 {
            match segment {
                Segment::Field(name) => text = join(&text, name),
                Segment::Every => text.push_str("[*]"),
            }
        }
        f.write_str(&text)
    }
}

/// A path and a name below it.
pub fn join(path: &str, name: &str) -> String {
    let plain = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    match (path.is_empty(), plain) {
        (true, true) => name.to_owned(),
        (false, true) => format!("{path}.{name}"),
        (_, false) => format!("{path}['{name}']"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_each_value_with_its_path() {
        let object = json!({"spec": {"rules": [{"http": {"paths": [{"p": 1}, {"p": 2}]}}, {}, {"http": {"paths": [{"p": 3}]}}]}});
        let path = Path::parse("spec.rules[*].http.paths[*].p").unwrap();
        let found: Vec<_> =
            path.find(&object, "").into_iter().map(|(path, value)| (path, value.as_i64().unwrap())).collect();
        assert_eq!(
            found,
            [
                ("spec.rules[0].http.paths[0].p".to_owned(), 1),
                ("spec.rules[0].http.paths[1].p".to_owned(), 2),
                ("spec.rules[2].http.paths[0].p".to_owned(), 3)
            ]
        );
        assert_eq!(path.to_string(), "spec.rules[*].http.paths[*].p");
    }

    #[test]
    fn names_with_dots_are_quoted() {
        let path = Path::parse("metadata.labels['a.b/c']").unwrap();
        assert_eq!(
            path.find(&json!({"metadata": {"labels": {"a.b/c": "x"}}}), "spec.template")[0].0,
            "spec.template.metadata.labels['a.b/c']"
        );
        for wrong in ["", ".a", "a..b", "a[0]", "a[*", "a['b", "a b", "a."] {
            assert!(Path::parse(wrong).is_err(), "{wrong}");
        }
    }
}
