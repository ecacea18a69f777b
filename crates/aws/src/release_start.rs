//! The beginning of a release: what serves is adopted, and the machine decides whether a release may begin.

use std::sync::Arc;

use neargate_core::ids::ReleaseId;
use neargate_core::machine::{
    AdoptedRevision, AdoptedService, Capacity, Event, JournalEntry, JournaledState, ReleaseKind,
    RevisionDefinition, ScaleBounds, Supersede,
};

use neargate_core::status_words::StrategyName;

use super::api::StoredRecord;
use super::definition::number;
use super::environment::{Driver, WriteOutcome, now};
use super::error::DriverError;
use super::record::OpenRelease;
use super::release_journal::refused;

/// A release to begin.
#[derive(Debug, Clone)]
pub(super) struct ReleaseRequest {
    pub kind: ReleaseKind,
    /// ARN of the task definition that serves, or the name of a site's revision; empty: none.
    pub from: String,
    /// The one that is to serve.
    pub to: String,
    /// `rolling`, `canary`, …
    pub strategy: StrategyName,
    /// Mover of the revisions, with their numbers of tasks.
    pub capacity: Capacity,
    /// Tasks wanted now.
    pub desired: u32,
}

impl Driver {
    /// Writes a release into the record that has begun; nothing else is done.
    ///
    /// # Errors
    /// The machine refuses it, another client drives, or it could not be written.
    pub(super) async fn begin(
        &self,
        service: &str,
        stored: &mut StoredRecord,
        wanted: ReleaseRequest,
    ) -> Result<(), DriverError> {
        self.take_lease(&mut stored.record)?;
        let id = stored.record.next;
        let journal = self.begun(service, id, &wanted).await?;
        stored.record.next = id.next();
        stored.record.open = Some(OpenRelease {
            id,
            kind: wanted.kind,
            from: wanted.from,
            to: wanted.to,
            strategy: wanted.strategy,
            started_at: now(),
            user: self.asker.user.clone(),
            git: self.asker.git.clone(),
            overrides: self.asker.overrides.clone(),
            journal,
        });
        match self.write(service, stored).await? {
            WriteOutcome::Yes => Ok(()),
            WriteOutcome::ReadAgain => Err(DriverError::Refused {
                what: "another client wrote the record of this service".to_owned(),
                help: "see what it does: neargate status".to_owned(),
            }),
        }
    }

    /// The journal's head: what serves, and that the release has begun.
    async fn begun(
        &self,
        service: &str,
        id: ReleaseId,
        wanted: &ReleaseRequest,
    ) -> Result<Vec<JournalEntry>, DriverError> {
        let spec = self.spec(service)?;
        let definition = |name: &str| RevisionDefinition {
            artifact: Some(name.to_owned()),
            overrides: self.asker.overrides.clone(),
            user: self.asker.user.clone(),
            git: self.asker.git.clone(),
            ..RevisionDefinition::of(&self.manifest, spec)
        };
        let released = |name: &String| AdoptedRevision {
            number: number(name),
            definition: Arc::new(definition(name)),
        };
        let earlier = (wanted.kind == ReleaseKind::Rollback).then_some(&wanted.to);
        let stable = Some(&wanted.from).filter(|from| !from.is_empty());
        let to = number(&wanted.to);
        let adopted = AdoptedService {
            capacity: wanted.capacity.clone(),
            desired: wanted.desired,
            scale_bounds: ScaleBounds::of(&spec.scale),
            stable: stable.into_iter().chain(earlier).map(released).collect(),
            next_revision: to,
            next_release: id,
        };
        let begin = match wanted.kind {
            ReleaseKind::Deploy => Event::NewRevisionForced {
                service: service.into(),
                definition: Box::new(definition(&wanted.to)),
                firing: self.firing_guards(spec).await?,
                supersede: Supersede::Refuse,
            },
            ReleaseKind::Rollback => Event::RollbackRequested {
                service: service.into(),
                to: Some(to),
            },
        };
        let adopt = Event::ServiceAdopted {
            service: service.into(),
            adopted: Box::new(adopted),
        };
        decided(&[Event::UpRequested, adopt, begin])
    }
}

/// Entries that the machine decides by these events, from nothing.
fn decided(events: &[Event]) -> Result<Vec<JournalEntry>, DriverError> {
    let (mut state, mut journal) = (JournaledState::default(), Vec::new());
    for event in events {
        let decision = state.decide(now(), event);
        if let Some(refusal) = decision.refusal() {
            return Err(refused(refusal));
        }
        let Ok(persisted) = decision.persist(&mut journal);
        // Actions are found again in the journal once it is written.
        let _ = state.take_in(persisted);
    }
    Ok(journal)
}
