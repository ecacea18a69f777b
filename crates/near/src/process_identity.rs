//! A process that cannot be mistaken for another, and facts about it that only `/proc` has.

use std::fs;
use std::io;

use serde::{Deserialize, Serialize};

use crate::descriptors::is_shortage;

/// A process that cannot be mistaken for a later one with the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessIdentity {
    pub pid: u32,
    /// Start time in clock ticks since boot (`/proc/PID/stat`, field 22).
    pub start: u64,
}

impl ProcessIdentity {
    /// The process that has this pid now; `None` when there is none (or only a zombie).
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Self::living(pid, stat(pid).ok()?)
    }

    fn living(pid: u32, stat: Option<(char, u64)>) -> Option<Self> {
        let (state, start) = stat?;
        (state != 'Z' && state != 'X').then_some(Self { pid, start })
    }

    /// Session and process group of the process with this pid.
    #[must_use]
    pub fn session_and_group(pid: u32) -> [Option<u32>; 2] {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields: Vec<&str> = text
            .rsplit_once(") ")
            .map_or(Vec::new(), |(_, rest)| rest.split(' ').collect());
        // Fields 6 and 5 of the file; the state is field 3.
        [3, 2].map(|index| fields.get(index)?.parse().ok())
    }

    /// Parent of the process with this pid.
    #[must_use]
    pub fn parent(pid: u32) -> Option<u32> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Field 4 of the file; the state is field 3.
        text.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    }

    /// Whether this very process is stopped by a signal; not by a debugger.
    #[must_use]
    pub fn stopped(self) -> bool {
        stat(self.pid).ok().flatten() == Some(('T', self.start))
    }

    /// Whether this very process still runs.
    #[must_use]
    pub fn runs(self) -> bool {
        match stat(self.pid) {
            Ok(stat) => Self::living(self.pid, stat) == Some(self),
            // What cannot be looked at has not been seen to end.
            Err(error) => is_shortage(&error),
        }
    }
}

/// State and start time from `/proc/PID/stat`. The name in parentheses may hold anything.
fn stat(pid: u32) -> io::Result<Option<(char, u64)>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    Ok(state_and_start(&text))
}

fn state_and_start(text: &str) -> Option<(char, u64)> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    // Field 22 of the file; the state is field 3.
    let start = fields.nth(18)?.parse().ok()?;
    Some((state, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_runs_and_one_with_another_start_time_does_not() {
        let own = ProcessIdentity::of(std::process::id()).unwrap();
        assert!(own.runs());
        assert!(
            !ProcessIdentity {
                start: own.start + 1,
                ..own
            }
            .runs()
        );
        assert_eq!(ProcessIdentity::of(u32::MAX), None);
    }
}
