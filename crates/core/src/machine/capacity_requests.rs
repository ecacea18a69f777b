//! What a release asks of a capacity that others provide, and what an observation of it means to the release.
//!
//! Invariants: one thing is asked for at a time; what was asked for and has ended is not asked for again, so
//! nothing is deployed or rolled back twice.

use std::time::Duration;

use super::capacity::{
    Capacity, DeploymentCapacity, DeploymentProgress, ObservedServices, ServicesCapacity,
};
use super::capacity_change::{CapacityChange, CapacityObservation};
use super::circuit_breaker;
use super::entry::Fact;
use super::release_stage::{ReleaseOutcome, ReleaseStage};
use super::stage_change::{RollbackMode, fail, fail_in_place, finish};
use super::state::Release;
use super::transaction::Transaction;
use crate::ids::RevisionNumber;

/// ECS lists a deployment within this time of UpdateService, or did not take it.
const LISTED_WITHIN: Duration = Duration::from_secs(300);

/// Asks for what the present stage needs. One pass; call it until it records nothing more.
pub(super) fn request(draft: &mut Transaction) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let moves = release.stage.waits_for_capacity();
    let wanted = draft.service.primary;
    if !moves || draft.service.arrived(wanted) {
        return;
    }
    match draft.service.capacity.clone() {
        Capacity::Deployment(known) => request_deployment(draft, &release, &known, wanted),
        Capacity::Files(known) if known.requested != wanted => {
            record(
                draft,
                &release,
                CapacityChange::CopyRequested { revision: wanted },
            );
        }
        Capacity::Scheduler | Capacity::Services(_) | Capacity::Files(_) => {}
    }
}

fn request_deployment(
    draft: &mut Transaction,
    release: &Release,
    known: &DeploymentCapacity,
    wanted: RevisionNumber,
) {
    let asked = known.requested.as_ref();
    let progress = asked.map(|asked| (asked.progress, asked.revision == wanted));
    let change = match progress {
        Some((DeploymentProgress::InProgress, false)) => {
            CapacityChange::DeploymentRollbackRequested
        }
        Some((_, true)) => return,
        Some((progress, false)) if !progress.has_ended() => return,
        None | Some((_, false)) => CapacityChange::DeploymentRequested {
            revision: wanted,
            after: known.newest.clone(),
            deadline: draft.now.after(LISTED_WITHIN),
        },
    };
    record(draft, release, change);
}

/// Takes in what was seen.
pub(super) fn observed(draft: &mut Transaction, observation: &CapacityObservation) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    match (draft.service.capacity.clone(), observation) {
        (Capacity::Services(known), CapacityObservation::Services { services, said }) => {
            services_observed(draft, &release, &known, services, said);
        }
        (
            Capacity::Deployment(known),
            CapacityObservation::Deployment {
                arn,
                progress,
                words,
                evidence,
                serving,
            },
        ) => {
            let change = CapacityChange::DeploymentObserved {
                arn: arn.clone(),
                progress: *progress,
                words: words.clone(),
                evidence: evidence.clone(),
            };
            if deployment_changes(&known, arn, *progress, words) {
                record(draft, &release, change);
                judge_deployment(draft, &release, *progress, words, *serving);
            }
        }
        (
            Capacity::Files(known),
            CapacityObservation::Files {
                revision,
                words,
                missing,
            },
        ) if known.requested == *revision && !known.copied => {
            files_observed(draft, &release, *revision, words, missing);
        }
        _ => {}
    }
}

fn record(draft: &mut Transaction, release: &Release, change: CapacityChange) {
    draft.record(Fact::CapacityChanged {
        release: release.id,
        change,
    });
}

/// Tasks that ECS counts as failed, or that were healthy and are not, are failures of the new revision.
fn services_observed(
    draft: &mut Transaction,
    release: &Release,
    known: &ObservedServices,
    services: &ServicesCapacity,
    said: &str,
) {
    if known.in_stage && known.services == *services {
        return;
    }
    let change = CapacityChange::ServicesObserved {
        services: services.clone(),
    };
    record(draft, release, change);
    let Some(now) = &services.visitor else {
        return;
    };
    let before = known.services.visitor.as_ref();
    let before = before.filter(|before| before.revision == now.revision);
    let (failed, healthy, desired) = before.map_or((0, 0, 0), |before| {
        (before.failed, before.healthy, before.desired)
    });
    let failed = now.failed.saturating_sub(failed);
    let lost = match now.desired < desired {
        true => 0,
        false => healthy.saturating_sub(now.healthy),
    };
    if failed.max(lost) > 0 {
        let reason = match failed {
            0 => format!("only {} are healthy", now.healthy),
            _ => said.to_owned(),
        };
        circuit_breaker::count_failed_tasks(draft, failed.max(lost), &reason);
    } else if now.healthy > healthy {
        circuit_breaker::forget_failed_tasks(draft);
    }
}

/// Whether an observation of the newest deployment says anything new about the one that was asked for.
fn deployment_changes(
    known: &DeploymentCapacity,
    arn: &str,
    progress: DeploymentProgress,
    words: &str,
) -> bool {
    let Some(requested) = &known.requested else {
        return known.newest != arn;
    };
    let own = !arn.is_empty() && arn != requested.after;
    let later = match (requested.progress, progress) {
        (before, _) if before.has_ended() => false,
        (DeploymentProgress::RollbackRequested, DeploymentProgress::InProgress) => false,
        (before, now) => before != now || requested.words != words,
    };
    own && later
}

/// Applies the end of a deployment to the release.
fn judge_deployment(
    draft: &mut Transaction,
    release: &Release,
    progress: DeploymentProgress,
    words: &str,
    serving: RevisionNumber,
) {
    let Capacity::Deployment(known) = &draft.service.capacity else {
        return;
    };
    let Some(requested) = known.requested.clone().filter(|_| progress.has_ended()) else {
        return;
    };
    let back = release.stage == ReleaseStage::RollingBack;
    let of_new = requested.revision == release.to;
    match progress {
        // A deployment that succeeded before it could be stopped is followed by one that goes back.
        DeploymentProgress::Succeeded if back => {}
        DeploymentProgress::RolledBack if back && of_new => {}
        _ if back => {
            let reason = format!("{}; and the rollback failed: {words}", release.reason);
            finish(draft, release, ReleaseOutcome::Failed, reason, serving);
        }
        DeploymentProgress::Succeeded if serving == release.to => {}
        DeploymentProgress::Succeeded => {
            let reason =
                format!("ECS says that the deployment succeeded, but revision {serving} serves");
            fail_in_place(draft, &reason, serving);
        }
        DeploymentProgress::RolledBack => fail(draft, words, RollbackMode::Always),
        _ => fail_in_place(draft, words, serving),
    }
}

fn files_observed(
    draft: &mut Transaction,
    release: &Release,
    revision: RevisionNumber,
    words: &str,
    missing: &[String],
) {
    let words = words.to_owned();
    if missing.is_empty() {
        record(
            draft,
            release,
            CapacityChange::FilesCopied { revision, words },
        );
        return;
    }
    let change = CapacityChange::FilesMissing {
        revision,
        words: words.clone(),
        missing: missing.to_vec(),
    };
    record(draft, release, change);
    if release.stage == ReleaseStage::RollingBack {
        let reason = format!("{}; and the rollback failed: {words}", release.reason);
        finish(
            draft,
            release,
            ReleaseOutcome::Failed,
            reason,
            RevisionNumber::NONE,
        );
    } else {
        fail(draft, &words, RollbackMode::Always);
    }
}

/// A deployment that ECS never listed was not taken: what served before it serves.
pub(super) fn expire(draft: &mut Transaction) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let due = draft.service.capacity.deadline();
    let Capacity::Deployment(known) = &draft.service.capacity else {
        return;
    };
    let Some(requested) = known.requested.clone().filter(|_| due <= Some(draft.now)) else {
        return;
    };
    if due.is_none() {
        return;
    }
    let words = format!(
        "ECS took the update but began no deployment of revision {} within {}; see the service's events",
        requested.revision,
        crate::duration::rounded(LISTED_WITHIN)
    );
    let change = CapacityChange::DeploymentObserved {
        arn: requested.after,
        progress: DeploymentProgress::RolledBack,
        words: words.clone(),
        evidence: Vec::new(),
    };
    record(draft, &release, change);
    let serving = draft.service.primary;
    judge_deployment(
        draft,
        &release,
        DeploymentProgress::RolledBack,
        &words,
        serving,
    );
}
