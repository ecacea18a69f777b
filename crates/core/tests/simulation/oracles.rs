//! What must hold, after every decision and when all is quiet.

use neargate_core::machine::{
    self, Action, Fact, GuardVerdict, Promotion, ReleaseStage, RevisionStatus, SplitCheck, Task,
    limits,
};
use neargate_core::model::LowTraffic;

use super::FindService;
use crate::world::{self, World};

/// Invariants after every decision.
pub(super) fn judge(world: &World, before: Option<&machine::ServiceState>) {
    let Some(service) = world.service_or_none() else {
        return;
    };
    let Some(definition) = service.definition(service.primary) else {
        return;
    };
    let policy = &definition.service.release;
    let active = service.tasks.values().filter(|task| task.active()).count();
    // While a release shifts, each revision has a ceiling of its own.
    let fleets = service.fleets().len();
    let ceiling = limits::ceiling(service.desired, policy) as usize * fleets;
    if let Some(before) = before {
        weight_rises_only_when_it_may(before, &service, world);
        let grew = active > before.tasks.values().filter(|task| task.active()).count();
        assert!(
            !grew || active <= ceiling,
            "the ceiling is {ceiling}: {service:?}"
        );
        floor_holds(world, before, &service);
    }
    if let Some(release) = &service.release {
        assert!(
            machine::next_deadline(&world.state).is_some(),
            "every wait has a deadline"
        );
        assert!(
            !machine::waiting_for(&service, world.now).is_empty(),
            "every wait has a name"
        );
        let moves = !matches!(
            release.stage,
            ReleaseStage::Pending | ReleaseStage::BeforeHooks
        );
        let primary = service
            .revisions
            .get(&service.primary)
            .map(|revision| revision.status);
        assert!(
            !moves || primary != Some(RevisionStatus::Failed),
            "new tasks of a failed revision: {release:?}"
        );
    }
    let migrations = world.tape.0.iter().filter(|entry| {
        matches!(&entry.fact, Fact::HookStarted { release, job, .. } if job == "migrate" && service.release.as_ref().is_some_and(|r| r.id == *release))
    });
    assert!(
        migrations.count() <= 1,
        "a migration was begun twice in one release"
    );
}

/// The weight of a new revision rises only after its bake with its guards quiet and the split
/// as asked, or because a person said so; a guard that fired never lets it.
fn weight_rises_only_when_it_may(
    before: &machine::ServiceState,
    now: &machine::ServiceState,
    world: &World,
) {
    let (Some(old), Some(new)) = (&before.release, &now.release) else {
        return;
    };
    if old.id != new.id || new.weight <= old.weight {
        return;
    }
    // Since the step before was taken.
    let newest = world.tape.0.iter().rev();
    let mut steps = 0;
    let promoted = newest
        .take_while(|entry| {
            steps += u32::from(matches!(entry.fact, Fact::StepTaken { .. }));
            steps < 2
        })
        .any(|entry| {
            matches!(
                entry.fact,
                Fact::GateMoved {
                    gate: Promotion::Promoted | Promotion::PromotedFully,
                    ..
                }
            )
        })
        || old.gate == Promotion::PromotedFully;
    let fired = new
        .guards
        .values()
        .any(|verdict| *verdict == GuardVerdict::Fired);
    assert!(!fired, "the weight rose under a guard that fired: {new:?}");
    if promoted || old.step == 0 {
        return;
    }
    let since = old.step_since.expect("a step has a beginning");
    assert!(
        world.now.0 >= since.0 + 30_000,
        "the weight rose before its bake was over: {old:?} {new:?}"
    );
    let guarded = now
        .definition(new.to)
        .is_some_and(|to| !to.guards.is_empty());
    let low = now
        .definition(new.to)
        .map(|to| to.service.release.low_traffic);
    if guarded && low != Some(LowTraffic::Go) {
        assert!(
            world.now.0 >= since.0 + world::JUDGED_AFTER_MS,
            "the weight rose before its guard was judged: {old:?} {new:?}"
        );
    }
    let measured = world
        .tape
        .0
        .iter()
        .rev()
        .find_map(|entry| match entry.fact {
            Fact::SplitMeasured { split, .. } => Some(split),
            _ => None,
        });
    assert_ne!(
        measured,
        Some(SplitCheck::Off),
        "the weight rose on a wrong split"
    );
}

/// Our own stops never take healthy tasks below the floor.
fn floor_holds(world: &World, before: &machine::ServiceState, now: &machine::ServiceState) {
    let Some(definition) = now.definition(now.primary) else {
        return;
    };
    let floor = limits::floor(now.desired, &definition.service.release) as usize;
    let retired = now
        .tasks
        .values()
        .filter(|task| !task.active() && before.tasks.get(&task.id).is_some_and(Task::healthy))
        .count();
    let healthy = now.tasks.values().filter(|task| task.healthy()).count();
    let unhealthy_before = now.tasks.values().any(|task| {
        !task.active()
            && before
                .tasks
                .get(&task.id)
                .is_some_and(|old| old.healthy() && task.health != old.health)
    });
    if retired > 0 && !unhealthy_before && world.state.phase == machine::EnvironmentPhase::Up {
        assert!(
            healthy >= floor,
            "{healthy} healthy tasks are left of at least {floor}: {now:?}"
        );
    }
}

/// Invariant 2, at every instant and whoever ended the tasks: what serves, and what of a stable
/// revision may soon, is never fewer than the floor, unless starts of the stable revision wait
/// because they failed or the ceiling is full of tasks that are not unhealthy. (There may be two:
/// the one that served when the release began, and the one whose release was done last.)
pub(super) fn stable_is_wanted(world: &World) {
    let Some(service) = world.service_or_none() else {
        return;
    };
    let (Some(stable), Some(primary)) = (service.stable, service.definition(service.primary))
    else {
        return;
    };
    let release = service.release.as_ref();
    let from = release.map_or(stable, |release| release.from);
    let waits = |revision| service.starts_delayed_until(revision).is_some();
    if world.state.phase == machine::EnvironmentPhase::Down || waits(stable) || waits(from) {
        return;
    }
    let policy = &primary.service.release;
    let floor = limits::floor(service.desired, policy) as usize;
    let tasks = || service.tasks.values();
    let serves = tasks().filter(|task| task.healthy()).count();
    let was_stable = |revision| service.revisions[&revision].status == RevisionStatus::Stable;
    let comes = tasks()
        .filter(|task| was_stable(task.revision) && task.active())
        .filter(|task| !task.healthy() && !task.unhealthy())
        .count();
    let ceiling = limits::ceiling(service.desired, policy) as usize;
    let full = tasks()
        .filter(|task| task.active() && !task.unhealthy())
        .count()
        >= ceiling;
    assert!(
        serves + comes >= floor || full,
        "{serves} tasks serve and {comes} of a stable revision come, of at least {floor}: {service:?}"
    );
}

/// Invariants when all is quiet.
pub(super) fn settled(world: &World) {
    let service = world.service();
    if let Some(stable) = service.stable {
        assert_eq!(
            service.primary, stable,
            "a release ends on a stable revision"
        );
    }
    for task in world.processes.keys() {
        assert!(service.tasks.contains_key(task), "task {task} is orphaned");
    }
    let created = |revision| {
        world.tape.0.iter().rev().take_while(
            move |entry| !matches!(entry.fact, Fact::RevisionFailed { revision: r } if r == revision),
        )
    };
    for (number, revision) in &service.revisions {
        if revision.status == RevisionStatus::Failed {
            let after = created(*number).filter(
                |e| matches!(e.fact, Fact::TaskCreated { revision: r, .. } if r == *number),
            );
            assert_eq!(after.count(), 0, "a failed revision gets no new task");
        }
    }
    assert!(
        !machine::outstanding(&world.state)
            .iter()
            .any(|action| matches!(action, Action::StartTask { .. }))
            || service.stable.is_none()
    );
}
