//! Services under test: their numbers, how they behave, how they are released.

use std::collections::BTreeMap;
use std::time::Duration;

use neargate_core::machine::RevisionDefinition;
use neargate_core::model::{Alarm, Breaker, Job, JobWork, Service};

/// How tasks of a revision behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Healthy soon after they run.
    Good,
    /// Healthy after a while.
    Slow,
    /// Unhealthy for ever.
    NeverHealthy,
    /// They end right after they run.
    Crashing,
    /// They cannot be started.
    Unstartable,
    /// Healthy, but its guards fire once it gets traffic.
    Erroring,
    /// Healthy, but nobody sends it enough requests to judge.
    Unseen,
}

/// Numbers of a service under test.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub desired: u32,
    /// Percent of the desired tasks that stay healthy.
    pub minimum: u32,
    /// Percent of the desired tasks that may run at one time.
    pub maximum: u32,
    /// Whether a `before` job exists.
    pub hook: bool,
    pub breaker: Option<Breaker>,
    /// How traffic moves.
    pub strategy: Shift,
    /// Whether a guard watches.
    pub guard: bool,
    /// Whether people approve each step.
    pub approve: bool,
    /// Whether `smoke`, `after` and `on-rollback` jobs exist.
    pub jobs: bool,
    /// `hold`, `go`, `back`
    pub low_traffic: &'static str,
}

/// Strategies under test, with a bake of 30 s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shift {
    /// Task by task, without weights.
    Rolling,
    /// 10, 50, 100.
    Canary,
    /// 40 % steps.
    Linear,
    /// All at once.
    BlueGreen,
}

impl Shift {
    fn json(self) -> serde_json::Value {
        match self {
            Self::Rolling => serde_json::json!({"kind": "rolling"}),
            Self::Canary => {
                serde_json::json!({"kind": "canary", "steps": [10.0, 50.0, 100.0], "bake": "30s"})
            }
            Self::Linear => {
                serde_json::json!({"kind": "linear", "percent": 40.0, "interval": "30s", "bake": "1m"})
            }
            Self::BlueGreen => serde_json::json!({"kind": "blue-green", "bake": "1m"}),
        }
    }
}

/// Time that the guard under test needs: 2 periods of 20 s.
pub(crate) const JUDGED_AFTER_MS: u64 = 40_000;

fn guard() -> Alarm {
    serde_json::from_value(serde_json::json!({
        "name": "success", "metric": "success_rate", "expression": null, "rule": null,
        "service": "api", "statistic": null, "breach": {"below": 99.5}, "period": "20s",
        "datapoints": [2, 2], "missing": "missing", "minimum_samples": 10
    }))
    .expect("an alarm")
}

/// A definition that differs by its version.
pub(crate) fn definition(numbers: Numbers, version: u32) -> RevisionDefinition {
    let before: Vec<&str> = if numbers.hook {
        vec!["migrate"]
    } else {
        Vec::new()
    };
    let list = |name: &'static str| if numbers.jobs { vec![name] } else { Vec::new() };
    let guards: Vec<&str> = if numbers.guard {
        vec!["success"]
    } else {
        Vec::new()
    };
    let service: Service = serde_json::from_value(serde_json::json!({
        "name": "api", "build": null, "artifact": null, "runs": {"command": ["api"]}, "port": 3000,
        "routes": [], "size": {"cpu": 256, "memory": 512},
        "health": {"probe": {"http": {"path": "/", "matcher": [[200, 200]]}}, "interval": "5s",
            "timeout": "2s", "healthy": 2, "unhealthy": 2, "grace": "0s"},
        "uses": [], "env": {"VERSION": version.to_string()}, "drain": "30s", "stop_timeout": "30s",
        "balance": "round-robin", "slow_start": "0s", "idle_timeout": "1m",
        "scale": {"min": numbers.desired, "max": 100, "cpu": null, "memory": null, "requests": null,
            "in_cooldown": "5m", "out_cooldown": "5m"},
        "release": {"strategy": numbers.strategy.json(), "minimum_percent": numbers.minimum,
            "maximum_percent": numbers.maximum, "guard": guards, "low_traffic": numbers.low_traffic, "before": before,
            "smoke": list("smoke"), "after": list("after"), "on_rollback": list("undo"),
            "approve": numbers.approve, "breaker": numbers.breaker}
    }))
    .expect("a service");
    let job = |name: &str| Job {
        name: name.into(),
        service: "api".into(),
        work: JobWork::Command(vec![name.into()]),
        timeout: Duration::from_secs(60),
        schedule: None,
    };
    RevisionDefinition {
        service,
        jobs: ["migrate", "smoke", "after", "undo"]
            .into_iter()
            .map(|name| (name.to_owned(), job(name)))
            .collect(),
        guards: guards
            .iter()
            .map(|name| ((*name).to_owned(), guard()))
            .collect(),
        artifact: None,
        root: "/app".into(),
        secrets: BTreeMap::new(),
        overrides: Vec::new(),
        user: String::new(),
        git: None,
    }
}
