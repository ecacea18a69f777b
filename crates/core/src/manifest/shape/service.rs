//! Services, their routes, health, size and scale.
//!
//! Invariant: ranges are those of Fargate, of Application Load Balancer and of Application
//! Auto Scaling.

use super::forms::{
    CACHE_CONTROL, CIDR, COOKIE, FILE, FILE_NAME, FOLDER, HEADER, HOST, LINE, MATCHER, METHOD,
    PATH, PROBE, QUERY, QUERY_KEY, USE, VARIABLE,
};
use super::release::RELEASE;
use super::{Field, Kind, Shape};

pub(super) const COMMAND: Kind = Kind::List(&Kind::Text, 1, 256);

pub(super) static SERVICE: Shape = Shape {
    title: "[service.NAME]",
    doc: "Something that runs all the time: a command, a container image, or static files.",
    also: None,
    fields: &[
        Field::new(
            "build",
            Kind::Short("command", &BUILD),
            "Run by `sh -c` in the manifest's folder before a revision is cut.",
        ),
        Field::new(
            "artifact",
            Kind::Form(&FOLDER),
            "The file or folder that a revision snapshots; tasks run in the snapshot. Without \
             one they run in the manifest's folder, and the revision is not immutable. Near \
             leaves out `.git`, `.neargate` and what `.neargateignore` in the folder names, as \
             git's ignore files do.",
        )
        .far("An image: the artifact laid on `pipeline.base`, pushed by its digest.")
        .differs(
            "Near runs the file itself, in a snapshot, without what `.neargateignore` names; the \
             image takes all of it.",
        ),
        Field::new("command", COMMAND, "Program and arguments.")
            .far("The task definition's `command`."),
        Field::new(
            "image",
            Kind::Form(&LINE),
            "A container image instead of a process.",
        )
        .far("The image of the task definition."),
        Field::new(
            "static",
            Kind::Short("root", &STATIC),
            "Files that the router serves: a folder, or a table.",
        ),
        Field::new(
            "port",
            Kind::Whole(1, 65535),
            "The port that the program listens on far. Near it listens on `PORT`, which is set \
             in both. A service without one is a worker.",
        )
        .far("The container's port, and `PORT`.")
        .differs("Near gives each task a port of its own, in `PORT`."),
        Field::new(
            "route",
            Kind::Many(&Kind::Short("path", &ROUTE), 100),
            "Which public requests it gets: a path pattern, a table, or a list of them.",
        ),
        Field::new("size", Kind::Table(&SIZE), "CPU and memory of one task.").filled(),
        Field::new(
            "health",
            Kind::Short("path", &HEALTH),
            "How a task is judged: a path, or a table. A service with a route and without this \
             is asked for `/`; one without a route is healthy 40 s after its start.",
        ),
        Field::new(
            "uses",
            Kind::List(&Kind::Form(&USE), 0, 100),
            "What is injected: `database.NAME` as `DATABASE_URL` (`postgresql://…`), `cache.NAME` as \
             `REDIS_URL`, `secret.NAME` as its name in capitals. All are `DATABASE_<NAME>_URL` \
             (`REDIS_<NAME>_URL`) too; of several the first has the short name. Near the first \
             database is also `PGHOST`, `PGPORT`, `PGUSER`, `PGPASSWORD`, `PGDATABASE` and \
             `PGSSLMODE`, but for what `env` sets; none of them where `env` names a server.",
        )
        .far("Secrets of the task definition, and variables for caches.")
        .differs(
            "The address and the password of a database or cache are AWS's. Only near sets `PGHOST` \
             and its kin.",
        )
        .or("[]"),
        Field::new(
            "env",
            Kind::Named(&VARIABLE, &Kind::Plain),
            "Plain environment variables. Without a `LANG` of its own a task has `C.UTF-8`; nothing \
             of the engine's or a person's environment is there.",
        )
        .far("The task definition's `environment`.")
        .differs("Far the locale is the image's."),
        Field::new(
            "drain",
            Kind::Seconds(0, 3600),
            "Deregistration delay: so long may requests in flight take before SIGTERM. \
             (AWS's own default is 300 s; ours is written into the target group.)",
        )
        .far("The target group's deregistration delay.")
        .or("\"30s\""),
        Field::new(
            "stop-timeout",
            Kind::Seconds(2, 120),
            "From SIGTERM to SIGKILL.",
        )
        .far("The container's `stopTimeout`.")
        .or("\"30s\""),
        Field::new(
            "balance",
            Kind::Choice(&["round-robin", "least-outstanding", "weighted-random"]),
            "How the router picks a task.",
        )
        .far("The target group's algorithm.")
        .or("\"round-robin\""),
        Field::new(
            "slow-start",
            Kind::Seconds(0, 900),
            "How long the share of a task that joins or recovers rises from nothing: 0s, or 30s and more. Round robin only.",
        )
        .far("The target group's slow start.")
        .or("\"0s\""),
        Field::new(
            "sticky",
            Kind::Short("duration", &STICKY),
            "Keeps a client on one task, and with its revision while a release shifts traffic: a duration, or a table.",
        ),
        Field::new(
            "idle-timeout",
            Kind::Seconds(1, 4000),
            "No byte from the task for this long: 504. (Far it is the load balancer's: the \
             longest of all services.)",
        )
        .far("The load balancer's idle timeout: the longest of all services.")
        .differs("Near has one for each service.")
        .or("\"60s\""),
        Field::new("scale", Kind::Short("min", &SCALE), "Number of tasks.").filled(),
        Field::new(
            "release",
            Kind::Table(&RELEASE),
            "How a new revision replaces the old.",
        )
        .filled(),
    ],
};

static BUILD: Shape = Shape {
    title: "[service.NAME.build]",
    doc: "How a revision's artifact is made.",
    also: None,
    fields: &[
        Field::new(
            "command",
            Kind::Text,
            "Run by `sh -c` in the manifest's folder.",
        )
        .far("Run by `deploy` or the pipeline before the image is made.")
        .differs("Near runs it before each revision."),
        Field::new("dockerfile", Kind::Form(&FOLDER), "Builds the image.")
            .far("Built by `deploy` or the pipeline, for the processor of the tasks."),
    ],
};

static STATIC: Shape = Shape {
    title: "[service.NAME.static]",
    doc: "A static site.",
    also: None,
    fields: &[
        Field::new(
            "root",
            Kind::Form(&FOLDER),
            "The folder. Dot files (but for those in `/.well-known/`) and `neargate.toml` in it are \
             never served.",
        )
            .far("A bucket behind CloudFront.")
            .differs("Near the router serves the folder.")
            .required(),
        Field::new("index", Kind::Form(&FILE_NAME), "Served for a folder.")
            .far("CloudFront's default root object; a function for folders.")
            .or("\"index.html\""),
        Field::new(
            "fallback",
            Kind::Form(&FILE),
            "Served with 200 for a path without a file (a single-page application): one whose last \
             part has no ending, or an unknown one where a browser goes to it. A missing asset, a \
             missing page's file and a hidden path are 404. It is sent with the `Cache-Control` of \
             its own path, or `no-cache`.",
        )
        .far("A function of CloudFront asks for it instead of such a path."),
        Field::new(
            "not-found",
            Kind::Form(&FILE),
            "Served with 404 for a path without a file.",
        )
        .far("no: CloudFront answers a bare 404 where the bucket has no file."),
        Field::new(
            "cache",
            Kind::Named(&PATH, &Kind::Form(&CACHE_CONTROL)),
            "`Cache-Control` by path pattern; the longest pattern that matches wins.",
        )
        .far("`Cache-Control` of the objects that a deploy writes.")
        .differs("Far, what no rule names is sent `no-cache`."),
        Field::new(
            "keep",
            Kind::Seconds(0, 30 * 86_400),
            "How long the files of a revision that serves no more are still found, where the present \
             one has no file of that path: pages that were opened before a release or a rollback ask \
             for them. Not its pages. With `0s` a file is gone with its revision.",
        )
        .only_near(
            "far the files of the one revision before stay in the bucket until the next release or \
             rollback, however long that is",
        )
        .or("\"24h\""),
    ],
};

static ROUTE: Shape = Shape {
    title: "[[service.NAME.route]]",
    doc: "All that is given must hold; the values of one key are alternatives. At most five \
          values and five wildcards in all, as in an Application Load Balancer's rule.",
    also: None,
    fields: &[
        Field::new(
            "path",
            Kind::Many(&Kind::Form(&PATH), 5),
            "Path patterns with `*` and `?`.",
        )
        .far("A condition of the listener's rule."),
        Field::new("host", Kind::Many(&Kind::Form(&HOST), 5), "Host patterns.")
            .far("A condition of the listener's rule."),
        Field::new(
            "method",
            Kind::Many(&Kind::Form(&METHOD), 5),
            "Request methods.",
        )
        .far("A condition of the listener's rule."),
        Field::new(
            "header",
            Kind::Named(&HEADER, &Kind::Many(&Kind::Form(&QUERY), 5)),
            "Headers and the patterns of their values.",
        )
        .far("A condition of the listener's rule."),
        Field::new(
            "query",
            Kind::Named(&QUERY_KEY, &Kind::Many(&Kind::Form(&QUERY), 5)),
            "Query keys and the patterns of their values; the key `*` is any key.",
        )
        .far("A condition of the listener's rule."),
        Field::new(
            "source",
            Kind::Many(&Kind::Form(&CIDR), 5),
            "Address blocks of the client.",
        )
        .far("A condition of the listener's rule.")
        .differs("Behind CloudFront the client is CloudFront."),
        Field::new(
            "priority",
            Kind::Whole(1, 50_000),
            "Lower is tried first. When not written: by how exact the route is, 10, 20, 30, …",
        )
        .far("The rule's priority."),
    ],
};

static SIZE: Shape = Shape {
    title: "[service.NAME.size]",
    doc: "One of Fargate's pairs of CPU and memory.",
    also: None,
    fields: &[
        Field::new(
            "cpu",
            Kind::Whole(256, 16384),
            "CPU units; 1024 are one core.",
        )
        .far("Fargate's size of the task.")
        .differs("Near holds tasks to it by control groups where the machine has them.")
        .unit("CPU units, 1024 for one core")
        .or("256"),
        Field::new(
            "memory",
            Kind::Whole(512, 122_880),
            "MiB. When not written: the least that goes with `cpu`.",
        )
        .far("Fargate's size of the task.")
        .differs("Near holds tasks to it by control groups where the machine has them.")
        .unit("MiB, 1024 for one GiB"),
    ],
};

static HEALTH: Shape = Shape {
    title: "[service.NAME.health]",
    doc: "Asked of every task: by the load balancer over HTTP, or by a command in the task.",
    also: None,
    fields: &[
        Field::new(
            "path",
            Kind::Form(&PROBE),
            "GET this path. `/` when there is no `command`.",
        )
        .far("The target group's health check."),
        Field::new(
            "command",
            COMMAND,
            "A command instead: exit code 0 is healthy.",
        )
        .far("The container's health check."),
        Field::new(
            "interval",
            Kind::Seconds(5, 300),
            "Between two checks of a task.",
        )
        .far("The target group's interval.")
        .or("\"30s\""),
        Field::new(
            "timeout",
            Kind::Seconds(2, 120),
            "For one check; shorter than the interval. At most 60 s for a command.",
        )
        .far("The target group's timeout.")
        .or("\"5s\""),
        Field::new(
            "healthy",
            Kind::Whole(2, 10),
            "Successes in a row that make an unhealthy task healthy. A new task needs one.",
        )
        .far("The target group's threshold.")
        .or("5"),
        Field::new(
            "unhealthy",
            Kind::Whole(2, 10),
            "Failures in a row that make a healthy task unhealthy.",
        )
        .far("The target group's threshold.")
        .or("2"),
        Field::new(
            "matcher",
            Kind::Form(&MATCHER),
            "Status codes that are a success.",
        )
        .far("The target group's matcher.")
        .or("\"200\""),
        Field::new(
            "grace",
            Kind::Seconds(0, 2_147_483_647),
            "From a task's start: an unhealthy verdict does not stop it.",
        )
        .far("The service's health check grace period.")
        .or("\"0s\""),
    ],
};

static STICKY: Shape = Shape {
    title: "[service.NAME.sticky]",
    doc: "Keeps a client on one task by a cookie.",
    also: None,
    fields: &[
        Field::new(
            "duration",
            Kind::Seconds(1, 604_800),
            "How long a client stays after its last request.",
        )
        .far("The target group's stickiness.")
        .or("\"1d\""),
        Field::new(
            "cookie",
            Kind::Form(&COOKIE),
            "The application's own cookie to follow: a client stays from when a task sets it, as long as it brings it back. Without one, every client stays.",
        )
        .far("The target group's stickiness by the application's cookie."),
    ],
};

static SCALE: Shape = Shape {
    title: "[service.NAME.scale]",
    doc: "Number of tasks, and the target tracking that changes it.",
    also: None,
    fields: &[
        Field::new(
            "min",
            Kind::Whole(0, 5000),
            "Fewest tasks, and where a new service starts.",
        )
        .far("The least of Application Auto Scaling, and the first count.")
        .or("1"),
        Field::new(
            "max",
            Kind::Whole(0, 5000),
            "Most tasks. When not written: `min`.",
        )
        .far("The most of Application Auto Scaling."),
        Field::new(
            "cpu",
            Kind::Number(1.0, 100.0),
            "Average CPU to hold, percent.",
        )
        .far("A target tracking policy."),
        Field::new(
            "memory",
            Kind::Number(1.0, 100.0),
            "Average memory to hold, percent.",
        )
        .far("A target tracking policy."),
        Field::new(
            "requests",
            Kind::Number(1.0, 10_000_000.0),
            "Requests per task and minute to hold.",
        )
        .far("A target tracking policy on both target groups."),
        Field::new("in-cooldown", Kind::Seconds(0, 86_400), "After a scale-in.")
            .far("The policies' scale-in cooldown.")
            .or("\"300s\""),
        Field::new(
            "out-cooldown",
            Kind::Seconds(0, 86_400),
            "After a scale-out.",
        )
        .far("The policies' scale-out cooldown.")
        .or("\"300s\""),
    ],
};
