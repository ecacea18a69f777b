//! How a release shifts traffic: its steps, its gate, the verdicts that let it go on.
//!
//! Rolling releases have no steps. The others run both revisions in full and move weights:
//! linear by equal steps, canary by any rising list, blue-green all at once. The last step is
//! always 100 %. Weights are tenths of a percent, as ECS counts them.

use std::time::Duration;

use super::promotion::{Promotion, SplitCheck};
use super::release_stage::{ReleaseKind, ReleaseStage};
use super::state::{Release, RevisionStatus, ServiceState};
use crate::ids::RevisionNumber;
use crate::model::{Alarm, Strategy};

/// All requests, in tenths of a percent.
pub const WHOLE: u32 = 1000;
/// ECS: the bake of a rolling release with alarms follows from them, and is at most this long.
const LONGEST_ROLLING_BAKE: Duration = Duration::from_secs(300);

/// One step of a shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficStep {
    /// Share of the new revision, tenths of a percent.
    pub weight: u32,
    /// Time before the next step (after the last: before the old revision goes).
    pub bake: Duration,
}

/// The steps of a strategy in order; none for rolling.
#[must_use]
pub fn steps(strategy: &Strategy) -> Vec<TrafficStep> {
    match strategy {
        Strategy::Rolling => Vec::new(),
        Strategy::BlueGreen { bake } => vec![TrafficStep {
            weight: WHOLE,
            bake: *bake,
        }],
        Strategy::Canary { steps, bake } => steps
            .iter()
            .map(|percent| TrafficStep {
                weight: tenths(*percent),
                bake: *bake,
            })
            .collect(),
        Strategy::Linear {
            percent,
            interval,
            bake,
        } => {
            let each = tenths(*percent).max(1);
            let count = WHOLE.div_ceil(each);
            let step = |number: u32| TrafficStep {
                weight: (each * number).min(WHOLE),
                bake: if number == count { *bake } else { *interval },
            };
            (1..=count).map(step).collect()
        }
    }
}

/// `rolling`, `linear`, `canary`, `blue-green`.
#[must_use]
pub fn name(strategy: &Strategy) -> &'static str {
    match strategy {
        Strategy::Rolling => "rolling",
        Strategy::Linear { .. } => "linear",
        Strategy::Canary { .. } => "canary",
        Strategy::BlueGreen { .. } => "blue-green",
    }
}

fn tenths(percent: f64) -> u32 {
    // The manifest's check has held it to 0.1..=100.
    (percent * 10.0).round().clamp(0.0, f64::from(WHOLE)) as u32
}

/// Fewest requests of a step from which the split can be told.
pub const SPLIT_REQUESTS: u64 = 200;

/// Whether `new` of `all` requests are the share that was asked for, in tenths of a percent:
/// within one percentage point, or within what chance explains (four standard deviations).
#[must_use]
pub fn compare_split(asked: u32, new: u64, all: u64) -> SplitCheck {
    if all < SPLIT_REQUESTS {
        return SplitCheck::Unmeasured;
    }
    let share = f64::from(asked.min(WHOLE)) / f64::from(WHOLE);
    let (new, all) = (new as f64, all as f64);
    let chance = 4.0 * (share * (1.0 - share) / all).sqrt();
    if (new / all - share).abs() <= chance.max(0.01) {
        SplitCheck::Verified
    } else {
        SplitCheck::Off
    }
}

impl ServiceState {
    /// The steps of a release: none when it is rolling, a rollback, of a service without tasks,
    /// moved by somebody else, or when there is no stable revision to keep the rest of the traffic.
    #[must_use]
    pub fn steps(&self, release: &Release) -> Vec<TrafficStep> {
        let keeps = self.revisions.get(&release.from).is_some_and(|from| {
            from.status == RevisionStatus::Stable && from.definition.has_tasks()
        });
        match (release.kind, self.definition(release.to)) {
            (ReleaseKind::Deploy, Some(to))
                if keeps && to.has_tasks() && !self.capacity.is_delegated() =>
            {
                steps(&to.service.release.strategy)
            }
            _ => Vec::new(),
        }
    }

    /// Whether a release moves weights.
    #[must_use]
    pub fn shifts(&self, release: &Release) -> bool {
        !self.steps(release).is_empty()
    }

    /// Revisions that should have all wanted tasks now. While a release shifts, two.
    #[must_use]
    pub fn fleets(&self) -> Vec<RevisionNumber> {
        match &self.release {
            Some(release) if self.shifts(release) && release.stage.runs_both() => {
                vec![self.primary, release.to]
            }
            _ => vec![self.primary],
        }
    }

    /// Revisions that are not up in full and keep a shift from its next step. Who promotes it fully
    /// needs none of the old revision's tasks: the next step takes all the traffic from them.
    #[must_use]
    pub fn lacking_fleets(&self, release: &Release) -> Vec<RevisionNumber> {
        let alone = release.gate == Promotion::PromotedFully;
        let mut fleets = self.fleets();
        fleets.retain(|fleet| !alone || *fleet == release.to);
        fleets.retain(|fleet| !self.arrived(*fleet));
        fleets
    }

    /// Share of the requests for each revision, tenths of a percent; `None`: one group of all.
    #[must_use]
    pub fn shares(&self) -> Option<[(RevisionNumber, u32); 2]> {
        let release = self.release.as_ref()?;
        if !self.shifts(release) {
            return None;
        }
        match release.stage {
            stage if stage.runs_both() => Some([
                (self.primary, WHOLE - release.weight.min(WHOLE)),
                (release.to, release.weight.min(WHOLE)),
            ]),
            ReleaseStage::RollingBack if self.primary != release.to => {
                Some([(self.primary, WHOLE), (release.to, 0)])
            }
            _ => None,
        }
    }
}

/// How long the guards of a rolling release are watched after it: the longest evaluation of its
/// alarms, at most 5 minutes.
#[must_use]
pub fn rolling_bake<'a>(guards: impl IntoIterator<Item = &'a Alarm>) -> Duration {
    guards
        .into_iter()
        .map(evaluation)
        .max()
        .unwrap_or_default()
        .min(LONGEST_ROLLING_BAKE)
}

/// Time that an alarm needs for a verdict: its period times the data points that it looks at.
#[must_use]
pub fn evaluation(alarm: &Alarm) -> Duration {
    alarm.period.saturating_mul(alarm.datapoints.1.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_told_from_enough_requests_and_within_chance() {
        for (asked, new, all, expected) in [
            (100, 10, 100, SplitCheck::Unmeasured),
            (100, 20, 200, SplitCheck::Verified),
            (100, 36, 200, SplitCheck::Verified),
            (100, 40, 200, SplitCheck::Off),
            (100, 1_090, 10_000, SplitCheck::Verified),
            (100, 1_130, 10_000, SplitCheck::Off),
            (1000, 10_000, 10_000, SplitCheck::Verified),
            (1000, 9_000, 10_000, SplitCheck::Off),
            (0, 0, 200, SplitCheck::Verified),
        ] {
            assert_eq!(
                compare_split(asked, new, all),
                expected,
                "{asked} {new} {all}"
            );
        }
    }

    #[test]
    fn steps_follow_ecs() {
        let weights = |strategy: &Strategy| -> Vec<u32> {
            steps(strategy)
                .iter()
                .map(|step| step.weight / 10)
                .collect()
        };
        let linear = |percent| Strategy::Linear {
            percent,
            interval: Duration::from_secs(600),
            bake: Duration::from_secs(60),
        };
        // ECS reference, traffic schedule.
        assert_eq!(weights(&linear(20.0)), [20, 40, 60, 80, 100]);
        assert_eq!(
            weights(&linear(10.0)),
            [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]
        );
        assert_eq!(weights(&linear(30.0)), [30, 60, 90, 100]);
        assert_eq!(weights(&linear(100.0)), [100]);
        let before_final = |percent| {
            let all = steps(&linear(percent));
            all[..all.len() - 1]
                .iter()
                .map(|step| step.bake.as_secs() / 60)
                .sum::<u64>()
        };
        assert_eq!(before_final(20.0), 40, "no interval after 100 %");
        assert_eq!(before_final(100.0), 0);
        let canary = Strategy::Canary {
            steps: vec![5.0, 100.0],
            bake: Duration::from_secs(600),
        };
        assert_eq!(weights(&canary), [5, 100]);
    }
}
