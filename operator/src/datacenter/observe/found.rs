//! A ledger as it was found, in its `ConfigMap`.

use std::sync::Arc;

use jiff::civil::Date;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;

use crate::{
    datacenter::{
        ledger::Ledger,
        provenance::{Provenance, ProvenanceError},
    },
    kernel::plan::Basis,
};

/// Key of the ledger's text.
pub const LEDGER_KEY: &str = "ledger";
/// Key of the digest of the meters.
pub const METERS_KEY: &str = "meters";
/// Key of where the days come from that a person has put in.
pub const PROVENANCE_KEY: &str = "provenance";

/// The ledger as it was found.
#[derive(Clone, Debug)]
pub struct FoundLedger {
    /// Its days; what is wrong with it, or with where they come from, where that cannot be read.
    pub ledger: Result<Arc<Ledger>, String>,
    /// Digest of the meters that it was filled with.
    pub metered_with: Option<String>,
    /// Where the days come from that a person has put in, as text: it is carried along, and read where it is wanted.
    pub provenance: Option<Arc<str>>,
    /// What the object must still be when a ledger that follows from this one is written.
    pub basis: Basis,
}

impl Default for FoundLedger {
    fn default() -> Self {
        Self { ledger: Ok(Arc::default()), metered_with: None, provenance: None, basis: Basis::Absent }
    }
}

impl FoundLedger {
    /// What a `ConfigMap` holds; none if it holds no ledger.
    pub fn read(object: &ConfigMap) -> Option<Self> {
        let data = object.data.as_ref()?;
        let text = data.get(LEDGER_KEY)?;
        let provenance = data.get(PROVENANCE_KEY);
        let ledger = Ledger::decode(text).map_err(|error| error.to_string());
        let readable = provenance.map_or(Ok(()), |text| Provenance::decode(text).map(drop));
        Some(Self {
            ledger: ledger.and_then(|ledger| match readable {
                Ok(()) => Ok(Arc::new(ledger)),
                Err(error) => Err(error.to_string()),
            }),
            metered_with: data.get(METERS_KEY).cloned(),
            provenance: provenance.map(|text| Arc::from(text.as_str())),
            basis: object
                .uid()
                .zip(object.resource_version())
                .map_or(Basis::Absent, |(uid, version)| Basis::Seen { uid, version }),
        })
    }

    /// One that cannot be read.
    pub fn unreadable(why: String) -> Self {
        Self { ledger: Err(why), ..Self::default() }
    }

    /// Where the days come from that a person has put in.
    pub fn provenance(&self) -> Result<Provenance, ProvenanceError> {
        self.provenance.as_deref().map_or_else(|| Ok(Provenance::default()), Provenance::decode)
    }

    /// The same as text for a ledger that begins with `first`: as it was found, unless days have fallen out.
    pub fn provenance_since(&self, first: Option<Date>) -> Option<Arc<str>> {
        let found = self.ledger.as_ref().ok().and_then(|ledger| ledger.first_date());
        let (Some(first), Ok(mut kept)) = (first, self.provenance()) else { return self.provenance.clone() };
        if found.is_none_or(|found| found >= first) {
            return self.provenance.clone();
        }
        kept.prune(first);
        (!kept.is_empty()).then(|| Arc::from(kept.encode()))
    }
}
