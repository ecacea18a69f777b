//! Shifting traffic: when a step is over, what the next one is, what guards and people say.
//!
//! Invariants: the weight rises only when the step's bake has passed with its guards quiet and the
//! router splits as asked, or when a person promotes it; a guard that fires always goes back. A
//! step is taken with all tasks of both revisions up, or, when a person gives the new one all the
//! traffic, with all of that one.

use super::decision::Refusal;
use super::entry::Fact;
use super::event::ReleaseControl;
use super::promotion::{GuardVerdict, Promotion, SplitCheck};
use super::release_stage::{ReleaseKind, ReleaseStage};
use super::stage_change::{RollbackMode, enter, fail};
use super::state::{EnvironmentPhase, Release};
use super::strategy::{WHOLE, rolling_bake};
use super::transaction::{STAGE_TIMEOUT, Transaction};
use crate::model::LowTraffic;

/// Whether the present step may end: its bake has passed, its guards are quiet, and the router
/// splits as asked. Too little traffic may end the release here.
pub(super) fn step_over(draft: &mut Transaction, release: &Release) -> bool {
    match release.gate {
        Promotion::Paused => return false,
        Promotion::Promoted | Promotion::PromotedFully => return true,
        Promotion::Closed => {}
    }
    if release.bake_until.is_some() || release.split == SplitCheck::Off {
        return false;
    }
    let Some(definition) = draft.service.definition(release.to) else {
        return true;
    };
    // Without weights there is nothing to hold back: as on ECS, the bake alone decides.
    let low_traffic = if draft.service.shifts(release) {
        definition.service.release.low_traffic
    } else {
        LowTraffic::Go
    };
    let verdicts: Vec<(String, GuardVerdict)> = definition
        .guards
        .keys()
        .map(|name| {
            let verdict = release.guards.get(name).copied().unwrap_or_default();
            (name.clone(), verdict)
        })
        .collect();
    let mut over = true;
    for (name, verdict) in verdicts {
        match (verdict, low_traffic) {
            (GuardVerdict::Quiet, _) | (GuardVerdict::TooLittle, LowTraffic::Go) => {}
            (GuardVerdict::TooLittle, LowTraffic::Back) => {
                let reason = format!("too few requests to judge guard `{name}`");
                fail(draft, &reason, RollbackMode::Always);
                return false;
            }
            (GuardVerdict::Pending | GuardVerdict::Fired | GuardVerdict::TooLittle, _) => {
                over = false;
            }
        }
    }
    over
}

/// Takes the next step, when people let it and the tasks of both revisions are up.
pub(super) fn next_step(draft: &mut Transaction, release: &Release) {
    if !draft.service.lacking_fleets(release).is_empty() {
        return;
    }
    let approve = draft
        .service
        .definition(release.to)
        .is_some_and(|to| to.service.release.approve);
    match release.gate {
        Promotion::Paused => return,
        Promotion::Closed if approve => return,
        Promotion::Closed | Promotion::Promoted | Promotion::PromotedFully => {}
    }
    let steps = draft.service.steps(release);
    let fully = release.gate == Promotion::PromotedFully;
    let next = if fully {
        steps.len()
    } else {
        release.step as usize + 1
    };
    let Some(step) = steps.get(next - 1) else {
        let primary = draft.service.primary;
        enter(draft, release, ReleaseStage::Baking, primary, "");
        return;
    };
    let bake = if fully {
        std::time::Duration::ZERO
    } else {
        step.bake
    };
    let last = next == steps.len();
    draft.record(Fact::StepTaken {
        release: release.id,
        step: u32::try_from(next).unwrap_or(u32::MAX),
        weight: step.weight,
        bake_until: draft.now.after(bake),
        deadline: draft.now.after(bake + STAGE_TIMEOUT),
        stage: if last {
            ReleaseStage::Baking
        } else {
            ReleaseStage::Shifting
        },
    });
}

/// A rolling release with guards is watched when it is done, for as long as they need.
pub(super) fn bake_rolling(draft: &mut Transaction, release: &Release) {
    let bake = draft
        .service
        .definition(release.to)
        .map(|to| rolling_bake(to.guards.values()))
        .unwrap_or_default();
    draft.record(Fact::StepTaken {
        release: release.id,
        step: 1,
        weight: WHOLE,
        bake_until: draft.now.after(bake),
        deadline: draft.now.after(bake + STAGE_TIMEOUT),
        stage: ReleaseStage::Baking,
    });
}

/// A guard came to another verdict in a step.
pub(super) fn judged(
    draft: &mut Transaction,
    step: u32,
    guard: &str,
    verdict: GuardVerdict,
    reason: &str,
) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    // What is judged while everything stops says nothing about the step, which begins again.
    if draft.phase == EnvironmentPhase::Down {
        return;
    }
    let known = draft
        .service
        .definition(release.to)
        .is_some_and(|to| to.guards.contains_key(guard));
    let present = release.guards.get(guard).copied().unwrap_or_default();
    let watched = release.stage.judges_new_tasks();
    // A rollback by request goes to what ran before: a guard must not send it back again.
    let asked = release.kind == ReleaseKind::Rollback;
    if !known || !watched || asked || release.step != step || present == verdict {
        return;
    }
    draft.record(Fact::GuardJudged {
        release: release.id,
        guard: guard.to_owned(),
        verdict,
        reason: reason.to_owned(),
    });
    if verdict == GuardVerdict::Fired {
        let at = match release.weight {
            0 => String::new(),
            weight => format!(" at {} % of the traffic", f64::from(weight) / 10.0),
        };
        let words = format!("guard `{guard}` fired{at}: {reason}");
        fail(draft, &words, RollbackMode::Always);
    }
}

/// The router's split was compared with the one asked for.
pub(super) fn measured(
    draft: &mut Transaction,
    step: u32,
    split: SplitCheck,
    share: u32,
    requests: u64,
) {
    let Some(release) = draft.service.release.clone() else {
        return;
    };
    let shifting = matches!(release.stage, ReleaseStage::Shifting | ReleaseStage::Baking);
    let up = draft.phase == EnvironmentPhase::Up;
    if up && shifting && release.step == step && release.split != split {
        draft.record(Fact::SplitMeasured {
            release: release.id,
            split,
            share,
            requests,
        });
    }
}

/// Somebody said something about the release.
///
/// # Errors
/// There is none, or it cannot do this now.
pub(super) fn steer(
    draft: &mut Transaction,
    steer: ReleaseControl,
    by: &str,
) -> Result<(), Refusal> {
    let name = draft.service.name.clone();
    let Some(release) = draft.service.release.clone() else {
        return Err(Refusal::NoRelease(name));
    };
    let shifts = draft.service.shifts(&release);
    let waits = matches!(
        release.stage,
        ReleaseStage::TestTraffic | ReleaseStage::Shifting | ReleaseStage::Baking
    );
    // Of both revisions only the new one is up: its share can be all of the traffic.
    let lacks_old =
        shifts && release.stage == ReleaseStage::ScaleUp && draft.service.arrived(release.to);
    let refused = |what| {
        Err(Refusal::NotNow {
            service: name.clone(),
            release: release.id,
            what,
            stage: release.stage.name(),
        })
    };
    let gate = match steer {
        ReleaseControl::Promote if waits => Promotion::Promoted,
        ReleaseControl::PromoteFully if waits || lacks_old => Promotion::PromotedFully,
        ReleaseControl::Promote | ReleaseControl::PromoteFully => return refused("promoted"),
        ReleaseControl::Pause if shifts && !ends(release.stage) => Promotion::Paused,
        ReleaseControl::Pause => return refused("paused"),
        ReleaseControl::Resume if release.gate == Promotion::Paused => Promotion::Closed,
        ReleaseControl::Resume => return refused("resumed: it is not paused"),
        ReleaseControl::Abort if release.stage == ReleaseStage::RollingBack => {
            return refused("aborted: it is rolling back already");
        }
        ReleaseControl::Abort => {
            fail(draft, &format!("aborted by {by}"), RollbackMode::Always);
            return Ok(());
        }
    };
    if gate != release.gate {
        draft.record(Fact::GateMoved {
            release: release.id,
            gate,
            by: by.to_owned(),
        });
    }
    Ok(())
}

fn ends(stage: ReleaseStage) -> bool {
    matches!(stage, ReleaseStage::CleaningUp | ReleaseStage::RollingBack)
}
