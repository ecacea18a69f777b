//! A task is held to its size, and to the disk that there is.

use std::fs;
use std::path::{Path, PathBuf};

use neargate_core::machine::ProcessExit;
use neargate_near::cgroup;
use neargate_near::cgroup::ResourceLimits;
use rustix::mount::{MountFlags, UnmountFlags};
use rustix::process::Signal;

use crate::world::{World, eventually, is_root, send, skipped_without_root};

const SMALL: ResourceLimits = ResourceLimits {
    cpu_units: 256,
    memory_mib: 64,
    processes: 64,
};

/// A script that holds 256 MiB.
const GREEDY: &str = "x=$(head -c 268435456 /dev/zero | tr '\\0' x); echo ${#x}";

fn groups_of(id: &str) -> Vec<PathBuf> {
    let roots = [
        "neargate",
        "memory/neargate",
        "cpu/neargate",
        "pids/neargate",
    ];
    let entries = roots
        .iter()
        .filter_map(|root| fs::read_dir(Path::new("/sys/fs/cgroup").join(root)).ok())
        .flatten()
        .flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.to_str().is_some_and(|path| path.contains(id)))
        .collect()
}

#[tokio::test]
async fn a_task_that_takes_more_memory_than_its_size_is_ended_and_its_record_says_why() {
    if cgroup::availability().is_err() {
        println!("skipped: no control group can be made here");
        return;
    }
    let world = World::new();
    let mut spec = world.script("greedy-r1-1", GREEDY);
    spec.limits = Some(SMALL);
    let running = world.supervisor.start(&spec).await.unwrap();
    assert_eq!(running.notes, [""; 0]);
    assert_eq!(
        world.supervisor.exited("greedy-r1-1").await,
        ProcessExit::Signal(9)
    );
    let record = world.record("greedy-r1-1");
    assert!(record.contains("\"out_of_memory\":true"), "{record}");
    let last = world.lines("greedy-r1-1").pop().unwrap_or_default();
    assert!(last.contains("more memory than its size"), "{last}");
    assert_eq!(groups_of("greedy-r1-1"), [""; 0].map(PathBuf::from));
}

#[tokio::test]
async fn limits_that_are_not_enforced_are_noted_in_words() {
    let world = World::new();
    let mut spec = world.task("noted-r1-1", &["sleep", "1000"]);
    spec.limits = Some(SMALL);
    let running = world.supervisor.start(&spec).await.unwrap();
    match cgroup::availability() {
        Ok(_) => assert_eq!(running.notes, [""; 0]),
        Err(_) => assert!(
            running.notes[0].contains("not enforced"),
            "{:?}",
            running.notes
        ),
    }
}

#[tokio::test]
async fn a_start_that_fails_and_a_shim_that_is_killed_leave_no_control_group() {
    if cgroup::availability().is_err() {
        println!("skipped: no control group can be made here");
        return;
    }
    let world = World::new();
    // Groups of an earlier run that was killed do not count.
    let own = std::process::id();
    let (unmade, ended) = (format!("unmade{own}-r1-1"), format!("killed{own}-r1-1"));
    let mut missing = world.task(&unmade, &["no-such-program"]);
    missing.limits = Some(SMALL);
    world.supervisor.start(&missing).await.unwrap_err();
    assert_eq!(groups_of(&unmade), [""; 0].map(PathBuf::from));
    let mut killed = world.task(&ended, &["sleep", "1000"]);
    killed.limits = Some(SMALL);
    let running = world.supervisor.start(&killed).await.unwrap();
    assert!(!groups_of(&ended).is_empty());
    send(running.shim.pid, Signal::KILL);
    world.supervisor.exited(&ended).await;
    eventually("its control groups are gone", || {
        groups_of(&ended).is_empty()
    });
}

/// A file system of 2 MiB; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf) -> Self {
        fs::create_dir_all(&at).unwrap();
        let options = c"size=2m,mode=0700";
        rustix::mount::mount("tmpfs", &at, "tmpfs", MountFlags::empty(), options).unwrap();
        Self(at)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, UnmountFlags::DETACH);
    }
}

#[tokio::test]
async fn a_task_outlives_a_full_disk_and_its_log_says_what_was_lost() {
    if skipped_without_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let disk = SmallDisk::mount(path.join("disk"));
    let world = World::at(path.join("disk/state"), path.join("open"), directory);
    let sign = |name: &str| world.open.join(name);
    let script = format!(
        "echo first; until [ -e {go} ]; do sleep 0.02; done; \
         i=0; while [ $i -lt 3000 ]; do echo {line}; i=$((i+1)); done; touch {full}; \
         until [ -e {free} ]; do sleep 0.02; done; echo after; exit 5",
        go = sign("go").display(),
        full = sign("full").display(),
        free = sign("free").display(),
        line = "x".repeat(200),
    );
    world.talking(&world.script("api-r1-1", &script)).await;
    let filler = disk.0.join("filler");
    // It ends when the disk is full.
    fs::write(&filler, vec![0_u8; 4 << 20]).unwrap_err();
    fs::write(sign("go"), "").unwrap();
    eventually("the task has written all", || sign("full").exists());
    fs::remove_file(filler).unwrap();
    fs::write(sign("free"), "").unwrap();
    assert_eq!(
        world.supervisor.exited("api-r1-1").await,
        ProcessExit::Code(5)
    );
    let lines = world.lines("api-r1-1");
    assert_eq!(lines.last().map(String::as_str), Some("after"));
    assert!(
        lines.iter().any(|line| line.contains("lines were lost")),
        "{:?}",
        lines.len()
    );
}

#[tokio::test]
async fn an_exit_code_is_kept_on_a_full_disk() {
    if skipped_without_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().canonicalize().unwrap();
    let disk = SmallDisk::mount(path.join("disk"));
    let world = World::at(path.join("disk/state"), path.join("open"), directory);
    let go = world.open.join("go");
    let script = format!(
        "echo up; until [ -e {} ]; do sleep 0.02; done; exit 6",
        go.display()
    );
    world.talking(&world.script("api-r1-1", &script)).await;
    fs::write(disk.0.join("filler"), vec![0_u8; 4 << 20]).unwrap_err();
    fs::write(go, "").unwrap();
    assert_eq!(
        world.supervisor.exited("api-r1-1").await,
        ProcessExit::Code(6)
    );
    assert!(is_root());
}
