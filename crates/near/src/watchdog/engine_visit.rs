//! The last resort: shims outlive everything, so each of them looks now and then whether there
//! is a watchdog, and starts one when engine and watchdog have died or hang together.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use neargate_core::liveness::{Liveness, PERIOD};
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::activity::ActivityMeter;
use super::line::SHIM;
use crate::paths::StateDir;
use crate::process_identity::ProcessIdentity;
use crate::process_signal;

/// Between two visits while all is well.
const CALM: Duration = Duration::from_secs(2);
/// Visits in a row to a socket that nobody listens on before a watchdog is started.
const REFUSALS: u32 = 3;
/// A watchdog that was started has this long to listen.
const START: Duration = Duration::from_secs(2);
/// Seen from a task directory, where the shim stands.
const STATE: &str = "../..";

/// How a visit went.
enum EngineVisit {
    /// It answered: pid.
    Well(Option<u32>),
    /// Nobody listens on the watchdog's socket.
    Nobody,
    /// Somebody listens and does not answer: pid.
    Silent(u32),
}

/// Visits the watchdog for as long as the shim lives.
pub async fn visits() {
    let mut refused = 0;
    let mut host: Option<Host> = None;
    // All shims of an environment must not come at the same moment.
    let offset = Duration::from_millis(u64::from(std::process::id() % 500));
    tokio::time::sleep(offset).await;
    loop {
        let pause = match visit(&Path::new(STATE).join("run/watchdog.sock")).await {
            EngineVisit::Well(pid) => {
                refused = 0;
                pid.into_iter().for_each(|pid| look(&mut host, pid, true));
                CALM
            }
            EngineVisit::Nobody => {
                refused += 1;
                if refused == REFUSALS {
                    refused = 0;
                    start_watchdog().await;
                }
                if watched() { PERIOD } else { CALM }
            }
            EngineVisit::Silent(pid) => {
                look(&mut host, pid, false);
                Duration::ZERO
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// The watchdog as a shim knows it.
struct Host {
    pid: u32,
    liveness: Liveness,
    meter: ActivityMeter,
    looked: Instant,
}

/// Looks whether the watchdog with this pid, which answered or did not, is stopped or hangs.
fn look(host: &mut Option<Host>, pid: u32, answered: bool) {
    if host.as_ref().is_none_or(|known| known.pid != pid) {
        *host = Some(Host {
            pid,
            liveness: Liveness::default(),
            meter: ActivityMeter::of(pid, pid),
            looked: Instant::now(),
        });
    }
    let Some(known) = host else { return };
    let since = known.looked.elapsed();
    known.looked = Instant::now();
    let remedy = known.liveness.observe(since, answered, known.meter.read());
    let process = ProcessIdentity::of(pid);
    if let (Some(remedy), Some(process)) = (remedy, process) {
        process_signal::send(process, process_signal::signal_for(remedy));
    }
}

async fn visit(socket: &Path) -> EngineVisit {
    let Ok(mut stream) = UnixStream::connect(socket).await else {
        return EngineVisit::Nobody;
    };
    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
    let pid = pid.and_then(|pid| u32::try_from(pid).ok());
    let ask = async {
        stream.write_all(&[SHIM]).await?;
        stream.read_u8().await
    };
    match tokio::time::timeout(PERIOD, ask).await {
        Ok(Ok(_)) => EngineVisit::Well(pid),
        // It ended while it was asked.
        Ok(Err(_)) => EngineVisit::Nobody,
        Err(_) => match pid {
            Some(pid) => EngineVisit::Silent(pid),
            None => EngineVisit::Nobody,
        },
    }
}

/// Whether this environment ever had a watchdog.
fn watched() -> bool {
    Path::new(STATE).join("run/watchdog.lock").exists()
}

/// Starts a watchdog where there was one; whoever of several shims is first gets the lock.
async fn start_watchdog() {
    let path = match std::fs::canonicalize(STATE) {
        Ok(path) if watched() => path,
        _ => return,
    };
    let state = StateDir::at(path);
    // This shim may be of an older version than the engine was.
    let program = std::fs::read_link(state.program());
    let program = program.ok().filter(|program| program.exists());
    let started = super::start(&program.unwrap_or_else(super::own_program), &state);
    let Ok(mut child) = started else { return };
    let reaped = tokio::task::spawn_blocking(move || -> io::Result<()> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline && child.try_wait()?.is_none() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    });
    let _ = reaped.await;
}
