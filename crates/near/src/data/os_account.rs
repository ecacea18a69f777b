//! An account for a user that the machine does not know.
//!
//! `initdb` and PostgreSQL's single-user server ask `/etc/passwd` for the name of their user. The
//! users that Neargate hands out have no entry there, and the machine's file is not ours to
//! change: the program sees a copy with one line more, in a mount namespace of its own.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::mount::MountPropagationFlags;
use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitySet, UnshareFlags};

/// A user, and the file that names it.
pub(super) struct OsAccount {
    /// `None`: the machine knows the user.
    passwd: Option<CString>,
    uid: Uid,
    gid: Gid,
}

impl OsAccount {
    /// Writes the copy into a directory that is the engine's own.
    pub(super) fn write(directory: &Path, uid: u32, gid: u32) -> io::Result<Self> {
        let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let of_user = |line: &str| line.split(':').nth(2) == Some(&uid.to_string());
        let passwd = if known.lines().any(of_user) {
            None
        } else {
            let path = directory.join("passwd");
            let _ = fs::remove_file(&path);
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o644)
                .open(&path)?;
            let own = format!("neargate-{uid}:x:{uid}:{gid}:Neargate:/:/usr/sbin/nologin");
            writeln!(file, "{}\n{own}", known.trim_end())?;
            Some(CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)?)
        };
        Ok(Self {
            passwd,
            uid: Uid::from_raw(uid),
            gid: Gid::from_raw(gid),
        })
    }

    /// Becomes the user. Runs in the child between fork and exec.
    pub(super) fn enter(&self) -> io::Result<()> {
        if let Some(passwd) = &self.passwd {
            // SAFETY: the child has one thread and shares nothing that the flag would split off.
            unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS)? };
            rustix::mount::mount_change(
                c"/",
                MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
            )?;
            rustix::mount::mount_bind(passwd.as_c_str(), c"/etc/passwd")?;
        }
        rustix::thread::set_thread_groups(&[])?;
        rustix::thread::set_thread_res_gid(self.gid, self.gid, self.gid)?;
        rustix::thread::set_thread_res_uid(self.uid, self.uid, self.uid)?;
        rustix::thread::clear_ambient_capability_set()?;
        let none = rustix::thread::CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        rustix::thread::set_capabilities(None, none)?;
        rustix::thread::set_no_new_privs(true)?;
        Ok(())
    }
}
