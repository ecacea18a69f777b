//! What grows without end, or cannot grow.

use neargate_core::model::Manifest;

use super::super::{Pillar, PostureRule, RuleCheck, RuleHit, write};
use super::{LOW, MEDIUM};
use crate::stack::Stack;

/// Days of logs without which an incident of last month cannot be read.
const MONTH: u32 = 30;

pub(super) static RULES: &[PostureRule] = &[
    PostureRule {
        id: "no-budget",
        pillar: Pillar::Limits,
        weights: [MEDIUM, LOW, None],
        why: "You notice runaway or forgotten resources only on the bill.",
        change: "aws.budget = DOLLARS",
        find: RuleCheck::Far(no_budget),
    },
    PostureRule {
        id: "fixed-size",
        pillar: Pillar::Limits,
        weights: [LOW, None, None],
        why: "Once these tasks are full, the service turns users away.",
        change: "service.NAME.scale.cpu = 70, service.NAME.scale.max = TASKS",
        find: RuleCheck::Far(fixed_size),
    },
    PostureRule {
        id: "short-logs",
        pillar: Pillar::Limits,
        weights: [LOW, None, None],
        why: "You cannot look up what happened a month ago.",
        change: "aws.logs = \"30d\"",
        find: RuleCheck::Far(short_logs),
    },
];

fn no_budget(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    if stack.budget.is_some() {
        return Vec::new();
    }
    let what = "No budget sends a notice when costs exceed it.";
    let edits = vec![write("aws.budget", "300")];
    vec![RuleHit::new("aws.budget", what, edits)]
}

fn fixed_size(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let all = stack.services.iter();
    let fixed = all.filter(|s| !s.scale.is_automatic() || s.scale.max <= s.scale.min);
    let hit = |(name, min, max): (&String, u32, u32)| {
        let subject = format!("service.{name}");
        let most = max.max(min.saturating_mul(2)).max(4);
        let mut edits = vec![write(format!("{subject}.scale.cpu"), "70")];
        if most > max {
            edits.push(write(format!("{subject}.scale.max"), most.to_string()));
        }
        let what = format!("{subject} keeps its number of tasks when it is busy.");
        RuleHit::new(&*subject, what, edits)
    };
    fixed
        .map(|s| hit((&s.name, s.scale.min, s.scale.max)))
        .collect()
}

fn short_logs(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    if stack.log_days >= MONTH {
        return Vec::new();
    }
    let what = format!("Logs are kept for {} days.", stack.log_days);
    let edits = vec![write("aws.logs", "\"30d\"")];
    vec![RuleHit::new("aws.logs", what, edits)]
}
