//! The process: starts that are refused, migrations, faults, stops, and outages of what it needs.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use support::{Data, eventually, request, shared};

#[test]
fn a_start_names_every_missing_variable() {
    let output = Command::new(env!("CARGO_BIN_EXE_notes"))
        .arg("serve")
        .env_clear()
        .output()
        .expect("notes runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78));
    for name in ["PORT", "DATABASE_URL", "REDIS_URL", "SESSION"] {
        assert!(message.contains(name), "{message}");
    }
}

#[test]
fn a_wrong_fault_stops_the_start_and_shows_the_forms() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_notes"));
    let output = command
        .arg("serve")
        .env_clear()
        .env("NOTES_FAULT", "slow")
        .output()
        .expect("notes runs");
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78));
    assert!(
        message.contains("error-rate=5%") && message.contains("DATABASE_URL"),
        "{message}"
    );
}

#[test]
fn migrating_twice_and_at_the_same_time_applies_everything_once() {
    let Some(data) = shared() else { return };
    let settings = data.application();
    let runs: Vec<_> = (0..3)
        .map(|_| settings.command("migrate").spawn().expect("notes runs"))
        .collect();
    for mut run in runs {
        assert!(run.wait().expect("it ends").success());
    }
    let again = settings.migrate();
    let log = String::from_utf8_lossy(&again.stdout);
    assert!(
        again.status.success() && log.contains("\"applied\":0"),
        "{log}"
    );
    assert_eq!(
        data.sql(&settings.database, "select count(*) from _sqlx_migrations")
            .as_deref(),
        Some("2")
    );
}

#[test]
fn a_failed_migration_is_exit_1_names_itself_and_changes_nothing() {
    let Some(data) = shared() else { return };
    let settings = data.application();
    let output = settings
        .clone()
        .with("NOTES_FAULT", "migrate-fail")
        .migrate();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.contains("9999") && message.contains("rehearsed failure"),
        "{message}"
    );
    assert!(
        settings.migrate().status.success(),
        "the next version is not in its way"
    );
}

#[test]
fn an_applied_migration_that_was_changed_is_refused() {
    let Some(data) = shared() else { return };
    let settings = data.application();
    assert!(settings.migrate().status.success());
    data.sql(
        &settings.database,
        "update _sqlx_migrations set checksum = 'x' where version = 2",
    )
    .expect("changed");
    let output = settings.migrate();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("changed after it was applied"));
}

#[test]
fn an_unmigrated_database_is_not_ready_but_alive() {
    let Some(data) = shared() else { return };
    let settings = data.application();
    let app = settings.serve();
    assert_eq!(
        (app.get("/healthz").status, app.get("/readyz").status),
        (200, 503)
    );
    assert!(app.get("/readyz").body.contains("notes migrate"));
    assert_eq!(app.get("/api/notes").status, 503);
    assert!(settings.migrate().status.success());
    assert_eq!(app.get("/readyz").status, 200);
}

#[test]
fn faults_make_a_bad_version() {
    let Some(data) = shared() else { return };
    let app = data
        .application()
        .with("NOTES_FAULT", "error-rate=25%,latency=30ms")
        .start();
    let start = Instant::now();
    let failed = (0..40)
        .filter(|_| app.get("/api/info").status == 500)
        .count();
    assert_eq!(failed, 10);
    assert!(start.elapsed() >= Duration::from_millis(40 * 30));
    assert_eq!(app.get("/healthz").status, 200);

    let app = data.application().with("NOTES_FAULT", "bad-health").start();
    assert_eq!(
        (
            app.get("/healthz").status,
            app.get("/readyz").status,
            app.get("/api/info").status
        ),
        (503, 503, 200)
    );

    let mut app = data.application().with("NOTES_FAULT", "crash=1s").start();
    let status = eventually("it crashes", || app.child.try_wait().expect("ours"));
    assert_eq!(status.code(), Some(1));

    let app = data
        .application()
        .with("NOTES_FAULT", "leak=64MB/s")
        .start();
    eventually("memory grows past 120 MB", || {
        let metrics = app.get("/metrics").body;
        let line = metrics
            .lines()
            .find(|line| line.starts_with("process_resident_memory_bytes "))?;
        (line.split(' ').nth(1)?.parse::<u64>().ok()? > 120 << 20).then_some(())
    });
}

#[test]
fn a_graceful_stop_answers_everything_in_flight_and_exits_0() {
    let Some(data) = shared() else { return };
    let mut app = data.application().with("NOTES_FAULT", "latency=1s").start();
    let port = app.port;
    let clients: Vec<_> = (0..20)
        .map(|_| {
            std::thread::spawn(move || {
                request(port, "GET", "/api/info", &[], "").map(|answer| answer.status)
            })
        })
        .collect();
    eventually("twenty requests are in flight", || {
        let metrics = app.get("/metrics").body;
        // The request for the metrics is in flight too.
        metrics
            .contains("\nnotes_http_requests_in_flight 21\n")
            .then_some(())
    });
    app.terminate();
    for client in clients {
        assert_eq!(
            client.join().expect("no panic").expect("a whole answer"),
            200
        );
    }
    let status = eventually("it ends", || app.child.try_wait().expect("ours"));
    assert_eq!(status.code(), Some(0));
    assert!(request(port, "GET", "/healthz", &[], "").is_err());
    assert!(
        app.log()
            .iter()
            .any(|line| line["msg"] == "stopped" && line["all_answered"] == true)
    );
}

#[test]
fn outages_of_redis_and_postgres_are_survived() {
    let Some(data) = Data::prepare() else { return };
    let postgres = data.start_postgres(false);
    let redis = data.start_redis();
    let app = data
        .application()
        .with("NOTES_RATE_LIMIT", "1000/s")
        .start();
    assert_eq!(app.post(&json!({"title": "kept"})).status, 201);
    assert_eq!(app.get("/readyz").status, 200);

    drop(redis);
    eventually("the cache is missed", || {
        let answer = app.get("/api/notes/1");
        (answer.status == 200 && answer.header("x-cache") == "miss").then_some(())
    });
    assert_eq!(
        app.json(
            "PATCH",
            "/api/notes/1",
            &[("if-match", "*")],
            &json!({"body": "b"})
        )
        .status,
        200
    );
    let ready = app.get("/readyz");
    assert_eq!(
        (ready.status, &ready.value()["checks"]["database"]),
        (503, &json!("ok"))
    );
    let redis = data.start_redis();
    eventually("the cache is back", || {
        (app.get("/api/notes").header("x-cache") == "hit").then_some(())
    });
    assert_eq!(app.get("/readyz").status, 200);

    drop(postgres);
    let answer = app.json("POST", "/api/notes", &[], &json!({"title": "lost"}));
    assert_eq!((answer.status, answer.header("retry-after")), (503, "2"));
    assert_eq!(
        (app.get("/readyz").status, app.get("/healthz").status),
        (503, 200)
    );
    let postgres = data.start_postgres(true);
    eventually("the database is back", || {
        (app.get("/readyz").status == 200).then_some(())
    });
    assert!(app.get("/api/notes?q=kept").body.contains("kept"));
    drop((app, redis, postgres));
}
