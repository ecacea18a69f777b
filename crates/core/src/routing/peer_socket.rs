//! Whose the other end of a connection is, by the kernel (`sock_diag(7)`).
//!
//! A request is for a task. When the task has just died, anybody may listen at its port, so the
//! router asks before it sends the first byte on a new connection.
//!
//! Invariant: a request is sent only where the task's user holds the other end, or nobody does
//! any more. A socket that was accepted is its holder's for good (the descriptor can be passed on
//! only by the holder). One that waits to be accepted is in the queue of the socket that
//! listened when it came, and newer kernels say that one's user. Older ones say nothing (user and
//! inode 0): then the socket that listens is asked for, and the connection once more. When it
//! still waits, it has waited all the time; the kernel resets those who wait when a listening
//! socket is closed; so the one that was seen between is the one in whose queue it is. (Of several
//! that share a port, `SO_REUSEPORT`, the kernel lets all be of one user only.) When the
//! connection's other end is gone, the kernel answers with the socket that listens now: what is
//! sent then reaches nobody.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Bytes of a question.
pub const QUESTION: usize = 72;

const HEADER: usize = 16;
/// `SOCK_DIAG_BY_FAMILY`, as question and as answer.
const BY_FAMILY: u16 = 20;
/// Netlink's message type `NLMSG_ERROR`.
const ERROR: u16 = 2;
/// Netlink's message flag `NLM_F_REQUEST`.
const REQUEST: u16 = 1;
const IPPROTO_TCP: u8 = 6;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
/// Index of `lo` in every network namespace: a socket may be bound to it.
const LOOPBACK_INTERFACE: u32 = 1;
/// Where `idiag_uid` and `idiag_inode` begin in an answer.
const USER_AT: usize = HEADER + 64;
const INODE_AT: usize = HEADER + 68;
const ENOENT: i32 = 2;

/// A TCP socket that is asked for: by its own address, and by whom it is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SocketQuery {
    own: SocketAddr,
    remote: SocketAddr,
}

impl SocketQuery {
    /// A target's end of a connection from this address; without one, the socket that listens.
    #[must_use]
    pub fn connected(target: SocketAddr, client: SocketAddr) -> Self {
        Self {
            own: target,
            remote: client,
        }
    }

    /// The socket that would get a new connection to this address.
    #[must_use]
    pub fn listening(target: SocketAddr) -> Self {
        let nobody: IpAddr = match target.ip().to_canonical() {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        Self::connected(target, SocketAddr::new(nobody, 0))
    }

    /// The message that asks, with a number that the answer repeats.
    #[must_use]
    pub fn message(&self, number: u32) -> [u8; QUESTION] {
        let (own, remote) = (
            self.own.ip().to_canonical(),
            self.remote.ip().to_canonical(),
        );
        let family = if own.is_ipv4() { AF_INET } else { AF_INET6 };
        let interface = if own.is_loopback() {
            LOOPBACK_INTERFACE
        } else {
            0
        };
        let mut message = [0; QUESTION];
        let mut at = 0;
        let mut add = |bytes: &[u8]| {
            message[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        // `struct nlmsghdr`.
        add(&(QUESTION as u32).to_ne_bytes());
        add(&BY_FAMILY.to_ne_bytes());
        add(&REQUEST.to_ne_bytes());
        add(&number.to_ne_bytes());
        add(&[0; 4]);
        // `struct inet_diag_req_v2`: every state, no cookie.
        add(&[family, IPPROTO_TCP, 0, 0]);
        add(&[0xff; 4]);
        add(&self.own.port().to_be_bytes());
        add(&self.remote.port().to_be_bytes());
        add(&octets(own));
        add(&octets(remote));
        add(&interface.to_ne_bytes());
        add(&[0xff; 8]);
        message
    }
}

fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => {
            let mut octets = [0; 16];
            octets[..4].copy_from_slice(&address.octets());
            octets
        }
        IpAddr::V6(address) => address.octets(),
    }
}

/// A TCP socket, as the kernel describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerSocket {
    /// User of the process that made or accepted it.
    pub user: u32,
    /// 0: no process has it open.
    pub inode: u32,
}

impl PeerSocket {
    /// Its user, when the kernel knows one.
    fn holder(self) -> Option<u32> {
        (self.user != 0 || self.inode != 0).then_some(self.user)
    }
}

/// The kernel's answer to the question with this number: a socket, that there is none, or an error
/// number. `None`: it is an answer to another question, or none.
#[must_use]
pub fn answer(message: &[u8], number: u32) -> Option<Result<Option<PeerSocket>, i32>> {
    if word(message, 8)? != number {
        return None;
    }
    match u16::from_ne_bytes([*message.get(4)?, *message.get(5)?]) {
        BY_FAMILY => Some(Ok(Some(PeerSocket {
            user: word(message, USER_AT)?,
            inode: word(message, INODE_AT)?,
        }))),
        ERROR => {
            let error = word(message, HEADER)?.cast_signed().wrapping_neg();
            Some(if error == ENOENT {
                Ok(None)
            } else {
                Err(error)
            })
        }
        _ => None,
    }
}

fn word(message: &[u8], at: usize) -> Option<u32> {
    let bytes = message.get(at..at + 4)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// Whose the other end of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerOwner {
    /// The user's that was expected.
    Task,
    /// The socket of another user.
    Stranger,
    /// Nobody's any more.
    Gone,
}

/// Finds whose the other end of a connection to a target is, made from `client`.
///
/// # Errors
/// Those of `ask`.
pub fn owner<E>(
    user: u32,
    (target, client): (SocketAddr, SocketAddr),
    mut ask: impl FnMut(SocketQuery) -> Result<Option<PeerSocket>, E>,
) -> Result<PeerOwner, E> {
    let connected = SocketQuery::connected(target, client);
    let verdict = |holder: u32| match holder == user {
        true => PeerOwner::Task,
        false => PeerOwner::Stranger,
    };
    match ask(connected)?.map(PeerSocket::holder) {
        None => return Ok(PeerOwner::Gone),
        Some(Some(holder)) => return Ok(verdict(holder)),
        Some(None) => {}
    }
    let listener = ask(SocketQuery::listening(target))?;
    let Some(again) = ask(connected)? else {
        return Ok(PeerOwner::Gone);
    };
    let holder = again.holder().or(listener.and_then(PeerSocket::holder));
    Ok(holder.map_or(PeerOwner::Gone, verdict))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TASK: u32 = 61_184;
    const STRANGER: u32 = 61_187;

    fn socket(user: u32, inode: u32) -> Option<PeerSocket> {
        Some(PeerSocket { user, inode })
    }

    #[test]
    fn a_connection_is_the_tasks_only_when_its_user_holds_the_other_end() {
        let silent = socket(0, 0);
        let (task, stranger) = (socket(TASK, 7), socket(STRANGER, 7));
        for (answers, expected) in [
            (vec![task], PeerOwner::Task),
            (vec![stranger], PeerOwner::Stranger),
            (vec![socket(0, 7)], PeerOwner::Stranger),
            (vec![None], PeerOwner::Gone),
            // Not accepted yet: newer kernels say whose queue it is in.
            (vec![socket(TASK, 0)], PeerOwner::Task),
            (vec![socket(STRANGER, 0)], PeerOwner::Stranger),
            // Older ones do not.
            (vec![silent, task, silent], PeerOwner::Task),
            (vec![silent, stranger, silent], PeerOwner::Stranger),
            (vec![silent, socket(0, 7), silent], PeerOwner::Stranger),
            (vec![silent, None, silent], PeerOwner::Gone),
            // Accepted meanwhile: who listens now says nothing.
            (vec![silent, task, stranger], PeerOwner::Stranger),
            (vec![silent, stranger, task], PeerOwner::Task),
            // Reset meanwhile: who listens now never had it.
            (vec![silent, task, None], PeerOwner::Gone),
        ] {
            let mut left = answers.iter();
            let target = "127.0.0.1:20000".parse().unwrap();
            let client = "127.0.0.1:40000".parse().unwrap();
            let found = owner(TASK, (target, client), |_| {
                left.next().copied().ok_or("asked too often")
            });
            assert_eq!(found, Ok(expected), "{answers:?}");
            assert_eq!(left.next(), None, "{answers:?}");
        }
    }

    #[test]
    fn a_question_names_the_targets_end_first_and_only_its_own_answer_counts() {
        let target = "127.0.0.1:20000".parse().unwrap();
        let query = SocketQuery::connected(target, "127.0.0.2:40000".parse().unwrap());
        let message = query.message(5);
        assert_eq!(message[..4], 72_u32.to_ne_bytes());
        assert_eq!(message[16..18], [AF_INET, IPPROTO_TCP]);
        assert_eq!(message[24..28], [0x4e, 0x20, 0x9c, 0x40]);
        assert_eq!(message[28..32], [127, 0, 0, 1]);
        assert_eq!(message[44..48], [127, 0, 0, 2]);
        assert_eq!(message[60..64], 1_u32.to_ne_bytes());
        let listening = SocketQuery::listening("[::1]:20000".parse().unwrap()).message(6);
        assert_eq!(listening[16], AF_INET6);
        assert_eq!(listening[26..28], [0, 0]);

        let mut reply = [0; 88];
        reply[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
        reply[8..12].copy_from_slice(&5_u32.to_ne_bytes());
        reply[USER_AT..USER_AT + 4].copy_from_slice(&TASK.to_ne_bytes());
        reply[INODE_AT..].copy_from_slice(&9_u32.to_ne_bytes());
        assert_eq!(answer(&reply, 5), Some(Ok(socket(TASK, 9))));
        assert_eq!(answer(&reply, 6), None);
        assert_eq!(answer(&reply[..70], 5), None);
        assert_eq!(answer(&[], 5), None);
        reply[4..6].copy_from_slice(&ERROR.to_ne_bytes());
        for (error, expected) in [(-2_i32, Ok(None)), (-105, Err(105))] {
            reply[HEADER..HEADER + 4].copy_from_slice(&error.to_ne_bytes());
            assert_eq!(answer(&reply, 5), Some(expected));
        }
    }
}
