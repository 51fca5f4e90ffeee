//! The geometry of a curve over months against a target, for a template to draw as SVG. A month without a figure is a gap.

use std::fmt::Write as _;

use serde::Serialize;

/// Width of the drawing.
const WIDTH: f64 = 960.0;
/// Its height.
const HEIGHT: f64 = 200.0;
/// Left end of the plot: room for the figures of the scale.
const LEFT: f64 = 52.0;
/// Right end of the plot: room for what the target is called.
const RIGHT: f64 = WIDTH - 120.0;
/// Upper end of the plot.
const TOP: f64 = 18.0;
/// Lower end of the plot: room for two lines.
const BOTTOM: f64 = HEIGHT - 42.0;
/// Steps of the scale, in hundredths.
const STEPS: [i64; 9] = [1, 2, 5, 10, 20, 50, 100, 200, 500];
/// Most parts of the scale.
const PARTS: i64 = 7;

/// How a point stands to its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// At or under it.
    Met,
    /// Above it.
    Missed,
    /// There is no verdict.
    Open,
}

/// A month.
#[derive(Clone, Debug, PartialEq)]
pub struct Month {
    /// Its year.
    pub year: i16,
    /// Its number in the year.
    pub month: i8,
    /// The figure.
    pub value: Option<f64>,
    /// The target.
    pub target: Option<f64>,
    /// How the figure stands to it.
    pub standing: Standing,
}

/// A drawing. Lengths are texts with one digit behind the point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Curve {
    /// What `viewBox` takes.
    pub view: String,
    /// Left end of the plot.
    pub left: String,
    /// Right end of the plot.
    pub right: String,
    /// Lower end of the plot.
    pub bottom: String,
    /// Lines of the scale, with their figures.
    pub scale: Vec<Mark>,
    /// Months, and the year under the first and each January.
    pub months: Vec<MonthMark>,
    /// Lines through months that follow each other, as `d` of paths.
    pub lines: Vec<String>,
    /// The target as a step line, likewise.
    pub targets: Vec<String>,
    /// A point for each month that has a figure.
    pub points: Vec<Point>,
    /// The last figure, and where it is written.
    pub last: Option<Mark>,
    /// The last target, and where it is written.
    pub target: Option<Mark>,
}

/// A text at a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The names say it.
pub struct Mark {
    pub x: String,
    pub y: String,
    pub text: String,
}

/// A month under the plot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The names say it.
pub struct MonthMark {
    pub x: String,
    pub month: String,
    pub year: String,
}

/// A point: its shape tells how it stands to its target, without colour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Point {
    /// `met`, `missed` or `open`.
    pub standing: &'static str,
    /// `d` of its path: a triangle above the target, else a circle.
    pub shape: String,
    /// Its month and figure.
    pub text: String,
}

/// The drawing of these months, which follow each other.
pub fn draw(months: &[Month]) -> Curve {
    let (low, high, step) = scale(months);
    let y = |value: f64| BOTTOM - (value * 100.0 - low as f64) / (high - low) as f64 * (BOTTOM - TOP);
    let part = (RIGHT - LEFT) / months.len().max(1) as f64;
    let x = |at: usize| LEFT + part * (at as f64 + 0.5);

    let mut lines = Vec::new();
    let mut targets = Vec::new();
    let mut points = Vec::new();
    let (mut line, mut steps) = (String::new(), String::new());
    let mut last = None;
    // One more than there are ends the lines.
    for at in 0..=months.len() {
        let month = months.get(at);
        if let Some((month, value)) = month.and_then(|month| Some((month, month.value?))) {
            let sign = if line.is_empty() { 'M' } else { 'L' };
            // Writing to a String cannot fail.
            let _ = write!(line, "{sign}{} {}", px(x(at)), px(y(value)));
            points.push(point(month, x(at), y(value), value));
            // Away from the target, and inside the drawing.
            let below = month.target.is_some_and(|target| value <= target) && y(value) + 18.0 < BOTTOM;
            let place = if below { y(value) + 18.0 } else { y(value) - 9.0 };
            last = Some(Mark { x: px(x(at)), y: px(place), text: format!("{value:.4}") });
        } else if line.contains('L') {
            lines.push(std::mem::take(&mut line));
        } else {
            line.clear();
        }
        if let Some(target) = month.and_then(|month| month.target) {
            let sign = if steps.is_empty() { 'M' } else { 'L' };
            let _ = write!(
                steps,
                "{sign}{} {}H{}",
                px(LEFT + part * at as f64),
                px(y(target)),
                px(LEFT + part * (at + 1) as f64)
            );
        } else if !steps.is_empty() {
            targets.push(std::mem::take(&mut steps));
        }
    }
    let target = months.iter().rev().find_map(|month| month.target);
    Curve {
        view: format!("0 0 {WIDTH} {HEIGHT}"),
        left: px(LEFT),
        right: px(RIGHT),
        bottom: px(BOTTOM),
        scale: (0..=(high - low) / step)
            .map(|part| (low + part * step) as f64 / 100.0)
            .map(|value| Mark { x: px(LEFT - 6.0), y: px(y(value)), text: format!("{value:.2}") })
            .collect(),
        months: months
            .iter()
            .enumerate()
            .map(|(at, month)| MonthMark {
                x: px(x(at)),
                month: format!("{:02}", month.month),
                year: if at == 0 || month.month == 1 { month.year.to_string() } else { String::new() },
            })
            .collect(),
        lines,
        targets,
        points,
        last,
        target: target.map(|target| Mark {
            x: px(RIGHT + 6.0),
            y: px(y(target) + 4.0),
            text: format!("{target:.4}"),
        }),
    }
}

/// Lower and upper end and step of the scale, in hundredths: whole steps around everything there is, not below 1.
fn scale(months: &[Month]) -> (i64, i64, i64) {
    let all = || months.iter().flat_map(|month| [month.value, month.target]).flatten();
    let (least, most) = all()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    if least > most {
        return (100, 150, 10);
    }
    let room = ((most - least) * 0.15).max(0.01);
    let (least, most) = ((least - room).max(1.0) * 100.0, (most + room) * 100.0);
    let around = |step: i64| {
        let steps = |hundredths: f64| (hundredths - 100.0) / step as f64;
        let low = 100 + steps(least).floor() as i64 * step;
        (low, (100 + steps(most).ceil() as i64 * step).max(low + step), step)
    };
    STEPS
        .into_iter()
        .map(around)
        .find(|(low, high, step)| (high - low) / step <= PARTS)
        .unwrap_or((100, 1100, 500))
}

fn point(month: &Month, x: f64, y: f64, value: f64) -> Point {
    let circle = |radius: f64| {
        format!(
            "M{} {}a{radius} {radius} 0 1 0 {} 0a{radius} {radius} 0 1 0 -{} 0Z",
            px(x - radius),
            px(y),
            radius * 2.0,
            radius * 2.0
        )
    };
    let (standing, shape) = match month.standing {
        Standing::Met => ("met", circle(4.0)),
        Standing::Missed => (
            "missed",
            format!(
                "M{} {}L{} {}L{} {}Z",
                px(x),
                px(y - 6.5),
                px(x + 6.5),
                px(y + 5.0),
                px(x - 6.5),
                px(y + 5.0)
            ),
        ),
        Standing::Open => ("open", circle(4.0)),
    };
    Point { standing, shape, text: format!("{:04}-{:02} {value:.4}", month.year, month.month) }
}

pub(super) fn px(length: f64) -> String {
    format!("{length:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn months(values: &[Option<f64>], targets: &[Option<f64>]) -> Vec<Month> {
        values
            .iter()
            .zip(targets)
            .zip(4_i8..)
            .map(|((value, target), at)| Month {
                year: 2025 + i16::from((at - 1) / 12),
                month: (at - 1) % 12 + 1,
                value: *value,
                target: *target,
                standing: match value.zip(*target) {
                    Some((value, target)) if value > target => Standing::Missed,
                    Some(_) => Standing::Met,
                    None => Standing::Open,
                },
            })
            .collect()
    }

    #[test]
    fn gaps_stay_gaps_and_each_figure_is_a_point() {
        let values =
            [Some(1.30), Some(1.28), None, Some(1.26), None, None, Some(1.22), Some(1.21), Some(1.20)];
        let curve = draw(&months(&values, &[Some(1.25); 9]));
        assert_eq!(curve.points.len(), 6);
        // A figure between two gaps has a point and no line.
        assert_eq!(curve.lines.len(), 2);
        assert_eq!(curve.lines[1].matches('L').count(), 2);
        let standing: Vec<_> = curve.points.iter().map(|point| point.standing).collect();
        assert_eq!(standing, ["missed", "missed", "missed", "met", "met", "met"]);
        assert_eq!(curve.points[2].text, "2025-07 1.2600");
        assert_eq!(curve.last.unwrap().text, "1.2000");
        let years: Vec<_> =
            curve.months.iter().map(|month| (month.month.as_str(), month.year.as_str())).collect();
        assert_eq!(years[0], ("04", "2025"));
        assert_eq!(years[1], ("05", ""));
    }

    #[test]
    fn the_target_is_a_step_line_where_there_is_one() {
        let targets = [None, Some(1.30), Some(1.30), Some(1.25), None];
        let curve = draw(&months(&[None; 5], &targets));
        assert_eq!(curve.targets.len(), 1);
        assert_eq!(curve.targets[0].matches('H').count(), 3);
        assert_eq!(curve.target.unwrap().text, "1.2500");
        assert_eq!(curve.last, None);
    }

    #[test]
    fn the_scale_has_whole_steps_around_everything_and_does_not_go_below_1() {
        let scale = |values: &[f64]| {
            let values: Vec<_> = values.iter().map(|value| Some(*value)).collect();
            let curve = draw(&months(&values, &vec![None; values.len()]));
            let text: Vec<_> = curve.scale.iter().map(|mark| mark.text.clone()).collect();
            (text.first().cloned().unwrap_or_default(), text.last().cloned().unwrap_or_default(), text.len())
        };
        assert_eq!(scale(&[1.21, 1.29]), ("1.18".into(), "1.32".into(), 8));
        assert_eq!(scale(&[1.25]).0, "1.24");
        assert_eq!(scale(&[1.0, 1.01]).0, "1.00");
        assert_eq!(scale(&[1.0, 9.9]).0, "1.00");
        assert_eq!(scale(&[]), ("1.00".into(), "1.50".into(), 6));
        for most in 100_i64..=1_000 {
            let (low, high, step) =
                super::scale(&months(&[Some(1.0), Some(most as f64 / 100.0)], &[None; 2]));
            assert!(low == 100 && high >= most && (high - low) / step <= PARTS && (high - low) % step == 0);
        }
    }
}
