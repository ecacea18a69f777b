//! A release: its stages, its hooks, its end.
//!
//! Invariants: new tasks of a revision are made only after its `before` hooks succeeded; a
//! release that failed goes back to the stable revision or ends where it is; nothing is ever
//! rolled back twice: when the stable revision does not start either, the release ends in words
//! and the scheduler goes on trying.

use super::capacity::Capacity;
use super::capacity_requests;
use super::circuit_breaker;
use super::entry::Fact;
use super::release_stage::{ReleaseKind, ReleaseOutcome, ReleaseStage};
use super::stage_change::{RollbackMode, enter, fail, finish, stop_hook};
use super::state::{EnvironmentPhase, HookRun, ProcessExit, Release};
use super::traffic_shift;
use super::transaction::Transaction;
use crate::ids::{ReleaseId, RevisionNumber};
use crate::model::ReleasePolicy;

/// Brings the release as far as the present facts allow.
pub(super) fn advance(draft: &mut Transaction) {
    // A smaller desired count may have lowered the threshold.
    circuit_breaker::trip(draft);
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let shifts = draft.service.shifts(&release);
    match release.stage {
        ReleaseStage::Pending | ReleaseStage::BeforeHooks => prepare(draft, &release, shifts),
        ReleaseStage::ScaleUp if shifts => {
            if draft.service.lacking_fleets(&release).is_empty() {
                let primary = draft.service.primary;
                enter(draft, &release, ReleaseStage::TestTraffic, primary, "");
            }
        }
        ReleaseStage::ScaleUp => {
            if draft.service.arrived(release.to)
                && jobs_done(draft, &release, |policy| &policy.smoke)
            {
                enter(draft, &release, ReleaseStage::CleaningUp, release.to, "");
            }
        }
        ReleaseStage::TestTraffic => {
            if jobs_done(draft, &release, |policy| &policy.smoke) {
                traffic_shift::next_step(draft, &release);
            }
        }
        ReleaseStage::Shifting => {
            if traffic_shift::step_over(draft, &release)
                && jobs_done(draft, &release, |policy| &policy.smoke)
            {
                traffic_shift::next_step(draft, &release);
            }
        }
        ReleaseStage::Baking => {
            if traffic_shift::step_over(draft, &release)
                && jobs_done(draft, &release, |policy| &policy.after)
            {
                enter(draft, &release, ReleaseStage::CleaningUp, release.to, "");
            }
        }
        ReleaseStage::CleaningUp => clean_up(draft, &release, shifts),
        ReleaseStage::RollingBack => {
            let back = draft.service.primary;
            if draft.service.alone(back) && jobs_done(draft, &release, |policy| &policy.on_rollback)
            {
                let reason = release.reason.clone();
                finish(draft, &release, ReleaseOutcome::RolledBack, reason, back);
            }
        }
    }
}

/// The old tasks leave; what rolled is then watched for as long as its guards need.
fn clean_up(draft: &mut Transaction, release: &Release, shifts: bool) {
    if !draft.service.alone(release.to) {
        return;
    }
    // Without a stable revision there is nothing to go back to.
    let guarded = !draft.service.capacity.is_delegated()
        && draft.service.stable.is_some()
        && draft
            .service
            .definition(release.to)
            .is_some_and(|to| !to.guards.is_empty());
    if guarded && release.step == 0 && release.kind == ReleaseKind::Deploy {
        traffic_shift::bake_rolling(draft, release);
    } else if shifts || release.step > 0 || jobs_done(draft, release, |policy| &policy.after) {
        let words = done_words(release, &draft.service.capacity);
        finish(draft, release, ReleaseOutcome::Done, words, release.to);
    }
}

fn done_words(release: &Release, capacity: &Capacity) -> String {
    let done = match release.kind {
        ReleaseKind::Deploy => format!("revision {} serves", release.to),
        ReleaseKind::Rollback => format!(
            "rolled back from revision {} to {}",
            release.from, release.to
        ),
    };
    let done = match capacity {
        Capacity::Files(files) => format!("{done}: {}", files.words),
        _ => done,
    };
    match release.cut {
        0 => done,
        1 => format!("{done}; 1 request or connection was cut off at the end of `drain`"),
        cut => format!("{done}; {cut} requests or connections were cut off at the end of `drain`"),
    }
}

/// The rest of a superseded release goes; `before` jobs; then the new revision may have tasks.
fn prepare(draft: &mut Transaction, release: &Release, shifts: bool) {
    let primary = draft.service.primary;
    // ECS's RECONCILE_SERVICE: a shift begins with one revision in service.
    let strays = !draft.service.strays().is_empty();
    // Others stay until tasks of the primary serve: when those fail, their end never comes.
    let fails = draft.service.healthy_of(primary) == 0 && draft.service.tasks_fail(primary);
    if shifts && release.stage == ReleaseStage::Pending && strays && !fails {
        return;
    }
    let waits = draft
        .service
        .definition(release.to)
        .is_some_and(|to| !to.service.release.before.is_empty());
    if release.stage == ReleaseStage::Pending && waits && release.kind == ReleaseKind::Deploy {
        enter(draft, release, ReleaseStage::BeforeHooks, primary, "");
        return;
    }
    if jobs_done(draft, release, |policy| &policy.before) {
        let primary = if shifts { primary } else { release.to };
        enter(draft, release, ReleaseStage::ScaleUp, primary, "");
    }
}

/// Whether all jobs of a list have succeeded; otherwise the next one is begun. A rollback by
/// request runs none: it goes to what ran before.
fn jobs_done(
    draft: &mut Transaction,
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
        fail(draft, &reason, RollbackMode::Always);
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

/// A job of a release ended.
pub(super) fn hook_finished(
    draft: &mut Transaction,
    id: ReleaseId,
    run: u32,
    exit: &ProcessExit,
    last_lines: &[String],
) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let Some(hook) = release.hook.as_ref().filter(|hook| hook.run == run) else {
        return;
    };
    if release.id != id {
        return;
    }
    if *exit == ProcessExit::Code(0) {
        draft.record(Fact::HookSucceeded {
            release: id,
            job: hook.job.clone(),
        });
        return;
    }
    fail_hook(draft, &release, hook, &exit.to_string(), last_lines);
}

fn fail_hook(
    draft: &mut Transaction,
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
        ReleaseStage::RollingBack => return,
        ReleaseStage::Pending | ReleaseStage::BeforeHooks => " before any new task was started",
        // Without steps, new tasks get traffic as they become healthy: by now all of it is theirs.
        _ if !draft.service.shifts(release) => " at 100 % of the traffic",
        ReleaseStage::Shifting | ReleaseStage::Baking => {
            &format!(" at {} % of the traffic", f64::from(release.weight) / 10.0)
        }
        _ => " before any traffic",
    };
    let reason = format!("job `{}` failed{when}: {reason}", hook.job);
    fail(draft, &reason, RollbackMode::Always);
}

/// The environment goes down: a job that runs is stopped, and so has failed.
pub(super) fn cut_hook(draft: &mut Transaction) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    if let Some(hook) = &release.hook {
        fail_hook(draft, &release, hook, "the environment went down", &[]);
    }
}

/// Ends a release that nobody wants any more.
pub(super) fn abandon(draft: &mut Transaction, reason: &str) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    stop_hook(draft, &release, reason);
    finish(
        draft,
        &release,
        ReleaseOutcome::Failed,
        reason.to_owned(),
        RevisionNumber::NONE,
    );
}

/// The time that an environment was down is not the stage's; a shift begins again, because the
/// tasks of both revisions do.
pub(super) fn renew(draft: &mut Transaction) {
    if let Some(release) = draft.service.release.clone() {
        let stage = match release.stage {
            ReleaseStage::TestTraffic | ReleaseStage::Shifting | ReleaseStage::Baking => {
                ReleaseStage::ScaleUp
            }
            stage => stage,
        };
        enter(draft, &release, stage, draft.service.primary, "");
    }
}

/// Deadlines of the release that have passed.
pub(super) fn expire(draft: &mut Transaction) {
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
    } else if draft
        .service
        .capacity
        .deadline()
        .is_some_and(|deadline| deadline <= draft.now)
    {
        capacity_requests::expire(draft);
    } else if release.stage_deadline <= draft.now && draft.phase == EnvironmentPhase::Down {
        renew(draft);
    } else if release.stage_deadline <= draft.now {
        let reason = format!("{} took longer than 24 hours", release.stage.describe());
        if release.stage == ReleaseStage::RollingBack {
            let serving = draft.service.primary;
            finish(draft, &release, ReleaseOutcome::Failed, reason, serving);
        } else {
            fail(draft, &reason, RollbackMode::Always);
        }
    }
}
