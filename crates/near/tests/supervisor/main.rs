//! The supervisor with real shims and real processes.
//!
//! Every test passes as root and as an ordinary user. What only root can do says so and is
//! skipped for others.

mod confinement;
mod ending;
mod limits;
mod orphans;
mod starting;
mod stopping;
mod world;
