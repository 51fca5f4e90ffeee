//! What an audit that is put together from the operator's words says beyond one that was just made: since when a clause stands as it stands, and how
//! the baseline went over the last days.

use std::fmt::Write as _;

use banyan_policies::verdict::Verdict;
use jiff::{Timestamp, civil::Date};
use serde::Serialize;

use super::super::curve::{Mark, px};

/// Width of a drawing.
const WIDTH: f64 = 960.0;
/// Its height.
const HEIGHT: f64 = 130.0;
/// Left end of the plot: room for the figures of the scale.
const LEFT: f64 = 52.0;
/// Right end of the plot.
const RIGHT: f64 = WIDTH - 12.0;
/// Upper end of the plot.
const TOP: f64 = 12.0;
/// Lower end of the plot: room for the days.
const BOTTOM: f64 = HEIGHT - 22.0;
/// Seconds of a day.
const DAY: i64 = 86_400;

/// What is remembered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// What is known of each clause of the audit, in its order.
    pub clauses: Vec<Remembered>,
    /// The last days, oldest first. Days on which nothing was recorded are left out.
    pub days: Vec<Day>,
}

/// What is remembered of a clause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// Since when it has its verdict.
    pub since: Option<Timestamp>,
    /// Results that were judged.
    pub judged: usize,
}

/// A day.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// In UTC.
    pub date: Date,
    /// Results that do not hold.
    pub fail: i64,
    /// Results that do not hold, and do not count.
    pub warn: i64,
    /// Clauses that are met.
    pub compliant: i64,
    /// All clauses.
    pub clauses: i64,
    /// 0 to 100.
    pub score: Option<f64>,
}

impl Remembered {
    /// Since when the clause is open and for how many whole days, if its verdict says that it is.
    pub fn open(&self, verdict: Verdict, now: Timestamp) -> Option<(Timestamp, i64)> {
        let open = !matches!(verdict, Verdict::Compliant | Verdict::NotApplicable);
        let since = self.since.filter(|_| open)?;
        Some((since, (now.as_second() - since.as_second()).max(0) / DAY))
    }
}

/// Lines over the same days, drawn to one scale that begins at 0. Lengths are texts with one digit behind the point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Drawing {
    /// What `viewBox` takes.
    pub view: String,
    /// Ends of the plot.
    pub left: String,
    /// Right end.
    pub right: String,
    /// Heights of the scale's lines, with their figures.
    pub scale: Vec<Mark>,
    /// The first and the last day.
    pub days: Vec<Mark>,
    /// `d` of a path for each line.
    pub lines: Vec<String>,
}

/// Draws lines, each of a figure a day; none where there are not two days. A day without a figure is a gap, and one on which nothing was recorded is
/// bridged at its true distance.
pub fn draw(days: &[Day], figures: &[fn(&Day) -> Option<f64>]) -> Option<Drawing> {
    let (first, last) = (days.first()?.date, days.last()?.date);
    let span = between(first, last);
    if span == 0 {
        return None;
    }
    let highest = days.iter().flat_map(|day| figures.iter().filter_map(|of| of(day))).fold(1.0, f64::max);
    let top = ceiling(highest);
    let x = |date: Date| LEFT + (RIGHT - LEFT) * f64::from(between(first, date)) / f64::from(span);
    let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / top;
    let line = |of: &fn(&Day) -> Option<f64>| {
        let mut path = String::new();
        let mut sign = 'M';
        for day in days {
            if let Some(value) = of(day) {
                // Writing to a String cannot fail.
                let _ = write!(path, "{sign}{} {}", px(x(day.date)), px(y(value)));
                sign = 'L';
            } else {
                sign = 'M';
            }
        }
        path
    };
    let at = |x: f64, y: f64, text: String| Mark { x: px(x), y: px(y), text };
    Some(Drawing {
        view: format!("0 0 {WIDTH} {HEIGHT}"),
        left: px(LEFT),
        right: px(RIGHT),
        scale: [0.0, top / 2.0, top].map(|value| at(LEFT - 6.0, y(value), format!("{value}"))).into(),
        days: vec![at(LEFT, HEIGHT - 6.0, first.to_string()), at(RIGHT, HEIGHT - 6.0, last.to_string())],
        lines: figures.iter().map(line).collect(),
    })
}

fn between(first: Date, last: Date) -> i32 {
    first.until(last).map_or(0, |span| span.get_days())
}

/// The next round number: 2, 4 or 10 with noughts, so that half of it is whole too.
fn ceiling(value: f64) -> f64 {
    let mut ten = 1.0;
    loop {
        for step in [2.0, 4.0, 10.0] {
            if value <= step * ten {
                return step * ten;
            }
        }
        ten *= 10.0;
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn day(number: i8, fail: i64, score: Option<f64>) -> Day {
        Day { date: date(2026, 11, number), fail, warn: 0, compliant: 1, clauses: 2, score }
    }

    #[test]
    fn days_stand_at_their_distance_and_a_missing_figure_is_a_gap() {
        let days = [day(1, 30, Some(50.0)), day(2, 20, None), day(11, 0, Some(70.0))];
        let drawing = draw(&days, &[|day| Some(day.fail as f64), |day| day.score]).unwrap();
        assert_eq!(
            drawing.lines[0],
            "M52.0 84.0L141.6 94.4L948.0 108.0".replace("84.0", "79.2").replace("94.4", "88.8")
        );
        assert_eq!(drawing.lines[1], "M52.0 60.0M948.0 40.8");
        assert_eq!(drawing.scale[2].text, "100");
        assert_eq!(drawing.days[1].text, "2026-11-11");
        assert!(draw(&days[..1], &[|day| day.score]).is_none());
        assert!(draw(&[], &[]).is_none());
    }

    #[test]
    fn a_scale_ends_at_a_round_number() {
        let ceilings = [0.0, 2.0, 3.0, 5.0, 11.0, 100.0, 101.0].map(|most| ceiling(most).to_string());
        assert_eq!(ceilings, ["2", "2", "4", "10", "20", "100", "200"]);
    }

    #[test]
    fn a_clause_that_is_met_is_not_open() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let one = Remembered { since: Some(at("2026-11-01T12:00:00Z")), judged: 1 };
        let now = at("2026-11-03T11:59:59Z");
        assert_eq!(one.open(Verdict::Compliant, now), None);
        assert_eq!(one.open(Verdict::NotApplicable, now), None);
        assert_eq!(one.open(Verdict::ManualDue, now), Some((at("2026-11-01T12:00:00Z"), 1)));
        assert_eq!(one.open(Verdict::Partial, at("2026-10-01T00:00:00Z")).map(|(_, days)| days), Some(0));
        assert_eq!(Remembered::default().open(Verdict::Unknown, now), None);
    }
}
