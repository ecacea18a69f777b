//! Alarms: what is watched, when it breaches, and what state that makes.
//!
//! Invariant: evaluation is a pure function of definition, history, state and time, and follows
//! CloudWatch: M of N over an evaluation range wider than N, four treatments of missing data, the
//! premature-alarm rule, low-sample percentiles. Actions belong to a [`Transition`], and there is
//! one only when the state changes. Refuses periods and counts that CloudWatch refuses (1 s and
//! 5 s are near's own), expressions that are not one series, and composites that run in circles.
//!
//! - [`AlarmDefinition`]: from the manifest; [`mod@history`]: its data points from the metrics.
//! - [`evaluate`]: a metric alarm; [`CompositeAlarm::evaluate`]: an alarm of alarms; [`order`]: who first.
//! - [`Alarms`]: all alarms of an app, evaluated as time passes; [`AlarmStatus`]: the state of one,
//!   for the journal.

mod alarm_set;
mod composite;
mod datapoints_to_alarm;
mod definition;
mod display;
mod evaluation;
mod evaluation_order;
mod history;
mod rule;
mod status;

pub use alarm_set::Alarms;
pub use composite::CompositeAlarm;
pub use definition::{
    AlarmDefinition, DatapointSource, DefinitionError, LowSamples, MOST_METRICS, MetricAlarm,
    SETTLE,
};
pub use evaluation::{DataSufficiency, Evaluation, evaluate};
pub use evaluation_order::{CompositeError, order};
pub use history::{HistorySlot, history, history_until};
pub use rule::{AlarmRule, MOST_CHILDREN, MOST_ELEMENTS, MOST_RULE, RuleError};
pub use status::{AlarmState, AlarmStatus, DataPoint, MOST_TRANSITIONS, Transition};
