//! What a task is when it starts: its environment, its user, its place.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;

use neargate_core::machine::ProcessExit;
use neargate_near::identity;
use neargate_near::identity::UserIdentity;
use neargate_near::supervisor::{StartError, WorkingDirectory};
use rustix::io::{FdFlags, fcntl_setfd};

use crate::world::{World, is_root, program, skipped_without_root, status};

#[tokio::test]
async fn a_task_sees_exactly_its_own_environment() {
    let world = World::new();
    let mut spec = world.task("api-r1-1", &["env"]);
    spec.env = BTreeMap::from([
        ("PORT".to_owned(), "20001".to_owned()),
        ("SESSION".to_owned(), "a=b c\"d".to_owned()),
    ]);
    world.supervisor.start(&spec).await.unwrap();
    assert_eq!(
        world.supervisor.exited("api-r1-1").await,
        ProcessExit::Code(0)
    );
    let lines = world.lines("api-r1-1");
    let mut names: Vec<_> = lines
        .iter()
        .filter_map(|line| line.split_once('=').map(|(name, _)| name))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["HOME", "PATH", "PORT", "SESSION", "TMPDIR"]);
    assert!(lines.contains(&"SESSION=a=b c\"d".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn the_spec_with_its_secrets_is_neither_on_disk_nor_in_the_process_list() {
    let world = World::new();
    let mut spec = world.script("api-r1-1", "echo up; exec sleep 1000");
    spec.env.insert("SESSION".into(), "s3cr3t-of-a-test".into());
    let running = world.talking(&spec).await;
    for file in fs::read_dir(world.state.tasks().join("api-r1-1")).unwrap() {
        let text = fs::read(file.unwrap().path()).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&text).contains("s3cr3t-of-a-test"));
    }
    for name in ["cmdline", "environ"] {
        let text = fs::read(format!("/proc/{}/{name}", running.shim.pid)).unwrap();
        assert!(!String::from_utf8_lossy(&text).contains("s3cr3t-of-a-test"));
    }
}

#[tokio::test]
async fn descriptors_of_the_engine_do_not_reach_a_task() {
    let world = World::new();
    // A descriptor that the engine inherited from whoever started it, as from `make`.
    let leaked = fs::File::open("/dev/null").unwrap();
    fcntl_setfd(leaked.as_fd(), FdFlags::empty()).unwrap();
    let spec = world.script("api-r1-1", "echo up; exec sleep 1000");
    let running = world.talking(&spec).await;
    let open = |pid: u32| {
        let entries = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
        let mut links: Vec<String> = entries
            .filter_map(|entry| fs::read_link(entry.path()).ok())
            .map(|link| link.display().to_string())
            .collect();
        links.sort();
        links
    };
    let task = open(running.task.pid);
    assert_eq!(task.len(), 3, "{task:?}");
    assert_eq!(task[0], "/dev/null");
    assert!(task[1..].iter().all(|link| link.starts_with("pipe:")));
    // Standard input and output of the shim are the only ones to nowhere.
    let nowhere = open(running.shim.pid)
        .iter()
        .filter(|link| *link == "/dev/null")
        .count();
    assert!(nowhere <= 2, "the shim holds {:?}", open(running.shim.pid));
}

/// Soft and hard limit of open files of tasks on Fargate.
const OPEN_FILES: u64 = 65_535;

#[tokio::test]
async fn a_task_may_open_as_many_files_as_on_fargate_whatever_the_engine_may() {
    let world = World::new();
    neargate_near::descriptors::raise();
    let hard = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let expected = hard.unwrap_or(u64::MAX).min(OPEN_FILES).to_string();
    let spec = world.script(
        "api-r1-1",
        "ulimit -Sn; ulimit -Hn; echo up; exec sleep 1000",
    );
    world.talking(&spec).await;
    crate::world::eventually("it has said all", || world.lines("api-r1-1").len() == 3);
    assert_eq!(world.lines("api-r1-1"), [&expected, &expected, "up"]);
}

#[tokio::test]
async fn a_task_can_gain_no_privileges() {
    let world = World::new();
    let spec = world.script("api-r1-1", "umask; ulimit -c; echo up; exec sleep 1000");
    let running = world.talking(&spec).await;
    let of = |field| status(running.task.pid, field).unwrap();
    assert_eq!(of("NoNewPrivs"), "1");
    crate::world::eventually("it has said all", || world.lines("api-r1-1").len() == 3);
    assert_eq!(world.lines("api-r1-1"), ["0022", "0", "up"]);
    if is_root() {
        let uid = identity::of_service(&world.state, "api")
            .unwrap()
            .unwrap()
            .uid;
        assert_eq!(of("Uid"), [uid; 4].map(|id| id.to_string()).join("\t"));
        assert_eq!(of("Gid"), [uid; 4].map(|id| id.to_string()).join("\t"));
        assert_eq!(of("Groups"), "");
        for set in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            assert_eq!(of(set), "0000000000000000", "{set}");
        }
    }
}

#[tokio::test]
async fn a_task_cannot_read_the_environment_of_another_service() {
    if skipped_without_root() {
        return;
    }
    let world = World::new();
    let mut victim = world.script("api-r1-1", "echo up; exec sleep 1000");
    victim.env.insert("SESSION".into(), "s3cr3t".into());
    let victim_identity = victim.identity;
    let victim = world.talking(&victim).await;
    let path = format!("/proc/{}/environ", victim.task.pid);
    let mut curious = world.task("web-r1-1", &["cat", &path]);
    curious.identity = identity::of_service(&world.state, "web").unwrap();
    assert_ne!(curious.identity, victim_identity);
    world.supervisor.start(&curious).await.unwrap();
    assert_eq!(
        world.supervisor.exited("web-r1-1").await,
        ProcessExit::Code(1)
    );
    assert!(world.lines("web-r1-1")[0].contains("Permission denied"));
}

#[tokio::test]
async fn a_missing_program_is_an_error_that_names_it_and_where_it_was_looked_for() {
    let world = World::new();
    let plain = world.open.join("plain");
    program(&plain, "notes", "#!/bin/sh\n");
    fs::write(plain.join("readme"), "not a program").unwrap();
    for (name, says) in [
        ("no-such-program", "/usr/local/bin"),
        ("./no-such-program", "./no-such-program"),
        ("./readme", "./readme"),
    ] {
        let mut spec = world.task("api-r1-1", &[name]);
        spec.place = WorkingDirectory::Snapshot(plain.clone());
        let error = world.supervisor.start(&spec).await.unwrap_err();
        assert!(matches!(error, StartError::Process { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(says), "{text}");
        assert!(world.supervisor.running("api-r1-1").is_none());
        assert_eq!(world.supervisor.ended("api-r1-1"), None);
    }
}

#[tokio::test]
async fn a_snapshot_that_is_gone_is_named_and_not_the_program() {
    let world = World::new();
    let mut spec = world.task("api-r1-1", &["/bin/true"]);
    spec.place = WorkingDirectory::Snapshot(world.open.join("gone"));
    let error = world.supervisor.start(&spec).await.unwrap_err().to_string();
    assert!(error.contains("artifact is gone"), "{error}");
    assert!(error.contains("open/gone is missing"), "{error}");
}

#[tokio::test]
async fn a_program_of_the_snapshot_comes_first_on_path() {
    let world = World::new();
    let snapshot = world.state.artifacts().join("d1");
    program(&snapshot, "ls", "#!/bin/sh\necho the ls of the snapshot\n");
    for argv in [vec!["ls"], vec!["./ls"], vec!["sh", "-c", "ls"]] {
        let mut spec = world.task("api-r1-1", &argv);
        spec.place = WorkingDirectory::Snapshot(snapshot.clone());
        world.supervisor.start(&spec).await.unwrap();
        assert_eq!(
            world.supervisor.exited("api-r1-1").await,
            ProcessExit::Code(0)
        );
        let last = world.lines("api-r1-1").pop();
        assert_eq!(last.as_deref(), Some("the ls of the snapshot"), "{argv:?}");
        world.supervisor.forget("api-r1-1");
    }
}

#[tokio::test]
async fn a_task_writes_to_its_scratch_and_not_to_its_snapshot() {
    let world = World::new();
    let spec = world.script(
        "api-r1-1",
        "cd \"$HOME\" && echo x > \"$TMPDIR/x\" && cat x; cd \"$OLDPWD\"; touch new",
    );
    world.supervisor.start(&spec).await.unwrap();
    let exit = world.supervisor.exited("api-r1-1").await;
    assert_eq!(world.lines("api-r1-1")[0], "x");
    if is_root() {
        assert_eq!(exit, ProcessExit::Code(1));
        let last = world.lines("api-r1-1").pop().unwrap();
        assert!(last.contains("Read-only"), "{last}");
    }
    let scratch = world.state.tasks().join("api-r1-1/scratch");
    assert!(!scratch.exists(), "the scratch outlives its task");
}

#[tokio::test]
async fn mounts_of_a_task_are_seen_by_nobody_else() {
    if skipped_without_root() {
        return;
    }
    let world = World::new();
    let spec = world.script("api-r1-1", "echo up; exec sleep 1000");
    world.talking(&spec).await;
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let own = world.state.path().display().to_string();
    assert!(!mounts.contains(&own), "{mounts}");
}

#[tokio::test]
async fn started_twice_at_once_it_runs_once() {
    let world = World::new();
    let spec = world.script("api-r1-1", "echo up; exec sleep 1000");
    let starts = [(); 4].map(|()| {
        let (supervisor, spec) = (world.supervisor.clone(), spec.clone());
        tokio::spawn(async move { supervisor.start(&spec).await })
    });
    let mut pids = Vec::new();
    for start in starts {
        pids.push(start.await.unwrap().unwrap().task.pid);
    }
    pids.dedup();
    assert_eq!(pids.len(), 1);
    assert_eq!(
        world.supervisor.start(&spec).await.unwrap().task.pid,
        pids[0]
    );
    assert_eq!(world.lines("api-r1-1"), ["up"]);
}

#[tokio::test]
async fn a_user_that_cannot_be_taken_is_an_error_not_another_user() {
    if is_root() {
        println!("skipped: root can take every user");
        return;
    }
    let world = World::new();
    let mut spec = world.script("api-r1-1", "echo up");
    spec.place = WorkingDirectory::Directory(world.open.clone());
    spec.identity = Some(UserIdentity {
        uid: 61_184,
        gid: 61_184,
    });
    assert!(world.supervisor.start(&spec).await.is_err());
    assert!(world.lines("api-r1-1").is_empty());
}
