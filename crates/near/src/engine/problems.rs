//! Why a request was not done, as whoever asked is told it.

use std::sync::Arc;

use neargate_core::command_exit::CommandExit;
use neargate_core::machine::Refusal;

use crate::api::wire::Problem;
use crate::data::DataError;
use crate::journal::JournalError;

/// Why a request had no effect. The state is as it was.
#[derive(Debug, thiserror::Error)]
pub(super) enum TurnError {
    /// The machine says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The entries could not be written.
    #[error("the decision cannot be written down")]
    Journal(#[from] Arc<JournalError>),
}

/// Why a request had no effect, and what to do instead.
pub(super) fn refused(error: &TurnError) -> Problem {
    let help = match error {
        TurnError::Refused(Refusal::ReleaseInProgress { service, .. }) => Some(format!(
            "wait for it (neargate status --watch), end it (neargate abort {service}), or \
             replace it (neargate deploy {service} --supersede)"
        )),
        TurnError::Refused(Refusal::GuardFiring { .. }) => Some(
            "the app breaches this guard before the release: repair it first, or take the guard out of `release.guard`"
                .to_owned(),
        ),
        TurnError::Refused(_) | TurnError::Journal(_) => None,
    };
    let wrong = matches!(error, TurnError::Refused(refusal) if refusal.is_wrong_request());
    let exit = match wrong {
        true => CommandExit::Usage,
        false => CommandExit::Failed,
    };
    Problem {
        help,
        ..Problem::of(error, exit)
    }
}

/// A data service's error as a problem: the machine lacks something, or the operation failed.
pub(super) fn data_problem(error: &DataError) -> Problem {
    let exit = match error.is_environment() {
        true => CommandExit::Environment,
        false => CommandExit::Failed,
    };
    Problem::of(error, exit)
}
