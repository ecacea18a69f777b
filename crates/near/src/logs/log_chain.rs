//! The files of one task's log as one sequence: rotated parts first, read forward.
//!
//! Invariant: files are told apart by inode and held open from the moment they are seen, so that a
//! rotation between two reads neither loses nor doubles a line, and a file that rotation removes
//! is still read to its end. A record that is being written is read when it is whole.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use neargate_core::time::Timestamp;

use super::line::LogLine;
use super::writer::{FILES, rotated};

/// More bytes than a record has: a longest line, each byte as an escape of six.
pub(super) const RECORD_BYTES: usize = 1 << 20;
/// Looks at the names that must agree before they count: a rotation renames one after the other.
const LOOKS: usize = 5;
/// Blocks of a reader.
const BLOCK: usize = 32 * 1024;

/// One file of the sequence.
#[derive(Debug)]
pub(super) struct LogSegment {
    pub inode: u64,
    pub file: File,
}

/// The log of one task.
#[derive(Debug)]
pub(super) struct LogChain {
    path: PathBuf,
    pub task: String,
    /// Files from the one that is read now to the newest.
    pub segments: VecDeque<LogSegment>,
    reader: Option<BufReader<File>>,
    /// Where the next record begins in the first segment.
    offset: u64,
    record: Vec<u8>,
    /// Whether rotation removed files that were not read.
    pub lost: bool,
}

impl LogChain {
    /// The log at `directory/TASK.log` with its rotated parts.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let name = path.file_stem().unwrap_or_default();
        Ok(Self {
            path: path.to_owned(),
            task: name.to_string_lossy().into_owned(),
            segments: scan(path)?.into(),
            reader: None,
            offset: 0,
            record: Vec::new(),
            lost: false,
        })
    }

    /// Goes to a place in one of the segments; those before it are left out.
    pub(super) fn start_at(&mut self, segment: usize, offset: u64) {
        self.segments.drain(..segment.min(self.segments.len()));
        self.offset = offset;
        self.reader = None;
    }

    /// Leaves out files that were last written before a time.
    pub(super) fn skip_older_than(&mut self, since: Timestamp) -> io::Result<()> {
        while let [first, _, ..] = self.segments.make_contiguous() {
            let modified = first.file.metadata()?.modified()?;
            let age = modified
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default();
            if age.as_millis() >= u128::from(since.0) {
                break;
            }
            self.start_at(1, 0);
        }
        Ok(())
    }

    /// Looks for files that a rotation made since.
    pub(super) fn refresh(&mut self) -> io::Result<()> {
        let found = scan(&self.path)?;
        let newest = self.segments.back().map(|segment| segment.inode);
        let known = newest.and_then(|newest| found.iter().position(|one| one.inode == newest));
        self.lost |= newest.is_some() && known.is_none() && !found.is_empty();
        let unknown = known.map_or(0, |at| at + 1);
        self.segments.extend(found.into_iter().skip(unknown));
        Ok(())
    }

    /// The next whole line; nothing at the present end.
    pub(super) fn next_line(&mut self) -> io::Result<Option<LogLine>> {
        loop {
            let Some(first) = self.segments.front() else {
                return Ok(None);
            };
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none => {
                    let mut file = first.file.try_clone()?;
                    file.seek(SeekFrom::Start(self.offset))?;
                    none.insert(BufReader::with_capacity(BLOCK, file))
                }
            };
            self.record.clear();
            let read = reader
                .take(RECORD_BYTES as u64)
                .read_until(b'\n', &mut self.record)?;
            let whole = self.record.last() == Some(&b'\n');
            if whole || read == RECORD_BYTES {
                self.offset += read as u64;
                match LogLine::parse(&self.record) {
                    Some(line) => return Ok(Some(line)),
                    None => continue,
                }
            }
            if self.segments.len() > 1 {
                self.start_at(1, 0);
                continue;
            }
            if read > 0 {
                // Half a record: it is read again from its beginning, for its writer may take it
                // back when the disk is full.
                reader.seek(SeekFrom::Start(self.offset))?;
            }
            return Ok(None);
        }
    }
}

/// The files of a log that are there, oldest first.
fn scan(path: &Path) -> io::Result<Vec<LogSegment>> {
    let mut before = once(path)?;
    for _ in 1..LOOKS {
        let after = once(path)?;
        let same = |(a, b): (&LogSegment, &LogSegment)| a.inode == b.inode;
        if before.len() == after.len() && before.iter().zip(&after).all(same) {
            break;
        }
        before = after;
    }
    Ok(before)
}

fn once(path: &Path) -> io::Result<Vec<LogSegment>> {
    let names = (1..FILES).rev().map(|number| rotated(path, number));
    let mut found: Vec<LogSegment> = Vec::new();
    for name in names.chain([path.to_owned()]) {
        let file = match File::open(&name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        let inode = file.metadata()?.ino();
        if found.iter().all(|one| one.inode != inode) {
            found.push(LogSegment { inode, file });
        }
    }
    Ok(found)
}
