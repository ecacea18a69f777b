//! The last resort: shims outlive everything, so each of them looks now and then whether there
//! is a watchdog, and starts one when engine and watchdog have died or hang together.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use neargate_core::liveness::{Liveness, PERIOD};
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

use super::activity::ActivityMeter;
use super::line::{self, SHIM};
use crate::paths::StateDir;

/// Between two visits while all is well.
const CALM: Duration = Duration::from_secs(2);
/// Visits in a row to a socket that nobody listens on before a watchdog is started.
const REFUSALS: u32 = 3;
/// A watchdog that was started has this long to listen.
const START: Duration = Duration::from_secs(2);
/// Seen from a task directory, where the shim stands.
const STATE: &str = "../..";

/// How a visit went.
enum Visit {
    /// It answered.
    Well,
    /// Nobody listens.
    Nobody,
    /// Somebody listens and does not answer: pid.
    Silent(u32),
}

/// Visits the watchdog for as long as the shim lives.
pub async fn visits() {
    let mut refused = 0;
    let mut silence: Option<(u32, Liveness, ActivityMeter)> = None;
    // All shims of an environment must not come at the same moment.
    let offset = Duration::from_millis(u64::from(std::process::id() % 500));
    tokio::time::sleep(offset).await;
    loop {
        let began = Instant::now();
        let pause = match visit(&Path::new(STATE).join("run/watchdog.sock")).await {
            Visit::Well => {
                (refused, silence) = (0, None);
                CALM
            }
            Visit::Nobody => {
                refused += 1;
                if refused == REFUSALS {
                    refused = 0;
                    start_watchdog().await;
                }
                if watched() { PERIOD } else { CALM }
            }
            Visit::Silent(pid) => {
                let known = silence.take().filter(|(known, ..)| *known == pid);
                let (_, mut liveness, mut meter) = known
                    .unwrap_or_else(|| (pid, Liveness::default(), ActivityMeter::of(pid, pid)));
                let hang = liveness.look(began.elapsed(), false, meter.read());
                if hang.is_some() {
                    if let Some(process) = crate::supervisor::Process::of(pid) {
                        line::signal(process, Signal::KILL);
                    }
                } else {
                    silence = Some((pid, liveness, meter));
                }
                Duration::ZERO
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn visit(socket: &Path) -> Visit {
    let Ok(mut stream) = UnixStream::connect(socket).await else {
        return Visit::Nobody;
    };
    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
    let ask = async {
        stream.write_all(&[SHIM]).await?;
        stream.read_u8().await
    };
    match tokio::time::timeout(PERIOD, ask).await {
        Ok(Ok(_)) => Visit::Well,
        // It ended while it was asked.
        Ok(Err(_)) => Visit::Nobody,
        Err(_) => match pid.and_then(|pid| u32::try_from(pid).ok()) {
            Some(pid) => Visit::Silent(pid),
            None => Visit::Nobody,
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
    let started = super::start(&super::own_program(), &state);
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
