//! A score and a conclusion, after the report templates of 2021 and 2025.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ClauseLine, Verdict};

/// The template of assessment reports that is followed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScoringModel {
    /// 2021: a number, and 优 良 中 差.
    #[serde(rename = "2021")]
    Of2021,
    /// 2025: 符合, 基本符合, 不符合 with a rate of compliance and the major risks.
    #[default]
    #[serde(rename = "2025")]
    Of2025,
}

/// What the figures come to. Never a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Conclusion {
    /// 优 (2021).
    Excellent,
    /// 良 (2021).
    Good,
    /// 中 (2021).
    Fair,
    /// 差 (2021).
    Poor,
    /// 符合 (2025).
    Conforming,
    /// 基本符合 (2025).
    BasicallyConforming,
    /// 不符合 (2025).
    NonConforming,
    /// Too much is due or unknown to say.
    Undecided,
}

/// The figures. What is due or unknown counts as not met, so that no figure grows by looking away; how much that is stands beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// Which template.
    pub model: ScoringModel,
    /// 0 to 100: the mean over control points of the mean of their items' scores.
    pub points: f64,
    /// 0 to 100: the share of counted items that are Compliant.
    pub compliance_rate: f64,
    /// The items that count: asked for, applicable, not optional.
    pub counted: usize,
    /// How many of them are due or unknown.
    pub undecided: usize,
    /// What that comes to.
    pub conclusion: Conclusion,
}

/// Scores the clauses of a pack; `None` when no item counts.
pub(super) fn score(
    model: ScoringModel,
    clauses: &[ClauseLine],
    pack: usize,
    high_risks: usize,
    worst_is_medium: bool,
) -> Option<Score> {
    let mut points: BTreeMap<(&str, &str, &str), (f64, usize)> = BTreeMap::new();
    let (mut counted, mut compliant, mut undecided) = (0_usize, 0_usize, 0_usize);
    for clause in clauses
        .iter()
        .filter(|clause| clause.pack == pack && !clause.optional && clause.verdict != Verdict::NotApplicable)
    {
        counted += 1;
        compliant += usize::from(clause.verdict == Verdict::Compliant);
        undecided += usize::from(matches!(clause.verdict, Verdict::ManualDue | Verdict::Unknown));
        let point = points.entry((&clause.part, &clause.area, &clause.title.zh)).or_default();
        point.0 += clause.score.unwrap_or_default();
        point.1 += 1;
    }
    if counted == 0 {
        return None;
    }
    let points =
        100.0 * points.values().map(|(sum, items)| sum / *items as f64).sum::<f64>() / points.len() as f64;
    let compliance_rate = 100.0 * compliant as f64 / counted as f64;
    let conclusion = match model {
        ScoringModel::Of2021 if high_risks > 0 => Conclusion::Poor,
        ScoringModel::Of2021 if points >= 90.0 && !worst_is_medium => Conclusion::Excellent,
        ScoringModel::Of2021 if points >= 80.0 => Conclusion::Good,
        ScoringModel::Of2021 if points >= 70.0 => Conclusion::Fair,
        ScoringModel::Of2021 => Conclusion::Poor,
        ScoringModel::Of2025 if high_risks > 0 => Conclusion::NonConforming,
        ScoringModel::Of2025 if undecided > 0 => Conclusion::Undecided,
        ScoringModel::Of2025 if compliant == counted => Conclusion::Conforming,
        ScoringModel::Of2025 => Conclusion::BasicallyConforming,
    };
    Some(Score { model, points, compliance_rate, counted, undecided, conclusion })
}
