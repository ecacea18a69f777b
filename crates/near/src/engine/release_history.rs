//! What people say about releases and what they ask of their history.

use std::collections::BTreeMap;

use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::machine::{
    Event, FinishedRelease, Release, ReleaseControl, RevisionDefinition, ServiceState, waiting_for,
};
use neargate_core::release_report::ReleaseRecord;
use neargate_core::status_words::{OutcomeName, StrategyName};
use neargate_core::time::Timestamp;

use super::Engine;
use crate::api::wire::{Accepted, ControlRequest, ControlWord, Problem};
use crate::clock::EngineClock;

/// A person's word, as an event.
pub(super) fn steered(service: &str, steering: &ControlRequest) -> Event {
    Event::ReleaseSteered {
        service: service.into(),
        steer: match steering.steer {
            ControlWord::Promote => ReleaseControl::Promote,
            ControlWord::PromoteFully => ReleaseControl::PromoteFully,
            ControlWord::Pause => ReleaseControl::Pause,
            ControlWord::Resume => ReleaseControl::Resume,
            ControlWord::Abort => ReleaseControl::Abort,
        },
        by: steering.by.clone(),
    }
}

impl Engine {
    /// A rollback has begun; what people should know of the revision that it goes to.
    pub(super) fn went_back(&self, name: &str, mut accepted: Accepted) -> Accepted {
        let service = self.ledger.state().services.get(name);
        let revision = accepted.releases.get(name).map(|begun| begun.revision);
        let unseen = service.zip(revision);
        let unseen = unseen.and_then(|(service, revision)| service.unseen_code(revision));
        accepted.notes.extend(unseen);
        accepted
    }

    /// Notes about revisions that releases went back to, by the release.
    pub(super) fn unseen_code(&self) -> BTreeMap<ReleaseId, String> {
        let services = self.ledger.state().services.values();
        let of = |service: &ServiceState| -> Vec<(ReleaseId, String)> {
            let ended = service.history.iter().map(|ended| ended.id);
            ended
                .filter_map(|id| Some((id, service.unseen_code_after(id)?)))
                .collect()
        };
        services.flat_map(of).collect()
    }

    /// Every release of a service that is remembered; the one in progress last.
    pub(super) fn releases(&self, name: &str) -> Result<Vec<ReleaseRecord>, Problem> {
        let Some(service) = self.ledger.state().services.get(name) else {
            return Err(Problem::usage(format!("there is no service `{name}`")));
        };
        let clock = self.ledger.clock();
        let ended = service.history.iter().map(|found| ended(service, found));
        let open = service.release.iter();
        let records = ended.chain(open.map(|found| present(service, found, clock)));
        Ok(records.map(|record| shown(record, clock)).collect())
    }
}

/// Its times as people are shown them.
fn shown(mut record: ReleaseRecord, clock: &EngineClock) -> ReleaseRecord {
    record.started_at = clock.wall_time(record.started_at);
    record.ended_at = record.ended_at.map(|at| clock.wall_time(at));
    for moment in &mut record.story {
        moment.at = clock.wall_time(moment.at);
    }
    record
}

fn record(service: &ServiceState, to: RevisionNumber) -> ReleaseRecord {
    let definition = service.definition(to);
    let text = |of: fn(&RevisionDefinition) -> String| definition.map(of).unwrap_or_default();
    ReleaseRecord {
        id: ReleaseId::NONE,
        service: service.name.to_string(),
        kind: neargate_core::machine::ReleaseKind::Deploy,
        from: RevisionNumber::NONE,
        to,
        strategy: definition.map_or_else(
            || "".into(),
            |found| StrategyName::from(&found.service.release.strategy),
        ),
        outcome: OutcomeName::InProgress,
        reason: String::new(),
        started_at: Timestamp::default(),
        ended_at: None,
        user: text(|found| found.user.clone()),
        git: definition.and_then(|found| found.git.clone()),
        overrides: definition
            .map(|found| found.overrides.clone())
            .unwrap_or_default(),
        evidence: Vec::new(),
        story: Vec::new(),
    }
}

fn ended(service: &ServiceState, found: &FinishedRelease) -> ReleaseRecord {
    ReleaseRecord {
        id: found.id,
        kind: found.kind,
        from: found.from,
        outcome: found.outcome.into(),
        reason: found.reason.clone(),
        started_at: found.started_at,
        ended_at: Some(found.ended_at),
        evidence: found.evidence.clone(),
        story: found
            .story
            .iter()
            .map(|moment| (**moment).clone())
            .collect(),
        ..record(service, found.to)
    }
}

fn present(service: &ServiceState, found: &Release, clock: &EngineClock) -> ReleaseRecord {
    ReleaseRecord {
        id: found.id,
        kind: found.kind,
        from: found.from,
        reason: format!("waits for {}", waiting_for(service, clock.now())),
        started_at: found.started_at,
        evidence: found.evidence_lines(),
        story: found
            .story
            .iter()
            .map(|moment| (**moment).clone())
            .collect(),
        ..record(service, found.to)
    }
}
