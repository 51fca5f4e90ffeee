//! What a `SecurityBaseline` asks of the engine.

use std::sync::Arc;

use banyan_crds::v1alpha1::{BaselineScoring, Extension, ParameterValue, SecurityBaselineSpec};
use banyan_policies::{
    engine::{Parameters, Selection},
    pack::{Level, Pack},
    verdict::{Attestation, Input, NotApplicable, ScoringModel},
};
use serde_json::json;

/// A baseline in the engine's terms.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Its packs, each at its level.
    pub selections: Vec<Selection>,
    /// Its parameters.
    pub parameters: Parameters,
    /// What it tells of clauses.
    pub input: Input,
    /// What of it cannot be used, with the path of the field.
    pub faults: Vec<(String, String)>,
}

/// Translates a baseline. What cannot be used is told, and the rest counts.
pub fn asked(spec: &SecurityBaselineSpec, packs: &[Arc<Pack>]) -> Asked {
    let mut faults = Vec::new();
    let parts = spec
        .extensions
        .iter()
        .map(|extension| match extension {
            Extension::Cloud => "Cloud".to_owned(),
            Extension::Iot => "IoT".to_owned(),
        })
        .collect::<Vec<_>>();
    let mut selections = Vec::new();
    for (place, name) in spec.packs.iter().enumerate() {
        let Some(pack) = packs.iter().find(|pack| pack.about.name == *name) else {
            let known = packs.iter().map(|pack| pack.about.name.as_str()).collect::<Vec<_>>().join(", ");
            faults.push((
                format!("spec.packs[{place}]"),
                format!("there is no pack `{name}`; there are {known}"),
            ));
            continue;
        };
        let level = level(pack, spec.level);
        // The profile is one of MLPS: the levels of another pack may mean something else.
        let profile = (name == "mlps").then(|| spec.profile.as_deref().and_then(profile)).flatten();
        selections.push(Selection { pack: name.clone(), level, profile, parts: parts.clone() });
    }
    let parameters = spec
        .parameters
        .iter()
        .map(|(name, value)| {
            let value = match value {
                ParameterValue::Boolean(value) => json!(value),
                ParameterValue::Integer(value) => json!(value),
                ParameterValue::String(value) => json!(value),
                ParameterValue::Strings(value) => json!(value),
            };
            (name.clone(), value)
        })
        .collect();
    let mut attestations = Vec::new();
    for (place, given) in spec.attestations.iter().enumerate() {
        let Ok(valid_until) = given.valid_until.to_string().parse() else {
            faults.push((
                format!("spec.attestations[{place}].validUntil"),
                format!("{} is no day", given.valid_until),
            ));
            continue;
        };
        let names = given.applies_to.as_ref();
        attestations.push(Attestation {
            clause: given.clause.clone(),
            applies_to: names
                .map(|scope| {
                    scope.data_centers.iter().chain(&scope.tenants).map(ToString::to_string).collect()
                })
                .unwrap_or_default(),
            by: given.by.clone(),
            evidence: given.evidence.to_string(),
            valid_until,
        });
    }
    let input = Input {
        not_applicable: spec
            .not_applicable
            .iter()
            .map(|given| NotApplicable { clause: given.clause.clone(), reason: given.reason.to_string() })
            .collect(),
        attestations,
        scoring: match spec.scoring_model {
            BaselineScoring::Of2021 => ScoringModel::Of2021,
            BaselineScoring::Of2025 => ScoringModel::Of2025,
        },
        keep: Vec::new(),
    };
    Asked { selections, parameters, input, faults }
}

/// The level of a pack that a level of MLPS asks for: the same where the pack has it, `baseline` of the Pod Security Standards for levels 1 and 2
/// and `restricted` above, and the highest of any other pack.
fn level(pack: &Pack, asked: i64) -> Level {
    let wanted = [asked.to_string(), if asked <= 2 { "baseline" } else { "restricted" }.to_owned()];
    let found = wanted.iter().find(|level| pack.about.levels.contains(level)).or(pack.about.levels.last());
    Level(found.cloned().unwrap_or_default())
}

/// `S3A2G3`: the levels of S, A and G.
fn profile(text: &str) -> Option<[Level; 3]> {
    let rest = text.strip_prefix('S')?;
    let (s, rest) = rest.split_once('A')?;
    let (a, g) = rest.split_once('G')?;
    Some([s, a, g].map(|level| Level(level.to_owned())))
}

#[cfg(test)]
mod tests {
    use banyan_policies::pack::builtin;

    use super::*;

    fn spec(text: &str) -> SecurityBaselineSpec {
        serde_yaml::from_str(text).unwrap()
    }

    fn packs() -> Vec<Arc<Pack>> {
        builtin().0.into_iter().map(Arc::new).collect()
    }

    #[test]
    fn a_baseline_says_which_packs_at_which_levels() {
        let asked = asked(
            &spec("{level: 3, profile: S3A2G3, packs: [mlps, pod-security, nothing], extensions: [IoT]}"),
            &packs(),
        );
        let chosen: Vec<_> = asked
            .selections
            .iter()
            .map(|one| (one.pack.as_str(), one.level.0.as_str(), one.profile.is_some()))
            .collect();
        assert_eq!(chosen, [("mlps", "3", true), ("pod-security", "restricted", false)]);
        assert_eq!(asked.selections[0].parts, ["IoT"]);
        assert_eq!(asked.selections[0].profile.as_ref().unwrap()[1], Level("2".to_owned()));
        assert_eq!(asked.faults[0].0, "spec.packs[2]");
    }

    #[test]
    fn low_levels_ask_for_the_baseline_of_pod_security() {
        let asked = asked(&spec("{level: 2, packs: [pod-security]}"), &packs());
        assert_eq!(asked.selections[0].level.0, "baseline");
    }

    #[test]
    fn attestations_keep_their_scope_and_their_last_day() {
        let text = "{level: 3, packs: [mlps], attestations: [{clause: 8.1.1.2, by: facility-team, evidence: inspection, validUntil: '2027-03-31', appliesTo: {dataCenters: [changle-1], tenants: [health]}}]}";
        let asked = asked(&spec(text), &packs());
        assert_eq!(asked.input.attestations[0].applies_to, ["changle-1", "health"]);
        assert_eq!(asked.input.attestations[0].valid_until, jiff::civil::date(2027, 3, 31));
    }
}
