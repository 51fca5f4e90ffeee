//! What every form looks up in an audit.

use std::collections::HashMap;

use banyan_policies::{
    engine::{ObjectRef, Outcome},
    pack::Text,
    verdict::{
        Audit, ClauseLine, Conclusion, ControlLine, FindingLine, ObjectLine, PackLine, PlaceLine, WaiverLine,
    },
};

use super::{
    super::visible::visible,
    history::{History, Remembered},
};
use crate::lang::Lang;

/// An audit, with its clauses by control and its waivers by name. An audit that was read from a file may name a control that it has not; what is
/// said of such a one is left out.
#[derive(Debug)]
pub struct View<'a> {
    /// The audit.
    pub audit: &'a Audit,
    /// What is remembered beyond it, of an audit that the operator has told: of that, passes are not known by control.
    pub history: Option<&'a History>,
    clauses: Vec<Vec<&'a ClauseLine>>,
    waivers: HashMap<&'a str, &'a WaiverLine>,
}

impl<'a> View<'a> {
    /// A view of an audit.
    pub fn new(audit: &'a Audit) -> Self {
        let mut clauses = vec![Vec::new(); audit.controls.len()];
        for clause in &audit.clauses {
            for place in &clause.controls {
                if let Some(clauses) = clauses.get_mut(*place) {
                    clauses.push(clause);
                }
            }
        }
        let waivers = audit.waivers.iter().map(|waiver| (waiver.name.as_str(), waiver)).collect();
        Self { audit, history: None, clauses, waivers }
    }

    /// A view of an audit that the operator has told.
    pub fn told(audit: &'a Audit, history: &'a History) -> Self {
        Self { history: Some(history), ..Self::new(audit) }
    }

    /// What is remembered of a clause, by its place.
    pub fn remembered(&self, clause: usize) -> Option<Remembered> {
        self.history?.clauses.get(clause).copied()
    }

    /// A control.
    pub fn control(&self, place: usize) -> Option<&'a ControlLine> {
        self.audit.controls.get(place)
    }

    /// The name of a pack.
    pub fn pack(&self, place: usize) -> &'a str {
        self.audit.packs.get(place).map_or("", |pack| &pack.name)
    }

    /// The pack of a control.
    pub fn pack_of(&self, control: &ControlLine) -> Option<&'a PackLine> {
        self.audit.packs.get(control.pack)
    }

    /// The clauses that a control is evidence for.
    pub fn clauses(&self, control: usize) -> &[&'a ClauseLine] {
        self.clauses.get(control).map_or(&[], Vec::as_slice)
    }

    /// The area of the standard that a control belongs to.
    pub fn area(&self, control: usize) -> &'a str {
        self.clauses(control).first().map_or("", |clause| &clause.area)
    }

    /// A waiver.
    pub fn waiver(&self, finding: &FindingLine) -> Option<&'a WaiverLine> {
        self.waivers.get(finding.waiver.as_deref()?).copied()
    }

    /// Everything that was found, by object.
    pub fn findings(&self) -> impl Iterator<Item = (&'a ObjectLine, &'a FindingLine, &'a ControlLine)> {
        let controls = &self.audit.controls;
        self.audit.objects.iter().flat_map(move |line| {
            line.findings
                .iter()
                .filter_map(move |finding| Some((line, finding, controls.get(finding.control)?)))
        })
    }

    /// Everything that was found, a list a control: what fails first, and each outcome in the order of the objects.
    pub fn by_control(&self) -> Vec<Vec<(&'a ObjectLine, &'a FindingLine)>> {
        let mut found = vec![Vec::new(); self.audit.controls.len()];
        for line in &self.audit.objects {
            for finding in &line.findings {
                if let Some(found) = found.get_mut(finding.control) {
                    found.push((line, finding));
                }
            }
        }
        for found in &mut found {
            found.sort_by_key(|(_, finding)| rank(finding.outcome));
        }
        found
    }

    /// What an audit says where nothing was judged: no control had an object to look at.
    pub fn nothing_matched(&self) -> bool {
        // Of what was told, only what is kept is known.
        self.history.is_none() && self.audit.controls.iter().all(|control| control.tally.objects() == 0)
    }
}

/// A finding's result as reports know it: a failure that does not count is a warning, and what cannot be seen is skipped.
pub fn result(control: &ControlLine, outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Fail if !control.scored => "warn",
        Outcome::Unknown => "skip",
        outcome => outcome.as_str(),
    }
}

/// What the figures of a pack come to. The words are those of assessments after MLPS (等级测评), and no other pack is one.
pub fn conclusion(pack: &PackLine) -> Option<Conclusion> {
    (pack.name == "mlps").then(|| pack.score.as_ref().map(|score| score.conclusion)).flatten()
}

/// How soon an outcome is to be looked at.
pub fn rank(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Fail => 0,
        Outcome::Error => 1,
        Outcome::Unknown => 2,
        Outcome::Skip => 3,
        Outcome::Pass => 4,
    }
}

/// The messages of a finding, each once.
pub fn message(control: &ControlLine, finding: &FindingLine) -> String {
    let mut messages: Vec<&str> = Vec::new();
    for place in &finding.places {
        if !place.message.is_empty() && !messages.contains(&place.message.as_str()) {
            messages.push(&place.message);
        }
    }
    let all = if messages.is_empty() { control.title.en.clone() } else { messages.join("; ") };
    let more = if finding.more > 0 { format!(" (and {} places more)", finding.more) } else { String::new() };
    format!("{}{more}", visible(&all))
}

/// A text in a language; a pack may have it in one only.
pub fn text(text: &Text, lang: Lang) -> &str {
    match lang {
        Lang::Zh if !text.zh.is_empty() => &text.zh,
        Lang::En if text.en.is_empty() => &text.zh,
        _ => &text.en,
    }
}

/// Where an object was read: `file:line` of a place, or of the object.
pub fn position(line: &ObjectLine, place: Option<&PlaceLine>) -> Option<(String, usize)> {
    let origin = line.origin.as_ref()?;
    Some((visible(&origin.file).into_owned(), place.and_then(|place| place.line).unwrap_or(origin.line)))
}

/// An object by name.
pub fn named(object: &ObjectRef) -> String {
    visible(&object.to_string()).into_owned()
}
