//! The API against real PostgreSQL and Redis, over real sockets.

mod support;

use serde_json::{Value, json};
use support::{Application, shared};

fn started() -> Option<Application> {
    Some(shared()?.application().start())
}

#[test]
fn a_note_is_created_read_replaced_changed_and_removed() {
    let Some(app) = started() else { return };
    let created = app.post(&json!({"title": "Milk", "body": "two litres", "tags": ["Shop"]}));
    assert_eq!((created.status, created.header("etag")), (201, "\"1-1\""));
    assert_eq!(created.header("location"), "/api/notes/1");
    assert_eq!(created.value()["tags"], json!(["shop"]));

    assert_eq!(app.get("/api/notes/1").value(), created.value());
    let replaced = app.json(
        "PUT",
        "/api/notes/1",
        &[("if-match", "\"1-1\"")],
        &json!({"title": "Bread"}),
    );
    assert_eq!((replaced.status, replaced.header("etag")), (200, "\"1-2\""));
    assert_eq!(replaced.value()["body"], "");
    let changed = app.json(
        "PATCH",
        "/api/notes/1",
        &[("if-match", "\"1-2\"")],
        &json!({"body": "rye"}),
    );
    assert_eq!(
        (&changed.value()["title"], &changed.value()["body"]),
        (&json!("Bread"), &json!("rye"))
    );

    assert_eq!(
        app.send("DELETE", "/api/notes/1", &[("if-match", "\"1-3\"")], "")
            .status,
        204
    );
    assert_eq!(app.get("/api/notes/1").status, 404);
    assert_eq!(app.get("/api/notes").value()["notes"], json!([]));
}

#[test]
fn changes_need_the_current_etag() {
    let Some(app) = started() else { return };
    app.post(&json!({"title": "one"}));
    let cases = [
        (None, 428),
        (Some("\"1-9\""), 412),
        (Some("W/\"1-1\""), 412),
        (Some("\"2-1\""), 412),
        (Some("nonsense"), 412),
    ];
    for (tag, status) in cases {
        let headers: Vec<_> = tag.map(|tag| ("if-match", tag)).into_iter().collect();
        for method in ["PUT", "PATCH", "DELETE"] {
            let answer = app.json(method, "/api/notes/1", &headers, &json!({"title": "two"}));
            assert_eq!(answer.status, status, "{method} {tag:?}");
            assert_eq!(answer.header("content-type"), "application/problem+json");
            assert_eq!(
                answer.header("etag"),
                if status == 412 { "\"1-1\"" } else { "" }
            );
        }
    }
    assert_eq!(
        app.json(
            "PUT",
            "/api/notes/1",
            &[("if-match", "*")],
            &json!({"title": "two"})
        )
        .status,
        200
    );
    assert_eq!(
        app.json(
            "PUT",
            "/api/notes/77",
            &[("if-match", "*")],
            &json!({"title": "two"})
        )
        .status,
        404
    );
}

#[test]
fn a_client_that_has_the_version_gets_304() {
    let Some(app) = started() else { return };
    app.post(&json!({"title": "one"}));
    for (tag, status) in [
        ("\"1-1\"", 304),
        ("W/\"1-1\"", 304),
        ("*", 304),
        ("\"1-2\"", 200),
    ] {
        let answer = app.send("GET", "/api/notes/1", &[("if-none-match", tag)], "");
        assert_eq!(
            (answer.status, answer.header("etag")),
            (status, "\"1-1\""),
            "{tag}"
        );
    }
}

#[test]
fn pages_cover_every_note_once_newest_first() {
    let Some(app) = started() else { return };
    for n in 0..7 {
        assert_eq!(app.post(&json!({"title": format!("milk {n}")})).status, 201);
    }
    for q in ["", "&q=milk"] {
        let (mut ids, mut next) = (Vec::new(), String::new());
        loop {
            let page = app.get(&format!("/api/notes?limit=3{q}{next}")).value();
            ids.extend(
                page["notes"]
                    .as_array()
                    .expect("a list")
                    .iter()
                    .map(|note| note["id"].as_i64()),
            );
            match page["next"].as_str() {
                Some(cursor) => next = format!("&cursor={cursor}"),
                None => break,
            }
        }
        assert_eq!(ids, (1..=7).rev().map(Some).collect::<Vec<_>>(), "{q}");
    }
    let foreign = app.get("/api/notes?limit=3").value()["next"]
        .as_str()
        .expect("more")
        .to_owned();
    assert_eq!(
        app.get(&format!("/api/notes?q=milk&cursor={foreign}"))
            .status,
        422
    );
}

#[test]
fn search_ranks_titles_first_and_knows_prefixes_and_operators() {
    let Some(app) = started() else { return };
    app.post(&json!({"title": "Garden", "body": "buy running shoes"}));
    app.post(&json!({"title": "Running", "body": "plan"}));
    app.post(&json!({"title": "Tax", "tags": ["money"]}));
    let found = |q: &str| -> Vec<String> {
        let page = app.get(&format!("/api/notes?q={q}")).value();
        let notes = page["notes"].as_array().expect("a list");
        notes
            .iter()
            .map(|note| note["title"].as_str().unwrap_or_default().to_owned())
            .collect()
    };
    assert_eq!(found("run"), ["Running", "Garden"]);
    assert_eq!(found("gard"), ["Garden"]);
    assert_eq!(found("running%20-shoes"), ["Running"]);
    assert_eq!(found("tax%20or%20garden").len(), 2);
    assert_eq!(found("money"), ["Tax"]);
    for harmless in ["%27", "%22", "%26%20%7C", "%3A%2A", "the", "%5C"] {
        assert!(found(harmless).is_empty(), "{harmless}");
    }
}

#[test]
fn all_field_problems_are_reported_at_once() {
    let Some(app) = started() else { return };
    let answer = app.post(&json!({"title": "", "body": 1, "colour": "red"}));
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (422, "application/problem+json")
    );
    assert_eq!(answer.value()["errors"].as_array().map(Vec::len), Some(3));
    let answer = app.get("/api/notes?limit=0&cursor=x");
    assert_eq!(
        (
            answer.status,
            answer.value()["errors"].as_array().map(Vec::len)
        ),
        (422, Some(2))
    );
}

#[test]
fn what_is_no_request_of_the_api_is_a_problem_document() {
    let Some(app) = started() else { return };
    let json = [("content-type", "application/json")];
    let large = format!("{{\"title\":\"{}\"}}", "x".repeat(70_000));
    let cases = [
        ("GET", "/nowhere", &[][..], "", 404),
        ("GET", "/api/notes/abc", &[][..], "", 404),
        ("POST", "/healthz", &[][..], "", 405),
        ("POST", "/api/notes", &[][..], "{}", 415),
        ("POST", "/api/notes", &json[..], "{", 400),
        ("POST", "/api/notes", &json[..], &large, 413),
    ];
    for (method, path, headers, body, status) in cases {
        let answer = app.send(method, path, headers, body);
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{method} {path}"
        );
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert!(
            answer
                .header("content-security-policy")
                .contains("frame-ancestors 'none'")
        );
    }
}

#[test]
fn reads_are_cached_and_every_write_is_seen_at_once() {
    let Some(app) = started() else { return };
    let title = |path: &str| {
        let answer = app.get(path);
        (answer.header("x-cache").to_owned(), answer.body)
    };
    app.post(&json!({"title": "first"}));
    assert_eq!(title("/api/notes/1").0, "hit", "a write fills the cache");
    assert_eq!(title("/api/notes").0, "miss");
    assert_eq!(title("/api/notes").0, "hit");
    assert_eq!(
        title("/api/notes?limit=5").0,
        "miss",
        "each limit has its page"
    );

    app.json(
        "PATCH",
        "/api/notes/1",
        &[("if-match", "*")],
        &json!({"title": "second"}),
    );
    let (cache, body) = title("/api/notes");
    assert_eq!(cache, "miss");
    assert!(body.contains("second"));
    assert!(title("/api/notes/1").1.contains("second"));

    app.send("DELETE", "/api/notes/1", &[("if-match", "*")], "");
    assert_eq!(app.get("/api/notes/1").status, 404);
    assert!(!title("/api/notes").1.contains("second"));
}

#[test]
fn a_client_over_its_rate_is_told_when_to_come_back() {
    let Some(data) = shared() else { return };
    let app = data.application().with("NOTES_RATE_LIMIT", "3/m").start();
    let ask = |hop: &str| app.send("GET", "/api/info", &[("x-forwarded-for", hop)], "");
    for left in ["2", "1", "0"] {
        let answer = ask("203.0.113.9, 198.51.100.1");
        assert_eq!(
            (answer.status, answer.header("ratelimit-remaining")),
            (200, left)
        );
    }
    let refused = ask("198.51.100.1");
    assert_eq!(
        (refused.status, refused.header("ratelimit-limit")),
        (429, "3")
    );
    assert!(
        (1..=20).contains(
            &refused
                .header("retry-after")
                .parse::<u32>()
                .expect("seconds")
        )
    );
    assert_eq!(
        ask("198.51.100.2").status,
        200,
        "another client has its own bucket"
    );
    assert_eq!(app.get("/healthz").status, 200, "probes are not limited");
}

#[test]
fn the_openapi_document_and_the_routes_are_the_same() {
    let Some(app) = started() else { return };
    let document = app.get("/api/openapi.json").value();
    let paths = document["paths"].as_object().expect("paths");
    for (path, operations) in paths {
        let concrete = path.replace("{id}", "1");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let described = operations.get(method.to_lowercase()).is_some();
            let answer = app.send(method, &concrete, &[], "");
            assert_eq!(answer.status != 405, described, "{method} {path}");
            let known: Vec<&String> = operations[method.to_lowercase()]["responses"]
                .as_object()
                .into_iter()
                .flat_map(|r| r.keys())
                .collect();
            assert!(
                !described || known.contains(&&answer.status.to_string()),
                "{method} {path}: {} not in {known:?}",
                answer.status
            );
        }
    }
    let route_count = include_str!("../src/http/mod.rs")
        .matches(".route(")
        .count();
    assert_eq!(paths.len(), route_count, "every route is described");
}

#[test]
fn logs_and_metrics_tell_of_a_request() {
    let Some(data) = shared() else { return };
    let app = data
        .application()
        .with("NEARGATE_REVISION", "7")
        .with("NEARGATE_TASK", "api-3")
        .start();
    let answer = app.send(
        "GET",
        "/api/notes?q=milk",
        &[("x-request-id", "abc-123")],
        "",
    );
    assert_eq!(answer.header("x-request-id"), "abc-123");
    let line = support::eventually("the request is logged", || {
        app.log().into_iter().find(|l| l["request_id"] == "abc-123")
    });
    for (name, value) in [
        ("level", "info"),
        ("method", "GET"),
        ("path", "/api/notes"),
        ("revision", "7"),
        ("task", "api-3"),
    ] {
        assert_eq!(line[name], value, "{line}");
    }
    assert!(
        line["duration_ms"].is_number() && line["status"] == 200 && line["time"].is_string(),
        "{line}"
    );
    let metrics = app.get("/metrics").body;
    for part in [
        "notes_http_requests_total{method=\"GET\",route=\"/api/notes\",status=\"200\"} 1",
        "notes_http_request_duration_seconds_count{method=\"GET\",route=\"/api/notes\"} 1",
        "notes_build_info{version=\"",
        "notes_db_connections{state=\"idle\"}",
        "process_resident_memory_bytes",
    ] {
        assert!(metrics.contains(part), "{part} in {metrics}");
    }
    assert_eq!(app.get("/api/info").value()["revision"], Value::from("7"));
}
