//! How a new revision replaces the old.
//!
//! Invariant: names and ranges are those of ECS's deployment configuration, where ECS has them.

use super::text_formats::NAME;
use super::{KeySchema, TableSchema, ValueKind};

const NAMES: ValueKind = ValueKind::Many(&ValueKind::Form(&NAME), 10);

pub(super) static RELEASE: TableSchema = TableSchema {
    title: "[service.NAME.release]",
    doc: "How a new revision replaces the old one.",
    also: None,
    fields: &[
        KeySchema::new(
            "strategy",
            ValueKind::Choice(&["rolling", "linear", "canary", "blue-green"]),
            "Rolling replaces tasks; the others run both revisions and move traffic.",
        )
        .far("ECS's own deployment strategy.")
        .differs("Canaries of several steps are listener weights that the driver moves.")
        .or("\"rolling\""),
        KeySchema::new(
            "minimum-percent",
            ValueKind::Whole(0, 100),
            "The floor of healthy tasks during a release, percent of desired, rounded up.",
        )
        .far("The deployment's minimum healthy percent.")
        .or("100"),
        KeySchema::new(
            "maximum-percent",
            ValueKind::Whole(100, 400),
            "The ceiling of tasks during a release, percent of desired, rounded down.",
        )
        .far("The deployment's maximum percent.")
        .differs("The Terraform module takes at most 200.")
        .or("200"),
        KeySchema::new(
            "steps",
            ValueKind::List(&ValueKind::Number(0.1, 100.0), 1, 50),
            "Canary: percent of traffic, rising, 100 last. Default: `[5, 100]`.",
        )
        .far("One step: ECS's canary. More: listener weights."),
        KeySchema::new(
            "percent",
            ValueKind::Number(3.0, 100.0),
            "Linear: percent of traffic of one step, in tenths. Default: 10.",
        )
        .far("ECS's step percent."),
        KeySchema::new(
            "interval",
            ValueKind::Seconds(0, 86_400),
            "Linear: between two steps, whole minutes. Default: 6m.",
        )
        .far("ECS's step bake time."),
        KeySchema::new(
            "bake",
            ValueKind::Seconds(0, 86_400),
            "Canary: after each step (default: 10m). Linear, blue-green: at 100 percent before the \
             old revision goes (0s). Whole minutes.",
        )
        .far("ECS's canary bake time and bake time."),
        KeySchema::new("guard", NAMES, "Alarms that roll the release back.")
            .far("The deployment's alarms.")
            .differs("ECS judges the alarm as it is; near judges the new revision alone.")
            .or("[]"),
        KeySchema::new(
            "low-traffic",
            ValueKind::Choice(&["hold", "go", "back"]),
            "What a release does if a guard has too few requests: wait, continue, or roll back.",
        )
        .far("Judged where the driver moves the weights.")
        .differs("ECS's own strategies know only the alarm's state.")
        .or("\"hold\""),
        KeySchema::new(
            "before",
            NAMES,
            "Jobs in the new revision before it gets traffic.",
        )
        .far("Tasks of the new revision before the deployment; one that fails stops it.")
        .or("[]"),
        KeySchema::new("smoke", NAMES, "Jobs between the steps.")
            .far("Tasks between the steps where the driver moves the weights.")
            .differs("ECS's own strategies do not wait for them.")
            .or("[]"),
        KeySchema::new("after", NAMES, "Jobs after the release.")
            .far("Tasks after the deployment.")
            .or("[]"),
        KeySchema::new("on-rollback", NAMES, "Jobs after a rollback.")
            .far("Tasks after a rollback.")
            .or("[]"),
        KeySchema::new(
            "approve",
            ValueKind::Flag,
            "Waits for `neargate promote` before each step.",
        )
        .far("The driver waits before each step that it makes.")
        .differs("ECS's own strategies do not wait.")
        .or("false"),
        KeySchema::new(
            "breaker",
            ValueKind::Short("enabled", &BREAKER),
            "ECS's deployment circuit breaker: `true`, `false`, or a table.",
        )
        .filled(),
    ],
};

static BREAKER: TableSchema = TableSchema {
    title: "[service.NAME.release.breaker]",
    doc: "Ends a release if its tasks keep failing.",
    also: None,
    fields: &[
        KeySchema::new("enabled", ValueKind::Flag, "Whether it is on.").far("The deployment's circuit breaker.").or("true"),
        KeySchema::new(
            "threshold",
            ValueKind::Choice(&["bounded-percent", "unbounded-percent", "count"]),
            "How `value` is read: percent of desired from 3 to 200, percent of desired, or a count.",
        ).far("The circuit breaker's threshold type.")
        .or("\"bounded-percent\""),
        KeySchema::new("value", ValueKind::Whole(1, 5000), "Percent (at most 100) or count.").far("The circuit breaker's threshold.").or("50"),
        KeySchema::new(
            "reset-on-healthy",
            ValueKind::Flag,
            "A healthy task resets the failure count to 0.",
        ).far("The circuit breaker's `resetOnHealthyTask`.")
        .or("true"),
        KeySchema::new(
            "rollback",
            ValueKind::Flag,
            "Rolls back when it trips; otherwise the release fails where it is.",
        ).far("The circuit breaker's rollback.")
        .or("true"),
    ],
};
