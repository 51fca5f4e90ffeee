//! A program in a network namespace of its own, and every place that it wants to go to.
//!
//! The namespace has loopback and nothing else, and every address there is counts as loopback's: a connection to anywhere
//! leaves a packet that is seen, and goes nowhere. Chosen ports of this machine's loopback are there under their own
//! numbers: a relay inside passes each connection on through a Unix socket, which knows no network namespaces, to a relay
//! outside. So a program with an API server's and a Prometheus' address works as ever, and whatever else it tries is told.
//!
//! Needs `unshare` and `ip`, which every distribution has, and root or user namespaces.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::task::JoinHandle;

use crate::dirs;
use crate::process::{Child, Spec};
use crate::wait::until;

/// How long a small tool may take.
const LIMIT: Duration = Duration::from_secs(20);
/// How often the program inside looks whether its parent is still there.
const PARENT: Duration = Duration::from_millis(500);

/// Arguments of the part that runs inside.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A loopback port inside that leads to this one outside, by the socket `<folder>/<port>`.
    #[arg(long = "reach")]
    reach: Vec<u16>,
    /// A loopback port inside that is reached from outside, by the socket `<folder>/<port>`.
    #[arg(long = "offer")]
    offer: Vec<u16>,
    /// The folder of the sockets.
    #[arg(long)]
    sockets: PathBuf,
    /// The file that destinations are written to, a line each.
    #[arg(long)]
    seen: PathBuf,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// A program that runs in a namespace of its own. Dropping it kills it.
pub struct Confined {
    child: Child,
    seen: PathBuf,
    offered: SocketAddr,
    relays: Vec<JoinHandle<()>>,
    /// Holds the sockets, whose paths must be short.
    _sockets: tempfile::TempDir,
}

impl Confined {
    /// Runs `spec` inside. `reach` are loopback ports of this machine that it can connect to, `offer` is a port that it
    /// listens on inside.
    ///
    /// # Errors
    /// When this machine lets nobody make a network namespace: that is said, since nothing can be shown then.
    pub async fn start(spec: Spec, reach: &[u16], offer: u16) -> Result<Self> {
        let unshare = unshare().await?;
        let sockets = tempfile::Builder::new().prefix("banyan-").tempdir().context("making a folder")?;
        let seen = dirs::fresh("seen")?.join("destinations");
        File::create(&seen).with_context(|| format!("creating {}", seen.display()))?;
        let mut relays = Vec::new();
        for port in reach {
            let path = sockets.path().join(port.to_string());
            let listener =
                UnixListener::bind(&path).with_context(|| format!("listening on {}", path.display()))?;
            let to = To::Tcp(loopback(*port));
            relays.push(tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    pass(stream, to.clone());
                }
            }));
        }
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let offered = listener.local_addr()?;
        let to = To::Unix(sockets.path().join(offer.to_string()));
        relays.push(tokio::spawn(serve_tcp(listener, to)));

        let Spec { name, program, args, env, log, stdout } = spec;
        let mut command = Spec::new(name, "unshare", log).args(unshare).args(["--"]);
        command = command.args([dirs::profile().join("banyan-e2e")]).args(["confine"]);
        command = command.args(reach.iter().map(|port| format!("--reach={port}")));
        command = command
            .flag("offer", offer.to_string())
            .flag("sockets", sockets.path())
            .flag("seen", &seen)
            .args(["--"])
            .args([program])
            .args(args);
        command.env = env;
        command.stdout = stdout;
        Ok(Self { child: command.spawn()?, seen, offered, relays, _sockets: sockets })
    }

    /// Where this machine reaches the port that the program listens on.
    pub fn offered(&self) -> SocketAddr {
        self.offered
    }

    /// Its process.
    pub fn process(&self) -> &Child {
        &self.child
    }

    /// Where the program has wanted to go until now, such as `tcp 192.0.2.7:9090`.
    pub fn seen(&self) -> Result<BTreeSet<String>> {
        let text = std::fs::read_to_string(&self.seen)
            .with_context(|| format!("reading {}", self.seen.display()))?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

impl Drop for Confined {
    fn drop(&mut self) {
        self.relays.iter().for_each(JoinHandle::abort);
    }
}

/// The options by which `unshare` makes a network namespace here.
async fn unshare() -> Result<Vec<&'static str>> {
    let mut refused = Vec::new();
    for options in [vec!["--net"], vec!["--user", "--map-root-user", "--net"]] {
        let log = dirs::fresh("unshare")?.join("unshare.log");
        let words = options.iter().chain(&["--", "ip", "link", "set", "lo", "up"]);
        match Spec::new("unshare", "unshare", log).args(words).output(LIMIT).await {
            Ok(_) => return Ok(options),
            Err(error) => refused.push(format!("{error:#}")),
        }
    }
    bail!(
        "no network namespace can be made here, so that it cannot be shown where Banyan connects to: it takes root, or \
         user namespaces (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns), and the \
         programs unshare and ip\n{}",
        refused.join("\n")
    )
}

/// The part that runs inside the namespace, until the program ends.
pub async fn inside(args: Args) -> Result<()> {
    ip(&["link", "set", "lo", "up"]).await?;
    ip(&["route", "add", "local", "0.0.0.0/0", "dev", "lo"]).await?;
    if Path::new("/proc/net/if_inet6").is_file() {
        ip(&["-6", "route", "add", "local", "::/0", "dev", "lo"]).await?;
    }
    watch(&args.seen)?;
    for port in &args.reach {
        let listener = TcpListener::bind(loopback(*port)).await?;
        tokio::spawn(serve_tcp(listener, To::Unix(args.sockets.join(port.to_string()))));
    }
    for port in &args.offer {
        let listener = UnixListener::bind(args.sockets.join(port.to_string()))?;
        let to = To::Tcp(loopback(*port));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                pass(stream, to.clone());
            }
        });
    }
    let (program, words) = args.command.split_first().context("there is no program to run")?;
    let log = dirs::fresh("inside")?.join("program.log");
    let child = Spec::new("the program inside", program, &log).args(words).env(
        "KUBECONFIG",
        // Taken out of every child's environment unless it is meant.
        std::env::var_os("KUBECONFIG").unwrap_or_default(),
    );
    let child = child.spawn()?;
    let parent = std::os::unix::process::parent_id();
    loop {
        tokio::select! {
            status = child.wait() => {
                eprintln!("{}", child.log_tail(200));
                ensure!(status.success(), "the program ended with {status}");
                return Ok(());
            }
            () = tokio::time::sleep(PARENT) => {
                ensure!(std::os::unix::process::parent_id() == parent, "the parent is gone");
            }
        }
    }
}

async fn ip(words: &[&str]) -> Result<()> {
    let log = dirs::fresh("ip")?.join("ip.log");
    Spec::new("ip", "ip", log).args(words.iter().copied()).output(LIMIT).await.map(drop)
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The other end of a relay.
#[derive(Clone, Debug)]
enum To {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

async fn serve_tcp(listener: TcpListener, to: To) {
    while let Ok((stream, _)) = listener.accept().await {
        pass(stream, to.clone());
    }
}

/// Passes a connection on. One that fails is the client's to notice.
fn pass<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(mut from: S, to: To) {
    tokio::spawn(async move {
        let _ = match to {
            To::Tcp(address) => match TcpStream::connect(address).await {
                Ok(mut to) => copy_bidirectional(&mut from, &mut to).await,
                Err(error) => Err(error),
            },
            To::Unix(path) => match UnixStream::connect(path).await {
                Ok(mut to) => copy_bidirectional(&mut from, &mut to).await,
                Err(error) => Err(error),
            },
        };
    });
}

/// Writes each new destination of a packet in this namespace to `file`, from a thread of its own.
fn watch(file: &Path) -> Result<()> {
    let every = Protocol::from(i32::from(u16::to_be(libc::ETH_P_ALL as u16)));
    let mut socket = Socket::new(Domain::PACKET, Type::DGRAM, Some(every))
        .context("opening a packet socket, which takes the namespace's root")?;
    socket.attach_filter(&attempts()).context("filtering what is seen")?;
    let mut file = File::options().append(true).open(file)?;
    std::thread::Builder::new().name("packets".to_owned()).spawn(move || {
        let mut known = BTreeSet::new();
        let mut packet = [0; 128];
        loop {
            let read = match socket.read(&mut packet) {
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    // Without it nothing is shown; the reader finds this line.
                    let _ = writeln!(file, "blind: {error}");
                    return;
                }
            };
            if let Some(destination) = destination(&packet[..read])
                && known.insert(destination.clone())
            {
                let _ = writeln!(file, "{destination}");
            }
        }
    })?;
    Ok(())
}

/// A filter (classic BPF) that passes whatever is no TCP, and of TCP only what opens a connection: much else would be lost
/// in a full buffer.
fn attempts() -> [SockFilter; 14] {
    const LOAD_BYTE: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_ABS) as u16;
    const LOAD_INDEXED: u16 = (libc::BPF_LD | libc::BPF_B | libc::BPF_IND) as u16;
    const HEADER_LENGTH: u16 = (libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH) as u16;
    const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
    const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
    let op = SockFilter::new;
    [
        op(LOAD_BYTE, 0, 0, 0),
        op(AND, 0, 0, 0xf0),
        op(EQUAL, 0, 5, 0x40),
        // IPv4: the protocol, and the flags behind a header of any length.
        op(LOAD_BYTE, 0, 0, 9),
        op(EQUAL, 0, 7, 6),
        op(HEADER_LENGTH, 0, 0, 0),
        op(LOAD_INDEXED, 0, 0, 13),
        op(JUMP, 0, 0, 3),
        // IPv6.
        op(LOAD_BYTE, 0, 0, 6),
        op(EQUAL, 0, 2, 6),
        op(LOAD_BYTE, 0, 0, 53),
        // The flags: passed if one is SYN.
        op(ANY_BIT, 0, 1, 2),
        op(RETURN, 0, 0, u32::MAX),
        op(RETURN, 0, 0, 0),
    ]
}

/// Where a packet goes, if it is one by which somebody begins to talk: the first of a TCP connection, any of UDP, any of a
/// protocol that is neither these nor the kernel's own ICMP.
fn destination(packet: &[u8]) -> Option<String> {
    let (protocol, to, rest): (u8, IpAddr, &[u8]) = match packet.first()? >> 4 {
        4 => {
            let to: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            let header = usize::from(packet[0] & 0x0f) * 4;
            (*packet.get(9)?, Ipv4Addr::from(to).into(), packet.get(header..)?)
        }
        6 => {
            let to: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            (*packet.get(6)?, Ipv6Addr::from(to).into(), packet.get(40..)?)
        }
        _ => return None,
    };
    let port = || Some(u16::from_be_bytes(rest.get(2..4)?.try_into().ok()?));
    match protocol {
        6 => {
            let flags = rest.get(13)?;
            (flags & 0x12 == 0x02).then_some(format!("tcp {}", SocketAddr::new(to, port()?)))
        }
        17 => Some(format!("udp {}", SocketAddr::new(to, port()?))),
        1 | 58 => None,
        other => Some(format!("protocol {other} {to}")),
    }
}

/// Waits until the program inside has wanted to go somewhere.
pub async fn seen_going(confined: &Confined, limit: Duration, to: &str) -> Result<()> {
    until(limit, format!("an attempt at {to}"), || async {
        let seen = confined.seen()?;
        if seen.contains(to) { Ok(true) } else { bail!("seen: {seen:?}") }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(protocol: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 127, 0, 0, 1, 192, 0, 2, 7];
        packet.extend(rest);
        packet
    }

    fn segment(flags: u8) -> [u8; 20] {
        let mut segment = [0; 20];
        segment[2..4].copy_from_slice(&9090_u16.to_be_bytes());
        segment[13] = flags;
        segment
    }

    #[test]
    fn only_the_first_packet_of_a_connection_says_where_somebody_wants_to_go() {
        assert_eq!(destination(&v4(6, &segment(0x02))).unwrap(), "tcp 192.0.2.7:9090");
        assert_eq!(destination(&v4(6, &segment(0x12))), None);
        assert_eq!(destination(&v4(6, &segment(0x10))), None);
        assert_eq!(destination(&v4(17, &[0, 1, 0, 53, 0, 8, 0, 0])).unwrap(), "udp 192.0.2.7:53");
        assert_eq!(destination(&v4(1, &[3, 3])), None);
        assert_eq!(destination(&v4(132, &[0; 8])).unwrap(), "protocol 132 192.0.2.7");
        let mut v6 = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
        v6.extend(Ipv6Addr::LOCALHOST.octets());
        v6.extend("2001:db8::1".parse::<Ipv6Addr>().unwrap().octets());
        v6.extend(segment(0x02));
        assert_eq!(destination(&v6).unwrap(), "tcp [2001:db8::1]:9090");
        assert_eq!(destination(&[]), None);
    }
}
