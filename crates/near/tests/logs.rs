//! The logs of tasks: what is written, what is kept, what a reader sees.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use neargate_near::clock::now;
use neargate_near::logs::reader::DEAD_TASKS_KEPT;
use neargate_near::logs::writer::{
    FILE_BYTES, FILES, LINE_BYTES, LogWriter, Stream, copy, rotated,
};
use neargate_near::logs::{self, Filter, Position};
use neargate_near::paths::StateDir;
use serde_json::json;
use tempfile::TempDir;

struct World {
    state: StateDir,
    _directory: TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            state: StateDir::at(directory.path()),
            _directory: directory,
        }
    }

    fn directory(&self, service: &str) -> PathBuf {
        self.state.logs().join(service)
    }

    fn writer(&self, service: &str, task: &str) -> LogWriter {
        LogWriter::open(&self.directory(service), task, 1).unwrap()
    }

    fn texts(&self, filter: &Filter) -> Vec<String> {
        let lines = logs::read(&self.state, filter, &mut Position::default()).unwrap();
        lines.iter().map(logs::Line::text).collect()
    }
}

#[test]
fn a_line_keeps_time_stream_revision_and_task_and_json_stays_json() {
    let world = World::new();
    let before = now();
    let mut writer = LogWriter::open(&world.directory("api"), "api-r3-7", 3).unwrap();
    writer.write(Stream::Out, b"listening");
    writer.write(Stream::Err, br#"{"level":"error","request_id":"r-1"}"#);
    writer.write(Stream::Out, br#"{"half":"#);
    writer.write(Stream::Out, b"not \xff text");
    let lines = logs::read(&world.state, &Filter::default(), &mut Position::default()).unwrap();
    let seen: Vec<_> = lines
        .iter()
        .map(|line| (line.stream.as_str(), line.message.clone()))
        .collect();
    let object = json!({"level": "error", "request_id": "r-1"});
    let expected = [
        ("o", json!("listening")),
        ("e", object),
        ("o", json!("{\"half\":")),
        ("o", json!("not \u{fffd} text")),
    ];
    assert_eq!(seen, expected);
    for line in &lines {
        assert_eq!((line.revision, line.task.as_str()), (3, "api-r3-7"));
        assert!(before <= line.at && line.at <= now());
    }
}

#[test]
fn a_filter_chooses_services_tasks_times_and_words() {
    let world = World::new();
    world
        .writer("api", "api-r1-1")
        .write(Stream::Out, b"api one");
    world
        .writer("api", "api-r1-2")
        .write(Stream::Out, b"api two");
    world
        .writer("web", "web-r1-1")
        .write(Stream::Out, b"web one");
    world
        .writer("database-main", "database-main")
        .write(Stream::Err, b"checkpoint");
    let filter = |change: fn(&mut Filter)| {
        let mut filter = Filter::default();
        change(&mut filter);
        let mut texts = world.texts(&filter);
        texts.sort();
        texts
    };
    assert_eq!(filter(|_| ()), ["api one", "api two", "web one"]);
    let database = filter(|f| f.services = vec!["database-main".to_owned()]);
    assert_eq!(database, ["checkpoint"]);
    assert_eq!(
        filter(|f| f.task = Some("api-r1-2".to_owned())),
        ["api two"]
    );
    assert_eq!(
        filter(|f| f.grep = Some("one".to_owned())),
        ["api one", "web one"]
    );
    assert_eq!(
        filter(|f| f.since = Some(now().after(std::time::Duration::from_secs(9)))),
        [""; 0]
    );
    assert_eq!(
        filter(|f| f.until = Some(neargate_core::time::Timestamp(1))),
        [""; 0]
    );
}

#[test]
fn a_reader_that_follows_sees_every_line_once_through_rotations() {
    let world = World::new();
    let mut writer = world.writer("api", "api-r1-1");
    let mut position = Position::default();
    let mut seen = 0;
    // Enough to rotate twice; a reader that comes often enough misses nothing.
    let text = vec![b'x'; LINE_BYTES / 2];
    let count = 2 * FILE_BYTES / text.len() as u64 + 10;
    for number in 0..count {
        writer.write(Stream::Out, &text);
        if number % 50 == 0 {
            seen += logs::read(&world.state, &Filter::default(), &mut position)
                .unwrap()
                .len();
        }
    }
    seen += logs::read(&world.state, &Filter::default(), &mut position)
        .unwrap()
        .len();
    assert_eq!(seen as u64, count);
}

#[test]
fn the_logs_of_a_task_have_a_bound() {
    let world = World::new();
    let mut writer = world.writer("api", "api-r1-1");
    let text = vec![b'x'; LINE_BYTES];
    for _ in 0..(u64::from(FILES) + 2) * FILE_BYTES / text.len() as u64 {
        writer.write(Stream::Out, &text);
    }
    let entries: Vec<_> = fs::read_dir(world.directory("api"))
        .unwrap()
        .flatten()
        .collect();
    assert_eq!(entries.len(), FILES as usize);
    for entry in entries {
        assert!(entry.metadata().unwrap().len() <= FILE_BYTES);
    }
}

#[tokio::test]
async fn a_line_without_end_is_written_in_parts() {
    let world = World::new();
    let writer = Arc::new(Mutex::new(world.writer("api", "api-r1-1")));
    let mut text = vec![b'x'; LINE_BYTES + 10];
    text.extend(b"\nlast line without an end");
    copy(&*text, writer, Stream::Out).await;
    let lengths: Vec<usize> = world
        .texts(&Filter::default())
        .iter()
        .map(String::len)
        .collect();
    assert_eq!(lengths, [LINE_BYTES, 10, 24]);
}

#[test]
fn half_a_line_of_a_killed_shim_costs_no_other_line() {
    let world = World::new();
    world
        .writer("api", "api-r1-1")
        .write(Stream::Out, b"before");
    let path = world.directory("api").join("api-r1-1.log");
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(br#"{"t":17,"s":"o","r":1,"k":"api"#)
        .unwrap();
    assert_eq!(world.texts(&Filter::default()), ["before"]);
    world.writer("api", "api-r1-1").write(Stream::Out, b"after");
    assert_eq!(world.texts(&Filter::default()), ["before", "after"]);
}

#[test]
fn the_last_lines_of_a_log_are_found_without_reading_all_of_it() {
    let world = World::new();
    let mut writer = world.writer("api", "api-r1-1");
    for number in 0..100_000 {
        writer.write(Stream::Out, format!("line {number}").as_bytes());
    }
    assert_eq!(
        logs::last_lines(&world.state, "api", "api-r1-1", 2),
        ["line 99998", "line 99999"]
    );
    assert_eq!(logs::last_lines(&world.state, "api", "unknown", 2), [""; 0]);
}

#[test]
fn logs_of_dead_tasks_are_kept_up_to_a_bound_and_those_of_the_living_always() {
    let world = World::new();
    let dead = DEAD_TASKS_KEPT + 5;
    for number in 0..=dead {
        let task = format!("api-r1-{number}");
        world.writer("api", &task).write(Stream::Out, b"x");
        let path = world.directory("api").join(format!("{task}.log"));
        let age = std::time::Duration::from_secs(1000 - number as u64);
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - age)
            .unwrap();
        fs::write(rotated(&path, 1), "").unwrap();
    }
    logs::prune(&world.state, "api", &["api-r1-0".to_owned()]).unwrap();
    let kept = |number: usize| {
        let path = world.directory("api").join(format!("api-r1-{number}.log"));
        assert_eq!(path.exists(), rotated(&path, 1).exists());
        path.exists()
    };
    assert!(kept(0), "the living one");
    let expected: Vec<usize> = (dead - DEAD_TASKS_KEPT + 1..=dead).collect();
    let found: Vec<usize> = (1..=dead).filter(|number| kept(*number)).collect();
    assert_eq!(found, expected);
}
