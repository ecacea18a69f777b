//! A release: its stages, its hooks, the circuit breaker, its end.
//!
//! Invariants: new tasks of a revision are made only after its `before` hooks succeeded; a
//! release that failed goes back to the stable revision or ends where it is; nothing is ever
//! rolled back twice: when the stable revision does not start either, the release ends in words
//! and the scheduler goes on trying.

use super::draft::{Draft, STAGE_TIMEOUT};
use super::entry::Fact;
use super::evidence;
use super::limits;
use super::shift;
use super::state::{
    Exit, HookRun, Outcome, Phase, Record, Release, ReleaseKind, RevisionStatus, Stage, Task,
};
use crate::manifest::model::ReleasePolicy;

/// Brings the release as far as the present facts allow.
pub fn advance(draft: &mut Draft) {
    // A smaller desired count may have lowered the threshold.
    trip(draft);
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let shifts = draft.service.shifts(&release);
    match release.stage {
        Stage::Pending | Stage::BeforeHooks => prepare(draft, &release, shifts),
        Stage::ScaleUp if !arrived(draft, release.to) => {}
        Stage::ScaleUp if shifts => {
            let primary = draft.service.primary;
            enter(draft, &release, Stage::TestTraffic, primary, "");
        }
        Stage::ScaleUp => {
            if jobs_done(draft, &release, |policy| &policy.smoke) {
                enter(draft, &release, Stage::CleaningUp, release.to, "");
            }
        }
        Stage::TestTraffic => {
            if jobs_done(draft, &release, |policy| &policy.smoke) {
                shift::next_step(draft, &release);
            }
        }
        Stage::Shifting => {
            if shift::step_over(draft, &release)
                && jobs_done(draft, &release, |policy| &policy.smoke)
            {
                shift::next_step(draft, &release);
            }
        }
        Stage::Baking => {
            if shift::step_over(draft, &release)
                && jobs_done(draft, &release, |policy| &policy.after)
            {
                enter(draft, &release, Stage::CleaningUp, release.to, "");
            }
        }
        Stage::CleaningUp => clean_up(draft, &release, shifts),
        Stage::RollingBack => {
            let back = draft.service.primary;
            if alone(draft, back) && jobs_done(draft, &release, |policy| &policy.on_rollback) {
                let reason = release.reason.clone();
                finish(draft, &release, Outcome::RolledBack, reason, back);
            }
        }
    }
}

/// The old tasks leave; what rolled is then watched for as long as its guards need.
fn clean_up(draft: &mut Draft, release: &Release, shifts: bool) {
    if !alone(draft, release.to) {
        return;
    }
    // Without a stable revision there is nothing to go back to.
    let guarded = draft.service.stable.is_some()
        && draft
            .service
            .definition(release.to)
            .is_some_and(|to| !to.guards.is_empty());
    if guarded && release.step == 0 && release.kind == ReleaseKind::Deploy {
        shift::bake_rolling(draft, release);
    } else if shifts || release.step > 0 || jobs_done(draft, release, |policy| &policy.after) {
        let words = done_words(release);
        finish(draft, release, Outcome::Done, words, release.to);
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

/// What a superseded release left goes; `before` jobs; then the new revision may have tasks.
fn prepare(draft: &mut Draft, release: &Release, shifts: bool) {
    let primary = draft.service.primary;
    // ECS's RECONCILE_SERVICE: a shift begins with one revision in service.
    if shifts && release.stage == Stage::Pending && !draft.service.strays().is_empty() {
        return;
    }
    let waits = draft
        .service
        .definition(release.to)
        .is_some_and(|to| !to.service.release.before.is_empty());
    if release.stage == Stage::Pending && waits && release.kind == ReleaseKind::Deploy {
        enter(draft, release, Stage::BeforeHooks, primary, "");
        return;
    }
    if jobs_done(draft, release, |policy| &policy.before) {
        let primary = if shifts { primary } else { release.to };
        enter(draft, release, Stage::ScaleUp, primary, "");
    }
}

/// Whether all jobs of a list have succeeded; otherwise the next one is begun. A rollback by
/// request runs none: it goes to what ran before.
fn jobs_done(
    draft: &mut Draft,
    release: &Release,
    list: fn(&ReleasePolicy) -> &Vec<String>,
) -> bool {
    if release.kind == ReleaseKind::Rollback {
        return true;
    }
    if release.hook.is_some() {
        return false;
    }
    let Some(definition) = draft.service.definition(release.to) else {
        return true;
    };
    let Some(name) = list(&definition.service.release).get(release.hooks_done as usize) else {
        return true;
    };
    let Some(job) = definition.jobs.get(name).cloned() else {
        let reason = format!("job `{name}` is not in revision {}", release.to);
        fail(draft, &reason, Back::Always);
        return false;
    };
    draft.record(Fact::HookStarted {
        release: release.id,
        revision: release.to,
        job: job.name,
        run: release.hook_runs + 1,
        deadline: draft.now.after(job.timeout),
    });
    false
}

pub(super) fn enter(
    draft: &mut Draft,
    release: &Release,
    stage: Stage,
    primary: u32,
    reason: &str,
) {
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

/// A job of a release ended.
pub fn hook_finished(draft: &mut Draft, id: u64, run: u32, exit: &Exit, last_lines: &[String]) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let Some(hook) = release.hook.as_ref().filter(|hook| hook.run == run) else {
        return;
    };
    if release.id != id {
        return;
    }
    if *exit == Exit::Code(0) {
        draft.record(Fact::HookSucceeded {
            release: id,
            job: hook.job.clone(),
        });
        return;
    }
    fail_hook(draft, &release, hook, &exit.to_string(), last_lines);
}

fn fail_hook(
    draft: &mut Draft,
    release: &Release,
    hook: &HookRun,
    reason: &str,
    last_lines: &[String],
) {
    draft.record(Fact::HookFailed {
        release: release.id,
        job: hook.job.clone(),
        run: hook.run,
        reason: reason.to_owned(),
        last_lines: last_lines.to_vec(),
    });
    let when = match release.stage {
        // A rollback that has begun is not replaced by another.
        Stage::RollingBack => return,
        Stage::Pending | Stage::BeforeHooks => " before any new task was started",
        // Without steps, new tasks get traffic as they become healthy: by now all of it is theirs.
        _ if !draft.service.shifts(release) => " at 100 % of the traffic",
        Stage::Shifting | Stage::Baking => {
            &format!(" at {} % of the traffic", f64::from(release.weight) / 10.0)
        }
        _ => " before any traffic",
    };
    let reason = format!("job `{}` failed{when}: {reason}", hook.job);
    fail(draft, &reason, Back::Always);
}

/// The environment goes down: a job that runs is stopped, and so has failed.
pub fn cut_hook(draft: &mut Draft) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    if let Some(hook) = &release.hook {
        fail_hook(draft, &release, hook, "the environment went down", &[]);
    }
}

/// Ends a release that nobody wants any more.
pub fn abandon(draft: &mut Draft, reason: &str) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    stop_hook(draft, &release, reason);
    finish(draft, &release, Outcome::Failed, reason.to_owned(), 0);
}

/// A job that runs is not wanted any more.
pub(super) fn stop_hook(draft: &mut Draft, release: &Release, reason: &str) {
    if let Some(hook) = &release.hook {
        draft.record(Fact::HookFailed {
            release: release.id,
            job: hook.job.clone(),
            run: hook.run,
            reason: reason.to_owned(),
            last_lines: Vec::new(),
        });
    }
}

/// The time that an environment was down is not the stage's; a shift begins again, because the
/// tasks of both revisions do.
pub fn renew(draft: &mut Draft) {
    if let Some(release) = draft.service.release.clone() {
        let stage = match release.stage {
            Stage::TestTraffic | Stage::Shifting | Stage::Baking => Stage::ScaleUp,
            stage => stage,
        };
        enter(draft, &release, stage, draft.service.primary, "");
    }
}

/// Deadlines of the release that have passed.
pub fn expire(draft: &mut Draft) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    if release.bake_until.is_some_and(|until| until <= draft.now) {
        draft.record(Fact::BakeEnded {
            release: release.id,
        });
    }
    if let Some(hook) = &release.hook
        && hook.deadline <= draft.now
    {
        fail_hook(
            draft,
            &release,
            hook,
            "it took longer than its timeout",
            &[],
        );
    } else if release.stage_deadline <= draft.now && draft.phase == Phase::Down {
        renew(draft);
    } else if release.stage_deadline <= draft.now {
        let reason = format!("{} took longer than 24 hours", release.stage.words());
        if release.stage == Stage::RollingBack {
            let serving = draft.service.primary;
            finish(draft, &release, Outcome::Failed, reason, serving);
        } else {
            fail(draft, &reason, Back::Always);
        }
    }
}

/// Counts a failed task of the new revision, or on the way back one of the stable revision that
/// was never healthy; the breaker may trip.
pub fn count_failure(draft: &mut Draft, task: &Task, reason: &str, last_lines: &[String]) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let counts = match task.record {
        Record::Counted => false,
        _ if counting(release.stage) => task.revision == release.to,
        record => goes_back_to(draft, &release, task) && record == Record::New,
    };
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

fn goes_back_to(draft: &Draft, release: &Release, task: &Task) -> bool {
    release.stage == Stage::RollingBack && task.revision == draft.service.primary
}

/// Stages in which the new revision has tasks that may fail it.
fn counting(stage: Stage) -> bool {
    matches!(
        stage,
        Stage::ScaleUp | Stage::TestTraffic | Stage::Shifting | Stage::Baking | Stage::CleaningUp
    )
}

/// Failed tasks at which the breaker trips, with the desired count of now; `None`: it is off. The
/// way back has one in any case: it must end.
fn threshold(draft: &Draft, release: &Release) -> Option<u32> {
    let breaker = draft
        .service
        .definition(release.to)?
        .service
        .release
        .breaker;
    let breaker = match release.stage {
        Stage::RollingBack => Some(breaker.unwrap_or_default()),
        _ => breaker,
    };
    breaker.map(|breaker| limits::threshold(&breaker, draft.service.desired))
}

/// Fails the release when as many tasks have failed as the breaker bears.
fn trip(draft: &mut Draft) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let back = release.stage == Stage::RollingBack;
    let Some(threshold) = threshold(draft, &release).filter(|_| back || counting(release.stage))
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
            evidence::grace_advice(&draft.service, to, &last)
        ),
        Back::AsTheBreakerSays,
    );
}

/// Ends a release whose way back does not start: the scheduler tries the stable revision again
/// and again, and another deploy is taken.
fn neither_starts(draft: &mut Draft, release: &Release, last: &str) {
    let stable = draft.service.primary;
    let tasks = draft.service.tasks.values();
    let serves = tasks.filter(|task| task.revision == stable && task.healthy());
    if serves.count() > 0 {
        return;
    }
    let reason = format!(
        "{}; and {} tasks of revision {stable}, to which it went back, failed too{last}",
        release.reason, release.failures
    );
    stop_hook(draft, release, "the release ended");
    finish(draft, release, Outcome::Failed, reason, 0);
}

/// A healthy task of the new revision sets the count to 0, when the breaker is told so; on the way
/// back one of the stable revision does.
pub fn forget_failures(draft: &mut Draft, task: &Task) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let resets = draft
        .service
        .definition(release.to)
        .and_then(|definition| definition.service.release.breaker)
        .is_some_and(|breaker| breaker.reset_on_healthy);
    let forward = resets && task.revision == release.to && counting(release.stage);
    if release.failures > 0 && (forward || goes_back_to(draft, &release, task)) {
        draft.record(Fact::FailuresForgotten {
            release: release.id,
        });
    }
}

/// Whether a release that failed goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// It does.
    Always,
    /// ECS: only when the method that tripped has `rollback` on.
    AsTheBreakerSays,
}

/// Ends a release that cannot succeed: back to the stable revision, or failed where it is.
pub(super) fn fail(draft: &mut Draft, reason: &str, back: Back) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    stop_hook(draft, &release, "the release failed");
    let service = &draft.service;
    // A revision that was stable once stays usable: only a new one is marked.
    let candidate = service
        .revisions
        .get(&release.to)
        .is_some_and(|to| to.status == RevisionStatus::Candidate);
    let breaker = service
        .definition(release.to)
        .and_then(|definition| definition.service.release.breaker);
    let stable = service.stable.filter(|stable| *stable != release.to);
    // Before its first task, going back is nothing but staying: no switch forbids that.
    let goes_back = back == Back::Always
        || breaker.is_none_or(|breaker| breaker.rollback)
        || stable == Some(service.primary);
    let serving = service.stable.filter(|stable| *stable == service.primary);
    if candidate {
        draft.record(Fact::RevisionFailed {
            revision: release.to,
        });
    }
    match stable {
        Some(stable) if goes_back => enter(draft, &release, Stage::RollingBack, stable, reason),
        _ => {
            let reason = reason.to_owned();
            finish(
                draft,
                &release,
                Outcome::Failed,
                reason,
                serving.unwrap_or(0),
            );
        }
    }
}
