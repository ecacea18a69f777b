//! Seeded runs: everything that can go wrong outside, at any moment. `NEARGATE_SEED=n` replays one seed.
#![allow(clippy::disallowed_methods)] // a seed to replay is named in the environment

use std::collections::BTreeMap;
use std::time::Duration;

use neargate_core::machine::{
    Capacity, DeploymentProgress, GuardVerdict, ReleaseControl, ReleaseOutcome,
};
use neargate_core::random::Random;

use super::world::{NEW, OLD, World};

const RELEASES: [&str; 4] = [
    r#"strategy = "rolling""#,
    r#"strategy = "rolling", before = ["migrate"], after = ["migrate"], on-rollback = ["undo"]"#,
    r#"strategy = "canary", steps = [10, 50, 100], bake = "60s", guard = ["success-rate"]"#,
    r#"strategy = "canary", steps = [20, 100], bake = "60s", smoke = ["migrate"], after = ["undo"]"#,
];

fn one(seed: u64) {
    let mut random = Random::new(seed);
    let kind = random.below(3);
    let (capacity, release) = match kind {
        // Two services exist only for what shifts.
        0 => (World::services(), RELEASES[2 + random.below(2) as usize]),
        1 => (World::deployment(), RELEASES[random.below(4) as usize]),
        _ => (World::files(), RELEASES[0]),
    };
    let serving = kind == 0 || random.below(4) > 0;
    let mut world = World::begin(capacity, release, serving);
    let endings = [
        DeploymentProgress::Succeeded,
        DeploymentProgress::RolledBack,
        DeploymentProgress::Failed,
        DeploymentProgress::InProgress,
        DeploymentProgress::InProgress,
    ];
    for _ in 0..random.below(6) {
        world.endings.push(endings[random.below(5) as usize]);
        world.missing.push(random.below(3) as usize);
    }
    for job in ["migrate", "undo"] {
        let code = if random.below(4) == 0 { 1 } else { 0 };
        world.exits.insert(job.to_owned(), code);
    }
    for round in 0..2_000 {
        if world.ended().is_some() {
            return judge(seed, &world, serving);
        }
        disturb(&mut world, &mut random);
        if random.below(30) == 0 {
            world.meanwhile = Some(ReleaseControl::Abort);
        }
        let guard = match random.below(30) {
            0 => GuardVerdict::Fired,
            1 => GuardVerdict::TooLittle,
            _ => GuardVerdict::Quiet,
        };
        world.round(guard);
        if random.below(3) == 0 {
            world.lose_client();
        }
        assert!(round < 1_999, "seed {seed} never ends: {:?}", world.calls);
    }
}

/// People and tasks do what they like.
fn disturb(world: &mut World, random: &mut Random) {
    match random.below(40) {
        0 => world.steer(ReleaseControl::Abort),
        1 => world.steer(ReleaseControl::Promote),
        2 => world.steer(ReleaseControl::PromoteFully),
        3 => world.steer(ReleaseControl::Pause),
        4 => world.now = world.now.after(Duration::from_secs(400)),
        5..8 => {
            if let Some(visitor) = &mut world.services.visitor {
                visitor.healthy = visitor.healthy.saturating_sub(1);
                visitor.failed += 1;
            }
        }
        8..16 => {
            if let Some(visitor) = &mut world.services.visitor {
                visitor.healthy = visitor.desired;
            }
        }
        _ => {}
    }
    // A pause has an end.
    if random.below(20) == 0 {
        world.steer(ReleaseControl::Resume);
    }
}

fn judge(seed: u64, world: &World, serving: bool) {
    world_is_whole(seed, world);
    let ended = world.ended().expect("it has ended");
    let said = format!("seed {seed}: {ended:?} {:?}", world.calls);
    if !serving {
        assert_ne!(ended.outcome, ReleaseOutcome::RolledBack, "{said}");
    }
    let service = world.service();
    match (&service.capacity, ended.outcome) {
        (Capacity::Services(_), ReleaseOutcome::Done) => {
            assert_eq!(world.services.main.revision, NEW, "{said}");
        }
        (Capacity::Services(_), _) => assert_eq!(world.services.main.revision, OLD, "{said}"),
        (Capacity::Deployment(_), ReleaseOutcome::Done) => {
            assert_eq!(world.serving, NEW, "{said}");
        }
        (Capacity::Deployment(_), ReleaseOutcome::RolledBack) => {
            assert_eq!(world.serving, OLD, "{said}");
        }
        (Capacity::Files(_), ReleaseOutcome::Done) => assert_eq!(world.files, NEW, "{said}"),
        (Capacity::Files(_), ReleaseOutcome::RolledBack) => {
            assert_eq!(world.files, OLD, "{said}");
        }
        _ => {}
    }
    let mut counts = BTreeMap::new();
    for call in world.calls.iter().filter(|call| !call.starts_with("job")) {
        *counts.entry(call.as_str()).or_insert(0) += 1;
    }
    for once in ["create", "deploy", "main", "copy", "roll back"] {
        let twice = counts
            .iter()
            .find(|(call, count)| call.starts_with(once) && **count > 1);
        assert_eq!(twice, None, "{said}");
    }
}

/// Whatever happened: one service, one target group, no share left behind.
fn world_is_whole(seed: u64, world: &World) {
    let services = &world.services;
    let left = (services.visitor.is_some(), services.weight);
    assert_eq!(left, (false, 0), "seed {seed}: {:?}", world.calls);
}

#[test]
fn whatever_happens_outside_a_release_ends_with_one_revision_and_no_call_is_made_twice() {
    let only = std::env::var("NEARGATE_SEED").ok();
    match only.and_then(|seed| seed.parse().ok()) {
        Some(seed) => one(seed),
        None => (0..3_000).for_each(one),
    }
}
