//! Real PostgreSQL, Redis and `notes` processes for the tests, and a plain HTTP client.
//!
//! Invariant: whatever a test binary starts ends with it, even when it is killed: each server is a
//! child of a shell that reads from a pipe which only the test process holds open.
#![allow(dead_code)]

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// Waits for a condition, not for a time.
pub(crate) fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(
            start.elapsed() < DEADLINE,
            "not within {DEADLINE:?}: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A server that ends when this is dropped or when the test process ends.
pub(crate) struct Guarded(Child);

impl Guarded {
    fn spawn(command: &str, cleanup: &str, user: Option<(u32, u32)>) -> Self {
        let script = format!("{command} & pid=$!; read -r _; kill -INT $pid; wait $pid; {cleanup}");
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if let Some((uid, gid)) = user {
            shell.uid(uid).gid(gid);
        }
        Self(shell.current_dir("/").spawn().expect("sh starts"))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Directories and accounts of the data services; they survive a stop and a start.
pub(crate) struct Data {
    folder: PathBuf,
    binaries: PathBuf,
    owner: Option<(u32, u32)>,
    databases: AtomicU32,
}

impl Data {
    /// `None`, with a message, where the machine has no PostgreSQL or Redis.
    pub(crate) fn prepare() -> Option<Self> {
        let Some(binaries) = postgres_binaries() else {
            eprintln!("skipped: no PostgreSQL under /usr/lib/postgresql");
            return None;
        };
        if Command::new("redis-server")
            .arg("--version")
            .output()
            .is_err()
        {
            eprintln!("skipped: no redis-server");
            return None;
        }
        let owner = account();
        let folder = tempfile::Builder::new()
            .prefix("notes-test")
            .tempdir_in("/tmp")
            .expect("temporary folder")
            .keep();
        if let Some((uid, gid)) = owner {
            chown(&folder, Some(uid), Some(gid)).expect("root may give folders away");
        }
        let data = Self {
            folder,
            binaries,
            owner,
            databases: AtomicU32::new(0),
        };
        let cluster = data.folder.join("pg");
        let made = data
            .tool("initdb")
            .args(["-U", "notes", "-A", "trust", "-N", "-D"])
            .arg(cluster)
            .output();
        let made = made.expect("initdb runs");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        Some(data)
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command.current_dir("/");
        if let Some((uid, gid)) = self.owner {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Starts PostgreSQL on a unix socket and waits until it answers.
    pub(crate) fn start_postgres(&self, cleanup: bool) -> Guarded {
        let folder = self.folder.display();
        let binaries = self.binaries.display();
        let settings = "-c listen_addresses= -c fsync=off -c max_connections=200";
        let command = format!("{binaries}/postgres -D {folder}/pg -k {folder} {settings}");
        let cleanup = if cleanup {
            format!("rm -rf {folder}")
        } else {
            String::new()
        };
        let server = Guarded::spawn(&command, &cleanup, self.owner);
        eventually("PostgreSQL answers", || self.sql("postgres", "select 1"));
        server
    }

    /// Starts Redis on a unix socket and waits until it listens.
    pub(crate) fn start_redis(&self) -> Guarded {
        let folder = self.folder.display();
        let settings = "--port 0 --save '' --databases 64";
        let command =
            format!("redis-server --dir {folder} --unixsocket {folder}/redis.sock {settings}");
        let server = Guarded::spawn(&command, "", self.owner);
        let socket = self.folder.join("redis.sock");
        eventually("Redis answers", || {
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
        server
    }

    /// Runs SQL; `None` when that fails.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> Option<String> {
        let output = self
            .tool("psql")
            .args(["-XAtq", "-U", "notes", "-d", database, "-c", sql, "-h"])
            .arg(&self.folder)
            .output();
        let output = output.expect("psql runs");
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Settings for one application with a database and a cache of its own.
    pub(crate) fn application(&self) -> Settings {
        let n = self.databases.fetch_add(1, Ordering::Relaxed);
        let database = format!("notes{n}");
        self.sql("postgres", &format!("create database {database}"))
            .expect("a new database");
        let folder = self.folder.display();
        let variables = [
            (
                "DATABASE_URL",
                format!("postgres://notes@localhost/{database}?host={folder}"),
            ),
            (
                "REDIS_URL",
                format!("redis+unix://{folder}/redis.sock?db={n}"),
            ),
            ("SESSION", "a secret for the tests".to_owned()),
        ];
        Settings {
            database,
            variables: variables.into_iter().collect(),
        }
    }
}

/// The environment of a `notes` process.
#[derive(Clone)]
pub(crate) struct Settings {
    pub database: String,
    variables: HashMap<&'static str, String>,
}

impl Settings {
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.variables.insert(name, value.to_owned());
        self
    }

    pub(crate) fn command(&self, argument: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_notes"));
        command.arg(argument).env_clear().envs(&self.variables);
        command
    }

    pub(crate) fn migrate(&self) -> Output {
        self.command("migrate").output().expect("notes runs")
    }

    /// Migrates and serves.
    pub(crate) fn start(&self) -> Application {
        let migrated = self.migrate();
        assert!(
            migrated.status.success(),
            "{}",
            String::from_utf8_lossy(&migrated.stdout)
        );
        self.serve()
    }

    /// Serves, and waits until the process answers.
    pub(crate) fn serve(&self) -> Application {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("a free port")
            .port();
        let log = tempfile::NamedTempFile::new().expect("temporary file");
        let output = log.reopen().expect("temporary file");
        let child = self
            .command("serve")
            .env("PORT", port.to_string())
            .stdout(output)
            .spawn()
            .expect("notes runs");
        let application = Application { child, port, log };
        eventually("notes listens", || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        application
    }
}

/// A serving `notes` process.
pub(crate) struct Application {
    pub child: Child,
    pub port: u16,
    log: tempfile::NamedTempFile,
}

impl Drop for Application {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Application {
    /// Sends one request on a connection of its own.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        request(self.port, method, path, headers, body).expect("an answer")
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub(crate) fn post(&self, body: &Value) -> Answer {
        self.json("POST", "/api/notes", &[], body)
    }

    pub(crate) fn json(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &Value,
    ) -> Answer {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(method, path, &all, &body.to_string())
    }

    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .expect("the process is ours");
    }

    /// Every log line so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.log.path()).expect("the log");
        text.lines()
            .map(|line| serde_json::from_str(line).expect(line))
            .collect()
    }
}

/// An answer, with lower-case header names.
#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn value(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// One request on a new connection; an error when there is no whole answer.
pub(crate) fn request(
    port: u16,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut head = format!(
        "{method} {path} HTTP/1.1\r\nhost: notes\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    // A refusal may come before the whole body is written: then the answer is what counts.
    let _ = stream.write_all(format!("{head}\r\n{body}").as_bytes());
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    read_answer(&String::from_utf8_lossy(&bytes))
        .ok_or_else(|| std::io::ErrorKind::UnexpectedEof.into())
}

fn read_answer(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let header = |line: &str| {
        line.split_once(": ")
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
    };
    Some(Answer {
        status,
        headers: lines.filter_map(header).collect(),
        body: body.to_owned(),
    })
}

fn postgres_binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut folders: Vec<PathBuf> = versions
        .flatten()
        .map(|entry| entry.path().join("bin"))
        .collect();
    folders.retain(|folder| folder.join("postgres").exists());
    folders.sort();
    folders.pop()
}

/// PostgreSQL does not run as root: then the account `postgres` runs it.
fn account() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let accounts = std::fs::read_to_string(Path::new("/etc/passwd")).expect("/etc/passwd");
    let line = accounts
        .lines()
        .find(|line| line.starts_with("postgres:"))
        .expect("an account `postgres`");
    let mut fields = line
        .split(':')
        .skip(2)
        .map(|field| field.parse().expect("a number"));
    Some((fields.next().expect("uid"), fields.next().expect("gid")))
}

static SHARED: OnceLock<Option<(Data, Guarded, Guarded)>> = OnceLock::new();

/// The data services that the tests of one binary share.
pub(crate) fn shared() -> Option<&'static Data> {
    let shared = SHARED.get_or_init(|| {
        let data = Data::prepare()?;
        let redis = data.start_redis();
        let postgres = data.start_postgres(true);
        Some((data, postgres, redis))
    });
    shared.as_ref().map(|(data, _, _)| data)
}
