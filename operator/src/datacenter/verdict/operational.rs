//! The operational verdict: closed windows judged in order, with hysteresis and dwell. Actions follow it.

use banyan_crds::{
    v1alpha1::{Hysteresis, OperationalStatus, Verdict},
    values::ValueError,
};
use jiff::{SignedDuration, Timestamp};

use super::PLAUSIBLE;

/// A closed window.
#[derive(Clone, Debug, PartialEq)]
pub struct ClosedWindow {
    /// Its begin.
    pub from: Timestamp,
    /// Its end.
    pub to: Timestamp,
    /// Its PUE, or in words why there is none.
    pub pue: Result<f64, String>,
    /// The target in force; none before the first step of the glide path.
    pub target: Option<f64>,
}

/// The figures of a spec's hysteresis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bands {
    /// A window is over when its PUE is above the target by more than this.
    pub up: f64,
    /// A window is under when its PUE is at or below the target less this.
    pub down: f64,
    /// Windows over in a row before a site is violated.
    pub violate_windows: i64,
    /// Windows under in a row before a violated site is clear.
    pub clear_windows: i64,
    /// Least time a verdict stands before one moves to or from `Violated`.
    pub dwell: SignedDuration,
}

impl TryFrom<&Hysteresis> for Bands {
    type Error = ValueError;

    fn try_from(spec: &Hysteresis) -> Result<Self, ValueError> {
        Ok(Self {
            up: spec.up.number()?,
            down: spec.down.number()?,
            violate_windows: spec.violate_windows,
            clear_windows: spec.clear_windows,
            dwell: SignedDuration::from_millis(spec.dwell.milliseconds()?),
        })
    }
}

impl Bands {
    /// A PUE above this counts towards `Violated`.
    pub fn over(&self, target: f64) -> f64 {
        millionths(target + self.up)
    }

    /// A PUE at or below this counts towards clearing. Where `target − down` is 1.0 or less, which no site can reach,
    /// it is half-way between 1.0 and the target.
    pub fn under(&self, target: f64) -> f64 {
        let level = millionths(target - self.down);
        if level > 1.0 { level } else { millionths(f64::midpoint(1.0, target)) }
    }
}

/// Sums of decimals like 1.29 + 0.02 miss 1.31 by a bit; the API's decimals have six digits.
fn millionths(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

/// Where a site stands, as the status keeps it from one evaluation to the next.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Verdict with hysteresis.
    pub verdict: Verdict,
    /// PUE of the last valid window that was judged.
    pub value: Option<f64>,
    /// End of the window with which the verdict last changed.
    pub since: Timestamp,
    /// End of the last window that was judged; once there was a verdict, earlier ones are never judged again.
    pub until: Option<Timestamp>,
    /// Windows in a row on the side that would change the verdict: under while `Violated`, else over.
    pub streak: i64,
    /// The last verdict that was not `Unknown`.
    pub last_known: Option<Verdict>,
}

impl Standing {
    /// The end of the last window that is not judged again. While there has never been a verdict every look judges the
    /// windows of a first sight: a target, or readings, may have come that were not there before.
    pub fn judged_until(&self) -> Option<Timestamp> {
        self.until.filter(|_| self.verdict != Verdict::Unknown || self.last_known.is_some())
    }
}

impl From<&OperationalStatus> for Standing {
    fn from(status: &OperationalStatus) -> Self {
        Self {
            verdict: status.verdict,
            value: status.value.as_ref().and_then(|value| value.number().ok()),
            since: status.since.0,
            until: status.until.as_ref().map(|until| until.0),
            streak: status.streak,
            last_known: status.last_known,
        }
    }
}

/// The operational verdict and its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Operational {
    /// To be kept, and given back as `previous`.
    pub standing: Standing,
    /// What is so, in a sentence. Speaks of the last judged window where `windows` still holds it.
    pub message: String,
}

/// Replays the windows that closed after `previous` was judged, oldest first.
///
/// Every time in the result is the end of a window, so replaying gives the same, in one call or in many. `now` dates
/// the first verdict of a site that has no window yet, and nothing else.
///
/// - Not violated: above the target is `AtRisk`, at or below it `Compliant`. `violate_windows` in a row above
///   target + up are `Violated`. A site that runs between target − down and the target is therefore `Compliant`,
///   unless it was violated.
/// - `Violated`: only `clear_windows` in a row at or below target − down clear it, to `Compliant`.
/// - Within `dwell` of the last change no verdict moves to or from `Violated`; the windows are counted meanwhile.
/// - Windows that were skipped, after a long absence, break the streak: only windows that follow one another count as in a
///   row.
/// - An invalid window is `Unknown` at once and breaks the streak: what was not seen proves nothing. With the next
///   valid window the site stands again where it last stood, from that window on, and is judged from there.
pub fn operational(
    previous: Option<&Standing>,
    windows: &[ClosedWindow],
    bands: &Bands,
    now: Timestamp,
) -> Operational {
    let mut ordered: Vec<&ClosedWindow> = windows.iter().collect();
    ordered.sort_by_key(|window| window.to);

    // A site that never had a verdict begins anew.
    let never = previous.filter(|old| old.judged_until().is_none());
    let mut standing = if never.is_some() { None } else { previous.cloned() };
    for &window in &ordered {
        if standing.as_ref().and_then(|old| old.until).is_none_or(|until| window.to > until) {
            standing = Some(step(standing, window, bands));
        }
    }
    if let Some(old) = never
        && standing.as_ref().is_none_or(|new| new.last_known.is_none())
    {
        // Nothing has changed but how far it was looked.
        let until = standing.and_then(|new| new.until).max(old.until);
        standing = Some(Standing { until, ..old.clone() });
    }
    let standing = standing.unwrap_or(Standing {
        verdict: Verdict::Unknown,
        value: None,
        since: now,
        until: None,
        streak: 0,
        last_known: None,
    });
    let last = ordered.iter().rev().find(|window| Some(window.to) == standing.until);
    let message = tell(&standing, last.copied(), bands);
    Operational { standing, message }
}

/// The PUE and target of a window, or why it cannot be judged.
fn reading(window: &ClosedWindow) -> Result<(f64, f64), String> {
    let pue = window.pue.clone()?;
    if !PLAUSIBLE.contains(&pue) {
        return Err(format!("a PUE of {pue:.4} cannot be true"));
    }
    let target = window.target.ok_or_else(|| "no target is in force yet".to_owned())?;
    Ok((pue, target))
}

/// Judges one window after those before it.
fn step(previous: Option<Standing>, window: &ClosedWindow, bands: &Bands) -> Standing {
    let Ok((pue, target)) = reading(window) else {
        let known = previous.as_ref().filter(|old| old.verdict == Verdict::Unknown);
        return Standing {
            verdict: Verdict::Unknown,
            value: previous.as_ref().and_then(|old| old.value),
            since: known.map_or(window.to, |old| old.since),
            until: Some(window.to),
            streak: 0,
            last_known: previous.as_ref().and_then(|old| old.last_known),
        };
    };

    // Where the site stood: after a gap it stands there again with this window, so a dwell begins anew. Without an
    // earlier verdict there is nothing to dwell on.
    let until = previous.as_ref().and_then(|old| old.until);
    let (stood, since, streak) = match previous {
        Some(old) if old.verdict != Verdict::Unknown => (Some(old.verdict), old.since, old.streak),
        Some(old) => (old.last_known, window.to, 0),
        None => (None, window.to, 0),
    };
    let rested = stood.is_none() || window.to.duration_since(since) >= bands.dwell;
    let violated = stood == Some(Verdict::Violated);
    let counted = if violated { pue <= bands.under(target) } else { pue > bands.over(target) };
    let follows = until.is_some_and(|until| until == window.from);
    let streak = match (counted, follows) {
        (true, true) => streak + 1,
        (true, false) => 1,
        (false, _) => 0,
    };
    let needed = if violated { bands.clear_windows } else { bands.violate_windows };

    let (verdict, streak) = match (violated, rested && streak >= needed) {
        (true, true) => (Verdict::Compliant, 0),
        (false, true) => (Verdict::Violated, 0),
        (true, false) => (Verdict::Violated, streak),
        (false, false) if pue > target => (Verdict::AtRisk, streak),
        (false, false) => (Verdict::Compliant, streak),
    };
    Standing {
        verdict,
        value: Some(pue),
        since: if stood == Some(verdict) { since } else { window.to },
        until: Some(window.to),
        streak,
        last_known: Some(verdict),
    }
}

fn tell(standing: &Standing, last: Option<&ClosedWindow>, bands: &Bands) -> String {
    let Some(until) = standing.until else { return "no window has closed yet".to_owned() };
    if standing.verdict == Verdict::Unknown {
        let why = match last.map(reading) {
            Some(Err(why)) => format!(": {why}"),
            _ => String::new(),
        };
        let before = match standing.last_known {
            Some(verdict) => format!("; the last verdict, {verdict:?}, stood until {}", standing.since),
            None => "; there is no earlier verdict".to_owned(),
        };
        return format!("no verdict for the window that closed at {until}{why}{before}");
    }
    let figure = standing.value.map_or_else(String::new, |value| format!("PUE {value:.4} "));
    let window = format!("{figure}in the window that closed at {until}");
    let Some(target) = last.and_then(|window| window.target) else { return window };
    match standing.verdict {
        Verdict::Violated => format!(
            "{window}, target {target}; violated since {}, clear after {} windows in a row at or below {:.4} (now {})",
            standing.since,
            bands.clear_windows,
            bands.under(target),
            standing.streak
        ),
        Verdict::AtRisk => format!(
            "{window} is above the target {target}; violated after {} windows in a row above {:.4} (now {})",
            bands.violate_windows,
            bands.over(target),
            standing.streak
        ),
        _ => format!("{window} is at or under the target {target}"),
    }
}

#[cfg(test)]
mod tests;
