//! Services, their routes, health, size and scale.
//!
//! Invariant: ranges are those of Fargate, of Application Load Balancer and of Application
//! Auto Scaling.

use super::release::RELEASE;
use super::text_formats::{
    CACHE_CONTROL, CIDR, COOKIE, FILE, FILE_NAME, FOLDER, HEADER, HOST, LINE, MATCHER, METHOD,
    PATH, PROBE, QUERY, QUERY_KEY, USE, VARIABLE,
};
use super::{KeySchema, TableSchema, ValueKind};

pub(super) const COMMAND: ValueKind = ValueKind::List(&ValueKind::Text, 1, 256);

pub(super) static SERVICE: TableSchema = TableSchema {
    title: "[service.NAME]",
    doc: "Something that runs all the time: a command, a container image, or static files.",
    also: None,
    fields: &[
        KeySchema::new(
            "build",
            ValueKind::Short("command", &BUILD),
            "Run by `sh -c` in the manifest's folder before a revision is made.",
        ),
        KeySchema::new(
            "artifact",
            ValueKind::Form(&FOLDER),
            "The file or folder that a revision snapshots; tasks run in the snapshot. Without one \
             they run in the manifest's folder, and the revision is not immutable. Near leaves out \
             `.git`, `.neargate` and the files that `.neargateignore` in the folder excludes, with \
             the rules of git's ignore files.",
        )
        .far("An image: the artifact laid on `pipeline.base`, pushed by its digest.")
        .differs(
            "Near runs the file itself, in a snapshot, without what `.neargateignore` names; the \
             image takes all of it.",
        ),
        KeySchema::new("command", COMMAND, "Program and arguments.")
            .far("The task definition's `command`."),
        KeySchema::new(
            "image",
            ValueKind::Form(&LINE),
            "A container image instead of a process.",
        )
        .far("The image of the task definition."),
        KeySchema::new(
            "static",
            ValueKind::Short("root", &STATIC),
            "Files that the router serves: a folder, or a table.",
        ),
        KeySchema::new(
            "port",
            ValueKind::Whole(1, 65535),
            "The port that the program listens on far. Near it listens on `PORT`, which is set near \
             and far. A service without a port is a worker.",
        )
        .far("The container's port, and `PORT`.")
        .differs("Near gives each task a port of its own, in `PORT`."),
        KeySchema::new(
            "route",
            ValueKind::Many(&ValueKind::Short("path", &ROUTE), 100),
            "The public requests that the service gets: a path pattern, a table, or a list of them.",
        ),
        KeySchema::new("size", ValueKind::Table(&SIZE), "CPU and memory of one task.").filled(),
        KeySchema::new(
            "health",
            ValueKind::Short("path", &HEALTH),
            "The health check of a task: a path, or a table. Default with a route: `/`; without a \
             route a task is healthy 40 s after its start.",
        ),
        KeySchema::new(
            "uses",
            ValueKind::List(&ValueKind::Form(&USE), 0, 100),
            "Injected variables: `database.NAME` as `DATABASE_URL` (`postgresql://…`), `cache.NAME` \
             as `REDIS_URL`, `secret.NAME` as its name in capitals. Each is also \
             `DATABASE_<NAME>_URL` (`REDIS_<NAME>_URL`); if there are several, the first has the \
             short name. Near the first database is also `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, \
             `PGDATABASE` and `PGSSLMODE`, except those that `env` sets; none of them if `env` names \
             a server.",
        )
        .far("Secrets of the task definition, and variables for caches.")
        .differs(
            "The address and the password of a database or cache are AWS's. Only near sets `PGHOST` \
             and its kin.",
        )
        .or("[]"),
        KeySchema::new(
            "env",
            ValueKind::Named(&VARIABLE, &ValueKind::Plain),
            "Plain environment variables. The default of `LANG` is `C.UTF-8`; a task inherits \
             nothing from the engine's or your environment.",
        )
        .far("The task definition's `environment`.")
        .differs("Far the locale is the image's."),
        KeySchema::new(
            "drain",
            ValueKind::Seconds(0, 3600),
            "Deregistration delay: the time that requests in flight have before SIGTERM; longer \
             ones are cut, as on AWS. (AWS's default is 300 s; Neargate writes this value into the \
             target group.)",
        )
        .far("The target group's deregistration delay.")
        .or("\"30s\""),
        KeySchema::new(
            "stop-timeout",
            ValueKind::Seconds(2, 120),
            "From SIGTERM to SIGKILL.",
        )
        .far("The container's `stopTimeout`.")
        .or("\"30s\""),
        KeySchema::new(
            "balance",
            ValueKind::Choice(&["round-robin", "least-outstanding", "weighted-random"]),
            "How the router picks a task.",
        )
        .far("The target group's algorithm.")
        .or("\"round-robin\""),
        KeySchema::new(
            "slow-start",
            ValueKind::Seconds(0, 900),
            "The time in which the share of a task that joins or recovers rises from nothing: 0s, \
             or 30s and more. Round robin only.",
        )
        .far("The target group's slow start.")
        .or("\"0s\""),
        KeySchema::new(
            "sticky",
            ValueKind::Short("duration", &STICKY),
            "Keeps a client on one task, and with its revision while a release shifts traffic: a duration, or a table.",
        ),
        KeySchema::new(
            "idle-timeout",
            ValueKind::Seconds(1, 4000),
            "If the task sends no byte for this long, the router answers 504. (Far it is the load \
             balancer's: the longest of all services.)",
        )
        .far("The load balancer's idle timeout: the longest of all services.")
        .differs("Near has one for each service.")
        .or("\"60s\""),
        KeySchema::new("scale", ValueKind::Short("min", &SCALE), "Number of tasks.").filled(),
        KeySchema::new(
            "release",
            ValueKind::Table(&RELEASE),
            "How a new revision replaces the old one.",
        )
        .filled(),
    ],
};

static BUILD: TableSchema = TableSchema {
    title: "[service.NAME.build]",
    doc: "How a revision's artifact is made.",
    also: None,
    fields: &[
        KeySchema::new(
            "command",
            ValueKind::Text,
            "Run by `sh -c` in the manifest's folder.",
        )
        .far("Run by `deploy` or the pipeline before the image is made.")
        .differs("Near runs it before each revision."),
        KeySchema::new("dockerfile", ValueKind::Form(&FOLDER), "Builds the image.")
            .far("Built by `deploy` or the pipeline, for the processor of the tasks."),
    ],
};

static STATIC: TableSchema = TableSchema {
    title: "[service.NAME.static]",
    doc: "A static site.",
    also: None,
    fields: &[
        KeySchema::new(
            "root",
            ValueKind::Form(&FOLDER),
            "The folder. Dot files (but for those in `/.well-known/`) and `neargate.toml` in it are \
             never served.",
        )
            .far("A bucket behind CloudFront.")
            .differs("Near the router serves the folder.")
            .required(),
        KeySchema::new("index", ValueKind::Form(&FILE_NAME), "Served for a folder.")
            .far("CloudFront's default root object; a function for folders.")
            .or("\"index.html\""),
        KeySchema::new(
            "fallback",
            ValueKind::Form(&FILE),
            "Served with 200 for a path without a file (a single-page application): one whose last \
             part has no file extension, or an unknown one if a browser navigates to it. A missing \
             asset, a missing page and a hidden path are 404. It is sent with the `Cache-Control` of \
             its own path, or `no-cache`.",
        )
        .far("A function of CloudFront requests it instead of such a path."),
        KeySchema::new(
            "not-found",
            ValueKind::Form(&FILE),
            "Served with 404 for a path without a file.",
        )
        .far("no: CloudFront answers a bare 404 where the bucket has no file."),
        KeySchema::new(
            "cache",
            ValueKind::Named(&PATH, &ValueKind::Form(&CACHE_CONTROL)),
            "`Cache-Control` by path pattern; the longest pattern that matches wins.",
        )
        .far("`Cache-Control` of the objects that a deploy writes.")
        .differs("Far, files without a rule are sent with `no-cache`."),
        KeySchema::new(
            "keep",
            ValueKind::Seconds(0, 30 * 86_400),
            "How long files of earlier revisions, but not their pages, are still served for paths \
             that the present one lacks: pages opened before a release or a rollback request them. \
             With `0s` a file is gone with its revision.",
        )
        .only_near(
            "far the files of the one revision before stay in the bucket until the next release or \
             rollback, however long that is",
        )
        .or("\"24h\""),
    ],
};

static ROUTE: TableSchema = TableSchema {
    title: "[[service.NAME.route]]",
    doc: "All given conditions must hold; the values of one key are alternatives. At most five \
     values and five wildcards in all, as in an Application Load Balancer's rule.",
    also: None,
    fields: &[
        KeySchema::new(
            "path",
            ValueKind::Many(&ValueKind::Form(&PATH), 5),
            "Path patterns with `*` and `?`.",
        )
        .far("A condition of the listener's rule."),
        KeySchema::new(
            "host",
            ValueKind::Many(&ValueKind::Form(&HOST), 5),
            "Host patterns.",
        )
        .far("A condition of the listener's rule."),
        KeySchema::new(
            "method",
            ValueKind::Many(&ValueKind::Form(&METHOD), 5),
            "Request methods.",
        )
        .far("A condition of the listener's rule."),
        KeySchema::new(
            "header",
            ValueKind::Named(&HEADER, &ValueKind::Many(&ValueKind::Form(&QUERY), 5)),
            "Headers and the patterns of their values.",
        )
        .far("A condition of the listener's rule."),
        KeySchema::new(
            "query",
            ValueKind::Named(&QUERY_KEY, &ValueKind::Many(&ValueKind::Form(&QUERY), 5)),
            "Query keys and the patterns of their values; the key `*` is any key.",
        )
        .far("A condition of the listener's rule."),
        KeySchema::new(
            "source",
            ValueKind::Many(&ValueKind::Form(&CIDR), 5),
            "Address blocks of the client.",
        )
        .far("A condition of the listener's rule.")
        .differs("Behind CloudFront the client is CloudFront."),
        KeySchema::new(
            "priority",
            ValueKind::Whole(1, 50_000),
            "Lower is tried first. Default: by how exact the route is, 10, 20, 30, …",
        )
        .far("The rule's priority."),
    ],
};

static SIZE: TableSchema = TableSchema {
    title: "[service.NAME.size]",
    doc: "One of Fargate's pairs of CPU and memory.",
    also: None,
    fields: &[
        KeySchema::new(
            "cpu",
            ValueKind::Whole(256, 16384),
            "CPU units; 1024 are one core.",
        )
        .far("Fargate's size of the task.")
        .differs("Near holds tasks to it by control groups where the machine has them.")
        .unit("CPU units, 1024 for one core")
        .or("256"),
        KeySchema::new(
            "memory",
            ValueKind::Whole(512, 122_880),
            "MiB. Default: the smallest for this `cpu`.",
        )
        .far("Fargate's size of the task.")
        .differs("Near holds tasks to it by control groups where the machine has them.")
        .unit("MiB, 1024 for one GiB"),
    ],
};

static HEALTH: TableSchema = TableSchema {
    title: "[service.NAME.health]",
    doc: "The health check of every task: by the load balancer over HTTP, or by a command in the task.",
    also: None,
    fields: &[
        KeySchema::new(
            "path",
            ValueKind::Form(&PROBE),
            "GET this path. Default without a `command`: `/`.",
        )
        .far("The target group's health check."),
        KeySchema::new(
            "command",
            COMMAND,
            "A command instead: exit code 0 is healthy.",
        )
        .far("The container's health check."),
        KeySchema::new(
            "interval",
            ValueKind::Seconds(5, 300),
            "Between two checks of a task.",
        )
        .far("The target group's interval.")
        .or("\"30s\""),
        KeySchema::new(
            "timeout",
            ValueKind::Seconds(2, 120),
            "For one check; shorter than the interval. At most 60 s for a command.",
        )
        .far("The target group's timeout.")
        .or("\"5s\""),
        KeySchema::new(
            "healthy",
            ValueKind::Whole(2, 10),
            "Successes in a row that make an unhealthy task healthy. A new task needs one.",
        )
        .far("The target group's threshold.")
        .or("5"),
        KeySchema::new(
            "unhealthy",
            ValueKind::Whole(2, 10),
            "Failures in a row that make a healthy task unhealthy.",
        )
        .far("The target group's threshold.")
        .or("2"),
        KeySchema::new(
            "matcher",
            ValueKind::Form(&MATCHER),
            "Status codes that are a success.",
        )
        .far("The target group's matcher.")
        .or("\"200\""),
        KeySchema::new(
            "grace",
            ValueKind::Seconds(0, 2_147_483_647),
            "The time from a task's start in which an unhealthy verdict does not stop it.",
        )
        .far("The service's health check grace period.")
        .or("\"0s\""),
    ],
};

static STICKY: TableSchema = TableSchema {
    title: "[service.NAME.sticky]",
    doc: "Keeps a client on one task by a cookie.",
    also: None,
    fields: &[
        KeySchema::new(
            "duration",
            ValueKind::Seconds(1, 604_800),
            "How long a client stays on its task after its last request.",
        )
        .far("The target group's stickiness.")
        .or("\"1d\""),
        KeySchema::new(
            "cookie",
            ValueKind::Form(&COOKIE),
            "The application's own cookie to follow: a client stays once a task has set it, as long \
             as the client sends it back. Without it, every client stays.",
        )
        .far("The target group's stickiness by the application's cookie."),
    ],
};

static SCALE: TableSchema = TableSchema {
    title: "[service.NAME.scale]",
    doc: "Number of tasks, and the target tracking that changes it.",
    also: None,
    fields: &[
        KeySchema::new(
            "min",
            ValueKind::Whole(0, 5000),
            "Minimum of tasks, and the number that a new service starts with.",
        )
        .far("The minimum of Application Auto Scaling, and the initial count.")
        .or("1"),
        KeySchema::new(
            "max",
            ValueKind::Whole(0, 5000),
            "Maximum of tasks. Default: `min`.",
        )
        .far("The maximum of Application Auto Scaling."),
        KeySchema::new(
            "cpu",
            ValueKind::Number(1.0, 100.0),
            "Average CPU to hold, percent.",
        )
        .far("A target tracking policy."),
        KeySchema::new(
            "memory",
            ValueKind::Number(1.0, 100.0),
            "Average memory to hold, percent.",
        )
        .far("A target tracking policy."),
        KeySchema::new(
            "requests",
            ValueKind::Number(1.0, 10_000_000.0),
            "Requests per task and minute to hold.",
        )
        .far("A target tracking policy on both target groups."),
        KeySchema::new(
            "in-cooldown",
            ValueKind::Seconds(0, 86_400),
            "After a scale-in.",
        )
        .far("The policies' scale-in cooldown.")
        .or("\"300s\""),
        KeySchema::new(
            "out-cooldown",
            ValueKind::Seconds(0, 86_400),
            "After a scale-out.",
        )
        .far("The policies' scale-out cooldown.")
        .or("\"300s\""),
    ],
};
