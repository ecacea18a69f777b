//! Who noticed that a release is bad: the event after which it went back or ended.

use std::fmt;

use serde::Serialize;

use crate::machine::{Event, GuardVerdict, Release, ReleaseOutcome, ReleaseStage, ServiceState};
use crate::model::LowTraffic;
use crate::time::Timestamp;

/// That a release was found bad.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    pub at: Timestamp,
    pub by: Detector,
}

/// Part of the machine or the platform that noticed a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "name")]
pub enum Detector {
    /// A guard, by its alarm's name.
    Guard(String),
    /// The circuit breaker.
    Breaker,
    /// A job that failed.
    Job(String),
    /// A job that took too long.
    Timeout(String),
    /// Too few requests to judge this guard, and the manifest says `back`.
    LowTraffic(String),
    /// A stage that took too long.
    Deadline,
}

impl fmt::Display for Detector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Guard(name) => write!(out, "guard {name}"),
            Self::Breaker => write!(out, "the circuit breaker"),
            Self::Job(name) => write!(out, "job {name}"),
            Self::Timeout(name) => write!(out, "the timeout of job {name}"),
            Self::LowTraffic(name) => write!(out, "too few requests for guard {name}"),
            Self::Deadline => write!(out, "the stage's deadline"),
        }
    }
}

/// State before an event.
pub(super) struct StateBefore {
    release: Option<Release>,
}

impl StateBefore {
    pub(super) fn of(service: Option<&ServiceState>) -> Self {
        let release = service.and_then(|service| service.release.clone());
        Self { release }
    }
}

impl Detector {
    /// The detector by which this event turned a release.
    pub(super) fn by(
        before: &StateBefore,
        after: Option<&ServiceState>,
        event: &Event,
        now: Timestamp,
    ) -> Option<Self> {
        let release = before.release.as_ref()?;
        let after = after?;
        let turned = match &after.release {
            Some(now) => now.id == release.id && now.stage == ReleaseStage::RollingBack,
            None => after.history.back().is_some_and(|ended| {
                ended.id == release.id && ended.outcome != ReleaseOutcome::Done
            }),
        };
        if release.stage == ReleaseStage::RollingBack || !turned {
            return None;
        }
        let job = release.hook.as_ref().map(|hook| hook.job.clone());
        Some(match (event, job) {
            (Event::GuardJudged { guard, verdict, .. }, _) if *verdict == GuardVerdict::Fired => {
                Self::Guard(guard.clone())
            }
            (Event::HookFinished { .. }, Some(job)) => Self::Job(job),
            (Event::TimePassed, Some(job)) => Self::Timeout(job),
            (Event::TimePassed, None) if release.stage_deadline <= now => Self::Deadline,
            _ => match too_little(release, after) {
                Some(guard) => Self::LowTraffic(guard),
                None => Self::Breaker,
            },
        })
    }
}

/// The guard that had too few requests, where the manifest says `back`.
fn too_little(release: &Release, service: &ServiceState) -> Option<String> {
    let policy = &service.definition(release.to)?.service.release;
    let mut guards = release.guards.iter();
    let found = guards.find(|(_, verdict)| **verdict == GuardVerdict::TooLittle)?;
    (policy.low_traffic == LowTraffic::Back).then(|| found.0.clone())
}
