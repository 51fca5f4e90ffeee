//! Manifests as a person wrote them: values together with the line each field stands on, so that an error names file,
//! line and field.

use std::{
    collections::BTreeMap,
    fmt,
    io::Read as _,
    path::{Path, PathBuf},
};

use saphyr_parser::{Event, Parser};
use serde_json::Value;

/// One YAML document.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file, `-` for standard input.
    pub file: PathBuf,
    /// Its content.
    pub value: Value,
    /// Line of each field, by path such as `spec.pue.targets[1].max`; the document itself is the empty path.
    lines: BTreeMap<String, usize>,
}

/// Something wrong at a place of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, serde::Serialize)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// Line, counted from 1.
    pub line: usize,
    /// Path of the field, empty for the whole document.
    pub field: String,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file.display(), self.line)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl Document {
    /// A problem with `field`, at the line of the nearest field that the file has.
    pub fn problem(&self, field: &str, message: impl Into<String>) -> Problem {
        let field = field.trim_start_matches('.');
        let mut known = field;
        let line = loop {
            if let Some(line) = self.lines.get(known) {
                break *line;
            }
            // Without its last step: `a.b[1]` → `a.b` → `a` → the document.
            known = known.rfind(['.', '[']).map_or("", |at| &known[..at]);
        };
        Problem { file: self.file.clone(), line, field: field.to_owned(), message: message.into() }
    }

    /// The items of a `List`, as `kubectl get -o yaml` prints them, each with its own lines; else the document itself.
    fn flat(self) -> Vec<Self> {
        if self.value["kind"] != "List" {
            return vec![self];
        }
        let items = self.value["items"].as_array().cloned().unwrap_or_default();
        let within = |at: usize| {
            let start = format!("items[{at}]");
            let own = self.lines.iter().filter_map(|(path, line)| {
                let rest = path.strip_prefix(&start)?;
                Some((rest.strip_prefix('.').unwrap_or(rest).to_owned(), *line))
            });
            own.collect()
        };
        items
            .into_iter()
            .enumerate()
            .map(|(at, value)| Self { file: self.file.clone(), value, lines: within(at) })
            .flat_map(Self::flat)
            .collect()
    }

    /// `kind` and `metadata.name`.
    pub fn identity(&self) -> (&str, &str) {
        (
            self.value["kind"].as_str().unwrap_or_default(),
            self.value["metadata"]["name"].as_str().unwrap_or_default(),
        )
    }
}

/// Reads the documents of a file, of every `.yaml`, `.yml` and `.json` file of a folder, or of standard input (`-`).
pub fn read(path: &Path) -> Result<Vec<Document>, Problem> {
    files(path)?.iter().map(|file| read_one(file)).collect::<Result<Vec<_>, _>>().map(|lists| lists.concat())
}

/// As [`read`] of several, with everything that can be read and every file that cannot.
pub fn read_all(paths: &[PathBuf]) -> (Vec<Document>, Vec<Problem>) {
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    for path in paths {
        match files(path) {
            Ok(files) => {
                for file in files {
                    match read_one(&file) {
                        Ok(read) => documents.extend(read),
                        Err(problem) => problems.push(problem),
                    }
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    (documents, problems)
}

/// The file itself, or the manifests of a folder in the order of their names.
fn files(path: &Path) -> Result<Vec<PathBuf>, Problem> {
    let wrong = |message: String| Problem { file: path.to_owned(), line: 1, field: String::new(), message };
    if path.is_dir() {
        let mut files: Vec<PathBuf> = std::fs::read_dir(path)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| wrong(error.to_string()))?
            .into_iter()
            .map(|entry| entry.path())
            .filter(|file| file.extension().is_some_and(|end| end == "yaml" || end == "yml" || end == "json"))
            .collect();
        files.sort();
        return Ok(files);
    }
    Ok(vec![path.to_owned()])
}

fn read_one(path: &Path) -> Result<Vec<Document>, Problem> {
    let wrong = |message: String| Problem { file: path.to_owned(), line: 1, field: String::new(), message };
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map_err(|error| wrong(error.to_string()))?;
        return parse(path, &text);
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    parse(path, &text)
}

/// Parses the documents of `text`. Empty documents are left out.
pub fn parse(file: &Path, text: &str) -> Result<Vec<Document>, Problem> {
    let wrong =
        |line: usize, message: String| Problem { file: file.to_owned(), line, field: String::new(), message };
    let places = places(text).map_err(|wrong| Problem { file: file.to_owned(), ..wrong })?;
    let mut documents = Vec::new();
    for (part, lines) in serde_yaml::Deserializer::from_str(text).zip(places) {
        let start = lines.get("").copied().unwrap_or(1);
        let value: Value = serde::Deserialize::deserialize(part).map_err(|error: serde_yaml::Error| {
            wrong(error.location().map_or(start, |at| at.line()), error.to_string())
        })?;
        if !value.is_null() {
            documents.extend(Document { file: file.to_owned(), value, lines }.flat());
        }
    }
    Ok(documents)
}

/// Where one is inside a document.
enum Level {
    /// In a mapping, with the path of the mapping and, once read, the key.
    Map(String, Option<String>),
    /// In a sequence, with its path and the index of the next item.
    Sequence(String, usize),
}

/// For each document, the line of each of its fields. A problem names no file.
fn places(text: &str) -> Result<Vec<BTreeMap<String, usize>>, Problem> {
    let wrong = |line, field, message| Problem { file: PathBuf::new(), line, field, message };
    let mut documents = Vec::new();
    let mut lines = BTreeMap::new();
    let mut levels: Vec<Level> = Vec::new();
    for parsed in Parser::new_from_str(text) {
        let (event, span) =
            parsed.map_err(|error| wrong(error.marker().line(), String::new(), error.info().to_owned()))?;
        let line = span.start.line();
        match event {
            Event::DocumentStart(_) => lines = BTreeMap::new(),
            Event::DocumentEnd => documents.push(std::mem::take(&mut lines)),
            Event::MappingStart(..) => {
                let path = value_path(&mut levels, &mut lines, line);
                levels.push(Level::Map(path, None));
            }
            Event::SequenceStart(..) => {
                let path = value_path(&mut levels, &mut lines, line);
                levels.push(Level::Sequence(path, 0));
            }
            Event::MappingEnd | Event::SequenceEnd => {
                levels.pop();
            }
            Event::Scalar(text, ..) => {
                if let Some(Level::Map(path, key @ None)) = levels.last_mut() {
                    let full = if path.is_empty() { text.to_string() } else { format!("{path}.{text}") };
                    // The API server refuses it; read as a value, the last would win in silence.
                    if let Some(before) = lines.insert(full.clone(), line) {
                        return Err(wrong(
                            line,
                            full,
                            format!("is there a second time: it stands on line {before} already"),
                        ));
                    }
                    *key = Some(full);
                } else {
                    value_path(&mut levels, &mut lines, line);
                }
            }
            Event::Alias(_) => {
                value_path(&mut levels, &mut lines, line);
            }
            _ => {}
        }
    }
    Ok(documents)
}

/// The path of the value that begins here; moves on to the next key or item.
fn value_path(levels: &mut [Level], lines: &mut BTreeMap<String, usize>, line: usize) -> String {
    match levels.last_mut() {
        None => {
            lines.insert(String::new(), line);
            String::new()
        }
        Some(Level::Map(_, key)) => key.take().unwrap_or_default(),
        Some(Level::Sequence(path, next)) => {
            let full = format!("{path}[{next}]");
            *next += 1;
            lines.insert(full.clone(), line);
            full
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment
apiVersion: banyan.dev/v1alpha1
kind: DataCenter
metadata: { name: a }
spec:
  pue:
    targets:
    - { from: \"2024-01-01\", max: \"1.30\" }
    - from: \"2026-01-01\"
      max: \"1.40\"
---
kind: Other
";

    fn documents() -> Vec<Document> {
        parse(Path::new("a.yaml"), TEXT).unwrap()
    }

    #[test]
    fn a_problem_names_file_line_and_field() {
        let problem = documents()[0].problem("spec.pue.targets[1].max", "rises");
        assert_eq!(problem.to_string(), "a.yaml:10: spec.pue.targets[1].max: rises");
        assert_eq!(documents()[0].problem("spec.pue.targets[0].max", "x").line, 8);
        assert_eq!(documents()[0].problem(".spec.pue.targets[1]", "x").line, 9);
    }

    #[test]
    fn a_field_that_is_missing_is_reported_where_it_belongs() {
        assert_eq!(documents()[0].problem("spec.pue.minimumCoveragePercent", "x").line, 6);
        assert_eq!(documents()[1].problem("spec.energy", "x").line, 12);
    }

    #[test]
    fn a_field_that_is_there_twice_is_not_read_as_either() {
        let twice = TEXT.replace("    - from:", "    - max: \"1.20\"\n      from:");
        let problem = parse(Path::new("a.yaml"), &twice).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "a.yaml:11: spec.pue.targets[1].max: is there a second time: it stands on line 9 already"
        );
    }

    #[test]
    fn text_that_is_no_yaml_is_reported_with_its_line() {
        let problem = parse(Path::new("b.yaml"), "a: 1\nb: [1,\nc: }\n").unwrap_err();
        assert!(problem.line >= 2, "{problem}");
        assert!(!problem.message.is_empty());
    }

    #[test]
    fn the_items_of_a_list_are_documents_with_lines_of_their_own() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- kind: DataCenter\n  metadata: { name: a }\n- kind: DataCenter\n  \
                    metadata:\n    name: b\n  spec: { class: A }\n";
        let documents = parse(Path::new("l.yaml"), list).unwrap();
        let names: Vec<_> = documents.iter().map(|document| document.identity().1).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(documents[1].problem("spec.class", "x").line, 9);
        assert_eq!(documents[1].problem("", "x").line, 6);
    }

    #[test]
    fn empty_documents_are_left_out() {
        assert_eq!(parse(Path::new("c.yaml"), "---\n---\nkind: A\n---\n").unwrap().len(), 1);
    }
}
