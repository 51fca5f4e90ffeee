//! Waivers: a failure that somebody answers for, until an instant.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use crate::engine::{Compiled, Finding, ObjectRef, Outcome};

/// A waiver, in the same form for operator, command line and tests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// Its name.
    pub name: String,
    /// The controls that it covers, by id.
    pub controls: Vec<String>,
    /// The namespaces that it covers; empty: any.
    pub namespaces: Vec<String>,
    /// The kinds that it covers; empty: any.
    pub kinds: Vec<String>,
    /// The names that it covers, `*` at their end for any ending; empty: any.
    pub names: Vec<String>,
    /// Why.
    pub reason: String,
    /// Where it was decided.
    pub ticket: String,
    /// The first instant at which it is no longer valid.
    pub expires: Timestamp,
    /// Who approved it; nobody has yet while this is empty.
    pub approved_by: String,
    /// It covers nothing while this is set.
    pub suspended: bool,
}

/// Why a manifest is no waiver, with the path of the field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct WaiverFault {
    /// The field.
    pub path: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Waiver {
    /// Reads a manifest of kind `Waiver` (`banyan.dev/v1alpha1`), as it lies in a file or in a cluster. A waiver without an expiry is none.
    pub fn read(manifest: &Json) -> Result<Self, WaiverFault> {
        let fault =
            |path: &str, reason: &str| WaiverFault { path: path.to_owned(), reason: reason.to_owned() };
        let text = |path: &str, value: &Json| match value {
            Json::Null => Ok(String::new()),
            Json::String(text) => Ok(text.clone()),
            _ => Err(fault(path, "is no text")),
        };
        let list = |path: &str, value: &Json| match value {
            Json::Null => Ok(Vec::new()),
            Json::Array(items) => items
                .iter()
                .map(|item| {
                    item.as_str().map(str::to_owned).ok_or_else(|| fault(path, "is no list of texts"))
                })
                .collect(),
            _ => Err(fault(path, "is no list of texts")),
        };
        let spec = &manifest["spec"];
        let controls = list("spec.controls", &spec["controls"])?;
        if controls.is_empty() {
            return Err(fault("spec.controls", "names no control"));
        }
        let (namespaces, kinds, names) = (
            list("spec.match.namespaces", &spec["match"]["namespaces"])?,
            list("spec.match.kinds", &spec["match"]["kinds"])?,
            list("spec.match.names", &spec["match"]["names"])?,
        );
        if namespaces.is_empty() && kinds.is_empty() && names.is_empty() {
            return Err(fault(
                "spec.match",
                "is empty: a waiver says which namespaces, kinds or names it covers",
            ));
        }
        let reason = text("spec.reason", &spec["reason"])?;
        if reason.trim().is_empty() {
            return Err(fault("spec.reason", "is empty"));
        }
        let expires = match &spec["expires"] {
            Json::Null => return Err(fault("spec.expires", "is missing: a waiver ends")),
            value => value
                .as_str()
                .and_then(|text| text.parse().ok())
                .ok_or_else(|| fault("spec.expires", "is no instant such as 2027-01-31T00:00:00Z"))?,
        };
        let suspended = match &spec["suspend"] {
            Json::Null => false,
            value => value.as_bool().ok_or_else(|| fault("spec.suspend", "is neither true nor false"))?,
        };
        Ok(Self {
            suspended,
            name: text("metadata.name", &manifest["metadata"]["name"])?,
            ticket: text("spec.ticket", &spec["ticket"])?,
            approved_by: text("spec.approval.by", &spec["approval"]["by"])?,
            controls,
            namespaces,
            kinds,
            names,
            reason,
            expires,
        })
    }
}

/// What a waiver is worth at an instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum WaiverState {
    /// It was set aside; it covers nothing.
    Suspended,
    /// Nobody has approved it; it covers nothing.
    Pending,
    /// It covers something.
    Active,
    /// Its time is over; it covers nothing.
    Expired,
    /// It is valid and there is nothing for it to cover.
    Unused,
}

impl Waiver {
    /// Whether it counts at an instant: somebody has approved it, it is not set aside, and its time is not over.
    #[must_use]
    pub fn is_valid(&self, now: Timestamp) -> bool {
        !self.suspended && !self.approved_by.is_empty() && now < self.expires
    }

    fn covers(&self, control: &str, object: &ObjectRef) -> bool {
        let any = |list: &[String], value: &str| list.is_empty() || list.iter().any(|entry| entry == value);
        let named = self.names.is_empty()
            || self.names.iter().any(|name| match name.strip_suffix('*') {
                Some(start) => object.name.starts_with(start),
                None => *name == object.name,
            });
        self.controls.iter().any(|id| id == control)
            && any(&self.namespaces, &object.namespace)
            && any(&self.kinds, &object.kind)
            && named
    }
}

/// The waivers of a look, and what they were used for.
#[derive(Debug, Clone, Default)]
pub struct Waivers {
    all: Vec<Waiver>,
    uses: Vec<usize>,
    /// Failures that a waiver would cover if it were valid.
    missed: Vec<usize>,
    now: Timestamp,
}

impl Waivers {
    /// Waivers as they are valid at an instant.
    pub fn new(all: Vec<Waiver>, now: Timestamp) -> Self {
        let none = vec![0; all.len()];
        Self { uses: none.clone(), missed: none, all, now }
    }

    /// Turns covered failures into [`Outcome::Skip`]. An error or an unknown is never covered: nobody knows what it would say.
    pub fn apply(&mut self, compiled: &Compiled, object: &ObjectRef, findings: &mut [Finding]) {
        for finding in findings.iter_mut().filter(|finding| finding.outcome == Outcome::Fail) {
            if let Some(waiver) = self.cover(compiled, object, finding.control) {
                finding.waiver = Some(waiver.name.clone());
                finding.outcome = Outcome::Skip;
            }
        }
    }

    /// The waiver that covers a failure of a control, by its place; that is counted as a use.
    pub fn cover(&mut self, compiled: &Compiled, object: &ObjectRef, control: usize) -> Option<&Waiver> {
        let id = &compiled.controls.get(control)?.control.id;
        for (place, waiver) in self.all.iter().enumerate().filter(|(_, waiver)| waiver.covers(id, object)) {
            let valid = waiver.is_valid(self.now);
            let counter = if valid { self.uses.get_mut(place) } else { self.missed.get_mut(place) };
            if let Some(counter) = counter {
                *counter += 1;
            }
            if valid {
                return Some(waiver);
            }
        }
        None
    }

    /// Each waiver with its state, how many findings it covered, and how many it would cover if it were valid.
    pub fn lines(&self) -> impl Iterator<Item = (&Waiver, WaiverState, usize, usize)> {
        self.all.iter().zip(self.uses.iter().zip(&self.missed)).map(|(waiver, (uses, missed))| {
            let state = match () {
                () if self.now >= waiver.expires => WaiverState::Expired,
                () if waiver.suspended => WaiverState::Suspended,
                () if waiver.approved_by.is_empty() => WaiverState::Pending,
                () if *uses == 0 => WaiverState::Unused,
                () => WaiverState::Active,
            };
            (waiver, state, *uses, *missed)
        })
    }
}
