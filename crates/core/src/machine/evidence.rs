//! The evidence of a release: what failed, each time with the last log lines that go with it.
//!
//! Invariants: at most [`EVIDENCE_KEPT`] lines, the newest; tasks that failed for the same reason
//! share one headline, with the lines of the first of them.

use super::capacity::DeploymentProgress;
use super::capacity_change::CapacityChange;
use super::state::{EVIDENCE_KEPT, Release, ServiceState};
use crate::ids::{RevisionNumber, TaskId};
use crate::model::Probe;

/// Log lines of one failure: two failures of different kinds have room.
const LINES_EACH: usize = EVIDENCE_KEPT / 2 - 1;

/// How the reason of a failed task ends that has a health check and never passed it.
pub(super) const NEVER_HEALTHY: &str = " (never healthy)";

/// Text in the reason of a task that listens elsewhere. The next tasks find that port taken, so
/// they fail as a consequence of it.
pub const NOT_AT_ITS_PORT: &str = "and not at its PORT";

/// The newest failure; before it a port that was not the task's, which is the cause of others.
pub(super) fn cause(evidence: &[String]) -> Option<String> {
    let mut headlines = evidence.iter().filter(|line| !line.starts_with(' '));
    let elsewhere = headlines
        .clone()
        .find(|line| line.contains(NOT_AT_ITS_PORT));
    let newest = headlines.next_back()?;
    Some(match elsewhere {
        Some(first) if first != newest => format!("{first}; then {newest}"),
        _ => newest.clone(),
    })
}

/// Answers of a program, or of what stands before it, that may still boot.
const MAY_STILL_BOOT: [&str; 3] = ["502", "503", "504"];

/// Result of a health check, with the path that it asked for.
pub(super) fn of_check(service: &ServiceState, revision: RevisionNumber, reason: &str) -> String {
    let health = service
        .definition(revision)
        .and_then(|definition| definition.service.health.as_ref());
    match health.map(|health| &health.probe) {
        Some(Probe::Http { path, .. }) if status_of(reason).is_some() => {
            format!("{reason} from {path}")
        }
        _ => reason.to_owned(),
    }
}

/// The status that a health check was answered with, when it is not the one that was asked for.
fn status_of(reason: &str) -> Option<&str> {
    let (_, rest) = reason.split_once("Target.ResponseCodeMismatch: ")?;
    rest.split(' ').next()
}

/// Such tasks may only be slow: what to write then, once for all of them. A program that answers
/// by itself is up.
pub(super) fn grace_advice(service: &ServiceState, revision: RevisionNumber, last: &str) -> String {
    let health = service
        .definition(revision)
        .and_then(|definition| definition.service.health.as_ref());
    match health {
        Some(_) if status_of(last).is_some_and(|status| !MAY_STILL_BOOT.contains(&status)) => {
            String::new()
        }
        Some(health) if last.ends_with(NEVER_HEALTHY) => format!(
            "; what only boots slowly needs more time: `grace` in service.{}.health is {}",
            service.name,
            crate::duration::format(health.grace)
        ),
        _ => String::new(),
    }
}

/// Adds a failure.
pub(super) fn keep(release: &mut Release, headline: &str, lines: &[String]) {
    let lines = &lines[lines.len().saturating_sub(LINES_EACH)..];
    release.evidence.push(headline.to_owned());
    release
        .evidence
        .extend(lines.iter().map(|line| format!("  {line}")));
    let surplus = release.evidence.len().saturating_sub(EVIDENCE_KEPT);
    release.evidence.drain(..surplus);
}

/// Adds what was seen of a capacity that others provide, when it is a failure.
pub(super) fn keep_change(release: &mut Release, change: &CapacityChange) {
    match change {
        CapacityChange::TasksFailed { count, reason, .. } => {
            release.failures = *count;
            keep(release, &format!("ECS: {reason}"), &[]);
        }
        CapacityChange::DeploymentObserved {
            progress,
            words,
            evidence,
            ..
        } if progress.has_ended() && *progress != DeploymentProgress::Succeeded => {
            keep(release, words, evidence);
        }
        CapacityChange::FilesMissing { words, missing, .. } => keep(release, words, missing),
        _ => {}
    }
}

/// Adds a failed task, to others that failed so where there are any.
pub(super) fn keep_failed_task(
    release: &mut Release,
    task: &TaskId,
    reason: &str,
    lines: &[String],
) {
    for headline in &mut release.evidence {
        let Some((tasks, known)) = headline.split_once(": ") else {
            continue;
        };
        if known == reason && tasks.starts_with("task") {
            let others = tasks
                .trim_start_matches("tasks ")
                .trim_start_matches("task ");
            *headline = format!("tasks {others}, {task}: {reason}");
            return;
        }
    }
    keep(release, &format!("task {task}: {reason}"), lines);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_port_is_said_before_what_follows_from_it() {
        let port =
            format!("task web-r1-1: unhealthy; the task listens at 80, {NOT_AT_ITS_PORT}, 9");
        let later = "tasks web-r1-2, web-r1-3: exit code 1";
        let lines = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        for (evidence, expected) in [
            (lines(&[]), None),
            (lines(&[later, "  a line"]), Some(later.to_owned())),
            (lines(&[&port, "  a line"]), Some(port.clone())),
            (
                lines(&[&port, later]),
                Some(format!("{port}; then {later}")),
            ),
        ] {
            assert_eq!(cause(&evidence), expected);
        }
    }
}
