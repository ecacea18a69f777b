//! Whether a release waits for a person to let it go on.
//!
//! Invariant: says yes only when nothing else keeps the release in its step: no job, no bake, no
//! guard, no pause. So what is said to people once is true until they act, or it goes back.

use super::state::{Release, ReleaseKind, ReleaseStage, ServiceState};
use super::strategy::{GuardVerdict, Promotion, SplitCheck};
use crate::manifest::model::LowTraffic;

/// A step that waits for `neargate promote`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApprovalWanted {
    /// Release id.
    pub release: u64,
    /// The revision that is released.
    pub to: u32,
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
