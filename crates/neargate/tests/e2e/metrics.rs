//! `neargate metrics`: what was sent is what is shown.

use serde_json::Value;

use crate::app::{App, ONE_TASK, wait_for};
use crate::load::Load;

const TWO: &str = r#"
[service.idle]
artifact = "echo"
command = ["echo"]
port = 3000
health = { path = "/healthz", interval = "5s", timeout = "2s" }
"#;

fn rows(app: &App, arguments: &[&str]) -> Vec<Value> {
    let all = [&["metrics", "--json"], arguments].concat();
    let table: Value = serde_json::from_str(&app.ok(&all)).expect("JSON");
    table["rows"].as_array().expect("rows").clone()
}

fn whole(app: &App, service: &str) -> Value {
    let of = |row: &Value| row["service"] == service && row["revision"].is_null();
    rows(app, &[]).into_iter().find(of).unwrap_or_default()
}

#[test]
fn metrics_count_every_request_by_service_and_revision_and_say_what_tasks_use() {
    let app = App::new(&format!("app = \"figures\"\n{ONE_TASK}{TWO}"));
    app.up();
    let load = Load::start(app.address, "/", 100);
    wait_for("requests are counted", || {
        (whole(&app, "api")["requests"].as_f64()? > 50.0).then_some(())
    });
    let sent = load.finish().sent as f64;
    wait_for("all are counted", || {
        (whole(&app, "api")["requests"].as_f64()? >= sent).then_some(())
    });
    app.ok(&["deploy", "api", "--set", "service.api.env.COLOUR=green"]);
    let of_api = wait_for("both revisions and their use are there", || {
        let rows = rows(&app, &["api", "--since", "1h"]);
        let known = rows.iter().all(|row| row["memory"].is_number());
        (rows.len() == 3 && known).then_some(rows)
    });
    assert_eq!(of_api[0]["requests"], sent, "{of_api:?}");
    assert_eq!(
        of_api[1]["requests"], sent,
        "the first revision got them all"
    );
    assert_eq!(
        (&of_api[1]["revision"], &of_api[2]["revision"]),
        (&1.into(), &2.into())
    );
    assert_eq!(of_api[2]["requests"], 0.0, "{of_api:?}");
    assert_eq!(of_api[2]["success_rate"], Value::Null, "nobody asked it");
    assert_eq!(of_api[0]["errors"], 0.0);
    assert_eq!(of_api[0]["success_rate"], 100.0);
    let latency = |name: &str| of_api[0][name].as_f64().expect("a latency");
    assert!(latency("p50") <= latency("p95") && latency("p95") <= latency("p99"));
    assert_eq!(of_api[2]["tasks"], 1);
    let text = app.ok(&["metrics"]);
    let idle = text
        .lines()
        .find(|line| line.starts_with("idle"))
        .expect("a line");
    assert!(idle.contains(" - "), "it has no latency: {text}");
    assert!(
        text.lines().any(|line| line.starts_with("  revision 2")),
        "{text}"
    );
    let refused = app.run(&["metrics", "--since", "1w"]);
    assert_eq!(refused.status.code(), Some(2));
}
