//! The words in which `status`, `releases` and `deploy --json` report: stages, strategies, outcomes, states of tasks and data.
//!
//! Invariant: each travels as one word of kebab-case. A client reads every word, also one that only a newer engine or AWS
//! writes: it is kept as `Other` and shown as it came.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::machine::{ReleaseOutcome, ReleaseStage, Task, TaskHealth, TaskLifecycle};
use crate::model::Strategy;

/// Defines an enum that travels as one of its words, or as another word that it keeps.
macro_rules! open_words {
    ($(#[$attribute:meta])* $name:ident { $($(#[$comment:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $($(#[$comment])* $variant,)+
            /// A word that this version does not know, as it was written.
            Other(String),
        }

        impl $name {
            /// The word that travels.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                word.as_str().into()
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.as_str().to_owned()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.pad(self.as_str())
            }
        }
    };
}

open_words! {
    /// How a release moves a service from one revision to the next.
    StrategyName {
        /// Task by task.
        Rolling = "rolling",
        /// In equal shares of the traffic.
        Linear = "linear",
        /// First a small share of the traffic, then the rest.
        Canary = "canary",
        /// All traffic at once, between two complete sets of tasks.
        BlueGreen = "blue-green",
        /// By a copy of the files of a static site.
        Files = "files",
    }
}

open_words! {
    /// Where a release in progress is.
    StageName {
        Pending = "pending",
        BeforeHooks = "before-hooks",
        ScaleUp = "scale-up",
        TestTraffic = "test-traffic",
        Shifting = "shifting",
        Baking = "baking",
        CleaningUp = "cleaning-up",
        RollingBack = "rolling-back",
        /// On AWS: the release has ended and is not closed yet.
        Done = "done",
    }
}

open_words! {
    /// How a release ended, if it has.
    OutcomeName {
        /// It goes on.
        InProgress = "in-progress",
        Done = "done",
        RolledBack = "rolled-back",
        Failed = "failed",
    }
}

open_words! {
    /// Where a task is: ECS's `lastStatus` in lower case.
    TaskStateName {
        /// Asked to start.
        Pending = "pending",
        /// Its process runs.
        Running = "running",
        /// It gets no new requests and finishes those in flight.
        Deactivating = "deactivating",
        /// It was told to stop.
        Stopping = "stopping",
        /// It has ended.
        Stopped = "stopped",
    }
}

open_words! {
    /// Verdict of the health check of a task.
    TaskHealthName {
        /// No verdict yet.
        Unknown = "unknown",
        /// Fit for traffic.
        Healthy = "healthy",
        /// Not fit for traffic.
        Unhealthy = "unhealthy",
    }
}

open_words! {
    /// Where a database or a cache is.
    DataStateName {
        /// Its server starts.
        Starting = "starting",
        /// It accepts connections.
        Available = "available",
        /// It is started again after a failure.
        Recovering = "recovering",
        /// It failed so often that it is started only now and then.
        Failed = "failed",
        /// It does not run.
        Stopped = "stopped",
        /// It is not Neargate's: a URL leads to it.
        External = "external",
    }
}

impl From<&Strategy> for StrategyName {
    fn from(strategy: &Strategy) -> Self {
        match strategy {
            Strategy::Rolling => Self::Rolling,
            Strategy::Linear { .. } => Self::Linear,
            Strategy::Canary { .. } => Self::Canary,
            Strategy::BlueGreen { .. } => Self::BlueGreen,
        }
    }
}

impl From<ReleaseStage> for StageName {
    fn from(stage: ReleaseStage) -> Self {
        match stage {
            ReleaseStage::Pending => Self::Pending,
            ReleaseStage::BeforeHooks => Self::BeforeHooks,
            ReleaseStage::ScaleUp => Self::ScaleUp,
            ReleaseStage::TestTraffic => Self::TestTraffic,
            ReleaseStage::Shifting => Self::Shifting,
            ReleaseStage::Baking => Self::Baking,
            ReleaseStage::CleaningUp => Self::CleaningUp,
            ReleaseStage::RollingBack => Self::RollingBack,
        }
    }
}

impl StageName {
    /// The stage of the machine that it names, when it names one.
    #[must_use]
    pub fn stage(&self) -> Option<ReleaseStage> {
        Some(match self {
            Self::Pending => ReleaseStage::Pending,
            Self::BeforeHooks => ReleaseStage::BeforeHooks,
            Self::ScaleUp => ReleaseStage::ScaleUp,
            Self::TestTraffic => ReleaseStage::TestTraffic,
            Self::Shifting => ReleaseStage::Shifting,
            Self::Baking => ReleaseStage::Baking,
            Self::CleaningUp => ReleaseStage::CleaningUp,
            Self::RollingBack => ReleaseStage::RollingBack,
            Self::Done | Self::Other(_) => return None,
        })
    }

    /// Work of a release in the stage, for people; a stage that the machine does not know is shown
    /// by its word.
    #[must_use]
    pub fn describe(&self) -> &str {
        self.stage().map_or(self.as_str(), |stage| stage.describe())
    }
}

impl From<ReleaseOutcome> for OutcomeName {
    fn from(outcome: ReleaseOutcome) -> Self {
        match outcome {
            ReleaseOutcome::Done => Self::Done,
            ReleaseOutcome::RolledBack => Self::RolledBack,
            ReleaseOutcome::Failed => Self::Failed,
        }
    }
}

impl From<&Task> for TaskStateName {
    fn from(task: &Task) -> Self {
        match task.lifecycle {
            TaskLifecycle::Pending { .. } => Self::Pending,
            TaskLifecycle::Running { .. } => Self::Running,
            TaskLifecycle::Deactivating { .. } => Self::Deactivating,
            TaskLifecycle::Stopping { .. } => Self::Stopping,
        }
    }
}

impl From<TaskHealth> for TaskHealthName {
    fn from(health: TaskHealth) -> Self {
        match health {
            TaskHealth::Unknown => Self::Unknown,
            TaskHealth::Healthy => Self::Healthy,
            TaskHealth::Unhealthy => Self::Unhealthy,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_travels_as_it_is_also_one_that_this_version_does_not_know() {
        for (word, expected) in [
            ("rolled-back", OutcomeName::RolledBack),
            ("in-progress", OutcomeName::InProgress),
            ("superseded", OutcomeName::Other("superseded".to_owned())),
        ] {
            let text = format!("\"{word}\"");
            let read: OutcomeName = serde_json::from_str(&text).expect("a word");
            assert_eq!(read, expected);
            assert_eq!(serde_json::to_string(&read).expect("JSON"), text);
            assert_eq!(format!("{read:<12}|"), format!("{word:<12}|"));
        }
    }

    #[test]
    fn the_words_are_those_of_the_machine() {
        for outcome in [
            ReleaseOutcome::Done,
            ReleaseOutcome::RolledBack,
            ReleaseOutcome::Failed,
        ] {
            assert_eq!(OutcomeName::from(outcome).as_str(), outcome.name());
        }
        for stage in [
            ReleaseStage::Pending,
            ReleaseStage::BeforeHooks,
            ReleaseStage::ScaleUp,
            ReleaseStage::TestTraffic,
            ReleaseStage::Shifting,
            ReleaseStage::Baking,
            ReleaseStage::CleaningUp,
            ReleaseStage::RollingBack,
        ] {
            let word = StageName::from(stage);
            assert_eq!((word.as_str(), word.stage()), (stage.name(), Some(stage)));
        }
        assert_eq!(StageName::from("ecs").describe(), "ecs");
    }
}
