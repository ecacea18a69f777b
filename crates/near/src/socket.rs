//! Unix sockets at any depth.
//!
//! The address of a unix socket has room for 107 bytes, and state directories lie deeper than
//! that. A socket is therefore named by its open directory: `/proc/self/fd/N/engine.sock`.
//! Refuses: a directory that is not there.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// A name for a socket that fits into an address; valid while the value lives.
#[derive(Debug)]
pub struct ShortName {
    path: PathBuf,
    _directory: File,
}

impl ShortName {
    /// The short name of this socket.
    ///
    /// # Errors
    /// Its directory cannot be opened.
    pub fn of(socket: &Path) -> io::Result<Self> {
        let (Some(directory), Some(name)) = (socket.parent(), socket.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::DIRECTORY;
        let directory = std::fs::OpenOptions::new()
            .read(true)
            .custom_flags(i32::try_from(flags.bits()).unwrap_or_default())
            .open(directory)?;
        let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
        Ok(Self {
            path: Path::new(&path).join(name),
            _directory: directory,
        })
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;

    #[test]
    fn a_socket_is_bound_and_reached_at_any_depth() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut deep = folder.path().to_owned();
        for _ in 0..8 {
            deep.push("d".repeat(100));
        }
        std::fs::create_dir_all(&deep).expect("a deep folder");
        let socket = deep.join("engine.sock");
        assert!(
            UnixListener::bind(&socket).is_err(),
            "the path itself is too long"
        );
        let name = ShortName::of(&socket).expect("a short name");
        let _listener = UnixListener::bind(name.path()).expect("it binds");
        drop(name);
        let name = ShortName::of(&socket).expect("a short name");
        UnixStream::connect(name.path()).expect("it is reached");
    }
}
