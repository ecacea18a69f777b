//! What tasks write, shown while `up` runs in the foreground.
//!
//! Invariant: it never ends the command. Lines go to standard output, or above a tree that is
//! drawn; a reader that goes away, or logs that cannot be read, only end the lines.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use neargate_core::time::Timestamp;
use neargate_near::logs::{LogFilter, LogLine, LogReader};
use neargate_near::paths::StateDir;

use crate::live_tree::LinesAbove;
use crate::output;

const EVERY: Duration = Duration::from_millis(200);

/// Where lines go.
pub(crate) enum LineDestination {
    /// To standard output.
    Output,
    /// Above a tree.
    Above(LinesAbove),
}

/// Lines that are shown until this is dropped; what was written by then still comes.
pub(crate) struct TaskLines {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TaskLines {
    /// Shows what tasks write from this moment on.
    pub(crate) fn show(state: &StateDir, since: Timestamp, target: LineDestination) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (state, asked) = (state.clone(), Arc::clone(&ended));
        let thread = std::thread::spawn(move || {
            if let Err(error) = follow(&state, since, &target, &asked) {
                output::note(&format!("cannot show more output of tasks: {error}"));
            }
        });
        Self {
            ended,
            thread: Some(thread),
        }
    }
}

impl Drop for TaskLines {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn follow(
    state: &StateDir,
    since: Timestamp,
    target: &LineDestination,
    ended: &AtomicBool,
) -> std::io::Result<()> {
    let filter = LogFilter {
        since: Some(since),
        ..LogFilter::default()
    };
    let mut reader = LogReader::open(state, filter, None)?;
    loop {
        let last = ended.load(Ordering::Acquire);
        reader.refresh()?;
        while let Some(line) = reader.next_line()? {
            print(target, &line)?;
        }
        if last {
            return Ok(());
        }
        std::thread::park_timeout(EVERY);
    }
}

/// `api-r1-1 | what the task wrote`
fn print(target: &LineDestination, line: &LogLine) -> std::io::Result<()> {
    let text = || {
        output::about(
            &line.task,
            &format!("| {}", output::harmless_line(&line.text())),
        )
    };
    let mut out = std::io::stdout().lock();
    match target {
        LineDestination::Above(tree) if out.is_terminal() => {
            tree.line(&text());
            Ok(())
        }
        _ if out.is_terminal() => {
            drop(out);
            writeln!(anstream::stdout(), "{}", text())
        }
        _ => {
            write!(out, "{} | ", line.task)?;
            out.write_all(&line.bytes)?;
            out.write_all(b"\n")?;
            out.flush()
        }
    }
}
