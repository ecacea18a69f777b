//! The logs of tasks: what is written, what is kept, what a reader sees.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use neargate_core::ids::RevisionNumber;
use neargate_near::clock::now;
use neargate_near::logs::retention::DEAD_TASKS_KEPT;
use neargate_near::logs::writer::{FILE_BYTES, FILES, LINE_BYTES, LogWriter, copy, rotated};
use neargate_near::logs::{self, LogFilter, LogLine, LogReader, OutputStream};
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
        LogWriter::open(&self.directory(service), task, RevisionNumber(1)).unwrap()
    }

    fn texts(&self, filter: &LogFilter) -> Vec<String> {
        let lines = self.lines(filter, None);
        lines.iter().map(|line| line.text().into_owned()).collect()
    }

    fn lines(&self, filter: &LogFilter, tail: Option<usize>) -> Vec<LogLine> {
        rest(&mut LogReader::open(&self.state, filter.clone(), tail).unwrap())
    }
}

/// All lines up to the present end.
fn rest(reader: &mut LogReader) -> Vec<LogLine> {
    std::iter::from_fn(|| reader.next_line().unwrap()).collect()
}

#[test]
fn a_line_keeps_time_stream_revision_and_task() {
    let world = World::new();
    let before = now();
    let mut writer =
        LogWriter::open(&world.directory("api"), "api-r3-7", RevisionNumber(3)).unwrap();
    writer.write(OutputStream::Out, b"listening");
    writer.write(OutputStream::Err, b"failed");
    let lines = world.lines(&LogFilter::default(), None);
    assert_eq!(
        [lines[0].stream, lines[1].stream],
        [OutputStream::Out, OutputStream::Err]
    );
    for line in &lines {
        assert_eq!(
            (line.revision, line.task.as_str()),
            (RevisionNumber(3), "api-r3-7")
        );
        assert!(before <= line.at && line.at <= now());
    }
}

/// Lines that a task may write; none of them is changed or lost on the way.
fn odd_lines() -> Vec<Vec<u8>> {
    let deep = format!("{{\"deep\":{}{}}}", "[".repeat(3000), "]".repeat(3000));
    let mut lines: Vec<Vec<u8>> = [
        "plain",
        "",
        "   indented",
        "grüße 🎉",
        "\u{1b}[31mred\u{1b}[0m",
        "progress 10%\rprogress 20%",
        r#"{"level": "error", "with": "blanks"}"#,
        r#"{"z":1,"a":2,"a":3}"#,
        r#"{"price":1.10,"n":1e999,"big":12345678901234567890123}"#,
        r#"{"cut":"\ud83d"}"#,
        r#"{"half":"#,
        r#"{"a":1} trailing"#,
        r#"{"a":1}  "#,
        "{\"a\":\r1}",
        "\"a text in quotes\"",
        "[1]",
        "17",
        &deep,
    ]
    .iter()
    .map(|line| line.as_bytes().to_vec())
    .collect();
    lines.push(b"\xff\xfe\x00binary".to_vec());
    lines.push((0..=255).filter(|byte| *byte != b'\n').collect());
    lines
}

#[tokio::test]
async fn every_line_is_shown_byte_for_byte_as_the_task_wrote_it() {
    let world = World::new();
    let writer = Arc::new(Mutex::new(world.writer("api", "api-r1-1")));
    let input: Vec<u8> = odd_lines().join(&b'\n');
    copy(
        &*[input, b"\n".to_vec()].concat(),
        writer,
        OutputStream::Out,
    )
    .await;
    let shown: Vec<Vec<u8>> = world
        .lines(&LogFilter::default(), None)
        .into_iter()
        .map(|line| line.bytes)
        .collect();
    assert_eq!(shown, odd_lines());
}

/// The bytes that a message stands for, as `logs --help` has it.
fn bytes_of(message: &str, is_bytes: bool) -> Vec<u8> {
    match is_bytes {
        true => {
            let bytes = message.chars().map(|c| u8::try_from(u32::from(c)));
            bytes.collect::<Result<_, _>>().expect("a byte each")
        }
        false => message.as_bytes().to_vec(),
    }
}

#[test]
fn json_output_is_valid_json_on_one_line_whatever_was_written() {
    let world = World::new();
    let mut writer = world.writer("api", "api-r1-1");
    for line in odd_lines() {
        writer.write(OutputStream::Out, &line);
    }
    writer.write(OutputStream::Out, br#"{"level":"error","n":[1,2]}"#);
    let mut last = json!(null);
    for line in world.lines(&LogFilter::default(), None) {
        let text = line.json();
        assert!(!text.contains(['\n', '\r']), "{text:?}");
        last = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!((&last["k"], &last["s"]), (&json!("api-r1-1"), &json!("o")));
        if let Some(message) = last["m"].as_str() {
            assert_eq!(bytes_of(message, last["x"] == true), line.bytes, "{text}");
        }
    }
    assert_eq!(last["m"], json!({"level": "error", "n": [1, 2]}));
}

#[test]
fn a_search_finds_what_the_task_wrote_and_not_how_it_is_stored() {
    let world = World::new();
    let mut writer = world.writer("api", "api-r1-1");
    for line in odd_lines() {
        writer.write(OutputStream::Out, &line);
    }
    for (text, count) in [
        (r#""level": "error""#, 1),
        ("\"n\":1e999", 1),
        ("a text in quotes\"", 1),
        ("10%\rprogress", 1),
        ("\\r", 0),
        ("binary", 1),
    ] {
        let grep = Some(text.to_owned());
        let filter = LogFilter {
            grep,
            ..LogFilter::default()
        };
        assert_eq!(world.lines(&filter, None).len(), count, "{text}");
    }
}

#[test]
fn a_filter_chooses_services_tasks_times_and_words() {
    let world = World::new();
    world
        .writer("api", "api-r1-1")
        .write(OutputStream::Out, b"api one");
    world
        .writer("api", "api-r1-2")
        .write(OutputStream::Out, b"api two");
    world
        .writer("web", "web-r1-1")
        .write(OutputStream::Out, b"web one");
    world
        .writer("database-main", "database-main")
        .write(OutputStream::Err, b"checkpoint");
    let filter = |change: fn(&mut LogFilter)| {
        let mut filter = LogFilter::default();
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
    let mut reader = LogReader::open(&world.state, LogFilter::default(), None).unwrap();
    let mut seen = Vec::new();
    // More than all files of a log hold: a reader that comes often enough misses nothing.
    let filling = "x".repeat(LINE_BYTES / 2);
    let count = u64::from(FILES + 2) * FILE_BYTES / (LINE_BYTES as u64 / 2);
    for number in 0..count {
        writer.write(OutputStream::Out, format!("{number} {filling}").as_bytes());
        if number % 200 == 0 {
            reader.refresh().unwrap();
            seen.extend(rest(&mut reader).iter().map(number_of));
        }
    }
    reader.refresh().unwrap();
    seen.extend(rest(&mut reader).iter().map(number_of));
    assert_eq!(seen, (0..count).collect::<Vec<u64>>());
    assert_eq!(reader.take_lost(), [""; 0]);
}

fn number_of(line: &LogLine) -> u64 {
    let text = line.text();
    text.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_reader_reads_files_to_their_end_that_rotation_has_removed_since_it_saw_them() {
    let world = World::new();
    let mut writer = world.writer("api", "api-r1-1");
    let filling = "x".repeat(LINE_BYTES / 2);
    let count = u64::from(FILES) * FILE_BYTES / (LINE_BYTES as u64 / 2);
    writer.write(OutputStream::Out, format!("0 {filling}").as_bytes());
    let mut reader = LogReader::open(&world.state, LogFilter::default(), None).unwrap();
    for number in 1..count {
        writer.write(OutputStream::Out, format!("{number} {filling}").as_bytes());
        if number % 200 == 0 {
            reader.refresh().unwrap(); // It sees the new files, and reads nothing yet.
        }
    }
    reader.refresh().unwrap();
    let seen: Vec<u64> = rest(&mut reader).iter().map(number_of).collect();
    assert_eq!(seen, (0..count).collect::<Vec<u64>>());
}

#[test]
fn a_reader_that_comes_too_late_says_of_which_task_lines_are_missing() {
    let world = World::new();
    let mut writer = world.writer("api", "api-r1-1");
    writer.write(OutputStream::Out, b"first");
    let mut reader = LogReader::open(&world.state, LogFilter::default(), None).unwrap();
    let filling = vec![b'x'; LINE_BYTES];
    for _ in 0..(u64::from(FILES) + 1) * FILE_BYTES / LINE_BYTES as u64 {
        writer.write(OutputStream::Out, &filling);
    }
    reader.refresh().unwrap();
    rest(&mut reader);
    assert_eq!(reader.take_lost(), ["api-r1-1"]);
}

#[test]
fn a_reader_that_follows_sees_half_a_line_once_it_is_whole_and_new_tasks() {
    let world = World::new();
    world
        .writer("api", "api-r1-1")
        .write(OutputStream::Out, b"one");
    let path = world.directory("api").join("api-r1-1.log");
    let whole = fs::read(&path).unwrap();
    let mut reader = LogReader::open(&world.state, LogFilter::default(), None).unwrap();
    assert_eq!(rest(&mut reader).len(), 1);
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    let (half, other) = whole.split_at(9);
    file.write_all(half).unwrap();
    reader.refresh().unwrap();
    assert_eq!(rest(&mut reader).len(), 0);
    // On a full disk a writer takes half a record back and begins again.
    file.set_len(whole.len() as u64).unwrap();
    reader.refresh().unwrap();
    assert_eq!(rest(&mut reader).len(), 0);
    file.write_all(half).unwrap();
    file.write_all(other).unwrap();
    world
        .writer("api", "api-r2-2")
        .write(OutputStream::Out, b"two");
    reader.refresh().unwrap();
    let texts: Vec<String> = rest(&mut reader)
        .iter()
        .map(|line| line.text().into_owned())
        .collect();
    assert_eq!(texts, ["one", "two"]);
}

#[test]
fn the_last_lines_of_all_logs_come_first_and_what_follows_goes_on_behind_them() {
    let world = World::new();
    let mut api = world.writer("api", "api-r1-1");
    let mut web = world.writer("web", "web-r1-1");
    let filling = "x".repeat(LINE_BYTES / 2);
    for number in 0..2 * FILE_BYTES / (LINE_BYTES as u64 / 2) {
        api.write(OutputStream::Out, format!("{number} {filling}").as_bytes());
    }
    let written = now();
    while now() == written {}
    web.write(OutputStream::Out, b"web one");
    let written = now();
    while now() == written {}
    api.write(OutputStream::Out, b"api last");
    let texts = |tail, grep: Option<&str>| -> Vec<String> {
        let grep = grep.map(str::to_owned);
        let filter = LogFilter {
            grep,
            ..LogFilter::default()
        };
        let lines = world.lines(&filter, Some(tail));
        lines
            .iter()
            .map(|line| line.text().chars().take(8).collect())
            .collect()
    };
    assert_eq!(texts(0, None), [""; 0]);
    assert_eq!(texts(1, None), ["api last"]);
    assert_eq!(texts(2, None), ["web one", "api last"]);
    assert_eq!(texts(3, None)[1..], ["web one", "api last"]);
    // Found in the rotated file, not in the present one.
    assert_eq!(texts(1, Some("7 xxx"))[0].split(' ').count(), 2);
    assert_eq!(texts(5000, None).len(), 1024 + 2);
    let mut reader = LogReader::open(&world.state, LogFilter::default(), Some(1)).unwrap();
    assert_eq!(rest(&mut reader).len(), 1);
    web.write(OutputStream::Out, b"web two");
    reader.refresh().unwrap();
    assert_eq!(rest(&mut reader)[0].text(), "web two");
}

#[test]
fn the_logs_of_a_task_have_a_bound() {
    let world = World::new();
    let mut writer = world.writer("api", "api-r1-1");
    let text = vec![b'x'; LINE_BYTES];
    for _ in 0..(u64::from(FILES) + 2) * FILE_BYTES / text.len() as u64 {
        writer.write(OutputStream::Out, &text);
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
async fn a_long_line_is_written_in_parts_that_are_marked_and_cut_between_characters() {
    let parts = |input: Vec<u8>| async move {
        let world = World::new();
        let writer = Arc::new(Mutex::new(world.writer("api", "api-r1-1")));
        copy(&*input, writer, OutputStream::Out).await;
        let lines = world.lines(&LogFilter::default(), None);
        lines
            .iter()
            .map(|line| (line.bytes.len(), line.continues))
            .collect::<Vec<_>>()
    };
    let x = |count: usize, end: &str| [vec![b'x'; count], end.as_bytes().to_vec()].concat();
    let whole = (LINE_BYTES, false);
    let part = (LINE_BYTES, true);
    for (input, expected) in [
        (x(LINE_BYTES, "\n"), vec![whole]),
        (x(LINE_BYTES, "\r\n"), vec![whole]),
        (x(LINE_BYTES, ""), vec![whole]),
        (x(LINE_BYTES + 1, "\n"), vec![part, (1, false)]),
        (x(LINE_BYTES + 1, "\r\n"), vec![part, (1, false)]),
        (
            x(LINE_BYTES + 10, "\nlast line without an end"),
            vec![part, (10, false), (24, false)],
        ),
        (x(3 * LINE_BYTES, "\n"), vec![part, part, whole]),
        (
            x(LINE_BYTES - 1, "ü\n"),
            vec![(LINE_BYTES - 1, true), (2, false)],
        ),
        (
            x(LINE_BYTES - 3, "🎉 end\n"),
            vec![(LINE_BYTES - 3, true), (8, false)],
        ),
        (x(LINE_BYTES - 2, "ü\n"), vec![whole]),
    ] {
        assert_eq!(parts(input).await, expected);
    }
}

#[test]
fn half_a_line_of_a_killed_shim_costs_no_other_line() {
    let world = World::new();
    world
        .writer("api", "api-r1-1")
        .write(OutputStream::Out, b"before");
    let path = world.directory("api").join("api-r1-1.log");
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(br#"{"t":17,"s":"o","r":1,"k":"api"#)
        .unwrap();
    assert_eq!(world.texts(&LogFilter::default()), ["before"]);
    world
        .writer("api", "api-r1-1")
        .write(OutputStream::Out, b"after");
    assert_eq!(world.texts(&LogFilter::default()), ["before", "after"]);
}

#[test]
fn the_last_lines_of_a_log_are_found_without_reading_all_of_it() {
    let world = World::new();
    let mut writer = world.writer("api", "api-r1-1");
    for number in 0..100_000 {
        writer.write(OutputStream::Out, format!("line {number}").as_bytes());
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
        world.writer("api", &task).write(OutputStream::Out, b"x");
        let path = world.directory("api").join(format!("{task}.log"));
        let age = std::time::Duration::from_secs(1000 - number as u64);
        let file = fs::File::options().append(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - age)
            .unwrap();
        fs::write(rotated(&path, 1), "").unwrap();
    }
    logs::prune(&world.state, "api", &["api-r1-0".into()]).unwrap();
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
