//! The whole file, its environments and the edge.
//!
//! Invariant: `[env.NAME]` may hold whatever the file may, but for what names the app.

use super::audit::AUDIT;
use super::aws::AWS;
use super::data::{CACHE, DATABASE, SECRET};
use super::job::JOB;
use super::pipeline::PIPELINE;
use super::service::SERVICE;
use super::text_formats::{ADDRESS, APP, CIDR, DOMAIN, LINE, NAME, REGION};
use super::text_rules::TextRuleViolation;
use super::watch::{ALARM, NOTIFY, SLO};
use super::{KeySchema, TableSchema, TextFormat, ValueKind};

pub(crate) static FILE: TableSchema = TableSchema {
    title: "neargate.toml",
    doc: "One app: its services, their data, releases and alarms.",
    also: Some(&ENVIRONMENT),
    fields: &[
        KeySchema::new("app", ValueKind::Form(&APP), "The app's name.")
            .far("Prefix of every name: `APP-ENV`.")
            .required(),
        KeySchema::new(
            "requires",
            ValueKind::Form(&REQUIRES),
            "The versions of Neargate that may read this file.",
        )
        .same(),
        KeySchema::new(
            "env",
            ValueKind::Named(&NAME, &ValueKind::Table(&ENVIRONMENT)),
            "The differences of an environment. Its tables are merged into the file's key by key; \
             everything else replaces. `local` is always there.",
        )
        .same(),
        KeySchema::new(
            "pipeline",
            ValueKind::Table(&PIPELINE),
            "How `neargate pipeline` tests, builds and releases the app.",
        )
        .filled(),
    ],
};

pub(crate) static ENVIRONMENT: TableSchema = TableSchema {
    title: "[env.NAME]",
    doc: "Merged into the file when this environment is chosen.",
    also: None,
    fields: &[
        KeySchema::new(
            "target",
            ValueKind::Choice(&["near", "aws"]),
            "The target: this machine, or ECS on Fargate.",
        )
        .same()
        .or("\"near\""),
        KeySchema::new(
            "region",
            ValueKind::Form(&REGION),
            "The AWS region; required if the target is `aws`.",
        )
        .far("The region of everything but certificates and the web ACL of CloudFront."),
        KeySchema::new(
            "service",
            ValueKind::Named(&NAME, &ValueKind::Table(&SERVICE)),
            "Services by name.",
        ),
        KeySchema::new(
            "job",
            ValueKind::Named(&NAME, &ValueKind::Table(&JOB)),
            "Jobs by name.",
        ),
        KeySchema::new(
            "database",
            ValueKind::Named(&NAME, &ValueKind::Table(&DATABASE)),
            "Databases by name.",
        ),
        KeySchema::new(
            "cache",
            ValueKind::Named(&NAME, &ValueKind::Table(&CACHE)),
            "Caches by name.",
        ),
        KeySchema::new(
            "secret",
            ValueKind::Named(&NAME, &ValueKind::Table(&SECRET)),
            "Secrets by name.",
        ),
        KeySchema::new(
            "alarm",
            ValueKind::Named(&NAME, &ValueKind::Table(&ALARM)),
            "Alarms by name.",
        ),
        KeySchema::new(
            "slo",
            ValueKind::Named(&NAME, &ValueKind::Table(&SLO)),
            "Service level objectives by name.",
        ),
        KeySchema::new(
            "notify",
            ValueKind::Named(&NAME, &ValueKind::Table(&NOTIFY)),
            "Webhooks by name.",
        ),
        KeySchema::new(
            "edge",
            ValueKind::Table(&EDGE),
            "The entry in front of the router.",
        )
        .filled(),
        KeySchema::new(
            "aws",
            ValueKind::Table(&AWS),
            "The resources of an environment on AWS.",
        ),
        KeySchema::new(
            "audit",
            ValueKind::Table(&AUDIT),
            "Settings of `neargate audit`.",
        ),
    ],
};

static EDGE: TableSchema = TableSchema {
    title: "[edge]",
    doc: "The entry in front of the router. The router passes on no header whose name holds more \
     than letters, digits and hyphens (`X_Forwarded_For` would be `X-Forwarded-For` for CGI and \
     WSGI), nor `Proxy`. It answers `OPTIONS *` itself, with an empty 200.",
    also: None,
    fields: &[
        KeySchema::new(
            "address",
            ValueKind::Form(&ADDRESS),
            "The address that near listens on. If not written, the app keeps its present or last one.",
        )
        .only_near("only near listens on an address of the machine")
        .or("\"127.0.0.1\""),
        KeySchema::new(
            "port",
            ValueKind::Whole(1, 65535),
            "The port that near listens on. `neargate up --port` overrides it. If not written, the \
             app keeps its present or last one, also after `down`; `down --purge` forgets it.",
        )
        .only_near("only near listens on a port of the machine; far it is 443, or 80")
        .or("8080"),
        KeySchema::new(
            "expose",
            ValueKind::Flag,
            "Adds `X-Neargate-Revision` and `X-Neargate-Task` to every response, and while a \
             release shifts traffic, a request with the header `X-Neargate-Revision: N` reaches \
             revision N: anyone who can reach the port can choose the new one early. Default: true \
             in `local`, false elsewhere.",
        )
        .only_near("no part of AWS adds these headers"),
        KeySchema::new(
            "trusted",
            ValueKind::List(&ValueKind::Form(&CIDR), 0, 64),
            "Address blocks of proxies in front (TLS, a tunnel, a CDN). The router believes their \
             `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Port`: tasks get that protocol \
             and port, and the client in logs and in `source` is the right-most address that is not \
             in these blocks. For other clients the router appends to `X-Forwarded-For` and replaces \
             the rest with what it sees. `[]`: it trusts none.",
        )
        .only_near(
            "the load balancer always appends the address that it sees and says its own protocol \
             and port; its security group decides who reaches it",
        )
        .or("[\"127.0.0.0/8\", \"::1/128\"]"),
        KeySchema::new(
            "domains",
            ValueKind::List(&ValueKind::Form(&DOMAIN), 0, 25),
            "The app's domain names.",
        )
        .far("Records in Route 53 and a certificate in ACM.")
        .differs("Near answers for every name.")
        .or("[]"),
        KeySchema::new("https", ValueKind::Flag, "Redirects HTTP to HTTPS.")
            .far("The listener on 80 redirects with 301; TLS 1.2 and newer.")
            .differs("Near speaks plain HTTP.")
            .or("false"),
        KeySchema::new(
            "waf",
            ValueKind::Short("enabled", &WAF),
            "The web application firewall: `true`, or its rules.",
        ),
    ],
};

static WAF: TableSchema = TableSchema {
    title: "[edge.waf]",
    doc: "The web application firewall in front of the app.",
    also: None,
    fields: &[
        KeySchema::new("enabled", ValueKind::Flag, "Whether it is on.")
            .far("A web ACL in front of the entry.")
            .or("true"),
        KeySchema::new(
            "rate-limit",
            ValueKind::Whole(10, 2_000_000_000),
            "Requests of one address in five minutes before it is blocked.",
        )
        .far("A rate-based rule, by address, over 5 minutes."),
        KeySchema::new(
            "managed",
            ValueKind::List(&ValueKind::Form(&LINE), 0, 20),
            "Managed rule groups by name.",
        )
        .far("AWS's groups of these names, in this order."),
    ],
};

pub(super) static REQUIRES: TextFormat = TextFormat {
    what: "a version requirement",
    example: ">=0.1",
    pattern: "^[<>=~^ ]*[0-9*][0-9<>=~^*., A-Za-z+-]*$",
    check: |text| match semver::VersionReq::parse(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(TextRuleViolation::Form(
            "it is a comparison and a version, several with `,` between them",
        )),
    },
};
