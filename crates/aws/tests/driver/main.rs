//! The driver against moto's server, over HTTP. See docs/far.md for what that shows and what not.
//!
//! Without `moto_server` each test says so and passes: there is nothing to talk to.

mod back;
mod metrics;
mod releases;
mod secrets;
mod sent;
mod sites;
mod troubles;
mod weights;
mod world;
