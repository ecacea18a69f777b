//! Control groups: holds a task to its size where the machine allows it.
//!
//! v2: `/sys/fs/cgroup/neargate/<task>`, v1: the same below the `memory`, `cpu` and `pids`
//! hierarchies.
//! Only root can make them here; without them the limits are not enforced, and [`TaskCgroup::create`]
//! says so in words that `status` shows. CPU is a strict quota, as on Fargate.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use serde::{Deserialize, Serialize};

const ROOT: &str = "/sys/fs/cgroup";
/// Period of the CPU quota in µs (the kernel's default).
const PERIOD: u64 = 100_000;
/// Rounds of ending a group, 5 ms apart.
const END_ROUNDS: u32 = 100;
/// Where groups may be, below the root: v2, then v1.
const HIERARCHIES: [&str; 4] = ["", "memory", "cpu", "pids"];
/// CPU units of one core.
const CORE: u64 = 1024;

/// Fargate's task size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimits {
    /// 1024 = one core.
    pub cpu_units: u32,
    /// MiB; beyond it the kernel kills a process of the task.
    pub memory_mib: u32,
    /// Processes and threads at one time.
    #[serde(default = "ResourceLimits::processes")]
    pub processes: u32,
}

impl ResourceLimits {
    /// Processes and threads of one task: far more than programs need, far fewer than a machine has.
    #[must_use]
    pub fn processes() -> u32 {
        2048
    }
}

/// This machine makes no control group for a task.
#[derive(Debug, thiserror::Error)]
#[error("CPU, memory and process limits are not enforced: no control group can be made ({source})")]
pub struct CgroupError {
    source: io::Error,
}

/// The groups of one task; none when the machine does not allow them.
#[derive(Debug)]
pub struct TaskCgroup {
    directories: Vec<PathBuf>,
}

/// The file that bounds a group's processes.
const PROCESSES: &str = "pids.max";

impl TaskCgroup {
    /// Makes the groups of a task, with notes on what is not enforced.
    #[must_use]
    pub fn create(id: &str, limits: Option<ResourceLimits>) -> (Self, Vec<String>) {
        let none = Self {
            directories: Vec::new(),
        };
        match limits.map(|limits| Self::made(id, limits)) {
            None => (none, Vec::new()),
            Some(Ok(group)) => (group, Vec::new()),
            Some(Err(error)) => (none, vec![error.to_string()]),
        }
    }

    fn made(id: &str, limits: ResourceLimits) -> Result<Self, CgroupError> {
        let name = format!("{id}-{}", std::process::id());
        let made = if Path::new(ROOT).join("cgroup.controllers").exists() {
            unified(&name, limits)
        } else {
            separate(&name, limits)
        };
        made.map(|directories| Self { directories })
            .map_err(|source| {
                // One hierarchy may have taken the group that the other refused.
                Self::of(id, std::process::id()).remove();
                CgroupError { source }
            })
    }

    /// The groups that a shim made for a task, as far as they are still there.
    #[must_use]
    pub fn of(id: &str, shim: u32) -> Self {
        let name = format!("{id}-{shim}");
        let directories = HIERARCHIES
            .iter()
            .map(|hierarchy| Path::new(ROOT).join(hierarchy).join("neargate").join(&name))
            .filter(|directory| directory.exists())
            .collect();
        Self { directories }
    }

    /// Whether a group bounds the task's processes.
    #[must_use]
    pub fn bounds_processes(&self) -> bool {
        let mut directories = self.directories.iter();
        directories.any(|directory| {
            fs::read_to_string(directory.join(PROCESSES)).is_ok_and(|most| most.trim() != "max")
        })
    }

    /// Files that take a process into the groups.
    ///
    /// # Errors
    /// A group cannot be entered: the task would run without its limits.
    pub fn membership(&self) -> io::Result<Vec<OwnedFd>> {
        let open = |directory: &PathBuf| {
            let procs = directory.join("cgroup.procs");
            let file: File = OpenOptions::new().write(true).open(procs)?;
            Ok(file.into())
        };
        self.directories.iter().map(open).collect()
    }

    /// Whether the kernel ended a process of the task for want of memory.
    #[must_use]
    pub fn out_of_memory(&self) -> bool {
        let count = |file: PathBuf| {
            let text = fs::read_to_string(file).ok()?;
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("oom_kill "))?;
            line.trim().parse::<u64>().ok()
        };
        self.directories.iter().any(|directory| {
            ["memory.events", "memory.oom_control"]
                .iter()
                .any(|file| count(directory.join(file)).is_some_and(|n| n > 0))
        })
    }

    /// Processes of the task.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        let members = self.members().into_iter();
        let mut pids: Vec<u32> = members
            .map(|pid| pid.as_raw_nonzero().get().unsigned_abs())
            .collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Kills every process of the task.
    pub fn kill(&self) {
        for pid in self.members() {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }

    /// Whether no process is left.
    #[must_use]
    pub fn empty(&self) -> bool {
        self.members().is_empty()
    }

    fn members(&self) -> Vec<Pid> {
        self.directories
            .iter()
            .filter_map(|directory| fs::read_to_string(directory.join("cgroup.procs")).ok())
            .flat_map(|text| {
                text.lines()
                    .filter_map(|line| Pid::from_raw(line.parse().ok()?))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    /// Kills what is in the groups and removes them, for a start that failed.
    pub fn end(&self) {
        for _ in 0..END_ROUNDS {
            self.kill();
            self.remove();
            if self.removed() {
                return;
            }
            // A killed process is in its groups until it has ended.
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether the groups are gone.
    #[must_use]
    pub fn removed(&self) -> bool {
        self.directories.iter().all(|directory| !directory.exists())
    }

    /// Removes the groups; the kernel refuses while a process is in them.
    pub fn remove(&self) {
        for directory in &self.directories {
            let _ = fs::remove_dir(directory);
        }
    }
}

/// Whether control groups can be made here, and of which kind.
///
/// # Errors
/// None can be made.
pub fn availability() -> Result<&'static str, CgroupError> {
    let limits = ResourceLimits {
        cpu_units: 256,
        memory_mib: 512,
        processes: 64,
    };
    let group = TaskCgroup::made("doctor", limits)?;
    group.remove();
    Ok(match group.directories.len() {
        0 | 1 => "control groups v2",
        _ => "control groups v1",
    })
}

fn quota(limits: ResourceLimits) -> u64 {
    u64::from(limits.cpu_units) * PERIOD / CORE
}

fn bytes(limits: ResourceLimits) -> u64 {
    u64::from(limits.memory_mib) << 20
}

fn unified(name: &str, limits: ResourceLimits) -> io::Result<Vec<PathBuf>> {
    let parent = Path::new(ROOT).join("neargate");
    fs::create_dir_all(&parent)?;
    for directory in [Path::new(ROOT), &parent] {
        let control = directory.join("cgroup.subtree_control");
        fs::write(&control, "+cpu +memory")?;
        // A machine without this controller bounds processes by user.
        let _ = fs::write(&control, "+pids");
    }
    let own = parent.join(name);
    fs::create_dir_all(&own)?;
    fs::write(own.join("memory.max"), bytes(limits).to_string())?;
    // A machine without swap accounting has no such file.
    let _ = fs::write(own.join("memory.swap.max"), "0");
    // A task that lost one of its processes ends as a whole, as a container does.
    let _ = fs::write(own.join("memory.oom.group"), "1");
    fs::write(own.join("cpu.max"), format!("{} {PERIOD}", quota(limits)))?;
    let _ = fs::write(own.join(PROCESSES), limits.processes.to_string());
    Ok(vec![own])
}

fn separate(name: &str, limits: ResourceLimits) -> io::Result<Vec<PathBuf>> {
    let make = |controller: &str| -> io::Result<PathBuf> {
        let hierarchy = Path::new(ROOT).join(controller);
        // A folder that is no cgroup hierarchy must not be mistaken for one.
        fs::metadata(hierarchy.join("cgroup.procs"))?;
        let own = hierarchy.join("neargate").join(name);
        fs::create_dir_all(&own)?;
        Ok(own)
    };
    let (memory, cpu) = (make("memory")?, make("cpu")?);
    fs::write(
        memory.join("memory.limit_in_bytes"),
        bytes(limits).to_string(),
    )?;
    let _ = fs::write(
        memory.join("memory.memsw.limit_in_bytes"),
        bytes(limits).to_string(),
    );
    fs::write(cpu.join("cpu.cfs_period_us"), PERIOD.to_string())?;
    fs::write(cpu.join("cpu.cfs_quota_us"), quota(limits).to_string())?;
    let mut directories = vec![memory, cpu];
    // A machine without this hierarchy bounds processes by user.
    if let Ok(processes) = make("pids") {
        let _ = fs::write(processes.join(PROCESSES), limits.processes.to_string());
        directories.push(processes);
    }
    Ok(directories)
}
