//! Task definitions: registered, and read back for comparison.

use aws_sdk_ecs::types::{
    Compatibility, ContainerDefinition, CpuArchitecture, HealthCheck, KeyValuePair,
    LinuxParameters, LogConfiguration, LogDriver, MountPoint, NetworkMode, OsFamily, PortMapping,
    RuntimePlatform, Secret, Tag, TaskDefinition, TransportProtocol, Volume,
};

use super::{AwsClients, built, trouble};
use crate::definition::{ReleasedDefinition, TaskHealthCheck};
use crate::error::DriverError;

impl AwsClients {
    /// A task definition by ARN, or the newest of a family; `None`: there is none.
    ///
    /// # Errors
    /// The call failed.
    pub async fn definition(
        &self,
        name: &str,
        container: &str,
    ) -> Result<Option<(String, ReleasedDefinition)>, DriverError> {
        let call = self.ecs.describe_task_definition().task_definition(name);
        let answer = call.send().await;
        let answer = match answer {
            // ECS answers ClientException for a family that it does not know.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_client_exception()) =>
            {
                return Ok(None);
            }
            answer => answer.map_err(trouble(
                "read the task definition",
                "ecs:DescribeTaskDefinition",
            ))?,
        };
        Ok(answer.task_definition().map(|found| {
            let arn = found.task_definition_arn().unwrap_or_default();
            (arn.to_owned(), read(found, container))
        }))
    }

    /// Registers a task definition; gives its ARN.
    ///
    /// # Errors
    /// The call failed.
    pub async fn register(
        &self,
        wanted: &ReleasedDefinition,
        tags: &[(String, String)],
    ) -> Result<String, DriverError> {
        let doing = "register the task definition";
        let tag = |(key, value): &(String, String)| Tag::builder().key(key).value(value).build();
        let platform = RuntimePlatform::builder()
            .operating_system_family(OsFamily::Linux)
            .cpu_architecture(CpuArchitecture::from(wanted.architecture.as_str()))
            .build();
        let call = self
            .ecs
            .register_task_definition()
            .family(&wanted.family)
            .requires_compatibilities(Compatibility::Fargate)
            .network_mode(NetworkMode::Awsvpc)
            .cpu(&wanted.cpu)
            .memory(&wanted.memory)
            .runtime_platform(platform)
            .execution_role_arn(&wanted.execution_role)
            .task_role_arn(&wanted.task_role)
            .volumes(Volume::builder().name("tmp").build())
            .container_definitions(container(wanted)?)
            .set_tags(Some(tags.iter().map(tag).collect()));
        let answer = call.send().await;
        let answer = answer.map_err(trouble(doing, "ecs:RegisterTaskDefinition"))?;
        let arn = answer
            .task_definition()
            .and_then(|it| it.task_definition_arn());
        Ok(arn.unwrap_or_default().to_owned())
    }
}

fn container(wanted: &ReleasedDefinition) -> Result<ContainerDefinition, DriverError> {
    let doing = "describe the container";
    let secrets = wanted
        .secrets
        .iter()
        .map(|(name, from)| built(doing, Secret::builder().name(name).value_from(from).build()));
    let secrets = secrets.collect::<Result<Vec<_>, _>>()?;
    let variable =
        |(name, value): (&String, &String)| KeyValuePair::builder().name(name).value(value).build();
    let log = LogConfiguration::builder()
        .log_driver(LogDriver::Awslogs)
        .options("awslogs-group", &wanted.log_group)
        .options("awslogs-region", &wanted.region)
        .options("awslogs-stream-prefix", &wanted.family)
        .build();
    let port = wanted.port.map(|port| {
        PortMapping::builder()
            .name("http")
            .container_port(i32::from(port))
            .host_port(i32::from(port))
            .protocol(TransportProtocol::Tcp)
            .build()
    });
    let check = wanted.check.as_ref().map(health_check);
    let command = (!wanted.command.is_empty()).then(|| wanted.command.clone());
    let tmp = MountPoint::builder()
        .source_volume("tmp")
        .container_path("/tmp");
    Ok(ContainerDefinition::builder()
        .name(&wanted.container)
        .image(&wanted.image)
        .essential(true)
        // The hard limit of the one container is the task's.
        .set_memory(wanted.memory.parse().ok())
        .user(&wanted.user)
        .readonly_root_filesystem(wanted.read_only)
        .stop_timeout(wanted.stop_seconds)
        .set_port_mappings(Some(port.into_iter().collect()))
        .mount_points(tmp.read_only(false).build())
        .set_command(command)
        .set_environment(Some(wanted.environment.iter().map(variable).collect()))
        .set_secrets(Some(secrets))
        .set_health_check(check.transpose()?)
        .linux_parameters(
            LinuxParameters::builder()
                .init_process_enabled(true)
                .build(),
        )
        .log_configuration(built(doing, log)?)
        .build())
}

fn health_check(check: &TaskHealthCheck) -> Result<HealthCheck, DriverError> {
    let check = HealthCheck::builder()
        .set_command(Some(check.command.clone()))
        .interval(check.interval)
        .timeout(check.timeout)
        .retries(check.retries)
        .start_period(check.start)
        .build();
    built("describe the health check", check)
}

fn read(found: &TaskDefinition, name: &str) -> ReleasedDefinition {
    let containers = found.container_definitions();
    let container = containers
        .iter()
        .find(|it| it.name() == Some(name))
        .or_else(|| containers.first());
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let option = |key: &str| {
        let options = container
            .and_then(|it| it.log_configuration())
            .and_then(|log| log.options());
        options
            .and_then(|it| it.get(key))
            .cloned()
            .unwrap_or_default()
    };
    let platform = found.runtime_platform();
    ReleasedDefinition {
        family: text(found.family()),
        cpu: text(found.cpu()),
        memory: text(found.memory()),
        // ECS's default (ECS API reference, RuntimePlatform).
        architecture: platform
            .and_then(|it| it.cpu_architecture())
            .map_or("X86_64", |it| it.as_str())
            .to_owned(),
        execution_role: text(found.execution_role_arn()),
        task_role: text(found.task_role_arn()),
        container: text(container.and_then(|it| it.name())),
        image: text(container.and_then(|it| it.image())),
        user: text(container.and_then(|it| it.user())),
        read_only: container
            .and_then(|it| it.readonly_root_filesystem())
            .unwrap_or(false),
        command: container
            .map(|it| it.command().to_vec())
            .unwrap_or_default(),
        port: container
            .and_then(|it| it.port_mappings().first()?.container_port())
            .and_then(|port| u16::try_from(port).ok()),
        stop_seconds: container.and_then(|it| it.stop_timeout()).unwrap_or(30),
        environment: container
            .map(|it| it.environment())
            .unwrap_or_default()
            .iter()
            .map(|pair| (text(pair.name()), text(pair.value())))
            .collect(),
        secrets: container
            .map(|it| it.secrets())
            .unwrap_or_default()
            .iter()
            .map(|secret| (secret.name().to_owned(), secret.value_from().to_owned()))
            .collect(),
        check: container
            .and_then(|it| it.health_check())
            .map(|check| TaskHealthCheck {
                command: check.command().to_vec(),
                interval: check.interval().unwrap_or(30),
                timeout: check.timeout().unwrap_or(5),
                retries: check.retries().unwrap_or(3),
                start: check.start_period().unwrap_or(0),
            }),
        log_group: option("awslogs-group"),
        region: option("awslogs-region"),
    }
}
