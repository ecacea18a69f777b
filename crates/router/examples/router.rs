//! A router process for tests and benchmarks: `router CONTROL LOG NAME=FD…`, with `WORKERS`
//! threads (2).

use std::os::fd::{FromRawFd, OwnedFd};
use std::process::ExitCode;

use neargate_router::{Confinement, RouterConfig, RouterLimits, SignalHandling};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(control), Some(log)) = (arguments.next(), arguments.next()) else {
        return ExitCode::from(2);
    };
    let mut sockets = Vec::new();
    for argument in arguments {
        let Some((name, fd)) = argument.split_once('=') else {
            return ExitCode::from(2);
        };
        let Ok(fd) = fd.parse() else {
            return ExitCode::from(2);
        };
        // SAFETY: the test hands over each descriptor once, open and for this program alone.
        sockets.push((name.to_owned(), unsafe { OwnedFd::from_raw_fd(fd) }));
    }
    let workers = std::env::var("WORKERS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(2);
    let config = RouterConfig {
        sockets,
        control: control.into(),
        access_log: Some(log.into()),
        workers,
        limits: RouterLimits::default(),
        signals: SignalHandling::Drain,
        confinement: Confinement::default(),
    };
    match neargate_router::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}: {:?}", std::error::Error::source(&error));
            ExitCode::FAILURE
        }
    }
}
