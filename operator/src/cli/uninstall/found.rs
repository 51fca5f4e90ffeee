//! What there is of Banyan on a cluster.

use std::collections::BTreeSet;

use anyhow::Context as _;
use banyan_crds::v1alpha1::{DataCenter, SecurityBaseline, Waiver};
use k8s_openapi::{
    api::{
        admissionregistration::v1::{
            MutatingAdmissionPolicy, MutatingAdmissionPolicyBinding, ValidatingAdmissionPolicy,
            ValidatingAdmissionPolicyBinding,
        },
        apps::v1::Deployment,
        core::v1::ConfigMap,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
    apimachinery::pkg::apis::meta::v1::OwnerReference,
};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{DynamicObject, ListParams},
    core::{ApiResource, ClusterResourceScope, DeserializeGuard, GroupVersionKind},
};
use serde::de::DeserializeOwned;

use super::{
    super::{indexes::Indexes, world},
    baselines::{self, Baselines},
};
use crate::{
    baseline::{ledger::LEDGER_ROLE, made::OWNERS},
    datacenter::{farewell, holds::Estate, marks::Mark},
    doctor::look,
    kernel::{
        executor::Inventory as _,
        loan::Record,
        plan::{FINALIZER, OWNER, ObjectRef, Owner, ROLE, Undo},
        trail::Principal,
    },
};

/// The kind of the sites as an owner.
pub const KIND: &str = "datacenter";

/// The chart's admission policies, in the order in which they go: bindings first, since a policy without one does nothing.
pub fn policies() -> Vec<ObjectRef> {
    let named = |resource: ApiResource, name: &str| ObjectRef {
        resource,
        namespace: None,
        name: name.to_owned(),
        uid: None,
    };
    let (freeze, hold) = (look::FREEZE_POLICY, look::HOLD_POLICY);
    let (author, approval) = (look::AUTHOR_POLICY, look::APPROVAL_POLICY);
    let parameters = look::PARAMETERS_POLICY;
    vec![
        named(ApiResource::erase::<ValidatingAdmissionPolicyBinding>(&()), freeze),
        named(ApiResource::erase::<MutatingAdmissionPolicyBinding>(&()), hold),
        named(ApiResource::erase::<MutatingAdmissionPolicyBinding>(&()), author),
        named(ApiResource::erase::<ValidatingAdmissionPolicyBinding>(&()), approval),
        named(ApiResource::erase::<ValidatingAdmissionPolicyBinding>(&()), parameters),
        named(ApiResource::erase::<MutatingAdmissionPolicyBinding>(&()), parameters),
        named(ApiResource::erase::<ValidatingAdmissionPolicy>(&()), freeze),
        named(ApiResource::erase::<MutatingAdmissionPolicy>(&()), hold),
        named(ApiResource::erase::<MutatingAdmissionPolicy>(&()), author),
        named(ApiResource::erase::<ValidatingAdmissionPolicy>(&()), approval),
        named(ApiResource::erase::<ValidatingAdmissionPolicy>(&()), parameters),
        named(ApiResource::erase::<MutatingAdmissionPolicy>(&()), parameters),
    ]
}

/// A site, decodable or not.
pub struct Site {
    pub name: String,
    pub object: ObjectRef,
    pub generation: Option<i64>,
    pub finalizer: bool,
    /// None if it does not fit the schema.
    pub dc: Option<Box<DataCenter>>,
}

impl Site {
    fn read(guarded: DeserializeGuard<DataCenter>) -> Self {
        let (meta, dc) = match guarded.0 {
            Ok(dc) => (dc.metadata.clone(), Some(Box::new(dc))),
            Err(invalid) => (invalid.metadata, None),
        };
        let name = meta.name.unwrap_or_default();
        Self {
            object: ObjectRef {
                resource: ApiResource::erase::<DataCenter>(&()),
                namespace: None,
                name: name.clone(),
                uid: meta.uid,
            },
            name,
            generation: meta.generation,
            finalizer: meta.finalizers.iter().flatten().any(|name| name == FINALIZER),
            dc,
        }
    }
}

/// For whom something stands, and what, in the order in which it is taken back.
pub struct Standing {
    pub owner: Owner,
    pub principal: Principal,
    pub groups: Vec<Vec<Undo>>,
}

/// Everything.
pub struct Found {
    pub namespace: String,
    pub indexes: Indexes,
    pub sites: Vec<Site>,
    /// What was made for security baselines.
    pub made: Baselines,
    /// Security baselines that can be decoded.
    pub baselines: Vec<SecurityBaseline>,
    /// Waivers that can be decoded.
    pub waivers: Vec<Waiver>,
    pub policies: Vec<ObjectRef>,
    /// Every resource of the kinds beside sites.
    pub others: Vec<ObjectRef>,
    pub definitions: Vec<ObjectRef>,
    pub deployment: Option<Deployment>,
}

impl Found {
    pub async fn read(client: &Client, namespace: &str) -> anyhow::Result<Self> {
        let indexes = Indexes::read(client, namespace).await?;
        // Where the definition is gone, every site went with it.
        let listed = world::every_if_known::<DataCenter>(client).await?.unwrap_or_default();
        let mut sites: Vec<Site> = listed.into_iter().map(Site::read).collect();
        sites.sort_by(|a, b| a.name.cmp(&b.name));
        let mut there = Vec::new();
        for policy in policies() {
            there.extend(present(client, policy).await?);
        }
        let mut others = Vec::new();
        for crd in banyan_crds::all().iter().filter(|crd| crd.spec.names.kind != DataCenter::kind(&())) {
            others.extend(resources(client, crd).await?);
        }
        let mut definitions = Vec::new();
        for name in banyan_crds::all().into_iter().filter_map(|crd| crd.metadata.name) {
            let resource = ApiResource::erase::<CustomResourceDefinition>(&());
            definitions
                .extend(present(client, ObjectRef { resource, namespace: None, name, uid: None }).await?);
        }
        let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
        let listed = deployments.list(&ListParams::default()).await;
        let deployment = listed
            .with_context(|| format!("Deployments in namespace {namespace} cannot be listed"))?
            .into_iter()
            .find(runs_banyan);
        let namespace = namespace.to_owned();
        let made = Baselines::read(client, &indexes.maps).await?;
        Ok(Self {
            namespace,
            indexes,
            sites,
            made,
            baselines: decoded(client).await?,
            waivers: decoded(client).await?,
            policies: there,
            others,
            definitions,
            deployment,
        })
    }

    /// Everybody for whom something stands.
    pub fn standing(&self) -> Vec<Standing> {
        let sites = self.owners().into_iter().map(|name| Standing {
            owner: owner(&name),
            principal: self.principal(&name),
            groups: self.undo(&name),
        });
        let baselines = self.made.owners().into_iter().map(|name| Standing {
            owner: baselines::owner(&name),
            principal: self.baseline(&name),
            groups: self.made.undo(&name, &self.namespace),
        });
        sites.chain(baselines).filter(|standing| !standing.groups.is_empty()).collect()
    }

    /// The baseline called `name`; of one that is gone only the name is known.
    fn baseline(&self, name: &str) -> Principal {
        let resource = ApiResource::erase::<SecurityBaseline>(&());
        let known =
            self.others.iter().find(|other| other.resource.kind == resource.kind && other.name == name);
        let gone = ObjectRef { resource, namespace: None, name: name.to_owned(), uid: None };
        Principal::new(known.unwrap_or(&gone), None)
    }

    /// Names of sites, those that are gone among them, for which something may stand.
    pub fn owners(&self) -> BTreeSet<String> {
        let estate = self.estate();
        let loans = estate
            .nodes
            .iter()
            .flat_map(|node| &node.loans)
            .chain(estate.batch.iter().flat_map(|entry| &entry.loans));
        let lent = loans.map(|(_, record)| record.owner.clone());
        let made = self.indexes.maps.iter().filter_map(|map| map.labels().get(OWNER).cloned());
        let prefix = format!("{KIND}.");
        let owners = lent.chain(made).filter_map(|owner| owner.strip_prefix(&prefix).map(str::to_owned));
        owners.chain(self.sites.iter().map(|site| site.name.clone())).collect()
    }

    /// The site called `name`, for which something is done; of one that is gone only the name is known.
    pub fn principal(&self, name: &str) -> Principal {
        let known = self.sites.iter().find(|site| site.name == name);
        let gone = || ObjectRef {
            resource: ApiResource::erase::<DataCenter>(&()),
            namespace: None,
            name: name.to_owned(),
            uid: None,
        };
        match known.map(|site| (&site.object, site.generation)) {
            Some((object, generation)) => Principal::new(object, generation),
            None => Principal::new(&gone(), None),
        }
    }

    /// Everything that is taken back for the site called `name`, in order.
    pub fn undo(&self, name: &str) -> Vec<Vec<Undo>> {
        let owner = owner(name);
        farewell::undo(&self.estate(), &self.indexes.owned.of(&owner), &owner, &self.namespace)
    }

    /// What stands on objects and cannot be read, so that nobody knows for whom.
    pub fn unreadable(&self) -> Vec<String> {
        let estate = self.estate();
        let wrong = |object: String, loans: &[(String, Record)]| {
            let bad = loans.iter().filter(|(_, record)| !record.is_readable());
            bad.map(|(annotation, _)| {
                format!(
                    "{object}: the annotation {annotation} cannot be read, so what was borrowed cannot be given \
                     back; set the fields as they are to be and remove the annotation"
                )
            })
            .collect::<Vec<_>>()
        };
        let nodes = estate.nodes.iter().flat_map(|node| wrong(format!("Node {}", node.name), &node.loans));
        let batch = estate.batch.iter().flat_map(|entry| wrong(entry.object.to_string(), &entry.loans));
        nodes.chain(batch).collect()
    }

    fn estate(&self) -> Estate {
        Estate {
            nodes: self.indexes.nodes.select(|node| !node.loans.is_empty()),
            batch: self.indexes.batch.select(|entry| !entry.loans.is_empty()),
            queues_known: true,
        }
    }

    /// What is kept unless it is to be deleted, in the order in which it would be.
    pub fn data(&self) -> Vec<ObjectRef> {
        let sites = self.sites.iter().map(|site| site.object.clone());
        let ledgers = self.ledgers().map(|map| ObjectRef {
            resource: ApiResource::erase::<ConfigMap>(&()),
            namespace: map.namespace(),
            name: map.name_any(),
            uid: map.uid(),
        });
        let others = self.others.iter().cloned();
        sites.chain(ledgers).chain(others).chain(self.definitions.iter().cloned()).collect()
    }

    /// The ledgers: what Banyan made and what is neither a mark nor the parameters of a baseline.
    pub fn ledgers(&self) -> impl Iterator<Item = &ConfigMap> {
        self.indexes.maps.iter().filter(|map| is_ledger(map))
    }

    pub fn deployment_name(&self) -> Option<&str> {
        self.deployment.as_ref()?.metadata.name.as_deref()
    }

    /// Helm's name of the release.
    pub fn release(&self) -> Option<&str> {
        let annotations = self.deployment.as_ref()?.metadata.annotations.as_ref()?;
        annotations.get("meta.helm.sh/release-name").map(String::as_str)
    }

    pub fn deployment_reference(&self) -> Option<OwnerReference> {
        self.deployment.as_ref()?.owner_ref(&())
    }
}

fn is_ledger(map: &ConfigMap) -> bool {
    let role = map.labels().get(ROLE).map(String::as_str);
    let kind = map.labels().get(OWNER).and_then(|owner| owner.split_once('.')).map(|(kind, _)| kind);
    if kind == Some(OWNERS) {
        role == Some(LEDGER_ROLE)
    } else {
        ![Mark::Freeze, Mark::Hold].iter().any(|mark| Some(mark.role()) == role)
    }
}

/// Every resource of a kind of ours that can be decoded, in the order of their names.
async fn decoded<K>(client: &Client) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let listed = world::every_if_known::<K>(client).await?.unwrap_or_default();
    let mut all: Vec<K> = listed.into_iter().filter_map(|guarded| guarded.0.ok()).collect();
    all.sort_by_key(ResourceExt::name_any);
    Ok(all)
}

/// The site called `name` as an owner.
pub fn owner(name: &str) -> Owner {
    Owner { kind: KIND, name: name.to_owned() }
}

/// Every resource of a kind of ours; none where the kind is not served.
async fn resources(client: &Client, crd: &CustomResourceDefinition) -> anyhow::Result<Vec<ObjectRef>> {
    let (spec, names) = (&crd.spec, &crd.spec.names);
    let Some(version) = spec.versions.iter().find(|version| version.storage) else { return Ok(Vec::new()) };
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk(&spec.group, &version.name, &names.kind),
        &names.plural,
    );
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    match api.list_metadata(&ListParams::default()).await {
        Ok(list) => Ok(list
            .into_iter()
            .map(|found| ObjectRef {
                resource: resource.clone(),
                namespace: None,
                name: found.name_any(),
                uid: found.uid(),
            })
            .collect()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("{} cannot be listed", names.plural)),
    }
}

/// The object with its uid, if it is there.
async fn present(client: &Client, object: ObjectRef) -> anyhow::Result<Option<ObjectRef>> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &object.resource);
    let found = api.get_metadata_opt(&object.name).await;
    let found = found.with_context(|| format!("{object} cannot be read"))?;
    Ok(found.map(|meta| ObjectRef { uid: meta.uid(), ..object }))
}

/// Whether it is the operator's: its container is started with `run`, and called `banyan`.
fn runs_banyan(deployment: &Deployment) -> bool {
    let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
    pod.is_some_and(|pod| {
        pod.containers.iter().any(|container| {
            let first = container.args.as_ref().and_then(|args| args.first());
            container.name == "banyan" && first.is_some_and(|word| word == "run")
        })
    })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, path::Path};

    use super::*;

    #[test]
    fn parameters_of_a_baseline_are_no_data_and_its_ledger_is() {
        let map = |owner: &str, role: &str| {
            let mut map = ConfigMap::default();
            map.labels_mut()
                .extend([(OWNER.to_owned(), owner.to_owned()), (ROLE.to_owned(), role.to_owned())]);
            map
        };
        assert!(is_ledger(&map("securitybaseline.city", "baseline-ledger")));
        assert!(!is_ledger(&map("securitybaseline.city", "admission")));
        assert!(is_ledger(&map("datacenter.gulou", "ledger")));
        assert!(!is_ledger(&map("datacenter.gulou", Mark::Freeze.role())));
    }

    /// A policy that the chart gets and this does not know would be left behind.
    #[test]
    fn the_policies_are_those_of_the_chart() {
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/banyan/templates");
        let mut of_chart = BTreeSet::new();
        for file in std::fs::read_dir(templates).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            for (at, line) in lines.iter().enumerate() {
                let Some(kind) = line.strip_prefix("kind: ") else { continue };
                if !kind.contains("AdmissionPolicy") {
                    continue;
                }
                let name = lines[at..].iter().find_map(|line| line.strip_prefix("  name: ")).unwrap();
                of_chart.insert(format!("{kind} {name}"));
            }
        }
        let ours: BTreeSet<String> = policies().iter().map(ToString::to_string).collect();
        assert_eq!(ours, of_chart);
    }
}
