//! A row for each rule: a manifest that has it.

use neargate_far::posture::FindingSeverity;
use neargate_far::posture::FindingSeverity::{High, Low, Medium};

/// A manifest that has a finding.
pub(crate) struct Row {
    /// The rule that finds it.
    pub rule: &'static str,
    /// How bad it is there.
    pub severity: FindingSeverity,
    /// Subject of the finding.
    pub subject: &'static str,
    pub name: &'static str,
    /// Tables beside those of [`BASE`].
    pub file: &'static str,
    /// Overrides, as `--set` takes them.
    pub set: &'static [&'static str],
}

/// Tables that all environments share.
pub(crate) const BASE: &str = r#"app = "notes"
[service.api]
command = ["notes", "serve"]
artifact = "notes"
port = 3000
route = "/api/*"
uses = ["database.main", "cache.main", "secret.session"]
health = { path = "/healthz", grace = "30s" }
scale = { min = 2, max = 6, cpu = 70 }
release = { breaker = true }
[database.main]
engine = "postgres"
[cache.main]
engine = "redis"
[secret.session]
generate = "base64:32"
rotate = "30d"
"#;

/// `prod` has nothing to find, `dev` is a trial, `bare` is a production that says nothing else.
pub(crate) const FINE: &str = r#"
[env.prod]
target = "aws"
region = "eu-central-1"
database.main = { multi-az = true, protect = true, backup = { retention = "7d" } }
cache.main = { replicas = 1, snapshots = "5d" }
service.api.release.guard = ["api-failing"]
alarm.api-failing = { metric = "errors", service = "api", above = 10, missing = "not-breaching" }
edge = { waf = true, domains = ["notes.example.com"] }
aws = { grade = "production", entry = "edge", hosted-zone = "Z0123456789ABCDEFGHIJ", nat = "none", budget = 300, emails = ["ops@example.com"], trail = "365d", state-bucket = "notes-state-123456789012" }
[env.dev]
target = "aws"
region = "eu-central-1"
aws = { grade = "trial" }
[env.bare]
target = "aws"
region = "eu-central-1"
aws = { grade = "production" }
"#;

const WORKER: &str = "[service.worker]\ncommand = [\"notes\", \"work\"]\nartifact = \"notes\"\n";

/// A row of `prod` with overrides alone.
const fn prod(
    rule: &'static str,
    severity: FindingSeverity,
    subject: &'static str,
    set: &'static [&'static str],
) -> Row {
    Row {
        rule,
        severity,
        subject,
        name: "prod",
        file: "",
        set,
    }
}

impl Row {
    const fn of(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    const fn file(mut self, file: &'static str) -> Self {
        self.file = file;
        self
    }
}

/// At least one for each rule.
pub(crate) const ROWS: &[Row] = &[
    prod("no-waf", Medium, "edge.waf", &["edge.waf=false"]),
    prod("no-waf", Low, "edge.waf", &[]).of("dev"),
    prod(
        "waf-without-baseline",
        Medium,
        "edge.waf",
        &["edge.waf.managed=[\"AWSManagedRulesSQLiRuleSet\"]"],
    ),
    prod("way-out", Low, "aws.nat", &["aws.nat=gateway"]),
    prod(
        "way-out",
        Low,
        "aws.nat",
        &["aws.nat=gateway", "aws.endpoints=[\"sqs\"]"],
    ),
    prod(
        "near-edge-is-open",
        Medium,
        "edge.address",
        &["edge.address=0.0.0.0"],
    )
    .of("local"),
    prod(
        "no-tls",
        High,
        "aws.entry",
        &["aws.entry=balancer", "edge.domains=[]"],
    ),
    prod(
        "plain-behind-edge",
        Low,
        "edge.domains",
        &["edge.domains=[]"],
    ),
    prod("key-of-aws", Medium, "aws.key", &["aws.key=aws"]),
    prod("external-database-without-tls", High, "database.old", &[]).file(
        "[database.old]\nengine = \"postgres\"\nurl = \"postgres://notes@db.example.com/notes?application_name=x\"\n",
    ),
    prod("external-cache-without-tls", High, "cache.old", &[])
        .file("[cache.old]\nengine = \"redis\"\nurl = \"redis://cache.example.com:6379\"\n"),
    prod("secret-in-env", High, "service.api", &[])
        .file("[service.api.env]\nLOG = \"info\"\nSTRIPE_API_KEY = \"rk_0123456789abcdef\"\n"),
    prod("secret-in-env", High, "service.api", &[])
        .file("[service.api.env]\nUPSTREAM = \"amqp://notes:rabbit@mq.example.com/\"\n"),
    prod("secret-in-env", Medium, "service.api", &[])
        .file("[service.api.env]\nAWS_ID = \"AKIAIOSFODNN7EXAMPLE\"\n")
        .of("local"),
    prod("password-in-url", High, "database.old", &[]).file(
        "[database]\nold = { engine = \"postgres\", url = \"postgres://notes:hush@db.example.com/notes\" }\n",
    ),
    prod("secret-never-rotated", Low, "secret.other", &[])
        .file("[secret.other]\ngenerate = \"hex:16\"\n"),
    prod("no-trail", Medium, "aws.trail", &["aws.trail=0d"]),
    prod("image-by-tag", Medium, "service.proxy", &[])
        .file("[service.proxy]\nimage = \"nginx:1.27\"\n"),
    prod(
        "short-backups",
        High,
        "database.main",
        &["database.main.backup.retention=3d"],
    ),
    prod(
        "graded-as-trial",
        High,
        "aws.grade",
        &["aws.grade=trial"],
    ),
    prod(
        "cache-without-snapshots",
        Low,
        "cache.main",
        &["cache.main.snapshots=0d"],
    ),
    prod("local-state", Medium, "aws.state-bucket", &[]).of("bare"),
    prod("alarms-unheard", High, "aws.emails", &["aws.emails=[]"]),
    prod(
        "near-alarms-unheard",
        Low,
        "notify",
        &["alarm.busy={ metric = \"cpu\", service = \"api\", above = 80 }"],
    )
    .of("local"),
    prod("no-alarms", Low, "alarm", &[]).of("dev").file(WORKER),
    prod(
        "no-insights",
        Low,
        "aws.insights",
        &["aws.insights=disabled"],
    ),
    prod(
        "single-task",
        High,
        "service.api",
        &["service.api.scale={ min = 1, max = 1 }"],
    ),
    prod("single-worker", Low, "service.worker", &[]).file(WORKER),
    prod(
        "single-zone-database",
        High,
        "database.main",
        &["database.main.multi-az=false"],
    ),
    prod(
        "single-node-cache",
        Medium,
        "cache.main",
        &["cache.main.replicas=0"],
    ),
    prod(
        "shared-nat",
        Medium,
        "aws.nat",
        &["aws.nat={ kind = \"instance\", per-zone = false }"],
    ),
    prod(
        "nat-instance",
        Low,
        "aws.nat",
        &["aws.nat={ kind = \"instance\", per-zone = true }"],
    ),
    prod("mostly-spot", Medium, "aws.spot", &["aws.spot=80"]),
    prod(
        "no-breaker",
        High,
        "service.api",
        &["service.api.release.breaker=false"],
    ),
    prod(
        "unjudged-shift",
        High,
        "service.api",
        &[
            "service.api.release.guard=[]",
            "service.api.release.strategy=blue-green",
        ],
    ),
    prod(
        "guard-without-effect",
        High,
        "service.api",
        &[
            "alarm.restless={ metric = \"restarts\", service = \"api\", above = 3 }",
            "service.api.release.guard=[\"restless\"]",
        ],
    ),
    prod(
        "unjudged-rolling",
        Low,
        "service.api",
        &["service.api.release.guard=[]"],
    ),
    prod(
        "release-stops-everything",
        High,
        "service.api",
        &["service.api.release.minimum-percent=0"],
    ),
    prod(
        "health-asks-root",
        Medium,
        "service.api",
        &["service.api.health.path=/"],
    ),
    prod(
        "no-grace",
        Medium,
        "service.api",
        &["service.api.health.grace=0s"],
    ),
    prod(
        "short-drain",
        Medium,
        "service.api",
        &["service.api.drain=1s"],
    ),
    prod("no-budget", Medium, "aws.budget", &[]).of("bare"),
    prod("fixed-size", Low, "service.worker", &[]).file(WORKER),
    prod("short-logs", Low, "aws.logs", &["aws.logs=7d"]),
];
