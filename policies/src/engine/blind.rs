//! What a verdict rests on: whether a value that is not there to be read, such as a redacted one, may decide it.

use super::compile::Compiled;
use crate::{
    cel::Uses,
    pack::{Path, Segment},
};

impl Compiled {
    /// Whether what a control says of an object of a kind may rest on the value at a path of the object. That something stands there is no value.
    pub fn rests_on(&self, control: usize, kind: &str, path: &Path) -> bool {
        self.controls.get(control).is_some_and(|active| reads(&self.reads_of(&active.check, kind), &path.0))
    }

    /// The same of a related object of a kind.
    pub fn rests_on_related(&self, control: usize, kind: &str, path: &Path) -> bool {
        let Some(active) = self.controls.get(control) else { return false };
        let (related, namespace) = self.reads_around(&active.check);
        let mut all = active.check.related.iter().zip(&related);
        all.any(|((of, _), uses)| of == kind && reads(uses, &path.0))
            || kind == "Namespace" && reads(&namespace, &path.0)
    }
}

/// Whether the value at a path is read, or a part of it, or something around it as a whole.
fn reads(uses: &Uses, path: &[Segment]) -> bool {
    if uses.whole {
        return true;
    }
    match path {
        [] => uses.items.is_some() || uses.fields.values().any(reads_anything),
        [Segment::Field(name), rest @ ..] => uses.fields.get(name).is_some_and(|below| reads(below, rest)),
        [Segment::Every, rest @ ..] => uses.items.as_ref().is_some_and(|below| reads(below, rest)),
    }
}

fn reads_anything(uses: &Uses) -> bool {
    uses.whole || uses.items.is_some() || uses.fields.values().any(reads_anything)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::compiled;
    use super::*;

    #[test]
    fn a_verdict_rests_on_values_and_not_on_keys() {
        let compiled = compiled(&[
            ("value", "match: {kinds: [ConfigMap]}\nexpression: object.data.mode == 'x'\n"),
            ("there", "match: {kinds: [ConfigMap]}\nexpression: has(object.data.mode)\n"),
            ("keys", "match: {kinds: [ConfigMap]}\nexpression: \"object.data.all(key, key != 'x')\"\n"),
            (
                "any",
                "match: {kinds: [ConfigMap]}\nexpression: \"object.data.all(key, object.data[key] != 'x')\"\n",
            ),
            (
                "pod",
                "match: {pods: true}\neach: containers\nexpression: \"item.env.all(e, e.value != 'x')\"\n",
            ),
            (
                "around",
                "match: {kinds: [Namespace]}\nrelated: [{name: secrets, kind: Secret, in: Namespace}]\nexpression: related.secrets.all(s, s.data.a == 'x')\n",
            ),
        ]);
        let place = |id: &str| compiled.controls.iter().position(|active| active.control.id == id).unwrap();
        let path = |text: &str| Path::parse(text).unwrap();
        for (id, kind, at, expected) in [
            ("value", "ConfigMap", "data.mode", true),
            ("value", "ConfigMap", "data.other", false),
            ("there", "ConfigMap", "data.mode", false),
            ("keys", "ConfigMap", "data.mode", false),
            ("any", "ConfigMap", "data.mode", true),
            ("pod", "apps/Deployment", "spec.template.spec.containers[*].env[*].value", true),
            ("pod", "apps/Deployment", "spec.template.spec.containers[*].args", false),
        ] {
            assert_eq!(compiled.rests_on(place(id), kind, &path(at)), expected, "{id} {at}");
        }
        assert!(compiled.rests_on_related(place("around"), "Secret", &path("data.a")));
        assert!(!compiled.rests_on_related(place("around"), "Secret", &path("data.b")));
        assert!(!compiled.rests_on_related(place("around"), "ConfigMap", &path("data.a")));
    }
}
