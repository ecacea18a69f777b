//! How a new revision replaces the old.
//!
//! Invariant: names and ranges are those of ECS's deployment configuration, where ECS has them.

use super::forms::NAME;
use super::{Field, Kind, Shape};

const NAMES: Kind = Kind::Many(&Kind::Form(&NAME), 10);

pub(super) static RELEASE: Shape = Shape {
    title: "[service.NAME.release]",
    doc: "How a new revision replaces the old.",
    also: None,
    fields: &[
        Field::new(
            "strategy",
            Kind::Choice(&["rolling", "linear", "canary", "blue-green"]),
            "Rolling replaces tasks; the others run both revisions and move traffic.",
        )
        .or("\"rolling\""),
        Field::new(
            "minimum-percent",
            Kind::Whole(0, 100),
            "Healthy tasks that a release never goes below, percent of desired, rounded up.",
        )
        .or("100"),
        Field::new(
            "maximum-percent",
            Kind::Whole(100, 400),
            "Tasks that a release never goes above, percent of desired, rounded down.",
        )
        .or("200"),
        Field::new(
            "steps",
            Kind::List(&Kind::Number(0.1, 100.0), 1, 50),
            "Canary: percent of traffic, rising, 100 last. `[5, 100]` when not written.",
        ),
        Field::new(
            "percent",
            Kind::Number(3.0, 100.0),
            "Linear: percent of traffic of one step, in tenths. 10 when not written.",
        ),
        Field::new(
            "interval",
            Kind::Seconds(0, 86_400),
            "Linear: between two steps, whole minutes. 6m when not written.",
        ),
        Field::new(
            "bake",
            Kind::Seconds(0, 86_400),
            "Canary: after each step (10m when not written). Linear, blue-green: at 100 percent \
             before the old revision goes (0s). Whole minutes.",
        ),
        Field::new("guard", NAMES, "Alarms that roll the release back.").or("[]"),
        Field::new(
            "low-traffic",
            Kind::Choice(&["hold", "go", "back"]),
            "What a guard with too few requests means: wait, go on, or roll back.",
        )
        .or("\"hold\""),
        Field::new(
            "before",
            NAMES,
            "Jobs in the new revision before it gets traffic.",
        )
        .or("[]"),
        Field::new("smoke", NAMES, "Jobs between the steps.").or("[]"),
        Field::new("after", NAMES, "Jobs after the release.").or("[]"),
        Field::new("on-rollback", NAMES, "Jobs after a rollback.").or("[]"),
        Field::new(
            "approve",
            Kind::Flag,
            "Waits for `neargate promote` before each step.",
        )
        .or("false"),
        Field::new(
            "breaker",
            Kind::Short("enabled", &BREAKER),
            "ECS's deployment circuit breaker: `true`, `false`, or a table.",
        )
        .filled(),
    ],
};

static BREAKER: Shape = Shape {
    title: "[service.NAME.release.breaker]",
    doc: "Ends a release whose tasks keep failing.",
    also: None,
    fields: &[
        Field::new("enabled", Kind::Flag, "Whether it is on.").or("true"),
        Field::new(
            "threshold",
            Kind::Choice(&["bounded-percent", "unbounded-percent", "count"]),
            "How `value` is read: percent of desired from 3 to 200, percent of desired, or a count.",
        )
        .or("\"bounded-percent\""),
        Field::new("value", Kind::Whole(1, 5000), "Percent (at most 100) or count.").or("50"),
        Field::new(
            "reset-on-healthy",
            Kind::Flag,
            "A healthy task sets the count of failures to 0.",
        )
        .or("true"),
        Field::new(
            "rollback",
            Kind::Flag,
            "Rolls back when it trips; otherwise the release fails where it is.",
        )
        .or("true"),
    ],
};
