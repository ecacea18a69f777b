//! A release: its stages, its hooks, the circuit breaker, its end.
//!
//! Invariants: new tasks of a revision are made only after its `before` hooks succeeded; a
//! release that failed goes back to the stable revision or ends where it is; a rollback counts
//! no failures, so nothing is ever rolled back twice.

use super::draft::{Draft, STAGE_TIMEOUT};
use super::entry::Fact;
use super::limits;
use super::state::{Exit, Outcome, Record, Release, ReleaseKind, RevisionStatus, Stage, Task};

/// Brings the release as far as the present facts allow.
pub fn advance(draft: &mut Draft) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    match release.stage {
        Stage::Pending | Stage::BeforeHooks => run_hooks(draft, &release),
        Stage::ScaleUp => {
            if arrived(draft, release.to) {
                enter(draft, &release, Stage::CleaningUp, release.to, "");
            }
        }
        Stage::CleaningUp => {
            if alone(draft, release.to) {
                finish(
                    draft,
                    &release,
                    Outcome::Done,
                    done_words(&release),
                    release.to,
                );
            }
        }
        Stage::RollingBack => {
            let back = draft.service.primary;
            if alone(draft, back) {
                finish(
                    draft,
                    &release,
                    Outcome::RolledBack,
                    release.reason.clone(),
                    back,
                );
            }
        }
    }
}

fn done_words(release: &Release) -> String {
    match release.kind {
        ReleaseKind::Deploy => format!("revision {} serves", release.to),
        ReleaseKind::Rollback => format!(
            "rolled back from revision {} to {}",
            release.from, release.to
        ),
    }
}

fn run_hooks(draft: &mut Draft, release: &Release) {
    if release.hook.is_some() {
        return;
    }
    let Some(definition) = draft.service.definition(release.to) else {
        return;
    };
    let hooks = match release.kind {
        ReleaseKind::Deploy => &definition.service.release.before[..],
        ReleaseKind::Rollback => &[],
    };
    let next = hooks
        .get(release.hooks_done as usize)
        .and_then(|name| definition.jobs.get(name))
        .cloned();
    let Some(job) = next else {
        enter(draft, release, Stage::ScaleUp, release.to, "");
        return;
    };
    if release.stage == Stage::Pending {
        let primary = draft.service.primary;
        enter(draft, release, Stage::BeforeHooks, primary, "");
    }
    draft.record(Fact::HookStarted {
        release: release.id,
        revision: release.to,
        job: job.name,
        deadline: draft.now.after(job.timeout),
    });
}

fn enter(draft: &mut Draft, release: &Release, stage: Stage, primary: u32, reason: &str) {
    draft.record(Fact::StageEntered {
        release: release.id,
        stage,
        primary,
        deadline: draft.now.after(STAGE_TIMEOUT),
        reason: reason.to_owned(),
    });
}

/// As many healthy tasks of a revision as desired.
fn arrived(draft: &Draft, revision: u32) -> bool {
    let healthy = draft
        .service
        .tasks
        .values()
        .filter(|task| task.revision == revision && task.healthy())
        .count();
    healthy >= wanted(draft) as usize
}

/// Arrived, and no task of any other revision is left.
fn alone(draft: &Draft, revision: u32) -> bool {
    arrived(draft, revision)
        && draft
            .service
            .tasks
            .values()
            .all(|task| task.revision == revision)
}

/// Tasks that the primary revision should have.
pub fn wanted(draft: &Draft) -> u32 {
    if draft
        .primary()
        .is_some_and(super::state::RevisionDefinition::has_tasks)
    {
        draft.service.desired
    } else {
        0
    }
}

fn finish(draft: &mut Draft, release: &Release, outcome: Outcome, reason: String, serving: u32) {
    draft.record(Fact::ReleaseFinished {
        release: release.id,
        outcome,
        reason,
        evidence: release.evidence.clone(),
        serving,
    });
}

/// A hook ended.
pub fn hook_finished(draft: &mut Draft, id: u64, job: &str, exit: &Exit, last_lines: &[String]) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    if release.id != id || release.hook.as_ref().is_none_or(|hook| hook.job != job) {
        return;
    }
    if *exit == Exit::Code(0) {
        draft.record(Fact::HookSucceeded {
            release: id,
            job: job.to_owned(),
        });
        return;
    }
    fail_hook(draft, id, job, &exit.to_string(), last_lines);
}

fn fail_hook(draft: &mut Draft, release: u64, job: &str, reason: &str, last_lines: &[String]) {
    draft.record(Fact::HookFailed {
        release,
        job: job.to_owned(),
        reason: reason.to_owned(),
        last_lines: last_lines.to_vec(),
    });
    fail(
        draft,
        &format!("job `{job}` failed before any new task was started: {reason}"),
    );
}

/// Deadlines of the release that have passed.
pub fn expire(draft: &mut Draft) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    if let Some(hook) = &release.hook
        && hook.deadline <= draft.now
    {
        fail_hook(
            draft,
            release.id,
            &hook.job,
            "it took longer than its timeout",
            &[],
        );
    } else if release.stage_deadline <= draft.now {
        let reason = format!(
            "the stage {} took longer than 24 hours",
            release.stage.name()
        );
        if release.stage == Stage::RollingBack {
            finish(
                draft,
                &release,
                Outcome::Failed,
                reason,
                draft.service.primary,
            );
        } else {
            fail(draft, &reason);
        }
    }
}

/// Counts a failed task of the new revision; the breaker may trip.
pub fn count_failure(draft: &mut Draft, task: &Task, reason: &str, last_lines: &[String]) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let counts = task.revision == release.to
        && task.record == Record::New
        && matches!(release.stage, Stage::ScaleUp | Stage::CleaningUp);
    let breaker = draft
        .service
        .definition(release.to)
        .and_then(|found| found.service.release.breaker);
    if !counts {
        return;
    }
    let threshold = breaker.map_or(0, |breaker| {
        limits::threshold(&breaker, draft.service.desired)
    });
    draft.record(Fact::FailureCounted {
        release: release.id,
        task: task.id.clone(),
        count: release.failures + 1,
        threshold,
        reason: reason.to_owned(),
        last_lines: last_lines.to_vec(),
    });
    if breaker.is_some() && release.failures + 1 >= threshold {
        let count = release.failures + 1;
        fail(
            draft,
            &format!(
                "{count} tasks of revision {} failed (the breaker's threshold): {reason}",
                release.to
            ),
        );
    }
}

/// A healthy task of the new revision sets the count to 0, when the breaker is told so.
pub fn forget_failures(draft: &mut Draft, task: &Task) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let resets = draft
        .service
        .definition(release.to)
        .and_then(|definition| definition.service.release.breaker)
        .is_some_and(|breaker| breaker.reset_on_healthy);
    if resets && release.failures > 0 && task.revision == release.to {
        draft.record(Fact::FailuresForgotten {
            release: release.id,
        });
    }
}

/// Ends a release that cannot succeed: back to the stable revision, or failed where it is.
fn fail(draft: &mut Draft, reason: &str) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    // A revision that was stable once stays usable: only a new one is marked.
    if draft
        .service
        .revisions
        .get(&release.to)
        .is_some_and(|to| to.status == RevisionStatus::Candidate)
    {
        draft.record(Fact::RevisionFailed {
            revision: release.to,
        });
    }
    let rolls_back = draft
        .service
        .definition(release.to)
        .is_some_and(|definition| {
            definition
                .service
                .release
                .breaker
                .is_none_or(|breaker| breaker.rollback)
        });
    let stable = draft.service.stable.filter(|stable| *stable != release.to);
    match stable {
        Some(stable) if rolls_back => enter(draft, &release, Stage::RollingBack, stable, reason),
        _ => {
            let serving = draft
                .service
                .stable
                .filter(|stable| *stable == draft.service.primary);
            finish(
                draft,
                &release,
                Outcome::Failed,
                reason.to_owned(),
                serving.unwrap_or(0),
            );
        }
    }
}
