//! A command of a person in the environment of a task: on their terminal, as the task's user,
//! in its snapshot. No shim holds it; it ends with its terminal.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

use super::child::{self, Preparation};
use super::shim;
use super::spec::{Identity, LogTarget, Place, StopPolicy, StopSignal, TaskSpec};
use crate::api::wire::Session;

/// Prepares the command.
///
/// # Errors
/// There is no such program, or the folder cannot be entered.
pub fn command(session: &Session, argv: &[String]) -> io::Result<Command> {
    let scratch = tempdir(session)?;
    let spec = TaskSpec {
        id: "session".to_owned(),
        log: LogTarget {
            service: String::new(),
            revision: session.revision,
        },
        argv: argv.to_vec(),
        env: session.env.clone(),
        place: Place::Snapshot(session.directory.clone()),
        identity: session.identity.map(|(uid, gid)| Identity { uid, gid }),
        limits: None,
        port: None,
        stop: StopPolicy {
            signal: StopSignal::Terminate,
            timeout: std::time::Duration::ZERO,
        },
    };
    let seen = child::seen(&spec, &scratch);
    let preparation = Preparation::new(&spec, &scratch, Vec::new())?.for_session();
    let mut command = shim::command(&spec, &seen)?;
    if let Ok(terminal) = std::env::var("TERM") {
        command.env("TERM", terminal);
    }
    // SAFETY: `run` makes system calls on values that exist already; it allocates nothing.
    unsafe { command.pre_exec(move || preparation.run()) };
    Ok(command)
}

/// A writable folder of the session's own, left to the machine's cleaner.
fn tempdir(session: &Session) -> io::Result<std::path::PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let path = std::env::temp_dir().join(format!("neargate-session-{}", std::process::id()));
    std::fs::DirBuilder::new().mode(0o700).create(&path)?;
    if let Some((uid, gid)) = session.identity {
        std::os::unix::fs::chown(&path, Some(uid), Some(gid))?;
    }
    Ok(path)
}
