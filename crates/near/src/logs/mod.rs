//! Logs of tasks: `logs/<service>/<task>.log`, written by the shims, read by `neargate logs`.
//!
//! A line is shown as the task wrote it, byte for byte, without its end (LF or CR LF). A line
//! longer than [`writer::LINE_BYTES`] is stored and shown in parts.

mod backward_reader;
pub mod line;
mod log_chain;
pub mod reader;
pub mod retention;
pub mod writer;

pub use line::{LogLine, OutputStream};
pub use reader::{LogFilter, LogReader};
pub use retention::prune;

use std::path::Path;

use backward_reader::BackwardReader;
use log_chain::LogChain;

use crate::paths::StateDir;

/// Characters of a line in [`last_lines`]: they are evidence in the journal and on a terminal.
const EVIDENCE_CHARACTERS: usize = 2000;

/// The last lines of a task's log, oldest first; each cut after 2,000 characters.
#[must_use]
pub fn last_lines(state: &StateDir, service: &str, task: &str, count: usize) -> Vec<String> {
    let path = state.logs().join(service).join(format!("{task}.log"));
    let mut lines = newest_lines(&path, count);
    lines.reverse();
    lines
}

fn newest_lines(path: &Path, count: usize) -> Vec<String> {
    let Ok(chain) = LogChain::open(path) else {
        return Vec::new();
    };
    let Ok(mut backward) = BackwardReader::from_end(&chain) else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    while lines.len() < count
        && let Ok(Some((_, line))) = backward.next_line()
    {
        let text = line.text();
        match text.char_indices().nth(EVIDENCE_CHARACTERS) {
            Some((end, _)) => lines.push(format!("{}…", &text[..end])),
            None => lines.push(text.into_owned()),
        }
    }
    lines
}
