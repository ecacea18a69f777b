//! Facts about a process that only `/proc` has.

use std::fs;

use super::spec::Process;

impl Process {
    /// The process that has this pid now; `None` when there is none (or only a zombie).
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let (state, start) = stat(pid)?;
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
        stat(self.pid) == Some(('T', self.start))
    }

    /// Whether this very process still runs.
    #[must_use]
    pub fn runs(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

/// State and start time from `/proc/PID/stat`. The name in parentheses may hold anything.
fn stat(pid: u32) -> Option<(char, u64)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
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
        let own = Process::of(std::process::id()).unwrap();
        assert!(own.runs());
        assert!(
            !Process {
                start: own.start + 1,
                ..own
            }
            .runs()
        );
        assert_eq!(Process::of(u32::MAX), None);
    }
}
