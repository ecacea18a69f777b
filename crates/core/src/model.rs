//! The checked manifest: what a file means after defaults, overlays and overrides.
//!
//! Shapes: names are `[a-z][a-z0-9-]*`, at most 32 characters; percentages are 0..=100 unless
//! a field says otherwise; paths are relative to the manifest's folder. Everything here is
//! written to the journal inside a revision, so it is serde both ways and holds no secret value.

mod audit;
mod aws;
mod data;
mod edge;
mod job;
mod notify;
mod pipeline;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use audit::Audit;
pub use aws::{
    Architecture, AwsSettings, ContainerInsights, EncryptionKey, EntryPoint, EnvironmentGrade,
    NatKind, NatSettings, WafSettings,
};
pub use data::{Backup, Cache, CacheEngine, Database, DatabaseEngine, Secret, SecretGenerator};
pub use edge::{Edge, WrittenAddress};
pub use job::{HttpCheck, Job, JobWork};
pub use notify::{NotificationEvent, Notify, WebhookAddress, WebhookFormat};
pub use pipeline::Pipeline;

/// Name of a manifest when nothing else is said; a site never serves a file of this name.
pub const FILE_NAME: &str = "neargate.toml";

/// A whole environment: the base file with one `[env.NAME]` overlay and all `--set` applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The app's name.
    pub app: String,
    /// The environment that was resolved (`local` when none was named).
    pub env: String,
    /// Where this environment runs.
    pub target: DeploymentTarget,
    /// Services by name.
    pub services: BTreeMap<String, Service>,
    /// Jobs by name.
    pub jobs: BTreeMap<String, Job>,
    /// Databases by name.
    pub databases: BTreeMap<String, Database>,
    /// Caches by name.
    pub caches: BTreeMap<String, Cache>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, Secret>,
    /// Alarms by name.
    pub alarms: BTreeMap<String, Alarm>,
    /// Service level objectives by name.
    pub slos: BTreeMap<String, Slo>,
    /// Webhooks by name.
    #[serde(default)]
    pub notify: BTreeMap<String, Notify>,
    /// The edge in front of the router.
    pub edge: Edge,
    /// How a pipeline builds and releases the app.
    #[serde(default)]
    pub pipeline: Pipeline,
    /// Settings of the environment on AWS.
    #[serde(default)]
    pub aws: AwsSettings,
    /// Findings that the manifest accepts, for `neargate audit`.
    #[serde(default)]
    pub audit: Audit,
}

/// Near or far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeploymentTarget {
    /// On this machine.
    Near,
    /// ECS Fargate in one region.
    Aws {
        /// For example `eu-central-1`.
        region: String,
    },
}

/// A table `[service.NAME]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Service {
    /// The service's name.
    pub name: String,
    /// Run by `sh -c` in the manifest's folder before a revision is cut.
    pub build: Option<String>,
    /// File or directory that is snapshotted into the revision.
    pub artifact: Option<String>,
    /// The process, image or site.
    pub runs: Workload,
    /// The port that the application listens on far; near it gets `PORT`. `None`: a worker.
    pub port: Option<u16>,
    /// Public routes; empty: internal only.
    pub routes: Vec<Route>,
    /// CPU units and memory, a valid Fargate pair.
    pub size: TaskSize,
    /// How health is judged. `None`: healthy 40 s after it runs (ECS's rule).
    pub health: Option<HealthCheck>,
    /// Resources whose URLs and values it gets as variables.
    pub uses: Vec<UsedResource>,
    /// Variables that are no secrets.
    pub env: BTreeMap<String, String>,
    /// Deregistration delay: at most this long for requests in flight before SIGTERM.
    #[serde(with = "crate::duration")]
    pub drain: Duration,
    /// From SIGTERM to SIGKILL (2..=120 s).
    #[serde(with = "crate::duration")]
    pub stop_timeout: Duration,
    /// How the router picks a target.
    pub balance: Balance,
    /// How long a target is warmed up (0: off).
    #[serde(with = "crate::duration")]
    pub slow_start: Duration,
    /// Sticky sessions; `None`: off.
    #[serde(default)]
    pub sticky: Option<Sticky>,
    /// No byte from the target for this long: 504.
    #[serde(with = "crate::duration")]
    pub idle_timeout: Duration,
    /// Number of tasks and what changes it.
    pub scale: Scale,
    /// How a new revision replaces the old.
    pub release: ReleasePolicy,
}

/// Workload of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// A process: program and arguments.
    Command(Vec<String>),
    /// A container image (not run near yet).
    Image {
        /// Reference; built from `dockerfile` when that is given.
        image: Option<String>,
        /// Path of the Dockerfile.
        dockerfile: Option<String>,
        /// Overrides the image's command.
        command: Option<Vec<String>>,
    },
    /// Files served by the router.
    Static(Static),
}

/// A static site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Static {
    /// Directory of the files, from the manifest's folder.
    pub root: String,
    /// Served for a directory.
    pub index: String,
    /// Served with 200 for a path that has no file (a single-page application); `None`: 404.
    pub fallback: Option<String>,
    /// Served with status 404 when there is no file and no fallback.
    pub not_found: Option<String>,
    /// `Cache-Control` by path pattern (`*`, `?`), first match wins.
    pub cache: Vec<(String, String)>,
    /// How long files of a revision that serves no more are found: pages are open still.
    #[serde(default = "Static::keep_by_default", with = "crate::duration")]
    pub keep: Duration,
}

impl Static {
    /// A day: what the shape says when `keep` is not written.
    pub(crate) fn keep_by_default() -> Duration {
        Duration::from_secs(24 * 3600)
    }
}

/// Which requests reach a service: all given conditions hold; the values of one are alternatives.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Route {
    /// 1..=50000, unique; lower is tried first. Filled in by specificity when not written.
    pub priority: u32,
    /// Patterns of the `Host` header, such as `*.example.com`.
    pub host: Vec<String>,
    /// Patterns of the path, such as `/api/*`.
    pub path: Vec<String>,
    /// Methods, such as `GET`.
    pub method: Vec<String>,
    /// Name to alternatives.
    pub header: BTreeMap<String, Vec<String>>,
    /// (key, value pattern); no key: any key.
    pub query: Vec<(Option<String>, String)>,
    /// CIDR blocks of the TCP peer.
    pub source: Vec<String>,
}

/// Fargate task size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSize {
    /// CPU units, 1024 = one core.
    pub cpu: u32,
    /// MiB, a hard limit.
    pub memory: u32,
}

/// Health check of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// Request or command of the check.
    pub probe: Probe,
    /// Between two checks of one task.
    #[serde(with = "crate::duration")]
    pub interval: Duration,
    /// For one check.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// Consecutive successes from unhealthy to healthy (a new target needs one).
    pub healthy: u32,
    /// Consecutive failures from healthy to unhealthy.
    pub unhealthy: u32,
    /// From task start: the scheduler ignores an unhealthy verdict.
    #[serde(with = "crate::duration")]
    pub grace: Duration,
}

/// How one health check asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// By the load balancer: GET this path, status in one of these ranges (inclusive).
    Http {
        /// For example `/healthz`.
        path: String,
        /// `200`, `200-299`, `200,204` as ranges.
        matcher: Vec<(u16, u16)>,
    },
    /// By the container agent: exit code 0 is healthy.
    Command(Vec<String>),
}

/// Something injected into the environment of a service's tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UsedResource {
    /// `DATABASE_URL` (and `DATABASE_<NAME>_URL` when a service uses several).
    Database(String),
    /// `REDIS_URL` (and `REDIS_<NAME>_URL` when a service uses several).
    Cache(String),
    /// The secret's name upper-cased, `-` as `_`.
    Secret(String),
}

/// Load balancing algorithm; ALB's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// Each target in turn.
    #[default]
    RoundRobin,
    /// Fewest requests in flight.
    LeastOutstanding,
    /// By chance, in proportion.
    WeightedRandom,
}

/// Sticky sessions by cookie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sticky {
    /// How long a client stays.
    #[serde(with = "crate::duration")]
    pub duration: Duration,
    /// The application's own cookie to follow; `None`: the balancer's.
    pub cookie: Option<String>,
}

/// Task count and autoscaling.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Fewest tasks; also where a new service starts.
    pub min: u32,
    /// Most tasks that scaling starts.
    pub max: u32,
    /// Target average CPU, percent of the reservation.
    pub cpu: Option<f64>,
    /// Target average memory, percent of the reservation.
    pub memory: Option<f64>,
    /// Target requests per task and minute.
    pub requests: Option<f64>,
    /// After a scale-in.
    #[serde(with = "crate::duration")]
    pub in_cooldown: Duration,
    /// After a scale-out.
    #[serde(with = "crate::duration")]
    pub out_cooldown: Duration,
}

/// How a release of this service goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleasePolicy {
    pub strategy: Strategy,
    /// Floor of healthy tasks, percent of desired, rounded up (0..=100 near; ECS 0..=200).
    pub minimum_percent: u32,
    /// Ceiling of running and pending tasks, percent of desired, rounded down (100..=400).
    pub maximum_percent: u32,
    /// Alarm names that roll the release back.
    pub guard: Vec<String>,
    /// Too little traffic to judge a guard.
    pub low_traffic: LowTraffic,
    /// Jobs in the new revision before any of its tasks takes traffic.
    pub before: Vec<String>,
    /// Jobs between steps.
    pub smoke: Vec<String>,
    /// Jobs after the release.
    pub after: Vec<String>,
    /// Jobs after a rollback.
    pub on_rollback: Vec<String>,
    /// Wait for `neargate promote` before each step.
    pub approve: bool,
    /// Circuit breaker; `None`: off.
    pub breaker: Option<Breaker>,
}

/// Ways to move a service to a new revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Strategy {
    /// Tasks are replaced within minimum and maximum percent.
    Rolling,
    /// The traffic moves in equal steps.
    Linear {
        /// Percent of each step, 3.0 to 100.0 by tenths.
        percent: f64,
        /// From one step to the next.
        #[serde(with = "crate::duration")]
        interval: Duration,
        /// At 100 % before the old revision goes.
        #[serde(with = "crate::duration")]
        bake: Duration,
    },
    /// Any list of steps that ends with 100.
    Canary {
        /// Percent of traffic, rising.
        steps: Vec<f64>,
        /// After each step.
        #[serde(with = "crate::duration")]
        bake: Duration,
    },
    /// All at once after a test route.
    BlueGreen {
        /// Both revisions run this long after the switch.
        #[serde(with = "crate::duration")]
        bake: Duration,
    },
}

/// Outcome of a guard that has too few requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LowTraffic {
    /// Wait for more.
    #[default]
    Hold,
    /// Count as quiet.
    Go,
    /// Roll the release back.
    Back,
}

/// ECS's deployment circuit breaker (`thresholdConfiguration`, `resetOnHealthyTask`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// How `value` is read.
    pub threshold: Threshold,
    /// Percent or count.
    pub value: u32,
    /// A healthy task sets the count to 0.
    pub reset_on_healthy: bool,
    /// Roll back when it trips (otherwise the release fails where it is).
    pub rollback: bool,
}

/// ECS's `thresholdConfiguration.type`, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Threshold {
    /// Percent of desired, at least 3, at most 200.
    BoundedPercent,
    /// Percent of desired.
    UnboundedPercent,
    /// The value is the threshold.
    Count,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            threshold: Threshold::BoundedPercent,
            value: 50,
            reset_on_healthy: true,
            rollback: true,
        }
    }
}

/// An alarm, CloudWatch's meaning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alarm {
    /// The alarm's name.
    pub name: String,
    /// Metric name; exclusive with `expression`.
    pub metric: Option<String>,
    /// Metric math; exclusive with `metric`.
    pub expression: Option<String>,
    /// Composite rule; exclusive with both.
    pub rule: Option<String>,
    /// Service of the metric; `None`: all services.
    pub service: Option<String>,
    /// `average`, `sum`, `p95`, …
    pub statistic: Option<String>,
    /// Comparison and threshold.
    pub breach: Option<Comparison>,
    /// Length of the period that one data point covers.
    #[serde(with = "crate::duration")]
    pub period: Duration,
    /// M of N: (M, N).
    pub datapoints: (u32, u32),
    /// Meaning of a missing data point.
    pub missing: TreatMissingData,
    /// Fewest samples in a period that can be judged.
    pub minimum_samples: u32,
}

/// When a data point breaches.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Comparison {
    /// The value is `<` the threshold.
    Below(f64),
    /// The value is `<=` the threshold.
    AtMost(f64),
    /// The value is `>` the threshold.
    Above(f64),
    /// The value is `>=` the threshold.
    AtLeast(f64),
}

/// CloudWatch's setting `TreatMissingData`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TreatMissingData {
    /// Too little data to tell: `INSUFFICIENT_DATA` when all are missing.
    #[default]
    Missing,
    /// The state stays as it was.
    Ignore,
    /// A missing data point counts as one that breaches.
    Breaching,
    /// A missing data point counts as one that does not breach.
    NotBreaching,
}

/// A service level objective (acted on by a later version).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slo {
    /// The objective's name.
    pub name: String,
    /// Service that has the objective.
    pub service: String,
    /// Percent, below 100.
    pub objective: f64,
    /// With it a latency objective: share of requests faster than this (ms); without: availability.
    pub latency_ms: Option<u64>,
    /// Whole days over which it is judged.
    #[serde(with = "crate::duration")]
    pub window: Duration,
}
