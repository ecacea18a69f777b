//! The access log: one JSON line per request.
//!
//! Invariant: the log never stops or slows serving: lines are gathered per worker, written at
//! most a second later, and dropped (and counted) when they cannot be written. Two files of
//! 64 MB at most. Several routers may append to one file. Its directory is held open: the log is
//! found whatever lies above it, and after a rename.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::locked::locked;
use neargate_core::ids::RevisionNumber;
use neargate_core::time::civil;
use serde::Serialize;

use crate::stickiness::GroupChoice;

const MOST_BYTES: u64 = 64 * 1024 * 1024;
const FLUSH_AT: usize = 64 * 1024;

/// One request as it is logged; durations in µs.
#[derive(Debug, Default, Serialize)]
pub(crate) struct AccessLogEntry {
    pub(crate) time: String,
    pub(crate) request_id: String,
    pub(crate) listener: String,
    pub(crate) client: String,
    /// The trusted proxy that spoke for the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) peer: Option<String>,
    pub(crate) protocol: &'static str,
    pub(crate) method: String,
    pub(crate) host: String,
    pub(crate) path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) query: String,
    pub(crate) status: u16,
    pub(crate) target_status: Option<u16>,
    pub(crate) service: String,
    pub(crate) revision: RevisionNumber,
    pub(crate) task: String,
    pub(crate) target: String,
    pub(crate) duration_us: u64,
    pub(crate) target_us: Option<u64>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) user_agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<&'static str>,
    /// For the counters only.
    #[serde(skip)]
    pub(crate) routed: GroupChoice,
}

/// The file, shared by all workers.
#[derive(Debug)]
pub(crate) struct LogFile {
    /// Below the open directory.
    path: PathBuf,
    _directory: File,
    file: Mutex<File>,
    dropped: AtomicU64,
}

impl LogFile {
    /// Opens the log and, given one, makes it this user's.
    pub(crate) fn open(path: &Path, owner: Option<(u32, u32)>) -> std::io::Result<Self> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(std::io::ErrorKind::InvalidInput.into());
        };
        let here = directory.as_os_str().is_empty();
        let directory = File::open(if here { Path::new(".") } else { directory })?;
        let path = Path::new("/proc/self/fd")
            .join(directory.as_raw_fd().to_string())
            .join(name);
        let file = append(&path)?;
        if let Some((uid, gid)) = owner {
            fchown(&file, Some(uid), Some(gid))?;
        }
        Ok(Self {
            path,
            _directory: directory,
            file: Mutex::new(file),
            dropped: AtomicU64::new(0),
        })
    }

    fn write(&self, lines: &[u8]) {
        let mut file = locked(&self.file);
        let renewed = self.renew(&file);
        if let Some(renewed) = renewed {
            *file = renewed;
        }
        if file.write_all(lines).is_err() {
            let lost = lines.iter().filter(|b| **b == b'\n').count();
            self.dropped.fetch_add(lost as u64, Ordering::Relaxed);
        }
    }

    /// Another file when this one is full, or was moved away by another router.
    fn renew(&self, file: &File) -> Option<File> {
        let open = file.metadata().ok()?;
        let moved = std::fs::metadata(&self.path).map_or(true, |m| m.ino() != open.ino());
        if !moved && open.len() < MOST_BYTES {
            return None;
        }
        if !moved {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            std::fs::rename(&self.path, old).ok()?;
        }
        append(&self.path).ok()
    }
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// A worker's gathered lines.
#[derive(Debug)]
pub(crate) struct AccessLogLines {
    file: Option<std::sync::Arc<LogFile>>,
    gathered: RefCell<Vec<u8>>,
}

impl AccessLogLines {
    pub(crate) fn new(file: Option<std::sync::Arc<LogFile>>) -> Self {
        Self {
            file,
            gathered: RefCell::default(),
        }
    }

    pub(crate) fn push(&self, entry: &AccessLogEntry) {
        if self.file.is_none() {
            return;
        }
        let full = {
            let mut gathered = self.gathered.borrow_mut();
            // Writing to a Vec cannot fail, and an entry is always JSON.
            let _ = serde_json::to_writer(&mut *gathered, entry);
            gathered.push(b'\n');
            gathered.len() >= FLUSH_AT
        };
        if full {
            self.flush();
        }
    }

    pub(crate) fn flush(&self) {
        let lines = std::mem::take(&mut *self.gathered.borrow_mut());
        if let (Some(file), false) = (&self.file, lines.is_empty()) {
            file.write(&lines);
        }
    }
}

/// The time as ALB's logs write it, `2026-11-21T06:05:04.123456Z`.
pub(crate) fn now_text() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    let (seconds, micros) = (since.as_secs(), since.subsec_micros());
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{micros:06}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_moved_away_is_begun_anew() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("access.log");
        let file = LogFile::open(&path, None).expect("a log");
        file.write(b"a\n");
        std::fs::rename(&path, dir.path().join("moved")).expect("moved");
        file.write(b"b\n");
        assert_eq!(std::fs::read(&path).expect("the new log"), b"b\n");
    }
}
