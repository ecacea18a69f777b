//! Whether ECS itself can release as the manifest asks, and what it is told.
//!
//! ECS knows ROLLING, BLUE_GREEN, LINEAR and CANARY (ECS API reference,
//! DeploymentConfiguration). A canary there has two steps, times are whole minutes, and nothing
//! of Neargate's own (approval, jobs between steps) can come between. Everything else is driven
//! by weights. Refuses nothing: what ECS cannot do has another way, with the reason.

use std::time::Duration;

use neargate_core::model::{Breaker, ReleasePolicy, Strategy};

/// Mover of a release: ECS itself or the driver.
#[derive(Debug, Clone, PartialEq)]
pub enum Mover {
    /// ECS, by one of its strategies.
    Native(NativeDeployment),
    /// The driver, by listener weights.
    Weights {
        /// The feature that ECS does not have.
        why: NativeUnsupported,
    },
}

/// Why none of ECS's own strategies releases as the manifest asks.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NativeUnsupported {
    /// Several listener rules lead to the service.
    #[error("ECS moves the weights of one listener rule, the service has {rules}")]
    ListenerRules {
        /// Rules that it has.
        rules: usize,
    },
    /// A person approves steps.
    #[error("ECS waits for no approval between steps")]
    Approval,
    /// Jobs run between steps.
    #[error("ECS runs no jobs between steps")]
    StepJobs,
    /// A canary of another number of steps than two.
    #[error("ECS's canary has one step before 100 %, this one has {steps}")]
    CanarySteps {
        /// Steps before the last one.
        steps: usize,
    },
    /// A time of parts of minutes, or one that is too long.
    #[error("ECS counts whole minutes up to 24 hours, not {} seconds", .0.as_secs_f64())]
    BakeTime(Duration),
}

/// Settings of a deployment, as ECS's UpdateService takes them.
#[derive(Debug, Clone, PartialEq)]
pub struct NativeDeployment {
    pub strategy: NativeStrategy,
    /// ECS's setting `minimumHealthyPercent`.
    pub minimum: i32,
    /// ECS's setting `maximumPercent`.
    pub maximum: i32,
    /// ECS's `deploymentCircuitBreaker`; `None`: it is off.
    pub breaker: Option<Breaker>,
}

/// ECS's strategies with their settings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum NativeStrategy {
    Rolling,
    BlueGreen {
        /// Minutes with both revisions.
        bake: i32,
    },
    Linear {
        /// Percent of each step.
        percent: f64,
        /// Minutes of each step.
        each: i32,
        /// Minutes at the end.
        bake: i32,
    },
    Canary {
        /// Percent of the first step.
        percent: f64,
        /// Minutes of the first step.
        each: i32,
        /// Minutes at the end.
        bake: i32,
    },
}

impl NativeStrategy {
    /// The API's word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Rolling => "ROLLING",
            Self::BlueGreen { .. } => "BLUE_GREEN",
            Self::Linear { .. } => "LINEAR",
            Self::Canary { .. } => "CANARY",
        }
    }
}

/// The longest bake that ECS takes: 24 hours (ECS API reference, `bakeTimeInMinutes`).
const LONGEST_BAKE: u64 = 1440;

/// Beginning of a release: nothing serves, or requests come by listener rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReleaseStart {
    /// Nothing serves: there is nothing to shift from.
    First,
    /// Requests come by so many listener rules; without one nothing can be shifted.
    Rules(usize),
}

/// The mover of a release. A service that cannot shift rolls.
#[must_use]
pub fn mover(policy: &ReleasePolicy, begin: ReleaseStart) -> Mover {
    let native = |strategy| {
        Mover::Native(NativeDeployment {
            strategy,
            minimum: i32::try_from(policy.minimum_percent).unwrap_or(i32::MAX),
            maximum: i32::try_from(policy.maximum_percent).unwrap_or(i32::MAX),
            breaker: policy.breaker,
        })
    };
    let rules = match begin {
        ReleaseStart::First | ReleaseStart::Rules(0) => return native(NativeStrategy::Rolling),
        ReleaseStart::Rules(rules) => rules,
    };
    match strategy(policy, rules) {
        Ok(strategy) => native(strategy),
        Err(why) => Mover::Weights { why },
    }
}

fn strategy(policy: &ReleasePolicy, rules: usize) -> Result<NativeStrategy, NativeUnsupported> {
    if policy.strategy == Strategy::Rolling {
        return Ok(NativeStrategy::Rolling);
    }
    // One productionListenerRule (ECS API reference, AdvancedConfiguration).
    if rules > 1 {
        return Err(NativeUnsupported::ListenerRules { rules });
    }
    if policy.approve {
        return Err(NativeUnsupported::Approval);
    }
    if !policy.smoke.is_empty() {
        return Err(NativeUnsupported::StepJobs);
    }
    match &policy.strategy {
        Strategy::Rolling => Ok(NativeStrategy::Rolling),
        Strategy::BlueGreen { bake } => Ok(NativeStrategy::BlueGreen {
            bake: minutes(*bake)?,
        }),
        Strategy::Linear {
            percent,
            interval,
            bake,
        } => Ok(NativeStrategy::Linear {
            percent: *percent,
            each: minutes(*interval)?,
            bake: minutes(*bake)?,
        }),
        Strategy::Canary { steps, bake } => match steps.as_slice() {
            [first, last] if *last >= 100.0 => Ok(NativeStrategy::Canary {
                percent: *first,
                each: minutes(*bake)?,
                bake: minutes(*bake)?,
            }),
            _ => Err(NativeUnsupported::CanarySteps {
                steps: steps.len().saturating_sub(1),
            }),
        },
    }
}

fn minutes(duration: Duration) -> Result<i32, NativeUnsupported> {
    let seconds = duration.as_secs();
    if !seconds.is_multiple_of(60) || duration.subsec_nanos() != 0 || seconds / 60 > LONGEST_BAKE {
        return Err(NativeUnsupported::BakeTime(duration));
    }
    i32::try_from(seconds / 60).map_err(|_| NativeUnsupported::BakeTime(duration))
}

#[cfg(test)]
mod tests {
    use super::*;
    use neargate_core::model::LowTraffic;

    fn policy(strategy: Strategy) -> ReleasePolicy {
        ReleasePolicy {
            strategy,
            minimum_percent: 100,
            maximum_percent: 200,
            guard: Vec::new(),
            low_traffic: LowTraffic::Hold,
            before: Vec::new(),
            smoke: Vec::new(),
            after: Vec::new(),
            on_rollback: Vec::new(),
            approve: false,
            breaker: Some(Breaker::default()),
        }
    }

    fn word(policy: &ReleasePolicy) -> String {
        match mover(policy, ReleaseStart::Rules(1)) {
            Mover::Native(native) => native.strategy.word().to_owned(),
            Mover::Weights { why } => why.to_string(),
        }
    }

    #[test]
    fn ecs_drives_what_it_can_express_and_weights_the_rest() {
        let minute = Duration::from_secs(60);
        let canary = |steps: &[f64], bake| {
            policy(Strategy::Canary {
                steps: steps.to_vec(),
                bake,
            })
        };
        for (policy, expected) in [
            (policy(Strategy::Rolling), "ROLLING"),
            (policy(Strategy::BlueGreen { bake: minute }), "BLUE_GREEN"),
            (canary(&[10.0, 100.0], minute), "CANARY"),
            (
                canary(&[10.0, 50.0, 100.0], minute),
                "ECS's canary has one step before 100 %, this one has 2",
            ),
            (
                canary(&[10.0, 100.0], Duration::from_secs(90)),
                "ECS counts whole minutes up to 24 hours, not 90 seconds",
            ),
        ] {
            assert_eq!(word(&policy), expected);
        }
        let two = mover(
            &policy(Strategy::BlueGreen { bake: minute }),
            ReleaseStart::Rules(2),
        );
        assert!(
            matches!(two, Mover::Weights { why } if why == NativeUnsupported::ListenerRules { rules: 2 })
        );
        let mut approved = canary(&[10.0, 100.0], minute);
        approved.approve = true;
        assert_eq!(word(&approved), "ECS waits for no approval between steps");
    }

    #[test]
    fn the_first_release_rolls_whatever_its_strategy() {
        let first = mover(
            &policy(Strategy::Canary {
                steps: vec![1.0, 2.0, 100.0],
                bake: Duration::from_secs(1),
            }),
            ReleaseStart::First,
        );
        let Mover::Native(native) = first else {
            panic!("{first:?}");
        };
        assert_eq!(native.strategy, NativeStrategy::Rolling);
    }
}
