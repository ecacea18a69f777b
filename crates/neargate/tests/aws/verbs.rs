//! `secret`, `metrics`, `exec` and `db connect`, as people call them.

use std::fs;

use serde_json::{Value, json};

use crate::world::{World, err, out, world};

fn manifest(app: &str) -> String {
    format!(
        r#"
app = "{app}"

[service.api]
command = ["notes", "serve"]
port = 3000
route = "/*"
uses = ["database.main", "secret.stripe-key", "secret.token"]

[secret.stripe-key]

[secret.token]

[database.main]
engine = "postgres"

[env.prod]
target = "aws"
region = "eu-central-1"
"#
    )
}

fn plugin(world: &World) -> (Vec<String>, Value) {
    let text = fs::read_to_string(world.file("plugin.json")).expect("it was started");
    let told: Value = serde_json::from_str(&text).expect("JSON");
    let arguments = serde_json::from_value(told["arguments"].clone()).expect("texts");
    (arguments, told["session"].clone())
}

#[test]
fn secrets_and_metrics_have_nears_verbs_shapes_and_exit_codes() {
    let Some(world) = world("verbs", &manifest("verbs")) else {
        return;
    };
    let missing = world.run(&["secret", "get", "token"]);
    assert_eq!(missing.status.code(), Some(1), "{}", err(&missing));
    for name in ["stripe-key", "token"] {
        let set = world.run_with(&["secret", "set", name], "hunter2\n");
        assert_eq!(set.status.code(), Some(0), "{}", err(&set));
        assert!(!err(&set).contains("hunter2"), "{}", err(&set));
    }
    let hidden = world.run(&["secret", "get", "token"]);
    assert_eq!(out(&hidden), "token version 2 (its value: --reveal)\n");
    let shown = world.run(&["secret", "get", "stripe-key", "--reveal"]);
    assert_eq!(out(&shown), "hunter2");
    let listed = world.run(&["secret", "list", "--json"]);
    let rows: Vec<Value> = out(&listed)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!(
        (&rows[0]["name"], &rows[0]["stage"]),
        (&json!("stripe-key"), &json!("current"))
    );
    assert_eq!(
        (&rows[1]["name"], &rows[1]["version"]),
        (&json!("token"), &json!(2))
    );
    let unknown = world.run_with(&["secret", "set", "tokens"], "x");
    assert_eq!(unknown.status.code(), Some(2), "{}", err(&unknown));
    let metrics = world.run(&["metrics", "--json"]);
    let table: Value = serde_json::from_str(&out(&metrics)).expect("JSON");
    assert_eq!(table["rows"][0]["service"], "api");
    assert_eq!(table["rows"][0]["p99"], Value::Null);
    let longer = world.run(&["metrics", "--since", "2d"]);
    assert_eq!(longer.status.code(), Some(2), "{}", err(&longer));
}

#[test]
fn exec_starts_the_plugin_as_the_aws_cli_does_without_a_token_in_its_arguments() {
    let Some(world) = world("sessions", &manifest("sessions")) else {
        return;
    };
    let exec = ["exec", "api/t1", "--", "sh", "-c", "echo $HOME"];
    let nothing = world.run(&exec);
    assert_eq!(nothing.status.code(), Some(1), "{}", err(&nothing));
    world.task("t1", false);
    let closed = world.run(&exec);
    assert_eq!(closed.status.code(), Some(3));
    assert!(err(&closed).contains("aws.exec = true"), "{}", err(&closed));
    world.task("t1", true);
    let ended = world.run(&exec);
    assert_eq!(ended.status.code(), Some(7), "{}", err(&ended));
    let (arguments, session) = plugin(&world);
    let [variable, region, operation, profile, request, endpoint] = arguments.as_slice() else {
        panic!("{arguments:?}");
    };
    let fixed = [variable, region, operation, profile].map(String::as_str);
    let wanted = [
        "AWS_SSM_START_SESSION_RESPONSE",
        "eu-central-1",
        "StartSession",
        "",
    ];
    assert_eq!(fixed, wanted);
    let request: Value = serde_json::from_str(request).expect("JSON");
    assert_eq!(request, json!({ "Target": "ecs:sessions_t1_t1-77" }));
    assert!(endpoint.starts_with("http://127.0.0.1:"), "{endpoint}");
    assert_eq!(session["TokenValue"], "hunter2");
    assert!(!arguments.join(" ").contains("hunter2"), "{arguments:?}");
    let said = world.control("calls", &json!({ "holds": "echo $HOME" }));
    assert!(said.to_string().contains("sh -c 'echo $HOME'"), "{said}");
    fs::write(
        world.file("session-manager-plugin"),
        "#!/bin/sh\necho 1.2.497.0\n",
    )
    .expect("old");
    let old = world.run(&exec);
    assert_eq!(old.status.code(), Some(3));
    assert!(
        err(&old).contains("too old") && err(&old).contains("install it"),
        "{}",
        err(&old)
    );
}

#[test]
fn db_connect_opens_psql_through_a_task_with_the_password_in_its_environment() {
    let Some(world) = world("reached", &manifest("reached")) else {
        return;
    };
    world.task("t1", true);
    let early = world.run(&["db", "connect"]);
    assert_eq!(early.status.code(), Some(3));
    assert!(
        err(&early).contains("neargate infra apply -e prod"),
        "{}",
        err(&early)
    );
    let url = "postgres://ann:p%40ss@main.example:5432/main?sslmode=require";
    world.control(
        "value",
        &json!({ "name": "reached/database.main", "value": url }),
    );
    let ended = world.run(&["db", "connect", "main", "--", "-c", "select 1"]);
    assert_eq!(ended.status.code(), Some(3), "psql's own: {}", err(&ended));
    let psql = fs::read_to_string(world.file("psql.txt")).expect("psql was started");
    let (arguments, request) = (plugin(&world).0, plugin(&world).0[4].clone());
    let request: Value = serde_json::from_str(&request).expect("JSON");
    let asked = &request["Parameters"];
    assert_eq!(asked["host"][0], "main.reached.example", "{arguments:?}");
    assert_eq!(asked["portNumber"][0], "5432");
    let port = asked["localPortNumber"][0].as_str().expect("a port");
    let wanted = format!(
        "-c\nselect 1\nPGDATABASE=main\nPGHOST=main.reached.example\nPGHOSTADDR=127.0.0.1\n\
         PGPASSWORD=p@ss\nPGPORT={port}\nPGSSLMODE=require\nPGUSER=ann\n"
    );
    assert_eq!(psql, wanted);
    assert_eq!(world.calls("TerminateSession"), 1);
}

/// The world's subnets are moto's, its roles are not; moto knows no quotas of Fargate.
#[test]
fn verify_asks_the_account_about_subnets_roles_and_quotas() {
    let Some(world) = world("asked", &manifest("asked")) else {
        return;
    };
    let found = world.run(&["verify", "--json"]);
    assert_eq!(found.status.code(), Some(3), "{}", err(&found));
    let found: Value = serde_json::from_str(&out(&found)).expect("one document");
    let is = |what: &str| {
        let all = found.as_array().expect("a list").iter();
        let mut own = all.filter(|it| it["what"] == what);
        own.next().map(|it| it["is"].clone()).unwrap_or_default()
    };
    let asked = which("aws");
    for (what, answer) in [
        ("subnets", "ok"),
        ("execution role", "missing"),
        ("task role", "missing"),
        ("quota of vCPUs", "unknown"),
    ] {
        let answer = if asked { answer } else { "unknown" };
        assert_eq!(is(what), answer, "{what}");
    }
}

fn which(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|it| it.join(program).is_file())
}
