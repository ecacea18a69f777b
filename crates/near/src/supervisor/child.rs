//! Prepares the process of a task between fork and exec.
//!
//! Everything here runs in the forked child: only system calls on values that were made before
//! the fork; nothing is allocated.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, MountPropagationFlags};
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::{CapabilitySet, CapabilitySets, UnshareFlags};

use super::c_path::c_path;
use super::filter::SyscallFilter;
use super::private_view::PrivateView;
use super::spec::{TaskSpec, WorkingDirectory};
use crate::identity::UserIdentity;

/// Where a root task finds its snapshot, in a mount namespace of its own.
pub(super) const APP: &str = "/run/neargate/app";
/// Where a root task finds its own writable directory.
pub(super) const SCRATCH: &str = "/run/neargate/scratch";
/// Soft and hard limit of a task's open files: what tasks on Fargate get, where the machine's hard
/// limit allows it. The engine's own, raised, soft limit reaches no task.
const OPEN_FILES: u64 = 65_535;
/// Processes of a user, which all tasks of a service share, where no control group bounds them.
const PROCESSES_OF_USER: u64 = 8192;

/// Steps of the child before it becomes the task.
pub(super) struct ChildSetup {
    identity: Option<(rustix::process::Uid, rustix::process::Gid)>,
    mounts: Vec<Mount>,
    enter: CString,
    cgroups: Vec<OwnedFd>,
    parent: rustix::process::Pid,
    terminal: TerminalUse,
    filter: Option<SyscallFilter>,
    view: Option<PrivateView>,
    /// Whether its user's limit of processes is lowered.
    bounded_by_user: bool,
    notes: Vec<String>,
}

/// Whether the process has a terminal of a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TerminalUse {
    /// A task: a session of its own.
    None,
    /// A command of a person: it stays in their session.
    Kept,
}

/// Begins the note where there is no filter.
const UNFILTERED: &str = "the system calls of tasks are not filtered";

struct Mount {
    from: CString,
    to: CString,
    read_only: bool,
}

/// Where the task will be, as it sees it.
pub struct TaskView {
    /// Its working directory.
    pub directory: PathBuf,
    /// Its own writable directory.
    pub scratch: PathBuf,
}

/// Whether the paths of a task are reached through mounts of its own.
fn mounted(spec: &TaskSpec) -> bool {
    spec.identity.is_some() && matches!(spec.place, WorkingDirectory::Snapshot(_))
}

/// Where a task sees its directories.
pub(super) fn view_of_task(spec: &TaskSpec, scratch: &Path) -> TaskView {
    let directory = match &spec.place {
        WorkingDirectory::Directory(path) | WorkingDirectory::Snapshot(path) => path.clone(),
    };
    if mounted(spec) {
        return TaskView {
            directory: APP.into(),
            scratch: SCRATCH.into(),
        };
    }
    TaskView {
        directory,
        scratch: scratch.to_owned(),
    }
}

impl ChildSetup {
    /// Makes ready what the child needs: mount points, names, descriptors.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn new(spec: &TaskSpec, scratch: &Path, cgroups: Vec<OwnedFd>) -> io::Result<Self> {
        let identity = spec.identity.map(ids);
        let mut mounts = Vec::new();
        let seen = view_of_task(spec, scratch);
        if let (WorkingDirectory::Snapshot(snapshot), true) = (&spec.place, mounted(spec)) {
            for point in [APP, SCRATCH] {
                std::fs::create_dir_all(point)?;
            }
            mounts.push(Mount {
                from: c_path(snapshot)?,
                to: c_path(Path::new(APP))?,
                read_only: true,
            });
            mounts.push(Mount {
                from: c_path(scratch)?,
                to: c_path(Path::new(SCRATCH))?,
                read_only: false,
            });
        }
        let parent = rustix::process::getpid();
        let mut notes = Vec::new();
        let filter = SyscallFilter::new().unwrap_or_else(|reason| {
            notes.push(format!("{UNFILTERED}: {reason}"));
            None
        });
        if filter.is_none() && notes.is_empty() {
            notes.push(format!("{UNFILTERED}: this kernel has no seccomp"));
        }
        Ok(Self {
            filter,
            view: None,
            bounded_by_user: false,
            notes,
            identity,
            mounts,
            enter: c_path(&seen.directory)?,
            cgroups,
            parent,
            terminal: TerminalUse::None,
        })
    }

    /// In a view of its own.
    pub(super) fn seeing(self, view: PrivateView) -> Self {
        Self {
            view: Some(view),
            ..self
        }
    }

    /// With a limit of processes for its own user, when it has one.
    pub(super) fn bounded_by_user(self) -> Self {
        Self {
            bounded_by_user: self.identity.is_some(),
            ..self
        }
    }

    /// Limits that are not enforced, in words.
    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// For a command on a person's terminal.
    pub(super) fn for_session(self) -> Self {
        Self {
            terminal: TerminalUse::Kept,
            ..self
        }
    }

    /// Runs in the child.
    ///
    /// # Errors
    /// The first system call that fails; the process is not started then.
    pub(super) fn run(&self) -> io::Result<()> {
        if self.terminal == TerminalUse::None {
            rustix::process::setsid()?;
        }
        for group in &self.cgroups {
            rustix::io::write(group.as_fd(), b"0")?;
        }
        if !self.mounts.is_empty() {
            self.mount()?;
        }
        if let Some(view) = &self.view {
            view.enter()?;
        }
        rustix::process::chdir(self.enter.as_c_str())?;
        self.give_up_rights()?;
        // After the change of user, which clears it.
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if rustix::process::getppid() != Some(self.parent) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        limit(Resource::Core, 0)?;
        let files = rustix::process::getrlimit(Resource::Nofile)
            .maximum
            .unwrap_or(OPEN_FILES);
        limit(Resource::Nofile, files.min(OPEN_FILES))?;
        if self.bounded_by_user {
            limit(Resource::Nproc, PROCESSES_OF_USER)?;
        }
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        // At last: it refuses some of the calls above.
        match &self.filter {
            Some(filter) => filter.install(),
            None => Ok(()),
        }
    }

    /// Becomes the user, without a capability and without a way to get one.
    fn give_up_rights(&self) -> io::Result<()> {
        for bit in 0..u64::BITS {
            // Only root may, and the kernel does not know them all.
            let capability = CapabilitySet::from_bits_retain(1 << bit);
            let _ = rustix::thread::remove_capability_from_bounding_set(capability);
        }
        if let Some((uid, gid)) = self.identity {
            rustix::thread::set_thread_groups(&[])?;
            rustix::thread::set_thread_res_gid(gid, gid, gid)?;
            rustix::thread::set_thread_res_uid(uid, uid, uid)?;
        }
        // An old kernel has no ambient set.
        let _ = rustix::thread::clear_ambient_capability_set();
        let none = CapabilitySets {
            effective: CapabilitySet::empty(),
            permitted: CapabilitySet::empty(),
            inheritable: CapabilitySet::empty(),
        };
        rustix::thread::set_capabilities(None, none)?;
        rustix::thread::set_no_new_privs(true)?;
        match &self.view {
            Some(view) => view.keep_signals(),
            None => Ok(()),
        }
    }

    fn mount(&self) -> io::Result<()> {
        // SAFETY: the child has one thread and shares nothing that the flag would split off.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS)? };
        rustix::mount::mount_change(
            c"/",
            MountPropagationFlags::REC | MountPropagationFlags::PRIVATE,
        )?;
        for mount in &self.mounts {
            rustix::mount::mount_bind(mount.from.as_c_str(), mount.to.as_c_str())?;
            if mount.read_only {
                let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID;
                rustix::mount::mount_remount(mount.to.as_c_str(), flags, c"")?;
            }
        }
        Ok(())
    }
}

fn ids(identity: UserIdentity) -> (rustix::process::Uid, rustix::process::Gid) {
    (
        rustix::process::Uid::from_raw(identity.uid),
        rustix::process::Gid::from_raw(identity.gid),
    )
}

fn limit(resource: Resource, value: u64) -> io::Result<()> {
    Ok(rustix::process::setrlimit(
        resource,
        Rlimit {
            current: Some(value),
            maximum: Some(value),
        },
    )?)
}
