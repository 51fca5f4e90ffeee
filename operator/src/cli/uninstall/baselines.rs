//! What there is of security baselines: policies, bindings and parameters that stand, reports, and ledgers.

use std::sync::Arc;

use anyhow::Context as _;
use futures::{StreamExt as _, stream};
use k8s_openapi::api::{
    admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding},
    core::v1::ConfigMap,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DynamicObject, ListParams},
    core::ApiResource,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    baseline::{
        ledger,
        made::{Made, OWNERS},
        reports,
    },
    datacenter::farewell,
    index::{feed::Index, owned::Owned},
    kernel::{
        driver::Queue,
        executor::Inventory as _,
        plan::{FIELD_MANAGER, MANAGED_BY, ObjectRef, Owner, Undo},
        writer::{WriteError, Writer},
    },
};

/// Reports that a list brings at once.
const PAGE: u32 = 500;
/// Reports that are deleted at once.
const CONCURRENCY: usize = 16;

/// What was made for security baselines.
pub struct Baselines {
    /// Policies, bindings and `ConfigMap`s.
    pub made: Arc<Made>,
    /// Reports by their kind; kinds that are not served have none.
    pub reports: Vec<Reports>,
}

/// The reports of a kind.
pub struct Reports {
    resource: ApiResource,
    /// Namespace, name and uid.
    objects: Vec<(Option<String>, String, Option<String>)>,
}

impl Reports {
    /// What they are called in a table, by their number.
    pub fn named(&self) -> String {
        format!("{} {}.{}", self.objects.len(), self.resource.plural, self.resource.group)
    }

    /// Deletes them, a bounded number at once; answers the first thing that went wrong. They have no line in the trail, as
    /// when they are written: all that they say is in the objects that they are about.
    pub async fn discard(&self, writer: &Writer) -> Result<(), WriteError> {
        let deleted = stream::iter(&self.objects).map(|(namespace, name, uid)| async move {
            let object = ObjectRef {
                resource: self.resource.clone(),
                namespace: namespace.clone(),
                name: name.clone(),
                uid: uid.clone(),
            };
            writer.discard(&object).await
        });
        let failed = deleted.buffer_unordered(CONCURRENCY).filter_map(|done| async move { done.err() });
        // All are tried.
        failed.collect::<Vec<_>>().await.into_iter().next().map_or(Ok(()), Err)
    }
}

impl Baselines {
    /// Reads it; `maps` are the `ConfigMap`s of Banyan's namespace that Banyan made.
    pub async fn read(client: &Client, maps: &[ConfigMap]) -> anyhow::Result<Self> {
        let made = Made::new(&Arc::new(Queue::default()));
        for map in maps {
            let _ = made.maps.apply(map.clone());
        }
        fill::<ValidatingAdmissionPolicy>(client, &made.policies).await?;
        fill::<ValidatingAdmissionPolicyBinding>(client, &made.bindings).await?;
        let mut found = Vec::new();
        for (api, namespaced) in reports::KINDS {
            let resource = reports::resource(api, namespaced);
            let objects = listed(client, &resource).await?;
            if !objects.is_empty() {
                found.push(Reports { resource, objects });
            }
        }
        Ok(Self { made: Arc::new(made), reports: found })
    }

    /// Names of the baselines, those that are gone among them, for which something was made.
    pub fn owners(&self) -> Vec<String> {
        self.made.owners()
    }

    /// What is taken back for the baseline called `name`, group by group: bindings first, since a policy without one does
    /// nothing, and parameters last, since a policy without its own refuses. `namespace` is Banyan's.
    pub fn undo(&self, name: &str, namespace: &str) -> Vec<Vec<Undo>> {
        let owner = owner(name);
        let ledger = ledger::object_ref(name, namespace).name;
        let remove = |entries: Vec<crate::kernel::executor::Entry>| -> Vec<Undo> {
            let objects = entries.into_iter().map(|entry| entry.object);
            objects
                .filter(|object| object.namespace.is_none() || object.name != ledger)
                .map(|object| Undo::Remove { object, action: None, why: farewell::WHY.to_owned() })
                .collect()
        };
        let groups =
            [self.made.bindings.of(&owner), self.made.policies.of(&owner), self.made.maps.of(&owner)];
        groups.map(remove).into_iter().filter(|group| !group.is_empty()).collect()
    }
}

/// The baseline called `name` as an owner.
pub fn owner(name: &str) -> Owner {
    Owner { kind: OWNERS, name: name.to_owned() }
}

async fn fill<K>(client: &Client, index: &Owned<K, ()>) -> anyhow::Result<()>
where
    K: Resource<DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let ours = ListParams::default().labels(&format!("{MANAGED_BY}={FIELD_MANAGER}"));
    let listed = Api::<K>::all(client.clone()).list(&ours).await;
    for object in listed.with_context(|| format!("{} cannot be listed", K::plural(&())))? {
        let _ = index.apply(object);
    }
    Ok(())
}

/// Every report of a kind that Banyan made; none where the kind is not served.
async fn listed(
    client: &Client,
    resource: &ApiResource,
) -> anyhow::Result<Vec<(Option<String>, String, Option<String>)>> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let mut all = Vec::new();
    let mut page = ListParams::default().labels(&format!("{MANAGED_BY}={FIELD_MANAGER}")).limit(PAGE);
    loop {
        let list = match api.list_metadata(&page).await {
            Ok(list) => list,
            Err(kube::Error::Api(status)) if status.code == 404 => return Ok(Vec::new()),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be listed", resource.plural)),
        };
        let next = list.metadata.continue_.filter(|next| !next.is_empty());
        all.extend(list.items.into_iter().map(|meta| (meta.namespace(), meta.name_any(), meta.uid())));
        match next {
            Some(next) => page = page.continue_token(&next),
            None => return Ok(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bindings_go_before_policies_and_parameters_last_and_the_ledger_stays() {
        let made = Made::new(&Arc::new(Queue::default()));
        let meta = |name: &str, owner: &str, uid: &str| {
            json!({"metadata": {
                "name": name, "uid": uid, "resourceVersion": "1",
                "labels": {"app.kubernetes.io/managed-by": "banyan", "banyan.dev/owner": owner},
            }})
        };
        let map = |name: &str, uid: &str| {
            let mut map = meta(name, "securitybaseline.city", uid);
            map["metadata"]["namespace"] = "banyan-system".into();
            serde_json::from_value::<ConfigMap>(map).unwrap()
        };
        let _ = made.maps.apply(map("banyan-baseline-city-parameters", "1"));
        let _ = made.maps.apply(map("banyan-baseline-ledger-city", "2"));
        for (name, owner, uid) in [("a", "securitybaseline.city", "3"), ("b", "datacenter.city", "4")] {
            let _ = made.policies.apply(serde_json::from_value(meta(name, owner, uid)).unwrap());
            let _ = made.bindings.apply(serde_json::from_value(meta(name, owner, uid)).unwrap());
        }
        let found = Baselines { made: Arc::new(made), reports: Vec::new() };
        assert_eq!(found.owners(), ["city"]);
        let names: Vec<Vec<String>> = found
            .undo("city", "banyan-system")
            .iter()
            .map(|group| {
                let object = |undo: &Undo| match undo {
                    Undo::Remove { object, .. } | Undo::Return { object, .. } => object.to_string(),
                };
                group.iter().map(object).collect()
            })
            .collect();
        assert_eq!(
            names,
            [
                ["ValidatingAdmissionPolicyBinding a"],
                ["ValidatingAdmissionPolicy a"],
                ["ConfigMap banyan-system/banyan-baseline-city-parameters"],
            ]
        );
    }
}
