//! Who can reach what.

use neargate_core::model::Manifest;

use super::super::{Pillar, PostureRule, RuleCheck, RuleHit, quoted, write};
use super::{LOW, MEDIUM};
use crate::stack::{EdgeKind, LoadBalancerScheme, NatMode, Stack};

/// The groups that stop what is thrown at every address: the core rule set (OWASP's top ten) and
/// known bad inputs (Log4j among them). AWS WAF, "Baseline rule groups".
const BASELINE: [&str; 2] = [
    "AWSManagedRulesCommonRuleSet",
    "AWSManagedRulesKnownBadInputsRuleSet",
];

pub(super) static RULES: &[PostureRule] = &[
    PostureRule {
        id: "no-waf",
        pillar: Pillar::Isolation,
        weights: [MEDIUM, LOW, None],
        why: "Scans, floods from one address and known attacks all reach the application.",
        change: "edge.waf = true",
        find: RuleCheck::Far(no_waf),
    },
    PostureRule {
        id: "waf-without-baseline",
        pillar: Pillar::Isolation,
        weights: [MEDIUM, LOW, None],
        why: "Known attacks that AWS's baseline rule groups would stop reach the application.",
        change: "edge.waf.managed = [\"AWSManagedRulesCommonRuleSet\", \"AWSManagedRulesKnownBadInputsRuleSet\"]",
        find: RuleCheck::Far(waf_without_baseline),
    },
    PostureRule {
        id: "way-out",
        pillar: Pillar::Isolation,
        weights: [LOW, None, None],
        why: "A compromised program can send what it reads to any address.",
        change: "aws.nat = \"none\"",
        find: RuleCheck::Far(way_out),
    },
    PostureRule {
        id: "near-edge-is-open",
        pillar: Pillar::Isolation,
        weights: [None, None, MEDIUM],
        why: "Anyone on this machine's network can use the app, in clear text.",
        change: "edge.address = \"127.0.0.1\"",
        find: RuleCheck::Anywhere(near_edge_is_open),
    },
];

/// Whether somebody on the internet reaches a part of this.
fn is_public(stack: &Stack) -> bool {
    let front = &stack.front;
    let balancer = front
        .balancer
        .is_some_and(|b| b.scheme == LoadBalancerScheme::Public);
    let cloudfront = front
        .edge
        .as_ref()
        .is_some_and(|edge| edge.kind == EdgeKind::Cloudfront);
    balancer || cloudfront || front.gateway.is_some()
}

fn no_waf(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let has = stack.front.edge.as_ref().is_some_and(|e| e.waf.is_some());
    if has || !is_public(stack) {
        return Vec::new();
    }
    let what = "The public entry has no web application firewall.";
    vec![RuleHit::new(
        "edge.waf",
        what,
        vec![write("edge.waf", "true")],
    )]
}

fn waf_without_baseline(_: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    let waf = stack.front.edge.as_ref().and_then(|edge| edge.waf.as_ref());
    let Some(waf) = waf else {
        return Vec::new();
    };
    let missing = BASELINE.into_iter();
    let missing: Vec<&str> = missing
        .filter(|group| !waf.groups.iter().any(|has| has == group))
        .collect();
    if missing.is_empty() {
        return Vec::new();
    }
    let all = waf.groups.iter().map(String::as_str);
    let all: Vec<String> = all.chain(missing.iter().copied()).map(quoted).collect();
    let value = format!("[{}]", all.join(", "));
    let what = format!("The web ACL lacks {}.", missing.join(" and "));
    let edits = vec![write("edge.waf.managed", value)];
    vec![RuleHit::new("edge.waf", what, edits)]
}

/// Endpoints that tasks of production need without a way out (Amazon ECR interface VPC endpoints,
/// considerations for Fargate; Secrets Manager for the secrets that they are given).
const ENDPOINTS: [&str; 4] = ["ecr.api", "ecr.dkr", "logs", "secretsmanager"];

fn way_out(manifest: &Manifest, stack: &Stack) -> Vec<RuleHit> {
    if stack.network.nat == NatMode::None {
        return Vec::new();
    }
    let mut edits = vec![write("aws.nat", "\"none\"")];
    // Endpoints that are not written are added by themselves.
    if let Some(written) = &manifest.aws.endpoints {
        let mut all: Vec<&str> = written.iter().map(String::as_str).collect();
        all.extend(ENDPOINTS);
        all.sort_unstable();
        all.dedup();
        let all: Vec<String> = all.into_iter().map(quoted).collect();
        edits.push(write("aws.endpoints", format!("[{}]", all.join(", "))));
    }
    let what = "Tasks may call every address on the internet, whether they need to or not.";
    vec![RuleHit::new("aws.nat", what, edits)]
}

fn near_edge_is_open(manifest: &Manifest) -> Vec<RuleHit> {
    let address = &manifest.edge.address;
    let own = address
        .parse()
        .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    if own || address == "localhost" {
        return Vec::new();
    }
    let what = format!("The edge listens on {address}, not on this machine alone.");
    let edits = vec![write("edge.address", "\"127.0.0.1\"")];
    vec![RuleHit::new("edge.address", what, edits)]
}
