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
use super::error::{SnapshotError, reading, writing};
use super::progress::Progress;
use super::tree::{Source, Stamp};

/// How often a file that changes is read again.
const READINGS: u32 = 3;
const BUFFER: usize = 256 * 1024;

/// The digest of a file, and what tells that it is the file that was read.
pub(super) fn digest(
    source: &Source,
    buffer: &mut Buffer,
    progress: &Progress,
) -> Result<(Digest, Stamp), SnapshotError> {
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
    source: &Source,
    target: &Path,
    buffer: &mut Buffer,
    progress: &Progress,
) -> Result<(Digest, Stamp), SnapshotError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let out = rustix::fs::open(target, flags, Mode::RUSR | Mode::WUSR);
    let out = File::from(out.map_err(|error| writing(target)(error.into()))?);
    let (digest, stamp) = stable(source, |file, stamp| {
        let mut hash = Sha256::new();
        for size in [0, stamp.size] {
            out.set_len(size).map_err(Failed::Write)?;
        }
        each_piece(file, stamp.size, buffer, |offset, piece| {
            hash.update(piece);
            if let Some(offset) = offset {
                out.write_all_at(piece, offset).map_err(Failed::Write)?;
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

/// What a snapshot's file may be used for.
pub(super) fn mode(executable: bool) -> Mode {
    Mode::from_raw_mode(if executable { 0o555 } else { 0o444 })
}

fn finish(out: &File, stamp: &Stamp) -> io::Result<()> {
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
enum Failed {
    /// The file changed.
    Changed,
    Read(io::Error),
    Write(io::Error),
    GivenUp,
}

/// Space for what is read, and zeros for what need not be read.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    zeros: Vec<u8>,
}

impl Buffer {
    pub(super) fn new() -> Self {
        Self {
            bytes: vec![0; BUFFER],
            zeros: vec![0; BUFFER],
        }
    }
}

fn continues(progress: &Progress) -> Result<(), Failed> {
    if progress.given_up() {
        return Err(Failed::GivenUp);
    }
    Ok(())
}

/// Reads until the file was the same before and after.
fn stable<T>(
    source: &Source,
    mut read: impl FnMut(&File, &Stamp) -> Result<T, Failed>,
) -> Result<(T, Stamp), SnapshotError> {
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
        let before = Stamp::of(&found);
        match read(&file, &before) {
            Ok(value) => {
                let after = Stamp::of(&file.metadata().map_err(reading(path))?);
                if before == after {
                    return Ok((value, after));
                }
            }
            Err(Failed::Changed) => {}
            Err(Failed::Read(error)) => return Err(reading(path)(error)),
            Err(Failed::Write(error)) => return Err(writing(path)(error)),
            Err(Failed::GivenUp) => return Err(SnapshotError::GivenUp),
        }
    }
    Err(SnapshotError::Changing(path.to_owned()))
}

/// Hands out all `size` bytes in order, with their offset; without one, they are zeros of a hole.
fn each_piece(
    file: &File,
    size: u64,
    buffer: &mut Buffer,
    mut piece: impl FnMut(Option<u64>, &[u8]) -> Result<(), Failed>,
) -> Result<(), Failed> {
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
            let read = read.map_err(Failed::Read)?;
            if read == 0 {
                return Err(Failed::Changed);
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
fn seek(file: BorrowedFd<'_>, from: SeekFrom) -> Result<Option<u64>, Failed> {
    match rustix::fs::seek(file, from) {
        Ok(at) => Ok(Some(at)),
        Err(rustix::io::Errno::NXIO) => Ok(None),
        // A file system that knows no holes.
        Err(rustix::io::Errno::INVAL) => Ok(match from {
            SeekFrom::Data(at) => Some(at),
            _ => None,
        }),
        Err(error) => Err(Failed::Read(error.into())),
    }
}
