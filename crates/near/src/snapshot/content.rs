//! Reads a file of an artifact: its digest, and a copy of exactly the bytes that the digest is of.
//!
//! Invariant: a digest is of bytes that the file had at one moment: a file that changes meanwhile is
//! read again, then refused. Holes stay holes. Never waits for a pipe, never follows a link.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, SeekFrom, Timespec, Timestamps};
use sha2::{Digest as _, Sha256};

use super::Digest;
use super::artifact_tree::{FileStamp, SourceFile};
use super::error::{SnapshotError, reading, writing};
use super::progress::SnapshotProgress;

/// How often a file that changes is read again.
const READINGS: u32 = 3;
const BUFFER: usize = 256 * 1024;

/// The digest of a file, and what tells that it is the file that was read.
pub(super) fn digest(
    source: &SourceFile,
    buffer: &mut CopyBuffer,
    progress: &SnapshotProgress,
) -> Result<(Digest, FileStamp), SnapshotError> {
    stable(source, |file, stamp| {
        let mut hash = Sha256::new();
        each_piece(file, stamp.size, buffer, |_, piece| {
            hash.update(piece);
            continues(progress)
        })?;
        Ok(hash.finalize().into())
    })
}

/// Copies a file to `target`, which does not exist: read-only, with the file's time of change.
pub(super) fn copy(
    source: &SourceFile,
    target: &Path,
    buffer: &mut CopyBuffer,
    progress: &SnapshotProgress,
) -> Result<(Digest, FileStamp), SnapshotError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let out = rustix::fs::open(target, flags, Mode::RUSR | Mode::WUSR);
    let out = File::from(out.map_err(|error| writing(target)(error.into()))?);
    let (digest, stamp) = stable(source, |file, stamp| {
        let mut hash = Sha256::new();
        for size in [0, stamp.size] {
            out.set_len(size).map_err(ReadFailure::Write)?;
        }
        each_piece(file, stamp.size, buffer, |offset, piece| {
            hash.update(piece);
            if let Some(offset) = offset {
                out.write_all_at(piece, offset)
                    .map_err(ReadFailure::Write)?;
                progress.copied(piece.len() as u64);
            }
            continues(progress)
        })?;
        Ok(hash.finalize().into())
    })
    .map_err(|error| match error {
        SnapshotError::Write { source, .. } => writing(target)(source),
        other => other,
    })?;
    finish(&out, &stamp).map_err(writing(target))?;
    Ok((digest, stamp))
}

/// Permission bits of a file in a snapshot.
pub(super) fn mode(executable: bool) -> Mode {
    Mode::from_raw_mode(if executable { 0o555 } else { 0o444 })
}

fn finish(out: &File, stamp: &FileStamp) -> io::Result<()> {
    rustix::fs::fchmod(out, mode(stamp.executable))?;
    let (seconds, nanoseconds) = stamp.modified;
    let modified = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: modified,
        last_modification: modified,
    };
    Ok(rustix::fs::futimens(out, &times)?)
}

/// Why a reading came to no end.
enum ReadFailure {
    /// The file changed.
    Changed,
    Read(io::Error),
    Write(io::Error),
    GivenUp,
}

/// Space for what is read, and zeros for what need not be read.
pub(super) struct CopyBuffer {
    bytes: Vec<u8>,
    zeros: Vec<u8>,
}

impl CopyBuffer {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; BUFFER],
            zeros: vec![0; BUFFER],
        }
    }
}

fn continues(progress: &SnapshotProgress) -> Result<(), ReadFailure> {
    if progress.given_up() {
        return Err(ReadFailure::GivenUp);
    }
    Ok(())
}

/// Reads until the file was the same before and after.
fn stable<T>(
    source: &SourceFile,
    mut read: impl FnMut(&File, &FileStamp) -> Result<T, ReadFailure>,
) -> Result<(T, FileStamp), SnapshotError> {
    let path = source.path.as_path();
    for _ in 0..READINGS {
        // A pipe that took the file's place must not hold anybody up.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT | rustix::io::Errno::LOOP | rustix::io::Errno::NXIO) => {
                return Err(SnapshotError::Changing(path.to_owned()));
            }
            Err(error) => return Err(reading(path)(error.into())),
        };
        let found = file.metadata().map_err(reading(path))?;
        if !found.is_file() {
            return Err(SnapshotError::Changing(path.to_owned()));
        }
        let before = FileStamp::of(&found);
        match read(&file, &before) {
            Ok(value) => {
                let after = FileStamp::of(&file.metadata().map_err(reading(path))?);
                if before == after {
                    return Ok((value, after));
                }
            }
            Err(ReadFailure::Changed) => {}
            Err(ReadFailure::Read(error)) => return Err(reading(path)(error)),
            Err(ReadFailure::Write(error)) => return Err(writing(path)(error)),
            Err(ReadFailure::GivenUp) => return Err(SnapshotError::GivenUp),
        }
    }
    Err(SnapshotError::Changing(path.to_owned()))
}

/// Hands out all `size` bytes in order, with their offset; without one, they are zeros of a hole.
fn each_piece(
    file: &File,
    size: u64,
    buffer: &mut CopyBuffer,
    mut piece: impl FnMut(Option<u64>, &[u8]) -> Result<(), ReadFailure>,
) -> Result<(), ReadFailure> {
    let mut at = 0;
    while at < size {
        let data = seek(file.as_fd(), SeekFrom::Data(at))?.map_or(size, |data| data.min(size));
        while at < data {
            let zeros = as_length(data - at);
            piece(None, &buffer.zeros[..zeros])?;
            at += zeros as u64;
        }
        let hole = match data < size {
            true => seek(file.as_fd(), SeekFrom::Hole(at))?.map_or(size, |hole| hole.min(size)),
            false => size,
        };
        while at < hole {
            let wanted = as_length(hole - at);
            let read = file.read_at(&mut buffer.bytes[..wanted], at);
            let read = read.map_err(ReadFailure::Read)?;
            if read == 0 {
                return Err(ReadFailure::Changed);
            }
            piece(Some(at), &buffer.bytes[..read])?;
            at += read as u64;
        }
    }
    Ok(())
}

fn as_length(bytes: u64) -> usize {
    usize::try_from(bytes).map_or(BUFFER, |bytes| bytes.min(BUFFER))
}

/// Where the next data or hole is; nothing: none until the end.
fn seek(file: BorrowedFd<'_>, from: SeekFrom) -> Result<Option<u64>, ReadFailure> {
    match rustix::fs::seek(file, from) {
        Ok(at) => Ok(Some(at)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        // A file system that knows no holes.
        Err(rustix::io::Errno::INVAL) => Ok(match from {
            SeekFrom::Data(at) => Some(at),
            _ => None,
        }),
        Err(error) => Err(ReadFailure::Read(error.into())),
    }
}
