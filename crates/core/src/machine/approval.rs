//! Whether a release waits for a person to let it go on.
//!
//! Invariant: approval is wanted only when nothing else keeps the release in its step: no job, no
//! bake, no guard, no pause. (Tasks that end meanwhile come back by themselves.) So what is said to
//! people once is true until they act, or the release goes back.

use super::promotion::{GuardVerdict, Promotion, SplitCheck};
use super::release_stage::{ReleaseKind, ReleaseStage};
use super::state::{Release, ServiceState};
use crate::ids::{ReleaseId, RevisionNumber};
use crate::model::LowTraffic;

/// A step that waits for `neargate promote`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApprovalWanted {
    pub release: ReleaseId,
    /// The revision that is released.
    pub to: RevisionNumber,
    /// The step that would be taken, from 1.
    pub step: u32,
    /// Steps of the release.
    pub steps: u32,
    /// The new revision's share of the requests at that step, tenths of a percent.
    pub weight: u32,
}

/// The step of a service's release that waits for a person's word.
#[must_use]
pub fn approval_wanted(service: &ServiceState) -> Option<ApprovalWanted> {
    let release = service.release.as_ref()?;
    let policy = &service.definition(release.to)?.service.release;
    let idle = policy.approve && release.gate == Promotion::Closed && release.hook.is_none();
    let smoked =
        release.kind == ReleaseKind::Rollback || release.hooks_done as usize >= policy.smoke.len();
    if !idle || !smoked || !between_steps(service, release, policy.low_traffic) {
        return None;
    }
    let steps = service.steps(release);
    let next = steps.get(release.step as usize)?;
    Some(ApprovalWanted {
        release: release.id,
        to: release.to,
        step: release.step + 1,
        steps: u32::try_from(steps.len()).unwrap_or(u32::MAX),
        weight: next.weight,
    })
}

/// Whether a release stays where it is until a person says a word, or requests come that may never
/// come: it waits for approval, is paused, has too little traffic to be judged, or lacks tasks of the
/// old revision, which fail.
#[must_use]
pub fn is_held(service: &ServiceState) -> bool {
    let Some(release) = service.release.as_ref() else {
        return false;
    };
    let stepping = matches!(
        release.stage,
        ReleaseStage::TestTraffic | ReleaseStage::Shifting | ReleaseStage::Baking
    );
    let paused = release.gate == Promotion::Paused && stepping;
    paused
        || approval_wanted(service).is_some()
        || lacks_traffic(service, release)
        || lacks_failing_tasks(service, release)
}

fn lacks_traffic(service: &ServiceState, release: &Release) -> bool {
    let holds = service
        .definition(release.to)
        .is_some_and(|to| to.service.release.low_traffic == LowTraffic::Hold);
    let verdicts = || release.guards.values();
    holds
        && service.shifts(release)
        && release.gate == Promotion::Closed
        && release.bake_until.is_none()
        && verdicts().any(|verdict| *verdict == GuardVerdict::TooLittle)
        && verdicts()
            .all(|verdict| matches!(verdict, GuardVerdict::TooLittle | GuardVerdict::Quiet))
}

fn lacks_failing_tasks(service: &ServiceState, release: &Release) -> bool {
    let old = service.primary;
    service.shifts(release)
        && service.lacking_fleets(release) == [old]
        && old != release.to
        && service.tasks_fail(old)
}

fn between_steps(service: &ServiceState, release: &Release, low_traffic: LowTraffic) -> bool {
    match release.stage {
        ReleaseStage::TestTraffic => true,
        ReleaseStage::Shifting => {
            release.bake_until.is_none()
                && release.split != SplitCheck::Off
                && guards_quiet(service, release, low_traffic)
        }
        _ => false,
    }
}

fn guards_quiet(service: &ServiceState, release: &Release, low_traffic: LowTraffic) -> bool {
    let guards = service.definition(release.to).map(|to| to.guards.keys());
    guards.into_iter().flatten().all(|name| {
        match release.guards.get(name).copied().unwrap_or_default() {
            GuardVerdict::Quiet => true,
            GuardVerdict::TooLittle => low_traffic == LowTraffic::Go,
            GuardVerdict::Pending | GuardVerdict::Fired => false,
        }
    })
}
