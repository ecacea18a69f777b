//! What a router gives up before it reads a byte from outside: root, its capabilities, the rights
//! that a new program would bring, and the system calls that serving does not need.
//!
//! All that needs rights is open by then: listening sockets are inherited, the control socket is
//! bound, the access log and its directory are open. Snapshots of sites are seen at [`SITES`], in
//! mounts of its own, whatever lies above them. Decision 0008.
//!
//! Invariant: it runs before there is a second thread, so that every thread has it. Refuses to
//! serve with the capabilities of root.

mod filter;

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Gid, Uid};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use crate::RouterError;

/// Where a router with a user of its own sees the snapshots.
const SITES: &str = "/run/neargate/sites";

/// Rights that a router gives up besides the system calls that it does not need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confinement {
    /// User and group that it becomes; it is root then. `None`: it stays who it is.
    pub user: Option<(u32, u32)>,
    /// The directory of the snapshots, which the group may enter.
    pub sites: Option<PathBuf>,
}

impl Confinement {
    /// Gives it up; where the snapshots are seen from now on, when that is elsewhere. What the
    /// machine does not have is told on standard error.
    pub(crate) fn enter(&self) -> Result<Option<PathBuf>, RouterError> {
        let mut sites = None;
        if let Some(user) = self.user {
            // Without mounts its own user would not reach the snapshots.
            sites = match self.sites.as_deref().map(mount).transpose() {
                Ok(mounted) => mounted.map(|()| SITES.into()),
                Err(error) => {
                    eprintln!(
                        "the router stays root, without capabilities: it cannot mount ({error})"
                    );
                    drop_capabilities()?;
                    None
                }
            };
            if sites.is_some() || self.sites.is_none() {
                become_user(user)?;
            }
        }
        rustix::thread::set_no_new_privs(true).map_err(failed("PR_SET_NO_NEW_PRIVS"))?;
        if let Err(reason) = filter::install() {
            eprintln!("the router's system calls are not filtered: {reason}");
        }
        Ok(sites)
    }
}

fn failed<E: Into<io::Error>>(step: &'static str) -> impl Fn(E) -> RouterError {
    move |source| RouterError::Confinement {
        step,
        source: source.into(),
    }
}

/// Binds the snapshots to [`SITES`], read-only, in a mount namespace of its own.
fn mount(sites: &Path) -> io::Result<()> {
    std::fs::create_dir_all(SITES)?;
    let from = CString::new(sites.as_os_str().as_bytes())?;
    // SAFETY: the process has one thread and shares nothing that the flag would split off.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS)? };
    // What the machine unmounts later is not held.
    rustix::mount::mount_change(
        c"/",
        MountPropagationFlags::REC | MountPropagationFlags::DOWNSTREAM,
    )?;
    rustix::mount::mount_bind(from.as_c_str(), SITES)?;
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    Ok(rustix::mount::mount_remount(SITES, flags, c"")?)
}

fn become_user((uid, gid): (u32, u32)) -> Result<(), RouterError> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    empty_bounding_set()?;
    rustix::thread::set_thread_groups(&[]).map_err(failed("setgroups"))?;
    rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(failed("setresgid"))?;
    rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(failed("setresuid"))?;
    empty_capabilities()
}

fn drop_capabilities() -> Result<(), RouterError> {
    empty_bounding_set()?;
    empty_capabilities()
}

fn empty_bounding_set() -> Result<(), RouterError> {
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // The kernel does not know this one.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(failed("PR_CAPBSET_DROP")(error)),
        }
    }
    Ok(())
}

fn empty_capabilities() -> Result<(), RouterError> {
    // An old kernel has no ambient set.
    let _ = rustix::thread::clear_ambient_capability_set();
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, none).map_err(failed("capset"))
}
