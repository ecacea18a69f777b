//! The page about the rules, made from the rules themselves.

use std::fmt::Write;

use super::{Pillar, Rule, Severity, rules};

/// What the modules always do, so that no rule asks for it.
pub const ALWAYS: &[&str] = &[
    "Databases and caches are in isolated subnets, whose route table has no way to the internet; a database is never public, and only the services that use it may connect.",
    "Databases, caches, secrets, logs and buckets are encrypted; databases and caches of ours refuse connections without TLS.",
    "Tasks are in private subnets without an address of their own, run as user 65532, and cannot write to their root file system.",
    "With a domain, or behind CloudFront, HTTP is only redirected to HTTPS.",
    "Policies name their resources; where AWS takes only `*` there is a condition or a reason beside it.",
    "Every log has an end, and the VPC's flow log is kept; in production the load balancer's access log too.",
    "Every database has daily backups and grows its disk by itself; in production it cannot be deleted, and a last snapshot is kept.",
    "Production has alarms on every service, database, cache, balancer and gateway.",
    "Images that releases build are scanned, and their tags cannot be moved.",
    "A customer's key is rotated every year.",
];

const HEAD: &str = "# The audit

`neargate audit -e ENV` says what is risky in an environment and which line of the manifest changes
it. It reads the manifest alone: no account, no network. This page is made from the rules.

It ends with 1 when there is a finding of severity `high` that nobody accepted, or from
`--fail-on low | medium` on. A risk that you live with is accepted with its reason, in the file or in
one environment; its findings are shown as accepted and fail nothing:

```toml
[env.prod.audit]
accept = { no-budget = \"the account has one for all apps\" }
```

What `high`, `medium` and `low` mean: one mishap is enough for an outage, a loss or a leak; to be
mended or accepted; worth a line when there is time. A dash: not judged there.

A `change` that writes an address, a digest, a domain, an account's number or a sum is an example: put
your own there. What the audit cannot see: your account, what images and programs do, and whatever was
changed beside the manifest.
";

/// The page.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## What needs no rule\n\n");
    for always in ALWAYS {
        let _ = writeln!(page, "- {always}");
    }
    let mut before: Option<Pillar> = None;
    for rule in rules() {
        if before != Some(rule.pillar) {
            let title = rule.pillar.name();
            let _ = write!(page, "\n## {}\n", capital(title));
            page.push_str("\n| rule | production | trial | near | why | change |\n|---|---|---|---|---|---|\n");
            before = Some(rule.pillar);
        }
        row(rule, &mut page);
    }
    page
}

fn row(rule: &Rule, page: &mut String) {
    let weights = rule
        .weights
        .map(|weight| weight.map_or("–", Severity::name));
    let [production, trial, near] = weights;
    let (id, why) = (rule.id, rule.why);
    let change = rule.change.replace('|', "\\|");
    let _ = writeln!(
        page,
        "| `{id}` | {production} | {trial} | {near} | {why} | `{change}` |"
    );
}

fn capital(word: &str) -> String {
    let mut all = word.chars();
    let first = all.next().into_iter().flat_map(char::to_uppercase);
    first.chain(all).collect()
}
