//! What an environment on AWS is made of.
//!
//! Invariant: ranges are those of the Terraform modules. Defaults depend on `grade`, so they are
//! not here: the crate for AWS decides them in one place.

use super::text_formats::{CIDR, DOMAIN};
use super::text_rules::{TextRuleViolation, longest, only};
use super::{KeySchema, TableSchema, TextFormat, ValueKind};

const DAY: u64 = 86_400;

pub(super) static AWS: TableSchema = TableSchema {
    title: "[aws]",
    doc: "The resources of an environment on AWS. Near ignores it.",
    also: None,
    fields: &[
        KeySchema::new(
            "grade",
            ValueKind::Choice(&["trial", "production"]),
            "The set of defaults: `trial` is cheap and can be deleted with its data, `production` \
             survives the loss of a zone and protects data. Default if a database has `protect` or \
             `multi-az`: `production`.",
        )
        .far("Decides the defaults of this table and of sizes, copies and protection."),
        KeySchema::new(
            "entry",
            ValueKind::Choice(&["balancer", "edge", "gateway"]),
            "The public endpoint: a public load balancer, CloudFront, or an HTTP API. Default: \
             `edge` if a service is static, else `balancer`.",
        )
        .far("The modules `balancer`, `edge` or `gateway`."),
        KeySchema::new(
            "zones",
            ValueKind::Whole(2, 3),
            "Availability zones. Default: 2.",
        )
        .far("Subnets of the module `network` in that many zones."),
        KeySchema::new(
            "cidr",
            ValueKind::Form(&CIDR),
            "Addresses of the VPC, /16 to /20. Default: 10.0.0.0/16.",
        )
        .far("The VPC's addresses."),
        KeySchema::new(
            "nat",
            ValueKind::Short("kind", &NAT),
            "How tasks reach the internet: its kind, or a table. Default: one instance in a trial, \
             a gateway in each zone in production.",
        ),
        KeySchema::new(
            "endpoints",
            ValueKind::List(&ValueKind::Form(&ENDPOINT), 0, 20),
            "AWS services reached inside the VPC, each billed per hour and zone. Default: those \
             that tasks need with nat = \"none\", else none.",
        )
        .far("Interface endpoints of the module `network`."),
        KeySchema::new(
            "architecture",
            ValueKind::Choice(&["arm64", "x86-64"]),
            "The processor that tasks run on; images are built for it.",
        )
        .far("The task definition's `runtimePlatform`; images are built for it.")
        .or("\"arm64\""),
        KeySchema::new(
            "spot",
            ValueKind::Whole(0, 100),
            "Percent of tasks beyond the first that run on Fargate Spot. Default: 100 in a trial, 0 \
             in production.",
        )
        .far("The weight of FARGATE_SPOT in the service's capacity providers.")
        .unit("percent"),
        KeySchema::new(
            "hosted-zone",
            ValueKind::Form(&HOSTED_ZONE),
            "The Route 53 zone of `edge.domains`; Terraform creates certificates and records there.",
        )
        .far("Records and certificates of the modules `edge` and `balancer`."),
        KeySchema::new(
            "budget",
            ValueKind::Whole(1, 10_000_000),
            "AWS sends mail if a month costs this much, or is forecast to.",
        )
        .far("An AWS Budget of the module `observability`.")
        .unit("US dollars"),
        KeySchema::new(
            "emails",
            ValueKind::List(&ValueKind::Form(&EMAIL), 0, 10),
            "Addresses that get mail about alarms and the budget.",
        )
        .far("Subscriptions of the topic that alarms and the budget notify.")
        .or("[]"),
        KeySchema::new(
            "logs",
            ValueKind::Seconds(DAY, 731 * DAY),
            "How long logs are kept, one of CloudWatch's values. Default: 7d in a trial, 30d in \
             production.",
        )
        .far("The retention of log groups."),
        KeySchema::new(
            "trail",
            ValueKind::Seconds(0, 3653 * DAY),
            "How long CloudTrail's record of every call is kept: whole days from 90d, or 0d for no \
             trail. Default: 0d.",
        )
        .far("A trail of CloudTrail, and its bucket."),
        KeySchema::new(
            "insights",
            ValueKind::Choice(&["disabled", "enabled", "enhanced"]),
            "Container Insights: none, per service, or per task. Default: per service in \
             production, none in a trial.",
        )
        .far("The cluster's `containerInsights`."),
        KeySchema::new(
            "key",
            ValueKind::Choice(&["customer", "aws"]),
            "The key that encrypts data, secrets and logs. Default: the account's own in \
             production, AWS's in a trial.",
        )
        .far("A key of KMS, or AWS's own."),
        KeySchema::new(
            "exec",
            ValueKind::Flag,
            "Whether `exec` and `db connect` may open sessions through tasks. Their file systems \
             are then not read-only. Default: false.",
        )
        .far("ECS Exec, and what it needs, in services and their tasks."),
        KeySchema::new(
            "state-bucket",
            ValueKind::Form(&BUCKET),
            "The bucket of Terraform's state and of the records of releases, created once with the \
             `state` module. Default: Terraform's state is a local file.",
        )
        .far("The backend of Terraform's state."),
    ],
};

static NAT: TableSchema = TableSchema {
    title: "[aws.nat]",
    doc: "How tasks reach the internet.",
    also: None,
    fields: &[
        KeySchema::new(
            "kind",
            ValueKind::Choice(&["gateway", "instance", "none"]),
            "AWS's NAT gateway, a small ARM machine (a tenth of the price, less throughput), or \
             not at all.",
        )
        .far("NAT gateways or instances of the module `network`.")
        .required(),
        KeySchema::new(
            "per-zone",
            ValueKind::Flag,
            "Each zone has its own, so that the loss of a zone affects no other. Default: true in \
             production, false in a trial.",
        )
        .far("One of them in each zone."),
    ],
};

/// The short name of an AWS service that has an interface endpoint.
pub(super) static ENDPOINT: TextFormat = TextFormat {
    what: "an AWS service",
    example: "ecr.api",
    pattern: "^[a-z0-9][a-z0-9.-]{0,62}$",
    check: |text| {
        longest(text, 63)?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        only(text, allowed, "small letters, digits, `.` and `-`")
    },
};

pub(super) static HOSTED_ZONE: TextFormat = TextFormat {
    what: "the id of a hosted zone",
    example: "Z0123456789ABCDEFGHIJ",
    pattern: "^Z[A-Z0-9]{1,31}$",
    check: |text| {
        longest(text, 32)?;
        if !text.starts_with('Z') {
            return Err(TextRuleViolation::Form("Route 53 begins it with `Z`"));
        }
        let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
        only(text, allowed, "capital letters and digits")
    },
};

pub(super) static EMAIL: TextFormat = TextFormat {
    what: "an address for mail",
    example: "ops@example.com",
    pattern: "^[^@\\s]+@[^@\\s]+\\.[^@\\s]+$",
    check: |text| {
        let parts = text.split_once('@');
        let sound = |(name, host): (&str, &str)| {
            !name.is_empty() && (DOMAIN.check)(host).is_ok() && text.is_ascii()
        };
        if parts.is_some_and(sound) && !text.contains(char::is_whitespace) {
            return Ok(());
        }
        Err(TextRuleViolation::Form("it is `NAME@HOST`"))
    },
};

pub(super) static BUCKET: TextFormat = TextFormat {
    what: "the name of a bucket",
    example: "notes-123456789012-eu-central-1",
    pattern: "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
    check: |text| {
        let edge =
            |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
        if !(3..=63).contains(&text.len())
            || !edge(text.chars().next())
            || !edge(text.chars().last())
        {
            return Err(TextRuleViolation::Form(
                "it has 3 to 63 characters, a letter or digit first and last",
            ));
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        only(text, allowed, "small letters, digits, `.` and `-`")
    },
};
