//! Packs out of the program and out of folders.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use banyan_policies::pack::{Pack, PackFault, builtin, load};

/// Packs that were read, and what is wrong with them.
#[derive(Debug, Default)]
pub struct Packs {
    /// The packs, by name; one from a folder takes the place of the program's own of that name.
    pub all: Vec<Arc<Pack>>,
    /// What is wrong, with file and line.
    pub faults: Vec<PackFault>,
}

impl Packs {
    /// The packs of the program and those of folders.
    ///
    /// # Errors
    /// When a folder cannot be read or has no pack in it.
    pub fn read(folders: &[PathBuf]) -> anyhow::Result<Self> {
        let (own, faults) = builtin();
        let mut packs = Self { all: own.into_iter().map(Arc::new).collect(), faults };
        for folder in folders {
            let found = Self::of_folder(folder)?;
            packs.all.retain(|own| found.all.iter().all(|pack| pack.about.name != own.about.name));
            packs.all.extend(found.all);
            packs.faults.extend(found.faults);
        }
        packs.all.sort_by(|a, b| a.about.name.cmp(&b.about.name));
        Ok(packs)
    }

    /// The pack in a folder, or the packs in its folders.
    ///
    /// # Errors
    /// When it cannot be read or has no pack in it.
    pub fn of_folder(folder: &Path) -> anyhow::Result<Self> {
        let mut packs = Self::default();
        let mut roots = vec![folder.to_owned()];
        if !folder.join("pack.yaml").exists() {
            roots = entries(folder)?.into_iter().filter(|path| path.join("pack.yaml").exists()).collect();
        }
        anyhow::ensure!(
            !roots.is_empty(),
            "{} has no pack: a pack is a folder with a pack.yaml",
            folder.display()
        );
        for root in roots {
            let mut files = Vec::new();
            collect(&root, &mut files)?;
            let (pack, faults) = load(files.iter().map(|(name, text)| (name.as_str(), text.as_str())));
            packs.all.extend(pack.map(Arc::new));
            packs.faults.extend(faults);
        }
        Ok(packs)
    }
}

fn entries(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let read = fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths = read.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// Largest file of a pack, in bytes.
const LARGEST: u64 = 1 << 20;

fn collect(folder: &Path, files: &mut Vec<(String, String)>) -> anyhow::Result<()> {
    for path in entries(folder)? {
        // A link may lead in circles.
        let about =
            fs::symlink_metadata(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        if about.is_dir() {
            collect(&path, files)?;
        } else if about.is_file()
            && path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
        {
            anyhow::ensure!(
                about.len() <= LARGEST,
                "{} is larger than a file of a pack may be (1 MiB)",
                path.display()
            );
            let text =
                fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            files.push((path.display().to_string(), text));
        }
    }
    Ok(())
}
