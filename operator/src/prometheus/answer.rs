//! What was answered: the JSON of the Prometheus HTTP API, read straight into series. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, IgnoredAny, Visitor};
use serde::{Deserialize, Deserializer};

use super::error::QueryError;

/// The labels of a series, the metric's name among them as `__name__`.
pub type Labels = BTreeMap<String, String>;

/// One series of an answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its labels; none for a scalar and for most aggregates.
    pub labels: Labels,
    /// Milliseconds since 1970 and value, in the server's order, which is that of time. Values may be NaN or infinite.
    pub samples: Vec<(i64, f64)>,
}

/// What a server answered to a query that it accepted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// The series; a scalar is one series without labels.
    pub series: Vec<Series>,
    /// What the server says is missing or wrong, in order, each once. `PromQL info` annotations are style hints and are left out.
    pub warnings: Vec<String>,
}

impl Answer {
    /// Whether the server says that the answer may be incomplete: Thanos and remote reads by a warning,
    /// `VictoriaMetrics` by `isPartial`, Mimir by an error status instead.
    pub fn is_partial(&self) -> bool {
        !self.warnings.is_empty()
    }

    /// The answer, unless it is partial.
    pub fn complete(self) -> Result<Self, QueryError> {
        if self.is_partial() { Err(QueryError::Partial { warnings: self.warnings }) } else { Ok(self) }
    }
}

/// The one series of a complete answer; `None` when there is no series, or none with a sample.
///
/// Errors: [`QueryError::Partial`] before anything else, since a series may be absent for that reason alone, and
/// [`QueryError::MultipleSeries`].
pub fn one_series(answer: Answer) -> Result<Option<Series>, QueryError> {
    let mut series = answer.complete()?.series;
    series.retain(|one| !one.samples.is_empty());
    if series.len() > 1 {
        return Err(QueryError::multiple(series.iter().map(|one| &one.labels)));
    }
    Ok(series.pop())
}

/// Labels as `PromQL` shows them: `name{a="b", c="d"}`.
pub fn shown(labels: &Labels) -> String {
    let (name, rest): (Vec<_>, Vec<_>) = labels.iter().partition(|(key, _)| *key == "__name__");
    let name = name.first().map(|(_, value)| value.as_str()).unwrap_or_default();
    let rest: Vec<String> = rest.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
    format!("{name}{{{}}}", rest.join(", "))
}

/// Why a body gives no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The body is not of this API; in what it differs.
    Malformed(&'static str),
    /// `"status": "error"`: `errorType` and `error`.
    Refused {
        /// Such as `bad_data`, `execution`, `timeout`; `VictoriaMetrics` puts the HTTP status here.
        kind: String,
        /// In words.
        message: String,
    },
    /// The query answers a string or native histograms.
    NotNumbers(&'static str),
}

/// Reads the body of an answer to `/api/v1/query` or `/api/v1/query_range`.
pub fn parse(body: &[u8]) -> Result<Answer, Fault> {
    let body: Body = serde_json::from_slice(body).map_err(|error| {
        Fault::Malformed(match error.classify() {
            serde_json::error::Category::Eof => "breaks off",
            serde_json::error::Category::Data => "is JSON, but not of the Prometheus API",
            _ => "is not JSON",
        })
    })?;
    let Body { status, data, error_type, error, warnings, is_partial } = body;
    match status.as_str() {
        "success" => {}
        "error" => {
            return Err(Fault::Refused {
                kind: error_type.unwrap_or_default(),
                message: error.unwrap_or_default(),
            });
        }
        _ => return Err(Fault::Malformed("is JSON, but not of the Prometheus API")),
    }
    let series = match data {
        Some(Data::Vector(items)) => {
            items.unwrap_or_default().into_iter().map(Instant::series).collect::<Result<_, _>>()?
        }
        Some(Data::Matrix(items)) => {
            items.unwrap_or_default().into_iter().map(Range::series).collect::<Result<_, _>>()?
        }
        Some(Data::Scalar(Point(time, value))) => {
            vec![Series { labels: Labels::new(), samples: vec![(time, value)] }]
        }
        Some(Data::String(_)) => return Err(Fault::NotNumbers("it answers a string; ask for a number")),
        None => return Err(Fault::Malformed("has no data")),
    };
    let mut warnings = warnings.unwrap_or_default();
    warnings.retain(|warning| !warning.starts_with("PromQL info"));
    // Prometheus gives them in an order that changes from one answer to the next.
    warnings.sort();
    warnings.dedup();
    if is_partial.unwrap_or(false) && warnings.is_empty() {
        warnings.push("the server marks its answer as partial".to_owned());
    }
    Ok(Answer { series, warnings })
}

const HISTOGRAMS: &str = "it answers native histograms; ask for a number, such as histogram_sum of it";

#[derive(Deserialize)]
struct Body {
    status: String,
    data: Option<Data>,
    #[serde(rename = "errorType")]
    error_type: Option<String>,
    error: Option<String>,
    warnings: Option<Vec<String>>,
    #[serde(rename = "isPartial")]
    is_partial: Option<bool>,
}

/// Every server writes `resultType` first, so the result is read as it comes, without a tree in between.
#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Option<Vec<Instant>>),
    Matrix(Option<Vec<Range>>),
    Scalar(Point),
    String(IgnoredAny),
}

#[derive(Deserialize)]
struct Instant {
    metric: Labels,
    value: Option<Point>,
    histogram: Option<IgnoredAny>,
}

impl Instant {
    fn series(self) -> Result<Series, Fault> {
        if self.histogram.is_some() {
            return Err(Fault::NotNumbers(HISTOGRAMS));
        }
        Ok(Series { labels: self.metric, samples: self.value.into_iter().map(Point::pair).collect() })
    }
}

#[derive(Deserialize)]
struct Range {
    metric: Labels,
    values: Option<Vec<Point>>,
    histograms: Option<IgnoredAny>,
}

impl Range {
    fn series(self) -> Result<Series, Fault> {
        if self.histograms.is_some() {
            return Err(Fault::NotNumbers(HISTOGRAMS));
        }
        let samples = self.values.unwrap_or_default().into_iter().map(Point::pair).collect();
        Ok(Series { labels: self.metric, samples })
    }
}

/// `[seconds, "value"]` on the wire; milliseconds and value here.
struct Point(i64, f64);

impl Point {
    fn pair(self) -> (i64, f64) {
        (self.0, self.1)
    }
}

impl<'de> Deserialize<'de> for Point {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (seconds, Number(value)) = <(f64, Number)>::deserialize(deserializer)?;
        // Seconds with three decimals: rounding gives back the milliseconds, which a cast alone would miss by one.
        Ok(Self((seconds * 1_000.0).round() as i64, value))
    }
}

/// A value: text in the API (`"1.5"`, `"NaN"`, `"+Inf"`), since JSON has no NaN.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number as text")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
                text.parse().map(Number).map_err(|_| E::custom("not a number"))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_matrix_keeps_milliseconds_and_odd_values() {
        let answer = parse(
            br#"{"status":"success","data":{"resultType":"matrix","result":[
                {"metric":{"__name__":"kwh","feed":"a"},
                 "values":[[1700000000.123,"1.5"],[1700000060,"NaN"],[1700000120.999,"+Inf"],[1700000180,"-Inf"],[1,"1e3"]]}],
                "stats":{"x":1}}}"#,
        )
        .unwrap();
        let [series] = answer.series.as_slice() else { panic!("{answer:?}") };
        assert_eq!(series.labels, labels(&[("__name__", "kwh"), ("feed", "a")]));
        assert_eq!(series.samples[0], (1_700_000_000_123, 1.5));
        assert_eq!(series.samples[1].0, 1_700_000_060_000);
        assert!(series.samples[1].1.is_nan());
        assert_eq!(series.samples[2], (1_700_000_120_999, f64::INFINITY));
        assert_eq!(series.samples[3], (1_700_000_180_000, f64::NEG_INFINITY));
        assert_eq!(series.samples[4], (1_000, 1_000.0));
    }

    #[test]
    fn every_millisecond_survives_the_wire() {
        proptest::proptest!(|(ms in 0_i64..4_000_000_000_000)| {
            let text = format!("[{}.{:03},\"1\"]", ms / 1_000, ms % 1_000);
            let Point(read, _) = serde_json::from_str(&text).unwrap();
            assert_eq!(read, ms);
        });
    }

    #[test]
    fn vectors_and_scalars_are_series_of_one_sample() {
        let vector = parse(
            br#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[5,"7"]}]}}"#,
        );
        assert_eq!(
            vector.unwrap().series,
            [Series { labels: labels(&[("a", "b")]), samples: vec![(5_000, 7.0)] }]
        );
        let scalar = parse(br#"{"status":"success","data":{"resultType":"scalar","result":[5,"7"]}}"#);
        assert_eq!(scalar.unwrap().series, [Series { labels: Labels::new(), samples: vec![(5_000, 7.0)] }]);
        for none in ["[]", "null"] {
            let body = format!(r#"{{"status":"success","data":{{"resultType":"vector","result":{none}}}}}"#);
            assert_eq!(parse(body.as_bytes()).unwrap(), Answer::default());
        }
    }

    #[test]
    fn the_result_may_come_before_its_type() {
        let body = br#"{"data":{"result":[{"value":[5,"7"],"metric":{}}],"resultType":"vector"},"status":"success"}"#;
        assert_eq!(parse(body).unwrap().series[0].samples, [(5_000, 7.0)]);
    }

    #[test]
    fn what_is_partial_is_told_and_style_hints_are_not() {
        let with = |more: &str| {
            let body =
                format!(r#"{{"status":"success",{more},"data":{{"resultType":"vector","result":[]}}}}"#);
            parse(body.as_bytes()).unwrap().warnings
        };
        // Thanos
        assert_eq!(
            with(r#""warnings":["receive series from Addr: 10.0.0.1: EOF"]"#),
            ["receive series from Addr: 10.0.0.1: EOF"]
        );
        assert_eq!(with(r#""warnings":["b","a","b"]"#), ["a", "b"], "in an order that does not change");
        // VictoriaMetrics cluster
        assert_eq!(with(r#""isPartial":true"#).len(), 1);
        assert!(with(r#""isPartial":false"#).is_empty());
        // Prometheus 3, and 2.5x, which put hints among the warnings
        assert!(with(r#""infos":["PromQL info: metric might not be a counter"]"#).is_empty());
        assert!(with(r#""warnings":["PromQL info: metric might not be a counter"]"#).is_empty());
        assert!(with(r#""warnings":null"#).is_empty());
    }

    #[test]
    fn an_error_is_told_by_its_type_and_words() {
        let fault = parse(br#"{"status":"error","errorType":"bad_data","error":"parse error"}"#).unwrap_err();
        assert_eq!(fault, Fault::Refused { kind: "bad_data".into(), message: "parse error".into() });
    }

    #[test]
    fn what_is_not_the_api_is_told_apart() {
        for (body, what) in [
            (r"<html><body>Sign in</body></html>", "is not JSON"),
            (
                r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"2"#,
                "breaks off",
            ),
            ("", "breaks off"),
            (r#"{"message":"ok"}"#, "is JSON, but not of the Prometheus API"),
            (r#"{"status":"success"}"#, "has no data"),
            (r#"{"status":"up","data":null}"#, "is JSON, but not of the Prometheus API"),
            (
                r#"{"status":"success","data":{"resultType":"scalar","result":[1,"seven"]}}"#,
                "is JSON, but not of the Prometheus API",
            ),
            (
                r#"{"status":"success","data":{"resultType":"streams","result":[]}}"#,
                "is JSON, but not of the Prometheus API",
            ),
        ] {
            assert_eq!(parse(body.as_bytes()), Err(Fault::Malformed(what)), "{body}");
        }
    }

    #[test]
    fn histograms_and_strings_are_no_numbers() {
        for result in [
            r#""resultType":"vector","result":[{"metric":{},"histogram":[1,{"count":"1","sum":"2"}]}]"#,
            r#""resultType":"matrix","result":[{"metric":{},"histograms":[[1,{"count":"1","sum":"2"}]]}]"#,
            r#""resultType":"string","result":[1,"x"]"#,
        ] {
            let body = format!(r#"{{"status":"success","data":{{{result}}}}}"#);
            assert!(matches!(parse(body.as_bytes()), Err(Fault::NotNumbers(_))), "{result}");
        }
    }

    #[test]
    fn one_series_is_none_several_or_partial() {
        let series = |name: &str, samples: &[(i64, f64)]| Series {
            labels: labels(&[("f", name)]),
            samples: samples.to_vec(),
        };
        let answer = |series: Vec<Series>| Answer { series, warnings: vec![] };
        let (a, b, empty) = (series("a", &[(1, 1.0)]), series("b", &[(1, 2.0)]), series("c", &[]));
        assert_eq!(one_series(answer(vec![])), Ok(None));
        assert_eq!(one_series(answer(vec![empty.clone()])), Ok(None));
        assert_eq!(one_series(answer(vec![empty, a.clone()])), Ok(Some(a.clone())));
        assert_eq!(
            one_series(answer(vec![b, a.clone()])),
            Err(QueryError::MultipleSeries {
                count: 2,
                first: r#"{f="a"}"#.into(),
                second: r#"{f="b"}"#.into()
            })
        );
        let partial = Answer { series: vec![a], warnings: vec!["store down".into()] };
        assert_eq!(one_series(partial), Err(QueryError::Partial { warnings: vec!["store down".into()] }));
    }
}
