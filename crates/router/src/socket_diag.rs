//! The kernel, asked about one TCP socket (`sock_diag(7)`).
//!
//! Opened before the router gives up its rights: later it makes no such socket. The kernel puts
//! its answer there while it takes the question, so nothing is waited for. An answer costs
//! about 10 µs of processor; only new connections to targets pay it.

use std::cell::Cell;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use neargate_core::routing::peer_socket::{self, PeerOwner, PeerSocket, SocketQuery};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

/// An answer with more than is looked at is cut off.
const MOST_ANSWER: usize = 256;
/// Answers to earlier questions that are passed over.
const MOST_STALE: usize = 8;

/// A socket at which the kernel is asked, of one thread.
#[derive(Debug)]
pub(crate) struct SocketDiag {
    socket: OwnedFd,
    asked: Cell<u32>,
}

impl SocketDiag {
    /// One for each of so many threads.
    ///
    /// # Errors
    /// This kernel does not tell.
    pub(crate) fn open(threads: usize) -> io::Result<Vec<Self>> {
        let opened: Vec<Self> = (0..threads)
            .map(|_| Self::new())
            .collect::<Result<_, _>>()?;
        // A kernel without it gives the same error as for a socket that is not there.
        let known = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let query = SocketQuery::listening(known.local_addr()?);
        match opened.first().map(|first| first.ask(query)) {
            Some(Ok(Some(_))) | None => Ok(opened),
            Some(Ok(None)) => Err(io::ErrorKind::Unsupported.into()),
            Some(Err(error)) => Err(error),
        }
    }

    fn new() -> io::Result<Self> {
        let socket = rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
            Some(netlink::SOCK_DIAG),
        )?;
        Ok(Self {
            socket,
            asked: Cell::new(0),
        })
    }

    /// The socket that a question is about; `None`: there is none.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn ask(&self, query: SocketQuery) -> io::Result<Option<PeerSocket>> {
        let number = self.asked.get().wrapping_add(1);
        self.asked.set(number);
        rustix::net::send(&self.socket, &query.message(number), SendFlags::DONTWAIT)?;
        let mut buffer = [0_u8; MOST_ANSWER];
        for _ in 0..MOST_STALE {
            let (length, _) =
                rustix::net::recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT)?;
            if let Some(answer) = peer_socket::answer(&buffer[..length], number) {
                return answer.map_err(io::Error::from_raw_os_error);
            }
        }
        Err(io::ErrorKind::InvalidData.into())
    }

    /// Whose the other end of a connection is, of the user that a target has.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn owner(&self, user: u32, ends: (SocketAddr, SocketAddr)) -> io::Result<PeerOwner> {
        peer_socket::owner(user, ends, |query| self.ask(query))
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    #[test]
    fn the_kernel_tells_whose_the_other_end_of_a_connection_is_until_nobody_has_it() {
        let diag = SocketDiag::open(1).expect("the kernel tells").remove(0);
        let user = rustix::process::geteuid().as_raw();
        for bound in ["127.0.0.1:0", "0.0.0.0:0", "[::]:0"] {
            let listener = TcpListener::bind(bound).expect("bound");
            let port = listener.local_addr().expect("an address").port();
            let target = SocketAddr::from(([127, 0, 0, 1], port));
            let stream = TcpStream::connect(target).expect("connected");
            let ends = (target, stream.local_addr().expect("an address"));
            let whose = |user| diag.owner(user, ends).expect("an answer");
            assert_eq!(whose(user), PeerOwner::Task, "in the queue of {bound}");
            assert_eq!(whose(user + 1), PeerOwner::Stranger);
            let accepted = listener.accept().expect("accepted");
            assert_eq!(whose(user), PeerOwner::Task);
            assert_eq!(whose(user + 1), PeerOwner::Stranger);
            drop((accepted, listener, stream));
            let later = diag.ask(SocketQuery::listening(target)).expect("an answer");
            assert_eq!(later, None, "{bound}");
        }
    }
}
