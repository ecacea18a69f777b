//! A release: its stages, its hooks, the circuit breaker, its end.
//!
//! Invariants: new tasks of a revision are made only after its `before` hooks succeeded; a
//! release that failed goes back to the stable revision or ends where it is; a rollback counts
//! no failures, so nothing is ever rolled back twice.

use super::draft::{Draft, STAGE_TIMEOUT};
use super::entry::Fact;
use super::limits;
use super::state::{
    Exit, Outcome, Phase, Record, Release, ReleaseKind, RevisionStatus, Stage, Task,
};

/// Brings the release as far as the present facts allow.
pub fn advance(draft: &mut Draft) {
    // A smaller desired count may have lowered the threshold.
    trip(draft);
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
    let Some(name) = hooks.get(release.hooks_done as usize) else {
        enter(draft, release, Stage::ScaleUp, release.to, "");
        return;
    };
    let Some(job) = definition.jobs.get(name).cloned() else {
        let reason = format!("job `{name}` is not in revision {}", release.to);
        fail(draft, &reason);
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
    healthy >= draft.service.wanted() as usize
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

/// The environment goes down: a job that runs is stopped, and so has failed.
pub fn cut_hook(draft: &mut Draft) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    if let Some(hook) = &release.hook {
        let reason = "the environment went down";
        fail_hook(draft, release.id, &hook.job, reason, &[]);
    }
}

/// Ends a release that nobody wants any more.
pub fn abandon(draft: &mut Draft, reason: &str) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    if let Some(hook) = &release.hook {
        draft.record(Fact::HookFailed {
            release: release.id,
            job: hook.job.clone(),
            reason: reason.to_owned(),
            last_lines: Vec::new(),
        });
    }
    finish(draft, &release, Outcome::Failed, reason.to_owned(), 0);
}

/// The time that an environment was down is not the stage's.
pub fn renew(draft: &mut Draft) {
    if let Some(release) = draft.service.release.clone() {
        enter(draft, &release, release.stage, draft.service.primary, "");
    }
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
    } else if release.stage_deadline <= draft.now && draft.phase == Phase::Down {
        renew(draft);
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
        && task.record != Record::Counted
        && matches!(release.stage, Stage::ScaleUp | Stage::CleaningUp);
    if !counts {
        return;
    }
    draft.record(Fact::FailureCounted {
        release: release.id,
        task: task.id.clone(),
        count: release.failures + 1,
        threshold: threshold(draft, &release).unwrap_or(0),
        reason: reason.to_owned(),
        last_lines: last_lines.to_vec(),
    });
    trip(draft);
}

/// Failed tasks at which the breaker trips, with the desired count of now; `None`: it is off.
fn threshold(draft: &Draft, release: &Release) -> Option<u32> {
    let breaker = draft
        .service
        .definition(release.to)?
        .service
        .release
        .breaker;
    breaker.map(|breaker| limits::threshold(&breaker, draft.service.desired))
}

/// Fails the release when as many tasks have failed as the breaker bears.
fn trip(draft: &mut Draft) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let counting = matches!(release.stage, Stage::ScaleUp | Stage::CleaningUp);
    let Some(threshold) = threshold(draft, &release).filter(|_| counting) else {
        return;
    };
    let failures = release.failures;
    if failures > 0 && failures >= threshold {
        // The newest line that is not a log line.
        let mut headlines = release.evidence.iter().rev();
        let last = headlines.find(|line| !line.starts_with(' '));
        let last = last.map(|line| format!(": {line}")).unwrap_or_default();
        let to = release.to;
        fail(
            draft,
            &format!("{failures} tasks of revision {to} failed (the breaker's threshold){last}"),
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
    let breaker = draft
        .service
        .definition(release.to)
        .and_then(|definition| definition.service.release.breaker);
    let stable = draft.service.stable.filter(|stable| *stable != release.to);
    // Before its first task, going back is nothing but staying: no switch forbids that.
    let rolls_back =
        breaker.is_none_or(|breaker| breaker.rollback) || stable == Some(draft.service.primary);
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
