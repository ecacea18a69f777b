//! Processes that an earlier run left behind.
//!
//! When PostgreSQL's postmaster is killed, its children go on for a while, each in a session
//! of its own. They all stand in the data directory, so that is how they are found: by the
//! inode of `/proc/PID/cwd` and the name of the program. Invariant: when [`end`] has returned,
//! no process writes to the directory any more. Refuses to go on when one does not end.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::error::DataError;

/// How long killed processes may take to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often to look.
const LOOK: Duration = Duration::from_millis(5);

/// Kills every process of this program name that stands in the directory, and waits until
/// none is left. Blocks.
pub(super) fn end(service: &str, directory: &Path, program: &str) -> Result<(), DataError> {
    let Ok(place) = fs::metadata(directory) else {
        return Ok(());
    };
    let place = (place.dev(), place.ino());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = standing_in(place, program);
        if found.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(DataError::Leftovers {
                service: service.to_owned(),
                pids: found.iter().map(|pid| pid.as_raw_pid()).collect(),
            });
        }
        for pid in found {
            // The pid is looked at again under a pidfd, so that no stranger is killed.
            if let Ok(handle) = pidfd_open(pid, PidfdFlags::empty())
                && stands_in(pid, place, program)
            {
                let _ = pidfd_send_signal(&handle, Signal::KILL);
            }
        }
        std::thread::sleep(LOOK);
    }
}

fn standing_in(place: (u64, u64), program: &str) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Pid::from_raw)
        .filter(|pid| stands_in(*pid, place, program))
        .collect()
}

fn stands_in(pid: Pid, place: (u64, u64), program: &str) -> bool {
    let proc = Path::new("/proc").join(pid.as_raw_pid().to_string());
    // The kernel keeps 15 bytes of a name.
    let name = fs::read_to_string(proc.join("comm")).unwrap_or_default();
    let name = name.trim_end();
    !name.is_empty()
        && program.get(..program.len().min(15)) == Some(name)
        && fs::metadata(proc.join("cwd")).is_ok_and(|cwd| (cwd.dev(), cwd.ino()) == place)
}
