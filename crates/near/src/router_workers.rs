//! How many workers a router has.

/// Listening sockets (and router workers) per listener.
const MOST_WORKERS: usize = 4;

/// Worker threads of a router on this machine.
#[must_use]
pub(crate) fn most() -> usize {
    std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(MOST_WORKERS)
}
