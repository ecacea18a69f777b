//! The processes that this binary is: engine, watchdog, router, shim.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ExitCode, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use neargate_core::succession::{self, Succession};
use neargate_near::engine::{self, EngineError, EngineOrigin};
use neargate_near::journal::JournalError;
use neargate_near::own_processes::ProcessRole;
use neargate_near::paths::{LONGEST, StateDir};
use neargate_near::process_identity::ProcessIdentity;
use neargate_near::process_signal;
use neargate_near::watchdog::{self, WatchReason, WatchdogError, last_words};
use neargate_near::{atomic, descriptors, inherited, own_processes, program, writability};
use neargate_router::{Confinement, RouterConfig, RouterLimits, SignalHandling};
use rustix::process::Signal;

use crate::client::{self, EngineClient};
use crate::failure::Failure;
use crate::output;
use neargate_near::private_file;

/// An engine that replays a long journal may take this long to answer.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// So many engines are seen to end before it is said that none stays up.
const CRASHES: u32 = 2;
/// When neither engine nor watchdog has answered for this long, both hang.
const HUNG: Duration = Duration::from_secs(10);
/// Processes of a lost state directory end by themselves within this time.
const LOST: Duration = Duration::from_secs(15);

/// Runs the engine in this process.
pub(crate) fn engine(
    state: &StateDir,
    successor: bool,
    listeners: &[String],
) -> Result<ExitCode, Failure> {
    let listeners = named(listeners)?;
    let numbers: Vec<RawFd> = listeners.iter().map(|(_, number)| *number).collect();
    inherited::close_but(&numbers);
    descriptors::raise();
    let listeners = listeners.into_iter().map(|(name, number)| {
        // SAFETY: the watchdog passed this descriptor to this process for it alone.
        let socket = unsafe { OwnedFd::from_raw_fd(number) };
        // Only routers get it from here.
        let _ = rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC);
        (name, socket)
    });
    let origin = if successor {
        EngineOrigin::Watchdog
    } else {
        EngineOrigin::Person
    };
    let ended = engine::main(state, watchdog::own_program(), origin, listeners.collect());
    let failed = |error| match &error {
        EngineError::Journal(JournalError::EngineRuns { .. }) => {
            Failure::Environment(error.to_string())
        }
        _ => Failure::of("the engine cannot run", &error),
    };
    let ended = ended.map_err(failed);
    ended
        .inspect_err(|failure| last_words::leave(&failure.describe()))
        .map(|()| ExitCode::SUCCESS)
}

/// Inherited sockets: `NAME=FD` each.
fn named(listeners: &[String]) -> Result<Vec<(String, RawFd)>, Failure> {
    let parsed = |listener: &String| {
        let (name, fd) = listener.rsplit_once('=')?;
        Some((name.to_owned(), fd.parse().ok()?))
    };
    let named = |listener| {
        parsed(listener).ok_or_else(|| Failure::Usage(format!("`{listener}` is not NAME=FD")))
    };
    listeners.iter().map(named).collect()
}

/// Runs the watchdog in this process.
pub(crate) fn watchdog(state: &StateDir, again: bool) -> Result<ExitCode, Failure> {
    inherited::close();
    descriptors::raise();
    let duty = if again {
        WatchReason::Again
    } else {
        WatchReason::First
    };
    match watchdog::main(state, watchdog::own_program(), duty) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        // The engine has written why to its log.
        Err(WatchdogError::Engine { code, words }) => {
            last_words::leave(&words);
            Ok(ExitCode::from(code))
        }
        Err(error) => {
            let failure = Failure::of("the watchdog cannot run", &error);
            last_words::leave(&failure.describe());
            Err(failure)
        }
    }
}

/// Confinement of a router, by its arguments.
pub(crate) fn confinement(
    user: Option<&str>,
    sites: Option<PathBuf>,
) -> Result<Confinement, Failure> {
    let ids = |text: &str| {
        let (uid, gid) = text.split_once(':')?;
        Some((uid.parse().ok()?, gid.parse().ok()?))
    };
    let user = user
        .map(|text| ids(text).ok_or_else(|| Failure::Usage(format!("`{text}` is not UID:GID"))));
    Ok(Confinement {
        user: user.transpose()?,
        sites,
    })
}

/// Runs a router in this process.
pub(crate) fn router(
    control: PathBuf,
    access_log: Option<PathBuf>,
    confinement: Confinement,
    listeners: &[String],
) -> Result<ExitCode, Failure> {
    descriptors::raise();
    let mut sockets = Vec::new();
    let mut workers = 1;
    for (name, fd) in named(listeners)? {
        // SAFETY: the engine passed this descriptor to this process for it alone.
        sockets.push((name.clone(), unsafe { OwnedFd::from_raw_fd(fd) }));
        workers = workers.max(sockets.iter().filter(|(other, _)| *other == name).count());
    }
    let config = RouterConfig {
        sockets,
        control,
        access_log,
        workers,
        limits: RouterLimits::default(),
        signals: SignalHandling::Drain,
        confinement,
    };
    neargate_router::run(config).map_err(|error| Failure::of("the router cannot run", &error))?;
    Ok(ExitCode::SUCCESS)
}

/// The engine of a state directory: the one that runs, or a new one in the background, with the
/// watchdog that starts it again.
pub(crate) async fn ensure_engine(state: &StateDir) -> Result<EngineClient, Failure> {
    if let Some(client) = EngineClient::answering(state).await {
        return Ok(client);
    }
    end_lost(state).await;
    let mut child: Option<Child> = None;
    let began = Instant::now();
    let mut crashed = 0;
    loop {
        match client::start_now(state).await {
            None if child.is_none() => {
                if began.elapsed() > HUNG {
                    end_deciders(state);
                }
                child = Some(start(state)?);
            }
            // None runs, and one did: it ended, and this question has the next one started.
            Some(report) if report.next_start_ms.is_some() && !report.words.is_empty() => {
                crashed += 1;
                if crashed > CRASHES {
                    return Err(client::stays_down(state, &report));
                }
            }
            _ => {}
        }
        if let Some(client) = EngineClient::answering(state).await {
            return Ok(client);
        }
        if let Some(ended) = &mut child
            && let Ok(Some(status)) = ended.try_wait()
        {
            if !status.success() {
                return Err(not_started(state, ended, status));
            }
            // Another watchdog was there first.
            child = None;
        }
        if began.elapsed() > START_TIMEOUT {
            let log = state.engine_log();
            let text = format!(
                "the engine does not answer within a minute; see {}",
                log.display()
            );
            return Err(match writability::obstacle(&state.path()) {
                Some(obstacle) => Failure::Environment(format!("{text}; {obstacle}")),
                None => Failure::Failed(text),
            });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Why a watchdog ended at once: by what it says itself, by the log, and by the disk.
fn not_started(state: &StateDir, watchdog: &mut Child, status: ExitStatus) -> Failure {
    let told = watchdog.stdout.as_mut().and_then(last_words::heard);
    let words = told.unwrap_or_else(|| last_words::logged(&state.engine_log()));
    let text = format!("the engine did not start: {words}");
    match (writability::obstacle(&state.path()), status.code()) {
        (Some(obstacle), _) => Failure::Environment(format!("{text}; {obstacle}")),
        (None, Some(3)) => Failure::Environment(text),
        (None, _) => Failure::Failed(text),
    }
}

/// Ends engine and watchdog at once, in an order in which neither starts the other. Everything
/// else goes on.
fn end_deciders(state: &StateDir) -> Vec<ProcessIdentity> {
    let mut found = own_processes::of(&state.path());
    found.retain(|one| matches!(one.role, ProcessRole::Engine | ProcessRole::Watchdog));
    found.sort_by_key(|one| one.role);
    for one in &found {
        process_signal::send(one.process, Signal::KILL);
    }
    found.into_iter().map(|one| one.process).collect()
}

/// Refuses a state directory under which nothing could be written.
pub(crate) fn require_short(state: &StateDir) -> Result<(), Failure> {
    let length = state.length();
    if length <= LONGEST {
        return Ok(());
    }
    Err(Failure::Environment(format!(
        "the path of the state directory has {length} bytes, too many for its databases: at most \
         {LONGEST} work; choose another with --state-dir: {}",
        state.path().display()
    )))
}

/// Puts this program in the place of an engine or watchdog of another build, which end; tasks,
/// data services and the router go on. [`ensure_engine`] starts the next one.
///
/// # Errors
/// Exit 3 when the engine that runs is of a newer version.
pub(crate) async fn take_over(state: &StateDir) -> Result<(), Failure> {
    let Some(client) = EngineClient::answering(state).await else {
        return Ok(());
    };
    let running = client.status().await.ok();
    let running = running.and_then(|status| status.engine_version);
    let same = own_processes::of(&state.path())
        .iter()
        .filter(|one| matches!(one.role, ProcessRole::Engine | ProcessRole::Watchdog))
        .all(|one| program::is_own(one.process.pid));
    let version = running.as_deref().unwrap_or("unknown");
    match succession::decide(program::VERSION, running.as_deref(), same) {
        Succession::GoOn => return Ok(()),
        Succession::Refuse => {
            return Err(Failure::Environment(format!(
                "the engine that runs here is of version {version}, newer than this program \
                 ({}): use that one, or end it with `neargate down` first",
                program::VERSION
            )));
        }
        Succession::TakeOver => {}
    }
    output::progress(
        "",
        &format!(
            "an engine of another build (version {version}) runs: this one ({}) takes over",
            program::VERSION
        ),
    );
    let ended = end_deciders(state);
    let deadline = Instant::now() + LOST;
    while ended.iter().any(|process| process.runs()) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

/// Waits for the end of what belongs to a state directory that was removed, and ends what does
/// not end by itself: it holds ports and runs with data that nobody sees any more.
pub(crate) async fn end_lost(state: &StateDir) -> bool {
    let path = state.path();
    let left = || {
        let all = own_processes::of(&path);
        // An engine that cannot be reached by its socket has lost it.
        all.iter().any(|one| one.lost)
    };
    if !left() {
        return false;
    }
    output::progress("", "ending the processes of a removed state directory");
    let deadline = Instant::now() + LOST;
    while left() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    if left() {
        own_processes::end_all(&path, own_processes::GRACE);
    }
    true
}

/// Starts a watchdog in a session of its own.
fn start(state: &StateDir) -> Result<Child, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::of("cannot start the engine", error);
    atomic::state_directory(&state.path()).map_err(|error| failed(&error))?;
    let log = private_file::append(&state.engine_log());
    let mut command = watchdog::command(&watchdog::own_program());
    command.args(["watchdog", "--state-dir"]);
    command.arg(state.path()).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    // A full disk must not keep the engine from running.
    command.stderr(log.map_or_else(|_| Stdio::null(), Stdio::from));
    // SAFETY: setsid is one system call; nothing is allocated between fork and exec.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(())
        });
    }
    command.spawn().map_err(|error| failed(&error))
}
