//! What webhooks are told: from facts to a message, and the message in three shapes.
//!
//! Invariant: a notification holds words of the machine and of alarms, never a task's log lines:
//! those may hold what must not leave. Every text is bounded. Whether it is delivered is not the
//! core's business.

mod body;

pub use body::body;

use crate::alarm::{AlarmState, Transition};
use crate::ids::{ReleaseId, RevisionNumber};
use crate::machine::{ApprovalWanted, Fact, JournalEntry, ReleaseOutcome};
use crate::model::{NotificationEvent, Notify};
use crate::time::Timestamp;

/// Most characters of a reason that are sent (Slack takes 3,000 in a block).
pub const MOST_REASON: usize = 1_500;

/// Whose news it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NotificationOrigin {
    pub app: String,
    pub env: String,
}

/// One piece of news.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// App and environment of the news.
    pub origin: NotificationOrigin,
    /// When it happened.
    pub at: Timestamp,
    /// The service that it is about; `None`: none (an alarm of other alarms).
    pub service: Option<String>,
    pub news: NotificationKind,
    /// Why, in words, at most [`MOST_REASON`] characters; empty: nothing to add.
    pub reason: String,
}

/// The event that a notification is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotificationKind {
    /// A release began.
    Started {
        release: ReleaseId,
        /// To this revision.
        to: RevisionNumber,
    },
    /// A release ended.
    Ended {
        release: ReleaseId,
        outcome: ReleaseOutcome,
        /// The revision that serves now; 0: none.
        serving: RevisionNumber,
    },
    /// A release waits for a person.
    Waits(ApprovalWanted),
    /// An alarm changed its state.
    Alarm {
        name: String,
        /// The state before.
        from: AlarmState,
        /// The state now.
        to: AlarmState,
    },
}

impl Notification {
    /// The news in a fact of the machine; `None`: it is none.
    #[must_use]
    pub fn of_entry(origin: &NotificationOrigin, entry: &JournalEntry) -> Option<Self> {
        let (news, reason) = match &entry.fact {
            Fact::ReleaseStarted { release, to, .. } => (
                NotificationKind::Started {
                    release: *release,
                    to: *to,
                },
                "",
            ),
            Fact::ReleaseFinished {
                release,
                outcome,
                reason,
                serving,
                ..
            } => (
                NotificationKind::Ended {
                    release: *release,
                    outcome: *outcome,
                    serving: *serving,
                },
                reason.as_str(),
            ),
            _ => return None,
        };
        let service = Some(entry.service.as_str());
        Some(Self::new(origin, entry.at, service, news, reason))
    }

    /// A release that waits for a person since `at`.
    #[must_use]
    pub fn of_approval(
        origin: &NotificationOrigin,
        at: Timestamp,
        service: &str,
        wanted: ApprovalWanted,
    ) -> Self {
        let command = format!("`neargate promote {service}` lets it go on");
        Self::new(
            origin,
            at,
            Some(service),
            NotificationKind::Waits(wanted),
            &command,
        )
    }

    /// An alarm that changed; `None`: it neither began nor ended.
    #[must_use]
    pub fn of_alarm(
        origin: &NotificationOrigin,
        service: Option<&str>,
        name: &str,
        change: &Transition,
    ) -> Option<Self> {
        if change.from == change.to || ![change.from, change.to].contains(&AlarmState::Alarm) {
            return None;
        }
        let news = NotificationKind::Alarm {
            name: name.to_owned(),
            from: change.from,
            to: change.to,
        };
        Some(Self::new(origin, change.at, service, news, &change.reason))
    }

    fn new(
        origin: &NotificationOrigin,
        at: Timestamp,
        service: Option<&str>,
        news: NotificationKind,
        reason: &str,
    ) -> Self {
        Self {
            origin: origin.clone(),
            at,
            service: service.map(str::to_owned),
            news,
            reason: bounded(reason, MOST_REASON),
        }
    }

    /// As what a webhook asks for it.
    #[must_use]
    pub fn occasion(&self) -> NotificationEvent {
        match &self.news {
            NotificationKind::Started { .. } => NotificationEvent::ReleaseStarted,
            NotificationKind::Ended {
                outcome: ReleaseOutcome::Done,
                ..
            } => NotificationEvent::ReleaseFinished,
            NotificationKind::Ended { .. } => NotificationEvent::ReleaseFailed,
            NotificationKind::Waits(_) => NotificationEvent::WaitsForApproval,
            NotificationKind::Alarm { .. } => NotificationEvent::Alarm,
        }
    }

    /// Whether a webhook asked for it.
    #[must_use]
    pub fn is_for(&self, notify: &Notify) -> bool {
        let about = |service: &String| notify.services.contains(service);
        notify.on.contains(&self.occasion())
            && (notify.services.is_empty() || self.service.as_ref().is_some_and(about))
    }

    /// One line for people: what happened, without why.
    #[must_use]
    pub fn title(&self) -> String {
        let service = self.service.as_deref().unwrap_or_default();
        match &self.news {
            NotificationKind::Started { release, to } => {
                format!("{service}: release {release} to revision {to} starts")
            }
            NotificationKind::Ended {
                release,
                outcome,
                serving,
            } => {
                let serves = match serving.unless_none() {
                    None => "no revision serves".to_owned(),
                    Some(serving) => format!("revision {serving} serves"),
                };
                let ended = match outcome {
                    ReleaseOutcome::Done => "is done",
                    ReleaseOutcome::RolledBack => "was rolled back",
                    ReleaseOutcome::Failed => "failed",
                };
                format!("{service}: release {release} {ended}; {serves}")
            }
            NotificationKind::Waits(wanted) => format!(
                "{service}: release {} waits for approval of step {} of {} ({} % of the traffic)",
                wanted.release,
                wanted.step,
                wanted.steps,
                f64::from(wanted.weight) / 10.0
            ),
            NotificationKind::Alarm { name, from, to } => match to {
                AlarmState::Alarm => format!("alarm {name}: {from} → {to}"),
                _ => format!("alarm {name} is over: {from} → {to}"),
            },
        }
    }
}

/// At most so many characters; what is cut is marked.
fn bounded(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => text.chars().take(most - 1).chain(['…']).collect(),
    }
}
