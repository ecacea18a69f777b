//! No process of a task outlives it, whatever was killed; none waits to be reaped.

use std::fs;

use neargate_core::machine::ProcessExit;
use neargate_near::shim_role::ShimRole;
use neargate_near::supervisor::LeftBehind;
use rustix::process::Signal;

use crate::world::{World, eventually, runs, send, zombies_of};

/// Processes of this name whose working directory or environment belongs to a task of the world.
pub(crate) fn processes_of(world: &World, name: &str) -> Vec<u32> {
    let own = world.state.path().display().to_string();
    let mark = format!("WORLD={own}");
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid: &u32| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let directory = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
            let named = fs::read_to_string(format!("/proc/{pid}/comm"))
                .is_ok_and(|found| found.trim() == name);
            named
                && (directory.starts_with(&own)
                    || String::from_utf8_lossy(&environment).contains(&mark))
        })
        .collect()
}

/// A task that has workers: in its group, and in a session of their own.
async fn with_workers(world: &World) -> (u32, Vec<u32>) {
    let script = "sleep 1000 & echo $!; setsid sh -c 'echo $$; exec sleep 1000' & \
                  echo $$; exec sleep 1000";
    let spec = world.script("api-r1-1", script);
    let running = world.supervisor.start(&spec).await.unwrap();
    eventually("all three have said their pid", || {
        world.lines("api-r1-1").len() == 3
    });
    let lines = world.lines("api-r1-1");
    let pids = lines.iter().map(|line| line.parse().unwrap()).collect();
    (running.shim.pid, pids)
}

#[tokio::test]
async fn a_killed_shim_takes_the_whole_task_with_it() {
    let world = World::new();
    let (shim, pids) = with_workers(&world).await;
    send(shim, Signal::KILL);
    assert_eq!(
        world.supervisor.exited("api-r1-1").await,
        ProcessExit::Unknown
    );
    for pid in pids {
        eventually("no process of the task runs", || !runs(pid));
    }
}

#[tokio::test]
async fn a_shim_killed_while_no_engine_runs_leaves_nothing_to_the_next_one() {
    let world = World::new();
    let (shim, pids) = with_workers(&world).await;
    send(shim, Signal::KILL);
    eventually("the shim has ended", || !runs(shim));
    let found = world.next_engine().adopt_all().unwrap();
    assert_eq!(
        found,
        [LeftBehind::Exited(
            ShimRole::Task("api-r1-1".into()),
            ProcessExit::Unknown
        )]
    );
    for pid in pids {
        eventually("no process of the task runs", || !runs(pid));
    }
}

#[tokio::test]
async fn orphans_of_a_running_task_are_reaped() {
    let world = World::new();
    let script = "for i in 1 2 3 4 5 6 7 8; do (sleep 0.05 &); done; echo up; exec sleep 1000";
    let spec = world.script("api-r1-1", script);
    let running = world.talking(&spec).await;
    eventually("the orphans have ended and are reaped", || {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", running.shim.pid));
        children.unwrap_or_default().split_whitespace().count() == 1
    });
    assert_eq!(zombies_of(running.shim.pid), 0);
    assert!(running.task.runs());
}

#[tokio::test]
async fn no_shim_is_left_to_be_reaped() {
    let world = World::new();
    let running = world
        .supervisor
        .start(&world.script("api-r1-1", "exit 0"))
        .await;
    let shim = running.unwrap().shim.pid;
    world.supervisor.exited("api-r1-1").await;
    tokio::time::timeout(crate::world::PATIENCE, async {
        while fs::exists(format!("/proc/{shim}")).unwrap() {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("the shim is reaped");
}
