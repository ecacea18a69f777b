//! Whether the sockets that listen at a target's address are the task's.
//!
//! Reads `/proc/net/tcp{,6}`, whose lines begin with the sockets that listen, and where tasks
//! have no user of their own the descriptors of the task's processes. Whether a wildcard of IPv6
//! takes IPv4 connections stands in no file: the kernel is asked.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;

use neargate_core::routing::listening::{ListenerOwner, ListeningSocket, first_choice};
use neargate_core::routing::peer_socket::SocketQuery;

use crate::pressure::is_shortage;
use crate::socket_diag::SocketDiag;

/// Most processes of one task that are looked through.
const MOST_PROCESSES: usize = 4096;

/// Finding at a target's address.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum PortCheck {
    /// Nothing listens there.
    Nobody,
    /// Only the task; these sockets.
    Task(Vec<u64>),
    /// Somebody else, or somebody else too.
    Stranger(ListeningSocket),
    /// It cannot be looked at, for want of descriptors or memory: the kernel's words.
    Unknown(String),
}

/// Looks at who listens. `known`: sockets that were found to be the task's before.
pub(crate) fn at(
    address: SocketAddr,
    owner: ListenerOwner,
    known: &[u64],
    diag: Option<&SocketDiag>,
) -> PortCheck {
    let found = listening(address, diag).and_then(|sockets| whose(&sockets, owner, known));
    found.unwrap_or_else(|error| PortCheck::Unknown(error.to_string()))
}

/// # Errors
/// Only for want of something.
fn whose(
    sockets: &[ListeningSocket],
    owner: ListenerOwner,
    known: &[u64],
) -> io::Result<PortCheck> {
    if sockets.is_empty() {
        return Ok(PortCheck::Nobody);
    }
    let stranger = match owner {
        ListenerOwner::User(user) => sockets.iter().find(|socket| socket.user != user),
        ListenerOwner::DescendantOf(shim) => {
            let mut unknown: Vec<&ListeningSocket> = sockets
                .iter()
                .filter(|socket| !known.contains(&socket.inode))
                .collect();
            if !unknown.is_empty() {
                let held = held_by_descendants(shim)?;
                unknown.retain(|socket| !held.contains(&socket.inode));
            }
            unknown.first().copied()
        }
    };
    Ok(match stranger {
        Some(socket) => PortCheck::Stranger(*socket),
        None => PortCheck::Task(sockets.iter().map(|socket| socket.inode).collect()),
    })
}

/// `None` for what is not there; an error only for want of something.
fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_shortage(&error) => Err(error),
        Err(_) => Ok(None),
    }
}

/// The sockets among which the kernel chooses for a connection.
fn listening(address: SocketAddr, diag: Option<&SocketDiag>) -> io::Result<Vec<ListeningSocket>> {
    let mut all = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        let Some(file) = present(File::open(table))? else {
            continue;
        };
        let lines = BufReader::new(file).lines().skip(1).map_while(Result::ok);
        let sockets = lines.map_while(|line| ListeningSocket::of_line(&line));
        all.extend(sockets.filter(|socket| socket.may_take(address)));
    }
    let mut first = first_choice(all, address);
    if let Some(diag) = diag
        && address.is_ipv4()
        && first.iter().any(ListeningSocket::is_ipv6_wildcard)
        && diag.ask(SocketQuery::listening(address))?.is_none()
    {
        first.clear();
    }
    Ok(first)
}

/// Inodes of the sockets that processes below this one hold.
fn held_by_descendants(shim: u32) -> io::Result<Vec<u64>> {
    let mut held = Vec::new();
    let mut open = vec![shim];
    let mut seen = 0;
    while let Some(pid) = open.pop() {
        seen += 1;
        if seen > MOST_PROCESSES {
            break;
        }
        for thread in names(&format!("/proc/{pid}/task"))? {
            let path = format!("/proc/{pid}/task/{thread}/children");
            let children = present(fs::read_to_string(path))?;
            let children = children.unwrap_or_default();
            open.extend(
                children
                    .split_whitespace()
                    .filter_map(|pid| pid.parse::<u32>().ok()),
            );
        }
        if pid == shim {
            continue;
        }
        let numbers = names(&format!("/proc/{pid}/fd"))?;
        held.extend(numbers.filter_map(|number| {
            let link = fs::read_link(format!("/proc/{pid}/fd/{number}")).ok()?;
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            inode.parse::<u64>().ok()
        }));
    }
    Ok(held)
}

fn names(directory: &str) -> io::Result<impl Iterator<Item = String> + use<>> {
    let entries = present(fs::read_dir(directory))?.into_iter().flatten();
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()))
}

/// Name of a stranger, as far as any user may know: its user's name and number.
pub(crate) fn in_words(address: SocketAddr, stranger: &ListeningSocket) -> String {
    let user = stranger.user;
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(user)).then_some(name)
    });
    let user = name.map_or_else(|| user.to_string(), |name| format!("{user}, {name}"));
    format!(
        "port {} is held by a process of user {user}, not by this task",
        address.port()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    use socket2::{Domain, Socket, Type};

    #[test]
    fn a_listener_is_its_users_and_its_ancestors_and_nobody_elses() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("an address");
        let user = rustix::process::geteuid().as_raw();
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
        let parent = u32::try_from(parent).expect("a pid");
        let own = at(address, ListenerOwner::User(user), &[], None);
        assert!(matches!(own, PortCheck::Task(_)), "{own:?}");
        let below = at(address, ListenerOwner::DescendantOf(parent), &[], None);
        assert_eq!(below, own);
        let other = at(address, ListenerOwner::User(user + 1), &[], None);
        assert!(matches!(other, PortCheck::Stranger(_)), "{other:?}");
        // This process has no child that listens.
        let pid = std::process::id();
        let stranger = at(address, ListenerOwner::DescendantOf(pid), &[], None);
        let PortCheck::Stranger(stranger) = stranger else {
            panic!("{stranger:?}");
        };
        assert!(in_words(address, &stranger).contains("not by this task"));
        let known = at(
            address,
            ListenerOwner::DescendantOf(pid),
            &[stranger.inode],
            None,
        );
        assert_eq!(known, own);
        drop(listener);
        assert_eq!(
            at(address, ListenerOwner::User(user), &[], None),
            PortCheck::Nobody
        );
    }

    #[test]
    fn a_listener_for_ipv6_alone_makes_nobody_a_stranger_beside_the_task_or_before_it() {
        let diag = SocketDiag::open(1).expect("the kernel tells").remove(0);
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("an address");
        let bystander = Socket::new(Domain::IPV6, Type::STREAM, None).expect("a socket");
        bystander.set_only_v6(true).expect("IPv6 alone");
        let wildcard = SocketAddr::from((std::net::Ipv6Addr::UNSPECIFIED, address.port()));
        bystander.bind(&wildcard.into()).expect("bound beside");
        bystander.listen(1).expect("listens");
        let task = ListenerOwner::User(rustix::process::geteuid().as_raw());
        let one = |check| matches!(check, PortCheck::Task(sockets) if sockets.len() == 1);
        assert!(one(at(address, task, &[], None)));
        drop(listener);
        assert_eq!(at(address, task, &[], Some(&diag)), PortCheck::Nobody);
        // A wildcard that takes IPv4 too is who gets the connections.
        drop(bystander);
        let both = TcpListener::bind(wildcard).expect("bound");
        assert!(one(at(address, task, &[], Some(&diag))));
        drop(both);
    }
}
