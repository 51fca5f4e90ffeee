//! Where the rows come from that a person has put into a ledger: who, when, why, from which file, and what stood there before.
//!
//! It is kept beside the ledger, in the same `ConfigMap`, as JSON. A *batch* is one run of `banyan energy import`; a day
//! names its batches, oldest first, each with the line of the file and the row that it replaced:
//!
//! ```json
//! {"version": 1,
//!  "batches": [{"id": 1, "author": "li.na@city", "person": "李娜", "at": "2026-03-05T02:11:09Z",
//!               "reason": "records of the DCIM before Banyan", "source": "dcim-2025.csv"}],
//!  "days": {"2025-03-01": [{"batch": 1, "line": 2}],
//!           "2026-03-02": [{"batch": 1, "line": 368, "replaced": "2026-03-02,121700000,95100000,9987,10000,2,c2"}]}}
//! ```
//!
//! The operator carries it along unread, and takes out the days that fall out of the ledger.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, civil::Date};
use serde::{Deserialize, Serialize};

use super::ledger::Day;

/// Version of the text.
pub const VERSION: u32 = 1;
/// Most bytes of the text. With the ledger it stays within what a `ConfigMap` holds, a mebibyte.
pub const MAX_BYTES: usize = 512 * 1024;
/// Steps that a day keeps. Of more, the first ones stay out: but for the very first, which has what was metered.
const MAX_STEPS: usize = 8;

/// Why a text is no provenance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProvenanceError {
    /// It is not of this shape.
    #[error("the provenance of its imported days cannot be read: {0}")]
    Unreadable(String),
    /// Written by a newer Banyan.
    #[error(
        "the provenance of its imported days has version {found}, and this Banyan reads up to {VERSION}: run the newer version that wrote it"
    )]
    TooNew {
        /// The version found.
        found: u32,
    },
}

/// One run of an import.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Number, unique in a ledger.
    pub id: u32,
    /// Name of the user, as the API server knows it.
    pub author: String,
    /// The person, where the user is shared by several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// Name of the file.
    pub source: String,
}

/// What a batch did to a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The batch.
    pub batch: u32,
    /// Line of the file, from 1.
    pub line: u64,
    /// What the line says about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The row that stood there before, as the ledger writes it; none if there was none.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "row")]
    pub replaced: Option<Day>,
}

/// Where the rows of a ledger come from that a person has put in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    batches: Vec<Batch>,
    days: BTreeMap<Date, Vec<Step>>,
}

/// The text's shape.
#[derive(Serialize, Deserialize)]
struct Text {
    version: u32,
    batches: Vec<Batch>,
    days: BTreeMap<Date, Vec<Step>>,
}

/// Only the version, which is read before anything else.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

impl Provenance {
    /// What `text` holds.
    pub fn decode(text: &str) -> Result<Self, ProvenanceError> {
        let unreadable = |error: serde_json::Error| ProvenanceError::Unreadable(error.to_string());
        let Versioned { version } = serde_json::from_str(text).map_err(unreadable)?;
        if version > VERSION {
            return Err(ProvenanceError::TooNew { found: version });
        }
        let Text { batches, days, .. } = serde_json::from_str(text).map_err(unreadable)?;
        let known: BTreeSet<u32> = batches.iter().map(|batch| batch.id).collect();
        if known.len() < batches.len() {
            return Err(ProvenanceError::Unreadable("two batches have one id".to_owned()));
        }
        for (date, steps) in &days {
            if let Some(step) = steps.iter().find(|step| !known.contains(&step.batch)) {
                let wrong = format!("{date} names batch {}, which is not there", step.batch);
                return Err(ProvenanceError::Unreadable(wrong));
            }
        }
        Ok(Self { batches, days })
    }

    /// It as text, a day a line, so that a difference can be read.
    pub fn encode(&self) -> String {
        let Self { batches, days } = self;
        let batches: Vec<_> = batches.iter().map(line).collect();
        let days: Vec<_> = days.iter().map(|(date, steps)| format!("\"{date}\":{}", line(steps))).collect();
        format!(
            "{{\"version\":{VERSION},\n\"batches\":[\n{}],\n\"days\":{{\n{}}}}}\n",
            batches.join(",\n"),
            days.join(",\n")
        )
    }

    /// Whether no day is by hand.
    pub fn is_empty(&self) -> bool {
        self.days.is_empty()
    }

    /// The batches, oldest first.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// What was done to `date`, oldest first, each with its batch.
    pub fn of(&self, date: Date) -> impl DoubleEndedIterator<Item = (&Step, &Batch)> {
        let steps = self.days.get(&date).into_iter().flatten();
        steps.filter_map(|step| Some((step, self.batches.iter().find(|batch| batch.id == step.batch)?)))
    }

    /// Adds a batch with its days. The id of `batch` is chosen here.
    pub fn add(&mut self, batch: Batch, days: impl IntoIterator<Item = (Date, Step)>) {
        let id = self.batches.iter().map(|batch| batch.id).max().unwrap_or(0) + 1;
        let mut any = false;
        for (date, step) in days {
            any = true;
            let steps = self.days.entry(date).or_default();
            steps.push(Step { batch: id, ..step });
            if steps.len() > MAX_STEPS {
                steps.remove(1);
            }
        }
        if any {
            self.batches.push(Batch { id, ..batch });
            self.drop_idle_batches();
        }
    }

    /// Takes out the days before `first`, which the ledger does not hold any more.
    pub fn prune(&mut self, first: Date) {
        self.days = self.days.split_off(&first);
        self.drop_idle_batches();
    }

    fn drop_idle_batches(&mut self) {
        let named: BTreeSet<u32> = self.days.values().flatten().map(|step| step.batch).collect();
        self.batches.retain(|batch| named.contains(&batch.id));
    }
}

/// A value on one line. Nothing in it can fail to be written.
fn line(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A row as the ledger writes it.
mod row {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Day;

    #[allow(clippy::ref_option)] // Serde asks for it.
    pub(super) fn serialize<S: Serializer>(row: &Option<Day>, serializer: S) -> Result<S::Ok, S::Error> {
        match row {
            Some(row) => serializer.serialize_str(&row.encode()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Day>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| Day::decode(&text).map_err(|wrong| D::Error::custom(format!("{text}: {wrong}"))))
            .transpose()
    }
}

#[cfg(test)]
mod tests;
