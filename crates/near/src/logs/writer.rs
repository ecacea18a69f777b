//! Writes the log of one task: one JSON object a line, in files of bounded size.
//!
//! `{"t":1700000000000,"s":"o","r":3,"k":"api-r3-7","m":"listening"}` — time in ms, stream
//! (`o` stdout, `e` stderr), revision, task, message: the text, or the line itself when it is a
//! JSON object.
//!
//! Invariant: writing never blocks or ends the task. What a full disk does not take is counted,
//! and the count is written when there is space again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::de::IgnoredAny;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};

use crate::clock::now;

/// Longest line; a longer one is written in parts.
pub const LINE_BYTES: usize = 64 * 1024;
/// A file is rotated at this size.
pub const FILE_BYTES: u64 = 16 << 20;
/// Files per task, the present one included.
pub const FILES: u32 = 3;

/// Which pipe a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// The log of one task.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    file: File,
    size: u64,
    task: String,
    revision: u32,
    dropped: u64,
}

impl LogWriter {
    /// Opens `directory/TASK.log`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(directory: &Path, task: &str, revision: u32) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("{task}.log"));
        let mut file = open(&path)?;
        let mut size = file.metadata()?.len();
        if !ends_with_a_line(&path, size)? {
            file.write_all(b"\n")?;
            size += 1;
        }
        Ok(Self {
            path,
            file,
            size,
            task: task.to_owned(),
            revision,
            dropped: 0,
        })
    }

    /// Writes one line (without its end).
    pub fn write(&mut self, stream: Stream, line: &[u8]) {
        if self.dropped > 0 {
            let lost = format!(
                "neargate: {} lines were lost because the disk was full",
                self.dropped
            );
            if self.append(&self.record(Stream::Err, lost.as_bytes())) {
                self.dropped = 0;
            }
        }
        if !self.append(&self.record(stream, line)) {
            self.dropped += 1;
        }
    }

    fn record(&self, stream: Stream, line: &[u8]) -> Vec<u8> {
        let stream = match stream {
            Stream::Out => 'o',
            Stream::Err => 'e',
        };
        let text = String::from_utf8_lossy(line);
        let object = text.starts_with('{') && serde_json::from_str::<IgnoredAny>(&text).is_ok();
        let message = if object {
            text.into_owned()
        } else {
            serde_json::Value::from(text.as_ref()).to_string()
        };
        format!(
            "{{\"t\":{},\"s\":\"{stream}\",\"r\":{},\"k\":\"{}\",\"m\":{message}}}\n",
            now().0,
            self.revision,
            self.task
        )
        .into_bytes()
    }

    /// Whether the bytes were written, all of them.
    fn append(&mut self, bytes: &[u8]) -> bool {
        if self.size + bytes.len() as u64 > FILE_BYTES {
            self.rotate();
        }
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.size += bytes.len() as u64;
                true
            }
            Err(_) => {
                // A part of a line must not stay in front of the next one.
                let _ = self.file.set_len(self.size);
                false
            }
        }
    }

    fn rotate(&mut self) {
        for number in (1..FILES).rev() {
            let older = rotated(&self.path, number);
            let newer = if number == 1 {
                self.path.clone()
            } else {
                rotated(&self.path, number - 1)
            };
            let _ = fs::rename(newer, older);
        }
        if let Ok(file) = open(&self.path) {
            self.file = file;
            self.size = 0;
        }
    }
}

/// `api-r3-7.log` as `api-r3-7.log.1`.
#[must_use]
pub fn rotated(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// Whether the next line begins a line: a shim that was killed may have left half of one.
fn ends_with_a_line(path: &Path, size: u64) -> io::Result<bool> {
    let Some(last) = size.checked_sub(1) else {
        return Ok(true);
    };
    let mut byte = [0];
    File::open(path)?.read_exact_at(&mut byte, last)?;
    Ok(byte == *b"\n")
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
}

/// Copies a pipe to the log, line by line, until it ends.
pub async fn copy<R: AsyncRead + Unpin>(pipe: R, log: Arc<Mutex<LogWriter>>, stream: Stream) {
    let mut reader = BufReader::with_capacity(8 * 1024, pipe);
    let mut line = Vec::new();
    while let Ok(true) = next_line(&mut reader, &mut line).await {
        if let Ok(mut log) = log.lock() {
            log.write(stream, &line);
        }
        line.clear();
    }
}

/// Reads up to a line's end or [`LINE_BYTES`]; `false` at the end of the input.
async fn next_line<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(!line.is_empty());
        }
        let room = LINE_BYTES - line.len();
        let end = available.iter().position(|byte| *byte == b'\n');
        let take = end.unwrap_or(available.len()).min(room);
        line.extend_from_slice(&available[..take]);
        let ended = end == Some(take);
        reader.consume(take + usize::from(ended));
        if ended || line.len() == LINE_BYTES {
            return Ok(true);
        }
    }
}
