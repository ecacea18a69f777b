//! A command of a person in the environment of a task: on their terminal, as the task's user,
//! in its snapshot. No shim holds it; it ends with its terminal.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::{DirBuilderExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use neargate_core::ids::RevisionNumber;

use super::child::{self, ChildSetup};
use super::shim;
use super::spec::{LogTarget, OrphanPolicy, StopPolicy, StopSignal, TaskSpec, WorkingDirectory};
use crate::identity::UserIdentity;

/// Names tried for a folder of the session's own; leftovers of earlier ones may hold some.
const NAMES: u32 = 100;

/// Where a command runs, as a task of a service does. Holds secrets: never logged, never written.
#[derive(Clone)]
pub struct SessionSpec {
    /// Revision it belongs to.
    pub revision: RevisionNumber,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Where it runs; first on its `PATH` too.
    pub directory: PathBuf,
    /// Whom it runs as; `None`: the engine's own user.
    pub identity: Option<UserIdentity>,
}

/// A folder that goes with the session.
struct ScratchFolder(PathBuf);

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a command to its end.
///
/// # Errors
/// There is no such program, or the folder cannot be entered.
pub fn run(session: &SessionSpec, argv: &[String]) -> io::Result<ExitStatus> {
    let scratch = ScratchFolder::new(session.identity)?;
    command(session, argv, &scratch.0)?.status()
}

fn command(session: &SessionSpec, argv: &[String], scratch: &Path) -> io::Result<Command> {
    let spec = TaskSpec {
        id: "session".to_owned(),
        role: None,
        log: LogTarget {
            service: String::new(),
            revision: session.revision,
        },
        argv: argv.to_vec(),
        env: session.env.clone(),
        place: WorkingDirectory::Snapshot(session.directory.clone()),
        identity: session.identity,
        limits: None,
        port: None,
        stop: StopPolicy {
            signal: StopSignal::Terminate,
            timeout: std::time::Duration::ZERO,
            children: OrphanPolicy::Killed,
        },
    };
    let seen = child::view_of_task(&spec, scratch);
    let preparation = ChildSetup::new(&spec, scratch, Vec::new())?.for_session();
    let mut command = shim::command(&spec, &seen)?;
    if let Ok(terminal) = std::env::var("TERM") {
        command.env("TERM", terminal);
    }
    // SAFETY: `run` makes system calls on values that exist already; it allocates nothing.
    unsafe { command.pre_exec(move || preparation.run()) };
    Ok(command)
}

impl ScratchFolder {
    /// Makes the folder, writable for the session's user alone.
    fn new(identity: Option<UserIdentity>) -> io::Result<Self> {
        let pid = std::process::id();
        let mut taken = io::Error::from(io::ErrorKind::AlreadyExists);
        for number in 0..NAMES {
            let name = format!("neargate-session-{pid}-{number}");
            let path = std::env::temp_dir().join(name);
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => taken = error,
                Err(error) => return Err(error),
                Ok(()) => {
                    let scratch = Self(path);
                    if let Some(UserIdentity { uid, gid }) = identity {
                        chown(&scratch.0, Some(uid), Some(gid))?;
                    }
                    return Ok(scratch);
                }
            }
        }
        Err(taken)
    }
}
