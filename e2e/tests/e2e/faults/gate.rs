//! What stands between the operator and its Prometheus: a gateway that lets requests through, or answers them itself.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, bail};
use banyan_e2e::prometheus::local_http;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What the gateway does with a request.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Hands it to Prometheus, and back what that answers.
    Pass,
    /// Answers with this status line, these headers and this body.
    Answer(&'static str, String, &'static str),
}

/// A running gateway. Dropping it ends it.
pub struct Gate {
    url: String,
    mode: Arc<Mutex<Mode>>,
    task: JoinHandle<()>,
}

impl Gate {
    /// Stands before the server with this base address, and lets everything through.
    pub async fn start(server: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("opening the gate")?;
        let url = format!("http://{}", listener.local_addr()?);
        let mode = Arc::new(Mutex::new(Mode::Pass));
        let (shared, server, http) = (mode.clone(), server.to_owned(), local_http()?);
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (mode, server, http) = (shared.clone(), server.clone(), http.clone());
                tokio::spawn(async move {
                    // Whoever asked sees a connection that breaks, and says so.
                    let _ = serve(stream, &mode, &server, &http).await;
                });
            }
        });
        Ok(Self { url, mode, task })
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What it does from now on.
    pub fn set(&self, mode: Mode) {
        *self.mode.lock().unwrap_or_else(PoisonError::into_inner) = mode;
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request a connection, so that a change of mode holds from the next request on.
async fn serve(
    mut stream: TcpStream,
    mode: &Mutex<Mode>,
    server: &str,
    http: &reqwest::Client,
) -> Result<()> {
    let (path, body) = read(&mut stream).await?;
    let mode = mode.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (status, headers, body) = match mode {
        Mode::Answer(status, headers, body) => (status.to_owned(), headers, body.as_bytes().to_vec()),
        Mode::Pass => {
            let request = http.post(format!("{server}{path}")).body(body);
            let answer = request.header("Content-Type", "application/x-www-form-urlencoded").send().await?;
            let status = answer.status().to_string();
            (status, "Content-Type: application/json\r\n".to_owned(), answer.bytes().await?.to_vec())
        }
    };
    let head =
        format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(&body).await?;
    Ok(())
}

/// Path and body of a request.
async fn read(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut text = Vec::new();
    let mut more = [0; 4096];
    loop {
        if let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..end]).to_lowercase();
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
                .unwrap_or(0);
            if text.len() >= end + 4 + length {
                let first =
                    String::from_utf8_lossy(&text[..end]).lines().next().unwrap_or_default().to_owned();
                let path = first.split(' ').nth(1).context("a request without a path")?.to_owned();
                return Ok((path, text.split_off(end + 4)));
            }
        }
        match stream.read(&mut more).await? {
            0 => bail!("the request ended early"),
            count => text.extend_from_slice(&more[..count]),
        }
    }
}
