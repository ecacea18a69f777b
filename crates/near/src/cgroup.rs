//! Control groups: holds a task to its size where the machine allows it.
//!
//! v2: `/sys/fs/cgroup/neargate/<task>`, v1: the same below the `memory` and `cpu` hierarchies.
//! Only root can make them here; without them the limits are not enforced, and [`Group::create`]
//! says so in words that `status` shows. CPU is a strict quota, as on Fargate.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal};

use crate::supervisor::Limits;

const ROOT: &str = "/sys/fs/cgroup";
/// Period of the CPU quota in µs (the kernel's default).
const PERIOD: u64 = 100_000;
/// CPU units of one core.
const CORE: u64 = 1024;

/// The groups of one task; none when the machine does not allow them.
#[derive(Debug)]
pub struct Group {
    directories: Vec<PathBuf>,
}

impl Group {
    /// Makes the groups of a task, with notes on what is not enforced.
    #[must_use]
    pub fn create(id: &str, limits: Option<Limits>) -> (Self, Vec<String>) {
        let none = Self {
            directories: Vec::new(),
        };
        let Some(limits) = limits else {
            return (none, Vec::new());
        };
        let name = format!("{id}-{}", std::process::id());
        let made = if Path::new(ROOT).join("cgroup.controllers").exists() {
            unified(&name, limits)
        } else {
            separate(&name, limits)
        };
        match made {
            Ok(directories) => (Self { directories }, Vec::new()),
            Err(error) => {
                let note = format!(
                    "CPU and memory limits are not enforced: no control group can be made ({error})"
                );
                (none, vec![note])
            }
        }
    }

    /// Files that take a process into the groups.
    #[must_use]
    pub fn membership(&self) -> Vec<OwnedFd> {
        self.directories
            .iter()
            .filter_map(|directory| {
                OpenOptions::new()
                    .write(true)
                    .open(directory.join("cgroup.procs"))
                    .ok()
            })
            .map(|file: File| file.into())
            .collect()
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

    /// Removes the groups; the kernel refuses while a process is in them.
    pub fn remove(&self) {
        for directory in &self.directories {
            let _ = fs::remove_dir(directory);
        }
    }
}

fn quota(limits: Limits) -> u64 {
    u64::from(limits.cpu_units) * PERIOD / CORE
}

fn bytes(limits: Limits) -> u64 {
    u64::from(limits.memory_mib) << 20
}

fn unified(name: &str, limits: Limits) -> io::Result<Vec<PathBuf>> {
    let parent = Path::new(ROOT).join("neargate");
    fs::create_dir_all(&parent)?;
    for directory in [Path::new(ROOT), &parent] {
        fs::write(directory.join("cgroup.subtree_control"), "+cpu +memory")?;
    }
    let own = parent.join(name);
    fs::create_dir_all(&own)?;
    fs::write(own.join("memory.max"), bytes(limits).to_string())?;
    // A machine without swap accounting has no such file.
    let _ = fs::write(own.join("memory.swap.max"), "0");
    fs::write(own.join("cpu.max"), format!("{} {PERIOD}", quota(limits)))?;
    Ok(vec![own])
}

fn separate(name: &str, limits: Limits) -> io::Result<Vec<PathBuf>> {
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
    Ok(vec![memory, cpu])
}
