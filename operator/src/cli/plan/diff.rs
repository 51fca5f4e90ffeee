//! A plan as a unified diff of the objects as they are and as they would be, as `diff -u` writes it.

use similar::TextDiff;

use super::foreseen::{Foreseen, Pair, Step};

/// Lines around a change.
const CONTEXT: usize = 3;

/// The resource and every object that the plan touches.
pub fn render(foreseen: &Foreseen) -> String {
    let mut text = of(&format!("{}/{}", foreseen.kind, foreseen.name), &foreseen.object);
    for act in foreseen.actions.iter().filter(|act| act.step != Step::NotTaken) {
        let namespace = act.namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
        text += &of(&format!("{}/{namespace}{}", act.kind, act.name), &act.object);
    }
    text
}

/// One object; nothing where it stays as it is.
fn of(name: &str, Pair { before, after }: &Pair) -> String {
    let yaml = |side: &Option<serde_json::Value>| {
        side.as_ref().map(|object| serde_yaml::to_string(object).unwrap_or_default()).unwrap_or_default()
    };
    let (old, new) = (yaml(before), yaml(after));
    if old == new {
        return String::new();
    }
    let side =
        |side: &str, there: bool| if there { format!("{side}/{name}") } else { "/dev/null".to_owned() };
    TextDiff::from_lines(&old, &new)
        .unified_diff()
        .context_radius(CONTEXT)
        .header(&side("a", before.is_some()), &side("b", after.is_some()))
        .to_string()
}
