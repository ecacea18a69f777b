//! Services, their deployments and their tasks.

use std::collections::BTreeMap;

use aws_sdk_ecs::types::{
    DesiredStatus, LaunchType, LoadBalancer, StopServiceDeploymentStopType, Tag,
};
use neargate_core::time::Timestamp;

use super::jobs::network;
use super::{AwsClients, count, number, trouble};
use crate::error::DriverError;
use crate::terraform_outputs::ServiceFacts;

/// A service as ECS sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EcsServiceState {
    /// ARN of its task definition.
    pub definition: String,
    /// ECS's `desiredCount` of the service.
    pub desired: u32,
    /// ECS's `runningCount` of the service.
    pub running: u32,
    /// Tasks that ECS counts as failed in the primary deployment.
    pub failed: u32,
    /// One deployment, its rollout completed.
    pub settled: bool,
    /// The target group it registers tasks in.
    pub group: Option<String>,
    /// ECS's newest words.
    pub said: String,
}

/// A service deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceDeployment {
    pub arn: String,
    /// `PENDING`, `IN_PROGRESS`, `SUCCESSFUL`, `ROLLBACK_SUCCESSFUL`, …
    pub status: String,
    /// ECS's `statusReason`; empty: it gave none.
    pub reason: String,
    /// Where a deployment with steps is: `PRODUCTION_TRAFFIC_SHIFT`, …
    pub stage: String,
    /// Tasks of the new revision: running and asked for.
    pub tasks: (u32, u32),
    /// Alarms that rolled it back.
    pub alarms: Vec<String>,
}

/// The service of a new revision while weights are moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GreenServiceRequest<'a> {
    pub name: &'a str,
    /// ARN of the task definition.
    pub definition: &'a str,
    /// Number of tasks to start.
    pub count: u32,
    /// ARN of the target group that its tasks register in.
    pub group: &'a str,
    /// The port that the container listens on.
    pub port: u16,
}

/// A task, from ECS's DescribeTasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EcsTask {
    /// The last part of its ARN.
    pub id: String,
    /// ARN of its task definition.
    pub definition: String,
    /// ECS's `lastStatus`: `PENDING`, `RUNNING`, `STOPPED`, …
    pub status: String,
    /// `HEALTHY`, `UNHEALTHY`, `UNKNOWN`
    pub health: String,
    /// When it ran.
    pub started_at: Option<Timestamp>,
    /// Whether it began with ECS Exec.
    pub exec: bool,
    /// SSM's name of each container, by ECS's.
    pub runtimes: BTreeMap<String, String>,
}

impl AwsClients {
    /// A service; `None`: it is not there, or was deleted.
    ///
    /// # Errors
    /// The call failed.
    pub async fn service(
        &self,
        cluster: &str,
        name: &str,
    ) -> Result<Option<EcsServiceState>, DriverError> {
        let call = self.ecs.describe_services().cluster(cluster).services(name);
        let answer = call
            .send()
            .await
            .map_err(trouble("look at the service", "ecs:DescribeServices"))?;
        let found = answer
            .services()
            .iter()
            .find(|it| it.status() == Some("ACTIVE"));
        Ok(found.map(|found| {
            let primary = found
                .deployments()
                .iter()
                .find(|it| it.status() == Some("PRIMARY"));
            let settled =
                found.running_count() == found.desired_count() && found.deployments().len() <= 1;
            let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
            EcsServiceState {
                definition: text(found.task_definition()),
                desired: count(found.desired_count()),
                running: count(found.running_count()),
                failed: primary.map_or(0, |it| count(it.failed_tasks())),
                settled,
                group: found
                    .load_balancers()
                    .first()
                    .and_then(|it| it.target_group_arn())
                    .map(str::to_owned),
                said: text(found.events().first().and_then(|event| event.message())),
            }
        }))
    }

    /// Creates the service of a new revision.
    ///
    /// # Errors
    /// The call failed.
    pub async fn create_visitor(
        &self,
        cluster: &str,
        facts: &ServiceFacts,
        wanted: &GreenServiceRequest<'_>,
    ) -> Result<(), DriverError> {
        let balancer = LoadBalancer::builder()
            .target_group_arn(wanted.group)
            .container_name(&facts.container)
            .container_port(i32::from(wanted.port))
            .build();
        let tag = Tag::builder().key("neargate:visitor-of").value(&facts.name);
        let call = self
            .ecs
            .create_service()
            .cluster(cluster)
            .service_name(wanted.name)
            .task_definition(wanted.definition)
            .enable_execute_command(facts.exec)
            .desired_count(number(wanted.count))
            .launch_type(LaunchType::Fargate)
            .network_configuration(network(facts)?)
            .load_balancers(balancer)
            .tags(tag.build());
        call.send().await.map_err(trouble(
            "create the service of the new revision",
            "ecs:CreateService",
        ))?;
        Ok(())
    }

    /// Changes task definition and count, nothing else.
    ///
    /// # Errors
    /// The call failed.
    pub async fn set_service(
        &self,
        cluster: &str,
        name: &str,
        definition: Option<&str>,
        tasks: Option<u32>,
    ) -> Result<(), DriverError> {
        let call = self
            .ecs
            .update_service()
            .cluster(cluster)
            .service(name)
            .set_task_definition(definition.map(str::to_owned))
            .set_desired_count(tasks.map(number));
        call.send()
            .await
            .map_err(trouble("update the service", "ecs:UpdateService"))?;
        Ok(())
    }

    /// Deletes a service with its tasks.
    ///
    /// # Errors
    /// The call failed.
    pub async fn delete_service(&self, cluster: &str, name: &str) -> Result<(), DriverError> {
        let call = self.ecs.delete_service().cluster(cluster).service(name);
        call.force(true)
            .send()
            .await
            .map_err(trouble("delete the service", "ecs:DeleteService"))?;
        Ok(())
    }

    /// The newest service deployment that began at or after a moment.
    ///
    /// # Errors
    /// The call failed.
    pub async fn newest_deployment(
        &self,
        cluster: &str,
        name: &str,
    ) -> Result<Option<String>, DriverError> {
        let call = self
            .ecs
            .list_service_deployments()
            .cluster(cluster)
            .service(name);
        let answer = call.send().await.map_err(trouble(
            "list the deployments of the service",
            "ecs:ListServiceDeployments",
        ))?;
        let newest = answer
            .service_deployments()
            .iter()
            .max_by_key(|it| it.created_at().map(|at| (at.secs(), at.subsec_nanos())));
        Ok(newest
            .and_then(|it| it.service_deployment_arn())
            .map(str::to_owned))
    }

    /// A service deployment.
    ///
    /// # Errors
    /// The call failed.
    pub async fn deployment(&self, arn: &str) -> Result<Option<ServiceDeployment>, DriverError> {
        let call = self.ecs.describe_service_deployments();
        let answer = call
            .service_deployment_arns(arn)
            .send()
            .await
            .map_err(trouble(
                "look at the deployment",
                "ecs:DescribeServiceDeployments",
            ))?;
        Ok(answer.service_deployments().first().map(|found| {
            let target = found.target_service_revision();
            let tasks = target.map_or((0, 0), |it| {
                (
                    count(it.running_task_count()),
                    count(it.requested_task_count()),
                )
            });
            ServiceDeployment {
                arn: arn.to_owned(),
                status: found.status().map_or("", |it| it.as_str()).to_owned(),
                reason: found.status_reason().unwrap_or_default().to_owned(),
                stage: found
                    .lifecycle_stage()
                    .map_or("", |it| it.as_str())
                    .to_owned(),
                tasks,
                alarms: found
                    .alarms()
                    .map(|alarms| alarms.triggered_alarm_names().to_vec())
                    .unwrap_or_default(),
            }
        }))
    }

    /// Tells ECS to roll a deployment back.
    ///
    /// # Errors
    /// The call failed.
    pub async fn roll_deployment_back(&self, arn: &str) -> Result<(), DriverError> {
        let call = self
            .ecs
            .stop_service_deployment()
            .service_deployment_arn(arn);
        call.stop_type(StopServiceDeploymentStopType::Rollback)
            .send()
            .await
            .map_err(trouble(
                "roll the deployment back",
                "ecs:StopServiceDeployment",
            ))?;
        Ok(())
    }

    /// Running tasks of a service, at most 100.
    ///
    /// # Errors
    /// The call failed.
    pub async fn tasks(&self, cluster: &str, service: &str) -> Result<Vec<EcsTask>, DriverError> {
        let call = self.ecs.list_tasks().cluster(cluster).service_name(service);
        let listed = call
            .desired_status(DesiredStatus::Running)
            .into_paginator()
            .items()
            .send()
            .collect::<Result<Vec<String>, _>>()
            .await
            .map_err(trouble("list the tasks", "ecs:ListTasks"))?;
        let mut found = Vec::with_capacity(listed.len());
        for some in listed.chunks(DESCRIBED_AT_ONCE) {
            let call = self.ecs.describe_tasks().cluster(cluster);
            let answer = call.set_tasks(Some(some.to_vec())).send().await;
            let answer = answer.map_err(trouble("look at the tasks", "ecs:DescribeTasks"))?;
            found.extend(answer.tasks().iter().map(task_seen));
        }
        Ok(found)
    }
}

/// The most that DescribeTasks takes: ECS API, DescribeTasks, `tasks`.
const DESCRIBED_AT_ONCE: usize = 100;

fn task_seen(task: &aws_sdk_ecs::types::Task) -> EcsTask {
    EcsTask {
        id: task
            .task_arn()
            .and_then(|arn| arn.rsplit('/').next())
            .unwrap_or_default()
            .to_owned(),
        definition: task.task_definition_arn().unwrap_or_default().to_owned(),
        status: task.last_status().unwrap_or_default().to_owned(),
        health: task
            .health_status()
            .map_or("UNKNOWN", |it| it.as_str())
            .to_owned(),
        started_at: task
            .started_at()
            .and_then(|at| Some(Timestamp(u64::try_from(at.to_millis().ok()?).ok()?))),
        exec: task.enable_execute_command(),
        runtimes: task
            .containers()
            .iter()
            .filter_map(|it| Some((it.name()?.to_owned(), it.runtime_id()?.to_owned())))
            .collect(),
    }
}
