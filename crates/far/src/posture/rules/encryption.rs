//! What is read on the way or at rest.

use neargate_core::model::{EncryptionKey, Manifest};

use super::super::{KeyEdit, Pillar, PostureRule, RuleCheck, RuleHit, quoted, write};
use super::{HIGH, LOW, MEDIUM};
use crate::stack::{EdgeKind, LoadBalancerScheme, Stack};

pub(super) static RULES: &[PostureRule] = &[
    PostureRule {
        id: "no-tls",
        pillar: Pillar::Encryption,
        weights: [HIGH, MEDIUM, None],
        why: "Anyone on the network path can read and change what users send, including sessions.",
        change: "aws.entry = \"edge\"",
        find: RuleCheck::Far(no_tls),
    },
    PostureRule {
        id: "plain-behind-edge",
        pillar: Pillar::Encryption,
        weights: [LOW, None, None],
        why: "Anyone who can read the VPC's traffic can read the requests in it.",
        change: "edge.domains = [\"NAME\"], aws.hosted-zone = \"ZONE\"",
        find: RuleCheck::Far(plain_behind_edge),
    },
    PostureRule {
        id: "key-of-aws",
        pillar: Pillar::Encryption,
        weights: [MEDIUM, None, None],
        why: "You cannot decide who may decrypt, see that they did, or revoke the key.",
        change: "aws.key = \"customer\"",
        find: RuleCheck::Far(key_of_aws),
    },
    PostureRule {
        id: "external-database-without-tls",
        pillar: Pillar::Encryption,
        weights: [HIGH, MEDIUM, None],
        why: "Rows and the password cross other people's networks in clear text.",
        change: "database.NAME.url = \"postgres://HOST/DB?sslmode=verify-full\"",
        find: RuleCheck::Far(database_without_tls),
    },
    PostureRule {
        id: "external-cache-without-tls",
        pillar: Pillar::Encryption,
        weights: [HIGH, MEDIUM, None],
        why: "Cached data, including sessions, crosses other people's networks in clear text.",
        change: "cache.NAME.url = \"rediss://HOST\"",
        find: RuleCheck::Far(cache_without_tls),
    },
];

fn no_tls(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let front = &stack.front;
    let cloudfront = front
        .edge
        .as_ref()
        .is_some_and(|edge| edge.kind == EdgeKind::Cloudfront);
    let plain = front
        .balancer
        .is_some_and(|b| b.scheme == LoadBalancerScheme::Public && !b.tls);
    if cloudfront || !plain {
        return Vec::new();
    }
    let what = "The public load balancer speaks HTTP only: it has no domain, so no certificate.";
    let edits = vec![write("aws.entry", "\"edge\"")];
    vec![RuleHit::new("aws.entry", what, edits)]
}

/// A gateway calls its balancer by plain HTTP whatever is written, so it is not judged.
fn plain_behind_edge(manifest: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let plain = stack
        .front
        .balancer
        .is_some_and(|b| b.scheme == LoadBalancerScheme::Internal && !b.tls);
    if !plain || stack.front.gateway.is_some() {
        return Vec::new();
    }
    let domain = format!("[{}]", quoted(&format!("{}.example.com", manifest.app)));
    let what =
        "CloudFront calls the load balancer by plain HTTP: without a domain it has no certificate.";
    let edits = vec![
        write("edge.domains", domain),
        write("aws.hosted-zone", "\"Z0123456789ABCDEFGHIJ\""),
    ];
    vec![RuleHit::new("edge.domains", what, edits)]
}

fn key_of_aws(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    if stack.key == EncryptionKey::Customer {
        return Vec::new();
    }
    let what = "Data, secrets and logs use AWS's keys, and the alarm topic is not encrypted.";
    let edits = vec![write("aws.key", "\"customer\"")];
    vec![RuleHit::new("aws.key", what, edits)]
}

/// libpq's `sslmode`: only `require` and above never fall back to clear text (PostgreSQL, "SSL
/// Mode Descriptions").
fn database_without_tls(manifest: &Manifest, _: &Stack) -> Vec<RuleHit> {
    let safe = ["require", "verify-ca", "verify-full"];
    let all = manifest.databases.values();
    let written = all.filter_map(|d| Some((d, d.url.as_ref()?)));
    let plain = written.filter(|(_, url)| {
        !safe
            .iter()
            .any(|mode| url.contains(&format!("sslmode={mode}")))
    });
    plain
        .map(|(database, url)| {
            let subject = format!("database.{}", database.name);
            let what = format!("The URL of {subject} does not insist on TLS.");
            let kept: Vec<&str> = url
                .split_once('?')
                .map_or("", |(_, query)| query)
                .split('&')
                .filter(|part| !part.is_empty() && !part.starts_with("sslmode="))
                .collect();
            let bare = url.split('?').next().unwrap_or(url);
            let query: Vec<&str> = kept.into_iter().chain(["sslmode=verify-full"]).collect();
            let value = quoted(&format!("{bare}?{}", query.join("&")));
            RuleHit::new(&*subject, what, vec![url_edit(&subject, value)])
        })
        .collect()
}

fn cache_without_tls(manifest: &Manifest, _: &Stack) -> Vec<RuleHit> {
    let all = manifest.caches.values();
    let plain = all.filter_map(|cache| {
        let rest = cache.url.as_ref()?.strip_prefix("redis://")?;
        let subject = format!("cache.{}", cache.name);
        let what = format!("The URL of {subject} is redis://, which has no TLS.");
        let value = quoted(&format!("rediss://{rest}"));
        Some(RuleHit::new(
            &*subject,
            what,
            vec![url_edit(&subject, value)],
        ))
    });
    plain.collect()
}

fn url_edit(subject: &str, value: String) -> KeyEdit {
    write(format!("{subject}.url"), value)
}
