//! Jobs: one-off tasks, with what became of them.

use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, ContainerOverride, DesiredStatus, LaunchType,
    NetworkConfiguration, TaskOverride,
};

use super::{AwsClients, built, trouble};
use crate::error::DriverError;
use crate::terraform_outputs::ServiceFacts;

/// A job to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRequest<'a> {
    /// ARN of the task definition.
    pub definition: &'a str,
    /// Program and arguments.
    pub command: &'a [String],
    /// Names this run: started twice under one name, it runs once. At most 36 characters (ECS
    /// API reference, RunTask, `startedBy`).
    pub run: &'a str,
}

/// A job's task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobTask {
    /// `PROVISIONING`, …, `RUNNING`, …, `STOPPED`
    pub status: String,
    /// Exit code of its container, once it stopped.
    pub exit: Option<i32>,
    /// ECS's words about its end.
    pub reason: String,
}

pub(super) fn network(facts: &ServiceFacts) -> Result<NetworkConfiguration, DriverError> {
    let network = AwsVpcConfiguration::builder()
        .set_subnets(Some(facts.subnets.clone()))
        .security_groups(&facts.security_group)
        .assign_public_ip(AssignPublicIp::Disabled)
        .build();
    Ok(NetworkConfiguration::builder()
        .awsvpc_configuration(built("describe the network", network)?)
        .build())
}

impl AwsClients {
    /// Starts a job, or finds it when it was started under this name; gives the task's ARN.
    ///
    /// # Errors
    /// The call failed, or ECS had no place for it.
    pub async fn start_job(
        &self,
        cluster: &str,
        facts: &ServiceFacts,
        wanted: &JobRequest<'_>,
    ) -> Result<String, DriverError> {
        if let Some(task) = self.find_job(cluster, wanted.run).await? {
            return Ok(task);
        }
        let container = ContainerOverride::builder()
            .name(&facts.container)
            .set_command(Some(wanted.command.to_vec()))
            .build();
        let call = self
            .ecs
            .run_task()
            .cluster(cluster)
            .task_definition(wanted.definition)
            .launch_type(LaunchType::Fargate)
            .network_configuration(network(facts)?)
            .overrides(
                TaskOverride::builder()
                    .container_overrides(container)
                    .build(),
            )
            .started_by(wanted.run)
            .client_token(wanted.run);
        let answer = call
            .send()
            .await
            .map_err(trouble("run the job", "ecs:RunTask"))?;
        if let Some(failure) = answer.failures().first() {
            return Err(DriverError::JobNotStarted {
                reason: failure.reason().unwrap_or_default().to_owned(),
                detail: failure.detail().unwrap_or_default().to_owned(),
            });
        }
        let task = answer.tasks().first().and_then(|task| task.task_arn());
        Ok(task.unwrap_or_default().to_owned())
    }

    /// The job that was started under this name and has not ended.
    ///
    /// # Errors
    /// The call failed.
    pub async fn running_job(
        &self,
        cluster: &str,
        run: &str,
    ) -> Result<Option<String>, DriverError> {
        self.job_of_status(cluster, run, DesiredStatus::Running)
            .await
    }

    async fn find_job(&self, cluster: &str, run: &str) -> Result<Option<String>, DriverError> {
        for status in [DesiredStatus::Running, DesiredStatus::Stopped] {
            if let Some(task) = self.job_of_status(cluster, run, status).await? {
                return Ok(Some(task));
            }
        }
        Ok(None)
    }

    async fn job_of_status(
        &self,
        cluster: &str,
        run: &str,
        status: DesiredStatus,
    ) -> Result<Option<String>, DriverError> {
        let call = self.ecs.list_tasks().cluster(cluster).started_by(run);
        let answer = call.desired_status(status).send().await;
        let answer = answer.map_err(trouble("look for the job", "ecs:ListTasks"))?;
        Ok(answer.task_arns().first().cloned())
    }

    /// State of a job's task, and its exit code when it has ended.
    ///
    /// # Errors
    /// The call failed, or ECS has forgotten it (an hour after its end).
    pub async fn job(
        &self,
        cluster: &str,
        task: &str,
        container: &str,
    ) -> Result<JobTask, DriverError> {
        let call = self.ecs.describe_tasks().cluster(cluster).tasks(task);
        let answer = call.send().await;
        let answer = answer.map_err(trouble("look at the job", "ecs:DescribeTasks"))?;
        let Some(found) = answer.tasks().first() else {
            return Err(DriverError::JobForgotten {
                task: task.to_owned(),
            });
        };
        let own = found
            .containers()
            .iter()
            .find(|it| it.name() == Some(container));
        let words = [found.stopped_reason(), own.and_then(|it| it.reason())];
        Ok(JobTask {
            status: found.last_status().unwrap_or_default().to_owned(),
            exit: own.and_then(|it| it.exit_code()),
            reason: words.into_iter().flatten().collect::<Vec<_>>().join(": "),
        })
    }

    /// Stops a job.
    ///
    /// # Errors
    /// The call failed.
    pub async fn stop_job(&self, cluster: &str, task: &str, why: &str) -> Result<(), DriverError> {
        let call = self.ecs.stop_task().cluster(cluster).task(task).reason(why);
        call.send()
            .await
            .map_err(trouble("stop the job", "ecs:StopTask"))?;
        Ok(())
    }
}
