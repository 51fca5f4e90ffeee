//! Sites, security baselines with their waivers, and ledgers, as files that `kubectl apply -f` takes back.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::Context as _;
use banyan_crds::v1alpha1::{AUTHOR, SecurityBaseline, Waiver, WaiverSpec};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Resource, ResourceExt, core::ObjectMeta};
use serde_json::{Value, json};

use super::found::{Found, Site};
use crate::kernel::plan::OWNER;

/// Writes a file for each site and each baseline of which there is something to keep; answers how many. A file of before is
/// replaced, in whole.
pub fn write(folder: &Path, found: &Found) -> anyhow::Result<usize> {
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let ledgers = |owner: String| {
        found.ledgers().filter(move |map| map.labels().get(OWNER) == Some(&owner)).map(ledger)
    };
    let mut written = 0;
    for name in found.owners() {
        let site = found.sites.iter().find(|site| site.name == name).and_then(manifest);
        let documents = site.into_iter().chain(ledgers(super::found::owner(&name).to_string()));
        written += usize::from(write_file(folder, &name, &documents.collect::<Vec<_>>())?);
    }
    for name in baselines(found) {
        let baseline = found.baselines.iter().find(|baseline| baseline.name_any() == name);
        let baseline = baseline.map(|baseline| {
            json!({
                "apiVersion": SecurityBaseline::api_version(&()),
                "kind": SecurityBaseline::kind(&()),
                "metadata": bare(&baseline.metadata),
                "spec": baseline.spec,
            })
        });
        let waivers = found.waivers.iter().filter(|one| one.spec.baseline_name.0 == name).map(waiver);
        let documents = baseline.into_iter().chain(waivers);
        let documents = documents.chain(ledgers(super::baselines::owner(&name).to_string()));
        // No site has an underscore in its name.
        let file = format!("{}_{name}", super::baselines::owner("").kind);
        written += usize::from(write_file(folder, &file, &documents.collect::<Vec<_>>())?);
    }
    Ok(written)
}

/// Names of baselines of which there is something, the baseline itself or a waiver or a ledger.
fn baselines(found: &Found) -> BTreeSet<String> {
    let there = found.baselines.iter().map(ResourceExt::name_any);
    let waived = found.waivers.iter().map(|waiver| waiver.spec.baseline_name.0.clone());
    there.chain(waived).chain(found.made.owners()).collect()
}

/// Writes a file of some documents, if there are any, and says whether.
fn write_file(folder: &Path, name: &str, documents: &[Value]) -> anyhow::Result<bool> {
    if documents.is_empty() {
        return Ok(false);
    }
    let texts: Vec<String> = documents.iter().map(serde_yaml::to_string).collect::<Result<_, _>>()?;
    let path = folder.join(format!("{name}.yaml"));
    let aside = folder.join(format!(".{name}.yaml.partial"));
    fs::write(&aside, texts.join("---\n")).with_context(|| format!("writing {}", aside.display()))?;
    fs::rename(&aside, &path).with_context(|| format!("writing {}", path.display()))?;
    Ok(true)
}

/// The waiver as its author wrote it. Its approval is left out: whoever takes the file back is not who approved it, and the
/// API server would refuse the claim.
fn waiver(waiver: &Waiver) -> Value {
    let spec = WaiverSpec { approval: None, ..waiver.spec.clone() };
    let mut meta = waiver.metadata.clone();
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(AUTHOR);
    }
    json!({
        "apiVersion": Waiver::api_version(&()),
        "kind": Waiver::kind(&()),
        "metadata": bare(&meta),
        "spec": spec,
    })
}

/// The site as its author wrote it.
fn manifest(site: &Site) -> Option<Value> {
    let dc = site.dc.as_ref()?;
    Some(json!({
        "apiVersion": site.object.resource.api_version,
        "kind": site.object.resource.kind,
        "metadata": bare(&dc.metadata),
        "spec": dc.spec,
    }))
}

/// The ledger without its owner reference, whose uid will be another: the operator finds it by its label and sets that
/// anew.
fn ledger(map: &ConfigMap) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": bare(&map.metadata), "data": map.data })
}

/// What somebody meant of an object's metadata.
fn bare(meta: &ObjectMeta) -> Value {
    let mut annotations = meta.annotations.clone().unwrap_or_default();
    annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    let mut bare = json!({ "name": meta.name });
    if let Some(namespace) = &meta.namespace {
        bare["namespace"] = json!(namespace);
    }
    if !annotations.is_empty() {
        bare["annotations"] = json!(annotations);
    }
    if let Some(labels) = &meta.labels {
        bare["labels"] = json!(labels);
    }
    bare
}
