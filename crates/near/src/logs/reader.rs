//! Reads the logs of an environment: merged by time, filtered, followed.
//!
//! A reader needs no engine. It survives rotation and sees tasks that start while it follows.
//! Invariant: its memory is bounded by the number of tasks that have logs, not by their size.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use neargate_core::time::Timestamp;

use super::backward_reader::{BackwardReader, RecordPosition};
use super::line::LogLine;
use super::log_chain::LogChain;
use crate::paths::StateDir;

/// How often a reader that has lines to read looks for what rotation and new tasks brought.
const REFRESH: Duration = Duration::from_millis(100);

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Services (or `database-main`, `cache-main`); empty: all services.
    pub services: Vec<String>,
    /// Only of the task with this id.
    pub task: Option<String>,
    /// None of these tasks.
    pub except: BTreeSet<String>,
    /// Not before this instant, which is itself included.
    pub since: Option<Timestamp>,
    /// Not after this instant, which is itself included.
    pub until: Option<Timestamp>,
    /// Holds these bytes.
    pub grep: Option<String>,
}

impl LogFilter {
    fn accepts(&self, line: &LogLine) -> bool {
        self.since.is_none_or(|since| line.at >= since)
            && self.until.is_none_or(|until| line.at <= until)
            && self
                .grep
                .as_ref()
                .is_none_or(|text| holds(&line.bytes, text.as_bytes()))
    }

    fn accepts_task(&self, task: &str) -> bool {
        self.task.as_deref().is_none_or(|wanted| wanted == task) && !self.except.contains(task)
    }

    fn accepts_service(&self, name: &str) -> bool {
        if self.services.is_empty() {
            !name.starts_with("database-") && !name.starts_with("cache-")
        } else {
            self.services.iter().any(|service| service == name)
        }
    }
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}

/// Services, databases and caches that have logs, each with its tasks.
///
/// # Errors
/// A directory cannot be read.
pub fn written(state: &StateDir) -> io::Result<BTreeMap<String, BTreeSet<String>>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for path in names(&state.logs())? {
        let Some(service) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        if path.is_dir() {
            let logs = names(&path)?.into_iter().filter(|log| is_log(log));
            let tasks = logs.filter_map(|log| Some(log.file_stem()?.to_str()?.to_owned()));
            found.insert(service.to_owned(), tasks.collect());
        }
    }
    Ok(found)
}

fn names(directory: &std::path::Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => Ok(entries?.flatten().map(|entry| entry.path()).collect()),
    }
}

fn is_log(path: &std::path::Path) -> bool {
    path.extension().is_some_and(|extension| extension == "log")
}

/// Lines of many logs as one sequence.
#[derive(Debug)]
pub struct LogReader {
    state: StateDir,
    filter: LogFilter,
    chains: BTreeMap<PathBuf, LogChain>,
    /// The next line of each log that has one.
    heads: BinaryHeap<Reverse<PendingLine>>,
    refreshed: Instant,
}

#[derive(Debug)]
struct PendingLine {
    path: PathBuf,
    line: LogLine,
}

impl PendingLine {
    fn order(&self) -> (Timestamp, &PathBuf) {
        (self.line.at, &self.path)
    }
}

impl PartialEq for PendingLine {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for PendingLine {}

impl PartialOrd for PendingLine {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PendingLine {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}

impl LogReader {
    /// Opens the logs that are wanted; with `tail`, at the last so many lines of them all.
    ///
    /// # Errors
    /// A directory or file cannot be read.
    pub fn open(state: &StateDir, filter: LogFilter, tail: Option<usize>) -> io::Result<Self> {
        let mut reader = Self {
            state: state.clone(),
            filter,
            chains: BTreeMap::new(),
            heads: BinaryHeap::new(),
            refreshed: Instant::now(),
        };
        for path in reader.paths()? {
            let mut chain = LogChain::open(&path)?;
            if let Some(since) = reader.filter.since {
                chain.skip_older_than(since)?;
            }
            reader.chains.insert(path, chain);
        }
        if let Some(count) = tail {
            reader.skip_to_last(count)?;
        }
        reader.advance_all()?;
        Ok(reader)
    }

    /// The next line; nothing at the present end. Call [`LogReader::refresh`] to go on.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<LogLine>> {
        if self.refreshed.elapsed() >= REFRESH && !self.heads.is_empty() {
            self.refresh()?;
        }
        let Some(Reverse(head)) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(&head.path)?;
        Ok(Some(head.line))
    }

    /// Looks for what was written, rotated and started since.
    ///
    /// # Errors
    /// A directory or file cannot be read.
    pub fn refresh(&mut self) -> io::Result<()> {
        self.refreshed = Instant::now();
        for path in self.paths()? {
            match self.chains.get_mut(&path) {
                Some(chain) => chain.refresh()?,
                None => {
                    self.chains.insert(path.clone(), LogChain::open(&path)?);
                }
            }
        }
        self.advance_all()
    }

    /// Tasks of which rotation removed lines before they were read, since the last call.
    pub fn take_lost(&mut self) -> Vec<String> {
        let chains = self.chains.values_mut().filter(|chain| chain.lost);
        chains
            .map(|chain| {
                chain.lost = false;
                chain.task.clone()
            })
            .collect()
    }

    fn paths(&self) -> io::Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for directory in names(&self.state.logs())? {
            let name = directory.file_name().and_then(|name| name.to_str());
            if !directory.is_dir() || !name.is_some_and(|name| self.filter.accepts_service(name)) {
                continue;
            }
            let task = |path: &PathBuf| {
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                is_log(path) && stem.is_some_and(|task| self.filter.accepts_task(task))
            };
            paths.extend(names(&directory)?.into_iter().filter(task));
        }
        Ok(paths)
    }

    /// Reads the next wanted line of every log that has none waiting.
    fn advance_all(&mut self) -> io::Result<()> {
        let waiting: BTreeSet<PathBuf> =
            self.heads.iter().map(|head| head.0.path.clone()).collect();
        let idle: Vec<PathBuf> = self
            .chains
            .keys()
            .filter(|path| !waiting.contains(*path))
            .cloned()
            .collect();
        for path in idle {
            self.advance(&path)?;
        }
        Ok(())
    }

    fn advance(&mut self, path: &PathBuf) -> io::Result<()> {
        let Some(chain) = self.chains.get_mut(path) else {
            return Ok(());
        };
        while let Some(line) = chain.next_line()? {
            if self.filter.accepts(&line) {
                let path = path.clone();
                self.heads.push(Reverse(PendingLine { path, line }));
                break;
            }
        }
        Ok(())
    }

    /// Goes to the last lines: finds where they begin from the ends of all logs.
    fn skip_to_last(&mut self, count: usize) -> io::Result<()> {
        let starts = last_places(&self.chains, &self.filter, count)?;
        for (path, (segment, offset)) in starts {
            if let Some(chain) = self.chains.get_mut(&path) {
                chain.start_at(segment, offset);
            }
        }
        Ok(())
    }
}

/// Where the oldest of the last `count` wanted lines of each log begins, or the log's end.
fn last_places(
    chains: &BTreeMap<PathBuf, LogChain>,
    filter: &LogFilter,
    count: usize,
) -> io::Result<BTreeMap<PathBuf, RecordPosition>> {
    let mut starts = BTreeMap::new();
    let mut walks = Vec::new();
    let mut newest: BinaryHeap<(Timestamp, usize, RecordPosition)> = BinaryHeap::new();
    for (path, chain) in chains {
        let mut walk = BackwardReader::from_end(chain)?;
        starts.insert(path.clone(), walk.end);
        if let Some((at, place)) = wanted_before(&mut walk, filter)? {
            newest.push((at, walks.len(), place));
        }
        walks.push((path, walk));
    }
    for _ in 0..count {
        let Some((_, index, place)) = newest.pop() else {
            break;
        };
        let Some((path, walk)) = walks.get_mut(index) else {
            break;
        };
        starts.insert((*path).clone(), place);
        if let Some((at, place)) = wanted_before(walk, filter)? {
            newest.push((at, index, place));
        }
    }
    Ok(starts)
}

fn wanted_before(
    walk: &mut BackwardReader<'_>,
    filter: &LogFilter,
) -> io::Result<Option<(Timestamp, RecordPosition)>> {
    while let Some((place, line)) = walk.next_line()? {
        if filter.since.is_some_and(|since| line.at < since) {
            break;
        }
        if filter.accepts(&line) {
            return Ok(Some((line.at, place)));
        }
    }
    Ok(None)
}
