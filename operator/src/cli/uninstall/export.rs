//! Sites and their ledgers as files that `kubectl apply -f` takes back.

use std::{fs, path::Path};

use anyhow::Context as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{ResourceExt, core::ObjectMeta};
use serde_json::{Value, json};

use super::found::{Found, Site};
use crate::kernel::plan::OWNER;

/// Writes a file for each site that has a ledger or is decodable; answers how many. A file of before is replaced, in whole.
pub fn write(folder: &Path, found: &Found) -> anyhow::Result<usize> {
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let mut written = 0;
    for name in found.owners() {
        let owner = super::found::owner(&name).to_string();
        let site = found.sites.iter().find(|site| site.name == name).and_then(manifest);
        let ledgers = found.ledgers().filter(|map| map.labels().get(OWNER) == Some(&owner)).map(ledger);
        let documents: Vec<Value> = site.into_iter().chain(ledgers).collect();
        if documents.is_empty() {
            continue;
        }
        let texts: Vec<String> = documents.iter().map(serde_yaml::to_string).collect::<Result<_, _>>()?;
        let path = folder.join(format!("{name}.yaml"));
        let aside = folder.join(format!(".{name}.yaml.partial"));
        fs::write(&aside, texts.join("---\n")).with_context(|| format!("writing {}", aside.display()))?;
        fs::rename(&aside, &path).with_context(|| format!("writing {}", path.display()))?;
        written += 1;
    }
    Ok(written)
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
