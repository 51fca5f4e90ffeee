//! A meter exporter: serves what a function says at `/metrics`, whatever the path asked for.

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A running exporter. Dropping it ends it.
pub struct Exporter {
    address: String,
    task: JoinHandle<()>,
}

impl Exporter {
    /// Serves on a free loopback port; `readings` is asked for the text at every scrape.
    pub async fn start(readings: impl Fn() -> String + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listening for scrapes")?;
        let address = listener.local_addr()?.to_string();
        let task = tokio::spawn(async move {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { continue };
                let body = readings();
                // One request a connection: Prometheus copes, and scrapes are rare.
                let mut request = [0; 2048];
                if stream.read(&mut request).await.is_err() {
                    continue;
                }
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                    body.len()
                );
                // A scraper that went away will be back.
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(body.as_bytes()).await;
            }
        });
        Ok(Self { address, task })
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        self.task.abort();
    }
}
