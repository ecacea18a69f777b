//! What runs for a state directory, found by what runs and not by what is written there.
//!
//! Every process of ours stands in its state directory (a shim in its task's), and the kernel
//! tells where that is now, also after a rename, and after a removal with a mark. So nothing
//! goes on unseen when the directory was renamed, emptied or removed.
//!
//! Refuses: processes that are not this program's, whatever directory they stand in.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::paths::without_mark;
use crate::process_identity::ProcessIdentity;
use crate::process_signal;
use crate::user_namespace;

/// How long tasks and data services may take to stop before they are killed.
pub const GRACE: Duration = Duration::from_secs(10);
/// How long a killed process is waited for.
const KILLED: Duration = Duration::from_secs(5);

/// Role of a process of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProcessRole {
    /// Starts the engine again.
    Watchdog,
    /// Decides what runs.
    Engine,
    /// Serves the requests of visitors.
    Router,
    /// Holds a task or a data service.
    Shim,
}

/// A process of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnProcess {
    pub process: ProcessIdentity,
    /// Role of the process.
    pub role: ProcessRole,
    /// Its directory has been removed.
    pub lost: bool,
}

/// Everything that runs for the state directory at this path, this process not among them.
#[must_use]
pub fn of(state: &Path) -> Vec<OwnProcess> {
    let state = resolved(state);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid: &u32| *pid != std::process::id())
        .filter_map(|pid| belonging(pid, &state))
        .collect()
}

/// Whether a process is one of ours, seen from a shim: one that was started for want of a watchdog
/// is a child of the shim that started it, and so are those that it leaves behind.
#[must_use]
pub fn is_ours(pid: u32) -> bool {
    let Ok(own) = fs::read_link("/proc/self/cwd") else {
        return false;
    };
    let (task, _) = without_mark(own);
    let state = task.parent().and_then(Path::parent);
    let owner = fs::metadata(format!("/proc/{pid}")).map(|found| found.uid());
    state
        .and_then(|state| belonging(pid, state))
        .is_some_and(|one| {
            // A task runs as another user, when there are others.
            let user = rustix::process::geteuid().as_raw();
            one.role == ProcessRole::Router || owner.is_ok_and(|owner| owner == user)
        })
}

/// The task, or data service, of which a process is, and its state directory.
#[must_use]
pub fn task_of(pid: u32) -> Option<(String, PathBuf)> {
    let mut next = Some(pid);
    while let Some(pid) = next {
        if let Some((ProcessRole::Shim, state, _)) = stands_for(pid) {
            let (task, _) = without_mark(fs::read_link(format!("/proc/{pid}/cwd")).ok()?);
            return Some((task.file_name()?.to_str()?.to_owned(), state));
        }
        next = ProcessIdentity::parent(pid).filter(|parent| *parent > 1);
    }
    None
}

fn belonging(pid: u32, state: &Path) -> Option<OwnProcess> {
    let (role, place, lost) = stands_for(pid)?;
    if place != state && !stands_in(pid, role, state) {
        return None;
    }
    let process = ProcessIdentity::of(pid)?;
    Some(OwnProcess {
        process,
        role,
        lost,
    })
}

/// Whether it stands in this very directory, whatever the kernel calls that: on a file system that
/// was unmounted under it no path leads there.
fn stands_in(pid: u32, role: ProcessRole, state: &Path) -> bool {
    let above = if role == ProcessRole::Shim {
        "/../.."
    } else {
        ""
    };
    let place = fs::metadata(format!("/proc/{pid}/cwd{above}"));
    let (Ok(place), Ok(state)) = (place, fs::metadata(state)) else {
        return false;
    };
    (place.dev(), place.ino()) == (state.dev(), state.ino())
}

/// Role of a process, if it is one of ours, and its state directory; whether the directory that it
/// stands in has been removed.
fn stands_for(pid: u32) -> Option<(ProcessRole, PathBuf, bool)> {
    let directory = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
    let (directory, lost) = without_mark(directory);
    let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let role = match arguments.split(|byte| *byte == 0).nth(1)? {
        b"watchdog" => ProcessRole::Watchdog,
        b"engine" => ProcessRole::Engine,
        b"router" => ProcessRole::Router,
        b"shim" => ProcessRole::Shim,
        _ => return None,
    };
    let place = match role {
        // `tasks/ID` in it.
        ProcessRole::Shim => directory.parent()?.parent()?,
        _ => &directory,
    };
    Some((role, place.to_owned(), lost))
}

/// State directories for which anything of this user runs. A process of a task, which can take any
/// command line, does not count where tasks have namespaces.
#[must_use]
pub fn state_directories() -> BTreeSet<PathBuf> {
    let user = rustix::process::geteuid().as_raw();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.metadata().is_ok_and(|found| found.uid() == user))
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| user_namespace::is_own(*pid))
        .filter_map(stands_for)
        .filter_map(|(_, state, lost)| (!lost && state.join("tasks").is_dir()).then_some(state))
        .collect()
}

/// The path without symbolic links, also when its last part is not there.
fn resolved(path: &Path) -> PathBuf {
    // A descriptor leads to its directory; what it is called is perhaps another's path.
    if path.starts_with("/proc/self/fd") {
        return path.to_owned();
    }
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    match (path.parent().map(Path::canonicalize), path.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}

/// Ends everything that runs for a state directory, in an order in which nobody starts anything
/// again: watchdog, engine, then tasks and data services (with `grace` to stop) and the router.
/// Blocks. Whether there was anything.
pub fn end_all(state: &Path, grace: Duration) -> bool {
    let mut found = false;
    for role in [ProcessRole::Watchdog, ProcessRole::Engine] {
        for one in of(state).iter().filter(|one| one.role == role) {
            found = true;
            process_signal::send(one.process, Signal::KILL);
        }
    }
    // A shim takes SIGTERM as a stop, SIGINT as a kill; a router drains on SIGTERM.
    for (round, wait) in [
        (Signal::TERM, grace),
        (Signal::INT, KILLED),
        (Signal::KILL, KILLED),
    ] {
        let left = of(state);
        if left.is_empty() {
            break;
        }
        found = true;
        for one in &left {
            let killed = matches!(one.role, ProcessRole::Watchdog | ProcessRole::Engine)
                || (one.role == ProcessRole::Router && round != Signal::TERM);
            process_signal::send(one.process, if killed { Signal::KILL } else { round });
            process_signal::send(one.process, Signal::CONT);
        }
        let deadline = Instant::now() + wait;
        while left.iter().any(|one| one.process.runs()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn processes_of_others_in_the_directory_are_not_ours() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut stranger = Command::new("sleep")
            .arg("60")
            .current_dir(folder.path())
            .spawn()
            .expect("sleep runs");
        assert_eq!(of(folder.path()), []);
        assert!(!end_all(folder.path(), GRACE));
        stranger.kill().expect("it ran on");
        stranger.wait().expect("its end");
    }

    #[test]
    fn a_path_that_is_gone_is_resolved_by_its_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let real = folder.path().canonicalize().expect("its path");
        let link = real.join("link");
        fs::create_dir(real.join("real")).expect("a folder");
        std::os::unix::fs::symlink(real.join("real"), &link).expect("a link");
        assert_eq!(resolved(&link.join("gone")), real.join("real/gone"));
    }
}
