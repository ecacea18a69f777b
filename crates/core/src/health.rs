//! ALB's target health: thresholds, the first check, fail-open.
