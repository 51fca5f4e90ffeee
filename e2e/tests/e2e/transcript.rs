//! Pages with transcripts: what is typed in their `console` blocks, and what is printed there.
//!
//! In such a block a line that begins with `$ ` is a command, lines below it that begin with `> ` continue it, and what
//! follows is printed. A line `…` stands for any lines. What differs from run to run by nature counts as the same: digits,
//! digests, durations, the parts of names that a cluster makes up, and the widths of columns.

use std::fs;
use std::io::Write as _;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use banyan_e2e::dirs;
use banyan_e2e::process::{Child, Spec};
use banyan_e2e::wait::{eventually, until};
use regex::Regex;

/// Stands for any lines.
const ANY: &str = "…";
/// How long one command may take.
const LIMIT: Duration = Duration::from_mins(2);
/// Ends what a command has printed, before its exit code.
const END: char = '\u{1}';

/// A command of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is typed, as one text.
    pub command: String,
    /// What the page says that it prints, without blank lines at its end.
    pub output: String,
    /// Where that stands in the page.
    place: Range<usize>,
}

/// A page.
pub struct Page {
    path: PathBuf,
    text: String,
    /// Its commands, in order.
    pub steps: Vec<Step>,
}

impl Page {
    /// A page in `docs/`.
    pub fn read(name: &str) -> Result<Self> {
        let path = dirs::repository().join("docs").join(name);
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let steps = steps(&text);
        ensure!(!steps.is_empty(), "{name} has no console blocks");
        Ok(Self { path, text, steps })
    }

    /// Writes the page with these outputs, one for each command, where they are not what it says already.
    pub fn write(&self, outputs: &[String]) -> Result<()> {
        ensure!(outputs.len() == self.steps.len(), "{} has other commands", self.path.display());
        let text = with_outputs(&self.text, &self.steps, outputs);
        fs::write(&self.path, text).with_context(|| format!("writing {}", self.path.display()))
    }
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let (mut inside, mut at) = (false, 0);
    for line in text.split_inclusive('\n') {
        let (start, bare) = (at, line.trim_end_matches('\n'));
        at += line.len();
        if bare.starts_with("```") {
            inside = bare == "```console";
            continue;
        }
        if !inside {
            continue;
        }
        if let Some(command) = bare.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), output: String::new(), place: at..at });
        } else if let Some(step) = steps.last_mut() {
            let continued = bare.strip_prefix("> ").or((bare == ">").then_some(""));
            if let Some(more) = continued.filter(|_| step.place.end == start && step.output.is_empty()) {
                step.command.push('\n');
                step.command.push_str(more);
                step.place = at..at;
            } else {
                step.output.push_str(line);
                step.place.end = at;
            }
        }
    }
    for step in &mut steps {
        step.output.truncate(step.output.trim_end().len());
    }
    steps
}

fn with_outputs(text: &str, steps: &[Step], outputs: &[String]) -> String {
    let (mut page, mut done) = (String::new(), 0);
    for (step, output) in steps.iter().zip(outputs) {
        page.push_str(&text[done..step.place.start]);
        if same(&step.output, output) {
            page.push_str(&text[step.place.clone()]);
        } else {
            page.extend(output.lines().flat_map(|line| [line.trim_end(), "\n"]));
        }
        done = step.place.end;
    }
    page + &text[done..]
}

/// Whether a page says what was printed.
pub fn same(page: &str, printed: &str) -> bool {
    let lines = |text: &str| text.trim_end().lines().map(plain).collect::<Vec<_>>();
    let (page, printed) = (lines(page), lines(printed));
    let mut parts = page.split(|line| line == ANY);
    let Some(first) = parts.next() else { return printed.is_empty() };
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let mut parts: Vec<_> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let Some(at) = rest.windows(part.len()).position(|lines| lines == part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// A line without what differs from run to run.
fn plain(line: &str) -> String {
    const PATTERNS: [(&str, &str); 6] = [
        // A Deployment's Pods; digests and Git's short names; numbers, dates and times; durations; columns and rules.
        (r"banyan-[0-9a-z]{8,10}-[0-9a-z]{5}\b", "banyan-0"),
        (r"\b[0-9a-f]{7,64}\b", "0"),
        (r"[0-9]+([.,:/-][0-9]+)*", "0"),
        (r"\b(0(ms|[smhd]))+\b", "0s"),
        (r" +", " "),
        (r"-{2,}", "-"),
    ];
    let mut line = line.trim().to_owned();
    for (pattern, plain) in PATTERNS {
        let ascii = format!("(?-u){pattern}");
        if let Ok(pattern) = Regex::new(&ascii) {
            line = pattern.replace_all(&line, plain).into_owned();
        }
    }
    line
}

/// A shell that is typed into: folder and variables stay from command to command.
pub struct Session {
    shell: Child,
    dir: PathBuf,
    /// What a page calls things, and what they are called here.
    names: Vec<(String, String)>,
    read: usize,
    count: usize,
}

impl Session {
    /// Starts bash in the folder `home` with nothing but these variables. `names` are what the page calls things, and what
    /// these are called here; they are put for each other in commands and outputs.
    pub async fn start(home: &Path, env: &[(&str, String)], names: Vec<(String, String)>) -> Result<Self> {
        let dir = dirs::fresh("session")?;
        let next = dir.join("next");
        // `.` keeps the state, and `$?` is what the last command ended with.
        let script = format!(
            "cd '{}'; mkfifo '{next}'; status=0; while read -r line < '{next}'; do (exit \"$status\"); . \"$line\"; \
             status=$?; printf '\\001%s\\n' \"$status\"; done",
            home.display(),
            next = next.display(),
        );
        let shell = Spec::new("bash", "env", dir.join("session.log"))
            .args(["-i"])
            .args(env.iter().map(|(name, value)| format!("{name}={value}")))
            .args(["bash", "--norc", "--noprofile", "-c", &script])
            .spawn()?;
        until(LIMIT, "the shell to read", || async {
            shell.check_alive()?;
            Ok(next.exists())
        })
        .await?;
        Ok(Self { shell, dir, names, read: 0, count: 0 })
    }

    /// Types a command, and answers what it prints and its exit code.
    pub async fn run(&mut self, command: &str) -> Result<(String, i32)> {
        self.count += 1;
        let file = self.dir.join(format!("{}.sh", self.count));
        let here = self.names.iter().fold(command.to_owned(), |text, (page, here)| text.replace(page, here));
        fs::write(&file, here + "\n")?;
        let next = self.dir.join("next");
        // Not before the shell reads: it fails meanwhile instead of waiting.
        until(LIMIT, "the shell to be ready", || async {
            let mut next = fs::File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&next)?;
            next.write_all(format!("{}\n", file.display()).as_bytes())?;
            Ok(true)
        })
        .await?;
        let printed = eventually(LIMIT, format!("the end of {command}"), || async {
            let bytes = fs::read(self.shell.log())?;
            let text = String::from_utf8_lossy(&bytes[self.read..]).into_owned();
            if let Some((printed, code)) = text.split_once(END)
                && code.ends_with('\n')
            {
                return Ok(Some((printed.to_owned(), code.trim().parse::<i32>(), bytes.len())));
            }
            self.shell.check_alive()?;
            bail!("it has printed\n{text}")
        });
        let (printed, code, read) = printed.await?;
        self.read = read;
        let shown = self.names.iter().fold(printed, |text, (page, here)| text.replace(here, page));
        Ok((shown, code.context("reading the exit code")?))
    }
}

/// Tried by the test of the first page: these are no tests of their own, since this program has no test harness.
pub fn check() -> Result<()> {
    let page = "a\n```console\n$ x \\\n>   y\n1 of 2\n\n$ z\n```\nb\n```sh\n$ n\n```\n";
    let found = steps(page);
    let typed: Vec<_> = found.iter().map(|step| (step.command.as_str(), step.output.as_str())).collect();
    ensure!(typed == [("x \\\n  y", "1 of 2"), ("z", "")], "{typed:?}");
    let written = with_outputs(page, &found, &["3 of 4\n".to_owned(), "new\n".to_owned()]);
    ensure!(written == page.replace("$ z\n", "$ z\nnew\n"), "{written}");
    for (page, printed, wanted) in [
        ("a  1.5 kWh\n", "a 20,000 kWh", true),
        ("at sha256:0123456789abcdef01", "at sha256:ffffffffffffffff00", true),
        ("5s old", "2m10s old", true),
        ("a\n…\nd", "a\nb\nc\nd", true),
        ("…\nb\n…", "a\nb\nc", true),
        ("…\nx\n…", "a\nb\nc", false),
        ("a\n…", "b\na", false),
        ("Violated 1", "Compliant 1", false),
        ("a", "a\nb", false),
        ("", "a", false),
    ] {
        ensure!(same(page, printed) == wanted, "{page:?} and {printed:?}");
    }
    Ok(())
}
