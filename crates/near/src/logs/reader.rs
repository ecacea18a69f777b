//! Reads the logs of an environment: merged by time, filtered, followed.
//!
//! A reader needs no engine. It survives rotation and sees tasks that start while it follows.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use neargate_core::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::writer::{FILES, rotated};
use crate::paths::StateDir;

/// Logs of tasks that are gone, kept per service.
pub const DEAD_TASKS_KEPT: usize = 20;
/// Bytes at the end of a log in which its last lines are looked for.
const TAIL_BYTES: u64 = 256 * 1024;

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When it was written.
    #[serde(rename = "t")]
    pub at: Timestamp,
    /// `o` stdout, `e` stderr.
    #[serde(rename = "s")]
    pub stream: String,
    /// Revision of the task.
    #[serde(rename = "r")]
    pub revision: u32,
    /// Task id.
    #[serde(rename = "k")]
    pub task: String,
    /// The text, or the JSON object that the line was.
    #[serde(rename = "m")]
    pub message: Value,
}

impl Line {
    /// The line as the task wrote it.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.message {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Services (or `database-main`, `cache-main`); empty: all services.
    pub services: Vec<String>,
    /// One task.
    pub task: Option<String>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// Holds this text.
    pub grep: Option<String>,
}

impl Filter {
    fn accepts(&self, line: &Line) -> bool {
        self.task.as_ref().is_none_or(|task| *task == line.task)
            && self.since.is_none_or(|since| line.at >= since)
            && self.until.is_none_or(|until| line.at <= until)
            && self
                .grep
                .as_ref()
                .is_none_or(|text| line.text().contains(text))
    }
}

/// Where a reader is in each file, to go on from.
#[derive(Debug, Clone, Default)]
pub struct Position(BTreeMap<PathBuf, (u64, u64)>);

/// Lines that are new since `position` (all at first), oldest first. Call it again to follow.
///
/// # Errors
/// A directory or file cannot be read.
pub fn read(state: &StateDir, filter: &Filter, position: &mut Position) -> io::Result<Vec<Line>> {
    let mut lines = Vec::new();
    for directory in directories(state, filter)? {
        for path in files(&directory)? {
            read_file(&path, filter, position, &mut lines)?;
        }
    }
    lines.sort_by_key(|line: &Line| line.at);
    Ok(lines)
}

fn directories(state: &StateDir, filter: &Filter) -> io::Result<Vec<PathBuf>> {
    let all = match fs::read_dir(state.logs()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        all => all?,
    };
    let wanted = |name: &str| {
        if filter.services.is_empty() {
            !name.starts_with("database-") && !name.starts_with("cache-")
        } else {
            filter.services.iter().any(|service| service == name)
        }
    };
    Ok(all
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(wanted))
        .map(|entry| entry.path())
        .collect())
}

/// Log files of a service, each task's older parts first.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let present = fs::read_dir(directory)?.flatten().map(|entry| entry.path());
    let mut paths = Vec::new();
    for path in present.filter(|path| path.extension().is_some_and(|extension| extension == "log"))
    {
        paths.extend(
            (1..FILES)
                .rev()
                .map(|number| rotated(&path, number))
                .filter(|older| older.exists()),
        );
        paths.push(path);
    }
    Ok(paths)
}

fn read_file(
    path: &Path,
    filter: &Filter,
    position: &mut Position,
    lines: &mut Vec<Line>,
) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let Ok(file) = File::open(path) else {
        return Ok(());
    };
    let inode = file.metadata()?.ino();
    // A rotated file keeps its inode under another name: where it was read to is found by it.
    let known = position
        .0
        .values()
        .filter(|(other, _)| *other == inode)
        .map(|(_, offset)| *offset)
        .max();
    let mut offset = known.unwrap_or(0);
    let mut reader = BufReader::new(file);
    reader.seek(SeekFrom::Start(offset))?;
    let mut text = Vec::new();
    while reader.read_until(b'\n', &mut text)? > 0 {
        if text.last() != Some(&b'\n') {
            break; // A line that is being written: next time.
        }
        offset += text.len() as u64;
        if let Ok(line) = serde_json::from_slice::<Line>(&text)
            && filter.accepts(&line)
        {
            lines.push(line);
        }
        text.clear();
    }
    position.0.insert(path.to_owned(), (inode, offset));
    Ok(())
}

/// The last lines of a task's log, oldest first, as the task wrote them.
#[must_use]
pub fn last_lines(state: &StateDir, service: &str, task: &str, count: usize) -> Vec<String> {
    let path = state.logs().join(service).join(format!("{task}.log"));
    let read = || -> io::Result<Vec<u8>> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let lines: Vec<String> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Line>(line).ok())
        .map(|line| line.text())
        .collect();
    lines[lines.len().saturating_sub(count)..].to_vec()
}

/// Removes logs of tasks that are gone, but for the newest of each service.
///
/// # Errors
/// A directory cannot be read.
pub fn prune(state: &StateDir, service: &str, alive: &[String]) -> io::Result<()> {
    let directory = state.logs().join(service);
    let mut dead: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(directory)?.flatten() {
        let path = entry.path();
        let task = path
            .file_stem()
            .and_then(|name| name.to_str())
            .unwrap_or_default()
            .to_owned();
        if path.extension().is_some_and(|extension| extension == "log") && !alive.contains(&task) {
            dead.push((entry.metadata()?.modified()?, path));
        }
    }
    dead.sort();
    let surplus = dead.len().saturating_sub(DEAD_TASKS_KEPT);
    for (_, path) in dead.into_iter().take(surplus) {
        for number in 1..FILES {
            let _ = fs::remove_file(rotated(&path, number));
        }
        let _ = fs::remove_file(path);
    }
    Ok(())
}
