//! Who listens on a TCP port, for the error that a taken port gives.
//!
//! Reads `/proc/net/tcp{,6}` for the socket's inode and `/proc/PID/fd` for its owner. Another
//! user's process can only be named when we are root; the answer says so otherwise.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use neargate_core::routing::listening::ListeningSocket;

use crate::belongings;
use crate::supervisor::Process;

/// That an address is taken, and by whom, in words. Blocks: looks at all processes.
#[must_use]
pub fn taken(address: SocketAddr) -> String {
    let holder = in_words(address.port());
    format!("{address} is taken by {holder}; end it, or choose another port with --port")
}

/// Who listens at a port, and of which task of Neargate it is. Blocks: looks at all processes.
#[must_use]
pub fn in_words(port: u16) -> String {
    let inodes = listening_inodes(port);
    match holder_of(&inodes) {
        Some((pid, name)) => match belongings::task_of(pid) {
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
pub fn is_anothers(address: SocketAddr, state: &Path) -> bool {
    let own = belongings::of(state);
    holder(address).is_some_and(|(pid, _)| !own.iter().any(|one| one.process.pid == pid))
}

/// Pid and name of the process that listens at an address's port.
fn holder(address: SocketAddr) -> Option<(u32, String)> {
    holder_of(&listening_inodes(address.port()))
}

/// Ports at which a process or one that descends from it listens.
#[must_use]
pub fn listened_below(pid: u32) -> BTreeSet<u16> {
    let held: BTreeSet<u64> = family(pid).into_iter().flat_map(sockets_of).collect();
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let tables = tables
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok());
    let mut ports = BTreeSet::new();
    for table in tables {
        let sockets = table.lines().skip(1).filter_map(ListeningSocket::of_line);
        let own = sockets.filter(|socket| held.contains(&socket.inode));
        ports.extend(own.map(|socket| socket.address.port()));
    }
    ports
}

/// A process and all that descend from it.
fn family(first: u32) -> BTreeSet<u32> {
    let parents: Vec<(u32, u32)> = processes()
        .filter_map(|pid| Some((pid, Process::parent(pid)?)))
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

/// `st` column of `/proc/net/tcp` for a listening socket (Linux `TCP_LISTEN`).
const LISTEN: &str = "0A";

fn listening_inodes(port: u16) -> Vec<String> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| fs::read_to_string(path).ok())
        .flat_map(|table| {
            table
                .lines()
                .skip(1)
                .filter_map(|line| inode_of(line, port))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn inode_of(line: &str, port: u16) -> Option<String> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let (_, hex) = columns.get(1)?.rsplit_once(':')?;
    let listens = *columns.get(3)? == LISTEN && u16::from_str_radix(hex, 16) == Ok(port);
    listens.then(|| format!("socket:[{}]", columns.get(9).unwrap_or(&"")))
}

fn holder_of(inodes: &[String]) -> Option<(u32, String)> {
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = files
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok())
            .any(|link| {
                inodes
                    .iter()
                    .any(|inode| link.as_os_str() == inode.as_str())
            });
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
            return Some((pid, name.trim().to_owned()));
        }
    }
    None
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

    #[test]
    fn a_line_of_the_kernels_table_gives_its_inode_only_when_it_listens_there() {
        let line = "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1";
        assert_eq!(inode_of(line, 8080).as_deref(), Some("socket:[4242]"));
        assert_eq!(inode_of(line, 8081), None);
        assert_eq!(inode_of(&line.replace(" 0A ", " 01 "), 8080), None);
    }
}
