//! The audit log: who asked for what, and what was answered. `audit.log` in the state directory.
//!
//! One JSON object a line, for each request that changes something or hands out a secret: those
//! of the API socket, whose user the kernel names, and those of verbs that need no engine.
//!
//! Invariant: a line never holds a value that a person gave (of a secret, of `--set`, of a
//! command): only names and numbers. Lines are appended, never changed; the file is 0600, and
//! bounded by rotation. A full disk takes no line and stops no request, because a rollback must
//! still be possible then: lost lines are counted, and the count is the next line.

mod peer;

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use neargate_core::ids::{ReleaseId, RevisionNumber};
use neargate_core::time::Timestamp;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::clock::now;
use crate::locked::locked;
use crate::logs::writer::rotated;
use crate::paths::StateDir;
use crate::private_file;

pub use peer::PeerUser;

/// The file is rotated at this size.
pub const FILE_BYTES: u64 = 4 << 20;
/// Files, the present one included.
pub const FILES: u32 = 5;
/// Longest text in a line; the rest is cut off.
const TEXT_BYTES: usize = 500;

/// One line of the audit log, a JSON object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// When it was answered, ms since 1970.
    pub at: Timestamp,
    /// User of the process that asked.
    pub who: PeerUser,
    /// `deploy`, `rollback`, `scale`, `secret-set`, …
    pub what: String,
    /// Service, secret or data service; empty: the app.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// Details of the request: `to revision 3`, `4 tasks`, names of `--set`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Releases that began by it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub releases: Vec<AuditedRelease>,
    /// Git revision of the manifest's folder, when it is a work tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<String>,
    /// `accepted`, or `refused`. How a release ended: `neargate releases`.
    pub outcome: AuditResult,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A release that began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditedRelease {
    pub service: String,
    pub release: ReleaseId,
    /// To this revision.
    pub revision: RevisionNumber,
}

/// The answer to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditResult {
    /// It was done, or begun.
    Accepted,
    /// Nothing was done.
    Refused,
}

impl AuditRecord {
    /// A request that was accepted now.
    #[must_use]
    pub fn accepted(who: PeerUser, what: &str, subject: &str) -> Self {
        Self {
            at: now(),
            who,
            what: what.to_owned(),
            subject: subject.to_owned(),
            detail: String::new(),
            releases: Vec::new(),
            git: None,
            outcome: AuditResult::Accepted,
            reason: String::new(),
        }
    }

    /// With what was asked beyond the subject.
    #[must_use]
    pub fn with(mut self, detail: String) -> Self {
        self.detail = detail;
        self
    }

    /// As refused, for this reason.
    #[must_use]
    pub fn refused(mut self, reason: &str) -> Self {
        self.outcome = AuditResult::Refused;
        reason.clone_into(&mut self.reason);
        self
    }

    fn line(mut self) -> Vec<u8> {
        for text in [&mut self.subject, &mut self.detail, &mut self.reason] {
            if text.len() > TEXT_BYTES {
                let end = (0..=TEXT_BYTES)
                    .rev()
                    .find(|end| text.is_char_boundary(*end));
                text.truncate(end.unwrap_or(0));
                text.push('…');
            }
        }
        let mut line = serde_json::to_vec(&self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

/// The audit log of a state directory.
#[derive(Debug)]
pub struct AuditLog {
    state: StateDir,
    /// Lines that a full disk did not take.
    lost: Mutex<u64>,
}

impl AuditLog {
    /// The log; nothing is opened yet.
    #[must_use]
    pub fn of(state: &StateDir) -> Self {
        Self {
            state: state.clone(),
            lost: Mutex::new(0),
        }
    }

    /// Appends a line.
    ///
    /// # Errors
    /// It is lost, and counted: the request goes on without it.
    pub fn write(&self, record: AuditRecord) -> io::Result<()> {
        let mut lost = locked(&self.lost);
        let mut lines = Vec::new();
        if *lost > 0 {
            let told = format!("{lost} lines before this one could not be written");
            let note = AuditRecord::accepted(PeerUser::own(), "lines-lost", "").with(told);
            lines.extend(note.line());
        }
        lines.extend(record.line());
        let written = self.append(&lines);
        *lost = if written.is_ok() { 0 } else { *lost + 1 };
        written
    }

    /// All lines or none, under a lock that every writer takes.
    fn append(&self, lines: &[u8]) -> io::Result<()> {
        let path = self.state.audit_log();
        let lock = private_file::append(&self.state.audit_lock())?;
        flock(&lock, FlockOperation::LockExclusive)?;
        let mut file = private_file::append(&path)?;
        let mut size = file.metadata()?.len();
        if size > 0 && size + lines.len() as u64 > FILE_BYTES {
            for number in (1..FILES).rev() {
                let newer = match number {
                    1 => path.clone(),
                    _ => rotated(&path, number - 1),
                };
                let _ = fs::rename(newer, rotated(&path, number));
            }
            file = private_file::append(&path)?;
            size = 0;
        }
        let written = file.write_all(lines).and_then(|()| file.sync_data());
        if written.is_err() {
            // Half a line must not stand in front of the next one.
            let _ = file.set_len(size);
        }
        written
    }
}

/// All lines that are kept, oldest first. Needs no engine.
///
/// # Errors
/// A file is there and cannot be read.
pub fn read(state: &StateDir) -> io::Result<Vec<AuditRecord>> {
    let path = state.audit_log();
    let older = (1..FILES).rev().map(|number| rotated(&path, number));
    let mut records = Vec::new();
    for file in older.chain([path.clone()]).collect::<Vec<PathBuf>>() {
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            text => text?,
        };
        records.extend(
            text.lines()
                .filter_map(|line| serde_json::from_str(line).ok()),
        );
    }
    Ok(records)
}

#[cfg(test)]
mod tests;
