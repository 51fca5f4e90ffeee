//! A plan as a comment in a merge request: a table first, and what it rests on folded below.
//!
//! Whatever comes from manifests or from the cluster stands in code, with its signs written as entities: it can make no
//! markup and call nobody by name.

use std::fmt::Write as _;

use super::{
    diff,
    foreseen::{Act, Change, Foreseen, Report, Step},
    text,
};
use crate::{lang::Lang, t};

/// Lines of a diff that are shown: a forge takes only so much in a comment, and a new ledger has hundreds.
const LINES: usize = 200;

/// The comment.
pub fn render(report: &Report, lang: Lang) -> String {
    let changed =
        report.documents.iter().filter(|one| matches!(one.change, Change::Create | Change::Update)).count();
    let mut page =
        format!("### {}\n\n", t!(lang, "plan-title", changed = changed, all = report.documents.len()));
    if !report.sound {
        let _ = writeln!(page, "**{}**\n", t!(lang, "plan-not-sound"));
    }
    let _ = writeln!(
        page,
        "| {} | {} | {} | {} |\n|---|---|---|---|",
        t!(lang, "plan-resource"),
        t!(lang, "plan-what"),
        t!(lang, "plan-actions"),
        t!(lang, "plan-column-verdicts"),
    );
    for one in &report.documents {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} |",
            code(&format!("{} {}", one.kind, one.name)),
            change(one.change, lang),
            actions(&one.actions, lang),
            if one.change == Change::Refused { "-".to_owned() } else { plain(&text::verdicts(one, lang)) },
        );
    }
    for one in report.documents.iter().filter(|one| !one.is_still() || !one.problems.is_empty()) {
        page.push_str(&details(one, lang));
    }
    page
}

/// What becomes of a resource, in a word.
fn change(change: Change, lang: Lang) -> String {
    match change {
        Change::Create => t!(lang, "plan-make"),
        Change::Update => t!(lang, "plan-change"),
        Change::None => t!(lang, "plan-no-change"),
        Change::Refused => t!(lang, "plan-refused"),
    }
}

/// How many of each step.
fn actions(acts: &[Act], lang: Lang) -> String {
    let steps = [Step::Make, Step::Change, Step::Remove, Step::Borrow, Step::GiveBack];
    let counted = steps.into_iter().filter_map(|step| {
        let count = acts.iter().filter(|act| act.step == step).count();
        (count > 0).then(|| format!("{}: {count}", text::step(step, lang)))
    });
    let counted: Vec<String> = counted.collect();
    if counted.is_empty() { "-".to_owned() } else { counted.join(", ") }
}

/// What is known of one resource, folded.
fn details(one: &Foreseen, lang: Lang) -> String {
    let mut page = format!(
        "\n<details><summary>{}</summary>\n\n",
        code(&format!("{} {} ({}:{})", one.kind, one.name, one.file.display(), one.line))
    );
    let mut item = |label: String, rest: &str| {
        let _ = writeln!(page, "- {label}: {}", code(rest));
    };
    for problem in &one.problems {
        item(t!(lang, "plan-problem"), &problem.to_string());
    }
    for unread in &one.unread {
        item(t!(lang, "plan-unread"), unread);
    }
    for act in &one.actions {
        let mut rest = act.on();
        if let Some(action) = &act.action {
            let _ = write!(rest, " ({action})");
        }
        if let Some(other) = &act.held_by {
            let _ = write!(rest, ": {}", t!(lang, "plan-held-for", other = &**other));
        } else {
            let changes = text::changes(&act.fields, lang);
            for part in [changes.as_str(), act.why.as_str()].into_iter().filter(|part| !part.is_empty()) {
                let _ = write!(rest, "; {part}");
            }
        }
        item(text::step(act.step, lang), &rest);
    }
    for condition in &one.conditions {
        item(t!(lang, "plan-condition"), &text::unwell(condition));
    }
    if let Some(decision) = &one.enforcement {
        item(t!(lang, "plan-enforce"), &text::decided(decision, lang));
    }
    let diff = diff::render(one);
    if !diff.is_empty() {
        page.push_str(&fenced(&diff, lang));
    }
    page.push_str("\n</details>\n");
    page
}

/// A diff in a fence that nothing inside can close.
fn fenced(diff: &str, lang: Lang) -> String {
    let shown: Vec<&str> = diff.lines().take(LINES).collect();
    let left_out = diff.lines().count() - shown.len();
    let longest = diff.split(|sign| sign != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let mut page = format!("\n{fence}diff\n{}\n{fence}\n", shown.join("\n"));
    if left_out > 0 {
        let _ = writeln!(page, "\n{}", t!(lang, "plan-left-out", lines = left_out));
    }
    page
}

/// Text that stays what it is in Markdown and in HTML, in one line: each sign that could be markup as an entity.
fn plain(text: &str) -> String {
    let mut escaped = String::new();
    let mut before = ' ';
    for letter in text.chars() {
        // Within a line these make no markup, and so a table is readable before it is rendered: a name, a list, a number.
        let harmless =
            matches!(letter, '-' | ',' | '(' | ')' | ';') || (letter == '.' && before.is_ascii_digit());
        if letter.is_control() {
            escaped.push(' ');
        } else if letter.is_ascii_punctuation() && !harmless {
            let _ = write!(escaped, "&#{};", u32::from(letter));
        } else {
            escaped.push(letter);
        }
        before = letter;
    }
    escaped
}

/// The same in code, in which forges look for no names and numbers.
fn code(text: &str) -> String {
    format!("<code>{}</code>", plain(text))
}
