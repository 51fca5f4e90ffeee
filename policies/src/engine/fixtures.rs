//! Small packs for tests.

use std::sync::Arc;

use super::{Compiled, Parameters, Selection, compile};
use crate::pack::{Pack, load};

const ABOUT: &str =
    "name: t\ntitle: {en: T, zh: T}\nstandard: S\nversion: '1'\nlevels: ['1', '2']\nnote: {en: n, zh: n}\n";
const REQUIREMENTS: &str = "- id: r\n  title: {en: t, zh: t}\n  summary: {en: s, zh: s}\n  type: Automatic\n  levels: {1: {clause: '1 a'}, 2: {clause: '2 b'}}\n- id: cloud\n  title: {en: t, zh: t}\n  summary: {en: s, zh: s}\n  part: Cloud\n  aspect: A\n  type: Automatic\n  levels: {1: {clause: '1 c'}, 2: {clause: '2 c'}}\n";

/// A pack of controls, each given as id and the rest of its YAML.
pub(crate) fn pack(controls: &[(&str, &str)]) -> Arc<Pack> {
    let texts: Vec<(String, String)> = controls
        .iter()
        .map(|(id, body)| {
            let requirements = if body.contains("requirements:") { "" } else { "requirements: [r]\n" };
            let message = if body.contains("message:") { "" } else { "message: \"'wrong'\"\n" };
            (format!("{id}.yaml"), format!("id: {id}\ntitle: {{en: It holds, zh: 成立}}\nseverity: high\ntype: Automatic\nremediation: {{en: f, zh: f}}\n{requirements}{message}{body}"))
        })
        .collect();
    let files = [("pack.yaml", ABOUT), ("requirements.yaml", REQUIREMENTS)];
    let (pack, faults) =
        load(files.into_iter().chain(texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))));
    assert!(faults.is_empty(), "{faults:?}");
    Arc::new(pack.unwrap())
}

/// The same, compiled at level 1.
pub(crate) fn compiled(controls: &[(&str, &str)]) -> Compiled {
    let (compiled, faults) = compile(&[pack(controls)], &[Selection::new("t", "1")], &Parameters::new());
    assert!(faults.is_empty(), "{faults:?}");
    compiled
}
