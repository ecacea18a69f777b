//! What a task of an ordinary user sees of the state directory: its own directories, and nothing
//! else; of the user's other state directories, nothing. It has its owner's user, so permissions
//! keep nothing from it. What begins to run after the task is not covered.
//!
//! In a user and mount namespace of its own the state directory is an empty one, in which the
//! task's own directories lie; everything else is as its user has it. The kernel lets nobody in
//! there look into processes outside (their environment, memory, root), and Landlock, where the
//! kernel has it, lets it signal none of them. Decision 0008.
//!
//! Everything in [`PrivateView::enter`] runs in the forked child: only system calls on values that
//! were made before the fork; nothing is allocated.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags};
use rustix::thread::UnshareFlags;

use super::c_path::c_path;

/// `LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET` and `LANDLOCK_SCOPE_SIGNAL`.
const SCOPES: u64 = 3;
/// Where AppArmor closes user namespaces to ordinary users, by giving them no rights in one.
const CLOSED: &str = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
/// The task's own directories: its snapshot or data, its scratch.
const MOST_SHOWN: usize = 2;

/// Told where a task can be kept from nothing.
pub(super) const NONE: &str = "tasks run as the user of the engine and can read whatever that user can, \
the secrets of this app among them, because this machine allows no user namespaces";

/// A state directory without what is not the task's.
pub(super) struct PrivateView {
    state: CString,
    /// Directories that are empty in it.
    covered: Vec<CString>,
    /// Directories that are made in the empty one, parents first.
    made: Vec<CString>,
    /// Directories that are shown.
    shown: Vec<CString>,
    uid_map: String,
    gid_map: String,
    /// Whether nothing is tried.
    closed: bool,
    /// `None`: this kernel has no Landlock with scopes.
    scopes: Option<OwnedFd>,
    failure: OwnedFd,
}

/// Tells whether the child is in its view.
pub(super) struct ViewReport(OwnedFd);

impl PrivateView {
    /// A view of this state directory in which these directories are what they are, and of `others`,
    /// which are empty in it; not of one in which the task's own directories lie.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn new(
        state: &Path,
        shown: &[&Path],
        others: &BTreeSet<PathBuf>,
    ) -> io::Result<(Self, ViewReport)> {
        let own = |other: &Path| {
            let mut needed = shown.iter().copied().chain([state]);
            other.starts_with(state) || needed.any(|one| one.starts_with(other))
        };
        let others = others.iter().filter(|other| !own(other));
        let covered = others
            .map(|other| c_path(other))
            .collect::<io::Result<_>>()?;
        let mut view = (Vec::new(), Vec::new());
        for path in shown.iter().filter(|path| path.starts_with(state)) {
            let mut above: Vec<&Path> = path.ancestors().take_while(|one| *one != state).collect();
            above.reverse();
            for one in above {
                view.0.push(c_path(one)?);
            }
            view.1.push(c_path(path)?);
        }
        let (made, shown) = view;
        if shown.len() > MOST_SHOWN {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let uid = rustix::process::geteuid().as_raw();
        let gid = rustix::process::getegid().as_raw();
        let (outcome, failure) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let view = Self {
            state: c_path(state)?,
            covered,
            made,
            shown,
            uid_map: format!("{uid} {uid} 1"),
            gid_map: format!("{gid} {gid} 1"),
            closed: std::fs::read_to_string(CLOSED).is_ok_and(|text| text.trim() == "1"),
            scopes: scopes(),
            failure,
        };
        Ok((view, ViewReport(outcome)))
    }

    /// Enters it; where the machine does not allow it, that is only told to [`ViewReport`]. Runs in
    /// the child, which has one thread.
    ///
    /// # Errors
    /// The first system call that fails when the state directory is covered already.
    pub(super) fn enter(&self) -> io::Result<()> {
        const NOTHING: Option<OwnedFd> = None;
        let mut trees = [NOTHING; MOST_SHOWN];
        match self.cover(&mut trees) {
            Ok(()) => self.uncover(&trees),
            Err(_) => {
                // Nobody may read it any more: nothing to be done about it here.
                let _ = rustix::io::write(&self.failure, b"!");
                Ok(())
            }
        }
    }

    /// Lays an empty directory over each state directory.
    fn cover(&self, trees: &mut [Option<OwnedFd>; MOST_SHOWN]) -> rustix::io::Result<()> {
        if self.closed {
            return Err(rustix::io::Errno::PERM);
        }
        // SAFETY: the child has one thread and shares nothing that the flags would split off.
        unsafe {
            rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)?;
        }
        write(c"/proc/self/setgroups", b"deny")?;
        write(c"/proc/self/uid_map", self.uid_map.as_bytes())?;
        write(c"/proc/self/gid_map", self.gid_map.as_bytes())?;
        let all = MountPropagationFlags::REC | MountPropagationFlags::PRIVATE;
        rustix::mount::mount_change(c"/", all)?;
        for (tree, path) in trees.iter_mut().zip(&self.shown) {
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            let opened = rustix::mount::open_tree(rustix::fs::CWD, path.as_c_str(), flags)?;
            *tree = Some(opened);
        }
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        let (kind, size) = (c"tmpfs", c"mode=0755,size=64k");
        for other in &self.covered {
            let flags = flags | MountFlags::RDONLY;
            match rustix::mount::mount(kind, other.as_c_str(), kind, flags, size) {
                // It has been removed since.
                Ok(()) | Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(error),
            }
        }
        rustix::mount::mount(kind, self.state.as_c_str(), kind, flags, size)
    }

    /// Puts the task's own directories into it.
    fn uncover(&self, trees: &[Option<OwnedFd>; MOST_SHOWN]) -> io::Result<()> {
        for path in &self.made {
            match rustix::fs::mkdir(path.as_c_str(), Mode::from_raw_mode(0o755)) {
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        for (tree, path) in trees.iter().flatten().zip(&self.shown) {
            let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
            let to = path.as_c_str();
            rustix::mount::move_mount(tree.as_fd(), c"", rustix::fs::CWD, to, flags)?;
        }
        let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
        rustix::mount::mount_remount(self.state.as_c_str(), flags, c"")?;
        Ok(())
    }

    /// Keeps its signals among the task's own processes. Runs in the child, after it has given up
    /// new privileges.
    pub(super) fn keep_signals(&self) -> io::Result<()> {
        let Some(scopes) = &self.scopes else {
            return Ok(());
        };
        // SAFETY: the descriptor is a ruleset's; no memory is involved.
        let done =
            unsafe { libc::syscall(libc::SYS_landlock_restrict_self, scopes.as_raw_fd(), 0) };
        match done {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

impl ViewReport {
    /// Whether the process, which runs by now, has its view. The view itself must be gone: it holds
    /// the other end.
    #[must_use]
    pub(super) fn entered(self) -> bool {
        let mut failure = [0];
        matches!(std::fs::File::from(self.0).read(&mut failure), Ok(0))
    }
}

fn write(path: &std::ffi::CStr, bytes: &[u8]) -> rustix::io::Result<()> {
    let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::io::write(file, bytes).map(|_| ())
}

/// A Landlock ruleset with nothing but scopes (Linux 6.12).
fn scopes() -> Option<OwnedFd> {
    /// Linux's `struct landlock_ruleset_attr`.
    #[repr(C)]
    struct Attributes {
        handled_access_fs: u64,
        handled_access_net: u64,
        scoped: u64,
    }
    let attributes = Attributes {
        handled_access_fs: 0,
        handled_access_net: 0,
        scoped: SCOPES,
    };
    // SAFETY: the structure lives through the call; its size goes with it. The descriptor that
    // comes back is nobody else's.
    unsafe {
        let made = libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const attributes,
            size_of::<Attributes>(),
            0,
        );
        let made = i32::try_from(made).ok().filter(|made| *made >= 0)?;
        let ruleset = OwnedFd::from_raw_fd(made);
        rustix::io::fcntl_setfd(&ruleset, rustix::io::FdFlags::CLOEXEC).ok()?;
        Some(ruleset)
    }
}
