//! Jobs: commands, and HTTP checks of a release.
//!
//! Invariant: a check is bounded in attempts and in time.

use super::service::COMMAND;
use super::text_formats::{AUTHORITY, HEADER, HEADER_VALUE, MATCHER, NAME, PROBE, SCHEDULE};
use super::{KeySchema, TableSchema, ValueKind};

pub(super) static JOB: TableSchema = TableSchema {
    title: "[job.NAME]",
    doc: "A task that runs once: in a release, by hand, or on a schedule.",
    also: None,
    fields: &[
        KeySchema::new(
            "service",
            ValueKind::Form(&NAME),
            "The service whose revision, size and environment it uses.",
        )
        .far("A task from the service's task definition.")
        .required(),
        KeySchema::new(
            "command",
            COMMAND,
            "Program and arguments. Write this or `http`.",
        )
        .far("An override of the task's command."),
        KeySchema::new(
            "http",
            ValueKind::Short("path", &HTTP_CHECK),
            "Near: sends a request to the new revision alone, through the router, instead of \
             running a command. Only for `smoke` and `after`.",
        )
        .only_near("the driver asks nothing over HTTP; `check` refuses it"),
        KeySchema::new(
            "timeout",
            ValueKind::Seconds(1, 86_400),
            "The job is stopped after this long and counts as failed.",
        )
        .far("The driver stops the task.")
        .differs("ECS has no timeout of its own.")
        .or("\"10m\""),
        KeySchema::new(
            "schedule",
            ValueKind::Form(&SCHEDULE),
            "`rate(5 minutes)`, or `cron(…)` with six fields, UTC.",
        )
        .far("A schedule of EventBridge, which runs a task with a role of its own.")
        .differs(
            "AWS runs the newest revision, even one that was rolled back from, and stops no task at \
             its `timeout`.",
        ),
    ],
};

static HTTP_CHECK: TableSchema = TableSchema {
    title: "[job.NAME.http]",
    doc: "A GET that the new revision must answer. Redirects are not followed. The job's log keeps \
     status and the first 200 bytes of each answer.",
    also: None,
    fields: &[
        KeySchema::new("path", ValueKind::Form(&PROBE), "GET this path.").required(),
        KeySchema::new(
            "status",
            ValueKind::Form(&MATCHER),
            "Status codes that are a success.",
        )
        .or("\"200-299\""),
        KeySchema::new("timeout", ValueKind::Seconds(1, 120), "For one attempt.").or("\"5s\""),
        KeySchema::new(
            "attempts",
            ValueKind::Whole(1, 100),
            "Maximum of attempts, a second apart, all within the job's `timeout`.",
        )
        .or("5"),
        KeySchema::new(
            "host",
            ValueKind::Form(&AUTHORITY),
            "The `Host` header. Default: the service's own address.",
        ),
        KeySchema::new(
            "headers",
            ValueKind::Named(&HEADER, &ValueKind::Form(&HEADER_VALUE)),
            "More headers. No secrets: they are part of the manifest.",
        ),
    ],
};
