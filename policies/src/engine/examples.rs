//! A pack's examples, judged: each control must say of each example what its author claims, and its examples must notice every mutant of its
//! expressions.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::Value as Json;

use super::{
    compile::{Compiled, Parameters, Selection, compile},
    index::Index,
    judge::{Finding, Outcome},
};
use crate::{
    cel::{Expr, mutants},
    pack::{Control, Example, Level, Pack},
};

/// An example that its control does not judge as claimed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{control}: {example}: {reason}")]
pub struct ExampleFault {
    /// The control.
    pub control: String,
    /// The example's name, with its list: `good: no security context`.
    pub example: String,
    /// What is wrong.
    pub reason: String,
}

/// The instant of examples that name none.
fn usual() -> Timestamp {
    Timestamp::from_second(1_780_272_000).unwrap_or_default()
}

/// An example and what its control must say: `None` that it is not its business.
struct Case<'p> {
    list: &'static str,
    example: &'p Example,
    expected: Option<Outcome>,
}

fn cases(control: &Control) -> Vec<Case<'_>> {
    let examples = &control.examples;
    let lists: [(&'static str, &[Example], Option<Outcome>); 4] = [
        ("good", &examples.good, Some(Outcome::Pass)),
        ("bad", &examples.bad, Some(Outcome::Fail)),
        ("unknown", &examples.unknown, Some(Outcome::Unknown)),
        ("skipped", &examples.skipped, None),
    ];
    lists
        .into_iter()
        .flat_map(|(list, examples, expected)| {
            examples.iter().map(move |example| Case { list, example, expected })
        })
        .collect()
}

/// The one control of a pack, compiled at the highest level where it applies; an error says why it is not.
pub fn alone(
    pack: &Pack,
    control: &Control,
    parameters: &BTreeMap<String, Json>,
) -> Result<Compiled, String> {
    let single = Pack {
        about: pack.about.clone(),
        requirements: pack.requirements.clone(),
        controls: vec![Control { replaces: Vec::new(), ..control.clone() }],
    };
    let single = Arc::new(single);
    let parameters: Parameters = parameters.clone();
    let mut reason = "it applies at no level".to_owned();
    for Level(level) in pack.about.levels.iter().rev().map(|level| Level(level.clone())) {
        let (compiled, faults) =
            compile(&[Arc::clone(&single)], &[Selection::new(&pack.about.name, &level)], &parameters);
        if !compiled.controls.is_empty() {
            return Ok(compiled);
        }
        if let Some(fault) = faults.first() {
            reason.clone_from(&fault.reason);
        }
    }
    Err(reason)
}

/// What the one control that was compiled says of an example; `None` that it is not its business.
pub fn judge_example(compiled: &Compiled, example: &Example) -> Option<Finding> {
    let now = example.now.unwrap_or_else(usual);
    let mut index = Index::default();
    for object in &example.with {
        compiled.keep(&mut index, &mut compiled.examine(object, now));
    }
    match &example.object {
        Some(object) => {
            let mut examined = compiled.examine(object, now);
            compiled.keep(&mut index, &mut examined);
            let mut findings = examined.findings;
            findings
                .extend(examined.pending.iter().flat_map(|pending| compiled.conclude(pending, &index, now)));
            findings.into_iter().next()
        }
        None => compiled.conclude_cluster(&index, now, &|_| true).into_iter().next(),
    }
}

/// Judges every example of a pack, and returns those that come out otherwise than claimed.
pub fn check_examples(pack: &Pack) -> Vec<ExampleFault> {
    let mut faults = Vec::new();
    for control in &pack.controls {
        let mut fault = |example: &str, reason: String| {
            faults.push(ExampleFault { control: control.id.clone(), example: example.to_owned(), reason });
        };
        for (list, examples) in [("good", &control.examples.good), ("bad", &control.examples.bad)] {
            if examples.len() < 2 {
                fault(list, format!("{} examples, at least two are needed", examples.len()));
            }
        }
        let mut usual = None;
        for case in cases(control) {
            let name = format!("{}: {}", case.list, case.example.name);
            let own;
            let compiled = if case.example.parameters.is_empty() {
                match usual.get_or_insert_with(|| alone(pack, control, &BTreeMap::new())) {
                    Ok(compiled) => &*compiled,
                    Err(reason) => {
                        fault(&name, reason.clone());
                        break;
                    }
                }
            } else {
                match alone(pack, control, &case.example.parameters) {
                    Ok(compiled) => {
                        own = compiled;
                        &own
                    }
                    Err(reason) => {
                        fault(&name, reason);
                        continue;
                    }
                }
            };
            let finding = judge_example(compiled, case.example);
            let outcome = finding.as_ref().map(|finding| finding.outcome);
            if outcome != case.expected {
                let said = finding
                    .as_ref()
                    .and_then(|finding| finding.places.first())
                    .map(|place| format!(" ({})", place.message))
                    .unwrap_or_default();
                let show = |outcome: Option<Outcome>| outcome.map_or("no result", Outcome::as_str);
                fault(
                    &name,
                    format!(
                        "the control says {}{said}, the example claims {}",
                        show(outcome),
                        show(case.expected)
                    ),
                );
            }
            if let (Some(at), Some(finding)) = (&case.example.at, &finding)
                && !finding.places.iter().any(|place| place.path == *at)
            {
                let paths: Vec<_> = finding.places.iter().map(|place| place.path.as_str()).collect();
                fault(&name, format!("the report points to {}, the example claims {at}", paths.join(", ")));
            }
        }
    }
    faults
}

/// Puts an expression into its place in a check.
type Slot = fn(&mut super::compile::Check, Expr);

/// A mutant that no example of its control notices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// The control.
    pub control: String,
    /// The mutant, as it is evaluated.
    pub mutant: String,
}

/// The mutants of each control's `where`, `known` and expression that come out as claimed for every example, and how many were tried.
pub fn surviving_mutants(pack: &Pack) -> (usize, Vec<Survivor>) {
    let (mut tried, mut survivors) = (0, Vec::new());
    for control in &pack.controls {
        let cases = cases(control);
        let mut compiled: Vec<(Compiled, &Case<'_>)> = cases
            .iter()
            .filter_map(|case| Some((alone(pack, control, &case.example.parameters).ok()?, case)))
            .collect();
        let Some((first, _)) = compiled.first() else { continue };
        let Some(check) = first.controls.first().map(|active| &active.check) else { continue };
        let slots: [(Option<Expr>, Slot); 3] = [
            (Some(check.expression.clone()), |check, expr| check.expression = expr),
            (check.condition.clone(), |check, expr| check.condition = Some(expr)),
            (check.known.clone(), |check, expr| check.known = Some(expr)),
        ];
        for (original, put) in slots {
            let Some(original) = original else { continue };
            for mutant in mutants(&original) {
                tried += 1;
                let noticed = compiled.iter_mut().any(|(compiled, case)| {
                    if let Some(active) = compiled.controls.first_mut() {
                        put(&mut active.check, mutant.clone());
                    }
                    judge_example(compiled, case.example).map(|finding| finding.outcome) != case.expected
                });
                if !noticed {
                    survivors.push(Survivor { control: control.id.clone(), mutant: mutant.to_string() });
                }
            }
            for (compiled, _) in &mut compiled {
                if let Some(active) = compiled.controls.first_mut() {
                    put(&mut active.check, original.clone());
                }
            }
        }
    }
    (tried, survivors)
}
