//! The limit of open files of engine, watchdog and router.
//!
//! Linux gives processes a soft limit of 1,024 for the sake of programs that use `select`; the hard
//! one is far higher. Tasks get their own limit, whatever that of the engine is
//! (`supervisor/child.rs`).

use neargate_core::descriptors;
pub use neargate_core::descriptors::TaskCountBasis;
use neargate_core::model::Manifest;
use rustix::process::{Resource, Rlimit};

use crate::router_workers;

/// Raises the soft limit to the hard one.
pub fn raise() {
    let maximum = rustix::process::getrlimit(Resource::Nofile).maximum;
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    // What cannot be raised is divided as it is.
    let _ = rustix::process::setrlimit(Resource::Nofile, wanted);
}

/// Whether an error is of this machine or process, and says nothing about whoever was asked.
#[must_use]
pub fn is_shortage(error: &std::io::Error) -> bool {
    error.raw_os_error().is_some_and(descriptors::is_shortage)
}

/// Why this process's hard limit is too low for an app, in words; `None`: it is not.
#[must_use]
pub fn shortfall(manifest: &Manifest, extent: TaskCountBasis) -> Option<String> {
    let limit = rustix::process::getrlimit(Resource::Nofile).maximum?;
    descriptors::shortfall(manifest, extent, limit, router_workers::most())
}
