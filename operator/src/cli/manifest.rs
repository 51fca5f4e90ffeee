//! Manifests as a person wrote them: values together with the document they came from, so that an error names file, line and field.

use std::{
    fmt,
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use banyan_policies::input::{self, Fault, Limits, Reader, Reason};
use serde_json::Value;

/// One object of a file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file, `-` for standard input.
    pub file: PathBuf,
    /// Its content.
    pub value: Value,
    /// The text it was read from, and its path there: not empty for an item of a List.
    source: Arc<input::Document>,
    path: String,
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
        let line = input::line(&self.source, &self.path, field);
        Problem { file: self.file.clone(), line, field: field.to_owned(), message: message.into() }
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
        return parse(path, std::io::stdin().lock());
    }
    parse(path, File::open(path).map_err(|error| wrong(error.to_string()))?)
}

/// Parses the documents of `text`, until something is wrong. Empty documents are left out, and Lists taken apart.
pub fn parse(file: &Path, text: impl Read) -> Result<Vec<Document>, Problem> {
    let limits = Limits::default();
    let wrong = |fault: Fault| {
        let (field, message) = match fault.reason {
            Reason::Duplicate { ref path, .. } => {
                let said = fault.reason.to_string();
                (path.clone(), said.strip_prefix(&format!("{path}: ")).unwrap_or(&said).to_owned())
            }
            reason => (String::new(), reason.to_string()),
        };
        Problem { file: file.to_owned(), line: fault.line, field, message }
    };
    let mut documents = Vec::new();
    for source in Reader::new(text, file.display().to_string(), limits) {
        let source = Arc::new(source.map_err(wrong)?);
        let (objects, faults) = input::values(&source, &limits);
        if let Some(fault) = faults.into_iter().next() {
            return Err(wrong(fault));
        }
        documents.extend(objects.into_iter().map(|object| Document {
            file: file.to_owned(),
            value: object.value,
            source: Arc::clone(&source),
            path: object.path,
        }));
    }
    Ok(documents)
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
        parse(Path::new("a.yaml"), TEXT.as_bytes()).unwrap()
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
        let problem = parse(Path::new("a.yaml"), twice.as_bytes()).unwrap_err();
        assert_eq!(
            problem.to_string(),
            "a.yaml:11: spec.pue.targets[1].max: is there a second time: it stands on line 9 already"
        );
    }

    #[test]
    fn text_that_is_no_yaml_is_reported_with_its_line() {
        let problem = parse(Path::new("b.yaml"), "a: 1\nb: [1,\nc: }\n".as_bytes()).unwrap_err();
        assert!(problem.line >= 2, "{problem}");
        assert!(!problem.message.is_empty());
    }

    #[test]
    fn the_items_of_a_list_are_documents_with_lines_of_their_own() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- kind: DataCenter\n  metadata: { name: a }\n- kind: DataCenter\n  \
                    metadata:\n    name: b\n  spec: { class: A }\n";
        let documents = parse(Path::new("l.yaml"), list.as_bytes()).unwrap();
        let names: Vec<_> = documents.iter().map(|document| document.identity().1).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(documents[1].problem("spec.class", "x").line, 9);
        assert_eq!(documents[1].problem("", "x").line, 6);
    }

    #[test]
    fn empty_documents_are_left_out() {
        assert_eq!(parse(Path::new("c.yaml"), "---\n---\nkind: A\n---\n".as_bytes()).unwrap().len(), 1);
    }
}
