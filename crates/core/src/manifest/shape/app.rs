//! The whole file, its environments and the edge.
//!
//! Invariant: `[env.NAME]` may hold whatever the file may, but for what names the app.

use super::aws::AWS;
use super::data::{CACHE, DATABASE, SECRET};
use super::forms::{ADDRESS, APP, DOMAIN, NAME, REGION, REQUIRES};
use super::job::JOB;
use super::service::SERVICE;
use super::watch::{ALARM, NOTIFY, SLO};
use super::{Field, Kind, Shape};

pub(crate) static FILE: Shape = Shape {
    title: "neargate.toml",
    doc: "One app: what runs, what it needs, how it is released and watched.",
    also: Some(&ENVIRONMENT),
    fields: &[
        Field::new("app", Kind::Form(&APP), "The app's name.").required(),
        Field::new(
            "requires",
            Kind::Form(&REQUIRES),
            "The versions of Neargate that may read this file.",
        ),
        Field::new(
            "env",
            Kind::Named(&NAME, &Kind::Table(&ENVIRONMENT)),
            "What is different in an environment. Tables are laid over the file's own key by key; \
             everything else replaces. `local` is always there.",
        ),
    ],
};

pub(crate) static ENVIRONMENT: Shape = Shape {
    title: "[env.NAME]",
    doc: "Laid over the file when this environment is chosen.",
    also: None,
    fields: &[
        Field::new(
            "target",
            Kind::Choice(&["near", "aws"]),
            "Where it runs: this machine, or ECS Fargate.",
        )
        .or("\"near\""),
        Field::new(
            "region",
            Kind::Form(&REGION),
            "The AWS region; needed when the target is `aws`.",
        ),
        Field::new(
            "service",
            Kind::Named(&NAME, &Kind::Table(&SERVICE)),
            "Services by name.",
        ),
        Field::new(
            "job",
            Kind::Named(&NAME, &Kind::Table(&JOB)),
            "Jobs by name.",
        ),
        Field::new(
            "database",
            Kind::Named(&NAME, &Kind::Table(&DATABASE)),
            "Databases by name.",
        ),
        Field::new(
            "cache",
            Kind::Named(&NAME, &Kind::Table(&CACHE)),
            "Caches by name.",
        ),
        Field::new(
            "secret",
            Kind::Named(&NAME, &Kind::Table(&SECRET)),
            "Secrets by name.",
        ),
        Field::new(
            "alarm",
            Kind::Named(&NAME, &Kind::Table(&ALARM)),
            "Alarms by name.",
        ),
        Field::new(
            "slo",
            Kind::Named(&NAME, &Kind::Table(&SLO)),
            "Service level objectives by name.",
        ),
        Field::new(
            "notify",
            Kind::Named(&NAME, &Kind::Table(&NOTIFY)),
            "Webhooks that are told what happens, by name.",
        ),
        Field::new(
            "edge",
            Kind::Table(&EDGE),
            "What stands in front of the router.",
        )
        .filled(),
        Field::new(
            "aws",
            Kind::Table(&AWS),
            "What an environment on AWS is made of.",
        ),
    ],
};

static EDGE: Shape = Shape {
    title: "[edge]",
    doc: "What stands in front of the router.",
    also: None,
    fields: &[
        Field::new(
            "address",
            Kind::Form(&ADDRESS),
            "The address that near listens on.",
        )
        .or("\"127.0.0.1\""),
        Field::new(
            "port",
            Kind::Whole(1, 65535),
            "The port that near listens on.",
        )
        .or("8080"),
        Field::new(
            "expose",
            Kind::Flag,
            "Adds `X-Neargate-Revision` and `X-Neargate-Task` to every response. True in \
             `local` when not written, false elsewhere.",
        ),
        Field::new(
            "domains",
            Kind::List(&Kind::Form(&DOMAIN), 0, 25),
            "The app's domain names.",
        )
        .or("[]"),
        Field::new("https", Kind::Flag, "Sends HTTP to HTTPS.").or("false"),
        Field::new(
            "waf",
            Kind::Short("enabled", &WAF),
            "The web application firewall: `true`, or its rules.",
        ),
    ],
};

static WAF: Shape = Shape {
    title: "[edge.waf]",
    doc: "The web application firewall in front of the app.",
    also: None,
    fields: &[
        Field::new("enabled", Kind::Flag, "Whether it is on.").or("true"),
        Field::new(
            "rate-limit",
            Kind::Whole(10, 2_000_000_000),
            "Requests of one address in five minutes before it is blocked.",
        ),
        Field::new(
            "managed",
            Kind::List(&Kind::Text, 0, 20),
            "Managed rule groups by name.",
        ),
    ],
};
