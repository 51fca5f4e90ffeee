//! Every pack of the program: it is read without a fault, its controls judge their examples as claimed, and their examples notice mutants.
use super::*;
use crate::engine::{check_examples, surviving_mutants};

/// `PACK=mlps cargo test -p banyan-policies` looks at one pack only, `CONTROL=` at the controls whose id begins so.
fn packs() -> Vec<Pack> {
    let (mut packs, faults) = builtin();
    assert!(faults.is_empty(), "{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    if let Ok(only) = std::env::var("PACK") {
        packs.retain(|pack| pack.about.name == only);
    }
    if let Ok(only) = std::env::var("CONTROL") {
        for pack in &mut packs {
            pack.controls.retain(|control| control.id.starts_with(&only));
        }
    }
    packs
}

#[test]
fn every_example_comes_out_as_its_control_claims() {
    let faults: Vec<_> = packs().iter().flat_map(check_examples).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_mutant_is_noticed_by_an_example() {
    let mut lines = Vec::new();
    for pack in packs() {
        let (tried, survivors) = surviving_mutants(&pack);
        println!("{}: {tried} mutants, {} not noticed", pack.about.name, survivors.len());
        lines.extend(survivors.iter().map(|survivor| format!("{}: {}", survivor.control, survivor.mutant)));
    }
    assert!(lines.is_empty(), "{} mutants are not noticed:\n{}", lines.len(), lines.join("\n"));
}
