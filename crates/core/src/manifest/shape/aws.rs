//! What an environment on AWS is made of.
//!
//! Invariant: ranges are those of the Terraform modules. Defaults depend on `grade`, so they are
//! not here: the crate for AWS decides them in one place.

use super::forms::{CIDR, DOMAIN, longest, only};
use super::{Field, Form, Kind, Shape};

const DAY: u64 = 86_400;

pub(super) static AWS: Shape = Shape {
    title: "[aws]",
    doc: "What an environment on AWS is made of. Near ignores it.",
    also: None,
    fields: &[
        Field::new(
            "grade",
            Kind::Choice(&["trial", "production"]),
            "Which defaults hold: `trial` is cheap and can be deleted with its data, `production` \
             loses a zone without an outage and protects what holds data. `production` when not \
             written and a database has `protect` or `multi-az`.",
        )
        .far("Decides the defaults of this table and of sizes, copies and protection."),
        Field::new(
            "entry",
            Kind::Choice(&["balancer", "edge", "gateway"]),
            "What users meet first: a public load balancer, CloudFront, or an HTTP API. `edge` \
             when not written and a service is static, else `balancer`.",
        )
        .far("The modules `balancer`, `edge` or `gateway`."),
        Field::new(
            "zones",
            Kind::Whole(2, 3),
            "Availability zones. 2 when not written.",
        )
        .far("Subnets of the module `network` in so many zones."),
        Field::new(
            "cidr",
            Kind::Form(&CIDR),
            "Addresses of the VPC, /16 to /20. 10.0.0.0/16 when not written.",
        )
        .far("The VPC's addresses."),
        Field::new(
            "nat",
            Kind::Short("kind", &NAT),
            "How tasks reach the internet: its kind, or a table. In a trial one instance when not \
             written, in production a gateway in each zone.",
        ),
        Field::new(
            "endpoints",
            Kind::List(&Kind::Form(&ENDPOINT), 0, 20),
            "AWS services that are reached inside the VPC, each paid by the hour and zone. With \
             nat = \"none\" what tasks need when not written, else none.",
        )
        .far("Interface endpoints of the module `network`."),
        Field::new(
            "architecture",
            Kind::Choice(&["arm64", "x86-64"]),
            "The processor that tasks run on; images are built for it.",
        )
        .far("The task definition's `runtimePlatform`; images are built for it.")
        .or("\"arm64\""),
        Field::new(
            "spot",
            Kind::Whole(0, 100),
            "Percent of tasks beyond the first that run on Fargate Spot. 100 in a trial when not \
             written, 0 in production.",
        )
        .far("The weight of FARGATE_SPOT in the service's capacity providers.")
        .unit("percent"),
        Field::new(
            "hosted-zone",
            Kind::Form(&HOSTED_ZONE),
            "The Route 53 zone in which `edge.domains` are; certificates and records are made there.",
        )
        .far("Records and certificates of the modules `edge` and `balancer`."),
        Field::new(
            "budget",
            Kind::Whole(1, 10_000_000),
            "A mail when a month costs this much, or is going to.",
        )
        .far("An AWS Budget of the module `observability`.")
        .unit("US dollars"),
        Field::new(
            "emails",
            Kind::List(&Kind::Form(&EMAIL), 0, 10),
            "Who gets mail about alarms and the budget.",
        )
        .far("Subscriptions of the topic that alarms and the budget notify.")
        .or("[]"),
        Field::new(
            "logs",
            Kind::Seconds(DAY, 731 * DAY),
            "How long logs are kept, one of CloudWatch's values. 7d in a trial when not written, \
             30d in production.",
        )
        .far("The retention of log groups."),
        Field::new(
            "trail",
            Kind::Seconds(0, 3653 * DAY),
            "How long CloudTrail's record of every call is kept: whole days from 90d, or 0d for no \
             trail. 0d when not written.",
        )
        .far("A trail of CloudTrail, and its bucket."),
        Field::new(
            "insights",
            Kind::Choice(&["disabled", "enabled", "enhanced"]),
            "Container Insights: none, per service, or per task. Per service in production when \
             not written, none in a trial.",
        )
        .far("The cluster's `containerInsights`."),
        Field::new(
            "key",
            Kind::Choice(&["customer", "aws"]),
            "Whose key encrypts data, secrets and logs. The account's own in production when not \
             written, AWS's in a trial.",
        )
        .far("A key of KMS, or AWS's own."),
        Field::new(
            "exec",
            Kind::Flag,
            "Whether commands and ways to databases may be opened through tasks: `exec` and \
             `db connect`. Their file systems are then not read-only. Not when not written.",
        )
        .far("ECS Exec, and what it needs, in services and their tasks."),
        Field::new(
            "state-bucket",
            Kind::Form(&BUCKET),
            "The bucket of Terraform's state and of the records of releases, made once by the \
             `state` module. Terraform's state is a local file when not written.",
        )
        .far("The backend of Terraform's state."),
    ],
};

static NAT: Shape = Shape {
    title: "[aws.nat]",
    doc: "How tasks reach the internet.",
    also: None,
    fields: &[
        Field::new(
            "kind",
            Kind::Choice(&["gateway", "instance", "none"]),
            "AWS's NAT gateway, a small ARM machine (a tenth of the price, less throughput), or \
             not at all.",
        )
        .far("NAT gateways or instances of the module `network`.")
        .required(),
        Field::new(
            "per-zone",
            Kind::Flag,
            "Each zone has its own, so that a lost zone takes no other with it. True in \
             production when not written, false in a trial.",
        )
        .far("One of them in each zone."),
    ],
};

/// The short name of an AWS service that has an interface endpoint.
pub(super) static ENDPOINT: Form = Form {
    what: "an AWS service",
    example: "ecr.api",
    pattern: "^[a-z0-9][a-z0-9.-]{0,62}$",
    check: |text| {
        longest(text, 63)?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        only(text, allowed, "small letters, digits, `.` and `-`")
    },
};

pub(super) static HOSTED_ZONE: Form = Form {
    what: "the id of a hosted zone",
    example: "Z0123456789ABCDEFGHIJ",
    pattern: "^Z[A-Z0-9]{1,31}$",
    check: |text| {
        longest(text, 32)?;
        if !text.starts_with('Z') {
            return Err("Route 53 begins it with `Z`".into());
        }
        let allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
        only(text, allowed, "capital letters and digits")
    },
};

pub(super) static EMAIL: Form = Form {
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
        Err("it is `NAME@HOST`".into())
    },
};

pub(super) static BUCKET: Form = Form {
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
            return Err("it has 3 to 63 characters, a letter or digit first and last".into());
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
        only(text, allowed, "small letters, digits, `.` and `-`")
    },
};
