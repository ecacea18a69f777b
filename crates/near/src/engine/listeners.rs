//! The listening sockets: opened by the engine, inherited by routers, never closed while one
//! of them lives.
//!
//! Each name (`edge`, `service-api`) has one socket per router worker, bound to one address
//! with `SO_REUSEPORT`. Invariant: a socket that was opened here is handed to every router
//! that follows, so connections that wait in its queue survive a router's death.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::port_holder;

/// Connections that may wait in the queue of one socket; the kernel caps it at `somaxconn`.
const BACKLOG: i32 = 4096;

/// Why a listening socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another process listens there.
    #[error("{address} is taken by {holder}; end it, or choose another port with --port")]
    Taken {
        /// The address wanted.
        address: SocketAddr,
        /// Who has it, in words.
        holder: String,
    },
    /// The address cannot be used at all.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address wanted.
        address: SocketAddr,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
}

/// All listening sockets by name.
#[derive(Debug, Default)]
pub struct Listeners {
    by_name: BTreeMap<String, Vec<OwnedFd>>,
    /// Rises with every change.
    version: u64,
}

impl Listeners {
    /// Takes over sockets that a running router handed back.
    pub fn adopt(&mut self, names: &[String], sockets: Vec<OwnedFd>) {
        self.version += 1;
        for (name, socket) in names.iter().zip(sockets) {
            self.by_name.entry(name.clone()).or_default().push(socket);
        }
    }

    /// Opens the sockets of a listener unless it has them; `true` when it opened them.
    ///
    /// # Errors
    /// [`ListenError`] names the holder of a taken port.
    pub fn open(
        &mut self,
        name: &str,
        address: SocketAddr,
        workers: usize,
    ) -> Result<bool, ListenError> {
        if self.address(name) == Some(address) {
            return Ok(false);
        }
        // Without SO_REUSEPORT first: with it, a second engine of the same user would share
        // the port silently.
        drop(bind(address, false)?);
        let sockets = (0..workers)
            .map(|_| bind(address, true))
            .collect::<Result<Vec<_>, _>>()?;
        self.by_name.insert(name.to_owned(), sockets);
        self.version += 1;
        Ok(true)
    }

    /// Closes the sockets of listeners that are not in `names`; `true` when any was closed.
    pub fn retain(&mut self, names: &[String]) -> bool {
        let before = self.by_name.len();
        self.by_name.retain(|name, _| names.contains(name));
        let changed = before != self.by_name.len();
        self.version += u64::from(changed);
        changed
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Rises with every change; 0: there never was any.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Copies of all sockets, for whoever keeps them open.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub fn copies(&self) -> std::io::Result<Vec<(String, OwnedFd)>> {
        let copy = |(name, socket): (&str, BorrowedFd<'_>)| {
            Ok((name.to_owned(), socket.try_clone_to_owned()?))
        };
        self.sockets().map(copy).collect()
    }

    /// The address of a listener.
    #[must_use]
    pub fn address(&self, name: &str) -> Option<SocketAddr> {
        let socket = self.by_name.get(name)?.first()?;
        let address: SockAddr = socket2::SockRef::from(socket).local_addr().ok()?;
        address.as_socket()
    }

    /// Every socket with its listener's name, in a stable order.
    pub fn sockets(&self) -> impl Iterator<Item = (&str, BorrowedFd<'_>)> {
        self.by_name
            .iter()
            .flat_map(|(name, sockets)| sockets.iter().map(|s| (name.as_str(), s.as_fd())))
    }
}

fn bind(address: SocketAddr, share: bool) -> Result<OwnedFd, ListenError> {
    let attempt = || -> std::io::Result<Socket> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        socket.set_nonblocking(true)?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(share)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket)
    };
    attempt()
        .map(OwnedFd::from)
        .map_err(|source| match source.kind() {
            std::io::ErrorKind::AddrInUse => ListenError::Taken {
                address,
                holder: port_holder::describe(address),
            },
            _ => ListenError::Bind { address, source },
        })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_taken_port_names_its_holder() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let error = Listeners::default()
            .open("edge", address, 2)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains(&format!("pid {}", std::process::id())),
            "{error}"
        );
    }

    #[test]
    fn opening_a_listener_twice_keeps_its_sockets() {
        let mut listeners = Listeners::default();
        let free = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        assert!(listeners.open("edge", free, 2).unwrap());
        assert!(!listeners.open("edge", free, 2).unwrap());
        assert_eq!(listeners.sockets().count(), 2);
        assert!(listeners.retain(&[]));
        assert_eq!(listeners.sockets().count(), 0);
    }
}
