//! What to ask: which instant queries bring every sample of a time range, each of bounded size. Pure.

use super::selector::plain_selector;

/// Samples that one request is planned for at most: the points per series that Prometheus allows in a range query, so
/// that servers and gateways that hold instant queries to the same limit accept the request.
pub const MAX_SAMPLES: i64 = 11_000;

/// Longest time that one request covers, in milliseconds: 35 days, a month with what is read before and after it. A
/// meter is often scraped far oftener than it is read (Prometheus forgets a series after five minutes), so its interval
/// alone would not bound the answer: 35 days scraped every 15 s are 201,600 samples, some 6 MB.
pub const MAX_SPAN_MS: i64 = 35 * 86_400_000;

/// Shortest interval that is planned with, in milliseconds; the API's lower limit too.
pub const MIN_INTERVAL_MS: i64 = 1_000;

/// One instant query, and the samples that are wanted of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `PromQL`.
    pub query: String,
    /// When the query is evaluated, in milliseconds since 1970.
    pub time_ms: i64,
    /// Samples before this instant (milliseconds since 1970) are not wanted.
    pub from_ms: i64,
    /// Samples after this instant (milliseconds since 1970) are not wanted.
    pub to_ms: i64,
}

/// The value of `expr` at `at_ms` (milliseconds since 1970).
pub fn instant(expr: &str, at_ms: i64) -> Request {
    Request { query: expr.to_owned(), time_ms: at_ms, from_ms: at_ms, to_ms: at_ms }
}

/// One request for every sample of `expr` in the closed range `from_ms..=to_ms` (milliseconds since 1970).
///
/// A plain selector is asked for its raw samples. Any other expression is asked through a subquery, which evaluates it
/// at the multiples of `interval_ms` (counted from 1970) in the range.
pub fn raw_samples(expr: &str, from_ms: i64, to_ms: i64, interval_ms: i64) -> Request {
    // Evaluated at a whole second, since servers differ in how they round a fraction, and a sample at the right edge
    // must not be lost to that; what lies behind `to_ms` is filtered out of the answer.
    let time_ms = to_ms.saturating_add(999).div_euclid(1_000).saturating_mul(1_000);
    // Prometheus 3 leaves a range open on its left, so one millisecond more takes in a sample exactly at `from_ms`.
    // Prometheus 2 then answers one that is too old as well, which is filtered out too.
    let range = time_ms.saturating_sub(from_ms).saturating_add(1).max(1);
    let query = match plain_selector(expr) {
        Some(selector) => format!("{selector}[{range}ms]"),
        // The line break ends a comment that `expr` may end with.
        None => format!("({expr}\n)[{range}ms:{}ms]", interval_ms.max(MIN_INTERVAL_MS)),
    };
    Request { query, time_ms, from_ms, to_ms }
}

/// The requests that bring every sample of `expr` in the closed range `from_ms..=to_ms` (milliseconds since 1970), oldest
/// first, without holes or overlaps; none when the range is empty.
///
/// Each is planned for at most [`MAX_SAMPLES`] samples of a series that is read every `interval_ms`, and for at most
/// [`MAX_SPAN_MS`].
pub fn plan(expr: &str, from_ms: i64, to_ms: i64, interval_ms: i64) -> Vec<Request> {
    // One sample less, because rounding the evaluation up to a whole second may add one.
    let span = interval_ms.max(MIN_INTERVAL_MS).saturating_mul(MAX_SAMPLES - 1).min(MAX_SPAN_MS);
    let mut requests = Vec::new();
    let mut from = from_ms;
    while from <= to_ms {
        let to = to_ms.min(from.saturating_add(span - 1));
        requests.push(raw_samples(expr, from, to, interval_ms));
        match to.checked_add(1) {
            Some(next) => from = next,
            None => break,
        }
    }
    requests
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 86_400_000;

    #[test]
    fn a_selector_is_asked_for_raw_samples() {
        // From 1 s to 61 s: evaluated at 61 s, 60 s back and 1 ms more for the sample at 1 s itself.
        let request = raw_samples(r#"kwh{a="b"} # feed"#, 1_000, 61_000, 900_000);
        assert_eq!(request.query, r#"kwh{a="b"}[60001ms]"#);
        assert_eq!((request.time_ms, request.from_ms, request.to_ms), (61_000, 1_000, 61_000));
    }

    #[test]
    fn an_evaluation_lies_on_a_whole_second() {
        // To 61.001 s: evaluated at 62 s, 61 s back to 1 s, and 1 ms.
        let request = raw_samples("kwh", 1_000, 61_001, 900_000);
        assert_eq!(
            (request.query.as_str(), request.time_ms, request.to_ms),
            ("kwh[61001ms]", 62_000, 61_001)
        );
    }

    #[test]
    fn an_expression_is_asked_through_a_subquery() {
        let request = raw_samples("sum(kwh) # all", 0, 3_600_000, 900_000);
        assert_eq!(request.query, "(sum(kwh) # all\n)[3600001ms:900000ms]");
    }

    #[test]
    fn one_instant_is_a_range_too() {
        let requests = plan("kwh", 5_000, 5_000, 900_000);
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].query, "kwh[1ms]");
        assert!(plan("kwh", 5_001, 5_000, 900_000).is_empty());
    }

    #[test]
    fn thirteen_months_of_quarter_hours_take_twelve_requests() {
        // 396 days at 35 days each: 11 whole ones (385 days) and one of 11 days.
        assert_eq!(plan("kwh", 0, 396 * DAY - 1, 900_000).len(), 12);
        // A month, the day before it and two hours after it are one.
        assert_eq!(plan("kwh", 0, 32 * DAY + 7_200_000, 900_000).len(), 1);
        // Read every 10 s: 10,999 × 10 s = 109,990 s each; a day of 86,400 s fits one, two days need two.
        assert_eq!(plan("kwh", 0, DAY - 1, 10_000).len(), 1);
        assert_eq!(plan("kwh", 0, 2 * DAY - 1, 10_000).len(), 2);
    }

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        assert_eq!(plan("kwh", i64::MAX - 10, i64::MAX, i64::MAX).len(), 1);
        assert_eq!(plan("kwh", i64::MIN, i64::MIN + 10, 0).len(), 1);
    }

    /// The range in milliseconds and, of a subquery, the step.
    fn range(query: &str) -> (i64, Option<i64>) {
        let inside = query.rsplit_once('[').unwrap().1.strip_suffix(']').unwrap();
        let ms = |text: &str| text.strip_suffix("ms").unwrap().parse().unwrap();
        match inside.split_once(':') {
            Some((range, step)) => (ms(range), Some(ms(step))),
            None => (ms(inside), None),
        }
    }

    proptest! {
        #[test]
        fn a_plan_covers_its_range_in_bounded_requests(
            from in 1_600_000_000_000_i64..1_800_000_000_000,
            length in 0_i64..400 * DAY,
            interval in 30_000_i64..744 * 3_600_000,
            plain: bool,
        ) {
            let to = from + length;
            let requests = plan(if plain { "kwh" } else { "sum(kwh)" }, from, to, interval);
            prop_assert_eq!(requests[0].from_ms, from);
            prop_assert_eq!(requests[requests.len() - 1].to_ms, to);
            for pair in requests.windows(2) {
                prop_assert_eq!(pair[0].to_ms + 1, pair[1].from_ms);
            }
            for request in &requests {
                let (range, step) = range(&request.query);
                // What the server reads is open on the left and closed on the right: (time − range, time].
                prop_assert!(request.time_ms - range < request.from_ms);
                prop_assert!(request.time_ms >= request.to_ms);
                prop_assert_eq!(request.time_ms % 1_000, 0);
                let samples = (range + interval - 1) / interval;
                prop_assert!(samples <= MAX_SAMPLES, "{} samples", samples);
                prop_assert!(request.to_ms - request.from_ms < MAX_SPAN_MS);
                prop_assert_eq!(step, (!plain).then_some(interval));
            }
        }
    }
}
