//! Logs of tasks: `logs/<service>/<task>.log`, written by the shims, read by `neargate logs`.

pub mod writer;
