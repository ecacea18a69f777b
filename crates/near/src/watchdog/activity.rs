//! What a thread is doing, from `/proc`: whether its silence means anything.

use std::fs;

use neargate_core::liveness::Activity;

/// Reads one thread's activity between two looks.
#[derive(Debug)]
pub struct ActivityMeter {
    stat: String,
    ticks: Option<u64>,
}

impl ActivityMeter {
    /// For this thread of a process; the main thread has the process's number.
    #[must_use]
    pub fn of(pid: u32, thread: u32) -> Self {
        Self {
            stat: format!("/proc/{pid}/task/{thread}/stat"),
            ticks: None,
        }
    }

    /// Activity since the last reading. The first reading calls it work.
    pub fn read(&mut self) -> Activity {
        let Some((state, ticks)) = fs::read_to_string(&self.stat)
            .ok()
            .and_then(|text| state_and_ticks(&text))
        else {
            return Activity::Nothing;
        };
        let before = self.ticks.replace(ticks);
        if state == 'T' {
            return Activity::Stopped;
        }
        // On a processor or waiting for one, waiting for a disk, under a debugger.
        let busy = matches!(state, 'R' | 'D' | 't');
        if busy || before != Some(ticks) {
            Activity::Works
        } else {
            Activity::Nothing
        }
    }
}

/// State and processor time (user and kernel) of a `stat` line; the name may hold anything.
fn state_and_ticks(text: &str) -> Option<(char, u64)> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    // Fields 14 and 15 of the file; the state is field 3.
    let user: u64 = fields.nth(10)?.parse().ok()?;
    let kernel: u64 = fields.next()?.parse().ok()?;
    Some((state, user + kernel))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_and_time_are_found_behind_any_name() {
        let line = "12 (a) b) S 1 12 12 0 -1 4194560 1 2 3 4 70 7 8 9 20 0 1 0 99 5 6";
        assert_eq!(state_and_ticks(line), Some(('S', 77)));
        assert_eq!(state_and_ticks("12 (a"), None);
    }

    #[test]
    fn a_thread_that_is_gone_does_nothing() {
        assert_eq!(ActivityMeter::of(u32::MAX, 1).read(), Activity::Nothing);
    }
}
