//! Sends a request and judges what comes back.

use std::error::Error as _;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, HeaderValue, LOCATION};
use reqwest::{Response, Url, redirect};
use tokio::sync::Semaphore;

use super::answer::{Answer, Fault, parse};
use super::error::QueryError;
use super::health::{Advice, Health};
use super::query::{self, Request};
use super::settings::{Settings, wrong};

/// Longest body that is read, in bytes: 16 MiB. The longest answer that is asked for has some thousands of samples.
pub const MAX_BODY_BYTES: usize = 16 << 20;

/// Requests to one server at a time, so that a slow one cannot take every place of the common limit.
const PER_SERVER: usize = 6;

/// Longest time for the cheap query that tells whether a server answers at all; less when the request's own limit is.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// Longest time to connect; half the request's own limit when that is less.
const MAX_CONNECT: Duration = Duration::from_secs(5);

/// Idle connections are closed before gateways do, which commonly happens after 60 s: a request written into a
/// connection that closes meanwhile would fail for nothing.
const IDLE: Duration = Duration::from_secs(15);

/// Bytes of a body that are looked at when its status says that it is no answer.
const ERROR_BODY_BYTES: usize = 64 << 10;

/// One request that was sent, for the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `Success` or a [`QueryError::category`].
    pub outcome: &'static str,
    /// From sending to the last byte, without the wait for a place.
    pub duration: Duration,
    /// Bytes of the body that were read.
    pub bytes: usize,
}

/// Called after each request that was sent.
pub type Hook = Arc<dyn Fn(&Asked) + Send + Sync>;

/// A client of one server. Clones share its connections.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    /// Base address, for messages.
    server: String,
    url: Url,
    timeout: Duration,
    authorization: Option<HeaderValue>,
    secrets: Vec<String>,
    /// Places at this server, taken before one of the common `permits`.
    places: Semaphore,
    permits: Arc<Semaphore>,
    health: Mutex<Health>,
    /// Held by who asks the cheap query.
    probing: tokio::sync::Mutex<()>,
    hook: Hook,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("server", &self.inner.server).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for `settings`; nothing is sent yet. `permits` limits requests over all clients that share it.
    ///
    /// Redirects are not followed, proxies named by the environment are not used, and credentials are refused over plain
    /// http. Errors: [`QueryError::Misconfigured`].
    pub fn new(settings: &Settings, permits: Arc<Semaphore>, hook: Hook) -> Result<Self, QueryError> {
        let (server, url) = settings.addresses()?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("banyan/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .connect_timeout(MAX_CONNECT.min(settings.timeout / 2))
            .timeout(settings.timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(PER_SERVER);
        if let Some(tls) = settings.tls(&url)? {
            builder = builder.tls_backend_preconfigured(tls);
        } else {
            // The verifier for the system's roots comes with reqwest, which takes the process' provider of cryptography
            // and has none of its own. An error means that one is installed already, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let http = builder.build().map_err(|error| {
            wrong(format!("{}; name the server's authority in prometheus.caConfigMapRef", innermost(&error)))
        })?;
        let authorization = settings.authorization(&http, &url)?;
        let secrets = settings.secrets(authorization.as_ref());
        let inner = Inner {
            http,
            server,
            url,
            timeout: settings.timeout,
            authorization,
            secrets,
            places: Semaphore::new(PER_SERVER),
            permits,
            health: Mutex::default(),
            probing: tokio::sync::Mutex::default(),
            hook,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The answer to `request`, as the server gives it: samples outside `from_ms..=to_ms` are still in it, and it may be
    /// partial ([`Answer::is_partial`]).
    pub async fn query(&self, request: &Request) -> Result<Answer, QueryError> {
        let Inner { places, permits, timeout, .. } = &*self.inner;
        let places = async { (places.acquire().await, permits.acquire().await) };
        // Nobody holds a place for longer than the limit and a probe, so twice the limit is a long wait.
        let (_place, _permit) = match tokio::time::timeout(*timeout * 2, places).await {
            Ok((Ok(place), Ok(permit))) => (place, permit),
            Ok(_) => return Err(self.unreachable("Banyan is shutting down")),
            Err(_) => return Err(self.timeout()),
        };
        self.admit().await?;
        let result = self.ask(request, *timeout).await;
        let mut health = self.health();
        match &result {
            Err(Failure { error: error @ QueryError::Timeout { .. }, connecting: false }) => {
                tracing::debug!(%error, "a query was given up");
                health.timed_out();
            }
            Err(Failure { error, connecting: true }) => health.not_connected(error.clone(), Instant::now()),
            _ => health.answered(),
        }
        drop(health);
        result.map_err(|failure| failure.error)
    }

    /// Whether the server is worth a request now. When two in a row were not answered in time, a cheap query finds out.
    async fn admit(&self) -> Result<(), QueryError> {
        let advice = self.health().advice(Instant::now());
        let _probing = match advice {
            Advice::Send => return Ok(()),
            Advice::Refuse(error) => return Err(error),
            Advice::Probe => self.inner.probing.lock().await,
            Advice::ProbeAlone(error) => self.inner.probing.try_lock().map_err(|_| error)?,
        };
        // Somebody else may have found out meanwhile.
        let advice = self.health().advice(Instant::now());
        match advice {
            Advice::Send => return Ok(()),
            Advice::Refuse(error) => return Err(error),
            Advice::Probe | Advice::ProbeAlone(_) => {}
        }
        let limit = PROBE_LIMIT.min(self.inner.timeout);
        let probed = self.ask(&query::instant("vector(1)", 0), limit).await;
        let mut health = self.health();
        match probed {
            Err(Failure { error, connecting: true }) => {
                health.not_connected(error.clone(), Instant::now());
                Err(error)
            }
            Err(Failure { error: QueryError::Timeout { .. }, .. }) => {
                // In the words of the queries that were not answered, so that they stay the same.
                health.mute(self.timeout(), Instant::now());
                Err(self.timeout())
            }
            // A refusal is an answer: what is wrong, the query itself will hear.
            _ => {
                health.answered();
                Ok(())
            }
        }
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.inner.health.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request and counts it.
    async fn ask(&self, request: &Request, limit: Duration) -> Result<Answer, Failure> {
        let started = Instant::now();
        let mut bytes = 0;
        let result = self.send(request, limit, &mut bytes).await;
        let outcome = result.as_ref().map_or_else(|failure| failure.error.category(), |_| "Success");
        (self.inner.hook)(&Asked { outcome, duration: started.elapsed(), bytes });
        result
    }

    /// Status, header `Date` and body of a GET of `path` under the server's address, for what is no query. Only the server
    /// itself can make it fail: whatever it answers is given back.
    pub(super) async fn get(&self, path: &str) -> Result<(u16, Option<String>, Vec<u8>), QueryError> {
        let Inner { http, server, authorization, timeout, permits, .. } = &*self.inner;
        let Ok(_permit) = permits.acquire().await else {
            return Err(self.unreachable("Banyan is shutting down"));
        };
        self.admit().await?;
        let (started, mut bytes) = (Instant::now(), 0);
        let asked = async {
            let mut get = http.get(format!("{server}{path}")).header(ACCEPT, "application/json");
            if let Some(value) = authorization {
                get = get.header(AUTHORIZATION, value.clone());
            }
            let response = get.timeout(*timeout).send().await.map_err(|error| self.failure(&error))?;
            let code = response.status().as_u16();
            let date = response.headers().get(DATE).and_then(|value| value.to_str().ok()).map(str::to_owned);
            let body = if code == 200 { self.body(response, &mut bytes).await? } else { Vec::new() };
            Ok::<_, Failure>((code, date, body))
        };
        let result = asked.await;
        let outcome = result.as_ref().map_or_else(|failure| failure.error.category(), |_| "Success");
        (self.inner.hook)(&Asked { outcome, duration: started.elapsed(), bytes });
        result.map_err(|failure| failure.error)
    }

    /// The answer to `expr` at `at_ms` (milliseconds since 1970).
    pub async fn instant(&self, expr: &str, at_ms: i64) -> Result<Answer, QueryError> {
        self.query(&query::instant(expr, at_ms)).await
    }

    async fn send(&self, request: &Request, limit: Duration, bytes: &mut usize) -> Result<Answer, Failure> {
        let Inner { http, url, authorization, .. } = &*self.inner;
        let mut post = http
            .post(url.clone())
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .timeout(limit)
            .body(self.form(request, limit));
        if let Some(value) = authorization {
            post = post.header(AUTHORIZATION, value.clone());
        }
        let response = post.send().await.map_err(|error| self.failure(&error))?;
        let code = response.status().as_u16();
        let to = response.headers().get(LOCATION).and_then(|value| self.origin(value));
        let body = if (300..400).contains(&code) { Vec::new() } else { self.body(response, bytes).await? };
        Ok(self.judge(code, to, &body)?)
    }

    /// The form that is posted: a query may be longer than an address is allowed to be.
    fn form(&self, Request { query, time_ms, .. }: &Request, limit: Duration) -> String {
        let (seconds, rest) = (time_ms.div_euclid(1_000), time_ms.rem_euclid(1_000));
        let time = if rest == 0 { seconds.to_string() } else { format!("{seconds}.{rest:03}") };
        // The server gives up when the client does, instead of working on for nobody.
        let timeout = format!("{}ms", limit.as_millis());
        let mut url = self.inner.url.clone();
        url.query_pairs_mut()
            .append_pair("query", query)
            .append_pair("time", &time)
            .append_pair("timeout", &timeout);
        url.query().unwrap_or_default().to_owned()
    }

    /// The body, up to the limit for its kind; an error body is cut there, an answer refused.
    async fn body(&self, mut response: Response, bytes: &mut usize) -> Result<Vec<u8>, Failure> {
        let success = response.status().is_success();
        let limit = if success { MAX_BODY_BYTES } else { ERROR_BODY_BYTES };
        let too_large = || {
            let limit_mib = MAX_BODY_BYTES >> 20;
            Failure::from(QueryError::TooLarge { server: self.inner.server.clone(), limit_mib })
        };
        let announced = usize::try_from(response.content_length().unwrap_or(0)).unwrap_or(usize::MAX);
        if success && announced > limit {
            return Err(too_large());
        }
        let mut body = Vec::with_capacity(announced.min(limit));
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(&error))? {
            let room = limit - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            *bytes = body.len();
            if chunk.len() > room {
                if success {
                    return Err(too_large());
                }
                break;
            }
        }
        Ok(body)
    }

    /// What an answer means.
    fn judge(&self, code: u16, to: Option<String>, body: &[u8]) -> Result<Answer, QueryError> {
        let server = self.inner.server.clone();
        // What proxies and sign-in pages write under these is not looked at.
        if (300..400).contains(&code) {
            return Err(QueryError::Redirected {
                server,
                code,
                to: to.unwrap_or_else(|| "another address".to_owned()),
            });
        }
        if matches!(code, 401 | 403) {
            return Err(QueryError::Unauthorized { server, code });
        }
        let success = (200..300).contains(&code);
        match parse(body) {
            Ok(mut answer) if success => {
                for warning in &mut answer.warnings {
                    *warning = self.visible(warning, 300);
                }
                Ok(answer)
            }
            Err(Fault::Refused { kind, message }) => Err(match (kind.as_str(), code) {
                ("timeout", _) => self.timeout(),
                ("bad_data" | "execution", _) | (_, 400 | 422) => {
                    QueryError::BadQuery { message: self.visible(&message, 300) }
                }
                _ => QueryError::HttpStatus { server, code, excerpt: self.visible(&message, 80) },
            }),
            Err(Fault::Malformed(what)) if success => {
                Err(QueryError::NotPrometheus { server, what, excerpt: self.excerpt(body) })
            }
            Err(Fault::NotNumbers(what)) if success => Err(QueryError::BadQuery { message: what.to_owned() }),
            _ if matches!(code, 408 | 504) => Err(self.timeout()),
            _ => Err(QueryError::HttpStatus { server, code, excerpt: self.excerpt(body) }),
        }
    }

    fn failure(&self, error: &reqwest::Error) -> Failure {
        let connecting = error.is_connect();
        if error.is_timeout() && !connecting {
            return self.timeout().into();
        }
        let cause = self.visible(&innermost(error), 200);
        let error = if is_distrust(error) {
            QueryError::Untrusted { server: self.inner.server.clone(), cause }
        } else {
            self.unreachable(&cause)
        };
        Failure { error, connecting }
    }

    fn unreachable(&self, cause: &str) -> QueryError {
        QueryError::Unreachable { server: self.inner.server.clone(), cause: cause.to_owned() }
    }

    fn timeout(&self) -> QueryError {
        let limit_ms = u64::try_from(self.inner.timeout.as_millis()).unwrap_or(u64::MAX);
        QueryError::Timeout { server: self.inner.server.clone(), limit_ms }
    }

    /// Scheme, host and port of a redirect's target; its path and query are not for others to read.
    fn origin(&self, location: &HeaderValue) -> Option<String> {
        let target = self.inner.url.join(location.to_str().ok()?).ok()?;
        target.has_host().then(|| target.origin().ascii_serialization())
    }

    fn excerpt(&self, body: &[u8]) -> String {
        let text = self.visible(&String::from_utf8_lossy(&body[..body.len().min(ERROR_BODY_BYTES)]), 80);
        if text.is_empty() { "an empty body".to_owned() } else { text }
    }

    /// At most `limit` characters of `text` on one line, without what is secret.
    fn visible(&self, text: &str, limit: usize) -> String {
        // Secrets are taken out before the cut, which could leave a part of one that is no longer recognised.
        let mut line =
            text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).fold(
                String::new(),
                |line, word| if line.is_empty() { word.to_owned() } else { line + " " + word },
            );
        for secret in &self.inner.secrets {
            line = line.replace(secret, "[secret]");
        }
        match line.char_indices().nth(limit) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

/// A failed request.
struct Failure {
    error: QueryError,
    /// Whether it failed before there was a connection.
    connecting: bool,
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        Self { error, connecting: false }
    }
}

/// The innermost cause in words; reqwest's own words hold the address, which adds nothing.
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = match error.source() {
        Some(source) => source,
        None => return "the request could not be built".to_owned(),
    };
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

/// Whether a certificate was the reason. The error of rustls travels inside I/O errors, which do not name it as their
/// source.
fn is_distrust(error: &(dyn std::error::Error + 'static)) -> bool {
    let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    matches!(error.downcast_ref(), Some(rustls::Error::InvalidCertificate(_)))
        || carried.is_some_and(|inner| is_distrust(inner))
        || error.source().is_some_and(is_distrust)
}
