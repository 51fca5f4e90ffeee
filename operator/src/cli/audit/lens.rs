//! Looking at redacted objects. A pack of somebody else's may read what is not there any more; what it then says is not known.

use std::{
    collections::HashMap,
    io,
    sync::{Mutex, PoisonError},
};

use banyan_policies::{
    engine::{Compiled, Examined, Finding, Outcome, Place, kind_key},
    pack::Path,
};
use jiff::Timestamp;
use serde_json::Value;

use crate::evidence::{
    about::own_packs,
    archive::{Spool, Stretch},
    redact::{noted, redact, usual_paths},
};

/// What a verdict says that would rest on a value which was replaced.
const BLIND: &str = "what it reads is redacted";

/// How redacted objects are looked at.
pub struct Lens<'c> {
    compiled: &'c Compiled,
    /// The controls whose pack is not one of the program's own.
    foreign: Vec<bool>,
    /// Those of them that may read what is redacted of related objects.
    blind: Vec<bool>,
    /// Whether objects are redacted before they are judged, and kept.
    redacts: bool,
    kept: Mutex<Kept>,
}

/// What a lens keeps.
#[derive(Default)]
struct Kept {
    /// What was redacted of objects that are judged again, by place.
    noted: HashMap<usize, (String, Vec<Path>)>,
    spool: Option<Spool>,
    objects: Vec<KeptObject>,
    failed: Option<io::Error>,
}

/// An object in the spool.
pub struct KeptObject {
    /// Its place in the order of reading.
    pub place: usize,
    /// `group/Kind`.
    pub kind: String,
    /// Its line.
    pub stretch: Stretch,
}

/// What one object looked like.
pub struct View {
    kind: String,
    noted: Vec<Path>,
    line: Option<Vec<u8>>,
}

impl<'c> Lens<'c> {
    /// For objects that are redacted already.
    pub fn new(compiled: &'c Compiled) -> Self {
        let own = own_packs(compiled);
        let foreign: Vec<bool> = compiled
            .controls
            .iter()
            .map(|active| !own.get(active.pack).copied().unwrap_or_default())
            .collect();
        let blind = compiled.controls.iter().enumerate().map(|(place, active)| {
            let kinds = active.control.related.iter().map(|related| related.kind.as_str());
            let mut kinds = kinds.chain(["Namespace"]);
            foreign.get(place) == Some(&true)
                && kinds.any(|kind| {
                    usual_paths(kind).iter().any(|path| compiled.rests_on_related(place, kind, path))
                })
        });
        let blind = blind.collect();
        Self { compiled, foreign, blind, redacts: false, kept: Mutex::default() }
    }

    /// For objects as they are: they are redacted before they are judged, so that no word of a verdict has a secret in it, and kept.
    ///
    /// # Errors
    /// When there can be no temporary file.
    pub fn redacting(compiled: &'c Compiled) -> io::Result<Self> {
        let kept = Mutex::new(Kept { spool: Some(Spool::new()?), ..Kept::default() });
        Ok(Self { redacts: true, kept, ..Self::new(compiled) })
    }

    /// Judges an object.
    pub(super) fn look(&self, object: &Value, now: Timestamp) -> (Examined, View) {
        let mut clean = None;
        if self.redacts {
            redact(clean.insert(object.clone()));
        }
        let object = clean.as_ref().unwrap_or(object);
        let mut examined = self.compiled.examine(object, now);
        let kind = kind_key(&examined.object.api_version, &examined.object.kind);
        let mut noted = if self.foreign.contains(&true) { noted(object) } else { Vec::new() };
        self.obscure(&kind, &noted, &mut examined.findings);
        if examined.pending.is_none() {
            noted.clear();
        }
        let line = self.redacts.then(|| {
            let mut line = object.to_string().into_bytes();
            line.push(b'\n');
            line
        });
        (examined, View { kind, noted, line })
    }

    /// Keeps what an object looked like.
    pub(super) fn keep(&self, place: usize, view: View) {
        let View { kind, noted, line } = view;
        if noted.is_empty() && line.is_none() {
            return;
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(line), Some(spool)) = (line, &mut kept.spool) {
            match spool.put(&line) {
                Ok(stretch) => kept.objects.push(KeptObject { place, kind: kind.clone(), stretch }),
                Err(error) => kept.failed = kept.failed.take().or(Some(error)),
            }
        }
        if !noted.is_empty() {
            kept.noted.insert(place, (kind, noted));
        }
    }

    /// What is said of an object once its related objects are known.
    pub(super) fn look_again(&self, place: usize, findings: &mut [Finding]) {
        if !self.foreign.contains(&true) {
            return;
        }
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let nothing = (String::new(), Vec::new());
        let (kind, noted) = kept.noted.get(&place).unwrap_or(&nothing);
        self.obscure(kind, noted, findings);
    }

    /// Makes unknown what rests on a value that was replaced.
    fn obscure(&self, kind: &str, noted: &[Path], findings: &mut [Finding]) {
        let is = |all: &[bool], control: usize| all.get(control) == Some(&true);
        for finding in findings.iter_mut().filter(|finding| is(&self.foreign, finding.control)) {
            let blind = is(&self.blind, finding.control)
                || noted.iter().any(|path| self.compiled.rests_on(finding.control, kind, path));
            if blind && finding.outcome != Outcome::Unknown {
                *finding = Finding {
                    control: finding.control,
                    outcome: Outcome::Unknown,
                    places: vec![Place {
                        path: String::new(),
                        message: BLIND.to_owned(),
                        evidence: None,
                        line: None,
                    }],
                    more: 0,
                    waiver: None,
                };
            }
        }
    }

    /// The objects in the order in which they were read.
    ///
    /// # Errors
    /// When one could not be kept.
    pub fn into_kept(self) -> io::Result<(Option<Spool>, Vec<KeptObject>)> {
        let Kept { spool, mut objects, failed, .. } =
            self.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = failed {
            return Err(error);
        }
        objects.sort_by_key(|object| object.place);
        Ok((spool, objects))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use banyan_policies::{
        engine::{Parameters, Selection, Session, Sight, compile},
        pack::load,
    };
    use serde_json::json;

    use super::*;

    const ABOUT: &str =
        "name: own\ntitle: {en: T, zh: T}\nstandard: S\nversion: '1'\nlevels: ['1']\nnote: {en: n, zh: n}\n";
    const REQUIREMENTS: &str = "- {id: r, title: {en: t, zh: t}, summary: {en: s, zh: s}, type: Automatic, levels: {1: {clause: '1 a'}}}\n";

    /// A pack of somebody's own, and what its controls say of two objects that were redacted.
    fn said(controls: &[(&str, &str)]) -> Vec<(String, Outcome)> {
        let texts: Vec<(String, String)> = controls
            .iter()
            .map(|(id, body)| {
                (format!("{id}.yaml"), format!("id: {id}\ntitle: {{en: t, zh: t}}\nseverity: high\ntype: Automatic\nrequirements: [r]\nmessage: \"'no'\"\nremediation: {{en: f, zh: f}}\n{body}"))
            })
            .collect();
        let files = [("pack.yaml", ABOUT), ("requirements.yaml", REQUIREMENTS)];
        let (pack, faults) =
            load(files.into_iter().chain(texts.iter().map(|(name, text)| (name.as_str(), text.as_str()))));
        assert!(faults.is_empty(), "{faults:?}");
        let (compiled, faults) =
            compile(&[Arc::new(pack.unwrap())], &[Selection::new("own", "1")], &Parameters::new());
        assert!(faults.is_empty(), "{faults:?}");
        let lens = Lens::redacting(&compiled).unwrap();
        let now = Timestamp::UNIX_EPOCH;
        let mut session = Session::new(&compiled, now);
        let mut findings = Vec::new();
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "m", "namespace": "n", "labels": { "a": "b" } },
            "data": { "mode": "fast" } });
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "n" } });
        for (place, object) in [map, namespace].iter().enumerate() {
            let (examined, view) = lens.look(object, now);
            lens.keep(place, view);
            findings.extend(session.take(place, examined).findings);
        }
        for mut judged in session.finish(Sight::Cluster { unread: std::collections::BTreeSet::new() }) {
            lens.look_again(judged.place, &mut judged.findings);
            findings.extend(judged.findings);
        }
        let name = |finding: &Finding| compiled.controls[finding.control].control.id.clone();
        findings.iter().map(|finding| (name(finding), finding.outcome)).collect()
    }

    #[test]
    fn what_somebodys_own_pack_would_say_of_a_value_that_was_replaced_is_unknown() {
        let outcomes = said(&[
            ("a", "match: {kinds: [ConfigMap]}\nexpression: object.data.mode != 'slow'\n"),
            ("b", "match: {kinds: [ConfigMap]}\nexpression: has(object.data.mode)\n"),
            ("c", "match: {kinds: [ConfigMap]}\nexpression: object.metadata.labels.a == 'b'\n"),
            (
                "d",
                "match: {kinds: [ConfigMap]}\nexpression: \"object.data.mode != 'slow' && now > timestamp('1960-01-01T00:00:00Z')\"\n",
            ),
            (
                "e",
                "match: {kinds: [Namespace]}\nrelated: [{name: maps, kind: ConfigMap, in: Namespace}]\nexpression: \"related.maps.all(m, m.data.mode != 'slow')\"\n",
            ),
            (
                "f",
                "match: {kinds: [Namespace]}\nrelated: [{name: maps, kind: ConfigMap, in: Namespace}]\nexpression: related.maps.size() == 1\n",
            ),
        ]);
        let expected = [
            ("a", Outcome::Unknown),
            ("b", Outcome::Pass),
            ("c", Outcome::Pass),
            ("d", Outcome::Unknown),
            ("e", Outcome::Unknown),
            ("f", Outcome::Pass),
        ];
        assert_eq!(outcomes, expected.map(|(id, outcome)| (id.to_owned(), outcome)));
    }

    #[test]
    fn objects_are_kept_in_the_order_of_reading() {
        let (compiled, _) = compile(&[], &[], &Parameters::new());
        let lens = Lens::redacting(&compiled).unwrap();
        for place in [2, 0, 1] {
            let object = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": place }, "data": { "a": "aHVudGVyMg==" } });
            lens.keep(place, lens.look(&object, Timestamp::UNIX_EPOCH).1);
        }
        let (spool, kept) = lens.into_kept().unwrap();
        assert_eq!(kept.iter().map(|it| it.place).collect::<Vec<_>>(), [0, 1, 2]);
        let mut out = Vec::new();
        spool.unwrap().copy(&kept.iter().map(|it| it.stretch).collect::<Vec<_>>(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().count() == 3 && !text.contains("aHVudGVyMg=="), "{text}");
    }
}
