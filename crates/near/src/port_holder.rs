//! Who listens on a TCP port, for the error that a taken port gives.
//!
//! Reads `/proc/net/tcp{,6}` for the socket's inode and `/proc/PID/fd` for its owner. Another
//! user's process can only be named when we are root; the answer says so otherwise.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use neargate_core::routing::listening::ListeningSocket;

use crate::own_processes;
use crate::process_identity::ProcessIdentity;

/// That an address is taken, and by whom, in words. Blocks: looks at all processes.
#[must_use]
pub(crate) fn port_taken(address: SocketAddr) -> String {
    let holder = in_words(address.port());
    format!("{address} is taken by {holder}; end it, or choose another port with --port")
}

/// The process that listens at a port, and the task of Neargate that it is of. Blocks: looks at all
/// processes.
#[must_use]
pub(crate) fn in_words(port: u16) -> String {
    let inodes = listening_inodes(port);
    match holder_of(&inodes) {
        Some((pid, name)) => match own_processes::task_of(pid) {
            Some((task, state)) => {
                format!("pid {pid} ({name}) of task {task} in {}", state.display())
            }
            None => format!("pid {pid} ({name})"),
        },
        // An outgoing connection can have it, too.
        None if inodes.is_empty() => "a process that does not listen there".to_owned(),
        None => "a process of another user (root can see which)".to_owned(),
    }
}

/// Whether a process listens there that can be seen, and is none of this state directory's.
#[must_use]
pub(crate) fn is_anothers(address: SocketAddr, state: &Path) -> bool {
    let own = own_processes::of(state);
    holder(address).is_some_and(|(pid, _)| !own.iter().any(|one| one.process.pid == pid))
}

/// Pid and name of the process that listens at an address's port.
fn holder(address: SocketAddr) -> Option<(u32, String)> {
    holder_of(&listening_inodes(address.port()))
}

/// Ports at which a process or one that descends from it listens.
#[must_use]
pub(crate) fn listened_below(pid: u32) -> BTreeSet<u16> {
    let held: BTreeSet<u64> = family(pid).into_iter().flat_map(sockets_of).collect();
    let own = listening().into_iter();
    let own = own.filter(|socket| held.contains(&socket.inode));
    own.map(|socket| socket.address.port()).collect()
}

/// A process and all that descend from it.
fn family(first: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = processes()
        .filter_map(|pid| Some((pid, ProcessIdentity::parent(pid)?)))
        .collect();
    let mut family = BTreeSet::from([first]);
    let mut open = vec![first];
    while let Some(parent) = open.pop() {
        let children = parents.iter().filter(|(_, of)| *of == parent);
        for (child, _) in children {
            if family.insert(*child) {
                open.push(*child);
            }
        }
    }
    family
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Inodes of the sockets that a process holds.
fn sockets_of(pid: u32) -> Vec<u64> {
    let files = fs::read_dir(format!("/proc/{pid}/fd"));
    let links = files.into_iter().flatten().flatten();
    links
        .filter_map(|file| {
            let link = fs::read_link(file.path()).ok()?;
            let link = link.to_str()?.strip_prefix("socket:[")?;
            link.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

/// Every socket of this machine that listens.
fn listening() -> Vec<ListeningSocket> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| {
            let sockets = table.lines().skip(1).filter_map(ListeningSocket::of_line);
            sockets.collect::<Vec<_>>()
        })
        .collect()
}

/// Inodes of the sockets that listen at a port.
fn listening_inodes(port: u16) -> BTreeSet<u64> {
    let sockets = listening().into_iter();
    let there = sockets.filter(|socket| socket.address.port() == port);
    there.map(|socket| socket.inode).collect()
}

fn holder_of(inodes: &BTreeSet<u64>) -> Option<(u32, String)> {
    let pid =
        processes().find(|pid| sockets_of(*pid).iter().any(|inode| inodes.contains(inode)))?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    Some((pid, name.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ports_of_a_process_are_those_at_which_it_listens() {
        let listens = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listens.local_addr().expect("its address").port();
        assert!(listened_below(std::process::id()).contains(&port));
        drop(listens);
        assert!(!listened_below(std::process::id()).contains(&port));
    }

    #[test]
    fn a_process_that_listens_is_named_and_a_port_without_one_names_nobody() {
        let listens = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listens.local_addr().expect("its address").port();
        let own = format!("pid {} (", std::process::id());
        assert!(in_words(port).starts_with(&own), "{}", in_words(port));
        drop(listens);
        assert!(!in_words(port).contains("pid"));
    }
}
