//! The target groups and the rules between which a release shifts.

use super::api::EcsServiceState;
use super::environment::Driver;
use super::error::DriverError;
use super::terraform_outputs::ServiceFacts;

/// Target groups and listener rules (ARNs) whose weights a release moves.
pub(super) struct ShiftedGroups {
    /// The target group of the service itself.
    pub main: String,
    /// The one of the second service.
    pub visitor: String,
    /// Rules that forward to both groups.
    pub rules: Vec<String>,
    /// The port of the container.
    pub port: u16,
}

impl ShiftedGroups {
    /// Those of a service, which uses one of its two groups now.
    ///
    /// # Errors
    /// The infrastructure has not what it takes.
    pub(super) fn of(
        driver: &Driver,
        service: &str,
        seen: &EcsServiceState,
    ) -> Result<Self, DriverError> {
        let (spec, facts) = driver.service(service)?;
        let missing = |what: &str| DriverError::Missing {
            what: format!("a release by weights needs {what} of `{service}`"),
            help: "apply the infrastructure again: neargate infra apply".to_owned(),
        };
        let blue = facts.target_groups.get("blue").map(|it| it.arn.clone());
        let main = seen.group.clone().or(blue);
        let main = main.ok_or_else(|| missing("a target group"))?;
        let mut groups = facts.target_groups.values().map(|it| it.arn.clone());
        let visitor = groups.find(|arn| *arn != main);
        Ok(Self {
            visitor: visitor.ok_or_else(|| missing("a second target group"))?,
            rules: facts.rules.values().cloned().collect(),
            port: spec.port.ok_or_else(|| missing("the port"))?,
            main,
        })
    }
}

/// The name of the service that runs the new revision while a release shifts.
pub(super) fn visitor_of(facts: &ServiceFacts) -> String {
    format!("{}-next", facts.name)
}
