//! Free ports on the loopback interface.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail};

/// A TCP port of 127.0.0.1 that is free now and that this process has not handed out before. Another process may still
/// take it before it is used: a control plane's start is tried again when that happens.
pub fn free_port() -> Result<u16> {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..1000 {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
        let port = listener.local_addr().context("looking for a free port")?.port();
        if given.insert(port) {
            return Ok(port);
        }
    }
    bail!("no port is free on 127.0.0.1")
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_port_is_given_once_and_can_be_bound() {
        let ports: Vec<u16> = (0..50).map(|_| super::free_port().unwrap()).collect();
        let different: std::collections::BTreeSet<_> = ports.iter().collect();
        assert_eq!(different.len(), 50);
        std::net::TcpListener::bind(("127.0.0.1", ports[49])).unwrap();
    }
}
