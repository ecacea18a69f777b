//! URLs of databases that a plan would write with a password that the database does not have.
//!
//! Invariant: a URL and its database take a password in one apply or not at all. An apply that was
//! interrupted between the two leaves a plan that writes the URL alone, and the password that went
//! to the database is known to nobody: both have to be given a new one.

use serde_json::Value;

use super::{ResourceAction, action};

/// Resources of the module `database` that hold a URL.
const PLACES: [&str; 2] = [
    ".aws_secretsmanager_secret_version.url[0]",
    ".aws_ssm_parameter.url[0]",
];

/// The modules of databases whose URL would be wrong.
pub(super) fn unmatched(plan: &Value) -> Vec<String> {
    let all = plan["resource_changes"].as_array();
    let changes = || all.into_iter().flatten();
    let address = |change: &Value| change["address"].as_str().unwrap_or_default().to_owned();
    let mut found = Vec::new();
    for change in changes().filter(|change| writes(change, "_wo_version")) {
        let address_of = address(change);
        let module = PLACES
            .iter()
            .find_map(|place| address_of.strip_suffix(place));
        let Some(module) = module else { continue };
        let database = format!("{module}.aws_db_instance.this");
        let together = changes()
            .any(|other| address(other) == database && writes(other, "password_wo_version"));
        if !together {
            found.push(module.to_owned());
        }
    }
    found
}

/// Whether a change sends a write-only value: it is made, or a version that ends so is another.
fn writes(resource: &Value, version: &str) -> bool {
    let change = &resource["change"];
    match action(change) {
        Some(ResourceAction::Create | ResourceAction::Replace) => true,
        Some(ResourceAction::Update) => {
            let after = change["after"].as_object().into_iter().flatten();
            let mut versions = after.filter(|(key, _)| key.ends_with(version));
            versions.any(|(key, value)| change["before"][key] != *value)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::unmatched;
    use serde_json::{Value, json};

    fn plan(database: (&str, u64), secret: (&str, u64)) -> Value {
        let change = |address: &str, key: &str, (action, version): (&str, u64)| {
            json!({ "address": format!("module.database_main.{address}"), "change": {
                "actions": [action], "before": { key: 1 }, "after": { key: version },
            }})
        };
        json!({ "resource_changes": [
            change("aws_db_instance.this", "password_wo_version", database),
            change("aws_secretsmanager_secret_version.url[0]", "secret_string_wo_version", secret),
        ]})
    }

    #[test]
    fn a_url_without_its_database_is_found() {
        let rows = [
            (("create", 1), ("create", 1), 0),
            (("update", 3), ("create", 3), 0),
            (("no-op", 1), ("no-op", 1), 0),
            (("no-op", 1), ("create", 1), 1),
            (("update", 1), ("create", 1), 1),
            (("update", 1), ("update", 1), 0),
        ];
        for (database, secret, wrong) in rows {
            let found = unmatched(&plan(database, secret));
            assert_eq!(found.len(), wrong, "{database:?} {secret:?}");
        }
        assert_eq!(
            unmatched(&plan(("no-op", 1), ("create", 1))),
            ["module.database_main"]
        );
    }
}
