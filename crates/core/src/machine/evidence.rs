//! The evidence of a release: what failed, each time with the last log lines that go with it.
//!
//! Invariants: at most [`EVIDENCE_KEPT`] lines, the newest; tasks that failed for the same reason
//! share one headline, with the lines of the first of them.

use super::capacity::DeploymentProgress;
use super::capacity_change::CapacityChange;
use super::state::{EVIDENCE_KEPT, Release, ServiceState, Task, TaskHistory};
use super::task_failure::{EvidenceLine, TaskFailure};
use crate::health_reason::{HealthFinding, HealthReason};
use crate::ids::{RevisionNumber, TaskId};
use crate::model::{HealthCheck, Probe};

/// Log lines of one failure: two failures of different kinds have room.
const LINES_EACH: usize = EVIDENCE_KEPT / 2 - 1;

/// The newest failure; before it a port that was not the task's, which is the cause of others.
pub(super) fn cause(evidence: &[EvidenceLine]) -> Option<String> {
    let elsewhere = evidence.iter().find(|line| line.is_wrong_port());
    let newest = newest(evidence)?;
    Some(match elsewhere {
        Some(first) if first != newest => format!("{first}; then {newest}"),
        _ => newest.to_string(),
    })
}

fn newest(evidence: &[EvidenceLine]) -> Option<&EvidenceLine> {
    let mut headlines = evidence
        .iter()
        .filter(|line| !matches!(line, EvidenceLine::Log { .. }));
    headlines.next_back()
}

/// Answers of a program, or of what stands before it, that may still boot.
const MAY_STILL_BOOT: [u16; 3] = [502, 503, 504];

/// Failure of a task by its health check, with the path that was asked for.
pub(super) fn of_check(service: &ServiceState, task: &Task, reason: &HealthReason) -> TaskFailure {
    let health = health_check(service, task.revision);
    let path = match health.map(|health| &health.probe) {
        Some(Probe::Http { path, .. }) if matches!(reason.finding, HealthFinding::Status(_)) => {
            Some(path.clone())
        }
        _ => None,
    };
    TaskFailure::Unhealthy {
        unhealthy: reason.clone(),
        path,
        never_healthy: health.is_some() && task.record == TaskHistory::New,
    }
}

fn health_check(service: &ServiceState, revision: RevisionNumber) -> Option<&HealthCheck> {
    service.definition(revision)?.service.health.as_ref()
}

/// Tasks whose newest failure is that they were never healthy may only be slow: what to write
/// then, once for all of them. A program that answers by itself is up.
pub(super) fn grace_advice(
    service: &ServiceState,
    revision: RevisionNumber,
    evidence: &[EvidenceLine],
) -> String {
    let Some(EvidenceLine::Tasks {
        failure:
            TaskFailure::Unhealthy {
                unhealthy,
                never_healthy: true,
                ..
            },
        ..
    }) = newest(evidence)
    else {
        return String::new();
    };
    match (health_check(service, revision), &unhealthy.finding) {
        (Some(_), HealthFinding::Status(status)) if !MAY_STILL_BOOT.contains(status) => {
            String::new()
        }
        (Some(health), _) => format!(
            "; what only boots slowly needs more time: `grace` in service.{}.health is {}",
            service.name,
            crate::duration::format(health.grace)
        ),
        (None, _) => String::new(),
    }
}

/// Adds a failure.
pub(super) fn keep(release: &mut Release, headline: String, lines: &[String]) {
    keep_line(release, EvidenceLine::Headline(headline), lines);
}

fn keep_line(release: &mut Release, headline: EvidenceLine, lines: &[String]) {
    let lines = &lines[lines.len().saturating_sub(LINES_EACH)..];
    let lines = lines.iter().cloned();
    release.evidence.push(headline);
    release
        .evidence
        .extend(lines.map(|log| EvidenceLine::Log { log }));
    let surplus = release.evidence.len().saturating_sub(EVIDENCE_KEPT);
    release.evidence.drain(..surplus);
}

/// Adds what was seen of a capacity that others provide, when it is a failure.
pub(super) fn keep_change(release: &mut Release, change: &CapacityChange) {
    match change {
        CapacityChange::TasksFailed { count, reason, .. } => {
            release.failures = *count;
            keep(release, format!("ECS: {reason}"), &[]);
        }
        CapacityChange::DeploymentObserved {
            progress,
            words,
            evidence,
            ..
        } if progress.has_ended() && *progress != DeploymentProgress::Succeeded => {
            keep(release, words.clone(), evidence);
        }
        CapacityChange::FilesMissing { words, missing, .. } => {
            keep(release, words.clone(), missing);
        }
        _ => {}
    }
}

/// Adds a failed task, to others that failed so where there are any.
pub(super) fn keep_failed_task(
    release: &mut Release,
    task: &TaskId,
    reason: &TaskFailure,
    lines: &[String],
) {
    for line in &mut release.evidence {
        if let EvidenceLine::Tasks { tasks, failure } = line
            && failure == reason
        {
            tasks.push(task.clone());
            return;
        }
    }
    let headline = EvidenceLine::Tasks {
        tasks: vec![task.clone()],
        failure: reason.clone(),
    };
    keep_line(release, headline, lines);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health_reason::WrongPort;

    #[test]
    fn a_wrong_port_is_said_before_what_follows_from_it() {
        let tasks = |tasks: &[&str], failure| EvidenceLine::Tasks {
            tasks: tasks.iter().map(|task| (*task).into()).collect(),
            failure,
        };
        let wrong = WrongPort {
            listens: vec![80],
            port: 9,
        };
        let unhealthy = HealthReason {
            finding: HealthFinding::Status(404),
            wrong_port: Some(wrong),
        };
        let port = tasks(
            &["web-r1-1"],
            TaskFailure::Unhealthy {
                unhealthy,
                path: None,
                never_healthy: false,
            },
        );
        let later = tasks(
            &["web-r1-2", "web-r1-3"],
            TaskFailure::Words("exit code 1".to_owned()),
        );
        let line = EvidenceLine::Log {
            log: "a line".to_owned(),
        };
        let said = "task web-r1-1: unhealthy: Target.ResponseCodeMismatch: 404; \
                    the task listens at 80, and not at its PORT, 9";
        let then = "tasks web-r1-2, web-r1-3: exit code 1";
        for (evidence, expected) in [
            (vec![], None),
            (vec![later.clone(), line.clone()], Some(then.to_owned())),
            (vec![port.clone(), line], Some(said.to_owned())),
            (vec![port, later], Some(format!("{said}; then {then}"))),
        ] {
            assert_eq!(cause(&evidence), expected);
        }
    }
}
