//! Logs of tasks: `logs/<service>/<task>.log`, written by the shims, read by `neargate logs`.

pub mod reader;
pub mod writer;

pub use reader::{Filter, Line, last_lines, prune, read};
