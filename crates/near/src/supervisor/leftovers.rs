//! Ends what is left of a task when its first process is gone, and reaps what it abandoned.
//!
//! Invariant: no process of a task outlives it. The shim, reaper of all that its task starts,
//! sees to that; when the shim itself was killed, the supervisor does by what processes cannot
//! hide: control group, session, group, and the scratch directory that is the task's alone.

use std::fs;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process};

use super::spec::RunningProcess;
use crate::cgroup::TaskCgroup;
use crate::own_processes;
use crate::process_identity::ProcessIdentity;

/// Rounds of ending what the process left behind, 10 ms apart.
const REAP_ROUNDS: u32 = 200;
/// Rounds of ending what a killed shim left behind, 5 ms apart. On a busy machine a killed process takes
/// seconds to end, and until then its control group cannot be removed.
const ORPHAN_ROUNDS: u32 = 1_000;

/// Processes that are children of this one now; those that it adopted are among them.
fn children() -> Vec<Pid> {
    let own = std::process::id();
    let text = fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    let pids = text.split_whitespace();
    pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?))
        .collect()
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

/// Reaps adopted children that have ended. `held` is waited for by somebody else.
pub(super) fn reap_adopted(held: u32) {
    for pid in children() {
        if number(pid) != held {
            // It may run still, which is no error.
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }
}

/// In the shim: ends everything that its process started and left behind.
pub(super) async fn end_own(group: &TaskCgroup) {
    for _ in 0..REAP_ROUNDS {
        group.kill();
        let mut children = children();
        children.retain(|child| !own_processes::is_ours(number(*child)));
        for child in &children {
            let _ = kill_process(*child, Signal::KILL);
        }
        while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
        if children.is_empty() && group.empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// In the engine: ends the processes of a task whose shim was killed.
pub(super) fn end_orphans(task: &RunningProcess, scratch: &Path) {
    let group = TaskCgroup::of(&task.id, task.shim.pid);
    for _ in 0..ORPHAN_ROUNDS {
        group.kill();
        let orphans = orphans(task.task, scratch);
        for pid in &orphans {
            let _ = kill_process(*pid, Signal::KILL);
        }
        group.remove();
        if orphans.is_empty() && group.removed() {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn orphans(task: ProcessIdentity, scratch: &Path) -> Vec<Pid> {
    // The number of a session or group is not given to a new process while it has members, but
    // may have been when they were all gone.
    let taken_over = ProcessIdentity::of(task.pid).is_some_and(|now| now != task);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid: &u32| {
            let Some(found) = ProcessIdentity::of(pid) else {
                return false;
            };
            let of_session =
                !taken_over && ProcessIdentity::session_and_group(pid).contains(&Some(task.pid));
            found.start >= task.start && (of_session || has_scratch(pid, scratch))
        })
        .filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        .collect()
}

/// Whether a process has the scratch directory of the task: mounted as root, else in `TMPDIR`.
fn has_scratch(pid: u32, scratch: &Path) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let own = [b"TMPDIR=", scratch.as_os_str().as_encoded_bytes()].concat();
    if environment
        .split(|byte| *byte == 0)
        .any(|entry| entry == own)
    {
        return true;
    }
    let mounts = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
    mounts.lines().any(|line| {
        let mut fields = line.split(' ').skip(3);
        let (from, to) = (fields.next(), fields.next());
        // The source is named from the root of its own file system.
        to == Some(super::child::SCRATCH) && from.is_some_and(|from| ends_as(scratch, from))
    })
}

/// Whether the path ends with `from`, a path in the file system that holds it. The kernel marks
/// directories that have been removed.
fn ends_as(path: &Path, from: &str) -> bool {
    let from = from.trim_end_matches("//deleted").trim_start_matches('/');
    from.contains('/') && path.ends_with(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_known_by_its_path_in_its_own_file_system() {
        let scratch = Path::new("/srv/app/.neargate/tasks/api-r1-1/scratch");
        for (from, known) in [
            ("/srv/app/.neargate/tasks/api-r1-1/scratch", true),
            ("/app/.neargate/tasks/api-r1-1/scratch", true),
            ("/app/.neargate/tasks/api-r1-1/scratch//deleted", true),
            ("/app/.neargate/tasks/api-r1-11/scratch", false),
            ("/other/.neargate/tasks/api-r1-1/scratch", false),
            ("/scratch", false),
            ("/", false),
        ] {
            assert_eq!(ends_as(scratch, from), known, "{from}");
        }
    }
}
