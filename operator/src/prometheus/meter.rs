//! The samples of one meter over a time range, from as many requests as it takes.

use super::answer::{Answer, Labels, one_series};
use super::client::Client;
use super::error::QueryError;
use super::query::{Request, plan};

/// Every sample of the one series that `expr` gives in the closed range `from_ms..=to_ms` (milliseconds since 1970): time
/// in milliseconds and value, in order of time, no time twice. Values may be NaN or infinite.
///
/// A plain selector gives its raw samples; any other expression is evaluated at the multiples of `interval_ms`. The
/// requests run one after another: a back-fill of thirteen months takes a dozen, and need not be fast.
///
/// Errors: any [`QueryError`]. A partial answer is one, since what is missing in it cannot be told from what never was;
/// no sample in the whole range is [`QueryError::Empty`].
pub async fn fetch_meter(
    client: &Client,
    expr: &str,
    from_ms: i64,
    to_ms: i64,
    interval_ms: i64,
) -> Result<Vec<(i64, f64)>, QueryError> {
    let mut gathered = Gathered::default();
    for request in plan(expr, from_ms, to_ms, interval_ms) {
        let answer = client.query(&request).await?;
        gathered.add(&request, answer)?;
    }
    gathered.finish()
}

/// The one number that `expr` gives at `at_ms` (milliseconds since 1970); it may be NaN or infinite.
///
/// Errors: any [`QueryError`], as in [`fetch_meter`].
pub async fn fetch_value(client: &Client, expr: &str, at_ms: i64) -> Result<f64, QueryError> {
    let series = one_series(client.instant(expr, at_ms).await?)?.ok_or(QueryError::Empty)?;
    series.samples.last().map(|(_, value)| *value).ok_or(QueryError::Empty)
}

/// What the requests of one plan have brought so far.
#[derive(Default)]
struct Gathered {
    labels: Option<Labels>,
    samples: Vec<(i64, f64)>,
}

impl Gathered {
    /// Adds the samples that `request` wanted of `answer`.
    fn add(&mut self, request: &Request, mut answer: Answer) -> Result<(), QueryError> {
        for series in &mut answer.series {
            series.samples.retain(|(time, _)| (request.from_ms..=request.to_ms).contains(time));
        }
        let Some(series) = one_series(answer)? else { return Ok(()) };
        // A series that changes its labels counts as two, wherever the requests happen to be parted.
        match &self.labels {
            Some(labels) if *labels != series.labels => {
                return Err(QueryError::multiple([labels, &series.labels].into_iter()));
            }
            Some(_) => {}
            None => self.labels = Some(series.labels),
        }
        self.samples.extend(series.samples);
        Ok(())
    }

    fn finish(mut self) -> Result<Vec<(i64, f64)>, QueryError> {
        if self.samples.is_empty() {
            return Err(QueryError::Empty);
        }
        self.samples.sort_by_key(|(time, _)| *time);
        self.samples.dedup_by_key(|(time, _)| *time);
        Ok(self.samples)
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::Series;
    use super::*;

    fn request(from_ms: i64, to_ms: i64) -> Request {
        Request { query: String::new(), time_ms: to_ms, from_ms, to_ms }
    }

    fn answer(feed: &str, samples: &[(i64, f64)]) -> Answer {
        let labels = Labels::from([("feed".to_owned(), feed.to_owned())]);
        Answer { series: vec![Series { labels, samples: samples.to_vec() }], warnings: vec![] }
    }

    #[test]
    fn samples_are_kept_within_their_request_and_in_order() {
        let mut gathered = Gathered::default();
        // 9 lies before the first request, 21 behind it, where the second one brings it; 20 comes twice.
        gathered.add(&request(10, 20), answer("a", &[(9, 0.0), (10, 1.0), (20, 2.0), (21, 9.0)])).unwrap();
        gathered.add(&request(21, 30), Answer::default()).unwrap();
        gathered.add(&request(20, 30), answer("a", &[(20, 2.0), (21, 3.0), (30, 4.0)])).unwrap();
        assert_eq!(gathered.finish().unwrap(), [(10, 1.0), (20, 2.0), (21, 3.0), (30, 4.0)]);
    }

    #[test]
    fn a_series_outside_the_range_does_not_count() {
        let mut gathered = Gathered::default();
        let mut both = answer("old", &[(9, 0.0)]);
        both.series.extend(answer("a", &[(10, 1.0)]).series);
        gathered.add(&request(10, 20), both).unwrap();
        assert_eq!(gathered.finish().unwrap(), [(10, 1.0)]);
    }

    #[test]
    fn a_change_of_labels_between_requests_is_two_series() {
        let mut gathered = Gathered::default();
        gathered.add(&request(0, 9), answer("a", &[(1, 1.0)])).unwrap();
        let error = gathered.add(&request(10, 19), answer("b", &[(11, 1.0)])).unwrap_err();
        assert_eq!(error.category(), "MultipleSeries");
    }

    #[test]
    fn nothing_at_all_is_empty() {
        let mut gathered = Gathered::default();
        gathered.add(&request(10, 20), answer("a", &[(9, 0.0)])).unwrap();
        assert_eq!(gathered.finish(), Err(QueryError::Empty));
    }
}
