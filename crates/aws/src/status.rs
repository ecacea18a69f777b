//! Reads status, alarms, history and logs of an environment; changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use neargate_core::alarm::AlarmStatus;
use neargate_core::machine::{JournaledState, Promotion, is_held, waiting_for, weight};
use neargate_core::metrics::report::MetricsReport;
use neargate_core::release_report::ReleaseRecord;
use neargate_core::status::{
    ProcessStatus, ReleaseStatus, ServiceKind, ServiceStatus, Status, TaskStatus,
};
use neargate_core::status_words::StageName;
use neargate_core::time::Timestamp;

use super::api::{EcsServiceState, EcsTask, LogEvent};
use super::definition::number;
use super::environment::{Driver, now};
use super::error::DriverError;
use super::figures::{self, MetricsPeriod};
use super::record::{EnvironmentRecord, OpenRelease};
use super::shifted_groups::visitor_of;

impl Driver {
    /// The environment, in near's shape. There is no engine far: its process is 0.
    ///
    /// # Errors
    /// A call failed.
    pub async fn status(&self) -> Result<Status, DriverError> {
        let mut services = Vec::new();
        let mut notes = Vec::new();
        for name in self.manifest.services.keys() {
            let site = self.site(name)?.is_some() && self.facts.static_bucket.is_some();
            match self.facts.services.contains_key(name) {
                _ if site => services.push(self.site_status(name).await?),
                true => services.push(self.service_status(name).await?),
                false => notes.push(format!("`{name}` has no service on ECS")),
            }
        }
        Ok(Status {
            app: self.manifest.app.clone(),
            env: self.manifest.env.clone(),
            endpoint: self.facts.url.clone(),
            services,
            databases: Vec::new(),
            caches: Vec::new(),
            engine: ProcessStatus {
                pid: 0,
                started_at: Timestamp(0),
            },
            router: None,
            notes,
            engine_version: None,
            router_load: None,
            engine_loop: None,
            copying: Vec::new(),
        })
    }

    async fn service_status(&self, name: &str) -> Result<ServiceStatus, DriverError> {
        let (_, facts) = self.service(name)?;
        let cluster = &self.facts.cluster;
        let seen = self.service_state(name).await?;
        let record = self.read(name).await?.record;
        let mut tasks = self.aws.tasks(cluster, &facts.name).await?;
        if record.open.is_some() {
            let visitor = visitor_of(facts);
            if self.aws.service(cluster, &visitor).await?.is_some() {
                tasks.extend(self.aws.tasks(cluster, &visitor).await?);
            }
        }
        let healthy = match facts.target_groups.is_empty() {
            true => seen.running,
            false => {
                let mut healthy = 0;
                for group in facts.target_groups.values() {
                    healthy += self.aws.healthy_targets(&group.arn).await?;
                }
                healthy
            }
        };
        Ok(service_status(name, &seen, &record, &tasks, healthy))
    }

    /// The releases of a service, oldest first, the one in progress last.
    ///
    /// # Errors
    /// A call failed.
    pub async fn releases(&self, service: &str) -> Result<Vec<ReleaseRecord>, DriverError> {
        let record = self.read(service).await?.record;
        let ended = record.past.iter().map(|past| past.release.clone());
        let mut all: Vec<ReleaseRecord> = ended.collect();
        if let Some(open) = &record.open {
            all.push(ReleaseRecord {
                reason: release_status(service, open).waiting_for,
                ..open.in_progress(service)
            });
        }
        Ok(all)
    }

    /// The alarms of the manifest, by name; `None`: CloudWatch has none of that name.
    ///
    /// # Errors
    /// A call failed.
    pub async fn alarms(&self) -> Result<BTreeMap<String, Option<AlarmStatus>>, DriverError> {
        let named = |name: &String| {
            let far = self.facts.alarms.get(name).cloned().unwrap_or_default();
            (name.clone(), far)
        };
        let named: BTreeMap<String, String> = self.manifest.alarms.keys().map(named).collect();
        let names: Vec<String> = named
            .values()
            .filter(|it| !it.is_empty())
            .cloned()
            .collect();
        let seen = match names.is_empty() {
            true => BTreeMap::new(),
            false => self.aws.alarm_states(&names).await?,
        };
        let standing = |far: &String| {
            let (state, reason, since) = seen.get(far)?.clone();
            Some(AlarmStatus {
                state,
                since,
                reason,
                history: std::collections::VecDeque::new(),
            })
        };
        Ok(named
            .iter()
            .map(|(name, far)| (name.clone(), standing(far)))
            .collect())
    }

    /// Figures of a service, or of all, over the last while.
    ///
    /// # Errors
    /// A call failed.
    pub async fn figures(
        &self,
        only: Option<&str>,
        asked: Duration,
    ) -> Result<MetricsReport, DriverError> {
        let over = MetricsPeriod::of(asked, now());
        let names = match only {
            Some(name) => vec![name.to_owned()],
            None => self.service_names(),
        };
        let mut rows = Vec::new();
        for name in &names {
            let (_, facts) = self.service(name)?;
            let tasks = self.service_state(name).await?.running;
            let queries = figures::queries(&self.facts, facts);
            let answers = self.aws.points(&queries, over).await?;
            rows.extend(figures::rows(name, facts, tasks, &answers, over.seconds));
        }
        Ok(MetricsReport {
            seconds: over.seconds,
            until: now(),
            rows,
        })
    }

    /// Log lines of a service and its jobs, from a moment on.
    ///
    /// # Errors
    /// A call failed.
    pub async fn logs(&self, service: &str, from: Timestamp) -> Result<Vec<LogEvent>, DriverError> {
        let (_, facts) = self.service(service)?;
        self.aws.log_lines(&facts.log_group, None, from).await
    }

    /// Differences from the released revision, one sentence each; empty: no drift.
    ///
    /// # Errors
    /// A call failed.
    pub async fn drift(&self, service: &str) -> Result<Vec<String>, DriverError> {
        if self.site(service)?.is_some() {
            return self.site_drift(service).await;
        }
        let (spec, facts) = self.service(service)?;
        let seen = self.service_state(service).await?;
        let record = self.read(service).await?.record;
        if let Some(open) = &record.open {
            let words = format!(
                "release {} is in progress: nothing can be compared yet",
                open.id
            );
            return Ok(vec![words]);
        }
        let mut lines = definition_drift(&record, &seen);
        if seen.desired < spec.scale.min || seen.desired > spec.scale.max {
            lines.push(format!(
                "{} tasks are desired, the manifest allows {} to {}",
                seen.desired, spec.scale.min, spec.scale.max
            ));
        }
        if let Some(group) = &seen.group {
            for (route, rule) in &facts.rules {
                let share = self.aws.weight(rule, group).await?;
                if share != neargate_core::machine::strategy::WHOLE {
                    let percent = f64::from(share) / 10.0;
                    lines.push(format!(
                        "the rule of route {route} gives {percent} % to the service's target group, not 100 %"
                    ));
                }
            }
        }
        let visitor = visitor_of(facts);
        if self
            .aws
            .service(&self.facts.cluster, &visitor)
            .await?
            .is_some()
        {
            lines.push(format!("a release left the service {visitor} behind"));
        }
        lines.extend(self.definition_changes(service, &seen).await?);
        Ok(lines)
    }

    /// Differences of the task definition from the manifest, its image aside: that was released.
    async fn definition_changes(
        &self,
        service: &str,
        seen: &EcsServiceState,
    ) -> Result<Vec<String>, DriverError> {
        let (spec, facts) = self.service(service)?;
        let found = self
            .aws
            .definition(&seen.definition, &facts.container)
            .await?;
        let Some((_, present)) = found else {
            return Ok(vec![format!("{} is not registered", seen.definition)]);
        };
        let region = &self.aws.region;
        let told = self.without_optional(spec, facts).await?;
        let wanted =
            super::definition::ReleasedDefinition::of_service(spec, &told, region, &present.image);
        let line = |line: String| format!("task definition differs from the manifest: {line}");
        Ok(wanted.changes(&present).into_iter().map(line).collect())
    }
}

fn definition_drift(record: &EnvironmentRecord, seen: &EcsServiceState) -> Vec<String> {
    let Some(past) = record.serving() else {
        return vec!["nothing was released by neargate yet".to_owned()];
    };
    if past.release.to == number(&seen.definition) {
        return Vec::new();
    }
    vec![format!(
        "revision {} serves, release {} was to revision {}",
        number(&seen.definition),
        past.release.id,
        past.release.to
    )]
}

/// An open release, in near's shape.
pub(super) fn release_status(service: &str, open: &OpenRelease) -> ReleaseStatus {
    let state = JournaledState::replay(&open.journal);
    let known = state.state().services.get(service);
    let release = known.and_then(|it| it.release.as_ref().map(|release| (it, release)));
    let shown = ReleaseStatus {
        id: open.id,
        strategy: open.strategy.clone(),
        stage: StageName::Done,
        step: 0,
        weight: 0.0,
        held: false,
        paused: false,
        waiting_for: String::new(),
        started_at: open.started_at,
    };
    let Some((known, release)) = release else {
        return shown;
    };
    ReleaseStatus {
        stage: release.stage.into(),
        step: release.step,
        weight: weight(known),
        held: is_held(known),
        paused: release.gate == Promotion::Paused,
        waiting_for: waiting_for(known, now()),
        ..shown
    }
}

fn service_status(
    name: &str,
    seen: &EcsServiceState,
    record: &EnvironmentRecord,
    tasks: &[EcsTask],
    healthy: u32,
) -> ServiceStatus {
    let release = record.open.as_ref();
    let release = release.map(|open| release_status(name, open));
    let revision = match &record.open {
        Some(open) => number(&open.to),
        None => number(&seen.definition),
    };
    ServiceStatus {
        name: name.to_owned(),
        kind: ServiceKind::Tasks,
        desired: seen.desired,
        running: seen.running,
        healthy,
        needed: seen.desired,
        revision,
        stable_revision: record.serving().map(|past| past.release.to),
        release,
        tasks: tasks.iter().map(task_status).collect(),
        trouble: (seen.failed > 0).then(|| format!("{} tasks failed: {}", seen.failed, seen.said)),
        failing: seen.failed > 0,
    }
}

fn task_status(task: &EcsTask) -> TaskStatus {
    TaskStatus {
        id: task.id.as_str().into(),
        pid: None,
        port: None,
        revision: number(&task.definition),
        state: task.status.to_lowercase().into(),
        health: task.health.to_lowercase().into(),
        last_check: None,
        started_at: task.started_at,
        leaves_by: None,
    }
}
