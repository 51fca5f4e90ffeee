//! The packs are part of the program: a changed pack is a changed program.

fn main() {
    println!("cargo::rerun-if-changed=packs");
}
