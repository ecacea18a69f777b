//! Listener rules and the health of targets.

use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, ForwardActionConfig, TargetGroupTuple, TargetHealthStateEnum,
};
use neargate_core::machine::strategy::WHOLE;

use super::{AwsClients, number, trouble};
use crate::error::DriverError;

/// Two target groups of one rule, and how much the second gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleWeights {
    /// ARN of the target group of the service itself.
    pub main: String,
    /// ARN of the target group of the service that runs the new revision.
    pub visitor: String,
    /// Share of the visitor's, tenths of a percent.
    pub weight: u32,
}

/// The load balancer takes weights from 0 to 999 (ELB API reference, TargetGroupTuple).
fn weights(weight: u32) -> (u32, u32) {
    match weight.min(WHOLE) {
        0 => (100, 0),
        WHOLE => (0, 100),
        tenths => (WHOLE - tenths, tenths),
    }
}

fn share(visitor: i32, all: i32) -> u32 {
    if all <= 0 {
        return 0;
    }
    let tenths = (f64::from(visitor) * f64::from(WHOLE) / f64::from(all)).round();
    tenths as u32
}

impl AwsClients {
    /// Share of the requests that a rule gives to a target group, tenths of a percent.
    ///
    /// # Errors
    /// The call failed.
    pub async fn weight(&self, rule: &str, group: &str) -> Result<u32, DriverError> {
        let answer = self.balancer.describe_rules().rule_arns(rule).send().await;
        let answer = answer.map_err(trouble(
            "read the listener rule",
            "elasticloadbalancing:DescribeRules",
        ))?;
        let forward = answer
            .rules()
            .iter()
            .flat_map(|rule| rule.actions())
            .find_map(|action| action.forward_config());
        let groups = forward.map(|it| it.target_groups()).unwrap_or_default();
        let all: i32 = groups.iter().map(|it| it.weight().unwrap_or(1)).sum();
        let own: i32 = groups
            .iter()
            .filter(|it| it.target_group_arn() == Some(group))
            .map(|it| it.weight().unwrap_or(1))
            .sum();
        Ok(share(own, all))
    }

    /// Sets the weights of a rule. Stickiness of target groups stays as it is.
    ///
    /// # Errors
    /// The call failed.
    pub async fn set_weight(&self, rule: &str, shares: &RuleWeights) -> Result<(), DriverError> {
        let doing = "set the weights of the listener rule";
        let answer = self.balancer.describe_rules().rule_arns(rule).send().await;
        let answer = answer.map_err(trouble(doing, "elasticloadbalancing:DescribeRules"))?;
        let sticky = answer
            .rules()
            .iter()
            .flat_map(|rule| rule.actions())
            .find_map(|action| action.forward_config())
            .and_then(|forward| forward.target_group_stickiness_config().cloned());
        let (main, visitor) = weights(shares.weight);
        let group = |arn: &str, weight: u32| {
            TargetGroupTuple::builder()
                .target_group_arn(arn)
                .weight(number(weight))
                .build()
        };
        let forward = ForwardActionConfig::builder()
            .target_groups(group(&shares.main, main))
            .target_groups(group(&shares.visitor, visitor))
            .set_target_group_stickiness_config(sticky)
            .build();
        let action = Action::builder()
            .r#type(ActionTypeEnum::Forward)
            .forward_config(forward)
            .build();
        let answer = self.balancer.modify_rule().rule_arn(rule).actions(action);
        let answer = answer.send().await;
        answer.map_err(trouble(doing, "elasticloadbalancing:ModifyRule"))?;
        Ok(())
    }

    /// Healthy targets of a target group.
    ///
    /// # Errors
    /// The call failed.
    pub async fn healthy_targets(&self, group: &str) -> Result<u32, DriverError> {
        let call = self
            .balancer
            .describe_target_health()
            .target_group_arn(group);
        let answer = call.send().await.map_err(trouble(
            "read the health of targets",
            "elasticloadbalancing:DescribeTargetHealth",
        ))?;
        let healthy = answer
            .target_health_descriptions()
            .iter()
            .filter_map(|target| target.target_health()?.state())
            .filter(|state| **state == TargetHealthStateEnum::Healthy);
        Ok(u32::try_from(healthy.count()).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_what_the_load_balancer_takes_and_read_back_as_they_were() {
        for tenths in [0, 1, 50, 100, 500, 999, 1000] {
            let (main, visitor) = weights(tenths);
            assert!(main <= 999 && visitor <= 999, "{tenths}");
            let all = number(main + visitor);
            assert_eq!(share(number(visitor), all), tenths);
        }
    }
}
