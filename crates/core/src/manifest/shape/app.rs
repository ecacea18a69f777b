//! The whole file, its environments and the edge.
//!
//! Invariant: `[env.NAME]` may hold whatever the file may, but for what names the app.

use super::audit::AUDIT;
use super::aws::AWS;
use super::data::{CACHE, DATABASE, SECRET};
use super::forms::{ADDRESS, APP, CIDR, DOMAIN, LINE, NAME, REGION};
use super::job::JOB;
use super::pipeline::PIPELINE;
use super::service::SERVICE;
use super::watch::{ALARM, NOTIFY, SLO};
use super::{Field, Form, Kind, Shape};

pub(crate) static FILE: Shape = Shape {
    title: "neargate.toml",
    doc: "One app: what runs, what it needs, how it is released and watched.",
    also: Some(&ENVIRONMENT),
    fields: &[
        Field::new("app", Kind::Form(&APP), "The app's name.")
            .far("Prefix of every name: `APP-ENV`.")
            .required(),
        Field::new(
            "requires",
            Kind::Form(&REQUIRES),
            "The versions of Neargate that may read this file.",
        )
        .same(),
        Field::new(
            "env",
            Kind::Named(&NAME, &Kind::Table(&ENVIRONMENT)),
            "What is different in an environment. Tables are laid over the file's own key by key; \
             everything else replaces. `local` is always there.",
        )
        .same(),
        Field::new(
            "pipeline",
            Kind::Table(&PIPELINE),
            "How the app is tested, built and released by `neargate pipeline`.",
        )
        .filled(),
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
        .same()
        .or("\"near\""),
        Field::new(
            "region",
            Kind::Form(&REGION),
            "The AWS region; needed when the target is `aws`.",
        )
        .far("The region of everything but certificates and the web ACL of CloudFront."),
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
        Field::new(
            "audit",
            Kind::Table(&AUDIT),
            "What `neargate audit` is told.",
        ),
    ],
};

static EDGE: Shape = Shape {
    title: "[edge]",
    doc: "What stands in front of the router. The router passes on no header whose name holds more \
          than letters, digits and hyphens (`X_Forwarded_For` would be `X-Forwarded-For` for CGI and \
          WSGI), nor `Proxy`. It answers `OPTIONS *` itself, by an empty 200.",
    also: None,
    fields: &[
        Field::new(
            "address",
            Kind::Form(&ADDRESS),
            "The address that near listens on.",
        )
        .only_near("only near listens on an address of the machine")
        .or("\"127.0.0.1\""),
        Field::new(
            "port",
            Kind::Whole(1, 65535),
            "The port that near listens on.",
        )
        .only_near("only near listens on a port of the machine; far it is 443, or 80")
        .or("8080"),
        Field::new(
            "expose",
            Kind::Flag,
            "Adds `X-Neargate-Revision` and `X-Neargate-Task` to every response, and while a \
             release shifts traffic, a request with the header `X-Neargate-Revision: N` reaches \
             revision N: whoever can reach the port can choose the new one before its share is \
             theirs. True in `local` when not written, false elsewhere.",
        )
        .only_near("no part of AWS adds these headers"),
        Field::new(
            "trusted",
            Kind::List(&Kind::Form(&CIDR), 0, 64),
            "Address blocks of proxies in front (TLS, a tunnel, a CDN). What they say by \
             `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Port` is believed: tasks get \
             that protocol and port, and the client in logs and in `source` is the right-most \
             address that is not in these blocks. Of others, `X-Forwarded-For` is appended to, and \
             the rest is replaced by what the router sees. `[]`: nobody.",
        )
        .only_near(
            "the load balancer always appends the address that it sees and says its own protocol \
             and port; who reaches it is up to its security group",
        )
        .or("[\"127.0.0.0/8\", \"::1/128\"]"),
        Field::new(
            "domains",
            Kind::List(&Kind::Form(&DOMAIN), 0, 25),
            "The app's domain names.",
        )
        .far("Records in Route 53 and a certificate in ACM.")
        .differs("Near answers for every name.")
        .or("[]"),
        Field::new("https", Kind::Flag, "Sends HTTP to HTTPS.")
            .far("The listener on 80 redirects with 301; TLS 1.2 and newer.")
            .differs("Near speaks plain HTTP.")
            .or("false"),
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
        Field::new("enabled", Kind::Flag, "Whether it is on.")
            .far("A web ACL in front of the entry.")
            .or("true"),
        Field::new(
            "rate-limit",
            Kind::Whole(10, 2_000_000_000),
            "Requests of one address in five minutes before it is blocked.",
        )
        .far("A rate-based rule, by address, over 5 minutes."),
        Field::new(
            "managed",
            Kind::List(&Kind::Form(&LINE), 0, 20),
            "Managed rule groups by name.",
        )
        .far("AWS's groups of these names, in this order."),
    ],
};

pub(super) static REQUIRES: Form = Form {
    what: "a version requirement",
    example: ">=0.1",
    pattern: "^[<>=~^ ]*[0-9*][0-9<>=~^*., A-Za-z+-]*$",
    check: |text| match semver::VersionReq::parse(text) {
        Ok(_) => Ok(()),
        Err(_) => Err("it is a comparison and a version, several with `,` between them".into()),
    },
};
