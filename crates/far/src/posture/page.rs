//! The page about the rules, made from the rules themselves.

use std::fmt::Write;

use super::{FindingSeverity, Pillar, PostureRule, rules};

/// A property of every environment, so that no rule asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Guarantee {
    /// The property, one sentence.
    pub says: &'static str,
    /// Files below `terraform/modules`, and lines in them without which it would not hold; blanks
    /// count as one.
    pub shown: &'static [(&'static str, &'static str)],
}

/// Properties that the modules always have.
pub const ALWAYS: &[Guarantee] = &[
    Guarantee {
        says: "Databases and caches are in isolated subnets, whose route table has no route to the internet; a database is never public, and only the services that use it may connect.",
        shown: &[
            ("network/main.tf", "route = []"),
            ("database/main.tf", "publicly_accessible = false"),
            (
                "database/main.tf",
                "for_each = var.client_security_group_ids",
            ),
            ("cache/main.tf", "for_each = var.client_security_group_ids"),
        ],
    },
    Guarantee {
        says: "Databases and caches are encrypted and refuse connections without TLS.",
        shown: &[
            ("database/main.tf", "storage_encrypted = true"),
            ("database/main.tf", "name = \"rds.force_ssl\" value = \"1\""),
            ("cache/main.tf", "at_rest_encryption_enabled = true"),
            ("cache/main.tf", "transit_encryption_mode = \"required\""),
        ],
    },
    Guarantee {
        says: "Tasks have no public address, run as user 65532, and cannot write to their root file system.",
        shown: &[
            ("service/main.tf", "assign_public_ip = false"),
            ("service/variables.tf", "optional(string, \"65532:65532\")"),
            ("service/variables.tf", "read_only = optional(bool, true)"),
        ],
    },
    Guarantee {
        says: "With a domain, or behind CloudFront, HTTP requests are only redirected to HTTPS.",
        shown: &[
            (
                "balancer/main.tf",
                "type = local.tls ? \"redirect\" : \"fixed-response\"",
            ),
            (
                "edge/main.tf",
                "viewer_protocol_policy = \"redirect-to-https\"",
            ),
        ],
    },
    Guarantee {
        says: "The VPC's flow log is kept, and every log expires.",
        shown: &[
            ("network/flow-logs.tf", "traffic_type = \"ALL\""),
            (
                "network/flow-logs.tf",
                "retention_in_days = var.flow_log_retention_days",
            ),
            (
                "service/task.tf",
                "retention_in_days = var.log_retention_days",
            ),
            (
                "database/main.tf",
                "retention_in_days = var.log_retention_days",
            ),
        ],
    },
    Guarantee {
        says: "Every database has daily backups; in production it is protected against deletion and leaves a final snapshot.",
        shown: &[
            (
                "database/main.tf",
                "backup_retention_period = var.backup.days",
            ),
            ("database/main.tf", "deletion_protection = var.protect"),
            ("database/main.tf", "skip_final_snapshot = !var.protect"),
        ],
    },
    Guarantee {
        says: "The registry scans the images that releases push, and their tags are immutable.",
        shown: &[
            ("cluster/registry.tf", "scan_on_push = true"),
            (
                "cluster/registry.tf",
                "image_tag_mutability = \"IMMUTABLE\"",
            ),
        ],
    },
    Guarantee {
        says: "A customer's key rotates every year.",
        shown: &[("secrets/main.tf", "enable_key_rotation = true")],
    },
];

const HEAD: &str = "# The audit

`neargate audit -e ENV` reports what is risky in an environment and the line of the manifest that
changes it. It reads only the manifest: no account, no network. This page is generated from the rules.

The command exits 1 if a finding of severity `high` is not accepted; `--fail-on low | medium` lowers
that bar. You accept a risk by giving the reason, for the whole file or for one environment. The report
lists its findings as accepted, and they fail nothing:

```toml
[env.prod.audit]
accept = { no-budget = \"the account has one for all apps\" }
```

`high`: one mishap is enough for an outage, a loss or a leak. `medium`: fix or accept it. `low`: worth a
line when there is time. A dash: the rule does not apply.

A `change` that contains an address, a digest, a domain, an account number or an amount is an example:
put your own there. The audit cannot see your account, what images and programs do, or changes made
outside the manifest. `scripts/judge-plan` checks IAM policies in Terraform's plan.
";

/// The reference page of the audit, in Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    page.push_str("\n## Always true\n\n");
    for always in ALWAYS {
        let _ = writeln!(page, "- {}", always.says);
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

fn row(rule: &PostureRule, page: &mut String) {
    let weights = rule
        .weights
        .map(|weight| weight.map_or("–", FindingSeverity::name));
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
