//! What Banyan made for baselines, as the executor's inventory.

use std::sync::Arc;

use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::ConfigMap,
};
use kube::{ResourceExt, api::DynamicObject};

use super::ledger::{LEDGER_ROLE, Ledger};
use crate::{
    index::owned::{Owned, OwnedConfigMaps},
    kernel::{
        driver::Queue,
        executor::{Entry, Inventory},
        plan::{ObjectRef, Owner, ROLE},
    },
};

/// The kind of the owners in labels.
pub const OWNERS: &str = "securitybaseline";

/// Ledgers and parameters, policies and bindings.
pub struct Made {
    /// `ConfigMaps`.
    pub maps: Arc<OwnedConfigMaps<Ledger>>,
    /// Policies.
    pub policies: Arc<Owned<ValidatingAdmissionPolicy, ()>>,
    /// Bindings.
    pub bindings: Arc<Owned<ValidatingAdmissionPolicyBinding, ()>>,
}

impl Made {
    /// Empty indexes that tell `queue`.
    pub fn new(queue: &Arc<Queue>) -> Self {
        let nothing = |_: &ValidatingAdmissionPolicy| None;
        let none = |_: &ValidatingAdmissionPolicyBinding| None;
        Self {
            maps: Arc::new(Owned::new(OWNERS, ledger_of).telling(Arc::clone(queue))),
            policies: Arc::new(Owned::new(OWNERS, nothing).telling(Arc::clone(queue))),
            bindings: Arc::new(Owned::new(OWNERS, none).telling(Arc::clone(queue))),
        }
    }

    /// Names of the baselines for which there is something.
    pub fn owners(&self) -> Vec<String> {
        let mut all = self.maps.owners();
        all.extend(self.policies.owners());
        all.extend(self.bindings.owners());
        all.sort_unstable();
        all.dedup();
        all
    }
}

/// The ledger in a `ConfigMap`; others hold parameters.
fn ledger_of(map: &ConfigMap) -> Option<Ledger> {
    let role = map.labels().get(ROLE)?;
    (role == LEDGER_ROLE).then(|| Ledger::read(map)).flatten()
}

impl Inventory for Made {
    fn of(&self, owner: &Owner) -> Vec<Entry> {
        [self.maps.of(owner), self.policies.of(owner), self.bindings.of(owner)].concat()
    }

    fn observed(&self, object: &DynamicObject) {
        self.maps.observed(object);
        self.policies.observed(object);
        self.bindings.observed(object);
    }

    fn removed(&self, object: &ObjectRef) {
        self.maps.removed(object);
        self.policies.removed(object);
        self.bindings.removed(object);
    }
}
