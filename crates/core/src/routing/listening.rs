//! Whose the sockets are that listen on a port, by the kernel's own table.
//!
//! A target's health counts only when whoever would take a connection to its address is the
//! task. Invariant: of several sockets among which the kernel chooses (`SO_REUSEPORT`), each must
//! be the task's; one beside them that the kernel gives nothing makes nobody unhealthy.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// `st` column of `/proc/net/tcp` for a listening socket (Linux `TCP_LISTEN`).
const LISTEN: &str = "0A";

/// Owner that the listening socket of a target must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ListenerOwner {
    /// Any process of this user: it is the service's alone.
    User(u32),
    /// A process that descends from the one with this pid: the task's shim.
    DescendantOf(u32),
}

impl ListenerOwner {
    /// The user that must hold it, when the kernel's word for a connection's other end tells the
    /// task's from others.
    #[must_use]
    pub fn user(self) -> Option<u32> {
        match self {
            Self::User(user) => Some(user),
            Self::DescendantOf(_) => None,
        }
    }
}

/// A listening TCP socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListeningSocket {
    /// Its own address; unspecified: all addresses.
    pub address: SocketAddr,
    /// User that made it.
    pub user: u32,
    /// Inode, as in the link `socket:[INODE]` of a process's descriptor.
    pub inode: u64,
}

impl ListeningSocket {
    /// The socket that a line of `/proc/net/tcp` or `/proc/net/tcp6` shows; `None` when it does
    /// not listen.
    #[must_use]
    pub fn of_line(line: &str) -> Option<Self> {
        let columns: Vec<&str> = line.split_whitespace().collect();
        if *columns.get(3)? != LISTEN {
            return None;
        }
        let (address, port) = columns.get(1)?.rsplit_once(':')?;
        Some(Self {
            address: SocketAddr::new(ip(address)?, u16::from_str_radix(port, 16).ok()?),
            user: columns.get(7)?.parse().ok()?,
            inode: columns.get(9)?.parse().ok()?,
        })
    }

    /// Whether it may take a connection to this address.
    #[must_use]
    pub fn may_take(&self, target: SocketAddr) -> bool {
        let (own, wanted) = (self.address.ip().to_canonical(), target.ip().to_canonical());
        self.address.port() == target.port() && (own.is_unspecified() || own == wanted)
    }

    /// Whether it takes IPv4 connections only when it is not for IPv6 alone (`IPV6_V6ONLY`), which
    /// the kernel's table does not show.
    #[must_use]
    pub fn is_ipv6_wildcard(&self) -> bool {
        self.address.is_ipv6() && self.address.ip().is_unspecified()
    }

    /// How the kernel ranks it among those that may take a connection: one of the very address
    /// comes before a wildcard, and of each one of the address's own family before IPv6.
    fn rank(&self, target: SocketAddr) -> (bool, bool) {
        let wildcard = self.address.ip().is_unspecified();
        let target = target.ip().to_canonical();
        (wildcard, self.address.is_ipv4() != target.is_ipv4())
    }
}

/// Of sockets that listen, those among which the kernel chooses for a connection to this address.
#[must_use]
pub fn first_choice(mut sockets: Vec<ListeningSocket>, target: SocketAddr) -> Vec<ListeningSocket> {
    sockets.retain(|socket| socket.may_take(target));
    let first = sockets.iter().map(|socket| socket.rank(target)).min();
    sockets.retain(|socket| Some(socket.rank(target)) == first);
    sockets
}

/// The kernel prints 32-bit words as it holds them in memory.
fn ip(hex: &str) -> Option<IpAddr> {
    let mut bytes = [0; 16];
    let words = hex.len() / 8;
    for word in 0..words {
        let text = hex.get(word * 8..word * 8 + 8)?;
        let value = u32::from_str_radix(text, 16).ok()?;
        bytes
            .get_mut(word * 4..word * 4 + 4)?
            .copy_from_slice(&value.to_ne_bytes());
    }
    match words {
        1 => Some(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]).into()),
        4 => Some(Ipv6Addr::from(bytes).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(address: &str, state: &str) -> String {
        format!(
            "   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 61184        0 4242 1"
        )
    }

    #[test]
    fn a_line_of_the_kernels_table_gives_address_user_and_inode_of_a_socket_that_listens() {
        for (address, expected) in [
            ("0100007F:1F90", "127.0.0.1:8080"),
            ("00000000:4E20", "0.0.0.0:20000"),
            ("00000000000000000000000000000000:4E20", "[::]:20000"),
            ("00000000000000000000000001000000:4E20", "[::1]:20000"),
            (
                "0000000000000000FFFF00000100007F:4E20",
                "[::ffff:127.0.0.1]:20000",
            ),
        ] {
            let socket = ListeningSocket::of_line(&line(address, "0A")).unwrap();
            assert_eq!(socket.address, expected.parse().unwrap());
            assert_eq!((socket.user, socket.inode), (61_184, 4242));
            assert_eq!(ListeningSocket::of_line(&line(address, "01")), None);
        }
        for spoiled in [
            "",
            "sl local_address rem_address st",
            "0: 1:2 3 0A",
            "0: zz:zz 0:0 0A 0 0 0 1 0 2",
        ] {
            assert_eq!(ListeningSocket::of_line(spoiled), None, "{spoiled}");
        }
    }

    #[test]
    fn a_socket_takes_connections_to_its_own_address_or_to_all() {
        for (own, target, takes) in [
            ("127.0.0.1:20000", "127.0.0.1:20000", true),
            ("0.0.0.0:20000", "127.0.0.1:20000", true),
            ("[::]:20000", "127.0.0.1:20000", true),
            ("[::ffff:127.0.0.1]:20000", "127.0.0.1:20000", true),
            ("127.0.0.2:20000", "127.0.0.1:20000", false),
            ("[::1]:20000", "127.0.0.1:20000", false),
            ("127.0.0.1:20001", "127.0.0.1:20000", false),
        ] {
            let socket = ListeningSocket {
                address: own.parse().unwrap(),
                user: 0,
                inode: 1,
            };
            assert_eq!(
                socket.may_take(target.parse().unwrap()),
                takes,
                "{own} {target}"
            );
        }
    }

    #[test]
    fn a_socket_that_the_kernel_gives_nothing_does_not_count() {
        for (listening, counted) in [
            (&["127.0.0.1:1", "[::]:1"][..], &["127.0.0.1:1"][..]),
            (&["[::]:1", "0.0.0.0:1"], &["0.0.0.0:1"]),
            (&["0.0.0.0:1", "127.0.0.1:1"], &["127.0.0.1:1"]),
            (
                &["[::ffff:127.0.0.1]:1", "0.0.0.0:1"],
                &["[::ffff:127.0.0.1]:1"],
            ),
            (
                &["127.0.0.1:1", "127.0.0.1:1"],
                &["127.0.0.1:1", "127.0.0.1:1"],
            ),
            (&["[::]:1", "[::]:1"], &["[::]:1", "[::]:1"]),
            (&["127.0.0.1:2", "127.0.0.2:1"], &[]),
            (&[], &[]),
        ] {
            let socket = |address: &&str| ListeningSocket {
                address: address.parse().unwrap(),
                user: 0,
                inode: 1,
            };
            let sockets = listening.iter().map(socket).collect();
            let found = first_choice(sockets, "127.0.0.1:1".parse().unwrap());
            let expected: Vec<ListeningSocket> = counted.iter().map(socket).collect();
            assert_eq!(found, expected, "{listening:?}");
        }
    }
}
