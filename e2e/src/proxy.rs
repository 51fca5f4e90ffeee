//! A proxy between one client and the API server that can stop the world at a write of one's choice.
//!
//! It ends the client's TLS with a certificate of its own authority, reads each HTTP/1.1 request whole, and passes it
//! on, bearer token and all, over a TLS connection of its own; answers, watches among them, are passed back as they
//! come. It writes down every request. A [`Trap`] freezes all traffic at the n-th write: nothing passes any more in
//! either direction until [`Proxy::heal`] or [`Proxy::reset`], so that whatever the test does meanwhile, such as killing
//! the client, happens at exactly that point.

mod request;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::chart::{NAMESPACE, RELEASE};
use crate::controlplane::ControlPlane;
use crate::dirs;
use crate::kubeconfig::{self, Login};
use crate::pki::{Authority, Pair};
use request::Reader;

/// On which side of the server the world stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The write has left the client and does not reach the server.
    Before,
    /// The server has answered, and the client does not see it.
    After,
}

/// Where the world stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    /// At which counted write, the first one being 1.
    pub write: usize,
    /// On which side of the server.
    pub side: Side,
}

/// A request that has arrived from the client.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When it had arrived in whole.
    pub at: Timestamp,
    /// The HTTP method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// When it was passed on to the server; none while it is held, and for ever if the client went away meanwhile.
    pub forwarded: Option<Timestamp>,
    /// When the client went away while the request was held.
    pub abandoned: Option<Timestamp>,
}

impl Sent {
    /// Whether it writes anything that counts: no Lease, no Event, no dry run, no access review.
    pub fn is_write(&self) -> bool {
        let (path, query) = self.target.split_once('?').unwrap_or((&self.target, ""));
        matches!(self.method.as_str(), "POST" | "PUT" | "PATCH" | "DELETE")
            && !query.split('&').any(|part| part.starts_with("dryRun="))
            && !path.split('/').any(|part| matches!(part, "leases" | "events") || part.ends_with("reviews"))
    }

    /// Whether it writes a Lease.
    pub fn is_renewal(&self) -> bool {
        matches!(self.method.as_str(), "POST" | "PUT") && self.target.contains("/leases")
    }
}

/// A running proxy. Dropping it ends it and every connection through it.
pub struct Proxy {
    address: SocketAddr,
    authority: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free loopback port for clients of this control plane's API server.
    pub async fn start(plane: &ControlPlane) -> Result<Self> {
        crate::install_crypto();
        let authority = Authority::new("banyan-e2e-proxy")?;
        let acceptor = TlsAcceptor::from(Arc::new(server_config(&authority.server("proxy")?)?));
        let connector = TlsConnector::from(Arc::new(client_config(&plane.authority_cert())?));
        let upstream = plane.url().trim_start_matches("https://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.context("listening for the proxy's client")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let accepting = {
            let shared = Arc::clone(&shared);
            tokio::spawn(async move {
                loop {
                    // A connection that failed before it began will be tried again by the client.
                    let Ok((stream, _)) = listener.accept().await else { continue };
                    let connection = Connection {
                        acceptor: acceptor.clone(),
                        connector: connector.clone(),
                        upstream: upstream.clone(),
                        shared: Arc::clone(&shared),
                        born: *shared.generation.borrow(),
                        trapped: AtomicBool::new(false),
                    };
                    tokio::spawn(connection.run(stream));
                }
            })
        };
        Ok(Self { address, authority: authority.cert(), shared, accepting })
    }

    /// Writes a kubeconfig of the operator's service account that goes through this proxy, and returns its path.
    pub async fn kubeconfig(&self, plane: &ControlPlane) -> Result<PathBuf> {
        self.kubeconfig_with(&plane.token_for(NAMESPACE, RELEASE).await?)
    }

    /// As [`Proxy::kubeconfig`], for whoever has this bearer token.
    pub fn kubeconfig_with(&self, token: &str) -> Result<PathBuf> {
        let path = dirs::fresh("proxy")?.join("kubeconfig");
        let server = format!("https://{}", self.address);
        kubeconfig::write(&path, "proxy", &server, &self.authority, &Login::Token(token.to_owned()))?;
        Ok(path)
    }

    /// Sets a trap; writes are counted from now on.
    pub fn arm(&self, trap: Trap) {
        let mut state = self.shared.state();
        state.trap = Some(trap);
        state.writes = 0;
    }

    /// Waits until the trap has sprung.
    pub async fn sprung(&self) {
        // The sender lives as long as this.
        let _ = self.shared.sprung.subscribe().wait_for(|sprung| *sprung).await;
    }

    /// Lets the traffic go on, what is held first; a request whose client went away is not passed on any more.
    pub fn heal(&self) {
        self.shared.state().trap = None;
        self.shared.sprung.send_replace(false);
        self.shared.frozen.send_replace(false);
    }

    /// Ends every connection and forgets everything: the next client starts anew.
    pub fn reset(&self) {
        // The connections first: nothing that is held may slip through.
        self.shared.generation.send_modify(|generation| *generation += 1);
        *self.shared.state() = State::default();
        self.heal();
    }

    /// Every request since the start or the last reset, in the order of arrival.
    pub fn sent(&self) -> Vec<Sent> {
        self.shared.state().sent.clone()
    }

    /// As [`Proxy::sent`], the counted writes only.
    pub fn writes(&self) -> Vec<Sent> {
        let mut sent = self.sent();
        sent.retain(Sent::is_write);
        sent
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.shared.generation.send_modify(|generation| *generation += 1);
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    frozen: watch::Sender<bool>,
    sprung: watch::Sender<bool>,
    /// Connections of an earlier generation end.
    generation: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    sent: Vec<Sent>,
    writes: usize,
    trap: Option<Trap>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops all traffic.
    fn spring(&self) {
        self.frozen.send_replace(true);
        self.sprung.send_replace(true);
    }

    /// Waits while the traffic is stopped.
    async fn flowing(&self) {
        // The sender lives as long as the connections.
        let _ = self.frozen.subscribe().wait_for(|frozen| !frozen).await;
    }

    /// Takes down a request and tells its place in the list and on which side of the server the world stops with it.
    fn arrived(&self, method: &str, target: &str) -> (usize, Option<Side>) {
        let mut state = self.state();
        let sent = Sent {
            at: Timestamp::now(),
            method: method.to_owned(),
            target: target.to_owned(),
            forwarded: None,
            abandoned: None,
        };
        let counted = sent.is_write();
        state.sent.push(sent);
        state.writes += usize::from(counted);
        let writes = state.writes;
        let side = state.trap.filter(|trap| counted && trap.write == writes).map(|trap| trap.side);
        (state.sent.len() - 1, side)
    }

    fn note(&self, place: usize, change: impl FnOnce(&mut Sent)) {
        // Nothing is there after a reset.
        if let Some(sent) = self.state().sent.get_mut(place) {
            change(sent);
        }
    }
}

struct Connection {
    acceptor: TlsAcceptor,
    connector: TlsConnector,
    upstream: String,
    shared: Arc<Shared>,
    /// The generation that it belongs to.
    born: u64,
    /// The next answer of the server is the one that the client must not see.
    trapped: AtomicBool,
}

impl Connection {
    async fn run(self, stream: TcpStream) {
        let mut generation = self.shared.generation.subscribe();
        tokio::select! {
            ended = self.pass(stream) => {
                // How a client or a server ends its connections is its own affair.
                if let Err(error) = ended {
                    tracing::debug!("a connection through the proxy ended: {error:#}");
                }
            }
            _ = generation.wait_for(|now| *now != self.born) => {}
        }
    }

    async fn pass(&self, stream: TcpStream) -> Result<()> {
        // A network that is down makes no new connections either.
        self.shared.flowing().await;
        let client = self.acceptor.accept(stream).await.context("the client's TLS")?;
        let server = TcpStream::connect(&self.upstream).await.context("connecting to the API server")?;
        let name = ServerName::try_from("127.0.0.1")?;
        let server = self.connector.connect(name, server).await.context("the API server's TLS")?;
        let (from_client, to_client) = tokio::io::split(client);
        let (from_server, to_server) = tokio::io::split(server);
        tokio::select! {
            ended = self.requests(Reader::new(from_client), to_server) => ended,
            ended = self.answers(from_server, to_client) => ended,
        }
    }

    async fn requests<R, W>(&self, mut client: Reader<R>, mut server: W) -> Result<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while let Some(request) = client.next().await? {
            let (place, side) = self.shared.arrived(&request.method, &request.target);
            if side == Some(Side::Before) {
                self.shared.spring();
            }
            tokio::select! {
                biased;
                () = self.shared.flowing() => {}
                () = client.closed() => {
                    self.shared.note(place, |sent| sent.abandoned = Some(Timestamp::now()));
                    bail!("the client went away while {} {} was held", request.method, request.target);
                }
            }
            // The traffic flows again after a reset as well, whose news may not have come round yet.
            ensure!(*self.shared.generation.borrow() == self.born, "the proxy was reset");
            self.shared.note(place, |sent| sent.forwarded = Some(Timestamp::now()));
            // Before the request is passed on: its answer may come at once.
            self.trapped.store(side == Some(Side::After), Ordering::SeqCst);
            server.write_all(&request.bytes).await?;
            server.flush().await?;
        }
        Ok(())
    }

    async fn answers<R, W>(&self, mut server: R, mut client: W) -> Result<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = server.read(&mut buffer).await?;
            if read == 0 {
                return Ok(());
            }
            if self.trapped.swap(false, Ordering::SeqCst) {
                self.shared.spring();
            }
            self.shared.flowing().await;
            client.write_all(&buffer[..read]).await?;
            client.flush().await?;
        }
    }
}

/// Without ALPN, so that clients speak HTTP/1.1.
fn server_config(pair: &Pair) -> Result<rustls::ServerConfig> {
    let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes()).context("reading the certificate")?;
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).context("reading the key")?;
    let builder = rustls::ServerConfig::builder().with_no_client_auth();
    builder.with_single_cert(vec![cert], key).context("serving by the certificate")
}

fn client_config(authority: &str) -> Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).context("reading the authority")?)?;
    Ok(rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}
