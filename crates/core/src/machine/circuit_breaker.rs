//! The circuit breaker of ECS: a release whose tasks fail to start often enough goes back, or ends.

use super::capacity_change::CapacityChange;
use super::entry::Fact;
use super::evidence;
use super::limits;
use super::release_stage::{ReleaseOutcome, ReleaseStage};
use super::stage_change::{RollbackMode, fail, finish, stop_hook};
use super::state::{Release, Task, TaskHistory};
use super::task_failure::TaskFailure;
use super::transaction::Transaction;
use crate::ids::RevisionNumber;

/// Counts a failed task of the new revision, or on the way back one of the stable revision that
/// was never healthy; the breaker may trip.
pub(super) fn count_failure(
    draft: &mut Transaction,
    task: &Task,
    reason: TaskFailure,
    last_lines: &[String],
) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let counts = match task.record {
        TaskHistory::Counted => false,
        _ if release.stage.judges_new_tasks() => task.revision == release.to,
        record => goes_back_to(draft, &release, task) && record == TaskHistory::New,
    };
    if !counts {
        return;
    }
    draft.record(Fact::FailureCounted {
        release: release.id,
        task: task.id.clone(),
        count: release.failures + 1,
        threshold: threshold(draft, &release).unwrap_or(0),
        reason,
        last_lines: last_lines.to_vec(),
    });
    trip(draft);
}

/// Counts failed tasks of the new revision that somebody else runs; the breaker may trip.
pub(super) fn count_failed_tasks(draft: &mut Transaction, failed: u32, reason: &str) {
    let release = draft.service.release.clone();
    let Some(release) = release.filter(|release| release.stage.judges_new_tasks()) else {
        return;
    };
    draft.record(Fact::CapacityChanged {
        release: release.id,
        change: CapacityChange::TasksFailed {
            count: release.failures + failed,
            threshold: threshold(draft, &release).unwrap_or(0),
            reason: reason.to_owned(),
        },
    });
    trip(draft);
}

fn goes_back_to(draft: &Transaction, release: &Release, task: &Task) -> bool {
    release.stage == ReleaseStage::RollingBack && task.revision == draft.service.primary
}

/// Failed tasks at which the breaker trips, with the desired count of now; `None`: it is off. The
/// way back has one in any case: it must end.
fn threshold(draft: &Transaction, release: &Release) -> Option<u32> {
    let breaker = draft
        .service
        .definition(release.to)?
        .service
        .release
        .breaker;
    let breaker = match release.stage {
        ReleaseStage::RollingBack => Some(breaker.unwrap_or_default()),
        _ => breaker,
    };
    breaker.map(|breaker| limits::threshold(&breaker, draft.service.desired))
}

/// Fails the release when as many tasks have failed as the breaker bears.
pub(super) fn trip(draft: &mut Transaction) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let back = release.stage == ReleaseStage::RollingBack;
    let Some(threshold) =
        threshold(draft, &release).filter(|_| back || release.stage.judges_new_tasks())
    else {
        return;
    };
    let failures = release.failures;
    if failures == 0 || failures < threshold {
        return;
    }
    let last = evidence::cause(&release.evidence);
    let last = last.map(|line| format!(": {line}")).unwrap_or_default();
    if back {
        neither_starts(draft, &release, &last);
        return;
    }
    let to = release.to;
    fail(
        draft,
        &format!(
            "{failures} tasks of revision {to} failed (the breaker's threshold){last}{}",
            evidence::grace_advice(&draft.service, to, &release.evidence)
        ),
        RollbackMode::AsTheBreakerSays,
    );
}

/// Ends a release whose way back does not start: the scheduler tries the stable revision again
/// and again, and another deploy is taken.
fn neither_starts(draft: &mut Transaction, release: &Release, last: &str) {
    let stable = draft.service.primary;
    let tasks = draft.service.tasks.values();
    let serves = tasks.filter(|task| task.revision == stable && task.healthy());
    if serves.count() > 0 {
        return;
    }
    let reason = format!(
        "{}; and {} tasks of revision {stable}, to which it rolled back, failed too{last}",
        release.reason, release.failures
    );
    stop_hook(draft, release, "the release ended");
    finish(
        draft,
        release,
        ReleaseOutcome::Failed,
        reason,
        RevisionNumber::NONE,
    );
}

/// A healthy task of the new revision sets the count to 0, when the breaker is told so; on the way
/// back one of the stable revision does.
pub(super) fn forget_failures(draft: &mut Transaction, task: &Task) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let forward = task.revision == release.to && resets(draft, &release);
    if release.failures > 0 && (forward || goes_back_to(draft, &release, task)) {
        draft.record(Fact::FailuresForgotten {
            release: release.id,
        });
    }
}

/// More tasks of the new revision that somebody else runs are healthy than before.
pub(super) fn forget_failed_tasks(draft: &mut Transaction) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    if release.failures > 0 && resets(draft, &release) {
        draft.record(Fact::FailuresForgotten {
            release: release.id,
        });
    }
}

/// Whether a healthy task of the new revision sets the count to 0.
fn resets(draft: &Transaction, release: &Release) -> bool {
    let to = draft.service.definition(release.to);
    let breaker = to.and_then(|to| to.service.release.breaker);
    breaker.is_some_and(|breaker| breaker.reset_on_healthy) && release.stage.judges_new_tasks()
}
