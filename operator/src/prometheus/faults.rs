//! What becomes of each fault that a server can show, against one on loopback that shows it.

use std::net::TcpListener;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::client::MAX_BODY_BYTES;
use super::fake::{Fake, Reply, Tls, http};
use super::*;

const PASSWORD: &str = "hunter2-hunter2";

fn settings(url: &str) -> Settings {
    Settings { url: url.to_owned(), timeout: Duration::from_secs(20), auth: None, ca_pem: None }
}

fn client_for(settings: &Settings) -> Client {
    Client::new(settings, Arc::new(Semaphore::new(4)), Arc::new(|_| {})).unwrap()
}

fn basic() -> Auth {
    Auth::Basic { username: "banyan".into(), password: Secret::new(PASSWORD) }
}

fn success(result_type: &str, result: &str) -> String {
    format!(r#"{{"status":"success","data":{{"resultType":"{result_type}","result":{result}}}}}"#)
}

/// What a meter's query becomes when the server answers everything with `status` and `body`.
async fn meter(status: &'static str, body: &str) -> Result<Vec<(i64, f64)>, QueryError> {
    let body = body.to_owned();
    let fake = Fake::start(move |_| http(status, "", &body));
    fetch_meter(&client_for(&settings(&fake.url())), "kwh", 0, 60_000, 15_000).await
}

async fn meter_error(status: &'static str, body: &str) -> QueryError {
    meter(status, body).await.unwrap_err()
}

#[tokio::test]
async fn samples_arrive_and_the_query_is_posted() {
    let body = success(
        "matrix",
        r#"[{"metric":{"__name__":"kwh"},"values":[[-1,"0"],[0,"1"],[30.5,"NaN"],[60,"+Inf"],[61,"9"]]}]"#,
    );
    let fake = Fake::start(move |_| http("200 OK", "", &body));
    let client = client_for(&settings(&format!("{}/base/", fake.url())));
    let samples = fetch_meter(&client, r#"kwh{a="b&c"}"#, 0, 60_000, 15_000).await.unwrap();
    assert_eq!(samples.iter().map(|(time, _)| *time).collect::<Vec<_>>(), [0, 30_500, 60_000]);
    assert!(samples[1].1.is_nan() && samples[2].1.is_infinite());
    let [request] = &fake.heard()[..] else { panic!("one request") };
    assert!(request.head.starts_with("POST /base/api/v1/query HTTP/1.1"), "{}", request.head);
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.header("authorization"), None);
    // Evaluated at 60 s, 60 s and 1 ms back.
    assert_eq!(request.body, "query=kwh%7Ba%3D%22b%26c%22%7D%5B60001ms%5D&time=60&timeout=20000ms");
}

#[tokio::test]
async fn a_long_range_is_several_requests_whose_samples_are_joined() {
    // Answers its own evaluation time, and one sample at a time that the request before it brought already.
    let fake = Fake::start(|request| {
        let time = request.body.split_once("time=").unwrap().1.split('&').next().unwrap().to_owned();
        http(
            "200 OK",
            "",
            &success("matrix", &format!(r#"[{{"metric":{{}},"values":[[0,"0"],[{time},"{time}"]]}}]"#)),
        )
    });
    let day = 86_400_000;
    let samples = fetch_meter(&client_for(&settings(&fake.url())), "sum(kwh)", 0, 70 * day - 1_000, 900_000)
        .await
        .unwrap();
    // The first request ends 1 ms before 35 days, is evaluated at 35 days, and that sample is the second's to bring.
    assert_eq!(samples, [(0, 0.0), (70 * day - 1_000, (70.0 * 86_400.0) - 1.0)]);
    assert_eq!(fake.heard().len(), 2);
}

#[tokio::test]
async fn one_value_of_a_scalar_or_vector() {
    for body in [
        success("scalar", r#"[5,"1450"]"#),
        success("vector", r#"[{"metric":{"a":"b"},"value":[5,"1450"]}]"#),
    ] {
        let fake = Fake::start(move |_| http("200 OK", "", &body));
        let value = fetch_value(&client_for(&settings(&fake.url())), "racks", 5_250).await.unwrap();
        assert!((value - 1450.0).abs() < f64::EPSILON);
        assert!(fake.heard()[0].body.contains("query=racks&time=5.250&"), "{:?}", fake.heard());
    }
}

#[tokio::test]
async fn a_server_that_is_down_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{free}");
    let error = client_for(&settings(&url)).instant("up", 0).await.unwrap_err();
    assert_eq!(error.category(), "PrometheusUnreachable");
    assert!(
        error.to_string().starts_with(&format!("{url} could not be reached: Connection refused")),
        "{error}"
    );
}

#[tokio::test]
async fn a_slow_server_is_given_up_at_the_limit() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{\"status\":".to_vec();
    for bytes in [Vec::new(), head] {
        let fake = Fake::start(move |_| Reply::Hang(bytes.clone()));
        let limit = Duration::from_millis(300);
        let client = client_for(&Settings { timeout: limit, ..settings(&fake.url()) });
        let started = Instant::now();
        let error = client.instant("up", 0).await.unwrap_err();
        assert_eq!(error, QueryError::Timeout { server: fake.url(), limit_ms: 300 });
        // Generous, since the machine may be busy; without the limit it would never end.
        assert!((limit..Duration::from_secs(10)).contains(&started.elapsed()));
    }
}

#[tokio::test]
async fn a_page_of_html_is_not_prometheus() {
    let page = "<!DOCTYPE html>\n<html>\n\t<head><title>Sign in</title></head>".to_owned() + &"x".repeat(200);
    let QueryError::NotPrometheus { what, excerpt, .. } = meter_error("200 OK", &page).await else {
        panic!()
    };
    assert_eq!(what, "is not JSON");
    assert!(
        excerpt.starts_with("<!DOCTYPE html> <html> <head><title>Sign in</title></head>xxx"),
        "{excerpt}"
    );
    assert_eq!(excerpt.chars().count(), 81, "80 characters and an ellipsis");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let whole = success("matrix", r#"[{"metric":{},"values":[[0,"1"],[30,"2"]]}]"#);
    assert_eq!(meter("200 OK", &whole).await.unwrap(), [(0, 1.0), (30_000, 2.0)]);
    // Cut by the server, with the length of what is left.
    let error = meter_error("200 OK", &whole[..whole.len() - 20]).await;
    assert!(matches!(error, QueryError::NotPrometheus { what: "breaks off", .. }), "{error:?}");
    let error = meter_error("200 OK", "").await;
    assert!(error.to_string().contains("breaks off (an empty body)"), "{error}");
    // Cut by the connection: shorter than announced.
    let cut = Fake::start(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", whole.len());
        Reply::Close((head + &whole[..20]).into_bytes())
    });
    let error = client_for(&settings(&cut.url())).instant("up", 0).await.unwrap_err();
    assert_eq!(error.category(), "PrometheusUnreachable", "{error}");
}

#[tokio::test]
async fn no_series_several_series_and_partial_answers_differ() {
    let empty = success("matrix", "[]");
    assert_eq!(meter_error("200 OK", &empty).await, QueryError::Empty);
    let two = success(
        "matrix",
        r#"[{"metric":{"feed":"b"},"values":[[0,"1"]]},{"metric":{"feed":"a"},"values":[[0,"1"]]}]"#,
    );
    let (first, second) = (r#"{feed="a"}"#.to_owned(), r#"{feed="b"}"#.to_owned());
    assert_eq!(meter_error("200 OK", &two).await, QueryError::MultipleSeries { count: 2, first, second });
    // A partial answer is partial even when it is empty, which may be for that reason alone.
    let warned = empty.replace("\"data\"", "\"warnings\":[\"store gateway 10.0.0.1: EOF\"],\"data\"");
    let error = meter_error("200 OK", &warned).await;
    assert_eq!(error, QueryError::Partial { warnings: vec!["store gateway 10.0.0.1: EOF".into()] });
    let marked = empty.replace("\"data\"", "\"isPartial\":true,\"data\"");
    assert_eq!(meter_error("200 OK", &marked).await.category(), "PartialAnswer");
}

#[tokio::test]
async fn errors_of_the_server_are_told_apart() {
    let body = |kind: &str| format!(r#"{{"status":"error","errorType":"{kind}","error":"why it failed"}}"#);
    for (status, kind, category) in [
        ("400 Bad Request", "bad_data", "BadQuery"),
        ("422 Unprocessable Entity", "execution", "BadQuery"),
        ("422 Unprocessable Entity", "422", "BadQuery"),
        ("200 OK", "bad_data", "BadQuery"),
        ("503 Service Unavailable", "timeout", "PrometheusTimeout"),
        ("503 Service Unavailable", "unavailable", "PrometheusFailed"),
        ("429 Too Many Requests", "too_many_requests", "PrometheusFailed"),
        ("500 Internal Server Error", "internal", "PrometheusFailed"),
    ] {
        let error = meter_error(status, &body(kind)).await;
        assert_eq!(error.category(), category, "{status} {kind}");
        assert_eq!(error.to_string().contains("why it failed"), category != "PrometheusTimeout", "{error}");
    }
    for (status, category) in [
        ("502 Bad Gateway", "PrometheusFailed"),
        ("504 Gateway Timeout", "PrometheusTimeout"),
        ("404 Not Found", "PrometheusFailed"),
        ("400 Bad Request", "PrometheusFailed"),
        ("401 Unauthorized", "PrometheusUnauthorized"),
        ("403 Forbidden", "PrometheusUnauthorized"),
    ] {
        let error = meter_error(status, "<html>proxy</html>").await;
        assert_eq!(error.category(), category, "{status}");
    }
    // An answer under an error's status is not believed.
    let good = success("matrix", r#"[{"metric":{},"values":[[0,"1"]]}]"#);
    assert_eq!(meter_error("500 Internal Server Error", &good).await.category(), "PrometheusFailed");
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() {
    let announced = Fake::start(|_| {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", MAX_BODY_BYTES + 1);
        Reply::Hang(head.into_bytes())
    });
    let error = client_for(&settings(&announced.url())).instant("up", 0).await.unwrap_err();
    assert_eq!(error, QueryError::TooLarge { server: announced.url(), limit_mib: 16 });
    // Of no announced length: read to the limit and no further.
    let read = Arc::new(Mutex::new(0));
    let endless = Fake::start(|_| {
        let mut bytes = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec();
        bytes.resize(bytes.len() + MAX_BODY_BYTES + 1, b' ');
        Reply::Hang(bytes)
    });
    let hook: Hook = Arc::new({
        let read = Arc::clone(&read);
        move |asked: &Asked| *read.lock().unwrap() = asked.bytes
    });
    let client = Client::new(&settings(&endless.url()), Arc::new(Semaphore::new(1)), hook).unwrap();
    let error = client.instant("up", 0).await.unwrap_err();
    assert_eq!(error.category(), "AnswerTooLarge");
    assert_eq!(*read.lock().unwrap(), MAX_BODY_BYTES);
}

#[tokio::test]
async fn credentials_reach_their_server_and_show_nowhere_else() {
    // Base64 of banyan:hunter2-hunter2.
    let encoded = "YmFueWFuOmh1bnRlcjItaHVudGVyMg==";
    for (auth, expected) in [
        (basic(), format!("Basic {encoded}")),
        (Auth::Bearer(Secret::new(PASSWORD)), format!("Bearer {PASSWORD}")),
    ] {
        let tls = Tls::new();
        // A server, or a proxy before it, that prints what it was sent.
        let fake = Fake::start_with(Some(&tls), |request| {
            http("500 Oh", "", request.header("authorization").unwrap())
        });
        let ca_pem = Some(tls.ca_pem.clone());
        let settings = Settings { auth: Some(auth), ca_pem, ..settings(&fake.url()) };
        let client = client_for(&settings);
        let error = client.instant("up", 0).await.unwrap_err();
        assert_eq!(fake.heard()[0].header("authorization"), Some(expected.as_str()));
        assert!(error.to_string().contains("[secret]"), "{error}");
        for text in [error.to_string(), format!("{error:?}"), format!("{client:?}"), format!("{settings:?}")]
        {
            assert!(!text.contains("hunter2") && !text.contains(encoded), "{text}");
        }
    }
}

#[tokio::test]
async fn unusable_credentials_are_refused_before_anything_is_sent() {
    for auth in [
        Auth::Bearer(Secret::new("two\nlines")),
        Auth::Basic { username: "a:b".into(), password: Secret::new("c") },
    ] {
        let settings = Settings { auth: Some(auth), ..settings("https://p") };
        let error = Client::new(&settings, Arc::new(Semaphore::new(1)), Arc::new(|_| {})).unwrap_err();
        assert_eq!(error.category(), "PrometheusMisconfigured");
        assert!(!error.to_string().contains("two"), "{error}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Fake::start(|_| http("200 OK", "", "{}"));
    for status in ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let tls = Tls::new();
        let location = format!("location: {}/api/v1/query?token=hunter2\r\n", other.url());
        let fake = Fake::start_with(Some(&tls), move |_| http(status, &location, ""));
        let settings =
            Settings { auth: Some(basic()), ca_pem: Some(tls.ca_pem.clone()), ..settings(&fake.url()) };
        let error = client_for(&settings).instant("up", 0).await.unwrap_err();
        let code = status[..3].parse().unwrap();
        assert_eq!(error, QueryError::Redirected { server: fake.url(), code, to: other.url() });
    }
    assert_eq!(other.connections(), 0, "nothing was sent to the other host");
}

#[tokio::test]
async fn only_the_given_authority_is_trusted() {
    let (tls, other) = (Tls::new(), Tls::new());
    let fake = Fake::start_with(Some(&tls), |_| http("200 OK", "", &success("scalar", r#"[0,"1"]"#)));
    let with = |ca_pem: Option<&Tls>| Settings {
        ca_pem: ca_pem.map(|tls| tls.ca_pem.clone()),
        ..settings(&fake.url())
    };
    assert!(client_for(&with(Some(&tls))).instant("1", 0).await.is_ok());
    let error = client_for(&with(Some(&other))).instant("1", 0).await.unwrap_err();
    assert_eq!(error.category(), "PrometheusUntrusted");
    assert!(error.to_string().contains("caConfigMapRef"), "{error}");
    assert_eq!(fake.heard().len(), 1, "no request over the connection that is not trusted");
    // Both in one bundle.
    let bundle = [other.ca_pem.clone(), tls.ca_pem.clone()].concat();
    assert!(client_for(&Settings { ca_pem: Some(bundle), ..with(None) }).instant("1", 0).await.is_ok());
    // Another name than the certificate's.
    let elsewhere = Settings { url: fake.url().replace("127.0.0.1", "localhost"), ..with(Some(&tls)) };
    assert_eq!(client_for(&elsewhere).instant("1", 0).await.unwrap_err().category(), "PrometheusUntrusted");
    // The system's roots do not know it; a system without roots is told of when the client is made.
    let category = match Client::new(&with(None), Arc::new(Semaphore::new(1)), Arc::new(|_| {})) {
        Ok(client) => client.instant("1", 0).await.unwrap_err().category(),
        Err(error) => error.category(),
    };
    assert!(["PrometheusUntrusted", "PrometheusMisconfigured"].contains(&category), "{category}");
}

#[tokio::test]
async fn an_authority_that_is_no_pem_is_refused() {
    for pem in ["", "hello", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let settings = Settings { ca_pem: Some(pem.into()), ..settings("https://p") };
        let error = Client::new(&settings, Arc::new(Semaphore::new(1)), Arc::new(|_| {})).unwrap_err();
        assert_eq!(error.category(), "PrometheusMisconfigured", "{pem:?}");
    }
}

#[tokio::test]
async fn a_server_without_connection_is_not_asked_again_at_once() {
    let (tls, other) = (Tls::new(), Tls::new());
    let fake = Fake::start_with(Some(&tls), |_| http("200 OK", "", ""));
    let client = client_for(&Settings { ca_pem: Some(other.ca_pem.clone()), ..settings(&fake.url()) });
    let first = client.instant("1", 0).await.unwrap_err();
    // Within two seconds of the first, unless the machine stands still.
    assert_eq!(client.instant("1", 0).await.unwrap_err(), first);
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_server_that_never_answers_is_not_waited_for_again_and_again() {
    let fake = Fake::start(|_| Reply::Hang(Vec::new()));
    let client = client_for(&Settings { timeout: Duration::from_millis(200), ..settings(&fake.url()) });
    for _ in 0..2 {
        client.instant("up", 0).await.unwrap_err();
    }
    // The cheap query finds out, and then it is left alone, for everybody: within two seconds of it, unless the machine
    // stands still.
    for _ in 0..20 {
        let error = client.instant("up", 0).await.unwrap_err();
        assert_eq!(error, QueryError::Timeout { server: fake.url(), limit_ms: 200 });
    }
    let heard = fake.heard();
    assert_eq!(heard.len(), 3, "{heard:?}");
    assert!(heard[2].body.starts_with("query=vector%281%29&time=0&"), "{}", heard[2].body);
}

#[tokio::test]
async fn slow_queries_do_not_hide_the_others_of_their_server() {
    let fake = Fake::start(|request| {
        if request.body.contains("slow") {
            Reply::Hang(Vec::new())
        } else {
            http("200 OK", "", &success("scalar", r#"[0,"1"]"#))
        }
    });
    let client = client_for(&Settings { timeout: Duration::from_millis(500), ..settings(&fake.url()) });
    for _ in 0..2 {
        for query in ["slow_a", "slow_b", "slow_c"] {
            assert_eq!(client.instant(query, 0).await.unwrap_err().category(), "PrometheusTimeout");
        }
        client.instant("quick", 0).await.unwrap();
    }
}

#[tokio::test]
async fn a_place_is_not_waited_for_for_ever() {
    let permits = Arc::new(Semaphore::new(0));
    let fake = Fake::start(|_| http("200 OK", "", ""));
    let limit = Duration::from_millis(50);
    let client =
        Client::new(&Settings { timeout: limit, ..settings(&fake.url()) }, permits, Arc::new(|_| {}))
            .unwrap();
    assert_eq!(client.instant("up", 0).await.unwrap_err().category(), "PrometheusTimeout");
    assert_eq!(fake.connections(), 0);
}

#[tokio::test]
async fn the_common_limit_holds_over_all_servers() {
    // Each server lets a request go only when two are in work, so that fewer would hang and more would be counted.
    #[derive(Default)]
    struct Work {
        now: usize,
        most: usize,
    }
    let work = Arc::new((Mutex::new(Work::default()), Condvar::new()));
    let serve = || {
        let work = Arc::clone(&work);
        Fake::start(move |_| {
            let (lock, changed) = &*work;
            let mut state = lock.lock().unwrap();
            state.now += 1;
            state.most = state.most.max(state.now);
            changed.notify_all();
            state = changed.wait_while(state, |state| state.most < 2).unwrap();
            state.now -= 1;
            http("200 OK", "", &success("scalar", r#"[0,"1"]"#))
        })
    };
    let (a, b) = (serve(), serve());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let hook: Hook = Arc::new({
        let asked = Arc::clone(&asked);
        move |one: &Asked| asked.lock().unwrap().push(*one)
    });
    let clients = Clients::new(2, hook);
    let (a, b) = (clients.get(&settings(&a.url())).unwrap(), clients.get(&settings(&b.url())).unwrap());
    let requests = (0..12).map(|at| if at % 2 == 0 { a.instant("1", 0) } else { b.instant("1", 0) });
    let answers = futures::future::join_all(requests).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(work.0.lock().unwrap().most, 2);
    let asked = asked.lock().unwrap();
    let bytes = success("scalar", r#"[0,"1"]"#).len();
    assert_eq!(asked.len(), 12);
    assert!(asked.iter().all(|one| one.outcome == "Success" && one.bytes == bytes), "{asked:?}");
}
