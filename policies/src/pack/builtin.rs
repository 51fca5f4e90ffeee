//! The packs that are in the program.

use include_dir::{Dir, include_dir};

use super::{Pack, PackFault, load};

static PACKS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/packs");

/// Reads every pack of the program, in the order of their names. A fault here is a fault of the program; a test sees that there is none.
pub fn builtin() -> (Vec<Pack>, Vec<PackFault>) {
    let (mut packs, mut faults) = (Vec::new(), Vec::new());
    for folder in PACKS.dirs() {
        let mut files = Vec::new();
        collect(folder, &mut files);
        let (pack, wrong) = load(files);
        packs.extend(pack);
        faults.extend(wrong);
    }
    packs.sort_by(|a, b| a.about.name.cmp(&b.about.name));
    (packs, faults)
}

fn collect(folder: &'static Dir<'static>, files: &mut Vec<(&'static str, &'static str)>) {
    for file in folder.files() {
        if let (Some(path), Some(text)) = (file.path().to_str(), file.contents_utf8())
            && file.path().extension().is_some_and(|ending| ending == "yaml")
        {
            files.push((path, text));
        }
    }
    for folder in folder.dirs() {
        collect(folder, files);
    }
}
