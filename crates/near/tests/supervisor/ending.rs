//! How tasks end: by themselves, asked, killed; and what an engine learns of it that was not there.

use std::time::{Duration, Instant};

use neargate_core::machine::ProcessExit;
use neargate_near::shim_role::ShimRole;
use neargate_near::supervisor::LeftBehind;
use rustix::process::Signal;

use crate::world::{PATIENCE, World, eventually, runs, send};

#[tokio::test]
async fn an_end_is_kept_as_its_code_or_its_signal() {
    let world = World::new();
    for (script, exit) in [
        ("exit 0", ProcessExit::Code(0)),
        ("exit 7", ProcessExit::Code(7)),
        ("kill -KILL $$", ProcessExit::Signal(9)),
        ("kill -TERM $$", ProcessExit::Signal(15)),
    ] {
        let spec = world.script("api-r1-1", script);
        world.supervisor.start(&spec).await.unwrap();
        assert_eq!(world.supervisor.exited("api-r1-1").await, exit, "{script}");
        assert_eq!(world.supervisor.ended("api-r1-1"), Some(exit), "{script}");
        world.supervisor.forget("api-r1-1");
        assert_eq!(world.supervisor.ended("api-r1-1"), None);
    }
}

#[tokio::test]
async fn an_end_and_its_last_lines_are_kept_while_no_engine_runs() {
    let world = World::new();
    let go = world.open.join("go");
    let script = format!(
        "until [ -e {} ]; do sleep 0.02; done; echo late; exit 5",
        go.display()
    );
    let running = world
        .supervisor
        .start(&world.script("api-r1-1", &script))
        .await;
    let shim = running.unwrap().shim;
    std::fs::write(go, "").unwrap();
    eventually("the shim has ended", || !shim.runs());
    let found = world.next_engine().adopt_all().unwrap();
    assert_eq!(
        found,
        [LeftBehind::Exited(
            ShimRole::Task("api-r1-1".into()),
            ProcessExit::Code(5)
        )]
    );
    assert_eq!(world.lines("api-r1-1"), ["late"]);
}

#[tokio::test]
async fn a_process_is_adopted_for_what_its_record_says_and_not_for_its_name() {
    let world = World::new();
    let role = ShimRole::DataServer("cache-r1-main".into());
    let mut spec = world.task("cache-r1-main", &["sleep", "1000"]);
    spec.role = Some(role.clone());
    world.supervisor.start(&spec).await.unwrap();
    let found = world.next_engine().adopt_all().unwrap();
    let roles: Vec<ShimRole> = found.iter().map(LeftBehind::role).collect();
    assert_eq!(roles, [role]);
}

#[tokio::test]
async fn twenty_running_tasks_are_adopted_by_the_next_engine_at_once() {
    let world = World::new();
    let mut started = Vec::new();
    for number in 0..20 {
        let id = format!("api-r1-{number}");
        let spec = world.task(&id, &["sleep", "1000"]);
        started.push(LeftBehind::Running(
            world.supervisor.start(&spec).await.unwrap(),
        ));
    }
    let next = world.next_engine();
    let begin = Instant::now();
    let mut found = next.adopt_all().unwrap();
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    let id = |found: &LeftBehind| found.role().to_string();
    found.sort_by_key(id);
    started.sort_by_key(id);
    assert_eq!(found, started);
    // An adopted one is watched and stopped as one of the engine's own.
    next.stop("api-r1-7");
    assert_eq!(next.exited("api-r1-7").await, ProcessExit::Signal(15));
}

#[tokio::test]
async fn a_task_that_is_asked_to_stop_ends_in_its_own_way() {
    let world = World::new();
    let script = "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.02; done";
    let spec = world.script("api-r1-1", script);
    world.talking(&spec).await;
    world.supervisor.stop("api-r1-1");
    assert_eq!(
        world.supervisor.exited("api-r1-1").await,
        ProcessExit::Code(3)
    );
    assert_eq!(world.lines("api-r1-1"), ["up", "bye"]);
}

#[tokio::test]
async fn a_task_that_does_not_stop_is_killed_after_its_timeout_and_not_before() {
    let world = World::new();
    let script = "trap 'echo no' TERM; echo up; while :; do sleep 0.02; done";
    let mut spec = world.script("api-r1-1", script);
    // Longer than a shell has for passing the signal on: what it works with is not killed then.
    let timeout = Duration::from_millis(1_200);
    spec.stop.timeout = timeout;
    world.talking(&spec).await;
    let begin = Instant::now();
    world.supervisor.stop("api-r1-1");
    assert_eq!(
        world.supervisor.exited("api-r1-1").await,
        ProcessExit::Signal(9)
    );
    assert!(begin.elapsed() >= timeout, "{:?}", begin.elapsed());
    assert_eq!(world.lines("api-r1-1"), ["up", "no"]);
}

#[tokio::test]
async fn a_kill_does_not_wait_for_the_timeout_of_a_stop() {
    let world = World::new();
    let script = "trap '' TERM; echo up; while :; do sleep 0.02; done";
    let spec = world.script("api-r1-1", script);
    world.talking(&spec).await;
    let begin = Instant::now();
    world.supervisor.stop("api-r1-1");
    world.supervisor.kill("api-r1-1");
    assert_eq!(
        world.supervisor.exited("api-r1-1").await,
        ProcessExit::Signal(9)
    );
    assert!(begin.elapsed() < PATIENCE);
}

#[tokio::test]
async fn a_stop_right_after_the_start_is_not_lost_and_has_its_record() {
    let world = World::new();
    for round in 0..40 {
        let spec = world.task("api-r1-1", &["sleep", "1000"]);
        world.supervisor.start(&spec).await.unwrap();
        world.supervisor.stop("api-r1-1");
        let exit = world.supervisor.exited("api-r1-1").await;
        assert_eq!(exit, ProcessExit::Signal(15), "round {round}");
        world.supervisor.forget("api-r1-1");
    }
}

#[tokio::test]
async fn what_a_task_leaves_behind_ends_with_it() {
    let world = World::new();
    let script = "sleep 1000 & echo $!; setsid sleep 1001 & sleep 0.2; exit 0";
    let spec = world.script("api-r1-1", script);
    world.talking(&spec).await;
    assert_eq!(
        world.supervisor.exited("api-r1-1").await,
        ProcessExit::Code(0)
    );
    let left: u32 = world.lines("api-r1-1")[0].parse().unwrap();
    assert!(!runs(left), "a process in the task's group still runs");
    let of_its_own = crate::orphans::processes_of(&world, "sleep");
    assert_eq!(of_its_own, [0_u32; 0], "a process in a session of its own");
}

#[tokio::test]
async fn a_record_is_not_mistaken_for_one_of_a_later_process_with_the_same_pid() {
    let world = World::new();
    let spec = world.task("api-r1-1", &["sleep", "1000"]);
    let running = world.supervisor.start(&spec).await.unwrap();
    let path = world.state.tasks().join("api-r1-1/state.json");
    let text = std::fs::read_to_string(&path).unwrap();
    let other = text.replace(
        &format!("\"start\":{}", running.shim.start),
        &format!("\"start\":{}", running.shim.start - 1),
    );
    std::fs::write(&path, other).unwrap();
    assert!(world.supervisor.running("api-r1-1").is_none());
    // Must not signal it either.
    world.supervisor.kill("api-r1-1");
    std::fs::write(&path, text).unwrap();
    assert_eq!(world.supervisor.running("api-r1-1"), Some(running.clone()));
    send(running.task.pid, Signal::KILL);
    assert_eq!(
        world.supervisor.exited("api-r1-1").await,
        ProcessExit::Signal(9)
    );
}
