//! A stop reaches whoever of a task works, and gives it the task's time.

use std::time::{Duration, Instant};

use neargate_core::machine::ProcessExit;
use neargate_near::supervisor::TaskSpec;

use crate::orphans::processes_of;
use crate::world::{PATIENCE, World, eventually, program};

/// A worker that needs a moment to end in order. It says so when it begins.
const WORKER: &str = r#"#!/usr/bin/python3
import os, signal, sys, time
def bye(*_):
    time.sleep(0.5)
    os.write(1, b"orderly\n")
    os._exit(0)
signal.signal(signal.SIGTERM, bye)
os.write(1, b"begins\n")
while True:
    time.sleep(1)
"#;

/// A task of a snapshot with the worker and a script that starts it.
fn wrapped(world: &World, argv: &[&str], script: &str) -> TaskSpec {
    let snapshot = world.open.join("snapshot");
    program(&snapshot, "worker", WORKER);
    program(&snapshot, "start", script);
    let mut spec = world.task("api-r1-1", argv);
    spec.place = neargate_near::supervisor::WorkingDirectory::Snapshot(snapshot);
    // A shell has a tenth of it to pass the signal on.
    spec.stop.timeout = Duration::from_secs(15);
    spec
}

async fn stopped(world: &World, spec: &TaskSpec) -> Vec<String> {
    world.talking(spec).await;
    eventually("the worker begins", || {
        world.lines(&spec.id).iter().any(|line| line == "begins")
    });
    world.supervisor.stop(&spec.id);
    world.supervisor.exited(&spec.id).await;
    world.lines(&spec.id)
}

#[tokio::test]
async fn a_worker_behind_a_wrapper_gets_the_time_of_the_stop() {
    let plain = "#!/bin/bash\nset -e\nworker\n";
    for (argv, script) in [
        (&["sh", "-c", "cd . && worker"] as &[&str], plain),
        (&["sh", "-c", "worker; true"], plain),
        (&["bash", "-c", "worker | cat"], plain),
        (&["bash", "-c", "worker 2>&1 | tee /dev/null | cat"], plain),
        (
            &[
                "bash",
                "-c",
                "worker | while read -r line; do sleep 0.2; echo $line; done",
            ],
            plain,
        ),
        (&["sh", "-c", "worker & wait"], plain),
        (&["start"], plain),
        (&["sh", "-c", "start; true"], plain),
        (
            &["start"],
            "#!/bin/bash\ntrap 'echo trapped' TERM\nworker\n",
        ),
        (&["start"], "#!/bin/sh\ntrap '' HUP\n(cd . && worker)\n"),
        (&["start"], "#!/bin/bash\nsetsid worker\n"),
        (
            &["start"],
            "#!/bin/bash\ntrap 'kill $!; wait' TERM\nworker & wait\n",
        ),
    ] {
        let world = World::new();
        let spec = wrapped(&world, argv, script);
        let lines = stopped(&world, &spec).await;
        let orderly = lines.iter().filter(|line| *line == "orderly").count();
        assert_eq!(orderly, 1, "{argv:?} {script:?}: {lines:?}");
        assert_eq!(processes_of(&world, "worker"), [0_u32; 0]);
    }
}

#[tokio::test]
async fn when_the_first_process_ends_by_itself_its_children_get_the_time_too() {
    let world = World::new();
    let script = "#!/bin/bash\nworker &\nwhile [ ! -e \"$GO\" ]; do sleep 0.02; done\nexit 7\n";
    let mut spec = wrapped(&world, &["start"], script);
    let go = world.open.join("go");
    spec.env.insert("GO".into(), go.display().to_string());
    world.talking(&spec).await;
    std::fs::write(go, "").unwrap();
    assert_eq!(
        world.supervisor.exited("api-r1-1").await,
        ProcessExit::Code(7)
    );
    assert_eq!(world.lines("api-r1-1"), ["begins", "orderly"]);
}

#[tokio::test]
async fn nobody_of_a_task_outlives_its_timeout_and_all_have_it_whole() {
    let world = World::new();
    let stubborn = "#!/usr/bin/python3\nimport os, signal, time\n\
        signal.signal(signal.SIGTERM, lambda *_: os.write(1, b'no\\n'))\n\
        os.write(1, b'begins\\n')\nwhile True: time.sleep(1)\n";
    let mut spec = wrapped(&world, &["sh", "-c", "setsid ./start & wait"], stubborn);
    spec.stop.timeout = Duration::from_millis(700);
    world.talking(&spec).await;
    let begin = Instant::now();
    let lines = stopped(&world, &spec).await;
    assert_eq!(lines, ["begins", "no"]);
    let took = begin.elapsed();
    assert!(took >= spec.stop.timeout && took < PATIENCE, "{took:?}");
    assert_eq!(processes_of(&world, "start"), [0_u32; 0]);
}

#[tokio::test]
async fn a_kill_ends_the_whole_task_at_once() {
    let world = World::new();
    let spec = wrapped(&world, &["sh", "-c", "worker; true"], "");
    world.talking(&spec).await;
    world.supervisor.kill("api-r1-1");
    assert_eq!(
        world.supervisor.exited("api-r1-1").await,
        ProcessExit::Signal(9)
    );
    assert_eq!(world.lines("api-r1-1"), ["begins"]);
}
