//! What can go wrong when a server is asked, and what each is called.

use super::answer::{Labels, shown};

/// Why a query brought no usable answer.
///
/// Each message says what was attempted and what to do next. Messages go into conditions, so they hold no credentials
/// and nothing that changes from one try to the next, such as times measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The settings cannot be used; nothing was sent.
    #[error("prometheus cannot be queried as it is set up: {message}")]
    Misconfigured {
        /// Which setting, why, and what to do.
        message: String,
    },
    /// No connection, or one that broke before the answer was complete.
    #[error(
        "{server} could not be reached: {cause}; check prometheus.url, that the server runs, and network policies"
    )]
    Unreachable {
        /// Base address of the server.
        server: String,
        /// The innermost cause.
        cause: String,
    },
    /// The server's certificate is not one to trust.
    #[error(
        "{server} showed a certificate that is not trusted: {cause}; name its authority in prometheus.caConfigMapRef"
    )]
    Untrusted {
        /// Base address of the server.
        server: String,
        /// What is wrong with it.
        cause: String,
    },
    /// No complete answer within the time limit, or the server gave up itself.
    #[error(
        "{server} gave no complete answer within {limit_ms} ms; raise prometheus.timeout or make the query cheaper"
    )]
    Timeout {
        /// Base address of the server.
        server: String,
        /// The limit of one request, in milliseconds.
        limit_ms: u64,
    },
    /// Status 401 or 403.
    #[error(
        "{server} refused the credentials with status {code}; check the Secret of prometheus.authSecretRef"
    )]
    Unauthorized {
        /// Base address of the server.
        server: String,
        /// 401 or 403.
        code: u16,
    },
    /// Status 3xx. Redirects are not followed, so that credentials stay with the host that they are meant for.
    #[error(
        "{server} redirects to {to} with status {code}, which is not followed; name the final address in prometheus.url"
    )]
    Redirected {
        /// Base address of the server.
        server: String,
        /// The status.
        code: u16,
        /// Scheme and host of the target, without path and query; `another address` when it cannot be read.
        to: String,
    },
    /// Any other status that is not a success, and no query's fault.
    #[error("{server} answered status {code} ({excerpt}); {}", advice(*.code))]
    HttpStatus {
        /// Base address of the server.
        server: String,
        /// The status.
        code: u16,
        /// The beginning of the body or of the error in it, at most 80 characters.
        excerpt: String,
    },
    /// A success whose body is not an answer of the Prometheus HTTP API, for instance a sign-in page.
    #[error(
        "{server} answered with something that {what} ({excerpt}); check that prometheus.url leads to a Prometheus API"
    )]
    NotPrometheus {
        /// Base address of the server.
        server: String,
        /// In what the body differs.
        what: &'static str,
        /// The beginning of the body, at most 80 characters.
        excerpt: String,
    },
    /// The server refuses the query, or the query does not give numbers.
    #[error("the query is refused: {message}; try it in the server's own console")]
    BadQuery {
        /// What the server says of it.
        message: String,
    },
    /// The body is longer than `client::MAX_BODY_BYTES`.
    #[error("{server} answered with more than {limit_mib} MiB; narrow the query to one series")]
    TooLarge {
        /// Base address of the server.
        server: String,
        /// The limit in MiB.
        limit_mib: usize,
    },
    /// The server says itself that a part of the answer is missing; what did come is not to be trusted as a total.
    #[error(
        "the answer is partial, so it counts as missing: {}; check the query and the stores behind the server",
        warnings.join("; ")
    )]
    Partial {
        /// What the server says.
        warnings: Vec<String>,
    },
    /// No series matches, or none has a sample in the range.
    #[error(
        "the query matches no series with samples; check its metric name and labels, and that the meter is scraped"
    )]
    Empty,
    /// Several series match where one is meant.
    #[error(
        "the query matches {count} series, for instance {first} and {second}; add labels or aggregate to one series"
    )]
    MultipleSeries {
        /// How many.
        count: usize,
        /// The first label set in order, as `PromQL` shows it.
        first: String,
        /// The second label set in order.
        second: String,
    },
}

impl QueryError {
    /// A constant `CamelCase` word for the kind of fault: the reason of a condition and the label of a metric.
    pub const fn category(&self) -> &'static str {
        match self {
            Self::Misconfigured { .. } => "PrometheusMisconfigured",
            Self::Unreachable { .. } => "PrometheusUnreachable",
            Self::Untrusted { .. } => "PrometheusUntrusted",
            Self::Timeout { .. } => "PrometheusTimeout",
            Self::Unauthorized { .. } => "PrometheusUnauthorized",
            Self::Redirected { .. } => "PrometheusRedirected",
            Self::HttpStatus { .. } => "PrometheusFailed",
            Self::NotPrometheus { .. } => "NotPrometheus",
            Self::BadQuery { .. } => "BadQuery",
            Self::TooLarge { .. } => "AnswerTooLarge",
            Self::Partial { .. } => "PartialAnswer",
            Self::Empty => "NoSeries",
            Self::MultipleSeries { .. } => "MultipleSeries",
        }
    }

    /// Whether the fault lies with the server rather than with the one query, so that asking it for other meters in the
    /// same round would bring the same.
    pub const fn concerns_server(&self) -> bool {
        matches!(
            self,
            Self::Misconfigured { .. }
                | Self::Unreachable { .. }
                | Self::Untrusted { .. }
                | Self::Unauthorized { .. }
                | Self::Redirected { .. }
        )
    }

    /// Whether the same question will get the same answer for a while, because it is the question that is wrong, or what
    /// is stored; else it is worth asking again soon.
    pub const fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::BadQuery { .. } | Self::MultipleSeries { .. } | Self::TooLarge { .. } | Self::Empty
        )
    }

    /// The error that several series make, which `labels` are some or all of.
    pub(super) fn multiple<'a>(labels: impl Iterator<Item = &'a Labels>) -> Self {
        // In order, so that the message does not change with the order of the server's answer.
        let mut all: Vec<&Labels> = labels.collect();
        all.sort();
        let name = |at: usize| all.get(at).map(|labels| shown(labels)).unwrap_or_default();
        Self::MultipleSeries { count: all.len(), first: name(0), second: name(1) }
    }
}

/// What to do about a status.
fn advice(code: u16) -> &'static str {
    match code {
        404 | 405 => "check the path in prometheus.url, which stands before /api/v1",
        429 => "the server limits requests: raise its limit or lengthen the meters' intervals",
        _ => "see the server's log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_a_multi_series_answer_do_not_depend_on_its_order() {
        let labels =
            |feed: &str| Labels::from([("__name__".into(), "kwh".into()), ("feed".into(), feed.into())]);
        let (a, b, c) = (labels("a"), labels("b"), labels("c"));
        let error = QueryError::multiple([&c, &a, &b].into_iter());
        assert_eq!(error, QueryError::multiple([&b, &c, &a].into_iter()));
        assert_eq!(
            error.to_string(),
            "the query matches 3 series, for instance kwh{feed=\"a\"} and kwh{feed=\"b\"}; \
             add labels or aggregate to one series"
        );
    }

    #[test]
    fn a_status_says_what_to_do() {
        let status = |code| {
            QueryError::HttpStatus { server: "http://p".into(), code, excerpt: "x".into() }.to_string()
        };
        assert!(status(404).contains("check the path in prometheus.url"));
        assert!(status(429).contains("limits requests"));
        assert!(status(502).contains("see the server's log"));
    }
}
