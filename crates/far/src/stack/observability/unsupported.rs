//! Why CloudWatch cannot watch as an alarm of the manifest does.

use neargate_core::alarm::RuleError;
use neargate_core::metrics::math::MathError;

/// Why an alarm is left out.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(super) enum AlarmUnsupported {
    /// It has no rule, no expression and no metric.
    #[error("it watches nothing")]
    WatchesNothing,
    /// Its rule cannot be read.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// Its expression cannot be read.
    #[error(transparent)]
    Expression(#[from] MathError),
    /// Its expression is made of more metrics than one alarm may have.
    #[error("CloudWatch takes {most} metrics, it needs {needed}")]
    TooManyMetrics {
        /// Most metrics that `PutMetricAlarm` takes.
        most: usize,
        /// Metrics that the expression is made of.
        needed: usize,
    },
    /// No metric of CloudWatch's says the same.
    #[error("CloudWatch has no metric like `{0}`")]
    Metric(String),
    /// Its metric counts requests, and there is no load balancer.
    #[error("there is no load balancer that counts requests")]
    NoBalancer,
    /// Its metric counts requests of a service that the load balancer does not lead to.
    #[error("the load balancer does not count requests of `{0}`")]
    NotRouted(String),
    /// Its metric is one of a service, and it names none.
    #[error("CloudWatch has `{0}` of one service only: add `service`")]
    NoService(String),
}
