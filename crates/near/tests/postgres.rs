//! PostgreSQL as a data service, with the machine's real programs.

mod processes;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use neargate_core::model::{Database, DatabaseEngine};
use neargate_core::time::Timestamp;
use neargate_near::data::{
    self, DataError, DataServiceName, DataServiceState, DataServiceStatus, DataSupervisor,
};
use neargate_near::paths::StateDir;
use neargate_near::secrets::{SecretValue, Secrets};
use processes::{Shims, eventually, files_with, processes_with, send};
use rustix::process::Signal;
use tokio::runtime::Runtime;

const SOON: Duration = Duration::from_secs(90);

fn database(url: Option<&str>) -> Database {
    Database {
        name: "main".to_owned(),
        engine: DatabaseEngine::Postgres,
        version: None,
        url: url.map(str::to_owned),
        backup: None,
        size: None,
        multi_az: false,
        storage: None,
        protect: false,
        maintenance: None,
    }
}

/// An engine as far as data services know one; dropping it is its death.
struct Engine {
    runtime: Runtime,
    data: DataSupervisor<Shims>,
    key: DataServiceName,
}

impl Engine {
    /// `None` when the machine has no PostgreSQL.
    fn start(state: &Path, app: &str, processes: &Arc<Shims>) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let data = DataSupervisor::new(&StateDir::at(state), app, Arc::clone(processes));
        let started = runtime.block_on(async { data.start_database(&database(None)) });
        match started {
            Err(error @ DataError::NotInstalled { .. }) => {
                eprintln!("skipped: {error}");
                return None;
            }
            other => other.unwrap(),
        }
        let key = DataServiceName::database("main");
        Some(Self { runtime, data, key })
    }

    fn available(&self) {
        self.runtime
            .block_on(self.data.available(&self.key, SOON))
            .unwrap();
    }

    fn facts(&self) -> DataServiceStatus {
        self.data.facts().remove(0)
    }

    fn url(&self) -> String {
        let url = self.data.url(&self.key).unwrap();
        url.expose_text().unwrap().to_owned()
    }

    fn psql(&self, sql: &str) -> Result<String, String> {
        psql(&self.url(), sql)
    }

    fn stop(&self) {
        self.runtime.block_on(self.data.stop_all());
    }
}

/// user, password, port, database
fn parts(url: &str) -> [String; 4] {
    let rest = url.strip_prefix("postgresql://").unwrap();
    let (user, rest) = rest.split_once(':').unwrap();
    let (password, rest) = rest.split_once("@127.0.0.1:").unwrap();
    let (port, database) = rest.split_once('/').unwrap();
    [user, password, port, database].map(str::to_owned)
}

fn psql(url: &str, sql: &str) -> Result<String, String> {
    let [user, password, port, database] = parts(url);
    let output = Command::new("psql")
        .args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-c", sql])
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", port)
        .env("PGUSER", user)
        .env("PGPASSWORD", password)
        .env("PGDATABASE", database)
        .env("PGCONNECT_TIMEOUT", "10")
        .output()
        .unwrap();
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
fn first_start_makes_the_database_and_the_second_is_fast_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    // What an engine that died while it made the cluster leaves behind.
    let half = state.join("data/postgres-main/pgdata.new/base");
    fs::create_dir_all(&half).unwrap();
    for path in ["", "data", "data/postgres-main"] {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(state.join(path), fs::Permissions::from_mode(0o700)).unwrap();
    }
    let processes = Arc::new(Shims::new(&state));
    let began = Instant::now();
    let Some(engine) = Engine::start(&state, "notes", &processes) else {
        return;
    };
    engine.available();
    let first = began.elapsed();
    engine
        .psql("CREATE TABLE note (id int); INSERT INTO note VALUES (1)")
        .unwrap();
    let facts = engine.facts();
    assert_eq!(facts.state, DataServiceState::Available);
    assert_eq!(facts.words, None);
    assert!(facts.engine.starts_with("postgres "), "{}", facts.engine);
    let port = facts.port.unwrap();
    assert_eq!(
        facts.url_redacted,
        format!("postgresql://notes:***@127.0.0.1:{port}/notes")
    );
    assert_eq!(engine.psql("SHOW fsync").unwrap(), "on");
    assert_eq!(engine.psql("SHOW data_checksums").unwrap(), "on");
    let pid = facts.pid.unwrap();
    engine.stop();
    assert_eq!(engine.facts().state, DataServiceState::Stopped);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    drop(engine);

    let began = Instant::now();
    let engine = Engine::start(&state, "notes", &processes).unwrap();
    engine.available();
    eprintln!("first start {first:?}, second start {:?}", began.elapsed());
    assert_eq!(engine.facts().port, Some(port));
    assert_eq!(engine.psql("SELECT count(*) FROM note").unwrap(), "1");
    engine.stop();
    data::purge(&StateDir::at(&state)).unwrap();
    assert!(!state.join("data").exists());
    assert!(
        Secrets::open(&StateDir::at(&state))
            .unwrap()
            .list()
            .unwrap()
            .is_empty()
    );
}

#[test]
fn acknowledged_rows_survive_kill_9_under_writes() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let processes = Arc::new(Shims::new(&state));
    let Some(engine) = Engine::start(&state, "notes", &processes) else {
        return;
    };
    engine.available();
    engine.psql("CREATE TABLE note (id int)").unwrap();
    let url = engine.url();
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..2)
        .map(|writer| {
            let (url, stop) = (url.clone(), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut acknowledged = Vec::new();
                for number in (writer..).step_by(2) {
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                    if psql(&url, &format!("INSERT INTO note VALUES ({number})")).is_ok() {
                        acknowledged.push(number);
                    }
                }
                acknowledged
            })
        })
        .collect();
    // A child in a long query would outlive its postmaster.
    let sleeper = std::thread::spawn(move || psql(&url, "SELECT pg_sleep(600)"));
    let rows = || engine.psql("SELECT count(*) FROM note").unwrap_or_default();
    let sleeps = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
    eventually("rows are written", || {
        rows().parse().is_ok_and(|count: u32| count > 10)
    });
    eventually("the long query runs", || {
        engine.psql(sleeps).as_deref() == Ok("1")
    });
    let before = engine.facts();
    send(before.pid.unwrap(), Signal::KILL);
    let began = Instant::now();
    eventually("another server is available", || {
        let facts = engine.facts();
        facts.state == DataServiceState::Available && facts.pid != before.pid
    });
    eprintln!("back after {:?}", began.elapsed());
    stop.store(true, Ordering::Relaxed);
    assert!(sleeper.join().unwrap().is_err());
    assert_eq!(engine.facts().port, before.port);
    for writer in writers {
        for number in writer.join().unwrap() {
            let found = engine.psql(&format!("SELECT count(*) FROM note WHERE id = {number}"));
            assert_eq!(found.as_deref(), Ok("1"), "acknowledged row {number}");
        }
    }
    engine.stop();
}

#[test]
fn next_engine_adopts_the_server_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let processes = Arc::new(Shims::new(&state));
    let Some(engine) = Engine::start(&state, "notes", &processes) else {
        return;
    };
    engine.available();
    let began = engine.psql("SELECT pg_postmaster_start_time()").unwrap();
    let before = engine.facts();
    drop(engine);
    let engine = Engine::start(&state, "notes", &processes).unwrap();
    engine.available();
    assert_eq!(engine.facts(), before);
    assert_eq!(
        engine.psql("SELECT pg_postmaster_start_time()").unwrap(),
        began
    );
    // It is kept as before; and the death of its shim, which takes the server with it and
    // leaves the server's children, is no more than a crash.
    processes.kill_shim("database-main");
    eventually("another server is available", || {
        let facts = engine.facts();
        facts.state == DataServiceState::Available && facts.pid != before.pid
    });
    engine.stop();
}

#[test]
fn two_apps_run_side_by_side_and_deep_paths_are_fine() {
    let dir = tempfile::tempdir().unwrap();
    // A unix socket's path may have 107 bytes; this is far beyond.
    let deep = dir.path().join("d".repeat(100)).join("e".repeat(100));
    let (first, second) = (deep.join("one"), deep.join("two"));
    let processes = [&first, &second].map(|state| Arc::new(Shims::new(state)));
    let Some(one) = Engine::start(&first, "notes", &processes[0]) else {
        return;
    };
    let two = Engine::start(&second, "select", &processes[1]).unwrap();
    one.available();
    two.available();
    assert_ne!(one.facts().port, two.facts().port);
    assert_eq!(one.psql("SELECT current_database()").unwrap(), "notes");
    assert_eq!(two.psql("SELECT current_user").unwrap(), "select");
    let [_, password, ..] = parts(&one.url());
    let foreign = two.url().replace(&parts(&two.url())[1], &password);
    assert!(
        psql(&foreign, "SELECT 1")
            .unwrap_err()
            .contains("authentication failed")
    );
    one.stop();
    assert_eq!(two.psql("SELECT 1").unwrap(), "1");
    two.stop();
}

#[test]
fn password_is_in_no_file_and_no_process_list_and_can_be_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let processes = Arc::new(Shims::new(&state));
    let Some(engine) = Engine::start(&state, "notes", &processes) else {
        return;
    };
    engine.available();
    let [_, password, ..] = parts(&engine.url());
    assert_eq!(
        processes_with(password.as_bytes()),
        Vec::<std::path::PathBuf>::new()
    );
    assert_eq!(
        files_with(&state, password.as_bytes()),
        Vec::<std::path::PathBuf>::new()
    );
    assert!(!format!("{:?}", engine.facts()).contains(&password));
    engine.stop();
    drop(engine);
    let mut secrets = Secrets::open(&StateDir::at(&state)).unwrap();
    let other = SecretValue::new("it's-another");
    secrets.set(Timestamp(1), "database.main", &other).unwrap();
    drop(secrets);
    let engine = Engine::start(&state, "notes", &processes).unwrap();
    engine.available();
    let plain = engine.url().replace("it%27s-another", "it's-another");
    assert_eq!(psql(&plain, "SELECT 1").unwrap(), "1");
    assert!(psql(&plain.replace("it's-another", &password), "SELECT 1").is_err());
    engine.stop();
}

#[test]
fn external_url_is_handed_on_and_shown_without_its_password() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataSupervisor::new(
        &StateDir::at(dir.path()),
        "notes",
        Arc::new(Shims::new(dir.path())),
    );
    let url = "postgres://me:hidden@db.example:5432/x";
    data.start_database(&database(Some(url))).unwrap();
    let key = DataServiceName::database("main");
    assert_eq!(data.url(&key).unwrap().expose_text(), Ok(url));
    let status = data.facts()[0].status();
    assert_eq!(status.state.as_str(), "external");
    assert_eq!(status.url_redacted, "postgres://me:***@db.example:5432/x");
}

struct SmallDisk(tempfile::TempDir);

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Not mounted for an ordinary user.
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[test]
fn full_disk_is_told_and_the_server_comes_back_when_space_returns() {
    let disk = SmallDisk(tempfile::tempdir().unwrap());
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=160m,mode=0700", "tmpfs"])
        .arg(disk.0.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        eprintln!("skipped: only root can mount a small file system");
        return;
    }
    let state = disk.0.path().join("state");
    let processes = Arc::new(Shims::new(&state));
    let Some(engine) = Engine::start(&state, "notes", &processes) else {
        return;
    };
    engine.available();
    engine
        .psql("CREATE TABLE note (id serial, text text); INSERT INTO note (text) VALUES ('first')")
        .unwrap();
    let before = engine.facts();
    let ballast = disk.0.path().join("ballast");
    let mut file = fs::File::create(&ballast).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 65536]).is_ok() {}
    drop(file);
    // Write-ahead log only: it is what PostgreSQL cannot do without.
    let fill = "INSERT INTO note (text) VALUES ('x');
        SELECT count(pg_logical_emit_message(true, 'fill', repeat('x', 1000000)))
        FROM generate_series(1, 8)";
    let mut acknowledged = 0;
    eventually("the server runs out of space", || {
        acknowledged += u32::from(engine.psql(fill).is_ok());
        engine.facts().state != DataServiceState::Available
    });
    eventually("it is told why", || {
        let words = engine.facts().words.unwrap_or_default();
        words.contains("No space left") || words.contains("no space left")
    });
    fs::remove_file(&ballast).unwrap();
    eventually("it is back", || {
        engine.facts().state == DataServiceState::Available
    });
    assert_eq!(engine.facts().port, before.port);
    let count = engine.psql("SELECT count(*) FROM note").unwrap();
    assert!(
        count.parse::<u32>().unwrap() >= acknowledged,
        "{count} of {acknowledged}"
    );
    engine.psql(fill).unwrap();
    engine.stop();
}

/// Manners that an application expects of its database.
fn manners(engine: &Engine) {
    for extension in [
        "pgcrypto",
        "citext",
        "hstore",
        "pg_trgm",
        "unaccent",
        "\"uuid-ossp\"",
        "btree_gist",
        "pg_stat_statements",
    ] {
        let make = format!("CREATE EXTENSION IF NOT EXISTS {extension}");
        engine.psql(&make).unwrap();
    }
    engine
        .psql("SELECT count(*) FROM pg_stat_statements")
        .unwrap();
    engine.psql("CREATE DATABASE t_test").unwrap();
    let mut url = engine.url();
    url.push_str("?sslmode=require");
    let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let output = Command::new("psql").args(["-XAtc", ssl, &url]).output();
    let output = output.unwrap();
    assert_eq!(output.stdout, b"t\n", "{output:?}");
}

#[test]
fn an_application_may_do_what_it_may_on_rds_and_text_is_sorted_alike() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let processes = Arc::new(Shims::new(&state));
    let Some(engine) = Engine::start(&state, "notes", &processes) else {
        return;
    };
    engine.available();
    manners(&engine);
    let sorted =
        "SELECT string_agg(x, ',' ORDER BY x) FROM (VALUES ('b'),('A'),('a'),('B'),('é')) v(x)";
    assert_eq!(engine.psql(sorted).unwrap(), "a,A,b,B,é");
    // ICU makes two letters of a ß; the C library, as RDS has it, none.
    let upper = engine.psql("SELECT upper('é ß ü')").unwrap();
    let icu = engine
        .psql("SELECT datlocprovider FROM pg_database WHERE datname = current_database()")
        .unwrap();
    let expected = if icu == "i" { "É SS Ü" } else { "É ß Ü" };
    assert_eq!(upper, expected);
    let refused = engine.psql("CREATE ROLE other SUPERUSER").unwrap_err();
    assert!(refused.contains("superuser"), "{refused}");
    engine.stop();
}

#[test]
fn a_cluster_of_an_earlier_version_gets_the_same_rights_at_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let processes = Arc::new(Shims::new(&state));
    let Some(engine) = Engine::start(&state, "notes", &processes) else {
        return;
    };
    engine.available();
    engine.psql("CREATE TABLE note (id int)").unwrap();
    engine.stop();
    drop(engine);
    // As an earlier version left it: another mark, no certificate.
    let home = state.join("data/postgres-main");
    fs::write(home.join("credential"), "earlier").unwrap();
    for name in ["server.crt", "server.key"] {
        fs::remove_file(home.join("pgdata").join(name)).unwrap();
    }
    let engine = Engine::start(&state, "notes", &processes).unwrap();
    engine.available();
    manners(&engine);
    engine.psql("SELECT * FROM note").unwrap();
    engine.stop();
}
