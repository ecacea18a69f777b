//! A router process: started with the engine's listening sockets, or found running.
//!
//! Invariant: the engine can die at any moment. A router is found again by its control socket
//! (`run/router-N.sock`), and gives its listening sockets back in its hello.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use neargate_core::liveness::{Hang, Liveness, PERIOD, Remedy};
use neargate_core::routing::control::{FromRouter, RouterLoad, ToRouter};
use rustix::io::FdFlags;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Chain, Interest};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::log;
use super::router_rooms::{self, RoomsError};
use super::router_watch::{self, RouterVigil};
use crate::identity::UserIdentity;
use crate::input_channel::InputSender;
use crate::paths::StateDir;
use crate::private_file;
use crate::socket::ShortName;
use crate::watchdog::ActivityMeter;
use crate::watchdog::sockets::NamedSockets;

/// Most sockets that one message can carry (`SCM_MAX_FD` of the kernel).
const MOST_SOCKETS: usize = 253;
/// SIGSYS: what the kernel ends a process with that its filter of system calls condemns.
const FILTERED: i32 = rustix::process::Signal::SYS.as_raw();
/// A router that has not answered its control socket by then is given up.
const HELLO_TIMEOUT: Duration = Duration::from_secs(10);

/// Why there is no router.
#[derive(Debug, thiserror::Error)]
pub(super) enum RouterStartError {
    /// The process did not start.
    #[error("cannot start the router {program}")]
    Spawn {
        /// Program of the router.
        program: PathBuf,
        #[source]
        source: io::Error,
    },
    /// Its user or its directories could not be had.
    #[error("cannot prepare the router's user and directories")]
    Rooms(#[from] RoomsError),
    /// It does not answer on its control socket.
    #[error("the router does not answer on {socket}")]
    Hello {
        /// Its control socket.
        socket: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// An event of a router, for the engine's loop.
#[derive(Debug)]
pub(super) enum RouterEvent {
    /// It was started and answers, or does not.
    Connected(Result<RouterProcess, RouterStartError>),
    /// It said something.
    Said(FromRouter),
    /// Its connection or its process ended.
    Ended,
}

/// A connected router.
#[derive(Debug)]
pub(super) struct RouterProcess {
    /// Rises with every router of this state directory.
    pub number: u64,
    pub pid: u32,
    /// Version of the table in force at the hello; 0: none.
    pub version: u64,
    orders: watch::Sender<Option<ToRouter>>,
    load: watch::Receiver<RouterLoad>,
}

impl RouterProcess {
    /// Sends an order; one that was not sent yet is replaced by it.
    pub(super) fn order(&self, order: ToRouter) {
        self.orders.send_replace(Some(order));
    }

    /// Load that it told last.
    #[must_use]
    pub(super) fn load(&self) -> RouterLoad {
        self.load.borrow().clone()
    }
}

/// Starts a router on copies of the listening sockets, as the user of routers when the engine is
/// root, and follows it, as [`follow_new`] does. The loop waits for neither: a new process reads
/// and writes files, and so does the register of users.
pub(super) async fn start(
    program: PathBuf,
    state: StateDir,
    number: u64,
    sockets: NamedSockets,
    facts: InputSender<(u64, RouterEvent)>,
) {
    let place = state.clone();
    let spawning = move || {
        let user = router_rooms::provide(&place)?;
        spawn(&program, &place, number, &sockets, user)
    };
    let spawned = tokio::task::spawn_blocking(spawning).await;
    match spawned.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
        Ok(()) => follow_new(state, number, facts).await,
        Err(error) => {
            let failed = RouterEvent::Connected(Err(error));
            let _ = facts.send((number, failed)).await;
        }
    }
}

/// Starts a router on these sockets; it is reaped when it ends. It runs in the engine's own
/// session, with an empty environment. Blocks.
fn spawn(
    program: &Path,
    state: &StateDir,
    number: u64,
    sockets: &NamedSockets,
    user: Option<UserIdentity>,
) -> Result<(), RouterStartError> {
    let failed = |source| RouterStartError::Spawn {
        program: program.to_owned(),
        source,
    };
    let output = private_file::append(&state.router_log()).map_err(failed)?;
    let mut command = tokio::process::Command::new(program);
    command
        .arg("router")
        .arg("--control")
        .arg(state.router_socket(number));
    command.arg("--access-log").arg(state.access_log());
    if let Some(user) = user {
        command
            .arg("--user")
            .arg(format!("{}:{}", user.uid, user.gid));
        command.arg("--sites").arg(state.artifacts());
    }
    let mut inherited: Vec<RawFd> = Vec::new();
    for (name, socket) in sockets {
        command
            .arg("--listener")
            .arg(format!("{name}={}", socket.as_raw_fd()));
        inherited.push(socket.as_raw_fd());
    }
    command.env_clear().stdin(Stdio::null());
    command
        .stdout(output.try_clone().map_err(failed)?)
        .stderr(output);
    // SAFETY: between fork and exec only fcntl is called, on descriptors that the caller keeps
    // open; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            for fd in &inherited {
                let fd = rustix::fd::BorrowedFd::borrow_raw(*fd);
                rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
            }
            Ok(())
        });
    }
    let mut child = command.spawn().map_err(failed)?;
    let socket = state.router_socket(number);
    tokio::spawn(async move {
        let ended = child.wait().await;
        // A router with a user of its own cannot remove it.
        let _ = std::fs::remove_file(socket);
        if ended.is_ok_and(|status| status.signal() == Some(FILTERED)) {
            log(&format!(
                "the kernel ended router {number}: it made a forbidden system call"
            ));
        }
    });
    Ok(())
}

/// Numbers of the control sockets in the state directory, lowest first; some may be dead.
#[must_use]
pub(super) fn numbers(state: &StateDir) -> Vec<u64> {
    let Ok(entries) = std::fs::read_dir(state.run()) else {
        return Vec::new();
    };
    let mut numbers: Vec<u64> = entries
        .flatten()
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_prefix("router-")?
                .strip_suffix(".sock")?
                .parse()
                .ok()
        })
        .collect();
    numbers.sort_unstable();
    numbers
}

/// Connects to a router that was just started, waiting until it answers, and tells the loop:
/// [`RouterEvent::Connected`] first, with [`RouterStartError::Hello`] after ten seconds; then all that
/// it says.
async fn follow_new(state: StateDir, number: u64, facts: InputSender<(u64, RouterEvent)>) {
    match connect_new(&state, number).await {
        Ok(RouterConnection {
            router,
            reader,
            vigil,
            taken,
            ..
        }) => {
            let connected = RouterEvent::Connected(Ok(router));
            if facts.send((number, connected)).await.is_ok() {
                listen(reader, number, vigil, taken, facts).await;
            }
        }
        Err(error) => {
            let _ = facts
                .send((number, RouterEvent::Connected(Err(error))))
                .await;
        }
    }
}

async fn connect_new(state: &StateDir, number: u64) -> Result<RouterConnection, RouterStartError> {
    let socket = state.router_socket(number);
    let attempt = async {
        loop {
            match connect(&socket, number).await {
                Ok(connection) => return Ok(connection),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused
                    ) =>
                {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => return Err(error),
            }
        }
    };
    tokio::time::timeout(HELLO_TIMEOUT, attempt)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        .map_err(|source| RouterStartError::Hello {
            socket: state.router_socket(number),
            source,
        })
}

/// Connects to a router that an earlier engine left, with its listening sockets; `None` when
/// nobody answers there (its socket file is removed).
pub(super) async fn adopt(
    state: &StateDir,
    number: u64,
    facts: InputSender<(u64, RouterEvent)>,
) -> Option<(RouterProcess, Vec<String>, Vec<OwnedFd>)> {
    let socket = state.router_socket(number);
    let hello = tokio::select! {
        found = connect(&socket, number) => found.ok(),
        () = hung(number) => None,
    };
    let Some(found) = hello else {
        let _ = std::fs::remove_file(socket);
        return None;
    };
    tokio::spawn(listen(
        found.reader,
        number,
        found.vigil,
        found.taken,
        facts,
    ));
    Some((found.router, found.listeners, found.sockets))
}

/// Kills the router with this number when it hangs, and returns then: what it holds of the
/// listening sockets must not swallow connections.
async fn hung(number: u64) {
    let found = router_watch::find(number);
    let pid = found.map_or(0, |process| process.pid);
    let (mut liveness, mut meter) = (Liveness::default(), ActivityMeter::of(pid, pid));
    let (began, mut looked) = (Instant::now(), Instant::now());
    loop {
        tokio::time::sleep(PERIOD).await;
        let since = looked.elapsed();
        looked = Instant::now();
        let remedy = liveness.observe(since, false, meter.read());
        let late = began.elapsed() > HELLO_TIMEOUT;
        let remedy = remedy.or(late.then_some(Remedy::Replace(Hang::Busy)));
        if let (Some(process), Some(remedy)) = (found, remedy) {
            router_watch::remedy_of(process, remedy);
        }
        if matches!(remedy, Some(Remedy::Replace(_))) {
            if let Some(process) = found {
                // Its listening sockets are closed when it is gone.
                while process.runs() && began.elapsed() < 2 * HELLO_TIMEOUT {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            return;
        }
    }
}

/// A router that said hello; nobody listens to it yet.
struct RouterConnection {
    router: RouterProcess,
    /// Names of its listening sockets.
    listeners: Vec<String>,
    sockets: Vec<OwnedFd>,
    reader: Chain<io::Cursor<Vec<u8>>, OwnedReadHalf>,
    vigil: RouterVigil,
    /// Up to where its counts were taken, which it is told.
    taken: watch::Sender<u64>,
}

async fn connect(socket: &Path, number: u64) -> io::Result<RouterConnection> {
    let stream = UnixStream::connect(ShortName::of(socket)?.path()).await?;
    let (head, sockets) = receive_hello(&stream).await?;
    let (line, rest) = split_line(&head).ok_or(io::ErrorKind::InvalidData)?;
    let FromRouter::Hello {
        pid,
        version,
        listeners,
        beats,
    } = serde_json::from_slice(line)?
    else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    let (orders, receiver) = watch::channel(None);
    let (reader, writer) = stream.into_split();
    let (taken, counts) = watch::channel(0);
    tokio::spawn(speak(writer, receiver, counts));
    let vigil = RouterVigil::new(number, pid, beats);
    Ok(RouterConnection {
        router: RouterProcess {
            number,
            pid,
            version,
            orders,
            load: vigil.load(),
        },
        listeners,
        sockets,
        reader: io::Cursor::new(rest.to_vec()).chain(reader),
        vigil,
        taken,
    })
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Reads up to the end of the first line at least, with the descriptors that come with it.
async fn receive_hello(stream: &UnixStream) -> io::Result<(Vec<u8>, Vec<OwnedFd>)> {
    let mut bytes = Vec::new();
    let mut sockets = Vec::new();
    while !bytes.contains(&b'\n') {
        stream.readable().await?;
        match stream.try_io(Interest::READABLE, || {
            receive(stream, &mut bytes, &mut sockets)
        }) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok((bytes, sockets))
}

fn receive(
    stream: &UnixStream,
    bytes: &mut Vec<u8>,
    sockets: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut buffer = [0u8; 16 * 1024];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let received = rustix::net::recvmsg(
        stream.as_fd(),
        &mut [io::IoSliceMut::new(&mut buffer)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            sockets.extend(rights);
        }
    }
    bytes.extend_from_slice(&buffer[..received.bytes]);
    Ok(received.bytes)
}

async fn listen<R: tokio::io::AsyncRead + Unpin>(
    reader: R,
    number: u64,
    mut vigil: RouterVigil,
    taken: watch::Sender<u64>,
    facts: InputSender<(u64, RouterEvent)>,
) {
    let mut lines = BufReader::new(reader).lines();
    let mut looks = tokio::time::interval(PERIOD);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line,
            _ = looks.tick() => {
                vigil.check_routers();
                continue;
            }
        };
        let Ok(Some(line)) = line else { break };
        let Ok(said) = serde_json::from_str(&line) else {
            break;
        };
        if let FromRouter::Beat { workers, load } = said {
            vigil.beat(&workers, load);
            continue;
        }
        if let FromRouter::Counted { through, .. } = &said {
            if *through == 0 {
                continue;
            }
            // The queue's: what the loop does not come to is lost with its memory.
            taken.send_replace(*through);
        }
        if facts.send((number, RouterEvent::Said(said))).await.is_err() {
            return;
        }
    }
    let _ = facts.send((number, RouterEvent::Ended)).await;
}

async fn speak<W: tokio::io::AsyncWrite + Unpin>(
    mut writer: W,
    mut orders: watch::Receiver<Option<ToRouter>>,
    mut counts: watch::Receiver<u64>,
) {
    loop {
        let order = tokio::select! {
            changed = orders.changed() => match changed {
                Ok(()) => orders.borrow_and_update().clone(),
                // The engine dropped this router's handle: the connection closes here.
                Err(_) => return,
            },
            Ok(()) = counts.changed() => Some(ToRouter::Taken {
                through: *counts.borrow_and_update(),
            }),
        };
        let Some(order) = order else { continue };
        let Ok(mut line) = serde_json::to_vec(&order) else {
            continue;
        };
        line.push(b'\n');
        if writer.write_all(&line).await.is_err() {
            return;
        }
    }
}
