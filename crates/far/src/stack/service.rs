//! Services: their tasks, routes, health, releases and scaling.

use std::collections::BTreeMap;

use neargate_core::model::{
    self, Architecture, Balance, Manifest, Probe, Route, UsedResource, Workload,
};
use serde::{Deserialize, Serialize};

use super::data::url_secret;
use super::ingress::{Ingress, LoadBalancerScheme, takes_requests};
use crate::ecs_strategy::{Mover, NativeStrategy, ReleaseStart, mover};

/// A service on ECS. Static services are not here: they are files behind the edge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EcsService {
    /// Its name in the manifest.
    pub name: String,
    /// An image of others; `None`: one that a release builds and pushes.
    pub image: Option<String>,
    /// Program and arguments; `None`: the image's own.
    pub command: Option<Vec<String>>,
    /// The port that tasks listen on; `None`: a worker.
    pub port: Option<u16>,
    /// CPU units of a task, 1024 = one core.
    pub cpu: u32,
    /// MiB of a task.
    pub memory: u32,
    pub architecture: Architecture,
    /// Percent of tasks beyond the first on Fargate Spot.
    pub spot_percent: u32,
    /// Variables and where they come from.
    pub environment: BTreeMap<String, VariableValue>,
    /// Variables and the secret that holds their value.
    pub secrets: BTreeMap<String, String>,
    /// From SIGTERM to SIGKILL, seconds.
    pub stop_seconds: u64,
    /// Routes in the order in which they are tried.
    pub routes: Vec<Route>,
    /// How the load balancer asks for health.
    pub health: Option<TargetGroupHealthCheck>,
    /// How the container agent does.
    pub check: Option<ContainerHealthCheck>,
    /// How long a leaving task may finish its requests, seconds.
    pub drain_seconds: u64,
    /// Over how long a new task is warmed up, seconds; 0: off.
    pub slow_start_seconds: u64,
    /// How a task is chosen.
    pub balance: Balance,
    /// How long a user stays with a task, seconds; 0: not.
    pub sticky_seconds: u64,
    /// The application's own cookie that marks a session; `None`: the load balancer's.
    pub sticky_cookie: Option<String>,
    /// How a release goes.
    pub release: DeploymentConfiguration,
    /// Fewest and most tasks, and what changes their number.
    pub scale: ScalableTarget,
    /// Services that may call this one without the load balancer.
    pub callers: Vec<String>,
}

/// Where the value of a variable comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VariableValue {
    /// A text of the manifest.
    Plain(String),
    /// The URL of a cache of ours.
    CacheUrl(String),
    /// The address of another service, by its name in the VPC and its port.
    Peer(String, u16),
    /// The internal load balancer, which finds the service by path.
    Balancer,
}

/// Health check of a target group; seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetGroupHealthCheck {
    /// Path that is asked.
    pub path: String,
    /// Between two checks.
    pub interval: u64,
    /// For one check.
    pub timeout: u64,
    /// Successes to healthy.
    pub healthy: u32,
    /// Failures to unhealthy.
    pub unhealthy: u32,
    /// Status codes, such as `200,204`.
    pub matcher: String,
    /// From a task's start.
    pub grace: u64,
}

/// Health check of a container, by a command; seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerHealthCheck {
    /// Program and arguments; exit code 0 is healthy.
    pub command: Vec<String>,
    /// Between two checks.
    pub interval: u64,
    /// For one check.
    pub timeout: u64,
    /// Failures in a row to unhealthy.
    pub failures: u32,
    /// From the start, in which failures do not count; 300 at most (ECS API reference, HealthCheck).
    pub start: u64,
}

/// How a release goes, in the terms of ECS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DeploymentConfiguration {
    /// By whom weights are moved.
    pub strategy: EcsStrategy,
    /// Percent of desired.
    pub minimum_percent: u32,
    /// Percent of desired.
    pub maximum_percent: u32,
    /// Whether the circuit breaker is on.
    pub breaker: bool,
    /// Alarms that roll it back.
    pub guards: Vec<String>,
}

/// Strategies that ECS has itself, and those that the driver moves weights for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum EcsStrategy {
    /// ECS's strategy `ROLLING`.
    Rolling,
    /// ECS's strategy `BLUE_GREEN`.
    BlueGreen {
        /// Whole minutes with both revisions.
        bake_minutes: u64,
    },
    /// ECS's strategy `LINEAR`.
    Linear {
        /// Percent of requests that a step moves.
        percent: f64,
        /// Between steps, whole minutes.
        step_minutes: u64,
        /// After the last, whole minutes.
        bake_minutes: u64,
    },
    /// ECS's strategy `CANARY`.
    Canary {
        /// Percent of requests that the first and only step moves.
        percent: f64,
        /// Whole minutes with both revisions at the end.
        bake_minutes: u64,
    },
    /// Not ECS's: the release driver moves the weights of the listener rules.
    Driven,
}

/// Number of tasks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScalableTarget {
    /// Fewest tasks that scaling keeps.
    pub min: u32,
    /// Most tasks that scaling starts.
    pub max: u32,
    /// Target average CPU, percent.
    pub cpu: Option<f64>,
    /// Target average memory, percent.
    pub memory: Option<f64>,
    /// Target requests per task and minute.
    pub requests: Option<f64>,
    /// After a scale-out, seconds.
    pub out_cooldown: u64,
    /// After a scale-in, seconds.
    pub in_cooldown: u64,
}

impl ScalableTarget {
    /// Whether something other than people changes the number.
    #[must_use]
    pub fn is_automatic(&self) -> bool {
        self.cpu.is_some() || self.memory.is_some() || self.requests.is_some()
    }
}

pub(super) fn services(manifest: &Manifest, front: &Ingress, spot: u32) -> Vec<EcsService> {
    let on_ecs = |s: &&model::Service| !matches!(s.runs, Workload::Static(_));
    let mut all: Vec<EcsService> = manifest
        .services
        .values()
        .filter(on_ecs)
        .map(|service| made(manifest, service, front, spot))
        .collect();
    let calls: Vec<(String, Vec<String>)> =
        all.iter().map(|s| (s.name.clone(), peers(s))).collect();
    for service in &mut all {
        let callers = calls
            .iter()
            .filter(|(_, peers)| peers.contains(&service.name));
        service.callers = callers.map(|(name, _)| name.clone()).collect();
    }
    all
}

fn made(manifest: &Manifest, service: &model::Service, front: &Ingress, spot: u32) -> EcsService {
    let command = match &service.runs {
        Workload::Command(command) => Some(command.clone()).filter(|c| !c.is_empty()),
        Workload::Image { command, .. } => command.clone(),
        Workload::Static(_) => None,
    };
    let mut routes = service.routes.clone();
    routes.sort_by_key(|route| route.priority);
    EcsService {
        name: service.name.clone(),
        image: foreign(service),
        command,
        port: service.port,
        cpu: service.size.cpu,
        memory: service.size.memory,
        architecture: manifest.aws.architecture,
        spot_percent: spot,
        environment: environment(manifest, service, front),
        secrets: secrets(manifest, service),
        stop_seconds: service.stop_timeout.as_secs(),
        routes,
        health: service.health.as_ref().and_then(health),
        check: service.health.as_ref().and_then(check),
        drain_seconds: service.drain.as_secs(),
        slow_start_seconds: service.slow_start.as_secs(),
        balance: service.balance,
        sticky_cookie: service.sticky.as_ref().and_then(|s| s.cookie.clone()),
        sticky_seconds: service.sticky.as_ref().map_or(0, |s| s.duration.as_secs()),
        release: release(service),
        scale: ScalableTarget {
            min: service.scale.min,
            max: service.scale.max,
            cpu: service.scale.cpu,
            memory: service.scale.memory,
            requests: service.scale.requests,
            out_cooldown: service.scale.out_cooldown.as_secs(),
            in_cooldown: service.scale.in_cooldown.as_secs(),
        },
        callers: Vec::new(),
    }
}

fn foreign(service: &model::Service) -> Option<String> {
    match &service.runs {
        Workload::Image {
            image, dockerfile, ..
        } if dockerfile.is_none() => image.clone(),
        _ => None,
    }
}

fn peers(service: &EcsService) -> Vec<String> {
    let settings = service.environment.values();
    let named = settings.filter_map(|setting| match setting {
        VariableValue::Peer(name, _) => Some(name.clone()),
        _ => None,
    });
    named.collect()
}

fn environment(
    manifest: &Manifest,
    service: &model::Service,
    front: &Ingress,
) -> BTreeMap<String, VariableValue> {
    let mut all = BTreeMap::new();
    let others = manifest
        .services
        .values()
        .filter(|s| s.name != service.name);
    for (other, port) in others.filter_map(|s| Some((s, s.port?))) {
        let by_balancer = takes_requests(other)
            && front
                .balancer
                .is_some_and(|b| b.scheme == LoadBalancerScheme::Internal && !b.tls);
        let setting = if by_balancer {
            VariableValue::Balancer
        } else {
            VariableValue::Peer(other.name.clone(), port)
        };
        all.insert(format!("{}_URL", capitals(&other.name)), setting);
    }
    for used in &service.uses {
        let (short, kind, name, setting) = match used {
            UsedResource::Cache(name) => {
                let url = manifest.caches.get(name).and_then(|c| c.url.clone());
                let setting = url.map_or_else(
                    || VariableValue::CacheUrl(name.clone()),
                    VariableValue::Plain,
                );
                ("REDIS_URL", "REDIS", name, setting)
            }
            UsedResource::Database(name) => {
                let external = manifest.databases.get(name).and_then(|d| d.url.clone());
                let Some(url) = external else { continue };
                ("DATABASE_URL", "DATABASE", name, VariableValue::Plain(url))
            }
            UsedResource::Secret(_) => continue,
        };
        all.insert(format!("{kind}_{}_URL", capitals(name)), setting.clone());
        all.entry(short.to_owned()).or_insert(setting);
    }
    let plain = service.env.iter();
    all.extend(plain.map(|(key, value)| (key.clone(), VariableValue::Plain(value.clone()))));
    for (key, value) in [
        ("NEARGATE_APP", &manifest.app),
        ("NEARGATE_ENV", &manifest.env),
        ("NEARGATE_SERVICE", &service.name),
    ] {
        all.insert(key.to_owned(), VariableValue::Plain(value.clone()));
    }
    all
}

fn secrets(manifest: &Manifest, service: &model::Service) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for used in &service.uses {
        match used {
            UsedResource::Secret(name) => {
                all.insert(capitals(name), name.clone());
            }
            UsedResource::Database(name)
                if manifest
                    .databases
                    .get(name)
                    .is_some_and(|d| d.url.is_none()) =>
            {
                all.insert(format!("DATABASE_{}_URL", capitals(name)), url_secret(name));
                all.entry("DATABASE_URL".to_owned())
                    .or_insert_with(|| url_secret(name));
            }
            UsedResource::Database(_) | UsedResource::Cache(_) => {}
        }
    }
    all
}

fn health(health: &model::HealthCheck) -> Option<TargetGroupHealthCheck> {
    let Probe::Http { path, matcher } = &health.probe else {
        return None;
    };
    let codes: Vec<String> = matcher
        .iter()
        .map(|(low, high)| match low == high {
            true => low.to_string(),
            false => format!("{low}-{high}"),
        })
        .collect();
    Some(TargetGroupHealthCheck {
        path: path.clone(),
        interval: health.interval.as_secs(),
        timeout: health.timeout.as_secs(),
        healthy: health.healthy,
        unhealthy: health.unhealthy,
        matcher: codes.join(","),
        grace: health.grace.as_secs(),
    })
}

/// Most seconds that ECS ignores failures for.
const LONGEST_START: u64 = 300;

fn check(health: &model::HealthCheck) -> Option<ContainerHealthCheck> {
    let Probe::Command(command) = &health.probe else {
        return None;
    };
    Some(ContainerHealthCheck {
        command: command.clone(),
        interval: health.interval.as_secs(),
        timeout: health.timeout.as_secs(),
        failures: health.unhealthy,
        start: health.grace.as_secs().min(LONGEST_START),
    })
}

fn release(service: &model::Service) -> DeploymentConfiguration {
    let policy = &service.release;
    // The driver decides by the same function.
    let strategy = match mover(policy, ReleaseStart::Rules(service.routes.len())) {
        Mover::Weights { .. } => EcsStrategy::Driven,
        Mover::Native(native) => strategy(native.strategy),
    };
    DeploymentConfiguration {
        strategy,
        minimum_percent: policy.minimum_percent,
        maximum_percent: policy.maximum_percent,
        breaker: policy.breaker.is_some(),
        guards: policy.guard.clone(),
    }
}

fn strategy(native: NativeStrategy) -> EcsStrategy {
    // Minutes of a checked manifest are never negative.
    let minutes = |count: i32| u64::try_from(count).unwrap_or(0);
    match native {
        NativeStrategy::Rolling => EcsStrategy::Rolling,
        NativeStrategy::BlueGreen { bake } => EcsStrategy::BlueGreen {
            bake_minutes: minutes(bake),
        },
        NativeStrategy::Linear {
            percent,
            each,
            bake,
        } => EcsStrategy::Linear {
            percent,
            step_minutes: minutes(each),
            bake_minutes: minutes(bake),
        },
        NativeStrategy::Canary { percent, each, .. } => EcsStrategy::Canary {
            percent,
            bake_minutes: minutes(each),
        },
    }
}

/// A name as part of a variable's.
pub(super) fn capitals(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}
