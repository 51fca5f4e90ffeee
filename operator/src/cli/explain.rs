//! `banyan explain`: why a resource stands where it stands, and what would change it. One verb for every kind.

mod datacenter;
mod numbers;
mod page;
mod words;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;
use jiff::Timestamp;

use super::{
    print,
    world::{Switches, World, connect, now},
};
use crate::lang::Lang;

/// Arguments of `banyan explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to explain: `dc/NAME`, several of them, or a kind followed by names.
    #[arg(required = true, num_args = 1.., value_name = "KIND/NAME")]
    resources: Vec<String>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
    /// Banyan's namespace.
    #[arg(long, env = "POD_NAMESPACE", default_value = "banyan-system")]
    namespace: String,
    /// Explain as if it were this instant.
    #[arg(long, value_name = "RFC3339")]
    now: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// A list with an object for each resource.
    Json,
}

/// The kinds that can be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    DataCenter,
}

/// Every word for a kind, in lower case: short name, singular and plural.
const KINDS: [(Kind, &[&str]); 1] = [(Kind::DataCenter, &["dc", "datacenter", "datacenters"])];

/// What is explained of one resource.
struct Told {
    text: String,
    json: serde_json::Value,
    /// There was something to explain it by.
    known: bool,
}

impl Kind {
    fn read(word: &str) -> anyhow::Result<Self> {
        // As kubectl takes it: with the group behind a dot or without.
        let lower = word.to_ascii_lowercase();
        let plain = lower.strip_suffix(&format!(".{}", banyan_crds::GROUP)).unwrap_or(&lower);
        let found = KINDS.iter().find(|(_, words)| words.contains(&plain)).map(|(kind, _)| *kind);
        found.with_context(|| {
            let known: Vec<&str> = KINDS.iter().filter_map(|(_, words)| words.first().copied()).collect();
            format!("{word} is no kind that can be explained; those are: {}", known.join(", "))
        })
    }

    async fn explain(self, world: &World, name: &str, now: Timestamp, lang: Lang) -> anyhow::Result<Told> {
        match self {
            Self::DataCenter => datacenter::explain(world, name, now, lang).await,
        }
    }
}

/// Kinds and names: `dc/a`, `dc/a datacenter/b`, `dc a b`.
fn wanted(words: &[String]) -> anyhow::Result<Vec<(Kind, &str)>> {
    if words.iter().any(|word| word.contains('/')) {
        return words
            .iter()
            .map(|word| {
                let (kind, name) = word
                    .split_once('/')
                    .filter(|(_, name)| !name.is_empty() && !name.contains('/'))
                    .with_context(|| format!("{word} is not KIND/NAME, such as dc/changle-1"))?;
                Ok((Kind::read(kind)?, name))
            })
            .collect();
    }
    let (kind, names) = words.split_first().context("nothing to explain is named")?;
    let kind = Kind::read(kind)?;
    if names.is_empty() {
        anyhow::bail!("which one? Give its name, such as dc/changle-1");
    }
    Ok(names.iter().map(|name| (kind, name.as_str())).collect())
}

pub async fn run(args: Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let wanted = wanted(&args.resources)?;
    let client = connect().await?;
    let world = World::read(client, &args.namespace, Switches::default()).await?;
    let now = now(args.now)?;
    // Before anything is printed: a name that is wrong leaves stdout empty.
    let mut all = Vec::with_capacity(wanted.len());
    for (kind, name) in wanted {
        all.push(kind.explain(&world, name, now, lang).await?);
    }
    match args.output {
        Output::Json => {
            let list: Vec<_> = all.iter().map(|told| &told.json).collect();
            print(&format!("{}\n", serde_json::to_string_pretty(&list)?))?;
        }
        Output::Text => {
            let texts: Vec<_> = all.iter().map(|told| told.text.as_str()).collect();
            print(&texts.join("\n"))?;
        }
    }
    Ok(ExitCode::from(if all.iter().all(|told| told.known) { 0 } else { 2 }))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod names {
    use super::*;

    #[test]
    fn kinds_and_names_are_read_as_kubectl_reads_them() {
        let read = |text: &str| {
            let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
            wanted(&words)
                .map(|found| found.into_iter().map(|(_, name)| name.to_owned()).collect::<Vec<_>>())
                .map_err(|error| error.to_string())
        };
        for text in ["dc/a datacenter/b", "DataCenter a b", "datacenters.banyan.dev/a dc/b"] {
            assert_eq!(read(text), Ok(vec!["a".to_owned(), "b".to_owned()]), "{text}");
        }
        assert_eq!(read("pod/a").unwrap_err(), "pod is no kind that can be explained; those are: dc");
        assert_eq!(read("dc/a b").unwrap_err(), "b is not KIND/NAME, such as dc/changle-1");
        assert!(read("dc/").is_err() && read("dc").is_err());
    }
}
