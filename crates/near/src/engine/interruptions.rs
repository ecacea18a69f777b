//! `up` and the releases that it finds under way.

use neargate_core::machine::{EnvironmentPhase, Supersede};

use super::Engine;
use crate::api::wire::{Accepted, StartedRelease};

impl Engine {
    /// Rule of `up` about a release in progress: it leaves one alone that is about the same
    /// request. Another manifest takes over only a release that was interrupted, by `down` or with
    /// an engine.
    pub(super) fn supersede_of_up(&self) -> Supersede {
        if self.interrupted || self.ledger.state().phase == EnvironmentPhase::Down {
            Supersede::ContinueOrTakeOver
        } else {
            Supersede::Continue
        }
    }

    /// A deploy of what a release is to already begins no other one: whoever asked follows that.
    pub(super) fn name_in_progress(&self, accepted: &mut Accepted, name: &str) {
        let service = self.ledger.state().services.get(name);
        let release = service.and_then(|service| service.release.as_ref());
        if let (true, Some(release)) = (accepted.releases.is_empty(), release) {
            let (id, revision) = (release.id, release.to);
            let found = StartedRelease { id, revision };
            accepted.in_progress.insert(name.to_owned(), found);
        }
    }

    /// Releases that go on beside what an `up` began, in words. Whoever asked follows them too, but
    /// for those that were interrupted: then `up` is done when the stable revision serves.
    pub(super) fn name_going_on(&self, accepted: &mut Accepted, supersede: Supersede) {
        for service in self.ledger.state().services.values() {
            let Some(release) = service.release.as_ref() else {
                continue;
            };
            let name = &service.name;
            let own = accepted.releases.get(name.as_str());
            if own.is_some_and(|own| own.id == release.id) {
                continue;
            }
            let (id, revision, stage) = (release.id, release.to, release.stage.name());
            let because = match release.reason.as_str() {
                "" => String::new(),
                reason => format!(": {reason}"),
            };
            accepted.notes.push(format!(
                "release {id} of `{name}` to revision {revision} continues ({stage}{because}); \
                 see: neargate status --watch"
            ));
            if supersede == Supersede::Continue {
                let found = StartedRelease { id, revision };
                accepted.in_progress.insert(name.to_string(), found);
            }
        }
    }
}
