//! A server for tests on a loopback port, that answers exactly the bytes it is told to, well-formed or not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// A request as the server heard it.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) head: String,
    pub(super) body: String,
}

impl Heard {
    /// The value of a header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }
}

/// What the server does with a request.
pub(super) enum Reply {
    /// Writes these bytes and closes.
    Close(Vec<u8>),
    /// Writes these bytes and waits until the client goes away.
    Hang(Vec<u8>),
}

/// An HTTP response with `body` and its right length.
pub(super) fn http(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n");
    Reply::Close((head + body).into_bytes())
}

/// A server with an authority of its own, both for one test.
pub(super) struct Tls {
    pub(super) ca_pem: Vec<u8>,
    config: Arc<rustls::ServerConfig>,
}

impl Tls {
    pub(super) fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let ca = rcgen::CertifiedIssuer::self_signed(params, rcgen::KeyPair::generate().unwrap()).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &ca).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Self { ca_pem: ca.pem().into_bytes(), config: Arc::new(config) }
    }
}

/// The server; it stops when dropped.
pub(super) struct Fake {
    address: SocketAddr,
    scheme: &'static str,
    heard: Arc<Mutex<Vec<Heard>>>,
    connections: Arc<Mutex<usize>>,
    stop: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

impl Fake {
    pub(super) fn start(reply: impl Fn(&Heard) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, reply)
    }

    pub(super) fn start_with(
        tls: Option<&Tls>,
        reply: impl Fn(&Heard) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, connections, stop) =
            <(Arc<Mutex<Vec<Heard>>>, Arc<Mutex<usize>>, Arc<AtomicBool>)>::default();
        let (config, reply) = (tls.map(|tls| Arc::clone(&tls.config)), Arc::new(reply));
        let acceptor = thread::spawn({
            let (heard, connections, stop) =
                (Arc::clone(&heard), Arc::clone(&connections), Arc::clone(&stop));
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    *connections.lock().unwrap() += 1;
                    let (stream, heard, reply, config) =
                        (stream.unwrap(), Arc::clone(&heard), Arc::clone(&reply), config.clone());
                    // Errors are the client's going away, which many of the tests are about.
                    thread::spawn(move || match config {
                        None => talk(stream, &heard, &*reply),
                        Some(config) => {
                            let connection = rustls::ServerConnection::new(config).unwrap();
                            talk(rustls::StreamOwned::new(connection, stream), &heard, &*reply)
                        }
                    });
                }
            }
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        Self { address, scheme, heard, connections, stop, acceptor: Some(acceptor) }
    }

    pub(super) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// Connections so far, with a request or without.
    pub(super) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the acceptor.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// Hears one request and replies to it.
fn talk(
    mut stream: impl Read + Write,
    heard: &Mutex<Vec<Heard>>,
    reply: &dyn Fn(&Heard) -> Reply,
) -> std::io::Result<()> {
    let request = hear(&mut stream)?;
    heard.lock().unwrap().push(request.clone());
    match reply(&request) {
        Reply::Close(bytes) => stream.write_all(&bytes)?,
        Reply::Hang(bytes) => {
            stream.write_all(&bytes)?;
            stream.flush()?;
            let _ = stream.read(&mut [0; 1])?;
        }
    }
    stream.flush()
}

fn hear(stream: &mut impl Read) -> std::io::Result<Heard> {
    let mut text = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        text.extend_from_slice(&piece[..count]);
        let all = String::from_utf8_lossy(&text);
        if let Some((head, body)) = all.split_once("\r\n\r\n") {
            let request = Heard { head: head.to_owned(), body: body.to_owned() };
            let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
            if request.body.len() >= length {
                return Ok(request);
            }
        }
    }
}
