//! Reads HTTP/1.1 requests (RFC 9112) whole, as bytes.

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest head of a request; one of kube's is a tenth of it.
const HEAD_LIMIT: usize = 64 * 1024;

/// A request as it came.
#[derive(Debug)]
pub struct Request {
    /// The method, such as `PATCH`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Head and body.
    pub bytes: Vec<u8>,
}

/// Reads one request after another from a connection.
pub struct Reader<R> {
    stream: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// A reader at the begin of a connection.
    pub fn new(stream: R) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// The next request; `None` at the end of the connection.
    ///
    /// # Errors
    /// When the connection breaks within a request, and for a body without `Content-Length`, which no client here sends.
    pub async fn next(&mut self) -> Result<Option<Request>> {
        let head = loop {
            if let Some(end) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            ensure!(self.buffer.len() < HEAD_LIMIT, "a request's head is longer than {HEAD_LIMIT} bytes");
            if self.more().await? == 0 {
                ensure!(self.buffer.is_empty(), "the connection ended within a request's head");
                return Ok(None);
            }
        };
        let text = std::str::from_utf8(&self.buffer[..head]).context("a request's head is not text")?;
        let mut lines = text.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            bail!("a request's first line has no target");
        };
        let (method, target) = (method.to_owned(), target.to_owned());
        let mut length = 0;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().with_context(|| format!("Content-Length: {value}"))?;
            }
            ensure!(!name.eq_ignore_ascii_case("transfer-encoding"), "a request's body comes in pieces");
        }
        while self.buffer.len() < head + length {
            ensure!(self.more().await? > 0, "the connection ended within a request's body");
        }
        let rest = self.buffer.split_off(head + length);
        let bytes = std::mem::replace(&mut self.buffer, rest);
        Ok(Some(Request { method, target, bytes }))
    }

    /// Waits until the client has closed the connection.
    pub async fn closed(&mut self) {
        // An error is an end as well.
        while self.more().await.unwrap_or(0) > 0 {}
    }

    async fn more(&mut self) -> std::io::Result<usize> {
        self.stream.read_buf(&mut self.buffer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_are_told_apart_by_the_length_of_their_bodies() {
        let bytes =
            b"PATCH /a?b=c HTTP/1.1\r\ncontent-length: 4\r\n\r\n{\r\n}GET /d HTTP/1.1\r\nHost: x\r\n\r\n";
        let mut reader = Reader::new(&bytes[..]);
        let first = reader.next().await.unwrap().unwrap();
        assert_eq!((first.method.as_str(), first.target.as_str()), ("PATCH", "/a?b=c"));
        assert!(first.bytes.ends_with(b"{\r\n}"));
        let second = reader.next().await.unwrap().unwrap();
        assert_eq!((second.method.as_str(), second.target.as_str()), ("GET", "/d"));
        assert!(reader.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn half_a_request_is_an_error_and_no_request() {
        for half in ["POST /a HTTP/1.1\r\nContent-Len", "POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"] {
            assert!(Reader::new(half.as_bytes()).next().await.is_err(), "{half}");
        }
    }
}
