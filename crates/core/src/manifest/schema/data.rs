//! Databases, caches and secrets.
//!
//! Invariant: ranges are those of RDS, ElastiCache and Secrets Manager.

use super::text_formats::{GENERATE, LINE, MAINTENANCE, URL, VERSION, WINDOW};
use super::{KeySchema, TableSchema, ValueKind};

const DAY: u64 = 86_400;

pub(super) static DATABASE: TableSchema = TableSchema {
    title: "[database.NAME]",
    doc: "A database: near from the machine's own programs, far RDS.",
    also: None,
    fields: &[
        KeySchema::new("engine", ValueKind::Choice(&["postgres"]), "The engine.")
            .far("RDS for PostgreSQL.")
            .required(),
        KeySchema::new(
            "version",
            ValueKind::Form(&VERSION),
            "The desired version; near runs the one that the machine has, and reports it.",
        )
        .far("The engine version of RDS.")
        .differs("Near runs the version that the machine has."),
        KeySchema::new(
            "url",
            ValueKind::Form(&URL),
            "An external server instead of Neargate's own.",
        )
        .same(),
        KeySchema::new(
            "backup",
            ValueKind::Short("retention", &BACKUP),
            "Backups: their retention, or a table.",
        ),
        KeySchema::new(
            "size",
            ValueKind::Form(&LINE),
            "Far: the instance class, such as `db.t4g.small`.",
        )
        .far("The instance class."),
        KeySchema::new(
            "multi-az",
            ValueKind::Flag,
            "Far: a standby in another zone.",
        )
        .far("A standby in another zone.")
        .or("false"),
        KeySchema::new("storage", ValueKind::Whole(20, 65_536), "Far: GB.")
            .far("The disk at its start, GiB.")
            .unit("GB"),
        KeySchema::new(
            "protect",
            ValueKind::Flag,
            "Far: protection against deletion.",
        )
        .far("Deletion protection.")
        .or("false"),
        KeySchema::new(
            "maintenance",
            ValueKind::Form(&MAINTENANCE),
            "Far: the weekly maintenance window, UTC.",
        )
        .far("The instance's maintenance window."),
    ],
};

static BACKUP: TableSchema = TableSchema {
    title: "[database.NAME.backup]",
    doc: "Backups of a database.",
    also: None,
    fields: &[
        KeySchema::new(
            "retention",
            ValueKind::Seconds(0, 35 * DAY),
            "How long they are kept: whole days; 0 days is off.",
        )
        .far("How many days back a restore can go.")
        .or("\"1d\""),
        KeySchema::new(
            "window",
            ValueKind::Form(&WINDOW),
            "When they are made, UTC.",
        )
        .far("When the daily snapshot is taken."),
    ],
};

pub(super) static CACHE: TableSchema = TableSchema {
    title: "[cache.NAME]",
    doc: "A cache: near from the machine's own programs, far ElastiCache.",
    also: None,
    fields: &[
        KeySchema::new(
            "engine",
            ValueKind::Choice(&["redis", "valkey"]),
            "The engine.",
        )
        .far("ElastiCache.")
        .required(),
        KeySchema::new("version", ValueKind::Form(&VERSION), "The desired version.")
            .far("The engine version of ElastiCache.")
            .differs("Near runs the version that the machine has."),
        KeySchema::new(
            "url",
            ValueKind::Form(&URL),
            "An external server instead of Neargate's own.",
        )
        .same(),
        KeySchema::new(
            "eviction",
            ValueKind::Choice(&[
                "volatile-lru",
                "allkeys-lru",
                "volatile-lfu",
                "allkeys-lfu",
                "allkeys-random",
                "volatile-random",
                "volatile-ttl",
                "noeviction",
            ]),
            "The keys to evict when the memory is full.",
        )
        .far("The parameter group's `maxmemory-policy`.")
        .or("\"volatile-lru\""),
        KeySchema::new("memory", ValueKind::Whole(1, 1_048_576), "Near: MiB.")
            .only_near("the node type decides how much memory there is")
            .or("64")
            .unit("MiB"),
        KeySchema::new(
            "size",
            ValueKind::Form(&LINE),
            "Far: the node type, such as `cache.t4g.micro`.",
        )
        .far("The node type."),
        KeySchema::new(
            "replicas",
            ValueKind::Whole(0, 5),
            "Far: replicas of a shard.",
        )
        .far("Replicas of the one shard.")
        .or("0"),
        KeySchema::new(
            "snapshots",
            ValueKind::Seconds(0, 35 * DAY),
            "Far: how long snapshots are kept: whole days; 0 days is off.",
        )
        .far("How many days daily snapshots are kept.")
        .or("\"0d\""),
    ],
};

pub(super) static SECRET: TableSchema = TableSchema {
    title: "[secret.NAME]",
    doc: "A secret value. It is never in the manifest: it is generated, or set by \
          `neargate secret set`.",
    also: None,
    fields: &[
        KeySchema::new(
            "generate",
            ValueKind::Form(&GENERATE),
            "Generated if it does not exist: `base64:BYTES` or `hex:BYTES`.",
        )
        .far("A secret in Secrets Manager; in a trial an encrypted parameter.")
        .differs("Near keeps secrets in its state directory, encrypted."),
        KeySchema::new(
            "rotate",
            ValueKind::Seconds(4 * 3600, 1000 * DAY),
            "How often it is replaced: whole hours. Needs `generate`.",
        )
        .only_near(
            "AWS rotates only by a function of yours: set a new value with `neargate secret set`, \
             then release",
        ),
        KeySchema::new(
            "required",
            ValueKind::Flag,
            "Whether services need it to start.",
        )
        .same()
        .or("true"),
    ],
};
