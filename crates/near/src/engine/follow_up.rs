//! What may follow when something is written, or cannot be.

use neargate_core::alarm::Transition;
use neargate_core::ids::{ServiceName, TaskId};

use super::prerequisites::ServiceAddresses;
use super::release_request::{PreparedRequest, SnapshotLease};
use super::routers::RouterConnected;
use crate::api::server::CallReply;
use crate::api::wire::Accepted;
use crate::shim_role::JobRunId;

/// Work that follows a proposal.
pub(super) enum FollowUp {
    /// Nothing but its actions.
    Nothing,
    /// The place of the timeline is written, or must be tried again.
    ClockNoted,
    /// A person gets the answer.
    Answer(CallReply<Accepted>),
    /// A service has another number of tasks: a person is told.
    Scaled(String, CallReply<Accepted>),
    /// A service goes back: a person is told to what.
    WentBack(String, CallReply<Accepted>),
    /// The app goes down.
    Down(CallReply<Accepted>),
    /// The definition of an `up` is taken; perhaps a router was started for it.
    DefinitionTaken(
        Box<PreparedRequest>,
        (Option<RouterConnected>, ServiceAddresses),
    ),
    /// The app is up: an `up` goes on with its snapshots.
    UpBegun(Box<PreparedRequest>),
    /// The releases of an `up` or a `deploy` have begun; their snapshots are held until then.
    ReleasesBegun(Box<PreparedRequest>, SnapshotLease),
    /// The rest of a task goes.
    TaskEnded {
        task: TaskId,
        /// Its service; `None`: the task had ended before.
        service: Option<ServiceName>,
    },
    /// The rest of a job goes.
    JobEnded(JobRunId),
    /// Alarms enter their states and are told.
    AlarmsChanged(Vec<(String, Transition)>),
    /// A verdict of a guard is known.
    Judged,
}
