//! What one loss takes away.

use neargate_core::model::Manifest;

use super::super::{KeyEdit, Pillar, PostureRule, RuleCheck, RuleHit, write};
use super::{HIGH, LOW, MEDIUM};
use crate::stack::{EcsService, NatMode, Stack};

/// Percent on Fargate Spot beyond which a day without Spot takes more tasks than it leaves.
const MOST_SPOT: u32 = 50;

pub(super) static RULES: &[PostureRule] = &[
    PostureRule {
        id: "single-task",
        pillar: Pillar::Redundancy,
        weights: [HIGH, None, None],
        why: "While that task is replaced, or its zone is lost, no request is served.",
        change: "service.NAME.scale.min = 2",
        find: RuleCheck::Far(single_task),
    },
    PostureRule {
        id: "single-worker",
        pillar: Pillar::Redundancy,
        weights: [LOW, None, None],
        why: "While that task is replaced, or its zone is lost, work waits.",
        change: "service.NAME.scale.min = 2",
        find: RuleCheck::Far(single_worker),
    },
    PostureRule {
        id: "single-zone-database",
        pillar: Pillar::Redundancy,
        weights: [HIGH, None, None],
        why: "If the zone or machine is lost, the database is down until it is restored, without the latest writes.",
        change: "database.NAME.multi-az = true",
        find: RuleCheck::Far(single_zone),
    },
    PostureRule {
        id: "single-node-cache",
        pillar: Pillar::Redundancy,
        weights: [MEDIUM, None, None],
        why: "A lost node takes the whole cache with it, and no node takes over.",
        change: "cache.NAME.replicas = 1",
        find: RuleCheck::Far(single_node),
    },
    PostureRule {
        id: "shared-nat",
        pillar: Pillar::Redundancy,
        weights: [MEDIUM, None, None],
        why: "If its zone is lost, tasks in all zones lose the internet: no images, no outside calls.",
        change: "aws.nat = { kind = \"gateway\", per-zone = true }",
        find: RuleCheck::Far(shared_nat),
    },
    PostureRule {
        id: "nat-instance",
        pillar: Pillar::Redundancy,
        weights: [LOW, None, None],
        why: "A NAT instance is slower than AWS's gateway, and nothing replaces it at once if it hangs.",
        change: "aws.nat = { kind = \"gateway\", per-zone = true }",
        find: RuleCheck::Far(nat_instance),
    },
    PostureRule {
        id: "mostly-spot",
        pillar: Pillar::Redundancy,
        weights: [MEDIUM, None, None],
        why: "AWS reclaims Spot capacity with two minutes' notice, from many tasks at once.",
        change: "aws.spot = 50",
        find: RuleCheck::Far(mostly_spot),
    },
];

fn lone(stack: &Stack, routed: bool) -> Vec<RuleHit> {
    let all = stack.services.iter();
    let lone = all.filter(|s| s.scale.min < 2 && s.routes.is_empty() != routed);
    lone.map(|service| {
        let subject = format!("service.{}", service.name);
        let what = format!("{subject} has a minimum of {}.", tasks(service.scale.min));
        RuleHit::new(&*subject, what, two(&subject, service))
    })
    .collect()
}

fn tasks(count: u32) -> String {
    match count {
        1 => "1 task".to_owned(),
        count => format!("{count} tasks"),
    }
}

fn two(subject: &str, service: &EcsService) -> Vec<KeyEdit> {
    let mut edits = vec![write(format!("{subject}.scale.min"), "2")];
    if service.scale.max < 2 {
        edits.push(write(format!("{subject}.scale.max"), "4"));
    }
    edits
}

fn single_task(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    lone(stack, true)
}

fn single_worker(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    lone(stack, false)
}

fn single_zone(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let all = stack.databases.iter().filter(|d| !d.multi_az);
    let hit = |name: &String| {
        let subject = format!("database.{name}");
        let edits = vec![write(format!("{subject}.multi-az"), "true")];
        RuleHit::new(&*subject, format!("{subject} is in one zone."), edits)
    };
    all.map(|database| hit(&database.name)).collect()
}

fn single_node(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let all = stack.caches.iter().filter(|c| c.replicas == 0);
    let hit = |name: &String| {
        let subject = format!("cache.{name}");
        let edits = vec![write(format!("{subject}.replicas"), "1")];
        RuleHit::new(&*subject, format!("{subject} is one node."), edits)
    };
    all.map(|cache| hit(&cache.name)).collect()
}

fn shared_nat(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let (nat, zones) = (stack.network.nat, stack.network.zones);
    let kind = match nat {
        NatMode::Gateway { .. } => "gateway",
        NatMode::Instance { .. } => "instance",
        NatMode::None => return Vec::new(),
    };
    if nat.count() >= zones {
        return Vec::new();
    }
    let what = format!("{zones} zones share one NAT {kind}.");
    let value = format!("{{ kind = \"{kind}\", per-zone = true }}");
    vec![RuleHit::new("aws.nat", what, vec![write("aws.nat", value)])]
}

fn nat_instance(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let NatMode::Instance { count } = stack.network.nat else {
        return Vec::new();
    };
    let spread = count >= stack.network.zones;
    let what = "Tasks reach the internet through a NAT instance, a t4g.nano.";
    let value = format!("{{ kind = \"gateway\", per-zone = {spread} }}");
    vec![RuleHit::new("aws.nat", what, vec![write("aws.nat", value)])]
}

/// Two minutes: Amazon ECS, "Fargate Spot termination notices".
fn mostly_spot(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let most = stack.services.iter().map(|s| s.spot_percent).max();
    let Some(most) = most.filter(|percent| *percent > MOST_SPOT) else {
        return Vec::new();
    };
    let what = format!("{most} percent of the tasks beyond the first are on Fargate Spot.");
    let edits = vec![write("aws.spot", MOST_SPOT.to_string())];
    vec![RuleHit::new("aws.spot", what, edits)]
}
