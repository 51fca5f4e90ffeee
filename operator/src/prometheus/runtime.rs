//! What a server says of itself: how long it keeps readings, and what time it has.

use jiff::Timestamp;
use serde::Deserialize;

use super::client::Client;
use super::error::QueryError;

/// What a server says of itself. Servers that only speak the query API, such as Thanos and Mimir, tell the time alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runtime {
    /// How long it keeps readings; none where it does not tell.
    pub retention: Option<Retention>,
    /// Its clock, to the second; none where it does not tell.
    pub now: Option<Timestamp>,
}

/// How long readings are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// For so long at most, s; none where only their size is limited.
    pub seconds: Option<i64>,
    /// The oldest are dropped for want of room as well, so that it may be less.
    pub by_size: bool,
}

#[derive(Deserialize)]
struct Envelope {
    data: Told,
}

#[derive(Deserialize)]
struct Told {
    #[serde(rename = "storageRetention")]
    retention: Option<String>,
}

impl Client {
    /// Asks the server about itself.
    pub async fn runtime(&self) -> Result<Runtime, QueryError> {
        let (code, date, body) = self.get("/api/v1/status/runtimeinfo").await?;
        let told = (code == 200).then(|| serde_json::from_slice::<Envelope>(&body).ok()).flatten();
        Ok(Runtime {
            retention: told.and_then(|told| Retention::read(&told.data.retention?)),
            now: date.and_then(|date| jiff::fmt::rfc2822::parse(&date).ok()).map(|date| date.timestamp()),
        })
    }
}

impl Retention {
    /// Reads what Prometheus shows: `15d`, `1y2w`, `15d or 10GiB`, `10GiB`.
    pub fn read(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split(" or ").map(str::trim).filter(|part| !part.is_empty()).collect();
        let seconds = parts.iter().find_map(|part| duration(part));
        let by_size = parts.iter().any(|part| part.ends_with('B'));
        (seconds.is_some() || by_size).then_some(Self { seconds, by_size })
    }
}

/// A duration as Prometheus writes it, s.
fn duration(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 7] =
        [("ms", 0), ("y", 31_536_000), ("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let (mut rest, mut total) = (text, 0_i64);
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit()).filter(|digits| *digits > 0)?;
        let number: i64 = rest[..digits].parse().ok()?;
        let (unit, seconds) = UNITS.into_iter().find(|(unit, _)| rest[digits..].starts_with(unit))?;
        total = total.checked_add(number.checked_mul(seconds)?)?;
        rest = &rest[digits + unit.len()..];
    }
    (!text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::fake::{Fake, http};
    use super::super::{Clients, Settings};
    use super::*;

    fn client(server: &Fake) -> Client {
        let (url, timeout) = (server.url(), Duration::from_secs(20));
        Clients::new(1, Arc::new(|_| {})).get(&Settings { url, timeout, auth: None, ca_pem: None }).unwrap()
    }

    #[test]
    fn what_prometheus_shows_of_its_retention_is_read() {
        let days = |text| Retention::read(text).and_then(|kept| Some((kept.seconds? / 86_400, kept.by_size)));
        assert_eq!(days("15d"), Some((15, false)));
        assert_eq!(days("15y"), Some((15 * 365, false)));
        assert_eq!(days("1y2w1d"), Some((380, false)));
        assert_eq!(days("360h or 10GiB"), Some((15, true)));
        assert_eq!(Retention::read("512MB"), Some(Retention { seconds: None, by_size: true }));
        for text in ["", "d", "15", "15 days", "forever"] {
            assert_eq!(Retention::read(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_server_tells_its_retention_and_its_clock_and_one_that_does_not_is_no_error() {
        let date = "date: Wed, 18 Jun 2025 03:00:00 GMT\r\n";
        let full = Fake::start(move |_| {
            http("200 OK", date, r#"{"status":"success","data":{"storageRetention":"15d","GOMAXPROCS":2}}"#)
        });
        let told = client(&full).runtime().await.unwrap();
        assert_eq!(told.retention, Some(Retention { seconds: Some(15 * 86_400), by_size: false }));
        assert_eq!(told.now.map(|now| now.to_string()).as_deref(), Some("2025-06-18T03:00:00Z"));
        let thanos = Fake::start(move |_| http("404 Not Found", date, "nothing here"));
        let told = client(&thanos).runtime().await.unwrap();
        assert_eq!((told.retention, told.now.is_some()), (None, true));
        let odd = Fake::start(|_| http("200 OK", "", "[]"));
        assert_eq!(client(&odd).runtime().await.unwrap(), Runtime { retention: None, now: None });
    }
}
