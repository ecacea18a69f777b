//! Alarms: what is watched, when it breaches, and what state that makes.
//!
//! Invariant: evaluation is a pure function of definition, history, state and time, and follows
//! CloudWatch: M of N over an evaluation range wider than N, four treatments of missing data, the
//! premature-alarm rule, low-sample percentiles. Actions belong to a [`Transition`], and there is
//! one only when the state changes. Refuses periods and counts that CloudWatch refuses (1 s and
//! 5 s are near's own), expressions that are not one series, and composites that run in circles.
//!
//! - [`Definition`]: from the manifest; [`history`]: its data points from the metrics.
//! - [`evaluate`]: a metric alarm; [`Composite::evaluate`]: an alarm of alarms; [`order`]: who first.
//! - [`Alarms`]: all alarms of an app, evaluated as time passes; [`Standing`]: the state of one,
//!   for the journal.

mod board;
mod composite;
mod definition;
mod evaluation;
mod history;
mod judge;
mod rule;
mod standing;
mod words;

pub use board::Alarms;
pub use composite::{Composite, CompositeError, order};
pub use definition::{
    Definition, DefinitionError, LowSamples, MOST_METRICS, MetricAlarm, SETTLE, Watch,
};
pub use evaluation::{Evaluation, Traffic, evaluate};
pub use history::{Slot, history, history_until};
pub use rule::{MOST_CHILDREN, MOST_ELEMENTS, MOST_RULE, Rule, RuleError};
pub use standing::{AlarmState, DataPoint, MOST_TRANSITIONS, Standing, Transition};
