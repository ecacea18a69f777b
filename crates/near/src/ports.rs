//! Loopback ports for tasks and internal listeners.
//!
//! They come from 20000..=29999, below the range that the kernel takes client ports from, so a
//! port that was chosen here is not taken by an outgoing connection before the task listens.
//!
//! Invariant: nobody can foretell which port comes next, so two engines rarely try the same one,
//! and no task can be there before the one that the port is for. A port is free only when a
//! program can listen there in every usual way, also at all addresses of IPv6.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use crate::descriptors::is_shortage;

const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// The last port that is given out.
const LAST: u16 = FIRST + COUNT - 1;

/// Why no port was assigned.
#[derive(Debug, thiserror::Error)]
pub enum PortAssignError {
    /// This process has no descriptor left to try one with.
    #[error("no port can be tried: {source}")]
    Untried { source: io::Error },
    /// Every port is taken.
    #[error("no port is free between {FIRST} and {LAST}")]
    AllTaken,
}

/// A free port that is not in `taken`.
///
/// # Errors
/// All 10,000 are taken, or no socket can be opened.
pub fn assign(taken: &BTreeSet<u16>) -> Result<u16, PortAssignError> {
    let drawn = RandomState::new().build_hasher().finish() % u64::from(COUNT);
    let begin = u16::try_from(drawn).unwrap_or(0);
    for step in 0..COUNT {
        let port = FIRST + (begin + step) % COUNT;
        if taken.contains(&port) {
            continue;
        }
        match hold(port) {
            Ok(_) => return Ok(port),
            Err(source) if is_shortage(&source) => {
                return Err(PortAssignError::Untried { source });
            }
            Err(_) => {}
        }
    }
    Err(PortAssignError::AllTaken)
}

/// Binds a port at all addresses, without `SO_REUSEADDR`: it fails whoever else has bound it,
/// wherever, whether they listen or not. Nobody can connect: it never listens.
fn hold(port: u16) -> io::Result<Socket> {
    let both = Socket::new(Domain::IPV6, Type::STREAM, None).and_then(|socket| {
        socket.set_only_v6(false)?;
        Ok(socket)
    });
    // This machine may have no IPv6.
    let (socket, address) = match both {
        Ok(socket) => (socket, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))),
        Err(error) if is_shortage(&error) => return Err(error),
        Err(_) => {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            (socket, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))
        }
    };
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Whether nobody listens at a loopback port.
#[must_use]
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_port_is_given_out_that_is_taken_or_held_in_any_way() {
        let all: BTreeSet<u16> = (FIRST..FIRST + COUNT).collect();
        assert!(assign(&all).is_err());
        // Another program of this machine may take the same port meanwhile.
        let undisturbed = (0..5).any(|_| held_in_every_way(&all).is_ok());
        assert!(undisturbed, "a port that is free is not given out");
    }

    /// Holds a free port in one way after the other.
    ///
    /// # Errors
    /// Somebody else has it.
    fn held_in_every_way(all: &BTreeSet<u16>) -> Result<(), Box<dyn std::error::Error>> {
        let only = |port: u16| {
            let mut others = all.clone();
            others.remove(&port);
            assign(&others)
        };
        let port = assign(&BTreeSet::new())?;
        only(port)?;
        let address = |ip: &str| SocketAddr::new(ip.parse().unwrap(), port);
        for ip in ["127.0.0.1", "0.0.0.0", "::", "::1"] {
            let ip = address(ip);
            let socket = Socket::new(Domain::for_address(ip), Type::STREAM, None).unwrap();
            socket.set_reuse_address(true).unwrap();
            if ip.is_ipv6() {
                socket.set_only_v6(true).unwrap();
            }
            socket.bind(&ip.into())?;
            assert!(only(port).is_err(), "{ip} is bound");
            socket.listen(1)?;
            assert!(only(port).is_err(), "{ip} listens");
        }
        only(port)?;
        Ok(())
    }

    #[test]
    fn nobody_can_foretell_which_port_comes_next() {
        let ports: BTreeSet<u16> = (0..20).map(|_| assign(&BTreeSet::new()).unwrap()).collect();
        assert!(ports.len() > 10, "{ports:?}");
    }
}
