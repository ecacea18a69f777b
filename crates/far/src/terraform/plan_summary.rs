//! What a plan means, from `terraform show -json`.
//!
//! Invariant: nothing that Terraform would do is left out, and whatever holds data and would go is
//! a risk. Source: JSON Output Format of Terraform, "Plan Representation" and "Change
//! Representation" (format 1.x).

mod bill;
mod password;

use serde::Serialize;
use serde_json::Value;

pub use bill::{MonthlyBill, OUTPUT};

/// A plan in words.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct PlanSummary {
    /// Changes that would be made, in the order of the plan.
    pub changes: Vec<ResourceChange>,
    /// Data that would be lost.
    pub risks: Vec<DataLoss>,
    /// Things that would be interrupted for a while.
    pub interruptions: Vec<String>,
    /// Resources that AWS refuses to delete as they are now.
    pub protected: Vec<String>,
    /// Databases, as the manifest calls them, whose URL would be written with a password that they
    /// do not have: an apply was interrupted between the two.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unmatched: Vec<String>,
    /// Cost of a month, before and after.
    pub monthly: Option<MonthlyBill>,
}

/// Change that would be made to one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ResourceChange {
    /// Terraform's address of the resource, such as `module.database.aws_db_instance.this`.
    pub address: String,
    /// Create, update, replace, delete or forget.
    pub action: ResourceAction,
    /// Attributes that force a replacement.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

/// Action on a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceAction {
    /// It is made.
    Create,
    /// It is changed where it is.
    Update,
    /// It goes and another comes.
    Replace,
    /// The resource is destroyed.
    Delete,
    /// It stays, and Terraform no longer knows it.
    Forget,
}

/// Data that would be lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DataLoss {
    /// Terraform's address of the resource.
    pub address: String,
    /// In a sentence.
    pub words: String,
}

/// Types that hold what cannot be made again, and what is lost.
const DATA: [(&str, &str); 8] = [
    ("aws_db_instance", "the database and all that is in it"),
    (
        "aws_elasticache_replication_group",
        "everything in the cache",
    ),
    ("aws_s3_bucket", "the files in the bucket"),
    ("aws_secretsmanager_secret", "the secret's value"),
    ("aws_ssm_parameter", "the parameter's value"),
    (
        "aws_ecr_repository",
        "the images, and with them rollbacks to older revisions",
    ),
    ("aws_kms_key", "everything encrypted with the key"),
    ("aws_cloudwatch_log_group", "the logs"),
];

/// Changes in place that AWS makes by starting something again.
const INTERRUPTING: [(&str, &str, &str); 4] = [
    (
        "aws_db_instance",
        "instance_class",
        "restarts in its maintenance window: about a minute, with a standby less",
    ),
    (
        "aws_db_instance",
        "engine_version",
        "is upgraded in its maintenance window and is unavailable meanwhile",
    ),
    (
        "aws_elasticache_replication_group",
        "node_type",
        "moves to other nodes: seconds of refused connections",
    ),
    (
        "aws_elasticache_replication_group",
        "engine_version",
        "is upgraded node by node: seconds of refused connections",
    ),
];

/// Attributes by which AWS refuses to delete.
const PROTECTION: [&str; 2] = ["deletion_protection", "enable_deletion_protection"];

impl PlanSummary {
    /// Reads a plan.
    #[must_use]
    pub fn of(plan: &Value) -> Self {
        let mut meaning = Self::default();
        for resource in plan["resource_changes"].as_array().into_iter().flatten() {
            meaning.read(resource);
        }
        let unmatched = password::unmatched(plan).into_iter();
        meaning.unmatched = unmatched
            .map(|module| named(&module).unwrap_or(module))
            .collect();
        meaning.monthly = MonthlyBill::of(plan);
        meaning
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    fn read(&mut self, resource: &Value) {
        let change = &resource["change"];
        let Some(action) = action(change) else { return };
        let text = |key: &str| resource[key].as_str().unwrap_or_default();
        let (address, kind) = (text("address"), text("type"));
        let because = paths(&change["replace_paths"]);
        let goes = matches!(action, ResourceAction::Replace | ResourceAction::Delete);
        let holds = DATA.iter().find(|(data, _)| *data == kind);
        if let Some((_, lost)) = holds.filter(|_| goes && is_kept(address)) {
            self.risks.push(DataLoss {
                address: address.to_owned(),
                words: risk(address, action, lost, &because),
            });
        }
        let before = &change["before"];
        if goes
            && PROTECTION
                .iter()
                .any(|key| before[*key] == Value::Bool(true))
        {
            self.protected.push(address.to_owned());
        }
        if action == ResourceAction::Update {
            let differs = |key: &str| before[key] != change["after"][key];
            let hit = INTERRUPTING
                .iter()
                .filter(|(of, key, _)| *of == kind && differs(key));
            let words = hit.map(|(_, _, words)| format!("{} {words}", part(address)));
            self.interruptions.extend(words);
        }
        self.changes.push(ResourceChange {
            address: address.to_owned(),
            action,
            because,
        });
    }

    fn count(&self, action: ResourceAction) -> usize {
        self.changes.iter().filter(|c| c.action == action).count()
    }

    /// For people, a line each.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let bill = self.monthly.map(|bill| bill.to_string());
        if self.is_empty() {
            let nothing = "nothing to do: AWS is as the manifest says".to_owned();
            let differs = self.monthly.is_some_and(|bill| bill.differs());
            let bill = bill.filter(|_| differs);
            return std::iter::once(nothing).chain(bill).collect();
        }
        let mut lines = vec![self.counts()];
        lines.extend(bill);
        self.details(&mut lines);
        lines
    }

    fn counts(&self) -> String {
        let mut counts: Vec<String> = Vec::new();
        for (action, words) in [
            (ResourceAction::Create, "to make"),
            (ResourceAction::Update, "to change"),
            (ResourceAction::Replace, "to replace"),
            (ResourceAction::Delete, "to destroy"),
            (ResourceAction::Forget, "to leave to others"),
        ] {
            let count = self.count(action);
            if count > 0 {
                counts.push(format!("{count} {words}"));
            }
        }
        counts.join(", ")
    }

    fn details(&self, lines: &mut Vec<String>) {
        for change in self
            .changes
            .iter()
            .filter(|c| c.action == ResourceAction::Replace)
        {
            let why = match change.because.is_empty() {
                true => String::new(),
                false => format!(", because {} cannot be changed", change.because.join(", ")),
            };
            lines.push(format!("replaced: {}{why}", change.address));
        }
        for change in self
            .changes
            .iter()
            .filter(|c| c.action == ResourceAction::Delete)
        {
            lines.push(format!("destroyed: {}", change.address));
        }
        lines.extend(
            self.interruptions
                .iter()
                .map(|words| format!("interrupted: {words}")),
        );
        lines.extend(
            self.risks
                .iter()
                .map(|risk| format!("data at risk: {}", risk.words)),
        );
        lines.extend(self.unmatched.iter().map(|database| {
            format!("password mismatch: {database} would get a URL with a password it does not have, because an apply was interrupted")
        }));
        if self.risks.is_empty() {
            lines.push("no data is at risk".to_owned());
        }
    }
}

/// The action; nothing for a resource that is only read or stays.
fn action(change: &Value) -> Option<ResourceAction> {
    let all: Vec<&str> = change["actions"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .collect();
    match all[..] {
        ["create"] => Some(ResourceAction::Create),
        ["update"] => Some(ResourceAction::Update),
        ["delete"] => Some(ResourceAction::Delete),
        ["delete", "create"] | ["create", "delete"] => Some(ResourceAction::Replace),
        ["forget"] | ["create", "forget"] | ["forget", "create"] => Some(ResourceAction::Forget),
        _ => None,
    }
}

/// `[["a", 0, "b"]]` as `a.0.b`.
fn paths(value: &Value) -> Vec<String> {
    let path = |path: &Value| {
        let parts = path
            .as_array()
            .into_iter()
            .flatten()
            .map(|part| match part {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
        parts.collect::<Vec<_>>().join(".")
    };
    value.as_array().into_iter().flatten().map(path).collect()
}

/// The driver's own parameter is written anew by Terraform itself.
fn is_kept(address: &str) -> bool {
    address != "aws_ssm_parameter.driver"
}

fn risk(address: &str, action: ResourceAction, lost: &str, because: &[String]) -> String {
    let what = match action {
        ResourceAction::Replace => "would be replaced by an empty one",
        _ => "would be destroyed",
    };
    let why = match because.is_empty() {
        true => String::new(),
        false => format!(", because {} cannot be changed", because.join(", ")),
    };
    format!("{} {what}{why}: {lost} would be lost", part(address))
}

/// The part that a resource belongs to, as the manifest calls it, and its address.
fn part(address: &str) -> String {
    match named(address) {
        Some(name) => format!("{name} ({address})"),
        None => address.to_owned(),
    }
}

/// The part that a resource belongs to, as the manifest calls it; nothing for one that many parts
/// share.
fn named(address: &str) -> Option<String> {
    let module = address.strip_prefix("module.")?.split('.').next()?;
    let (kind, name) = module.split_once('_')?;
    let known = matches!(kind, "database" | "cache" | "service" | "job");
    known.then(|| format!("{kind}.{}", name.replace('_', "-")))
}

#[cfg(test)]
mod tests {
    use super::PlanSummary;
    use serde_json::json;

    fn change(
        address: &str,
        kind: &str,
        actions: &[&str],
        more: &serde_json::Value,
    ) -> serde_json::Value {
        let mut change = json!({ "actions": actions });
        for (key, value) in more.as_object().expect("a table") {
            change[key] = value.clone();
        }
        json!({ "address": address, "type": kind, "change": change })
    }

    #[test]
    fn a_replaced_database_is_data_at_risk_and_says_why() {
        let plan = json!({ "resource_changes": [
            change("module.database_main.aws_db_instance.this", "aws_db_instance", &["delete", "create"],
                &json!({ "replace_paths": [["storage_encrypted"]], "before": { "deletion_protection": true } })),
            change("module.network.aws_vpc.this", "aws_vpc", &["no-op"], &json!({})),
            change("data.aws_region.current", "aws_region", &["read"], &json!({})),
            change("module.cluster.aws_ecs_cluster.this", "aws_ecs_cluster", &["create"], &json!({})),
        ]});
        let meaning = PlanSummary::of(&plan);
        assert_eq!(
            meaning.protected,
            ["module.database_main.aws_db_instance.this"]
        );
        assert_eq!(
            meaning.describe(),
            [
                "1 to make, 1 to replace",
                "replaced: module.database_main.aws_db_instance.this, because storage_encrypted cannot be changed",
                "data at risk: database.main (module.database_main.aws_db_instance.this) would be replaced by an empty one, because storage_encrypted cannot be changed: the database and all that is in it would be lost",
            ]
        );
    }

    #[test]
    fn a_greater_instance_interrupts_and_loses_nothing() {
        let plan = json!({ "resource_changes": [
            change("module.database_main.aws_db_instance.this", "aws_db_instance", &["update"],
                &json!({ "before": { "instance_class": "db.t4g.micro" }, "after": { "instance_class": "db.t4g.small" } })),
        ]});
        let words = PlanSummary::of(&plan).describe();
        assert_eq!(words[0], "1 to change");
        assert!(
            words[1].starts_with("interrupted: database.main"),
            "{words:?}"
        );
        assert_eq!(words[2], "no data is at risk");
    }

    #[test]
    fn the_parameter_of_the_driver_is_no_data() {
        let plan = json!({ "resource_changes": [
            change("aws_ssm_parameter.driver", "aws_ssm_parameter", &["delete"], &json!({})),
            change("module.secrets.aws_ssm_parameter.this[\"session\"]", "aws_ssm_parameter", &["delete"], &json!({})),
        ]});
        let meaning = PlanSummary::of(&plan);
        assert_eq!(meaning.risks.len(), 1);
        assert_eq!(meaning.changes.len(), 2);
    }

    #[test]
    fn an_empty_plan_says_that_there_is_nothing_to_do() {
        let meaning = PlanSummary::of(&json!({ "resource_changes": [] }));
        assert!(meaning.is_empty());
        assert_eq!(meaning.describe().len(), 1);
    }
}
