//! What can be brought back.

use neargate_core::model::Manifest;

use super::super::{Pillar, PostureRule, RuleCheck, RuleHit, quoted, write};
use super::{HIGH, LOW, MEDIUM};
use crate::stack::Stack;

/// Days that a restore should reach back: a mistake of a Friday is seen on a Monday, and RDS's own
/// console proposes a week (Amazon RDS, "Backup retention period").
const WEEK: u32 = 7;
/// Names of environments that people depend on.
const SERIOUS: [&str; 4] = ["prod", "production", "live", "prd"];

pub(super) static RULES: &[PostureRule] = &[
    PostureRule {
        id: "short-backups",
        pillar: Pillar::Backups,
        weights: [HIGH, None, None],
        why: "A mistake noticed after a weekend cannot be undone.",
        change: "database.NAME.backup.retention = \"7d\"",
        find: RuleCheck::Far(short_backups),
    },
    PostureRule {
        id: "graded-as-trial",
        pillar: Pillar::Backups,
        weights: [None, HIGH, None],
        why: "A trial protects only what says `protect`: one `infra destroy` removes the other data and its backups.",
        change: "aws.grade = \"production\"",
        find: RuleCheck::Far(graded_as_trial),
    },
    PostureRule {
        id: "cache-without-snapshots",
        pillar: Pillar::Backups,
        weights: [LOW, None, None],
        why: "A lost cache starts empty, and every request goes to the database at once.",
        change: "cache.NAME.snapshots = \"5d\"",
        find: RuleCheck::Far(cache_without_snapshots),
    },
    PostureRule {
        id: "local-state",
        pillar: Pillar::Backups,
        weights: [MEDIUM, None, None],
        why: "If that file is lost, Terraform does not know what it created, and two people can apply at once.",
        change: "aws.state-bucket = \"BUCKET\"",
        find: RuleCheck::Far(local_state),
    },
];

fn short_backups(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let short = stack.databases.iter().filter(|d| d.backup_days < WEEK);
    let hit = |(name, days): (&String, u32)| {
        let subject = format!("database.{name}");
        let unit = if days == 1 { "day" } else { "days" };
        let what = format!("{subject} can be restored to {days} {unit} ago at most.");
        let edits = vec![write(format!("{subject}.backup.retention"), "\"7d\"")];
        RuleHit::new(&*subject, what, edits)
    };
    short.map(|d| hit((&d.name, d.backup_days))).collect()
}

fn graded_as_trial(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let keeps = !stack.databases.is_empty() || !stack.caches.is_empty();
    if !SERIOUS.contains(&stack.env.as_str()) || !keeps {
        return Vec::new();
    }
    let what = format!("`{}` holds data and is graded as a trial.", stack.env);
    let edits = vec![write("aws.grade", "\"production\"")];
    vec![RuleHit::new("aws.grade", what, edits)]
}

fn cache_without_snapshots(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let bare = stack.caches.iter().filter(|c| c.snapshot_days == 0);
    let hit = |name: &String| {
        let subject = format!("cache.{name}");
        let edits = vec![write(format!("{subject}.snapshots"), "\"5d\"")];
        RuleHit::new(&*subject, format!("{subject} has no snapshots."), edits)
    };
    bare.map(|cache| hit(&cache.name)).collect()
}

fn local_state(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    if stack.state_bucket.is_some() {
        return Vec::new();
    }
    let what = "Terraform's state is a file on one machine.";
    let bucket = quoted(&format!("{}-state-123456789012", stack.prefix()));
    let edits = vec![write("aws.state-bucket", bucket)];
    vec![RuleHit::new("aws.state-bucket", what, edits)]
}
