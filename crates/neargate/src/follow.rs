//! Follows releases to their end, always saying what they wait for.

use std::collections::BTreeMap;

use neargate_core::ids::ReleaseId;
use neargate_core::release_report::ReleaseResult;
use neargate_core::status::Status;
use neargate_core::status_words::OutcomeName;
use neargate_near::api::wire::{Accepted, ReleaseProgress, StartedRelease};
use tokio::time::MissedTickBehavior;

use crate::client::EngineClient;
use crate::failure::Failure;
use crate::interrupt::Interrupt;
use crate::progress::ProgressScreen;

/// How following ended.
pub(crate) enum FollowEnd {
    /// Every release has ended.
    Ended(Vec<ReleaseResult>),
    /// The person left; the releases go on.
    Left,
}

/// Follows the releases that a request began until all have ended, and those that it found under
/// way until they have, or wait for a person.
pub(crate) async fn releases(
    client: &EngineClient,
    accepted: &Accepted,
    screen: &mut ProgressScreen,
    interrupt: &mut Interrupt,
) -> Result<FollowEnd, Failure> {
    let followed = follow(client, accepted, screen, interrupt).await;
    screen.clear();
    followed
}

async fn follow(
    client: &EngineClient,
    accepted: &Accepted,
    screen: &mut ProgressScreen,
    interrupt: &mut Interrupt,
) -> Result<FollowEnd, Failure> {
    let ids = |releases: &BTreeMap<String, StartedRelease>| -> Vec<ReleaseId> {
        releases.values().map(|one| one.id).collect()
    };
    let mut open = ids(&accepted.releases);
    let others = ids(&accepted.in_progress);
    open.extend(&others);
    let mut ended = Vec::new();
    if open.is_empty() {
        return Ok(FollowEnd::Ended(ended));
    }
    let mut events = client.events(Some(accepted.after)).await?;
    let mut looks = tokio::time::interval(screen.pace());
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else {
                    let text = "the engine ended and no other started; the next one continues the release: neargate up";
                    return Err(Failure::Failed(text.into()));
                };
                screen.event(&event);
                if let (Some(outcome), Some(release)) = (&event.outcome, event.release)
                    && let Some(at) = open.iter().position(|id| *id == release)
                {
                    open.remove(at);
                    ended.push(end(client, &event, outcome, release).await?);
                }
                if open.is_empty() {
                    return Ok(FollowEnd::Ended(ended));
                }
            }
            _ = looks.tick() => {
                let status = client.status().await?;
                screen.status(&status);
                open.retain(|id| !others.contains(id) || !is_held(&status, *id));
                if open.is_empty() {
                    return Ok(FollowEnd::Ended(ended));
                }
            }
            () = interrupt.came() => return Ok(FollowEnd::Left),
        }
    }
}

/// Whether a release waits for a person, or for traffic that may never come.
fn is_held(status: &Status, id: ReleaseId) -> bool {
    let mut releases = status
        .services
        .iter()
        .filter_map(|one| one.release.as_ref());
    releases.any(|release| release.id == id && release.held)
}

async fn end(
    client: &EngineClient,
    event: &ReleaseProgress,
    outcome: &OutcomeName,
    release: ReleaseId,
) -> Result<ReleaseResult, Failure> {
    let status = client.status().await?;
    let revision = status
        .services
        .iter()
        .find(|service| service.name == event.subject)
        .filter(|service| *outcome != OutcomeName::Failed || service.healthy > 0)
        .and_then(|service| service.stable_revision)
        .unwrap_or_default();
    Ok(ReleaseResult {
        outcome: outcome.clone(),
        reason: event.reason.clone().unwrap_or_default(),
        evidence: event.evidence.clone(),
        service: event.subject.clone(),
        release,
        revision,
        notes: event.notes.clone(),
    })
}

/// The failure of releases that did not end well.
pub(crate) fn judge(ended: &[ReleaseResult]) -> Result<(), Failure> {
    let bad: Vec<String> = ended
        .iter()
        .filter(|release| release.outcome != OutcomeName::Done)
        .map(|release| {
            let mut text = format!(
                "release {} of `{}` {}: {}",
                release.release,
                release.service,
                release.outcome.as_str().replace('-', " "),
                release.reason
            );
            for line in &release.evidence {
                text.push_str(&format!("\n  | {line}"));
            }
            if let Some(revision) = release.revision.unless_none() {
                text.push_str(&format!("\n  revision {revision} serves"));
            }
            for note in &release.notes {
                text.push_str(&format!("\n  {note}"));
            }
            text
        })
        .collect();
    if bad.is_empty() {
        Ok(())
    } else {
        Err(Failure::Failed(bad.join("\n")))
    }
}
