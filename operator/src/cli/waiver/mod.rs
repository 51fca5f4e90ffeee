//! `banyan waiver`: Waivers for the people who ask for them and those who approve them.

mod approve;
mod list;

use std::{fmt::Write as _, process::ExitCode};

pub(super) use list::state;

use banyan_crds::v1alpha1::{WaiverMatch, WaiverSpec};
use clap::Subcommand;

use crate::{lang::Lang, t};

/// Arguments of `banyan waiver`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Approve a Waiver in your own name. You need the verb `approve` on it, and may not be its author.
    Approve(approve::Args),
    /// List the Waivers: what stands, who wrote and who approved it, and until when.
    List(list::Args),
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::Approve(args) => approve::run(args, lang).await,
        Command::List(args) => list::run(args, lang).await,
    }
}

/// A text of somebody else's on one line, with nothing in it that a terminal would obey.
fn plain(text: &str) -> String {
    text.split(|letter: char| letter.is_control() || letter.is_whitespace())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The objects that a Waiver covers, in words.
fn objects(objects: &WaiverMatch, lang: Lang) -> String {
    let WaiverMatch { namespaces, kinds, names } = objects;
    let mut text = String::new();
    for (what, list) in [
        (t!(lang, "waiver-namespaces"), namespaces),
        (t!(lang, "waiver-kinds"), kinds),
        (t!(lang, "waiver-names"), names),
    ] {
        if !list.is_empty() {
            let between = if text.is_empty() { "" } else { "; " };
            let _ = write!(text, "{between}{what} {}", plain(&list.join(", ")));
        }
    }
    text
}

/// The controls that a Waiver covers.
fn controls(spec: &WaiverSpec) -> String {
    plain(&spec.controls.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_wrote_cannot_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\n c\u{9b}"), "a [2Jb c");
    }

    #[test]
    fn only_what_narrows_is_told_of_a_match() {
        let of = |namespaces: &[&str], names: &[&str]| {
            let list = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
            objects(
                &WaiverMatch { namespaces: list(namespaces), kinds: vec![], names: list(names) },
                Lang::En,
            )
        };
        assert_eq!(of(&["video", "maps"], &["camera-*"]), "namespaces video, maps; names camera-*");
        assert_eq!(of(&[], &["camera-*"]), "names camera-*");
    }
}
