//! The shim: holds one process for its whole life.
//!
//! It gets the spec on standard input, starts the process, reports once on standard output, and
//! stays: it writes the log, stops the process when it is told to (SIGTERM: as the spec says,
//! SIGINT: at once), and records the exit. It outlives the engine. When the shim itself is
//! killed, the kernel kills the process (parent death signal), so nothing is orphaned.
//!
//! It stands in the task directory and keeps the log directory open, so that a rename of the
//! project does not lose it, and ends its process when the task directory is removed.
//!
//! Refuses to start while another shim holds the same task directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use neargate_core::machine::ProcessExit;
use rustix::fs::FlockOperation;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::ShimReport;
use super::child::{self, ChildSetup};
use super::leftovers;
use super::private_view::{self, PrivateView, ViewReport};
use super::spec::{ExitRecord, RunningProcess, TaskSpec, WorkingDirectory};
use super::stopping::{self, Stopping};
use crate::cgroup::TaskCgroup;
use crate::clock::now;
use crate::logs::writer::{LogWriter, OutputStream, copy};
use crate::os_error::os_error;
use crate::own_processes;
use crate::process_identity::ProcessIdentity;
use crate::search_path::SEARCH_PATH;

/// After the process has ended, its output is read for at most this long: a process that it
/// left behind may hold the pipe open.
const LAST_OUTPUT: Duration = Duration::from_secs(2);
/// How often the shim looks whether its directory is there.
const LOOK: Duration = Duration::from_secs(2);
/// How often the processes of a task that is ending are looked at.
const TURN: Duration = Duration::from_millis(20);
/// Attempts to get the lock of the task directory, 10 ms apart.
const LOCK_ATTEMPTS: u32 = 100;
/// Room for the record of the exit, taken at the start: a full disk must not cost the exit code.
const RECORD_BYTES: usize = 1024;

/// `neargate shim TASK-DIRECTORY LOG-DIRECTORY`
#[must_use]
pub fn main(task: &Path, logs: &Path) -> ExitCode {
    crate::inherited::close();
    // It fails only for the leader of a session, which a child of the engine never is.
    let _ = rustix::process::setsid();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    if std::env::set_current_dir(task).is_err() {
        return ExitCode::FAILURE;
    }
    let done = runtime.and_then(|runtime| runtime.block_on(hold(task, logs)));
    if done.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Signals to a shim. Listened to before its process starts: a stop that comes right after the
/// start must not end the shim alone.
struct ShimSignals {
    stop: Signal,
    kill: Signal,
    child: Signal,
}

impl ShimSignals {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            stop: signal(SignalKind::terminate())?,
            kill: signal(SignalKind::interrupt())?,
            child: signal(SignalKind::child())?,
        })
    }
}

/// Handles of a shim while its process runs.
struct ShimProcess {
    child: Child,
    group: TaskCgroup,
    output: Vec<JoinHandle<()>>,
    log: Arc<Mutex<LogWriter>>,
    running: RunningProcess,
    _lock: File,
    _logs: File,
}

async fn hold(task: &Path, logs: &Path) -> io::Result<()> {
    let spec: TaskSpec = serde_json::from_reader(io::stdin().lock())?;
    let told = ShimSignals::listen()?;
    let mut held = match begin(task, logs, &spec) {
        Ok(held) => held,
        Err(error) => {
            report(&ShimReport::Failed {
                reason: error.to_string(),
                os_error: os_error(&error),
            });
            return Err(error);
        }
    };
    report(&ShimReport::Started(held.running.clone()));
    tokio::spawn(crate::watchdog::engine_visit::visits());
    let status = wait(&mut held, &spec, told).await?;
    let out_of_memory = held.group.out_of_memory();
    stopping::kill(&held.group);
    leftovers::end_own(&held.group).await;
    for output in held.output {
        let _ = tokio::time::timeout(LAST_OUTPUT, output).await;
    }
    if out_of_memory && let Ok(mut log) = held.log.lock() {
        log.write(
            OutputStream::Err,
            b"neargate: the kernel ended the task: it used more memory than its size allows",
        );
    }
    let record = ExitRecord {
        exit: exit_of(status),
        at: now(),
        out_of_memory,
    };
    let here = Path::new(".");
    let _ = fs::remove_dir_all(here.join("scratch"));
    keep(here, &serde_json::to_vec(&record)?);
    held.group.remove();
    Ok(())
}

/// Writes the record of the exit down; on a full disk into the room that was kept for it.
/// Without a record the exit is known as unseen.
fn keep(task: &Path, record: &[u8]) {
    let (path, room) = (task.join("exit.json"), task.join("exit.room"));
    if crate::atomic::write(&path, record, 0o600).is_err() {
        let written = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).open(&room)?;
            file.write_all(record)?;
            file.set_len(record.len() as u64)?;
            file.sync_all()?;
            fs::rename(&room, &path)
        };
        let _ = written();
    }
    let _ = fs::remove_file(room);
}

/// Tells the engine, once; an engine that has died since hears nothing.
fn report(report: &ShimReport) {
    if let Ok(text) = serde_json::to_vec(report) {
        let mut out = io::stdout();
        let _ = out.write_all(&text).and_then(|()| out.flush());
    }
    // Closes the pipe: the engine reads to its end.
    if let Ok(null) = OpenOptions::new().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(null);
    }
}

fn begin(task: &Path, logs: &Path, spec: &TaskSpec) -> io::Result<ShimProcess> {
    let lock = lock(task)?;
    let _ = fs::remove_file(task.join("exit.json"));
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    fs::write(task.join("exit.room"), [b' '; RECORD_BYTES])?;
    scratch(task, spec)?;
    fs::create_dir_all(logs)?;
    let logs = File::open(logs)?;
    let by_descriptor = format!("/proc/self/fd/{}", logs.as_raw_fd());
    let (group, notes) = TaskCgroup::create(&spec.id, spec.limits);
    let started = start(task, Path::new(&by_descriptor), spec, &group, notes);
    if started.is_err() {
        group.end();
    }
    let (child, log, running) = started?;
    Ok(hold_output(child, group, log, running, (lock, logs)))
}

/// Starts the process and writes down that it runs.
fn start(
    task: &Path,
    logs: &Path,
    spec: &TaskSpec,
    group: &TaskCgroup,
    mut notes: Vec<String>,
) -> io::Result<(Child, Arc<Mutex<LogWriter>>, RunningProcess)> {
    let scratch = task.join("scratch");
    present(&spec.place)?;
    let (preparation, outcome) = prepare(task, spec, group)?;
    notes.extend_from_slice(preparation.notes());
    let log = Arc::new(Mutex::new(LogWriter::open(
        logs,
        &spec.id,
        spec.log.revision,
    )?));
    let mut child = spawn(spec, &child::view_of_task(spec, &scratch), preparation)?;
    if outcome.is_some_and(|outcome| !outcome.entered()) {
        notes.push(private_view::NONE.to_owned());
    }
    let pid = child.id().unwrap_or_default();
    let started = ProcessIdentity::of(pid).unwrap_or(ProcessIdentity { pid, start: 0 });
    let shim = ProcessIdentity::of(std::process::id()).ok_or(io::ErrorKind::NotFound)?;
    let running = RunningProcess {
        id: spec.id.clone(),
        role: spec.role.clone(),
        shim,
        task: started,
        started_at: now(),
        port: spec.port,
        user: spec.identity.map(|identity| identity.uid),
        notes,
    };
    if let Err(error) = crate::atomic::write(
        &task.join("state.json"),
        &serde_json::to_vec(&running)?,
        0o600,
    ) {
        let _ = child.start_kill();
        return Err(io::Error::other(error));
    }
    Ok((child, log, running))
}

/// Without its snapshot a process would seem to lack its program.
fn present(place: &WorkingDirectory) -> io::Result<()> {
    match place {
        WorkingDirectory::Snapshot(path) if !path.exists() => Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!(
                "the revision's artifact is gone ({} is missing): deploy again",
                path.display()
            ),
        )),
        _ => Ok(()),
    }
}

/// Steps of the child before it becomes the process; with no user of its own it gets a view of its
/// own, if it can.
fn prepare(
    task: &Path,
    spec: &TaskSpec,
    group: &TaskCgroup,
) -> io::Result<(ChildSetup, Option<ViewReport>)> {
    let scratch = task.join("scratch");
    let mut preparation = ChildSetup::new(spec, &scratch, group.membership()?)?;
    if spec.limits.is_some() && !group.bounds_processes() {
        preparation = preparation.bounded_by_user();
    }
    if spec.identity.is_some() {
        return Ok((preparation, None));
    }
    let (WorkingDirectory::Directory(directory) | WorkingDirectory::Snapshot(directory)) =
        &spec.place;
    let task = task.canonicalize()?;
    let state = task.parent().and_then(Path::parent);
    let state = state.ok_or(io::ErrorKind::NotFound)?;
    let shown = [directory.canonicalize()?, task.join("scratch")];
    let shown = shown.each_ref().map(PathBuf::as_path);
    let (view, outcome) = PrivateView::new(state, &shown, &own_processes::state_directories())?;
    Ok((preparation.seeing(view), Some(outcome)))
}

/// Begins to copy the output of the process to its log.
fn hold_output(
    mut child: Child,
    group: TaskCgroup,
    log: Arc<Mutex<LogWriter>>,
    running: RunningProcess,
    (lock, logs): (File, File),
) -> ShimProcess {
    let output = [
        child
            .stdout
            .take()
            .map(|pipe| tokio::spawn(copy(pipe, log.clone(), OutputStream::Out))),
        child
            .stderr
            .take()
            .map(|pipe| tokio::spawn(copy(pipe, log.clone(), OutputStream::Err))),
    ];
    ShimProcess {
        child,
        group,
        output: output.into_iter().flatten().collect(),
        log,
        running,
        _lock: lock,
        _logs: logs,
    }
}

fn lock(task: &Path) -> io::Result<File> {
    let path = task.join("lock");
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    for _ in 0..LOCK_ATTEMPTS {
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(error.into()),
        }
    }
    Err(io::Error::other("another shim holds this task"))
}

/// Makes the task's own writable directory, which is gone when it ends.
fn scratch(task: &Path, spec: &TaskSpec) -> io::Result<()> {
    let scratch = task.join("scratch");
    let _ = fs::remove_dir_all(&scratch);
    fs::DirBuilder::new().mode(0o700).create(&scratch)?;
    if let Some(identity) = spec.identity {
        std::os::unix::fs::chown(&scratch, Some(identity.uid), Some(identity.gid))?;
    }
    Ok(())
}

fn spawn(spec: &TaskSpec, seen: &child::TaskView, preparation: ChildSetup) -> io::Result<Child> {
    let mut command = Command::from(command(spec, seen)?);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: `run` makes system calls on values that exist already; it allocates nothing.
    unsafe { command.pre_exec(move || preparation.run()) };
    let name = spec.argv.first().map_or("", String::as_str);
    command.spawn().map_err(|error| {
        let name = name.to_owned();
        let source = error;
        io::Error::new(source.kind(), SpawnError { name, source })
    })
}

/// A program that is there and does not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot run `{name}`: {source}{}", advice(source.kind()))]
struct SpawnError {
    name: String,
    source: io::Error,
}

/// Advice about a program that is there and does not start.
fn advice(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::PermissionDenied => {
            "; is it a program (chmod +x), in a folder that the task's user may enter?"
        }
        // A name without a program was refused before: the kernel looked for something else.
        io::ErrorKind::NotFound => {
            "; does it exist, and the interpreter in its first line (`#!`)? A Windows line end there is part of that name"
        }
        _ => "",
    }
}

/// Program, arguments and environment of a process.
///
/// # Errors
/// There is no such program.
pub fn command(spec: &TaskSpec, seen: &child::TaskView) -> io::Result<std::process::Command> {
    let (name, arguments) = spec.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let path = match &spec.place {
        WorkingDirectory::Snapshot(_) => format!("{}:{SEARCH_PATH}", seen.directory.display()),
        WorkingDirectory::Directory(_) => SEARCH_PATH.to_owned(),
    };
    // The lookup is done here, with the names that the shim sees; in the task's own mounts the
    // snapshot has another name.
    let program = find(name, spec, seen).ok_or_else(|| {
        io::Error::other(format!(
            "there is no program `{name}` in the snapshot or in {SEARCH_PATH}"
        ))
    })?;
    let mut command = std::process::Command::new(&program);
    command.args(arguments).env_clear().envs(&spec.env);
    let scratch = seen.scratch.display().to_string();
    for (key, value) in [
        ("PATH", path),
        ("HOME", scratch.clone()),
        ("TMPDIR", scratch),
    ] {
        if !spec.env.contains_key(key) {
            command.env(key, value);
        }
    }
    Ok(command)
}

/// The program as the child must name it.
fn find(name: &str, spec: &TaskSpec, seen: &child::TaskView) -> Option<PathBuf> {
    if name.contains('/') {
        return Some(name.into());
    }
    if let WorkingDirectory::Snapshot(snapshot) = &spec.place
        && executable(&snapshot.join(name))
    {
        return Some(seen.directory.join(name));
    }
    SEARCH_PATH
        .split(':')
        .map(|directory| Path::new(directory).join(name))
        .find(|path| executable(path))
}

fn executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Waits for the end of the first process and of all that it started, and stops them when the
/// shim is told to. How the first one ended.
async fn wait(
    held: &mut ShimProcess,
    spec: &TaskSpec,
    mut told: ShimSignals,
) -> io::Result<ExitStatus> {
    let first = held.running.task;
    let mut stopping = Stopping::new(spec.stop);
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turns = tokio::time::interval(TURN);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let status = loop {
        let deadline = stopping.deadline();
        tokio::select! {
            status = held.child.wait() => break status?,
            _ = told.stop.recv() => stopping.ask_first(first),
            _ = told.kill.recv() => stopping::kill(&held.group),
            _ = told.child.recv() => leftovers::reap_adopted(first.pid),
            // Nobody could find the process any more, and nothing that it writes is kept.
            _ = looks.tick() => if directory_is_gone() { stopping::kill(&held.group) },
            _ = turns.tick(), if deadline.is_some() => {
                if deadline.is_some_and(|at| Instant::now() >= at) {
                    stopping::kill(&held.group);
                } else {
                    stopping.ask_children_of_shell(first, &held.group);
                }
            }
        }
    };
    // What the kernel ended for want of memory is not asked any more.
    while !held.group.out_of_memory() && stopping.continues(&held.group) {
        tokio::select! {
            _ = told.kill.recv() => break,
            _ = told.stop.recv() => {}
            _ = told.child.recv() => leftovers::reap_adopted(first.pid),
            _ = looks.tick() => if directory_is_gone() { break },
            _ = turns.tick() => {}
        }
    }
    Ok(status)
}

fn directory_is_gone() -> bool {
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    fs::metadata("lock").is_err_and(|error| missing(&error))
}

fn exit_of(status: ExitStatus) -> ProcessExit {
    match (status.code(), status.signal()) {
        (Some(code), _) => ProcessExit::Code(code),
        (None, Some(signal)) => ProcessExit::Signal(signal),
        (None, None) => ProcessExit::Unknown,
    }
}
