//! How long things take near and on ECS.
//!
//! Near's numbers were measured on a laptop. ECS publishes none for starts: these are the usual
//! ones of a small image in the same region, and every rehearsal says that it assumes them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Whose times a rehearsal takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimingModel {
    /// Neargate on one machine.
    #[default]
    Near,
    /// ECS Fargate behind an ALB, watched by CloudWatch.
    Ecs,
}

impl TimingModel {
    /// Value of `--on`: `near` or `ecs`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Ecs => "ecs",
        }
    }
}

/// Durations that one platform takes for its steps.
#[derive(Debug, Clone, Copy)]
pub(super) struct RehearsalTiming {
    /// From asking for a task to its process.
    pub run: Duration,
    /// From its process to its open port.
    pub listen: Duration,
    /// From its process to its first health check.
    pub check: Duration,
    /// From its end to the moment that the scheduler knows.
    pub exit_seen: Duration,
    /// From the stop signal to its end.
    pub stop: Duration,
    /// How long a job takes that does what it should.
    pub job: Duration,
    /// From a guard's verdict to the release's hearing of it.
    pub verdict: Duration,
    /// The shortest period that has data.
    pub period: Duration,
}

const NEAR: RehearsalTiming = RehearsalTiming {
    run: Duration::from_millis(20),
    listen: Duration::from_millis(50),
    check: Duration::from_millis(100),
    exit_seen: Duration::ZERO,
    stop: Duration::from_millis(50),
    job: Duration::from_millis(300),
    verdict: Duration::ZERO,
    period: Duration::from_secs(1),
};

/// CloudWatch reference: ALB metrics have a period of 60 s, an alarm is evaluated at most 60 s
/// after the end of a period. The rest is assumed.
const ECS: RehearsalTiming = RehearsalTiming {
    run: Duration::from_secs(40),
    listen: Duration::from_secs(3),
    check: Duration::ZERO,
    exit_seen: Duration::from_secs(10),
    stop: Duration::from_secs(1),
    job: Duration::from_secs(60),
    verdict: Duration::from_secs(60),
    period: Duration::from_secs(60),
};

impl RehearsalTiming {
    pub(super) fn of(on: TimingModel) -> Self {
        match on {
            TimingModel::Near => NEAR,
            TimingModel::Ecs => ECS,
        }
    }
}
