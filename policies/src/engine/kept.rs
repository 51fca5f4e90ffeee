//! Findings that stay. A look over a city has hundreds of thousands, and most of them say what others say.

use std::{collections::HashSet, sync::Arc};

use super::judge::{Finding, Outcome, Place};

/// Texts that several findings have, each held once.
#[derive(Debug, Default)]
pub struct Texts {
    all: HashSet<Arc<str>>,
    /// How many there may be before those are looked for that nobody has any more.
    bound: usize,
}

/// Texts are looked through at this number for the first time.
const FEW: usize = 1024;

impl Texts {
    fn once(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.all.get(text) {
            return Arc::clone(known);
        }
        if self.all.len() >= self.bound.max(FEW) {
            self.all.retain(|text| Arc::strong_count(text) > 1);
            self.bound = 2 * self.all.len();
        }
        let text: Arc<str> = text.into();
        self.all.insert(Arc::clone(&text));
        text
    }
}

/// A [`Finding`] in as little room as it needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The control, by its place.
    pub control: usize,
    /// What it says.
    pub outcome: Outcome,
    places: Box<[KeptPlace]>,
    more: usize,
    waiver: Option<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct KeptPlace {
    path: Arc<str>,
    message: Arc<str>,
    evidence: Option<Box<str>>,
    line: Option<u32>,
}

impl Kept {
    /// Takes a finding in.
    pub fn of(finding: Finding, texts: &mut Texts) -> Self {
        let place = |place: Place| KeptPlace {
            path: texts.once(&place.path),
            message: texts.once(&place.message),
            evidence: place.evidence.map(String::into_boxed_str),
            line: place.line,
        };
        let Finding { control, outcome, places, more, waiver } = finding;
        let places = places.into_iter().map(place).collect();
        Self { control, outcome, places, more, waiver: waiver.map(|waiver| texts.once(&waiver)) }
    }

    /// The finding.
    pub fn finding(&self) -> Finding {
        let place = |place: &KeptPlace| Place {
            path: place.path.as_ref().to_owned(),
            message: place.message.as_ref().to_owned(),
            evidence: place.evidence.as_deref().map(str::to_owned),
            line: place.line,
        };
        Finding {
            control: self.control,
            outcome: self.outcome,
            places: self.places.iter().map(place).collect(),
            more: self.more,
            waiver: self.waiver.as_deref().map(str::to_owned),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(message: &str) -> Finding {
        Finding {
            waiver: Some("w".to_owned()),
            more: 2,
            places: vec![Place {
                path: "spec".to_owned(),
                message: message.to_owned(),
                evidence: Some("e".to_owned()),
                line: Some(3),
            }],
            ..Finding::whole(1, Outcome::Fail, String::new())
        }
    }

    #[test]
    fn what_is_kept_is_what_was_found() {
        let mut texts = Texts::default();
        let kept = Kept::of(finding("m"), &mut texts);
        assert_eq!(kept.finding(), finding("m"));
        assert_eq!(kept, Kept::of(finding("m"), &mut texts));
        assert_ne!(kept, Kept::of(finding("n"), &mut texts));
    }

    #[test]
    fn texts_that_nobody_has_are_let_go() {
        let mut texts = Texts::default();
        let stays = Kept::of(finding("stays"), &mut texts);
        for number in 0..10 * FEW {
            Kept::of(finding(&number.to_string()), &mut texts);
        }
        assert!(texts.all.len() <= FEW);
        assert!(texts.all.contains("stays"));
        drop(stays);
    }
}
