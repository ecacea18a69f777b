//! What a revision is on AWS: one task definition, and how two of them differ.
//!
//! Pure: a checked service, Terraform's facts and an image go in, a [`ReleasedDefinition`] comes out.
//! Invariant: equal inputs give equal definitions, so a deploy without changes registers
//! nothing. Refuses static sites, and services without an image.

use std::collections::BTreeMap;

use neargate_core::ids::RevisionNumber;
use neargate_core::model::{HealthCheck, Probe, Service, Workload};

use super::error::DriverError;
use super::terraform_outputs::ServiceFacts;

/// The parts of a task definition that a release decides. One container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedDefinition {
    pub family: String,
    /// CPU units, a number as text: 1024 = one core.
    pub cpu: String,
    /// MiB, a number as text.
    pub memory: String,
    /// `ARM64` or `X86_64`.
    pub architecture: String,
    /// ARN of the role that starts tasks.
    pub execution_role: String,
    /// ARN of the application's role.
    pub task_role: String,
    /// Name of the container.
    pub container: String,
    /// Reference of the image, with its tag or digest.
    pub image: String,
    /// User and group.
    pub user: String,
    /// Whether it can write to `/tmp` only; ECS Exec's agent needs more.
    pub read_only: bool,
    /// Overrides the image's command; empty: it does not.
    pub command: Vec<String>,
    /// The port that takes requests.
    pub port: Option<u16>,
    /// Seconds from SIGTERM to SIGKILL.
    pub stop_seconds: i32,
    /// Values of variables that are no secrets.
    pub environment: BTreeMap<String, String>,
    /// ARNs by variable.
    pub secrets: BTreeMap<String, String>,
    /// Run inside the container: 0 is healthy.
    pub check: Option<TaskHealthCheck>,
    /// CloudWatch's log group.
    pub log_group: String,
    /// Region of the log group.
    pub region: String,
}

/// ECS's container health check. Seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskHealthCheck {
    /// `CMD` and the program with its arguments.
    pub command: Vec<String>,
    /// Seconds between two checks.
    pub interval: i32,
    /// Seconds that one check may take.
    pub timeout: i32,
    /// Failures in a row that make the container unhealthy.
    pub retries: i32,
    /// Failures are ignored so long after the start.
    pub start: i32,
}

/// The image that a service runs: given on the command line, or by the manifest.
///
/// # Errors
/// There is none.
pub fn image(service: &Service, given: Option<&str>) -> Result<String, DriverError> {
    let written = match &service.runs {
        Workload::Static(_) => {
            return Err(DriverError::Usage(format!(
                "`{}` is a static site: the driver releases services with tasks only",
                service.name
            )));
        }
        Workload::Image { image, .. } => image.as_deref(),
        Workload::Command(_) => None,
    };
    given
        .or(written)
        .map(str::to_owned)
        .ok_or_else(|| DriverError::Missing {
            what: format!("there is no image of `{}` to release", service.name),
            help: "give the service an `artifact` or `build.dockerfile`, or name a pushed image: \
                   neargate deploy SERVICE -e ENV --image REPOSITORY:TAG"
                .to_owned(),
        })
}

impl ReleasedDefinition {
    /// The task definition that a service should have.
    #[must_use]
    pub fn of_service(service: &Service, facts: &ServiceFacts, region: &str, image: &str) -> Self {
        let mut environment = facts.environment.clone();
        if let Some(port) = service.port {
            environment.insert("PORT".to_owned(), port.to_string());
        }
        environment.extend(service.env.clone());
        // ECS takes no variable that is both.
        let mut secrets = facts.secrets.clone();
        secrets.retain(|name, _| !service.env.contains_key(name));
        environment.retain(|name, _| !secrets.contains_key(name));
        let command = match &service.runs {
            Workload::Command(command) => command.clone(),
            Workload::Image { command, .. } => command.clone().unwrap_or_default(),
            Workload::Static(_) => Vec::new(),
        };
        Self {
            family: facts.family.clone(),
            cpu: service.size.cpu.to_string(),
            memory: service.size.memory.to_string(),
            architecture: facts.architecture.clone(),
            execution_role: facts.execution_role.clone(),
            task_role: facts.task_role.clone(),
            container: facts.container.clone(),
            image: image.to_owned(),
            user: facts.user.clone(),
            read_only: facts.read_only,
            command,
            port: service.port,
            stop_seconds: seconds(service.stop_timeout),
            environment,
            secrets,
            check: service.health.as_ref().and_then(check),
            log_group: facts.log_group.clone(),
            region: region.to_owned(),
        }
    }

    /// Each difference as a line `what: old -> new`; nothing when a task of one is a task of the
    /// other. Values of secrets are not in here, only their ARNs.
    #[must_use]
    pub fn changes(&self, old: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut compare = |what: &str, old: String, new: String| {
            if old != new {
                lines.push(format!("{what}: {} -> {}", shown(&old), shown(&new)));
            }
        };
        compare("image", old.image.clone(), self.image.clone());
        compare("command", old.command.join(" "), self.command.join(" "));
        compare("user", old.user.clone(), self.user.clone());
        compare(
            "read-only root",
            old.read_only.to_string(),
            self.read_only.to_string(),
        );
        compare("cpu", old.cpu.clone(), self.cpu.clone());
        compare("memory", old.memory.clone(), self.memory.clone());
        compare(
            "architecture",
            old.architecture.clone(),
            self.architecture.clone(),
        );
        compare("port", text(&old.port), text(&self.port));
        compare(
            "stop-timeout",
            old.stop_seconds.to_string(),
            self.stop_seconds.to_string(),
        );
        compare(
            "role of the application",
            old.task_role.clone(),
            self.task_role.clone(),
        );
        compare(
            "role that starts tasks",
            old.execution_role.clone(),
            self.execution_role.clone(),
        );
        compare("log group", old.log_group.clone(), self.log_group.clone());
        compare("container", old.container.clone(), self.container.clone());
        compare("health check", shown_check(old), shown_check(self));
        for (kind, old, new) in [
            ("env", &old.environment, &self.environment),
            ("secret", &old.secrets, &self.secrets),
        ] {
            let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let value =
                    |map: &BTreeMap<String, String>| map.get(name).cloned().unwrap_or_default();
                if old.get(name) != new.get(name) {
                    let (old, new) = (value(old), value(new));
                    lines.push(format!("{kind} {name}: {} -> {}", shown(&old), shown(&new)));
                }
            }
        }
        lines
    }
}

fn check(health: &HealthCheck) -> Option<TaskHealthCheck> {
    let Probe::Command(command) = &health.probe else {
        return None;
    };
    let mut words = vec!["CMD".to_owned()];
    words.extend(command.iter().cloned());
    Some(TaskHealthCheck {
        command: words,
        interval: seconds(health.interval),
        timeout: seconds(health.timeout),
        retries: i32::try_from(health.unhealthy).unwrap_or(i32::MAX),
        // ECS takes no longer one (ECS API reference, HealthCheck).
        start: seconds(health.grace).min(300),
    })
}

fn seconds(duration: std::time::Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

fn text(port: &Option<u16>) -> String {
    port.map(|port| port.to_string()).unwrap_or_default()
}

fn shown_check(definition: &ReleasedDefinition) -> String {
    match &definition.check {
        None => String::new(),
        Some(check) => format!(
            "{} every {} s, {} s each, {} failures, after {} s",
            check.command.join(" "),
            check.interval,
            check.timeout,
            check.retries,
            check.start
        ),
    }
}

fn shown(text: &str) -> &str {
    if text.is_empty() { "(none)" } else { text }
}

/// The number of a task definition's ARN: `7` of `…:task-definition/notes-api:7`; 0 without one.
#[must_use]
pub fn number(arn: &str) -> RevisionNumber {
    arn.rsplit(':')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or_default()
}
