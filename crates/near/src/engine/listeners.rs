//! The listening sockets: opened by the engine, inherited by routers, never closed while one
//! of them lives.
//!
//! Each name (`edge`, `service-api`) has one socket per router worker at one address: of root, with
//! a queue for each (`SO_REUSEPORT`). Tasks of an ordinary user have its user, and could join those
//! queues: its sockets are copies of one that nobody else can share. Invariant: a socket that was
//! opened here is handed to every router that follows, so connections that wait in its queue survive
//! a router's death.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Connections that may wait in the queue of one socket; the kernel caps it at `somaxconn`.
const BACKLOG: i32 = 4096;

/// Why a listening socket could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum ListenError {
    /// Another process listens there.
    #[error("{address} is taken")]
    Taken {
        /// The address wanted; [`port_taken`](crate::port_holder::port_taken) looks for who has it.
        address: SocketAddr,
    },
    /// The address cannot be used at all.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address wanted.
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
}

/// How many queues of connections a listener has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListenerQueues {
    /// One for each worker. Whoever has the engine's user can add another.
    PerWorker,
    /// One for all; nobody can add another.
    One,
}

impl ListenerQueues {
    /// Those of this engine: of root nobody else has the user.
    fn own() -> Self {
        if rustix::process::geteuid().is_root() {
            Self::PerWorker
        } else {
            Self::One
        }
    }
}

/// All listening sockets by name.
#[derive(Debug, Default)]
pub(super) struct ListeningSockets {
    by_name: BTreeMap<String, Vec<OwnedFd>>,
    /// Rises with every change.
    version: u64,
}

impl ListeningSockets {
    /// Takes over sockets that a running router handed back.
    pub(super) fn adopt(&mut self, names: &[String], sockets: Vec<OwnedFd>) {
        self.version += 1;
        for (name, socket) in names.iter().zip(sockets) {
            self.by_name.entry(name.clone()).or_default().push(socket);
        }
    }

    /// Has these listeners and no others: opens those that are missing and closes the rest;
    /// `true` when any was opened or closed.
    ///
    /// # Errors
    /// [`ListenError`]; then nothing has changed.
    pub(super) fn set(
        &mut self,
        wanted: &[(String, SocketAddr)],
        workers: usize,
    ) -> Result<bool, ListenError> {
        let mut opened = BTreeMap::new();
        for (name, address) in wanted {
            if self.address(name) != Some(*address) {
                opened.insert(
                    name.clone(),
                    open(*address, workers, ListenerQueues::own())?,
                );
            }
        }
        let before = self.by_name.len();
        self.by_name
            .retain(|name, _| wanted.iter().any(|(one, _)| one == name));
        let changed = before != self.by_name.len() || !opened.is_empty();
        self.by_name.extend(opened);
        self.version += u64::from(changed);
        Ok(changed)
    }

    /// Closes all listening sockets.
    pub(super) fn clear(&mut self) {
        self.version += u64::from(!self.by_name.is_empty());
        self.by_name.clear();
    }

    /// Whether there are none.
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Rises with every change; 0: there never was any.
    #[must_use]
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// Copies of all sockets, for whoever keeps them open.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub(super) fn copies(&self) -> std::io::Result<Vec<(String, OwnedFd)>> {
        let copy = |(name, socket): (&str, BorrowedFd<'_>)| {
            Ok((name.to_owned(), socket.try_clone_to_owned()?))
        };
        self.sockets().map(copy).collect()
    }

    /// The address of a listener.
    #[must_use]
    pub(super) fn address(&self, name: &str) -> Option<SocketAddr> {
        let socket = self.by_name.get(name)?.first()?;
        let address: SockAddr = socket2::SockRef::from(socket).local_addr().ok()?;
        address.as_socket()
    }

    /// Every socket with its listener's name, in a stable order.
    pub(super) fn sockets(&self) -> impl Iterator<Item = (&str, BorrowedFd<'_>)> {
        self.by_name
            .iter()
            .flat_map(|(name, sockets)| sockets.iter().map(|s| (name.as_str(), s.as_fd())))
    }
}

/// Why nobody of ours could listen here; the socket that tries it takes no connection.
///
/// # Errors
/// [`ListenError`].
pub(super) fn try_address(address: SocketAddr) -> Result<(), ListenError> {
    let tried = bound(address, false).map(drop);
    tried.map_err(|source| not_bound(address, source))
}

/// The sockets of a listener at a free address.
fn open(
    address: SocketAddr,
    workers: usize,
    queues: ListenerQueues,
) -> Result<Vec<OwnedFd>, ListenError> {
    // Without SO_REUSEPORT first: with it, a second engine of the same user would share
    // the port silently.
    let one = bind(address, false)?;
    if queues == ListenerQueues::One {
        let copy = |_| one.try_clone();
        let copies: std::io::Result<_> = (0..workers).map(copy).collect();
        return copies.map_err(|source| ListenError::Bind { address, source });
    }
    drop(one);
    (0..workers).map(|_| bind(address, true)).collect()
}

fn bind(address: SocketAddr, share: bool) -> Result<OwnedFd, ListenError> {
    let listening = bound(address, share).and_then(|socket| {
        socket.listen(BACKLOG)?;
        Ok(OwnedFd::from(socket))
    });
    listening.map_err(|source| not_bound(address, source))
}

fn bound(address: SocketAddr, share: bool) -> std::io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(share)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

fn not_bound(address: SocketAddr, source: std::io::Error) -> ListenError {
    match source.kind() {
        std::io::ErrorKind::AddrInUse => ListenError::Taken { address },
        _ => ListenError::Bind { address, source },
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::port_holder;

    #[test]
    fn a_taken_port_names_its_holder() {
        let other = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = other.local_addr().unwrap();
        let error = ListeningSockets::default()
            .set(&[("edge".to_owned(), address)], 2)
            .unwrap_err();
        let ListenError::Taken { address } = error else {
            panic!("{error}");
        };
        let words = port_holder::port_taken(address);
        let own = format!("pid {}", std::process::id());
        assert!(words.contains(&own), "{words}");
    }

    fn free() -> SocketAddr {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        socket.local_addr().unwrap()
    }

    #[test]
    fn opening_a_listener_twice_keeps_its_sockets() {
        let mut listeners = ListeningSockets::default();
        let wanted = [("edge".to_owned(), free())];
        assert!(listeners.set(&wanted, 2).unwrap());
        assert!(!listeners.set(&wanted, 2).unwrap());
        assert_eq!(listeners.sockets().count(), 2);
        assert!(listeners.set(&[], 2).unwrap());
        assert_eq!(listeners.sockets().count(), 0);
    }

    #[test]
    fn nobody_shares_the_port_of_a_listener_with_one_queue() {
        let address = free();
        let sockets = open(address, 3, ListenerQueues::One).unwrap();
        assert_eq!(sockets.len(), 3);
        let everywhere = SocketAddr::new(std::net::Ipv4Addr::UNSPECIFIED.into(), address.port());
        for tried in [address, everywhere] {
            let refused = bind(tried, true).unwrap_err();
            assert!(matches!(refused, ListenError::Taken { .. }), "{refused}");
        }
        // Each copy takes from the one queue.
        for socket in sockets {
            let _client = std::net::TcpStream::connect(address).unwrap();
            let listener = TcpListener::from(socket);
            listener.set_nonblocking(false).unwrap();
            listener.accept().unwrap();
        }
    }

    #[test]
    fn when_one_port_is_taken_all_listeners_stay_as_they_are() {
        let (edge, taken) = (free(), TcpListener::bind("127.0.0.1:0").unwrap());
        let (taken, elsewhere) = (taken.local_addr().unwrap(), (free(), taken));
        let mut listeners = ListeningSockets::default();
        let wanted = [("edge".to_owned(), edge), ("service-a".to_owned(), free())];
        assert!(listeners.set(&wanted, 1).unwrap());
        let other = [
            ("edge".to_owned(), elsewhere.0),
            ("service-b".to_owned(), taken),
        ];
        assert!(listeners.set(&other, 1).is_err());
        assert!(!listeners.set(&wanted, 1).unwrap());
    }
}
