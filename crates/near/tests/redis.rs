//! Redis as a data service, with the machine's real programs.

mod processes;

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use neargate_core::model::{Cache, CacheEngine};
use neargate_near::data::{
    DataError, DataServiceName, DataServiceState, DataServiceStatus, DataSupervisor,
};
use neargate_near::paths::StateDir;
use processes::{Shims, eventually, files_with, processes_with, send};
use rustix::process::Signal;
use tokio::runtime::Runtime;

const SOON: Duration = Duration::from_secs(90);

fn cache() -> Cache {
    Cache {
        name: "main".to_owned(),
        engine: CacheEngine::Redis,
        version: None,
        url: None,
        eviction: "allkeys-lru".to_owned(),
        memory: 32,
        size: None,
        replicas: 0,
        snapshots: Duration::ZERO,
    }
}

struct Engine {
    runtime: Runtime,
    data: DataSupervisor<Shims>,
    key: DataServiceName,
}

impl Engine {
    /// `None` when the machine has no Redis.
    fn start(state: &Path, processes: &Arc<Shims>) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let data = DataSupervisor::new(&StateDir::at(state), "notes", Arc::clone(processes));
        let started = runtime.block_on(async { data.start_cache(&cache()) });
        match started {
            Err(error @ DataError::NotInstalled { .. }) => {
                eprintln!("skipped: {error}");
                return None;
            }
            other => other.unwrap(),
        }
        let key = DataServiceName::cache("main");
        runtime.block_on(data.available(&key, SOON)).unwrap();
        Some(Self { runtime, data, key })
    }

    fn facts(&self) -> DataServiceStatus {
        self.data.facts().remove(0)
    }

    fn password(&self) -> String {
        let url = self.data.url(&self.key).unwrap();
        let rest = url
            .expose_text()
            .unwrap()
            .strip_prefix("redis://:")
            .unwrap();
        rest.split_once('@').unwrap().0.to_owned()
    }

    fn ask(&self, password: Option<&str>, command: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        cli.args([
            "-h",
            "127.0.0.1",
            "-p",
            &self.facts().port.unwrap().to_string(),
        ]);
        if let Some(password) = password {
            cli.env("REDISCLI_AUTH", password);
        }
        let output = cli.args(command).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn stop(&self) {
        self.runtime.block_on(self.data.stop_all());
    }
}

#[test]
fn cache_has_a_password_a_bound_and_its_eviction_policy() {
    let dir = tempfile::tempdir().unwrap();
    // Deeper than a unix socket's path may be.
    let state = dir.path().join("d".repeat(120)).join("state");
    let processes = Arc::new(Shims::new(&state));
    let Some(engine) = Engine::start(&state, &processes) else {
        return;
    };
    let password = engine.password();
    assert_eq!(engine.ask(Some(&password), &["SET", "a", "1"]), "OK");
    assert!(engine.ask(None, &["GET", "a"]).contains("NOAUTH"));
    let setting = |name| engine.ask(Some(&password), &["CONFIG", "GET", name]);
    assert!(setting("maxmemory").contains("33554432"));
    assert!(setting("maxmemory-policy").contains("allkeys-lru"));
    assert!(!engine.facts().engine.is_empty());
    assert_eq!(
        processes_with(password.as_bytes()),
        Vec::<std::path::PathBuf>::new()
    );
    let conf = state.join("data/redis-main/home/redis.conf");
    assert_eq!(files_with(&state, password.as_bytes()), vec![conf.clone()]);
    assert_eq!(conf.metadata().unwrap().mode() & 0o777, 0o600);
    engine.stop();
    assert_eq!(engine.facts().state, DataServiceState::Stopped);
}

#[test]
fn killed_cache_comes_back_empty_on_its_port() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let processes = Arc::new(Shims::new(&state));
    let Some(engine) = Engine::start(&state, &processes) else {
        return;
    };
    let password = engine.password();
    assert_eq!(engine.ask(Some(&password), &["SET", "a", "1"]), "OK");
    let before = engine.facts();
    send(before.pid.unwrap(), Signal::KILL);
    eventually("another server is available", || {
        let facts = engine.facts();
        facts.state == DataServiceState::Available && facts.pid != before.pid
    });
    assert_eq!(engine.facts().port, before.port);
    assert_eq!(engine.ask(Some(&password), &["DBSIZE"]), "0");
    engine.stop();
}

#[test]
fn next_engine_adopts_the_cache_with_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let processes = Arc::new(Shims::new(&state));
    let Some(engine) = Engine::start(&state, &processes) else {
        return;
    };
    let password = engine.password();
    assert_eq!(engine.ask(Some(&password), &["SET", "a", "1"]), "OK");
    let before = engine.facts();
    drop(engine);
    let engine = Engine::start(&state, &processes).unwrap();
    assert_eq!(engine.facts(), before);
    assert_eq!(engine.ask(Some(&password), &["GET", "a"]), "1");
    engine.stop();
}
