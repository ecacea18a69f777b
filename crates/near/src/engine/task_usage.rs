//! What tasks use of their reservation: CPU and memory, from `/proc`.
//!
//! All processes of a task's control group count; without one, its first process alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use neargate_core::ids::{RevisionNumber, TaskId};
use neargate_core::metrics::{Sample, names};
use neargate_core::model::TaskSize;
use neargate_core::time::Timestamp;

use crate::cgroup::TaskCgroup;
use crate::supervisor::RunningProcess;

const PAGE: u64 = 4096;
/// Clock ticks of a second, as the kernel tells user space (`USER_HZ`).
const TICKS: f64 = 100.0;
const MIB: f64 = 1024.0 * 1024.0;
/// CPU units of one core.
const CORE: f64 = 1024.0;

/// Remembers the CPU time that each task had used.
#[derive(Debug, Default)]
pub(super) struct UsageMeter(BTreeMap<TaskId, (Timestamp, u64)>);

/// A task whose use is read.
pub(super) struct MeteredTask {
    pub id: TaskId,
    pub service: String,
    pub revision: RevisionNumber,
    /// Processes of the task: their CPU time and memory are read.
    pub running: RunningProcess,
    /// CPU units and MiB that the task reserves.
    pub size: TaskSize,
}

/// Result of one reading of all tasks.
#[derive(Debug, Default)]
pub(super) struct UsageReading {
    /// When the files of `/proc` were read.
    pub at: Timestamp,
    /// For the next reading.
    pub meter: UsageMeter,
    /// CPU and memory of each task, percent of its reservation.
    pub samples: Vec<Sample>,
}

/// Percent of the reservation.
#[derive(Debug, Clone, Copy, PartialEq)]
struct TaskUsage {
    /// Of the CPU units; none at the first look.
    cpu: Option<f64>,
    /// Of the memory.
    memory: f64,
}

impl UsageMeter {
    /// Looks at all tasks, and forgets those that are not among them. Blocks: several files of
    /// `/proc` for each task.
    #[must_use]
    pub(super) fn read_all(mut self, metered: &[MeteredTask], at: Timestamp) -> UsageReading {
        let mut samples = Vec::new();
        for task in metered {
            let (of, id) = ((task.service.as_str(), task.revision), &task.id);
            let used = self.read(task, at);
            samples.push(Sample::of_task(names::MEMORY, of, id, used.memory));
            samples.extend(used.cpu.map(|cpu| Sample::of_task(names::CPU, of, id, cpu)));
        }
        let present: BTreeSet<&TaskId> = metered.iter().map(|task| &task.id).collect();
        self.0.retain(|task, _| present.contains(task));
        UsageReading {
            at,
            meter: self,
            samples,
        }
    }

    fn read(&mut self, task: &MeteredTask, now: Timestamp) -> TaskUsage {
        let (running, size) = (&task.running, task.size);
        let mut pids = TaskCgroup::of(&running.id, running.shim.pid).pids();
        if pids.is_empty() {
            pids.push(running.task.pid);
        }
        let pages: u64 = pids.iter().filter_map(|pid| resident(*pid)).sum();
        let ticks: u64 = pids.iter().filter_map(|pid| ticks(*pid)).sum();
        let before = self.0.insert(task.id.clone(), (now, ticks));
        let cpu = before.and_then(|(at, before)| {
            let seconds = now.since(at).as_secs_f64();
            let used = ticks.saturating_sub(before) as f64 / TICKS;
            (seconds > 0.0).then(|| used / seconds / (f64::from(size.cpu) / CORE) * 100.0)
        });
        let memory = (pages * PAGE) as f64 / (f64::from(size.memory) * MIB) * 100.0;
        TaskUsage { cpu, memory }
    }
}

/// Resident pages of a process.
fn resident(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    text.split(' ').nth(1)?.parse().ok()
}

/// CPU time of a process and of its children that ended.
fn ticks(pid: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split(' ').collect();
    // Fields 14 to 17 of the file; the state is field 3.
    fields
        .get(11..15)?
        .iter()
        .map(|field| field.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_cpu_and_memory() {
        let pid = std::process::id();
        let before = ticks(pid).expect("its own time");
        let mut work = 0u64;
        while ticks(pid).expect("its own time") < before + 5 {
            work = std::hint::black_box(work.wrapping_add(1));
        }
        assert!(resident(pid).expect("its own memory") * PAGE > 500_000);
        assert_eq!(resident(u32::MAX), None);
    }
}
