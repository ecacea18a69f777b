//! What people ask for: deploy, scale, roll back, remove, steer. Refused as a whole or done.

use std::sync::Arc;

use super::decision::Refusal;
use super::desired_count;
use super::entry::{Fact, JournalEntry};
use super::event::{Event, Supersede};
use super::limits::MOST_TASKS;
use super::release_stage::ReleaseKind;
use super::settle::{draft_of, settle};
use super::start_delay::A_PERSON_ASKED;
use super::state::{EnvironmentState, Removal, RevisionDefinition, RevisionStatus, ServiceState};
use super::transaction::{STAGE_TIMEOUT, Transaction};
use super::{release, start_delay, strategy, traffic_shift};
use crate::ids::RevisionNumber;
use crate::time::Timestamp;

/// The entries of a request about a service.
///
/// # Errors
/// It is refused; nothing changes.
pub(super) fn handle_command(
    state: &EnvironmentState,
    now: Timestamp,
    name: &str,
    event: &Event,
) -> Result<Vec<JournalEntry>, Refusal> {
    let known = state.services.get(name);
    let service = match (known, event) {
        (known, Event::DeployRequested { .. } | Event::NewRevisionForced { .. }) => {
            known.map_or_else(|| state.new_service(name), ServiceState::clone)
        }
        (Some(service), _) if service.removal == Removal::Kept => service.clone(),
        _ => return Err(Refusal::UnknownService(name.into())),
    };
    let mut draft = draft_of(state, service, now);
    start_delay::end_all(&mut draft, A_PERSON_ASKED);
    match event {
        Event::DeployRequested {
            definition,
            firing,
            supersede,
            ..
        } => {
            let same = runs_already(&draft, definition) || goes_on(&draft, definition, *supersede);
            if !same {
                may_begin(&mut draft, definition, firing, *supersede)?;
            }
            desired_count::keep_within_bounds(&mut draft, definition);
            if !same {
                begin_deploy(&mut draft, definition);
            }
        }
        Event::NewRevisionForced {
            definition,
            firing,
            supersede,
            ..
        } => {
            may_begin(&mut draft, definition, firing, *supersede)?;
            desired_count::keep_within_bounds(&mut draft, definition);
            begin_deploy(&mut draft, definition);
        }
        Event::ReleaseSteered { steer, by, .. } => traffic_shift::steer(&mut draft, *steer, by)?,
        Event::ScaleRequested { desired, .. } => scale(&mut draft, *desired)?,
        Event::RollbackRequested { to, .. } => roll_back(&mut draft, *to)?,
        _ => {
            release::abandon(&mut draft, "the service is removed");
            draft.record(Fact::RemovalStarted);
        }
    }
    Ok(settle(draft))
}

fn no_release(draft: &Transaction) -> Result<(), Refusal> {
    match &draft.service.release {
        None => Ok(()),
        Some(release) => Err(Refusal::ReleaseInProgress {
            service: draft.service.name.clone(),
            release: release.id,
            to: release.to,
            stage: release.stage.name(),
        }),
    }
}

/// Whether a new revision may be released now; a release that gives way is ended.
fn may_begin(
    draft: &mut Transaction,
    definition: &RevisionDefinition,
    firing: &[(String, String)],
    supersede: Supersede,
) -> Result<(), Refusal> {
    quiet_guards(draft, definition, firing)?;
    match supersede {
        Supersede::Refuse | Supersede::Continue => no_release(draft)?,
        // ECS: the former deployment gives way to the newer one.
        Supersede::TakeOver | Supersede::ContinueOrTakeOver => {
            release::abandon(draft, "superseded by a newer deploy");
        }
    }
    Ok(())
}

fn begin_deploy(draft: &mut Transaction, definition: &RevisionDefinition) {
    let revision = draft.service.next_revision;
    draft.record(Fact::RevisionRegistered {
        revision,
        definition: Arc::new(definition.clone()),
    });
    begin(draft, ReleaseKind::Deploy, revision);
}

/// Whether a definition is that of the revision that serves, or that a release is to.
fn runs_already(draft: &Transaction, definition: &RevisionDefinition) -> bool {
    let service = &draft.service;
    let newest = service
        .release
        .as_ref()
        .map_or(service.primary, |release| release.to);
    service.revisions.get(&newest).is_some_and(|revision| {
        service.removal == Removal::Kept
            && revision.status != RevisionStatus::Failed
            && revision.definition.runs_the_same(definition)
    })
}

/// Whether `up` leaves a release alone: it asks for what is stable, or for what the release is
/// about, be it on its way forward or back.
fn goes_on(draft: &Transaction, definition: &RevisionDefinition, supersede: Supersede) -> bool {
    let leaves = matches!(
        supersede,
        Supersede::Continue | Supersede::ContinueOrTakeOver
    );
    let service = &draft.service;
    let Some(release) = service.release.as_ref().filter(|_| leaves) else {
        return false;
    };
    [Some(release.from), Some(release.to), service.stable]
        .into_iter()
        .flatten()
        .filter_map(|revision| service.definition(revision))
        .any(|known| known.runs_the_same(definition))
}

/// A guard that breaches now would blame the new revision for what is wrong already.
fn quiet_guards(
    draft: &Transaction,
    definition: &RevisionDefinition,
    firing: &[(String, String)],
) -> Result<(), Refusal> {
    let mut own = firing
        .iter()
        .filter(|(alarm, _)| definition.guards.contains_key(alarm));
    match own.next() {
        Some((alarm, reason)) => Err(Refusal::GuardFiring {
            service: draft.service.name.clone(),
            alarm: alarm.clone(),
            reason: reason.clone(),
        }),
        None => Ok(()),
    }
}

fn begin(draft: &mut Transaction, kind: ReleaseKind, to: RevisionNumber) {
    draft.record(Fact::ReleaseStarted {
        release: draft.next_release,
        kind,
        to,
        from: holds_the_traffic(draft, kind, to),
        deadline: draft.now.after(STAGE_TIMEOUT),
    });
}

/// A shift needs a whole stable revision to hold the rest of the traffic. When the primary is a
/// candidate whose rolling release was superseded, that is the stable one, which then comes back
/// first; a revision that failed where it was stays, as its breaker was told.
fn holds_the_traffic(
    draft: &Transaction,
    kind: ReleaseKind,
    to: RevisionNumber,
) -> Option<RevisionNumber> {
    let service = &draft.service;
    let unfinished = service
        .revisions
        .get(&service.primary)
        .is_some_and(|primary| primary.status == RevisionStatus::Candidate);
    let shifts = kind == ReleaseKind::Deploy
        && service.definition(to).is_some_and(|to| {
            to.has_tasks() && !strategy::steps(&to.service.release.strategy).is_empty()
        });
    let stable = service.stable.filter(|stable| {
        service
            .definition(*stable)
            .is_some_and(RevisionDefinition::has_tasks)
    });
    stable.filter(|_| unfinished && shifts)
}

fn scale(draft: &mut Transaction, desired: u32) -> Result<(), Refusal> {
    if draft
        .primary()
        .is_some_and(|definition| !definition.has_tasks())
    {
        return Err(Refusal::NoTasks(draft.service.name.clone()));
    }
    if desired > MOST_TASKS {
        return Err(Refusal::TooManyTasks {
            desired,
            most: MOST_TASKS,
        });
    }
    if desired != draft.service.desired {
        draft.record(Fact::DesiredChanged { desired });
    }
    Ok(())
}

fn roll_back(draft: &mut Transaction, to: Option<RevisionNumber>) -> Result<(), Refusal> {
    no_release(draft)?;
    let service = &draft.service;
    let name = || service.name.clone();
    let target = match to {
        Some(revision) => match service.revisions.get(&revision) {
            Some(found) if found.status == RevisionStatus::Stable => revision,
            Some(_) => {
                return Err(Refusal::NeverStable {
                    service: name(),
                    revision,
                });
            }
            None => {
                let known: Vec<String> =
                    service.revisions.keys().map(ToString::to_string).collect();
                return Err(Refusal::UnknownRevision {
                    service: name(),
                    revision,
                    known: known.join(", "),
                });
            }
        },
        None => service
            .rollback_target()
            .ok_or_else(|| Refusal::NoStableRevision(name()))?,
    };
    if target == service.primary {
        return Err(Refusal::AlreadyServing {
            service: name(),
            revision: target,
        });
    }
    begin(draft, ReleaseKind::Rollback, target);
    Ok(())
}
