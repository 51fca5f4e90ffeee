//! Packs: those of the program, and those that `ConfigMaps` bring.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use banyan_policies::pack::{Pack, builtin, load};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;

use super::status::PACK_OF;
use crate::index::feed::Index;

/// Label of the `ConfigMaps` in Banyan's namespace that each hold a pack: its files by their names.
pub const LABEL: &str = "banyan.dev/policy-pack";

/// The packs that a baseline can name.
pub struct Packs {
    builtin: Vec<Arc<Pack>>,
    given: RwLock<BTreeMap<String, Given>>,
    changed: Box<dyn Fn() + Send + Sync>,
}

struct Given {
    uid: String,
    version: String,
    pack: Option<Arc<Pack>>,
    faults: Vec<String>,
}

/// The packs at an instant.
#[derive(Clone, Debug, Default)]
pub struct Stock {
    /// All that can be read.
    pub all: Vec<Arc<Pack>>,
    /// What is wrong with the rest, by `ConfigMap`.
    pub faults: Vec<(String, String)>,
    /// Another one when another pack is there.
    pub version: String,
}

impl Packs {
    /// Those of the program; `changed` is told of each that comes, changes or goes.
    pub fn new(changed: Box<dyn Fn() + Send + Sync>) -> Self {
        Self { builtin: builtin().0.into_iter().map(Arc::new).collect(), given: RwLock::default(), changed }
    }

    /// Everything as it is now. A pack that calls itself like another one is left out: the first by the name of its `ConfigMap` stays, one of the
    /// program before all.
    pub fn stock(&self) -> Stock {
        let mut stock = Stock { all: self.builtin.clone(), ..Stock::default() };
        let given = self.given.read().unwrap_or_else(PoisonError::into_inner);
        for (name, given) in given.iter() {
            for part in [&given.uid, "@", &given.version, ","] {
                stock.version.push_str(part);
            }
            stock.faults.extend(given.faults.iter().map(|fault| (format!("{PACK_OF}{name}"), fault.clone())));
            let Some(pack) = &given.pack else { continue };
            if stock.all.iter().any(|other| other.about.name == pack.about.name) {
                let what =
                    format!("pack.yaml: there is a pack `{}` already; it is left out", pack.about.name);
                stock.faults.push((format!("{PACK_OF}{name}"), what));
            } else {
                stock.all.push(Arc::clone(pack));
            }
        }
        stock
    }
}

fn read(map: &ConfigMap) -> (Option<Arc<Pack>>, Vec<String>) {
    // Of what turns out to be wrong later only the file is known: its name has that of the ConfigMap in it.
    let folder = format!("{}/", map.name_any());
    let files: Vec<(String, &str)> =
        map.data.iter().flatten().map(|(name, text)| (format!("{folder}{name}"), text.as_str())).collect();
    let (pack, faults) = load(files.iter().map(|(name, text)| (name.as_str(), *text)));
    let told = |fault: String| fault.strip_prefix(&folder).map(str::to_owned).unwrap_or(fault);
    (pack.map(Arc::new), faults.iter().map(|fault| told(fault.to_string())).collect())
}

impl Index<ConfigMap> for Packs {
    fn apply(&self, map: ConfigMap) -> bool {
        let (name, version) = (map.name_any(), map.resource_version().unwrap_or_default());
        let mut given = self.given.write().unwrap_or_else(PoisonError::into_inner);
        if given.get(&name).is_some_and(|known| known.version == version) {
            return false;
        }
        let (pack, faults) = read(&map);
        given.insert(name, Given { uid: map.uid().unwrap_or_default(), version, pack, faults });
        drop(given);
        (self.changed)();
        true
    }

    fn delete(&self, map: &ConfigMap) -> bool {
        let was =
            self.given.write().unwrap_or_else(PoisonError::into_inner).remove(&map.name_any()).is_some();
        if was {
            (self.changed)();
        }
        was
    }

    fn reset(&self, seen: &HashSet<String>) {
        let mut given = self.given.write().unwrap_or_else(PoisonError::into_inner);
        let before = given.len();
        given.retain(|_, known| seen.contains(&known.uid));
        let fewer = given.len() < before;
        drop(given);
        if fewer {
            (self.changed)();
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(name: &str, version: &str, pack: &str, control: &str) -> ConfigMap {
        serde_json::from_value(json!({
            "metadata": {"name": name, "uid": name, "resourceVersion": version},
            "data": {
                "pack.yaml": format!("name: {pack}\ntitle: {{en: House rules, zh: 内部规则}}\nstandard: House\nversion: '1'\nlevels: ['1']\nnote: {{en: ours, zh: 自有}}\n"),
                "requirements.yaml": "[]\n",
                "owner-label.yaml": control,
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_pack_of_a_config_map_is_there_until_it_goes_and_a_bad_one_is_named() {
        let packs = Packs::new(Box::new(|| {}));
        let before = packs.stock();
        packs.apply(map("rules", "1", "house", "title: ["));
        let stock = packs.stock();
        assert_ne!(before.version, stock.version);
        assert!(stock.faults.iter().all(|(map, _)| map == "ConfigMap rules"));
        assert!(
            stock.faults.iter().any(|(_, fault)| fault.starts_with("owner-label.yaml:1")),
            "{:?}",
            stock.faults
        );
        // One that calls itself like one of the program's.
        packs.apply(map("again", "1", "mlps", "title: ["));
        let stock = packs.stock();
        assert_eq!(stock.all.iter().filter(|pack| pack.about.name == "mlps").count(), 1);
        assert!(
            stock.faults.iter().any(|(map, fault)| map == "ConfigMap again" && fault.contains("already"))
        );
        packs.reset(&HashSet::new());
        assert_eq!(packs.stock().version, before.version);
    }
}
