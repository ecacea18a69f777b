//! Starting and ending: sockets, log, workers, control socket, signals.

use std::io;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use super::engine;
use super::target_registry::TargetRegistry;
use crate::access_log::LogFile;
use crate::clock::CachedClock;
use crate::count_history::WorkerReport;
use crate::descriptors;
use crate::heartbeat::WorkerBeat;
use crate::pressure::Pressure;
use crate::socket_diag::SocketDiag;
use crate::worker::{self, TableSwap, WorkerStart};
use crate::{RouterConfig, RouterError, SignalHandling};

/// Blocking threads of a worker: they read static files.
const FILE_THREADS: usize = 4;
/// How long a signal's drain may take.
const SIGNAL_DRAIN: Duration = Duration::from_secs(30);
/// Messages under way between control thread and workers.
const QUEUE: usize = 64;

struct Workers {
    swaps: Vec<mpsc::Sender<TableSwap>>,
    beats: Vec<Arc<WorkerBeat>>,
    pressure: Arc<Pressure>,
    threads: Vec<JoinHandle<()>>,
    drain: watch::Sender<bool>,
    clock: CachedClock,
    counts: mpsc::Receiver<WorkerReport>,
}

/// Serves until drained.
pub(crate) fn run(config: RouterConfig) -> Result<(), RouterError> {
    let runtime = runtime()?;
    let _inside = runtime.enter();
    let control = listen(&config.control).map_err(|source| RouterError::Control {
        path: config.control.clone(),
        source,
    })?;
    let log = open_log(&config)?;
    let mut diags = open_diags(&config);
    let diag = diags.pop();
    let sites = config.confinement.enter()?;
    let workers = start_workers(&config, log.as_ref(), diags)?;
    let path = config.control.clone();
    let ended = LocalSet::new().block_on(&runtime, serve(control, workers, config, (sites, diag)));
    let _ = std::fs::remove_file(path);
    ended
}

fn runtime() -> Result<Runtime, RouterError> {
    Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(FILE_THREADS)
        .build()
        .map_err(RouterError::Worker)
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Bound aside and renamed, so that nobody meets it with other permissions.
    let mut aside = path.as_os_str().to_owned();
    aside.push(".new");
    let _ = std::fs::remove_file(&aside);
    let listener = bind(Path::new(&aside))?;
    std::fs::set_permissions(&aside, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&aside, path)?;
    Ok(listener)
}

/// A unix socket's address has room for 107 bytes: it is named by its open directory.
fn bind(path: &Path) -> io::Result<UnixListener> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = std::fs::File::open(directory)?;
    let short = format!("/proc/self/fd/{}", directory.as_raw_fd());
    UnixListener::bind(Path::new(&short).join(name))
}

fn open_log(config: &RouterConfig) -> Result<Option<Arc<LogFile>>, RouterError> {
    let Some(path) = &config.access_log else {
        return Ok(None);
    };
    let log = LogFile::open(path, config.confinement.user);
    log.map(|log| Some(Arc::new(log)))
        .map_err(|source| RouterError::AccessLog {
            path: path.clone(),
            source,
        })
}

/// One for each worker and one for the control thread; none where the kernel does not tell.
fn open_diags(config: &RouterConfig) -> Vec<SocketDiag> {
    SocketDiag::open(config.workers.max(1) + 1).unwrap_or_else(|error| {
        // Without a user of its own the router serves tasks that have none either.
        if config.confinement.user.is_some() {
            eprintln!(
                "only health checks keep requests from strangers at a task's port: the kernel does not tell whose a connection is ({error})"
            );
        }
        Vec::new()
    })
}

fn start_workers(
    config: &RouterConfig,
    log: Option<&Arc<LogFile>>,
    diags: Vec<SocketDiag>,
) -> Result<Workers, RouterError> {
    let count = config.workers.max(1);
    let shares = share(&config.sockets, count)?;
    let limits = descriptors::within(config.limits, count, config.sockets.len())?;
    let pressure = Arc::new(Pressure::new(limits.connections.saturating_mul(count)));
    let clock = CachedClock::start();
    let (drain, draining) = watch::channel(false);
    let (counts_to, counts) = mpsc::channel(QUEUE);
    let (mut swaps, mut threads) = (Vec::new(), Vec::new());
    let beats: Vec<Arc<WorkerBeat>> = (0..count).map(|_| Arc::default()).collect();
    let mut diags = diags.into_iter();
    for (number, sockets) in shares.into_iter().enumerate() {
        let (swap, receiver) = mpsc::channel(QUEUE);
        let start = WorkerStart {
            sockets,
            limits,
            diag: diags.next(),
            log: log.cloned(),
            swaps: receiver,
            draining: draining.clone(),
            counts: counts_to.clone(),
            beat: beats[number].clone(),
            pressure: pressure.clone(),
            clock,
            number,
        };
        let runtime = runtime()?;
        let thread = std::thread::Builder::new()
            .name(format!("worker-{number}"))
            .spawn(move || worker::run(&runtime, start))
            .map_err(RouterError::Worker)?;
        swaps.push(swap);
        threads.push(thread);
    }
    Ok(Workers {
        swaps,
        beats,
        pressure,
        threads,
        drain,
        clock,
        counts,
    })
}

/// Gives each worker its sockets: those of one name in turn, so that each is served by one.
fn share(
    sockets: &[(String, OwnedFd)],
    workers: usize,
) -> Result<Vec<Vec<(String, TcpListener)>>, RouterError> {
    let mut shares: Vec<Vec<(String, TcpListener)>> = (0..workers).map(|_| Vec::new()).collect();
    let mut seen: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for (name, socket) in sockets {
        let failed = |source| RouterError::Socket {
            listener: name.clone(),
            source,
        };
        let listener = TcpListener::from(socket.try_clone().map_err(failed)?);
        listener.set_nonblocking(true).map_err(failed)?;
        let nth = seen.entry(name).or_default();
        shares[*nth % workers].push((name.clone(), listener));
        *nth += 1;
    }
    Ok(shares)
}

async fn serve(
    control: UnixListener,
    workers: Workers,
    config: RouterConfig,
    (sites, diag): (Option<PathBuf>, Option<SocketDiag>),
) -> Result<(), RouterError> {
    let names: Vec<String> = config
        .sockets
        .iter()
        .map(|(name, _)| name.clone())
        .collect();
    let mut fleet = TargetRegistry::new(
        workers.swaps,
        workers.beats,
        workers.pressure,
        workers.clock,
        (sites, diag),
    );
    let mut counts = workers.counts;
    let drain = tokio::select! {
        timeout = engine::converse(&control, &names, &config.sockets, &mut fleet, &mut counts) => timeout,
        () = signalled(config.signals) => SIGNAL_DRAIN,
    };
    // The listening sockets are only let go, never shut down: others hold them.
    drop(config.sockets);
    workers.drain.send_replace(true);
    let ended = async {
        let mut all = workers.threads;
        while !all.iter().all(JoinHandle::is_finished) {
            let woken = fleet.wait(Duration::from_millis(10)).await;
            fleet.apply(woken).await;
            while let Ok(taken) = counts.try_recv() {
                fleet.counted(taken).await;
            }
        }
        all.clear();
    };
    // What is still in flight by then is cut.
    let _ = tokio::time::timeout(drain, ended).await;
    while let Ok(taken) = counts.try_recv() {
        fleet.counted(taken).await;
    }
    fleet.tell_last_counts().await;
    Ok(())
}

async fn signalled(signals: SignalHandling) {
    if signals == SignalHandling::Leave {
        return std::future::pending().await;
    }
    match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(mut terminate), Ok(mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        _ => std::future::pending().await,
    }
}
