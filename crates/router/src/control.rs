//! The control thread: starts the workers, speaks with engines, publishes tables, watches
//! health and draining targets.
//!
//! Invariant: what an engine must know is resent after its hello (health of every target,
//! targets that have drained), so nothing is queued for an engine that is not there.

mod engine;
mod engine_writer;
mod start;
mod target_registry;

pub(crate) use start::run;
