//! What a task may not do: what container runtimes refuse, and more processes than its limit.

use neargate_core::machine::ProcessExit;
use neargate_near::cgroup;
use neargate_near::cgroup::ResourceLimits;

use crate::world::{World, eventually, is_root, status};

const FEW: ResourceLimits = ResourceLimits {
    cpu_units: 1024,
    memory_mib: 512,
    processes: 32,
};

#[tokio::test]
async fn a_task_has_no_capability_no_new_privileges_and_a_filter() {
    let world = World::new();
    let spec = world.task("api-r1-1", &["sleep", "1000"]);
    let running = world.supervisor.start(&spec).await.unwrap();
    let of_task = |field: &str| status(running.task.pid, field).unwrap_or_default();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(of_task(set), "0".repeat(16), "{set}");
    }
    if is_root() {
        assert_eq!(of_task("CapBnd"), "0".repeat(16));
    }
    assert_eq!(of_task("NoNewPrivs"), "1");
    assert_eq!(of_task("Seccomp"), "2");
}

#[tokio::test]
async fn a_task_makes_no_namespace_and_no_mount_and_still_starts_threads_and_processes() {
    let world = World::new();
    // `unshare` of a user namespace needs no right where there is no filter.
    let script = "unshare --user true 2>/dev/null && echo NAMESPACE; \
                  unshare --map-root-user --mount mount -t tmpfs none /tmp 2>/dev/null && echo MOUNT; \
                  (echo a | cat) && sh -c 'echo b' && echo done";
    world
        .supervisor
        .start(&world.script("api-r1-1", script))
        .await
        .unwrap();
    assert_eq!(
        world.supervisor.exited("api-r1-1").await,
        ProcessExit::Code(0)
    );
    assert_eq!(world.lines("api-r1-1"), ["a", "b", "done"]);
}

#[tokio::test]
async fn a_fork_bomb_ends_at_its_limit_and_a_neighbour_does_not_notice() {
    if cgroup::availability().is_err() {
        println!("skipped: no control group can be made here");
        return;
    }
    let world = World::new();
    let neighbour = world.script(
        "api-r1-1",
        "echo here; while sleep 0.05; do (echo here); done",
    );
    world.talking(&neighbour).await;
    let bomb = "i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done; echo unbounded";
    let mut spec = world.script("bomb-r1-1", bomb);
    spec.limits = Some(FEW);
    world.supervisor.start(&spec).await.unwrap();
    // A shell that cannot fork gives up.
    assert_eq!(
        world.supervisor.exited("bomb-r1-1").await,
        ProcessExit::Code(2)
    );
    let lines = world.lines("bomb-r1-1");
    assert!(lines.iter().any(|line| line.contains("fork")), "{lines:?}");
    let before = world.lines("api-r1-1").len();
    eventually("the neighbour forks on", || {
        world.lines("api-r1-1").len() > before
    });
}
