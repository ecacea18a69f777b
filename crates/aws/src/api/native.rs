//! UpdateService with a strategy: the start of a release by ECS.

use aws_sdk_ecs::types::{
    AdvancedConfiguration, CanaryConfiguration, DeploymentAlarms, DeploymentCircuitBreaker,
    DeploymentConfiguration, DeploymentStrategy, LinearConfiguration, LoadBalancer,
    ThresholdConfiguration, ThresholdType,
};
use neargate_core::model::{Breaker, Threshold};

use super::{AwsClients, built, number, trouble};
use crate::error::DriverError;
use crate::terraform_outputs::ServiceFacts;
use neargate_far::ecs_strategy::{NativeDeployment, NativeStrategy};

/// A release by ECS.
#[derive(Debug, Clone, PartialEq)]
pub struct ReleaseWanted<'a> {
    /// ARN of the task definition.
    pub definition: &'a str,
    /// Tasks, when their number changes.
    pub tasks: Option<u32>,
    /// Strategy and bounds of the deployment.
    pub native: &'a NativeDeployment,
    /// The target group that the service uses now.
    pub group: Option<&'a str>,
    /// The port that the container listens on.
    pub port: Option<u16>,
}

impl AwsClients {
    /// Starts a release by ECS.
    ///
    /// # Errors
    /// The call failed.
    pub async fn release(
        &self,
        cluster: &str,
        facts: &ServiceFacts,
        wanted: &ReleaseWanted<'_>,
    ) -> Result<(), DriverError> {
        let call = self
            .ecs
            .update_service()
            .cluster(cluster)
            .service(&facts.name)
            .task_definition(wanted.definition)
            .set_desired_count(wanted.tasks.map(number))
            .deployment_configuration(configuration(facts, wanted.native)?)
            .set_load_balancers(balancers(facts, wanted));
        call.send()
            .await
            .map_err(trouble("start the deployment", "ecs:UpdateService"))?;
        Ok(())
    }
}

fn configuration(
    facts: &ServiceFacts,
    native: &NativeDeployment,
) -> Result<DeploymentConfiguration, DriverError> {
    let names = &facts.deployment.alarm_names;
    let alarms = DeploymentAlarms::builder()
        .set_alarm_names(Some(names.clone()))
        .enable(!names.is_empty())
        .rollback(!names.is_empty())
        .build();
    let breaker = breaker(native.breaker)?;
    let config = DeploymentConfiguration::builder()
        .strategy(DeploymentStrategy::from(native.strategy.word()))
        .minimum_healthy_percent(native.minimum)
        .maximum_percent(native.maximum)
        .deployment_circuit_breaker(breaker)
        .alarms(built("describe the alarms", alarms)?);
    let config = match native.strategy {
        NativeStrategy::Rolling => config,
        NativeStrategy::BlueGreen { bake } => config.bake_time_in_minutes(bake),
        NativeStrategy::Linear {
            percent,
            each,
            bake,
        } => config.bake_time_in_minutes(bake).linear_configuration(
            LinearConfiguration::builder()
                .step_percent(percent)
                .step_bake_time_in_minutes(each)
                .build(),
        ),
        NativeStrategy::Canary {
            percent,
            each,
            bake,
        } => config.bake_time_in_minutes(bake).canary_configuration(
            CanaryConfiguration::builder()
                .canary_percent(percent)
                .canary_bake_time_in_minutes(each)
                .build(),
        ),
    };
    Ok(config.build())
}

/// The strategies with two target groups need to know them (ECS API reference,
/// AdvancedConfiguration).
fn balancers(facts: &ServiceFacts, wanted: &ReleaseWanted<'_>) -> Option<Vec<LoadBalancer>> {
    let deployment = &facts.deployment;
    if wanted.native.strategy == NativeStrategy::Rolling {
        return None;
    }
    let blue = facts.target_groups.get("blue").map(|it| it.arn.as_str());
    let group = wanted.group.or(blue)?;
    let other = facts
        .target_groups
        .values()
        .map(|it| it.arn.as_str())
        .find(|arn| *arn != group)?;
    let advanced = AdvancedConfiguration::builder()
        .alternate_target_group_arn(other)
        .set_production_listener_rule(deployment.production_listener_rule.clone())
        .set_test_listener_rule(deployment.test_listener_rule.clone())
        .set_role_arn(deployment.load_balancer_access_role.clone())
        .build();
    Some(vec![
        LoadBalancer::builder()
            .target_group_arn(group)
            .container_name(&facts.container)
            .container_port(i32::from(wanted.port?))
            .advanced_configuration(advanced)
            .build(),
    ])
}

/// Off without one in the manifest. Source: ECS API reference, DeploymentCircuitBreaker.
fn breaker(wanted: Option<Breaker>) -> Result<DeploymentCircuitBreaker, DriverError> {
    let sent = DeploymentCircuitBreaker::builder()
        .enable(wanted.is_some())
        .rollback(wanted.is_some_and(|breaker| breaker.rollback));
    let Some(wanted) = wanted else {
        return Ok(sent.build());
    };
    let threshold = ThresholdConfiguration::builder()
        .r#type(match wanted.threshold {
            Threshold::BoundedPercent => ThresholdType::BoundedPercent,
            Threshold::UnboundedPercent => ThresholdType::UnboundedPercent,
            Threshold::Count => ThresholdType::Count,
        })
        .value(i32::try_from(wanted.value).unwrap_or(i32::MAX))
        .build();
    Ok(sent
        .reset_on_healthy_task(wanted.reset_on_healthy)
        .threshold_configuration(built("describe the circuit breaker", threshold)?)
        .build())
}

#[cfg(test)]
mod tests {
    use super::{Breaker, Threshold, ThresholdType, breaker};

    #[test]
    fn the_breaker_is_sent_as_the_manifest_has_it() {
        let off = breaker(None).expect("it is complete");
        assert!(!off.enable() && off.threshold_configuration().is_none());
        let wanted = Breaker {
            threshold: Threshold::Count,
            value: 7,
            reset_on_healthy: false,
            rollback: false,
        };
        let sent = breaker(Some(wanted)).expect("it is complete");
        let threshold = sent.threshold_configuration().expect("it is there");
        assert!(sent.enable() && !sent.rollback());
        assert_eq!(sent.reset_on_healthy_task(), Some(false));
        assert_eq!(threshold.r#type(), &ThresholdType::Count);
        assert_eq!(threshold.value(), 7);
    }
}
