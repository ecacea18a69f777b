//! The processes that this binary is: engine, router, shim.

use std::fs::OpenOptions;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use neargate_near::atomic;
use neargate_near::engine::{self, EngineError};
use neargate_near::journal::JournalError;
use neargate_near::paths::StateDir;
use neargate_router::{Config, Limits, Signals};

use crate::client::Client;
use crate::failure::Failure;

/// An engine that replays a long journal may take this long to answer.
const START_TIMEOUT: Duration = Duration::from_secs(60);

fn program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::of("cannot tell where this program is", &error))
}

/// Runs the engine in this process.
pub fn engine(state: &StateDir) -> Result<ExitCode, Failure> {
    engine::main(state, program()?).map_err(|error| match &error {
        EngineError::Journal(JournalError::EngineRuns { .. }) => {
            Failure::Environment(error.to_string())
        }
        _ => Failure::of("the engine cannot run", &error),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Runs a router in this process.
pub fn router(
    control: PathBuf,
    access_log: Option<PathBuf>,
    listeners: &[String],
) -> Result<ExitCode, Failure> {
    let mut sockets = Vec::new();
    let mut workers = 1;
    for listener in listeners {
        let parsed = listener
            .rsplit_once('=')
            .and_then(|(name, fd)| Some((name, fd.parse::<RawFd>().ok()?)));
        let (name, fd) =
            parsed.ok_or_else(|| Failure::Usage(format!("`{listener}` is not NAME=FD")))?;
        // SAFETY: the engine passed this descriptor to this process for it alone.
        sockets.push((name.to_owned(), unsafe { OwnedFd::from_raw_fd(fd) }));
        workers = workers.max(sockets.iter().filter(|(other, _)| other == name).count());
    }
    let config = Config {
        sockets,
        control,
        access_log,
        workers,
        limits: Limits::default(),
        signals: Signals::Drain,
    };
    neargate_router::run(config).map_err(|error| Failure::of("the router cannot run", &error))?;
    Ok(ExitCode::SUCCESS)
}

/// The engine of a state directory: the one that runs, or a new one in the background.
pub async fn ensure_engine(state: &StateDir) -> Result<Client, Failure> {
    if let Some(client) = answering(state).await {
        return Ok(client);
    }
    let mut child = start(state)?;
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if let Some(client) = answering(state).await {
            return Ok(client);
        }
        if let Ok(Some(status)) = child.try_wait() {
            let reason = last_words(&state.engine_log());
            let text = format!("the engine did not start: {reason}");
            return Err(if status.code() == Some(3) {
                Failure::Environment(text)
            } else {
                Failure::Failed(text)
            });
        }
        if Instant::now() > deadline {
            return Err(Failure::Failed(format!(
                "the engine does not answer within a minute; see {}",
                state.engine_log().display()
            )));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The engine that answers. One that is just dying may still take a connection.
async fn answering(state: &StateDir) -> Option<Client> {
    let client = Client::connect(state).await.ok()?;
    client.status().await.is_ok().then_some(client)
}

fn start(state: &StateDir) -> Result<std::process::Child, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::of("cannot start the engine", error);
    atomic::state_directory(&state.path()).map_err(|error| failed(&error))?;
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(state.engine_log())
        .map_err(|error| failed(&error))?;
    let mut command = Command::new(program()?);
    command
        .arg("engine")
        .arg("--state-dir")
        .arg(state.path())
        .current_dir("/");
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    // SAFETY: setsid is one system call; nothing is allocated between fork and exec.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
    command.spawn().map_err(|error| failed(&error))
}

/// The last lines of the engine's log that are an error.
fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let last = text
        .lines()
        .rev()
        .find(|line| line.contains("error"))
        .or(text.lines().next_back());

    last.unwrap_or("it left no word")
        .trim_start_matches("error: ")
        .to_owned()
}
