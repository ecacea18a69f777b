//! Writes the log of one task, in files of bounded size; [`super::line`] has the shape of a line.
//!
//! Invariant: writing never blocks or ends the task. What a full disk does not take is counted,
//! and the count is written when there is space again.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use neargate_core::ids::RevisionNumber;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, BufReader};

pub use super::line::OutputStream;
use super::line::{LogLine, record};
use crate::clock::now;
use crate::locked::locked;
use crate::private_file;

/// Longest line; a longer one is written in parts of at most so many bytes, cut between characters.
pub const LINE_BYTES: usize = 64 * 1024;
/// Bytes beyond the longest line that are read before it is cut: a character's, and the end's.
const LOOK_AHEAD: usize = 6;
/// A file is rotated at this size.
pub const FILE_BYTES: u64 = 16 << 20;
/// Files per task, the present one included.
pub const FILES: u32 = 3;

/// The log of one task.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    file: File,
    size: u64,
    task: String,
    revision: RevisionNumber,
    dropped: u64,
}

impl LogWriter {
    /// Opens `directory/TASK.log`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open(directory: &Path, task: &str, revision: RevisionNumber) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("{task}.log"));
        let mut file = private_file::append(&path)?;
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
    pub fn write(&mut self, stream: OutputStream, line: &[u8]) {
        self.write_part(stream, line, false);
    }

    /// Writes a line, or a part of one that `continues` in the stream's next record.
    pub fn write_part(&mut self, stream: OutputStream, line: &[u8], continues: bool) {
        if self.dropped > 0 {
            let lost = format!(
                "neargate: {} lines were lost because the disk was full",
                self.dropped
            );
            if self.append(&self.record(OutputStream::Err, lost.as_bytes(), false)) {
                self.dropped = 0;
            }
        }
        if !self.append(&self.record(stream, line, continues)) {
            self.dropped += 1;
        }
    }

    fn record(&self, stream: OutputStream, line: &[u8], continues: bool) -> Vec<u8> {
        record(&LogLine {
            at: now(),
            stream,
            revision: self.revision,
            task: self.task.clone(),
            continues,
            bytes: line.to_vec(),
        })
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
        if let Ok(file) = private_file::append(&self.path) {
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

/// Copies a pipe to the log, line by line, until it ends.
pub async fn copy<R: AsyncRead + Unpin>(pipe: R, log: Arc<Mutex<LogWriter>>, stream: OutputStream) {
    let mut reader = BufReader::with_capacity(8 * 1024, pipe);
    let mut line = Vec::new();
    while let Ok(read) = read_line(&mut reader, &mut line).await {
        if read == PipeRead::Last && line.is_empty() {
            break;
        }
        if read == PipeRead::Line && line.last() == Some(&b'\r') {
            line.pop();
        }
        let mut log = locked(&log);
        if line.len() > LINE_BYTES {
            let part = cut(&line);
            log.write_part(stream, &line[..part], true);
            line.drain(..part);
        }
        match read {
            PipeRead::Part => {}
            PipeRead::Line => {
                log.write(stream, &line);
                line.clear();
            }
            PipeRead::Last => {
                log.write(stream, &line);
                break;
            }
        }
    }
}

/// Result of one read into the buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PipeRead {
    /// A line, without its line feed.
    Line,
    /// More than a line may have, and no end yet.
    Part,
    /// The last bytes before the input's end.
    Last,
}

/// Reads on, up to a line's end or beyond [`LINE_BYTES`].
async fn read_line<R: AsyncBufRead + Unpin>(
    reader: &mut R,
    line: &mut Vec<u8>,
) -> io::Result<PipeRead> {
    loop {
        let available = reader.fill_buf().await?;
        if available.is_empty() {
            return Ok(PipeRead::Last);
        }
        let room = LINE_BYTES + LOOK_AHEAD - line.len();
        let near = &available[..available.len().min(room)];
        let end = near.iter().position(|byte| *byte == b'\n');
        let length = end.unwrap_or(near.len());
        line.extend_from_slice(&near[..length]);
        reader.consume(length + usize::from(end.is_some()));
        if end.is_some() {
            return Ok(PipeRead::Line);
        }
        if line.len() == LINE_BYTES + LOOK_AHEAD {
            return Ok(PipeRead::Part);
        }
    }
}

/// Where a part ends: between characters, where the text is UTF-8.
fn cut(line: &[u8]) -> usize {
    let most = LINE_BYTES;
    let continues = |at: &usize| line.get(*at).is_some_and(|byte| byte & 0xc0 == 0x80);
    (most.saturating_sub(3)..=most)
        .rev()
        .find(|at| !continues(at))
        .unwrap_or(most)
}
