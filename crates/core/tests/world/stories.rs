//! What stories about releases begin with and end in.

use neargate_core::ids::RevisionNumber;
use neargate_core::machine::{Event, ReleaseOutcome, RevisionDefinition, Supersede};
use neargate_core::model::{Breaker, Threshold};

use super::{Numbers, Shift, World, definition};

/// Two tasks, released rolling.
pub(crate) const NUMBERS: Numbers = Numbers {
    desired: 2,
    minimum: 100,
    maximum: 200,
    hook: false,
    breaker: Some(DEFAULT),
    strategy: Shift::Rolling,
    guard: false,
    approve: false,
    jobs: false,
    low_traffic: "hold",
};
/// ECS's default circuit breaker.
pub(crate) const DEFAULT: Breaker = Breaker {
    threshold: Threshold::BoundedPercent,
    value: 50,
    reset_on_healthy: true,
    rollback: true,
};

/// Asks for a version.
pub(crate) fn deploy(world: &mut World, numbers: Numbers, version: u32) {
    let definition = definition(numbers, version);
    world.happen(&deploy_request(definition, Supersede::Refuse));
}

/// Asks for this definition, while no guard fires.
pub(crate) fn deploy_request(definition: RevisionDefinition, supersede: Supersede) -> Event {
    Event::DeployRequested {
        service: "api".into(),
        definition: Box::new(definition),
        firing: Vec::new(),
        supersede,
    }
}

/// A world in which revision 1 is stable.
pub(crate) fn stable(numbers: Numbers) -> World {
    let mut world = World::new(7);
    world.happen(&Event::UpRequested);
    deploy(&mut world, numbers, 1);
    assert!(world.settle(10_000));
    assert_eq!(world.service().stable, Some(RevisionNumber(1)));
    world
}

/// How the last release ended, and why.
pub(crate) fn last(world: &World) -> (ReleaseOutcome, String) {
    let finished = world.service().history.back().expect("a finished release");
    (finished.outcome, finished.reason.clone())
}
