//! Applies entries about delayed starts to a service.

use super::entry::Fact;
use super::start_backoff::StartBackoff;
use super::state::ServiceState;

pub(super) fn apply_to_backoff(service: &mut ServiceState, fact: &Fact) {
    match fact {
        Fact::StartsDelayed {
            revision,
            failures,
            until,
            reason,
            obstacle,
        } => {
            let revision = revision.unless_none().unwrap_or(service.primary);
            let backoff = StartBackoff {
                failures: *failures,
                until: Some(*until),
                reason: reason.clone(),
                obstacle: obstacle.clone(),
            };
            service.backoffs.insert(revision, backoff);
        }
        Fact::StartsResumed { revision } => {
            for (number, backoff) in &mut service.backoffs {
                if revision
                    .unless_none()
                    .is_none_or(|revision| *number == revision)
                {
                    backoff.until = None;
                }
            }
        }
        Fact::BackoffEnded { revision, .. } => {
            service.backoffs.remove(revision);
        }
        _ => {}
    }
}
