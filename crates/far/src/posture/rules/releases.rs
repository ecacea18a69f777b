//! What a bad revision can do.

use neargate_core::model::{Manifest, Probe, Service, Strategy};

use super::super::{KeyEdit, Pillar, PostureRule, RuleCheck, RuleHit, quoted, write};
use super::alarms::alarm_name;
use super::{HIGH, LOW, MEDIUM, tasks};
use crate::stack::Stack;

/// Seconds that requests in flight need at the least, a page with its slowest query.
const SHORTEST_DRAIN: u64 = 5;

pub(super) static RULES: &[PostureRule] = &[
    PostureRule {
        id: "no-breaker",
        pillar: Pillar::Releases,
        weights: [HIGH, LOW, LOW],
        why: "Tasks of a broken revision are restarted for hours, and nothing rolls the release back.",
        change: "service.NAME.release.breaker = true",
        find: RuleCheck::Anywhere(no_breaker),
    },
    PostureRule {
        id: "unjudged-shift",
        pillar: Pillar::Releases,
        weights: [HIGH, MEDIUM, MEDIUM],
        why: "Traffic moves to the new revision whether it works or fails.",
        change: "service.NAME.release.guard = [\"ALARM\"]",
        find: RuleCheck::Anywhere(unjudged_shift),
    },
    PostureRule {
        id: "guard-without-effect",
        pillar: Pillar::Releases,
        weights: [HIGH, HIGH, None],
        why: "The release goes on although the manifest says that this alarm stops it.",
        change: "service.NAME.release.guard = [\"ALARM\"]",
        find: RuleCheck::Far(guard_without_effect),
    },
    PostureRule {
        id: "unjudged-rolling",
        pillar: Pillar::Releases,
        weights: [LOW, None, None],
        why: "A revision that starts, looks healthy and answers with errors replaces all tasks.",
        change: "service.NAME.release.guard = [\"ALARM\"]",
        find: RuleCheck::Anywhere(unjudged_rolling),
    },
    PostureRule {
        id: "release-stops-everything",
        pillar: Pillar::Releases,
        weights: [HIGH, MEDIUM, MEDIUM],
        why: "Every release is an outage: the old tasks may all stop before new ones run.",
        change: "service.NAME.release.minimum-percent = 100",
        find: RuleCheck::Anywhere(stops_everything),
    },
    PostureRule {
        id: "health-asks-root",
        pillar: Pillar::Releases,
        weights: [MEDIUM, LOW, LOW],
        why: "A home page often answers while the database is down, so broken tasks get requests.",
        change: "service.NAME.health.path = \"/healthz\"",
        find: RuleCheck::Anywhere(health_asks_root),
    },
    PostureRule {
        id: "no-grace",
        pillar: Pillar::Releases,
        weights: [MEDIUM, LOW, None],
        why: "ECS kills a task that is slow to start as soon as it counts as unhealthy, and starts another.",
        change: "service.NAME.health.grace = \"60s\"",
        find: RuleCheck::Anywhere(no_grace),
    },
    PostureRule {
        id: "short-drain",
        pillar: Pillar::Releases,
        weights: [MEDIUM, LOW, LOW],
        why: "Requests that take longer are cut off in each release and each scale-in.",
        change: "service.NAME.drain = \"30s\"",
        find: RuleCheck::Anywhere(short_drain),
    },
];

fn subject(service: &Service) -> String {
    format!("service.{}", service.name)
}

/// The breaker is of rolling deployments (Amazon ECS, "Deployment circuit breaker").
fn no_breaker(manifest: &Manifest) -> Vec<RuleHit> {
    let all = tasks(manifest).filter(|service| {
        service.release.strategy == Strategy::Rolling && service.release.breaker.is_none()
    });
    let hit = |service: &Service| {
        let subject = subject(service);
        let edits = vec![write(format!("{subject}.release.breaker"), "true")];
        let what = format!("Releases of {subject} have no circuit breaker.");
        RuleHit::new(subject, what, edits)
    };
    all.map(hit).collect()
}

/// Services that users reach, whose release no alarm judges.
fn unjudged(manifest: &Manifest) -> impl Iterator<Item = &Service> {
    tasks(manifest).filter(|s| s.release.guard.is_empty() && !s.routes.is_empty())
}

/// A new alarm on the service's failures, and the guards with it.
fn guarded(service: &Service, kept: &[&String]) -> Vec<KeyEdit> {
    let name = &service.name;
    let alarm = alarm_name(name, "failing");
    let value = format!(
        "{{ metric = \"errors\", service = \"{name}\", above = 10, missing = \"not-breaching\" }}"
    );
    let guards = kept.iter().map(|guard| quoted(guard));
    let guards: Vec<String> = guards.chain([quoted(&alarm)]).collect();
    let guards = format!("[{}]", guards.join(", "));
    vec![
        write(format!("alarm.{alarm}"), value),
        write(format!("service.{name}.release.guard"), guards),
    ]
}

fn unjudged_shift(manifest: &Manifest) -> Vec<RuleHit> {
    let all = unjudged(manifest).filter(|s| s.release.strategy != Strategy::Rolling);
    let hit = |service: &Service| {
        let subject = subject(service);
        let what = format!("No alarm judges the steps of a release of {subject}.");
        RuleHit::new(subject, what, guarded(service, &[]))
    };
    all.map(hit).collect()
}

fn unjudged_rolling(manifest: &Manifest) -> Vec<RuleHit> {
    let all = unjudged(manifest).filter(|s| s.release.strategy == Strategy::Rolling);
    let hit = |service: &Service| {
        let subject = subject(service);
        let what = format!("No alarm judges a release of {subject}.");
        RuleHit::new(subject, what, guarded(service, &[]))
    };
    all.map(hit).collect()
}

/// An alarm that CloudWatch cannot have here is left out, and guards nothing.
fn guard_without_effect(manifest: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let hits = stack.services.iter().filter_map(|made| {
        let service = manifest.services.get(&made.name)?;
        let (kept, lost): (Vec<&String>, Vec<&String>) = service
            .release
            .guard
            .iter()
            .partition(|guard| made.release.guards.contains(guard));
        let first = lost.first()?;
        let subject = subject(service);
        let what = format!("{subject} is guarded by alarm.{first}, which AWS does not have here.");
        let routed = !service.routes.is_empty();
        let edits = if routed {
            guarded(service, &kept)
        } else {
            let kept: Vec<String> = kept.iter().map(|guard| quoted(guard)).collect();
            let path = format!("{subject}.release.guard");
            vec![write(path, format!("[{}]", kept.join(", ")))]
        };
        Some(RuleHit::new(subject, what, edits))
    });
    hits.collect()
}

/// The floor is rounded up (ECS, `minimumHealthyPercent`), so only 0 lets all tasks stop.
fn stops_everything(manifest: &Manifest) -> Vec<RuleHit> {
    let all = tasks(manifest)
        .filter(|service| service.release.minimum_percent == 0 && !service.routes.is_empty());
    let hit = |service: &Service| {
        let subject = subject(service);
        let mut edits = vec![write(format!("{subject}.release.minimum-percent"), "100")];
        if service.release.maximum_percent <= 100 {
            edits.push(write(format!("{subject}.release.maximum-percent"), "200"));
        }
        let what = format!("A release of {subject} may stop every task at once.");
        RuleHit::new(subject, what, edits)
    };
    all.map(hit).collect()
}

fn health_asks_root(manifest: &Manifest) -> Vec<RuleHit> {
    let all = tasks(manifest).filter(|service| {
        let probe = service.health.as_ref().map(|health| &health.probe);
        matches!(probe, Some(Probe::Http { path, .. }) if path == "/")
    });
    let hit = |service: &Service| {
        let subject = subject(service);
        let edits = vec![write(format!("{subject}.health.path"), "\"/healthz\"")];
        let what = format!("The health of {subject} is asked of its start page.");
        RuleHit::new(subject, what, edits)
    };
    all.map(hit).collect()
}

/// ECS, `healthCheckGracePeriodSeconds`: without it the first verdict of the target group counts.
fn no_grace(manifest: &Manifest) -> Vec<RuleHit> {
    let all = tasks(manifest).filter_map(|service| {
        let health = service.health.as_ref()?;
        let asked = matches!(health.probe, Probe::Http { .. }) && !service.routes.is_empty();
        (asked && health.grace.is_zero()).then_some((service, health))
    });
    all.map(|(service, health)| {
        let subject = subject(service);
        let patience = health.interval.as_secs() * u64::from(health.unhealthy);
        let edits = vec![write(format!("{subject}.health.grace"), "\"60s\"")];
        let what = format!(
            "A task of {subject} has {patience}s from its start to be healthy, and no grace."
        );
        RuleHit::new(subject, what, edits)
    })
    .collect()
}

fn short_drain(manifest: &Manifest) -> Vec<RuleHit> {
    let all =
        tasks(manifest).filter(|s| !s.routes.is_empty() && s.drain.as_secs() < SHORTEST_DRAIN);
    let hit = |service: &Service| {
        let subject = subject(service);
        let edits = vec![write(format!("{subject}.drain"), "\"30s\"")];
        let seconds = service.drain.as_secs();
        let what = format!("A leaving task of {subject} has {seconds}s for its last requests.");
        RuleHit::new(subject, what, edits)
    };
    all.map(hit).collect()
}
