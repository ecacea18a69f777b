//! Moves a release to another stage, back to the stable revision, or to its end.
//!
//! Invariant: nothing is rolled back twice.

use super::entry::Fact;
use super::release_stage::{ReleaseOutcome, ReleaseStage};
use super::state::{Release, RevisionStatus};
use super::transaction::{STAGE_TIMEOUT, Transaction};
use crate::ids::RevisionNumber;

pub(super) fn enter(
    draft: &mut Transaction,
    release: &Release,
    stage: ReleaseStage,
    primary: RevisionNumber,
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

pub(super) fn finish(
    draft: &mut Transaction,
    release: &Release,
    outcome: ReleaseOutcome,
    reason: String,
    serving: RevisionNumber,
) {
    draft.record(Fact::ReleaseFinished {
        release: release.id,
        outcome,
        reason,
        evidence: release.evidence_lines(),
        serving,
    });
}

/// A job that runs is not wanted any more.
pub(super) fn stop_hook(draft: &mut Transaction, release: &Release, reason: &str) {
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

/// Whether a release that failed goes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RollbackMode {
    /// It always goes back.
    Always,
    /// ECS: only when the method that tripped has `rollback` on.
    AsTheBreakerSays,
}

/// Ends a release where it is: nobody can bring it back.
pub(super) fn fail_in_place(draft: &mut Transaction, reason: &str, serving: RevisionNumber) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    stop_hook(draft, &release, "the release failed");
    mark_failed(draft, &release);
    let reason = reason.to_owned();
    finish(draft, &release, ReleaseOutcome::Failed, reason, serving);
}

/// A revision that was stable once stays usable: only a new one is marked.
fn mark_failed(draft: &mut Transaction, release: &Release) {
    let to = draft.service.revisions.get(&release.to);
    if to.is_some_and(|to| to.status == RevisionStatus::Candidate) {
        draft.record(Fact::RevisionFailed {
            revision: release.to,
        });
    }
}

/// Ends a release that cannot succeed: back to the stable revision, or failed where it is.
pub(super) fn fail(draft: &mut Transaction, reason: &str, back: RollbackMode) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    stop_hook(draft, &release, "the release failed");
    let service = &draft.service;
    let breaker = service
        .definition(release.to)
        .and_then(|definition| definition.service.release.breaker);
    let stable = service.stable.filter(|stable| *stable != release.to);
    // Before its first task, going back is nothing but staying: no switch forbids that.
    let goes_back = back == RollbackMode::Always
        || breaker.is_none_or(|breaker| breaker.rollback)
        || stable == Some(service.primary);
    let serving = service.stable.filter(|stable| *stable == service.primary);
    mark_failed(draft, &release);
    match stable {
        Some(stable) if goes_back => {
            enter(draft, &release, ReleaseStage::RollingBack, stable, reason);
        }
        _ => {
            let reason = reason.to_owned();
            finish(
                draft,
                &release,
                ReleaseOutcome::Failed,
                reason,
                serving.unwrap_or_default(),
            );
        }
    }
}
