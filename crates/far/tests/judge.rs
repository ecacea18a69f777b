//! `scripts/judge-plan` finds what it is there for. Skipped where there is no python3.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// A plan with one isolated subnet; `leak` is the route table of a route, `policy` one of a role,
/// `database` what more the database has.
fn plan(leak: &str, policy: &Value, database: &Value) -> Value {
    let isolated = |kind: &str, name: &str| {
        let address = format!("module.network.{kind}.{name}");
        json!({ "address": address, "type": kind, "values": {} })
    };
    let reference = |kind: &str, name: &str, table: &str| {
        let references = json!({ "references": [table] });
        json!({ "type": kind, "name": name, "expressions": { "route_table_id": references } })
    };
    json!({
        "planned_values": { "root_module": {
            "resources": [
                { "address": "aws_iam_role_policy.r", "type": "aws_iam_role_policy",
                  "values": { "policy": policy.to_string() } },
                { "address": "aws_db_instance.d", "type": "aws_db_instance",
                  "values": database },
            ],
            "child_modules": [{ "resources": [
                isolated("aws_subnet", "isolated[\"a\"]"),
                isolated("aws_route_table", "isolated"),
                isolated("aws_route_table_association", "isolated[\"a\"]"),
            ] }],
        } },
        "configuration": { "root_module": { "module_calls": { "network": { "module": { "resources": [
            reference("aws_route", "out", leak),
            reference("aws_route_table_association", "isolated", "aws_route_table.isolated.id"),
        ] } } } } },
    })
}

fn statement(action: &str, resource: &str) -> Value {
    json!({ "Statement": [{ "Effect": "Allow", "Action": action, "Resource": resource }] })
}

#[test]
fn a_way_out_a_wide_policy_a_public_database_and_a_kept_password_are_found() {
    let narrow = statement("s3:GetObject", "arn:aws:s3:::notes/*");
    let closed = json!({ "publicly_accessible": false, "password_wo": null });
    let rows = [
        (
            "aws_route_table.public.id",
            narrow.clone(),
            closed.clone(),
            None,
        ),
        (
            "aws_route_table.public.id",
            statement("ecr:GetAuthorizationToken", "*"),
            closed.clone(),
            None,
        ),
        (
            "aws_route_table.isolated.id",
            narrow.clone(),
            closed.clone(),
            Some("the isolated tier's table"),
        ),
        (
            "aws_route_table.public.id",
            statement("s3:*", "arn:aws:s3:::notes/*"),
            closed.clone(),
            Some("allows s3:*"),
        ),
        (
            "aws_route_table.public.id",
            statement("s3:GetObject", "*"),
            closed,
            Some("allows s3:GetObject on *"),
        ),
        (
            "aws_route_table.public.id",
            narrow.clone(),
            json!({ "publicly_accessible": true }),
            Some("reachable from the internet"),
        ),
        (
            "aws_route_table.public.id",
            narrow,
            json!({ "password": "hunter2" }),
            Some("password is kept in clear"),
        ),
    ];
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("plan.json");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
    let script = root.expect("the repository").join("scripts/judge-plan");
    for (leak, policy, database, wanted) in rows {
        std::fs::write(&path, plan(leak, &policy, &database).to_string()).expect("the plan");
        let output = match Command::new("python3").arg(&script).arg(&path).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("skipped: there is no python3 on the PATH");
                return;
            }
            output => output.expect("it runs"),
        };
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.success(), wanted.is_none(), "{said}");
        assert!(
            said.contains(wanted.unwrap_or("1 isolated subnets")),
            "{said}"
        );
    }
}
