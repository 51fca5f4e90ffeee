//! A plan as text for a terminal.

use std::fmt::Write as _;

use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::{
    super::table::pad,
    foreseen::{Act, Change, Decided, Field, Foreseen, Judged, Step, Unwell},
};
use crate::{
    lang::{Lang, words},
    t,
};

/// Columns of the word that a line begins with.
const WORD: usize = 10;

/// What is foreseen for one resource. Of one that is refused there is nothing: its problems are told on stderr.
pub fn render(foreseen: &Foreseen, lang: Lang) -> String {
    let Foreseen { kind, name, .. } = foreseen;
    if foreseen.change == Change::Refused {
        return String::new();
    }
    if foreseen.is_still() {
        return format!("  {}\n", t!(lang, "plan-still", kind = &**kind, name = &**name));
    }
    let sign = match foreseen.change {
        Change::Create => '+',
        Change::Update => '~',
        Change::None | Change::Refused => '?',
    };
    let mut text = format!("{sign} {kind} {name}\n{}", spec(foreseen));
    let mut line = |word: String, rest: &str| {
        let _ = writeln!(text, "  {} {rest}", pad(&word, WORD));
    };
    for act in &foreseen.actions {
        line(step(act.step, lang), &told(act, lang));
    }
    for unread in &foreseen.unread {
        line(t!(lang, "plan-unread"), unread);
    }
    for condition in &foreseen.conditions {
        line(t!(lang, "plan-condition"), &unwell(condition));
    }
    if let Some(decision) = &foreseen.enforcement {
        line(t!(lang, "plan-enforce"), &decided(decision, lang));
    }
    line(t!(lang, "plan-verdicts"), &verdicts(foreseen, lang));
    text
}

/// The word for a step.
pub fn step(step: Step, lang: Lang) -> String {
    match step {
        Step::Make => t!(lang, "plan-make"),
        Step::Change => t!(lang, "plan-change"),
        Step::Remove => t!(lang, "plan-remove"),
        Step::Borrow | Step::NotTaken => t!(lang, "plan-borrow"),
        Step::GiveBack => t!(lang, "plan-give-back"),
    }
}

/// What an action does, and why.
fn told(act: &Act, lang: Lang) -> String {
    let on =
        act.action.as_ref().filter(|_| matches!(act.step, Step::Borrow | Step::GiveBack | Step::NotTaken));
    let on = on.map_or_else(|| act.on(), |action| format!("{} ({action})", act.on()));
    if let Some(other) = &act.held_by {
        return format!("{on}: {}", t!(lang, "plan-held-for", other = &**other));
    }
    let mut text = match act.step {
        Step::Borrow | Step::GiveBack => format!("{on}: {}; {}", changes(&act.fields, lang), act.why),
        _ => format!("{on}: {}", act.why),
    };
    if !act.kept.is_empty() {
        text = format!("{text}; {}", t!(lang, "plan-kept", fields = act.kept.join(", ")));
    }
    text
}

/// Fields with their values before and after.
pub fn changes(fields: &[Field], lang: Lang) -> String {
    let shown = |value: &Value| if value.is_null() { t!(lang, "plan-absent") } else { value.to_string() };
    let each = fields
        .iter()
        .map(|field| format!("{} {} → {}", field.pointer, shown(&field.before), shown(&field.after)));
    each.collect::<Vec<_>>().join(", ")
}

/// A condition.
pub fn unwell(condition: &Unwell) -> String {
    format!("{} {} ({}): {}", condition.kind, condition.status, condition.reason, condition.message)
}

/// Where enforcement would stand.
pub fn decided(decision: &Decided, lang: Lang) -> String {
    let state = decision.state.map_or_else(String::new, |state| words::enforcement(lang, state) + " ");
    format!("{state}({}): {}", decision.reason, decision.message)
}

/// What would be judged.
pub fn verdicts(foreseen: &Foreseen, lang: Lang) -> String {
    let shown = |judged: &Option<Judged>| match judged {
        Some(Judged { verdict, value: Some(value) }) => {
            format!("{} ({value})", words::verdict(lang, *verdict))
        }
        Some(Judged { verdict, value: None }) => words::verdict(lang, *verdict),
        None => "-".to_owned(),
    };
    let (annual, operational) = (shown(&foreseen.verdicts.annual), shown(&foreseen.verdicts.operational));
    t!(lang, "plan-judged", annual = annual, operational = operational)
}

/// The spec's changes, with two lines around each.
fn spec(foreseen: &Foreseen) -> String {
    let yaml = |side: &Option<Value>| {
        side.as_ref()
            .map(|object| serde_yaml::to_string(&object["spec"]).unwrap_or_default())
            .unwrap_or_default()
    };
    let (old, new) = (yaml(&foreseen.object.before), yaml(&foreseen.object.after));
    let mut text = String::new();
    if old == new {
        return text;
    }
    let diff = TextDiff::from_lines(&old, &new);
    for group in diff.grouped_ops(2) {
        let _ = writeln!(text, "  @@");
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let sign = match change.tag() {
                ChangeTag::Delete => '-',
                ChangeTag::Insert => '+',
                ChangeTag::Equal => ' ',
            };
            let _ = write!(text, "  {sign} {change}");
        }
    }
    text
}
