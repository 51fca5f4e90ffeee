//! `banyan policies explain`.

use std::{fmt::Write as _, path::PathBuf, process::ExitCode};

use banyan_policies::{
    admission,
    pack::{Control, Level, Pack},
};

use super::{Packs, list::clauses, say};
use crate::{cli::print, lang::Lang, t};

/// Arguments of `banyan policies explain`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The id of the control.
    control: String,
    /// Folders with packs of your own.
    #[arg(long, value_name = "DIR")]
    packs: Vec<PathBuf>,
}

pub fn run(args: &Args, lang: Lang) -> anyhow::Result<ExitCode> {
    let packs = Packs::read(&args.packs)?;
    let found = packs.all.iter().find_map(|pack| Some((pack, pack.control(&args.control)?)));
    let Some((pack, control)) = found else {
        let all = packs.all.iter().flat_map(|pack| &pack.controls).map(|control| control.id.as_str());
        let near = all
            .filter(|id| strsim::damerau_levenshtein(id, &args.control) <= 4 || id.contains(&args.control))
            .take(5)
            .collect::<Vec<_>>();
        let hint = if near.is_empty() {
            "`banyan policies list` names them".to_owned()
        } else {
            format!("did you mean {}?", near.join(", "))
        };
        anyhow::bail!("there is no control `{}`: {hint}", args.control);
    };
    print(&render(pack, control, lang)?)?;
    Ok(ExitCode::SUCCESS)
}

fn render(pack: &Pack, control: &Control, lang: Lang) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "{}\n{}\n", control.id, say(&control.title, lang))?;
    let mut line = |label: String, value: &str| {
        if value.is_empty() { Ok(()) } else { writeln!(text, "{label}: {value}") }
    };
    line(t!(lang, "policies-pack"), &format!("{} ({})", pack.about.name, pack.about.standard))?;
    line(t!(lang, "policies-severity"), control.severity.as_str())?;
    if control.high_risk {
        line(t!(lang, "policies-high-risk"), &t!(lang, "policies-high-risk-says"))?;
    }
    line(t!(lang, "policies-type"), &format!("{:?}", control.kind))?;
    let judged = match &control.matches {
        matches if matches.pods => t!(lang, "policies-judges-pods"),
        matches if matches.cluster => t!(lang, "policies-judges-cluster"),
        matches => matches.kinds.join(", "),
    };
    line(t!(lang, "policies-judges"), &judged)?;
    line(t!(lang, "policies-each"), &control.paths().join(", "))?;
    for level in &pack.about.levels {
        let at = clauses(pack, control, &Level(level.clone()));
        line(t!(lang, "policies-at-level", level = level.as_str()), &at.join(", "))?;
    }
    match admission::undecided(control, &pack.about) {
        None => line(t!(lang, "policies-admission"), &t!(lang, "policies-held"))?,
        Some(reason) => {
            line(
                t!(lang, "policies-admission"),
                &t!(lang, "policies-not-held", reason = reason.to_string()),
            )?;
        }
    }
    for (catalogue, entries) in &control.references {
        line(catalogue.clone(), &entries.join(", "))?;
    }
    writeln!(text, "\n{}:\n{}", t!(lang, "policies-remediation"), indented(say(&control.remediation, lang)))?;
    for (label, expression) in [
        (t!(lang, "policies-where"), control.condition.as_deref()),
        (t!(lang, "policies-known"), control.known.as_deref()),
        (t!(lang, "policies-expression"), Some(control.expression.as_str())),
    ] {
        if let Some(expression) = expression {
            writeln!(text, "\n{label}:\n{}", indented(expression))?;
        }
    }
    if !control.parameters.is_empty() {
        writeln!(text, "\n{}:", t!(lang, "policies-parameters"))?;
        for (name, parameter) in &control.parameters {
            writeln!(
                text,
                "  {name} ({:?}, {}): {}",
                parameter.kind,
                parameter.default,
                say(&parameter.description, lang)
            )?;
        }
    }
    for related in &control.related {
        writeln!(text, "\n{}: {} ({:?})", t!(lang, "policies-related"), related.kind, related.reach)?;
    }
    writeln!(text, "\n{}:", t!(lang, "policies-examples"))?;
    let lists = [
        (t!(lang, "policies-good"), &control.examples.good),
        (t!(lang, "policies-bad"), &control.examples.bad),
        (t!(lang, "policies-unknown"), &control.examples.unknown),
        (t!(lang, "policies-skipped"), &control.examples.skipped),
    ];
    for (label, examples) in lists {
        for example in examples {
            writeln!(text, "  {label}: {}", example.name)?;
        }
    }
    Ok(text)
}

fn indented(text: &str) -> String {
    text.trim().lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}
