//! The engine's own log: its standard error, which is `engine.log`.
//!
//! Invariant: whoever logs waits for no disk once the log has its thread. Bounded: [`WAITING`]
//! lines wait; those for which there is no room are counted, and their number is told.

use std::io::Write;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::clock::now;

/// Lines that may wait for the disk.
const WAITING: usize = 1024;
/// The last lines have so long to reach the disk.
const LAST_LINES: Duration = Duration::from_secs(1);

static THREAD: OnceLock<SyncSender<LogOrder>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

enum LogOrder {
    Write(Vec<u8>),
    /// Tell when all lines before are written.
    Tell(SyncSender<()>),
}

/// Writes a line. A full disk takes none, and nobody ends for it.
pub(crate) fn log(text: &str) {
    let line = line(text);
    let Some(thread) = THREAD.get() else {
        return write(&line);
    };
    if thread.try_send(LogOrder::Write(line)).is_err() {
        DROPPED.fetch_add(1, Relaxed);
    }
}

/// From now on lines are written by a thread. Without one they are written as before.
pub(crate) fn begin() {
    let (orders, receiver) = sync_channel(WAITING);
    let thread = std::thread::Builder::new().name("log".to_owned());
    if thread.spawn(move || run(&receiver)).is_ok() {
        let _ = THREAD.set(orders);
    }
}

/// Waits until the last lines are written, a second at most.
pub(crate) fn end() {
    let (told, written) = sync_channel(1);
    if let Some(thread) = THREAD.get()
        && thread.try_send(LogOrder::Tell(told)).is_ok()
    {
        let _ = written.recv_timeout(LAST_LINES);
    }
}

fn run(orders: &Receiver<LogOrder>) {
    for order in orders {
        let dropped = DROPPED.swap(0, Relaxed);
        if dropped > 0 {
            write(&line(&format!(
                "{dropped} lines were dropped: {WAITING} others waited for the disk"
            )));
        }
        match order {
            LogOrder::Write(line) => write(&line),
            LogOrder::Tell(told) => {
                let _ = told.send(());
            }
        }
    }
}

fn line(text: &str) -> Vec<u8> {
    let text = serde_json::Value::from(text);
    format!("{{\"t\":{},\"m\":{text}}}\n", now().0).into_bytes()
}

/// A full disk takes no line; the engine goes on without it (`eprintln!` would panic).
fn write(line: &[u8]) {
    let _ = std::io::stderr().write_all(line);
}
