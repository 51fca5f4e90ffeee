//! The trend of a baseline on its page: two drawings, and the same as a table.

use serde::Serialize;

use super::history::{Day, Drawing, History, draw};

/// The trend. Without two days there is nothing to draw, and the table has what there is.
#[derive(Serialize)]
pub(super) struct Trend {
    /// Results that fail and that warn.
    results: Option<Drawing>,
    /// Percent of the clauses that are met, and the score.
    shares: Option<Drawing>,
    /// The last day first.
    rows: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    date: String,
    fail: i64,
    warn: i64,
    compliant: i64,
    clauses: i64,
    score: String,
}

pub(super) fn trend(history: &History) -> Trend {
    let days = &history.days;
    Trend {
        results: draw(days, &[|day| Some(day.fail as f64), |day| Some(day.warn as f64)]),
        shares: draw(days, &[share, |day| day.score]),
        rows: days
            .iter()
            .rev()
            .map(|day| Row {
                date: day.date.to_string(),
                fail: day.fail,
                warn: day.warn,
                compliant: day.compliant,
                clauses: day.clauses,
                score: day.score.map(|score| format!("{score:.2}")).unwrap_or_default(),
            })
            .collect(),
    }
}

fn share(day: &Day) -> Option<f64> {
    (day.clauses > 0).then(|| 100.0 * day.compliant as f64 / day.clauses as f64)
}
