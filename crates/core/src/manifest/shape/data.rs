//! Databases, caches and secrets.
//!
//! Invariant: ranges are those of RDS, ElastiCache and Secrets Manager.

use super::forms::{GENERATE, LINE, MAINTENANCE, URL, VERSION, WINDOW};
use super::{Field, Kind, Shape};

const DAY: u64 = 86_400;

pub(super) static DATABASE: Shape = Shape {
    title: "[database.NAME]",
    doc: "A database: near from the machine's own programs, far RDS.",
    also: None,
    fields: &[
        Field::new("engine", Kind::Choice(&["postgres"]), "The engine.")
            .far("RDS for PostgreSQL.")
            .required(),
        Field::new(
            "version",
            Kind::Form(&VERSION),
            "The version wanted; near runs what the machine has, and says so.",
        )
        .far("The engine version of RDS.")
        .differs("Near runs the version that the machine has."),
        Field::new(
            "url",
            Kind::Form(&URL),
            "An external server instead of an own one.",
        )
        .same(),
        Field::new(
            "backup",
            Kind::Short("retention", &BACKUP),
            "Backups: how long they are kept, or a table.",
        ),
        Field::new(
            "size",
            Kind::Form(&LINE),
            "Far: the instance class, such as `db.t4g.small`.",
        )
        .far("The instance class."),
        Field::new("multi-az", Kind::Flag, "Far: a standby in another zone.")
            .far("A standby in another zone.")
            .or("false"),
        Field::new("storage", Kind::Whole(20, 65_536), "Far: GB.")
            .far("The disk at its start, GiB.")
            .unit("GB"),
        Field::new("protect", Kind::Flag, "Far: deletion protection.")
            .far("Deletion protection.")
            .or("false"),
        Field::new(
            "maintenance",
            Kind::Form(&MAINTENANCE),
            "Far: the weekly maintenance window, UTC.",
        )
        .far("The instance's maintenance window."),
    ],
};

static BACKUP: Shape = Shape {
    title: "[database.NAME.backup]",
    doc: "Backups of a database.",
    also: None,
    fields: &[
        Field::new(
            "retention",
            Kind::Seconds(0, 35 * DAY),
            "How long they are kept: whole days; 0 days is off.",
        )
        .far("How many days back a restore can go.")
        .or("\"1d\""),
        Field::new("window", Kind::Form(&WINDOW), "When they are made, UTC.")
            .far("When the daily snapshot is taken."),
    ],
};

pub(super) static CACHE: Shape = Shape {
    title: "[cache.NAME]",
    doc: "A cache: near from the machine's own programs, far ElastiCache.",
    also: None,
    fields: &[
        Field::new("engine", Kind::Choice(&["redis", "valkey"]), "The engine.")
            .far("ElastiCache.")
            .required(),
        Field::new("version", Kind::Form(&VERSION), "The version wanted.")
            .far("The engine version of ElastiCache.")
            .differs("Near runs the version that the machine has."),
        Field::new(
            "url",
            Kind::Form(&URL),
            "An external server instead of an own one.",
        )
        .same(),
        Field::new(
            "eviction",
            Kind::Choice(&[
                "volatile-lru",
                "allkeys-lru",
                "volatile-lfu",
                "allkeys-lfu",
                "allkeys-random",
                "volatile-random",
                "volatile-ttl",
                "noeviction",
            ]),
            "Which keys go when the memory is full.",
        )
        .far("The parameter group's `maxmemory-policy`.")
        .or("\"volatile-lru\""),
        Field::new("memory", Kind::Whole(1, 1_048_576), "Near: MiB.")
            .only_near("the node type decides how much memory there is")
            .or("64")
            .unit("MiB"),
        Field::new(
            "size",
            Kind::Form(&LINE),
            "Far: the node type, such as `cache.t4g.micro`.",
        )
        .far("The node type."),
        Field::new("replicas", Kind::Whole(0, 5), "Far: replicas of a shard.")
            .far("Replicas of the one shard.")
            .or("0"),
        Field::new(
            "snapshots",
            Kind::Seconds(0, 35 * DAY),
            "Far: how long snapshots are kept: whole days; 0 days is off.",
        )
        .far("How many days daily snapshots are kept.")
        .or("\"0d\""),
    ],
};

pub(super) static SECRET: Shape = Shape {
    title: "[secret.NAME]",
    doc: "A secret value. It is never in the manifest: it is generated, or set by \
          `neargate secret set`.",
    also: None,
    fields: &[
        Field::new(
            "generate",
            Kind::Form(&GENERATE),
            "Made when it does not exist: `base64:BYTES` or `hex:BYTES`.",
        )
        .far("A secret in Secrets Manager; in a trial an encrypted parameter.")
        .differs("Near keeps secrets in its state directory, encrypted."),
        Field::new(
            "rotate",
            Kind::Seconds(4 * 3600, 1000 * DAY),
            "How often it is replaced: whole hours. Needs `generate`.",
        )
        .only_near(
            "AWS rotates only by a function of yours: set a new value with `neargate secret set`, \
             then release",
        ),
        Field::new(
            "required",
            Kind::Flag,
            "Whether the services that use it wait for it.",
        )
        .same()
        .or("true"),
    ],
};
